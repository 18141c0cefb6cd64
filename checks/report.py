"""What a check found out: one line for each success criterion, in one of four states."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from html import escape


class State(Enum):
    """What became of a criterion, and how a report marks it."""

    PASSED = "✓"
    FAILED = "✗"
    NOT_ATTEMPTED = "–"
    RAISED = "!"

    @property
    def words(self) -> str:
        return self.name.lower().replace("_", " ")


COLOURS = {
    State.PASSED: "#2e9e4f",
    State.FAILED: "#d93025",
    State.NOT_ATTEMPTED: "#888",
    State.RAISED: "#d98200",
}


@dataclass(frozen=True)
class Outcome:
    """What became of one criterion."""

    title: str
    state: State
    words: str = ""

    def __str__(self) -> str:
        line = f"{self.state.value} {self.title}"
        return f"{line} — {self.words}" if self.words else line


@dataclass(frozen=True)
class Report:
    """The outcomes of a check, in order. A notebook shows it as a list."""

    outcomes: Sequence[Outcome]

    @property
    def passed(self) -> bool:
        """Whether every criterion is met."""
        return all(outcome.state is State.PASSED for outcome in self.outcomes)

    @property
    def summary(self) -> str:
        counts = Counter(outcome.state for outcome in self.outcomes)
        parts = [f"{counts[state]} {state.words}" for state in State if counts[state]]
        number = len(self.outcomes)
        return f"{number} {'criterion' if number == 1 else 'criteria'}: {', '.join(parts)}"

    def __repr__(self) -> str:
        return "\n".join([*map(str, self.outcomes), self.summary])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<div style="margin: 2px 0 2px 1.4em; text-indent: -1.4em">'
            f'<b style="color: {COLOURS[outcome.state]}; display: inline-block; width: 1.4em; '
            f'text-indent: 0">{outcome.state.value}</b>'
            f"<b>{escape(outcome.title)}</b>{escape(_after(outcome.words))}</div>"
            for outcome in self.outcomes
        )
        return f"<div>{rows}<p>{escape(self.summary)}</p></div>"


def _after(words: str) -> str:
    return f" — {words}" if words else ""
