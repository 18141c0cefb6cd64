"""A class on one network: who comes in with its join link, and that nobody else does."""

import asyncio
import contextlib
import json
import logging
import os
import re
import socket
import sys
from collections import namedtuple
from pathlib import Path

import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from client import ChatClient, CounterClient
from server import Joined, PortTaken, Server, join, ports, start, stop
from server.addresses import own_addresses
from server.door import HIDDEN, NO_TOKEN, WRONG_TOKEN
from server.link import Link
from server.running import servers
from tests.test_door import HANDSHAKE
from tests.wire import Answer, ask, guests, hear, say, serving, until, within

ROOT = Path(__file__).parents[1]
HERE = "127.0.0.1"
EVERYWHERE = "0.0.0.0"
# Where a caller from the network comes from. Without a network, one who names another Host.
AWAY = next(iter(own_addresses()), HERE)


def opened(exercise="chat", **options):
    return serving(exercise, host=EVERYWHERE, **options)


def token_of(server: Server) -> str:
    assert server.link is not None and len(server.link.token) >= 22
    return server.link.token


async def call(server: Server, path: str = "/", *headers: str, host: str | None = "") -> Answer:
    """Ask as somebody on the network does."""
    name = f"192.168.77.7:{server.port}" if AWAY == HERE and host == "" else host
    return await ask(server.port, path, *headers, host=name, address=AWAY)


def cookie(server: Server, token: str, port: int | None = None) -> str:
    return f"Cookie: websocket_course_{port or server.port}={token}"


# Who has the link comes in


async def test_a_browser_keeps_the_token_and_gets_all_it_needs():
    async with opened() as server:
        first = await call(server, f"/?token={token_of(server)}")
        assert (first.status, first.headers["location"], first.body) == (303, "./", "")
        kept, *attributes = first.headers["set-cookie"].split("; ")
        assert set(attributes) == {"Path=/", "HttpOnly", "SameSite=Lax"}
        assert first.headers["referrer-policy"] == "no-referrer"
        for path in ("/", "/page.css", "/connection.js", "/chat.js", "/about"):
            assert (await call(server, path)).status == 401
            assert (await call(server, path, f"Cookie: other=1; {kept}")).status == 200
        assert (await call(server, "/", *HANDSHAKE)).status == 401
        own = f"Origin: http://{AWAY}:{server.port}"
        host = f"{AWAY}:{server.port}"
        answer = await call(server, "/", *HANDSHAKE, f"Cookie: {kept}", own, host=host)
        assert answer.status == 101


async def test_several_classes_on_one_computer_keep_their_tokens_apart():
    async with opened("chat") as chat, opened("counter") as counter:
        both = f"{cookie(chat, token_of(chat))}; {cookie(counter, token_of(counter))[8:]}"
        for server in (chat, counter):
            assert (await call(server, "/", both)).status == 200
        exchanged = f"{cookie(chat, token_of(counter))}; {cookie(counter, token_of(chat))[8:]}"
        for server in (chat, counter):
            assert (await call(server, "/", exchanged)).status == 401


async def test_a_kernel_joins_by_the_link():
    async with opened() as server:
        joined = await within(join(str(server.link)))
        assert isinstance(joined, Joined)
        assert (joined.exercise, joined.is_running) == ("chat", True)
        ada, bob = ChatClient(joined, "Ada"), ChatClient(joined.url, "Bob")
        try:
            await ada.until(lambda: ada.users == ["Ada", "Bob"] and ada.username)
            assert await within(join(f" {server.link}\n")) is joined
        finally:
            for client in (ada, bob):
                client.close()
                await within(client.wait_closed())


async def test_who_sits_at_this_computer_needs_no_token():
    async with opened() as server, guests(server.url, 1) as [ann]:
        await say(ann, {"type": "join", "username": "Ann"})
        assert (await hear(ann))["message"] == "Welcome, Ann!"
        assert server.url == f"ws://{HERE}:{server.port}"
        assert (await ask(server.port, "/about")).status == 200


async def test_the_cell_again_keeps_the_link_and_everybody():
    async with opened() as server, guests(server.url, 1) as [ann]:
        link = server.link
        assert await start("chat", host=EVERYWHERE) is server
        assert await start("chat") is server  # without `host` it stays as it is
        assert server.link == link
        await say(ann, {"type": "join", "username": "Ann"})
        await hear(ann)
        await within(server.stop())
        assert await within(start("chat", host=EVERYWHERE)) is server
        assert server.link == link


async def test_a_class_can_be_opened_and_closed_while_it_runs():
    async with serving("counter") as server:
        assert server.link is None
        client = CounterClient(server)
        client.increment()
        await client.until(lambda: client.value == 1)
        await start("counter", host=EVERYWHERE)
        assert (await call(server, f"/?token={token_of(server)}")).status == 303
        client.increment()
        await client.until(lambda: client.value == 2)  # it came back, and the state is still there
        await start("counter", host=HERE)
        assert server.link is None
        assert (await ask(server.port, "/", host=f"{AWAY}:{server.port}")).status == 403
        if AWAY != HERE:
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(AWAY, server.port)
        client.close()
        await within(client.wait_closed())


async def test_a_class_where_another_kernel_serves_its_own_computer_alone_is_refused():
    async with serving("counter") as server:
        # As in another kernel: this one does not know of its own server.
        known = servers.pop((server.port, "counter"))
        try:
            with pytest.raises(PortTaken, match="serves its own computer alone: to open a class"):
                await within(start("counter", host=EVERYWHERE))
            assert isinstance(await within(start("counter")), Joined)
        finally:
            servers.clear()
            servers[server.port, "counter"] = known


@pytest.mark.parametrize("host", ["", "localhost", "::", "192.168.1.5", 5])
async def test_a_host_that_is_none_is_refused_with_words(host):
    with pytest.raises(ValueError, match=r'Expected "127\.0\.0\.1" for this computer alone, or'):
        await start("chat", host=host)


# Nobody else does


def strangers_ways() -> dict[str, dict]:
    """Return what a stranger tries, by its name: path, headers, Host; {…} is filled in."""
    port = {"host": "127.0.0.1:{port}"}
    return {
        "nothing": {},
        "an empty token": {"path": "/?token="},
        "a guess": {"path": "/?token=0123456789abcdefghijkl"},
        "all but the last character": {"path": "/?token={most}"},
        "one character more": {"path": "/?token={token}x"},
        "another case": {"path": "/?token={swapped}"},
        "a character that is not ASCII": {
            "path": "/?token=%C3%A9",
            "headers": ["Cookie: \xe9=\xe9"],
        },
        "the token of another class": {"path": "/?token={other}"},
        "the token under another name": {"path": "/?key={token}"},
        "the token as a path": {"path": "/{token}"},
        "the token in a fragment": {"path": "/#token={token}"},
        "the token of another class as a cookie": {"headers": ["Cookie: {name}={other}"]},
        "a cookie for another port": {"headers": ["Cookie: websocket_course_1={token}"]},
        "a cookie without a value": {"headers": ["Cookie: {name}"]},
        "an empty cookie": {"headers": ["Cookie: {name}="]},
        "a password": {"headers": ["Authorization: Basic YWRhOmFkYQ=="]},
        "what a proxy would say": {"headers": ["X-Forwarded-For: 127.0.0.1", "Forwarded: for=::1"]},
        "to be at this computer": port,
        "to be localhost": {"host": "localhost:{port}"},
        "a page of one's own": {"headers": ["Origin: http://{host}"]},
        "a foreign page": {"headers": ["Origin: https://evil.example"], "status": 403},
        "a foreign page with the token": {
            "path": "/?token={token}",
            "headers": ["Origin: https://evil.example"],
            "status": 403,
        },
        "a foreign page with the cookie": {
            "headers": ["Origin: null", "Cookie: {name}={token}"],
            "status": 403,
        },
        "another port's page with the cookie": {
            "headers": ["Origin: http://192.168.77.7:1", "Cookie: {name}={token}"],
            "status": 403,
        },
        "a name that was pointed here": {
            "host": "evil.example:{port}",
            "headers": ["Origin: http://evil.example:{port}"],
        },
        "no host": {"host": None, "path": "/?token={token}", "status": 403},
        "two hosts": {"headers": ["Host: 127.0.0.1"], "path": "/?token={token}", "status": 403},
        "half of the token": {"path": "/?token={half}"},
        "the token twice": {"path": "/?token={token}{token}"},
        "two guesses": {"path": "/?token=guess&token={most}"},
        "the token's first letter as its number": {"path": "/?token=%{hex}{rest}"},
        "the token after a blank": {"path": "/?token=%20{token}"},
        "the token before the end of a text": {"path": "/?token={token}%00"},
        "the token behind a semicolon": {"path": "/?a=1;token={token}"},
        "the name in capitals": {"path": "/?TOKEN={token}"},
        "the name with a letter as its number": {"path": "/?%74oken={token}"},
        "the way around": {"path": "/x/../?token=guess"},
        "the way around in numbers": {"path": "/%2e%2e/%2fchat.html"},
        "another server in the target": {"path": "http://127.0.0.1:{port}/"},
        "a user in the target": {"path": "http://ada:{token}@127.0.0.1:{port}/"},
        "a user in the Host": {"host": "127.0.0.1:{port}@192.168.77.7"},
        "the token as the Host": {"host": "{token}"},
        "the token as a bearer's": {"headers": ["Authorization: Bearer {token}"]},
        "the token in a header": {"headers": ["X-Token: {token}", "Token: {token}"]},
        "the token as a subprotocol": {"headers": ["Sec-WebSocket-Protocol: {token}"]},
        "the token where one came from": {"headers": ["Referer: http://{host}/?token={token}"]},
        "the token in quotes": {"headers": ['Cookie: {name}="{token}"']},
        "a cookie whose name is in capitals": {"headers": ["Cookie: {capitals}={token}"]},
        "a cookie in a cookie": {"headers": ["Cookie: a={name}={token}"]},
        "the page's own origin and a foreign one": {
            "headers": ["Origin: http://{host}", "Origin: https://evil.example"],
            "status": 403,
        },
        "an origin that begins with ours": {
            "headers": ["Origin: http://{host}.evil.example", "Cookie: {name}={token}"],
            "status": 403,
        },
        "an older HTTP": {"version": "HTTP/1.0"},
        "a form": {"method": "POST", "path": "/?token={token}", "status": 405},
        "a question what is allowed": {"method": "OPTIONS", "path": "*", "status": 405},
        "a tunnel": {"method": "CONNECT", "path": "127.0.0.1:{port}", "status": 405},
    }


WANTED = {"WebSocket": "/", "page": "/", "script": "/chat.js", "about": "/about"}


@pytest.mark.parametrize("way", strangers_ways())
async def test_nothing_gets_in(way, caplog):
    caplog.set_level(logging.DEBUG)
    if AWAY == HERE and way.startswith("to be"):
        pytest.skip("this computer is in no network: nobody can come from there")
    async with opened("chat") as server, opened("counter") as other:
        token, tried = token_of(server), strangers_ways()[way]
        name = f"websocket_course_{server.port}"
        known = {
            "port": server.port,
            "token": token,
            "half": token[: len(token) // 2],
            "most": token[:-1],
            "rest": token[1:],
            "hex": f"{ord(token[0]):02x}",
            "swapped": token.swapcase(),
            "other": token_of(other),
            "name": name,
            "capitals": name.upper(),
            "host": f"{AWAY}:{server.port}",
        }
        host = tried.get("host", f"192.168.77.7:{server.port}" if AWAY == HERE else "")
        host = host and host.format(**known)
        headers = [header.format(**known) for header in tried.get("headers", [])]
        for wanted, place in WANTED.items():
            path = tried.get("path", "/").format(**known)
            if path.startswith("/"):
                path = place + path[1:]
            handshake = HANDSHAKE if wanted == "WebSocket" else ()
            line = {key: tried[key] for key in ("method", "version") if key in tried}
            answer = await ask(
                server.port, path, *headers, *handshake, host=host, address=AWAY, **line
            )
            assert answer.status == tried.get("status", 401), (wanted, answer)
            assert answer.headers["content-type"].startswith("text/plain")
            assert len(answer.body) > 20, "a reason, in words"
            assert "set-cookie" not in answer.headers
            if answer.status == 401:
                assert answer.body.strip() in {NO_TOKEN, WRONG_TOKEN}
                assert answer.headers["www-authenticate"] == "Bearer"
            assert not server.connections
            assert token not in answer.body + repr(answer.headers) + caplog.text


@pytest.mark.parametrize(
    ("link", "error", "words"),
    [
        ("{place}", PermissionError, "needs its join link. Ask the teacher for it"),
        ("{place}?token=wrong", PermissionError, "does not fit this class"),
        ("http://127.0.0.1:1/?token=x", ConnectionError, r"Nobody answers at 127\.0\.0\.1:1 \("),
        ("127.0.0.1:8762", ValueError, "begins with http:// or https://"),
        ("http:///?token=x", ValueError, "names no computer"),
        ("http://a:b:c/", ValueError, "This is no join link"),
        ("", ValueError, "begins with http://"),
        (5, TypeError, "Expected the join link as a text"),
    ],
)
async def test_a_kernel_that_may_not_join_is_told_why(link, error, words):
    async with opened() as server:
        away = f"http://{AWAY}:{server.port}/"
        if AWAY == HERE and error is PermissionError:
            pytest.skip("this computer is in no network: nobody can come from there")
        with pytest.raises(error, match=words):
            await within(join(link.format(place=away) if isinstance(link, str) else link))


async def test_a_program_of_ones_own_is_told_why_and_a_widget_shows_it():
    if AWAY == HERE:
        pytest.skip("this computer is in no network: nobody can come from there")
    async with opened() as server:
        url = f"ws://{AWAY}:{server.port}"
        with pytest.raises(InvalidStatus) as refused:
            await within(connect(url, proxy=None))
        assert refused.value.response.status_code == 401
        client = ChatClient(url, "Eve")
        await client.until(lambda: client.state == "refused")
        assert "needs its join link" in client._card._head.value
        client.close()
        await within(client.wait_closed())


# The token stays a secret


async def test_the_token_is_nowhere_to_be_read(caplog, capsys):
    """Neither in logs nor in reprs, in what the handler gets, or in a traceback."""
    seen = []

    async def handler(websocket):
        seen.append(repr(websocket.request))
        await websocket.recv()
        raise ValueError(f"broken by {websocket.request.path} {websocket.request.headers}")

    caplog.set_level(logging.DEBUG)
    async with serving("chat", handler, host=EVERYWHERE) as server:
        token = token_of(server)
        link = Link(AWAY, server.port, token)
        joined = await within(join(str(link)))
        # What this process logs as a client is its own affair: its log is apart.
        quiet = logging.getLogger("client")
        quiet.propagate = False
        cookies = {"Cookie": cookie(server, token)[8:]}
        for url, headers in ((link.url, {}), (link.public.url, cookies)):
            options = {"additional_headers": headers, "logger": quiet}
            async with guests(url, 1, **options) as [ann]:
                await say(ann, "x")
                await until(lambda: server.failure)
                server.failure = None
        await call(server, f"/?token={token}")
        await call(server, "/nothing", cookie(server, token))
        shown = repr(server), repr(joined), repr(server.link), repr(server.about()), repr(link)
    out = "".join(capsys.readouterr())
    assert "broken by" in out
    assert HIDDEN in caplog.text and "Cookie" in caplog.text  # the log was on, and has the rest
    for text in (caplog.text, out, *seen, *shown):
        assert token not in text


# A terminal, and a second process


@contextlib.asynccontextmanager
async def in_a_terminal(*arguments: str):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "chat", "--host", EVERYWHERE, "--port", "0", *arguments),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )
    try:
        lines = []
        while not (lines and lines[-1].startswith("The join link")):
            lines.append((await within(process.stdout.readline())).decode().rstrip("\n"))
        yield lines
    finally:
        process.kill()
        await within(process.wait())


@pytest.mark.parametrize("tls", [False, True])
async def test_a_kernel_joins_a_class_in_another_process(tls):
    async with in_a_terminal(*["--tls"] * tls) as lines:
        link = Link.parse(lines[-1].removeprefix("The join link of this class: "))
        assert link.secure is tls
        assert lines[2:-1] and set("".join(lines[2:-1])) == set("█▀▄ ")  # the QR code
        joined = await within(join(str(link)))
        client = ChatClient(joined, "Ada")
        await client.until(lambda: client.username == "Ada")
        # A kernel on the same computer needs no link, even if all is encrypted.
        about = await within(ports.ask_about(link.port))
        assert about["connections"] == 1 and about["secure"] is tls
        client.close()
        await within(client.wait_closed())
        await stop()


def test_the_likeliest_address_comes_first(monkeypatch):
    address, status = namedtuple("address", "family address"), namedtuple("status", "isup")
    interfaces = {
        "lo": [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")],
        "docker0": [(socket.AF_INET, "172.17.0.1")],
        "eth0": [(socket.AF_INET, "203.0.113.5"), (socket.AF_INET, "10.1.2.3")],
        "wlan0": [(socket.AF_INET, "192.168.1.20"), (socket.AF_INET, "169.254.7.7")],
        "eth1": [(socket.AF_INET, "192.168.9.9")],
    }
    monkeypatch.setattr(
        psutil, "net_if_stats", lambda: {n: status(n != "eth1") for n in interfaces}
    )
    monkeypatch.setattr(
        psutil, "net_if_addrs", lambda: {n: [address(*a) for a in v] for n, v in interfaces.items()}
    )
    assert own_addresses() == ["192.168.1.20", "10.1.2.3", "203.0.113.5", "172.17.0.1"]


def test_a_link_survives_being_written_and_read():
    for text in (
        "http://192.168.1.20:8762/?token=abc-_1",
        "https://192.168.1.20:8762/?token=abc#Fi-n_ger",
        "http://[fd00::2]:8762/?token=abc",
        "http://127.0.0.1:8762/",
    ):
        link = Link.parse(text)
        assert str(link) == text
        assert "abc" not in repr(link)
        assert Link.parse(text.replace("http", "ws")) == link
    assert re.fullmatch(r"ws://127\.0\.0\.1:\d+", Link.parse("http://127.0.0.1/").url)
    assert json.dumps(Link("a", 1).url) == '"ws://a:1"'
