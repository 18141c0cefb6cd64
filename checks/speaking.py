"""The stage of a check of a server that speaks by itself, without being asked."""

import asyncio
import dis
import inspect
import random
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from checks.advice import leaves, outlined
from checks.on_stage import Notes, Role, StandIns, Tasks, no_sleep, unwrapped
from checks.stage import Person, Stage
from checks.watchdog import Blocked, guarded
from server.connection import Handler
from server.running import Background


class SpeakingStage(Stage):
    """A stage on which the server speaks without being asked.

    Attributes:
        background: What runs beside the handler.
        options: Keyword arguments for the handler and the background, where they have parameters
            of these names. They may be changed until somebody joins.
        tasks: The tasks that the learner's code starts.
        cast: Functions of libraries that others stand in for, when the learner's code calls them.
    """

    flood = 5_000

    def __init__(
        self,
        subject: Handler | Any,
        source: random.Random,
        within: float,
        background: Background | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(subject, source, within, show=outlined)
        self.background = background
        self.options = dict(options or {})
        self.tasks = Tasks(self._task_failed)
        self.cast: list[Role] = [(time, "sleep", no_sleep)]
        self._stand_ins, self._notes = StandIns(), Notes()
        self._producing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "SpeakingStage":
        self.tasks.begin()
        self._notes.begin(self.subject, self.background)
        self._stand_ins.begin(self.cast, self.subject, self.background)
        try:
            await super().__aenter__()
        except BaseException:
            await self._clear()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._producing is not None:
            self._producing.cancel()
            await asyncio.wait([self._producing], timeout=1)
        await super().__aexit__(kind, error, _)
        await self._clear()

    async def _clear(self) -> None:
        await self.tasks.end()
        self._notes.end(self.tasks)
        self._stand_ins.end()

    async def join(self, name: str) -> Person:
        """Let somebody connect. With the first one, the background begins."""
        if self.background is not None and self._producing is None:
            self._producing = asyncio.create_task(self._produce(self.background))
        return await super().join(name)

    @property
    def produced(self) -> bool:
        """Whether the background has come to its end."""
        return self._producing is not None and self._producing.done()

    async def leftovers(self) -> int:
        """Return how many handlers and tasks still run when all have left."""
        deadline = asyncio.get_running_loop().time() + self.within / 2
        while left := len(self._running) + len(self.tasks.running):
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.01)  # a task that was cancelled ends within its next turns
        return left

    async def handle(self, websocket: ServerConnection) -> None:
        """Run the handler for one connection."""
        await self.subject(websocket, **self._taken_by(self.subject))

    @guarded
    async def _produce(self, background: Background) -> None:
        try:
            await background(**self._taken_by(background))
        except (Exception, Blocked, BaseExceptionGroup) as error:
            for cause in leaves(error):
                self.fail(cause)

    def _taken_by(self, function: Any) -> dict[str, Any]:
        """Return those options of the stage that a function has parameters for."""
        parameters = inspect.signature(function).parameters
        return {name: value for name, value in self.options.items() if name in parameters}

    def _task_failed(self, error: BaseException) -> None:
        # A task that talks to one connection may find it closed; that it still ran is the mistake.
        if not isinstance(error, ConnectionClosed):
            self.fail(error)


def takes(function: Any) -> tuple[str, ...]:
    """Return the names of a function's parameters."""
    code = getattr(unwrapped(function), "__code__", None)
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if code else ()


def uses(function: Any, parameter: str) -> bool:
    """Return whether a function does something with one of its parameters."""
    variables = {*dis.haslocal, *dis.hasfree}
    return any(
        # Python 3.13 loads two variables with one instruction.
        parameter in (part.argval if isinstance(part.argval, tuple) else (part.argval,))
        for part in dis.get_instructions(unwrapped(function))
        if part.opcode in variables
    )
