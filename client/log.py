"""A log of what happened, newest last, that stays small however much happens."""

from collections import deque
from html import escape

from ipywidgets import HTML, Box, Layout

from server.card import Painter

LINES = 200


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
        return [text for _, text in self._rows]

    def add(self, text: str, *, quiet: bool = False) -> None:
        """Add a line; a quiet one is paler."""
        self._rows.append(("course-quiet" if quiet else "", text))
        self._painter.changed()

    def _paint(self) -> None:
        rows = "".join(f'<div class="{style}">{escape(text)}</div>' for style, text in self._rows)
        self._html.value = f'<div class="course-log" role="log">{rows}</div>'
