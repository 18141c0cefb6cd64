"""Exercise 4: one number that everybody shares."""

from websockets.asyncio.server import ServerConnection

from server.messages import Message
from server.room import Room, receive, send
from server.tally import Tally, tallied

# What a client may send. Neither message has a field of its own.
ACCEPTED = {"increment": {}, "decrement": {}}


class Counter:
    """A number that anyone may change and everyone sees."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.room = Room(tallied, self.others_changed)
        self.room.share(self.tally.counts)

    @property
    def value(self) -> int:
        """What everybody sees: the sum of what was counted here and elsewhere."""
        return self.tally.value

    async def handler(self, websocket: ServerConnection) -> None:
        """Talk with one client, from its arrival until it leaves."""
        self.room.add(websocket)
        try:
            await send(websocket, self.message())
            async for message in receive(websocket, ACCEPTED):
                self.add(1 if message["type"] == "increment" else -1)
        finally:
            self.room.remove(websocket)

    def add(self, difference: int) -> None:
        """Count, and tell everybody."""
        self.tally.add(difference)
        self.tell()

    def clear(self) -> None:
        """Begin at 0 again: the teacher's view has a button for it."""
        self.tally.clear()
        self.tell()

    def tell(self) -> None:
        """Tell everybody here the value; other processes have it from the counts."""
        self.room.share(self.tally.counts)
        self.room.broadcast_here(self.message())

    def others_changed(self, *_: object) -> None:
        """Add what other processes have counted."""
        before = self.value
        for counts in self.room.parts:
            self.tally.learn(counts)
        if self.value != before:
            self.room.broadcast_here(self.message())

    def message(self) -> Message:
        """Return the message that tells the value."""
        return {"type": "counter", "value": self.value}
