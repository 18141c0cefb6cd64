"""One room in many processes: what each tells the others, and what it knows of them.

A process that stands alone has all members of a room in its memory. Several have each their own,
and meet on a channel of Redis. Two things go over it:

* What is said, once: each process passes it on to its own members.
* The *part* of each process: what it knows itself, such as who is there. It is told when it
  changes, and again at every beat of the heart, so that whoever has missed it hears it soon. Who is
  silent for several beats is gone, and its part with it.

What is true of the whole room, each process puts together by itself from all parts. So no process
is above the others, Redis stores nothing, and each process alone is a room that works.
"""

import asyncio
import logging
import os
import random
import re
import secrets
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from server.messages import Refused, encode, read_json
from server.via import Via

if TYPE_CHECKING:
    from server.channel import Channel
    from server.room import Room

logger = logging.getLogger(__name__)

BEAT = 1.0  # seconds
SILENT = 4.0  # seconds without a beat after which a process counts as gone
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds between two attempts to connect
STEADY = 3.0  # seconds after which a line counts as one that holds
GREETING = 0.5  # seconds in which the others answer a newcomer
LONGEST_POST = 512 * 1024  # bytes that are read at once
FULL_POST = 128 * 1024  # bytes that are sent at once, or a little more
WAITING_LIMIT = 1024 * 1024  # bytes of what is said that wait for a slow Redis
MOST_OTHERS = 1_000
AWAY = (
    "The other servers of this room cannot be reached for now. You hear everybody who is connected "
    "to this server."
)
BACK = "All servers of this room are connected again."
HELLO = '{"hello": true}'
PART = object()  # stands in the queue for the part as it is when the queue is sent


@dataclass
class Other:
    """Another process, as far as this one knows it.

    Attributes:
        part: What it told of itself.
        members: How many take part there.
        heard: When it was heard last, by the clock of the event loop.
    """

    part: Any
    members: int
    heard: float


class Shared:
    """What binds the room of this process to those of the others.

    Attributes:
        name: What the others know this process by. The oldest has the smallest.
        others: The other processes that are heard, by their names.
        failure: Why Redis cannot be reached, in words; empty while it can.
    """

    def __init__(self, via: Via, exercise: str, on_change: Callable[[str | None], None]) -> None:
        """Make one that is not connected yet.

        Args:
            via: Where the processes meet.
            exercise: What they serve.
            on_change: Called when there is something new to show, with words for all members if
                they should know.
        """
        self.via = via
        self.name = f"{time.time_ns() // 1_000_000:012x}-{os.getpid()}-{secrets.token_hex(4)}"
        self.others: dict[str, Other] = {}
        self.failure = ""
        self._exercise = exercise
        self._on_change = on_change
        self._room: Room | None = None
        self._channel: Channel | None = None
        self._line: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []  # that hear and speak on it
        self._queue: deque[str | object] = deque()
        self._waiting = 0  # bytes of what is said in the queue
        self._something = asyncio.Event()
        self._all_greeted = asyncio.Event()
        self._greetings = 0  # how many others there must be
        self._told_away = False
        self._back: asyncio.TimerHandle | None = None
        self._blamed: set[str] = set()

    # What a server does with it.

    async def connect(self) -> None:
        """Connect with Redis.

        Raises:
            ConnectionError: If it cannot be reached.
            ValueError: If it does not let us in.
        """
        from server.channel import Channel  # Only who shares a room needs Redis.

        channel = Channel(self.via, self.via.channel(self._exercise))
        self._greetings = await channel.connect(self._post([HELLO])) - 1
        self._channel = channel

    async def open(self, room: "Room | None") -> None:
        """Meet the others, and learn what they know; :meth:`connect` comes first."""
        self.use(room)
        self._line = asyncio.create_task(self._keep_line())
        self._count_greetings()
        # Whoever spoke before it knows of the others would speak beside them.
        with suppress(TimeoutError):
            async with asyncio.timeout(GREETING):
                await self._all_greeted.wait()

    async def close(self) -> None:
        """Say goodbye to the others. Their room goes on, and so does this process's own."""
        if self._back is not None:
            self._back.cancel()
        if self._line is not None:
            await end(self._line)  # first: it would begin new ones
        await end(*self._tasks)
        if self._channel is not None:
            if not self.failure:
                self._queue.append('{"bye": true}')
                with suppress(ConnectionError, TimeoutError):
                    await self._publish()
            await self._channel.close()
        self._channel = self._line = None
        self.use(None)

    def use(self, room: "Room | None") -> None:
        """Bind another room of this process, or none."""
        former, self._room = self._room, room
        if former is not None and former is not room:
            former.shared = None
        if room is not None:
            room.shared = self
            for name, other in self.others.items():
                try:
                    other.part is None or room.check_part("part", other.part)
                except Refused as refusal:
                    other.part = None
                    self._blame(name, str(refusal))
            if self.others:
                self._call(room.changed, list(self.others.values()), [])
        self.share()

    # What a room does with it.

    @property
    def speaker(self) -> Other | None:
        """The process that speaks for all, the first that is heard; None if it is this one."""
        first = min(self.others, default=self.name)
        return None if self.name <= first else self.others[first]

    def say(self, text: str) -> None:
        """Let the other processes pass a message on to their members.

        While Redis is away it is not kept: what is said is for those who are there.
        """
        if self._channel is None or self.failure:
            return
        size = len(text)
        if self._waiting + size > WAITING_LIMIT:
            self._blame("Redis", "it takes less than is said here, so some of it is left out")
            return
        self._waiting += size
        self._queue.append('{"say": ' + text + "}")
        self._something.set()

    def share(self) -> None:
        """Tell the others that the part of this process, or the number of its members, is new."""
        if self._channel is not None and not self.failure:
            # Once, and behind what is said: who has joined is told of in words, and then in a list.
            if PART in self._queue:
                self._queue.remove(PART)
            self._queue.append(PART)
            self._something.set()

    # Speaking.

    async def _keep_line(self) -> None:
        """Hear and speak, and connect again whenever the line breaks."""
        while True:
            self._tasks = [asyncio.create_task(self._hear()), asyncio.create_task(self._speak())]
            ended, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            await end(*self._tasks)
            for task in self._tasks:  # both may have failed; one reason will do
                task.cancelled() or task.exception()
            error = next(iter(ended)).exception()
            if not isinstance(error, ConnectionError):
                logger.error("A mistake of the course, in the line to Redis", exc_info=error)
            self._lose(error)
            await self._connect_again()
            self._regain()

    def _lose(self, error: BaseException | None) -> None:
        self.failure = str(error)
        self._queue.clear()
        self._waiting = 0
        if self._back is not None:
            self._back.cancel()
            self._back = None
        # Who was told, and not yet that all is well, need not hear it again: a line may flap.
        words, self._told_away = None if self._told_away else AWAY, True
        logger.info("The room is cut off: Redis at %s is away. %s", self.via.place, self.failure)
        self._on_change(words)

    async def _connect_again(self) -> None:
        pause = FIRST_PAUSE
        while True:
            await self._channel.close()
            # Many processes that lost one Redis must not all come back in the same instant.
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))
            pause = min(2 * pause, LONGEST_PAUSE)
            try:
                await self._channel.connect(self._post([HELLO]))
                return
            except (ConnectionError, ValueError) as error:
                if str(error) != self.failure:
                    self.failure = str(error)
                    self._on_change(None)
            self._forget_silent()

    def _regain(self) -> None:
        self.failure = ""
        for other in self.others.values():  # they could not be heard
            other.heard = self._now()
        self.share()
        self._back = asyncio.get_running_loop().call_later(STEADY, self._tell_back)
        self._on_change(None)

    def _tell_back(self) -> None:
        self._back = None
        self._told_away = False
        logger.info("The room is connected again, over Redis at %s.", self.via.place)
        self._on_change(BACK)

    async def _speak(self) -> None:
        """Publish what is in the queue, all that one turn of the event loop brought at once."""
        due = self._now()
        # Asked for as well as raised: see `end`, whose cancellations may come at each beat.
        while not asyncio.current_task().cancelling():
            # Not wait_for(): in Python 3.11 it may take a cancellation for the event, and go on.
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._something.wait()
            self._something.clear()
            if self._now() >= due:
                self._beat(late=self._now() - due)
                due = self._now() + BEAT
            while self._queue:
                await self._publish()

    def _beat(self, late: float) -> None:
        """Tell the others that this process is there, and forget those of whom nothing comes."""
        if late > BEAT:  # a cell has kept this whole kernel busy: it is we who did not listen
            for other in self.others.values():
                other.heard = self._now()
        self._forget_silent()
        self.share()

    async def _publish(self) -> None:
        """Publish as much of the queue as goes out at once."""
        items, size = [], 0
        while self._queue and size < FULL_POST:
            item = self._queue.popleft()
            if item is PART:
                item = self._part()
            elif item.startswith('{"say"'):
                self._waiting -= len(item) - len('{"say": }')
            items.append(item)
            size += len(item)
        await self._channel.publish(self._post(items))

    def _post(self, items: list[str]) -> str:
        return f'{{"from": "{self.name}", "items": [{", ".join(items)}]}}'

    def _count_greetings(self) -> None:
        if len(self.others) >= self._greetings:
            self._all_greeted.set()

    def _part(self) -> str:
        room = self._room
        members = 0 if room is None else len(room.members)
        return encode({"part": None if room is None else room.part, "members": members})

    # Hearing.

    async def _hear(self) -> None:
        """Take what is published. Among it are the beats of this process itself."""
        while True:
            data = await self._channel.receive(within=SILENT)
            try:
                sender, items = read_post(data)
            except Refused as refusal:
                self._blame("somebody", str(refusal))
                continue
            if sender == self.name:
                continue
            if known := self.others.get(sender):
                known.heard = self._now()
            for item in items:
                self._take(sender, item)
            # Else a flood on the channel would have this process for itself.
            await asyncio.sleep(0)

    def _take(self, sender: str, item: Any) -> None:
        room = self._room
        try:
            match item:
                case {"say": {"type": str()} as message}:
                    if room is not None:
                        self._call(room.broadcast_here, message)
                case {"part": part, "members": int(members)} if 0 <= members < 1_000_000:
                    self._learn(sender, part, members)
                case {"hello": True}:
                    self.share()
                case {"bye": True}:
                    self._forget([sender])
                case _:
                    raise Refused("Expected what a server of the course says, got something else.")
        except Refused as refusal:
            self._blame(sender, str(refusal))

    def _learn(self, sender: str, part: Any, members: int) -> None:
        """Take the part of another process."""
        room, known = self._room, self.others.get(sender)
        if known is None and len(self.others) >= MOST_OTHERS:
            raise Refused(f"There are {MOST_OTHERS:,} processes already.")
        if part is not None and room is not None:
            room.check_part("part", part)
        former = None if known is None else (known.part, known.members)
        self.others[sender] = new = Other(part, members, self._now())
        if former != (part, members):
            if room is not None:
                self._call(room.changed, [new] if known is None else [], [])
            self._on_change(None)
        self._count_greetings()

    def _forget_silent(self) -> None:
        limit = self._now() - SILENT
        self._forget([name for name, other in self.others.items() if other.heard < limit])

    def _forget(self, names: list[str]) -> None:
        """Forget processes that have gone."""
        gone = [self.others.pop(name) for name in names if name in self.others]
        if gone:
            if self._room is not None:
                self._call(self._room.changed, [], gone)
            self._on_change(None)

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Let the room take what came. A mistake in there must not cost the line to the others."""
        try:
            function(*arguments)
        except ValueError as error:  # half a character, or a number that is not finite
            raise Refused(str(error)) from None
        except Exception:
            logger.exception("The room could not take what another process told.")

    def _blame(self, name: str, words: str) -> None:
        """Write to the log what was wrong, once for each process."""
        if name not in self._blamed and len(self._blamed) < MOST_OTHERS:
            self._blamed.add(name)
            logger.warning(
                "What process %s told over Redis at %s is left out: %s", name, self.via.place, words
            )

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks until they have ended.

    Once may not do: redis-py awaits with `asyncio.wait_for`, which in Python 3.11 loses a
    cancellation that comes in the same moment as what it waits for.
    """
    while going := [task for task in tasks if not task.done()]:
        for task in going:
            task.cancel()
        await asyncio.wait(going, timeout=0.1)


def read_post(data: bytes) -> tuple[str, list[Any]]:
    """Return who published something, and what.

    Raises:
        Refused: If it is not from a server of the course.
    """
    if len(data) > LONGEST_POST:
        raise Refused(f"It has {len(data):,} bytes. Expected at most {LONGEST_POST:,}.")
    try:
        post = read_json(data.decode())
    except UnicodeError:
        raise Refused("Expected text in UTF-8.") from None
    match post:
        case {"from": str(sender), "items": list(items)} if re.fullmatch(r"[\w-]{1,60}", sender):
            return sender, items
    raise Refused("Expected who it is from, and items.")
