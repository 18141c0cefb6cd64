"""What a server itself says to all, in the words that the clients of each exercise show."""

from uuid import uuid4

from server.messages import Message, notice, now


def announcement(exercise: str, words: str) -> Message | None:
    """Return the message in which the clients of an exercise show words; None if there is none."""
    match exercise:
        case "connect" | "chat" | "typing_indicator":
            return notice(words)
        case "notifications":
            known = {"type": "notification", "id": str(uuid4()), "message": words}
            return known | {"timestamp": now()}
        case _:
            return None
