"""The same news in two ways: over HTTP for those who ask, over WebSocket for those who listen."""

import asyncio
import json
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve

from server.messages import Message, encode
from server.ports import LOOPBACK


class News:
    """A newsroom. It remembers its news by their numbers: 1, 2, 3, …

    Attributes:
        http_port: Where ``GET /news?after=3`` is answered with a JSON list of all after the third.
        websocket_port: Where everybody who is connected gets each piece of news at once.
        requests: How many requests over HTTP were answered.
    """

    def __init__(self) -> None:
        self.requests = 0
        self._news: list[Message] = []
        self._listeners: set[ServerConnection] = set()
        self._lines: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Listen on two free ports of this computer."""
        self._http = await asyncio.start_server(self._answer, LOOPBACK, 0)
        self._websockets: Server = await serve(
            self._keep, LOOPBACK, 0, origins=[None], compression=None
        )
        self.http_port = self._http.sockets[0].getsockname()[1]
        self.websocket_port = self._websockets.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Say goodbye to everybody, and free the ports."""
        self._http.close()
        for writer in self._lines:
            writer.close()
        self._websockets.close()
        await self._websockets.wait_closed()

    def publish(self, text: str) -> int:
        """Tell everybody who listens, and keep it for those who ask. Returns its number."""
        news = {"type": "news", "number": len(self._news) + 1, "text": text}
        self._news.append(news)
        broadcast(self._listeners, encode(news))
        return len(self._news)

    async def _keep(self, websocket: ServerConnection) -> None:
        """Keep somebody among the listeners until they leave. Nobody has to ask for anything."""
        self._listeners.add(websocket)
        try:
            await websocket.wait_closed()
        finally:
            self._listeners.discard(websocket)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after the other on a connection that stays open (RFC 9112, 9.3)."""
        self._lines.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._response(head.decode("latin-1")))
                self.requests += 1
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # they left, or what they say is no request
        finally:
            self._lines.discard(writer)
            writer.close()

    def _response(self, head: str) -> bytes:
        """Return the answer to a request: the status line, a few headers, and the body."""
        target = urlsplit([*head.split(" "), ""][1])
        after = parse_qs(target.query).get("after", ["0"])[0]
        if target.path == "/news" and after.isdecimal():
            status, answer = HTTPStatus.OK, self._news[int(after) :]
        else:
            status, answer = HTTPStatus.NOT_FOUND, ["Expected GET /news?after=NUMBER"]
        body = json.dumps(answer).encode()
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body
