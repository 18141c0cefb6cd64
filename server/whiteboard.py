"""Exercise 7: a sheet on which everybody draws at the same time.

Any client can take part with the messages of the exercise. One whose address ends with
``?batch=1`` can do more: it takes several points in one message (``draw_points``), gets back what
it sent itself, in the order in which the server took it, and sees the pens of the others. If it
counts its messages (``n``), it hears of each one that it was taken, and may send it once more after
the line broke: nothing is lost then, and nothing is drawn twice.
"""

import asyncio
import re
from collections import deque
from collections.abc import Iterable
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection

from server.drawing import BLACK, THIN, Drawing, Point, Stroke
from server.messages import Message, Refused, number, text
from server.names import username
from server.room import Room, receive, send

PENS = 1_000  # that are remembered
MISSED = 10_000  # messages that wait for a newcomer who is slow to read
MOST_POINTS = 500  # in one message

coordinate = number(-10_000, 10_000)  # a hand leaves the sheet, but not that far


def points(field: str, value: Any) -> None:
    """Describe a field that holds several points."""
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_POINTS:
        raise Refused(f"The field '{field}' must be a list of 1 to {MOST_POINTS} points.")
    for point in value:
        if not isinstance(point, list) or len(point) != 2:
            raise Refused(f"The field '{field}' must hold points such as [120, 80.5].")
        coordinate(field, point[0])
        coordinate(field, point[1])


def color(field: str, value: Any) -> None:
    """Describe a field that holds a colour."""
    if not isinstance(value, str) or not re.fullmatch("#[0-9a-fA-F]{6}", value):
        raise Refused(f"The field '{field}' must be a colour such as \"#1a73e8\".")


PLACE = {"x": coordinate, "y": coordinate}
ACCEPTED = {
    "draw_start": PLACE,
    "draw_move": PLACE,
    "draw_end": {},
    "clear": {},
    # What the exercise does not ask for:
    "draw_points": {"points": points},
    "undo": {},
    "join": {"username": username},
    "pointer": PLACE,
}
OPTIONAL = {"color": color, "width": number(1, 50), "key": text(8, 64), "n": number(1, 2**53)}


class Pen:
    """What somebody draws with.

    Attributes:
        number: What the server calls it.
        taken: The number `n` of the message that was taken last, if its client counts them.
        stroke: The stroke that is being drawn, or None.
        muted: Whether the stroke that is being drawn was refused: its rest is passed over.
        was_told: Whether everybody was told of the message that is being taken.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.username = f"Guest {number}"
        self.color = BLACK
        self.taken = 0
        self.stroke: Stroke | None = None
        self.muted = self.was_told = False


class Whiteboard:
    """The drawing, and everybody who sees it and draws on it."""

    def __init__(self) -> None:
        self.drawing = Drawing()
        self.pens: dict[ServerConnection, Pen] = {}
        self.plain, self.batch = Room(), Room()
        self._numbers = count(1)
        self._known: dict[str, Pen] = {}  # the pens of those who may come back, by their key
        self._missed: dict[ServerConnection, deque[Message]] = {}  # by who is still being shown it

    async def handler(self, websocket: ServerConnection) -> None:
        """Talk with one client, from its arrival until it leaves."""
        self.pens[websocket] = Pen(next(self._numbers))
        try:
            if takes_batches(websocket):
                await send(websocket, {"type": "hello", "batch": True})
            else:
                await self.show(websocket, self.plain)
            async for message in receive(websocket, ACCEPTED):
                await self.answer(websocket, message)
        finally:
            self.leave(websocket)

    async def answer(self, websocket: ServerConnection, message: Message) -> None:
        """Do what a client asks for, or tell it why not."""
        pen, counted = self.pens[websocket], {}
        try:
            if "n" in message:
                OPTIONAL["n"]("n", message["n"])
                counted = {"n": message["n"]}
            for field in OPTIONAL.keys() & message.keys():
                OPTIONAL[field](field, message[field])
            if message["type"] == "join":
                await self.join(websocket, message)
                return
            pen.was_told = False
            if not counted or message["n"] > pen.taken:  # else it comes a second time
                pen.taken = message.get("n", pen.taken)
                self.take(websocket, pen, message)
            if counted and not pen.was_told:
                await send(websocket, {"type": "taken"} | counted)
        except Refused as refusal:
            await send(websocket, {"type": "error", "message": str(refusal)} | counted)

    def take(self, websocket: ServerConnection, pen: Pen, message: Message) -> None:
        """Draw, or whatever else a pen does."""
        match message["type"]:
            case "draw_start":
                self.end(websocket, pen)
                pen.muted = False
                pen.color = message.get("color", pen.color)
                self.begin(websocket, pen, place(message), message.get("width", THIN))
            case "draw_move":
                self.lead_on(websocket, pen, [place(message)])
            case "draw_points":
                self.lead_on(websocket, pen, message["points"])
            case "draw_end" if pen.muted:
                pen.muted = False
            case "draw_end" if pen.stroke is None:
                raise Refused("There is no stroke to end. Send a draw_start first.")
            case "draw_end":
                self.end(websocket, pen)
            case "undo":
                self.undo(pen)
            case "clear":
                self.clear(pen)
            case "pointer":
                self.batch.broadcast(pointer(pen, place(message)), skip=websocket)

    # Drawing.

    def begin(self, websocket: ServerConnection, pen: Pen, point: Point, width: float) -> None:
        """Begin a stroke. If the sheet is full, the rest of what this hand draws is passed over."""
        try:
            pen.stroke = self.drawing.begin(pen.number, pen.username, point, pen.color, width)
        except Refused:
            pen.stroke, pen.muted = None, True
            raise
        self.tell(websocket, pen.stroke.begun(), pen)

    def lead_on(self, websocket: ServerConnection, pen: Pen, points: list[Point]) -> None:
        """Lead the stroke of a pen on."""
        if pen.muted:
            return
        if pen.stroke is None:
            raise Refused('Begin a stroke first: send {"type": "draw_start", "x": …, "y": …}.')
        if not self.drawing.takes(pen.stroke):
            # The sheet was cleared below the pen, or the line was cut, or the stroke is very long.
            last, width = pen.stroke.points[-1], pen.stroke.width
            self.end(websocket, pen)
            self.begin(websocket, pen, last, width)
        stroke, first = pen.stroke, len(pen.stroke.points)
        try:
            self.drawing.lead_on(stroke, points)
        except Refused:
            self.end(websocket, pen)
            pen.muted = True
            raise
        step = first, len(stroke.points)
        self.tell(websocket, stroke.several(*step), pen, stroke.moves(*step))

    def end(self, websocket: ServerConnection, pen: Pen) -> None:
        """End the stroke of a pen, if it draws one."""
        stroke, pen.stroke = pen.stroke, None
        if stroke is not None and not stroke.ended:
            self.drawing.end(stroke)
            if stroke.number in self.drawing.strokes:  # it may have been cleared below the pen
                self.tell(websocket, stroke.over(), pen)

    def undo(self, pen: Pen) -> None:
        """Take the newest stroke of a pen away."""
        stroke = self.drawing.last_of(pen.number)
        if stroke is None:
            raise Refused("There is nothing of yours to undo.")
        self.drawing.remove(stroke)
        self.tell(None, {"type": "undo", "stroke": stroke.number}, pen, to_all=True)

    def clear(self, pen: Pen | None = None) -> None:
        """Begin with an empty sheet; without a pen it is the teacher who asks for it."""
        self.drawing.clear()
        self.tell(None, {"type": "clear"}, pen or Pen(0), to_all=True)

    # Coming and going.

    @property
    def names(self) -> dict[ServerConnection, str]:
        """What those who are connected call themselves."""
        return {websocket: pen.username for websocket, pen in self.pens.items()}

    async def join(self, websocket: ServerConnection, message: Message) -> None:
        """Give somebody the pen that they had before the line broke, or name a new one."""
        pen = self.pens[websocket]
        if key := message.get("key"):
            former, pen = pen, self._known.setdefault(key, pen)
            if pen is not former:
                self.end(websocket, former)  # it was slow to say hello, and drew as a stranger
                self.pens[websocket] = pen
            while len(self._known) > PENS:
                del self._known[next(iter(self._known))]
        pen.username = message["username"].strip()
        pen.color = message.get("color", pen.color)
        await send(websocket, {"type": "welcome", "pen": pen.number, "taken": pen.taken})
        if takes_batches(websocket) and websocket not in self.batch.members:
            await self.show(websocket, self.batch)

    async def show(self, websocket: ServerConnection, room: Room) -> None:
        """Show a newcomer the drawing so far, then let it hear what comes."""
        # It may take a while, and nobody shall wait for it. What is drawn meanwhile comes after.
        missed = self._missed[websocket] = deque()
        for step in list(self.drawing.steps):
            for message in told_again(*step, batch=room is self.batch):
                await send(websocket, message)
                await asyncio.sleep(0)  # a long drawing must not keep the others waiting
        while missed:
            await send(websocket, missed.popleft())
        del self._missed[websocket]
        room.add(websocket)

    def leave(self, websocket: ServerConnection) -> None:
        """Forget a client, whichever way it left. The stroke that it was drawing ends."""
        self.plain.remove(websocket)
        self.batch.remove(websocket)
        self._missed.pop(websocket, None)
        pen = self.pens.pop(websocket)
        if pen not in self.pens.values():  # or else it came back before its former line was gone
            stroke = pen.stroke
            self.end(websocket, pen)
            pen.stroke = stroke  # who comes back may draw on
            self.batch.broadcast({"type": "pointer_gone", "pen": pen.number})

    def tell(
        self,
        websocket: ServerConnection | None,
        message: Message,
        pen: Pen,
        singles: Iterable[Message] | None = None,
        to_all: bool = False,
    ) -> None:
        """Tell everybody what a pen did; its own client only if that takes batches.

        Args:
            websocket: The client whose pen it is.
            message: What happened.
            pen: Who did it.
            singles: The same in messages of one point each.
            to_all: Whether even a plain client is told what it did itself.
        """
        pen.was_told = True
        told = message | {"pen": pen.number, "n": pen.taken}
        self.batch.broadcast(told)
        if not self.plain.members and not self._missed:
            return  # most of the time, nobody needs the single ones
        singles = [message] if singles is None else list(singles)
        for single in singles:
            self.plain.broadcast(single, skip=None if to_all else websocket)
        for newcomer, missed in self._missed.items():
            missed.extend([told] if takes_batches(newcomer) else singles)
            if len(missed) > MISSED:
                newcomer.transport.abort()


def told_again(stroke: Stroke, first: int, until: int, batch: bool) -> list[Message]:
    """Return the messages for one step of the drawing, as they were when it was drawn."""
    if first == 0:
        return [stroke.begun()]
    if first == until:
        return [stroke.over()]
    return [stroke.several(first, until)] if batch else list(stroke.moves(first, until))


def place(message: Message) -> Point:
    """Return where a message says that the pen is."""
    return [message["x"], message["y"]]


def pointer(pen: Pen, point: Point) -> Message:
    """Return the message that tells where a pen is that does not draw."""
    look = {"pen": pen.number, "username": pen.username, "color": pen.color}
    return {"type": "pointer", "x": point[0], "y": point[1]} | look


def takes_batches(websocket: ServerConnection) -> bool:
    """Return whether a client can take several points in one message, as its address tells."""
    query = urlsplit(websocket.request.path).query if websocket.request else ""
    return parse_qs(query).get("batch") == ["1"]
