"""An inbox: what came, and what of it was not dismissed yet. It knows nothing of widgets."""

from dataclasses import dataclass
from itertools import islice

KEPT = 200  # notifications that can be shown
REMEMBERED = 10_000  # ids by which one that comes twice is known


@dataclass
class Notification:
    """Something that the server told, once.

    Attributes:
        number: How many came before it.
    """

    identifier: str
    text: str
    timestamp: str
    number: int
    is_unread: bool = True


class Inbox:
    """The notifications of one client, each counted once however often it comes."""

    def __init__(self) -> None:
        self._count = 0
        self._kept: dict[str, Notification] = {}
        self._known: dict[str, bool] = {}  # ids, and whether they are unread; oldest first

    @property
    def unread(self) -> int:
        """How many came and were not dismissed."""
        return sum(self._known.values())

    def arrived(self, identifier: str, text: str, timestamp: str) -> Notification | None:
        """Take a notification in. Returns None if it is one that came before."""
        if identifier in self._known:
            return None
        new = Notification(identifier, text, timestamp, self._count)
        self._count += 1
        self._kept[identifier] = new
        self._known[identifier] = True
        _forget_oldest(self._kept, KEPT)
        _forget_oldest(self._known, REMEMBERED)
        return new

    def dismiss(self, identifier: str) -> None:
        """Mark a notification as read. Does nothing if there is none with this id."""
        if identifier in self._known:
            self._known[identifier] = False
        if identifier in self._kept:
            self._kept[identifier].is_unread = False

    def dismiss_all(self) -> None:
        """Mark all notifications as read."""
        for identifier in self._known:
            self.dismiss(identifier)

    def newest(self, number: int = KEPT) -> list[Notification]:
        """Return the last few notifications, the newest first."""
        return list(islice(reversed(self._kept.values()), number))


def _forget_oldest(kept: dict, limit: int) -> None:
    while len(kept) > limit:
        del kept[next(iter(kept))]
