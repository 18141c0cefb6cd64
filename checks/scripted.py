"""The stage of a client check: a server that plays by a script, and the client's widgets."""

import asyncio
import html
import json
import random
import re
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ipywidgets import Widget
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from checks.advice import Failed
from checks.watchdog import guarded
from server.messages import Message, encode


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
        self._heard: asyncio.Queue[Any] = asyncio.Queue()
        self._connection: asyncio.Queue[ServerConnection] = asyncio.Queue()
        self._websocket: ServerConnection | None = None

    async def __aenter__(self) -> "ScriptedServer":
        if not isinstance(self._subject, type):
            raise Failed(f"Expected a class of clients, got {self._subject!r}.")
        self._server = await serve(self._listen, "127.0.0.1", 0, compression=None)
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
        await self.client.wait_closed()
        self._server.close()
        await self._server.wait_closed()

    @guarded
    def _make_client(self, url: str) -> None:
        self.client = self._subject(url)

    async def joined(self) -> None:
        """Wait until the client has connected, for the first time or once more.

        Raises:
            Failed: If it does not.
        """
        try:
            async with asyncio.timeout(3):
                self._websocket = await self._connection.get()
        except TimeoutError:
            self.look_for_failure()
            raise Failed("The client did not connect within 3 seconds.") from None

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

    async def taken(self) -> None:
        """Wait until the client has taken what it was sent."""
        assert self._websocket is not None
        # A pong comes after the frames before it were read; one more turn, and they are handled.
        await asyncio.wait_for(await self._websocket.ping(), 1)
        await self.wait(lambda: False, within=0.2)

    async def taken_at_once(self) -> None:
        """Wait until the client has read what it was sent."""
        assert self._websocket is not None
        await asyncio.wait_for(await self._websocket.ping(), 1)
        await asyncio.sleep(0)

    async def wait(self, condition: Callable[[], Any], within: float | None = None) -> bool:
        """Return whether a condition holds in time."""
        try:
            await self.client.until(condition, within or self.within)
        except TimeoutError:
            self.look_for_failure()
            return bool(condition())
        self.look_for_failure()
        return True

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

    def look_for_failure(self) -> None:
        """Raise what a method of the client raised, if one did."""
        if self.client.failure is not None:
            raise self.client.failure

    async def _listen(self, websocket: ServerConnection) -> None:
        self._connection.put_nowait(websocket)
        async for data in websocket:
            try:
                self._heard.put_nowait(json.loads(data))
            except ValueError:
                self._heard.put_nowait(data)


def text_of(widget: Any) -> str:
    """Return what a person reads in a widget: without HTML tags and separators of thousands."""
    text = html.unescape(re.sub(r"<[^>]*>", "", str(widget.value)))
    return text.strip().replace(",", "").replace("−", "-")
