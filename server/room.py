"""The room: who takes part, and the one place where a message goes to many."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection, broadcast

from server.messages import Accepted, Field, Message, Refused, decode, encode
from server.outgoing import CollectingConnection, takes_frames, text_frame

if TYPE_CHECKING:
    from server.shared import Other, Shared

# A turn in which more is said than this is written in parts, or all of it would be in memory.
MOST_AT_ONCE = 2**16  # bytes


def any_part(field: str, value: Any) -> None:
    """Describe what another process tells of itself where nobody looks at it."""


def nothing_changes(came: "list[Other]", gone: "list[Other]") -> None:
    """Do nothing about other processes."""


class Room:
    """The connections that hear the same messages.

    A room may have members in other processes as well (see :mod:`server.shared`). What is broadcast
    in one of them, the members of all hear. And each process shares its *part* of what all must
    know, for example the names of its members.

    Attributes:
        members: The connections to this process.
        part: What this process shared last.
        shared: What binds this room to those of other processes; None if it is the only one.
    """

    def __init__(
        self,
        check_part: Field = any_part,
        changed: "Callable[[list[Other], list[Other]], None]" = nothing_changes,
    ) -> None:
        """Make a room that nobody is in yet.

        Args:
            check_part: Describes what a process may share: it comes over a network.
            changed: Called when another process has shared something new, with those processes
                that have come, and with those that have gone.
        """
        self.members: set[ServerConnection] = set()
        self.part: Any = None
        self.shared: Shared | None = None
        self.check_part, self.changed = check_part, changed
        self._said = 0  # messages in this turn of the event loop
        self._collected = 0  # bytes that wait for the end of this turn
        self._is_busy = False  # whether there were several messages in the last turn that had any

    def add(self, websocket: ServerConnection) -> None:
        """Let a connection take part."""
        self.members.add(websocket)
        if self.shared is not None:
            self.shared.share()

    def remove(self, websocket: ServerConnection) -> None:
        """Forget a connection. Does nothing if it does not take part."""
        self.members.discard(websocket)
        if isinstance(websocket, CollectingConnection):
            websocket.flush()  # what was said before it left, it hears
        if self.shared is not None:
            self.shared.share()

    def share(self, part: Any) -> None:
        """Tell the other processes what this one knows. A list or a dictionary may change later."""
        self.part = part
        if self.shared is not None:
            self.shared.share()

    @property
    def parts(self) -> list[Any]:
        """What the other processes have shared, those that began first at the beginning."""
        others = {} if self.shared is None else self.shared.others
        return [others[name].part for name in sorted(others) if others[name].part is not None]

    @property
    def size(self) -> int:
        """How many members there are, in all processes."""
        others = {} if self.shared is None else self.shared.others
        return len(self.members) + sum(other.members for other in others.values())

    @property
    def speaker(self) -> "Other | None":
        """The one process that speaks where one must speak for all; None if it is this one."""
        return None if self.shared is None else self.shared.speaker

    def broadcast(self, message: Message, *, skip: ServerConnection | None = None) -> None:
        """Send a message to every member, except to `skip`.

        In a quiet room it goes out at once. In a busy one, what is said within one turn of the
        event loop goes out together when the turn ends. Neither waits for anybody: one slow reader
        must not hold up all others. Whoever reads too little for too long is cut off, see
        :mod:`server.outgoing`.
        """
        text = encode(message)
        self._collect(text, skip)
        if self.shared is not None:
            self.shared.say(text)

    def broadcast_here(self, message: Message) -> None:
        """Send a message to the members of this process: what each process says of itself."""
        self._collect(encode(message), None)

    def _collect(self, text: str, skip: ServerConnection | None) -> None:
        frame = text_frame(text)  # once, where the library builds it again for each client
        at_once = not self._said and not self._is_busy
        others = []
        for websocket in self.members:
            if websocket is skip:
                continue
            if takes_frames(websocket):
                websocket.collect(frame)
                if at_once:
                    websocket.flush()
            else:
                others.append(websocket)
        broadcast(others, text)
        if not self._said:
            asyncio.get_running_loop().call_soon(self._end_turn)
        self._said += 1
        self._collected += 0 if at_once else len(frame)
        if self._collected > MOST_AT_ONCE:
            self._flush()

    def _end_turn(self) -> None:
        self._is_busy, self._said = self._said > 1, 0
        self._flush()

    def _flush(self) -> None:
        """Write what was collected, to each member at once."""
        if self._collected:
            self._collected = 0
            for websocket in self.members:
                if isinstance(websocket, CollectingConnection):
                    websocket.flush()


async def send(websocket: ServerConnection, message: Message) -> None:
    """Send a message to one client."""
    await websocket.send(encode(message))


def tell(websocket: ServerConnection, message: Message) -> None:
    """Send a message to one client without waiting for it; if it is gone, to nobody."""
    broadcast([websocket], encode(message))


async def refuse(websocket: ServerConnection, reason: str) -> None:
    """Tell one client why its message was not taken. The connection stays."""
    await send(websocket, {"type": "error", "message": reason})


async def receive(websocket: ServerConnection, accepted: Accepted) -> AsyncIterator[Message]:
    """Yield the messages of one client until it leaves.

    Only what is `accepted` comes through; whoever sends anything else is told why.
    """
    async for data in websocket:
        try:
            message = decode(data, accepted)
        except Refused as refusal:
            await refuse(websocket, str(refusal))
        else:
            yield message
