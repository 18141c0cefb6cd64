"""Exercise 1: connect, say something, and everybody hears it."""

from websockets.asyncio.server import ServerConnection

from server.messages import Message, NotJSON, Refused, now, number, read_field, read_json, text
from server.room import Room, refuse, send
from server.shared import Other

CONTENT = text(1, 2_000)


class Connect:
    """A room in which every guest hears what any guest says."""

    def __init__(self) -> None:
        self.room = Room(number(0, 2**53), self.others_changed)
        self.newest = 0  # the number of the guest who came last

    async def handler(self, websocket: ServerConnection) -> None:
        """Talk with one client, from its arrival until it leaves."""
        self.newest = max(self.newest, *map(int, self.room.parts), 0) + 1
        self.room.share(self.newest)
        guest = f"Guest {self.newest}"
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
        self.room.broadcast(notice(kind, words) | {"client_count": self.room.size})

    def others_changed(self, came: list[Other], gone: list[Other]) -> None:
        """Tell everybody here that another process has come with its guests, or has gone."""
        for kind, verb, others in ("user_joined", "joined", came), ("user_left", "left", gone):
            if guests := sum(other.members for other in others):
                told = notice(kind, f"{guests} at another server {verb}.")
                self.room.broadcast_here(told | {"client_count": self.room.size})


def notice(kind: str, words: str) -> Message:
    """Return a message in which the server itself speaks."""
    return {"type": kind, "message": words, "timestamp": now()}
