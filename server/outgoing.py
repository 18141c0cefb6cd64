"""What goes out to one client: what a room says within one turn of the event loop, in one write.

Each write is a call to the operating system, and under load these calls are most of what a server
does. When thirty people draw at the same time, there are thirty messages in one turn. With one
write for each client, and not thirty, the same computer serves ten times as many people. A message
that comes alone does not wait: :mod:`server.room` says when.

To send, this is the one place where the course goes below what websockets documents; to watch, it
is :mod:`server.tap`. Whatever websockets 17.4 has to say on a connection, be it a message, a ping
or a goodbye, it writes in `send_data`. What was collected before goes out before, so nothing
overtakes anything.
"""

import logging
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN

logger = logging.getLogger(__name__)

# A client that has more than this unread is cut off, or the server would keep it all for ever.
UNREAD_LIMIT = 2**20  # bytes


class CollectingConnection(ServerConnection):
    """A connection on which frames wait for each other until somebody writes them together.

    Attributes:
        collect: Called with the bytes of a whole frame; keeps them until :meth:`flush`.
        unread_limit: With more than so many bytes unread, the client is cut off.
    """

    unread_limit = UNREAD_LIMIT

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._collected: list[bytes] = []
        self.collect = self._collected.append

    def flush(self) -> None:
        """Write what was collected."""
        if self._collected and not self.transport.is_closing():
            self.transport.write(b"".join(self._collected))
            self._check_what_is_unread()
        self._collected.clear()

    def send_data(self) -> None:
        """Write what the library has to say, after what was collected before."""
        self.flush()
        super().send_data()
        self._check_what_is_unread()

    def _check_what_is_unread(self) -> None:
        """Cut the client off if it does not read, and say so."""
        # A page for a browser (the state is not OPEN yet) may be long, and is then over.
        if self.protocol.state is not OPEN:
            return
        if self.transport.get_write_buffer_size() <= self.unread_limit:
            return
        code, reason = CloseCode.POLICY_VIOLATION, "too slow: too much is unread"
        logger.warning(
            "Cut off the client at port %d with close code %d (%s): more than %d KiB wait for it. "
            "Either it has stopped reading, or its network is too slow.",
            *(self.remote_address[1], code, reason, self.unread_limit // 1_024),
        )
        # close() would wait for the very client that does not read. So its handler is told the
        # code and the reason (RFC 6455, section 7.1.7), and its line is cut.
        self.protocol.fail(code, reason)
        self.transport.abort()


def text_frame(text: str) -> bytes:
    """Return the bytes of a frame that brings a text to a client (RFC 6455, section 5.2)."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


def takes_frames(websocket: ServerConnection) -> bool:
    """Return whether a frame can be collected for a connection.

    Not in the middle of a message that is sent in pieces (RFC 6455, section 5.4), and not after the
    goodbye. The library knows what to do then. Where compression was agreed on, a message that is
    not compressed may be sent as well (RFC 7692, section 6).
    """
    return (
        isinstance(websocket, CollectingConnection)
        and websocket.protocol.state is OPEN
        and websocket.send_in_progress is None
    )
