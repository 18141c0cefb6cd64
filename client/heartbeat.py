"""A heart that beats between the cells of a notebook, and shows when it could not."""

import asyncio
from collections import deque
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from ipywidgets import HTML

from server.card import Card, mimebundle

STYLE = (Path(__file__).parent / "start_here.css").read_text(encoding="utf-8")
BEAT = 0.2  # seconds
GAP = 0.7  # seconds from one beat to the next, from which on it is shown as a gap
SHOWN = 12.0  # seconds
LIFETIME = 30 * 60  # seconds; a notebook may stay open for days


class Heartbeat:
    """A task that runs between cells: it beats five times a second, and draws its last beats.

    When a cell keeps the event loop for itself, it misses its beats: that is the gap in the
    picture. A notebook has one heart; a new one ends the former.

    Attributes:
        beats: How many beats there were.
        longest_gap: The longest time from one beat to the next, in seconds.
    """

    _beating: ClassVar["Heartbeat | None"] = None

    def __init__(self) -> None:
        """Begin to beat.

        Raises:
            RuntimeError: Outside of a cell of a notebook or an ``async def`` function.
        """
        self._loop = asyncio.get_running_loop()
        if Heartbeat._beating is not None:
            Heartbeat._beating.stop()
        Heartbeat._beating = self
        self.beats, self.longest_gap = 0, 0.0
        self._times: deque[float] = deque(maxlen=round(SHOWN / BEAT) + 10)
        self._picture = HTML()
        self._card = Card(
            "A heart in the background", [HTML(f"<style>{STYLE}</style>"), self._picture]
        )
        self._card.show_badge("running", "beating")
        self._task = self._loop.create_task(self._live())

    def stop(self) -> None:
        """End it. What was drawn stays."""
        self._task.cancel()
        self._card.show_badge("stopped", "stopped")

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """When it missed its beats lately: the last beat before and the first after, in seconds."""
        return [(one, two) for one, two in pairwise(self._times) if two - one > GAP]

    async def _live(self) -> None:
        while self.beats * BEAT < LIFETIME:
            self.beats += 1
            self._times.append(self._loop.time())
            if len(self._times) > 1:
                self.longest_gap = max(self.longest_gap, self._times[-1] - self._times[-2])
            self._paint()
            await asyncio.sleep(BEAT)
        self.stop()

    def _paint(self) -> None:
        now = self._times[-1]

        def x(time: float) -> float:
            return round(1000 * max(0.0, 1 - (now - time) / SHOWN), 1)

        gaps = "".join(
            f'<rect class="heart-gap" x="{x(one)}" y="0" width="{x(two) - x(one):.1f}" height="40">'
            f"<title>no beat for {two - one:.1f} s</title></rect>"
            for one, two in self.gaps
        )
        beats = "".join(f"M{x(time)} 10v20" for time in self._times if now - time < SHOWN)
        longest = f"{self.longest_gap:.1f} s" if self.longest_gap > GAP else "none"
        self._picture.value = (
            '<div class="heart-picture"><svg viewBox="0 0 1000 40" preserveAspectRatio="none" '
            'role="img" aria-label="The beats of the last seconds">'
            f'{gaps}<path class="heart-beats" d="{beats}"/></svg></div>'
            f'<div class="heart-words"><span>{SHOWN:.0f} s ago</span>'
            f"<span><b>{self.beats}</b> beats · longest gap: <b>{longest}</b></span>"
            "<span>now</span></div>"
        )

    def __repr__(self) -> str:
        longest = f"{self.longest_gap:.1f} s" if self.longest_gap > GAP else "none"
        return f"<Heartbeat, longest gap: {longest}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return mimebundle(self, self._card.widget, **kwargs)
