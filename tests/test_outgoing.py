"""What a room says: in which order it comes, in how many writes, and who does not hear it."""

import asyncio
import logging
import random
import sys
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from server.connection import Connection
from server.messages import encode
from server.room import Room, tell
from tests.test_room import Hall, hall
from tests.wire import guests, hear, say, serving, within


class Wire:
    """A transport that counts what is written to it; all else the transport below does."""

    def __init__(self, websocket: ServerConnection) -> None:
        self.writes = 0
        self.below = websocket.transport

    def write(self, data: bytes) -> None:
        self.writes += 1
        self.below.write(data)

    def __getattr__(self, name):
        return getattr(self.below, name)


@contextmanager
def counted(*sides: ServerConnection) -> Iterator[list[Wire]]:
    """Put a wire below each connection for a while."""
    wires = [Wire(side) for side in sides]
    for side, wire in zip(sides, wires, strict=True):
        side.transport = wire
    yield wires
    for side, wire in zip(sides, wires, strict=True):
        side.transport = wire.below


def numbered(number: int) -> dict:
    return {"type": "news", "number": number}


async def test_what_is_said_within_one_turn_is_one_write_for_each_client():
    async with hall(3) as (here, clients, sides, _):
        with counted(*sides) as wires:

            def writes(*expected: int) -> bool:
                return [wire.writes for wire in wires] == [sum(expected)] * 3

            for number in range(30):
                here.room.broadcast(numbered(number))
            # The room was quiet, so the first is out already: who is alone waits for nobody.
            assert writes(1)
            for client in clients:
                assert [await hear(client) for _ in range(30)] == [*map(numbered, range(30))]
            assert writes(1, 1)
            for turn in 3, 4:  # a busy room collects from the first on
                for number in range(30):
                    here.room.broadcast(numbered(number))
                assert writes(turn - 1)
                assert [await hear(clients[0]) for _ in range(30)] == [*map(numbered, range(30))]
                assert writes(turn)
            # A long turn is written in parts, or all of it would have to be in memory.
            long = {"type": "news", "text": "x" * 1_000}
            for _ in range(200):
                here.room.broadcast(long)
            assert writes(4, 3)
            assert [await hear(clients[0]) for _ in range(200)] == [long] * 200
            assert writes(4, 4)
            # Once a turn had one message alone, the room is quiet again.
            here.room.broadcast(numbered(1))
            assert writes(8)
            assert await hear(clients[0]) == numbered(1)
            assert writes(9)
            for number in 2, 3:
                here.room.broadcast(numbered(number))
                assert writes(8 + number)
                assert await hear(clients[0]) == numbered(number)


@asynccontextmanager
async def three_kinds(room: Room):
    """Yield members of a room, and their clients: two like any other, one that is compressed, and
    one whose connection is as websockets makes it."""
    here = Hall()
    here.room = room
    local = {"host": "127.0.0.1", "port": 0}
    async with (
        serving(here.handler) as ordinary,
        serve(here.handler, **local, create_connection=Connection) as compressing,
        serve(here.handler, **local, compression=None) as plain,
        guests(ordinary.url, 2) as first,
        guests(url_of(compressing), 1, compression="deflate") as second,
        guests(url_of(plain), 1) as third,
    ):
        clients = [*first, *second, *third]
        yield [await within(here.came.get()) for _ in clients], clients


WAYS = ["room", "room", "room", "skip", "other room", "leave", "come", "ping", "turn"]
WAYS += ["tell", "send", "send all", "library"]


def url_of(server) -> str:
    return f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("seed", range(5))
async def test_nothing_overtakes_anything_whatever_ways_it_is_sent(seed):
    """All ways to send, in any order, within one turn or over several."""
    print("seed:", seed)
    chance = random.Random(seed)
    room, other_room = Room(), Room()
    async with three_kinds(room) as (sides, clients):
        assert [bool(side.protocol.extensions) for side in sides] == [False, False, True, False]
        expected: dict[ServerConnection, list[dict]] = {side: [] for side in sides}
        for number in range(300):
            message, side = numbered(number), chance.choice(sides)
            way = chance.choice(WAYS)
            hearers = {
                "room": set(room.members),
                "skip": room.members - {side},
                "other room": set(other_room.members),
                "tell": {side},
                "send": {side},
                "send all": set(sides),
                "library": set(sides),
            }.get(way, set())
            for hearer in hearers:
                expected[hearer].append(message)
            match way:
                case "room":
                    room.broadcast(message)
                case "skip":
                    room.broadcast(message, skip=side)
                case "other room":
                    other_room.broadcast(message)
                case "leave":
                    chance.choice([room, other_room]).remove(side)
                case "come":
                    chance.choice([room, other_room]).add(side)
                case "tell":
                    tell(side, message)
                case "send":
                    await side.send(encode(message))
                case "send all":
                    await asyncio.gather(*(each.send(encode(message)) for each in sides))
                case "library":
                    broadcast(sides, encode(message))
                case "ping":
                    await side.ping()
                case "turn":
                    await asyncio.sleep(0)
        for client, side in zip(clients, sides, strict=True):
            assert [await hear(client) for _ in expected[side]] == expected[side]
            tell(side, {"type": "last"})
            assert await hear(client) == {"type": "last"}


async def test_who_leaves_within_a_turn_hears_what_was_said_before_and_who_comes_what_is_after():
    async with hall(3) as (here, [ann, ben, cem], [anns, bens, _], _):
        here.room.remove(bens)
        here.room.broadcast(numbered(1))
        here.room.remove(anns)
        here.room.add(bens)
        here.room.broadcast(numbered(2))
        assert await hear(ann) == numbered(1)
        assert await hear(ben) == numbered(2)
        assert [await hear(cem), await hear(cem)] == [numbered(1), numbered(2)]
        tell(anns, numbered(3))
        assert await hear(ann) == numbered(3)


@pytest.mark.parametrize("way", ["server", "goodbye", "vanishes"])
async def test_a_client_that_closes_in_the_middle_of_a_turn_harms_nobody(way):
    async with hall(3) as (here, [ann, ben, cem], [anns, *_], _):
        here.room.broadcast(numbered(1))
        match way:
            case "server":  # what close() does, up to where it begins to wait
                anns.protocol.send_close(4001, "enough")
                anns.send_data()
                anns.transport = wire = Wire(anns)
            case "goodbye":
                ann.protocol.send_close()
                ann.send_data()
            case "vanishes":
                ann.transport.abort()
        here.room.broadcast(numbered(2))
        for other in ben, cem:
            assert [await hear(other), await hear(other)] == [numbered(1), numbered(2)]
        assert await within(here.left.get()) is anns
        here.room.broadcast(numbered(3))
        for other in ben, cem:
            assert await hear(other) == numbered(3)
        if way == "server":
            assert wire.writes == 0  # nothing goes behind the goodbye
            assert await hear(ann) == numbered(1)
            with pytest.raises(ConnectionClosedError) as closed:
                await within(ann.recv())
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "enough")


async def test_a_message_in_pieces_is_not_torn_apart():
    """In the middle of it no other message may be sent (RFC 6455, section 5.4)."""
    async with hall(2) as (here, [ann, ben], [anns, _], _):
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def pieces():
            yield '{"type": '
            begun.set()
            await go_on.wait()
            yield '"whole"}'

        here.room.broadcast(numbered(1))
        sending = asyncio.create_task(anns.send(pieces()))
        await within(begun.wait())
        here.room.broadcast(numbered(2))
        go_on.set()
        await within(sending)
        here.room.broadcast(numbered(3))
        assert [await hear(ben) for _ in range(3)] == [*map(numbered, [1, 2, 3])]
        # The library leaves her out, and says so in its log.
        assert [await hear(ann) for _ in range(3)] == [numbered(1), {"type": "whole"}, numbered(3)]


@pytest.mark.parametrize("way", ["room", "tell"])
async def test_why_a_client_that_does_not_read_is_cut_off_is_in_the_log(way, caplog):
    message = {"type": "news", "text": "x" * 64 * 1_024}
    async with hall(1) as (here, [ann], [anns], server):
        async with guests(server.url, 1, max_queue=1) as [stuck]:
            stucks = await within(here.came.get())
            port = stuck.local_address[1]
            while here.left.empty():
                if way == "room":
                    here.room.broadcast(message)
                else:
                    tell(stucks, message)
                await asyncio.sleep(0)
                if way == "room":
                    await hear(ann)
            with pytest.raises(ConnectionClosed) as closed:
                await within(stucks.recv())
            assert closed.value.sent.code == 1008
            assert "too slow" in closed.value.sent.reason
            stuck.transport.abort()  # it would not read an answer to its goodbye
        [record] = [one for one in caplog.records if one.name == "server.outgoing"]
        assert record.levelno == logging.WARNING
        assert record.getMessage().startswith(f"Cut off the client at port {port} with close code ")
        assert "1008 (too slow" in record.getMessage() and "1024" in record.getMessage()
        here.room.broadcast(numbered(1))
        assert await hear(ann) == numbered(1)
        assert here.room.members == {anns}


async def test_what_nobody_can_get_any_more_is_not_kept():
    async with hall(1) as (here, _, [anns], _):
        anns.transport.abort()
        for number in range(100):
            here.room.broadcast(numbered(number))
        assert await within(here.left.get()) is anns
        here.room.add(anns)
        here.room.broadcast(numbered(0))
        here.room.remove(anns)
        assert not anns._collected


# A flood

FLOOD = """
import sys
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect

text = b'{"type": "message", "content": "Everybody look at me, and at nobody else!"}'
with connect(sys.argv[1], compression=None, proxy=None, max_queue=None) as websocket:
    for _ in range(2):  # the welcome, and that somebody came
        websocket.recv()
    frames = [Frame(Opcode.TEXT, text).serialize(mask=True) for _ in range(10_000)]
    websocket.socket.sendall(b"".join(frames))
    for _ in range(10_000):
        websocket.recv()
"""


async def flooded(url: str, ann, ben) -> tuple[float, int]:
    """Let somebody send 10,000 messages at once. Returns the longest time that Ann waits for an
    answer meanwhile, in seconds, and how many of the messages Ben got."""
    delays, got = [], 0

    async def listen() -> None:
        nonlocal got
        while got < 10_000:
            got += (await hear(ben))["type"] == "message"

    listening = asyncio.create_task(listen())
    flood = await asyncio.create_subprocess_exec(sys.executable, "-c", FLOOD, url)
    over = asyncio.create_task(flood.wait())
    while not over.done():
        began = time.perf_counter()
        await say(ann, {"type": "ping"})
        while (await hear(ann))["type"] != "pong":
            pass
        if got:  # the flood has begun
            delays.append(time.perf_counter() - began)
    assert await over == 0  # it got all of its own messages
    await within(listening)
    return max(delays), got


async def test_a_flood_from_one_client_leaves_the_others_a_quick_server():
    async with serving("connect") as server, guests(server.url, 2) as [ann, ben]:
        waits = []
        for _ in range(3):  # a neighbour on this computer may be in the way, but not each time
            wait, got = await flooded(server.url, ann, ben)
            assert got == 10_000
            waits.append(wait)
            if wait < 0.1:
                break
        print("the longest wait in each, in s:", waits)
        assert min(waits) < 0.1
