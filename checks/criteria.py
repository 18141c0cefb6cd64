"""Success criteria: how they are written down, and how they are run.

A criterion is an ``async def`` function that gets a stage and returns when all is well, or raises
:class:`Failed` with words for the learner.
"""

import dis
import random
import types
from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from checks.advice import Failed, explain
from checks.report import Outcome, Report, State
from checks.watchdog import Blocked, Watchdog
from server.launch import pause_own

WITHIN, WITHIN_IF_EMPTY = 1.0, 0.1  # seconds in which an answer is expected


@dataclass(frozen=True)
class Criterion:
    """One thing that must be so.

    Attributes:
        title: What must be so, as the report says it.
        step: The step of the notebook it belongs to.
        stubs: The functions that the learner fills in for it. While one of them is empty, the
            criterion counts as not attempted rather than failed.
        judge: Finds out.
    """

    title: str
    step: int
    stubs: tuple[str, ...]
    judge: Callable[[Any], Awaitable[None]]


class Criteria:
    """The criteria of one exercise, in order."""

    def __init__(self, make_stage: Callable[..., Any]) -> None:
        self._make_stage = make_stage
        self._criteria: list[Criterion] = []

    def criterion(
        self, title: str, *, step: int = 1, stubs: Iterable[str] = ()
    ) -> Callable[[Callable[[Any], Awaitable[None]]], Callable[[Any], Awaitable[None]]]:
        """Add the decorated function as the next criterion."""

        def add(judge: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
            self._criteria.append(Criterion(title, step, tuple(stubs), judge))
            return judge

        return add

    async def check(self, subject: Any, step: int | None = None, **props: Any) -> Report:
        """Hold `subject` against all criteria, or those of one step, each on a fresh stage.

        What else the stage needs comes along as `props`. It always returns, and always with a
        report: whatever goes wrong stands in there.
        """
        chosen = [c for c in self._criteria if step is None or c.step == step]
        if not chosen:
            steps = sorted({c.step for c in self._criteria})
            words = f"there is no step {step!r}. Expected one of {steps}."
            return Report([Outcome("The check itself", State.FAILED, words)])
        # A live server of the learner's shares its global names with the handler on stage.
        is_server = hasattr(subject, "url")
        async with nullcontext() if is_server else pause_own():
            return Report(await self._run_all(chosen, subject, props))

    async def _run_all(
        self, chosen: Iterable[Criterion], subject: Any, props: dict[str, Any]
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        with Watchdog() as watchdog:
            for criterion in chosen:
                outcome = await self._run(criterion, subject, watchdog, props)
                if outcome.state is State.RAISED and outcome.words in {o.words for o in outcomes}:
                    outcome = Outcome(outcome.title, outcome.state, "raised the same again.")
                outcomes.append(outcome)
        return outcomes

    async def _run(
        self, criterion: Criterion, subject: Any, watchdog: Watchdog, props: dict[str, Any]
    ) -> Outcome:
        # Seeded by the learner's code: a constant cannot pass, and the same code gets the same
        # numbers, and so the same words, run after run.
        source = random.Random(crc32(criterion.title.encode(), fingerprint(subject)))
        empty = next((name for name in criterion.stubs if is_stub(subject, name)), None)
        watchdog.reset()
        try:
            # Nobody waits long for a function that is still empty.
            within = WITHIN_IF_EMPTY if empty else WITHIN
            async with self._make_stage(subject, source, within, **props) as stage:
                await criterion.judge(stage)
        except Failed as failed:
            state, words = State.FAILED, str(failed)
        except (Exception, Blocked) as error:
            state, words = State.RAISED, explain(error)
        else:
            return Outcome(criterion.title, State.PASSED)
        if empty:
            words = f"not attempted: {empty}() is still empty."
            return Outcome(criterion.title, State.NOT_ATTEMPTED, words)
        if watchdog.blocked_for > 0.5 and state is State.FAILED:
            words += " The event loop was blocked meanwhile: is there a time.sleep() somewhere?"
        return Outcome(criterion.title, state, words)


def is_stub(subject: Any, name: str) -> bool:
    """Return whether a learner's function of this name is there and does nothing yet."""
    function = getattr(subject, "__func__", subject)
    owner = subject if isinstance(subject, type) else getattr(subject, "__self__", None)
    found = getattr(owner, name, None) if owner is not None else None
    if found is None and function.__class__ is types.FunctionType:
        found = function if function.__name__ == name else function.__globals__.get(name)
    return does_nothing(found) or does_nothing(function)


def does_nothing(function: Any) -> bool:
    """Return whether a function consists of its docstring, `pass` and `...` alone."""
    code = getattr(function, "__code__", None)
    if code is None:
        return False
    arguments = code.co_argcount + code.co_kwonlyargcount
    constants = set(code.co_consts) - {None, function.__doc__, ...}
    loops = any(step.opcode in dis.hasjrel for step in dis.get_instructions(code))
    return not (code.co_names or code.co_nlocals > arguments or constants or loops)


def fingerprint(subject: Any) -> int:
    """Return a number that depends on the learner's code alone."""
    function = getattr(subject, "__func__", subject)
    if isinstance(subject, type):
        members = list(vars(subject).values())
    else:
        names = getattr(function, "__globals__", {})
        called = getattr(function, "__code__", None)
        members = [function, *(names.get(name) for name in (called.co_names if called else ()))]
    codes = [member.__code__.co_code for member in members if hasattr(member, "__code__")]
    return crc32(b"".join(codes))
