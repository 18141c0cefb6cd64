"""Where the processes of one room meet: a channel of Redis, as its address tells."""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit


class Away(ConnectionError):
    """The Redis cannot be reached. The text says why."""


EXAMPLE = "redis://127.0.0.1:6379"
ROOM = "course"
LONGEST_ROOM = 40  # characters


@dataclass(frozen=True)
class Via:
    """The address of a Redis, and which room on it is meant.

    Its text, `str(via)`, is for all to see: it has neither a name nor a password.

    Attributes:
        host: A name or an address.
        port: The TCP port.
        database: The number at the end of the address. Redis does not separate what is published
            by it, so the name of the channel does.
        room: What keeps two courses apart that use one Redis: ``redis://…/0?room=biology``.
        secure: Whether the connection is encrypted (TLS).
        username: Who to be on that Redis; empty where it asks nobody.
        password: Its secret.
    """

    host: str
    port: int
    database: int = 0
    room: str = ROOM
    secure: bool = False
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> "Via":
        """Read the address of a Redis.

        Raises:
            TypeError: If it is no text.
            ValueError: If it is no such address. The text itself, which may hold a password, is
                not shown.
        """
        if not isinstance(text, str):
            raise TypeError(f"Expected the address of a Redis as a text such as {EXAMPLE!r}.")
        # What a / or a # cuts off may belong to a password.
        signs = ". Signs such as / and # in a password are written as %2F and %23"
        signs = signs if "@" in text else ""
        try:
            parts = urlsplit(text.strip())
            port = parts.port
            if port == 0:
                raise ValueError
        except ValueError:
            raise ValueError(
                f"This is no address: its port or its brackets are wrong. Expected {EXAMPLE}{signs}"
            ) from None
        if parts.scheme not in {"redis", "rediss"}:
            raise ValueError(
                f"The address of a Redis begins with redis:// (or rediss://, which encrypts), such "
                f"as {EXAMPLE}"
            )
        if not parts.hostname:
            raise ValueError(
                f"This address names no computer. Expected one such as {EXAMPLE}{signs}"
            )
        database = parts.path.strip("/") or "0"
        if not (database.isascii() and database.isdecimal() and len(database) <= 4):
            raise ValueError(
                f"What follows the port must be the number of a database such as {EXAMPLE}/0. "
                f"A room has a name: {EXAMPLE}?room=biology{signs}"
            )
        query = parse_qsl(parts.query, keep_blank_values=True)
        if [name for name, _ in query] not in ([], ["room"]) or parts.fragment:
            raise ValueError(
                f"After the question mark only a room is known: {EXAMPLE}?room=biology{signs}"
            )
        room = query[0][1] if query else ROOM
        if not (0 < len(room) <= LONGEST_ROOM and room.isprintable()):
            raise ValueError(
                f"A room has a name of 1 to {LONGEST_ROOM} characters, without breaks."
            )
        return cls(
            # Two names for one place, and kernels compare where they meet.
            "127.0.0.1" if parts.hostname == "localhost" else parts.hostname,
            6379 if port is None else port,
            int(database),
            room,
            parts.scheme == "rediss",
            unquote(parts.username or ""),
            unquote(parts.password or ""),
        )

    @property
    def place(self) -> str:
        """The host and the port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def channel(self, exercise: str) -> str:
        """Return the name of the channel on which the processes of an exercise meet."""
        return f"websocket-course/{self.database}/{self.room}/{exercise}"

    def __str__(self) -> str:
        return f"{'rediss' if self.secure else 'redis'}://{self.place}/{self.database}?room={self.room}"
