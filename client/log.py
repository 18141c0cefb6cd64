"""A log of what happened, newest last, that stays small however much happens."""

from collections import deque
from datetime import datetime
from html import escape

from ipywidgets import HTML, Box, Layout

from server.card import Painter

LINES = 200
LONGEST = 2_000  # characters of a line that are shown


class Log:
    """The last 200 lines of what happened, each escaped: what others wrote is never HTML.

    Attributes:
        lines: The texts of the lines, oldest first.
        widget: The widget that shows them.
    """

    def __init__(self, height: str = "180px") -> None:
        self._rows: deque[tuple[str, str]] = deque(maxlen=LINES)
        self._html = HTML()
        self._painter = Painter(self._paint)
        self.widget = Box([self._html], layout=Layout(height=height))
        self.widget.add_class("course-scroll")

    @property
    def lines(self) -> list[str]:
        return [text for text, _ in self._rows]

    def add(self, text: str, *, quiet: bool = False, timestamp: str = "") -> None:
        """Add a line; a quiet one is paler.

        Args:
            text: What the line says.
            quiet: Whether it matters less than what people say.
            timestamp: When it was, as the server tells it; then the line begins with the time.
        """
        row = _row("course-quiet" if quiet else "", timestamp, escape(text[:LONGEST]))
        self._rows.append((text, row))
        self._painter.changed()

    def say(self, name: str, hue: int, text: str, *, own: bool, timestamp: str = "") -> None:
        """Add a line in which somebody speaks.

        Args:
            name: Who speaks.
            hue: The colour of the name, in degrees.
            text: What they say.
            own: Whether it is the very person who reads it.
            timestamp: When it was, as the server tells it.
        """
        words = f"{name_tag(name, hue)} {escape(text[:LONGEST])}"
        row = _row("course-own" if own else "", timestamp, words)
        self._rows.append((f"{name}: {text}", row))
        self._painter.changed()

    def _paint(self) -> None:
        rows = "".join(row for _, row in self._rows)
        self._html.value = f'<div class="course-log" role="log">{rows}</div>'


def name_tag(name: str, hue: int) -> str:
    """Return a name as HTML, in its colour; `bdi` keeps its direction of writing to itself."""
    return f'<bdi class="course-name" style="--hue: {hue}">{escape(name)}</bdi>'


def _row(style: str, timestamp: str, html: str) -> str:
    time = _time_of_day(timestamp)
    shown = f'<span class="course-time">{time}</span>' if time else ""
    return f'<div class="{style}" dir="auto">{shown}{html}</div>'


def _time_of_day(timestamp: str) -> str:
    """Return the time of an ISO 8601 timestamp on this computer's clock, or "" if it is none."""
    try:
        return datetime.fromisoformat(timestamp).astimezone().strftime("%H:%M")
    except (TypeError, ValueError, OverflowError):
        return ""
