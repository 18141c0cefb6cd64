"""Clients for exercise 2 as somebody may write them, and what check_chat_client() must say.

The criteria, in the order of the marks: joins · who is there · who says what · sends · comes back.
"""

from tests.gallery import Piece, cell


def changed(title: str, marks: str, *words: str, source: str) -> Piece:
    """The course's own client, of which some methods are written anew, and wrong."""
    body = cell(source).replace("\n", "\n    ")
    own = f"from client import ChatClient\n\n\nclass Mine(ChatClient):\n    {body}\n"
    return Piece(title, (own,), marks, words, "Mine")


WRONG = [
    changed(
        "it waits for somebody to press Join",
        "✗✗✗✗✗",
        "the server got nothing",
        source="""
            def connected(self):
                pass
        """,
    ),
    changed(
        "it joins under another name",
        "✗✗✗✗✗",
        '"username": "me"',
        source="""
            def connected(self):
                self.send({"type": "join", "username": "me"})
        """,
    ),
    changed(
        "it does not know its name",
        "✗✗✗✗✗",
        "`username` is None",
        source="""
            def received(self, message):
                if message["type"] != "user_list":
                    super().received(message)
        """,
    ),
    changed(
        "the list is not shown",
        "✓✗✓✓✓",
        "The user list names Bob; `people` shows",
        source="""
            def _paint(self):
                self.people.value = f"{len(self.users)} people"
        """,
    ),
    changed(
        "who said it is not shown",
        "✓✓✗✓✓",
        "No line of the log shows",
        source="""
            def received(self, message):
                if message["type"] == "message":
                    self.log.add(message["content"])
                else:
                    super().received(message)
        """,
    ),
    changed(
        "what others wrote goes into the page as HTML",
        "✓✓✗✓✓",
        "Use html.escape()",
        source="""
            def received(self, message):
                super().received(message)
                if message["type"] == "message":
                    page = self.log.widget.children[0]
                    self.later(0.15, lambda: setattr(page, "value", message["content"]))
        """,
    ),
    changed(
        "it sends text that is no message",
        "✓✓✓✗✓",
        'expected {"type": "message"',
        source="""
            def say(self):
                self.send(self.field.value)
                self.field.value = ""
        """,
    ),
    changed(
        "the field is not emptied",
        "✓✓✓✗✓",
        "What was sent still stands in `field`. Empty it.",
        source="""
            def say(self):
                self.send({"type": "message", "content": self.field.value})
        """,
    ),
    changed(
        "it joins the first time only",
        "✓✓✓✓✗",
        "came back after its line broke",
        source="""
            def connected(self):
                if not self.users and not getattr(self, "been_there", False):
                    self.been_there = True
                    super().connected()
        """,
    ),
    changed(
        "it gives up when its name is taken",
        "✓✓✓✓✗",
        "which its dead connection still had",
        source="""
            def _refused(self, words):
                self.log.add(words)
        """,
    ),
]

RIGHT = [
    changed("the course's own", "✓✓✓✓✓", source="pass"),
    Piece(
        "with the indicator of exercise 3",
        ("from client import TypingIndicatorClient\n",),
        "✓✓✓✓✓",
        (),
        "TypingIndicatorClient",
    ),
    Piece(
        "from scratch, in a few lines",
        (
            cell("""
                from html import escape
                from ipywidgets import HTML
                from client import Client
                from client.log import Log

                class Own(Client):
                    def build(self):
                        self.username, self.log, self.people = None, Log(), HTML()
                        self.field = self.text_field("", self.say)
                        return [self.people, self.log.widget, self.field]

                    def connected(self):
                        self.username = None
                        self.send({"type": "join", "username": self.name})

                    def say(self):
                        self.send({"type": "message", "content": self.field.value})
                        self.field.value = ""

                    def received(self, message):
                        if message["type"] == "message":
                            self.log.add(message["username"] + " says " + message["content"])
                        elif message["type"] == "user_list":
                            if self.name in message["users"]:
                                self.username = self.name
                            self.people.value = escape(" ".join(message["users"]))
                        elif message["type"] == "error" and not self.username:
                            self.later(0.2, self.connected)
            """),
        ),
        "",
        (),
        "Own",
    ),
]
