"""Exercise 2: a chat in which everybody has a name."""

import time
import unicodedata
from functools import lru_cache
from itertools import chain
from typing import Any

from websockets.asyncio.server import ServerConnection

from server.messages import Accepted, Message, Refused, now, number, text
from server.room import Room, receive, refuse, tell
from server.shared import Other


def username(field: str, value: Any) -> None:
    """Describe a field that holds a name: 1 to 20 characters, without those around it."""
    text(1, 20)(field, value.strip() if isinstance(value, str) else value)
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in value):
        raise Refused(f"The field '{field}' must not hold control characters such as a line break.")
    if not look_of(value):
        raise Refused(f"The field '{field}' must hold something that one can see.")


def people(field: str, value: Any) -> None:
    """Describe what a process tells of its members: when each joined, and its name."""
    if not isinstance(value, list):
        raise Refused(f"The field '{field}' must be a list.")
    for person in value:
        if not isinstance(person, list) or len(person) != 2:
            raise Refused(f"The field '{field}' must hold a time and a name for each.")
        number(0, 2**53)(field, person[0])
        username(field, person[1])


# What a client may send.
ACCEPTED = {"join": {"username": username}, "message": {"content": text(1, 2_000)}}


class Chat:
    """A room in which everybody who has joined hears what anybody says, and who says it."""

    accepted: Accepted = ACCEPTED

    def __init__(self) -> None:
        self.room = Room(people, self.others_changed)
        self.room.share([])
        self.names: dict[ServerConnection, str] = {}  # in order of joining
        self.since: dict[ServerConnection, float] = {}  # when each of them joined
        self.newest = 0.0

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
        elsewhere = [taken for _, taken in chain(*self.room.parts)]
        if look_of(name) in map(look_of, others + elsewhere):
            raise Refused(f"The name {name} is taken. Choose another one.")
        former = self.names.get(websocket)
        self.names[websocket] = name
        self.newest = max(time.time(), self.newest + 0.001)  # a clock may stand still, or go back
        self.since.setdefault(websocket, self.newest)
        self.room.add(websocket)
        tell(websocket, notice(f"Welcome, {name}!"))
        if name != former:
            arrival = f"{former} is now {name}." if former else f"{name} joined."
            self.room.broadcast(notice(arrival), skip=websocket)
            self.tell_who_is_there()

    def say(self, websocket: ServerConnection, content: str) -> None:
        """Pass on what a client says, with the name that it joined under."""
        said = {"type": "message", "username": self.name_of(websocket), "content": content}
        self.room.broadcast(said | {"timestamp": now()})

    def leave(self, websocket: ServerConnection) -> None:
        """Forget a client, whichever way it left."""
        if name := self.names.pop(websocket, None):
            del self.since[websocket]
            self.room.broadcast(notice(f"{name} left."), skip=websocket)
            # It may be still connected, if another handler takes over: then it learns that it is
            # not on the list any more, and can join again.
            self.tell_who_is_there()
            self.room.remove(websocket)

    def tell_who_is_there(self) -> None:
        """Tell the members here who is there, and the other processes who is there from here."""
        self.room.share([[self.since[who], name] for who, name in self.names.items()])
        self.room.broadcast_here(self.user_list())

    def others_changed(self, came: list[Other], gone: list[Other]) -> None:
        """Take in who is there in other processes. Of two with one name, the first may keep it."""
        first = self.first_of_each_name()
        for websocket, name in list(self.names.items()):
            if first[look_of(name)][0] < self.since[websocket]:
                del self.names[websocket], self.since[websocket]
                self.room.remove(websocket)
                words = f"The name {name} was taken at another server first. Choose another one."
                tell(websocket, {"type": "error", "message": words})
        for verb, others in ("joined", came), ("left", gone):
            if names := [name for other in others for _, name in other.part or ()]:
                self.room.broadcast_here(notice(f"{', '.join(names)} {verb}, at another server."))
        self.tell_who_is_there()

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
        return {
            "type": "user_list",
            "users": [name for _, name in self.first_of_each_name().values()],
        }

    def first_of_each_name(self) -> dict[str, list[Any]]:
        """Return who has each name, the one who joined first, in order of joining."""
        here = [[self.since[who], name] for who, name in self.names.items()]
        first: dict[str, list[Any]] = {}
        for person in sorted(chain(here, *self.room.parts)):
            first.setdefault(look_of(person[1]), person)
        return first


def notice(words: str) -> Message:
    """Return a message in which the server itself speaks."""
    return {"type": "system", "message": words, "timestamp": now()}


@lru_cache(10_000)
def look_of(name: str) -> str:
    """Return what two names have in common that one must not mistake for each other.

    It is without case, and without what cannot be seen, such as spaces of no width.
    """
    seen = unicodedata.normalize("NFKC", name.strip()).casefold()
    return "".join(c for c in seen if unicodedata.category(c) != "Cf")
