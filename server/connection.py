"""A connection whose handler can be exchanged while it stays open.

A learner changes their handler and runs the cell again; whoever is connected sees the new
behaviour at once, without reconnecting and without losing a message.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from server.outgoing import CollectingConnection
from server.tap import Announced

Handler = Callable[[ServerConnection], Awaitable[None]]

# How long a handler that is busy with one message may go on with it after it was replaced.
GRACE = 1.0  # seconds
# How many messages of one client are taken before others have a turn.
IN_A_ROW = 64


class Replaced(Exception):
    """The handler was taken away from its connection, to make room for another."""


class Connection(Announced, CollectingConnection):
    """A WebSocket connection that runs one handler after another."""

    running: Handler | None = None  # the handler that runs now
    _task: asyncio.Task[None] | None = None
    _busy = False  # between taking one message and asking for the next
    _replaced = False
    _over = False  # the handler was told that the connection is closed
    _in_a_row = 0  # messages taken since others had a turn

    async def run(self, handler: Handler) -> None:
        """Run a handler on this connection until it ends.

        Raises:
            Replaced: If :meth:`replace_handler` took it away.
            Exception: Whatever the handler raises.
        """
        self._busy = self._replaced = False
        self.running = handler
        self._task = asyncio.ensure_future(handler(self))
        try:
            await asyncio.wait([self._task])
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        finally:
            self.running = None
        if self._replaced:
            raise Replaced
        if not self._task.cancelled():
            self._task.result()

    def replace_handler(self) -> None:
        """Take the running handler away: while it waits for a message, or before it takes one.

        Cancelling `recv()` loses nothing, says websockets; cancelling a handler in the middle
        of a message would lose that message.
        """
        self._replaced = True
        if self._task is None:
            return
        if self._busy:
            self.loop.call_later(GRACE, self._task.cancel)
        else:
            self._task.cancel()

    def cut_off(self) -> None:
        """End the connection and its handler at once. Does nothing if both have ended."""
        if self._task is not None:
            self._task.cancel()
        # close() would wait for a client that does not read.
        if self.state is not State.CLOSED:
            self.transport.abort()

    async def recv(self, decode: bool | None = None) -> Any:
        """Return the next message, as :meth:`ServerConnection.recv` does."""
        self._busy = False
        if self._replaced and self._task is not None:
            self._task.cancel()
            await self.loop.create_future()  # ends by that cancellation
        # While there are messages, recv() answers without waiting, and nobody else has a turn. A
        # client that sends thousands at once would have the server for itself. Now it fills its
        # line instead, and is stopped by it: that is back-pressure.
        self._in_a_row += 1
        if self._in_a_row > IN_A_ROW:
            self._in_a_row = 1
            await asyncio.sleep(0)
        try:
            message = await super().recv(decode)
        except ConnectionClosed:
            # `except Exception: continue` in a handler asks again and again, and recv() on a closed
            # connection answers at once: nobody else would have a turn, in the whole kernel.
            if self._over and self._task is not None:
                self._task.cancel()
                await self.loop.create_future()  # ends by that cancellation
            self._over = True
            raise
        self._busy = True
        return message
