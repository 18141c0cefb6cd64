"""Exercise 5: the server speaks first."""

import asyncio
import random
from uuid import uuid4

from websockets.asyncio.server import ServerConnection

from server.messages import Message, now
from server.room import Room, receive

TEXTS = (
    "New message from Alice",
    "System update available",
    "3 new comments on your post",
    "Meeting in 15 minutes",
    "Bob shared a photo with you",
    "Your package has arrived",
)
# What a client may send: nothing. Whoever does is told so.
ACCEPTED: dict[str, dict] = {}


class Notifications:
    """One producer of notifications, and everybody who is connected gets each of them."""

    def __init__(self, *, pace: tuple[float, float] = (5, 15)) -> None:
        """Make a room that nobody is in yet.

        Args:
            pace: The shortest and the longest time between two notifications, in seconds.

        Raises:
            ValueError: If these are not two such times.
        """
        shortest, longest = pace
        if not 0 < shortest <= longest:
            raise ValueError(f"Expected a pace such as (5, 15), in seconds, got {pace!r}.")
        self.pace = shortest, longest
        self.room = Room()

    async def background(self) -> None:
        """Tell everybody something, again and again. It begins and ends with the server."""
        while True:
            await asyncio.sleep(random.uniform(*self.pace))
            if self.room.speaker is None:  # or else another process does it for all
                self.room.broadcast(notification())

    async def handler(self, websocket: ServerConnection) -> None:
        """Keep one client in the room, from its arrival until it leaves."""
        self.room.add(websocket)
        try:
            async for _ in receive(websocket, ACCEPTED):
                pass
        finally:
            self.room.remove(websocket)


def notification() -> Message:
    """Return a notification with an id of its own and a text chosen at random."""
    return {
        "type": "notification",
        "id": str(uuid4()),
        "message": random.choice(TEXTS),
        "timestamp": now(),
    }
