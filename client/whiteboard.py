"""The client of exercise 7: a sheet on which everybody draws, and what one can do with it."""

import secrets
import unicodedata
from asyncio import TimerHandle
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np
from ipycanvas import Canvas, MultiCanvas, hold_canvas
from ipywidgets import HTML, Box, ColorPicker, Dropdown, FileUpload, HBox, Layout, Widget

from client.drawing import (
    FARTHEST,
    HEIGHT,
    WIDTH,
    Drawing,
    Point,
    Stroke,
    color_of,
    from_json,
    is_pair,
    is_point,
    shade,
    to_json,
    to_png,
    to_svg,
)
from client.pad import Pad
from client.widget import Client
from server.messages import Message

TICK = 0.015  # seconds between two paintings, at least
HELLO = 1.0  # seconds in which a server that takes batches says so
PATIENCE = 1.5  # seconds, twice of which a server may take for an answer
ASKING = 4.0  # seconds in which a second click on Clear clears
GONE = 5.0  # seconds after which a pen that does not move is shown no longer
UNTAKEN = 2_000  # messages that are kept until the server has taken them
MOST_POINTS = 500  # in one message
WIDTHS = {"thin": 3, "medium": 8, "thick": 20}


class WhiteboardClient(Client):
    """Shows the drawing, and draws on it.

    It asks for batches: several points in one message. With a server that does not offer them it
    falls back to one message a point.

    Attributes:
        drawing: What is on the sheet; ``drawing.strokes`` are its strokes in order.
        pen: The number of this client's pen, or None before the server told it.
        words: What it says below the sheet.
    """

    title = "Whiteboard"

    def __init__(self, url: str, name: str | None = None) -> None:
        """Connect in the background, and draw under a name if one is given."""
        self._key = secrets.token_urlsafe(12)  # with it we get our pen back after the line broke
        super().__init__(_asking_for_batches(getattr(url, "url", url)), name)

    def build(self) -> list[Widget]:
        self.drawing = Drawing()
        self.pen: int | None = None
        self.words = ""
        self._mode: str | None = None  # "batch" or "plain", once the server is known
        self._no_hello: TimerHandle | None = None
        self._number = 0
        self._waited_for = 0  # the message without an answer when we looked last
        self._untaken: deque[Message] = deque()  # what the server has not taken yet, in order
        # Of each view of the pad: its messages that are not on the sheet yet, with its number and
        # ours; the last one that we took; the last one that is on the sheet; what it was told.
        self._batches: deque[tuple[str, int, int]] = deque()
        self._taken: dict[str, int] = {}
        self._drawn: dict[str, int] = {}
        self._told: dict[str, tuple[int, int]] = {}
        self._strokes_begun = 0  # for a plain server
        self._pens: dict[int, tuple[Message, float]] = {}  # where others are, since when
        self._pens_shown = False
        self._asked_to_clear = False
        self._painter = self.painter(self._paint, TICK)

        size = {"width": WIDTH, "height": HEIGHT}
        self.sheet = MultiCanvas(2, **size, layout=Layout(width="100%", height="100%"))
        self.sheet.on_client_ready(self.bridge(self._page_came))
        self.pad = Pad(**size)
        self.pad.on_events(self.bridge(self._on_pad))
        self.colors = ColorPicker(concise=True, value=self.pad.color, tooltip="Colour")
        self.widths = Dropdown(options=WIDTHS, value=3, tooltip="How wide the pen is")
        self.colors.observe(lambda _: self._bridge(self._look_changed), "value")
        self.widths.observe(lambda _: self._bridge(self._look_changed), "value")
        self.undo_button = self.button("Undo", self.undo, tooltip="Take your last stroke back")
        self.clear_button = self.button("Clear", self._ask_to_clear, tooltip="For everybody")
        self.save_buttons = [
            self.button(kind, lambda kind=kind: self.save(kind.lower()), tooltip=f"Save as {kind}")
            for kind in ("PNG", "SVG", "JSON")
        ]
        self.upload = FileUpload(accept=".json", description="Open", tooltip="A saved JSON file")
        self.upload.observe(lambda _: self._bridge(self._on_upload), "value")
        self.note = HTML()
        self._say("")  # it takes its place now: nothing may move while somebody draws
        frame = Box([self.sheet, self.pad])
        frame.add_class("course-sheet")
        tools = [self.colors, self.widths, self.undo_button, self.clear_button]
        tools += [*self.save_buttons, self.upload]
        for tool in tools:
            tool.layout.width = "auto"
        self.colors.layout.width = "32px"
        self.upload.add_class("course-open")
        self.repeat(1.0, self._forget_idle_pens)
        self.repeat(PATIENCE, self._look_for_answers)
        row = HBox(tools, layout=Layout(flex_flow="row wrap"))
        row.add_class("course-tools")
        return [frame, row, self.note]

    # What it can do, by hand or driven from code.

    def draw(
        self, points: Sequence[Point], color: str | None = None, width: float | None = None
    ) -> None:
        """Draw a stroke.

        Args:
            points: Where it leads, in pixels of the sheet, which is 800 wide and 500 high.
            color: Such as "#1a73e8"; by default the one that is chosen.
            width: In pixels, from 1 to 50; by default the one that is chosen.

        Raises:
            ValueError: If there is no point, or one is too far from the sheet.
        """
        places = [[float(value) for value in point] for point in points]
        if not places or not all(map(is_pair, places)):
            raise ValueError(
                "Expected a list of at least one point such as (120, 80.5), "
                f"with numbers from -{FARTHEST:,} to {FARTHEST:,}."
            )
        (x, y), *rest = places
        self._do({"type": "draw_start", "x": x, "y": y} | self._look(color, width))
        for first in range(0, len(rest), MOST_POINTS):
            self._do({"type": "draw_points", "points": rest[first : first + MOST_POINTS]})
        self._do({"type": "draw_end"})

    def undo(self) -> None:
        """Take one's own last stroke away, for everybody."""
        self._do({"type": "undo"})

    def clear(self) -> None:
        """Clear the sheet, for everybody."""
        self._do({"type": "clear"})

    def save(self, kind: str = "png", path: str | Path | None = None) -> Path:
        """Save the drawing. Nothing that is there is overwritten, unless a path is given.

        Args:
            kind: "png", "svg" or "json"; a drawing in JSON can be opened again.
            path: The file; by default whiteboard.png and so on, in the notebook's folder.

        Raises:
            ValueError: If there is no such kind.
        """
        ways = {"png": to_png, "svg": to_svg, "json": to_json}
        if kind not in ways:
            raise ValueError(f"Expected one of {', '.join(ways)}, got {kind!r}.")
        data = ways[kind](self.drawing.strokes.values())
        file = Path(path) if path else _unused(f"whiteboard.{kind}")
        file.write_bytes(data.encode() if isinstance(data, str) else data)
        self._say(f"Saved as {file.name}")
        return file

    def open(self, drawing: str | Path | bytes) -> None:
        """Draw once more what was saved as JSON, for everybody, on top of what is there.

        Args:
            drawing: The path of the file, or what is in it.

        Raises:
            ValueError: If it is no such drawing.
            OSError: If the file cannot be read.
        """
        text = drawing if isinstance(drawing, bytes) else Path(drawing).read_bytes()
        for stroke in from_json(text):
            self.draw(stroke.points, stroke.color, stroke.width)

    # What happens to it.

    def connected(self) -> None:
        self._begin_anew()
        self._no_hello = self.later(HELLO, self._fall_back)

    def _begin_anew(self) -> None:
        """Forget the drawing: the server tells it once more."""
        self.drawing.clear()
        self._pens.clear()
        self._mode = None
        self._painter.changed()

    def lost(self) -> None:
        # What the server has not taken is sent once more, when it has told what it has taken.
        self.forget_unsent()
        self._stop_waiting()
        self._mode = None

    def _stop_waiting(self) -> None:
        if self._no_hello is not None:
            self._no_hello.cancel()

    def received(self, message: Message) -> None:
        match message:
            case {"type": "hello", "batch": True}:
                self._stop_waiting()
                self._begin_anew()  # also when another handler takes over on this connection
                look = {"username": _username(self.name) or self.title, "key": self._key}
                self.send({"type": "join"} | look)
            case {"type": "welcome", "pen": int(pen), "taken": int(taken)}:
                self._welcomed(pen, taken)
            case {"type": "error"} if self._mode == "batch" and "n" not in message:
                self._fall_back()  # a handler has taken over that does not know batches
            case {"type": "error", "message": str(words)}:
                self._say(words)
                self._forget_taken(message.get("n"))
                self.pad.wipe()
            case {"type": "taken"}:  # and nobody was told: it changed nothing
                self._forget_taken(message.get("n"))
            case {"type": "pointer", "pen": int(pen), "x": x, "y": y} if is_point(x, y):
                self._pens[pen] = message, self._loop.time()
            case {"type": "pointer_gone", "pen": int(pen)}:
                self._pens.pop(pen, None)
            case _:
                self.drawing.take(message)
                self._follow_pen(message)
        self._painter.changed()

    def _welcomed(self, pen: int, taken: int) -> None:
        """Learn which pen is ours, and what of it the server has taken before the line broke."""
        if self.pen is None and self.colors.value == Pad.color.default_value:
            self.colors.value = shade(pen)
        self.pen, self._mode = pen, "batch"
        self._forget_taken(taken)
        for message in self._untaken:
            self.send(message)

    def _look_for_answers(self) -> None:
        """Connect anew if the server does not say that it took what we sent.

        The line may be dead, or a handler has taken over that knows nothing of batches.
        """
        waiting = self._untaken[0]["n"] if self._untaken and self._mode == "batch" else 0
        if waiting and waiting == self._waited_for:
            self.cut()
        self._waited_for = waiting

    def _fall_back(self) -> None:
        """Send one message a point from now on: the server has not said that it takes several."""
        self._mode = "plain"
        while self._untaken:
            self._do_plain(self._untaken.popleft())

    def _follow_pen(self, message: Message) -> None:
        """Note who drew, and where their pen is now."""
        match message:
            case {"pen": self.pen}:
                self._forget_taken(message.get("n"))
                self._say("")  # what it said before is over
            # What was drawn before we came has no "n": that pen may be gone, or elsewhere.
            case {"type": "draw_start", "pen": int(pen), "n": _, "x": x, "y": y} if is_point(x, y):
                self._pens[pen] = message, self._loop.time()
            case {"type": "draw_points", "pen": int(pen), "points": [*_, last]} if is_pair(last):
                if pen in self._pens:
                    where = {"x": last[0], "y": last[1]}
                    self._pens[pen] = self._pens[pen][0] | where, self._loop.time()

    def _forget_taken(self, number: int | None) -> None:
        while number and self._untaken and self._untaken[0]["n"] <= number:
            self._untaken.popleft()

    # Drawing.

    def _do(self, message: Message) -> None:
        """Send what this pen does; without a connection it waits."""
        if self._mode == "plain":
            self._do_plain(message)
        elif self._mode is None and len(self._untaken) >= UNTAKEN:
            self._say("You have drawn a lot without a connection. This is not kept any more.")
            self.pad.wipe()
        else:
            self._number += 1
            counted = message | {"n": self._number}
            self._untaken.append(counted)
            if self._mode == "batch":
                self.send(counted)

    def _do_plain(self, message: Message) -> None:
        """Send one message a point. Such a server does not tell us what we did ourselves."""
        message = {key: value for key, value in message.items() if key != "n"}
        if message["type"] == "draw_points":
            for x, y in message["points"]:
                self.send({"type": "draw_move", "x": x, "y": y})
        else:
            self.send(message)
        if message["type"] == "draw_start":
            self._strokes_begun += 1
            self._say("")  # what it said before is over
        if message["type"].startswith("draw_"):
            self.drawing.take(message | {"stroke": f"own {self._strokes_begun}"})
            self._painter.changed()

    def _on_pad(self, view: str, number: int, events: list[dict[str, Any]]) -> None:
        """Take what somebody did with the mouse, a pen or a finger."""
        for event in events:
            if event["type"] != "pointer":
                self._do(event)
            elif self._mode == "batch":
                self.send(event)
        self._taken[view] = number
        self._batches.append((view, number, self._number))
        self._painter.changed()

    def _look(self, color: str | None = None, width: float | None = None) -> Message:
        return {"color": color or self.pad.color, "width": width or self.pad.stroke}

    def _look_changed(self) -> None:
        self.pad.color, self.pad.stroke = self.colors.value, self.widths.value

    def _ask_to_clear(self) -> None:
        """Clear at the second click: it takes away what everybody has drawn."""
        if self._asked_to_clear:
            self._do_not_clear()
            self.clear()
        else:
            self._asked_to_clear = True
            self.clear_button.description = "Clear for everybody?"
            self.clear_button.button_style = "danger"
            self.later(ASKING, self._do_not_clear)

    def _do_not_clear(self) -> None:
        self._asked_to_clear = False
        self.clear_button.description, self.clear_button.button_style = "Clear", ""

    def _on_upload(self) -> None:
        for file in self.upload.value:
            try:
                self.open(bytes(file["content"]))
            except ValueError as error:
                self._say(f"{file['name']}: {error}")
        if self.upload.value:
            self.upload.value = ()

    # What is shown.

    def _paint(self) -> None:
        """Paint what has come since the last time, in one message to the page."""
        anew, parts = self.drawing.unpainted()
        # All that could raise comes before: an exception while a canvas is held would end painting.
        ready = [(s, np.array(points, dtype="float32")) for s, points in parts if points]
        pens = [message for message, _ in self._pens.values()]
        if anew or ready or pens or self._pens_shown:
            with held():
                if anew:
                    self.sheet[0].clear()
                for stroke, points in ready:
                    _paint_stroke(self.sheet[0], stroke, points)
                self.sheet[1].clear()
                for message in pens:
                    _paint_pen(self.sheet[1], message)
            self._pens_shown = bool(pens)
        self._tell_pad()

    def _tell_pad(self) -> None:
        """Tell the pad what it need not show any more, since the sheet does."""
        waiting = self._untaken[0]["n"] if self._untaken else float("inf")
        while self._batches and self._batches[0][2] < waiting:
            view, number, _ = self._batches.popleft()
            self._drawn[view] = number
        for view, taken in self._taken.items():
            news = taken, self._drawn.get(view, 0)
            if self._told.get(view) != news:
                self._told[view] = news
                self.pad.tell(view, *news)

    def _page_came(self) -> None:
        """Paint all once more: a page was opened or loaded again, and its canvas is empty."""
        self.drawing.repaint()
        self._painter.changed()

    def _forget_idle_pens(self) -> None:
        until = self._loop.time() - GONE
        idle = [pen for pen, (_, since) in self._pens.items() if since < until]
        for pen in idle:
            del self._pens[pen]
        if idle:
            self._painter.changed()

    def _say(self, words: str) -> None:
        self.words = words
        self.note.value = f'<div class="course-note" role="status">{escape(self.words)}</div>'


@contextmanager
def held() -> Iterator[None]:
    """Collect what is painted into one message, which is sent even if something raises.

    `hold_canvas` alone would collect for ever then, for every canvas of the kernel.
    """
    hold = hold_canvas()
    hold.__enter__()
    try:
        yield
    finally:
        hold.__exit__(None, None, None)


def _paint_stroke(canvas: Canvas, stroke: Stroke, points: Any) -> None:
    if len(points) > 1:
        # Each time: a page that was loaded again has forgotten what a canvas was set to.
        canvas.line_cap = canvas.line_join = "round"
        canvas.stroke_style, canvas.line_width = stroke.color, stroke.width
        canvas.stroke_lines(points)
    else:
        canvas.fill_style = stroke.color
        canvas.fill_circle(*map(float, points[0]), stroke.width / 2)


def _paint_pen(canvas: Canvas, message: Message) -> None:
    x, y = message["x"], message["y"]
    canvas.fill_style, canvas.font = color_of(message.get("color")), "16px sans-serif"
    canvas.fill_circle(x, y, 4)
    # Near the right edge the name stands on the left, or it would be cut off.
    canvas.text_align, beside = ("left", 8) if x < WIDTH - 160 else ("right", -8)
    canvas.fill_text(str(message.get("username", ""))[:20], x + beside, max(y - 6, 14))


def _username(name: str) -> str:
    """Return a name as a server takes it: 1 to 20 characters that one can see."""
    seen = (" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in name)
    return " ".join("".join(seen).split())[:20].strip()


def _asking_for_batches(url: str) -> str:
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, "batch=1"]))
    return urlunsplit(parts._replace(path=parts.path or "/", query=query))


def _unused(name: str) -> Path:
    """Return a path of this name, or of one with a number, at which no file is."""
    path, number = Path(name), 1
    while path.exists():
        number += 1
        path = Path(f"{Path(name).stem}-{number}{Path(name).suffix}")
    return path
