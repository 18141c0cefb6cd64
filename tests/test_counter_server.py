"""The counter: every message of its table, to whom it goes, and what it refuses."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosedError

from server.counter import Counter
from tests.wire import guests, hear, say, serving, within

PLUS, MINUS = {"type": "increment"}, {"type": "decrement"}
LONGEST = 64 * 1_024


def told(value: int) -> dict:
    return {"type": "counter", "value": value}


async def expect(value: int, *clients: ClientConnection) -> None:
    """Take the next message of each client, which must tell this value and nothing else."""
    for client in clients:
        assert await hear(client) == told(value)


async def test_whoever_joins_is_told_the_value():
    async with serving("counter") as server, guests(server.url, 2) as [ann, ben]:
        await expect(0, ann, ben)
        await say(ben, PLUS)
        await expect(1, ann, ben)
        async with guests(server.url, 1) as [late]:
            await expect(1, late)


async def test_everybody_hears_each_change_and_so_does_who_made_it():
    async with serving("counter") as server, guests(server.url, 3) as everybody:
        ann, ben, _ = everybody
        await expect(0, *everybody)
        await say(ann, PLUS)
        await expect(1, *everybody)
        await say(ben, MINUS)
        await expect(0, *everybody)
        await say(ben, MINUS)
        await expect(-1, *everybody)


async def test_no_step_is_lost_and_none_is_counted_twice():
    async with serving("counter") as server, guests(server.url, 3) as everybody:
        await expect(0, *everybody)

        async def count(client: ClientConnection, steps: list[dict]) -> None:
            for step in steps:
                await say(client, step)

        ann, ben, cem = everybody
        await asyncio.gather(
            count(ann, [PLUS] * 50), count(ben, [PLUS] * 50), count(cem, [MINUS] * 30)
        )
        heard = [[(await hear(client))["value"] for _ in range(130)] for client in everybody]
        assert heard[0] == heard[1] == heard[2]  # in the same order for all
        assert all(abs(a - b) == 1 for a, b in zip([0, *heard[0]], heard[0], strict=False))
        assert heard[0][-1] == 70


async def test_the_value_is_an_integer():
    async with serving("counter") as server, guests(server.url, 1) as [ann]:
        assert type((await hear(ann))["value"]) is int


async def test_each_server_counts_for_itself():
    async with (
        serving(Counter().handler) as one,
        serving("counter") as other,
        guests(one.url, 1) as [ann],
        guests(other.url, 1) as [ben],
    ):
        await expect(0, ann, ben)
        await say(ann, PLUS)
        await expect(1, ann)
        await say(ben, MINUS)
        await expect(-1, ben)


async def test_fields_that_it_does_not_know_are_ignored():
    async with serving("counter") as server, guests(server.url, 1) as [ann]:
        await expect(0, ann)
        await say(ann, PLUS | {"value": 1_000, "by": 5})
        await expect(1, ann)


# Anything wrong


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("", "Expected JSON"),
        ("increment", "Expected JSON"),
        ('{"type": "increment"', "Expected JSON"),
        ("{'type': 'increment'}", "Expected JSON"),
        ('{"type": "increment", "by": NaN}', "NaN is not JSON"),
        ('{"type": "increment", "by": Infinity}', "Infinity is not JSON"),
        ("null", "Expected a JSON object"),
        ("5", "Expected a JSON object"),
        ('"increment"', "Expected a JSON object"),
        ('["increment"]', "Expected a JSON object"),
        ("{}", "'type' is missing"),
        ('{"value": 5}', "'type' is missing"),
        ('{"type": 1}', "'type' must be a string"),
        ('{"type": null}', "'type' must be a string"),
        ('{"type": {"type": "increment"}}', "'type' must be a string"),
        ('{"type": "Increment"}', "Expected one of: increment, decrement"),
        ('{"type": "counter", "value": 5}', "Expected one of: increment, decrement"),
        ('{"type": "__init__"}', "Expected one of: increment, decrement"),
        ('{"type": "\\ud800"}', "Expected one of: increment, decrement"),
        ("[" * 10_000 + "]" * 10_000, "nested too deep"),
        ('{"type": "increment", "by": ' + "[" * 10_000 + "]" * 10_000 + "}", "nested too deep"),
        (b'{"type": "increment"}', "text frame"),
        (b"\xff\x00", "text frame"),
        (b"", "text frame"),
    ],
)
async def test_whoever_sends_something_wrong_is_told_why_and_nobody_else_notices(data, words):
    async with serving("counter") as server, guests(server.url, 2) as [ann, ben]:
        await expect(0, ann, ben)
        await say(ann, data)
        error = await hear(ann)
        assert set(error) == {"type", "message"}
        assert error["type"] == "error"
        assert words in error["message"]
        # Had anybody heard of it, or had it been counted, this would not come next.
        await say(ann, PLUS)
        await expect(1, ann, ben)


async def test_a_text_that_is_not_utf_8_closes_that_connection_only():
    async with serving("counter") as server, guests(server.url, 2) as [ann, ben]:
        await expect(0, ann, ben)
        await within(ann.send(b"\xff\xfe", text=True))
        with pytest.raises(ConnectionClosedError) as closed:
            await within(ann.recv())
        assert closed.value.rcvd.code == 1007
        await say(ben, PLUS)
        await expect(1, ben)


@pytest.mark.parametrize("size", [LONGEST + 1, 4_000_000])
@pytest.mark.parametrize("kind", ["text", "binary", "pieces"])
async def test_a_message_over_64_kib_closes_that_connection_only(size, kind):
    async with serving("counter") as server, guests(server.url, 2) as [ann, ben]:
        await expect(0, ann, ben)
        body = json.dumps(PLUS) + " " * (size - len(json.dumps(PLUS)))
        piece = 10_000
        data = {
            "text": body,
            "binary": body.encode(),
            "pieces": [body[at : at + piece] for at in range(0, size, piece)],
        }[kind]
        with pytest.raises(ConnectionClosedError) as closed:
            await within(ann.send(data))
            await within(ann.recv())
        assert closed.value.rcvd.code == 1009
        await say(ben, PLUS)
        await expect(1, ben)


async def test_a_message_of_exactly_64_kib_is_taken():
    async with serving("counter") as server, guests(server.url, 1) as [ann]:
        await expect(0, ann)
        body = json.dumps(PLUS)
        await say(ann, body + " " * (LONGEST - len(body)))
        await expect(1, ann)
        # Bytes count, not characters: 32 Ki of these are 64 KiB.
        await say(ann, "é" * (LONGEST // 2))
        assert (await hear(ann))["type"] == "error"


async def test_a_flood_of_wrong_messages_holds_up_nobody():
    """Whoever does not even read the answers is in their own way alone."""
    async with serving("counter") as server, guests(server.url, 1) as [ben]:
        await expect(0, ben)
        async with guests(server.url, 1, max_queue=1) as [flooder]:
            flood = asyncio.create_task(repeat(flooder, "nonsense " * 100))
            for value in range(1, 31):
                await say(ben, PLUS)
                await expect(value, ben)
            flood.cancel()
            flooder.transport.abort()


async def repeat(websocket: ClientConnection, text: str) -> None:
    while True:
        await websocket.send(text)


# Leaving


def watched(counter: Counter) -> tuple[Callable[[ServerConnection], Awaitable], asyncio.Event]:
    """Return the handler of a counter, and an event that tells when somebody has left it."""
    left = asyncio.Event()

    async def handler(websocket: ServerConnection) -> None:
        try:
            await counter.handler(websocket)
        finally:
            left.set()

    return handler, left


@pytest.mark.parametrize("way", ["goodbye", "vanishes"])
async def test_whoever_leaves_is_forgotten_and_the_others_count_on(way):
    counter = Counter()
    handler, left = watched(counter)
    async with serving("counter", handler) as server, guests(server.url, 2) as [ann, ben]:
        await expect(0, ann, ben)
        await say(ann, PLUS)
        if way == "goodbye":
            await within(ann.close())
        else:
            ann.transport.abort()
        await within(left.wait())
        assert len(counter.room.members) == 1
        await expect(1, ben)
        await say(ben, PLUS)
        await expect(2, ben)
        assert server.failure is None


async def test_a_client_that_is_reset_in_the_middle_of_a_message_leaves_nothing_behind():
    counter = Counter()
    handler, left = watched(counter)
    async with serving("counter", handler) as server, guests(server.url, 2) as [ann, ben]:
        await expect(0, ann, ben)
        # The beginning of a frame of 1,000 bytes, and then a reset (RST) in place of the rest.
        ann.transport.write(b"\x81\xfe\x03\xe8\x00\x00\x00\x00" + b" " * 10)
        raw = ann.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        ann.transport.abort()
        await within(left.wait())
        await say(ben, PLUS)
        await expect(1, ben)
        assert server.failure is None
