"""The map of a class: who shares their progress, and how far they are."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any, NamedTuple

from ipywidgets import HTML, Box, Button, HBox, Layout, VBox

from server import Server
from server.class_progress import Learner

SHOW, HIDE = "Show the map of the class", "Hide the map"
NOBODY = (
    "Nobody shares their progress. A learner who joins does so on the card that they see then, if "
    "they like."
)
STOPPED = (
    "The server does not run here any more, so nothing new comes. If another kernel has taken "
    "over, the map goes on in a TeacherView there."
)


class Column(NamedTuple):
    """A notebook of the course, with the titles of what can pass in it."""

    number: str
    name: str
    titles: frozenset[str]


class Row(NamedTuple):
    """A learner: the name, whether they are here, and how much has passed in each column."""

    name: str
    is_here: bool
    passed: list[int]


class ClassMap:
    """A table that fills: a row for each learner who shares, a column for each notebook.

    Attributes:
        columns: The notebooks in which something can pass.
        rows: The learners, those who came first at the beginning.
        everybody: How many have passed all there is in a column.
        widget: What the teacher's view shows.
    """

    def __init__(self, server: Server, button: Callable[..., Button]) -> None:
        """Make the map of a server's class.

        Args:
            server: A server of this kernel.
            button: Makes a button of a label and a function.
        """
        self._server = server
        self.columns = columns()
        self.rows: list[Row] = []
        self.everybody: list[int] = []
        self._is_shown = True
        self._painted: Any = None
        self._body = HTML()
        self.toggle_button = button(HIDE, self.toggle)
        self.clear_button = button(
            "Clear the map",
            server.class_progress.clear,
            tooltip="Take everybody off the map. Who still shares is told, and may share again",
        )
        buttons = HBox([self.toggle_button, self.clear_button], layout=Layout(flex_flow="row wrap"))
        table = Box([self._body])
        table.add_class("course-class-map")
        self.widget = VBox([table, buttons])
        self.widget.add_class("course-class")

    def toggle(self) -> None:
        """Hide the table, or show it again."""
        self._is_shown = not self._is_shown

    def paint(self) -> None:
        """Show what has changed since the last time, if anything has."""
        progress = self._server.class_progress
        state = progress.changes, self._server.is_running, self._is_shown
        if state == self._painted:
            return
        self._painted = state
        self.rows = [self._row(learner) for learner in progress.learners]
        self.everybody = [
            sum(row.passed[n] == len(column.titles) for row in self.rows)
            for n, column in enumerate(self.columns)
        ]
        here = sum(row.is_here for row in self.rows)
        words = f"<b>Progress of the class</b> · {here} share it now"
        if here < len(self.rows):
            words += f", {len(self.rows) - here} left"
        if not self.rows:
            words = f"<b>Progress of the class.</b> {NOBODY}"
        elif not self._server.is_running:
            words += f". {STOPPED}"
        shown = table(self.columns, self.rows, self.everybody) if self._is_shown else ""
        self._body.value = f"<p>{words}</p>{shown if self.rows else ''}"
        self.toggle_button.description = HIDE if self._is_shown else SHOW
        for button in (self.toggle_button, self.clear_button):
            button.layout.display = "" if self.rows else "none"

    def _row(self, learner: Learner) -> Row:
        nothing: frozenset[str] = frozenset()
        # Titles that this course does not have, perhaps of another version of it, do not count.
        met = [len(c.titles & learner.passed.get(c.name, nothing)) for c in self.columns]
        return Row(learner.label, learner.is_here, met)


def columns() -> list[Column]:
    """Return the notebooks of the course in which something can pass, in order."""
    # Not before it is needed: it reads the notebooks, and only a teacher looks at the map.
    from checks.course_map import course_map

    return [
        Column(stop.number, stop.exercise, frozenset(stop.titles))
        for stop in course_map().stops
        if stop.titles
    ]


def table(columns: Sequence[Column], rows: Sequence[Row], everybody: Sequence[int]) -> str:
    """Return the HTML of the map. Names are what others chose, so they are escaped."""
    heads = "".join(
        f'<th scope="col">{escape(number)}<i>{escape(name.replace("_", " "))}</i></th>'
        for number, name, _ in columns
    )
    counts = "".join(f"<td>{count} of {len(rows)}</td>" for count in everybody)
    lines = "".join(
        f'<tr class="{"" if row.is_here else "course-left"}"><th scope="row">'
        f"<bdi>{escape(row.name)}</bdi>{'' if row.is_here else ' <i>left</i>'}</th>"
        + "".join(map(cell, row.passed, (len(column.titles) for column in columns)))
        + "</tr>"
        for row in rows
    )
    return (
        f'<table><thead><tr><th scope="col">Name</th>{heads}</tr>'
        f'<tr class="course-everybody"><th scope="row">passed all</th>{counts}</tr></thead>'
        f"<tbody>{lines}</tbody></table>"
    )


def cell(passed: int, total: int) -> str:
    """Return the HTML of how much of a notebook has passed."""
    if passed == total:
        return '<td class="course-full">✓</td>'
    if not passed:
        return f'<td class="course-none">0/{total}</td>'
    return f'<td style="--share: {100 * passed / total:.0f}%">{passed}/{total}</td>'
