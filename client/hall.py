"""A server for a way to send to all that is tried out: whoever connects hears what anybody says."""

import asyncio
import inspect
import socket
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from server.ports import LOOPBACK

# It gets all connections and a text, and sends this to all of them.
SendToAll = Callable[[set[ServerConnection], str], Awaitable[None] | None]
EXPECTED = "Expected a function with two parameters: the connections, and a text."


class Hall:
    """A server in this kernel that passes on what it hears, in the way that is tried out.

    Attributes:
        is_measured: Whether one of them is measured now. The others rest meanwhile.
        members: The connections that are there.
        port: The TCP port it listens on.
        failure: Done when the function has raised something, and holds it.
    """

    is_measured: ClassVar[bool] = False

    def __init__(self, send_to_all: SendToAll, *, kept: int = 0, **options: Any) -> None:
        """Take a function that sends to all.

        Args:
            send_to_all: Gets the set of all connections and a text.
            kept: How many bytes the operating system keeps for a client that does not read. By
                default, it decides that itself: some megabytes.
            options: Options for `serve` of websockets.

        Raises:
            TypeError: If it is no function with two parameters.
        """
        expect_function(send_to_all)
        self.members: set[ServerConnection] = set()
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._send_to_all, self._kept, self._options = send_to_all, kept, options
        self._talking: set[asyncio.Task[None]] = set()
        self._server: Server | None = None

    async def open(self) -> None:
        """Listen on a free port of this computer."""
        listening = socket.create_server((LOOPBACK, 0), backlog=1_024)
        if self._kept:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._kept)
        self._server = await serve(self._talk, sock=listening, backlog=1_024, **self._options)
        self.port = listening.getsockname()[1]

    def hang_up(self) -> None:
        """Cut off everybody, in whatever the function is doing for them."""
        self.failure.cancel()
        for task in self._talking:
            task.cancel()
        for websocket in self.members:
            websocket.transport.abort()  # a goodbye to each of a thousand would take its time

    async def close(self) -> None:
        """Cut off everybody, and free the port."""
        self.hang_up()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def say(self, text: str) -> None:
        """Send a text to all, in the way that is tried out."""
        sending = self._send_to_all(self.members, text)
        if inspect.isawaitable(sending):
            await sending

    async def _talk(self, websocket: ServerConnection) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.members.add(websocket)
        self._talking.add(task)
        try:
            async for text in websocket:
                await self.say(text)
        except ConnectionClosed:
            pass
        except Exception as error:
            if not self.failure.done():
                self.failure.set_exception(error)
                self.failure.exception()  # so that it counts as looked at
        finally:
            self.members.discard(websocket)
            self._talking.discard(task)


def name_of(function: SendToAll) -> str:
    """Return what a function is called, in words."""
    return getattr(function, "__name__", type(function).__name__).replace("_", " ")


def expect_function(function: Any) -> None:
    """Raise a TypeError that says what was expected, unless this is a function that fits."""
    if not callable(function):
        raise TypeError(f"Got {function!r}. {EXPECTED}")
    try:
        inspect.signature(function).bind(set(), "")
    except TypeError as error:
        raise TypeError(f"{name_of(function)}: {error}. {EXPECTED}") from None
