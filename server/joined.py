"""A server of another kernel, in which this kernel takes part."""

import asyncio
from typing import Any

from server.link import Link
from server.ports import LOOPBACK, ask, read_about

# The servers that this process has joined, by host and port.
joined: dict[tuple[str, int], "Joined"] = {}


class Joined:
    """A server of another kernel, on this computer or elsewhere, in which this kernel takes part.

    Attributes:
        link: Where it is, and what it takes to come in.
        about: What that server says of itself; None when it does not answer any more.
        left_out: Whether this kernel wanted to run a handler of its own there, which does not run.
    """

    def __init__(self, link: Link, about: dict[str, Any]):
        self.link = link
        self.port = link.port
        self.exercise: str = about["exercise"]
        self.about: dict[str, Any] | None = about
        self.left_out = False
        self._card: Any = None
        self._sharing: Any = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return self.link.url

    @property
    def page(self) -> str:
        return str(self.link)

    @property
    def is_elsewhere(self) -> bool:
        """Whether it was joined by a link, and may be on another computer."""
        return self.link.host != LOOPBACK

    @property
    def is_running(self) -> bool:
        return self.about is not None

    async def stop(self) -> None:
        """Take part no longer. The server goes on: it belongs to another kernel."""
        if self._watch is not None:
            self._watch.cancel()
        if self._sharing is not None:
            self._sharing.close()
        place = self.link.host, self.link.port
        if joined.get(place) is self:
            del joined[place]

    async def _keep_looking(self, every: float = 1.0) -> None:
        """Look after the other kernel's server, so that the card tells when it is gone."""
        while True:
            try:
                self.about = read_about(await ask(self.link))
            except (OSError, TimeoutError):
                self.about = None
            self._card.show()
            await asyncio.sleep(every)

    def _offer_to_share(self) -> Any:
        """Return what lets a learner share their progress; None if this is no class."""
        if not (self.is_elsewhere or (self.about and self.about.get("class"))):
            return None
        # The one thing that a server's card has of a client: here is where a learner joins.
        from client.sharing import sharing_with

        self._sharing = sharing_with(self.url)
        return self._sharing.widget

    def __repr__(self) -> str:
        return f"<{self.exercise} server of another kernel at {self.link.public.url}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        from server.card import JoinedCard, mimebundle

        if self._card is None:
            self._card = JoinedCard(self, self._offer_to_share())
            self._watch = asyncio.create_task(self._keep_looking())
        return mimebundle(self, self._card.widget, **kwargs)
