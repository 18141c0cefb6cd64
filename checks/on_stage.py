"""What a learner's code does while it is on stage: the tasks it starts, the functions it calls."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from copy import copy
from typing import Any
from weakref import WeakSet

from checks.watchdog import Blocked
from server.tracebacks import is_learners

# Set for the code of one stage and for the tasks that it starts. What else runs in the notebook,
# such as a server that is live, must not notice that there is a check.
_stage: ContextVar[object | None] = ContextVar("stage", default=None)


Role = tuple[Any, str, Callable[..., Any]]


class Tasks:
    """The tasks that the code on stage starts.

    Attributes:
        running: Those that have not ended yet.
        all: Those, and those that have ended, as long as somebody keeps them.
    """

    def __init__(self, on_error: Callable[[BaseException], None]) -> None:
        """Report what a task raises to `on_error`, since nobody else might ask."""
        self.running: set[asyncio.Task[Any]] = set()
        self.all: WeakSet[asyncio.Task[Any]] = WeakSet()
        self._on_error = on_error

    def begin(self) -> None:
        """From now on, tasks started by the caller and those it calls are on stage."""
        self._loop = asyncio.get_running_loop()
        self._former = self._loop.get_task_factory()
        self._loop.set_task_factory(self._make)
        self._token = _stage.set(self)

    async def end(self) -> None:
        """Cancel what still runs."""
        _stage.reset(self._token)
        self._loop.set_task_factory(self._former)
        for task in self.running:
            task.cancel()
        if self.running:
            await asyncio.wait(set(self.running), timeout=1)

    def _make(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        make = self._former or (lambda loop, *a, **o: asyncio.Task(*a, loop=loop, **o))
        task = make(loop, coroutine, **options)
        code = getattr(coroutine, "cr_code", None)
        if _stage.get() is self and code and is_learners(code.co_filename):
            self.running.add(task)
            self.all.add(task)
            task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(error)


class StandIns:
    """Functions of the library that are played by others for the code on stage."""

    def __init__(self) -> None:
        self._replaced: list[tuple[dict[str, Any], str, Any]] = []

    def begin(self, cast: Iterable[Role], *functions: Any) -> None:
        """Replace functions, in their modules and where those of the learner imported them from.

        Args:
            cast: The module, the name in it and the stand-in of each.
            functions: The learner's.
        """
        spaces = [getattr(f, "__globals__", {}) for f in map(unwrapped, functions)]
        for module, name, stand_in in cast:
            real = getattr(module, name)
            played = _only_on_stage(real, stand_in)
            for space in [vars(module), *spaces]:
                for key in [key for key, value in space.items() if value is real]:
                    self._replaced.append((space, key, real))
                    space[key] = played

    def end(self) -> None:
        """Put the real ones back."""
        for space, key, real in self._replaced:
            space[key] = real
        self._replaced.clear()


class Notes:
    """Where the learner's code notes the task that it has started: a global name, an attribute.

    Code that starts a task when none is noted must not find one of a check that is over.
    """

    def begin(self, *functions: Any) -> None:
        """Note what stands there."""
        spaces = [getattr(unwrapped(function), "__globals__", {}) for function in functions]
        owners = [getattr(function, "__self__", None) for function in functions]
        spaces += [vars(owner) for owner in owners if hasattr(owner, "__dict__")]
        self._were = [(space, dict(space)) for space in spaces]

    def end(self, tasks: Tasks) -> None:
        """Put back what stood there before a task of the stage did."""
        for space, was in self._were:
            started = (n for n, v in space.items() if isinstance(v, asyncio.Task))
            for name in [name for name in started if space[name] in tasks.all]:
                if name in was:
                    space[name] = was[name]
                else:
                    del space[name]


class Belongings:
    """What the learner's functions keep under global names: lists, sets, dictionaries, deques.

    A live server of theirs keeps its things there as well. What a check adds must not stay.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Any, Any]] = {}
        self._space: dict[str, Any] = {}

    def begin(self, function: Any) -> None:
        """Note what there is."""
        self._space = getattr(unwrapped(function), "__globals__", {})
        for name, thing in self._space.items():
            # A notebook keeps its own history, too, as In, Out and names like _12.
            is_theirs = name not in ("In", "Out") and not name.startswith("_")
            if is_theirs and type(thing) in (list, set, dict, deque):
                self._kept[name] = thing, copy(thing)

    def end(self) -> None:
        """Put it back."""
        for name, (thing, was) in self._kept.items():
            if thing != was:
                thing.clear()
                (thing.update if isinstance(thing, set | dict) else thing.extend)(was)
            self._space[name] = thing


def _only_on_stage(real: Callable[..., Any], stand_in: Callable[..., Any]) -> Callable[..., Any]:
    here, thread = _stage.get(), threading.current_thread()

    def played(*arguments: Any, **options: Any) -> Any:
        # In a thread of its own, code may wait as long as it wants.
        on_stage = _stage.get() is here and threading.current_thread() is thread
        return (stand_in if on_stage else real)(*arguments, **options)

    return played


def no_sleep(seconds: float) -> None:
    """Stand in for `time.sleep`, which would stop everybody.

    Raises:
        Blocked: Always.
    """
    raise Blocked


def unwrapped(function: Any) -> Any:
    """Return the function inside of a method or a partial."""
    while inner := getattr(function, "__func__", None) or getattr(function, "func", None):
        function = inner
    return function
