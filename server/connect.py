"""Exercise 1: connect, say something, and everybody hears it."""

from itertools import count

from websockets.asyncio.server import ServerConnection

from server.messages import Message, NotJSON, Refused, now, read_field, read_json, text
from server.room import Room, refuse, send

CONTENT = text(1, 2_000)


class Connect:
    """A room in which every guest hears what any guest says."""

    def __init__(self) -> None:
        self.room = Room()
        self.numbers = count(1)

    async def handler(self, websocket: ServerConnection) -> None:
        """Talk with one client, from its arrival until it leaves."""
        guest = f"Guest {next(self.numbers)}"
        await send(websocket, notice("system", f"Welcome! You are {guest}."))
        self.room.add(websocket)
        try:
            self.announce("user_joined", f"{guest} joined.")
            async for data in websocket:
                try:
                    await self.answer(websocket, guest, data)
                except Refused as refusal:
                    await refuse(websocket, str(refusal))
        finally:
            self.room.remove(websocket)
            self.announce("user_left", f"{guest} left.")

    async def answer(self, websocket: ServerConnection, guest: str, data: str | bytes) -> None:
        """Pass on a message to everybody; answer anything else to its sender alone."""
        try:
            message = read_json(data)
        except NotJSON:
            await websocket.send(f"Echo: {data}")
            return
        match message:
            case {"type": "message"}:
                content = read_field(message, "content", CONTENT)
                said = {"type": "message", "from": guest, "content": content}
                self.room.broadcast(said | {"timestamp": now()})
            case {"type": "ping"}:
                await send(websocket, {"type": "pong", "timestamp": now()})
            case _:
                await send(websocket, {"type": "echo", "original": data, "timestamp": now()})

    def announce(self, kind: str, words: str) -> None:
        """Tell everybody who came or went, and how many are here now."""
        self.room.broadcast(notice(kind, words) | {"client_count": len(self.room.members)})


def notice(kind: str, words: str) -> Message:
    """Return a message in which the server itself speaks."""
    return {"type": kind, "message": words, "timestamp": now()}
