"""The success criteria of exercise 1: connect, send, and everybody sees it."""

from checks.advice import Failed, shown
from checks.criteria import Criteria
from checks.report import Report
from checks.scripted import ScriptedServer
from checks.stage import Person, Stage
from server.connection import Handler
from server.messages import Message

SERVER = Criteria(Stage)
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
    await words_in(alice, await alice.get("system"))


@SERVER.criterion("You can send a message, and see it appear")
async def own_message(stage: Stage) -> None:
    alice = await stage.join("Alice")
    await say_and_hear(stage, alice, [alice])


@SERVER.criterion("Everybody sees everybody's messages, and who sent them")
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
    await told(alice, "user_joined", "Alice connected", 0)
    for number, how in enumerate(stage.random.sample(["leave", "vanish"], 2)):
        before = len(alice.of_type("user_joined"))
        bob = await stage.join("Bob")
        joined = await told(alice, "user_joined", "Bob connected", before)
        await bob.get("user_joined")
        await (bob.leave() if how == "leave" else bob.vanish())
        left = await told(alice, "user_left", "Bob left", number)
        if joined["client_count"] - left["client_count"] != 1:
            raise Failed(
                'Bob came and left; "client_count" did not go up and down by one. Count the '
                "connections that are there, and forget each one in `finally`."
            )


@SERVER.criterion("A ping is answered, to its sender alone")
async def ping(stage: Stage) -> None:
    alice, bob = await stage.join("Alice"), await stage.join("Bob")
    await alice.send({"type": "ping"})
    await alice.get("pong")
    await alice.send({"type": "ping"})
    await alice.get("pong", after=1)
    if bob.of_type("pong"):
        raise Failed("Alice sent a ping; Bob got a pong, too. Answer only the sender.")


@SERVER.criterion("Anything else comes back as an echo")
async def echo(stage: Stage) -> None:
    alice, bob = await stage.join("Alice"), await stage.join("Bob")
    number = stage.random.randint(100, 999)
    for text in (f"[{number}]", f'{{"type": "wave", "times": {number}}}'):
        before = len(alice.of_type("echo"))
        await alice.send(text)
        back = await told(alice, "echo", f"Alice sent {text}", before)
        if back.get("original") != text:
            raise Failed(
                f'Alice sent {text}; the echo was {shown(back)}. "original" must be the very text.'
            )
    await alice.send(f"hello {number}")
    expected = f"Echo: hello {number}"
    if not await stage.wait(lambda: expected in alice.got, alice):
        raise Failed(f"Alice sent hello {number}; {alice.what_came()}, expected {expected}")
    if bob.of_type("echo") or expected in bob.got:
        raise Failed("Alice got an echo; Bob got it, too. Answer only the sender.")


@SERVER.criterion("Bad messages are answered and harm nobody")
async def bad_messages(stage: Stage) -> None:
    alice, bob = await stage.join("Alice"), await stage.join("Bob")
    missing, mistyped = {"type": "message"}, {"type": "message", "content": 5}
    too_long = {"type": "message", "content": "x" * 2_001}
    for number, bad in enumerate([missing, mistyped, too_long, b"\x00\x01"]):
        await alice.send(bad)
        error = await told(alice, "error", f"Alice sent {shown(bad, 40)}", number)
        await words_in(alice, error)
    if bob.of_type("error") or bob.of_type("message"):
        raise Failed("Alice sent bad messages; Bob got something of them. Answer only the sender.")
    await say_and_hear(stage, alice, [alice, bob])


@CLIENT.criterion("It shows what others say")
async def shows(script: ScriptedServer) -> None:
    await script.joined()
    content = f"My number is {script.random.randint(100, 999)}"
    await script.say(said("Guest 7", content))
    await expect_line(script, content)
    await expect_line(script, "Guest 7")


@CLIENT.criterion("It sends what you write")
async def sends(script: ScriptedServer) -> None:
    await script.joined()
    content = f"Hello number {script.random.randint(100, 999)}"
    script.widget("field").value = content
    script.client.say()
    got, expected = await script.hear(), {"type": "message", "content": content}
    if got != expected:
        came = "nothing" if got is None else shown(got)
        raise Failed(f"say() was called; the server got {came}, expected {shown(expected)}.")


@CLIENT.criterion("It shows what others say as text, never as HTML")
async def escaped(script: ScriptedServer) -> None:
    await script.joined()
    content = f"<img src=x onerror='alert({script.random.randint(1, 9)})'>"
    await script.say(said("Guest 7", content))
    await expect_line(script, content)
    await script.taken()
    if any("<img" in str(getattr(w, "value", "")) for w in script.client.log.widget.children):
        raise Failed(f"Somebody sent {content}; it went into the page as HTML. Use html.escape().")


@CLIENT.criterion("It comes back when the server does")
async def comes_back(script: ScriptedServer) -> None:
    await script.joined()
    await script.hang_up()
    await script.joined()
    content = f"Back with {script.random.randint(100, 999)}"
    await script.say(said("Guest 7", content))
    await expect_line(script, content)


def said(sender: str, content: str) -> Message:
    """Return a message as the server sends it."""
    return {"type": "message", "from": sender, "content": content, "timestamp": "2026-01-01T00:00Z"}


async def expect_line(script: ScriptedServer, text: str) -> None:
    """Wait until a line of the client's log holds a text."""
    if not await script.wait(lambda: any(text in line for line in script.client.log.lines)):
        raise Failed(f"The server sent {text!r}; the log does not show it after {script.within} s.")


async def told(person: Person, kind: str, deed: str, after: int) -> Message:
    """Return the next message of a type that a person gets after a deed."""
    try:
        message = await person.get(kind, after=after)
    except Failed as failed:
        raise Failed(f"{deed}; {failed}") from None
    if kind in {"user_joined", "user_left"} and type(message.get("client_count")) is not int:
        raise Failed(f'{deed}; "client_count" is missing or no integer in {shown(message)}.')
    return message


async def words_in(person: Person, message: Message) -> None:
    """Look for the words that a message of the server itself needs."""
    if not isinstance(message.get("message"), str):
        raise Failed(
            f'{person.name} got {shown(message)}; expected a field "message" with words in it.'
        )


async def say_and_hear(stage: Stage, sender: Person, people: list[Person]) -> str:
    """Let somebody say something that all people must hear. Returns who it is said to be from."""
    content = f"Hello number {stage.random.randint(100, 999)}"
    message = {"type": "message", "content": content}
    await sender.send(message)

    def heard(person: Person) -> list[Message]:
        return [m for m in person.of_type("message") if m.get("content") == content]

    missed = [p for p in people if not await stage.wait(lambda p=p: heard(p), p)]
    if missed:
        if missed == [p for p in people if p is not sender] and len(people) > 1:
            advice = "Only the sender was answered: look at who you send to."
        elif missed == [sender]:
            advice = "The sender must see it, too."
        else:
            advice = "Send it to every connection."
        raise Failed(
            f"{sender.name} sent {shown(message)}; {missed[0].what_came()}. {advice}"
            f"{stage.forgotten_await()}"
        )
    name = heard(people[0])[0].get("from")
    if not isinstance(name, str):
        raise Failed(f'The message must say who sent it: a field "from", a string, not {name!r}.')
    return name
