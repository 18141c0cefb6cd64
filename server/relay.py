"""A relay between a client and a server: it sees what anybody on the way between them can see.

It stands for the router at home, the Wi-Fi of a café, the cable below the sea. It passes on every
byte as it came, counts it, and keeps a copy. It sees what goes through the connection: the headers
of the packets (TCP and IP, about 40 bytes each) come on top.
"""

import asyncio
from types import TracebackType

from server.ports import LOOPBACK

LONGEST_COPY = 1024 * 1024  # bytes that are kept of each direction; all are passed on
PIECE = 65_536  # bytes


class Relay:
    """A relay in front of a server of this computer, as long as its ``async with`` lasts.

    Attributes:
        port: Where clients connect in place of the server's own port.
        from_client: The bytes that clients sent, the first MiB of them.
        from_server: The bytes that the server sent, the first MiB of them.
        count: How many bytes went through, in both directions.
    """

    def __init__(self, port: int, host: str = LOOPBACK) -> None:
        """Make a relay; it begins with the ``async with``.

        Args:
            port: The port of the server, on this computer.
            host: The address at which the server listens, and the relay as well.
        """
        self.port = 0
        self.host = host
        self.from_client, self.from_server = bytearray(), bytearray()
        self.count = 0
        self._target = port
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Where WebSocket clients connect, if the server does not encrypt."""
        return f"ws://{self.host}:{self.port}"

    def cut(self) -> None:
        """Cut all lines, without a goodbye to either side, as a pulled cable would."""
        for writer in self._writers:
            writer.transport.abort()

    async def __aenter__(self) -> "Relay":
        self._server = await asyncio.start_server(self._pass_on, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect a client that has come with the server, until one of the two closes."""
        self._writers.add(writer)
        there = None
        try:
            back, there = await asyncio.open_connection(self.host, self._target)
            self._writers.add(there)
            await asyncio.gather(
                self._copy(reader, there, self.from_client),
                self._copy(back, writer, self.from_server),
            )
        except OSError:
            pass  # a line that breaks, or a server that is not there, is no failure of the relay
        finally:
            for end in filter(None, (writer, there)):
                end.close()
                self._writers.discard(end)

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, copy: bytearray
    ) -> None:
        while piece := await reader.read(PIECE):
            self.count += len(piece)
            copy += piece[: LONGEST_COPY - len(copy)]
            writer.write(piece)
            await writer.drain()
        writer.close()
