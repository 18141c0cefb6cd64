"""Exercise 2: a chat in which everybody has a name."""

from websockets.asyncio.server import ServerConnection

from server.messages import Accepted, Message, Refused, notice, now, text
from server.names import NamesElsewhere, look_of, username
from server.room import Room, receive, refuse, tell

# What a client may send.
ACCEPTED = {"join": {"username": username}, "message": {"content": text(1, 2_000)}}


class Chat:
    """A room in which everybody who has joined hears what anybody says, and who says it."""

    accepted: Accepted = ACCEPTED

    def __init__(self) -> None:
        self.room = Room()
        self.names: dict[ServerConnection, str] = {}  # in order of joining
        self.elsewhere = NamesElsewhere(self)  # in other processes, if they share this room

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
        if look_of(name) in map(look_of, [*others, *self.elsewhere]):
            raise Refused(f"The name {name} is taken. Choose another one.")
        former = self.names.get(websocket)
        self.names[websocket] = name
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
            self.room.broadcast(notice(f"{name} left."), skip=websocket)
            # It may be still connected, if another handler takes over: then it learns that it is
            # not on the list any more, and can join again.
            self.tell_who_is_there()
            self.room.remove(websocket)

    def tell_who_is_there(self) -> None:
        """Tell everybody here who is there; other processes do so for their own members."""
        self.elsewhere.share()
        self.room.broadcast_here(self.user_list())

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
        return {"type": "user_list", "users": self.elsewhere.and_here()}
