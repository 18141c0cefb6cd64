"""Clients for exercise 1 as learners write them, and what check_connect_client() must say of them.

The criteria, in the order of the marks: it shows what others say · it sends · it escapes · it comes
back.
"""

from tests.gallery import Piece, cell

OURS = cell("""
    from client import Client, ConnectClient
    from client.log import Log
""")


def piece(title: str, marks: str, *words: str, source: str, subject: str = "Mine") -> Piece:
    return Piece(title, (OURS, cell(source)), marks, words, subject)


WRONG = [
    piece(
        "it shows nothing",
        "✗✓––",
        'no line of the log shows "content" after 1.0 s',
        source="""
            class Mine(ConnectClient):
                def received(self, message):
                    print(end="")
        """,
    ),
    piece(
        "it does not say who said it",
        "✗✓––",
        'no line of the log shows "from" after 1.0 s',
        source="""
            class Mine(ConnectClient):
                def received(self, message):
                    self.log.add(message["content"])
        """,
    ),
    piece(
        "it looks for the name in another field",
        "!✓––",
        "raised KeyError: 'username'",
        "Not every message has this field",
        source="""
            class Mine(ConnectClient):
                def received(self, message):
                    self.log.add(message["username"] + ": " + message["content"])
        """,
    ),
    piece(
        "it shows the name alone",
        "✗✓––",
        'no line of the log shows "content" after 1.0 s',
        source="""
            class Mine(ConnectClient):
                def received(self, message):
                    self.log.add(message["from"])
        """,
    ),
    piece(
        "it sends the bare text",
        "✓✗✓✓",
        "the server got Hello number ",
        'expected {"type": "message"',
        source="""
            class Mine(ConnectClient):
                def say(self):
                    self.send(self.field.value)
        """,
    ),
    piece(
        "it empties the field first",
        "✓✗✓✓",
        'the server got {"type": "message", "content": ""}',
        source="""
            class Mine(ConnectClient):
                def say(self):
                    self.field.value = ""
                    self.send({"type": "message", "content": self.field.value})
        """,
    ),
    piece(
        "it sends nothing, but shows it",
        "✓✗✓✓",
        "the server got nothing in 1.0 s",
        source="""
            class Mine(ConnectClient):
                def say(self):
                    self.log.add("Me: " + self.field.value)
        """,
    ),
    piece(
        "it sends twice",
        "✓✗✓✓",
        "too. Send it once",
        source="""
            class Mine(ConnectClient):
                def say(self):
                    message = {"type": "message", "content": self.field.value}
                    self.send(message)
                    self.send(message)
        """,
    ),
    piece(
        "it has no say()",
        "✓✗✓✓",
        "The client needs a method say()",
        source="""
            class Mine(ConnectClient):
                say = None
        """,
    ),
    piece(
        "it has no field",
        "✓✗✓✓",
        "The client needs a widget `self.field`, made in build()",
        source="""
            class Mine(Client):
                def build(self):
                    self.log = Log()
                    return self.log.widget

                def received(self, message):
                    self.log.add(f"{message['from']}: {message['content']}")
        """,
    ),
    piece(
        "it has no log",
        "✗✗––",
        "The client needs a `self.log`",
        source="""
            from ipywidgets import HTML

            class Mine(Client):
                def build(self):
                    self.text = HTML()
                    return self.text

                def received(self, message):
                    self.text.value += f"{message['from']}: {message['content']}<br>"
        """,
    ),
    piece(
        "it puts what others say into the page as HTML",
        "✓✓✗✓",
        "it went into the page as HTML. Use html.escape()",
        source="""
            from ipywidgets import HTML, Box

            class Lines:
                def __init__(self):
                    self.lines = []
                    self.html = HTML()
                    self.widget = Box([self.html])

                def add(self, text, quiet=False):
                    self.lines.append(text)
                    self.html.value = "<br>".join(self.lines)

            class Mine(ConnectClient):
                def received(self, message):
                    if not isinstance(self.log, Lines):
                        self.log = Lines()
                    super().received(message)
        """,
    ),
    piece(
        "it says goodbye when the line is lost",
        "✓✓✓✗",
        "The server closed the connection and was there again; it did not connect in 3 s",
        source="""
            class Mine(ConnectClient):
                def _show_state(self, state, words):
                    super()._show_state(state, words)
                    if state == "lost":
                        self.disconnect()
        """,
    ),
    piece(
        "it connects once, and never again",
        "✓✓✓✗",
        "it did not connect in 3 s",
        source="""
            import asyncio, json
            from ipywidgets import Text, Textarea
            from websockets.asyncio.client import connect

            class Lines:
                def __init__(self):
                    self.lines, self.widget = [], Textarea()

            class Mine:
                def __init__(self, url):
                    self.field, self.log = Text(), Lines()
                    self.changed, self.ready = asyncio.Event(), asyncio.Event()
                    self.task = asyncio.create_task(self.listen(url))

                async def listen(self, url):
                    async with connect(url, compression=None) as self.websocket:
                        self.ready.set()
                        async for text in self.websocket:
                            message = json.loads(text)
                            self.log.lines.append(f"{message['from']}: {message['content']}")
                            self.log.widget.value = "\\n".join(self.log.lines)
                            self.changed.set()

                def say(self):
                    message = {"type": "message", "content": self.field.value}
                    self.saying = asyncio.create_task(self.send(json.dumps(message)))

                async def send(self, text):
                    await self.ready.wait()
                    await self.websocket.send(text)

                async def until(self, condition, within=5):
                    async with asyncio.timeout(within):
                        while not condition():
                            await self.changed.wait()
                            self.changed.clear()

                def close(self):
                    self.task.cancel()

                async def wait_closed(self):
                    await asyncio.wait([self.task])
        """,
    ),
    piece(
        "it blocks when it comes back",
        "!!––",
        "blocked the event loop in connected(), line 5",
        source="""
            import time

            class Mine(ConnectClient):
                def connected(self):
                    time.sleep(60)
        """,
    ),
]

RIGHT = [
    piece("the client of the course", "✓✓✓✓", source="Mine = ConnectClient"),
    piece(
        "one's own lines, with html.escape",
        "✓✓✓✓",
        source="""
            from html import escape
            from ipywidgets import HTML, Box, Text

            class Lines:
                def __init__(self):
                    self.lines = []
                    self.html = HTML()
                    self.widget = Box([self.html])

                def add(self, text):
                    self.lines.append(text)
                    self.html.value = "".join(f"<p>{escape(line)}</p>" for line in self.lines)

            class Mine(Client):
                def build(self):
                    self.log, self.field = Lines(), Text()
                    return [self.log.widget, self.field]

                def say(self):
                    self.send({"type": "message", "content": self.field.value})

                def received(self, message):
                    if message["type"] == "message":
                        self.log.add(f"{message['from']} says: {message['content']}")
        """,
    ),
    piece(
        "lines that are escaped when they are kept",
        "✓✓✓✓",
        source="""
            import html
            from ipywidgets import HTML

            class Mine(ConnectClient):
                def received(self, message):
                    self.log.add(html.escape(f"{message['from']}: {message['content']}"))
        """,
    ),
    piece(
        "a label and a textarea, which show text as it is",
        "✓✓✓✓",
        source="""
            from types import SimpleNamespace
            from ipywidgets import Label, Text, Textarea, VBox

            class Mine(Client):
                def build(self):
                    self.text, self.last, self.field = Textarea(), Label(), Text()
                    self.log = SimpleNamespace(lines=[], widget=VBox([self.text, self.last]))
                    return [self.log.widget, self.field]

                def received(self, message):
                    match message:
                        case {"type": "message", "from": who, "content": words}:
                            self.last.value = f"{who}: {words}"
                            self.log.lines.append(self.last.value)
                            self.text.value = "\\n".join(self.log.lines[-200:])

                def say(self):
                    self.send({"content": self.field.value, "type": "message"})
        """,
    ),
]
