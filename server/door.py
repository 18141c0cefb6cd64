"""The door: who may come in, and what a browser gets that asks for a page.

Every server of the course answers plain HTTP on its port, too: its page, and ``/about``, by which
one kernel recognises the server of another.
"""

import hmac
import json
import logging
import os
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from server.addresses import is_loopback
from server.messages import Message

PAGES = Path(__file__).resolve().parent.parent / "client"
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
# What a page may do: load from here, talk to here. The scripts and styles are files, not inline.
POLICY = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; base-uri 'none'"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
HIDDEN = "(hidden)"  # what stands in for a token wherever somebody could read it
NO_TOKEN = (
    "This is a class, and who comes in needs its join link. Ask the teacher for it, and open all "
    "of it, to its last character. If you have done that in this browser: let it keep cookies."
)
WRONG_TOKEN = (
    "This token does not fit this class. Perhaps it is of another class, or the teacher has "
    "started anew. Ask for the join link of now."
)


class Refusal(NamedTuple):
    """Why a request may not come in."""

    status: HTTPStatus
    reason: str


class Door:
    """Who may come in to one server.

    Attributes:
        token: The secret that a class is told; None where only this computer is served.
        proxy_token: The secret of who comes through the Jupyter of this computer, if there is one.
    """

    def __init__(self, origins: frozenset[str] = frozenset()) -> None:
        """Make a door for this computer alone.

        Args:
            origins: Origins that may come in besides our own, such as ``https://example.org``.
        """
        self.token: str | None = None
        self.proxy_token: str | None = None
        self._origins = origins

    def refusal(self, request: Request, peer: str, port: int) -> Refusal | None:
        """Return why a request may not come in, or None if it may.

        Any web page may try to talk to a port of the computer that shows it. Its browser then says
        truthfully where the page is from (`Origin`, RFC 6455, section 10.2), and which name led it
        here (`Host`): a stranger's name may have been pointed at 127.0.0.1.

        Who sits at this computer needs no token. Everybody else does, and so does whoever comes
        under another name than this computer's own: Jupyter passes on the name by which a browser
        knows it, and what the browser shows, which then must be the secret of this Jupyter.

        Args:
            request: The opening handshake, or a request for a page.
            peer: The address that it comes from.
            port: The port that it came to.
        """
        if request.method != "GET":
            return Refusal(
                HTTPStatus.METHOD_NOT_ALLOWED,
                f"Got the method {request.method}. Expected GET: it fetches pages, and a WebSocket "
                "begins with it, too.",
            )
        hosts = request.headers.get_all("Host")
        if len(hosts) != 1:
            return _forbidden(f"Expected one Host header, got {len(hosts)}.")
        [host] = hosts
        for origin in request.headers.get_all("Origin"):
            if origin not in self._origins and origin not in {f"http://{host}", f"https://{host}"}:
                return _forbidden(
                    f"A page from {origin!r} may not talk to this server, which is {host!r}. "
                    f"If it should, start the server with --origin {origin}"
                )
        # Behind a JupyterHub, which lets in nobody but the learner, the name is the hub's.
        any_name = bool(os.environ.get("JUPYTERHUB_SERVICE_PREFIX"))
        if is_loopback(peer) and (any_name or _hostname(f"//{host}") in LOOPBACK):
            return None
        shown = [*_tokens_in_path(request), *_tokens_in_cookies(request, port)]
        if is_loopback(peer) and _is_among(self.proxy_token, shown):
            return None
        if self.token is None:
            return _forbidden(
                f"Host {host!r} is not this computer. Use 127.0.0.1 or localhost. Does your "
                "Jupyter run on another computer? Then follow the link on the server's card."
            )
        if _is_among(self.token, shown):
            return None
        return Refusal(HTTPStatus.UNAUTHORIZED, WRONG_TOKEN if any(shown) else NO_TOKEN)

    def brought(self, request: Request) -> str | None:
        """Return the token of this door that a request has in its path, as a link has it."""
        shown = _tokens_in_path(request)
        tokens = filter(None, (self.token, self.proxy_token))
        return next((token for token in tokens if _is_among(token, shown)), None)

    def hide_tokens(self, request: Request) -> None:
        """Take the tokens out of a request, so that no handler passes them on by mistake."""
        request.path = self.without_tokens(request.path)
        lines = list(request.headers.raw_items())
        request.headers.clear()
        for name, value in lines:
            request.headers[name] = self.without_tokens(value)

    def without_tokens(self, text: str) -> str:
        """Return a text in which nobody can read the tokens."""
        for token in filter(None, (self.token, self.proxy_token)):
            text = text.replace(token, HIDDEN)
        return text

    def log(self) -> logging.LoggerAdapter[Any]:
        """Return the log of the connections, as websockets writes it but without the token."""
        return _LogWithoutToken(logging.getLogger("websockets.server"), {"door": self})


class _LogWithoutToken(logging.LoggerAdapter):
    """A log that does not show what opens the door: at level DEBUG it has all headers."""

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        if not self.isEnabledFor(level):
            return
        text = self.extra["door"].without_tokens(str(msg) % args if args else str(msg))
        self.logger.log(level, "%s", text, **kwargs)


def respond(connection: ServerConnection, request: Request, about: Message) -> Response:
    """Answer a request that is no WebSocket handshake: with a file of `client/`, or `/about`."""
    path = request.path.partition("?")[0]
    if path == "/about":
        return _response(json.dumps(about).encode(), "application/json")
    name = f"{about['exercise']}.html" if path == "/" else path.removeprefix("/")
    # Only files directly in client/, of the kinds a browser needs: never our Python, never above.
    # The name is looked up, not opened: whatever a path may mean to the system, it does not here.
    files = {file.name: file for file in PAGES.iterdir() if file.suffix in CONTENT_TYPES}
    if file := files.get(name):
        return _response(file.read_bytes(), CONTENT_TYPES[file.suffix])
    if path == "/":
        return _response(_choice_of_pages().encode(), CONTENT_TYPES[".html"])
    return connection.respond(HTTPStatus.NOT_FOUND, f"There is no {path} here.\n")


def keep_token(token: str, port: int, *, secure: bool, through_jupyter: bool) -> Response:
    """Answer the first request of a browser: it keeps the token, and goes on to the page.

    So the address bar and the history have no token, and the page's files and its WebSocket bring
    it by themselves. A page of another site cannot make the browser send it along, with one
    exception, opening the page itself (`SameSite=Lax`): the link may stand on a page of the school.
    Cookies are not separated by port, so the name has it: several servers on one host are several
    classes. The way through Jupyter may have the same host as the class, and another token.
    """
    name = _cookie_names(port)[through_jupyter]
    cookie = f"{name}={token}; Path=/; HttpOnly; SameSite=Lax"
    headers = {
        "Location": "./",
        "Set-Cookie": cookie + "; Secure" * secure,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "Content-Length": "0",
        "Connection": "close",
    }
    return Response(HTTPStatus.SEE_OTHER, HTTPStatus.SEE_OTHER.phrase, Headers(headers))


def is_handshake(request: Request) -> bool:
    """Return whether a request asks to become a WebSocket."""
    return any(value.lower() == "websocket" for value in request.headers.get_all("Upgrade"))


def _tokens_in_path(request: Request) -> list[str]:
    """Return what a request shows as token in its path, as a link does."""
    fields = request.path.partition("?")[2].split("&")
    return [field.removeprefix("token=") for field in fields if field.startswith("token=")]


def _tokens_in_cookies(request: Request, port: int) -> Iterator[str]:
    for header in request.headers.get_all("Cookie"):
        for cookie in header.split(";"):
            name, _, value = cookie.strip().partition("=")
            if name in _cookie_names(port):
                yield value


def _cookie_names(port: int) -> tuple[str, str]:
    """Return what the cookie is called that keeps the token of a class, or of Jupyter."""
    return f"websocket_course_{port}", f"websocket_course_{port}_jupyter"


def _is_among(token: str | None, shown: list[str]) -> bool:
    # In constant time: how long it takes does not tell how much of a guess was right.
    return token is not None and any(
        [hmac.compare_digest(_bytes(guess), _bytes(token)) for guess in shown]
    )


def _forbidden(reason: str) -> Refusal:
    return Refusal(HTTPStatus.FORBIDDEN, reason)


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")  # what strangers send need not be ASCII


def _choice_of_pages() -> str:
    """Return a page for a handler of the learner's own, of which nobody knows what it speaks."""
    links = (f'<li><a href="{file.name}">{file.stem}</a></li>' for file in PAGES.glob("*.html"))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Your server</title>'
        '<link rel="stylesheet" href="page.css"><h1>Your server</h1>'
        f"<p>Which page shall talk to it?</p><ul>{''.join(sorted(links))}</ul>"
    )


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _response(body: bytes, content_type: str) -> Response:
    headers = Headers(
        {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-cache",
            "Connection": "close",
        }
    )
    return Response(HTTPStatus.OK, HTTPStatus.OK.phrase, headers, body)
