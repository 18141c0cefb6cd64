"""The client of exercise 2: pick a name, see who is there, and talk."""

from asyncio import TimerHandle
from collections import deque

from ipywidgets import HTML, HBox, Layout, Widget

from client.connection import WAITING_LIMIT, back_off
from client.log import Log, name_tag
from client.widget import Client
from server.messages import Message

NAMES_SHOWN, NAMES_REMEMBERED = 40, 1_000
GOLDEN_ANGLE = 137.5  # degrees; colours that many degrees apart differ, however many there are


class ChatClient(Client):
    """Shows who is there and what they say. It joins by itself whenever it connects.

    Attributes:
        username: The name that the server knows, or None while this client has not joined.
        users: The names of all who have joined, oldest first.
        log: What was said, and who came and went; ``log.lines`` are its texts.
    """

    title = "Chat"

    def __init__(self, url: str, username: str | None = None) -> None:
        """Connect in the background, and join under a name if one is given."""
        self.wanted = username or ""  # the name to join under
        super().__init__(url, username)

    def build(self) -> list[Widget]:
        self.username: str | None = None
        self.users: list[str] = []
        self.log = Log()
        self._accepted = ""  # the name that the server took last
        self._unsaid: deque[str] = deque(maxlen=WAITING_LIMIT)
        self._pauses = back_off()
        self._next_try: TimerHandle | None = None
        self._hues: dict[str, int] = {}
        self._painter = self.painter(self._paint)
        self.name_field = self.text_field("Your name", self.join, value=self.wanted)
        self.join_button = self.button(
            "Join", self.join, self.name_field, tooltip="Join under this name"
        )
        self.leave_button = self.button("Leave", self.leave, tooltip="Close the connection")
        self.people = HTML()
        self.field = self.text_field("Say something", self.say, self._on_text)
        self.send_button = self.button("Send", self.say, self.field, button_style="primary")
        self._paint()
        return [
            _row(self.name_field, self.join_button, self.leave_button),
            self.people,
            self.log.widget,
            _row(self.field, self.send_button),
        ]

    # What it can do, by hand or driven from code.

    def join(self) -> None:
        """Join under the name in the name field, or take it as a new name."""
        self.wanted, self._accepted = self.name_field.value.strip(), ""
        if self.state == "disconnected":
            self.reconnect()
        else:
            self._ask_to_join()

    def leave(self) -> None:
        """Leave the room. To come back, join again."""
        self.disconnect()

    def say(self) -> None:
        """Say to everybody what is in the text field. While the connection is lost, it waits."""
        if not self.wanted:
            self.log.add("Write your name above and press Join. Then you can talk.", quiet=True)
            return
        content, self.field.value = self.field.value, ""
        if content.strip():
            self._unsaid.append(content)
            self._say_all()

    def text_changed(self) -> None:
        """Called whenever somebody who has joined changes the text in the text field."""

    # What happens to it.

    def connected(self) -> None:
        self._pauses = back_off()
        if self.wanted:
            self._ask_to_join()

    def lost(self) -> None:
        self.username, self.users = None, []
        self._painter.changed()

    def received(self, message: Message) -> None:
        match message:
            case {"type": "message", "username": str(name), "content": str(content)}:
                own, time = name == self.username, message.get("timestamp", "")
                self.log.say(name, self._hue(name), content, own=own, timestamp=time)
            case {"type": "system", "message": str(words)}:
                self.log.add(words, quiet=True, timestamp=message.get("timestamp", ""))
            case {"type": "user_list", "users": list(users)}:
                self._set_users(users)
            case {"type": "error", "message": str(words)}:
                self._refused(words)

    def _ask_to_join(self) -> None:
        if self.state == "connected" and self.wanted != self.username:
            self.send({"type": "join", "username": self.wanted}, first=True)

    def _set_users(self, users: list[str]) -> None:
        """Take over who is there; find out whether this client is among them, and as whom."""
        self.users = users
        if self.username not in users:
            self.username = None
            if self.wanted in users:
                self.username = self._accepted = self.wanted
                self._say_all()
            elif self._accepted:
                self._try_again()  # the server forgot us: another handler has taken over
        self._painter.changed()

    def _refused(self, words: str) -> None:
        if self.username is None and self._accepted:
            # It was ours until the line broke, and the server has not noticed yet that it did.
            self._try_again()
            words += " Perhaps by you, before the line broke: trying again…"
        else:
            self.wanted = self._accepted = self.username or ""
        if words not in self.log.lines[-1:]:
            self.log.add(words, quiet=True)

    def _try_again(self) -> None:
        if self._next_try is not None:
            self._next_try.cancel()
        self._next_try = self.later(next(self._pauses), self._ask_to_join)

    def _say_all(self) -> None:
        while self._unsaid and self.username:
            self.send({"type": "message", "content": self._unsaid.popleft()})

    def _on_text(self) -> None:
        if self.field.value and self.username:  # an empty field was sent, or cleared
            self.text_changed()

    def _hue(self, name: str) -> int:
        if len(self._hues) > NAMES_REMEMBERED:
            self._hues.clear()
        return self._hues.setdefault(name, round(len(self._hues) * GOLDEN_ANGLE + 250) % 360)

    def _paint(self) -> None:
        tags = [name_tag(name, self._hue(name)) for name in self.users[:NAMES_SHOWN]]
        if self.username in self.users[:NAMES_SHOWN]:
            tags[self.users.index(self.username)] += " (you)"
        if more := len(self.users) - len(tags):
            tags.append(f"{more} more")
        shown = f"Here: {', '.join(tags)}" if tags else "You have not joined yet."
        self.people.value = f'<div class="course-people" role="status">{shown}</div>'


def _row(*widgets: Widget) -> HBox:
    for widget in widgets:
        widget.layout.width = "auto"
    widgets[0].layout.flex = "1 1 110px"
    widgets[0].layout.min_width = "80px"
    return HBox(widgets, layout=Layout(flex_flow="row wrap"))
