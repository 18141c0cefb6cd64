"""Four who listen to one server, and when each of them heard something: one may stop reading."""

import asyncio
import json
import socket
from collections import deque
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

from ipywidgets import HTML, Button, HBox
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from client.hall import Hall, SendToAll, name_of
from client.widget import forget, remember
from server.card import Card, Painter, mimebundle
from server.ports import LOOPBACK

STYLE = (Path(__file__).parent / "scale.css").read_text(encoding="utf-8")
NAMES = ("Ada", "Bob", "Carol", "Dan")
BEAT = 0.1  # seconds from one message to the next
SIZE = 16_000  # bytes of a message
# What systems keep for a client that does not read: some megabytes. One would have to wait a while.
KEPT = 2**15  # bytes
GAP = 0.6  # seconds without a message, from which on it is shown as a gap
SHOWN = 12.0  # seconds
LIFETIME = 30 * 60  # seconds; a notebook may stay open for days


class Listener:
    """A client that hears what the server says.

    Attributes:
        name: What it is called.
        heard: How many messages came.
        times: When the last of them came.
        longest_gap: The longest time from one message to the next, in seconds.
        reads: Whether it reads.
        is_cut_off: Whether the server has cut it off.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.heard = 0
        self.times: deque[float] = deque(maxlen=round(SHOWN / BEAT) + 10)
        self.longest_gap = 0.0
        self.reads = True
        self.is_cut_off = False
        self.websocket: ClientConnection | None = None
        self.at_the_server: ServerConnection | None = None

    @property
    def unread(self) -> int:
        """The bytes that wait in the server until this one reads."""
        there = self.at_the_server
        return 0 if there is None or self.is_cut_off else there.transport.get_write_buffer_size()

    async def connect(self, hall: Hall) -> None:
        """Connect, and find out which of the server's connections is the other end."""
        url = f"ws://{LOOPBACK}:{hall.port}"
        self.websocket = await connect(url, compression=None, proxy=None, ping_interval=None)
        own = self.websocket.transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KEPT)
        address = self.websocket.local_address[:2]
        async with asyncio.timeout(5):
            while self.at_the_server is None:
                await asyncio.sleep(0)  # its handler begins within a few turns
                ends = {member.remote_address[:2]: member for member in hall.members}
                self.at_the_server = ends.get(address)

    def take(self, now: float) -> None:
        """Note that a message came."""
        if self.times:
            self.longest_gap = max(self.longest_gap, now - self.times[-1])
        self.heard += 1
        self.times.append(now)

    def stop_reading(self) -> None:
        """Read no more, without a goodbye, as a computer that is overloaded."""
        self.reads = False
        if self.websocket is not None:
            self.websocket.transport.pause_reading()

    def read_on(self) -> None:
        """Read again, beginning with what has waited."""
        self.reads = True
        if self.websocket is not None and not self.websocket.transport.is_closing():
            self.websocket.transport.resume_reading()


class Listeners:
    """Ada, Bob, Carol and Dan hear ten messages a second, sent in the way that is tried out.

    Attributes:
        everybody: The four.
        told: How many messages the server has sent to all.
    """

    def __init__(self, send_to_all: SendToAll) -> None:
        """Serve and connect in the background.

        Args:
            send_to_all: Gets the set of all connections and a text, and sends this to all.

        Raises:
            TypeError: If it is no function with two parameters.
            RuntimeError: Outside of a cell of a notebook or an ``async def`` function.
        """
        self._loop = asyncio.get_running_loop()
        self._hall = Hall(send_to_all, kept=KEPT, compression=None, ping_interval=None)
        self.everybody = [Listener(name) for name in NAMES]
        self.told = 0
        self._sends_nothing = False
        self._change = asyncio.Event()
        self._picture = HTML()
        self._button = Button(description="Dan stops reading")
        self._button.on_click(lambda _: self._loop.call_soon_threadsafe(self._toggle))
        title = f"Four who listen: {name_of(send_to_all)}"
        body = [HTML(f"<style>{STYLE}</style>"), self._picture, HBox([self._button])]
        self._card = Card(title, body)
        self._painter = Painter(self._paint)
        remember(self)
        self._task = self._loop.create_task(self._live())

    @property
    def dan(self) -> Listener:
        """The one who may stop reading."""
        return self.everybody[-1]

    @property
    def others(self) -> list[Listener]:
        return self.everybody[:-1]

    async def stall(self, seconds: float = 4.0) -> None:
        """Let Dan stop reading for a while, and wait until all is as before.

        If nobody hears anything at all, there is nothing to wait for: the card says so.

        Args:
            seconds: How long he does not read.

        Raises:
            TimeoutError: If the others do not hear anything within ten seconds afterwards.
            Exception: Whatever the function that sends raises.
        """
        try:
            await self.until(lambda: all(one.heard for one in self.everybody), within=2)
        except TimeoutError:
            self._sends_nothing = True
            return
        self.dan.stop_reading()
        await asyncio.sleep(seconds)
        self.dan.read_on()
        told = self.told + 2  # one may be on its way, and this is the one after it
        await self.until(lambda: self._all_have(told))

    async def until(self, condition: Any, within: float = 10.0) -> None:
        """Wait until a condition holds. It is looked at whenever somebody hears something.

        Raises:
            TimeoutError: If it does not hold in time, in seconds.
            Exception: Whatever the function that sends raises.
        """
        async with asyncio.timeout(within):
            while not condition():
                if self._task.done():
                    self._task.result()
                    raise ConnectionError("These four are closed. Run the cell that makes them.")
                self._change.clear()
                await self._change.wait()

    def close(self) -> None:
        """End all of it. What was drawn stays."""
        self._task.cancel()

    async def wait_closed(self) -> None:
        """Wait until :meth:`close` is done."""
        await asyncio.wait([self._task])

    def _all_have(self, told: int) -> bool:
        return all(one.heard >= told or one.is_cut_off for one in self.everybody)

    def _toggle(self) -> None:
        if self.dan.reads:
            self.dan.stop_reading()
        else:
            self.dan.read_on()
        self._painter.changed()

    async def _live(self) -> None:
        running: list[asyncio.Task[None]] = []
        try:
            await self._hall.open()
            for listener in self.everybody:
                await listener.connect(self._hall)
                running.append(self._loop.create_task(self._listen(listener)))
            running.append(self._loop.create_task(self._keep_painting()))
            async with asyncio.timeout(LIFETIME):
                await self._tell()
        except TimeoutError:
            pass  # who looks at it for half an hour may run the cell again
        except Exception as error:
            self._card.show_error(error)
            raise
        finally:
            for task in running:
                task.cancel()
            for listener in self.everybody:
                if listener.websocket is not None:
                    listener.websocket.transport.abort()
            await self._hall.close()
            forget(self)
            self._card.show_badge("stopped", "stopped")
            self._button.disabled = True
            self._change.set()

    async def _tell(self) -> None:
        """Send a message to all at each beat. Whoever waits for one of them misses beats."""
        due = self._loop.time()
        while True:
            await self._rest()
            message = {"type": "tick", "number": self.told + 1, "content": "x" * SIZE}
            await self._hall.say(json.dumps(message))
            self.told += 1
            due = max(due + BEAT, self._loop.time())
            await asyncio.sleep(due - self._loop.time())

    async def _rest(self) -> None:
        """Wait while something is measured, which this would disturb. The picture stands still."""
        began = self._loop.time()
        while Hall.is_measured:
            await asyncio.sleep(BEAT)
        rested = self._loop.time() - began
        for listener in self.everybody:
            listener.times = deque((t + rested for t in listener.times), listener.times.maxlen)

    async def _listen(self, listener: Listener) -> None:
        assert listener.websocket is not None and listener.at_the_server is not None
        ended = self._loop.create_task(listener.at_the_server.wait_closed())
        ended.add_done_callback(lambda _: self._note_end(listener))
        try:
            async for _ in listener.websocket:
                listener.take(self._loop.time())
                self._change.set()
        except ConnectionClosed:
            pass
        finally:
            if self._task.cancelling():
                ended.cancel()

    def _note_end(self, listener: Listener) -> None:
        listener.is_cut_off = True
        self._change.set()

    # What is shown.

    async def _keep_painting(self) -> None:
        while True:  # time goes on even if nothing comes
            if not Hall.is_measured:
                self._painter.changed()
            await asyncio.sleep(0.2)

    def _paint(self) -> None:
        now = self._loop.time()
        frozen = [one for one in self.others if one.times and now - one.times[-1] > GAP]
        if self._sends_nothing:
            self._card.show_badge("lost", "nobody hears anything: is the function still empty?")
        elif frozen:
            self._card.show_badge("lost", "nobody hears anything")
        else:
            self._card.show_badge("running", f"{self.told} message{'s' * (self.told != 1)} sent")
        rows = "".join(self._row(listener, now) for listener in self.everybody)
        legend = (
            f"<span></span><div class='listeners-scale'><i>{SHOWN:.0f} s ago</i><i>now</i></div>"
            "<em></em>"
        )
        self._picture.value = f'<div class="listeners" role="status">{rows}{legend}</div>'
        if self.dan.is_cut_off:
            self._button.disabled, self._button.description = True, "Dan was cut off"
        else:
            self._button.description = "Dan stops reading" if self.dan.reads else "Dan reads on"

    def _row(self, listener: Listener, now: float) -> str:
        def x(time: float) -> float:
            return round(1000 * max(0.0, 1 - (now - time) / SHOWN), 1)

        times = [time for time in listener.times if now - time < SHOWN]
        gaps = [(one, two) for one, two in pairwise([*times, now]) if two - one > GAP]
        shades = "".join(
            f'<rect class="heart-gap" x="{x(one)}" y="0" width="{x(two) - x(one):.1f}" '
            'height="20"/>'
            for one, two in gaps
        )
        beats = "".join(f"M{x(time)} 4v12" for time in times)
        silence = now - listener.times[-1] if listener.times else 0.0
        if listener.is_cut_off:
            words, style = "was cut off", "listeners-late"
        elif silence > GAP:
            words, style = f"nothing for {silence:.0f} s", "listeners-late"
        else:
            words, style = f"heard {listener.heard}", ""
        unread = listener.unread
        waiting = f"<br>{unread / 1_024:,.0f} KiB wait" if not listener.reads and unread else ""
        return (
            f"<span>{escape(listener.name)}</span>"
            '<svg viewBox="0 0 1000 20" preserveAspectRatio="none" role="img" '
            f'aria-label="When {escape(listener.name)} heard something">{shades}'
            f'<path class="heart-beats" d="{beats}"/></svg>'
            f'<em class="{style}">{words}{waiting}</em>'
        )

    def __repr__(self) -> str:
        longest = max(listener.longest_gap for listener in self.others)
        return f"<Listeners, longest gap of Ada, Bob and Carol: {longest:.1f} s>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return mimebundle(self, self._card.widget, **kwargs)
