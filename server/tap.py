"""A tap on a connection: whoever listens gets a copy of all bytes that pass, in both directions.

This is where the course watches the wire, and the only place that does. What comes in is seen by
a protocol that stands before the connection, which asyncio provides for (`set_protocol`,
docs.python.org, "Transports and Protocols"). What goes out is seen by a transport that stands in
the place of the connection's own: websockets 17.4 writes all it has to say to the attribute
`transport`, and that one may exchange it is not documented.

A connection without a listener is left as websockets made it, so that watching costs nothing where
nobody watches.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from typing import Any, Literal
from weakref import WeakKeyDictionary

from websockets.asyncio.connection import Connection
from websockets.protocol import State

logger = logging.getLogger(__name__)

# Called with what happened, and with the bytes; "lost" is the end of the connection.
Listener = Callable[[Literal["sent", "received", "lost"], bytes], None]


class Announced:
    """A connection that tells its watchers of itself, before anything has passed on it.

    It goes before the class of the connection: ``class Mine(Announced, ServerConnection)``.
    """

    watchers: Collection[Callable[[Any], None]] = ()
    is_announced = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[misc]
        self.is_announced = True
        for watcher in list(self.watchers):
            watcher(self)


class Tap(asyncio.Protocol):
    """Stands between one connection and its transport, on the way in."""

    def __init__(self, websocket: Connection) -> None:
        self._websocket = websocket
        self.listeners: list[Listener] = []
        self._beneath = websocket.transport
        self._copying = CopyingTransport(self)
        websocket.transport = self._copying  # type: ignore[assignment]
        self._beneath.set_protocol(self)

    @property
    def beneath(self) -> asyncio.Transport:
        """The transport that the connection had before."""
        return self._beneath

    def hear(self, what: Literal["sent", "received", "lost"], data: bytes = b"") -> None:
        """Hand a copy to everybody who listens."""
        for listener in list(self.listeners):
            try:
                listener(what, data)
            except Exception:  # it must not harm the connection that it listens to
                logger.exception("A listener raised, and listens no more.")
                stop_listening(self._websocket, listener)

    def remove(self) -> None:
        """Leave the connection as it was before. After its end there is nothing to leave."""
        if self._websocket.state is State.CLOSED or self._websocket.transport is not self._copying:
            return
        self._websocket.transport = self._beneath
        self._beneath.set_protocol(self._websocket)

    # What a transport calls (docs.python.org, "Streaming Protocols"). Whoever listens hears of it
    # first: what the connection answers must come after what it answers to.

    def data_received(self, data: bytes) -> None:
        self.hear("received", bytes(data))
        self._websocket.data_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.hear("lost")
        _taps.pop(self._websocket, None)
        self._websocket.connection_lost(error)

    def eof_received(self) -> bool | None:
        return self._websocket.eof_received()

    def pause_writing(self) -> None:
        self._websocket.pause_writing()

    def resume_writing(self) -> None:
        self._websocket.resume_writing()

    def __getattr__(self, name: str) -> Any:
        # Who asks a transport for its protocol expects the connection.
        return getattr(self._websocket, name)


class CopyingTransport:
    """Stands between one connection and its transport, on the way out."""

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self._transport = tap.beneath

    def write(self, data: bytes) -> None:
        # A transport that is closing throws away what it is given: that never was on the wire.
        if not self._transport.is_closing():
            self._tap.hear("sent", bytes(data))
        self._transport.write(data)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.write(b"".join(pieces))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)  # all else is as it was


_taps: WeakKeyDictionary[Connection, Tap] = WeakKeyDictionary()


def listen(websocket: Connection, listener: Listener) -> None:
    """Let a listener have a copy of all that passes on a connection from now on."""
    if websocket not in _taps:
        _taps[websocket] = Tap(websocket)
    _taps[websocket].listeners.append(listener)


def stop_listening(websocket: Connection, listener: Listener) -> None:
    """Tell a listener no more. Does nothing if it does not listen."""
    tap = _taps.get(websocket)
    if tap is None or listener not in tap.listeners:
        return
    tap.listeners.remove(listener)
    if not tap.listeners:
        tap.remove()
        del _taps[websocket]
