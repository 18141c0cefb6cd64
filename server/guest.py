"""A connection as a teacher sees it: who it is, since when, and how much passes."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from websockets.frames import Frame, Opcode

from server.connection import Connection

MESSAGES = {Opcode.TEXT, Opcode.BINARY}  # what a message begins with; pings and the rest are none


@dataclass
class Traffic:
    """How many messages a server has taken and sent, counted while somebody looks."""

    received: int = 0
    sent: int = 0
    lookers: int = 0


class Guest(Connection):
    """A connection that knows who it is, and that can be made to wait.

    Attributes:
        since: When it came.
        room_is_open: Set, except while the server is paused.
    """

    traffic: Traffic
    room_is_open: asyncio.Event
    is_client = True  # of the exercise; who shares their progress is none
    _is_counted = False
    _held: Any = None  # a message that came while the server was paused

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.since = datetime.now()
        super().connection_made(transport)

    def cut_off(self) -> None:
        """End the connection and its handler at once. Does nothing if both have ended."""
        if hasattr(self, "transport"):  # or else the TLS handshake, which has a deadline, goes on
            super().cut_off()

    def stay_outside(self) -> None:
        """Take no part in the exercise: it is not counted, and goes on while that is paused."""
        self.is_client = False
        self.traffic, self.room_is_open = Traffic(), asyncio.Event()
        self.room_is_open.set()

    def count(self) -> None:
        """Count what is sent from now on. It costs a little, so it begins when somebody looks."""
        if not self._is_counted:
            self._is_counted = True
            self.transport = CountingTransport(self.transport, self.traffic)

    @property
    def name(self) -> str | None:
        """What a notebook's client calls itself, in its User-Agent header."""
        agent = self._agent
        name = unquote(agent.removeprefix("notebook/"))[:40]
        return name if agent.startswith("notebook/") else None

    @property
    def kind(self) -> str:
        """One of "kernel", "browser" and "program"."""
        if self._agent.startswith("notebook/"):
            return "kernel"
        return "browser" if self._agent.startswith("Mozilla/") else "program"

    @property
    def address(self) -> str:
        """Where it comes from, such as ``192.168.1.31:50123``; empty if that is not known."""
        peer = self.remote_address
        return f"{peer[0]}:{peer[1]}" if peer else ""

    @property
    def behind(self) -> int:
        """How many bytes wait here because it does not read them."""
        return self.transport.get_write_buffer_size()

    @property
    def _agent(self) -> str:
        return self.request.headers.get("User-Agent", "") if self.request else ""

    def process_event(self, event: Any) -> None:
        if isinstance(event, Frame) and event.opcode in MESSAGES:
            self.traffic.received += 1
        super().process_event(event)

    async def recv(self, decode: bool | None = None) -> Any:
        """Return the next message; while the server is paused, it waits. None is lost."""
        if self._held is None:
            message = await super().recv(decode)
            if self.room_is_open.is_set():
                return message
            # Kept here and not in a variable: another handler may take over meanwhile.
            self._held = message
        self._busy = False
        # A handler must learn that its client is gone even while the server is paused.
        waits = [asyncio.ensure_future(self.room_is_open.wait()), self.connection_lost_waiter]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waits[0].cancel()
        self._busy = True
        message, self._held = self._held, None
        return message


class CountingTransport:
    """A transport that counts the messages written to it. All else goes through to the real one."""

    def __init__(self, transport: Any, traffic: Traffic) -> None:
        self._transport = transport
        self._traffic = traffic

    def write(self, data: bytes) -> None:
        self._traffic.sent += messages_in(data)
        self._transport.write(data)

    def writelines(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def messages_in(data: bytes) -> int:
    """Return how many messages begin in bytes that a server writes, which are whole frames.

    A server's frames have no mask (RFC 6455, section 5.2).
    """
    count = position = 0
    while position + 2 <= len(data):
        count += data[position] & 0b1111 in MESSAGES
        length, header = data[position + 1] & 0x7F, 2
        if length >= 126:
            header += 2 if length == 126 else 8
            length = int.from_bytes(data[position + 2 : position + header])
        position += header + length
    return count
