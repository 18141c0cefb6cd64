"""Clients for exercise 7 as learners write them, and what the check must say of them.

The criteria, in the order of the marks: presses · moves · paints its own · paints others' · clear ·
throttles · the last place · keeps telling.
"""

from tests.gallery import Piece, cell, notebook_cells

# Without what only the server of the notebook needs.
SOLVED = tuple(
    source
    for source in notebook_cells("solutions", "07_whiteboard", 8)
    if "websocket" not in source and "history" not in source
)


def changed(title: str, marks: str, *words: str, source: str) -> Piece:
    """The solved notebook, of which some methods are written anew."""
    body = cell(source).replace("\n", "\n    ").rstrip()
    own = f"import asyncio, time\n\n\nclass Mine(MyWhiteboard):\n    {body}\n"
    return Piece(title, (*SOLVED, own), marks, words, "Mine")


WRONG = [
    changed(
        "a pressed pen tells nobody",
        "✗––✓✓–––",
        'expected {"type": "draw_start"',
        source="""
            def pressed(self, x, y):
                self.last = (x, y)
        """,
    ),
    changed(
        "x and y are exchanged",
        "✗––✓✓–––",
        "The pen was pressed",
        source="""
            def pressed(self, x, y):
                self.last = (x, y)
                self.send({"type": "draw_start", "x": y, "y": x})
        """,
    ),
    changed(
        "a pen is lifted that is not down",
        "✗––✓✓–––",
        "There was no stroke to end any more",
        source="""
            def released(self, x, y):
                self.flush()
                self.last = None
                self.send({"type": "draw_end"})
        """,
    ),
    changed(
        "a stroke never ends",
        "✗––✓✓–––",
        'expected {"type": "draw_end"}',
        source="""
            def released(self, x, y):
                self.flush()
                self.last = None
        """,
    ),
    changed(
        "it draws without a pressed button",
        "✓✗–✓✓–––",
        "and its button was not pressed",
        source="""
            def moved(self, x, y):
                self.send({"type": "draw_move", "x": x, "y": y})
        """,
    ),
    changed(
        "it draws on after the pen was lifted",
        "✗––✓✓–––",
        "There was no stroke to end any more",
        source="""
            def released(self, x, y):
                self.flush()
                if self.last is not None:
                    self.send({"type": "draw_end"})
        """,
    ),
    changed(
        "the place is not noted",
        "✓✗–✓✓–––",
        "The pen was pressed and moved to",
        'the server got {"type": "draw_move"',
        source="""
            def moved(self, x, y):
                if self.last is not None:
                    self.line(*self.last, x, y)
                    if self.planned is None:
                        self.planned = self.later(0.05, self.flush)
        """,
    ),
    changed(
        "one's own stroke is not painted",
        "✓✓✗✓✓–––",
        "The server does not tell you what you drew yourself",
        source="""
            def moved(self, x, y):
                if self.last is not None:
                    self.last = (x, y)
                    if self.planned is None:
                        self.planned = self.later(0.05, self.flush)
        """,
    ),
    changed(
        "one's own stroke is painted when it is sent",
        "✓✓✗✓✓–––",
        "nothing was painted",
        source="""
            def moved(self, x, y):
                if self.last is not None:
                    self.last = (x, y)
                    if self.planned is None:
                        self.planned = self.later(0.05, self.flush)

            def flush(self):
                if self.planned is not None:
                    self.canvas.stroke_line(0, 0, *self.last)
                super().flush()
        """,
    ),
    changed(
        "a line of the wrong four numbers",
        "✓✓✗✗––––",
        "expected 3, the first from (271, 186) to (193, 252)",
        source="""
            def line(self, from_x, from_y, x, y):
                self.canvas.stroke_line(from_x, x, from_y, y)
        """,
    ),
    changed(
        "others are painted from the last place of one's own",
        "✓✓✓!–✓✓✓",
        "raised TypeError",
        source="""
            def received(self, message):
                if message["type"] == "draw_move":
                    self.line(*self.last, message["x"], message["y"])
        """,
    ),
    changed(
        "what others draw is sent back",
        "✓✓✓✗–✓✓✓",
        "It would go round for ever",
        source="""
            def received(self, message):
                if message["type"] == "draw_move":
                    self.line(message["fromX"], message["fromY"], message["x"], message["y"])
                    self.send({"type": "draw_move", "x": message["x"], "y": message["y"]})
        """,
    ),
    changed(
        "the type is not looked at",
        "✓✓✓!–✓✓✓",
        "raised KeyError: 'fromX'",
        source="""
            def received(self, message):
                self.line(message["fromX"], message["fromY"], message["x"], message["y"])
        """,
    ),
    changed(
        "clear is overlooked",
        "✓✓✓✓✗✓✓✓",
        "the canvas was not cleared",
        source="""
            def received(self, message):
                if message["type"] == "draw_move":
                    self.line(message["fromX"], message["fromY"], message["x"], message["y"])
        """,
    ),
    changed(
        "no throttle",
        "✓✓✓✓✓✗––",
        "the server got more than 12 messages",
        source="""
            def moved(self, x, y):
                if self.last is not None:
                    self.line(*self.last, x, y)
                    self.last = (x, y)
                    self.send({"type": "draw_move", "x": x, "y": y})

            def flush(self):
                self.planned = None
        """,
    ),
    changed(
        "a timer for each move",
        "✓✓✓✓✓✗––",
        "the server got more than 12 messages",
        source="""
            def moved(self, x, y):
                if self.last is not None:
                    self.line(*self.last, x, y)
                    self.last = (x, y)
                    self.planned = self.later(0.05, self.flush_one)

            def flush_one(self):
                if self.last is not None:
                    self.send({"type": "draw_move", "x": self.last[0], "y": self.last[1]})
        """,
    ),
    changed(
        "the first place is sent, not the newest",
        "✓✗–✓✓–––",
        "The pen was pressed and moved to",
        'the server got {"type": "draw_move"',
        source="""
            def moved(self, x, y):
                if self.last is not None:
                    self.line(*self.last, x, y)
                    self.last = (x, y)
                    if self.planned is None:
                        self.first = (x, y)
                        self.planned = self.later(0.05, self.flush)

            def flush(self):
                if self.planned is not None:
                    self.planned.cancel()
                    self.planned = None
                    self.send({"type": "draw_move", "x": self.first[0], "y": self.first[1]})
        """,
    ),
    changed(
        "what is planned is never planned again",
        "✓✓✓✓✓✓✓✗",
        "about 20 times a second",
        source="""
            def flush(self):
                if self.planned is not None:
                    self.planned.cancel()
                    self.send({"type": "draw_move", "x": self.last[0], "y": self.last[1]})
        """,
    ),
    changed(
        "the last place is forgotten when the pen is lifted",
        "✓✓✓✓✓✓✗✓",
        "Send what is left first",
        source="""
            def released(self, x, y):
                if self.planned is not None:
                    self.planned.cancel()
                    self.planned = None
                if self.last is not None:
                    self.last = None
                    self.send({"type": "draw_end"})
        """,
    ),
    changed(
        "what is planned comes after the end",
        "✓✓✓✓✓✓✗✓",
        "After draw_end there came",
        source="""
            def flush(self):
                self.planned = None
                self.send({"type": "draw_move", "x": self.place[0], "y": self.place[1]})

            def moved(self, x, y):
                self.place = (x, y)
                super().moved(x, y)

            def released(self, x, y):
                if self.last is not None:
                    self.last = None
                    self.send({"type": "draw_end"})
        """,
    ),
    changed(
        "all is sent when the pen is lifted",
        "✓✗–✓✓–––",
        "The pen was pressed and moved to",
        "the server got nothing in 1.0 s",
        source="""
            def moved(self, x, y):
                if self.last is not None:
                    self.line(*self.last, x, y)
                    self.last = (x, y)

            def released(self, x, y):
                if self.last is not None:
                    self.send({"type": "draw_move", "x": x, "y": y})
                    self.last = None
                    self.send({"type": "draw_end"})
        """,
    ),
    changed(
        "it waits for the mouse to rest",
        "✓✓✓✓✓✓✓✗",
        "Send the newest place about 20 times a second",
        source="""
            def moved(self, x, y):
                if self.last is not None:
                    self.line(*self.last, x, y)
                    self.last = (x, y)
                    if self.planned is not None:
                        self.planned.cancel()
                    self.planned = self.later(0.05, self.flush)
        """,
    ),
]

RIGHT = [
    Piece("the notebook's", SOLVED, "✓" * 8, (), "MyWhiteboard"),
    changed(
        "a clock instead of a timer, and all places kept",
        "✓" * 8,
        source="""
            def pressed(self, x, y):
                self.sent_at, self.waiting = time.monotonic(), None
                super().pressed(x, y)

            def moved(self, x, y):
                if self.last is not None:
                    self.canvas.stroke_lines([self.last, (x, y)])
                    self.last = self.waiting = (x, y)
                    if time.monotonic() - self.sent_at > 0.04:
                        self.flush()
                    elif not self.planned:
                        self.planned = self.later(0.05, self.flush)

            def flush(self):
                self.planned = None
                if self.last is not None and self.waiting:
                    x, y = self.waiting
                    self.waiting, self.sent_at = None, time.monotonic()
                    self.send({"type": "draw_move", "x": x, "y": y})
        """,
    ),
    changed(
        "a task that sends, and a path",
        "✓" * 8,
        source="""
            def line(self, from_x, from_y, x, y):
                self.canvas.begin_path()
                self.canvas.move_to(from_x, from_y)
                self.canvas.line_to(x, y)
                self.canvas.stroke()

            def moved(self, x, y):
                if self.last is None:
                    return
                self.line(*self.last, x, y)
                self.last = x, y
                if self.planned is None:
                    self.planned = asyncio.ensure_future(self.soon())

            async def soon(self):
                await asyncio.sleep(0.04)
                self.flush()

            def flush(self):
                task, self.planned = self.planned, None
                if task is not None and self.last is not None and self.state == "connected":
                    if task is not asyncio.current_task():
                        task.cancel()
                    x, y = self.last
                    self.send({"type": "draw_move", "x": x, "y": y})
        """,
    ),
]
