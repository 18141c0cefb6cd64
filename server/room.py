"""The room: who takes part, and the one place where a message goes to many."""

from collections.abc import AsyncIterator

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from server.messages import Accepted, Message, Refused, decode, encode


class Room:
    """The connections that hear the same messages."""

    def __init__(self) -> None:
        self.members: set[ServerConnection] = set()

    def add(self, websocket: ServerConnection) -> None:
        """Let a connection take part."""
        self.members.add(websocket)

    def remove(self, websocket: ServerConnection) -> None:
        """Forget a connection. Does nothing if it does not take part."""
        self.members.discard(websocket)

    def broadcast(self, message: Message, *, skip: ServerConnection | None = None) -> None:
        """Send a message to every member, except to `skip`.

        It does not wait for anybody: one slow reader must not hold up all others. Who reads too
        little for too long is cut off (see :mod:`server.outgoing`).
        """
        text = encode(message)
        # The library's broadcast() would build the same frame again for each of them.
        frame = Frame(Opcode.TEXT, text.encode()).serialize(mask=False)
        for websocket in self.members:
            if websocket is skip or websocket.state is not State.OPEN:
                continue
            if websocket.protocol.extensions or websocket.send_in_progress:
                # Compressed or not, in the middle of a message or not: the library knows how.
                broadcast([websocket], text)
            else:
                websocket.transport.write(frame)


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
