"""A computer whose load the check decides, so that it knows which numbers are true."""

import random
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from checks.watchdog import Blocked

MEMORY = 8 * 2**30  # bytes


class Computer:
    """Stands in for psutil: the same functions, other numbers.

    Attributes:
        cost: How long each measurement takes, in seconds.
        told: All figures of the CPU so far. Those that mean nothing, since there was no call
            before them, are 0.
        memories: All shares of the memory so far.
    """

    def __init__(self, source: random.Random) -> None:
        self.cost = 0.0
        self.told: list[float] = []
        self.memories: set[float] = set()
        self._random = source
        self._primed_at: float | None = None
        self._primed = False

    def rest(self) -> None:
        """Forget that somebody asked: after a pause the next figure would be one over all of it."""
        self._primed = False

    def cpu_percent(self, interval: float | None = None, percpu: bool = False) -> Any:
        """Play `psutil.cpu_percent`.

        Raises:
            Blocked: If it is to wait for an interval, since nothing else could run meanwhile.
        """
        if interval:
            raise Blocked
        if self.cost:
            busy_until = time.perf_counter() + self.cost
            while time.perf_counter() < busy_until:
                pass
        self.told.append(round(self._random.uniform(5, 95), 2))
        if not self._primed or self._asked_at_once():
            self.told[-1] = 0.0
        self._primed_at = None if self._primed else time.perf_counter()
        self._primed = True
        return [self.told[-1]] * 4 if percpu else self.told[-1]

    def _asked_at_once(self) -> bool:
        # psutil wants 0.1 s between two calls; the check is in more of a hurry.
        return self._primed_at is not None and time.perf_counter() - self._primed_at < 0.02

    def virtual_memory(self) -> Any:
        """Play `psutil.virtual_memory`."""
        percent = round(self._random.uniform(5, 95), 3)
        self.memories.add(percent)
        used = int(MEMORY * percent / 100)
        return SimpleNamespace(
            total=MEMORY, used=used, available=MEMORY - used, free=MEMORY - used, percent=percent
        )

    def told_memory(self, figure: Any, before: Sequence[float] = ()) -> bool:
        """Return whether a figure is a share of the memory that was told, perhaps rounded."""
        told = [known for known in self.memories if known not in before]
        return any(figure in (known, round(known, 1), round(known)) for known in told)
