"""The stage of a client that paints: a scripted server, and a canvas that is watched."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from checks.scripted import ScriptedServer
from checks.watchdog import guarded

PLANNED = 0.1  # seconds after which what a client had planned is sent

Place = tuple[int, int]
Line = tuple[float, float, float, float]  # from x, from y, to x, to y


class CanvasScript(ScriptedServer):
    """A server that plays by a script, and a client with a canvas, on which all lines are noted.

    Attributes:
        lines: What was painted on the canvas since it was cleared last.
        cleared: How often it was cleared.
    """

    async def __aenter__(self) -> "CanvasScript":
        await super().__aenter__()
        self.lines: list[Line] = []
        self.cleared = 0
        canvas = getattr(self.client, "canvas", None)
        if canvas is not None:
            self._watch(canvas)
        return self

    async def joined(self, deed: str = "The client was made") -> None:
        """Wait until the client has connected, and knows it."""
        await super().joined(deed)
        await self.wait(lambda: self.client.state == "connected")

    async def heard_more(self) -> list[Any]:
        """Return what else the client has sent by now, or had planned to."""
        await asyncio.sleep(PLANNED)
        return await super().heard_more()

    def _watch(self, canvas: Any) -> None:
        """Note what is painted, whichever of its methods the learner chooses."""
        self._path: list[Place] = []
        watched = {
            "stroke_line": lambda *line: self.lines.append(tuple(line)),
            "stroke_lines": self._note_lines,
            "move_to": lambda x, y: self._path.append((x, y, "moved")),
            "line_to": lambda x, y: self._path.append((x, y, "drew")),
            "begin_path": lambda: self._path.clear(),
            "stroke": self._note_path,
            "clear": self._note_clear,
            "clear_rect": lambda *_: self._note_clear(),
        }
        for name, note in watched.items():
            setattr(canvas, name, _noting(getattr(canvas, name), note))

    def _note_lines(self, points: Any) -> None:
        for (x, y), (to_x, to_y) in pairwise(points):
            self.lines.append((float(x), float(y), float(to_x), float(to_y)))

    def _note_path(self, *_: Any) -> None:
        for (x, y, _), (to_x, to_y, how) in pairwise(self._path):
            if how == "drew":
                self.lines.append((x, y, to_x, to_y))

    def _note_clear(self) -> None:
        self.lines.clear()
        self.cleared += 1

    @guarded
    def hand(self, *deeds: tuple[str, int, int]) -> None:
        """Let the mouse do something: the client's method of that name is called with a place."""
        for name, x, y in deeds:
            getattr(self.client, name)(x, y)

    def places(self, how_many: int) -> list[Place]:
        """Return that many places on the sheet, each another one."""
        numbers = self.random.sample(range(10, 490), how_many + 1)
        return [(x + 7, y) for x, y in pairwise(numbers)]

    async def heard_until(self, condition: Any, within: float) -> list[Any]:
        """Return what the client sends until a condition holds for it, or time is over."""
        heard: list[Any] = []
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        while not condition(heard) and (left := deadline - loop.time()) > 0:
            try:
                async with asyncio.timeout(left):
                    heard.append(await self._heard.get())
            except TimeoutError:
                break
        self.look_for_failure()
        return heard


def _noting(method: Any, note: Any) -> Any:
    def noted(*arguments: Any, **options: Any) -> Any:
        note(*arguments)
        return method(*arguments, **options)

    return noted


def painted(lines: Sequence[Line]) -> str:
    """Return how many lines were painted, in words."""
    if not lines:
        return "nothing was painted"
    if len(lines) == 1:
        return f"one line was painted, {from_to(lines[0])}"
    return f"{len(lines)} lines were painted, the first {from_to(lines[0])}"


def from_to(line: Line) -> str:
    """Return where a line begins and ends, in words."""
    x, y, to_x, to_y = line
    return f"from ({x:g}, {y:g}) to ({to_x:g}, {to_y:g})"
