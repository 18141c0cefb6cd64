"""What is on a sheet: strokes, in the order in which they were begun."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, pairwise

from server.messages import Message, Refused

Point = list[float]  # x and y, in pixels of the sheet

BLACK, THIN = "#222222", 3
STROKES, POINTS = 2_000, 200_000  # that one sheet holds
LONGEST = 5_000  # points of one stroke; a hand that draws on begins another one
FULL = "The sheet is full: {}. Undo a stroke, or clear the sheet, and draw on."


@dataclass
class Stroke:
    """A line that a pen draws without leaving the sheet.

    Attributes:
        number: What the server calls it: 1, 2, 3, …
        pen: The number of the pen, and the name of who holds it.
        points: Where it leads, as far as it is drawn.
        ended: Whether the pen has left the sheet.
    """

    number: int
    pen: int
    username: str
    color: str
    width: float
    points: list[Point] = field(default_factory=list)
    ended: bool = False

    def begun(self) -> Message:
        """Return the message that tells where it begins."""
        [x, y] = self.points[0]
        look = {"color": self.color, "width": self.width}
        look |= {"pen": self.pen, "username": self.username}
        return {"type": "draw_start", "stroke": self.number, "x": x, "y": y} | look

    def moves(self, first: int, until: int) -> Iterator[Message]:
        """Yield the messages that lead to some of its points, each from the one before."""
        look = {"color": self.color, "width": self.width}
        for (from_x, from_y), (x, y) in pairwise(self.points[first - 1 : until]):
            line = {"fromX": from_x, "fromY": from_y, "x": x, "y": y}
            yield {"type": "draw_move", "stroke": self.number} | line | look

    def several(self, first: int, until: int) -> Message:
        """Return the one message that leads to the same points, for who takes batches."""
        points = self.points[first:until]
        return {"type": "draw_points", "stroke": self.number, "points": points}

    def over(self) -> Message:
        """Return the message that tells that the pen has left the sheet."""
        return {"type": "draw_end", "stroke": self.number}


class Drawing:
    """The strokes on a sheet, which holds only so many.

    Attributes:
        strokes: All of them by their number, in the order in which they were begun.
        steps: How they came to be, in order: a stroke, and which of its points it got from where
            to where. With no more points it ended.
    """

    def __init__(self) -> None:
        self.strokes: dict[int, Stroke] = {}
        self.steps: list[tuple[Stroke, int, int]] = []
        self._numbers = count(1)
        self._points = 0

    def begin(self, pen: int, name: str, point: Point, color: str, width: float) -> Stroke:
        """Begin a stroke.

        Raises:
            Refused: If the sheet is full.
        """
        if len(self.strokes) >= STROKES:
            raise Refused(FULL.format(f"{STROKES:,} strokes are on it"))
        stroke = Stroke(next(self._numbers), pen, name, color, width)
        self.lead_on(stroke, [point])
        self.strokes[stroke.number] = stroke
        return stroke

    def lead_on(self, stroke: Stroke, points: list[Point]) -> None:
        """Lead a stroke on.

        Raises:
            Refused: If the sheet is full.
        """
        if self._points + len(points) > POINTS:
            raise Refused(FULL.format(f"its strokes have {POINTS:,} points"))
        first = len(stroke.points)
        stroke.points += points
        self._points += len(points)
        self.steps.append((stroke, first, len(stroke.points)))

    def end(self, stroke: Stroke) -> None:
        """End a stroke. It may have been cleared below the pen."""
        stroke.ended = True
        if stroke.number in self.strokes:
            self.steps.append((stroke, len(stroke.points), len(stroke.points)))

    def takes(self, stroke: Stroke) -> bool:
        """Return whether a stroke can be led on: it is there, has not ended, is not too long."""
        is_there = stroke.number in self.strokes
        return is_there and not stroke.ended and len(stroke.points) < LONGEST

    def last_of(self, pen: int) -> Stroke | None:
        """Return the newest stroke of a pen, if there is one."""
        return next((s for s in reversed(self.strokes.values()) if s.pen == pen), None)

    def remove(self, stroke: Stroke) -> None:
        """Take one stroke away."""
        del self.strokes[stroke.number]
        self.steps = [step for step in self.steps if step[0] is not stroke]
        self._points -= len(stroke.points)

    def clear(self) -> None:
        """Take all strokes away."""
        self.strokes.clear()
        self.steps = []
        self._points = 0
