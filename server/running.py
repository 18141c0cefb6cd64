"""A server that runs in this process, and may take over a new handler while it runs."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from weakref import WeakSet

from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from server import door
from server.connection import GRACE, Connection, Handler, Replaced
from server.ports import LOOPBACK

Background = Callable[[], Awaitable[None]]

LONGEST_MESSAGE = 64 * 1024  # bytes; a longer one closes its connection with code 1009
FAREWELL = 1.0  # seconds in which a client and a handler may end by themselves when a server stops

# A notebook's variables get overwritten, and a server that nobody can reach any more would hold its
# port until the kernel ends. So this process keeps its servers here, stopped ones as well: one that
# starts again where it was is the same server, on the same card.
servers: dict[tuple[int, str], "Server"] = {}


class Server:
    """A server that runs in this process, with the handler it runs at the moment.

    Displayed in a notebook, it is a live card: where it runs, and who is connected.

    Attributes:
        exercise: The name of the exercise, or "your handler".
        port: The TCP port it listens on.
        url: Where WebSocket clients connect, such as ``ws://127.0.0.1:8764``.
        page: The address of its page for a browser tab.
    """

    def __init__(self, exercise: str, handler: Handler, *, origins: frozenset[str] = frozenset()):
        self.exercise = exercise
        self.watchers: set[Callable[[Any], None]] = set()  # told of each connection, as it begins
        self.handler = handler
        self.first_handler = handler  # that of the exercise, while `handler` is the learner's
        self.options: Mapping[str, Any] = {}  # what `first_handler` was made with
        self.port = 0
        self.failure: Exception | None = None  # what the handler raised last
        self.parks = True  # whether a connection whose handler raised waits for the next one
        self._origins = origins
        self._websockets: WebSocketServer | None = None
        self._heart: asyncio.Task[None] | None = None
        # Also those that have not said yet what they want: browsers connect in advance.
        self._accepted: WeakSet[Connection] = WeakSet()
        self._next_handler = asyncio.Event()
        self._background = _background_of(handler)
        self._background_task: asyncio.Task[None] | None = None
        self._card: Any = None

    @property
    def url(self) -> str:
        return f"ws://{LOOPBACK}:{self.port}"

    @property
    def page(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/"

    @property
    def connections(self) -> set[ServerConnection]:
        """The connections that are open now."""
        return self._websockets.connections if self._websockets else set()

    @property
    def begun(self) -> list[Connection]:
        """The connections that have not ended, also those whose handshake is not over yet."""
        return [w for w in self._accepted if w.is_announced and w.state is not State.CLOSED]

    @property
    def is_running(self) -> bool:
        return self._websockets is not None and self._websockets.is_serving()

    async def open(self, port: int) -> None:
        """Listen on a port of this computer; 0 means any that is free.

        Raises:
            OSError: If the port cannot be had.
        """
        self._websockets = await serve(
            self._converse,
            LOOPBACK,
            port,
            process_request=self._answer_request,
            create_connection=self._accept,
            # Compression costs more than half of the speed, for nothing in messages this small.
            compression=None,
            max_size=LONGEST_MESSAGE,
            # A room of thirty connects within a second when its teacher's server comes back.
            backlog=1_024,
        )
        self.port = self._websockets.sockets[0].getsockname()[1]
        self._heart = asyncio.create_task(_beat())
        servers[self.port, self.exercise] = self
        self._begin_background()
        self._show()

    async def stop(self) -> None:
        """Close every connection with code 1001 (going away) and free the port.

        A client that does not answer, and a handler or a background that goes on, are cut off
        after a second.
        """
        if self._heart is not None:
            self._heart.cancel()
        ending = self._end_background()
        if self._websockets is not None:
            self._websockets.close()
            closed = asyncio.ensure_future(self._websockets.wait_closed())
            await asyncio.wait([closed, *ending], timeout=FAREWELL)
            for websocket in list(self._accepted):
                websocket.cut_off()
            await asyncio.wait([closed], timeout=FAREWELL)
            closed.cancel()
        self._show()

    def use(self, handler: Handler, background: Background | None = None) -> None:
        """Run another handler from now on, on the open connections as well.

        Nobody has to reconnect and no message is lost: a connection that is busy with a message
        changes over before it takes the next one. The background task of the former handler ends,
        and that of this one begins.
        """
        self.handler = handler
        self.failure = None
        self._end_background()
        self._background = background or _background_of(handler)
        if self.is_running:
            self._begin_background()
        for websocket in self.connections:
            websocket.replace_handler()
        self._next_handler.set()
        self._next_handler = asyncio.Event()
        self._show()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Take the handler and its background off the open connections for a while.

        A check runs the same functions, on the same global names. The two would talk to each
        other's clients.
        """
        handler, background, failure = self.handler, self._background, self.failure
        self.use(_wait_until_closed)
        deadline = asyncio.get_running_loop().time() + 2 * GRACE
        while any(websocket.running is handler for websocket in self.connections):
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.01)
        try:
            yield
        finally:
            self.use(handler, background)
            self.failure = failure

    def about(self) -> dict[str, Any]:
        """Return what other kernels learn about this server before they join it."""
        return {
            "course": "websocket-course",
            "exercise": self.exercise,
            "notebook": _notebook_name(),
            "process": os.getpid(),
            "connections": len(self.connections),
        }

    def _accept(self, *arguments: Any, **options: Any) -> Connection:
        websocket = Connection(*arguments, **options)
        self._accepted.add(websocket)
        websocket.watchers = self.watchers
        return websocket

    async def _converse(self, websocket: ServerConnection) -> None:
        """Run the handler on one connection, and its successors when it is replaced."""
        self._show()
        try:
            while websocket.state is State.OPEN:
                next_handler = self._next_handler
                try:
                    await websocket.run(self.handler)
                    return
                except Replaced:
                    continue
                except ConnectionClosed as closed:
                    if websocket.state is not State.OPEN:
                        return  # the client is gone, as clients are
                    self._report(closed)
                except Exception as error:
                    self._report(error)
                if not self.parks:
                    await websocket.close(1011, "the handler raised an exception")
                await _first_of(next_handler.wait(), websocket.wait_closed())
        finally:
            self._show()

    def _begin_background(self) -> None:
        if self._background is not None:
            self._background_task = asyncio.create_task(self._run(self._background))

    def _end_background(self) -> list[asyncio.Task[None]]:
        """Cancel the background task. Returns it, if there was one."""
        task, self._background_task = self._background_task, None
        if task is None:
            return []
        task.cancel()
        return [task]

    async def _run(self, background: Background) -> None:
        try:
            await background()
        except Exception as error:
            self._report(error)

    def _answer_request(self, websocket: ServerConnection, request: Request) -> Response | None:
        any_host = "JUPYTERHUB_SERVICE_PREFIX" in os.environ
        if reason := door.refusal(request, self._origins, any_host):
            return websocket.respond(HTTPStatus.FORBIDDEN, reason + "\n")
        if door.is_handshake(request):
            return None
        return door.respond(websocket, request, self.about())

    def _report(self, error: Exception) -> None:
        """Show what the handler raised where the learner looks: on the card, or in the cell."""
        self.failure = error
        self._show()
        if self._card is None:
            from server.tracebacks import write_traceback

            write_traceback(error)

    def _show(self) -> None:
        if self._card is not None:
            self._card.show()

    def __repr__(self) -> str:
        if not self.is_running:
            return f"<{self.exercise} server, stopped>"
        return f"<{self.exercise} server at {self.url}, {len(self.connections)} connected>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        from server.card import ServerCard, mimebundle  # Only a notebook needs widgets.

        if self._card is None:
            self._card = ServerCard(self)
        return mimebundle(self, self._card.widget, **kwargs)


def _background_of(handler: Handler) -> Background | None:
    """Return what is to run beside a handler: the method `background` of its object, if any."""
    return getattr(getattr(handler, "__self__", None), "background", None)


async def _wait_until_closed(websocket: ServerConnection) -> None:
    await websocket.wait_closed()


async def _first_of(*awaitables: Any) -> None:
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _beat(every: float = 0.5) -> None:
    """Wake the event loop up now and then.

    ipykernel notices the stop button of a notebook when its loop wakes up. Without this, a cell
    that awaits something that never comes could not be stopped.
    """
    while True:
        await asyncio.sleep(every)


def _notebook_name() -> str | None:
    """Return the file name of this kernel's notebook, as far as Jupyter tells."""
    path = os.environ.get("JPY_SESSION_NAME")
    return Path(path).name if path else None
