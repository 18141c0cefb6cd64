"""A server that sends back whatever comes: no exercise, but what other programs try their skill on.

``python -m tools.autobahn`` lets the Autobahn test suite loose on it.
"""

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode


class Echo:
    """Sends each message back to its sender: a text as a text, bytes as bytes.

    Attributes:
        longest_message: In bytes. Exercises take much less; the suite sends up to 16 MiB.
    """

    longest_message = 32 * 2**20

    async def handler(self, websocket: ServerConnection) -> None:
        """Talk with one client, from its arrival until it leaves."""
        say_goodbye_at_any_time(websocket)
        async for data in websocket:
            await websocket.send(data)


def say_goodbye_at_any_time(websocket: ServerConnection) -> None:
    """Answer a goodbye with its own close code, even in the middle of a message.

    RFC 6455, section 5.4, lets control frames come between the pieces of a message, and by 5.5.1 a
    goodbye is "typically" answered with its own code. websockets 17.4 answers with 1002 there,
    which the RFC leaves open and the Autobahn test suite does not (case 7.1.5). For the exercises
    it makes no difference.
    """
    protocol = websocket.protocol
    receive = protocol.recv_frame

    def recv_frame(frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            protocol.current_size = None  # the message that was begun is over
        receive(frame)

    protocol.recv_frame = recv_frame
