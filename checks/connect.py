"""The success criteria of exercise 1: connect, send, and everybody sees it."""

import html
from datetime import datetime
from functools import partial

from checks.advice import Failed, outlined, shown
from checks.criteria import Criteria
from checks.report import Report
from checks.scripted import ScriptedServer
from checks.stage import Person, Stage, whom_to_tell
from server.connection import Handler
from server.messages import Message

# Times, names and counts differ from run to run. A report must not.
SERVER = Criteria(partial(Stage, show=partial(outlined, fields=("type", "content", "original"))))
CLIENT = Criteria(ScriptedServer)


async def check_connect(handler: Handler, step: int | None = None) -> Report:
    """Check a server on which everybody hears everybody, with Alice, Bob and Carol.

    Args:
        handler: The handler of the server, or a server that runs.
        step: Check one step of the notebook alone.
    """
    return await SERVER.check(handler, step)


async def check_connect_client(client: type, step: int | None = None) -> Report:
    """Check a client that shows what everybody says, against a server that plays by a script.

    Args:
        client: The class, with a `log` that has `lines`, a text `field`, and a method `say`.
        step: Check one step of the notebook alone.
    """
    return await CLIENT.check(client, step)


@SERVER.criterion("You can connect, and are welcomed")
async def welcomed(stage: Stage) -> None:
    alice = await stage.join("Alice")
    words_in(await told(alice, "system", "Alice connected"), "Alice connected")


@SERVER.criterion("You can send a message, and see it appear")
async def own_message(stage: Stage) -> None:
    alice = await stage.join("Alice")
    await say_and_hear(stage, alice, [alice])


@SERVER.criterion("Everybody sees everybody's messages, and who sent them", needs=[own_message])
async def broadcast(stage: Stage) -> None:
    people = [await stage.join(name) for name in ("Alice", "Bob", "Carol")]
    froms = {}
    for sender in stage.random.sample(people, 2):
        froms[sender.name] = await say_and_hear(stage, sender, people)
    if len(set(froms.values())) < len(froms):
        names = " and ".join(froms)
        raise Failed(f'{names} each sent a message; "from" was the same for both.')


@SERVER.criterion("You see others come and go")
async def come_and_go(stage: Stage) -> None:
    alice = await stage.join("Alice")
    await told(alice, "user_joined", "Alice connected")
    for deed in stage.random.sample(["Bob said goodbye", "Bob's line went dead"], 2):
        stage.begin()
        bob = await stage.join("Bob")
        joined = await told(alice, "user_joined", "Bob connected")
        await told(bob, "user_joined", "Bob connected")
        stage.begin()
        await (bob.leave() if deed == "Bob said goodbye" else bob.vanish())
        left = await told(alice, "user_left", deed, "Tell it in `finally`.")
        if joined["client_count"] - left["client_count"] != 1:
            raise Failed(
                'Bob came and left; "client_count" did not go up and down by one. Count the '
                "connections that are there, and forget each one in `finally`."
            )


@SERVER.criterion("A ping is answered, to its sender alone")
async def ping(stage: Stage) -> None:
    alice, bob = await stage.join("Alice"), await stage.join("Bob")
    for _ in range(2):
        await alice.send({"type": "ping"})
        await told(alice, "pong", f"Alice sent {shown({'type': 'ping'})}")
    if bob.of_type("pong"):
        raise Failed("Alice sent a ping; Bob got a pong, too. Answer only the sender.")


@SERVER.criterion("Anything else comes back as an echo")
async def echo(stage: Stage) -> None:
    alice, bob = await stage.join("Alice"), await stage.join("Bob")
    number = stage.random.randint(100, 999)
    for text in (f"[{number}]", "null", f'{{"type": "wave",  "times": {number}}}', "{}"):
        await alice.send(text)
        back = await told(alice, "echo", f"Alice sent {text}")
        if back.get("original") != text:
            raise Failed(
                f"Alice sent {text} and got {outlined(back, ('type', 'original'))}; expected "
                '"original" to be the very text that came.'
            )
    words = f"hello {number}"
    await alice.send(words)
    expected = f"Echo: {words}"
    if not await stage.wait(lambda: expected in alice.got, alice):
        raise Failed(
            f"Alice sent {words} and got {alice.answer()}, expected {expected}, a text frame that "
            "is no JSON."
        )
    if bob.of_type("echo") or expected in bob.got:
        raise Failed("Alice got an echo; Bob got it, too. Answer only the sender.")


@SERVER.criterion("Bad messages are answered and harm nobody", needs=[broadcast])
async def bad_messages(stage: Stage) -> None:
    alice, bob = await stage.join("Alice"), await stage.join("Bob")
    missing, mistyped = {"type": "message"}, {"type": "message", "content": 5}
    empty, too_long = ({"type": "message", "content": text} for text in ("", "x" * 2_001))
    for bad in (missing, mistyped, empty, too_long, b"\x00\x01"):
        deed = f"Alice sent {shown(bad, 40)}"
        if bad is too_long:
            deed += " (2,001 characters; 2,000 are the limit)"
        await alice.send(bad)
        words_in(await alice.get("error", deed), deed)
    if bob.of_type("error") or bob.of_type("message"):
        raise Failed("Alice sent bad messages; Bob got something of them. Answer only the sender.")
    await say_and_hear(stage, alice, [alice, bob])


@CLIENT.criterion("It shows what others say")
async def shows(script: ScriptedServer) -> None:
    await script.joined()
    content = f"My number is {script.random.randint(100, 999)}"
    message = said("Guest 7", content)
    await expect_line(script, message)
    await expect_line(script, message, "from")


@CLIENT.criterion("It sends what you write")
async def sends(script: ScriptedServer) -> None:
    await script.joined()
    content = f"Hello number {script.random.randint(100, 999)}"
    script.widget("field").value = content
    if not callable(getattr(script.client, "say", None)):
        raise Failed("The client needs a method say().")
    script.client.say()
    got, expected = await script.hear(), {"type": "message", "content": content}
    deed = f"The text field held {content!r} and say() was called"
    if got != expected:
        came = f"nothing in {script.within} s" if got is None else shown(got)
        raise Failed(f"{deed}; the server got {came}, expected {shown(expected)}.")
    if more := await script.heard_more():
        raise Failed(f"{deed} once; the server got {shown(more[0])}, too. Send it once.")


@CLIENT.criterion("It shows what others say as text, never as HTML", needs=[shows])
async def escaped(script: ScriptedServer) -> None:
    await script.joined()
    content = f"<img src=x onerror='alert({script.random.randint(1, 9)})'>"
    await expect_line(script, said("Guest 7", content))
    await script.taken()
    if any("<img" in page for page in script.html_shown()):
        raise Failed(f"Somebody sent {content}; it went into the page as HTML. Use html.escape().")


@CLIENT.criterion("It comes back when the server does", needs=[shows])
async def comes_back(script: ScriptedServer) -> None:
    await script.joined()
    await script.hang_up()
    await script.joined("The server closed the connection and was there again")
    content = f"Back with {script.random.randint(100, 999)}"
    await expect_line(script, said("Guest 7", content))


def said(sender: str, content: str) -> Message:
    """Return a message as the server sends it."""
    return {"type": "message", "from": sender, "content": content, "timestamp": "2026-01-01T00:00Z"}


async def expect_line(script: ScriptedServer, message: Message, field: str = "content") -> None:
    """Wait until a line of the client's log holds what is in a field of a message."""

    def lines() -> list[str]:
        log = getattr(script.client, "log", None)
        if not isinstance(getattr(log, "lines", None), list):
            raise Failed("The client needs a `self.log`, made in build(), whose `lines` is a list.")
        return [html.unescape(str(line)) for line in log.lines]

    await script.say(message)
    if not await script.wait(lambda: any(message[field] in line for line in lines())):
        raise Failed(
            f"The server sent {outlined(message, ('type', 'from', 'content'))}; no line of the log "
            f'shows "{field}" after {script.within} s.'
        )


async def told(person: Person, kind: str, deed: str, advice: str = "") -> Message:
    """Return the message of a type that a person gets after a deed, with what it must have."""
    message = await person.get(kind, deed, advice)
    count = message.get("client_count")
    if kind in {"user_joined", "user_left"} and type(count) is not int:
        raise Failed(f'{deed}; in {outlined(message)} the field "client_count" is no integer.')
    require_time(message, deed)
    return message


def words_in(message: Message, deed: str) -> None:
    """Look for the words that a message of the server itself needs."""
    if not isinstance(message.get("message"), str):
        raise Failed(
            f'{deed}, and the answer was {outlined(message)}; expected a field "message" with '
            "words in it."
        )


def require_time(message: Message, deed: str) -> None:
    """Look whether a message says when it was sent, and in which time zone."""
    try:
        known = datetime.fromisoformat(message["timestamp"]).tzinfo is not None
    except (KeyError, TypeError, ValueError):
        known = False
    if not known:
        raise Failed(
            f'{deed}; in {outlined(message)} the field "timestamp" must be a time with its offset '
            "from UTC, such as datetime.now(UTC).isoformat() returns."
        )


async def say_and_hear(stage: Stage, sender: Person, people: list[Person]) -> str:
    """Let somebody say something that all people must hear. Returns who it is said to be from."""
    content = f"Hello number {stage.random.randint(100, 999)}"
    message = {"type": "message", "content": content}
    await stage.quiet()
    await sender.send(message)

    def heard(person: Person) -> list[Message]:
        return [m for m in person.answers("message") if m.get("content") == content]

    deed = f"{sender.name} sent {shown(message)}"
    if not await stage.wait(lambda: all(map(heard, people)), *people):
        raise Failed(
            f"{deed}; {stage.what_came(people)}, expected the message for all. "
            f"{whom_to_tell(sender, people, heard)}"
        )
    arrived = heard(people[0])[0]
    if not isinstance(arrived.get("from"), str):
        raise Failed(
            f'{deed}; {outlined(arrived)} came. It must say who sent it, in a field "from", a '
            "string."
        )
    require_time(arrived, deed)
    if any(len(heard(person)) > 1 for person in people):
        raise Failed(f"{deed} once; it came more than once. Is a connection registered twice?")
    return arrived["from"]
