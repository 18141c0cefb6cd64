"""The stage of a client check: a server that plays by a script, and the client's widgets."""

import asyncio
import html
import json
import random
import re
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

from ipywidgets import HTML, HTMLMath, Widget
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from checks.advice import Failed, shown_object
from checks.watchdog import guarded
from server.messages import Message, encode

CONNECTED = 3  # seconds in which a client must connect, or come back
GOODBYE = 1.0  # seconds that a closing handshake may take
PAINTED = 0.2  # seconds after which a client has painted what it knows


class ScriptedServer:
    """A server that says what a criterion tells it to, and the learner's client.

    Attributes:
        random: The source of values, which the learner's code cannot know.
        within: How long to wait for anything, in seconds.
        client: The client, once it was made.
    """

    def __init__(self, subject: type, source: random.Random, within: float) -> None:
        self.random = source
        self.within = within
        self.client: Any = None
        self._subject = subject
        self._server: Any = None
        self._heard: asyncio.Queue[Any] = asyncio.Queue()
        self._connection: asyncio.Queue[ServerConnection] = asyncio.Queue()
        self._websocket: ServerConnection | None = None

    async def __aenter__(self) -> "ScriptedServer":
        _require_client(self._subject)
        self._server = await serve(
            self._listen, "127.0.0.1", 0, compression=None, close_timeout=GOODBYE
        )
        try:
            self._make_client(f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}")
        except BaseException:
            self._server.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.client.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.client.wait_closed(), GOODBYE)
        self._server.close()
        await self._server.wait_closed()

    @guarded
    def _make_client(self, url: str) -> None:
        self.client = self._subject(url)

    async def joined(self, deed: str = "The client was made") -> None:
        """Wait until the client has connected, for the first time or once more after a deed.

        Raises:
            Failed: If it does not.
        """
        try:
            async with asyncio.timeout(CONNECTED):
                self._websocket = await self._connection.get()
        except TimeoutError:
            self.look_for_failure()
            raise Failed(f"{deed}; it did not connect in {CONNECTED} s.") from None

    async def say(self, message: Message | str) -> None:
        """Send a message to the client."""
        assert self._websocket is not None
        text = message if isinstance(message, str) else encode(message)
        try:
            await self._websocket.send(text)
        except ConnectionClosed:
            raise Failed("The client closed its connection.") from None

    async def hear(self) -> Any:
        """Return the next message of the client, or None if none comes in time."""
        try:
            async with asyncio.timeout(self.within):
                return await self._heard.get()
        except TimeoutError:
            self.look_for_failure()
            return None

    async def heard_more(self) -> list[Any]:
        """Return what else the client has sent by now."""
        await self._ping()
        self.look_for_failure()
        return [self._heard.get_nowait() for _ in range(self._heard.qsize())]

    async def _ping(self) -> None:
        assert self._websocket is not None
        with suppress(ConnectionClosed, TimeoutError):
            await asyncio.wait_for(await self._websocket.ping(), 1)

    async def taken_at_once(self) -> None:
        """Wait until the client has read what it was sent."""
        await self._ping()
        await asyncio.sleep(0)

    async def taken(self) -> None:
        """Wait until the client has taken what it was sent."""
        assert self._websocket is not None
        await self._ping()
        # The frames before the pong were read. A widget may be repainted a little later.
        await self.wait(lambda: False, within=PAINTED)

    async def wait(self, condition: Callable[[], Any], within: float | None = None) -> bool:
        """Return whether a condition holds in time."""
        with suppress(TimeoutError):
            await self.client.until(lambda: condition() or self._failure(), within or self.within)
        self.look_for_failure()
        return bool(condition())

    async def hang_up(self) -> None:
        """Close the connection from the server's side, as a server that stops does."""
        assert self._websocket is not None
        await self._websocket.close(1001)

    def widget(self, name: str) -> Any:
        """Return one of the client's widgets.

        Raises:
            Failed: If it has none of this name.
        """
        widget = getattr(self.client, name, None)
        if not isinstance(widget, Widget):
            raise Failed(f"The client needs a widget `self.{name}`, made in build().")
        return widget

    def html_shown(self) -> list[str]:
        """Return what the client has put into its page as HTML."""
        # Its widgets are attributes of it, or of what it is made of, such as a log.
        parts = [*vars(self.client).values()]
        parts += [value for part in parts for value in getattr(part, "__dict__", {}).values()]
        made = [part for part in parts if isinstance(part, Widget)]
        found, seen = [], set()
        while made:
            widget = made.pop()
            if id(widget) not in seen:
                seen.add(id(widget))
                made += getattr(widget, "children", ())
                if isinstance(widget, HTML | HTMLMath):
                    found.append(widget.value)
        return found

    def look_for_failure(self) -> None:
        """Raise what a method of the client raised, if one did."""
        if failure := self._failure():
            raise failure

    def _failure(self) -> Exception | None:
        return getattr(self.client, "failure", None)

    async def _listen(self, websocket: ServerConnection) -> None:
        self._connection.put_nowait(websocket)
        with suppress(ConnectionClosed):
            async for data in websocket:
                try:
                    self._heard.put_nowait(json.loads(data))
                except ValueError:
                    self._heard.put_nowait(data)


def _require_client(subject: Any) -> None:
    """Refuse what cannot be a client, and say what it is."""
    if not isinstance(subject, type):
        raise Failed(
            "Expected a class of clients, without parentheses behind its name; "
            f"got {shown_object(subject)}."
        )
    for name in ("until", "close", "wait_closed"):
        if not hasattr(subject, name):
            raise Failed(
                f"Expected a class of clients, such as `class MyClient(Client):`; "
                f"{subject.__name__} has no method {name}()."
            )


def text_of(widget: Any) -> str:
    """Return what a person reads in a widget: without HTML tags and separators of thousands."""
    text = html.unescape(re.sub(r"<[^>]*>", "", str(widget.value)))
    return re.sub(r"(?<=\d),(?=\d{3})", "", text.strip()).replace("−", "-")
