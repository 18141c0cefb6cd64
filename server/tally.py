"""A number that several processes count together, and that comes out the same in all of them."""

from typing import Any
from uuid import uuid4

from server.messages import Refused, number

MOST_PROCESSES = 10_000
count = number(0, 2**53)  # beyond, a browser no longer tells two numbers apart


class Tally:
    """How much was added and taken away, by each process that ever counted.

    Only the one who counts changes its own entry, and both of its numbers only grow. So of two
    reports about it the larger is the newer, and it does no harm to hear one twice, late or never
    (a *PN-counter*, one of the conflict-free replicated data types).

    Attributes:
        counts: What was added and taken away, by who did it.
    """

    def __init__(self) -> None:
        self._own = [0, 0]
        self.counts: dict[str, list[int]] = {uuid4().hex: self._own}

    @property
    def value(self) -> int:
        """The number that all have counted up to, as far as this process knows."""
        return sum(added - taken for added, taken in self.counts.values())

    def add(self, difference: int) -> None:
        """Count on, or back if `difference` is negative."""
        self._own[difference < 0] += abs(difference)

    def learn(self, counts: dict[str, list[int]]) -> None:
        """Take over what another process knows."""
        for who, (added, taken) in counts.items():
            mine = self.counts.setdefault(who, [0, 0])
            mine[:] = max(mine[0], added), max(mine[1], taken)


def tallied(field: str, value: Any) -> None:
    """Describe the counts of a tally."""
    if not isinstance(value, dict) or len(value) > MOST_PROCESSES:
        raise Refused(
            f"The field '{field}' must be an object of at most {MOST_PROCESSES:,} counts."
        )
    for who, pair in value.items():
        if len(who) > 64 or not who.isalnum():
            raise Refused(f"The field '{field}' must name those who count.")
        if not isinstance(pair, list) or len(pair) != 2 or not all(type(n) is int for n in pair):
            raise Refused(f"The field '{field}' must hold two whole numbers for each.")
        count(field, pair[0])
        count(field, pair[1])
