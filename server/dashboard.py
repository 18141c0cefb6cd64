"""Exercise 6: one sampler measures this computer, and everybody sees the same numbers."""

import asyncio
from collections import deque
from typing import Any

import psutil
from websockets.asyncio.server import ServerConnection, broadcast

from server.messages import Message, Refused, encode, now, number, read_field, text
from server.room import Room, receive

KEPT = 60  # samples: at one a second, the last minute
# What a client may send: nothing. Whoever does is told so.
ACCEPTED: dict[str, dict] = {}
# What one process tells the others: the samples of the last minute, each with these fields.
SAMPLE = {"cpu": number(0, 100), "memory": number(0, 100), "connections": number(0, 1_000_000)}
SAMPLE |= {"timestamp": text(1, 40)}


def samples(field: str, value: Any) -> None:
    """Describe the samples that a process shares."""
    if not isinstance(value, list) or len(value) > KEPT:
        raise Refused(f"The field '{field}' must be a list of up to {KEPT} samples.")
    for sample in value:
        if not isinstance(sample, dict) or sample.get("type") != "metrics":
            raise Refused(f"The field '{field}' must hold metrics.")
        for name, check in SAMPLE.items():
            read_field(sample, name, check)


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
        self.room = Room(samples, self.others_changed)
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
        """Show a newcomer the last minute, then let it hear what comes."""
        # No `await` from here to the end: no sample can come between the old ones and the next.
        for sample in self.last:
            broadcast([websocket], encode(sample))
        self.room.add(websocket)
        self.keep_sampling()

    def leave(self, websocket: ServerConnection) -> None:
        """Forget a client."""
        self.room.remove(websocket)
        self.keep_sampling()

    def keep_sampling(self) -> None:
        """Have a sampler while anybody is there, unless another process samples for all."""
        is_wanted = self.room.size > 0 and self.room.speaker is None
        if is_wanted and self.sampler is None:
            self.sampler = asyncio.create_task(self.sample())
        elif not is_wanted and self.sampler is not None:
            self.sampler.cancel()
            self.sampler = None

    def others_changed(self, *_: object) -> None:
        """Show the sample that another process has taken for all, or take over from it."""
        self.keep_sampling()
        speaker = self.room.speaker
        if speaker is None or not speaker.part:
            return
        *before, newest = speaker.part
        if newest not in self.last:
            self.last.extend(before if not self.last else ())
            self.tell(newest)

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
            self.tell(self.measure())

    def tell(self, sample: Message) -> None:
        """Keep a sample, and show it to everybody here; other processes have it from us."""
        self.last.append(sample)
        self.room.share(list(self.last))
        self.room.broadcast_here(sample)

    def measure(self) -> Message:
        """Return the numbers of now."""
        return {
            "type": "metrics",
            "cpu": psutil.cpu_percent(),
            "memory": psutil.virtual_memory().percent,
            "connections": self.room.size,
            "timestamp": now(),
        }
