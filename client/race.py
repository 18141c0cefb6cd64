"""A race for the same news: asking again and again over HTTP against a WebSocket that listens."""

import asyncio
import json
import random
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from statistics import fmean
from typing import Any

from ipywidgets import HTML
from websockets.asyncio.client import connect

from server.card import Card, Painter, mimebundle
from server.news import News
from server.ports import LOOPBACK
from server.relay import Relay

STYLE = (Path(__file__).parent / "start_here.css").read_text(encoding="utf-8")
HEADLINES = (
    "Goal for Ada's team!",
    "The bus is two minutes late.",
    "Somebody found the blue scarf.",
    "Bob's team equalises!",
    "It rains in the north.",
    "The cake is ready.",
)
SHORTEST_PAUSE, LONGEST_PAUSE = 0.35, 1.1  # seconds from one piece of news to the next
WIDTH, LEFT, RIGHT = 800, 110, 14  # of the picture, in its own units
ROWS = {"news": 26, "polling": 72, "websocket": 118}  # where each line is, from the top


@dataclass
class Runner:
    """One who wants the news, and how it went. Times are in seconds since the start.

    Attributes:
        name: As the picture shows it.
        relay: What its connection goes through, and what counts the bytes; None before the start.
        asked: When it sent a request, and whether there was news for it.
        got: When each piece of news came, by number.
    """

    name: str
    relay: Relay | None = None
    asked: list[tuple[float, bool]] = field(default_factory=list)
    got: dict[int, float] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        return len(self.asked)

    @property
    def bytes(self) -> int:
        """The bytes of its connection so far, in both directions."""
        return self.relay.count if self.relay else 0


class Race:
    """Two clients wait for the same news. What is shown is what happens on this computer.

    One asks over HTTP, on a connection that stays open, every so many seconds. The other has a
    WebSocket. Between each of them and the newsroom sits a relay that counts the bytes.

    Attributes:
        published: When each piece of news came out, in seconds since the start, by number.
        polling: The one who asks.
        websocket: The one who listens.
    """

    def __init__(
        self, *, every: float = 1.0, seconds: float = 5.0, seed: int | None = None
    ) -> None:
        """Start the race, in the background.

        Args:
            every: The time from one question to the next, in seconds.
            seconds: How long there is news.
            seed: For news at the same moments each time.

        Raises:
            ValueError: If one of the times makes no sense here.
            RuntimeError: Outside of a cell of a notebook or an ``async def`` function.
        """
        _expect_seconds("every", every, 0.02, 10)
        _expect_seconds("seconds", seconds, 1, 60)
        self._loop = asyncio.get_running_loop()
        self._every, self._seconds = every, seconds
        self._random = random.Random(seed)
        self._start = self._loop.time()
        self._is_over = False
        self._running: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self.published: dict[int, float] = {}
        self.polling, self.websocket = Runner("Polling"), Runner("WebSocket")
        self._picture, self._figures = HTML(), HTML()
        style = HTML(f"<style>{STYLE}</style>")
        self._card = Card("A race for the news", [style, self._picture, self._figures])
        self._painter = Painter(self._paint)
        self._task = self._loop.create_task(self._run())

    async def finished(self) -> None:
        """Wait until both have all news.

        Raises:
            Exception: Whatever went wrong on the way.
        """
        await asyncio.shield(self._task)

    @property
    def everybody(self) -> tuple[Runner, Runner]:
        return self.polling, self.websocket

    def delays(self, runner: Runner) -> list[float]:
        """Return how long each piece of news was on its way to somebody, in seconds."""
        return [at - self.published[number] for number, at in sorted(runner.got.items())]

    async def _run(self) -> None:
        try:
            async with (
                asyncio.timeout(2 * (self._seconds + self._every) + 10),
                AsyncExitStack() as on,
            ):
                await self._let_them_run(on)
        except Exception as error:
            self._card.show_error(error)
            raise
        finally:
            self._is_over = True
            self._paint()

    async def _let_them_run(self, on: AsyncExitStack) -> None:
        """Open the newsroom and the relays, and let both run until they have all news."""
        news = News()
        await news.open()
        on.push_async_callback(news.close)
        ports = news.http_port, news.websocket_port
        for runner, port in zip(self.everybody, ports, strict=True):
            runner.relay = await on.enter_async_context(Relay(port))
        self._start = self._loop.time()
        for running in (self._poll(), self._listen(), self._keep_painting()):
            task = self._loop.create_task(running)
            task.add_done_callback(lambda _: self._changed.set())
            self._running.append(task)
            on.push_async_callback(_end, task)
        await self._until(lambda: self.websocket.requests)
        await self._publish(news)
        await self._until(lambda: all(len(r.got) == len(self.published) for r in self.everybody))

    async def _publish(self, news: News) -> None:
        """Let something happen now and then, until the time is over."""
        while True:
            await asyncio.sleep(self._random.uniform(SHORTEST_PAUSE, LONGEST_PAUSE))
            if self._now() > self._seconds:
                return
            number = len(self.published) + 1
            self.published[number] = self._now()  # before it is told, or a delay could be negative
            news.publish(HEADLINES[number % len(HEADLINES)])
            self._painter.changed()

    async def _poll(self) -> None:
        """Ask over HTTP: is there anything new? Again and again."""
        reader, writer = await asyncio.open_connection(LOOPBACK, self.polling.relay.port)
        due = self._loop.time()
        try:
            while True:
                asked = self._now()
                writer.write(
                    f"GET /news?after={len(self.polling.got)} HTTP/1.1\r\n"
                    f"Host: {LOOPBACK}:{self.polling.relay.port}\r\n"
                    "Accept: application/json\r\n"
                    "User-Agent: websocket-course\r\n\r\n".encode()
                )
                answer = await _body(reader)
                self.polling.asked.append((asked, bool(answer)))
                self._take(self.polling, answer)
                due = max(due + self._every, self._loop.time())
                await asyncio.sleep(due - self._loop.time())
        finally:
            writer.close()

    async def _listen(self) -> None:
        """Connect once, and take what comes."""
        url = self.websocket.relay.url
        asked = self._now()
        async with connect(
            url, compression=None, proxy=None, user_agent_header="websocket-course"
        ) as websocket:
            self.websocket.asked.append((asked, True))
            self._changed.set()
            async for text in websocket:
                self._take(self.websocket, [json.loads(text)])

    def _take(self, runner: Runner, news: list[Any]) -> None:
        for item in news:
            runner.got[item["number"]] = self._now()
        self._changed.set()
        self._painter.changed()

    async def _until(self, condition: Callable[[], Any]) -> None:
        """Wait until a condition holds, as long as both are on their way."""
        while not condition():
            for task in self._running:
                if task.done():
                    task.result()
                    raise ConnectionError("The newsroom hung up before the race was over.")
            await self._changed.wait()
            self._changed.clear()

    async def _keep_painting(self) -> None:
        while True:  # time goes on even if nothing happens
            self._painter.changed()
            await asyncio.sleep(0.1)

    def _now(self) -> float:
        return self._loop.time() - self._start

    # What is shown.

    def _paint(self) -> None:
        if self._is_over:
            self._card.show_badge("finished", "finished")
        else:
            self._card.show_badge("running", f"running · {self._now():.0f} s")
        self._picture.value = f'<div class="race-picture">{self._svg()}</div>'
        self._figures.value = f'<div class="race-figures">{self._bars()}</div>'

    def _svg(self) -> str:
        """Draw what happened when: news, questions, and how long each piece was on its way."""
        end = self._seconds + self._every
        scale = (WIDTH - LEFT - RIGHT) / end

        def x(seconds: float) -> float:
            return round(LEFT + scale * min(seconds, end), 1)

        parts = [_label("News", ROWS["news"], "what happens")]
        parts.append(_label("Polling", ROWS["polling"], f"asks every {self._every:g} s"))
        parts.append(_label("WebSocket", ROWS["websocket"], "listens"))
        for row in ROWS.values():
            parts.append(f'<path class="race-line" d="M{LEFT} {row}H{WIDTH - RIGHT}"/>')
        for number, at in self.published.items():
            parts.append(
                f'<path class="race-drop" d="M{x(at)} {ROWS["news"]}V{ROWS["websocket"]}"/>'
            )
            parts.append(_dot("news", x(at), ROWS["news"], f"News {number} at {at:.2f} s"))
        if self.polling.asked:
            for style, wanted in (("empty", False), ("full", True)):
                ticks = "".join(
                    f"M{x(at)} {ROWS['polling'] + 3}v8"
                    for at, fruitful in self.polling.asked
                    if fruitful is wanted
                )
                parts.append(f'<path class="race-asked race-{style}" d="{ticks}"/>')
        for style, runner in (("polling", self.polling), ("websocket", self.websocket)):
            for number, at in runner.got.items():
                begin, row = self.published[number], ROWS[style]
                parts.append(
                    f'<path class="race-wait race-{style}" d="M{x(begin)} {row}H{x(at)}"/>'
                )
                words = f"{runner.name} has news {number} after {_duration(at - begin)}"
                parts.append(_dot(style, x(at), row, words))
        for second in range(int(end) + 1):
            parts.append(f'<text class="race-second" x="{x(second)}" y="150">{second} s</text>')
        if not self._is_over:
            parts.append(f'<path class="race-now" d="M{x(self._now())} 12V132"/>')
        words = "; ".join(map(self._in_words, self.everybody))
        return (
            f'<svg viewBox="0 0 {WIDTH} 156" role="img" aria-label="{escape(words)}">'
            f"{''.join(parts)}</svg>"
        )

    def _bars(self) -> str:
        """Draw the figures of both below each other, each beside a bar."""
        requests = [runner.requests for runner in self.everybody]
        sizes = [runner.bytes for runner in self.everybody]
        delays = [self._mean_delay(runner) for runner in self.everybody]
        return (
            _figures("Requests", requests, [f"{number}" for number in requests])
            + _figures("Bytes, both ways", sizes, [f"{size:,}" for size in sizes])
            + _figures("News came after", delays, [_duration(delay) for delay in delays])
        )

    def _mean_delay(self, runner: Runner) -> float | None:
        return fmean(self.delays(runner)) if runner.got else None

    def _in_words(self, runner: Runner) -> str:
        plural = "" if runner.requests == 1 else "s"
        return (
            f"{runner.name}: {runner.requests} request{plural}, {runner.bytes:,} bytes, "
            f"news after {_duration(self._mean_delay(runner))} on average"
        )

    def __repr__(self) -> str:
        return "\n".join(map(self._in_words, self.everybody))

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return mimebundle(self, self._card.widget, **kwargs)


async def _body(reader: asyncio.StreamReader) -> list[Any]:
    """Read an HTTP response, and return the JSON in its body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    size = next(
        int(line.partition(":")[2])
        for line in head.splitlines()
        if line.lower().startswith("content-length:")
    )
    return json.loads(await reader.readexactly(size))


async def _end(task: "asyncio.Task[None]") -> None:
    """Cancel a task. What it raised before, it raises here."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _expect_seconds(name: str, value: float, least: float, most: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:
        raise ValueError(f"{name} is {value!r}. Expected seconds, from {least} to {most}.")


def _label(title: str, row: int, words: str) -> str:
    return (
        f'<text class="race-label" x="2" y="{row}">{title}</text>'
        f'<text class="race-words" x="2" y="{row + 13}">{words}</text>'
    )


def _dot(style: str, x: float, row: int, words: str) -> str:
    return f'<circle class="race-{style}" cx="{x}" cy="{row}" r="4"><title>{words}</title></circle>'


def _figures(title: str, values: list[Any], texts: list[str]) -> str:
    """Return the HTML of one figure of both: bars as long as they compare, with numbers."""
    longest = max((value for value in values if value), default=1)
    rows = "".join(
        f"<span>{name}</span><i><b class='race-{name.lower()}' "
        f"style='width: {100 * (value or 0) / longest:.1f}%'></b></i><em>{text}</em>"
        for name, value, text in zip(("Polling", "WebSocket"), values, texts, strict=True)
    )
    return f"<div><h4>{title}</h4>{rows}</div>"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
