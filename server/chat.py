"""Exercise 2: a chat in which everybody has a name."""

import unicodedata
from typing import Any

from websockets.asyncio.server import ServerConnection

from server.messages import Accepted, Message, Refused, now, text
from server.room import Room, receive, refuse, tell


def username(field: str, value: Any) -> None:
    """Describe a field that holds a name: 1 to 20 characters, without those around it."""
    text(1, 20)(field, value.strip() if isinstance(value, str) else value)
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in value):
        raise Refused(f"The field '{field}' must not hold control characters such as a line break.")
    if not look_of(value):
        raise Refused(f"The field '{field}' must hold something that one can see.")


# What a client may send.
ACCEPTED = {"join": {"username": username}, "message": {"content": text(1, 2_000)}}


class Chat:
    """A room in which everybody who has joined hears what anybody says, and who says it."""

    accepted: Accepted = ACCEPTED

    def __init__(self) -> None:
        self.room = Room()
        self.names: dict[ServerConnection, str] = {}  # in order of joining

    async def handler(self, websocket: ServerConnection) -> None:
        """Talk with one client, from its arrival until it leaves."""
        try:
            async for message in receive(websocket, self.accepted):
                try:
                    self.take(websocket, message)
                except Refused as refusal:
                    await refuse(websocket, str(refusal))
        finally:
            self.leave(websocket)

    def take(self, websocket: ServerConnection, message: Message) -> None:
        """Do what a client asks for."""
        if message["type"] == "join":
            self.join(websocket, message["username"].strip())
        else:
            self.say(websocket, message["content"])

    def join(self, websocket: ServerConnection, name: str) -> None:
        """Let a client take part under a name, or under a new one."""
        others = [taken for other, taken in self.names.items() if other is not websocket]
        if look_of(name) in map(look_of, others):
            raise Refused(f"The name {name} is taken. Choose another one.")
        former = self.names.get(websocket)
        self.names[websocket] = name
        self.room.add(websocket)
        tell(websocket, notice(f"Welcome, {name}!"))
        if name != former:
            arrival = f"{former} is now {name}." if former else f"{name} joined."
            self.room.broadcast(notice(arrival), skip=websocket)
            self.room.broadcast(self.user_list())

    def say(self, websocket: ServerConnection, content: str) -> None:
        """Pass on what a client says, with the name that it joined under."""
        said = {"type": "message", "username": self.name_of(websocket), "content": content}
        self.room.broadcast(said | {"timestamp": now()})

    def leave(self, websocket: ServerConnection) -> None:
        """Forget a client, whichever way it left."""
        if name := self.names.pop(websocket, None):
            self.room.broadcast(notice(f"{name} left."), skip=websocket)
            # It may be still connected, if another handler takes over: then it learns that it is
            # not on the list any more, and can join again.
            self.room.broadcast(self.user_list())
            self.room.remove(websocket)

    def name_of(self, websocket: ServerConnection) -> str:
        """Return the name of a client. What it calls itself in a message does not count.

        Raises:
            Refused: If it has not joined.
        """
        if websocket not in self.names:
            raise Refused('Join first: send {"type": "join", "username": "…"} with your name.')
        return self.names[websocket]

    def user_list(self) -> Message:
        """Return the message that tells who is there."""
        return {"type": "user_list", "users": list(self.names.values())}


def notice(words: str) -> Message:
    """Return a message in which the server itself speaks."""
    return {"type": "system", "message": words, "timestamp": now()}


def look_of(name: str) -> str:
    """Return what two names have in common that one must not mistake for each other.

    It is without case, and without what cannot be seen, such as spaces of no width.
    """
    seen = unicodedata.normalize("NFKC", name.strip()).casefold()
    return "".join(c for c in seen if unicodedata.category(c) != "Cf")
