"""A server that sends back whatever comes: no exercise, but what other programs try their skill on.

``python -m tools.autobahn`` lets the Autobahn test suite loose on it.
"""

from websockets.asyncio.server import ServerConnection


class Echo:
    """Sends each message back to its sender: a text as a text, bytes as bytes.

    Attributes:
        longest_message: In bytes. Exercises take much less; the suite sends up to 16 MiB.
    """

    longest_message = 32 * 2**20

    async def handler(self, websocket: ServerConnection) -> None:
        """Talk with one client, from its arrival until it leaves."""
        async for data in websocket:
            await websocket.send(data)
