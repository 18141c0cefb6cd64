"""The success criteria of exercise 7: everybody draws on one sheet, and all see the same."""

import asyncio
from functools import partial
from itertools import pairwise
from typing import Any

from checks.advice import Failed, kind_of, outlined, shown
from checks.canvas import CanvasScript, from_to, painted
from checks.criteria import Criteria
from checks.on_stage import Belongings
from checks.report import Report
from checks.stage import Person, Stage
from server.connection import Handler
from server.messages import Message

DRAWN = ("draw_start", "draw_move", "draw_end", "clear")
# The stroke is left out: whoever makes names up for them gets others at each run.
FIELDS = ("type", "x", "y", "fromX", "fromY", "message")
SHOWN = 0.02  # seconds in which more of a drawing would come
FEW = 12  # messages that a burst of moves may become
Place = tuple[int, int]


def drawn(message: Any) -> str:
    """Return a message as reports show it."""
    return outlined(message, FIELDS)


class WhiteboardStage(Stage):
    """A stage on which the learner's drawing is again as it was when it is left."""

    flood = 100_000  # a newcomer gets the whole drawing

    async def __aenter__(self) -> "WhiteboardStage":
        self._belongings = Belongings()
        self._belongings.begin(self.subject)
        await super().__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await super().__aexit__(*error)
        self._belongings.end()

    async def everybody(self, *names: str) -> list[Person]:
        """Let several people join, and wait until they were shown the drawing so far."""
        people = [await self.join(name) for name in names]
        before = -1
        # A server may take several turns for it.
        while (so_far := sum(len(person.got) for person in people)) != before:
            before = so_far
            await asyncio.sleep(SHOWN)
            await self.quiet()
        self.begin()
        return people


SERVER = Criteria(partial(WhiteboardStage, show=drawn))
CLIENT = Criteria(CanvasScript)


async def check_whiteboard(handler: Handler, step: int | None = None) -> Report:
    """Check the server of a whiteboard with Alice, Bob and Carol.

    Args:
        handler: The handler of the server, or a server that runs.
        step: Check one step of the notebook alone.
    """
    return await SERVER.check(handler, step)


async def check_whiteboard_client(client: type, step: int | None = None) -> Report:
    """Check the client of a whiteboard against a server that plays by a script.

    Args:
        client: The class, with an ipycanvas Canvas called `canvas` and the methods `pressed`,
            `moved` and `released`, which the mouse calls with a place.
        step: Check one step of the notebook alone.
    """
    return await CLIENT.check(client, step)


@SERVER.criterion("The others see where a stroke begins", step=1, stubs=["begin"])
async def begins(stage: WhiteboardStage) -> None:
    alice, bob = await stage.everybody("Alice", "Bob")
    [place] = places(stage, 1)
    start = await begin(stage, alice, place, bob)
    if type(start.get("stroke")) not in (int, str):
        state = f"is {kind_of(start['stroke'])}" if "stroke" in start else "is missing"
        raise Failed(
            f'Alice began a stroke; Bob got {drawn(start)}. The field "stroke" {state}, expected a '
            "number: with it the others know which moves belong to it."
        )
    await alice.caught_up()
    if alice.answers("draw_start"):
        raise Failed("Alice began a stroke and was told of it. It goes to the others alone.")


@SERVER.criterion("Each stroke has a number of its own", step=1, stubs=["begin"], needs=[begins])
async def own_numbers(stage: WhiteboardStage) -> None:
    alice, bob, carol = await stage.everybody("Alice", "Bob", "Carol")
    strokes = []
    for person, place in zip((alice, bob, alice), places(stage, 3), strict=True):
        strokes.append((await begin(stage, person, place, carol)).get("stroke"))
    if len(set(strokes)) != len(strokes):
        who = "Alice and Bob" if strokes[0] == strokes[1] else "Alice"
        raise Failed(
            f"{who} began two strokes; Carol was told the same number for both. Take the next "
            "number for each stroke."
        )


@SERVER.criterion(
    "A move says which stroke goes on, and from where",
    step=2,
    stubs=["begin", "move"],
    needs=[begins],
)
async def moves(stage: WhiteboardStage) -> None:
    alice, bob = await stage.everybody("Alice", "Bob")
    way = places(stage, 4)
    start = await begin(stage, alice, way[0], bob)
    for number, (before, place) in enumerate(pairwise(way)):
        got = await move(stage, alice, place, bob)
        expect_move(got, start["stroke"], before, place, way[0] if number else None)


@SERVER.criterion(
    "Two pens at the same time are told apart", step=2, stubs=["begin", "move"], needs=[moves]
)
async def two_pens(stage: WhiteboardStage) -> None:
    alice, bob, carol = await stage.everybody("Alice", "Bob", "Carol")
    at = dict(zip((alice, bob), places(stage, 2), strict=True))
    strokes = {}
    for person, place in at.items():
        strokes[person] = (await begin(stage, person, place, carol))["stroke"]
    for person in stage.random.sample([alice, alice, bob, bob], 4):
        [place] = places(stage, 1)
        got = await move(stage, person, place, carol)
        came_from = (got.get("fromX"), got.get("fromY"))
        other = bob if person is alice else alice
        if got.get("stroke") == strokes[other] or came_from == at[other]:
            raise Failed(
                f"Alice and Bob draw at the same time; {person.name} moved, and Carol was told "
                f"that {other.name}'s stroke goes on. Remember one pen for each connection."
            )
        expect_move(got, strokes[person], at[person], place, None)
        at[person] = place


@SERVER.criterion(
    "A stroke ends with its pen, and a new one can begin",
    step=3,
    stubs=["begin", "move", "end"],
    needs=[moves],
)
async def ends(stage: WhiteboardStage) -> None:
    alice, bob = await stage.everybody("Alice", "Bob")
    way = places(stage, 3)
    stroke = (await begin(stage, alice, way[0], bob))["stroke"]
    await move(stage, alice, way[1], bob)
    await alice.send({"type": "draw_end"})
    await expect_end(bob, stroke, 'Alice sent {"type": "draw_end"}')
    await alice.send({"type": "draw_move", "x": way[2][0], "y": way[2][1]})
    await alice.get("error", "Alice lifted her pen and then sent a draw_move", FORGET_PEN)
    await bob.caught_up()
    if bob.answers("draw_move"):
        raise Failed(f"Alice lifted her pen, then sent a draw_move; Bob was told. {FORGET_PEN}")
    again = await begin(stage, alice, way[2], bob)
    if again.get("stroke") == stroke:
        raise Failed("Alice lifted her pen and began again; Bob was told the same number.")


@SERVER.criterion(
    "A stroke ends when its client vanishes",
    step=3,
    stubs=["begin", "move", "end"],
    needs=[ends],
)
async def vanishes(stage: WhiteboardStage) -> None:
    alice, bob, carol = await stage.everybody("Alice", "Bob", "Carol")
    one, two = places(stage, 2)
    stroke = (await begin(stage, alice, one, bob))["stroke"]
    bob.since = len(bob.got)
    await alice.vanish()
    await expect_end(bob, stroke, "Alice's line went dead in the middle of a stroke")
    stroke = (await begin(stage, carol, two, bob))["stroke"]
    await carol.send({"type": "draw_end"})
    await expect_end(bob, stroke, "Carol drew a stroke and lifted her pen")
    bob.since = len(bob.got)
    await carol.leave()
    await stage.ended()
    await bob.caught_up()
    if bob.answers("draw_end"):
        raise Failed(
            "Carol lifted her pen and then left; Bob was told twice that her stroke ended. If "
            "there is no stroke, end() returns None."
        )
    if held := stage.held_connections():
        raise Failed(
            f"Alice and Carol have left; the server still keeps {held} of their connections. "
            "pens.pop(websocket, None) takes a pen out."
        )


@SERVER.criterion(
    "A newcomer sees the drawing so far, then what comes",
    step=4,
    stubs=["begin", "move", "end", "remember", "catch_up"],
    needs=[two_pens, ends],
)
async def history(stage: WhiteboardStage) -> None:
    alice, bob, carol = await stage.everybody("Alice", "Bob", "Carol")
    for person in (alice, bob):
        await begin(stage, person, places(stage, 1)[0], carol)
    for person in stage.random.sample([alice, alice, bob], 3):
        await move(stage, person, places(stage, 1)[0], carol)
    await alice.send({"type": "draw_end"})
    await carol.get("draw_end", "Alice lifted her pen")
    # At the same time somebody draws on.
    dave = await stage.join("Dave")
    await move(stage, bob, places(stage, 1)[0], carol)
    if not await stage.wait(lambda: len(drawing(dave)) >= len(drawing(carol)), dave):
        got = "got less than Carol did" if len(drawing(dave)) > 1 else "got nothing of it"
        raise Failed(
            f"Alice and Bob drew; then Dave came and {got}. Send a newcomer all that was drawn "
            "before, and let it hear what comes."
        )
    await dave.caught_up()
    if len(drawing(dave)) > len(drawing(carol)):
        raise Failed(
            "Dave came later than Carol, while Bob drew on, and was told more than she was. He "
            "needs each message once: first the old ones, then, as one of the clients, the new "
            "ones. There must be no `await` in between."
        )
    for his, hers in zip(drawing(dave), drawing(carol), strict=True):
        if his != hers:
            raise Failed(
                f"Dave came later than Carol, and got {drawn(his)} where she had got "
                f"{drawn(hers)}. Send him what she got, oldest first."
            )


@SERVER.criterion(
    "Clear is for everybody, and for who comes later",
    step=5,
    stubs=["begin", "move", "end", "remember", "catch_up", "clear"],
    needs=[history],
)
async def clears(stage: WhiteboardStage) -> None:
    alice, bob = await stage.everybody("Alice", "Bob")
    for place in places(stage, 2):
        await begin(stage, alice, place, bob)
        await alice.send({"type": "draw_end"})
    await alice.send({"type": "clear"})
    for person in (bob, alice):
        advice = "Her own sheet must be cleared, too: send it to everybody."
        await person.get(
            "clear",
            'Alice sent {"type": "clear"}',
            advice if person is alice else "Tell everybody.",
        )
    carol = await stage.join("Carol")
    [place] = places(stage, 1)
    await begin(stage, alice, place, bob)
    await stage.wait(lambda: carol.of_type("draw_start"), carol)
    first = next(iter(carol.of_type("draw_start")), None)
    if first is None or (first.get("x"), first.get("y")) != place:
        raise Failed(
            "Alice cleared the sheet; Carol, who came later, was told of strokes that are not "
            "there any more. Forget what was drawn: history.clear()."
        )


@SERVER.criterion(
    "Bad messages are answered and harm nobody",
    step=5,
    stubs=["begin", "move", "end", "remember", "catch_up", "clear"],
    needs=[begins],
)
async def bad_messages(stage: WhiteboardStage) -> None:
    alice, bob = await stage.everybody("Alice", "Bob")
    so_far = len(drawing(bob))
    bad_places = [{"x": 1}, {"x": "left", "y": 1}, {"x": True, "y": 1}, {"x": 1, "y": 10**6}]
    for bad in (
        "hello",
        "[]",
        {"type": "paint"},
        '{"type": "draw_start", "x": 1e999, "y": 1}',
        *({"type": "draw_start"} | place for place in bad_places),
        {"type": "draw_move", "x": 1, "y": 1},
        {"type": "draw_end"},
    ):
        await alice.send(bad)
        await alice.get("error", f"Alice sent {shown(bad)}")
    if len(told := drawing(bob)) > so_far:
        raise Failed(f"Alice sent bad messages; Bob got {drawn(told[-1])}. Answer only the sender.")
    await begin(stage, alice, places(stage, 1)[0], bob)


@CLIENT.criterion(
    "A pressed pen begins a stroke, a lifted one ends it", step=6, stubs=["pressed", "released"]
)
async def presses(script: CanvasScript) -> None:
    await script.joined()
    for x, y in script.places(2):
        script.hand(("pressed", x, y))
        await expect_heard(script, {"type": "draw_start", "x": x, "y": y}, "The pen was pressed")
        script.hand(("released", x, y))
        await expect_lifted(script)
    script.hand(("released", x, y))
    if more := await script.heard_more():
        raise Failed(
            "The pen was lifted, and then the mouse left the sheet; the server got "
            f"{shown(more[0])} once more. There was no stroke to end any more."
        )


@CLIENT.criterion(
    "Moves are told while the pen is down, and only then",
    step=6,
    stubs=["pressed", "moved", "released"],
    needs=[presses],
)
async def tells_moves(script: CanvasScript) -> None:
    await script.joined()
    before, start, *way, after = script.places(5)
    script.hand(("moved", *before))
    if more := await script.heard_more():
        raise Failed(
            f"The mouse moved, and its button was not pressed; the server got {shown(more[0])}. "
            "Where is the pen, while it is not on the sheet? Look at self.last."
        )
    script.hand(("pressed", *start))
    await expect_heard(
        script, {"type": "draw_start", "x": start[0], "y": start[1]}, "It was pressed"
    )
    script.hand(*(("moved", *place) for place in way))
    last = {"type": "draw_move", "x": way[-1][0], "y": way[-1][1]}
    heard = await script.heard_until(lambda heard: last in heard, script.within)
    if last not in heard:
        came = shown(heard[-1]) if heard else "nothing"
        raise Failed(
            f"The pen was pressed and moved to {way[-1]}; the server got {came} in "
            f"{script.within} s, expected {shown(last)}."
        )
    script.hand(("released", *way[-1]))
    await expect_lifted(script)
    script.hand(("moved", *after))
    if more := await script.heard_more():
        raise Failed(
            f"The pen was lifted, and then the mouse moved; the server got {shown(more[0])}. Set "
            "self.last to None when the pen is lifted."
        )


@CLIENT.criterion(
    "Your own stroke is on your sheet at once",
    step=7,
    stubs=["pressed", "moved", "released", "line"],
    needs=[tells_moves],
)
async def paints_own(script: CanvasScript) -> None:
    await script.joined()
    way = script.places(4)
    script.hand(("pressed", *way[0]), *(("moved", *place) for place in way[1:]))
    expected = [(*a, *b) for a, b in pairwise(way)]
    if script.lines != expected:
        raise Failed(
            f"The pen went from {way[0]} over {way[1]} and {way[2]} to {way[3]}; "
            f"{painted(script.lines)}, expected {len(expected)}, the first {from_to(expected[0])}. "
            "The server does not tell you what you drew yourself: paint it when it is drawn."
        )


@CLIENT.criterion(
    "The strokes of others are on it as they come", step=7, stubs=["line", "received"]
)
async def paints_others(script: CanvasScript) -> None:
    await script.joined()
    one, two, three, four = script.places(4)
    for stroke, (x, y), (to_x, to_y) in ((1, one, two), (2, three, four), (1, two, three)):
        await script.say({"type": "draw_start", "stroke": stroke, "x": x, "y": y})
        message = {"type": "draw_move", "stroke": stroke, "fromX": x, "fromY": y}
        message |= {"x": to_x, "y": to_y}
        script.lines.clear()
        await script.say(message)
        await script.taken()
        if script.lines != [(x, y, to_x, to_y)]:
            raise Failed(
                f"{shown(message, 120)} came; {painted(script.lines)}, expected one line from "
                f"({x}, {y}) to ({to_x}, {to_y})."
            )
    await script.say({"type": "draw_end", "stroke": 1})
    await script.say({"type": "error", "message": "This is only a test."})
    await script.taken()
    if len(script.lines) != 1:
        raise Failed("A draw_end and an error came, and something was painted. Look at the type.")
    if more := await script.heard_more():
        raise Failed(
            f"Others drew, and the client sent {shown(more[0])} to the server. It would go round "
            "for ever: paint what comes, and send nothing."
        )


@CLIENT.criterion("Clear empties it", step=7, stubs=["line", "received"], needs=[paints_others])
async def clears_sheet(script: CanvasScript) -> None:
    await script.joined()
    before = script.cleared
    await script.say({"type": "clear"})
    await script.taken()
    if script.cleared != before + 1:
        raise Failed(
            '{"type": "clear"} came; the canvas was not cleared. `self.canvas.clear()` does it.'
        )


@CLIENT.criterion(
    "A flood of moves becomes a few messages",
    step=8,
    stubs=["pressed", "moved", "released", "line", "flush"],
    needs=[paints_own],
)
async def throttles(script: CanvasScript) -> None:
    await script.joined()
    start, *way = script.places(201)
    script.hand(("pressed", *start), *(("moved", *place) for place in way))
    last = {"type": "draw_move", "x": way[-1][0], "y": way[-1][1]}
    heard = await script.heard_until(lambda heard: last in heard or len(heard) > FEW, script.within)
    await script.taken()
    heard += await script.heard_more()
    if len(heard) > FEW:
        raise Failed(
            f"The mouse moved {len(way)} times in a moment; the server got more than {FEW} "
            "messages. Note only the newest place, and let a timer send it. If one is planned "
            "already, plan no other."
        )
    if last not in heard:
        raise Failed(
            f"The mouse moved {len(way)} times, the last time to {way[-1]}; the server was never "
            "told that place. When the time has come, send the newest one."
        )
    if len(script.lines) != len(way):
        raise Failed(
            f"The mouse moved {len(way)} times; {painted(script.lines)}, expected {len(way)}. Your "
            "own sheet need not wait: paint each move at once, and send few."
        )


@CLIENT.criterion(
    "The last place is told before the stroke ends",
    step=8,
    stubs=["pressed", "moved", "released", "line", "flush"],
    needs=[throttles],
)
async def last_place(script: CanvasScript) -> None:
    await script.joined()
    start, *way = script.places(5)
    last = {"type": "draw_move", "x": way[-1][0], "y": way[-1][1]}
    over = {"type": "draw_end"}
    script.hand(("pressed", *start), *(("moved", *place) for place in way), ("released", *way[-1]))
    heard = await script.heard_until(lambda heard: over in heard, script.within)
    await script.taken()
    late = await script.heard_more()
    if over not in heard:
        raise Failed("The pen was lifted at once after it had moved; no draw_end came.")
    if late:
        raise Failed(
            f"After draw_end there came {shown(late[0])}, which is an error: the stroke was over. "
            "Cancel what is planned when you send it."
        )
    if heard[-2:] != [last, over]:
        raise Failed(
            f"The pen moved to {way[-1]} and was lifted at once; before draw_end there came "
            f"{shown(heard[-2]) if len(heard) > 1 else 'nothing'}, expected {shown(last)}. Send "
            "what is left first."
        )


@CLIENT.criterion(
    "The others see a stroke while it is drawn",
    step=8,
    stubs=["pressed", "moved", "released", "line", "flush"],
    needs=[throttles],
)
async def keeps_telling(script: CanvasScript) -> None:
    await script.joined()
    start, *way = script.places(41)
    script.hand(("pressed", *start))
    for place in way:
        script.hand(("moved", *place))
        await asyncio.sleep(0.015)
    heard = [m for m in await script.heard_more() if m.get("type") == "draw_move"]
    if len(heard) < 3:
        raise Failed(
            f"The pen moved for {0.015 * len(way):.1f} s without being lifted; the server got "
            f"{len(heard)} moves meanwhile. Send the newest place about 20 times a second."
        )


FORGET_PEN = "Forget the pen when it is lifted: pens.pop(websocket, None)."


def places(stage: WhiteboardStage, how_many: int) -> list[Place]:
    """Return that many places on the sheet, each another one."""
    numbers = stage.random.sample(range(10, 490), how_many + 1)
    return [(x + 7, y) for x, y in pairwise(numbers)]


async def begin(stage: WhiteboardStage, person: Person, place: Place, watcher: Person) -> Message:
    """Let somebody begin a stroke; returns what somebody else is told."""
    message = {"type": "draw_start", "x": place[0], "y": place[1]}
    deed = f"{person.name} sent {shown(message)}"
    await person.send(message)
    got = await watcher.get("draw_start", deed, "Tell everybody else.")
    if (got.get("x"), got.get("y")) != place:
        raise Failed(f"{deed}; {watcher.name} got {drawn(got)}, expected the same place.")
    return got


async def move(stage: WhiteboardStage, person: Person, place: Place, watcher: Person) -> Message:
    """Let somebody move their pen; returns what somebody else is told."""
    message = {"type": "draw_move", "x": place[0], "y": place[1]}
    deed = f"{person.name} sent {shown(message)}"
    await person.send(message)
    got = await watcher.get("draw_move", deed, "Tell everybody else.")
    if (got.get("x"), got.get("y")) != place:
        raise Failed(f"{deed}; {watcher.name} got {drawn(got)}, expected the same place.")
    return got


def expect_move(
    got: Message, stroke: Any, before: Place, place: Place, first: Place | None
) -> None:
    """Hold a draw_move against what it must say."""
    came = f"A pen moved from {before} to {place}; the others got {drawn(got)}"
    if "fromX" not in got or "fromY" not in got:
        raise Failed(
            f'{came}, without "fromX" and "fromY". No client sends these. The server must remember '
            "where each pen was."
        )
    if (got["fromX"], got["fromY"]) == first:
        raise Failed(
            f"{came}: that is where the stroke began. After each move, remember the new place."
        )
    if (got["fromX"], got["fromY"]) != before:
        raise Failed(f'{came}, expected "fromX": {before[0]} and "fromY": {before[1]}.')
    if got.get("stroke") != stroke:
        what = "without a stroke" if "stroke" not in got else "with the number of another stroke"
        raise Failed(f"{came}, {what}. It must be the number that its draw_start had.")


async def expect_end(person: Person, stroke: Any, deed: str) -> None:
    """Wait until somebody is told that a stroke has ended."""
    got = await person.get("draw_end", deed, "Tell the others that the stroke is over.")
    if got.get("stroke") != stroke:
        raise Failed(
            f"{deed}; {person.name} got {drawn(got)}, without the number of that stroke. Two pens "
            "may be on the sheet: which one was lifted?"
        )


def drawing(person: Person) -> list[Message]:
    """Return what somebody was told of the drawing."""
    return [m for m in person.got if isinstance(m, dict) and m.get("type") in DRAWN]


async def expect_lifted(script: CanvasScript) -> None:
    """Wait for the draw_end. A move that was left over may come before it."""
    over = {"type": "draw_end"}
    heard = await script.heard_until(lambda heard: over in heard, script.within)
    if over not in heard:
        came = shown(heard[-1]) if heard else "nothing"
        raise Failed(
            f"The pen was lifted; the server got {came} in {script.within} s, expected "
            f"{shown(over)}."
        )


async def expect_heard(script: CanvasScript, expected: Message, deed: str) -> None:
    """Wait for the next message of the client, which must be the one expected."""
    got = await script.hear()
    if got != expected:
        came = "nothing" if got is None else shown(got)
        raise Failed(
            f"{deed}; the server got {came} in {script.within} s, expected {shown(expected)}."
        )
