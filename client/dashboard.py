"""The client of exercise 6: numbers and charts of the last minute, and how old they are."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ipywidgets import HTML

from client.widget import Client
from server.messages import Message

SECONDS = 60  # that a chart shows
LIVE = 2.0  # seconds for which data counts as live


class DashboardClient(Client):
    """Shows the load of the server's computer, as numbers and as charts.

    Attributes:
        samples: The messages of the last minute, oldest first, 60 at most.
    """

    title = "Dashboard"

    def build(self) -> list[Any]:
        self.samples: deque[Message] = deque(maxlen=SECONDS)
        self._arrived = self._loop.time()
        self._painter = self.painter(self._paint)
        self.age = HTML()
        self.panel = HTML()
        self.repeat(0.5, self._paint_age)
        self._paint()
        return [self.age, self.panel]

    def received(self, message: Message) -> None:
        # After a reconnect the server tells the last minute once more.
        if message["type"] == "metrics" and message not in self.samples:
            self.samples.append(message)
            self._arrived = self._loop.time()
            self._painter.changed()

    @property
    def age_in_words(self) -> str:
        """How old the newest sample is: "live", "3 s old", or "lost" without a connection."""
        if not self.samples:
            return "no data yet"
        if self.state != "connected":
            return "lost"
        age = self._loop.time() - self._arrived
        return "live" if age < LIVE else f"{age:.0f} s old"

    def _paint(self) -> None:
        self._paint_age()
        newest = self.samples[-1] if self.samples else {}
        count = newest.get("connections")
        self.panel.value = (
            '<div class="course-charts">'
            + chart("CPU", "cpu", self.samples)
            + chart("Memory", "memory", self.samples)
            + f'</div><p class="course-connected">Connections <b>{_shown(count)}</b></p>'
        )

    def _paint_age(self) -> None:
        words = self.age_in_words
        style = {"live": "live", "lost": "lost"}.get(words, "old")
        self.age.value = f'<span class="course-age course-{style}" role="status">{words}</span>'


def chart(title: str, field: str, samples: Sequence[Message]) -> str:
    """Return the HTML of one figure and its chart: percent over the last 60 seconds."""
    figure = _shown(samples[-1][field] if samples else None)
    return plot(title, f"{figure} %", points(field, samples))


def plot(title: str, figure: str, line: str) -> str:
    """Return the HTML of a chart: what it shows, the figure of now, the axes and the line.

    Args:
        title: What it shows, such as "CPU".
        figure: The figure of now, such as "20 %".
        line: The corners of the line, such as "59,80 60,75": seconds from the left, of 60, and
            percent from the top.
    """
    return (
        f'<div class="course-chart course-{title.lower()}"><div>{title} <b>{figure}</b></div>'
        "<div><i>100 %</i><i>50 %</i><i>0 %</i></div>"
        f'<svg viewBox="0 0 {SECONDS} 100" preserveAspectRatio="none" role="img" '
        f'aria-label="{title} over the last minute"><polyline points="{line}"/></svg>'
        "<div><i>60 s ago</i><i>30 s ago</i><i>now</i></div></div>"
    )


def points(field: str, samples: Sequence[Message]) -> str:
    """Return the corners of the line: seconds from the left, percent from the top, as SVG counts.

    Whole percents will do: the chart is a hundred pixels high.
    """
    if not samples:
        return ""
    newest = _time(samples[-1])
    ages = [(newest - _time(sample), sample[field]) for sample in samples]
    return " ".join(
        f"{SECONDS - age:.3g},{100 - percent:.0f}" for age, percent in ages if 0 <= age <= SECONDS
    )


def _time(sample: Message) -> float:
    return datetime.fromisoformat(sample["timestamp"]).timestamp()


def _shown(number: float | None) -> str:
    # Formatted as a number, and so it is one: a text, with HTML in it, would raise.
    return "–" if number is None else f"{number:.0f}"
