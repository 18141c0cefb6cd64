"""The success criteria of exercise 3: one sees who is typing."""

import asyncio
from time import monotonic
from typing import Any

from checks.advice import Failed, shown
from checks.chat import ChatScript, everybody, got_by, said, say_and_hear
from checks.criteria import Criteria
from checks.report import Report
from checks.scripted import text_of
from checks.stage import Person, Stage
from server.connection import Handler

SERVER = Criteria(Stage)
CLIENT = Criteria(ChatScript)
TYPING, STOP_TYPING = {"type": "typing"}, {"type": "stop_typing"}
# What a client waits for is made as short as this. Only on a very busy computer, where even such a
# time passes between two keys, it is tried once more with the next one.
DELAYS = 0.4, 1.6, 6.4  # seconds
ENDLESS = 60.0  # seconds; nothing that waits so long happens during a check


async def check_typing_indicator(handler: Handler, step: int | None = None) -> Report:
    """Check a chat server that tells the others who is typing.

    Args:
        handler: The handler of the server, or a server that runs.
        step: Check one step of the notebook alone.
    """
    return await SERVER.check(handler, step)


async def check_typing_indicator_client(client: type, step: int | None = None) -> Report:
    """Check a chat client that tells when somebody types, and shows who does.

    Args:
        client: The class, with a `field` and an `indicator`, and with times in seconds that the
            check sets: `stop_after` and `forget_after`.
        step: Check one step of the notebook alone.
    """
    return await CLIENT.check(client, step)


@SERVER.criterion("The others are told who types, and who has stopped", step=1, stubs=["relay"])
async def others(stage: Stage) -> None:
    people, names = await everybody(stage)
    for message in (TYPING, STOP_TYPING):
        number = stage.random.randrange(len(people))
        await type_and_hear(stage, people[number], names[number], people, message)


@SERVER.criterion("The one who types is not told", step=1, stubs=["relay"])
async def not_oneself(stage: Stage) -> None:
    people, names = await everybody(stage)
    await type_and_hear(stage, people[0], names[0], people, TYPING)
    await type_and_hear(stage, people[0], names[0], people, STOP_TYPING)
    await say_and_hear(stage, people[0], names[0], people[:1])
    for kind in ("typing", "stop_typing"):
        if people[0].of_type(kind):
            raise Failed(
                f'Alice sent {{"type": "{kind}"}}; Alice got it back. She knows: leave out the '
                "sender, with skip=websocket."
            )


@SERVER.criterion("The name is the one that the server knows", step=1, stubs=["relay"])
async def impersonation(stage: Stage) -> None:
    people, names = await everybody(stage)
    for message in (TYPING, STOP_TYPING):
        claim = message | {"username": names[0]}
        await type_and_hear(stage, people[1], names[1], people, claim)


@SERVER.criterion("Who has not joined cannot type", step=1, stubs=["relay"])
async def outside(stage: Stage) -> None:
    people, names = await everybody(stage)
    await type_and_hear(stage, people[0], names[0], people, TYPING)
    stranger = await stage.join("Dana")
    await stranger.send(TYPING)
    deed = f"Dana had not joined, and sent {shown(TYPING)}"
    try:
        refused = await stage.wait(lambda: stranger.of_type("error"), stranger)
    except KeyError:
        raise Failed(f"{deed}; relay() raised a KeyError. Use name_of(), which refuses.") from None
    if not refused:
        raise Failed(
            f"{deed}; {got_by(stranger, stage)}; expected a message of type error. Use name_of(), "
            "which refuses who has not joined."
        )
    if any(len(person.of_type("typing")) > 1 for person in people[1:]):
        raise Failed(f"{deed}; the others were told. She has no name yet: use name_of().")


@SERVER.criterion("The chat goes on as before", step=1, stubs=["relay"])
async def goes_on(stage: Stage) -> None:
    people, names = await everybody(stage)
    await type_and_hear(stage, people[2], names[2], people, TYPING)
    await say_and_hear(stage, people[2], names[2], people)


@CLIENT.criterion("It tells that you type", step=2, stubs=["begin"])
async def tells(script: ChatScript) -> None:
    await enter(script)
    press(script, "H")
    await script.expect(TYPING, "A key was pressed")


@CLIENT.criterion("Once per burst, not once per key", step=2, stubs=["begin"])
async def once(script: ChatScript) -> None:
    await enter(script)
    for text in ("H", "He", "Hel", "Hell", "Hello"):
        press(script, text)
        await asyncio.sleep(0.02)
    if (told := (await sent(script)).count(TYPING)) != 1:
        raise Failed(
            f"Five keys were pressed quickly; {shown(TYPING)} was sent {told} times, expected "
            "once. Remember that you have told it already."
        )


@CLIENT.criterion("Sending stops it at once", step=3, stubs=["begin", "stop"])
async def stops_on_sending(script: ChatScript) -> None:
    await enter(script)
    press(script, "Hello")
    await script.expect(TYPING, "A key was pressed")
    script.client.say()
    messages = await sent(script)
    if STOP_TYPING not in messages:
        raise Failed(
            f"Somebody typed and then sent the message; {shown(STOP_TYPING)} did not come with it. "
            f"The server got {', '.join(map(shown, messages)) or 'nothing'}."
        )


@CLIENT.criterion(
    "You have stopped when no key came for a while",
    step=4,
    stubs=["begin", "stop", "wait_for_silence"],
)
async def stops(script: ChatScript) -> None:
    await enter(script)
    for seconds in DELAYS:
        script.client.stop_after = seconds
        in_time = await press_keys(script, seconds)
        last = monotonic()
        messages = await sent(script)
        if TYPING not in messages:
            raise Failed(f"Keys were pressed; the server did not get {shown(TYPING)}.")
        if STOP_TYPING not in messages:
            break
        if in_time:
            raise Failed(
                f"Keys were pressed, never more than {seconds / 2} s apart; {shown(STOP_TYPING)} "
                f"came although self.stop_after was {seconds} s. Is the timer of an earlier key "
                "still running? Cancel it at each key."
            )
    script.within += seconds
    await script.expect(STOP_TYPING, f"No key was pressed for {seconds} s (self.stop_after)")
    if monotonic() - last < 0.9 * seconds:
        raise Failed(
            f"{shown(STOP_TYPING)} came too soon: less than {seconds} s (self.stop_after) after "
            "the last key. Is the timer of an earlier key still running? Cancel it at each key."
        )


@CLIENT.criterion(
    "It says so once, and begins anew with the next key",
    step=4,
    stubs=["begin", "stop", "wait_for_silence"],
)
async def begins_anew(script: ChatScript) -> None:
    await enter(script)
    script.client.stop_after = DELAYS[0] / 2
    for number, text in enumerate(["Hello", "Hello again"]):
        press(script, text)
        await script.expect(
            TYPING, f"A key was pressed, for the {['first', 'second'][number]} time"
        )
        await script.expect(STOP_TYPING, f"No key was pressed for {DELAYS[0] / 2} s")
    script.client.say()
    if STOP_TYPING in await sent(script):
        raise Failed(
            f"{shown(STOP_TYPING)} had been sent already when the message was sent, and was sent "
            "once more. Tell it only if you were typing."
        )


@CLIENT.criterion("It has the right words for any number of people", step=5, stubs=["words"])
async def words(script: ChatScript) -> None:
    names = script.random.sample(["Ada", "Bob", "Cem", "Dana", "Eve", "Finn"], 5)
    several = "Several people are typing…"
    for given, expected in [
        ([], ""),
        (names[:1], f"{names[0]} is typing…"),
        (names[:2], f"{names[0]} and {names[1]} are typing…"),
        (names[:3], several),
        (names, several),
    ]:
        got = script.client.words(given)
        if not isinstance(got, str) or spelled(got) != spelled(expected):
            raise Failed(f"words({given}) returned {got!r}, expected {expected!r}.")


@CLIENT.criterion("It shows who types, until they stop", step=6, stubs=["words", "note"])
async def shows(script: ChatScript) -> None:
    await enter(script)
    await script.say(typing("Bob"))
    await expect_words(script, "The server said that Bob is typing", "Bob is typing…")
    await script.say(typing("Bob", "stop_typing"))
    await expect_words(script, "Bob typed and stopped", "")


@CLIENT.criterion("Several may type at the same time", step=6, stubs=["words", "note"])
async def several(script: ChatScript) -> None:
    await enter(script)
    for name in ("Bob", "Carol", "Dana"):
        await script.say(typing(name))
    deed = "Bob, Carol and Dana are typing"
    await expect_words(script, deed, "Several people are typing…")
    await script.say(typing("Dana", "stop_typing"))
    both = "Bob and Carol are typing…", "Carol and Bob are typing…"
    await expect_words(script, f"{deed}; Dana stopped", *both)
    await script.say(typing("Bob", "stop_typing"))
    await expect_words(script, f"{deed}; Dana and Bob stopped", "Carol is typing…")


@CLIENT.criterion("It never shows you yourself", step=6, stubs=["words", "note"])
async def not_you(script: ChatScript) -> None:
    await enter(script)
    await script.say(typing(script.username))
    await script.say(typing("Bob"))
    deed = f"The server said that {script.username} (this client) and Bob are typing"
    await expect_words(script, deed, "Bob is typing…")


@CLIENT.criterion("Who has spoken is not typing any more", step=7, stubs=["words", "note", "clear"])
async def spoken(script: ChatScript) -> None:
    await enter(script)
    await begin(script, "Bob", "Carol")
    await script.say(said("Bob", "Hello"))
    deed = "Bob and Carol were typing; Bob's message came"
    await expect_words(script, deed, "Carol is typing…")


@CLIENT.criterion("Who has left is not typing any more", step=7, stubs=["words", "note", "clear"])
async def left(script: ChatScript) -> None:
    await enter(script)
    await begin(script, "Bob", "Carol")
    await script.say({"type": "user_list", "users": ["Carol", "Dana", script.username]})
    deed = "Bob and Carol were typing; then came a user list without Bob"
    await expect_words(script, deed, "Carol is typing…")
    await script.say({"type": "user_list", "users": ["Dana", script.username]})
    await expect_words(script, "Carol was typing; then came a user list without Carol", "")


FORGET = {"step": 8, "stubs": ["words", "note", "forget_later"]}


@CLIENT.criterion("Who is not heard of any more is forgotten", **FORGET)
async def forgotten(script: ChatScript) -> None:
    await enter(script)
    script.client.forget_after = DELAYS[0]
    await script.say(typing("Bob"))
    await expect_words(script, "The server said that Bob is typing", "Bob is typing…")
    script.within += DELAYS[0]
    deed = f"Bob was typing, and no stop_typing came for {DELAYS[0]} s (self.forget_after)"
    await expect_words(script, deed, "")


@CLIENT.criterion("Who types on is not forgotten", **FORGET)
async def types_on(script: ChatScript) -> None:
    await enter(script)
    for seconds in DELAYS:
        script.client.forget_after = seconds
        began = monotonic()
        await script.say(typing("Bob"))
        await expect_words(script, "The server said that Bob is typing", "Bob is typing…")
        await asyncio.sleep(seconds / 2)
        again = monotonic()
        await script.say(typing("Bob"))
        await script.say(typing("Carol"))
        if not await script.wait(lambda: "Carol" in text_of(script.widget("indicator"))):
            raise Failed("The server said that Carol is typing, too; `indicator` does not show it.")
        if monotonic() - began < 0.9 * seconds:
            break
    script.within += seconds
    await script.wait(lambda: "Bob" not in text_of(script.widget("indicator")))
    if monotonic() - again < 0.9 * seconds:
        raise Failed(
            f"Bob was typing, and {seconds / 2} s later once more; he was forgotten less than "
            f"{seconds} s (self.forget_after) after that. Is the timer of the first time still "
            "running? Cancel it."
        )
    await expect_words(script, "Bob and Carol were typing, and nothing more came", "")


# What several criteria need.


async def type_and_hear(
    stage: Stage, sender: Person, name: str, people: list[Person], message: dict[str, str]
) -> None:
    """Let somebody type, of which all the others must hear under the right name."""
    kind = message["type"]
    listeners = [person for person in people if person is not sender]
    marks = {person.name: len(person.of_type(kind)) for person in people}
    since = {person.name: len(person.got) for person in people}
    await sender.send(message)
    for person in listeners:
        mark = marks[person.name]
        if not await stage.wait(lambda p=person, mark=mark: len(p.of_type(kind)) > mark, person):
            raise Failed(
                f"{sender.name} sent {shown(message)}; "
                f"{got_by(person, stage, since[person.name])}; expected a message of type {kind!r}."
            )
        told = person.of_type(kind)[mark].get("username")
        if told != name and told == message.get("username", ""):
            raise Failed(
                f"{name} sent {shown(message)}; {person.name} was told that it is {told}. Anybody "
                "can write any name into a message: take the one that this connection joined under."
            )
        if told != name:
            raise Failed(
                f"{name} sent {shown(message)}; {person.name} got "
                f'{shown(person.of_type(kind)[mark])}; expected "username": "{name}".'
            )


async def enter(script: ChatScript) -> None:
    """Let the client join Bob, Carol and Dana, and do nothing by itself for now."""
    await script.let_in("Bob", "Carol", "Dana")
    script.client.stop_after = script.client.forget_after = ENDLESS


def press(script: ChatScript, text: str) -> None:
    """Let somebody change the text of the field."""
    script.widget("field").value = text


async def press_keys(script: ChatScript, seconds: float) -> bool:
    """Press keys for longer than `seconds`, the next always sooner than that.

    Returns:
        Whether it was so: a computer may be too busy.
    """
    in_time = True
    for length in range(1, 5):
        before = monotonic()
        press(script, f"{seconds} s"[:length])
        await asyncio.sleep(0.4 * seconds)
        in_time = in_time and monotonic() - before < 0.8 * seconds
    press(script, f"{seconds} s!")
    return in_time


async def sent(script: ChatScript) -> list[Any]:
    """Return what the client has sent and nobody has looked at yet."""
    fence = {"type": "fence"}
    await asyncio.sleep(0.05)  # so that tasks that the client has begun get their turn
    script.client.send(fence)
    messages: list[Any] = []
    while (message := await script.hear()) not in (fence, None):
        messages.append(message)
    return messages


def typing(name: str, kind: str = "typing") -> dict[str, str]:
    """Return the message that tells that somebody types."""
    return {"type": kind, "username": name}


async def begin(script: ChatScript, *names: str) -> None:
    """Let two of the others type."""
    for name in names:
        await script.say(typing(name))
    both = [f"{a} and {b} are typing…" for a, b in (names, names[::-1])]
    await expect_words(script, f"{' and '.join(names)} are typing", *both)


async def expect_words(script: ChatScript, deed: str, *expected: str) -> None:
    """Wait until the indicator shows what is expected."""
    indicator = script.widget("indicator")
    wanted = {spelled(text) for text in expected}
    if not await script.wait(lambda: spelled(text_of(indicator)) in wanted):
        raise Failed(f"{deed}; `indicator` shows {text_of(indicator)!r}, expected {expected[0]!r}.")


def spelled(text: str) -> str:
    """Return a text with three dots for each ellipsis."""
    return text.strip().replace("…", "...")
