"""The success criteria of the scale lesson: a way to send to all that nobody can hold up."""

import asyncio
import dis
import inspect
import random
import socket
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from checks.advice import Failed, shown_object
from checks.criteria import Criteria
from checks.on_stage import unwrapped
from checks.report import Report
from checks.stage import GOODBYE, Person, Stage
from checks.watchdog import guarded

SendToAll = Callable[[set[ServerConnection], str], Any]

# What systems keep for a client that does not read. Some megabytes would make the check longer.
KEPT = 2**15  # bytes
SIZE = 2**14  # bytes of a long message
FEW, MANY = 12, 100  # long messages: 192 KiB, and 1.6 MiB


class SendingStage(Stage):
    """A stage on which a server passes on each text with the learner's function.

    Attributes:
        members: The connections that are there.
    """

    def __init__(self, subject: SendToAll, source: random.Random, within: float) -> None:
        super().__init__(self._converse, source, within)
        self._send_to_all = subject
        self._stalled: set[Person] = set()
        self.members: set[ServerConnection] = set()

    @property
    def names_abort(self) -> bool:
        """Whether the learner's function has a line with `abort` alone, which calls nothing."""
        parts = dis.get_instructions(unwrapped(self._send_to_all))
        return any(
            p.argval == "abort" and after.opname == "POP_TOP" for p, after in pairwise(parts)
        )

    async def __aenter__(self) -> "SendingStage":
        require_function(self._send_to_all)
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KEPT)
        self._server = await serve(
            self._serve, sock=listening, compression=None, close_timeout=GOODBYE
        )
        self._url = f"ws://127.0.0.1:{listening.getsockname()[1]}"
        return self

    async def __aexit__(self, *error: Any) -> None:
        for person in self._stalled:
            await person.vanish()  # a goodbye, it would not read either
        await super().__aexit__(*error)

    def stall(self, person: Person) -> None:
        """Let somebody read no more."""
        self._stalled.add(person)
        person.stop_reading(keep=KEPT)

    def read_on(self, person: Person) -> None:
        """Let somebody read again."""
        self._stalled.discard(person)
        person.read_on()

    async def end_of(self, person: Person) -> ServerConnection:
        """Return the server's end of somebody's connection."""
        ends: list[ServerConnection] = []

        def found() -> bool:
            ends[:] = [m for m in set(self.members) if m.remote_address[1] == person.port]
            return bool(ends)

        async with asyncio.timeout(5):
            while not found():
                await asyncio.sleep(0)  # the handler begins within a few turns
        return ends[0]

    async def say_often(self, person: Person, number: int, *hearers: Person) -> bool:
        """Let somebody send long messages, each as soon as all hearers have the one before.

        Returns:
            Whether they heard each of them in time.

        Raises:
            Failed: If one of them was cut off.
        """
        for _ in range(number):
            text = f"{self.random.randbytes(8).hex()} {'x' * SIZE}"
            await person.send(text)

            def heard(text: str = text) -> bool:
                return all(h.got[-1:] == [text] or not h.is_there for h in hearers)

            in_time = await self.wait(heard, *hearers)
            for hearer in hearers:
                if not hearer.is_there:
                    raise Failed(
                        f"One of them did not read, and {hearer.name} was cut off, who does. Look "
                        "at each member by itself."
                    )
            if not in_time:
                return False
        return True

    @guarded
    async def _converse(self, websocket: ServerConnection) -> None:
        self.members.add(websocket)
        try:
            async for text in websocket:
                sending = self._send_to_all(self.members, text)
                if inspect.isawaitable(sending):
                    await sending
        finally:
            self.members.discard(websocket)


SERVER = Criteria(SendingStage)


async def check_scale(send_to_all: SendToAll) -> Report:
    """Check a way to send to all, with clients of whom one stops reading.

    Args:
        send_to_all: Gets the set of all connections and a text, and sends this to all of them. It
            may be an ``async def`` function or a plain one.
    """
    return await SERVER.check(send_to_all)


@SERVER.criterion("Everybody hears each message once, in order", stubs=["say_to_all"])
async def each_once(stage: SendingStage) -> None:
    people = [await stage.join(name) for name in ("Alice", "Bob", "Carol")]
    for person in people:
        await stage.end_of(person)
    texts = [f"message {stage.random.randint(100, 999)}, {number}" for number in range(5)]
    for text in texts:
        await people[0].send(text)
    await stage.wait(lambda: all(person.got == texts for person in people), *people)
    await stage.quiet()  # what comes twice may come later
    for person in people:
        if person.got == texts:
            continue
        said = f"Alice sent 5 messages; {person.name} got"
        if not person.got:
            raise Failed(f"{said} nothing in {stage.within} s. Send to each of the members.")
        if len(person.got) > len(set(map(str, person.got))):
            raise Failed(f"{said} one of them twice. Send it to each of the members once.")
        if sorted(map(str, person.got)) == sorted(texts):
            raise Failed(f"{said} them in another order. What is sent first must arrive first.")
        if any(got not in texts for got in person.got):
            raise Failed(f"{said} something else. Send the text as it is.")
        raise Failed(f"{said} only some of them.")


@SERVER.criterion(
    "One who stops reading does not hold up the others", stubs=["say_to_all"], needs=[each_once]
)
async def not_held_up(stage: SendingStage) -> None:
    alice, bob, dan = [await stage.join(name) for name in ("Alice", "Bob", "Dan")]
    for person in (alice, bob, dan):
        await stage.end_of(person)
    stage.stall(dan)
    if not await stage.say_often(alice, MANY, alice, bob):
        raise Failed(
            "Dan stopped reading. Then Alice sent long messages, and after some of them Alice and "
            f"Bob got nothing in {stage.within} s. Do you await something that waits for Dan, such "
            "as send() or close()? broadcast() does not wait."
        )


@SERVER.criterion(
    "Who leaves too much unread is cut off", stubs=["say_to_all"], needs=[not_held_up]
)
async def cut_off(stage: SendingStage) -> None:
    alice, bob, dan = [await stage.join(name) for name in ("Alice", "Bob", "Dan")]
    for person in (alice, bob):
        await stage.end_of(person)
    end = await stage.end_of(dan)
    stage.stall(dan)
    await stage.say_often(alice, MANY, alice, bob)
    if not await stage.wait(end.transport.is_closing, alice, bob):
        if stage.names_abort:
            raise Failed(
                "Dan stopped reading, and is not cut off. `abort` without parentheses is only the "
                "name of the method: abort() calls it."
            )
        raise Failed(
            f"Dan stopped reading, and Alice sent {MANY} messages of {SIZE // 1_024} KiB. All that "
            "Dan did not read is still kept for him, or he is. After sending, look at how much is "
            "unread: member.transport.get_write_buffer_size(). If it is too much, "
            "member.transport.abort() cuts the line. close() will not do, even with `await`: it "
            "would wait for him."
        )
    if not await stage.say_often(alice, 1, alice, bob):
        raise Failed(
            "Dan stopped reading and was cut off. Then Alice sent one more message, and not "
            "everybody else got it."
        )


@SERVER.criterion("Who reads a little late stays", stubs=["say_to_all"], needs=[not_held_up])
async def late_reader(stage: SendingStage) -> None:
    alice, bob, carol = [await stage.join(name) for name in ("Alice", "Bob", "Carol")]
    for person in (alice, bob, carol):
        await stage.end_of(person)
    stage.stall(carol)
    await stage.say_often(alice, FEW, alice, bob)
    said = f"Carol did not read for a moment, and Alice sent {FEW} messages of {SIZE // 1_024} KiB."
    stage.read_on(carol)
    await stage.wait(lambda: len(carol.got) >= FEW or not carol.is_there, carol)
    if not carol.is_there:
        raise Failed(
            f"{said} Carol was cut off. Everybody is behind for a moment now and then: allow "
            "256 KiB, and cut off who has more than that unread."
        )
    if len(carol.got) != FEW:
        raise Failed(f"{said} When Carol read on, some of them were missing.")


def require_function(subject: Any) -> None:
    """Refuse what cannot send to all, and say what it is."""
    if not callable(subject) or isinstance(subject, type):
        raise Failed(
            f"Expected a function with two parameters, the members and a text; got "
            f"{shown_object(subject)}. Give its name alone, without parentheses."
        )
    try:
        inspect.signature(subject).bind(set(), "")
    except TypeError as error:
        raise Failed(
            f"Expected a function with two parameters, the members and a text: {error}."
        ) from None
