"""The client of exercise 3: the chat of exercise 2, in which one sees who is typing."""

from asyncio import TimerHandle
from html import escape

from ipywidgets import HTML, Widget

from client.chat import ChatClient
from server.messages import Message


class TypingIndicatorClient(ChatClient):
    """Tells the others that one is typing, and shows who of them is.

    Attributes:
        stop_after: How long after the last key one has stopped typing, in seconds.
        again_after: After how long it is told again that one types on, in seconds.
        forget_after: How long somebody counts as typing of whom nothing more comes, in seconds.
        typing: The names of the others who are typing, in the order in which they began.
    """

    stop_after, again_after, forget_after = 2.0, 5.0, 8.0

    def build(self) -> list[Widget]:
        self.typing: list[str] = []
        self._forgetting: dict[str, TimerHandle] = {}
        self._stopping: TimerHandle | None = None  # while one is typing
        self._told = 0.0  # when it was told last that one is typing
        self._indicator_painter = self.painter(self._paint_indicator)
        self.indicator = HTML()
        widgets = super().build()
        self._paint_indicator()
        return [*widgets[:-1], self.indicator, widgets[-1]]

    # What one does oneself.

    def text_changed(self) -> None:
        """Tell the others, once and not at each key."""
        if self._stopping is None:
            self._tell()
        else:
            self._stopping.cancel()
            if self._loop.time() - self._told > self.again_after:
                self._tell()  # or else the others would think that one has gone for a walk
        self._stopping = self.later(self.stop_after, self.stop_typing)

    def stop_typing(self) -> None:
        """Tell the others, if one was typing."""
        if self._stopping is not None:
            self._stopping.cancel()
            self._stopping = None
            self.send({"type": "stop_typing"})

    def say(self) -> None:
        self.stop_typing()
        super().say()

    def _tell(self) -> None:
        self._told = self._loop.time()
        self.send({"type": "typing"})

    # What the others do.

    def received(self, message: Message) -> None:
        super().received(message)
        match message:
            case {"type": "typing", "username": str(name)} if name != self.username:
                self._begin(name)
            case {"type": "stop_typing" | "message", "username": str(name)}:
                self._end(name)
            case {"type": "user_list"}:
                for name in set(self.typing) - set(self.users):
                    self._end(name)
                if self._stopping is not None and self.username:
                    self._tell()  # somebody may have come who does not know

    def lost(self) -> None:
        super().lost()
        for name in list(self.typing):
            self._end(name)

    def _begin(self, name: str) -> None:
        if name in self.typing:
            self._forgetting[name].cancel()
        else:
            self.typing.append(name)
        # In case that no stop_typing comes: a client may have been written without.
        self._forgetting[name] = self.later(self.forget_after, lambda: self._end(name))
        self._indicator_painter.changed()

    def _end(self, name: str) -> None:
        if name in self.typing:
            self.typing.remove(name)
            self._forgetting.pop(name).cancel()
            self._indicator_painter.changed()

    def _paint_indicator(self) -> None:
        words = escape(who_types(self.typing))
        self.indicator.value = f'<div class="course-typing" role="status">{words}</div>'


def who_types(names: list[str]) -> str:
    """Return the words for those who are typing."""
    match names:
        case []:
            return ""
        case [name]:
            return f"{name} is typing…"
        case [one, other]:
            return f"{one} and {other} are typing…"
        case _:
            return "Several people are typing…"
