"""Clients for exercise 5 as learners write them, and what check_notifications_client() must say.

The criteria, in the order of the marks: counts · counts once · dismiss · dismiss all · any order ·
a toast · several · a hundred · text, never HTML.
"""

from tests.gallery import Piece, cell, notebook_cells

OURS = cell("""
    import asyncio
    from html import escape

    from ipywidgets import HTML, HBox, Label, VBox

    from client import Client

    class Bell(Client):
        stay, most = 5, 4

        def build(self):
            self.seen, self.unread = set(), {}
            self.badge, self.list, self.pile = Label("0 unread"), VBox(), VBox()
            self.all_button = self.button("Dismiss all", lambda: self.dismiss_all())
            return [HBox([self.badge, self.all_button]), self.list, self.pile]

        def show(self):
            self.badge.value = f"{len(self.unread)} unread"
            last = list(self.unread.items())[-5:]
            self.list.children = [
                self.button(text, lambda key=key: self.dismiss(key)) for key, text in last
            ]

        def received(self, message):
            if message["type"] == "notification" and self.note(message):
                self.show()
                self.show_toast(message["message"])

        def note(self, message):
            if message["id"] in self.seen:
                return False
            self.seen.add(message["id"])
            self.unread[message["id"]] = message["message"]
            return True

        def dismiss(self, key):
            self.unread.pop(key, None)
            self.show()

        def dismiss_all(self):
            self.unread.clear()
            self.show()

        def show_toast(self, text):
            toast = Label(text)
            self.pile.children = [*self.pile.children, toast][-self.most :]
            asyncio.get_running_loop().call_later(self.stay, self.take_away, toast)

        def take_away(self, toast):
            self.pile.children = [other for other in self.pile.children if other is not toast]
""")
SOLVED = tuple(notebook_cells("solutions", "05_notifications", 5))


def changed(title: str, marks: str, *words: str, source: str) -> Piece:
    """The bell, of which some methods are written anew."""
    body = cell(source).replace("\n", "\n    ")
    cells = OURS, f"class Mine(Bell):\n    {body}\n"
    return Piece(title, cells, marks, words, "Mine")


WRONG = [
    changed(
        "each one counts, however often it comes",
        "✓✗✗✗✗✓✗✓✓",
        "3 notifications came, 2 of them twice",
        source="""
            def note(self, message):
                self.unread[object()] = message["message"]
                return True
        """,
    ),
    changed(
        "what was dismissed is forgotten",
        "✓✓✗✗✗✓✓✓✓",
        "One that was dismissed came once more",
        source="""
            def note(self, message):
                new = message["id"] not in self.unread
                self.unread[message["id"]] = message["message"]
                return new
        """,
    ),
    changed(
        "any message is taken for a notification",
        "✗✓✓✓✓✓✓✓✓",
        "A message of another type came",
        source="""
            def received(self, message):
                if self.note(message):
                    self.show()
                    self.show_toast(message["message"])
        """,
    ),
    changed(
        "the button dismisses nothing",
        "✓✓✗✓✗✓✓✓✓",
        "was dismissed; `badge` shows '4 unread', expected 3",
        source="""
            def dismiss(self, key):
                self.show()
        """,
    ),
    changed(
        "dismissing twice raises",
        "✓✓!✓!✓✓✓✓",
        "raised KeyError",
        "Look at what came before you use it",
        source="""
            def dismiss(self, key):
                del self.unread[key]
                self.show()
        """,
    ),
    changed(
        "dismissing all forgets what was seen",
        "✓✓✓✗✗✓✓✓✓",
        "Then an old one came again",
        source="""
            def dismiss_all(self):
                self.unread.clear()
                self.seen.clear()
                self.show()
        """,
    ),
    changed(
        "the timer's function is called at once",
        "✓✓✓✓✓✗✗✗✗",
        "takes the function and what to give it apart",
        source="""
            def show_toast(self, text):
                toast = Label(text)
                self.pile.children = [*self.pile.children, toast]
                asyncio.get_running_loop().call_later(self.stay, self.take_away(toast))
        """,
    ),
    changed(
        "a toast stays for ever",
        "✓✓✓✓✓✗✓✓✓",
        "still there 3 seconds later",
        source="""
            def show_toast(self, text):
                self.pile.children = [*self.pile.children, Label(text)][-self.most :]
        """,
    ),
    changed(
        "a toast takes the place of the last",
        "✓✓✓✓✓✓✗✓✓",
        "A new toast joins those that are there",
        source="""
            most = 1
        """,
    ),
    changed(
        "a hundred toasts bury the page",
        "✓✓✓✓✓✓✓✗✓",
        "100 toasts are shown, expected 10 at most",
        source="""
            most = 1_000
        """,
    ),
    changed(
        "what others wrote is shown as HTML",
        "✓✓✓✓✓✓✓✓✗",
        "Show it in a Label",
        source="""
            def show_toast(self, text):
                toast = HTML(text)
                self.pile.children = [*self.pile.children, toast][-self.most :]
                asyncio.get_running_loop().call_later(self.stay, self.take_away, toast)
        """,
    ),
]

RIGHT = [
    Piece("the notebook's", SOLVED, "✓✓✓✓✓✓✓✓✓", (), "MyBell"),
    changed(
        "a set of what was seen, a dictionary of what is unread",
        "✓✓✓✓✓✓✓✓✓",
        source="""
            pass
        """,
    ),
    changed(
        "escaped HTML, the newest toast on top",
        "✓✓✓✓✓✓✓✓✓",
        source="""
            def show_toast(self, text):
                toast = HTML(f"<p>{escape(text)}</p>")
                self.pile.children = [toast, *self.pile.children][: self.most]
                self._loop.call_later(self.stay, lambda: self.take_away(toast))
        """,
    ),
    changed(
        "a dictionary of all that came, with flags",
        "✓✓✓✓✓✓✓✓✓",
        source="""
            def note(self, message):
                self.flags = getattr(self, "flags", {})
                new = message["id"] not in self.flags
                self.flags.setdefault(message["id"], True)
                self.unread |= {message["id"]: message["message"]} if new else {}
                return new
        """,
    ),
    Piece(
        "the client of the course",
        ("from client import NotificationsClient\n",),
        "✓✓✓✓✓✓✓✓✓",
        (),
        "NotificationsClient",
    ),
]
