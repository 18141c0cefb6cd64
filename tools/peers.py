"""The servers that the benchmark compares: each passes on every message to everybody.

``python -m tools.peers NAME`` runs one of them on a free port, which it prints, until it is ended.
Each reads the JSON and writes it again, as a server must that has something to say about it. Ours
is the room of the course in the server of the course; the others are as their users write them.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

HOST = "127.0.0.1"


@contextmanager
def among(clients: set, client: Any) -> Iterator[None]:
    """Keep a client among the others until it is gone."""
    clients.add(client)
    try:
        yield
    except ConnectionClosed:
        pass  # the crowd goes without a goodbye
    finally:
        clients.discard(client)


async def course() -> int:
    """The room of the course, in a server as `start` runs it."""
    from server.room import Room
    from server.running import Server

    room = Room()

    async def handler(websocket: ServerConnection) -> None:
        with among(room.members, websocket):
            async for data in websocket:
                room.broadcast(json.loads(data))

    server = Server("your handler", handler)
    await server.open(0)
    return server.port


async def gather() -> int:
    """The server of the exercise sheet: a task for each client, and waiting for all of them."""
    clients: set[ServerConnection] = set()

    async def handler(websocket: ServerConnection) -> None:
        with among(clients, websocket):
            async for data in websocket:
                text = json.dumps(json.loads(data))
                sending = [client.send(text) for client in clients]
                await asyncio.gather(*sending, return_exceptions=True)

    return await listen(handler)


async def library(**options: None) -> int:
    """The broadcast of websockets, by default with the defaults of the library."""
    clients: set[ServerConnection] = set()

    async def handler(websocket: ServerConnection) -> None:
        with among(clients, websocket):
            async for data in websocket:
                broadcast(clients, json.dumps(json.loads(data)))

    return await listen(handler, **options)


async def uncompressed() -> int:
    """The broadcast of websockets, without compression."""
    return await library(compression=None)


async def aiohttp() -> int:
    """A room in aiohttp, without compression, as it is faster so."""
    from aiohttp import WSMsgType, web

    clients: set[web.WebSocketResponse] = set()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse(compress=False)
        await websocket.prepare(request)
        with among(clients, websocket):
            async for data in websocket:
                if data.type is WSMsgType.TEXT:
                    text = json.dumps(json.loads(data.data))
                    for client in list(clients):
                        await client.send_str(text)
        return websocket

    application = web.Application()
    application.router.add_get("/", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0, backlog=1_024).start()
    return runner.addresses[0][1]


async def listen(handler: Callable[[ServerConnection], Awaitable[None]], **options: None) -> int:
    server = await serve(handler, HOST, 0, **options)
    return server.sockets[0].getsockname()[1]


PEERS = {
    "course": course,
    "gather": gather,
    "broadcast": library,
    "uncompressed": uncompressed,
    "aiohttp": aiohttp,
}


async def main(name: str) -> None:
    print(await PEERS[name](), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
