"""A meter in the line between a client and a server: it passes everything on, and counts it."""

import asyncio
from contextlib import suppress

from server.ports import LOOPBACK

AT_ONCE = 65_536  # bytes


class Meter:
    """Passes on what two sides say to each other, whatever they speak, and counts the bytes.

    It sees what goes through the connection: the packets' own headers (TCP and IP, about 40 bytes
    each) come on top.

    Attributes:
        port: Where to connect, in place of the server's port.
        up: Bytes from clients to the server so far.
        down: Bytes from the server to clients so far.
    """

    def __init__(self) -> None:
        self.up = self.down = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def bytes(self) -> int:
        """All bytes so far, in both directions."""
        return self.up + self.down

    async def open(self, port: int) -> None:
        """Listen on a free port, and pass on to another.

        Args:
            port: The port of the server, on this computer.
        """
        self._target = port
        self._server = await asyncio.start_server(self._connect, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """End all connections, and free the port."""
        self._server.close()
        for writer in self._writers:
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._target)
        both = {writer, far_writer}
        self._writers |= both
        try:
            await asyncio.gather(
                self._pass_on(reader, far_writer, "up"), self._pass_on(far_reader, writer, "down")
            )
        finally:
            self._writers -= both

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(AT_ONCE):
                setattr(self, way, getattr(self, way) + len(data))
                writer.write(data)
                await writer.drain()
        writer.close()
