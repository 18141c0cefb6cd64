"""The map of the course: its notebooks in order, and what the learner has passed of each."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

import checks
from checks.criteria import Criteria
from checks.progress import Damaged, Progress, progress_file, read

ROOT = Path(__file__).resolve().parent.parent
TITLE = re.compile(r"^#\s+(?:(\d+)\s*·\s*)?(.+?)\s*$", re.MULTILINE)
CHECK = re.compile(r"\bcheck_\w+(?=\()")
MINUTES = re.compile(r"⏱\s*(\d+)")
STYLE = """
.course-map { font-family: var(--jp-ui-font-family, sans-serif); font-size: 13px; max-width: 640px;
  border: 1px solid var(--jp-border-color2, #ddd); border-radius: 8px; overflow: hidden; }
.course-map a { color: var(--jp-content-link-color, #1565c0); }
.course-map > div { display: grid; grid-template-columns: 2em 1fr 4.5em 110px 6.5em;
  gap: 0 10px; align-items: center; padding: 6px 12px; }
.course-map > div + div { border-top: 1px solid var(--jp-border-color2, #ddd); }
.course-map > .course-next { background: var(--jp-layout-color2, #eee); }
.course-map i { height: 8px; border-radius: 4px; background: var(--jp-border-color1, #bbb); }
.course-map i b { display: block; height: 100%; border-radius: 4px; background: #2e9e4f; }
.course-map span { color: var(--jp-ui-font-color2, #666); text-align: right; white-space: nowrap; }
.course-map > p { margin: 0; padding: 6px 12px; font-size: 12px;
  border-top: 1px solid var(--jp-border-color2, #ddd); color: var(--jp-ui-font-color2, #666); }
"""


@dataclass(frozen=True)
class Stop:
    """One notebook on the map.

    Attributes:
        file: Its file name.
        exercise: The name under which progress is kept.
        number: Its number in the course, as its title says it.
        title: Its title, without the number.
        minutes: How long it takes.
        passed: How many of its criteria the learner has met.
        titles: What can pass in it: its criteria, or the questions of the quiz.
    """

    file: str
    exercise: str
    number: str
    title: str
    minutes: str
    passed: int
    titles: tuple[str, ...]

    @property
    def criteria(self) -> int:
        """How many criteria it has."""
        return len(self.titles)

    @property
    def is_done(self) -> bool:
        return 0 < self.criteria <= self.passed

    @property
    def words(self) -> str:
        if self.is_done:
            return "✓ done"
        if self.criteria:
            return f"{self.passed} of {self.criteria}"
        return f"{self.passed} passed" if self.passed else ""


class CourseMap:
    """The notebooks of the course, in order. A notebook shows it as a list with links.

    Attributes:
        stops: The notebooks.
        note: Where progress is kept, and whether something is wrong with it.
    """

    def __init__(self, folder: Path) -> None:
        """Look at the notebooks in a folder, and at the file that keeps progress.

        Args:
            folder: The folder of the notebooks that a learner opens.
        """
        progress, self.note = _progress()
        self.stops = [_stop(path, progress) for path in sorted(folder.glob("[0-9]*.ipynb"))]

    @property
    def next(self) -> Stop | None:
        """The first notebook with something left to do."""
        return next((stop for stop in self.stops if stop.criteria and not stop.is_done), None)

    def __repr__(self) -> str:
        width = max((len(stop.title) for stop in self.stops), default=0)
        lines = [f"{s.number:>2}  {s.title:{width}}  {s.words}".rstrip() for s in self.stops]
        return "\n".join([*lines, self.note])

    def _repr_html_(self) -> str:
        rows = "".join(self._row(stop) for stop in self.stops)
        return (
            f'<style>{STYLE}</style><div class="course-map">{rows}<p>{escape(self.note)}</p></div>'
        )

    def _row(self, stop: Stop) -> str:
        share = 100 * min(stop.passed, stop.criteria) / stop.criteria if stop.criteria else 0
        bar = f'<i><b style="width: {share:.0f}%"></b></i>' if stop.criteria else "<span></span>"
        # A link beside this notebook, which JupyterLab opens in a tab of its own.
        style = "course-next" if stop is self.next else ""
        return (
            f'<div class="{style}"><b>{escape(stop.number)}</b>'
            f'<a href="../notebooks/{escape(stop.file)}">{escape(stop.title)}</a>'
            f"<span>{escape(stop.minutes)}</span>{bar}<span>{escape(stop.words)}</span></div>"
        )


def course_map() -> CourseMap:
    """Return the map of the course, with what you have passed so far."""
    return CourseMap(ROOT / "notebooks")


def criteria_of(sources: Iterable[str]) -> list[str]:
    """Return the titles of the criteria that the code cells of a notebook check.

    Args:
        sources: The sources of its code cells.
    """
    names = dict.fromkeys(CHECK.findall("\n".join(sources)))
    functions = [getattr(checks, name) for name in names if hasattr(checks, name)]
    # A check may hold against one list of criteria or another; its code says which.
    used = [f.__globals__.get(name) for f in functions for name in f.__code__.co_names]
    every = [criteria for criteria in used if isinstance(criteria, Criteria)]
    return list(dict.fromkeys(title for criteria in every for title in criteria.titles))


def quiz_questions() -> tuple[str, ...]:
    """Return the questions of both rounds of the quiz: each one counts that was answered right."""
    from client.questions import read_questions
    from client.quiz import HERE, ROUNDS

    return tuple(q.text for file in ROUNDS.values() for q in read_questions(HERE / file))


def of_the_course(progress: Progress) -> dict[str, list[str]]:
    """Return the titles of what has passed, by exercise, as far as this course has them."""
    stops = CourseMap(ROOT / "notebooks").stops
    met = {s.exercise: [t for t in s.titles if t in progress.get(s.exercise, {})] for s in stops}
    return {exercise: titles for exercise, titles in met.items() if titles}


def _progress() -> tuple[Progress, str]:
    """Return what the learner has passed, and words about the file that keeps it."""
    try:
        file = progress_file()
        return read(file), f"Kept in {file}. Delete that file to begin anew."
    except Damaged as damage:
        return {}, f"{damage} It counts as empty, and is put aside when a check passes."
    except OSError as error:
        return {}, f"Your progress cannot be read: {error}"


def _stop(path: Path, progress: Progress) -> Stop:
    cells = _cells(path)
    number, _, exercise = path.stem.partition("_")
    text = cells[0][1] if cells else ""
    title, minutes = TITLE.search(text), MINUTES.search(text)
    titles = tuple(criteria_of(source for kind, source in cells if kind == "code"))
    if exercise == "quiz":
        titles = quiz_questions()
    met = progress.get(exercise, {})
    return Stop(
        file=path.name,
        exercise=exercise,
        number=(title and title[1]) or number.lstrip("0") or "0",
        title=title[2] if title else exercise.replace("_", " ").capitalize(),
        minutes=f"{minutes[1]} min" if minutes else "",
        passed=len(set(titles) & met.keys()) if titles else len(met),
        titles=titles,
    )


def _cells(path: Path) -> list[tuple[str, str]]:
    """Return the kinds and sources of a notebook's cells; none if it cannot be read."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    except (OSError, ValueError, LookupError, TypeError):
        return []
