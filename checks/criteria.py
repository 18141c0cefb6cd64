"""Success criteria: how they are written down, and how they are run.

A criterion is an ``async def`` function that gets a stage and returns when all is well, or raises
:class:`Failed` with words for the learner.
"""

import asyncio
import dis
import inspect
import random
import types
import warnings
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any
from zlib import crc32

from checks.advice import NOT_BLOCKING, Failed, explain, explain_blocked
from checks.progress import remember
from checks.report import Outcome, Report, State
from checks.watchdog import Blocked, Watchdog
from server.launch import pause_own

WITHIN, WITHIN_IF_EMPTY = 1.0, 0.1  # seconds in which an answer is expected

Judge = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True)
class Criterion:
    """One thing that must be so.

    Attributes:
        title: What must be so, as the report says it.
        step: The step of the notebook it belongs to.
        stubs: The functions that the learner fills in for it. While one of them is empty, the
            criterion counts as not attempted rather than failed.
        needs: What must be so before this one can be judged. It would be blamed for the other.
        judge: Finds out.
    """

    title: str
    step: int
    stubs: tuple[str, ...]
    needs: "tuple[Criterion, ...]"
    judge: Judge


class Criteria:
    """The criteria of one exercise, in order."""

    def __init__(self, make_stage: Callable[..., Any]) -> None:
        self._make_stage = make_stage
        self._criteria: dict[Judge, Criterion] = {}

    @property
    def titles(self) -> list[str]:
        """What the criteria are called, in order."""
        return [criterion.title for criterion in self._criteria.values()]

    def criterion(
        self, title: str, *, step: int = 1, stubs: Iterable[str] = (), needs: Iterable[Judge] = ()
    ) -> Callable[[Judge], Judge]:
        """Add the decorated function as the next criterion."""
        needed = tuple(self._criteria[judge] for judge in needs)

        def add(judge: Judge) -> Judge:
            self._criteria[judge] = Criterion(title, step, tuple(stubs), needed, judge)
            return judge

        return add

    async def check(self, subject: Any, step: int | None = None, **props: Any) -> Report:
        """Hold `subject` against all criteria, or those of one step, each on a fresh stage.

        What else the stage needs comes along as `props`. It always returns, and always with a
        report: whatever goes wrong stands in there.
        """
        criteria = self._criteria.values()
        chosen = [c for c in criteria if step is None or c.step == step]
        if not chosen:
            steps = sorted({c.step for c in criteria})
            words = f"there is no step {step!r}. Expected one of {steps}."
            return Report([Outcome("The check itself", State.FAILED, words)])
        make_stage = partial(self._make_stage, **props)
        # A live server of the learner's shares its global names with the handler on stage.
        async with nullcontext() if hasattr(subject, "url") else pause_own():
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", RuntimeWarning)
                async with Watchdog() as watchdog:
                    trial = _Trial(subject, make_stage, chosen, watchdog, caught)
                    report = Report([await trial.outcome(criterion) for criterion in chosen])
        # A small file, written in a thousandth of a second: a thread for it would stay for ever.
        remember(passed(chosen, report))
        return report


def passed(criteria: Iterable[Criterion], report: Report) -> dict[str, list[str]]:
    """Return the titles of the criteria that are met, by the exercise that they belong to."""
    met: dict[str, list[str]] = {}
    for criterion, outcome in zip(criteria, report.outcomes, strict=True):
        folder, _, exercise = criterion.judge.__module__.rpartition(".")
        if folder == "checks" and outcome.state is State.PASSED:
            met.setdefault(exercise, []).append(criterion.title)
    return met


class _Trial:
    """One check of one subject."""

    def __init__(
        self,
        subject: Any,
        make_stage: Callable[..., Any],
        chosen: list[Criterion],
        watchdog: Watchdog,
        caught: list[warnings.WarningMessage],
    ) -> None:
        self._subject = subject
        self._make_stage = make_stage
        self._chosen = chosen
        self._watchdog = watchdog
        self._caught = caught
        self._lost = ""  # words about what was raised where nobody would see it
        self._outcomes: dict[Criterion, Outcome] = {}

    async def outcome(self, criterion: Criterion) -> Outcome:
        """Return what becomes of a criterion. Each is tried once."""
        if criterion not in self._outcomes:
            self._outcomes[criterion] = await self._find_out(criterion)
        return self._outcomes[criterion]

    async def _find_out(self, criterion: Criterion) -> Outcome:
        empty = first_empty(self._subject, criterion.stubs)
        unmet = await self._first_unmet(criterion)
        if unmet is None:
            state, words = await self._try(criterion, WITHIN_IF_EMPTY if empty else WITHIN)
        else:
            state, words = self._first_see_to(unmet)
        if empty and state is not State.PASSED:
            words = f"not attempted: {empty}() is still empty."
            return Outcome(criterion.title, State.NOT_ATTEMPTED, words)
        said = {o.words for o in self._outcomes.values() if o.state in (State.FAILED, State.RAISED)}
        if words in said:
            words = "the same as above."
        return Outcome(criterion.title, state, words)

    async def _first_unmet(self, criterion: Criterion) -> Outcome | None:
        """Return the first outcome that is not as this criterion needs it."""
        for needed in criterion.needs:
            if unmet := await self._first_unmet(needed):
                return unmet
            if (outcome := await self.outcome(needed)).state is not State.PASSED:
                return outcome
        return None

    def _first_see_to(self, unmet: Outcome) -> tuple[State, str]:
        """Return what becomes of a criterion because another one is not met."""
        words = f"first see to “{unmet.title}”."
        shown_above = unmet.title in {criterion.title for criterion in self._chosen}
        if shown_above or unmet.state is State.NOT_ATTEMPTED:
            return State.NOT_ATTEMPTED, f"not attempted: {words}"
        return unmet.state, f"{words} {unmet.words}"

    async def _try(self, criterion: Criterion, within: float) -> tuple[State, str]:
        # Seeded by the learner's code: a constant cannot pass, and the same code gets the same
        # numbers, and so the same words, run after run.
        source = random.Random(crc32(criterion.title.encode(), fingerprint(self._subject)))
        self._watchdog.reset()
        self._caught.clear()
        self._lost = ""
        try:
            with self._hearing_of_lost_exceptions():
                async with self._make_stage(self._subject, source, within) as stage:
                    await criterion.judge(stage)
        except Failed as failed:
            state, words = State.FAILED, str(failed)
        except Blocked as blocked:
            state, words = State.RAISED, explain_blocked(blocked)
        except Exception as error:
            state, words = State.RAISED, explain(error)
        else:
            state, words = State.PASSED, ""
        where, interrupted = self._watchdog.blocked_in, self._watchdog.interrupted
        if where or interrupted:
            if where or not words:
                words = f"blocked the event loop{f' in {where}' if where else ''}. {NOT_BLOCKING}"
            return State.RAISED if interrupted else State.FAILED, words
        if state is State.FAILED:
            words += self._lost
        return state, words and words + forgotten_await(self._caught)

    @contextmanager
    def _hearing_of_lost_exceptions(self) -> Iterator[None]:
        """Take note of what is raised in tasks that nobody awaits: it goes to a log alone."""
        loop = asyncio.get_running_loop()
        former = loop.get_exception_handler()

        def note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            if isinstance(error, Exception) and not self._lost:
                self._lost = f" A task that nobody awaits {explain(error)}"
            if not isinstance(error, Blocked):
                (former or type(loop).default_exception_handler)(loop, context)

        loop.set_exception_handler(note)
        try:
            yield
        finally:
            loop.set_exception_handler(former)


def forgotten_await(caught: Iterable[warnings.WarningMessage]) -> str:
    """Return words about a coroutine that nobody awaited, if there is one."""
    for warning in caught:
        if "was never awaited" in str(warning.message):
            name = str(warning.message).partition("'")[2].partition("'")[0]
            return f" {name.rpartition('.')[2]}() was called without `await`, so it never ran."
    return ""


def first_empty(subject: Any, stubs: Iterable[str]) -> str | None:
    """Return the name of the first of the learner's functions that does nothing yet.

    Args:
        subject: The handler or the class that is checked.
        stubs: Names of functions that it calls, or of its methods.
    """
    function = function_of(subject)
    for name in stubs:
        if does_nothing(called(subject, name)):
            return name
        if inspect.iscoroutinefunction(function) and does_nothing(function):
            return function.__name__
    return None


def called(subject: Any, name: str) -> Any:
    """Return what a handler or a class finds under a name: a method, a global function, or None."""
    function = function_of(subject)
    owner = subject if isinstance(subject, type) else getattr(subject, "__self__", None)
    found = getattr(owner, name, None)
    if found is None and isinstance(function, types.FunctionType):
        found = function.__globals__.get(name)
    return found


def function_of(subject: Any) -> Any:
    """Return the function behind a method, a partial or a decorated function."""
    while isinstance(subject, partial):
        subject = subject.func
    subject = getattr(subject, "__func__", subject)
    return inspect.unwrap(subject) if isinstance(subject, types.FunctionType) else subject


def does_nothing(function: Any) -> bool:
    """Return whether a function consists of its docstring, `pass` and `...` alone."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, types.CodeType):
        return False
    constants = set(code.co_consts) - {None, function.__doc__, ...}
    return not constants and _operations(code) <= _OPERATIONS_OF_NOTHING


def _operations(code: types.CodeType) -> set[str]:
    return {instruction.opname for instruction in dis.get_instructions(code)}


def _nothing() -> None:
    """Do nothing."""


async def _nothing_awaited() -> None:
    """Do nothing, in a coroutine."""


# Each Python compiles an empty function in its own way. This one shows how.
_OPERATIONS_OF_NOTHING = _operations(_nothing.__code__) | _operations(_nothing_awaited.__code__)


def fingerprint(subject: Any) -> int:
    """Return a number that depends on the learner's code alone."""
    function = function_of(subject)
    if isinstance(subject, type):
        members = list(vars(subject).values())
    else:
        names = getattr(function, "__globals__", {})
        called = getattr(function, "__code__", None)
        members = [function, *(names.get(name) for name in getattr(called, "co_names", ()))]
    codes = (getattr(member, "__code__", None) for member in members)
    return crc32(b"".join(code.co_code for code in codes if isinstance(code, types.CodeType)))
