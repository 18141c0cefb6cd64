"""The wire made visible: each handshake and each frame that passes, as a picture or as a table."""

import asyncio
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

from anywidget import AnyWidget
from ipywidgets import HTML, Button, HBox, Layout, ToggleButtons
from traitlets import Int, Unicode
from websockets.asyncio.connection import Connection

from client.frames import Frame, Head
from client.passed import SERVER, Line, Passed, who
from client.space_time import MOMENTS, diagram, moments
from client.widget import Client, forget, remember
from client.wire_table import detail, table
from server import Joined, Server
from server.card import Card, Painter, mimebundle

KEPT = 500  # events
ROWS = 100  # of them in the table
REPAINT = 0.25  # seconds between two paintings, at least
HERE = Path(__file__).parent


class Panel(AnyWidget):
    """Shows what was drawn; a click on something with a number selects it."""

    _esm = (HERE / "wire.js").read_text(encoding="utf-8")
    _css = (HERE / "wire.css").read_text(encoding="utf-8")
    html = Unicode().tag(sync=True)
    label = Unicode().tag(sync=True)
    selected = Int(0).tag(sync=True)


@dataclass
class Held:
    """What there is to be drawn at one moment.

    Attributes:
        events: Oldest first.
        lines: The connections that were open.
        last: The number of the last event that is drawn.
    """

    events: list[Passed]
    lines: list[Line]
    last: int


class Wire:
    """Shows all that passes between a server and its clients, live: each frame, byte by byte.

    Show it in the last line of a cell. Click a frame to see its bytes. When the cell runs again,
    the Wire that it made before is closed. It keeps the last 500 events, and the first 200 bytes
    of each; if more pass than can be drawn, it draws the newest, and what passes is not slowed
    down by it.

    Attributes:
        seen: The last 500 events, oldest first.
        passed: How many events there were.
        chosen: The event whose bytes are shown, or None.
    """

    def __init__(self, watched: Any, view: str = "diagram") -> None:
        """Watch a server, a client or a single connection from now on.

        Args:
            watched: What `start` returned, or a client of the course such as a ChatClient, or a
                connection of websockets.
            view: What to show at first, "diagram" or "table".

        Raises:
            TypeError: If it is none of these.
            ValueError: If there is no such view.
            RuntimeError: Outside of a cell of a notebook or an ``async def`` function.
        """
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                "A Wire needs an event loop that runs. Make it in a cell of a notebook, or inside "
                "an `async def` function."
            ) from None
        if view not in ("diagram", "table"):
            raise ValueError(f'There is no view {view!r}. Expected "diagram" or "table".')
        if not isinstance(watched, Server | Joined | Client | Connection):
            raise TypeError(
                f"Got {watched!r}. Expected a server (what `start` returned), a client such as "
                "ChatClient(server), or a connection of websockets: Wire(server)"
            )
        self.seen: deque[Passed] = deque(maxlen=KEPT)
        self.passed = 0
        self.chosen: Passed | None = None
        self.is_closed = False
        self._began = time()
        self._lines: list[Line] = []
        self._lines_begun = 0
        self._held: Held | None = None  # what there was when it was paused
        self._oldest_drawn = 0
        self._name = _name_of(watched)
        self._source = watched._connection if isinstance(watched, Client) else watched
        self._painter = Painter(self._paint, REPAINT)
        self._build(view)
        remember(self)
        self._watch_all()
        self._paint()

    # What it can do, by hand or driven from code.

    def choose(self, number: int) -> None:
        """Show the bytes of the event with this number. With 0, show none."""
        known = [*(self._held.events if self._held else []), *self.seen]
        self.chosen = next((event for event in known if event.number == number), None)
        self._panel.selected = number if self.chosen else 0
        self._detail.value = detail(self.chosen, self._began) if self.chosen else ""

    def pause(self) -> None:
        """Draw nothing new, so that one can look. What passes is kept all the same."""
        if self._held is None:
            self._held = Held(list(self.seen), self._open_lines(), self.passed)
            self._painter.changed()

    def resume(self) -> None:
        """Draw what passes, live."""
        self._held = None
        self._painter.changed()

    def older(self) -> None:
        """Pause, and go back to what was before the oldest that is drawn now."""
        self.pause()
        if self._held.events and self._oldest_drawn > self._held.events[0].number:
            self._held.last = self._oldest_drawn - 1
        self._paint()

    def show(self, view: str) -> None:
        """Show the "diagram" or the "table"."""
        self._views.value = view

    def close(self) -> None:
        """Watch no longer. What was seen stays to be looked at."""
        self.is_closed = True
        if hasattr(self._source, "watchers"):
            self._source.watchers.discard(self._watch)
        for line in self._lines:
            line.stop()
        forget(self)
        self._paint()

    async def wait_closed(self) -> None:
        """Return at once: nothing is left to be done after :meth:`close`."""

    # Watching

    def _watch_all(self) -> None:
        match self._source:
            case Joined():
                return
            case Connection() as websocket:
                self._watch(websocket)
            case source:
                source.watchers.add(self._watch)
                for websocket in sorted(source.begun, key=who):
                    self._watch(websocket)

    def _watch(self, websocket: Connection) -> None:
        self._lines = [line for line in self._lines if line.is_open]
        self._lines_begun += 1
        self._lines.append(Line(websocket, self._lines_begun, self._note, self._labels))

    def _labels(self) -> set[str]:
        return {SERVER} | {line.label for line in self._lines if line.is_open and line.known_label}

    def _note(
        self, line: Line, from_client: bool, what: Frame | Head | None, was_before: bool
    ) -> None:
        self.passed += 1
        if not line.first:
            line.first = self.passed
        if what is None:
            line.ended = self.passed
        seconds = None if was_before else time() - self._began
        self.seen.append(Passed(self.passed, seconds, line, from_client, what))
        self._painter.changed()

    # Showing

    def _build(self, view: str) -> None:
        self._views = ToggleButtons(options=[("Diagram", "diagram"), ("Table", "table")])
        self._views.value = view
        self._views.style.button_width = "auto"
        self._pause = Button(description="Pause", tooltip="Hold the picture; nothing is lost")
        self._older = Button(description="Older", tooltip="Hold the picture, and go back")
        self._panel = Panel(label="What has passed on the wire", layout=Layout(min_width="0"))
        self._count = HTML()
        self._detail = HTML()
        for button in (self._pause, self._older):
            button.layout.width = "auto"
        self._views.observe(lambda _: self._bridge(self._painter.changed), "value")
        self._pause.on_click(lambda _: self._bridge(self._pause_or_resume))
        self._older.on_click(lambda _: self._bridge(self.older))
        self._panel.observe(lambda change: self._bridge(self._clicked, change["new"]), "selected")
        controls = HBox([self._views, self._pause, self._older, self._count])
        controls.layout.flex_flow = "row wrap"
        controls.layout.align_items = "center"
        self._card = Card(f"The wire of {self._name}", [controls, self._panel, self._detail])
        self._card.widget.add_class("course-wire")
        if isinstance(self._source, Joined):
            controls.layout.display = self._panel.layout.display = "none"

    def _bridge(self, function: Any, *arguments: Any) -> None:
        # JupyterLab may deliver clicks on another thread, with a loop of its own.
        self._loop.call_soon_threadsafe(function, *arguments)

    def _pause_or_resume(self) -> None:
        if self._held is None:
            self.pause()
        else:
            self.resume()

    def _clicked(self, number: int) -> None:
        if number != (self.chosen.number if self.chosen else 0):
            self.choose(number)

    def _paint(self) -> None:
        if isinstance(self._source, Joined):
            self._card.show_badge("joined", "out of sight")
            self._detail.value = (
                '<div class="course-body">This server runs in another kernel, and its wire is '
                "there. Here you can watch a client, for example <code>Wire(ada)</code>.</div>"
            )
            return
        shown = self._held or Held(list(self.seen), self._open_lines(), self.passed)
        events = [event for event in shown.events if event.number <= shown.last]
        if self._views.value == "table":
            rows = events[-ROWS:]
            self._oldest_drawn = rows[0].number if rows else 0
            self._panel.html = table(rows)
        else:
            drawn = moments(events)[-MOMENTS:]
            self._oldest_drawn = drawn[0].first.number if drawn else 0
            lines = [line for line in shown.lines if line.first <= shown.last]
            self._panel.html = diagram(drawn, lines)
        self._paint_state()

    def _open_lines(self) -> list[Line]:
        """Return the connections on which something has passed, and more may."""
        return [line for line in self._lines if line.is_open and line.first]

    def _paint_state(self) -> None:
        self._pause.description = "Go on" if self._held else "Pause"
        state, words = "running", "watching"
        if self.is_closed:
            state, words = "stopped", "closed"
        elif self._held:
            state, words = "connecting", "paused"
        self._card.show_badge(state, f"{words} · {self.passed:,} passed")
        hint = f"the last {KEPT} are kept" if self.passed > KEPT else "click one to see its bytes"
        if self._held:
            hint = f"{self.passed - self._held.last:,} newer"
        self._count.value = f'<span class="course-quiet">{hint}</span>'

    def __repr__(self) -> str:
        return f"<Wire of {self._name}, {self.passed} passed>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return mimebundle(self, self._card.widget, **kwargs)


def _name_of(watched: Any) -> str:
    match watched:
        case Client():
            return watched.name
        case Connection():
            return "one connection"
        case _ if watched.exercise == "your handler":
            return "your server"
        case _:
            return f"the {watched.exercise} server"
