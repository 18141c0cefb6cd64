"""Exercise 4: one number that everybody shares."""

from websockets.asyncio.server import ServerConnection

from server.messages import Message
from server.room import Room, receive, send

# What a client may send. Neither message has a field of its own.
ACCEPTED = {"increment": {}, "decrement": {}}


class Counter:
    """A number that anyone may change and everyone sees."""

    def __init__(self) -> None:
        self.value = 0
        self.room = Room()

    async def handler(self, websocket: ServerConnection) -> None:
        """Talk with one client, from its arrival until it leaves."""
        self.room.add(websocket)
        try:
            await send(websocket, self.message())
            async for message in receive(websocket, ACCEPTED):
                if message["type"] == "increment":
                    self.value += 1
                else:
                    self.value -= 1
                self.room.broadcast(self.message())
        finally:
            self.room.remove(websocket)

    def clear(self) -> None:
        """Begin at 0 again: the teacher's view has a button for it."""
        self.value = 0
        self.room.broadcast(self.message())

    def message(self) -> Message:
        """Return the message that tells the value."""
        return {"type": "counter", "value": self.value}
