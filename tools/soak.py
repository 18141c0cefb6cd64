"""A class of thirty in one kernel, for as long as a lesson: ``python -m tools.soak --minutes 5``.

One real kernel serves five exercises and has clients of its own, whose cells are run again and
again. Thirty students in this process go from one exercise to the next: they join, say, type,
count, draw and leave, and every third time their line drops without a goodbye. After each lesson
they all go home, and the kernel must be as it was: no connection left, as many tasks and file
descriptors as before, and no more memory. It prints a row of Markdown, and fails if that is not so.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tools.build_notebooks import free_ports
from tools.kernel import Kernel

STUDENTS = 30
LESSON = 6.0  # seconds
PATIENCE = 10.0  # seconds in which everything must have happened that was asked for
GROWTH = 2.0  # MiB that the kernel's memory may grow by in the second half
CHATS = ("chat", "typing_indicator")

LAUNCH = """
from server import start

servers = {{name: await start(name) for name in {names!r}}}
"""
CLIENTS = """
from client import ChatClient, CounterClient, DashboardClient, TypingIndicatorClient
from client import WhiteboardClient, side_by_side
from IPython.display import display

display(side_by_side(
    ChatClient(servers["chat"].url, "Ada"),
    TypingIndicatorClient(servers["typing_indicator"].url, "Bob"),
    CounterClient(servers["counter"].url),
    DashboardClient(servers["dashboard"].url),
    WhiteboardClient(servers["whiteboard"].url),
))
"""
ADDRESSES = """
import json

print(json.dumps({name: server.url for name, server in servers.items()}))
"""
# The kernel itself waits until the students have been forgotten, and its own clients are there.
# Then it gives back what is free, where that can be asked for (glibc): thousands of messages leave
# holes between what is in use, some MiB in an hour, and no leak would be seen behind them.
STATE = """
import asyncio, ctypes, gc, json
from contextlib import suppress

async with asyncio.timeout({patience}):
    while any(len(server.connections) != 1 for server in servers.values()):
        await asyncio.sleep(0.05)
    tasks = None
    while tasks != (tasks := len(asyncio.all_tasks())):
        await asyncio.sleep(0.2)
gc.collect()
with suppress(AttributeError, TypeError):
    ctypes.CDLL(None).malloc_trim(0)
print(json.dumps({{"tasks": tasks, "objects": len(gc.get_objects())}}))
"""


@dataclass
class Class:
    """Where the students are, what they do, and what came of it.

    Attributes:
        urls: The address of each exercise.
        did: How often each thing was done.
        heard: How many messages came to all of them together.
        delays: How long it took until they heard themselves, in milliseconds.
    """

    urls: dict[str, str]
    did: Counter[str] = field(default_factory=Counter)
    heard: int = 0
    delays: list[float] = field(default_factory=list)


class Student:
    """One student, who goes from exercise to exercise until the lesson is over."""

    def __init__(self, number: int, room: Class) -> None:
        self.number, self.room = number, room
        self.visits, self.said = itertools.count(), itertools.count()
        self.sent_at: dict[str, float] = {}

    async def attend(self, until: float) -> None:
        """Take part in one exercise after the other, until a time of the monotonic clock."""
        while time.monotonic() < until:
            exercise = random.choice(list(self.room.urls))
            await self.visit(exercise, until)

    async def visit(self, exercise: str, until: float) -> None:
        """Join an exercise, do a few things in it, and leave it in one way or the other."""
        url = self.room.urls[exercise]
        websocket = await connect(url, proxy=None, open_timeout=PATIENCE)
        self.room.did["joined"] += 1
        listening = asyncio.create_task(self.listen(websocket))
        try:
            if exercise in CHATS:
                # Each time another name: the server may not have noticed yet that a line dropped.
                name = f"Ann {self.number}.{next(self.visits)}"
                await self.send(websocket, {"type": "join", "username": name})
            for _ in range(random.randint(3, 12)):
                await WHAT_THEY_DO[exercise](self, websocket)
                # A person's pace. Nothing is waited for that could come sooner or later.
                await asyncio.sleep(random.uniform(0.05, 0.3))
                if time.monotonic() > until:
                    break
            if exercise in CHATS:
                async with asyncio.timeout(PATIENCE):
                    while self.sent_at:  # nobody goes before they have heard themselves
                        await asyncio.sleep(0.02)
        finally:
            if random.random() < 1 / 3:
                self.room.did["dropped"] += 1
                websocket.transport.abort()
            else:
                self.room.did["left"] += 1
                await websocket.close()
            await listening

    async def listen(self, websocket: ClientConnection) -> None:
        """Hear what is said, and note how long it took if they said it themselves."""
        with suppress(ConnectionClosed):
            async for text in websocket:
                self.room.heard += 1
                message = json.loads(text)
                began = self.sent_at.pop(message.get("content", ""), None)
                if began is not None:
                    self.room.delays.append(1_000 * (time.perf_counter() - began))

    async def send(self, websocket: ClientConnection, message: dict[str, object]) -> None:
        self.room.did["sent"] += 1
        await websocket.send(json.dumps(message))

    async def chat(self, websocket: ClientConnection) -> None:
        """Say something that nobody else says."""
        content = f"{self.number} says {next(self.said)}"
        self.sent_at[content] = time.perf_counter()
        await self.send(websocket, {"type": "message", "content": content})

    async def type(self, websocket: ClientConnection) -> None:
        """Type, and then say something, or think better of it."""
        if random.random() < 0.5:
            await self.chat(websocket)
        await self.send(websocket, {"type": "typing"})

    async def count(self, websocket: ClientConnection) -> None:
        await self.send(websocket, {"type": random.choice(["increment", "decrement"])})

    async def watch(self, websocket: ClientConnection) -> None:
        """Look at the dashboard, and sometimes say what it does not take."""
        if random.random() < 0.2:
            await self.send(websocket, {"type": "nonsense"})

    async def draw(self, websocket: ClientConnection) -> None:
        """Draw a stroke; in one of twenty, wipe the sheet."""
        x, y = random.uniform(0, 800), random.uniform(0, 500)
        await self.send(websocket, {"type": "draw_start", "x": x, "y": y})
        for _ in range(random.randint(1, 20)):
            x, y = x + random.uniform(-9, 9), y + random.uniform(-9, 9)
            await self.send(websocket, {"type": "draw_move", "x": x, "y": y})
        if random.random() < 0.8:  # the others vanish in the middle of a stroke, or begin anew
            await self.send(websocket, {"type": "draw_end"})
        if random.random() < 0.05:
            await self.send(websocket, {"type": "clear"})


WHAT_THEY_DO: dict[str, Callable[[Student, ClientConnection], Awaitable[None]]] = {
    "chat": Student.chat,
    "typing_indicator": Student.type,
    "counter": Student.count,
    "dashboard": Student.watch,
    "whiteboard": Student.draw,
}


@dataclass(frozen=True)
class State:
    """How the kernel is between two lessons."""

    memory: float  # MiB, without what is free
    tasks: int
    files: int  # descriptors; handles on Windows
    threads: int
    objects: int


async def state_of(kernel: Kernel, room: Class) -> State:
    """Return how the kernel is, once the students have been forgotten.

    Raises:
        RuntimeError: If they are not in time.
    """
    # The sheet is wiped: a full one takes memory, as it should. Nobody reads what is on it, and
    # what is not read must not hold up the goodbye.
    async with connect(room.urls["whiteboard"], proxy=None, max_queue=None) as websocket:
        await websocket.send('{"type": "clear"}')
    inside = json.loads(await kernel.run("state", STATE.format(patience=PATIENCE)))
    process = kernel.process
    count_files = process.num_handles if sys.platform == "win32" else process.num_fds
    return State(
        process.memory_info().rss / 2**20, inside["tasks"], count_files(),
        process.num_threads(), inside["objects"],
    )  # fmt: skip


async def run_again(kernel: Kernel, cell: str, code: str) -> None:
    """Run a cell while the class is at work.

    Raises:
        RuntimeError: If it raises, or the kernel does not answer.
    """
    ran = kernel.begin(cell, code)
    try:
        async with asyncio.timeout(3 * PATIENCE):
            await ran.answered.wait()
    except TimeoutError:
        raise RuntimeError(f"The kernel does not answer; {kernel.process.status()}") from None
    if ran.error:
        raise RuntimeError(f"The cell {cell!r} raised {ran.error}: {ran.traceback}")


async def soak(minutes: float, lesson: float = LESSON) -> tuple[list[State], Class]:
    """Hold lessons for some minutes. Returns how the kernel was after each, and what was done.

    Args:
        minutes: How long it takes together.
        lesson: How long one lesson takes, in seconds.
    """
    ports = free_ports()
    with tempfile.TemporaryDirectory() as home:
        environment = {
            "COURSE_FIRST_PORT": str(ports[0]),
            "COURSE_PROGRESS": os.path.join(home, "progress"),
            "IPYTHONDIR": home,
        }
        async with Kernel(**environment) as kernel:
            launch = LAUNCH.format(names=list(WHAT_THEY_DO))
            await kernel.run("launch", launch)
            await kernel.run("clients", CLIENTS)
            room = Class(json.loads(await kernel.run("addresses", ADDRESSES)))
            students = [Student(number, room) for number in range(STUDENTS)]
            states, end = [], time.monotonic() + 60 * minutes
            while time.monotonic() < end:
                until = time.monotonic() + lesson
                async with asyncio.TaskGroup() as group:
                    for student in students:
                        group.create_task(student.attend(until))
                    # The learner whose kernel it is runs the cells again meanwhile.
                    group.create_task(run_again(kernel, "launch", launch))
                    group.create_task(run_again(kernel, "clients", CLIENTS))
                states.append(await state_of(kernel, room))
                print(f"{len(states)}: {states[-1]}", file=sys.stderr)
            return states, room


def complaints(states: Sequence[State]) -> list[str]:
    """Return what has not stayed as it was, in words, comparing the lessons of the second half."""
    if len(states) < 8:
        return [f"{len(states)} lessons are too few to tell. Expected 8 at least."]
    half = len(states) // 2
    # What is loaded and cached for good comes in the first lessons.
    early, late = states[half : half + half // 2], states[-(half // 2) :]
    found = []
    for what in ("tasks", "files", "threads"):
        before, after = (max(getattr(s, what) for s in part) for part in (early, late))
        if after > before:
            found.append(f"{what}: {before} at most, then {after}")
    grown = median(late, "memory") - median(early, "memory")
    if grown > GROWTH:
        found.append(f"memory: {grown:.1f} MiB more, expected {GROWTH} at most")
    return found


def median(states: Sequence[State], what: str) -> float:
    return statistics.median(getattr(state, what) for state in states)


def row(states: Sequence[State], room: Class, minutes: float) -> str:
    """Return what was found, as a table in Markdown with one row."""
    middle, last = states[len(states) // 2], states[-1]
    p99 = statistics.quantiles(room.delays, n=100)[98]
    cells = {
        "minutes": f"{minutes:g}",
        "lessons": str(len(states)),
        "joined": f"{room.did['joined']:,}",
        "of these dropped": f"{room.did['dropped']:,}",
        "sent": f"{room.did['sent']:,}",
        "delivered": f"{room.heard:,}",
        "delay, median / 99th": f"{statistics.median(room.delays):.1f} / {p99:.0f} ms",
        "memory, half-way → end": f"{middle.memory:.1f} → {last.memory:.1f} MiB",
        "tasks": f"{middle.tasks} → {last.tasks}",
        "files": f"{middle.files} → {last.files}",
        "threads": f"{middle.threads} → {last.threads}",
        "Python's objects": f"{middle.objects:,} → {last.objects:,}",
    }
    lines = (cells, ["---"] * len(cells), cells.values())
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.soak", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--minutes", type=float, default=5, help="how long (5)")
    parser.add_argument("--seed", type=int, default=None, help="of what the students do")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    print(f"seed {seed}", file=sys.stderr)
    random.seed(seed)
    states, room = asyncio.run(soak(options.minutes))
    print(row(states, room, options.minutes))
    if found := complaints(states):
        sys.exit("Not flat: " + "; ".join(found))


if __name__ == "__main__":
    main()
