"""The door: who may come in, and what a browser gets that asks for a page.

Every server of the course answers plain HTTP on its port, too: its page, and ``/about``, by which
one kernel recognises the server of another.
"""

import json
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

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


def refusal(request: Request, origins: frozenset[str], any_host: bool) -> str | None:
    """Return why a request may not come in, or None if it may.

    Any web page may try to talk to a port of the computer that shows it. Its browser then says
    truthfully where the page is from (`Origin`, RFC 6455, section 10.2), and which name led it
    here (`Host`): a stranger's name may have been pointed at 127.0.0.1.

    Args:
        request: The opening handshake, or a request for a page.
        origins: Origins that may come in besides our own, such as ``https://example.org``.
        any_host: Whether other names than loopback are fine, as they are behind a JupyterHub.
    """
    hosts = request.headers.get_all("Host")
    if len(hosts) != 1:
        return f"Expected one Host header, got {len(hosts)}."
    [host] = hosts
    if not any_host and _hostname(f"//{host}") not in LOOPBACK:
        return f"Host {host!r} is not this computer. Use 127.0.0.1 or localhost."
    for origin in request.headers.get_all("Origin"):
        if origin not in origins and origin not in {f"http://{host}", f"https://{host}"}:
            return (
                f"A page from {origin!r} may not talk to this server, which is {host!r}. "
                f"If it should, start the server with --origin {origin}"
            )
    return None


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


def _choice_of_pages() -> str:
    """Return a page for a handler of the learner's own, of which nobody knows what it speaks."""
    links = (f'<li><a href="{file.name}">{file.stem}</a></li>' for file in PAGES.glob("*.html"))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Your server</title>'
        '<link rel="stylesheet" href="page.css"><h1>Your server</h1>'
        f"<p>Which page shall talk to it?</p><ul>{''.join(sorted(links))}</ul>"
    )


def is_handshake(request: Request) -> bool:
    """Return whether a request asks to become a WebSocket."""
    return any(value.lower() == "websocket" for value in request.headers.get_all("Upgrade"))


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
