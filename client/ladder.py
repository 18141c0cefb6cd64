"""The ladder of notebook 9: how many messages a second a way to send to all brings to its crowd."""

import asyncio
import json
import math
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from IPython import get_ipython
from IPython.display import display
from ipywidgets import HTML

from client import crowd
from client.hall import Hall, SendToAll, expect_function, name_of
from server.card import Card, Painter, mimebundle

STYLE = (Path(__file__).parent / "scale.css").read_text(encoding="utf-8")
SPARE = 200  # files that a kernel has open besides its connections, at most
MOST_AT_A_TIME = 500  # connections that a program on Windows can wait for in one select()
PATIENCE = 20.0  # seconds that a measurement may take longer than its load


@dataclass
class Rung:
    """What was measured of one way to send to all.

    Attributes:
        title: As the chart shows it.
        clients: How many there were.
        delivered: How many messages came, at all clients together.
        seconds: In which time.
        alone: How long a message that comes alone takes until all have it, in seconds.
        is_done: Whether that is all.
    """

    title: str
    clients: int
    delivered: int = 0
    seconds: float = 0.0
    alone: float = 0.0
    is_done: bool = False

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.delivered / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        return f"{self.title}: {self.rate:,.0f} messages a second"


class Ladder:
    """A chart that grows by a rung with each measurement.

    The server runs in this kernel, with the function that is measured. Its clients are in a process
    of their own, so that they take nothing from the server: one sends without pause, all receive.

    Attributes:
        rungs: What was measured, by title, in the order of climbing.
    """

    def __init__(self, clients: int = 100, seconds: float = 1.0) -> None:
        """Make an empty chart.

        Args:
            clients: How many there are, unless a rung says otherwise.
            seconds: How long each measurement sends, at most 10.

        Raises:
            ValueError: If one of these makes no sense here.
            RuntimeError: Outside of a cell of a notebook or an ``async def`` function.
        """
        _expect("clients", clients, 2, 5_000)
        _expect("seconds", seconds, 0.1, 10)
        self.clients, self.seconds = clients, seconds
        self.rungs: dict[str, Rung] = {}
        self._note = ""
        self._chart = HTML()
        style = HTML(f"<style>{STYLE}</style>")
        self._card = Card("The ladder: messages that arrive per second", [style, self._chart])
        self._painter = Painter(self._paint)
        self._paint()

    async def climb(
        self,
        send_to_all: SendToAll,
        *,
        clients: int | None = None,
        title: str | None = None,
        **options: Any,
    ) -> None:
        """Measure a way to send to all, and add its rung. Measured again, its rung is replaced.

        Args:
            send_to_all: Gets the set of all connections and a text. It may be an ``async def``
                function or a plain one.
            clients: How many, if not as many as usual.
            title: What the chart says; by default what the function is called.
            options: Options for `serve` of websockets, such as ``compression=None``.

        Raises:
            TypeError: If it is no function with two parameters.
            ValueError: If there cannot be that many clients.
            RuntimeError: If not everybody gets each message once, or it comes to no end.
            Exception: Whatever the function raises.
        """
        expect_function(send_to_all)
        wanted = self.clients if clients is None else clients
        _expect("clients", wanted, 2, 5_000)
        number, self._note = _as_many_as_allowed(wanted)
        words = [title or name_of(send_to_all)]
        if "compression" in options and options["compression"] is None:
            words.append("no compression")
        if number != self.clients:
            words.append(f"{number:,} clients")
        rung = Rung(", ".join(words), number)
        former = self.rungs.get(rung.title)
        self.rungs[rung.title] = rung
        if get_ipython() is not None:
            display(self)  # now, and not with the last line of the cell: so one sees it grow
        try:
            async with asyncio.timeout(self.seconds + PATIENCE) as bound:
                await self._measure(rung, send_to_all, options)
            rung.is_done = True
        except TimeoutError:
            if not bound.expired():
                raise  # the function's own
            raise RuntimeError(
                f"There was no end after {self.seconds + PATIENCE:.0f} s. Does the function wait "
                "for something that never comes?"
            ) from None
        finally:
            if not rung.is_done and former is not None:
                self.rungs[rung.title] = former
            elif not rung.is_done:
                del self.rungs[rung.title]
            self._paint()

    async def _measure(self, rung: Rung, send_to_all: SendToAll, options: dict[str, Any]) -> None:
        hall = Hall(send_to_all, **options)
        Hall.is_measured = True
        try:
            await hall.open()
            async with crowd_of(hall.port, rung.clients, self.seconds) as known:
                following = asyncio.ensure_future(self._follow(rung, known))
                try:
                    both = hall.failure, following  # the reason before what comes of it
                    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                    for one in both:
                        if one.done():
                            one.result()
                finally:
                    following.cancel()
                    hall.hang_up()  # first: who sends to clients that are gone is told off
        finally:
            Hall.is_measured = False
            await hall.close()

    async def _follow(self, rung: Rung, known: AsyncIterator[dict[str, Any]]) -> None:
        """Let a rung grow with what the crowd tells."""
        async for line in known:
            if wrong := line.get("wrong"):
                raise RuntimeError(
                    f"Each message must come to each of the {rung.clients:,} clients once: {wrong}."
                )
            if failed := line.get("failed"):
                raise RuntimeError(f"The {rung.clients:,} clients could not go on: {failed}.")
            rung.delivered, rung.seconds = line["delivered"], line["seconds"]
            rung.alone = line["alone"]
            self._painter.changed()
            if line["done"]:
                return
        raise RuntimeError("The clients have ended before the measurement was over.")

    # What is shown.

    def _paint(self) -> None:
        growing = [rung for rung in self.rungs.values() if not rung.is_done]
        if growing:
            self._card.show_badge("running", f"measuring · {growing[0].clients:,} clients")
        else:
            count = len(self.rungs)
            words = "1 rung" if count == 1 else f"{count} rungs"
            self._card.show_badge("finished", words if count else "nothing measured yet")
        self._chart.value = chart(list(self.rungs.values()), self._note)

    def __repr__(self) -> str:
        return "\n".join(map(str, self.rungs.values())) or "<Ladder, nothing measured yet>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return mimebundle(self, self._card.widget, **kwargs)


def chart(rungs: list[Rung], note: str = "") -> str:
    """Return the HTML of the chart: a row for each rung, with its dot on a scale of powers of ten.

    The highest rung is some fifty times the lowest. On a plain scale, all but the highest would be
    as good as nothing.
    """
    rates = [rung.rate for rung in rungs if rung.rate]
    low = math.floor(math.log10(min(rates, default=10_000)))
    high = max(math.ceil(math.log10(max(rates, default=1_000_000))), low + 2)
    powers = range(low, high + 1)

    def place(rate: float) -> float:
        return 100 * (math.log10(rate) - low) / (high - low)

    marks = "".join(
        f'<i style="left: {place(10**power):.1f}%">{_power(power)}</i>' for power in powers
    )
    lines = "".join(f'<u style="left: {place(10**power):.1f}%"></u>' for power in powers)
    first = next((rung.rate for rung in rungs if rung.is_done), 0.0)
    rows = []
    for rung in rungs:
        at = place(rung.rate) if rung.rate else 0.0
        times = f"× {rung.rate / first:.{0 if rung.rate > 9.95 * first else 1}f}" if first else ""
        style = "" if rung.is_done else " class='ladder-growing'"
        rows.append(
            f"<span>{escape(rung.title)}</span><div{style}>{lines}"
            f'<b style="width: {at:.1f}%"></b></div>'
            f"<em>{_rounded(rung.rate)}</em><em><strong>{times}</strong></em>"
            f"<em>{1_000 * rung.alone:.1f} ms</em>"
        )
    head = (
        f"<span></span><div class='ladder-scale'>{marks}</div><em>per second</em><em></em>"
        '<em title="until a message that comes alone is at all clients">one alone</em>'
    )
    words = f"<p>{escape(note)}</p>" if note else ""
    legend = "<p>From one line of the scale to the next, it is ten times as much.</p>"
    return f'<div class="ladder" role="img">{head}{"".join(rows)}</div>{legend}{words}'


def _power(power: int) -> str:
    return f"{10**power:,}" if power < 6 else f"{10 ** (power - 6)} million"


def _rounded(rate: float) -> str:
    """Return a rate with two digits that count. More would promise what no measurement keeps."""
    if not rate:
        return "–"
    digits = -math.floor(math.log10(rate)) + 1
    return f"{round(rate, digits):,.0f}"


# Measuring


@asynccontextmanager
async def crowd_of(
    port: int, number: int, seconds: float
) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """Let a crowd loose on a server, in a process of its own. Yields what it tells, as it comes."""
    # As a file and not with -m: the package would bring widgets along, which take half a second.
    command = [sys.executable, "-P", crowd.__file__, str(port), str(number), str(seconds)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=pipe,
        stdout=pipe,
        start_new_session=True,  # or else a notebook's stop button would interrupt it, too
    )

    async def known() -> AsyncIterator[dict[str, Any]]:
        async for line in process.stdout:
            yield json.loads(line)

    try:
        yield known()
    finally:
        process.stdin.close()  # which ends it
        await process.wait()


def _as_many_as_allowed(wanted: int) -> tuple[int, str]:
    """Return how many clients there can be, and words if they are fewer than wanted."""
    if sys.platform == "win32":
        if wanted <= MOST_AT_A_TIME:
            return wanted, ""
        number = MOST_AT_A_TIME
        return number, f"Windows lets a program wait for 512 connections: I take {number} clients."
    allowed = files_allowed(wanted + SPARE)
    if wanted + SPARE <= allowed:
        return wanted, ""
    number = max(2, (allowed - SPARE) // 10 * 10)
    return number, f"Your system allows {allowed:,} open files: I take {number:,} clients."


def files_allowed(needed: int) -> int:
    """Return how many files, and so connections, this process may have open.

    A limit that this process may raise itself is raised, as far as needed. The crowd inherits it.
    """
    import resource  # Windows has no such limit, and no such module

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return needed
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(ValueError, OSError):  # macOS has one more limit, which it does not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft


def _expect(name: str, value: Any, least: float, most: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:
        raise ValueError(f"{name} is {value!r}. Expected a number from {least} to {most:,}.")
