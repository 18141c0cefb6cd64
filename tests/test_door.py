"""The door: what a browser gets that asks for a page, and who may come in at all."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from server import Server
from server.exercises import load
from tests.wire import Answer, ask, guests, hear, serving, strict_json, within

CLIENT = Path(__file__).parents[1] / "client"
HANDSHAKE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
)
# Each rule of the door holds for whoever wants to talk, and for whoever wants to look.
REQUESTS = pytest.mark.parametrize("request_", [HANDSHAKE, ()], ids=["handshake", "page"])


def came_in(answer: Answer, request: tuple[str, ...]) -> bool:
    assert answer.status in {101, 200, 403}, answer
    return answer.status == (101 if request else 200)


# Pages


@pytest.mark.parametrize("exercise", ["connect", "counter"])
async def test_the_page_of_an_exercise_is_served_with_all_that_it_needs(exercise):
    async with serving(exercise) as server:
        page = await ask(server.port, "/")
        assert page.status == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.body == (CLIENT / f"{exercise}.html").read_text(encoding="utf-8")
        for name, kind in {
            "page.css": "text/css; charset=utf-8",
            "connection.js": "text/javascript; charset=utf-8",
            f"{exercise}.js": "text/javascript; charset=utf-8",
        }.items():
            assert name in page.body or name == "connection.js"
            file = await ask(server.port, f"/{name}")
            assert (file.status, file.headers["content-type"]) == (200, kind)
            assert file.body == (CLIENT / name).read_text(encoding="utf-8")


async def test_a_page_may_only_load_from_its_server_and_is_never_guessed_at():
    async with serving("counter") as server:
        page = await ask(server.port, "/")
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cache-control"] == "no-cache"


async def test_a_query_does_not_matter():
    async with serving("counter") as server:
        assert (await ask(server.port, "/?theme=dark")).body.startswith("<!doctype html>")
        assert (await ask(server.port, "/page.css?v=2")).status == 200


async def test_a_handler_of_ones_own_offers_the_pages_that_there_are():
    async def handler(websocket):
        await websocket.wait_closed()

    async with serving(handler) as server:
        page = await ask(server.port, "/")
        assert page.status == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        for name in ("connect.html", "counter.html"):
            assert f'<a href="{name}">' in page.body
            assert (await ask(server.port, f"/{name}")).body.startswith("<!doctype html>")


async def test_about_says_who_runs_what_and_how_many_are_there():
    async with serving("counter") as server, guests(server.url, 2) as clients:
        for client in clients:
            await hear(client)
        answer = await ask(server.port, "/about")
        assert answer.headers["content-type"] == "application/json"
        about = strict_json(answer.body)
        assert about["course"] == "websocket-course"
        assert about["exercise"] == "counter"
        assert about["process"] == os.getpid()
        assert about["connections"] == 2


@pytest.mark.parametrize(
    "path",
    [
        "/../server/counter.py",
        "/../client/page.css",
        "/../pyproject.toml",
        "/%2e%2e/server/counter.py",
        "/..%2fserver%2fcounter.py",
        "/..\\server\\counter.py",
        "/..%5cserver%5ccard.css",
        "/../server/card.css",
        "/./page.css",
        "/client/page.css",
        "//etc/passwd",
        "//page.css/../../etc/passwd",
        "/etc/passwd",
        "/%2fetc%2fpasswd",
        "http://127.0.0.1/etc/passwd",
        "/connect.py",
        "/connect",
        "/__init__.py",
        "/__pycache__/connect.pyc",
        "/__pycache__",
        "/page.css/",
        "/page.css%00.html",
        "/page.css\x00",
        "/.",
        "/..",
        "//",
        "//[",
        "/favicon.ico",
        "/" + "a" * 300 + ".html",
        "/" + "a/" * 2_000 + ".html",
    ],
)
async def test_nothing_else_is_served(path):
    async with serving("counter") as server:
        answer = await ask(server.port, path)
        assert answer.status == 404
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.body.startswith("There is no ")
        assert "root:" not in answer.body


# Origin and Host


@asynccontextmanager
async def opened(*origins: str) -> AsyncIterator[Server]:
    """Open a server that lets pages of some origins in."""
    server = Server("counter", load("counter"), origins=frozenset(origins))
    await within(server.open(0))
    try:
        yield server
    finally:
        await within(server.stop())


@REQUESTS
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "localhost:1", "[::1]"])
async def test_a_page_of_our_own_may_come_in(request_, scheme, host):
    async with opened() as server:
        host = host.format(port=server.port)
        answer = await ask(server.port, "/", *request_, f"Origin: {scheme}://{host}", host=host)
        assert came_in(answer, request_)


@REQUESTS
async def test_a_program_which_has_no_origin_may_come_in(request_):
    async with opened() as server:
        assert came_in(await ask(server.port, "/", *request_), request_)


@REQUESTS
@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "http://localhost:{port}",
        "http://127.0.0.1:{port}.evil.example",
        "http://127.0.0.1:{port}/",
        "ws://127.0.0.1:{port}",
        "file://",
        "",
        "http://\xe9v\xefl.example",
    ],
)
async def test_a_page_from_elsewhere_may_not_and_is_told_why(request_, origin):
    async with opened() as server:
        origin = origin.format(port=server.port)
        answer = await ask(server.port, "/", *request_, f"Origin: {origin}")
        assert answer.status == 403
        assert "may not talk to this server" in answer.body
        assert "--origin" in answer.body


@REQUESTS
async def test_one_origin_out_of_two_is_not_enough(request_):
    async with opened() as server:
        ours = f"Origin: http://127.0.0.1:{server.port}"
        answer = await ask(server.port, "/", *request_, ours, "Origin: https://evil.example")
        assert answer.status == 403


@REQUESTS
async def test_an_origin_that_was_named_may_come_in_and_no_other(request_):
    async with opened("https://example.org", "null") as server:
        for origin in ("https://example.org", "null", f"http://127.0.0.1:{server.port}"):
            answer = await ask(server.port, "/", *request_, f"Origin: {origin}")
            assert came_in(answer, request_)
        for origin in ("http://example.org", "https://example.org:444", "https://example.com"):
            assert (await ask(server.port, "/", *request_, f"Origin: {origin}")).status == 403


@REQUESTS
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:1", "localhost", "LocalHost:99", "[::1]", "[::1]:8764"]
)
async def test_each_name_of_this_computer_will_do(request_, host):
    async with opened() as server:
        assert came_in(await ask(server.port, "/", *request_, host=host), request_)


@REQUESTS
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8764",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "127.0.0.1@evil.example",
        "evil.example#127.0.0.1",
        "[::1",
        "[evil.example]",
        "\xe9vil.example",
        ":8764",
    ],
)
async def test_a_strangers_name_will_not_even_if_it_leads_here(request_, host):
    async with opened() as server:
        # Such a page is, for its browser, of the same origin as the server.
        for origin in ((), (f"Origin: http://{host}",)):
            answer = await ask(server.port, "/", *request_, *origin, host=host)
            assert answer.status == 403
            assert "is not this computer. Use 127.0.0.1 or localhost." in answer.body


@REQUESTS
async def test_exactly_one_host_is_expected(request_):
    async with opened() as server:
        answer = await ask(server.port, "/", *request_, host=None)
        assert (answer.status, answer.body) == (403, "Expected one Host header, got 0.\n")
        answer = await ask(server.port, "/", *request_, "Host: 127.0.0.1")
        assert (answer.status, answer.body) == (403, "Expected one Host header, got 2.\n")


@REQUESTS
async def test_behind_a_jupyterhub_the_host_is_the_hubs(request_, monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    async with opened() as server:
        hub = {"host": "hub.example.org"}
        assert came_in(await ask(server.port, "/", *request_, **hub), request_)
        own = "Origin: https://hub.example.org"
        assert came_in(await ask(server.port, "/", *request_, own, **hub), request_)
        foreign = "Origin: https://evil.example"
        assert (await ask(server.port, "/", *request_, foreign, **hub)).status == 403
        assert (await ask(server.port, "/", *request_, host=None)).status == 403


async def test_about_is_behind_the_door_as_well():
    async with opened() as server:
        assert (await ask(server.port, "/about", host="evil.example")).status == 403
        assert (await ask(server.port, "/about", "Origin: https://evil.example")).status == 403
        assert json.loads((await ask(server.port, "/about")).body)["exercise"] == "counter"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET /\xe9 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nBroken header\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"Many: x\r\n" * 1_000 + b"\r\n",
        b"GET /" + b"a" * 100_000,
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\nabc",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the beginning of TLS
        b"hello\r\n\r\n",
        b"\r\n\r\n",
    ],
)
async def test_whoever_knocks_in_the_wrong_way_leaves_the_others_alone(data, caplog):
    async with opened() as server, guests(server.url, 1) as [ann]:
        await hear(ann)
        reader, writer = await within(asyncio.open_connection("127.0.0.1", server.port))
        writer.write(data)
        writer.write_eof()
        with suppress(ConnectionResetError):
            await within(reader.read())
        writer.close()
        await ann.send('{"type": "increment"}')
        assert (await hear(ann))["value"] == 1
        assert len(server.connections) == 1
        assert not caplog.records  # no traceback in a notebook because of a stranger
