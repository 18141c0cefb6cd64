"""The room of exercise 1: every message of its table, to whom it goes, and what is an error."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedError

from server.connect import Connect
from tests.wire import guests, hear, hear_out, say, serving, strict_json, within

LONGEST = 64 * 1_024


def without_time(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message without its timestamp, which must be a time of today with its offset."""
    rest = dict(message)
    told = datetime.fromisoformat(rest.pop("timestamp"))
    assert told.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - told) < timedelta(seconds=30)
    return rest


async def heard(client: ClientConnection) -> dict[str, Any]:
    return without_time(await hear(client))


def joined(guest: int, count: int) -> dict[str, Any]:
    return {"type": "user_joined", "message": f"Guest {guest} joined.", "client_count": count}


def left(guest: int, count: int) -> dict[str, Any]:
    return {"type": "user_left", "message": f"Guest {guest} left.", "client_count": count}


def said(guest: int, content: str) -> dict[str, Any]:
    return {"type": "message", "from": f"Guest {guest}", "content": content}


@asynccontextmanager
async def room(number: int) -> AsyncIterator[list[ClientConnection]]:
    """Yield guests who have heard all about the arrival of one another."""
    async with serving("connect") as server, guests(server.url, number) as clients:
        for guest, client in enumerate(clients, 1):
            assert (await heard(client))["type"] == "system"
            for later in range(guest, number + 1):
                assert await heard(client) == joined(later, later)
        yield clients


# Coming and going


async def test_whoever_joins_is_welcomed_first_and_then_announced_to_all():
    async with serving("connect") as server, guests(server.url, 1) as [ann]:
        welcome = await heard(ann)
        assert welcome == {"type": "system", "message": "Welcome! You are Guest 1."}
        assert await heard(ann) == joined(1, 1)
        async with guests(server.url, 1) as [ben]:
            assert await heard(ben) == {"type": "system", "message": "Welcome! You are Guest 2."}
            assert await heard(ben) == joined(2, 2)
            assert await heard(ann) == joined(2, 2)


@pytest.mark.parametrize("way", ["goodbye", "vanishes"])
async def test_whoever_leaves_is_announced_to_the_others(way):
    async with room(3) as [ann, ben, cem]:
        if way == "goodbye":
            await within(ben.close())
        else:
            ben.transport.abort()
        assert await heard(ann) == left(2, 2)
        assert await heard(cem) == left(2, 2)
        await say(ann, {"type": "message", "content": "gone"})
        assert await heard(cem) == said(1, "gone")


async def test_a_number_is_not_given_twice():
    async with room(2) as [ann, ben]:
        await within(ben.close())
        assert await heard(ann) == left(2, 1)
        host, port = ann.remote_address[:2]
        async with guests(f"ws://{host}:{port}", 1) as [cem]:
            assert await heard(cem) == {"type": "system", "message": "Welcome! You are Guest 3."}
            assert await heard(ann) == joined(3, 2)


# Messages


async def test_a_message_goes_to_all_and_so_to_its_sender():
    async with room(3) as everybody:
        await say(everybody[1], {"type": "message", "content": "¡Hola! 🚀 <b>"})
        for client in everybody:
            assert await heard(client) == said(2, "¡Hola! 🚀 <b>")


async def test_the_server_says_who_speaks():
    async with room(2) as [ann, ben]:
        await say(ann, {"type": "message", "content": "hi", "from": "Guest 2", "timestamp": "x"})
        assert await heard(ben) == said(1, "hi")


async def test_messages_come_in_the_order_in_which_they_were_sent():
    async with room(2) as [ann, ben]:
        for number in range(100):
            await say(ann, {"type": "message", "content": str(number)})
        assert [(await hear(ben))["content"] for _ in range(100)] == list(map(str, range(100)))


@pytest.mark.parametrize("length", [1, 2_000])
async def test_content_of_1_to_2_000_characters_is_taken(length):
    async with room(2) as [ann, ben]:
        await say(ann, {"type": "message", "content": "🚀" * length})
        assert await heard(ben) == said(1, "🚀" * length)


async def private(ann: ClientConnection, ben: ClientConnection, data: str | bytes) -> str:
    """Send something as Ann, return the text that she got, and see that Ben got nothing."""
    await say(ann, data)
    answer = await within(ann.recv())
    await say(ann, {"type": "message", "content": "next"})
    assert await heard(ann) == said(1, "next")
    assert await heard(ben) == said(1, "next")
    return answer


async def test_a_ping_is_answered_to_its_sender_alone():
    async with room(2) as [ann, ben]:
        answer = await private(ann, ben, '{"type": "ping"}')
        assert without_time(strict_json(answer)) == {"type": "pong"}


@pytest.mark.parametrize(
    "data",
    [
        '{"type":"dance",   "steps": 3}',
        "{}",
        '{"type": 5}',
        '{"type": ["message"]}',
        '{"type": "Message", "content": "hi"}',
        '{"type": "\\ud800"}',
        '{"content": "hi"}',
        "[1, 2]",
        '"message"',
        " 5 ",
        "1e999",
        "null",
        '"🚀"',
    ],
)
async def test_other_json_is_echoed_to_its_sender_as_the_text_it_was(data):
    async with room(2) as [ann, ben]:
        answer = await private(ann, ben, data)
        assert without_time(strict_json(answer)) == {"type": "echo", "original": data}


@pytest.mark.parametrize(
    "data",
    ["hello", "", " ", "{'type': 'ping'}", '{"type": "ping"', "NaN", "[Infinity]", "¿qué? 🚀"],
)
async def test_what_is_no_json_is_echoed_to_its_sender_as_plain_text(data):
    async with room(2) as [ann, ben]:
        assert await private(ann, ben, data) == f"Echo: {data}"


# Errors


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ('{"type": "message"}', "'content' is missing"),
        ('{"type": "message", "content": null}', "'content' must be a string, got null"),
        ('{"type": "message", "content": 5}', "'content' must be a string, got a number"),
        ('{"type": "message", "content": ["hi"]}', "'content' must be a string, got an array"),
        ('{"type": "message", "content": {}}', "'content' must be a string, got an object"),
        ('{"type": "message", "content": ""}', "'content' must have 1 to 2,000 characters, got 0"),
        (
            json.dumps({"type": "message", "content": "a" * 2_001}),
            "'content' must have 1 to 2,000 characters, got 2,001",
        ),
        ('{"type": "message", "content": "\\ud800"}', "'content' holds half a character"),
        ("[" * 10_000 + "]" * 10_000, "nested too deep"),
        (b'{"type": "ping"}', "text frame"),
        (b"\xff", "text frame"),
    ],
)
async def test_whoever_sends_something_wrong_is_told_why_and_nobody_else_notices(data, words):
    async with room(2) as [ann, ben]:
        error = strict_json(await private(ann, ben, data))
        assert set(error) == {"type", "message"}
        assert error["type"] == "error"
        assert words in error["message"]


async def test_a_message_over_64_kib_closes_that_connection_only():
    async with room(2) as [ann, ben]:
        await within(ann.send("a" * (LONGEST + 1)))
        with pytest.raises(ConnectionClosedError) as closed:
            await hear_out(ann)
        assert closed.value.rcvd.code == 1009
        assert await heard(ben) == left(1, 1)
        await say(ben, {"type": "message", "content": "alone"})
        assert await heard(ben) == said(2, "alone")


async def test_exactly_64_kib_is_echoed():
    async with room(2) as [ann, ben]:
        data = "a" * LONGEST
        assert await private(ann, ben, data) == f"Echo: {data}"
        data = json.dumps(["🚀" * 1_000])
        data += " " * (LONGEST - len(data))
        assert strict_json(await private(ann, ben, data))["original"] == data


async def test_a_crowd_that_comes_and_goes_at_once_leaves_the_room_as_it_was():
    exercise = Connect()
    async with serving("connect", exercise.handler) as server, guests(server.url, 1) as [ann]:
        assert (await heard(ann))["type"] == "system"
        assert await heard(ann) == joined(1, 1)
        async with guests(server.url, 30):
            pass
        news = [await heard(ann) for _ in range(60)]
        assert sum(message["type"] == "user_joined" for message in news) == 30
        assert sum(message["type"] == "user_left" for message in news) == 30
        assert news[-1]["client_count"] == 1
        assert len(exercise.room.members) == 1
