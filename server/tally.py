"""A number that several processes count together, and that comes out the same in all of them."""

from typing import Any
from uuid import uuid4

from server.messages import Refused, number

MOST_PROCESSES = 10_000
count = number(0, 2**53)  # beyond, a browser no longer tells two numbers apart


class Tally:
    """How much was added and taken away, by each process that ever counted.

    Only the one who counts changes its own entry, and all numbers only grow. So of two reports
    the larger is the newer, and it does no harm to hear one twice, late or never (a *PN-counter*,
    one of the conflict-free replicated data types). Nobody takes the value away to clear it, or
    two who do so at once would take it twice: they note how far they saw each entry, and that part
    of it counts no longer.

    Attributes:
        counts: By who did it: what was added, what was taken away, and how much of the one and of
            the other was cleared.
    """

    def __init__(self) -> None:
        self._own = [0, 0, 0, 0]
        self.counts: dict[str, list[int]] = {uuid4().hex: self._own}

    @property
    def value(self) -> int:
        """The number that all have counted up to, as far as this process knows."""
        return sum(
            (added - added_before) - (taken - taken_before)
            for added, taken, added_before, taken_before in self.counts.values()
        )

    def add(self, difference: int) -> None:
        """Count on, or back if `difference` is negative."""
        self._own[difference < 0] += abs(difference)

    def clear(self) -> None:
        """Begin at 0 again. What this process does not know of yet is counted still."""
        for entry in self.counts.values():
            entry[2:] = entry[:2]

    def learn(self, counts: dict[str, list[int]]) -> None:
        """Take over what another process knows."""
        for who, entry in counts.items():
            mine = self.counts.setdefault(who, [0, 0, 0, 0])
            mine[:] = map(max, mine, entry)


def tallied(field: str, value: Any) -> None:
    """Describe the counts of a tally."""
    if not isinstance(value, dict) or len(value) > MOST_PROCESSES:
        raise Refused(
            f"The field '{field}' must be an object of at most {MOST_PROCESSES:,} counts."
        )
    for who, entry in value.items():
        if len(who) > 64 or not who.isalnum():
            raise Refused(f"The field '{field}' must name those who count.")
        if not isinstance(entry, list) or [type(n) for n in entry] != [int] * 4:
            raise Refused(f"The field '{field}' must hold four whole numbers for each.")
        for n in entry:
            count(field, n)
