"""A class of thirty that comes and goes: ``python -m tools.rehearse_class --minutes 5``.

One server with a join link, and the teacher's view of it. Eight of the thirty are pages in
Chromium, each behind a cable that can be cut; the others are clients in two notebooks' kernels.
They join, leave, close their tabs, load them again, lose the line and come back, in bursts; the
teacher cuts lines, one or all, says something, pauses and goes on. Some try without the token.
After every step the teacher's view must be right within a deadline: names, kinds, number, badge,
choice; and so must be what each client shows. It prints a table, and fails if anything was wrong.
"""

import argparse
import asyncio
import json
import random
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from websockets.protocol import State

from client import TeacherView
from server import Server, start, stop
from server.door import NO_TOKEN
from server.guest import Guest
from server.link import Link
from server.relay import Relay
from tests.lab import chromium_beside
from tests.wire import ask
from tools.kernel import Kernel

# An address that only this computer reaches, as 127.0.0.1. At this one the door knows nobody, so
# the token counts. macOS has it after: sudo ifconfig lo0 alias 127.0.0.2
CLASSROOM = "127.0.0.2"
STUDENTS, PAGES, KERNELS = 30, 8, 2
PATIENCE = 10.0  # seconds until all must be right
LOOK_AGAIN = 0.02  # seconds
BURST = 6  # students who do something at once, at most

ARRIVE = """
import asyncio, json
from client import ChatClient
from server import join

room, students = await join({link!r}), {{}}

def is_right(client, is_here, names):
    if not is_here:
        return client.state in ("disconnected", "closed") and client.users == []
    shown = all(f">{{name}}<" in client.people.value for name in names)
    is_known = client.state == "connected" and client.username == client.wanted
    return is_known and client.users == names and shown

async def wrong(here, names, words):
    "Return what the clients show that is not right, after they had time to show what is."
    end = asyncio.get_running_loop().time() + {patience}
    while True:
        found = {{
            name: [client.state, client.username, client.users]
            for name, client in students.items() if not is_right(client, name in here, names)
        }}
        for name in here:
            if words and not any(words in line for line in students[name].log.lines):
                found[name] = f"does not show {{words!r}}"
        if not found or asyncio.get_running_loop().time() > end:
            return found
        await asyncio.sleep(0.02)
"""
SHOWS = """([users, words]) => {
    const people = document.querySelector("#people").textContent.replace(" (you)", "");
    return people === users && document.querySelector("#log").textContent.includes(words);
}"""


class Student:
    """One of the class, whatever they sit at.

    Attributes:
        name: What they call themselves.
        is_here: Whether they take part, or should do soon.
    """

    kind = ""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_here = False

    async def join(self) -> None:
        raise NotImplementedError

    async def leave(self) -> None:
        raise NotImplementedError

    async def lose_the_line(self) -> None:
        raise NotImplementedError

    async def say(self, words: str) -> None:
        raise NotImplementedError


class AtAPage(Student):
    """Somebody with a browser, behind a cable of their own."""

    kind = "browser"

    def __init__(self, name: str, browser, link: Link, cable: Relay) -> None:
        super().__init__(name)
        self.browser, self.cable = browser, cable
        self.link = Link(cable.host, cable.port, link.token)
        self.context = self.page = None

    async def join(self) -> None:
        if self.context is None:
            self.context = await self.browser.new_context()
        if self.page is None:
            self.page = await self.context.new_page()
            first = not await self.context.cookies()  # later on the browser has the token
            await self.page.goto((self.link if first else self.link.public).page)
        await self._join()

    async def _join(self) -> None:
        await self.page.get_by_label("Your name").fill(self.name)
        await self.page.get_by_role("button", name="Join").click()

    async def leave(self) -> None:
        match random.choice(["button", "tab", "browser"]):
            case "button":
                await self.page.get_by_role("button", name="Leave").click()
            case "tab":
                await self.page.close()
                self.page = None
            case "browser":  # and with it the token
                await self.context.close()
                self.context = self.page = None

    async def lose_the_line(self) -> None:
        if random.random() < 0.7:
            self.cable.cut()
        else:
            await self.page.reload()
            await self._join()

    async def say(self, words: str) -> None:
        await self.page.get_by_label("Message", exact=True).fill(words)
        await self.page.keyboard.press("Enter")

    async def wrong(self, names: list[str], words: str) -> str:
        """Return what the page shows that is not right; nothing if all is right in time."""
        if self.page is None:
            return ""
        users = f"Here: {', '.join(names)}" if self.is_here else "You have not joined yet."
        state = "connected" if self.is_here else "disconnected"
        end = time.monotonic() + PATIENCE
        while True:
            shown = await self.page.locator("#state").inner_text()
            words = words if self.is_here else ""
            if await self.page.evaluate(SHOWS, [users, words]) and state in shown:
                return ""
            if time.monotonic() > end:
                return f"{shown}; {await self.page.locator('#people').inner_text()}"
            await asyncio.sleep(LOOK_AGAIN)


class InANotebook(Student):
    """Somebody with a notebook client; several of them share one kernel."""

    kind = "kernel"

    def __init__(self, name: str, kernel: Kernel) -> None:
        super().__init__(name)
        self.kernel = kernel
        self.runs = 0
        self.is_known = False  # whether the kernel has a client of this name

    async def _run(self, code: str) -> None:
        # Each run is another cell: one that runs again closes the clients it made before.
        self.runs += 1
        await self.kernel.run(f"{self.name} {self.runs}", code, within=3 * PATIENCE)

    async def join(self) -> None:
        client = f"students[{self.name!r}]"
        await self._run(
            f"{client}.join()" if self.is_known else f"{client} = ChatClient(room, {self.name!r})"
        )
        self.is_known = True

    async def leave(self) -> None:
        if random.random() < 0.5:
            await self._run(f"students[{self.name!r}].leave()")
        else:
            await self._run(f"students.pop({self.name!r}).close()")
            self.is_known = False

    async def lose_the_line(self) -> None:
        await self._run(f"students[{self.name!r}].cut()")

    async def say(self, words: str) -> None:
        await self._run(f"c = students[{self.name!r}]; c.field.value = {words!r}; c.say()")


@dataclass
class Record:
    """What was done in a rehearsal, and what came of it.

    Attributes:
        did: How often each thing was done.
        seconds: How long it took after each step until everything was right.
        connections: How many came in.
        wrong: What was not right in time, in words.
    """

    did: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    connections: int = 0
    wrong: list[str] = field(default_factory=list)


class Rehearsal:
    """The class, its server, and its teacher."""

    def __init__(self, server: Server, students: list[Student], kernels: list[Kernel]) -> None:
        self.server, self.students, self.kernels = server, students, kernels
        self.view = TeacherView(server)
        self.record = Record()
        self.came: set[Guest] = set()
        server.watchers.add(self.came.add)

    @property
    def here(self) -> list[Student]:
        return [student for student in self.students if student.is_here]

    async def begin(self) -> None:
        """Let two of three come in, all at once."""
        number = len(self.students) * 2 // 3
        await self._move({s: "join" for s in random.sample(self.students, number)})

    async def step(self) -> None:
        """Let something happen, and look until everything is right."""
        kind = random.choices(["move", "drop", "drop all", "words", "pause"], [12, 4, 1, 2, 1])[0]
        if kind == "move" or len(self.here) < 3:
            chosen = random.sample(self.students, random.randint(1, min(BURST, len(self.students))))
            moves = {s: random.choice(["leave", "lose the line"]) for s in chosen if s.is_here}
            await self._move(moves | {s: "join" for s in chosen if not s.is_here})
        elif kind == "drop":
            await self._drop(random.choice(self.here))
        elif kind == "drop all":
            await self._drop_all()
        elif kind == "words":
            await self._talk()
        else:
            await self._pause()
        if random.random() < 0.2:
            await self._refuse_a_stranger()

    # What happens

    async def _move(self, moves: dict[Student, str]) -> None:
        """Let students join, leave and lose the line at once."""
        lost = [s for s, move in moves.items() if move == "lose the line"]
        before = self._addresses(lost)
        for student, move in moves.items():
            self.record.did[f"{move}, {student.kind}"] += 1
            student.is_here = move != "leave"
        async with asyncio.TaskGroup() as group:
            for student, move in moves.items():
                group.create_task(getattr(student, move.replace(" ", "_"))())
        await self._expect(f"{len(moves)} moved", gone=before)

    async def _drop(self, student: Student) -> None:
        """Let the teacher choose somebody and cut their line."""
        before = self._addresses([student])
        self.view.choice.value = self._guest(student)
        chosen = self.view.choice.label
        if not chosen.startswith(f"{student.name} · {student.kind} · "):
            self.record.wrong.append(f"Chose {student.name}, and the view says {chosen!r}")
        self.record.did["teacher: Drop"] += 1
        self.view.drop_button.click()
        await self._expect(f"{student.name} dropped", gone=before)

    async def _drop_all(self) -> None:
        before = self._addresses(self.here)
        self.record.did["teacher: Drop all"] += 1
        self.view.drop_all_button.click()
        await self._expect("all dropped", gone=before)

    async def _talk(self) -> None:
        """Let somebody say something, or the teacher."""
        words = f"{random.choice(['Yes', 'No', 'Why'])} {random.randrange(10**9)}"
        if random.random() < 0.5:
            self.record.did["teacher: Say"] += 1
            self.view.field.value = words
            self.view.say_button.click()
        else:
            self.record.did["say"] += 1
            await random.choice(self.here).say(words)
        await self._expect("said", words=words)

    async def _pause(self) -> None:
        """Let the teacher pause: what somebody says then is heard when it goes on."""
        self.record.did["teacher: Pause, Go on"] += 1
        words, student = f"Wait {random.randrange(10**9)}", random.choice(self.here)
        self.view.pause_button.click()
        await student.say(words)
        guest = self._guest(student)
        await self._in_time("paused", lambda: [] if guest._held else ["nothing waits"])
        await self._expect("paused", badge="paused")
        self.view.pause_button.click()
        await self._expect("went on", words=words)

    async def _refuse_a_stranger(self) -> None:
        self.record.did["without the token"] += 1
        path = random.choice(["/", "/?token=guess", "/about", "/chat.js"])
        answer = await ask(self.server.port, path, address=CLASSROOM)
        if answer.status != 401 or (path == "/" and answer.body.strip() != NO_TOKEN):
            self.record.wrong.append(f"{path} without the token was answered with {answer}")

    # What must be right then

    async def _expect(
        self, what: str, *, gone: Iterable[str] = (), badge: str = "running", words: str = ""
    ) -> None:
        """Wait until the teacher's view and all clients are right.

        Args:
            what: What has happened.
            gone: The addresses of connections that must have ended.
            badge: The first word of the badge.
            words: What all must have heard.
        """
        began = time.monotonic()
        await self._in_time(what, lambda: self._wrong_in_view(set(gone), badge))
        names = list(self.server.exercise_object.names.values())
        found = await asyncio.gather(
            *(self._wrong_in_kernel(kernel, names, words) for kernel in self.kernels),
            *(self._wrong_at_page(s, names, words) for s in self.students if s.kind == "browser"),
        )
        self.record.seconds.append(time.monotonic() - began)
        self.record.wrong += [f"After {what}: {text}" for text in found if text]

    async def _in_time(self, what: str, complaints) -> None:
        """Wait until there are no complaints, or note those that are left."""
        end = time.monotonic() + PATIENCE
        while found := complaints():
            if time.monotonic() > end:
                self.record.wrong += [f"After {what}: {text}" for text in found]
                return
            await asyncio.sleep(LOOK_AGAIN)

    def _wrong_in_view(self, gone: set[str], badge: str) -> list[str]:
        """Return what the teacher's view shows that is not so."""
        view, found = self.view, []
        here = sorted((student.name, student.kind) for student in self.here)
        shown = sorted((name, kind) for name, kind, *_ in view.rows)
        if shown != here:
            found.append(f"the view has {shown}, expected {here}")
        if left := gone & {address for _, _, address, *_ in view.rows}:
            found.append(f"the view still has {left}")
        head = re.sub(r"<style>.*</style>|<[^>]*>", "", view._card._head.value, flags=re.DOTALL)
        if f"{badge} · {len(here)} connected" not in head:
            found.append(f"the badge says {head!r}, expected {badge} and {len(here)}")
        table = re.findall(r"<td><bdi>(.*?)</bdi></td><td>(\w+)</td>", view._people.value)
        if sorted(table) != here:
            found.append(f"the table has {table}")
        choice = sorted(tuple(label.split(" · ")[:2]) for label, guest in view.choice.options[1:])
        if choice != here:
            found.append(f"one can choose among {choice}")
        if view.failure or self.server.failure:
            found.append(f"raised: {view.failure or self.server.failure!r}")
        return found

    async def _wrong_in_kernel(self, kernel: Kernel, names: list[str], words: str) -> str:
        here = [s.name for s in self.here if isinstance(s, InANotebook) and s.kernel is kernel]
        code = f"print(json.dumps(await wrong({here!r}, {names!r}, {words!r})))"
        found = json.loads(await kernel.run("look", code, within=3 * PATIENCE))
        return f"in a kernel {found}, expected {names}" if found else ""

    async def _wrong_at_page(self, student: AtAPage, names: list[str], words: str) -> str:
        found = await student.wrong(names, words)
        return f"{student.name}'s page shows {found}, expected {names}" if found else ""

    def _guest(self, student: Student) -> Guest:
        names = self.server.exercise_object.names
        return next(guest for guest, name in names.items() if name == student.name)

    def _addresses(self, students: Iterable[Student]) -> set[str]:
        names = {student.name for student in students}
        return {address for name, _, address, *_ in self.view.rows if name in names}


async def rehearse(seconds: float, students: int = STUDENTS, pages: int = PAGES) -> Record:
    """Let a class come and go for some time.

    Args:
        seconds: How long, after all are there.
        students: How many they are.
        pages: How many of them have a page; the others have a client in a notebook.
    """
    names = [f"Ann {number}" for number in range(1, students + 1)]
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        browser = await enter(chromium_beside())
        server = await start("chat", port=0)
        stack.push_async_callback(stop)
        await server.move(CLASSROOM, tls=False)
        link = Link(CLASSROOM, server.port, server.link.token)
        cables = [await enter(Relay(server.port, CLASSROOM)) for _ in range(pages)]
        kernels = [await enter(Kernel()) for _ in range(KERNELS)]
        for kernel in kernels:
            await kernel.run("arrive", ARRIVE.format(link=str(link), patience=PATIENCE))
        everybody: list[Student] = [
            AtAPage(name, browser, link, cable) for name, cable in zip(names, cables, strict=False)
        ]
        for number, name in enumerate(names[pages:]):
            everybody.append(InANotebook(name, kernels[number % KERNELS]))
        rehearsal = Rehearsal(server, everybody, kernels)
        stack.callback(rehearsal.view.close)
        await rehearsal.begin()
        end = time.monotonic() + seconds
        while time.monotonic() < end and len(rehearsal.record.wrong) < 10:
            await rehearsal.step()
        record = rehearsal.record
        record.connections = len(rehearsal.came)
        record.wrong += [f"a kernel complained: {k.stderr}" for k in kernels if k.stderr]
        still_open = [guest for guest in rehearsal.came if guest.state is State.OPEN]
        if len(still_open) != len(rehearsal.here):
            record.wrong.append(
                f"{len(still_open)} connections, and {len(rehearsal.here)} students"
            )
    return record


def table(record: Record) -> str:
    """Return what was done, as Markdown."""
    seconds = record.seconds
    lines = [
        "| what | number |",
        "| --- | ---: |",
        *(f"| {what} | {number:,} |" for what, number in sorted(record.did.items())),
        f"| connections that came in | {record.connections:,} |",
        f"| steps after which all must be right | {len(seconds):,} |",
        f"| right after, median / 95th percentile / longest | {statistics.median(seconds):.2f} / "
        f"{statistics.quantiles(seconds, n=20)[-1]:.2f} / {max(seconds):.2f} s |",
        f"| wrong | {len(record.wrong):,} |",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.rehearse_class", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--minutes", type=float, default=5, help="how long (5)")
    parser.add_argument("--seed", type=int, default=None, help="of what happens")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    print(f"seed {seed}", file=sys.stderr)
    random.seed(seed)
    record = asyncio.run(rehearse(60 * options.minutes))
    print(table(record))
    if record.wrong:
        sys.exit("\n".join(["Not right:", *record.wrong]))


if __name__ == "__main__":
    main()
