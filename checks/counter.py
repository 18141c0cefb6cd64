"""The success criteria of exercise 4: one number that everybody shares."""

import asyncio
import re
from functools import partial
from typing import Any

from checks.advice import Failed, kind_of, outlined, shown
from checks.criteria import Criteria
from checks.report import Report
from checks.scripted import ScriptedServer, text_of
from checks.stage import Person, Stage, whom_to_tell
from server.connection import Handler
from server.messages import Message

SERVER = Criteria(partial(Stage, show=partial(outlined, fields=("type", "message"))))
CLIENT = Criteria(ScriptedServer)
INCREMENT, DECREMENT = {"type": "increment"}, {"type": "decrement"}
FAR = 100  # from here on, nobody counts down to zero
ONE_VALUE = (
    "Keep the value outside of the handler, which runs anew for each client, and tell a newcomer "
    "the value of now."
)


async def check_counter(handler: Handler, step: int | None = None) -> Report:
    """Check a server for the shared counter with Alice, Bob and Carol as its clients.

    Args:
        handler: The handler of the server, or a server that runs.
        step: Check one step of the notebook alone.
    """
    return await SERVER.check(handler, step)


async def check_counter_client(client: type, step: int | None = None) -> Report:
    """Check a client for the shared counter against a server that plays by a script.

    Args:
        client: The class, with widgets called `number`, `plus` and `minus`.
        step: Check one step of the notebook alone.
    """
    return await CLIENT.check(client, step)


@SERVER.criterion("A newcomer is told the value at once", step=1, stubs=["welcome"])
async def newcomer(stage: Stage) -> None:
    await value_of(await stage.join("Alice"))


@SERVER.criterion(
    "Anyone can add and take away", step=2, stubs=["welcome", "change"], needs=[newcomer]
)
async def add_and_take(stage: Stage) -> None:
    before = await value_of(await stage.join("Alice"))
    bob = await stage.join("Bob")
    await value_of(bob)
    # It stays above zero, where a counter may stop: that is for the next criterion to find out.
    taken, added = sorted(stage.random.sample(range(2, 7), 2))
    await press(stage, bob, INCREMENT, added, before)
    await press(stage, bob, DECREMENT, taken, before + added)


@SERVER.criterion(
    "The value may be negative", step=2, stubs=["welcome", "change"], needs=[add_and_take]
)
async def negative(stage: Stage) -> None:
    bob = await stage.join("Bob")
    before = await value_of(bob)
    if before == 0:
        # From above zero: a counter that stops there would look like one that never goes down.
        await press(stage, bob, INCREMENT, 1, before)
        before = 1
    below = stage.random.randint(2, 5)
    down = before + below if 0 < before < FAR else below
    await bob.send_often(DECREMENT, down)
    now = await settled(stage, before - down)
    if now == 0:
        raise Failed(f"Bob took away {below} more than there was; the value stopped at zero.")
    if now != before - down:
        raise Failed(
            f"Bob took away {below} more than there was; the value changed by {now - before:+}, "
            f"expected {-down:+}."
        )


@SERVER.criterion(
    "Everybody sees a change at once",
    step=3,
    stubs=["welcome", "change", "tell_everyone"],
    needs=[add_and_take],
)
async def everybody(stage: Stage) -> None:
    people = [await stage.join(name) for name in ("Alice", "Bob", "Carol")]
    values = [await value_of(person) for person in people]
    for number, sender in enumerate(stage.random.sample(people, 2), 1):
        await sender.send(INCREMENT)
        await expect_told(stage, sender, people, values[0] + number)


@SERVER.criterion(
    "All clients share one value",
    step=3,
    stubs=["welcome", "change", "tell_everyone"],
    needs=[everybody],
)
async def shared(stage: Stage) -> None:
    alice, bob = await stage.join("Alice"), await stage.join("Bob")
    before = await value_of(alice)
    await value_of(bob)
    numbers = stage.random.sample(range(2, 6), 2)
    await alice.send_often(INCREMENT, numbers[0])
    await bob.send_often(INCREMENT, numbers[1])
    deed = f"Alice sent {numbers[0]} × {shown(INCREMENT)} and Bob {numbers[1]} ×, at the same time"
    expected = before + sum(numbers)
    if not await stage.wait(lambda: value_seen(alice) == value_seen(bob) == expected, alice, bob):
        seen = "; ".join(f"{p.name}'s number {change_seen(p, before)}" for p in (alice, bob))
        raise Failed(f"{deed}; {seen}, expected {sum(numbers):+}. {ONE_VALUE}")
    carol = await stage.join("Carol")
    if (told := await value_of(carol)) != expected:
        raise Failed(
            f"{deed}; Carol, who came later, was told {told - before:+}, expected "
            f"{sum(numbers):+}. {ONE_VALUE}"
        )


@SERVER.criterion(
    "Who leaves is forgotten, and the others go on",
    step=4,
    stubs=["welcome", "change", "tell_everyone", "forget"],
    needs=[everybody],
)
async def leavers(stage: Stage) -> None:
    alice = await stage.join("Alice")
    before = await value_of(alice)
    bob, carol = await stage.join("Bob"), await stage.join("Carol")
    await value_of(bob)
    await value_of(carol)
    await bob.leave()
    await carol.vanish()
    if not await stage.ended():
        raise Failed(
            f"Bob and Carol left; their handlers still run after {stage.within} s. A handler must "
            "end when its client leaves, as `async for` does."
        )
    await alice.send(INCREMENT)
    if not await stage.wait(lambda: value_seen(alice) == before + 1, alice):
        raise Failed(
            f"Bob and Carol left, then Alice sent {shown(INCREMENT)}; {stage.what_came([alice])}, "
            "expected the new value. Forget the one who left, and nobody else."
        )
    if held := stage.held_connections():
        raise Failed(
            f"Bob said goodbye and Carol's line went dead; the server still keeps {held} of their "
            "connections. Remove a connection in `finally`: it runs whichever way a client leaves."
        )


@SERVER.criterion(
    "Bad messages are answered and harm nobody",
    step=5,
    stubs=["welcome", "change", "tell_everyone", "problem_with"],
    needs=[everybody],
)
async def bad_messages(stage: Stage) -> None:
    alice, bob = await stage.join("Alice"), await stage.join("Bob")
    before = await value_of(alice)
    await value_of(bob)
    unknown = {"type": "".join(stage.random.choices("abcdefgh", k=6))}
    mistyped = [{"type": 7}, {"type": ["increment"]}]
    for bad in ("hello", "[1, 2]", "null", "{}", *mistyped, unknown):
        await alice.send(bad)
        error = await alice.get("error", f"Alice sent {shown(bad)}")
        if not isinstance(error.get("message"), str):
            raise Failed(
                f"Alice sent {shown(bad)} and got {outlined(error)}; expected a field "
                '"message", a string that says what was wrong.'
            )
    if bob.of_type("error"):
        raise Failed("Alice sent bad messages; Bob was told of them, too. Answer only the sender.")
    await alice.send(INCREMENT)
    if not await stage.wait(lambda: value_seen(bob) == before + 1, bob):
        raise Failed(
            f"Alice sent bad messages, then {shown(INCREMENT)}; Bob's number "
            f"{change_seen(bob, before)}, expected +1. A bad message must not change the value."
        )


@CLIENT.criterion("It shows the value that the server tells", step=6, stubs=["received"])
async def shows(script: ScriptedServer) -> None:
    await script.joined()
    number = script.widget("number")
    for value in (script.random.randint(1, 900), -script.random.randint(1, 900), 0):
        message = {"type": "counter", "value": value}
        await script.say(message)
        if not await script.wait(lambda value=value: number_in(number) == value):
            raise Failed(
                f"The server sent {shown(message)}; `number` shows {text_of(number)!r} after "
                f"{script.within} s, expected {str(value)!r}."
            )


@CLIENT.criterion("Other messages leave the value alone", step=6, stubs=["received"], needs=[shows])
async def other_messages(script: ScriptedServer) -> None:
    await script.joined()
    number, value = script.widget("number"), script.random.randint(1, 900)
    for message in (
        {"type": "counter", "value": value},
        {"type": "error", "message": "This is only a test."},
        {"type": "news", "value": value + 1},
    ):
        await script.say(message)
        await script.taken()
        if number_in(number) != value:
            raise Failed(
                f"The server told {value}, then sent {shown(message)}; `number` shows "
                f"{text_of(number)!r}. Look at the type first."
            )


@CLIENT.criterion("The buttons ask the server", step=7, stubs=["increment", "decrement"])
async def buttons(script: ScriptedServer) -> None:
    await script.joined()
    for name, expected in script.random.sample([("plus", INCREMENT), ("minus", DECREMENT)], 2):
        script.widget(name).click()
        got = await script.hear()
        if got != expected:
            came = f"nothing came in {script.within} s" if got is None else f"{shown(got)} came"
            advice = " Are the two exchanged?" if got in (INCREMENT, DECREMENT) else ""
            raise Failed(f"`{name}` was clicked; {came}, expected {shown(expected)}.{advice}")
        if more := await script.heard_more():
            raise Failed(
                f"`{name}` was clicked once; {shown(expected)} came, and then {shown(more[0])}. "
                "Send one message for each click."
            )


@CLIENT.criterion(
    "The number waits for the server's word",
    step=7,
    stubs=["received", "increment", "decrement"],
    needs=[shows, buttons],
)
async def waits(script: ScriptedServer) -> None:
    await script.joined()
    number, value = script.widget("number"), script.random.randint(1, 900)
    await script.say({"type": "counter", "value": value})
    await script.wait(lambda: number_in(number) == value)
    script.widget("plus").click()
    await script.hear()
    if number_in(number) != value:
        raise Failed(
            f"The server told {value}, then `plus` was clicked; `number` shows {text_of(number)!r} "
            "before the server answered. Only the server knows the value: others click, too."
        )


def number_in(widget: Any) -> int | None:
    """Return the number that a widget shows, alone or with a word, as in "Value: 7"."""
    found = re.fullmatch(r"[^\d\[\](){}]*?(-?\d+)[^\d\[\](){}]*", text_of(widget))
    return int(found[1]) if found else None


async def value_of(person: Person) -> int:
    """Return the value that a newcomer is told."""
    deed, advice = f"{person.name} connected", "Send the value to each newcomer, before the loop."
    return value_in(await person.get("counter", deed, advice), deed)


def value_in(message: Message, deed: str) -> int:
    """Return the value in a message, which must be an integer."""
    if type(message.get("value")) is not int:
        raise Failed(
            f'{deed} and got {outlined(message)}; "value" {state_of_value(message)}, expected an '
            "integer."
        )
    return message["value"]


def state_of_value(message: Message) -> str:
    """Return what the field "value" of a message is, in words."""
    return f"is {kind_of(message['value'])}" if "value" in message else "is missing"


def value_seen(person: Person) -> int | None:
    """Return the value that a person was told last, since somebody sent something."""
    came = person.answers("counter")
    return came[-1]["value"] if came and type(came[-1].get("value")) is int else None


def change_seen(person: Person, before: int) -> str:
    """Return by how much the number changed before a person's eyes, in words."""
    value = value_seen(person)
    return "did not change" if value is None else f"changed by {value - before:+}"


async def press(stage: Stage, person: Person, message: Message, times: int, before: int) -> None:
    """Let somebody send a message several times, and look at the value with a newcomer's eyes."""
    await person.send_often(message, times)
    change = times if message == INCREMENT else -times
    seen = await settled(stage, before + change) - before
    if seen == change:
        return
    deed = f"{person.name} sent {times} × {shown(message)}"
    if not person.is_there:
        raise Failed(f"{deed}; {person.hung_up()}")
    if errors := person.answers("error"):
        raise Failed(
            f"{deed} and got {outlined(errors[-1], ('type', 'message'))}. Such a message is fine: "
            "it must not be refused."
        )
    if value_seen(person) not in (None, before + seen):
        raise Failed(
            f"{deed} and was told a new value; Carol, who came later, was told another one. "
            f"{ONE_VALUE}"
        )
    if seen:
        raise Failed(
            f"{deed}; the value changed by {seen:+} in {stage.within} s, expected {change:+}. Look "
            "at what such a message does to the value."
        )
    raise Failed(
        f"{deed}; the value did not change in {stage.within} s, expected {change:+}. Does your "
        "handler get the message, and does it change the value?"
    )


async def settled(stage: Stage, expected: int) -> int:
    """Return what a newcomer is told: as soon as it is as expected, or when time is over.

    The messages may still be on their way, or the server may be at work.
    """
    loop = asyncio.get_running_loop()
    deadline, pause = loop.time() + stage.within, 0.01
    while True:
        # They all stay. What happens when somebody leaves is for another criterion.
        value = await value_of(await stage.join("Carol"))
        if value == expected or loop.time() > deadline:
            return value
        await asyncio.sleep(pause)
        pause = min(3 * pause, 0.3)


async def expect_told(stage: Stage, sender: Person, people: list[Person], value: int) -> None:
    """Look whether everybody is told a new value, and say what came if not."""

    def is_told(person: Person) -> bool:
        return any(is_new(message) for message in person.answers("counter"))

    def is_new(message: Message) -> bool:
        return type(message.get("value")) is int and message["value"] == value

    def show(message: Any) -> str:
        if not isinstance(message, dict) or message.get("type") != "counter":
            return outlined(message)
        return "the new value" if is_new(message) else "a value that is not the new one"

    if await stage.wait(lambda: all(map(is_told, people)), *people):
        return
    deed = f"{sender.name} sent {shown(INCREMENT)}"
    for person in people:
        for message in person.answers("counter"):
            value_in(message, f"{deed}; {person.name} was told")
    raise Failed(
        f"{deed}; {stage.what_came(people, show)}, expected the new value for all. "
        f"{whom_to_tell(sender, people, is_told)}"
    )
