"""Everybody holds the same drawing, whatever happens in whatever order: a property of it all."""

import asyncio
import os
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect

from client import WhiteboardClient
from client import connection as timing
from client.drawing import Drawing
from server import drawing
from tests.wire import hear, say, serving, within

# A stroke of several points; parts of one, between which other things happen; or something else.
DRAWING = ["draw", "begin", "lead on", "lead on", "end"]
LOSING = ["cut", "cut by the server", "come"]
TAKING = ["undo", "clear"]


def actions(kinds):
    """Return a strategy: what is done, by which of those who are there, and who has a turn then."""
    action = st.tuples(st.sampled_from(kinds), st.integers(0, 9), st.integers(0, 4))
    return st.lists(action, min_size=5, max_size=40)


class Painter:
    """Somebody who draws, in a colour of their own, over places where nobody was before."""

    def __init__(self, number: int) -> None:
        self.color = f"#{number:06x}"
        self.way: list[list[int]] = []  # where the pen was, in order
        self.draws = False
        self._places = count(1)

    def place(self) -> list[int]:
        self.way.append([next(self._places), len(self.color)])
        return self.way[-1]

    def messages(self, kind: str) -> list[dict[str, Any]]:
        """Return what a hand does: the messages of a client that takes batches."""
        if kind == "draw":
            return [m for part in ("begin", "lead on", "end") for m in self.messages(part)]
        if kind == "begin" or (kind == "lead on" and not self.draws):
            self.draws = True
            x, y = self.place()
            return [{"type": "draw_start", "x": x, "y": y, "color": self.color, "width": 3}]
        if kind == "lead on":
            return [{"type": "draw_points", "points": [self.place() for _ in range(3)]}]
        if kind == "end" and self.draws:
            self.draws = False
            return [{"type": "draw_end"}]
        return [{"type": kind}] if kind in TAKING else []


class Batcher(Painter):
    """One who uses our client, by hand: what its pad would tell comes from here."""

    def __init__(self, number: int, url: str) -> None:
        super().__init__(number)
        self.client = WhiteboardClient(url, f"Painter {number}")
        self._told = count(1)

    async def do(self, kind: str) -> None:
        if events := self.messages(kind):
            self.client._on_pad("view", next(self._told), events)

    async def cut(self) -> None:
        self.client.cut()

    def held(self) -> list[Any]:
        return listed(self.client.drawing)

    def should_hold(self, sheet) -> list[Any]:
        return listed(sheet)

    async def leave(self) -> None:
        self.client.close()
        await within(self.client.wait_closed())

    async def settle(self) -> None:
        client = self.client
        await client.until(lambda: client._mode == "batch" and not client._untaken, 10)
        assert client.failure is None


class Plain(Painter):
    """One who knows no more than the exercise asks for: one message a point."""

    def __init__(self, number: int, url: str) -> None:
        super().__init__(number)
        self.number, self.url = number, url
        self._asked = count(1)

    async def come(self) -> None:
        self.websocket = await within(connect(self.url, proxy=None, max_queue=None))
        self.drawing = Drawing()

    async def do(self, kind: str) -> None:
        for message in self.messages(kind):
            points = message.pop("points", None)
            for x, y in points or []:
                await say(self.websocket, {"type": "draw_move", "x": x, "y": y})
            if points is None:
                await say(self.websocket, message)

    async def cut(self) -> None:
        self.websocket.transport.abort()
        self.number += 100  # it does not hear what it drew itself: as somebody else it does
        self.color, self.draws = f"#{self.number:06x}", False
        await self.come()

    def held(self) -> list[Any]:
        return listed(self.drawing, without=self.color)

    def should_hold(self, sheet) -> list[Any]:
        return listed(sheet, without=self.color)

    async def leave(self) -> None:
        await within(self.websocket.close())

    async def settle(self) -> None:
        """Hear all that has come: the answer to this question comes after it."""
        question = f"question {next(self._asked)}"
        await say(self.websocket, {"type": question})
        while question not in (message := await hear(self.websocket)).get("message", ""):
            self.drawing.take(message)


def listed(drawing, *, without: str = "") -> list[Any]:
    """Return all there is to say of the strokes in a drawing, in their order."""
    return [
        (s.number, s.color, s.width, s.ended, [list(point) for point in s.points])
        for s in drawing.strokes.values()
        if s.color != without
    ]


async def agree(board, painters) -> None:
    """Wait until everybody has heard what all others did, and who was cut off is back."""
    while True:
        for painter in painters:
            await painter.settle()
        held = [painter.held() == painter.should_hold(board.drawing) for painter in painters]
        if all(held) and len(board.pens) == len(painters):
            return


async def play(script) -> None:
    """Let four painters do what a script says, and whoever comes; then compare all drawings."""
    async with serving("whiteboard", port=0) as server:
        board = server.handler.__self__
        painters = [Batcher(1, server.url), Batcher(2, server.url)]
        painters += [Plain(3, server.url), Plain(4, server.url)]
        for plain in painters[2:]:
            await plain.come()
        for kind, who, turns in script:
            painter = painters[who % len(painters)]
            if kind == "cut":
                await painter.cut()
            elif kind == "cut by the server":
                for websocket in list(board.pens)[who % 4 : who % 4 + 1]:
                    if "batch" in websocket.request.path:
                        websocket.transport.abort()
            elif kind == "come" and len(painters) < 8:
                number = 10 + len(painters)
                painters.append((Plain if who % 2 else Batcher)(number, server.url))
                if isinstance(painters[-1], Plain):
                    await painters[-1].come()
            elif kind != "come":
                await painter.do(kind)
            for _ in range(turns):
                await asyncio.sleep(0)
        late = Plain(99, server.url)
        await late.come()
        painters.append(late)
        with suppress(TimeoutError):  # what follows says who differs
            await within(agree(board, painters))
        for painter in painters:
            assert painter.held() == painter.should_hold(board.drawing)
        if not {kind for kind, _, _ in script} & set(TAKING) and drawing.STROKES > 100:
            for painter in painters[:2]:
                assert drawn_by(painter, board.drawing) == painter.way
        for painter in painters:
            await painter.leave()


def drawn_by(painter: Painter, sheet) -> list[list[float]]:
    """Return where the pen of somebody was. A stroke that was cut goes on where it was cut."""
    points = [p for s in sheet.strokes.values() if s.color == painter.color for p in s.points]
    return [
        point for before, point in zip([None, *points], points, strict=False) if before != point
    ]


@pytest.fixture(scope="module", autouse=True)
def quick_to_come_back():
    """A line that was cut comes back soon, or the tests would take long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "FIRST_PAUSE", 0.002)
        yield


# Not made shorter when they fail, which takes minutes: the script that failed is printed.
bounded = settings(
    deadline=None,
    max_examples=40,
    derandomize="CI" in os.environ,
    print_blob=True,
    database=None,
    phases=[Phase.generate],
)


@given(actions(DRAWING + LOSING))
@bounded
def test_nothing_is_lost_or_doubled_though_lines_break(script):
    asyncio.run(play(script))


@given(actions(DRAWING + TAKING + LOSING))
@bounded
def test_all_hold_the_same_strokes_after_undos_and_clears(script):
    asyncio.run(play(script))


@given(actions(DRAWING + TAKING + LOSING))
@bounded
def test_all_hold_the_same_strokes_on_a_sheet_that_is_small(script):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "STROKES", 6)
        patch.setattr(drawing, "POINTS", 30)
        patch.setattr(drawing, "LONGEST", 6)
        asyncio.run(play(script))
