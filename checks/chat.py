"""The success criteria of exercise 2: a chat in which everybody has a name."""

from datetime import datetime
from typing import Any

from checks.advice import Failed, shown
from checks.criteria import Criteria
from checks.report import Report
from checks.scripted import ScriptedServer, text_of
from checks.stage import Person, Stage
from checks.watchdog import guarded
from server.connection import Handler
from server.messages import Message


class ChatScript(ScriptedServer):
    """A server that plays a chat by a script, and the learner's client, which is to join it.

    Attributes:
        username: The name that the client is made with.
    """

    def __init__(self, subject: type, source: Any, within: float) -> None:
        super().__init__(subject, source, within)
        self.username = f"Alice {source.randint(10, 99)}"

    @guarded
    def _make_client(self, url: str) -> None:
        self.client = self._subject(url, self.username)

    async def let_in(self, *others: str) -> None:
        """Take the client into the room, in which others are already."""
        await self.joined()
        await self.expect({"type": "join", "username": self.username}, "The client connected")
        await self.say(said_by_server(f"Welcome, {self.username}!"))
        await self.say({"type": "user_list", "users": [*others, self.username]})
        if not await self.wait(lambda: self.client.username == self.username):
            raise Failed(
                "The server sent a user list with the client's name; `username` is "
                f"{self.client.username!r}, expected {self.username!r}."
            )

    async def expect(self, expected: Message, deed: str) -> None:
        """Wait for the next message of the client, which must be the one expected."""
        got = await self.hear()
        if got != expected:
            came = "nothing" if got is None else shown(got)
            raise Failed(
                f"{deed}; the server got {came} in {self.within} s, expected {shown(expected)}."
            )


SERVER = Criteria(Stage)
CLIENT = Criteria(ChatScript)


async def check_chat(handler: Handler, step: int | None = None) -> Report:
    """Check a chat server with Alice, Bob and Carol, whatever their names are this time.

    Args:
        handler: The handler of the server, or a server that runs.
        step: Check one step of the notebook alone.
    """
    return await SERVER.check(handler, step)


async def check_chat_client(client: type, step: int | None = None) -> Report:
    """Check a chat client against a server that plays by a script.

    Args:
        client: The class, which takes an address and a name.
        step: Check one step of the notebook alone.
    """
    return await CLIENT.check(client, step)


@SERVER.criterion("You join under a name, and are welcomed")
async def welcomed(stage: Stage) -> None:
    alice = await stage.join("Alice")
    name = await join(stage, alice)
    if not await stage.wait(lambda: alice.of_type("system"), alice):
        raise Failed(f"{name} joined; {got_by(alice, stage)}; expected a welcome, of type system.")
    words = alice.of_type("system")[0]
    if not isinstance(words.get("message"), str) or not is_time(words.get("timestamp")):
        raise Failed(
            f'{name} joined and got {timeless(words)}; expected a "message" with words in it and a '
            '"timestamp" with an offset from UTC.'
        )


@SERVER.criterion("Everybody sees who is there, in order of joining")
async def who_is_there(stage: Stage) -> None:
    people, names = await everybody(stage, "Carol", "Alice", "Bob")
    for person in people:
        listed = [name for name in users_of(person) if name in names]
        if listed != names:
            raise Failed(
                f"{', '.join(names)} joined in this order; {person.name}'s last user list names "
                f"{listed}. Send the list to everybody who has joined, whenever it changes."
            )


@SERVER.criterion("The others hear who comes and who leaves")
async def come_and_go(stage: Stage) -> None:
    alice = await stage.join("Alice")
    await join(stage, alice)
    for how in stage.random.sample(["leave", "vanish"], 2):
        bob = await stage.join("Bob")
        name = await join(stage, bob)
        before = len(notices(alice, name))
        if not before and not await stage.wait(lambda name=name: notices(alice, name), alice):
            raise Failed(
                f"{name} joined; {got_by(alice, stage)}. Expected a notice with that name."
            )
        if len(notices(bob, name)) > 1:
            raise Failed(f"{name} joined and got the notice, too. It is for the others.")
        before, since = len(notices(alice, name)), len(alice.got)
        await (bob.leave() if how == "leave" else bob.vanish())

        def is_told(name: str = name, before: int = before) -> bool:
            return name not in users_of(alice) and len(notices(alice, name)) > before

        if not await stage.wait(is_told, alice):
            raise Failed(
                f"{name}'s connection was {'closed' if how == 'leave' else 'cut'}; "
                f"{got_by(alice, stage, since)}. Expected a notice and a user list without that "
                "name: forget a client in `finally`, and tell the others."
            )


@SERVER.criterion("Everybody sees everybody's messages, with name and time")
async def messages(stage: Stage) -> None:
    people, names = await everybody(stage)
    for number in stage.random.sample(range(len(people)), 2):
        await say_and_hear(stage, people[number], names[number], people)


@SERVER.criterion("The server decides who said it")
async def impersonation(stage: Stage) -> None:
    people, names = await everybody(stage)
    claimed = {"username": names[0], "from": names[0]}
    await say_and_hear(stage, people[1], names[1], people, claimed)


@SERVER.criterion("A name that is taken is refused, and you may try again")
async def taken(stage: Stage) -> None:
    alice, bob = await stage.join("Alice"), await stage.join("Bob")
    name = await join(stage, alice)
    for number, same in enumerate([name, name.upper(), f"  {name.lower()} "]):
        await refused(stage, bob, {"type": "join", "username": same}, number, f"{name} was taken")
    await join(stage, bob)


@SERVER.criterion("What is no name is refused, and you may try again")
async def no_names(stage: Stage) -> None:
    bob = await stage.join("Bob")
    wrong: list[Any] = ["", "   ", "x" * 21, "A\nb", 7]
    for number, name in enumerate(wrong):
        deed = "a name has 1 to 20 characters, none of them a control character"
        await refused(stage, bob, {"type": "join", "username": name}, number, deed)
    await refused(stage, bob, {"type": "join"}, len(wrong), "there was no name at all")
    await join(stage, bob)


@SERVER.criterion("Who has not joined neither speaks nor hears")
async def outside(stage: Stage) -> None:
    alice, bob = await stage.join("Alice"), await stage.join("Bob")
    name = await join(stage, alice)
    await refused(stage, bob, {"type": "message", "content": "Hello"}, 0, "Bob had not joined")
    await say_and_hear(stage, alice, name, [alice])
    if bob.of_type("message") or bob.of_type("user_list"):
        raise Failed(f"Bob had not joined; {got_by(bob, stage)}. A message is for those who have.")


@SERVER.criterion("You may join again under a new name")
async def new_name(stage: Stage) -> None:
    people, names = await everybody(stage)
    names[1] = await join(stage, people[1], "Dana")
    if not await stage.wait(lambda: names[1] in users_of(people[0]), people[0]):
        raise Failed(f"Bob became {names[1]}; the others got no user list with the new name.")
    for person in people:
        if len([n for n in users_of(person) if n in names or n.startswith("Bob ")]) > 3:
            raise Failed(f"Bob became {names[1]}; the user list names him twice.")
    await say_and_hear(stage, people[1], names[1], people)


@SERVER.criterion("Who leaves is forgotten, and the name is free again")
async def leavers(stage: Stage) -> None:
    alice, bob = await stage.join("Alice"), await stage.join("Bob")
    await join(stage, alice)
    name = await join(stage, bob)
    await bob.vanish()
    await stage.wait(lambda: name not in users_of(alice), alice)
    again = await stage.join("Bob")
    await again.send({"type": "join", "username": name})
    if not await stage.wait(lambda: name in users_of(again), again):
        raise Failed(
            f"{name}'s line was cut, and a new connection wanted the name; {got_by(again, stage)}. "
            "Forget the name together with the connection, in `finally`."
        )
    await again.leave()
    await stage.ended()
    if (held := stage.held_connections()) > 0:
        raise Failed(
            f"Bob came and left twice, and the server still keeps {held} connection(s). Remove a "
            "connection in `finally`: it runs whichever way a client leaves."
        )


@SERVER.criterion("Bad messages are answered and harm nobody")
async def bad_messages(stage: Stage) -> None:
    people, names = await everybody(stage)
    bad = ["hello", "[1]", "{}", {"type": "shout"}, {"type": "message"}]
    bad += [{"type": "message", "content": content} for content in (7, "", "x" * 2_001)]
    for number, message in enumerate(bad):
        await refused(stage, people[0], message, number, "that is no message of the chat")
    if people[1].of_type("error"):
        raise Failed("Alice sent bad messages; Bob was told of them, too. Answer only the sender.")
    await say_and_hear(stage, people[0], names[0], people)


@CLIENT.criterion("It joins by itself, under its name")
async def joins(script: ChatScript) -> None:
    await script.let_in("Bob")


@CLIENT.criterion("It shows who is there")
async def shows_people(script: ChatScript) -> None:
    await script.let_in("Bob", "Carol")
    people = script.widget("people")
    for name in ("Bob", "Carol", script.username):
        if not await script.wait(lambda name=name: name in text_of(people)):
            raise Failed(f"The user list names {name}; `people` shows {text_of(people)!r}.")


@CLIENT.criterion("It shows who says what, as text and never as HTML")
async def shows_messages(script: ChatScript) -> None:
    await script.let_in("Bob")
    content = f"<img src=x onerror='alert({script.random.randint(1, 9)})'>"
    await script.say(said("Bob", content))
    await expect_line(script, "Bob", content)
    await script.taken()
    if any("<img" in str(getattr(w, "value", "")) for w in script.client.log.widget.children):
        raise Failed(f"Somebody sent {content}; it went into the page as HTML. Use html.escape().")


@CLIENT.criterion("It sends what you write")
async def sends(script: ChatScript) -> None:
    await script.let_in("Bob")
    content = f"Hello number {script.random.randint(100, 999)}"
    script.widget("field").value = content
    script.client.say()
    await script.expect(
        {"type": "message", "content": content}, f"{content!r} was written in, and say() called"
    )
    if script.client.field.value:
        raise Failed("What was sent still stands in `field`. Empty it.")


@CLIENT.criterion("It comes back under its name, even while that is taken")
async def comes_back(script: ChatScript) -> None:
    await script.let_in("Bob")
    await script.hang_up()
    await script.joined()
    join_message = {"type": "join", "username": script.username}
    await script.expect(join_message, "The client came back after its line broke")
    await script.say({"type": "error", "message": "This name is taken."})
    deed = "The client was refused its name, which its dead connection still had"
    await script.expect(join_message, deed)


# What several criteria need.


async def join(stage: Stage, person: Person, called: str | None = None) -> str:
    """Let somebody who is connected join. Returns the name."""
    name = f"{called or person.name} {stage.random.randint(1_000, 9_999)}"
    await person.send({"type": "join", "username": name})
    if not await stage.wait(lambda: name in users_of(person), person):
        raise Failed(
            f'{person.name} sent {{"type": "join", "username": "{name}"}}; '
            f"{got_by(person, stage)}; expected a user list with that name."
        )
    return name


async def everybody(stage: Stage, *called: str) -> tuple[list[Person], list[str]]:
    """Let several people join, by default Alice, Bob and Carol; wait until all know of all."""
    people = [await stage.join(name) for name in called or ("Alice", "Bob", "Carol")]
    names = [await join(stage, person) for person in people]
    for person in people:
        if not await stage.wait(lambda p=person: set(names) <= set(users_of(p)), person):
            break  # it is for a criterion to say what that means
    return people, names


async def say_and_hear(
    stage: Stage,
    sender: Person,
    name: str,
    people: list[Person],
    more: Message | None = None,
) -> None:
    """Let somebody say something that all people must hear under the sender's name."""
    content = f"Hello number {stage.random.randint(1_000, 9_999)} 👋"
    message = {"type": "message", "content": content} | (more or {})
    marks = {person.name: len(person.got) for person in people}
    await sender.send(message)

    def heard(person: Person) -> list[Message]:
        return [m for m in person.of_type("message") if m.get("content") == content]

    missed = [p for p in people if not await stage.wait(lambda p=p: heard(p), p)]
    if missed:
        others = [person for person in people if person is not sender]
        if missed == others and others:
            advice = "Only the sender was answered: look at who you send to."
        elif missed == [sender]:
            advice = "The sender must see it, too."
        else:
            advice = "Send it to everybody who has joined."
        got_by_them = got_by(missed[0], stage, marks[missed[0].name])
        raise Failed(f"{sender.name} sent {shown(message)}; {got_by_them}. {advice}")
    for person in people:
        got = heard(person)[0]
        if got.get("username") != name:
            raise Failed(
                f"{name} sent {shown(message, 120)}; for {person.name} it came from "
                f"{got.get('username')!r}. Take the name that this connection joined under, never "
                "one out of the message."
            )
        if not is_time(got.get("timestamp")):
            raise Failed(
                f"{name} said something; {person.name} got {timeless(got)}. Expected a "
                '"timestamp" in ISO 8601 with an offset from UTC.'
            )


async def refused(stage: Stage, person: Person, message: Any, number: int, why: str) -> None:
    """Send what must be answered with an error, before which `number` errors came."""
    users, since = users_of(person), len(person.got)
    await person.send(message)
    if not await stage.wait(lambda: len(person.of_type("error")) > number, person):
        raise Failed(
            f"{person.name} sent {shown(message)}, but {why}; {got_by(person, stage, since)}; "
            "expected a message of type error."
        )
    error = person.of_type("error")[number]
    if not isinstance(error.get("message"), str):
        raise Failed('An error needs a field "message", a string that says what was wrong.')
    if users_of(person) != users:
        raise Failed(f"{person.name} sent {shown(message)}, was refused, and joined all the same.")


async def expect_line(script: ChatScript, *texts: str) -> None:
    """Wait until a line of the client's log holds some texts."""

    def is_shown() -> bool:
        return any(all(text in line for text in texts) for line in script.client.log.lines)

    if not await script.wait(is_shown):
        raise Failed(f"No line of the log shows {' and '.join(map(repr, texts))}.")


def got_by(person: Person, stage: Stage, since: int = 0) -> str:
    """Return what came last to somebody, in words; of the first `since` messages none counts."""
    if not person.is_there:
        return f"the server closed {person.name}'s connection (the handler ended)"
    if len(person.got) <= since:
        return f"{person.name} got nothing in {stage.within} s"
    return f"{person.name} got {timeless(person.got[-1])}"


def timeless(message: Any) -> str:
    """Return a message as reports show it: without the time, which differs at each run."""
    if isinstance(message, dict) and is_time(message.get("timestamp")):
        message = message | {"timestamp": "…"}
    return shown(message, 160)


def users_of(person: Person) -> list[str]:
    """Return the names that somebody was told last."""
    lists = person.of_type("user_list")
    users = lists[-1].get("users") if lists else []
    return users if isinstance(users, list) else []


def notices(person: Person, name: str) -> list[Message]:
    """Return what the server itself told somebody about a name."""
    return [m for m in person.of_type("system") if name in str(m.get("message"))]


def said(name: str, content: str) -> Message:
    """Return a message as the server passes it on."""
    return {"type": "message", "username": name, "content": content} | {"timestamp": TIME}


def said_by_server(words: str) -> Message:
    """Return a message in which the server itself speaks."""
    return {"type": "system", "message": words, "timestamp": TIME}


TIME = "2026-01-01T12:00:00.000+00:00"


def is_time(value: Any) -> bool:
    """Return whether a value is a time as ISO 8601 has it, with its offset from UTC."""
    try:
        return datetime.fromisoformat(value).utcoffset() is not None
    except (TypeError, ValueError):
        return False
