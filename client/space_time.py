"""The wire as a picture: a line for everybody who takes part, time downwards, an arrow for a frame.

A message that goes to many at once is one fan of arrows: so a broadcast is seen as what it is.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from client.frames import Frame, Head
from client.passed import SERVER, Line, Passed

MOMENTS = 30  # that are drawn
LANES = 8  # clients that have a line of their own
AT_ONCE = 0.005  # seconds within which a message that goes to many counts as one
LANE, ROW, FALL = 84, 30, 13  # pixels: between two lines, between two moments, of an arrow


@dataclass(slots=True)
class Moment:
    """One message, to one or to many."""

    events: list[Passed]

    @property
    def first(self) -> Passed:
        return self.events[0]


class Copies:
    """Messages of one content that a server sends at about the same time."""

    def __init__(self, seconds: float) -> None:
        self.began = seconds
        self._moments: list[Moment] = []
        self._had: Counter[Line] = Counter()

    def add(self, event: Passed, spoke: int) -> Moment | None:
        """Take one copy. Returns a moment if it is the first one of its message.

        Somebody may be sent the same twice: the second copy is of the second message. And what
        was sent before somebody spoke is no answer to them.

        Args:
            event: The copy.
            spoke: The number of what the client on this line has said last.
        """
        which = self._had[event.line]
        while which < len(self._moments) and self._moments[which].first.number < spoke:
            which += 1
        self._had[event.line] = which + 1
        if which < len(self._moments):
            self._moments[which].events.append(event)
            return None
        self._moments.append(Moment([event]))
        return self._moments[-1]


def moments(events: Iterable[Passed]) -> list[Moment]:
    """Return what passed, with the copies of one message put together."""
    found: list[Moment] = []
    recent: dict[tuple[bytes, bytes], Copies] = {}
    spoke: dict[Line, int] = {}
    for event in events:
        if event.from_client:
            spoke[event.line] = event.number
        if not isinstance(event.what, Frame) or event.from_client or event.seconds is None:
            found.append(Moment([event]))
            continue
        content = event.what.header, event.what.payload
        copies = recent.get(content)
        if copies is None or event.seconds - copies.began > AT_ONCE:
            copies = recent[content] = Copies(event.seconds)
        if (moment := copies.add(event, spoke.get(event.line, 0))) is not None:
            found.append(moment)
    return found


def diagram(drawn: Sequence[Moment], open_lines: Iterable[Line]) -> str:
    """Return the HTML of the picture of some moments.

    Args:
        drawn: What is to be seen, oldest first.
        open_lines: The connections that were open then, also those on which nothing passed.
    """
    lanes = Lanes(drawn, open_lines)
    height = ROW * len(drawn) + 8
    arrows = "".join(
        _arrow(event, lanes, row * ROW + 8)
        for row, moment in enumerate(drawn)
        for event in lanes.one_each(moment)
    )
    names = "".join(f"<b title='{escape(n)}'><bdi>{escape(n)}</bdi></b>" for n in lanes.names)
    times = "".join(f"<i>{shown_seconds(moment.first)}</i>" for moment in drawn)
    return (
        f'<div class="wire-diagram" style="--width: {lanes.width}px">'
        f'<div class="wire-names"><i>s</i><span>{names}</span></div>'
        f'<div class="wire-times">{times}</div>'
        f'<svg width="{lanes.width}" height="{height}" role="img" '
        f'aria-label="{escape(_in_words(drawn))}">{lanes.lifelines(drawn, height)}{arrows}</svg>'
        f'<div class="wire-said">{"".join(map(_said, drawn))}</div></div>'
    )


class Lanes:
    """Who takes part, from left to right: the server between its clients."""

    def __init__(self, drawn: Sequence[Moment], open_lines: Iterable[Line]) -> None:
        self._open = set(open_lines)
        lines = {event.line for moment in drawn for event in moment.events} | self._open
        clients = list(dict.fromkeys(w.label for w in sorted(lines, key=lambda line: line.number)))
        self._others = SERVER  # where those are who have no line of their own
        if len(clients) > LANES:
            # Those who have said something last are those to be looked at.
            spoke = [m.first.line.label for m in reversed(drawn) if m.first.from_client]
            chosen = list(dict.fromkeys([*spoke, *clients]))[: LANES - 1]
            self._others = f"{len(clients) - len(chosen)} others"
            clients = [*(name for name in clients if name in chosen), self._others]
        middle = (len(clients) + 1) // 2
        self.names = [*clients[:middle], SERVER, *clients[middle:]]
        self.width = LANE * len(self.names)
        self._places = {name: LANE // 2 + LANE * i for i, name in enumerate(self.names)}

    def place(self, label: str) -> int:
        """Return how far from the left the line of somebody is, in pixels."""
        return self._places.get(label, self._places[self._others])

    def one_each(self, moment: Moment) -> list[Passed]:
        """Return the events of a moment, one for each line of the picture."""
        return list({self.place(event.line.label): event for event in moment.events}.values())

    def lifelines(self, drawn: Sequence[Moment], height: int) -> str:
        """Return the vertical lines: dotted where there is no connection."""
        shapes = []
        for place in self._places.values():
            shapes.append(f'<path class="wire-gone" d="M{place} 0V{height}"/>')
        shapes.append(f'<path class="wire-life" d="M{self._places[SERVER]} 0V{height}"/>')
        begins: dict[Line, int] = {line: 0 for line in self._open}
        ends: dict[Line, int] = {}
        last = drawn[-1].first.number if drawn else 0
        for row, moment in enumerate(drawn):
            for event in moment.events:
                begins.setdefault(event.line, 0)
                if event.line.first == event.number:
                    begins[event.line] = row * ROW + 8
                if event.what is None:
                    ends[event.line] = row * ROW + 8
        for line, begin in begins.items():
            lasts = not line.ended or line.ended > last  # beyond what is drawn
            end = ends.get(line, height if lasts else begin)
            shapes.append(f'<path class="wire-life" d="M{self.place(line.label)} {begin}V{end}"/>')
        return "".join(shapes)


def _arrow(event: Passed, lanes: Lanes, top: int) -> str:
    client, server = lanes.place(event.line.label), lanes.place(SERVER)
    opening = f'<g class="wire-{style_of(event)}" data-number="{event.number}">'
    if event.what is None:
        cross = f"M{client - 5} {top - 5}l10 10m0 -10l-10 10"
        return f'{opening}<path class="wire-cross" d="{cross}"/></g>'
    start, end = (client, server) if event.from_client else (server, client)
    angle = math.degrees(math.atan2(FALL, end - start))
    line = f"M{start} {top}L{end} {top + FALL}"
    return (
        f'{opening}<path class="wire-wide" d="{line}"/><path class="wire-arrow" d="{line}"/>'
        f'<path class="wire-tip" d="M0 0L-9 -4L-9 4Z" '
        f'transform="translate({end} {top + FALL}) rotate({angle:.1f})"/>'
        f'<circle cx="{start}" cy="{top}" r="3"/></g>'
    )


def _said(moment: Moment) -> str:
    event = moment.first
    to_many = f" → {len(moment.events)} clients" if len(moment.events) > 1 else ""
    return (
        f'<div class="wire-row wire-{style_of(event)}" data-number="{event.number}">'
        f"<b>{escape(event.kind)}</b>{to_many} <bdi>{escape(event.meaning)}</bdi></div>"
    )


def style_of(event: Passed) -> str:
    """Return the name under which the style sheet has the colour of an event."""
    match event.what:
        case None:
            return "lost"
        case Head():
            return "handshake"
        case Frame(kind=("ping" | "pong")):
            return "control"
        case Frame(kind="close"):
            return "close"
        case _:
            return "message"


def shown_seconds(event: Passed) -> str:
    """Return when something passed, in seconds since the Wire was made."""
    return "before" if event.seconds is None else f"{event.seconds:.3f}"


def _in_words(drawn: Sequence[Moment]) -> str:
    if not drawn:
        return "Nothing has passed yet."
    last = drawn[-1]
    return f"The last {len(drawn)} moments. The newest: {last.first.route}, {last.first.kind}."
