"""The server of the dashboard: one sampler for all."""

import asyncio
import json
from datetime import datetime, timedelta
from itertools import count, pairwise

import psutil
import pytest
from websockets.asyncio.client import connect as websockets_connect

from server.exercises import load
from server.running import Server


def connect(url):
    # A client that leaves unread messages behind must not hold up its own goodbye.
    return websockets_connect(url, max_queue=None)


class Dashboard(Server):
    """The server, with its exercise at hand."""

    def __init__(self, **options):
        super().__init__("dashboard", load("dashboard", **options))

    @property
    def exercise_object(self):
        return self.handler.__self__


@pytest.fixture
def make_server():
    async def make(**options):
        server = Dashboard(**options)
        await server.open(0)
        return server

    return make


async def take(websocket, number):
    async with asyncio.timeout(10):
        return [json.loads(await websocket.recv()) for _ in range(number)]


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_sample_is_what_the_table_says(make_server):
    server = await make_server(every=0.02)
    async with connect(server.url) as websocket:
        for message in await take(websocket, 10):
            assert set(message) == {"type", "cpu", "memory", "connections", "timestamp"}
            assert message["type"] == "metrics"
            assert 0 <= message["cpu"] <= 100 and 0 < message["memory"] <= 100
            assert message["connections"] == 1
            assert datetime.fromisoformat(message["timestamp"]).utcoffset() == timedelta(0)
    await server.stop()


async def test_everybody_gets_the_very_same_numbers(make_server, monkeypatch):
    figures = count()  # by which each sample is known
    monkeypatch.setattr(psutil, "cpu_percent", lambda: next(figures))
    server = await make_server(every=0.01)
    got = {}

    async def listen(number):
        async with connect(server.url) as websocket:
            got[number] = await take(websocket, 40)

    async def come_and_go():
        while len(got) < 4:
            async with connect(server.url) as websocket:
                await websocket.recv()

    await asyncio.gather(*map(listen, range(4)), come_and_go())
    known = {message["cpu"]: message for messages in got.values() for message in messages}
    for messages in got.values():
        assert [known[message["cpu"]] for message in messages] == messages
    assert set.intersection(*({m["cpu"] for m in messages} for messages in got.values()))
    await server.stop()


async def test_it_does_not_drift(make_server, monkeypatch):
    # Each measurement takes 20 ms: a pause of 50 ms between two would make 70 ms of each beat.
    def slow():
        busy_until = clock() + 0.02
        while clock() < busy_until:
            pass
        return 12.5

    clock = asyncio.get_running_loop().time
    monkeypatch.setattr(psutil, "cpu_percent", slow)
    server = await make_server(every=0.05)
    async with connect(server.url) as websocket:
        await take(websocket, 1)
        started, lateness = clock(), []
        for beat in range(1, 21):
            await take(websocket, 1)
            lateness.append(clock() - started - beat * 0.05)
    # One beat may be late; that must not make the next ones late. Drift would be 20 × 20 ms.
    assert min(map(abs, lateness[-5:])) < 0.1, lateness
    await server.stop()


async def test_a_computer_that_slept_does_not_make_up_for_what_it_missed(make_server):
    server = await make_server(every=0.05)
    async with connect(server.url) as websocket:
        await take(websocket, 1)
        clock = asyncio.get_running_loop().time
        asleep_until = clock() + 0.5
        while clock() < asleep_until:
            pass
        started = clock()
        await take(websocket, 6)
        assert clock() - started > 0.1
    await server.stop()


async def test_the_first_figure_is_primed_and_again_after_a_rest(make_server, monkeypatch):
    calls = []
    measured = asyncio.get_running_loop().time
    monkeypatch.setattr(psutil, "cpu_percent", lambda: calls.append(measured()) or len(calls))
    server = await make_server(every=0.05)
    for _ in range(2):
        so_far = len(calls)
        async with connect(server.url) as websocket:
            [message] = await take(websocket, 1)
            while message["cpu"] <= so_far:  # of the last minute
                [message] = await take(websocket, 1)
            assert message["cpu"] == so_far + 2
            assert calls[so_far + 1] - calls[so_far] > 0.04
        await until(lambda: server.exercise_object.sampler is None)
    await server.stop()


async def test_one_sampler_for_all_that_rests_when_nobody_is_there(make_server, monkeypatch):
    calls = []
    monkeypatch.setattr(psutil, "cpu_percent", lambda: calls.append(1) or 50.0)
    before = asyncio.all_tasks()
    server = await make_server(every=0.01)
    alone = asyncio.all_tasks()
    assert len(alone) == len(before) + 1  # the server's heart
    async with connect(server.url) as first:
        async with connect(server.url) as second, connect(server.url) as third:
            samples = len(await take(first, 10))
            await asyncio.gather(take(second, 5), take(third, 5))
            assert len(calls) < samples + 10
        await take(first, 5)  # those who leave do not take the sampler with them
    await until(lambda: asyncio.all_tasks() == alone)
    rested = len(calls)
    await asyncio.sleep(0.1)
    assert len(calls) == rested
    async with connect(server.url) as again:
        kept = len(server.exercise_object.last)
        await take(again, kept + 3)
    await server.stop()
    await until(lambda: asyncio.all_tasks() == before)


async def test_it_goes_on_when_the_first_one_leaves(make_server):
    server = await make_server(every=0.01)
    first = await connect(server.url)
    await take(first, 2)
    async with connect(server.url) as second:
        await take(second, 4)
        await first.close()
        await take(second, 10)
    await server.stop()


async def test_a_newcomer_gets_the_last_sixty_and_then_the_live_ones(make_server, monkeypatch):
    figures = count()  # so that no two samples are alike
    monkeypatch.setattr(psutil, "cpu_percent", lambda: next(figures))
    server = await make_server(every=0.002)
    joiners = []
    async with connect(server.url) as first:
        all_of_them = await take(first, 70)

        async def join():
            async with connect(server.url) as websocket:
                joiners.append(await take(websocket, 80))

        for _ in range(3):
            await asyncio.gather(*(join() for _ in range(5)))
        all_of_them += await take(first, 200)
    order = [message["timestamp"] for message in all_of_them]
    numbers = {json.dumps(message): n for n, message in enumerate(all_of_them)}
    assert order == sorted(order)
    for messages in joiners:
        places = [numbers[json.dumps(m)] for m in messages if json.dumps(m) in numbers]
        assert len(places) >= 60
        assert all(later - earlier == 1 for earlier, later in pairwise(places))
    await server.stop()


async def test_no_more_than_sixty_are_kept(make_server):
    server = await make_server(every=0.001)
    async with connect(server.url) as websocket:
        await take(websocket, 100)
        assert len(server.exercise_object.last) == 60
    await server.stop()


async def test_whoever_speaks_is_told_that_nobody_listens(make_server):
    server = await make_server(every=60)
    async with connect(server.url) as ada:
        for bad in ["hello", "[]", "{}", '{"type": 7}', '{"type": "metrics"}', b"\x00"]:
            await ada.send(bad)
            [error] = await take(ada, 1)
            assert error["type"] == "error" and isinstance(error["message"], str), bad
    await server.stop()
