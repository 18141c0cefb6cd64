"""The text field: no letter is lost, however fast somebody types and however slow the kernel is."""

from asyncio import AbstractEventLoop, get_running_loop
from collections import deque
from collections.abc import Callable
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

import anywidget
import traitlets
from ipywidgets import Button

SETTINGS_REMEMBERED = 1_000  # for pages that have not seen them yet
PAGES_REMEMBERED = 8  # a page that is loaded anew counts as one more


class Setting(NamedTuple):
    """One change of the text: by a page, or by the kernel if `page` is None."""

    page: str | None
    was: str
    now: str


class Field(anywidget.AnyWidget):
    """A field for one line of text.

    The Text of ipywidgets holds letters back while the kernel has not taken the last ones, and
    tells of the Enter key at once: so Enter overtakes the last letters. And JupyterLab may hand
    what it is told to two threads, so even what left the page in order may arrive in disorder.

    So here, each message of a page has a number, and holds all that the kernel has not confirmed:
    the text as it is, and the text at each Enter. Of two messages, the newer one is enough.

    The kernel sets the text as well, to clear it after sending. Meanwhile somebody types on. So
    each side says what it has seen of the other, and puts the letters that were typed since behind
    the new text: :func:`carried_over`, here and in field.js.

    Attributes:
        value: The text. Code may set it.
    """

    # As a text: the signals of a file would hold each widget in memory, closed or not.
    _esm = (Path(__file__).parent / "field.js").read_text(encoding="utf-8")
    value = traitlets.Unicode()
    placeholder = traitlets.Unicode().tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)
    shown = traitlets.Dict().tag(sync=True)  # what all pages are told
    buttons = traitlets.List().tag(sync=True)  # whose clicks they tell

    def __init__(self, loop: AbstractEventLoop, run: Callable[..., None], **options: Any) -> None:
        """Make a field.

        Args:
            loop: Where all of it happens, whatever thread a message arrives on.
            run: Calls a function with arguments, and tells the learner what it raises.
            options: Such as `value`, `placeholder`, `disabled` and `layout`.
        """
        self._run = run
        self._lock = RLock()
        self._page: str | None = None  # whose text is being taken over
        self._taken: dict[str, int] = {}  # the number of the last message, page by page
        self._count = 0  # of all settings, of which the last ones are kept
        self._settings: deque[Setting] = deque(maxlen=SETTINGS_REMEMBERED)
        self._calls: dict[str, Callable[[], Any]] = {}
        first = {"value": options.get("value", ""), "count": 0, "taken": {}}
        super().__init__(shown=first, **options)
        self.observe(self._note, "value")
        self.on_msg(lambda _, content, __: call_on(loop, run, self._take, content))

    def on_enter(self, function: Callable[[], Any]) -> None:
        """Call a function, without arguments, when somebody presses the Enter key."""
        self._calls["enter"] = function

    def add_button(self, button: Button) -> None:
        """Take care of a button, so that whoever clicks it finds the text as it was then.

        What a button sends by itself may overtake the last letters. So the page tells of a click
        in a message of the field, and the button sends nothing.
        """
        name = f"course-button-{button.model_id}"
        button.add_class(name)
        self._calls[name] = button.click
        self.buttons = [*self.buttons, name]

    def _take(self, message: dict[str, Any]) -> None:
        """Take over what a page tells: what was sent before, in order, and then the text as it is.

        Args:
            message: ``page`` (its name), ``number``, ``text``, ``seen`` (how many settings the
                page had seen) and ``sent``, a list of number, text, seen and what was pressed.
        """
        page = message["page"]
        for number, text, seen, pressed in message["sent"]:
            if number > self._taken.get(page, 0):
                self._put(page, number, text, seen)
                self._run(self._calls.get(pressed, lambda: None))
        if message["number"] > self._taken.get(page, 0):
            self._put(page, message["number"], message["text"], message["seen"])
        self._show()

    def _put(self, page: str, number: int, text: str, seen: int) -> None:
        """Take over the text of a page, which may not have seen the last settings."""
        with self._lock:
            unseen = min(self._count - seen, len(self._settings))
            for setting in list(self._settings)[len(self._settings) - unseen :]:
                if setting.page != page:
                    text = carried_over(text, setting.was, setting.now)
            self._taken.pop(page, None)
            self._taken[page] = number
            if len(self._taken) > PAGES_REMEMBERED:
                self._taken.pop(next(iter(self._taken)))
            self._page, before = page, self._page
            try:
                self.value = text
            finally:
                self._page = before

    def _note(self, change: Any) -> None:
        with self._lock:
            self._settings.append(Setting(self._page, change.old, change.new))
            self._count += 1
            self._show()

    def _show(self) -> None:
        with self._lock:
            self.shown = {"value": self.value, "count": self._count, "taken": dict(self._taken)}


def call_on(loop: AbstractEventLoop, function: Callable[..., None], *arguments: Any) -> None:
    """Call a function on an event loop: at once if that runs here, and soon from elsewhere.

    Soon, the text field that told of a click might hold more than when it was clicked.
    """
    try:
        is_here = get_running_loop() is loop
    except RuntimeError:  # this thread has none
        is_here = False
    if is_here:
        function(*arguments)
    else:
        loop.call_soon_threadsafe(function, *arguments)


def carried_over(typed: str, was: str, now: str) -> str:
    """Return a text that was set while somebody typed, with what they typed behind it.

    >>> carried_over("Hello World", was="Hello", now="")
    ' World'

    Args:
        typed: What they have made of `was` since.
        was: The text before it was set.
        now: What it was set to.
    """
    start = _same_start(typed, was)
    end = _same_start(typed[start:][::-1], was[start:][::-1])
    return now + typed[start : len(typed) - end]


def _same_start(one: str, other: str) -> int:
    """Return how many characters two texts begin with, both of them."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
