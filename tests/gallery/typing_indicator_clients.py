"""Clients for exercise 3 as learners write them, and what the check must say of them.

The criteria, in the order of the marks: tells · once · sending stops · silence stops · once and
anew · words · shows · several · never you · has spoken · has left · forgotten · types on.
"""

from tests.gallery import Piece, cell, notebook_cells

# Without what needs the server of the notebook.
SOLVED = tuple(
    source
    for source in notebook_cells("solutions", "03_typing_indicator", 8)
    if "ada" not in source and "handler" not in source
)


def changed(title: str, marks: str, *words: str, source: str) -> Piece:
    """The solved notebook, of which some methods are written anew, and wrong."""
    body = cell(source).replace("\n", "\n    ")
    own = f"import asyncio, threading, time\n\n\nclass Mine(MyClient):\n    {body}\n"
    return Piece(title, (*SOLVED, own), marks, words, "Mine")


WRONG = [
    changed(
        "typing is sent at each key",
        "✓✗✓✓✓✓✓✓✓✓✓✓✓",
        "sent 5 times, expected once",
        source="""
            def begin(self):
                self.is_typing = True
                self.send({"type": "typing"})
        """,
    ),
    changed(
        "typing is never sent",
        "✗✗✗✗✗✓✓✓✓✓✓✓✓",
        'the server got nothing in 1.0 s, expected {"type": "typing"}',
        source="""
            def begin(self):
                self.is_typing = True
        """,
    ),
    changed(
        "the type is misspelled",
        "✗✗✗✗✗✓✓✓✓✓✓✓✓",
        'the server got {"type": "is_typing"}',
        source="""
            def begin(self):
                if not self.is_typing:
                    self.is_typing = True
                    self.send({"type": "is_typing"})
        """,
    ),
    changed(
        "typing names oneself",
        "✗✗✗✗✗✓✓✓✓✓✓✓✓",
        'expected {"type": "typing"}',
        source="""
            def begin(self):
                if not self.is_typing:
                    self.is_typing = True
                    self.send({"type": "typing", "username": self.username})
        """,
    ),
    changed(
        "a timer for each key, and none is cancelled",
        "✓✓✓✗✓✓✓✓✓✓✓✓✓",
        "Cancel it at each key",
        source="""
            def wait_for_silence(self):
                self.later(self.stop_after, self.stop)
        """,
    ),
    changed(
        "the function is called in place of given",
        "✓✗✓✗✓✓✓✓✓✓✓✓✓",
        "was sent 5 times, expected once",
        source="""
            def wait_for_silence(self):
                self.timer = self.later(self.stop_after, self.stop() or (lambda: None))
        """,
    ),
    changed(
        "two seconds, whatever stop_after says",
        "✓✓✓✗✗✓✓✓✓✓✓✓✓",
        "self.stop_after",
        source="""
            def wait_for_silence(self):
                if self.timer is not None:
                    self.timer.cancel()
                self.timer = self.later(2, self.stop)
        """,
    ),
    changed(
        "only the first key sets a timer",
        "✓✓✓✗✗✓✓✓✓✓✓✓✓",
        "came although self.stop_after was",
        source="""
            def wait_for_silence(self):
                if self.timer is None:
                    self.timer = self.later(self.stop_after, self.stop)
        """,
    ),
    changed(
        "sending does not stop it",
        "✓✓✗✓✓✓✓✓✓✓✓✓✓",
        "did not come with it",
        source="""
            def say(self):
                super(SaysStop, self).say()
        """,
    ),
    changed(
        "it stops even if nobody was typing",
        "✓✓✓✓✗✓✓✓✓✓✓✓✓",
        "Tell it only if you were typing",
        source="""
            def stop(self):
                self.is_typing = False
                self.send({"type": "stop_typing"})
        """,
    ),
    changed(
        "it does not begin anew",
        "✓✓✓✓✗✓✓✓✓✓✓✓✓",
        "for the second time",
        source="""
            def stop(self):
                if self.is_typing and not getattr(self, "told", False):
                    self.told = True
                    self.send({"type": "stop_typing"})
        """,
    ),
    changed(
        "two names with a comma",
        "✓✓✓✓✓✗✓✗✓✗✗✓✓",
        "are typing…', expected '",
        source="""
            def words(self, names):
                if not names:
                    return ""
                if len(names) < 3:
                    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} typing…"
                return "Several people are typing…"
        """,
    ),
    changed(
        "None in place of no words",
        "✓✓✓✓✓✗✓✓✓✓✓✓✓",
        "returned None, expected ''",
        source="""
            def words(self, names):
                if names:
                    return super().words(names)
        """,
    ),
    changed(
        "one name has room, and no more",
        "✓✓✓✓✓✓✓✗✓✗✗✓✗",
        "expected 'Several people are typing…'",
        source="""
            def note(self, message):
                if message["type"] == "typing" and message["username"] != self.username:
                    self.typing = {message["username"]}
                super().note(message)
        """,
    ),
    changed(
        "cleared while another is still typing",
        "✓✓✓✓✓✓✓✗✓✓✓✓✓",
        "expected 'Bob and Carol are typing…'",
        source="""
            def note(self, message):
                super().note(message)
                if message["type"] == "stop_typing":
                    self.typing.clear()
        """,
    ),
    changed(
        "one sees oneself",
        "✓✓✓✓✓✓✓✓✗✓✓✓✓",
        "(this client) and Bob are typing; `indicator` shows",
        source="""
            def note(self, message):
                super().note(message)
                if message["type"] == "typing":
                    self.typing.add(message["username"])
        """,
    ),
    changed(
        "stop_typing is not heard",
        "✓✓✓✓✓✓✗✗✓✓✓✓✓",
        "Bob typed and stopped",
        source="""
            def note(self, message):
                if message["type"] != "stop_typing":
                    super().note(message)
        """,
    ),
    changed(
        "not cleared when the message comes",
        "✓✓✓✓✓✓✓✓✓✗✓✓✓",
        "Bob's message came",
        source="""
            def clear(self, message):
                if message["type"] == "user_list":
                    self.typing &= set(message["users"])
        """,
    ),
    changed(
        "any message clears everybody",
        "✓✓✓✓✓✓✓✓✓✗✓✓✓",
        "expected 'Carol is typing…'",
        source="""
            def clear(self, message):
                if message["type"] == "message":
                    self.typing.clear()
                elif message["type"] == "user_list":
                    self.typing &= set(message["users"])
        """,
    ),
    changed(
        "never cleared after a disconnect",
        "✓✓✓✓✓✓✓✓✓✓✗✓✓",
        "a user list without Bob",
        source="""
            def clear(self, message):
                if message["type"] == "message":
                    self.typing.discard(message["username"])
        """,
    ),
    changed(
        "a user list clears everybody",
        "✓✓✓✓✓✓✓✓✓✓✗✓✓",
        "expected 'Carol is typing…'",
        source="""
            def clear(self, message):
                if message["type"] == "message":
                    self.typing.discard(message["username"])
                elif message["type"] == "user_list":
                    self.typing.clear()
        """,
    ),
    changed(
        "nobody is ever forgotten",
        "✓✓✓✓✓✓✓✓✓✓✓✗✗",
        "self.forget_after",
        source="""
            def forget_later(self, name):
                self.timers[name] = name
        """,
    ),
    changed(
        "the first timer runs on",
        "✓✓✓✓✓✓✓✓✓✓✓✓✗",
        "Is the timer of the first time still running?",
        source="""
            def forget_later(self, name):
                self.timers[name] = self.later(self.forget_after, lambda: self.forget(name))
        """,
    ),
    changed(
        "one timer for all",
        "✓✓✓✓✓✓✓✓✓✓✓✓✗",
        "nothing more came",
        source="""
            def forget_later(self, name):
                if "all" in self.timers:
                    self.timers["all"].cancel()
                self.timers["all"] = self.later(self.forget_after, lambda: self.forget(name))
        """,
    ),
    changed(
        "a message without a name raises",
        "!!!!!✓!!!!!!!",
        "raised KeyError",
        source="""
            def note(self, message):
                name = message["username"]
                super().note(message)
        """,
    ),
]

RIGHT = [
    Piece("the notebook's", SOLVED, "✓✓✓✓✓✓✓✓✓✓✓✓✓", (), "MyClient"),
    Piece(
        "the course's own",
        (
            cell("""
                from client.typing_indicator import TypingIndicatorClient, who_types

                class Own(TypingIndicatorClient):
                    def words(self, names):
                        return who_types(names)
            """),
        ),
        "",
        (),
        "Own",
    ),
    changed(
        "tasks that sleep, in place of timers",
        "✓✓✓✓✓✓✓✓✓✓✓✓✓",
        source="""
            def wait_for_silence(self):
                if self.timer is not None:
                    self.timer.cancel()
                self.timer = asyncio.ensure_future(self.silence())

            async def silence(self):
                await asyncio.sleep(self.stop_after)
                self.stop()

            def lost(self):
                if self.timer is not None:
                    self.timer.cancel()
        """,
    ),
    Piece(
        "all in one method, with times in place of timers",
        (
            cell("""
                import time
                from ipywidgets import HTML
                from client import ChatClient

                class Own(ChatClient):
                    stop_after = forget_after = 2.0

                    def build(self):
                        self.last_key, self.since = None, {}
                        self.indicator = HTML()
                        self.later(0, self.tick)
                        return [self.indicator, *super().build()]

                    def tick(self):
                        now = time.monotonic()
                        if self.last_key is not None and now - self.last_key > self.stop_after:
                            self.stop()
                        for name, began in list(self.since.items()):
                            if now - began > self.forget_after:
                                del self.since[name]
                        self.paint()
                        self.later(0.05, self.tick)
            """)
            + cell("""
                    def text_changed(self):
                        if self.last_key is None:
                            self.send('{"type": "typing"}')
                        self.last_key = time.monotonic()

                    def stop(self):
                        if self.last_key is not None:
                            self.last_key = None
                            self.send('{"type": "stop_typing"}')

                    def say(self):
                        self.stop()
                        super().say()

                    def received(self, message):
                        super().received(message)
                        kind, name = message.get("type"), message.get("username")
                        if kind == "typing" and name != self.username:
                            self.since[name] = time.monotonic()
                        elif kind in ("stop_typing", "message"):
                            self.since.pop(name, None)
                        self.since = {n: t for n, t in self.since.items() if n in self.users}
                        self.paint()

                    def words(self, names):
                        start = {0: "", 1: "%s is", 2: "%s and %s are"}
                        few = start[len(names)] % tuple(names) if len(names) < 3 else None
                        if few is None:
                            return "Several people are typing..."
                        return few + " typing..." if few else ""

                    def paint(self):
                        self.indicator.value = f"<i>{self.words(list(self.since))}</i>"
            """)
            .replace("\n", "\n    ")
            .join(["    ", ""]),
        ),
        "",
        (),
        "Own",
    ),
]
