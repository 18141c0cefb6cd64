"""Clients for exercise 4 as learners write them, and what check_counter_client() must say of them.

The criteria, in the order of the marks: it shows the value · other messages · the buttons · the
number waits.
"""

from tests.gallery import Piece, cell, notebook_cells

SOLVED = notebook_cells("solutions", "04_counter", 7)


def again(title: str, marks: str, *words: str, source: str, subject: str = "MyCounter") -> Piece:
    """The solved notebook, in which one more cell was run: it defines the class anew."""
    return Piece(title, (*SOLVED, cell(source)), marks, words, subject)


WRONG = [
    again(
        "it prints the value in place of showing it",
        "✗–✓–",
        "`number` shows '–' after 1.0 s",
        source="""
            class MyCounter(MyCounter):
                def received(self, message):
                    print(message.get("value"), end="")
        """,
    ),
    again(
        "it shows a list",
        "✗–✓–",
        "`number` shows '[",
        "]' after 1.0 s, expected '",
        source="""
            class MyCounter(MyCounter):
                def received(self, message):
                    if message["type"] == "counter":
                        self.number.value = str([message["value"]])
        """,
    ),
    again(
        "it shows the whole message",
        "✗–✓–",
        "`number` shows \"{'type': 'counter', 'value': ",
        source="""
            class MyCounter(MyCounter):
                def received(self, message):
                    self.number.value = str(message)
        """,
    ),
    again(
        "it gives a number to a label",
        "!–✓–",
        "raised TraitError",
        "in received(), line 4",
        "str() makes a text of anything",
        source="""
            class MyCounter(MyCounter):
                def received(self, message):
                    if message["type"] == "counter":
                        self.number.value = message["value"]
        """,
    ),
    again(
        "zero is taken for nothing",
        "✗–✓–",
        "after 1.0 s, expected '0'",
        source="""
            class MyCounter(MyCounter):
                def received(self, message):
                    if message["type"] == "counter" and message["value"]:
                        self.number.value = str(message["value"])
        """,
    ),
    again(
        "it shows no minus",
        "✗–✓–",
        '"value": -',
        "expected '-",
        source="""
            class MyCounter(MyCounter):
                def received(self, message):
                    if message["type"] == "counter":
                        self.number.value = str(abs(message["value"]))
        """,
    ),
    again(
        "it adds up what it is told",
        "✗–✓–",
        'The server sent {"type": "counter"',
        "`number` shows",
        source="""
            class MyCounter(MyCounter):
                total = 0

                def received(self, message):
                    if message["type"] == "counter":
                        self.total += message["value"]
                        self.number.value = str(self.total)
        """,
    ),
    again(
        "it looks for another type",
        "✗–✓–",
        "`number` shows '–' after 1.0 s",
        source="""
            class MyCounter(MyCounter):
                def received(self, message):
                    if message["type"] == "value":
                        self.number.value = str(message["value"])
        """,
    ),
    again(
        "it takes the message for text",
        "!–✓–",
        "the JSON object must be str",
        "The message is no text any more",
        source="""
            import json

            class MyCounter(MyCounter):
                def received(self, message):
                    data = json.loads(message)
                    self.number.value = str(data["value"])
        """,
    ),
    again(
        "it shows the value of any message",
        "✓✗✓✓",
        'then sent {"type": "news"',
        "Look at the type first",
        source="""
            class MyCounter(MyCounter):
                def received(self, message):
                    if "value" in message:
                        self.number.value = str(message["value"])
        """,
    ),
    again(
        "it raises on a message without a value",
        "✓!✓✓",
        "raised KeyError: 'value'",
        "Not every message has this field",
        source="""
            class MyCounter(MyCounter):
                def received(self, message):
                    self.number.value = str(message["value"])
        """,
    ),
    again(
        "it shows the error where the number was",
        "✓✗✓✓",
        "`number` shows '?'. Look at the type first",
        source="""
            class MyCounter(MyCounter):
                def received(self, message):
                    if message["type"] == "counter":
                        self.number.value = str(message["value"])
                    else:
                        self.number.value = "?"
        """,
    ),
    again(
        "the buttons are exchanged",
        "✓✓✗–",
        "Are the two exchanged?",
        source="""
            class MyCounter(MyCounter):
                def increment(self):
                    self.send({"type": "decrement"})

                def decrement(self):
                    self.send({"type": "increment"})
        """,
    ),
    again(
        "another type is sent",
        "✓✓✗–",
        '{"type": "plus"} came, expected {"type": "increment"}',
        source="""
            class MyCounter(MyCounter):
                def increment(self):
                    self.send({"type": "plus"})
        """,
    ),
    again(
        "a plain text is sent",
        "✓✓✗–",
        "` was clicked; ",
        "crement came, expected {",
        source="""
            class MyCounter(MyCounter):
                def increment(self):
                    self.send("increment")

                def decrement(self):
                    self.send("decrement")
        """,
    ),
    again(
        "a click is sent twice",
        "✓✓✗–",
        "was clicked once",
        "Send one message for each click",
        source="""
            class MyCounter(MyCounter):
                def increment(self):
                    self.send({"type": "increment"})
                    self.send({"type": "increment"})

                def decrement(self):
                    self.send({"type": "decrement"})
                    self.send({"type": "decrement"})
        """,
    ),
    again(
        "a button is connected twice",
        "✓✓✗–",
        "was clicked once",
        "Send one message for each click",
        source="""
            class MyCounter(MyCounter):
                def build(self):
                    box = super().build()
                    self.plus.on_click(lambda button: self.increment())
                    self.minus.on_click(lambda button: self.decrement())
                    return box
        """,
    ),
    again(
        "a set is sent for an object",
        "✓✓!–",
        "Object of type set is not JSON serializable",
        source="""
            class MyCounter(MyCounter):
                def increment(self):
                    self.send({"type", "increment"})

                def decrement(self):
                    self.send({"type", "decrement"})
        """,
    ),
    again(
        "a click changes the number itself",
        "✓✓✓✗",
        "before the server answered",
        "Only the server knows the value",
        source="""
            class MyCounter(MyCounter):
                value = 0

                def received(self, message):
                    if message["type"] == "counter":
                        self.show(message["value"])

                def show(self, value):
                    self.value = value
                    self.number.value = str(value)

                def increment(self):
                    self.show(self.value + 1)
                    self.send({"type": "increment"})
        """,
    ),
    again(
        "a click does not ask the server at all",
        "✓✓✗–",
        "was clicked; nothing came in 1.0 s, expected",
        source="""
            class MyCounter(MyCounter):
                def increment(self):
                    self.number.value = str(int(self.number.value.replace("–", "0")) + 1)

                def decrement(self):
                    self.number.value = str(int(self.number.value.replace("–", "0")) - 1)
        """,
    ),
    again(
        "a widget is missing",
        "✗–✗–",
        "The client needs a widget `self.number`, made in build()",
        source="""
            from ipywidgets import Button

            class MyCounter(MyCounter):
                def build(self):
                    self.label = Label("0")
                    return self.label
        """,
    ),
    again(
        "build fails",
        "!–!–",
        "no attribute 'minus' in build(), line 3",
        "does it run before this one?",
        source="""
            class MyCounter(MyCounter):
                def build(self):
                    return HBox([self.minus, self.number, self.plus])
        """,
    ),
    again(
        "an object is given, not its class",
        "✗–✗–",
        "Expected a class of clients",
        "got <object object>",
        source="""
            client = object()
        """,
        subject="client",
    ),
    again(
        "a class that is no client",
        "✗–✗–",
        "Counter has no method until()",
        source="""
            class Counter:
                def received(self, message):
                    self.number = message["value"]
        """,
        subject="Counter",
    ),
    again(
        "received blocks the event loop",
        "!–✓–",
        "blocked the event loop in received(), line 5: `time.sleep(60)`",
        source="""
            import time

            class MyCounter(MyCounter):
                def received(self, message):
                    time.sleep(60)
                    self.number.value = str(message["value"])
        """,
    ),
    again(
        "a button blocks the event loop for a while",
        "✓✓✗–",
        "blocked the event loop in increment(), line 5: `time.sleep(1.5)`",
        source="""
            import time

            class MyCounter(MyCounter):
                def increment(self):
                    time.sleep(1.5)
                    self.send({"type": "increment"})
        """,
    ),
]

RIGHT = [
    Piece("the solved notebook", tuple(SOLVED), "✓✓✓✓", subject="MyCounter"),
    again(
        "the client of the course",
        "✓✓✓✓",
        source="from client import CounterClient",
        subject="CounterClient",
    ),
    again(
        "match, and a text that is sent",
        "✓✓✓✓",
        source="""
            import json

            class MyCounter(MyCounter):
                def received(self, message):
                    match message:
                        case {"type": "counter", "value": int(value)}:
                            self.number.value = f"{value:,}"

                def increment(self):
                    self.send(json.dumps({"type": "increment"}))
        """,
    ),
    again(
        "widgets of one's own, with a word beside the number",
        "✓✓✓✓",
        source="""
            from ipywidgets import HTML, Button, VBox

            class Mine(Client):
                def build(self):
                    self.number = HTML("<i>nothing yet</i>")
                    self.plus = self.button("more", self.send_it("increment"))
                    self.minus = Button(description="less")
                    self.minus.on_click(lambda _: self.send({"type": "decrement"}))
                    return [self.number, VBox([self.plus, self.minus])]

                def send_it(self, kind):
                    return lambda: self.send({"type": kind})

                def received(self, message):
                    if message.get("type") == "counter":
                        self.number.value = f"<h1>Value: <b>{message['value']}</b></h1>"
        """,
        subject="Mine",
    ),
    again(
        "a painter, for few repaints",
        "✓✓✓✓",
        source="""
            class MyCounter(MyCounter):
                def build(self):
                    self.shared = "–"
                    self.paint = self.painter(self.show)
                    return super().build()

                def received(self, message):
                    if message["type"] == "counter":
                        self.shared = str(message["value"])
                        self.paint.changed()

                def show(self):
                    self.number.value = self.shared
        """,
    ),
]
