"""Servers for exercise 7 as learners write them, and what the check must say of them.

The criteria, in the order of the marks: begins · a number of its own · moves · two pens · ends ·
vanishes · a newcomer · clear · bad messages.
"""

from tests.gallery import Piece, cell, notebook_cells

SOLVED = tuple(notebook_cells("solutions", "07_whiteboard", 5))


def written(title: str, marks: str, *words: str, source: str) -> Piece:
    """The notebook, in which some functions are written so."""
    return Piece(title, (*SOLVED, cell(source)), marks, words)


WRONG = [
    written(
        "a stroke without a number",
        "✗––––––––",
        'The field "stroke" is missing, expected a number',
        source="""
            def begin(websocket, x, y):
                pens[websocket] = {"stroke": 1, "x": x, "y": y}
                return {"type": "draw_start", "x": x, "y": y}
        """,
    ),
    written(
        "all strokes have the same number",
        "✓✗✓✗✗–––✓",
        "Alice and Bob began two strokes; Carol was told the same number for both",
        source="""
            def begin(websocket, x, y):
                pens[websocket] = {"stroke": 1, "x": x, "y": y}
                return {"type": "draw_start"} | pens[websocket]
        """,
    ),
    written(
        "each client has one number for ever",
        "✓✗✓✓✗–––✓",
        "Alice began two strokes; Carol was told the same number for both",
        source="""
            def begin(websocket, x, y):
                pen = {"stroke": str(websocket.id), "x": x, "y": y}
                pens[websocket] = pen
                return {"type": "draw_start"} | pen
        """,
    ),
    written(
        "the number is the iterator",
        "!––––––––",
        "raised TypeError: Object of type count is not JSON serializable",
        source="""
            def begin(websocket, x, y):
                pen = {"stroke": numbers, "x": x, "y": y}
                pens[websocket] = pen
                return {"type": "draw_start"} | pen
        """,
    ),
    written(
        "the pen is not noted",
        "✓✓✗–––––✓",
        "and Bob got nothing in 1.0 s, expected",
        source="""
            def begin(websocket, x, y):
                return {"type": "draw_start", "stroke": next(numbers), "x": x, "y": y}
        """,
    ),
    written(
        "nothing is returned",
        "✗––––––––",
        "Tell everybody else",
        source="""
            def begin(websocket, x, y):
                pens[websocket] = {"stroke": next(numbers), "x": x, "y": y}
        """,
    ),
    written(
        "a move without fromX and fromY, as in the exercise sheet",
        "✓✓✗–––––✓",
        'without "fromX" and "fromY". No client sends these',
        source="""
            def move(websocket, x, y):
                return {"type": "draw_move", "stroke": pens[websocket]["stroke"], "x": x, "y": y}
        """,
    ),
    written(
        "each move begins where the stroke began",
        "✓✓✗–––––✓",
        "that is where the stroke began. After each move, remember the new place",
        source="""
            def move(websocket, x, y):
                pen = pens[websocket]
                place = {"fromX": pen["x"], "fromY": pen["y"], "x": x, "y": y}
                return {"type": "draw_move", "stroke": pen["stroke"]} | place
        """,
    ),
    written(
        "the new place is noted too early",
        "✓✓✗–––––✓",
        'expected "fromX"',
        source="""
            def move(websocket, x, y):
                pen = pens[websocket]
                pen["x"], pen["y"] = x, y
                place = {"fromX": pen["x"], "fromY": pen["y"], "x": x, "y": y}
                return {"type": "draw_move", "stroke": pen["stroke"]} | place
        """,
    ),
    written(
        "one pen for all",
        "✓✓✓✗✓✓––✓",
        "Remember one pen for each connection",
        source="""
            last = {}

            def begin(websocket, x, y):
                pens[websocket] = {"stroke": next(numbers)}
                last.update(stroke=pens[websocket]["stroke"], x=x, y=y)
                return {"type": "draw_start"} | last

            def move(websocket, x, y):
                place = {"fromX": last["x"], "fromY": last["y"], "x": x, "y": y}
                last.update(x=x, y=y)
                return {"type": "draw_move", "stroke": pens[websocket]["stroke"]} | place
        """,
    ),
    written(
        "a move has no stroke",
        "✓✓✗–––––✓",
        "without a stroke",
        source="""
            def move(websocket, x, y):
                pen = pens[websocket]
                message = {"type": "draw_move", "fromX": pen["x"], "fromY": pen["y"]}
                pen["x"], pen["y"] = x, y
                return message | {"x": x, "y": y}
        """,
    ),
    written(
        "the pen is never forgotten",
        "✓✓✓✓✗–––✓",
        "pens.pop(websocket, None)",
        source="""
            def end(websocket):
                if websocket in pens:
                    return {"type": "draw_end", "stroke": pens[websocket]["stroke"]}
        """,
    ),
    written(
        "an end without its stroke",
        "✓✓✓✓✗–––✓",
        "without the number of that stroke",
        source="""
            def end(websocket):
                if pens.pop(websocket, None):
                    return {"type": "draw_end"}
        """,
    ),
    written(
        "an end that needs a pen",
        "!––––––––",
        "raised KeyError",
        source="""
            def end(websocket):
                return {"type": "draw_end", "stroke": pens.pop(websocket)["stroke"]}
        """,
    ),
    written(
        "a stroke whose client vanishes does not end",
        "✓✓✓✓✓✗✓✓✓",
        "Alice's line went dead in the middle of a stroke",
        source="""
            async def handler(websocket):
                catch_up(websocket)
                clients.add(websocket)
                async for message in receive(websocket, ACCEPTED):
                    if message["type"] in ("draw_move", "draw_end") and websocket not in pens:
                        await refuse(websocket, "There is no stroke.")
                    else:
                        take(websocket, message)
                clients.discard(websocket)
        """,
    ),
    written(
        "no history, as in the exercise sheet",
        "✓✓✓✓✓✓✗–✓",
        "Dave came and got nothing of it",
        source="""
            def catch_up(websocket):
                history
        """,
    ),
    written(
        "only the newest message for a newcomer",
        "✓✓✓✓✓✓✗–✓",
        "Send a newcomer all that was drawn before",
        source="""
            def catch_up(websocket):
                broadcast([websocket], encode(history[-1])) if history else None
        """,
    ),
    written(
        "the history goes to everybody",
        "✓✓✓✓✓✓✗–✓",
        "then Dave came and got less than Carol did",
        source="""
            def catch_up(websocket):
                for message in history:
                    broadcast(clients | {websocket}, encode(message))
        """,
    ),
    written(
        "the newest first",
        "✓✓✓✓✓✓✗–✓",
        "Send him what she got, oldest first",
        source="""
            def remember(message):
                history.appendleft(message)
        """,
    ),
    written(
        "a newcomer is one of the clients before it is shown the past",
        "✓✓✓✓✓✓✗–✓",
        "He needs each message once",
        source="""
            import asyncio

            async def handler(websocket):
                clients.add(websocket)
                await asyncio.sleep(0.2 if pens else 0)
                catch_up(websocket)
                try:
                    async for message in receive(websocket, ACCEPTED):
                        if message["type"] in ("draw_move", "draw_end") and websocket not in pens:
                            await refuse(websocket, "There is no stroke.")
                        else:
                            take(websocket, message)
                finally:
                    clients.discard(websocket)
                    tell(clients, end(websocket))
        """,
    ),
    written(
        "clear keeps the history",
        "✓✓✓✓✓✓✓✗✓",
        "strokes that are not there any more",
        source="""
            def clear():
                broadcast(clients, encode({"type": "clear"}))
        """,
    ),
    written(
        "clear tells nobody",
        "✓✓✓✓✓✓✓✗✓",
        'expected {"type": "clear", …}. Tell everybody.',
        source="""
            def clear():
                history.clear()
        """,
    ),
    written(
        "clear gives the name of the history to a new list",
        "✓✓✓✓✓✓✓✗✓",
        "strokes that are not there any more",
        source="""
            def clear():
                history = []
                broadcast(clients, encode({"type": "clear"}))
        """,
    ),
    written(
        "who cleared is not told",
        "✓✓✓✓✓✓✓✗✓",
        "Her own sheet must be cleared, too",
        source="""
            def take(websocket, message):
                others = clients - {websocket}
                match message["type"]:
                    case "draw_start":
                        tell(others, end(websocket))
                        tell(others, begin(websocket, message["x"], message["y"]))
                    case "draw_move":
                        tell(others, move(websocket, message["x"], message["y"]))
                    case "draw_end":
                        tell(others, end(websocket))
                    case "clear":
                        history.clear()
                        broadcast(others, encode(message))
        """,
    ),
    Piece(
        "whatever comes is passed on, as in the exercise sheet",
        (
            cell("""
                from websockets.asyncio.server import broadcast

                clients = set()

                async def handler(websocket):
                    clients.add(websocket)
                    try:
                        async for text in websocket:
                            broadcast(clients - {websocket}, text)
                    finally:
                        clients.discard(websocket)
            """),
        ),
        "✗––––––––",
        ('The field "stroke" is missing',),
    ),
    Piece(
        "everybody is told, the one who draws as well",
        (
            *SOLVED,
            cell("""
                def take(websocket, message):
                    match message["type"]:
                        case "draw_start":
                            tell(clients, begin(websocket, message["x"], message["y"]))
                        case "draw_move":
                            tell(clients, move(websocket, message["x"], message["y"]))
                        case "draw_end":
                            tell(clients, end(websocket))
                        case "clear":
                            clear()
            """),
        ),
        "✗––––––––",
        ("It goes to the others alone",),
    ),
    written(
        "any number is a place",
        "✓✓✓✓✓✓✓✓✗",
        '1000000} and got nothing in 1.0 s, expected {"type": "error"',
        source="""
            PLACE = {"x": number(-1e9, 1e9), "y": number(-1e9, 1e9)}
            ACCEPTED = {"draw_start": PLACE, "draw_move": PLACE, "draw_end": {}, "clear": {}}
        """,
    ),
]

RIGHT = [
    Piece(
        "the course's own",
        ("from server.whiteboard import Whiteboard\n",),
        "✓" * 9,
        (),
        "Whiteboard().handler",
    ),
    Piece("the notebook's", SOLVED, "✓" * 9),
    Piece(
        "a class, with match, and a name for each stroke",
        (
            cell("""
                import json
                from uuid import uuid4
                from server.messages import number
                from server.room import receive, refuse
                from websockets.asyncio.server import broadcast

                place = number(-10_000, 10_000)
                ACCEPTED = {kind: {"x": place, "y": place} for kind in ("draw_start", "draw_move")}
                ACCEPTED |= {"draw_end": {}, "clear": {}}

                class Board:
                    def __init__(self):
                        self.there, self.past = {}, []

                    async def handler(self, websocket):
                        for text in self.past:
                            await websocket.send(text)
                        self.there[websocket] = None
                        try:
                            async for message in receive(websocket, ACCEPTED):
                                try:
                                    self.take(websocket, message)
                                except TypeError:
                                    await refuse(websocket, "There is no stroke.")
                        finally:
                            pen = self.there.pop(websocket)
                            if pen:
                                self.tell(websocket, {"type": "draw_end", "stroke": pen[0]})

                    def take(self, websocket, message):
                        match message:
                            case {"type": "draw_start", "x": x, "y": y}:
                                self.there[websocket] = pen = uuid4().hex, x, y
                                told = {"type": "draw_start", "stroke": pen[0], "x": x, "y": y}
                                self.tell(websocket, told)
                            case {"type": "draw_move", "x": x, "y": y}:
                                stroke, *before = self.there[websocket]
                                told = message | dict(zip(("fromX", "fromY"), before))
                                told["stroke"] = stroke
                                self.there[websocket] = stroke, x, y
                                self.tell(websocket, told)
                            case {"type": "draw_end"}:
                                stroke, *_ = self.there[websocket]
                                self.there[websocket] = None
                                self.tell(websocket, {"type": "draw_end", "stroke": stroke})
                            case _:
                                self.past.clear()
                                broadcast(self.there, '{"type": "clear"}')

                    def tell(self, websocket, message):
                        self.past.append(json.dumps(message))
                        broadcast(self.there.keys() - {websocket}, self.past[-1])
            """),
        ),
        "✓" * 9,
        (),
        "Board().handler",
    ),
    Piece(
        "closures, and a queue with a task for each client",
        (
            cell("""
                import asyncio, json
                from itertools import count

                def whiteboard():
                    queues, drawn, number = {}, [], count(1)

                    def put(message, skip=None):
                        text = json.dumps(message)
                        for websocket, queue in queues.items():
                            if websocket is not skip:
                                queue.put_nowait(text)
                        return text

                    async def pump(websocket, queue):
                        while True:
                            await websocket.send(await queue.get())

                    async def handler(websocket):
                        queue = queues[websocket] = asyncio.Queue()
                        for text in drawn:
                            queue.put_nowait(text)
                        task = asyncio.create_task(pump(websocket, queue))
                        pen = None
                        try:
                            async for text in websocket:
                                message = read(text)
                                kind = message.get("type")
                                if kind == "clear":
                                    drawn.clear()
                                    put({"type": "clear"})
                                elif kind not in ("draw_start", "draw_move", "draw_end") or (
                                    kind != "draw_start" and pen is None
                                ):
                                    queue.put_nowait('{"type": "error", "message": "No."}')
                                elif kind == "draw_end":
                                    drawn.append(put({"type": kind, "stroke": pen[0]}, websocket))
                                    pen = None
                                elif not all(is_place(message.get(key)) for key in "xy"):
                                    queue.put_nowait('{"type": "error", "message": "x and y?"}')
                                else:
                                    place = {"x": message["x"], "y": message["y"]}
                                    if kind == "draw_start":
                                        pen = next(number), message["x"], message["y"]
                                    else:
                                        place |= {"fromX": pen[1], "fromY": pen[2]}
                                        pen = pen[0], message["x"], message["y"]
                                    told = {"type": kind, "stroke": pen[0]} | place
                                    drawn.append(put(told, websocket))
                        finally:
                            del queues[websocket]
                            task.cancel()
                            if pen:
                                drawn.append(put({"type": "draw_end", "stroke": pen[0]}))

                    return handler

                def is_place(value):
                    return type(value) in (int, float) and abs(value) <= 10_000

                def read(text):
                    try:
                        message = json.loads(text)
                        return message if isinstance(message, dict) else {}
                    except ValueError:
                        return {}
            """),
        ),
        "✓" * 9,
        (),
        "whiteboard()",
    ),
]
