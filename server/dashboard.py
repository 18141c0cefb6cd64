"""Exercise 6: one sampler measures this computer, and everybody sees the same numbers."""

import asyncio
from collections import deque

import psutil
from websockets.asyncio.server import ServerConnection, broadcast

from server.messages import Message, encode, now
from server.room import Room, receive

KEPT = 60  # samples: at one a second, the last minute
# What a client may send: nothing. Whoever does is told so.
ACCEPTED: dict[str, dict] = {}


class Dashboard:
    """A sampler that runs while anybody is there, and everybody who gets each sample."""

    def __init__(self, *, every: float = 1.0) -> None:
        """Make a room that nobody is in yet.

        Args:
            every: The time from one sample to the next, in seconds.

        Raises:
            ValueError: If that is not a time.
        """
        if not every > 0:
            raise ValueError(f"Expected a number of seconds such as 1.0, got {every!r}.")
        self.every = every
        self.room = Room()
        self.last: deque[Message] = deque(maxlen=KEPT)
        self.sampler: asyncio.Task[None] | None = None

    async def handler(self, websocket: ServerConnection) -> None:
        """Keep one client in the room, from its arrival until it leaves."""
        self.arrive(websocket)
        try:
            async for _ in receive(websocket, ACCEPTED):
                pass
        finally:
            self.leave(websocket)

    def arrive(self, websocket: ServerConnection) -> None:
        """Show a newcomer the last minute; the first one starts the sampler."""
        # No `await` from here to the end: no sample can come between the old ones and the next.
        for sample in self.last:
            broadcast([websocket], encode(sample))
        self.room.add(websocket)
        if self.sampler is None:
            self.sampler = asyncio.create_task(self.sample())

    def leave(self, websocket: ServerConnection) -> None:
        """Forget a client; with the last one the sampler ends."""
        self.room.remove(websocket)
        if not self.room.members and self.sampler is not None:
            self.sampler.cancel()
            self.sampler = None

    async def sample(self) -> None:
        """Measure at each beat of the clock, and tell everybody."""
        # psutil tells the load since its last call. The first figure would mean nothing: it is 0,
        # or the average since somebody was here last.
        psutil.cpu_percent()
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            # Counted from the last beat, not from now: or else the time that the measuring takes
            # would add up. A computer that was asleep does not make up for what it missed.
            due = max(due + self.every, clock())
            await asyncio.sleep(due - clock())
            self.last.append(self.measure())
            self.room.broadcast(self.last[-1])

    def measure(self) -> Message:
        """Return the numbers of now."""
        return {
            "type": "metrics",
            "cpu": psutil.cpu_percent(),
            "memory": psutil.virtual_memory().percent,
            "connections": len(self.room.members),
            "timestamp": now(),
        }
