"""A server of another kernel, in which this kernel takes part."""

import asyncio
from typing import Any

from server.ports import LOOPBACK, ask_about

# The servers that this process has joined, by port.
joined: dict[int, "Joined"] = {}


class Joined:
    """A server of another kernel, in which this kernel takes part.

    Attributes:
        about: What that server says of itself; None when it does not answer any more.
        left_out: Whether this kernel wanted to run a handler of its own there, which does not run.
    """

    def __init__(self, port: int, about: dict[str, Any]):
        self.port = port
        self.exercise: str = about["exercise"]
        self.about: dict[str, Any] | None = about
        self.left_out = False
        self._card: Any = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"ws://{LOOPBACK}:{self.port}"

    @property
    def page(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/"

    @property
    def is_running(self) -> bool:
        return self.about is not None

    async def stop(self) -> None:
        """Take part no longer. The server goes on: it belongs to another kernel."""
        if self._watch is not None:
            self._watch.cancel()
        if joined.get(self.port) is self:
            del joined[self.port]

    async def _keep_looking(self, every: float = 1.0) -> None:
        """Look after the other kernel's server, so that the card tells when it is gone."""
        while True:
            try:
                self.about = await ask_about(self.port)
            except ConnectionError:
                self.about = None
            self._card.show()
            await asyncio.sleep(every)

    def __repr__(self) -> str:
        return f"<{self.exercise} server of another kernel at {self.url}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        from server.card import JoinedCard, mimebundle

        if self._card is None:
            self._card = JoinedCard(self)
            self._watch = asyncio.create_task(self._keep_looking())
        return mimebundle(self, self._card.widget, **kwargs)
