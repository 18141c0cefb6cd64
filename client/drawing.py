"""What a client knows of the drawing, and what can be made of it: SVG, PNG, JSON."""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw

from server.messages import Message

Point = tuple[float, float]

WIDTH, HEIGHT = 800, 500  # pixels
BLACK, THIN = "#222222", 3.0
SHARP = 2  # pixels of a PNG for each pixel of the sheet
SMOOTH = 2  # times as large as that it is drawn, and then made smaller
MOST_STROKES, MOST_POINTS, FARTHEST = 2_000, 200_000, 10_000  # in a file that is opened


@dataclass
class Stroke:
    """A line that somebody drew without lifting the pen.

    Attributes:
        number: What the server calls it.
        pen: The number of the pen, if the server tells.
    """

    number: Any
    color: str = BLACK
    width: float = THIN
    points: list[Point] = field(default_factory=list)
    pen: int | None = None
    ended: bool = False


class Drawing:
    """The strokes on the sheet, as the messages of the server tell them.

    Attributes:
        strokes: All of them by their number, in the order of the server.
    """

    def __init__(self) -> None:
        self.strokes: dict[Any, Stroke] = {}
        self._new: dict[Any, int] = {}  # how many points of a stroke are painted already
        self._all_anew = True

    def take(self, message: Message) -> None:
        """Change the drawing as a message says. One that makes no sense changes nothing."""
        match message:
            case {"type": "draw_start", "stroke": int() | str() as number, "x": x, "y": y}:
                stroke = Stroke(number, pen=message.get("pen"))
                stroke.color = color_of(message.get("color"))
                stroke.width = width_of(message.get("width"))
                if is_point(x, y):
                    if self.strokes.pop(number, None):
                        self.repaint()  # another server, which counts anew, has taken over
                    self.strokes[number] = stroke
                    self._lead_on(stroke, [(x, y)])
            case {"type": "draw_move", "stroke": int() | str() as number, "x": x, "y": y}:
                if number not in self.strokes:  # it was begun before we came, and nobody told us
                    start = {"x": message.get("fromX", x), "y": message.get("fromY", y)}
                    self.take(message | {"type": "draw_start"} | start)
                if is_point(x, y):
                    self._lead_on(self.strokes.get(number), [(x, y)])
            case {"type": "draw_points", "stroke": int() | str() as number, "points": list(points)}:
                fine = [(p[0], p[1]) for p in points if is_pair(p)]
                self._lead_on(self.strokes.get(number), fine)
            case {"type": "draw_end", "stroke": int() | str() as number}:
                if number in self.strokes:
                    self.strokes[number].ended = True
            case {"type": "undo", "stroke": int() | str() as number}:
                if self.strokes.pop(number, None):
                    self.repaint()
            case {"type": "clear"}:
                self.clear()

    def clear(self) -> None:
        """Take all strokes away."""
        self.strokes.clear()
        self.repaint()

    def repaint(self) -> None:
        """Note that all has to be painted anew."""
        self._all_anew = True

    def unpainted(self) -> tuple[bool, list[tuple[Stroke, list[Point]]]]:
        """Return whether all has to be painted anew, and the strokes and points to paint.

        What it returns counts as painted. The first point is the last one that was painted
        before, if there was one.
        """
        anew = self._all_anew
        numbers = self.strokes if anew else [n for n in self._new if n in self.strokes]
        firsts = {} if anew else self._new
        parts = [
            (self.strokes[n], self.strokes[n].points[max(0, firsts.get(n, 0) - 1) :])
            for n in numbers
        ]
        self._all_anew, self._new = False, {}
        return anew, parts

    def _lead_on(self, stroke: Stroke | None, points: Iterable[Point]) -> None:
        if stroke is not None:
            self._new.setdefault(stroke.number, len(stroke.points))
            stroke.points.extend(points)


def is_point(x: Any, y: Any) -> bool:
    """Return whether two values are a place on the sheet, or not too far from it."""
    numbers = [v for v in (x, y) if isinstance(v, int | float) and not isinstance(v, bool)]
    return len(numbers) == 2 and all(-FARTHEST <= value <= FARTHEST for value in numbers)


def is_pair(value: Any) -> bool:
    """Return whether a value is a point such as [120, 80.5]."""
    return isinstance(value, list) and len(value) == 2 and is_point(*value)


def color_of(value: Any) -> str:
    """Return a colour, or black if the value is none."""
    return value if isinstance(value, str) and re.fullmatch("#[0-9a-fA-F]{6}", value) else BLACK


def width_of(value: Any) -> float:
    """Return a width of a stroke, or a thin one if the value is none."""
    return value if is_point(value, 0) and 1 <= value <= 50 else THIN


def to_svg(strokes: Iterable[Stroke]) -> str:
    """Return a drawing as SVG, which stays sharp at any size."""
    lines = []
    for stroke in strokes:
        # A line from a point to itself is a dot, thanks to its round ends.
        points = stroke.points if len(stroke.points) > 1 else stroke.points * 2
        corners = " ".join(f"{x:g},{y:g}" for x, y in points)
        lines.append(
            f'<polyline points="{corners}" stroke="{escape(stroke.color)}" '
            f'stroke-width="{stroke.width:g}"/>\n'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" fill="none" '
        'stroke-linecap="round" stroke-linejoin="round">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n{"".join(lines)}</svg>\n'
    )


def to_png(strokes: Iterable[Stroke]) -> bytes:
    """Return a drawing as PNG, twice as fine as the sheet."""
    fine = SHARP * SMOOTH
    image = Image.new("RGB", (WIDTH * fine, HEIGHT * fine), "white")
    brush = ImageDraw.Draw(image)
    for stroke in strokes:
        points = [(x * fine, y * fine) for x, y in stroke.points]
        brush.line(points, stroke.color, round(stroke.width * fine), joint="curve")
        for point in (points[0], points[-1]):
            brush.circle(point, stroke.width * fine / 2, stroke.color)
    file = BytesIO()
    image.resize((WIDTH * SHARP, HEIGHT * SHARP), Image.Resampling.LANCZOS).save(file, "PNG")
    return file.getvalue()


def to_json(strokes: Iterable[Stroke]) -> str:
    """Return a drawing as JSON, which :func:`from_json` reads again."""
    listed = [{"color": s.color, "width": s.width, "points": s.points} for s in strokes]
    return json.dumps({"whiteboard": 1, "strokes": listed})


def from_json(text: str | bytes) -> list[Stroke]:
    """Return the strokes of a drawing that was saved as JSON.

    Raises:
        ValueError: If it is no such drawing. The text says what is wrong in it.
    """
    expected = "Expected a drawing that was saved here as JSON."
    try:
        saved = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"This file is no JSON. {expected}") from None
    listed = saved.get("strokes") if isinstance(saved, dict) else None
    if not isinstance(listed, list):
        raise ValueError(f"This file has no list of strokes. {expected}")
    strokes = [_read_stroke(number, stroke) for number, stroke in enumerate(listed, 1)]
    if len(strokes) > MOST_STROKES or sum(len(s.points) for s in strokes) > MOST_POINTS:
        raise ValueError(
            f"This drawing is too large: more than {MOST_STROKES:,} strokes or {MOST_POINTS:,} "
            "points."
        )
    return strokes


def _read_stroke(number: int, saved: Any) -> Stroke:
    points = saved.get("points") if isinstance(saved, dict) else None
    fine = isinstance(points, list) and len(points) > 0 and all(map(is_pair, points))
    if not fine:
        raise ValueError(
            f"Stroke {number} of this file is broken: expected a list of points such as "
            f"[120, 80.5], with numbers up to {FARTHEST:,}."
        )
    look = color_of(saved.get("color")), width_of(saved.get("width"))
    return Stroke(number, *look, [(x, y) for x, y in points])


def shade(number: int) -> str:
    """Return the colour that a pen begins with: pens with other numbers have other colours."""
    hue = number * 137.5 % 360  # the golden angle: however many there are, they differ
    parts = [(0.42 + 0.34 * math.cos(math.radians(hue - turn))) for turn in (0, 120, 240)]
    return "#" + "".join(f"{round(255 * max(0.0, min(1.0, part))):02x}" for part in parts)
