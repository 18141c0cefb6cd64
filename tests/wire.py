"""How the tests speak with a server: over the wire, as a stranger would, and with a deadline."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.protocol import State

from server import Joined, Server, start, stop
from server.running import servers

DEADLINE = 10.0  # seconds; generous, since a machine that runs tests is busy


async def within(awaitable: Awaitable[Any], seconds: float = DEADLINE) -> Any:
    """Await something, but not for ever."""
    async with asyncio.timeout(seconds):
        return await awaitable


async def until(condition: Callable[[], Any]) -> None:
    """Let others take their turns until a condition holds, but not for ever."""
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0)


@asynccontextmanager
async def serving(*arguments: Any, **options: Any) -> AsyncIterator[Server | Joined]:
    """Start a server as a notebook does, and stop all that runs in this process in the end."""
    try:
        yield await within(start(*arguments, **options))
    finally:
        await within(stop())
        # A card paints on the loop on which it was made, and each test has a loop of its own.
        servers.clear()


@asynccontextmanager
async def guests(url: str, number: int, **options: Any) -> AsyncIterator[list[ClientConnection]]:
    """Connect several clients, one after the other."""
    # max_queue=None: a guest whom the test does not let read must not hold up its own goodbye.
    options = {"compression": None, "proxy": None, "max_queue": None} | options
    present: list[ClientConnection] = []
    try:
        for _ in range(number):
            present.append(await within(connect(url, **options)))
        yield present
    finally:
        still = [websocket.close() for websocket in present if websocket.state is State.OPEN]
        await within(asyncio.gather(*still))


async def say(websocket: ClientConnection, message: Any) -> None:
    """Send a frame: a text or bytes as they are, anything else as JSON."""
    raw = isinstance(message, str | bytes)
    await within(websocket.send(message if raw else json.dumps(message)))


async def hear(websocket: ClientConnection) -> Any:
    """Return the next message, which must be strict JSON in a text frame."""
    text = await within(websocket.recv())
    assert isinstance(text, str)
    return strict_json(text)


async def hear_out(websocket: ClientConnection) -> list[Any]:
    """Return all messages that still come until the connection is closed."""

    async def collect() -> list[Any]:
        return [strict_json(text) async for text in websocket]

    return await within(collect())


def strict_json(text: str) -> Any:
    """Return the JSON value in a text; NaN and Infinity, which JSON has not, are refused."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    text.encode()  # no half characters
    return json.loads(text, parse_constant=refuse)


class Answer(NamedTuple):
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: str


async def ask(
    port: int,
    path: str,
    *headers: str,
    host: str | None = "",
    address: str = "127.0.0.1",
    method: str = "GET",
    version: str = "HTTP/1.1",
) -> Answer:
    """Send a request exactly as given, and return the answer.

    Args:
        port: A port of this computer.
        path: The request target, sent as it is.
        headers: Further header lines.
        host: The Host header; by default the right one, None for none.
        address: Which of this computer's addresses to ask, and to come from.
        method: What to do, the first word of the request.
        version: Of HTTP, the last word of its first line.
    """
    lines = [f"{method} {path} {version}"]
    if host is not None:
        lines.append(f"Host: {host or f'{address}:{port}'}")
    request = "\r\n".join([*lines, *headers, "", ""])
    reader, writer = await within(asyncio.open_connection(address, port))
    try:
        writer.write(request.encode("latin-1"))
        head = (await within(reader.readuntil(b"\r\n\r\n"))).decode("latin-1").split("\r\n")
        fields = dict(line.split(": ", 1) for line in head[1:] if line)
        answered = {name.lower(): value for name, value in fields.items()}
        body = await within(reader.readexactly(int(answered.get("content-length", 0))))
    finally:
        writer.close()
    return Answer(int(head[0].split()[1]), answered, body.decode())
