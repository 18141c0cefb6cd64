"""A server that runs in this process, and may take over a new handler while it runs."""

import asyncio
import errno
import os
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from weakref import WeakSet

from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from server.addresses import own_addresses
from server.announcement import announcement
from server.certificate import Certificate, CertificateFiles, fingerprint_of, trust
from server.class_progress import ClassProgress
from server.connection import GRACE, Connection, Handler, Replaced
from server.door import Door, is_handshake, keep_token, respond
from server.guest import Guest, Traffic
from server.jupyter import proxy_token
from server.link import PROGRESS, Link
from server.messages import Message, encode
from server.outgoing import UNREAD_LIMIT
from server.ports import LOOPBACK
from server.room import Room
from server.shared import Shared
from server.via import Via

Background = Callable[[], Awaitable[None]]
TLS = bool | tuple[str, str]  # or the files of a certificate and of its key

EVERYWHERE = "0.0.0.0"  # as an address to listen on: every network that this computer is in

LONGEST_MESSAGE = 64 * 1024  # bytes
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
        host: Where it listens: on this computer alone, or in every network that it is in.
        tls: Whether it encrypts, or the files of the certificate with which it does.
        longest_message: In bytes; a longer one closes its connection with code 1009.
        class_progress: What those have passed who share it.
        via: Where it meets the other processes of its room; None if it is the only one.
        shared: What it knows of these others while it runs; else None.
    """

    def __init__(
        self,
        exercise: str,
        handler: Handler,
        *,
        origins: frozenset[str] = frozenset(),
        host: str = LOOPBACK,
        tls: TLS = False,
        longest_message: int = LONGEST_MESSAGE,
        via: Via | None = None,
    ):
        self.exercise = exercise
        self.watchers: set[Callable[[Any], None]] = set()  # told of each connection, as it begins
        self.handler = handler
        self.first_handler = handler  # that of the exercise, while `handler` is the learner's
        self.options: Mapping[str, Any] = {}  # what `first_handler` was made with
        self.host = host
        self.tls = tls
        self.longest_message = longest_message
        self.via = via
        self.shared: Shared | None = None
        self.port = 0
        self.failure: Exception | None = None  # what the handler raised last
        self.parks = True  # whether a connection whose handler raised waits for the next one
        self.class_progress = ClassProgress()
        self._door = Door(origins)
        self._token = secrets.token_urlsafe(16)  # the same as long as this kernel lives
        self._fingerprint = ""
        self._traffic = Traffic()
        self._room_is_open = asyncio.Event()
        self._room_is_open.set()
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
        return self._here.url

    @property
    def page(self) -> str:
        return self._here.page

    @property
    def link(self) -> Link | None:
        """The join link of a class, with its token; None if this computer alone is served."""
        return next(iter(self.links), None)

    @property
    def links(self) -> list[Link]:
        """The join link for each address that this computer has, the likeliest first."""
        if self.host == LOOPBACK:
            return []
        # Looked up each time: a laptop that changes the network has another address.
        return [
            Link(address, self.port, self._token, bool(self.tls), self._fingerprint)
            for address in own_addresses() or [LOOPBACK]
        ]

    @property
    def _here(self) -> Link:
        return Link(LOOPBACK, self.port, secure=bool(self.tls))

    @property
    def connections(self) -> set[ServerConnection]:
        """The connections of the exercise's clients that are open now."""
        connections = self._websockets.connections if self._websockets else set()
        return {guest for guest in connections if guest.is_client}

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
            ConnectionError: If the Redis of a shared room cannot be reached.
            ValueError: If the files of the certificate are none, or that Redis does not let us in.
        """
        certificate = self._certificate()
        if port and (self.host != LOOPBACK or sys.platform != "linux"):
            await _expect_nobody(port)
        self._door.token = None if self.host == LOOPBACK else self._token
        self._websockets = await serve(
            self._converse,
            self.host,
            port,
            process_request=self._answer_request,
            create_connection=self._accept,
            ssl=certificate and certificate.for_server(),
            # Who opens a connection and says nothing, or not in TLS, does not stay long.
            ssl_handshake_timeout=certificate and 5.0,
            logger=self._door.log(),
            # Compression costs more than half of the speed, for nothing in messages this small.
            compression=None,
            max_size=self.longest_message,
            # A room of thirty connects within a second when its teacher's server comes back.
            backlog=1_024,
        )
        self.port = self._websockets.sockets[0].getsockname()[1]
        self._door.proxy_token = proxy_token(self.port)
        if certificate is not None:
            self._fingerprint = fingerprint_of(certificate.der)
            trust(LOOPBACK, self.port, certificate.der)
        self._heart = asyncio.create_task(_beat())
        servers[self.port, self.exercise] = self
        if self.via is not None:
            try:
                await self.meet(self.via)
            except BaseException:
                await self.stop()
                raise
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
        await self._leave_shared()
        self._show()

    async def meet(self, via: Via) -> None:
        """Share the room with other processes elsewhere from now on. Nobody is disconnected.

        Raises:
            ConnectionError: If that Redis cannot be reached.
            ValueError: If it does not let us in.
        """
        shared = Shared(via, self.exercise, self._hear_of_others)
        await shared.connect()
        await self._leave_shared()  # not before: if the new one is not there, the former stays
        self.via, self.shared = via, shared
        await shared.open(self.room)
        self._show()

    async def move(self, host: str, tls: TLS) -> None:
        """Listen elsewhere, on the same port. Everybody is disconnected and comes back."""
        await self.stop()
        self.host, self.tls = host, tls
        await self.open(self.port)

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
        if self.shared is not None:
            self.shared.use(self.room)
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
        try:  # from here on: whoever is interrupted while it waits must not leave it paused
            deadline = asyncio.get_running_loop().time() + 2 * GRACE
            while any(websocket.running is handler for websocket in self.connections):
                if asyncio.get_running_loop().time() > deadline:
                    break
                await asyncio.sleep(0.01)
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
            "class": self.host != LOOPBACK,
            "secure": bool(self.tls),
            "via": self.via and str(self.via),
        }

    # What a teacher does with it: see client/teacher.py.

    @property
    def guests(self) -> list[Guest]:
        """Who is connected now, those who came first at the beginning."""
        return sorted(self.connections, key=lambda guest: guest.since)

    @property
    def exercise_object(self) -> Any:
        """The object whose method the handler is, such as a `Chat`; None if it is a function."""
        return owner_of(self.handler)

    @property
    def room(self) -> Room | None:
        """The room of that object, which other processes may share; None if it has none."""
        room = getattr(self.exercise_object, "room", None)
        return room if isinstance(room, Room) else None

    def watch_traffic(self) -> Traffic:
        """Count messages from now on, until `unwatch_traffic`."""
        self._traffic.lookers += 1
        for guest in self.guests:
            guest.count()
        return self._traffic

    def unwatch_traffic(self) -> None:
        """Count no longer, unless somebody else looks as well. Who is there is counted on."""
        self._traffic.lookers -= 1

    def tell_all(self, message: Message) -> None:
        """Send a message to everybody who is connected."""
        broadcast(self.connections, encode(message))

    @property
    def is_paused(self) -> bool:
        return not self._room_is_open.is_set()

    def pause(self) -> None:
        """Let what clients send wait, and end the background. Nobody is disconnected."""
        self._room_is_open.clear()
        self._end_background()

    def go_on(self) -> None:
        """Go on after :meth:`pause`, with what has waited."""
        if self.is_paused:
            self._room_is_open.set()
            self._begin_background()

    def drop_all(self) -> None:
        """Cut everybody's line without a goodbye, as a pulled cable would. They come back."""
        for guest in self.guests:
            guest.transport.abort()

    def _accept(self, *arguments: Any, **options: Any) -> Connection:
        websocket = Guest(*arguments, **options)
        websocket.traffic, websocket.room_is_open = self._traffic, self._room_is_open
        websocket.unread_limit = max(UNREAD_LIMIT, 2 * self.longest_message)
        self._accepted.add(websocket)
        websocket.watchers = self.watchers
        return websocket

    async def _converse(self, websocket: Guest) -> None:
        """Run the handler on one connection, and its successors when it is replaced."""
        if not websocket.is_client:
            await self.class_progress.converse(websocket)
            return
        if self._traffic.lookers:
            websocket.count()
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

    async def _leave_shared(self) -> None:
        shared, self.shared = self.shared, None
        if shared is not None:
            await shared.close()

    def _hear_of_others(self, words: str | None) -> None:
        """Show what is new of the other processes, and tell everybody if they should know."""
        if words and (message := announcement(self.exercise, words)):
            self.tell_all(message)
        self._show()

    def _begin_background(self) -> None:
        if self._background is not None and not self.is_paused:
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

    def _answer_request(self, websocket: Guest, request: Request) -> Response | None:
        peer = websocket.remote_address
        if refused := self._door.refusal(request, peer[0] if peer else "", self.port):
            response = websocket.respond(refused.status, refused.reason + "\n")
            if refused.status == HTTPStatus.UNAUTHORIZED:
                response.headers["WWW-Authenticate"] = "Bearer"  # RFC 9110, section 11.6.1
            if refused.status == HTTPStatus.METHOD_NOT_ALLOWED:
                response.headers["Allow"] = "GET"  # RFC 9110, section 15.5.6
            return response
        brought = self._door.brought(request)
        self._door.hide_tokens(request)
        if is_handshake(request):
            if request.path.partition("?")[0] == PROGRESS:
                websocket.stay_outside()
            return None
        if brought and request.path.startswith("/?"):
            return keep_token(
                brought,
                self.port,
                secure=bool(self.tls),
                through_jupyter=brought == self._door.proxy_token,
            )
        return respond(websocket, request, self.about())

    def _certificate(self) -> Certificate | CertificateFiles | None:
        if not self.tls:
            return None
        if isinstance(self.tls, tuple):
            return CertificateFiles(*self.tls)
        away = own_addresses() if self.host != LOOPBACK else []
        return Certificate(LOOPBACK, "localhost", *away)

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


def owner_of(handler: Handler) -> Any:
    """Return the object whose method a handler is; None if it is a function."""
    return getattr(handler, "__self__", None)


def _background_of(handler: Handler) -> Background | None:
    """Return what is to run beside a handler: the method `background` of its object, if any."""
    return getattr(owner_of(handler), "background", None)


async def _expect_nobody(port: int) -> None:
    """Raise an OSError if somebody listens on a port of the loopback.

    Most systems let one program listen on all addresses and another on 127.0.0.1 alone, and each
    would hear half of the callers.
    """
    try:
        async with asyncio.timeout(0.3):
            _, writer = await asyncio.open_connection(LOOPBACK, port)
    except (OSError, TimeoutError):
        return
    writer.transport.abort()
    raise OSError(errno.EADDRINUSE, f"Port {port} of {LOOPBACK} is in use.")


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
