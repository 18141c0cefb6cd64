"""The cards that a notebook shows: a bordered box with a title, a badge and a body."""

import asyncio
import re
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipywidgets import HTML, Box, Layout, Output, VBox, Widget

from server.addresses import is_loopback
from server.inline_page import InlinePage
from server.jupyter import IN_A_TAB, NO_WAY, PageLink, page_links
from server.qr import as_svg
from server.tracebacks import error_output

if TYPE_CHECKING:
    from server.guest import Guest
    from server.joined import Joined
    from server.process import ServerProcess
    from server.redis_process import RedisProcess
    from server.running import Server

STYLE = (Path(__file__).parent / "card.css").read_text(encoding="utf-8")
REPAINT = 0.1  # seconds between two paintings, at least
NAMES_SHOWN = 40
LEFT_OUT = (
    "<p><b>Your handler does not run:</b> this room is served by the other kernel. "
    "<code>await start(handler)</code> runs it on a server of your own.</p>"
)
GONE = (
    "<p>The kernel that ran this server is gone. Run this cell again: then it runs "
    "here, and everybody comes back by themselves.</p>"
)
GONE_ELSEWHERE = (
    "<p>The server does not answer. If it is started anew, ask for the join link of now.</p>"
)


class Painter:
    """Calls `paint` soon after a change, and at a bounded rate however many changes there are."""

    def __init__(self, paint: Callable[[], None], every: float = REPAINT) -> None:
        """Make one that calls `paint` at most once in `every` seconds."""
        self._paint = paint
        self._every = every
        self._loop = asyncio.get_running_loop()
        self._last = float("-inf")
        self._waiting = False

    def changed(self) -> None:
        """Note that there is something to paint: now, if the last time was long enough ago."""
        if self._waiting:
            return
        remaining = self._last + self._every - self._loop.time()
        if remaining <= 0:
            self._run()
        else:
            self._waiting = True
            self._loop.call_later(remaining, self._run)

    def _run(self) -> None:
        self._waiting = False
        self._last = self._loop.time()
        self._paint()


class Card:
    """A bordered box with a title, a badge, a body, and room for a traceback.

    Attributes:
        widget: What a notebook shows.
        rows: The boxes in which it stands beside others.
    """

    def __init__(self, title: str, body: Sequence[Widget]) -> None:
        self._title = title
        self.rows: list[Box] = []
        self._head = HTML()
        self._trouble = Output(layout=Layout(display="none"))
        self.widget = VBox([self._head, *body, self._trouble], layout=Layout(min_width="0"))
        self.widget.add_class("course-card")

    def show_badge(self, state: str, words: str) -> None:
        """Show a state as a coloured dot and a few words."""
        self._head.value = (
            f'<style>{STYLE}</style><div class="course-head"><b>{escape(self._title)}</b>'
            f'<span class="course-badge course-{state}" role="status">{escape(words)}</span></div>'
        )

    def show_error(self, error: BaseException | None) -> None:
        """Show the traceback of an exception; None takes it away."""
        # Set at once, not printed: a print from a background task would end up in another cell.
        self._trouble.outputs = () if error is None else (error_output(error),)
        self._trouble.layout.display = "none" if error is None else ""

    def close(self) -> None:
        """Take the card off every page, and forget its widgets, which would else stay for ever."""
        close_widgets(self.widget)
        for row in self.rows:
            row.children = [card for card in row.children if card.comm is not None]
            if not row.children:
                close_widgets(row)


# What a widget has for itself. It may know others that all share, as canvases do.
OWNED = ("children", "_canvases", "layout", "style")


def close_widgets(widget: Widget) -> None:
    """Close a widget and all that are in it: its children, its layout, its style."""
    if widget.comm is None:  # closed already
        return
    inside = [getattr(widget, name, None) for name in OWNED]
    widget.close()
    for value in inside:
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, Widget):
                close_widgets(part)


def mimebundle(shown: object, widget: Widget, **kwargs: Any) -> dict[str, Any]:
    """Return what a notebook displays for an object: its widget, and its repr where none can be."""
    bundle = {} if widget.comm is None else widget._repr_mimebundle_(**kwargs)
    return bundle | {"text/plain": repr(shown)}


class ServerCard(Card):
    """Where a server of this kernel runs, and who is connected."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._failure: BaseException | None = None
        self._body = HTML()
        self._painter = Painter(self._paint)
        self._page = InlinePage(server.exercise)
        super().__init__(_server_title(server.exercise), [self._body, self._page.widget])
        self._paint()

    def show(self) -> None:
        """Show the server as it is now."""
        self._painter.changed()

    def _paint(self) -> None:
        server = self._server
        if not server.is_running:
            self.show_badge("stopped", "stopped")
            self._body.value = _body("<p>Run the cell again to start it.</p>")
            self._page.show(None)
            return
        names = sorted(_who(websocket) for websocket in server.connections)
        self.show_badge("running", f"running · {len(names)} connected")
        chips = "".join(_chip(name) for name in names[:NAMES_SHOWN])
        if len(names) > NAMES_SHOWN:
            chips += f" and {len(names) - NAMES_SHOWN} more"
        links = page_links(server.page, server.port)
        where = _where(server.url, links) + _meeting(server)
        self._body.value = _body(where + chips + _invitation(server))
        self._page.show(links[0].address if links else None)
        if server.failure is not self._failure:
            self._failure = server.failure
            self.show_error(server.failure)


class JoinedCard(Card):
    """Which other kernel runs the server, and whether it still does."""

    def __init__(self, joined: "Joined", offer: Widget | None = None) -> None:
        """Make one for a server, with what else there is to say on it, if anything."""
        self._joined = joined
        self._body = HTML()
        self._page = InlinePage(joined.exercise)
        body = [self._body, *([offer] if offer else []), self._page.widget]
        super().__init__(_server_title(joined.exercise), body)
        self.show()

    def show(self) -> None:
        """Show what the other kernel's server said last."""
        about = self._joined.about
        if about is None:
            self.show_badge("gone", "gone")
            self._body.value = _body(GONE_ELSEWHERE if self._joined.is_elsewhere else GONE)
            self._page.show(None)
            return
        self.show_badge("joined", f"joined · {about['connections']} connected")
        there = self._joined
        # A link leads from wherever the browser is; this computer's address only from here.
        links = (
            [PageLink(str(there.link), IN_A_TAB)]
            if there.is_elsewhere
            else page_links(there.page, there.port)
        )
        owner = about["notebook"] or "another program"
        self._body.value = _body(
            _where(there.link.public.url, links)
            + f"<p>It runs in <b>{escape(owner)}</b> (process {about['process']}"
            f"{' at ' + escape(there.link.host) if there.is_elsewhere else ''}). "
            "Everybody there and here is in one room.</p>"
            + (LEFT_OUT if self._joined.left_out else "")
        )
        # A browser keeps no cookie for a page of elsewhere within another, so no token either.
        self._page.show(links[0].address if links and not there.is_elsewhere else None)


class ProcessCard(Card):
    """A server in a process of its own, and whether it still runs."""

    def __init__(self, server: "ServerProcess") -> None:
        self._server = server
        self._body = HTML()
        super().__init__(f"{_server_title(server.exercise)} of another process", [self._body])
        self.show()

    def show(self) -> None:
        """Show whether it runs."""
        server = self._server
        state = "running" if server.is_running else "stopped"
        self.show_badge(state, state)
        where = f"<p><code>{escape(server.url)}</code> · process {server.pid}</p>"
        self._body.value = _body(where)


class RedisCard(Card):
    """Whether the Redis of this kernel runs, or how to install one."""

    def __init__(self, redis: "RedisProcess") -> None:
        self._redis = redis
        self._body = HTML()
        super().__init__("Redis", [self._body])
        self.show()

    def show(self) -> None:
        """Show it as it is now."""
        from server.redis_process import HOW_TO_INSTALL

        redis = self._redis
        if not redis.is_installed:
            self.show_badge("stopped", "not installed")
            ways = "".join(
                f"<li>{escape(system)}: {_with_code(way)}</li>"
                for system, way in HOW_TO_INSTALL.items()
            )
            self._body.value = _body(
                f"<p><b>Redis is not installed on this computer.</b> To install it:</p><ul>{ways}"
                "</ul><p>Then run this cell again.</p>"
            )
        elif redis.is_running:
            self.show_badge("running", "running")
            self._body.value = _body(f"<p><code>{escape(redis.url)}</code></p>")
        else:
            self.show_badge("stopped", "stopped")
            self._body.value = _body("<p><code>await redis.start()</code> starts it again.</p>")


def _server_title(exercise: str) -> str:
    return "Your server" if exercise == "your handler" else f"The {exercise} server"


def _where(url: str, links: Sequence[PageLink]) -> str:
    if not links:
        how = "<code>await start(…, tls=False)</code>"
        return f"<p><code>{escape(url)}</code></p><p>{escape(NO_WAY)}{how}</p>"
    pages = " · ".join(
        f'<a href="{escape(link.address)}" target="_blank">{escape(link.words)}</a>'
        for link in links
    )
    return f"<p><code>{escape(url)}</code> · {pages}</p>"


def _meeting(server: "Server") -> str:
    """Return where a server meets the other processes of its room, and whether it does."""
    shared = server.shared
    if shared is None:
        return ""
    at = f"<code>{escape(str(shared.via))}</code>"
    if shared.failure:
        return (
            f'<p role="alert"><b>The room is cut off from other servers.</b> '
            f"{_with_code(shared.failure)} Who is connected here still hears each other. It "
            f"connects again by itself, to {at}.</p>"
        )
    if not (number := len(shared.others)):
        return f"<p>Its room can be shared over {at}. No other server does so yet.</p>"
    others = f"{number} other server{'' if number == 1 else 's'}"
    return f"<p>Its room is shared over {at} with {others}.</p>"


def _with_code(words: str) -> str:
    """Return words as HTML, with what is between backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(words))


def _invitation(server: "Server") -> str:
    """Return the join link of a class, as text and as a QR code; nothing if it is none."""
    if not (links := server.links):
        return ""
    link, *others = links
    if is_loopback(link.host):
        return "<p><b>This computer is in no network</b>, so nobody else can join.</p>"
    words = "".join(f"<li><code>{escape(str(other))}</code></li>" for other in others)
    more = (
        f"<details><summary>Does it not work? This computer has {len(links)} addresses</summary>"
        f"<ul>{words}</ul></details>"
    )
    warning = (
        "<p>Browsers warn of the certificate, which nobody has signed. Kernels know it by the "
        "link.</p>"
    )
    return (
        f'<div class="course-invitation">{as_svg(str(link))}<div><p><b>The join link</b> of this '
        "class, for browsers and phones, and for kernels as <code>await join(…)</code>:</p>"
        f'<p><a class="course-link" href="{escape(str(link))}" target="_blank">'
        f"{escape(str(link))}</a></p><p>Whoever has it can come in. Nobody else can.</p>"
        f"{warning if server.tls is True else ''}{more if others else ''}</div></div>"
    )


def _chip(name: str) -> str:
    return f'<span class="course-chip">{escape(name)}</span>'


def _body(html: str) -> str:
    return f'<div class="course-body">{html}</div>'


def _who(guest: "Guest") -> str:
    """Return what a client calls itself, or what it is."""
    return guest.name or guest.kind
