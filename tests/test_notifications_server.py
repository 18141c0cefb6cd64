"""The server of the notifications: one producer for all."""

import asyncio
import json
from datetime import datetime, timedelta

import pytest
from websockets.asyncio.client import connect

from server import start
from server.exercises import load
from server.notifications import TEXTS
from server.running import Server

QUICK = (0.001, 0.003)


async def take(websocket, number):
    async with asyncio.timeout(5):
        return [json.loads(await websocket.recv()) for _ in range(number)]


@pytest.fixture
def make_server():
    async def make(**options):
        server = Server("notifications", load("notifications", **options))
        await server.open(0)
        return server

    return make


async def test_a_notification_is_what_the_table_says(make_server):
    server = await make_server(pace=QUICK)
    async with connect(server.url) as websocket:
        for message in await take(websocket, 30):
            assert set(message) == {"type", "id", "message", "timestamp"}
            assert message["type"] == "notification"
            assert message["message"] in TEXTS
            assert datetime.fromisoformat(message["timestamp"]).utcoffset() == timedelta(0)
    await server.stop()


async def test_ids_are_unique_and_texts_vary(make_server):
    server = await make_server(pace=QUICK)
    async with connect(server.url) as websocket:
        messages = await take(websocket, 60)
    assert len({message["id"] for message in messages}) == 60
    assert len({message["message"] for message in messages}) > 1
    await server.stop()


async def test_everybody_gets_each_one(make_server):
    server = await make_server(pace=QUICK)
    async with connect(server.url) as ada, connect(server.url) as bob:
        first = await take(ada, 20)
        second = await take(bob, 20)
    # They came one after the other: what the later one got, the earlier one got as well.
    assert second[0] in first
    start_at = first.index(second[0])
    assert first[start_at:] == second[: len(first) - start_at]
    await server.stop()


async def test_it_goes_on_when_somebody_leaves_or_vanishes(make_server):
    server = await make_server(pace=QUICK)
    async with connect(server.url) as ada:
        async with connect(server.url) as bob:
            await take(bob, 2)
        carol = await connect(server.url)
        carol.transport.abort()
        await take(ada, 20)
    await server.stop()


async def test_the_pace_is_kept(make_server):
    clock = asyncio.get_running_loop().time
    server = await make_server(pace=(0.05, 0.06))
    async with connect(server.url) as websocket:
        await take(websocket, 1)
        started = clock()
        await take(websocket, 4)
        assert clock() - started > 0.15
    await server.stop()


async def test_no_task_outlives_its_connection_or_its_server():
    before = asyncio.all_tasks()
    server = await start("notifications", pace=(60, 90), port=0)
    alone = asyncio.all_tasks()
    for _ in range(20):
        async with connect(server.url):
            pass
    while server.connections:
        await asyncio.sleep(0)
    async with asyncio.timeout(2):
        while asyncio.all_tasks() != alone:
            await asyncio.sleep(0)
    assert len(alone) == len(before) + 2  # the server's heart and the producer
    async with connect(server.url):
        await server.stop()
    async with asyncio.timeout(2):
        while asyncio.all_tasks() != before:
            await asyncio.sleep(0)


async def test_whoever_speaks_is_told_that_nobody_listens(make_server):
    server = await make_server(pace=(60, 90))
    async with connect(server.url) as ada, connect(server.url) as bob:
        for bad in ["hello", "[]", "{}", '{"type": 7}', '{"type": "notification"}', b"\x00"]:
            await ada.send(bad)
            [error] = await take(ada, 1)
            assert error["type"] == "error" and isinstance(error["message"], str), bad
        await (await bob.ping())
    await server.stop()
