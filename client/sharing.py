"""Sharing with the teacher of a class which checks have passed: off until the learner says yes."""

import asyncio
import json
import secrets
from collections.abc import Callable
from html import escape
from typing import Any

from ipywidgets import HTML, Button, HBox, Layout, VBox

from client.connection import ReconnectingConnection
from client.field import Field, call_on
from client.widget import forget, note_open
from server import Joined, Server
from server.card import Card, mimebundle
from server.link import Link
from server.messages import encode

EVERY = 1.0  # seconds between two looks at the file that keeps the progress

OFFER = (
    "<b>Share which checks you pass?</b> Your teacher then sees a name that you choose, and which "
    "checks of the course have passed in your notebooks, up to now and from now on. Nothing else: "
    "not your code, and not when it was. Nothing is sent before you press Share, and Stop takes it "
    "off the teacher's map again."
)


class Sharing:
    """Shares which checks have passed, in whatever notebook of this learner, until `stop`.

    Displayed in a notebook, it says what the teacher sees, and has a button to stop.

    Attributes:
        state: "off", "sharing", or "stopping" while the class has not heard of it yet.
        username: The learner's name as the teacher sees it; empty while it is not on the map.
        words: What went wrong last, or how the connection is; empty if all is well.
    """

    def __init__(self, url: str) -> None:
        """Make one that is off.

        Args:
            url: Where the clients of the class connect; with the token, if one is needed.
        """
        self._loop = asyncio.get_running_loop()
        self._url = Link.parse(url).progress
        self._key = secrets.token_urlsafe(16)
        self._name = ""
        self._connection: ReconnectingConnection | None = None
        self._leaving: ReconnectingConnection | None = None
        self._was_told = False  # whether the class may know of this learner
        self._file: Any = None  # by which a change of it is seen
        self._passed: dict[str, list[str]] = {}
        self._next_look: asyncio.TimerHandle | None = None
        self._card: Any = None
        self.state, self.username, self.words = "off", "", ""
        self._body = HTML()
        self.field = Field(
            self._loop, self._run, placeholder="Your name", layout=Layout(flex="0 1 220px")
        )
        self.field.on_enter(self._share_by_hand)
        self.share_button = self._button("Share", self._share_by_hand)
        self.field.add_button(self.share_button)
        self.stop_button = self._button("Stop", self.stop)
        row = HBox([self.field, self.share_button, self.stop_button])
        self.widget = VBox([self._body, row])
        self.widget.add_class("course-sharing")
        self._paint()

    def share(self, username: str) -> None:
        """Show the teacher from now on which checks have passed, under this name.

        Raises:
            TypeError: If the name is no text.
            ValueError: If it is empty.
        """
        if not isinstance(username, str):
            raise TypeError(f'Got {username!r}. Expected the name as a text, such as "Ada".')
        if not username.strip():
            raise ValueError("Type the name first under which your teacher shall see you.")
        self._name, self.state, self.words = username.strip(), "sharing", ""
        note_open(self)
        self._look()
        if self._connection is None:
            self._connection = self._connect()
        else:
            self._tell()
        self._paint()

    def stop(self) -> None:
        """Share no longer, and be taken off the teacher's map. Does nothing if it is off."""
        if self.state == "off":
            return
        if not self._was_told:
            self._end("")
            return
        self.state = "stopping"
        self._tell()
        self._paint()

    def close(self) -> None:
        """Say goodbye. What was shared stays on the map, marked as of somebody who has left."""
        self._end("")

    async def wait_closed(self) -> None:
        """Wait until :meth:`close` is done."""
        if self._leaving is not None:
            await self._leaving.wait_closed()

    # How it is done.

    def _connect(self) -> ReconnectingConnection:
        def while_it_counts(function: Callable[..., None]) -> Callable[..., None]:
            """Return a function that does nothing once the connection is given up."""
            return lambda *told: function(*told) if self._connection is connection else None

        connection = ReconnectingConnection(
            self._url,
            self._name,
            on_state=while_it_counts(self._show_connection),
            on_connected=while_it_counts(self._tell),
            on_data=while_it_counts(self._take),
        )
        return connection

    def _look(self) -> None:
        """Look now and then whether another check has passed: it may be in another kernel."""
        if self._next_look is not None:
            self._next_look.cancel()
        self._next_look = self._loop.call_later(EVERY, self._look)
        if self._read():
            self._tell()
            self._paint()

    def _read(self) -> bool:
        """Read what has passed. Returns whether that is something new."""
        # Not before it is needed: it takes a moment, and the card of a class is shown to all.
        from checks.course_map import of_the_course
        from checks.progress import Damaged, progress_file, read

        try:
            file = progress_file()
            about = file.stat() if file.exists() else None
            mark = about and (about.st_mtime_ns, about.st_size, about.st_ino)
            if mark == self._file:
                return False
            self._file, before = mark, self._passed
            self._passed = of_the_course(read(file))
        except (Damaged, OSError):
            return False  # the map of the course says what is wrong with it; the last one holds
        return self._passed != before

    def _tell(self) -> None:
        """Tell the class all that is shared, or that nothing is any more."""
        if self._connection is None or self._connection.state != "connected":
            return  # it is told as soon as the connection is there
        message: dict[str, Any] = {"type": "stop_sharing", "key": self._key}
        if self.state == "sharing":
            message |= {"type": "progress", "username": self._name, "passed": self._passed}
            self._was_told = True
        self._connection.forget_unsent()
        self._connection.send(encode(message))

    def _take(self, data: str | bytes) -> None:
        """Take over what the class answers."""
        try:
            message = json.loads(data)
        except (ValueError, RecursionError):
            return
        match message:
            case {"type": "shared", "username": str(name)} if self.state == "sharing":
                self.username = name
                self._paint()
            case {"type": "stopped" | "error", "message": str(reason)}:
                self._end(reason)

    def _show_connection(self, state: str, words: str) -> None:
        if state == "refused":
            self._end(words)
        else:
            self.words = "" if state == "connected" else words
            self._paint()

    def _end(self, reason: str) -> None:
        """Be off, and say why if there is a reason."""
        if self._next_look is not None:
            self._next_look.cancel()
        self.state, self.username, self.words = "off", "", reason
        self._was_told = False
        if self._connection is not None:
            self._connection.close()
            self._leaving, self._connection = self._connection, None
        forget(self)
        self._paint()

    # What it shows.

    def _share_by_hand(self) -> None:
        self.share(self.field.value)

    def _button(self, label: str, on_click: Callable[[], None]) -> Button:
        button = Button(description=label, layout=Layout(width="auto"))
        button.on_click(lambda _: call_on(self._loop, self._run, on_click))
        return button

    def _run(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            function(*arguments)
        except ValueError as error:
            self.words = str(error)
            self._paint()

    def _paint(self) -> None:
        is_off = self.state == "off"
        for widget in (self.field, self.share_button):
            widget.layout.display = "" if is_off else "none"
        self.stop_button.layout.display = "none" if is_off else ""
        self.stop_button.disabled = self.state == "stopping"
        told = f'<p class="course-told">{escape(self.words)}</p>' if self.words else ""
        words = f"<p>{OFFER if is_off else self._account()}</p>{told}"
        self._body.value = f'<div class="course-body">{words}</div>'
        if self._card is not None:
            self._card.show_badge("open" if is_off else "connected", self.state)

    def _account(self) -> str:
        """Return what the teacher sees, in words."""
        if self.state == "stopping":
            return "<b>Stopping.</b> You are taken off the map as soon as the class hears of it."
        count = sum(map(len, self._passed.values()))
        checks = f"{count} check{'' if count == 1 else 's'}"
        shown = f"<b>{escape(self.username or self._name)}</b>"
        if not self.username:
            return f"You are about to share, as {shown}, that {checks} passed."
        return (
            f"<b>Shared:</b> your teacher sees you as {shown}, and that {checks} passed. Whatever "
            "passes in your notebooks from now on follows by itself."
        )

    def __repr__(self) -> str:
        return f"<Sharing of progress, {self.state}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        if self._card is None:
            self._card = Card("Your progress", [self.widget])
            self._paint()
        return mimebundle(self, self._card.widget, **kwargs)


_sharings: dict[str, Sharing] = {}  # by the address of the class


def share_progress(server: Joined | Server | str, username: str) -> Sharing:
    """Let the teacher of a class see which checks you have passed, until you stop it.

    The card of a class that you have joined has a button for the same. It says what is shared.

    Args:
        server: What `join` or `start` returned.
        username: The name under which the teacher sees you.

    Raises:
        TypeError: If that is no server, or the name is no text.
        ValueError: If the name is empty.
    """
    sharing = sharing_with(getattr(server, "url", server))
    sharing.share(username)
    return sharing


def sharing_with(url: str) -> Sharing:
    """Return how this kernel shares with the class at an address: one for each class."""
    known = _sharings.get(url)
    if known is None or known._loop is not asyncio.get_running_loop():
        known = _sharings[url] = Sharing(url)
    return known
