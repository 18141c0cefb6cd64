"""The room: who takes part, and the one place where a message goes to many."""

import asyncio
from collections.abc import AsyncIterator

from websockets.asyncio.server import ServerConnection, broadcast

from server.messages import Accepted, Message, Refused, decode, encode
from server.outgoing import CollectingConnection, takes_frames, text_frame

# A turn in which more is said than this is written in parts, or all of it would be in memory.
MOST_AT_ONCE = 2**16  # bytes


class Room:
    """The connections that hear the same messages."""

    def __init__(self) -> None:
        self.members: set[ServerConnection] = set()
        self._said = 0  # messages in this turn of the event loop
        self._collected = 0  # bytes that wait for the end of this turn
        self._is_busy = False  # whether there were several messages in the last turn that had any

    def add(self, websocket: ServerConnection) -> None:
        """Let a connection take part."""
        self.members.add(websocket)

    def remove(self, websocket: ServerConnection) -> None:
        """Forget a connection. Does nothing if it does not take part."""
        self.members.discard(websocket)
        if isinstance(websocket, CollectingConnection):
            websocket.flush()  # what was said before it left, it hears

    def broadcast(self, message: Message, *, skip: ServerConnection | None = None) -> None:
        """Send a message to every member, except to `skip`.

        In a quiet room it goes out at once. In a busy one, what is said within one turn of the
        event loop goes out together when the turn ends. Neither waits for anybody: one slow reader
        must not hold up all others. Whoever reads too little for too long is cut off, see
        :mod:`server.outgoing`.
        """
        text = encode(message)
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
