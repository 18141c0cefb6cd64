"""The success criteria of exercise 4: one number that everybody shares."""

from typing import Any

from checks.advice import Failed, shown
from checks.criteria import Criteria
from checks.report import Report
from checks.scripted import ScriptedServer, text_of
from checks.stage import Person, Stage
from server.connection import Handler

SERVER = Criteria(Stage)
CLIENT = Criteria(ScriptedServer)
INCREMENT, DECREMENT = {"type": "increment"}, {"type": "decrement"}


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
    alice = await stage.join("Alice")
    await value_of(alice)


@SERVER.criterion("Anyone can add and take away", step=2, stubs=["welcome", "change"])
async def add_and_take(stage: Stage) -> None:
    before = await value_of(await stage.join("Alice"))
    added, taken = stage.random.sample(range(2, 7), 2)
    await press(stage, "Bob", INCREMENT, added)
    await expect_change(stage, before, added, f"Bob sent {added} × {shown(INCREMENT)}")
    await press(stage, "Bob", DECREMENT, taken)
    deed = f"Bob sent {added} × {shown(INCREMENT)} and {taken} × {shown(DECREMENT)}"
    await expect_change(stage, before, added - taken, deed)


@SERVER.criterion("The value may be negative", step=2, stubs=["welcome", "change"])
async def negative(stage: Stage) -> None:
    before = await value_of(await stage.join("Alice"))
    down = min(max(before, 0), 200) + stage.random.randint(2, 5)
    await press(stage, "Bob", DECREMENT, down)
    dana = await stage.join("Dana")
    if (now := await value_of(dana)) >= before:
        raise Failed("Bob took away more than there was; the value did not go down at all.")
    if now != before - down:
        raise Failed("Bob took away more than there was; the value did not go below zero.")


@SERVER.criterion(
    "Everybody sees a change at once", step=3, stubs=["welcome", "change", "tell_everyone"]
)
async def everybody(stage: Stage) -> None:
    people = [await stage.join(name) for name in ("Alice", "Bob", "Carol")]
    for person in people:
        await value_of(person)
    for sender in stage.random.sample(people, 2):
        # A client may hear of the arrival of others. What counts is what comes from here on.
        marks = {person.name: len(person.of_type("counter")) for person in people}
        before = people[0].of_type("counter")[-1]["value"]
        await sender.send(INCREMENT)
        told = [p for p in people if await told_value(stage, p, marks[p.name], before + 1)]
        if len(told) < len(people):
            raise Failed(who_missed_it(sender, people, told, stage))


@SERVER.criterion(
    "All clients share one value", step=3, stubs=["welcome", "change", "tell_everyone"]
)
async def shared(stage: Stage) -> None:
    alice = await stage.join("Alice")
    before = await value_of(alice)
    times = stage.random.randint(2, 5)
    for _ in range(times):
        await alice.send(INCREMENT)
    if not await told_value(stage, alice, 1, before + times):
        raise Failed(
            f"Alice sent {times} × {shown(INCREMENT)}; {change_seen(alice, before)} in "
            f"{stage.within} s, expected {times:+}."
        )
    carol = await stage.join("Carol")
    told = await value_of(carol) - before
    if told != times:
        raise Failed(
            f"Alice sent {times} × {shown(INCREMENT)}; Carol, who came later, was told {told:+}, "
            f"expected {times:+}. Keep the value outside of the handler, which runs anew for each "
            "client, and tell a newcomer the value of now."
        )


@SERVER.criterion(
    "Who leaves is forgotten, and the others go on",
    step=4,
    stubs=["welcome", "change", "tell_everyone", "forget"],
)
async def leavers(stage: Stage) -> None:
    alice = await stage.join("Alice")
    before = await value_of(alice)
    for name in ("Bob", "Carol"):
        person = await stage.join(name)
        await value_of(person)
        await (person.leave() if name == "Bob" else person.vanish())
        await stage.ended()
    mark = len(alice.of_type("counter"))
    await alice.send(INCREMENT)
    if not await told_value(stage, alice, mark, before + 1):
        raise Failed(
            f"Bob and Carol left, then Alice sent {shown(INCREMENT)}; {alice.what_came()}. "
            "One client that leaves must not stop the server for the others."
        )
    if held := stage.held_connections():
        raise Failed(
            f"Bob and Carol left, and the server still keeps {held} of their connections. "
            "Remove a connection in `finally`: it runs whichever way a client leaves."
        )


@SERVER.criterion(
    "Bad messages are answered and harm nobody",
    step=5,
    stubs=["welcome", "change", "tell_everyone", "problem_with"],
)
async def bad_messages(stage: Stage) -> None:
    alice, bob = await stage.join("Alice"), await stage.join("Bob")
    before = await value_of(alice)
    await value_of(bob)
    unknown = {"type": "".join(stage.random.choices("abcdefgh", k=6))}
    for number, bad in enumerate(["hello", "[1, 2]", "null", "{}", {"type": 7}, unknown]):
        await alice.send(bad)
        try:
            error = await alice.get("error", after=number)
        except Failed as failed:
            sent = shown(bad) if bad is not unknown else "an unknown type"
            raise Failed(f"Alice sent {sent}; {failed}") from None
        if not isinstance(error.get("message"), str):
            raise Failed('An error needs a field "message", a string that says what was wrong.')
    if bob.of_type("error"):
        raise Failed("Alice sent bad messages; Bob was told of them, too. Answer only the sender.")
    mark = len(bob.of_type("counter"))
    await alice.send(INCREMENT)
    await bob.get("counter", after=mark)
    if not await told_value(stage, bob, mark, before + 1):
        raise Failed(
            f"Alice sent bad messages, then {shown(INCREMENT)}; {change_seen(bob, before)}, "
            "expected +1. A bad message must not change the value."
        )


@CLIENT.criterion("It shows the value that the server tells", step=6, stubs=["received"])
async def shows(script: ScriptedServer) -> None:
    await script.joined()
    number = script.widget("number")
    for value in (script.random.randint(1, 900), -script.random.randint(1, 900), 0):
        await script.say({"type": "counter", "value": value})
        if not await script.wait(lambda value=value: text_of(number) == str(value)):
            raise Failed(
                f"The server sent {shown({'type': 'counter', 'value': value})}; `number` shows "
                f"{text_of(number)!r} after {script.within} s."
            )


@CLIENT.criterion("Other messages leave the value alone", step=6, stubs=["received"])
async def other_messages(script: ScriptedServer) -> None:
    await script.joined()
    number, value = script.widget("number"), script.random.randint(1, 900)
    await script.say({"type": "counter", "value": value})
    await script.say({"type": "error", "message": "This is only a test."})
    await script.say({"type": "news", "value": value + 1})
    await script.taken()
    if text_of(number) != str(value):
        raise Failed(
            f"The server sent a counter message with {value}, an error and a message of an unknown "
            f"type; `number` shows {text_of(number)!r}. Look at the type first."
        )


@CLIENT.criterion("The buttons ask the server", step=7, stubs=["increment", "decrement"])
async def buttons(script: ScriptedServer) -> None:
    await script.joined()
    for name, expected in script.random.sample([("plus", INCREMENT), ("minus", DECREMENT)], 2):
        script.widget(name).click()
        got = await script.hear()
        if got != expected:
            came = "nothing came" if got is None else f"{shown(got)} came"
            raise Failed(
                f"`{name}` was clicked; {came} in {script.within} s, expected {shown(expected)}."
            )


@CLIENT.criterion(
    "The number waits for the server's word",
    step=7,
    stubs=["received", "increment", "decrement"],
)
async def waits(script: ScriptedServer) -> None:
    await script.joined()
    number, value = script.widget("number"), script.random.randint(1, 900)
    await script.say({"type": "counter", "value": value})
    await script.wait(lambda: text_of(number) == str(value))
    script.widget("plus").click()
    await script.hear()
    if text_of(number) != str(value):
        raise Failed(
            f"The server told {value}, then `plus` was clicked; `number` shows {text_of(number)!r} "
            "before the server answered. Only the server knows the value: others click, too."
        )


async def value_of(person: Person) -> int:
    """Return the value that a newcomer is told."""
    try:
        message = await person.get("counter")
    except Failed as failed:
        raise Failed(
            f"{person.name} connected; {failed} Send the value to each newcomer, before the loop."
        ) from None
    value = message.get("value")
    if not isinstance(value, int) or isinstance(value, bool):
        raise Failed(
            f'{person.name} connected and got {shown(message)}; expected a field "value" that is '
            "an integer."
        )
    return value


async def press(stage: Stage, name: str, message: dict[str, str], times: int) -> None:
    """Let somebody join, send a message several times, and leave."""
    person = await stage.join(name)
    for _ in range(times):
        await person.send(message)
    await person.leave()
    await stage.ended()


async def expect_change(stage: Stage, before: int, change: int, deed: str) -> None:
    """Look at the value with a newcomer's eyes."""
    seen = await value_of(await stage.join("Carol")) - before
    if seen != change:
        raise Failed(f"{deed}; the value changed by {seen:+}, expected {change:+}.")


async def told_value(stage: Stage, person: Person, after: int, value: int) -> bool:
    """Return whether a person is told a value in time."""
    return await stage.wait(
        lambda: any(m.get("value") == value for m in person.of_type("counter")[after:]), person
    )


def change_seen(person: Person, before: int) -> str:
    """Return by how much the number changed before a person's eyes, in words."""
    value: Any = person.of_type("counter")[-1].get("value")
    seen = f"{value - before:+}" if isinstance(value, int) else shown({"value": value})
    return f"{person.name}'s number changed by {seen}"


def who_missed_it(sender: Person, people: list[Person], told: list[Person], stage: Stage) -> str:
    """Return who was not told of a change, and where to look."""
    missed = next(person for person in people if person not in told)
    if told == [sender]:
        advice = "Only the sender was answered: look at who you send to."
    elif told and sender not in told:
        advice = "Everybody except the sender was told: the sender's screen must change, too."
    elif told:
        advice = "Some were told and some were not."
    else:
        advice = "Send the new value to every connection in the set."
    return (
        f"{sender.name} sent {shown(INCREMENT)}; {missed.name} was not told the new value in "
        f"{stage.within} s. {advice}{stage.forgotten_await()}"
    )
