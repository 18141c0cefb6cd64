"""What passes on the connections that somebody watches, one event after the other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection
from websockets.protocol import State

from client.frames import Frame, Head, Stream, read_head
from server.tap import listen, stop_listening

SERVER = "server"


@dataclass(slots=True, eq=False)
class Passed:
    """Something that has passed on a line.

    Attributes:
        number: Counted from 1 over all that this Wire saw.
        seconds: When, since the Wire was made; None if it was before.
        line: The connection.
        from_client: Whether it went from the client to the server.
        what: A frame, the head of a handshake, or None: the line has ended.
    """

    number: int
    seconds: float | None
    line: "Line"
    from_client: bool
    what: Frame | Head | None

    @property
    def kind(self) -> str:
        match self.what:
            case None:
                return "end"
            case Head():
                return "request" if self.from_client else "response"
            case frame:
                return frame.kind

    @property
    def meaning(self) -> str:
        """What passed, in words, on one line."""
        match self.what:
            case None:
                return self.line.farewell
            case Head(first_line=line, body=body):
                return f"{line} · {body}" if body else line
            case Frame(missing=missing) as frame if missing:
                return f"never came whole, {missing:,} of {frame.length:,} bytes are missing"
            case frame:
                return frame.meaning

    @property
    def route(self) -> str:
        """From whom to whom."""
        ends = self.line.label, SERVER
        if self.what is None:
            return " – ".join(ends)
        return " → ".join(ends if self.from_client else reversed(ends))


Note = Callable[["Line", bool, Frame | Head | None, bool], None]


class Line:
    """One connection, watched from its beginning to its end.

    Attributes:
        number: Counted from 1 over all lines of a Wire.
        at_server: Whether it is watched at the server's end.
        first: The number of the first event on it.
        ended: The number of the event that was its end; 0 if there was none yet.
        is_open: Whether more may pass.
        known_label: Its label, once the handshake is over.
    """

    def __init__(
        self, websocket: Connection, number: int, note: Note, taken: Callable[[], set[str]]
    ) -> None:
        """Watch a connection from now on.

        Args:
            websocket: The connection.
            number: Its number.
            note: Called with this line, whether the client sent it, what passed, and whether
                that was before.
            taken: Returns the labels of the lines that are open.
        """
        self.number = number
        self.at_server = isinstance(websocket, ServerConnection)
        self.first = self.ended = 0
        self.is_open = True
        self.known_label: str | None = None
        self._websocket: Connection | None = websocket
        self._note, self._taken = note, taken
        self._said_goodbye: set[bool] = set()  # the client, the server
        self._is_handshake = False
        self._begin()
        listen(websocket, self._hear)

    @property
    def label(self) -> str:
        """What the server's card calls this client; with a number, if another is called so."""
        if self.known_label is None and self._websocket is not None:
            return who(self._websocket)
        return self.known_label or ""

    @property
    def farewell(self) -> str:
        """How the line ended, in words."""
        match len(self._said_goodbye):
            case 2:
                return "the connection has ended, after a close frame from each side"
            case 1:
                return "the line went dead after one close frame"
            case _:
                return "the line went dead: nobody has sent a close frame"

    def stop(self) -> None:
        """Watch it no longer. What has passed stays known."""
        if self._websocket is None:
            return
        self.is_open = False
        self.known_label = self.label
        stop_listening(self._websocket, self._hear)
        # What has passed is looked at for longer than a connection lives, with all its buffers.
        self._websocket = None

    def _begin(self) -> None:
        """Find out how far the handshake is, and note what has passed of it."""
        websocket = self._websocket
        asked = websocket.request is not None
        # A server has its response ready before it sends it.
        at_server_over = websocket.state is not State.CONNECTING
        answered = at_server_over if self.at_server else websocket.response is not None
        self._from_client = Stream(midway=asked)
        self._from_server = Stream(is_response=True, midway=answered)
        head = read_head(websocket.request.serialize()) if asked else None
        self._is_handshake = head is not None and head.wants_websocket
        if not self._is_handshake:
            return
        self._note(self, True, head, True)
        if answered and websocket.response is not None:
            self._note(self, False, read_head(websocket.response.serialize()), True)
            self._name()

    def _name(self) -> None:
        name = label = who(self._websocket)
        number = 1
        while label in self._taken():
            number += 1
            label = f"{name} {number}"
        self.known_label = label

    def _hear(self, what: Literal["sent", "received", "lost"], data: bytes) -> None:
        if what == "lost":
            self._end()
            return
        from_client = (what == "received") == self.at_server
        stream = self._from_client if from_client else self._from_server
        for passed in stream.feed(data):
            if isinstance(passed, Head) and from_client:
                self._is_handshake = passed.wants_websocket
            if not self._is_handshake:
                self.stop()  # it asks for a page
                return
            if isinstance(passed, Frame) and passed.kind == "close":
                self._said_goodbye.add(from_client)
            if isinstance(passed, Head) and not from_client:
                self._name()  # at once: a client that comes back soon must not take it
            self._note(self, from_client, passed, False)

    def _end(self) -> None:
        if self._is_handshake:
            for from_client, stream in ((True, self._from_client), (False, self._from_server)):
                if (rest := stream.rest()) is not None:
                    self._note(self, from_client, rest, False)
            self._note(self, False, None, False)
        self.stop()


def who(websocket: Connection) -> str:
    """Return what a client calls itself in its User-Agent header, as the server's card does."""
    agent = websocket.request.headers.get("User-Agent", "") if websocket.request else ""
    if agent.startswith("notebook/"):
        return unquote(agent.removeprefix("notebook/"))[:40]
    return "browser" if agent.startswith("Mozilla/") else "program"
