"""The room: who hears a message, and what becomes of a member that does not read."""

import asyncio
import tracemalloc
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from server.outgoing import UNREAD_LIMIT
from server.room import Room, refuse
from tests.wire import DEADLINE, guests, hear, say, serving, within

KIB = 1_024


class Hall:
    """A server whose every guest is in one room, and which says who has left it."""

    def __init__(self) -> None:
        self.room = Room()
        self.came: asyncio.Queue[ServerConnection] = asyncio.Queue()
        self.left: asyncio.Queue[ServerConnection] = asyncio.Queue()

    async def handler(self, websocket: ServerConnection) -> None:
        self.room.add(websocket)
        self.came.put_nowait(websocket)
        try:
            await websocket.wait_closed()
        finally:
            self.room.remove(websocket)
            self.left.put_nowait(websocket)


@asynccontextmanager
async def hall(number: int):
    """Yield a hall, its guests in the order of their coming, and the server's side of each."""
    here = Hall()
    async with serving(here.handler) as server, guests(server.url, number) as clients:
        yield here, clients, [await within(here.came.get()) for _ in clients], server


async def test_everybody_in_the_room_hears_a_broadcast():
    async with hall(3) as (here, clients, _, _):
        here.room.broadcast({"type": "news", "text": "¡hola! 🚀"})
        here.room.broadcast({"type": "more"})
        for client in clients:
            assert await hear(client) == {"type": "news", "text": "¡hola! 🚀"}
            assert await hear(client) == {"type": "more"}


async def test_whoever_is_skipped_does_not_hear_it():
    async with hall(3) as (here, [ann, ben, cem], [_, bens, _], _):
        here.room.broadcast({"type": "first"}, skip=bens)
        here.room.broadcast({"type": "second"})
        assert await hear(ben) == {"type": "second"}
        for other in (ann, cem):
            assert await hear(other) == {"type": "first"}
            assert await hear(other) == {"type": "second"}
        assert bens in here.room.members


async def test_whoever_was_removed_hears_nothing_and_stays_connected():
    async with hall(2) as (here, [ann, ben], [anns, bens], _):
        here.room.remove(anns)
        here.room.remove(anns)  # twice does no harm
        here.room.broadcast({"type": "news"})
        await refuse(anns, "said to you alone")
        assert await hear(ben) == {"type": "news"}
        assert await hear(ann) == {"type": "error", "message": "said to you alone"}
        assert here.room.members == {bens}


async def test_a_broadcast_in_an_empty_room_and_to_one_who_has_just_left():
    Room().broadcast({"type": "news"})
    async with hall(2) as (here, [ann, ben], [anns, bens], _):
        await within(ann.close())
        assert await within(here.left.get()) is anns
        here.room.add(anns)  # as if it had not been noticed yet
        here.room.broadcast({"type": "news"})
        assert await hear(ben) == {"type": "news"}
        assert bens in here.room.members


async def test_a_message_that_json_cannot_express_reaches_nobody():
    async with hall(1) as (here, [ann], _, _):
        with pytest.raises(ValueError, match="JSON"):
            here.room.broadcast({"type": "news", "value": float("nan")})
        here.room.broadcast({"type": "fine"})
        assert await hear(ann) == {"type": "fine"}


async def test_a_member_that_stopped_reading_is_dropped_and_the_others_go_on():
    message = {"type": "news", "text": "x" * 8 * KIB}
    async with hall(2) as (here, clients, sides, server):
        # max_queue bounds what the library reads ahead: this client takes 1 message, no more.
        async with connect(server.url, max_queue=1, compression=None, proxy=None) as stuck:
            stucks = await within(here.came.get())
            sent, largest = 0, 0
            tracemalloc.start()
            try:
                async with asyncio.timeout(DEADLINE):
                    while here.left.empty():
                        here.room.broadcast(message)
                        sent += 1
                        largest = max(largest, stucks.transport.get_write_buffer_size())
                        for client in clients:
                            assert await hear(client) == message
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert here.left.get_nowait() is stucks
            assert here.room.members == set(sides)
            # It was let be until the limit, and dropped at once beyond it.
            assert largest <= UNREAD_LIMIT + 16 * KIB
            assert sent * 8 * KIB > UNREAD_LIMIT
            assert peak < 3 * UNREAD_LIMIT
            with pytest.raises(ConnectionClosed) as closed:
                await within(drain(stuck))
            assert closed.value.rcvd is None  # no goodbye: it would not have read that either
        here.room.broadcast({"type": "still here"})
        for client in clients:
            assert await hear(client) == {"type": "still here"}


async def drain(websocket) -> None:
    while True:
        await websocket.recv()


async def test_a_member_that_reads_slowly_is_kept():
    """Half the limit unread is no reason to drop anybody."""
    message = {"type": "news", "text": "x" * 8 * KIB}
    half = UNREAD_LIMIT // 2 // (8 * KIB)
    async with hall(1) as (here, [slow], [slows], _):
        for _ in range(half):
            here.room.broadcast(message)
        for _ in range(half):
            assert await hear(slow) == message
        await say(slow, "thank you")
        assert slows in here.room.members
