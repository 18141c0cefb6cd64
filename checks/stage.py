"""The stage of a server check: a handler on a free port, and people who try it."""

import asyncio
import gc
import inspect
import json
import random
import socket
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from checks.advice import Failed, leaves, shown, shown_object
from checks.watchdog import PATIENCE, Blocked, guarded
from server.connection import Handler
from server.messages import Message, encode

FLOOD = 100  # messages to one person that nobody has to explain
GOODBYE = 1.0  # seconds that a closing handshake may take
CANCELLED = 0.3  # seconds that a handler may go on when it was cancelled


class Stage:
    """A handler that serves on a free port of this computer, and who has joined.

    The subject may also be a server that runs already; then people join that one.

    Attributes:
        random: The source of values, which the learner's code cannot know.
        within: How long to wait for anything, in seconds.
        show: Returns a message as reports show it: without what differs from run to run.
        deeds: How often somebody joined or sent something.
        subject: What is checked.
    """

    flood = FLOOD

    def __init__(
        self,
        subject: Handler | Any,
        source: random.Random,
        within: float,
        show: Callable[[Any], str] = shown,
    ) -> None:
        self.random = source
        self.within = within
        self.show = show
        self.deeds = 0
        self.subject = subject
        self._people: list[Person] = []
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connections: list[weakref.ref[ServerConnection]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._server: Any = None
        self._somebody_left = asyncio.Event()

    async def __aenter__(self) -> "Stage":
        self._url = getattr(self.subject, "url", None)
        if not isinstance(self._url, str):
            _require_handler(self.subject)
            self._server = await serve(
                self._serve, "127.0.0.1", 0, compression=None, close_timeout=GOODBYE
            )
            self._url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for person in self._people:
            await person.leave()
        if self._server is not None:
            self._server.close()
            for task in self._running:
                task.cancel()  # a handler that does not look at its connection never ends
            if self._running:
                await asyncio.wait(self._running, timeout=CANCELLED)
            if self._running:  # not even so: a bare `except:` catches the cancellation
                self._server.close_task.cancel()
            else:
                await self._server.wait_closed()
        self._failure.cancel()

    async def join(self, name: str) -> "Person":
        """Let somebody connect.

        Raises:
            Failed: If there is no way in.
        """
        try:
            # Longer than the watchdog's patience, so that it is the one to say what is wrong.
            websocket = await connect(
                self._url,
                compression=None,
                proxy=None,
                open_timeout=2 * PATIENCE,
                close_timeout=GOODBYE,
            )
        except ConnectionRefusedError:
            raise Failed(f"{name} could not connect: nobody listens. Is it running?") from None
        except Exception as error:
            self.look_for_failure()
            raise Failed(f"{name} could not connect: {error}.") from None
        self.deeds += 1
        person = Person(name, websocket, self)
        self._people.append(person)
        return person

    def begin(self) -> None:
        """Note that what comes from here on is the answer to what somebody does now.

        Sending does so by itself.
        """
        for person in self._people:
            person.since = len(person.got)

    async def wait(self, condition: Callable[[], Any], *people: "Person") -> bool:
        """Wait until a condition holds, but no longer than an answer may take.

        Args:
            condition: Looked at after each message to one of the people.
            people: Whom it is about.

        Returns:
            Whether it holds.

        Raises:
            Exception: What the handler raised meanwhile.
        """
        deadline = asyncio.get_running_loop().time() + self.within
        while not condition():
            self.look_for_failure()
            remaining = deadline - asyncio.get_running_loop().time()
            news = [self._somebody_left, *(person.news for person in people)]
            for item in news:
                item.clear()
            waits = [asyncio.ensure_future(item.wait()) for item in news]
            done, _ = await asyncio.wait(
                [*waits, self._failure],
                timeout=max(0, remaining),
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in waits:
                task.cancel()
            # News may come without end.
            if not done or remaining <= 0:
                break
        self.look_for_failure()
        return bool(condition())

    async def quiet(self) -> None:
        """Wait until everybody has got what was sent to them so far."""
        for person in self._people:
            await person.caught_up()

    def look_for_failure(self) -> None:
        """Raise what the handler raised so far, if it raised anything."""
        if self._failure.done():
            self._failure.result()

    async def ended(self) -> bool:
        """Wait until the handlers of all who left have ended. Returns whether they have."""
        return await self.wait(lambda: len(self._running) <= sum(p.is_there for p in self._people))

    def held_connections(self) -> int:
        """Return how many connections of people who left are still kept somewhere."""
        if self._server is None:
            return 0  # nobody can look into another process
        gc.collect()
        alive = sum(reference() is not None for reference in self._connections)
        return alive - sum(person.is_there for person in self._people)

    def what_came(
        self, people: Sequence["Person"], show: Callable[[Any], str] | None = None
    ) -> str:
        """Return what each of several people got since somebody sent something, in words."""
        who_got: dict[str, list[str]] = {}
        for person in people:
            who_got.setdefault(person.answer(show), []).append(person.name)
        parts = [f"{_listed(names)} got {answer}" for answer, names in who_got.items()]
        return "; ".join(parts)

    def fail(self, error: BaseException) -> None:
        """End what is being waited for with an exception."""
        if not self._failure.done():
            self._failure.set_exception(error)
            self._failure.exception()  # so that it counts as looked at

    async def handle(self, websocket: ServerConnection) -> None:
        """Run the handler for one connection."""
        await self.subject(websocket)

    @guarded
    async def _serve(self, websocket: ServerConnection) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        self._connections.append(weakref.ref(websocket))
        try:
            await self.handle(websocket)
        except (Exception, Blocked, BaseExceptionGroup) as error:
            for cause in leaves(error):
                # One's own connection may end at any time. Another one's is a mistake.
                if not isinstance(cause, ConnectionClosed) or websocket.close_code is None:
                    self.fail(cause)
            if not isinstance(error, ConnectionClosed):
                await websocket.close(1011)
        finally:
            self._running.discard(task)
            self._somebody_left.set()


class Person:
    """Somebody who joined: what they send, and what they get.

    Attributes:
        name: What reports call them.
        got: All messages so far; a frame that is no JSON object stands there as it is.
        since: How many of them came before somebody last sent something, see `Stage.begin`.
        news: Set when something comes, or the connection ends.
    """

    def __init__(self, name: str, websocket: ClientConnection, stage: Stage) -> None:
        self.name = name
        self.got: list[Message | str | bytes] = []
        self.since = 0
        self.news = asyncio.Event()
        self._stage = stage
        self._websocket = websocket
        self._reader = asyncio.create_task(self._read())

    @property
    def is_there(self) -> bool:
        """Whether the connection is open."""
        return not self._reader.done()

    def of_type(self, kind: str, since: int = 0) -> list[Message]:
        """Return the messages of one type that came so far, or since one of them."""
        return [m for m in self.got[since:] if isinstance(m, dict) and m.get("type") == kind]

    def answers(self, kind: str) -> list[Message]:
        """Return the messages of one type that came since somebody last sent something."""
        return self.of_type(kind, self.since)

    async def send(self, message: Message | str | bytes) -> None:
        """Send a message; a text or bytes as they are."""
        self._stage.begin()
        self._stage.deeds += 1
        data = encode(message) if isinstance(message, dict) else message
        try:
            await self._websocket.send(data)
        except ConnectionClosed:
            self._stage.look_for_failure()
            raise Failed(
                f"{self.name} wanted to send {shown(message)}, but {self.hung_up()}"
            ) from None

    async def send_often(self, message: Message, times: int) -> None:
        """Send a message several times."""
        for _ in range(times):
            await self.send(message)

    async def get(self, kind: str, deed: str, advice: str = "", after: int = 0) -> Message:
        """Return the first message of one type since somebody last sent something.

        Args:
            kind: The type.
            deed: What somebody did to bring it about, such as "Bob connected".
            advice: Where to look if it does not come.
            after: How many others of this type come before it.

        Raises:
            Failed: If it does not come in time.
        """
        await self._stage.wait(lambda: self.answers(kind)[after:] or not self.is_there, self)
        if found := self.answers(kind)[after:]:
            return found[0]
        if not self.is_there:
            raise Failed(f"{deed}; {self.hung_up()}")
        got = "and got" if deed.startswith(f"{self.name} ") else f"and {self.name} got"
        expected = f"{shown({'type': kind})[:-1]}, …}}"
        if any(_is_json_in_json(frame) for frame in self.got[self.since :]):
            advice = "That is JSON within JSON: json.dumps() was called twice."
        if self.answers(kind):
            words = (
                f"{deed}; {self.name} got {expected}, and no other one in {self._stage.within} s."
            )
            raise Failed(f"{words} {advice}".rstrip())
        raise Failed(f"{deed} {got} {self.answer()}, expected {expected}. {advice}".rstrip())

    async def caught_up(self) -> None:
        """Wait until all that was sent to this person so far is there."""
        with suppress(ConnectionClosed, TimeoutError):
            # What was sent before the pong comes before it.
            await asyncio.wait_for(await self._websocket.ping(), self._stage.within)

    def answer(self, show: Callable[[Any], str] | None = None) -> str:
        """Return what this person got since somebody last sent something, in words."""
        came = self.got[self.since :]
        if not came:
            return f"nothing in {self._stage.within} s" if self.is_there else "a closed connection"
        return (show or self._stage.show)(came[-1])

    def hung_up(self) -> str:
        """Return that the server ended the connection, in words."""
        return (
            f"the server closed {self.name}'s connection. Does your handler end, or call close()? "
            "It must go on as long as its client is there, as `async for` does."
        )

    async def leave(self) -> None:
        """Say goodbye, and wait until the connection is closed."""
        await self._websocket.close()
        await asyncio.wait([self._reader])

    async def vanish(self) -> None:
        """Be gone without a goodbye."""
        self._websocket.transport.abort()
        await asyncio.wait([self._reader])

    @property
    def port(self) -> int:
        """The TCP port that this person's end of the connection has."""
        return self._websocket.local_address[1]

    def stop_reading(self, keep: int) -> None:
        """Read no more, as a computer that is overloaded.

        Args:
            keep: How many bytes the operating system shall take in nevertheless.
        """
        own = self._websocket.transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, keep)
        self._websocket.transport.pause_reading()

    def read_on(self) -> None:
        """Read again, beginning with what has waited."""
        if not self._websocket.transport.is_closing():
            self._websocket.transport.resume_reading()

    async def _read(self) -> None:
        try:
            async for data in self._websocket:
                self.got.append(_message_or_frame(data))
                self.news.set()
                if len(self.got) > self._stage.flood + 4 * self._stage.deeds:
                    words = "A client got far more messages than anybody sent. Does a loop send on?"
                    self._stage.fail(Failed(words))
                    self._websocket.transport.abort()
        except ConnectionClosed:
            pass
        finally:
            self.news.set()


def _is_json_in_json(frame: Any) -> bool:
    try:
        return isinstance(frame, str) and isinstance(json.loads(frame), str)
    except ValueError:
        return False


def _message_or_frame(data: str | bytes) -> Message | str | bytes:
    if isinstance(data, bytes):
        return data
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return data
    return value if isinstance(value, dict) else data


def _require_handler(subject: Any) -> None:
    """Refuse what cannot be a handler, and say what it is."""
    if inspect.iscoroutinefunction(subject):
        return
    if isinstance(subject, type):
        what = f"the class {subject.__name__}. Did you mean a method of an object of it?"
    elif inspect.iscoroutine(subject):
        what = f"what {subject.__name__}(…) returns. Give the function itself, without parentheses."
        subject.close()
    elif inspect.isroutine(subject):
        what = f"{subject.__name__}(), which is a function without `async`."
    else:
        what = f"{shown_object(subject)}."
    raise Failed(
        f"Expected a handler, an `async def` function whose parameter is the connection; got {what}"
    )


def whom_to_tell(sender: Person, people: list[Person], is_told: Callable[[Person], Any]) -> str:
    """Return where to look if not everybody was told."""
    told = [person for person in people if is_told(person)]
    if told == [sender]:
        return "Only the sender was answered: look at who you send to."
    if len(told) == len(people) - 1 and sender not in told:
        return "Everybody except the sender was told: the sender's screen must change, too."
    if told:
        return "Some were told and some were not: send it to every connection."
    return "Send it to every connection."


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
