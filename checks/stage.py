"""The stage of a server check: a handler on a free port, and people who try it."""

import asyncio
import gc
import inspect
import json
import random
import warnings
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from checks.advice import Failed, shown
from checks.watchdog import PATIENCE, Blocked, guarded
from server.connection import Handler
from server.messages import Message, encode


class Stage:
    """A handler that serves on a free port of this computer, and who has joined.

    The subject may also be a server that runs already; then people join that one.

    Attributes:
        random: The source of values, which the learner's code cannot know.
        within: How long to wait for anything, in seconds.
    """

    def __init__(self, subject: Handler | Any, source: random.Random, within: float) -> None:
        self.random = source
        self.within = within
        self._subject = subject
        self._people: list[Person] = []
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connections: list[weakref.ref[ServerConnection]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._server: Any = None
        self._somebody_left = asyncio.Event()

    async def __aenter__(self) -> "Stage":
        self._warnings = warnings.catch_warnings(record=True)
        self._caught = self._warnings.__enter__()
        warnings.simplefilter("always", RuntimeWarning)
        self._url = getattr(self._subject, "url", None)
        if self._url is None:
            if not inspect.iscoroutinefunction(self._subject):
                raise Failed(
                    f"Expected a handler, an `async def` function with the connection as its "
                    f"parameter; got {self._subject!r}."
                )
            self._server = await serve(self._serve, "127.0.0.1", 0, compression=None)
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
            await self._server.wait_closed()
        self._failure.cancel()
        self._warnings.__exit__(None, None, None)

    async def join(self, name: str) -> "Person":
        """Let somebody connect.

        Raises:
            Failed: If there is no way in.
        """
        try:
            # Longer than the watchdog's patience, so that it is the one to say what is wrong.
            websocket = await connect(
                self._url, compression=None, proxy=None, open_timeout=2 * PATIENCE
            )
        except (OSError, TimeoutError) as error:
            self.look_for_failure()
            raise Failed(f"{name} could not connect: {error}.") from None
        person = Person(name, websocket, self)
        self._people.append(person)
        return person

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
            if not done:
                break
        self.look_for_failure()
        return bool(condition())

    def look_for_failure(self) -> None:
        """Raise what the handler raised so far, if it raised anything."""
        if self._failure.done():
            self._failure.result()

    async def ended(self) -> None:
        """Wait until the handlers of all who left have ended."""
        await self.wait(lambda: len(self._running) <= sum(p.is_there for p in self._people))

    def forgotten_await(self) -> str:
        """Return words about a coroutine that nobody awaited, if there is one."""
        for warning in self._caught:
            if "was never awaited" in str(warning.message):
                name = str(warning.message).partition("'")[2].partition("'")[0]
                return f" {name.rpartition('.')[2]}() was called without `await`, so it never ran."
        return ""

    def held_connections(self) -> int:
        """Return how many connections of people who left are still kept somewhere."""
        gc.collect()
        alive = sum(reference() is not None for reference in self._connections)
        return alive - sum(person.is_there for person in self._people)

    @guarded
    async def _serve(self, websocket: ServerConnection) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        self._connections.append(weakref.ref(websocket))
        try:
            await self._subject(websocket)
        except ConnectionClosed as closed:
            # One's own connection may end at any time. Another one's is a mistake.
            if websocket.close_code is None:
                self._fail(closed)
        except (Exception, Blocked) as error:
            self._fail(error)
            await websocket.close(1011)
        finally:
            self._running.discard(task)
            self._somebody_left.set()

    def _fail(self, error: BaseException) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)
            self._failure.exception()  # so that it counts as looked at


class Person:
    """Somebody who joined: what they send, and what they get.

    Attributes:
        name: What reports call them.
        got: All messages so far; a text that is no JSON object stands there as it is.
        news: Set when something comes, or the connection ends.
    """

    def __init__(self, name: str, websocket: ClientConnection, stage: Stage) -> None:
        self.name = name
        self.got: list[Message | str | bytes] = []
        self.news = asyncio.Event()
        self._stage = stage
        self._websocket = websocket
        self._reader = asyncio.create_task(self._read())

    @property
    def is_there(self) -> bool:
        """Whether the connection is open."""
        return not self._reader.done()

    def of_type(self, kind: str) -> list[Message]:
        """Return the messages of one type that came so far."""
        return [m for m in self.got if isinstance(m, dict) and m.get("type") == kind]

    async def send(self, message: Message | str | bytes) -> None:
        """Send a message; a text or bytes as they are."""
        data = encode(message) if isinstance(message, dict) else message
        try:
            await self._websocket.send(data)
        except ConnectionClosed:
            self._stage.look_for_failure()
            raise Failed(
                f"{self.name} wanted to send {shown(message)}, but the server had closed the "
                f"connection. Does your handler end before the client leaves?"
            ) from None

    async def get(self, kind: str, after: int = 0) -> Message:
        """Return the next message of one type, of which `after` came before.

        Raises:
            Failed: If it does not come in time.
        """
        await self._stage.wait(lambda: len(self.of_type(kind)) > after or not self.is_there, self)
        found = self.of_type(kind)
        if len(found) > after:
            return found[after]
        missing = f"{self.what_came()}; expected a message of type {kind!r}."
        raise Failed(missing + self._stage.forgotten_await())

    def what_came(self) -> str:
        """Return what this person got, in words."""
        if not self.is_there:
            return f"the server closed {self.name}'s connection (the handler ended)"
        if not self.got:
            return f"{self.name} got nothing in {self._stage.within} s"
        return f"{self.name} got {shown(self.got[-1])}"

    async def leave(self) -> None:
        """Say goodbye, and wait until the connection is closed."""
        await self._websocket.close()
        await asyncio.wait([self._reader])

    async def vanish(self) -> None:
        """Be gone without a goodbye."""
        self._websocket.transport.abort()
        await asyncio.wait([self._reader])

    async def _read(self) -> None:
        try:
            async for data in self._websocket:
                self.got.append(_message_or_text(data))
                self.news.set()
        except ConnectionClosed:
            pass
        finally:
            self.news.set()


def _message_or_text(data: str | bytes) -> Message | str | bytes:
    try:
        value = json.loads(data)
    except ValueError:
        return data
    return value if isinstance(value, dict) else data
