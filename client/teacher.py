"""The teacher's view of a class: who is there, how the server fares, and what to do about it."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import psutil
from ipywidgets import HTML, Box, Button, Dropdown, HBox, Layout, Widget

from client.class_map import ClassMap
from client.field import Field, call_on
from client.widget import forget, remember
from server import Server
from server.announcement import announcement
from server.card import Card, mimebundle
from server.guest import Guest

BEAT = 0.1  # seconds between two looks at how late the event loop is
REPAINT = 5  # beats
ROWS = 100
LONGEST = 500  # characters of what a teacher says
NOBODY = ("Choose whose line to cut", None)
LATE = 64 * 1024  # bytes; whoever has not read more than that is marked


class TeacherView:
    """Shows who is connected to a server of this kernel, and has buttons to run the room.

    Attributes:
        lag: How late the event loop was at most within the last second, in seconds.
        received_rate: Messages that clients sent, in the last second.
        sent_rate: Messages that the server sent, in the last second, each counted once a client.
        rows: What the table shows: who, kind, address, since when, how many bytes behind.
        class_map: Who shares their progress, and how far they are.
        failure: What a button raised last, or None.
    """

    def __init__(self, server: Server) -> None:
        """Look on from now on, until `close`.

        Args:
            server: What `start` returned in the kernel that runs the server.

        Raises:
            TypeError: If that is no server of this kernel.
            RuntimeError: Outside of a cell of a notebook or an ``async def`` function.
        """
        if not isinstance(server, Server):
            raise TypeError(
                f"Got {server!r}. The view is for the kernel that runs the server: make it in "
                "that notebook, of what `await start(…)` returned there."
            )
        self._loop = asyncio.get_running_loop()
        self._server = server
        self._traffic = server.watch_traffic()
        self._is_closed = False
        self.failure: Exception | None = None
        self.lag = self.received_rate = self.sent_rate = 0.0
        self.rows: list[tuple[str, str, str, str, int]] = []
        self._lags: deque[float] = deque(maxlen=round(1 / BEAT))
        self._counted: deque[tuple[float, int, int]] = deque(maxlen=1 + round(1 / BEAT / REPAINT))
        self._card = Card(f"Teacher's view: {server.exercise}", self._build())
        remember(self)
        self._beats = 0
        self._due = self._loop.time()
        self._beat()

    def _build(self) -> list[Widget]:
        self._figures, self._people = HTML(), HTML()
        self.class_map = ClassMap(self._server, self._button)
        self.field = Field(
            self._loop,
            self._run,
            placeholder="Say something to all",
            layout=Layout(flex="1 1 160px"),
        )
        self.field.on_enter(self.say)
        self.say_button = self._button("Say", self.say, button_style="primary")
        self.field.add_button(self.say_button)
        self.pause_button = self._button(
            "Pause", self.pause_or_go_on, tooltip="What clients send waits until you go on"
        )
        self.clear_button = self._button("Clear", self.clear, tooltip="Begin anew")
        self.choice = Dropdown(options=[NOBODY], layout=Layout(flex="1 1 160px", width="auto"))
        self.choice.observe(lambda _: self._bridge(lambda: None), "value")
        self.drop_button = self._button(
            "Drop", self.drop, tooltip="Cut this one's line; it comes back by itself"
        )
        self.drop_all_button = self._button(
            "Drop all", self.drop_all, tooltip="Cut every line, and watch them come back"
        )
        people = Box([self._people], layout=Layout(max_height="660px"))
        people.add_class("course-guests")
        return [
            self._figures,
            people,
            _row(self.field, self.say_button),
            _row(self.choice, self.drop_button, self.drop_all_button),
            _row(self.pause_button, self.clear_button),
            self.class_map.widget,
        ]

    # What it can do, by hand or driven from code.

    def say(self) -> None:
        """Say to everybody what is in the text field."""
        words, self.field.value = self.field.value.strip(), ""
        if words:
            self._announce(f"The teacher says: {words[:LONGEST]}")

    def pause_or_go_on(self) -> None:
        """Let what clients send wait; or go on with what has waited."""
        if self._server.is_paused:
            self._server.go_on()
            self._announce("The teacher goes on.")
        else:
            self._announce("The teacher has paused. What you send now waits.")
            self._server.pause()

    def clear(self) -> None:
        """Begin anew, where the exercise can."""
        if clear := self._can_clear:
            clear()

    def drop(self) -> None:
        """Cut the line of the client that is chosen. It comes back by itself."""
        if self.choice.value is not None:
            self.choice.value.transport.abort()

    def drop_all(self) -> None:
        """Cut everybody's line. They come back by themselves."""
        self._server.drop_all()

    def close(self) -> None:
        """Look on no longer. Any thread may call it."""
        self._loop.call_soon_threadsafe(self._close)

    async def wait_closed(self) -> None:
        """Wait until :meth:`close` is done."""
        await asyncio.sleep(0)

    # What its widgets need.

    def _button(self, label: str, on_click: Callable[[], None], **options: Any) -> Button:
        button = Button(description=label, layout=Layout(width="auto"), **options)
        button.on_click(lambda _: call_on(self._loop, self._run, on_click))
        return button

    def _bridge(self, function: Callable[[], None]) -> None:
        """Call a function on the loop of the server: clicks may come on another thread."""
        self._loop.call_soon_threadsafe(self._run, function)

    def _run(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception as error:
            self.failure = error
            self._card.show_error(error)
        if not self._is_closed:
            self._paint()

    def _close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._server.unwatch_traffic()
            self._offer([])  # ipywidgets keeps each widget, and this one all whom it offers
            forget(self)
            self._card.show_badge("closed", "closed")

    # What it shows.

    def _beat(self) -> None:
        """Look how late the loop is, and now and then paint: so often, whatever happens."""
        if self._is_closed:
            return
        self._lags.append(self._loop.time() - self._due)
        if self._beats % REPAINT == 0:
            self._measure()
            self._run(lambda: None)
        self._beats += 1
        self._due = self._loop.time() + BEAT
        self._loop.call_at(self._due, self._beat)

    def _measure(self) -> None:
        self.lag = max(self._lags)
        self._counted.append((self._loop.time(), self._traffic.received, self._traffic.sent))
        (then, received, sent), (time, *_) = self._counted[0], self._counted[-1]
        if time > then:
            self.received_rate = (self._traffic.received - received) / (time - then)
            self.sent_rate = (self._traffic.sent - sent) / (time - then)

    def _paint(self) -> None:
        server = self._server
        guests = server.guests
        self.rows = [self._row(guest) for guest in guests]
        if not server.is_running:
            self._card.show_badge("stopped", "stopped")
        elif server.is_paused:
            self._card.show_badge("connecting", f"paused · {len(guests)} connected")
        else:
            self._card.show_badge("running", f"running · {len(guests)} connected")
        self._figures.value = figures(
            {
                "in": f"{self.received_rate:.0f} messages/s",
                "out": f"{self.sent_rate:.0f} messages/s",
                "loop late by": f"{self.lag * 1_000:.0f} ms",
                "memory": f"{psutil.Process().memory_info().rss / 2**20:.0f} MiB",
            }
        )
        self._people.value = table(self.rows)
        self.class_map.paint()
        self._offer(guests)
        self.pause_button.description = "Go on" if server.is_paused else "Pause"
        self.pause_button.disabled = not server.is_running
        self.say_button.disabled = self.field.disabled = not self._can_say
        if not self._can_say:
            self.field.placeholder = "The clients of this exercise show no words of yours"
        self.clear_button.disabled = self._can_clear is None
        self.drop_button.disabled = self.choice.value is None
        self.drop_all_button.disabled = not guests

    def _offer(self, guests: list[Guest]) -> None:
        """Let the teacher choose among those who are there; whoever is chosen stays chosen."""
        labels = [" · ".join(filter(None, self._row(guest)[:3])) for guest in guests]
        options = (NOBODY, *zip(labels, guests, strict=True))
        if options != self.choice.options:
            chosen = self.choice.value
            self.choice.options = options
            # The browser shows nothing as chosen when the options change, until the index does.
            self.choice.index = None
            self.choice.index = 1 + guests.index(chosen) if chosen in guests else 0

    def _row(self, guest: Guest) -> tuple[str, str, str, str, int]:
        # A chat knows what its members call themselves. A learner's object may have anything there.
        names = getattr(self._server.exercise_object, "names", None)
        named = names.get(guest) if isinstance(names, Mapping) else None
        name = str(named or guest.name or "")
        return name, guest.kind, guest.address, f"{guest.since:%H:%M:%S}", guest.behind

    @property
    def _can_say(self) -> bool:
        return self._server.is_running and announcement(self._server.exercise, "") is not None

    @property
    def _can_clear(self) -> Callable[[], None] | None:
        clear = getattr(self._server.exercise_object, "clear", None)
        return clear if callable(clear) else None

    def _announce(self, words: str) -> None:
        if message := announcement(self._server.exercise, words):
            self._server.tell_all(message)

    def __repr__(self) -> str:
        return f"<TeacherView of {self._server!r}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return mimebundle(self, self._card.widget, **kwargs)


def figures(shown: dict[str, str]) -> str:
    """Return the HTML of a few figures with what they tell."""
    cells = "".join(
        f"<div>{escape(name)} <b>{escape(value)}</b></div>" for name, value in shown.items()
    )
    return f'<div class="course-figures">{cells}</div>'


def table(rows: list[tuple[str, str, str, str, int]]) -> str:
    """Return the HTML of who is there. Names are what others chose, so they are escaped."""
    if not rows:
        return '<div class="course-body course-quiet">Nobody is connected.</div>'
    lines = "".join(
        f"<tr><td><bdi>{escape(name) or '–'}</bdi></td><td>{kind}</td><td>{escape(address)}</td>"
        f'<td>{since}</td><td class="{"course-late" if behind > LATE else ""}">{behind:,}</td></tr>'
        for name, kind, address, since, behind in rows[:ROWS]
    )
    more = f"<p>and {len(rows) - ROWS} more</p>" if len(rows) > ROWS else ""
    head = "<th>Name</th><th>Client</th><th>Address</th><th>Since</th><th>Bytes behind</th>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>{more}"


def _row(*widgets: Widget) -> HBox:
    return HBox(widgets, layout=Layout(flex_flow="row wrap"))
