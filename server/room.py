"""The room: who takes part, and the one place where a message goes to many."""

from collections.abc import AsyncIterator

from websockets.asyncio.server import ServerConnection, broadcast

from server.messages import Accepted, Message, Refused, decode, encode

# A member whose unread messages exceed this is dropped, or the server would keep them for ever.
UNREAD_LIMIT = 2**20  # bytes


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

        It does not wait for anybody: one slow reader must not hold up all others.
        """
        listeners = self.members - {skip}
        broadcast(listeners, encode(message))
        for websocket in listeners:
            if websocket.transport.get_write_buffer_size() > UNREAD_LIMIT:
                # close() would wait for the very client that does not read.
                websocket.transport.abort()


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
