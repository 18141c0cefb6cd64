"""What all clients of the course share: one connection, shown on a card."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from IPython import get_ipython
from ipywidgets import Button, HBox, Layout, Widget

from client.connection import ReconnectingConnection
from client.field import Field, call_on
from server import stop
from server.card import REPAINT, Card, Painter, mimebundle
from server.messages import Message, encode


class Closable(Protocol):
    """What a cell makes and `close_all` closes: a client, or a view that looks on."""

    _card: Card

    def close(self) -> None: ...

    async def wait_closed(self) -> None: ...


_open: set[Closable] = set()
_made_by_cell: dict[str, tuple[int, list[Closable]]] = {}
_made_before: dict[str, list[Closable]] = {}  # by the run of a cell before its last one


class Client:
    """A client of a WebSocket server: a card with a badge, and the widgets of an exercise.

    To make one of your own, override :meth:`build`, which makes the widgets, and
    :meth:`received`, which is called with each message. Show it in the last line of a cell.

    Attributes:
        url: Where it connects, such as ``ws://127.0.0.1:8764``.
        name: The title of its card.
        failure: What a method of an exercise raised last, or None.
    """

    title = "Client"

    def __init__(self, url: str, name: str | None = None) -> None:
        """Connect in the background, and again whenever the connection is lost.

        Args:
            url: The address of the server, ``ws://…``, or the server that `start` returned.
            name: The title of the card.

        Raises:
            RuntimeError: Outside of a cell of a notebook or an ``async def`` function.
        """
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                "A client needs an event loop that runs. Make it in a cell of a notebook, or "
                "inside an `async def` function."
            ) from None
        self.url: str = getattr(url, "url", url)
        self.name = name or self.title
        self.failure: Exception | None = None
        self._waiters: set[asyncio.Event] = set()
        self._is_there = False
        built = self.build()
        self._card = Card(self.name, built if isinstance(built, list) else [built])
        remember(self)
        self._connection = ReconnectingConnection(
            self.url,
            self.name,
            on_state=self._show_state,
            on_connected=lambda: self._run(self.connected),
            on_data=self._take,
        )

    # What the client of an exercise brings along.

    def build(self) -> Widget | list[Widget]:
        """Make the widgets of this client."""
        return []

    def connected(self) -> None:
        """Called each time the connection is there."""

    def lost(self) -> None:
        """Called each time the connection is gone, whoever ended it."""

    def received(self, message: Message) -> None:
        """Called with each message from the server: a dict, as a rule with a "type"."""

    def received_text(self, text: str) -> None:
        """Called with each frame from the server that is no JSON object."""

    # What it can do.

    @property
    def state(self) -> str:
        """One of "connecting", "connected", "lost", "refused", "disconnected" and "closed"."""
        return self._connection.state

    def send(self, message: Message | str, *, first: bool = False) -> None:
        """Send a message. Without a connection it waits for the next one. Any thread may call it.

        Args:
            message: A dict, which is sent as JSON, or a text, which is sent as it is.
            first: Whether it goes before all that wait; so does what introduces this client.

        Raises:
            TypeError: If JSON cannot express the dict.
            ValueError: If it holds NaN or infinity.
            ConnectionError: If the client was closed, or too many messages wait already.
        """
        text = message if isinstance(message, str) else encode(message)
        self._connection.send(text, first=first)

    def disconnect(self) -> None:
        """Say goodbye to the server, and stay away until :meth:`reconnect`."""
        self._connection.disconnect()

    def reconnect(self) -> None:
        """Connect again after :meth:`disconnect`."""
        self._connection.reconnect()

    def forget_unsent(self) -> None:
        """Forget the messages that wait for a connection."""
        self._connection.forget_unsent()

    def cut(self) -> None:
        """Cut the line without a goodbye, as a pulled cable would. It comes back by itself."""
        self._connection.cut()

    def close(self) -> None:
        """Say goodbye to the server, for good."""
        self._connection.close()

    async def wait_closed(self) -> None:
        """Wait until :meth:`close` or :meth:`disconnect` is done."""
        await self._connection.wait_closed()

    async def until(self, condition: Callable[[], Any], within: float = 5.0) -> None:
        """Wait until a condition holds. It is looked at after each change of this client.

        Args:
            condition: A function without arguments, such as ``lambda: ada.value == 3``.
            within: How long to wait, in seconds.

        Raises:
            TimeoutError: If it does not hold by then.
        """
        change = asyncio.Event()
        self._waiters.add(change)
        try:
            async with asyncio.timeout(within):
                while not condition():
                    await change.wait()
                    change.clear()
        except TimeoutError:
            raise TimeoutError(
                f"{self.name} waited {within} seconds in vain. It is {self.state}."
            ) from None
        finally:
            self._waiters.discard(change)

    # What its widgets need.

    def button(
        self,
        label: str,
        on_click: Callable[[], Any],
        field: Field | None = None,
        **options: Any,
    ) -> Button:
        """Make a button that calls `on_click`, without arguments.

        Args:
            label: What stands on it.
            on_click: Called when somebody clicks it.
            field: The text field it belongs to: the last letters are there before the click is.
            options: What else an ipywidgets Button takes.
        """
        button = Button(description=label, **options)
        button.on_click(lambda _: call_on(self._loop, self._run, on_click))
        if field is not None:
            field.add_button(button)
        return button

    def text_field(
        self,
        placeholder: str,
        on_enter: Callable[[], Any],
        on_change: Callable[[], Any] | None = None,
        **options: Any,
    ) -> Field:
        """Make a text field. The functions are called without arguments.

        Args:
            placeholder: What the empty field shows.
            on_enter: Called when somebody presses the Enter key.
            on_change: Called after each change of the text.
            options: What else it takes: `value`, `disabled`, `layout`.
        """
        field = Field(self._loop, self._run, placeholder=placeholder, **options)
        field.on_enter(on_enter)
        if on_change is not None:
            field.observe(lambda _: self._bridge(on_change), "value")
        return field

    def bridge(self, function: Callable[..., Any]) -> Callable[..., None]:
        """Return a function that a widget may call from any thread: it calls this one on our loop.

        JupyterLab may deliver what somebody does with a mouse on another thread.
        """
        return lambda *arguments: self._bridge(function, *arguments)

    def later(self, seconds: float, function: Callable[[], Any]) -> asyncio.TimerHandle:
        """Call a function after some time, unless :meth:`cancel` of what is returned comes first.

        Args:
            seconds: How long from now.
            function: Called without arguments, if this client is not closed by then.
        """
        return self._loop.call_later(seconds, self._run_if_open, function)

    def painter(self, paint: Callable[[], None], every: float = REPAINT) -> Painter:
        """Make a painter, which calls `paint` after changes, at most once in `every` seconds."""
        return Painter(lambda: self._run(paint), every)

    def repeat(self, every: float, function: Callable[[], Any]) -> None:
        """Call a function again and again, every so many seconds, until this client is closed."""

        def call() -> None:
            if self.state != "closed":
                self._run(function)
                self._loop.call_later(every, call)

        self._loop.call_later(every, call)

    def _bridge(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call a function on the loop of this client.

        JupyterLab may deliver clicks on another thread with a loop of its own. There, tasks
        would start on the wrong loop, and queues would not wake the one who waits.
        """
        self._loop.call_soon_threadsafe(self._run, function, *arguments)

    def _run(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call what an exercise brought along. What it raises is shown on the card."""
        try:
            function(*arguments)
        except Exception as error:
            self.failure = error
            self._card.show_error(error)
        self._changed()

    def _run_if_open(self, function: Callable[[], Any]) -> None:
        if self.state != "closed":
            self._run(function)

    def _take(self, data: str | bytes) -> None:
        text = data if isinstance(data, str) else f"({len(data)} bytes, not a text)"
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            message = None
        if isinstance(message, dict):
            self._run(self.received, message)
        else:
            self._run(self.received_text, text)

    def _show_state(self, state: str, words: str) -> None:
        self._card.show_badge(state, words)
        if state == "closed":
            forget(self)
        was_there, self._is_there = self._is_there, state == "connected"
        if was_there and not self._is_there:
            self._run(self.lost)
        self._changed()

    def _changed(self) -> None:
        for change in self._waiters:
            change.set()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}, {self.state}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return mimebundle(self, self._card.widget, **kwargs)


class Row:
    """Several clients beside each other, or below each other where there is no room."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self.clients = clients
        cards = [client._card.widget for client in clients]
        for card in cards:
            card.layout.flex = "1 1 260px"
        layout = Layout(flex_flow="row wrap", grid_gap="12px", width="100%")
        self._box = HBox(cards, layout=layout)
        for client in clients:
            client._card.rows.append(self._box)

    def __repr__(self) -> str:
        return " ".join(map(repr, self.clients))

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return mimebundle(self, self._box, **kwargs)


def side_by_side(*clients: Client) -> Row:
    """Show several clients beside each other. It goes into the last line of a cell."""
    return Row(clients)


async def close_all() -> None:
    """Close every client of this kernel, then every server."""
    clients = list(_open)
    for client in clients:
        client.close()
    for client in clients:
        await client.wait_closed()
    await stop()


def close_button() -> Button:
    """Make a button that closes what this notebook has open: clients first, then servers."""
    loop = asyncio.get_running_loop()
    button = Button(description="Close everything")
    closing: set[asyncio.Task[None]] = set()  # a task that nobody keeps may vanish half-way

    def begin() -> None:
        button.disabled, button.description = True, "Closed"
        closing.add(loop.create_task(close_all()))

    button.on_click(lambda _: loop.call_soon_threadsafe(begin))
    return button


def forget(client: Closable) -> None:
    """Note that a client is closed."""
    _open.discard(client)


def note_open(client: Closable) -> None:
    """Note that a client is open, so that `close_all` closes it."""
    _open.add(client)


def remember(client: Closable) -> None:
    """Note which cell made a client. When that cell runs again, its former clients are closed.

    Otherwise each run would leave one more connection behind that nobody can see.
    """
    note_open(client)
    shell = get_ipython()
    parent = shell.get_parent() if shell and hasattr(shell, "get_parent") else None
    cell = ((parent or {}).get("metadata") or {}).get("cellId")
    if cell is None:
        return
    count, made = _made_by_cell.get(cell, (None, []))
    if count != shell.execution_count:
        for former in made:
            former.close()
        # Another cell may still show those, and say that they are closed. Older ones have to go:
        # a widget stays in the memory until it is closed, whoever has forgotten it.
        for older in _made_before.get(cell, []):
            older._card.close()
        _made_before[cell], made = made, []
    _made_by_cell[cell] = shell.execution_count, [*made, client]
