"""Exercise 3: the chat of exercise 2, in which one sees who is typing."""

from websockets.asyncio.server import ServerConnection

from server.chat import Chat
from server.messages import Accepted, Message


class TypingIndicator(Chat):
    """A chat that also tells the others who is typing, and who has stopped."""

    # Neither message has a field: who sent it is what the server knows, not what a client says.
    accepted: Accepted = Chat.accepted | {"typing": {}, "stop_typing": {}}

    def take(self, websocket: ServerConnection, message: Message) -> None:
        """Do what a client asks for."""
        if message["type"] in {"typing", "stop_typing"}:
            self.relay(websocket, message["type"])
        else:
            super().take(websocket, message)

    def relay(self, websocket: ServerConnection, kind: str) -> None:
        """Tell the others that this client is typing, or no longer."""
        told = {"type": kind, "username": self.name_of(websocket)}
        self.room.broadcast(told, skip=websocket)
