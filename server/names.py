"""Names: what one may be, and whose it is in a room of many processes."""

import math
import time
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from websockets.asyncio.server import ServerConnection

from server.messages import Refused, notice, number, text
from server.room import tell
from server.shared import Other

if TYPE_CHECKING:
    from server.chat import Chat

Person = list[Any]  # when somebody joined, and the name
LATEST = 2**53  # seconds; whatever a process tells, it is not later


def username(field: str, value: Any) -> None:
    """Describe a field that holds a name: 1 to 20 characters, without those around it."""
    text(1, 20)(field, value.strip() if isinstance(value, str) else value)
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in value):
        raise Refused(f"The field '{field}' must not hold control characters such as a line break.")
    if not look_of(value):
        raise Refused(f"The field '{field}' must hold something that one can see.")


@lru_cache(1_000)  # each joiner is compared with all who are there
def look_of(name: str) -> str:
    """Return what two names have in common that one must not mistake for each other.

    It is without case, and without what cannot be seen, such as spaces of no width.
    """
    seen = unicodedata.normalize("NFKC", name.strip()).casefold()
    return "".join(c for c in seen if unicodedata.category(c) != "Cf")


class NamesElsewhere:
    """Who has joined a chat in other processes, if there are any: see :mod:`server.shared`.

    Each process tells the others who is there from here, and since when. Two may have taken one
    name in the same moment, or while they could not hear each other: then the first keeps it.
    """

    def __init__(self, chat: "Chat") -> None:
        self._chat = chat
        # When those who are here joined. A client that is gone is not kept from being forgotten.
        self._since: WeakKeyDictionary[ServerConnection, float] = WeakKeyDictionary()
        self._newest = 0.0
        chat.room.check_part, chat.room.changed = people, self._changed
        chat.room.share([])

    def __iter__(self) -> Iterator[str]:
        return (name for _, name in chain(*self._chat.room.parts))

    def share(self) -> None:
        """Tell the other processes who is here."""
        self._chat.room.share(self._here())

    def and_here(self) -> list[str]:
        """Return the names of all, in order of joining."""
        if not any(self._chat.room.parts):
            return list(self._chat.names.values())
        return [name for _, name in self._first_of_each_name().values()]

    def _here(self) -> list[Person]:
        names = self._chat.names
        for who in self._since.keys() - names.keys():
            del self._since[who]
        for who in names:
            if who not in self._since:
                self._since[who] = self._later()
        return [[self._since[who], name] for who, name in names.items()]

    def _later(self) -> float:
        """Return the time, which is always later than when anybody joined who is known here.

        A clock may stand still or go back, and that of another computer may be ahead.
        """
        told = max((since for since, _ in chain(*self._chat.room.parts)), default=0)
        # No more than that: who joins elsewhere in the next moment comes after.
        just_after = math.nextafter(max(self._newest, told), math.inf)
        self._newest = min(max(time.time(), just_after), LATEST)
        return self._newest

    def _first_of_each_name(self) -> dict[str, Person]:
        """Return who has each name, the one who joined first, in order of joining."""
        first: dict[str, Person] = {}
        for person in sorted(chain(self._here(), *self._chat.room.parts)):
            first.setdefault(look_of(person[1]), person)
        return first

    def _changed(self, came: list[Other], gone: list[Other]) -> None:
        """Take in who is there in other processes."""
        chat, first = self._chat, self._first_of_each_name()
        for websocket, name in list(chat.names.items()):
            if first[look_of(name)][0] < self._since[websocket]:
                del chat.names[websocket]
                chat.room.remove(websocket)
                words = f"The name {name} was taken at another server first. Choose another one."
                tell(websocket, {"type": "error", "message": words})
        for verb, others in ("joined", came), ("left", gone):
            if names := [name for other in others for _, name in other.part or ()]:
                chat.room.broadcast_here(notice(f"{', '.join(names)} {verb}, at another server."))
        chat.tell_who_is_there()


def people(field: str, value: Any) -> None:
    """Describe what a process tells of its members: when each joined, and its name."""
    if not isinstance(value, list):
        raise Refused(f"The field '{field}' must be a list.")
    for person in value:
        if not isinstance(person, list) or len(person) != 2:
            raise Refused(f"The field '{field}' must hold a time and a name for each.")
        number(0, LATEST)(field, person[0])
        username(field, person[1])
