"""A connection that comes back by itself. It knows nothing of widgets."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import aclosing, suppress
from typing import Any
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus
from websockets.protocol import State

from server.certificate import context_for
from server.tap import Announced

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds between two attempts to connect
STEADY = 5.0  # seconds after which a connection counts as one that works
FAREWELL = 2.0  # seconds that a server has to answer a goodbye
WAITING_LIMIT = 100  # messages that are kept while there is no connection


class ReconnectingConnection:
    """One connection to a server, made again with back-off whenever it is lost.

    Attributes:
        state: "connecting", "connected", "lost", "refused", "disconnected" or "closed".
        watchers: Functions that are told of each connection as it begins.
    """

    def __init__(
        self,
        url: str,
        name: str,
        *,
        on_state: Callable[[str, str], None],
        on_connected: Callable[[], None],
        on_data: Callable[[str | bytes], None],
    ) -> None:
        """Connect in the background.

        Args:
            url: The address of the server, ``ws://…`` or ``wss://…``.
            name: What the server shows of this client.
            on_state: Called with each new state and a few words about it.
            on_connected: Called each time the connection is there.
            on_data: Called with each message that comes.

        Raises:
            RuntimeError: If no event loop runs.
        """
        # Widget callbacks may come on another thread, with a loop of its own. This one counts.
        self._loop = asyncio.get_running_loop()
        self._url = url
        self._agent = f"notebook/{quote(name)}"
        self._on_state, self._on_connected, self._on_data = on_state, on_connected, on_data
        self._websocket: ClientConnection | None = None
        self._newest: AbortableConnection | None = None  # its handshake may not be over yet
        self.watchers: set[Callable[[Any], None]] = set()
        self._outbox: deque[str] = deque()
        self._outbox_filled = asyncio.Event()
        self._leaving: asyncio.Task[None] | None = None
        self.state = "connecting"
        self._task = self._loop.create_task(self._live())

    def send(self, text: str, *, first: bool = False) -> None:
        """Send a text. Without a connection it waits for the next one. Any thread may call it.

        Args:
            text: What to send.
            first: Whether it goes before all texts that wait, as what introduces a client must.

        Raises:
            ConnectionError: If the connection was closed, or too many messages wait already.
            UnicodeEncodeError: If the text holds half a character (a lone surrogate).
        """
        text.encode()  # refused here, where whoever sends it sees it, and not in the background
        if self.state == "closed":
            raise ConnectionError("This client is closed. Run the cell that makes it again.")
        if self._websocket is None and len(self._outbox) >= WAITING_LIMIT:
            raise ConnectionError(f"Not connected, and {WAITING_LIMIT} messages wait already.")
        # Here and not on the loop, which does not run, and so does not count, while a cell does.
        if first:
            self._outbox.appendleft(text)
        else:
            self._outbox.append(text)
        self._loop.call_soon_threadsafe(self._outbox_filled.set)

    def forget_unsent(self) -> None:
        """Forget the messages that wait. Who counts what arrived knows better what to send."""
        self._outbox.clear()

    def disconnect(self) -> None:
        """Close with code 1000, and stay away until :meth:`reconnect`. Any thread may call it."""
        self._loop.call_soon_threadsafe(self._leave, "disconnected")

    def reconnect(self) -> None:
        """Connect again after :meth:`disconnect`. Any thread may call it."""
        self._loop.call_soon_threadsafe(self._return)

    def close(self) -> None:
        """Close with code 1000, for good. Any thread may call it."""
        self._loop.call_soon_threadsafe(self._leave, "closed")

    async def wait_closed(self) -> None:
        """Wait until the closing that was asked for is done."""
        await asyncio.sleep(0)  # close() itself is only on its way to the loop
        if self._leaving is not None:
            await asyncio.wait([self._leaving])

    def cut(self) -> None:
        """Cut the line without a goodbye, as a pulled cable would. Any thread may call it."""
        self._loop.call_soon_threadsafe(self._abort)

    @property
    def begun(self) -> list["AbortableConnection"]:
        """The connection that has not ended, if there is one; also before its handshake is over."""
        newest = self._newest
        if newest is None or not newest.is_announced or newest.state is State.CLOSED:
            return []
        return [newest]

    async def _live(self) -> None:
        """Connect, talk until the connection ends, and begin again."""
        self._show("connecting", "connecting…")
        pauses = back_off()
        try:
            attempts = connect(
                self._url,
                compression=None,
                proxy=None,
                open_timeout=5,
                close_timeout=FAREWELL,
                user_agent_header=self._agent,
                reconnect_delays=back_off,
                process_exception=self._on_failed_attempt,
                create_connection=self._begin,
                ssl=context_for(self._url),
            )
            async with aclosing(attempts.__aiter__()) as websockets:
                async for websocket in websockets:
                    opened = self._loop.time()
                    await self._talk(websocket)
                    if self._leaving is not None:
                        return
                    self._show("lost", f"lost ({farewell(websocket)}) — reconnecting…")
                    # A server that ends each connection at once must not be called without pause.
                    if self._loop.time() - opened > STEADY:
                        pauses = back_off()
                    await asyncio.sleep(next(pauses))
        except Exception as error:
            self._show("refused", f"refused — {reason(error)}")

    def _begin(self, *arguments: Any, **options: Any) -> "AbortableConnection":
        websocket = AbortableConnection(*arguments, **options)
        websocket.watchers = self.watchers
        self._newest = websocket
        return websocket

    async def _talk(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self._show("connected", "connected")
        self._on_connected()
        # Only now: what is sent on connecting can still go before what has been waiting.
        sender = asyncio.create_task(self._send_all(websocket))
        try:
            async for data in websocket:
                self._on_data(data)
        except ConnectionClosed:
            pass
        finally:
            self._websocket = None
            sender.cancel()
            with suppress(ConnectionClosed, asyncio.CancelledError):
                await sender

    async def _send_all(self, websocket: ClientConnection) -> None:
        while True:
            while self._outbox:
                text = self._outbox.popleft()
                try:
                    await websocket.send(text)
                except BaseException:
                    self._outbox.appendleft(text)  # it goes with the next connection
                    raise
            self._outbox_filled.clear()
            await self._outbox_filled.wait()

    def _leave(self, state: str) -> None:
        self._leaving = self._loop.create_task(self._hang_up(state))

    async def _hang_up(self, state: str) -> None:
        if self._websocket is not None:
            closing = asyncio.ensure_future(self._websocket.close())
            await asyncio.wait([closing], timeout=FAREWELL)
            self._abort()  # close() itself would wait for a server that does not read
        self._task.cancel()
        await asyncio.wait([self._task])
        if self.state != "closed":
            self._show(state, state)

    def _return(self) -> None:
        if self._leaving is not None and not self._leaving.done():
            self._leaving.add_done_callback(lambda _: self._return())
        elif self.state != "closed" and self._task.done():
            self._leaving = None
            self._task = self._loop.create_task(self._live())

    def _abort(self) -> None:
        if self._websocket is not None:
            self._websocket.transport.abort()

    def _on_failed_attempt(self, error: Exception) -> Exception | None:
        """Return None to try again, or the error to give up."""
        may_pass = isinstance(error, OSError | TimeoutError | EOFError | InvalidMessage) or (
            isinstance(error, InvalidStatus) and error.response.status_code >= 500
        )
        if not may_pass:
            return error
        state = "connecting" if self.state == "connecting" else "lost"
        self._show(state, f"{state} — {reason(error)}; trying again…")
        return None

    def _show(self, state: str, words: str) -> None:
        self.state = state
        self._on_state(state, words)


class AbortableConnection(Announced, ClientConnection):
    """A connection that may be aborted again after its end, as websockets does.

    asyncio raises an AttributeError then, if the connection ended while there was something left
    to send (https://github.com/agronholm/anyio/issues/1250).
    """

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.transport.abort = lambda: None


def back_off() -> Iterator[float]:
    """Yield pauses in seconds, each about twice as long as the one before."""
    pause = FIRST_PAUSE
    while True:
        # Thirty clients that lost one server must not all come back in the same instant.
        yield pause * random.uniform(0.75, 1.25)
        pause = min(2 * pause, LONGEST_PAUSE)


def farewell(websocket: ClientConnection) -> str:
    """Return how a connection ended, in words."""
    match websocket.close_code:
        case None | 1006:
            return "the line went dead"
        case 1000:
            return "the server said goodbye"
        case 1001:
            return "the server is going away"
        case 1009:
            return "a message was too long"
        case 1011:
            return "the server made a mistake"
        case code:
            return f"close code {code}"


def reason(error: BaseException) -> str:
    """Return why an attempt to connect failed, in words."""
    match error:
        case ConnectionRefusedError():
            return "nobody listens there"
        case TimeoutError():
            return "no answer"
        case InvalidStatus():
            said = (error.response.body or b"").decode(errors="replace").strip()
            # Our servers say why in a line of text. What others send is a whole page.
            plain = error.response.headers.get("Content-Type", "").startswith("text/plain")
            return said[:200] if plain and said else f"HTTP status {error.response.status_code}"
        case InvalidMessage() | EOFError():
            return "what answers there is no WebSocket server"
        case _:
            return str(error) or type(error).__name__
