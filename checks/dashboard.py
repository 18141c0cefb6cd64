"""The success criteria of exercise 6: one sampler, and everybody sees the same numbers."""

import asyncio
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import psutil

from checks.advice import Failed, shown
from checks.computer import Computer
from checks.criteria import Criteria, called
from checks.notifications import soon
from checks.report import Report
from checks.scripted import ScriptedServer, text_of
from checks.speaking import SpeakingStage, takes, uses
from checks.stage import Person
from server.connection import Handler
from server.messages import Message
from server.running import Background

EVERY = 0.04  # seconds from one sample to the next, in most criteria
KEPT = 60  # samples


class DashboardStage(SpeakingStage):
    """A stage on a computer whose load the check decides.

    Attributes:
        computer: Plays psutil.
    """

    def __init__(self, *arguments: Any, **props: Any) -> None:
        super().__init__(*arguments, **props, options={"every": EVERY})
        self.computer = Computer(self.random)
        self.cast += [
            (psutil, "cpu_percent", self.computer.cpu_percent),
            (psutil, "virtual_memory", self.computer.virtual_memory),
        ]

    async def join(self, name: str) -> Person:
        """Let somebody connect, if the learner's code keeps to the beat that is passed.

        Otherwise samples would come a second after each other, and the check would take a minute.
        """
        for function in timed(self):
            if not uses(function, "every"):
                raise Failed(
                    f"{function.__name__}() has a parameter `every`, and does not use it. The "
                    "check passes a beat that is shorter than a second."
                )
        return await super().join(name)

    async def measured_in(self, seconds: float) -> int:
        """Return how often the CPU is measured in the time to come."""
        before = len(self.computer.told)
        await asyncio.sleep(seconds)
        return len(self.computer.told) - before


SERVER = Criteria(DashboardStage)
CLIENT = Criteria(ScriptedServer)


async def check_dashboard(
    handler: Handler, background: Background | None = None, step: int | None = None
) -> Report:
    """Check the server of a dashboard, with Alice, Bob and Carol as its clients.

    Args:
        handler: The handler of the server, or a server that runs. If it has a parameter `every`,
            a short time is passed.
        background: What runs beside the handler; `every` is passed to it, too.
        step: Check one step of the notebook alone.
    """
    return await SERVER.check(handler, step, background=background)


async def check_dashboard_client(client: type, step: int | None = None) -> Report:
    """Check the client of a dashboard against a server that plays by a script.

    Args:
        client: The class, with widgets called `cpu`, `memory`, `connections`, `cpu_chart` and
            `age`.
        step: Check one step of the notebook alone.
    """
    return await CLIENT.check(client, step)


@SERVER.criterion("The numbers are those of the computer", step=1, stubs=["measure", "sample"])
async def numbers(stage: DashboardStage) -> None:
    alice = await stage.join("Alice")
    message = await fresh(stage, alice)
    for field in ("cpu", "memory"):
        value = message.get(field)
        if not isinstance(value, int | float) or isinstance(value, bool):
            found = shown(value) if field in message else "none"
            raise Failed(f"Alice got a sample; expected a number as {field!r}, got {found}.")
        if not 0 <= value <= 100:
            found = "more than 100" if value > 100 else "less than 0"
            raise Failed(
                f"Alice got a {field!r} of {found}; expected percent, from 0 to 100. "
                "psutil.cpu_percent() and psutil.virtual_memory().percent are percent already."
            )
    if stage.computer.memories and not stage.computer.told_memory(message["memory"]):
        raise Failed(
            "The memory is not the share that is used: psutil.virtual_memory().percent tells it."
        )
    if not is_count(message.get("connections")):
        raise Failed('Alice got a sample; expected a whole number as "connections".')
    try:
        offset = datetime.fromisoformat(str(message.get("timestamp"))).utcoffset()
    except ValueError:
        offset = None
    if offset is None:
        raise Failed(
            'The "timestamp" is no time with a time zone: datetime.now(UTC).isoformat() is one.'
        )


@SERVER.criterion("Everybody gets the very same numbers", step=2, stubs=["measure", "sample"])
async def same_numbers(stage: DashboardStage) -> None:
    people = [await stage.join(name) for name in ("Alice", "Bob", "Carol")]
    alice, bob, carol = people
    await next_of(stage, carol, 3)
    last = await next_of(stage, alice, len(alice.of_type("metrics")))
    for person in (bob, carol):
        if not await stage.wait(lambda person=person: last in person.of_type("metrics"), person):
            raise Failed(
                f"Alice and {person.name} got different numbers at the same time. Is there a loop "
                "for each connection, which measures for itself? One sampler is enough: it tells "
                "everybody with broadcast()."
            )
    before = len(stage.computer.told)
    mark = len(alice.of_type("metrics"))
    await next_of(stage, alice, mark + 4)
    measured, came = len(stage.computer.told) - before, len(alice.of_type("metrics")) - mark
    if measured > came + 2:
        raise Failed(
            "Alice, Bob and Carol got the same numbers, but the CPU was measured more than once "
            "for each sample. One measurement is enough for all three."
        )


@SERVER.criterion("It tells how many are connected", step=2, stubs=["measure", "sample"])
async def connections(stage: DashboardStage) -> None:
    alice = await stage.join("Alice")
    for number, name in enumerate(["Bob", "Carol"], 2):
        await stage.join(name)
        told = lambda number=number: any(  # noqa: E731
            m.get("connections") == number for m in alice.of_type("metrics")
        )
        await next_of(stage, alice, len(alice.of_type("metrics")) + 1)
        if not await stage.wait(told, alice):
            seen = alice.of_type("metrics")[-1].get("connections")
            raise Failed(
                f"{number} clients are connected; Alice was told {seen}. Count those in the set "
                "when you measure."
            )


@SERVER.criterion("The first CPU figure is a real one", step=2, stubs=["measure", "sample"])
async def primed(stage: DashboardStage) -> None:
    alice = await stage.join("Alice")
    await next_of(stage, alice, 1)
    expect_real(stage, await fresh(stage, alice), "Alice came")


async def lateness_of(
    person: Person, stage: DashboardStage, every: float, beats: int
) -> list[float]:
    """Return how much later than expected each of the next samples came, in seconds."""
    clock = asyncio.get_running_loop().time
    known = len(person.of_type("metrics")) - 1
    began, lateness = clock(), []
    for beat in range(1, beats + 1):
        await next_of(stage, person, known + beat)
        lateness.append(clock() - began - beat * every)
        if lateness[-1] > 2 * stage.within:
            raise Failed(
                f"Expected a sample every {every} s; they came much more slowly. The beat is the "
                "parameter: `due += every`."
            )
    return lateness


@SERVER.criterion("A sample at each beat, without drift", step=2, stubs=["measure", "sample"])
async def no_drift(stage: DashboardStage) -> None:
    every, beats, tries = 0.08, 12, 3
    stage.options["every"] = every
    stage.computer.cost = 0.02
    alice = await stage.join("Alice")
    await fresh(stage, alice)
    clock = asyncio.get_running_loop().time
    began, came = clock(), 0
    for _ in range(tries):
        lateness = await lateness_of(alice, stage, every, beats)
        came += beats
        # One sample may be late. If that makes the next ones late as well, it never gets better.
        if min(lateness[-3:]) <= 5 * stage.computer.cost:
            break
        # Or the computer was busy with something else for a moment. It will not be each time.
    else:
        raise Failed(
            f"{beats} samples, one every {every} s: each came a little later than the one before. "
            "Measuring takes time as well. Count the next moment from the last one, "
            "`due += every`, and sleep for what is left until then."
        )
    # From the first try on: what was late there comes quickly one after the other in the next.
    if clock() - began < (came - 2) * every:
        raise Failed(
            f"{beats} samples came much faster than one every {every} s. Sleep until the next is "
            "due."
        )


@SERVER.criterion(
    "A newcomer gets the last minute, then what comes, without gap or double",
    step=3,
    stubs=["measure", "sample", "catch_up"],
)
async def history(stage: DashboardStage) -> None:
    stage.options["every"] = 0.005
    alice = await stage.join("Alice")
    await next_of(stage, alice, 4)
    known = len(alice.of_type("metrics"))
    if await compare(stage, alice, await stage.join("Bob")) >= known:
        raise Failed(
            "Bob came after Alice had got 5 samples, and never got these. "
            f"Send a newcomer the samples that you kept, up to the last {KEPT}."
        )
    await next_of(stage, alice, known + KEPT + 20)
    known = len(alice.of_type("metrics"))
    missed = await compare(stage, alice, await stage.join("Carol"))
    if not known - KEPT <= missed <= known - KEPT / 2:
        told = "more" if missed < known - KEPT else "fewer"
        raise Failed(
            f"Carol came after more than {KEPT} samples. Expected the last {KEPT} of them, she was "
            f"told {told}. deque(maxlen={KEPT}) forgets the oldest by itself."
        )


@SERVER.criterion(
    "It rests when nobody is there, and starts again",
    step=4,
    stubs=["measure", "sample", "catch_up", "arrive", "leave"],
)
async def rests(stage: DashboardStage) -> None:
    old: list[float] = []
    for when in ("Alice came", "After a rest, Alice came again"):
        alice, bob = await stage.join("Alice"), await stage.join("Bob")
        expect_real(stage, await fresh(stage, alice, old), when)
        await alice.leave()
        await bob.vanish()
        await stage.ended()
        if await stage.measured_in(4 * EVERY):
            raise Failed(
                "Alice and Bob left; the CPU is still measured, for nobody. End the sampler "
                "when the last one leaves: cancel() its task."
            )
        old = list(stage.computer.memories)
        stage.computer.rest()
    if await stage.leftovers():
        raise Failed(
            "All have left, and tasks that were started for them still run. "
            "cancel() the sampler's task when the last one leaves."
        )
    if held := stage.held_connections():
        raise Failed(
            f"All have left, and the server still keeps {held} of their connections. "
            "Remove a connection in `finally`."
        )


@SERVER.criterion(
    "Who leaves does not stop it for the others",
    step=4,
    stubs=["measure", "sample", "catch_up", "arrive", "leave"],
)
async def leavers(stage: DashboardStage) -> None:
    first, alice = await stage.join("Carol"), await stage.join("Alice")
    await next_of(stage, first)
    bob = await stage.join("Bob")
    await next_of(stage, alice)
    for person, name in ((first, "Carol, who came first,"), (bob, "Bob")):
        await (person.leave() if person is first else person.vanish())
        await stage.ended()
        mark = len(alice.of_type("metrics"))
        for more in range(3):
            try:
                await next_of(stage, alice, mark + more)
            except Failed as failed:
                raise Failed(
                    f"{name} left; {failed} The sampler must not depend on one client: it ends "
                    "when the last one leaves."
                ) from None


@CLIENT.criterion("It shows the numbers", step=5, stubs=["show_numbers"])
async def shows_numbers(script: ScriptedServer) -> None:
    await script.joined()
    for second in range(3):
        message = sample(script, second)
        await script.say(message)
        for field in ("cpu", "memory", "connections"):
            widget = script.widget(field)
            if not await soon(script, lambda w=widget, f=field: is_shown(w, message[f])):  # noqa: B023
                raise Failed(
                    f"{shown(message, 120)} came; `{field}` shows {text_of(widget)!r}, expected "
                    f"{message[field]}."
                )
    for field in ("cpu", "memory"):
        if "%" not in text_of(script.widget(field)):
            raise Failed(f"`{field}` shows no unit. Percent of what is there: write a % after it.")


@CLIENT.criterion(
    "It keeps the last minute, each sample once", step=6, stubs=["show_numbers", "remember"]
)
async def keeps(script: ScriptedServer) -> None:
    await script.joined()
    sent = [sample(script, second) for second in range(KEPT + 15)]
    for message in sent[:5]:
        await script.say(message)
    if not await soon(script, lambda: len(script.client.samples) == 5):
        raise Failed(f"5 samples came; `samples` holds {len(script.client.samples)} of them.")
    await script.hang_up()
    await script.joined()
    for message in sent[2:8]:
        await script.say(message)
    if not await soon(script, lambda: list(script.client.samples) == sent[:8]):
        raise Failed(
            "5 samples came. After a reconnect the server told the last minute once more, 3 of "
            f"those and 3 new ones; `samples` holds {len(script.client.samples)}, expected 8. "
            "Add a sample only if it is not there yet."
        )
    for message in sent[8:]:
        await script.say(message)
    if not await soon(script, lambda: list(script.client.samples) == sent[-KEPT:]):
        raise Failed(
            f"{len(sent)} samples came; `samples` holds {len(script.client.samples)}, expected "
            f"the last {KEPT}, oldest first."
        )


@CLIENT.criterion(
    "The chart shows the CPU over the last minute",
    step=7,
    stubs=["show_numbers", "remember", "points"],
)
async def draws(script: ScriptedServer) -> None:
    await script.joined()
    sent = [sample(script, second) for second in range(script.random.randint(6, 12))]
    for message in sent:
        await script.say(message)
    await soon(script, lambda: len(corners(script)) == len(sent))
    found = corners(script)
    if len(found) != len(sent):
        raise Failed(
            f"{len(sent)} samples came; the line has {len(found)} corners, expected one for each: "
            'a text such as "59,80 60,75".'
        )
    upside_down = all(abs(y - m["cpu"]) <= 1 for (_, y), m in zip(found, sent, strict=True))
    for (x, y), message in zip(found, sent, strict=True):
        if abs(y - (100 - message["cpu"])) > 1:
            raise Failed(
                f"For CPU {message['cpu']} % the corner is {x:g},{y:g}, expected "
                f"{100 - message['cpu']:.0f} from the top."
                + (" SVG counts from the top: 100 - cpu." if upside_down else "")
            )
    places = [x for x, _ in found]
    if any(later <= earlier for earlier, later in pairwise(places)) or places[-1] != 60:
        raise Failed(
            f"The corners lie at {places[0]:g} to {places[-1]:g} from the left. Expected the "
            "newest at 60, and each one before it 1 further to the left."
        )


@CLIENT.criterion(
    "It tells how old the data is", step=8, stubs=["show_numbers", "remember", "words_for"]
)
async def tells_age(script: ScriptedServer) -> None:
    await script.joined()
    await script.say(sample(script, 0))
    if not await soon(script, lambda: text_of(script.widget("age")) == "live"):
        raise Failed(f"A sample came; `age` shows {text_of(script.widget('age'))!r}, not 'live'.")
    for age, expected in [(0.0, "live"), (1.4, "live"), (3.2, "3 s old"), (12.0, "12 s old")]:
        words = script.client.words_for(age)
        if words != expected:
            raise Failed(f"words_for({age}) is {words!r}, expected {expected!r}.")
    await script.hang_up()
    await script.wait(lambda: script.client.state == "lost")
    words = script.client.words_for(0.0)
    if words != "lost":
        raise Failed(
            f"The connection was lost; words_for(0.0) is {words!r}, expected 'lost'. "
            'Look at self.state: it is "connected", or it is not.'
        )


async def next_of(stage: SpeakingStage, person: Person, after: int = 0) -> Message:
    """Return a sample for one person."""
    try:
        message = await person.get("metrics", f"{person.name} connected", "", after)
    except Failed as failed:
        raise Failed(f"{failed} {advice(stage)}".rstrip()) from None
    if after and message == person.of_type("metrics")[0]:
        raise Failed(
            f"{person.name} got the same sample again and again, with the same time. Measure "
            "inside of the loop, each time."
        )
    return message


def timed(stage: SpeakingStage) -> list[Any]:
    """Return those functions of the learner's that have a parameter `every`."""
    functions = [stage.subject, stage.background]
    if stage.background is None and "every" in takes(stage.subject):
        functions += [called(stage.subject, name) for name in ("sample", "arrive")]
    return [function for function in functions if "every" in takes(function)]


def advice(stage: SpeakingStage) -> str:
    """Return where to look when nothing comes, or nothing more."""
    if not timed(stage):
        return "The handler or the sampler needs a parameter `every`: the check passes a short one."
    if stage.produced:
        return "The sampler has come to its end. It must go on for ever: `while True`."
    if stage.background is None and not stage.tasks.all:
        return (
            "No task was started. asyncio.create_task(sample(every)) starts the sampler; "
            "sample(every) alone does not."
        )
    return ""


async def fresh(stage: DashboardStage, person: Person, old: Sequence[float] = ()) -> Message:
    """Return the first sample that was measured on this stage, after those of `old`.

    What a newcomer gets first may have been kept from before the check.
    """
    await next_of(stage, person)

    def new() -> list[Message]:
        metrics = person.of_type("metrics")
        return [m for m in metrics if stage.computer.told_memory(m.get("memory"), old)]

    if await stage.wait(new, person):
        return new()[0]
    if old:
        raise Failed(
            f"{person.name} came after a rest, and nothing new was measured in {stage.within} s. "
            "The sampler must start again with the next who comes."
        )
    return person.of_type("metrics")[-1]


def expect_real(stage: DashboardStage, message: Message, when: str) -> None:
    """Look whether a CPU figure is one that means something."""
    cpu = message.get("cpu")
    if stage.computer.told and isinstance(cpu, int | float) and cpu < 1:
        raise Failed(
            f"{when}; the first sample says CPU {cpu} %, which is not the load. "
            "psutil.cpu_percent() tells the load since its last call; before the first call there "
            "was none. Call it once when the sampler begins, and throw that figure away."
        )


async def compare(stage: SpeakingStage, alice: Person, newcomer: Person) -> int:
    """Look whether a newcomer gets what Alice got. Returns where in hers his begins."""
    name = newcomer.name
    enough = KEPT + 12
    await next_of(stage, newcomer, enough)
    got = newcomer.of_type("metrics")[:enough]
    await stage.wait(lambda: got[-1] in alice.of_type("metrics"), alice)
    hers = alice.of_type("metrics")
    if len({json.dumps(message) for message in got}) < len(got):
        raise Failed(f"{name} got a sample twice. Once he is in the set, he gets what comes.")
    if got[0] not in hers:
        raise Failed(f"{name} got samples that Alice, who was there before, never got.")
    begin = hers.index(got[0])
    if hers[begin : begin + len(got)] != got:
        raise Failed(
            f"Alice was there all the time. {name} came later and got the same samples, but with a "
            "gap or in another order. Send the oldest first, and put him into the set at once, "
            "with no `await` in between."
        )
    return begin


def sample(script: ScriptedServer, second: int) -> Message:
    """Return one sample, as a server of the dashboard sends it."""
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    return {
        "type": "metrics",
        "cpu": round(script.random.uniform(5, 45), 1),
        "memory": round(script.random.uniform(5, 95), 1),
        "connections": script.random.randint(2, 99),
        "timestamp": at.isoformat(),
    }


def is_shown(widget: Any, number: float) -> bool:
    """Return whether a widget shows a number, perhaps rounded."""
    found = re.search(r"\d+(\.\d+)?", text_of(widget))
    return found is not None and abs(float(found[0]) - number) <= 0.51


def corners(script: ScriptedServer) -> list[tuple[float, float]]:
    """Return the corners of the line in the chart."""
    found = re.search(r'points="([^"]*)"', str(script.widget("cpu_chart").value))
    pairs = re.findall(r"(-?[\d.]+)\s*,\s*(-?[\d.]+)", found[1] if found else "")
    return [(float(x), float(y)) for x, y in pairs]


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
