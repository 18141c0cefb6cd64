"""The success criteria of exercise 5: the server speaks first."""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any

from ipywidgets import HTML, Button

from checks.advice import Failed, shown
from checks.criteria import Criteria
from checks.on_stage import unwrapped
from checks.report import Report
from checks.scripted import ScriptedServer, text_of
from checks.speaking import SpeakingStage, takes, uses
from checks.stage import Person
from server.connection import Handler
from server.messages import Message, now
from server.running import Background

QUICK = (0.01, 0.03)  # seconds between two notifications, in most criteria
SAME = (
    "got the same notification again and again, with the same id and the same time. "
    "Make a new one inside of the loop, each time."
)
MANY, FEW = 100, 10  # notifications in an instant, toasts at most

SERVER = Criteria(partial(SpeakingStage, options={"pace": QUICK}))
CLIENT = Criteria(ScriptedServer)


async def check_notifications(
    handler: Handler, background: Background | None = None, step: int | None = None
) -> Report:
    """Check a server that sends notifications, with Alice, Bob and Carol as its clients.

    Args:
        handler: The handler of the server, or a server that runs.
        background: What runs beside the handler. It is called with a quicker `pace`.
        step: Check one step of the notebook alone.
    """
    return await SERVER.check(handler, step, background=background)


async def check_notifications_client(client: type, step: int | None = None) -> Report:
    """Check a client for notifications against a server that plays by a script.

    Args:
        client: The class, with widgets called `badge`, `all_button`, `list` and `pile`.
        step: Check one step of the notebook alone.
    """
    return await CLIENT.check(client, step)


@SERVER.criterion(
    "A notification brings an id, a text and the time", step=1, stubs=["notification", "produce"]
)
async def fields(stage: SpeakingStage) -> None:
    alice = await stage.join("Alice")
    message = await next_of(stage, alice)
    for field in ("id", "message", "timestamp"):
        value = message.get(field)
        if not isinstance(value, str) or not value:
            found = shown(value) if field in message else "none"
            raise Failed(
                f"Alice got a notification; expected a text as its {field!r}, got {found}."
            )
    try:
        offset = datetime.fromisoformat(message["timestamp"]).utcoffset()
    except ValueError:
        raise Failed(
            'The "timestamp" is no time as isoformat() makes it: datetime.now(UTC).isoformat().'
        ) from None
    if offset is None:
        raise Failed(
            'The "timestamp" does not say of which time zone it is: datetime.now(UTC) knows.'
        )


@SERVER.criterion(
    "Each has an id of its own, and the texts vary", step=1, stubs=["notification", "produce"]
)
async def vary(stage: SpeakingStage) -> None:
    alice = await stage.join("Alice")
    got = [await next_of(stage, alice, after) for after in range(24)]
    if got[-1] == got[0]:
        raise Failed(f"Alice {SAME}")
    ids = {message.get("id") for message in got}
    if len(ids) < len(got):
        raise Failed(
            f"Alice got {len(got)} notifications with {len(ids)} different ids. Make a new id for "
            "each of them, inside of the function: str(uuid4())."
        )
    if len({message.get("message") for message in got}) == 1:
        raise Failed(
            f"Alice got {len(got)} notifications, all with the same text. "
            "Choose one at random each time."
        )


@SERVER.criterion("Everybody gets each notification", step=2, stubs=["notification", "produce"])
async def everybody(stage: SpeakingStage) -> None:
    alice, bob = await stage.join("Alice"), await stage.join("Bob")
    first = await next_of(stage, bob)
    if await next_of(stage, bob, 5) == first:
        raise Failed(f"Bob {SAME}")
    if not await stage.wait(lambda: first in alice.of_type("notification"), alice):
        others = alice.of_type("notification")
        raise Failed(
            "Alice and Bob are both connected. Bob got a notification that Alice never got, she "
            f"got {'others' if others else 'nothing'}. Is there a loop for each connection? One "
            "producer is enough: it runs beside the handlers, and tells everybody with broadcast()."
        )
    mark = alice.of_type("notification").index(first)
    both = min(len(alice.of_type("notification")) - mark, len(bob.of_type("notification")))
    if alice.of_type("notification")[mark:][:both] != bob.of_type("notification")[:both]:
        raise Failed(
            "Alice and Bob got different notifications, or in another order. Send each one to all "
            "with broadcast(), before you make the next."
        )


@SERVER.criterion(
    "They come at random moments, as far apart as the pace says",
    step=2,
    stubs=["notification", "produce"],
)
async def moments(stage: SpeakingStage) -> None:
    shortest, longest = stage.options["pace"] = (0.08, 0.28)
    clock = asyncio.get_running_loop().time
    alice = await stage.join("Alice")
    times = []
    for after in range(7):
        await next_of(stage, alice, after)
        times.append(clock())
    gaps = [later - earlier for earlier, later in pairwise(times)]
    if sum(gaps) < 0.8 * shortest * len(gaps):
        raise Failed(
            f"With a pace of {shortest} to {longest} seconds, {len(times)} notifications came in "
            "less time than that. Wait before each: asyncio.sleep(random.uniform(*pace))."
        )
    if max(gaps) - min(gaps) < 0.03:
        raise Failed(
            f"With a pace of {shortest} to {longest} seconds, they came at regular intervals. "
            "random.uniform(*pace) gives a different pause each time."
        )


@SERVER.criterion(
    "Who leaves does not stop it for the others", step=2, stubs=["notification", "produce"]
)
async def leavers(stage: SpeakingStage) -> None:
    carol = await stage.join("Carol")
    await next_of(stage, carol)
    alice, bob = await stage.join("Alice"), await stage.join("Bob")
    await next_of(stage, bob)
    await bob.leave()
    await carol.vanish()
    mark = len(alice.of_type("notification"))
    for more in range(4):
        try:
            await next_of(stage, alice, mark + more)
        except Failed as failed:
            raise Failed(
                f"Carol and Bob left; {failed} The producer must not depend on one client."
            ) from None


@SERVER.criterion("No task outlives its connection", step=2, stubs=["notification", "produce"])
async def no_leak(stage: SpeakingStage) -> None:
    pace = stage.options["pace"] = [*QUICK]
    alice = await stage.join("Alice")
    await next_of(stage, alice)
    # From now on so slow that nothing comes: what ends does so because its client has left.
    pace[:] = 60, 90
    number = stage.random.randint(3, 6)
    people = [await stage.join(f"Guest {count}") for count in range(number)]
    for person in [*people, alice]:
        await person.leave()
    await stage.ended()
    if await stage.leftovers():
        # How many, depends on who slept for how long: the same code shall get the same words.
        raise Failed(
            f"{number + 1} clients came and left, and tasks that talked with them still run. "
            "A loop that sleeps does not notice that its client is gone. Let the "
            "handler only listen, and one producer speak."
        )
    if held := stage.held_connections():
        raise Failed(
            f"{number + 1} clients came and left, and the server still keeps {held} of their "
            "connections. Remove a connection in `finally`."
        )


@CLIENT.criterion("A notification counts as unread", step=3, stubs=["note"])
async def counts(script: ScriptedServer) -> None:
    await script.joined()
    await expect_unread(script, 0, "Nothing came yet")
    for number in range(1, script.random.randint(3, 5)):
        await script.say(notification(script, number))
        await expect_unread(script, number, f"{number} notifications came")
    await script.say({"type": "news", "id": "x", "message": "y", "timestamp": now()})
    await script.taken()
    await expect_unread(script, number, "A message of another type came")


@CLIENT.criterion("One that comes twice counts once", step=3, stubs=["note"])
async def twice(script: ScriptedServer) -> None:
    await script.joined()
    sent = [notification(script, number) for number in range(3)]
    for message in [*sent, sent[1], sent[0]]:
        await script.say(message)
    await script.taken()
    await expect_unread(script, 3, "3 notifications came, 2 of them twice")
    await script.hang_up()
    await script.joined()
    for message in [*sent, notification(script, 3)]:
        await script.say(message)
    deed = "After a reconnect the same 3 came once more, and a new one"
    await expect_unread(script, 4, deed)


@CLIENT.criterion("Dismissing one marks it as read", step=4, stubs=["note", "dismiss"])
async def dismiss_one(script: ScriptedServer) -> None:
    await script.joined()
    sent = [notification(script, number) for number in range(4)]
    for message in sent:
        await script.say(message)
    await expect_unread(script, 4, "4 notifications came")
    chosen = script.random.choice(sent)
    await press(script, chosen)
    await expect_unread(script, 3, f"Of 4 notifications, {chosen['message']!r} was dismissed")
    script.client.dismiss(chosen["id"])
    script.client.dismiss("no such id")
    await script.taken()
    await expect_unread(script, 3, "It was dismissed once more, and so was one that never came")
    await script.say(chosen)
    await script.taken()
    await expect_unread(script, 3, "One that was dismissed came once more")


@CLIENT.criterion("Dismissing all leaves none unread", step=4, stubs=["note", "dismiss_all"])
async def dismiss_every(script: ScriptedServer) -> None:
    await script.joined()
    sent = [notification(script, number) for number in range(script.random.randint(3, 6))]
    for message in sent:
        await script.say(message)
    await expect_unread(script, len(sent), f"{len(sent)} notifications came")
    script.widget("all_button").click()
    await expect_unread(script, 0, "All were dismissed")
    await script.say(sent[0])
    await script.say(notification(script, 99))
    await script.taken()
    await expect_unread(script, 1, "Then an old one came again, and a new one")


@CLIENT.criterion(
    "The count is right in any order", step=4, stubs=["note", "dismiss", "dismiss_all"]
)
async def any_order(script: ScriptedServer) -> None:
    await script.joined()
    pool = [notification(script, number) for number in range(8)]
    arrived, dismissed, story = set(), set(), []
    for _ in range(40):
        message = script.random.choice(pool)
        match script.random.choice(["came", "came", "came", "dismissed", "dismissed", "all"]):
            case "came":
                await script.say(message)
                await script.taken_at_once()
                arrived.add(message["id"])
                story.append(f"{message['message']} came")
            case "dismissed":
                script.client.dismiss(message["id"])
                dismissed |= {message["id"]} & arrived
                story.append(f"{message['message']} was dismissed")
            case "all":
                script.client.dismiss_all()
                dismissed |= arrived
                story.append("all were dismissed")
        if len(story) % 5 == 0:
            words = "; ".join(story[-5:])
            await expect_unread(script, len(arrived - dismissed), f"Among others, {words}")


@CLIENT.criterion(
    "A toast appears, and leaves after its time", step=5, stubs=["note", "show_toast"]
)
async def come_and_go(script: ScriptedServer) -> None:
    await script.joined()
    script.client.stay = 0.4
    clock = asyncio.get_running_loop().time
    message = notification(script, 1)
    await script.say(message)
    if not await soon(script, lambda: message["message"] in toasts(script)):
        raise Failed(
            f"A notification came; `pile` shows {toasts(script)!r} after {script.within} s. "
            "Does it leave at once? call_later(self.stay, self.take_away, toast) takes the "
            "function and what to give it apart."
        )
    appeared = clock()
    gone = await soon(script, lambda: message["message"] not in toasts(script), 3)
    if not gone:
        raise Failed("With `stay` at 0.4 seconds, the toast was still there 3 seconds later.")
    if clock() - appeared < 0.2:
        raise Failed(
            "With `stay` at 0.4 seconds, the toast left at once. call_later() takes the function "
            "and its arguments apart: call_later(self.stay, self.take_away, toast)."
        )


@CLIENT.criterion("Several toasts stack", step=5, stubs=["note", "show_toast"])
async def stack(script: ScriptedServer) -> None:
    await script.joined()
    sent = [notification(script, number) for number in range(3)]
    for message in sent:
        await script.say(message)
    if not await soon(script, lambda: all(m["message"] in toasts(script) for m in sent)):
        raise Failed(
            f"3 notifications came; `pile` shows {toasts(script)!r}. A new toast joins those that "
            "are there: [*self.pile.children, toast]."
        )
    await script.say(sent[0])
    await script.taken()
    if toasts(script).count(sent[0]["message"]) > 1:
        raise Failed("One came twice and made two toasts. Show a toast only for what is new.")


@CLIENT.criterion("A hundred at once do not bury the page", step=5, stubs=["note", "show_toast"])
async def hundred(script: ScriptedServer) -> None:
    await script.joined()
    sent = [notification(script, number) for number in range(MANY)]
    for number, message in enumerate(sent):
        await script.say(message)
        if number % FEW == 0:
            await script.taken_at_once()  # on a slow computer they would block it for too long
    await expect_unread(script, MANY, f"{MANY} notifications came", within=5 * script.within)
    last = sent[-1]["message"]
    if not await soon(script, lambda: last in toasts(script)):
        raise Failed(f"{MANY} notifications came; the newest has no toast.")
    number = sum(message["message"] in toasts(script) for message in sent)
    if number > FEW:
        raise Failed(
            f"{MANY} notifications came in an instant; {number} toasts are shown, expected {FEW} "
            "at most. Keep the newest few: [...][-self.most :]."
        )


@CLIENT.criterion("What others wrote is text, never HTML", step=5, stubs=["note", "show_toast"])
async def escaped(script: ScriptedServer) -> None:
    await script.joined()
    words = f"<b>{script.random.randint(100, 999)}</b> & more"
    await script.say(notification(script, 1) | {"message": words})
    if not await soon(script, lambda: words in toasts(script)):
        raise Failed(
            f"The text {words!r} came; `pile` shows {toasts(script)!r}. Show it in a Label, or "
            "put it into HTML with html.escape()."
        )


async def next_of(stage: SpeakingStage, person: Person, after: int = 0) -> Message:
    """Return a notification for one person."""
    return await person.get("notification", f"{person.name} connected", advice(stage), after)


def advice(stage: SpeakingStage) -> str:
    """Return where to look when nothing comes."""
    names = getattr(unwrapped(stage.subject), "__code__", None)
    if names is not None and "sleep" in names.co_names:
        return (
            "Your handler sleeps by itself: each connection has a loop of its own. One producer "
            "is enough for all: check_notifications(handler, produce)."
        )
    if stage.background is None:
        return (
            "Who speaks? Give the check your producer, too: check_notifications(handler, produce)."
        )
    if "pace" not in takes(stage.background):
        return "The producer needs a parameter `pace`: the check passes one that is quick."
    if stage.produced:
        return "The producer has come to its end. It must go on for ever: `while True`."
    if not uses(stage.background, "pace"):
        return (
            "The producer has a parameter `pace`, and does not use it: "
            "random.uniform(*pace) is a pause within the pace."
        )
    return "Does the handler put each connection into the set to which the producer speaks?"


def notification(script: ScriptedServer, number: int) -> Message:
    """Return a notification whose text says which one it is."""
    identifier = f"{script.random.getrandbits(64):016x}"
    text = f"No. {number} of {identifier[:4]}"
    return {"type": "notification", "id": identifier, "message": text, "timestamp": now()}


async def expect_unread(
    script: ScriptedServer, number: int, deed: str, within: float | None = None
) -> None:
    """Look whether the badge shows a number soon."""
    badge = script.widget("badge")
    if not await soon(script, lambda: shown_number(badge) == number, within):
        raise Failed(
            f"{deed}; `badge` shows {text_of(badge)!r}, expected {number}. Count what is unread, "
            "by id."
        )


def shown_number(badge: Any) -> int | None:
    found = re.search(r"\d+", text_of(badge))
    return int(found[0]) if found else None


async def press(script: ScriptedServer, message: Message) -> None:
    """Press the button of one notification in the inbox."""
    for row in script.widget("list").children:
        buttons = [widget for widget in inside(row) if isinstance(widget, Button)]
        if buttons and message["message"] in words_of(row):
            buttons[0].click()
            return
    raise Failed("A notification came; `list` has no button for it. Does it say its text?")


def toasts(script: ScriptedServer) -> str:
    """Return what the toasts say."""
    return words_of(script.widget("pile"))


def words_of(widget: Any) -> str:
    """Return what a person reads in a widget and those inside of it."""
    return " / ".join(filter(None, map(own_words, inside(widget))))


def own_words(widget: Any) -> str:
    if isinstance(widget, HTML):
        return text_of(widget)
    return getattr(widget, "value", None) or getattr(widget, "description", "") or ""


def inside(widget: Any) -> list[Any]:
    """Return a widget and all that are in it."""
    return [widget, *(w for child in getattr(widget, "children", ()) for w in inside(child))]


async def soon(
    script: ScriptedServer, condition: Callable[[], bool], within: float | None = None
) -> bool:
    """Return whether a condition holds in time. A toast leaves without any message coming."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + (within or script.within)
    while not condition() and clock() < deadline:
        script.look_for_failure()
        await asyncio.sleep(0.01)
    script.look_for_failure()
    return condition()
