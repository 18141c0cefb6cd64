"""The way out to one client: what is sent within one turn of the event loop leaves in one write.

Each write is a call to the operating system, and under load those calls are most of what a server
does. Thirty people who draw at the same time are thirty messages in one turn: with one write for
each client instead of thirty, the same computer serves ten times as many.

This is the one place where the course goes below what websockets documents. A transport is what
a connection writes its bytes to (docs.python.org, "Transports and Protocols"), and an `Outgoing`
stands in its place. Whatever goes to a client passes here, be it a message to one, a broadcast, a
ping or a goodbye, so nothing can overtake anything.
"""

import asyncio
import logging
from typing import Any

from websockets.frames import CloseCode

logger = logging.getLogger(__name__)

# So much is collected at most. A handler that sends without end must feel that nobody reads.
WRITE_LIMIT = 2**16  # bytes
# A client that has more than this unread is cut off, or the server would keep it all for ever.
UNREAD_LIMIT = 2**20  # bytes


class Outgoing:
    """A transport that collects what is written to it until the turn of the event loop ends."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Take bytes that shall leave with all others of this turn."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append(data)
        self._size += len(data)
        if self._size > WRITE_LIMIT:
            self.flush()

    def flush(self) -> None:
        """Write what has been collected."""
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._size = 0
        if data and not self._transport.is_closing():
            self._transport.write(data)
            if self._transport.get_write_buffer_size() > UNREAD_LIMIT:
                self._cut_off()

    def writelines(self, pieces: list[bytes]) -> None:
        self.write(b"".join(pieces))

    def write_eof(self) -> None:
        self.flush()
        self._transport.write_eof()

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        return self._size + self._transport.get_write_buffer_size()

    def _cut_off(self) -> None:
        """End the connection to a client that does not read, and say why."""
        unread = self._transport.get_write_buffer_size()
        websocket = self._transport.get_protocol()
        code, reason = CloseCode.POLICY_VIOLATION, "too slow: too many messages are unread"
        host, port = websocket.remote_address[:2]
        logger.warning(
            "Cut off the client %s:%d with close code %d (%s). It has %d KiB to read, and %d is "
            "the most. It may have stopped reading, or its network is too slow.",
            *(host, port, code, reason, unread // 1024, UNREAD_LIMIT // 1024),
        )
        # close() would wait for the very client that does not read. So the handler learns the code
        # and the reason (RFC 6455, section 7.1.7), and the client that the line is dead.
        websocket.protocol.fail(code, reason)
        self._transport.abort()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)  # all else is as it was
