"""The join link: where the server of a class is, and what it takes to come in."""

from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlsplit

EXAMPLE = "http://192.168.1.20:8762/?token=…"
PROGRESS = "/progress"  # the path where learners share what they have passed


@dataclass(frozen=True)
class Link:
    """Where a server is, and what it takes to come in.

    Its text, `str(link)`, is what people pass on: a browser opens it, and `join` takes it.

    Attributes:
        host: A name or an address.
        port: The TCP port.
        token: The secret of the class; empty where none is needed.
        secure: Whether the connection is encrypted (TLS).
        fingerprint: The SHA-256 of the server's certificate, by which a kernel recognises it.
    """

    host: str
    port: int
    token: str = field(default="", repr=False)
    secure: bool = False
    fingerprint: str = ""

    @classmethod
    def parse(cls, text: str) -> "Link":
        """Read a join link.

        Raises:
            TypeError: If it is no text.
            ValueError: If it is no link.
        """
        if not isinstance(text, str):
            raise TypeError(f"Expected the join link as a text such as {EXAMPLE!r}.")
        # The text itself is not shown in errors: it may hold the token.
        try:
            parts = urlsplit(text.strip())
            port = parts.port
        except ValueError as error:
            raise ValueError(f"This is no join link: {error}. Expected {EXAMPLE}") from None
        secure = parts.scheme in {"https", "wss"}
        if not secure and parts.scheme not in {"http", "ws"}:
            raise ValueError(f"A join link begins with http:// or https://, such as {EXAMPLE}")
        if not parts.hostname:
            raise ValueError(f"This link names no computer. Expected one such as {EXAMPLE}")
        [token] = parse_qs(parts.query).get("token", [""])[:1]
        port = port or (443 if secure else 80)
        return cls(parts.hostname, port, token, secure, parts.fragment)

    @property
    def url(self) -> str:
        """Where WebSocket clients connect; it holds the token."""
        return f"{'wss' if self.secure else 'ws'}://{self.place}" + (
            f"/{self._query}" if self.token else ""
        )

    @property
    def progress(self) -> str:
        """Where a learner shares what they have passed; it holds the token."""
        return f"{'wss' if self.secure else 'ws'}://{self.place}{PROGRESS}{self._query}"

    @property
    def page(self) -> str:
        """The address of the page for a browser; it holds the token."""
        return f"{'https' if self.secure else 'http'}://{self.place}/{self._query}"

    @property
    def place(self) -> str:
        """The host and the port, as a Host header names them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def public(self) -> "Link":
        """This link without the token, for all to see."""
        return replace(self, token="")

    @property
    def _query(self) -> str:
        return f"?token={self.token}" if self.token else ""

    def __str__(self) -> str:
        return self.page + (f"#{self.fingerprint}" if self.fingerprint else "")
