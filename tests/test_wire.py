"""A Wire shows what really passes, keeps little of it, and is in nobody's way."""

import asyncio
import gc
import json
import os
import random
import re
import sys
from contextlib import asynccontextmanager, suppress
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame as LibraryFrame
from websockets.frames import Opcode

from client import ChatClient, ConnectClient, CounterClient, Wire, close_all, widget
from client.frames import Frame, Head
from client.space_time import moments
from client.wire import KEPT, ROWS
from server import Joined
from server.tap import CopyingTransport, listen
from tests.test_frames import library_parse
from tests.wire import ask, guests, hear, say, serving, until, within

OTHER_KERNEL = Path(__file__).parent / "other_kernel.py"


@pytest.fixture(autouse=True)
def close_wires():
    """Close what a test leaves open, which else the next `close_all` would find."""
    yield
    for made in [made for made in widget._open if isinstance(made, Wire)]:
        made.close()


def kinds(wire: Wire, *routes: str) -> list[str]:
    """Return what passed, in short; only on these routes, if some are given."""
    return [event.kind for event in wire.seen if not routes or event.route in routes]


def painted(wire: Wire) -> str:
    """Return what the panel shows at this moment."""
    wire._paint()
    return wire._panel.html


def hex_shown(wire: Wire, number: int) -> str:
    """Return the bytes that are shown of an event, as hexadecimal digits."""
    wire.choose(number)
    shown = re.search(r'<code class="wire-bytes">(.*?)</code>', wire._detail.value)[1]
    return re.sub(r"<[^>]*>| ", "", shown)


@asynccontextmanager
async def chatting(*names: str):
    """A chat, and clients who have joined one after the other."""
    async with serving("chat", port=0) as server:
        clients = []
        for name in names:
            clients.append(ChatClient(server, name))
            await clients[-1].until(lambda: clients[-1].username)
        for client in clients:
            await client.until(lambda client=client: len(client.users) == len(names))
        try:
            yield server, *clients
        finally:
            for client in clients:
                client.close()
                await within(client.wait_closed())


class Relay:
    """Passes bytes on between a client and a server, and keeps a copy: the test's own witness."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.passed: dict[bool, bytes] = {True: b"", False: b""}  # from the client, or to it

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        further, away = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._pump(True, reader, away), self._pump(False, further, writer))

    async def _pump(self, from_client, reader, writer) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(70_000):
                self.passed[from_client] += data
                writer.write(data)
        writer.close()

    def frames(self, from_client: bool) -> list[tuple[bytes, LibraryFrame]]:
        """Return the frames with their bytes, as the parser of websockets reads them."""
        _, _, data = self.passed[from_client].partition(b"\r\n\r\n")
        read = []
        while data:
            frame = library_parse(data, mask=from_client)
            size = len(frame.data)
            size += 2 + (0 if size < 126 else 2 if size < 65_536 else 8) + 4 * from_client
            read.append((data[:size], frame))
            data = data[size:]
        return read


async def test_the_bytes_shown_are_those_that_another_decoder_reads():
    seed = 7
    print("seed", seed)
    generator = random.Random(seed)
    async with serving("connect", port=0) as server:
        wire = Wire(server)
        relay = Relay(server.port)
        listener = await asyncio.start_server(relay.take, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        async with listener, connect(f"ws://127.0.0.1:{port}", compression=None) as websocket:
            for _ in range(12):
                size = generator.choice([0, 5, 125, 126, 400, 2_000])
                await websocket.send(json.dumps({"type": "message", "content": "é" * size}))
                await within(await websocket.ping(generator.randbytes(4)))
        await until(lambda: kinds(wire)[-1] == "end")
        frames = [e for e in wire.seen if isinstance(e.what, Frame)]
        for from_client in (True, False):
            shown = [e.what for e in frames if e.from_client == from_client]
            read = relay.frames(from_client)
            assert [f.opcode for f in shown] == [frame.opcode for _, frame in read]
        for event in generator.sample(frames, 10):
            same = [e for e in frames if e.from_client == event.from_client]
            raw, frame = relay.frames(event.from_client)[same.index(event)]
            shown = hex_shown(wire, event.number)
            more = re.search(r"…and([\d,]+)bytesmore$", shown)
            assert raw.hex().startswith(shown.partition("…")[0])
            left = int(more[1].replace(",", "")) if more else 0
            assert len(raw) == len(shown.partition("…")[0]) // 2 + left
            assert event.what.unmasked == frame.data[:200]
            assert (event.what.fin, event.what.length) == (frame.fin, len(frame.data))


async def test_a_broadcast_is_one_message_in_and_one_out_for_each():
    async with chatting("Ada", "Bob", "Carol") as (server, ada, bob, _carol):
        wire = Wire(server)
        ada.field.value = "Hello"
        ada.say()
        await bob.until(lambda: any("Hello" in line for line in bob.log.lines))
        await until(lambda: kinds(wire).count("text") == 4)
        drawn = [m for m in moments(wire.seen) if m.first.kind == "text"]
        assert [len(m.events) for m in drawn] == [1, 3]
        assert drawn[0].first.route == "Ada → server"
        assert sorted(e.line.label for e in drawn[1].events) == ["Ada", "Bob", "Carol"]
        html = painted(wire)
        assert re.findall(r"<b title='(.*?)'>", html) == ["Ada", "Bob", "server", "Carol"]
        assert "→ 3 clients" in html
        starts = re.findall(r'class="wire-arrow" d="M(\d+ \d+)L', html)[-3:]
        ends = re.findall(r'class="wire-arrow" d="M\d+ \d+L(\d+) ', html)[-3:]
        assert len(set(starts)) == 1 and len(set(ends)) == 3, "a fan from one point to three"


async def test_equal_answers_to_two_clients_are_no_broadcast():
    async def echo(websocket):
        async for text in websocket:
            await websocket.send(text)

    async with serving(echo, port=0) as server, guests(server.url, 2) as (ada, bob):
        wire = Wire(server)
        for websocket in (ada, bob, bob, ada):
            await say(websocket, "same")
            assert await within(websocket.recv()) == "same"
        drawn = [m for m in moments(wire.seen) if m.first.kind == "text"]
        assert [len(m.events) for m in drawn] == [1] * 8
        assert [m.first.from_client for m in drawn] == [True, False] * 4


async def test_frames_that_are_written_to_the_transport_itself_are_seen():
    async def handler(websocket):
        await websocket.wait_closed()

    async with serving(handler, port=0) as server, guests(server.url, 2) as (ada, bob):
        wire = Wire(server)
        frames = [LibraryFrame(Opcode.TEXT, text).serialize(mask=False) for text in (b"1", b"22")]
        for websocket in server.connections:
            websocket.transport.write(b"".join(frames))
            websocket.transport.writelines(frames)
        for websocket in (ada, bob):
            assert [await within(websocket.recv()) for _ in range(4)] == ["1", "22", "1", "22"]
        texts = [e.meaning for e in wire.seen if e.kind == "text"]
        assert texts == ["1", "22"] * 4
        drawn = [m for m in moments(wire.seen) if m.first.kind == "text"]
        assert [len(m.events) for m in drawn] == [2] * 4


async def test_connections_that_were_there_before_and_those_amid_their_handshake():
    async with serving("counter", port=0) as server, guests(server.url, 1) as (ada,):
        await hear(ada)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await until(lambda: len(server.begun) == 2)
        wire = Wire(server)
        assert kinds(wire) == ["request", "response"]
        assert [event.seconds for event in wire.seen] == [None, None]
        assert wire.seen[0].what.wants_websocket and wire.seen[1].what.switches
        writer.write(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            % server.port
        )
        assert b"101 Switching" in await within(reader.readuntil(b"\r\n\r\n"))
        await say(ada, {"type": "increment"})
        assert (await hear(ada))["value"] == 1
        await until(lambda: len(wire.seen) == 8)
        assert kinds(wire)[2:5] == ["request", "response", "text"]
        assert {e.line.label for e in wire.seen} == {"program", "program 2"}
        writer.close()
        await until(lambda: "program 2 – server" in [e.route for e in wire.seen])


async def test_a_client_is_watched_across_its_reconnects_and_keeps_its_line():
    async with chatting("Ada", "Bob") as (server, ada, _bob):
        at_server, at_client = Wire(server), Wire(ada, view="table")
        ada.cut()
        await ada.until(lambda: ada.username is None)
        await ada.until(lambda: ada.username == "Ada")
        for wire in (at_server, at_client):
            routes = {"Ada → server", "server → Ada", "Ada – server"}
            assert kinds(wire, *routes)[:6] == [
                *("request", "response", "end"),
                *("request", "response", "text"),
            ]
            dead = next(e for e in wire.seen if e.kind == "end")
            assert "nobody has sent a close frame" in dead.meaning
            assert "Ada 2" not in painted(wire)
        assert {e.line.number for e in at_client.seen} == {1, 2}
        await server.stop()
        await until(lambda: kinds(at_client)[-1] == "end")
        closes = [e for e in at_client.seen if e.kind == "close"]
        assert [(e.route, e.meaning) for e in closes] == [
            ("server → Ada", "1001 going away"),
            ("Ada → server", "1001 going away"),
        ]
        assert "a close frame from each side" in at_client.seen[-1].meaning


async def test_close_codes_reasons_pings_and_a_message_that_is_too_long():
    async def handler(websocket):
        async for text in websocket:
            await websocket.close(4001, f"you said {text}")

    async with serving(handler, port=0) as server:
        wire = Wire(server)
        async with connect(server.url) as websocket:
            await within(await websocket.ping(b"hello?"))
            await say(websocket, "<b>")
            await within(websocket.wait_closed())
        await until(lambda: kinds(wire)[-1] == "end")
        assert kinds(wire) == [
            *("request", "response", "ping", "pong", "text", "close", "close", "end")
        ]
        assert wire.seen[5].meaning == "4001 a code of the application · “you said <b>”"
        assert "you said &lt;b&gt;" in painted(wire) and "<b>”" not in painted(wire)
        async with connect(server.url, compression=None) as websocket:
            with suppress(ConnectionClosed):
                await websocket.send("x" * 100_000)
            await within(websocket.wait_closed())
        await until(lambda: kinds(wire).count("end") == 2)
        server_closed = next(e for e in list(wire.seen)[8:] if e.kind == "close")
        assert server_closed.meaning.startswith("1009 message too big")
        long = next(e for e in wire.seen if isinstance(e.what, Frame) and e.what.length == 100_000)
        if long.what.missing:
            assert "never came whole" in long.meaning


async def test_pages_are_no_handshakes_and_a_refusal_tells_its_reason():
    async with serving("chat", port=0) as server:
        wire = Wire(server)
        assert (await ask(server.port, "/")).status == 200
        await until(lambda: not server.begun)
        assert kinds(wire) == []
        with pytest.raises(InvalidStatus):
            await connect(server.url, origin="https://example.org")
        await until(lambda: kinds(wire) == ["request", "response", "end"])
        assert wire.seen[1].what.first_line == "HTTP/1.1 403 Forbidden"
        wire.choose(2)
        assert unescape(wire.seen[1].what.body)[:10] in unescape(wire._detail.value)


async def test_another_handler_takes_over_and_the_wire_goes_on():
    async def echo(websocket):
        async for text in websocket:
            await websocket.send(text)

    async def shout(websocket):
        async for text in websocket:
            await websocket.send(text.upper())

    async with serving(echo, port=0) as server, guests(server.url, 1) as (ada,):
        wire = Wire(server)
        await say(ada, "a")
        assert await within(ada.recv()) == "a"
        server.use(shout)
        await say(ada, "b")
        assert await within(ada.recv()) == "B"
        assert [e.meaning for e in wire.seen if e.kind == "text"] == ["a", "a", "b", "B"]


async def test_it_keeps_five_hundred_and_paints_seldom_however_much_passes():
    async def handler(websocket):
        await websocket.wait_closed()

    async with serving(handler, port=0) as server, guests(server.url, 3) as listening:
        wire = Wire(server, view="table")
        paintings = []
        wire._panel.observe(paintings.append, "html")
        began = asyncio.get_running_loop().time()
        for number in range(1_000):
            broadcast(server.connections, f"{number} " + "x" * 1_000)
            await asyncio.sleep(0)
        for websocket in listening:
            while not (await within(websocket.recv())).startswith("999 "):
                pass
        seconds = asyncio.get_running_loop().time() - began
        assert wire.passed == 6 + 3_000
        assert len(wire.seen) == KEPT
        assert max(len(e.what.payload) for e in wire.seen) == 200
        assert len(paintings) <= seconds / 0.25 + 1
        assert painted(wire).count("data-number") == ROWS
        assert "999 xxx" in painted(wire)
        wire.show("diagram")
        assert "→ 3 clients" in painted(wire)


async def test_many_clients_share_a_few_lines_of_the_picture():
    async with serving("counter", port=0) as server, guests(server.url, 20) as everybody:
        wire = Wire(server)
        await say(everybody[12], {"type": "increment"})
        for websocket in everybody:
            while (await hear(websocket))["value"] != 1:
                pass
        html = painted(wire)
        names = re.findall(r"<b title='(.*?)'>", html)
        speaker = next(e.line.label for e in wire.seen if e.from_client and e.kind == "text")
        assert speaker in names and "13 others" in names and len(names) == 9
        assert "→ 20 clients" in html
        assert all(int(x) <= 84 * 9 for x in re.findall(r"L(\d+) ", html))


async def test_pause_older_and_close():
    async with serving("counter", port=0) as server, guests(server.url, 1) as (ada,):
        before = next(iter(server.connections)).transport
        wire, other = Wire(server, view="table"), Wire(server)
        for _ in range(120):
            await say(ada, {"type": "increment"})
        await until(lambda: wire.seen[-1].meaning.endswith("120}"))
        wire.pause()
        await say(ada, {"type": "decrement"})
        await until(lambda: "decrement" in "".join(e.meaning for e in wire.seen))
        assert "decrement" not in painted(wire)
        newest = re.findall(r'data-number="(\d+)"', painted(wire))
        wire.older()
        older = re.findall(r'data-number="(\d+)"', painted(wire))
        assert int(older[-1]) == int(newest[-1]) - ROWS
        for _ in range(9):
            wire.older()
        assert 'data-number="1"' in painted(wire)
        wire.show("diagram")
        wire.resume()
        for _ in range(20):
            wire.older()
        assert 'data-number="1"' in painted(wire)
        wire.resume()
        assert "decrement" in painted(wire)

        wire.close()
        passed = wire.passed
        await say(ada, {"type": "increment"})
        await until(lambda: other.passed > wire.passed + 1)
        assert wire.passed == passed
        websocket = next(iter(server.connections))
        assert isinstance(websocket.transport, CopyingTransport), "the other one still listens"
        other.close()
        assert websocket.transport is before
        assert before.get_protocol() is websocket
        assert not server.watchers
        await say(ada, {"type": "increment"})
        while (await hear(ada))["value"] != 121:
            pass


@pytest.mark.parametrize("name", ["server", "3 others", "<b title='x'>", "a" * 100])
async def test_whatever_a_client_calls_itself_it_has_a_line_of_its_own(name):
    async with serving("counter", port=0) as server:
        wire = Wire(server)
        async with connect(server.url, user_agent_header=f"notebook/{quote(name)}") as odd:
            await hear(odd)
            async with guests(server.url, 10) as others:
                await say(odd, {"type": "increment"})
                while (await hear(others[-1]))["value"] != 1:
                    pass
                html = painted(wire)
        names = [unescape(shown) for shown in re.findall("<b title='(.*?)'>", html)]
        label = "server 2" if name == "server" else name[:40]
        assert label in names and "4 others" in names and names.count("server") == 1
        assert html.count("<b title='") == len(names) == 9


async def test_a_held_picture_shows_who_was_there_then():
    async with serving("counter", port=0) as server:
        wire = Wire(server)
        async with connect(server.url) as ada:
            await hear(ada)
            wire.pause()
            held = painted(wire)
        await until(lambda: kinds(wire)[-1] == "end")
        assert painted(wire) == held
        async with guests(server.url, 1) as (bob,):
            for _ in range(KEPT):
                await bob.send('{"type": "increment"}')
            await until(lambda: wire.passed > 2 * KEPT)
        assert painted(wire) == held
        wire.choose(3)
        assert "counter" in wire._detail.value, "what is drawn can be chosen"
        height = re.search(r'height="(\d+)"', held)[1]
        lives = re.findall(r'class="wire-life" d="M(\d+) (\d+)V(\d+)"', held)
        assert [end for _, _, end in lives] == [height] * 2
        wire.resume()
        await until(lambda: kinds(wire)[-1] == "end")
        lives = re.findall(r'class="wire-life" d="M(\d+) (\d+)V(\d+)"', painted(wire))
        assert int(lives[1][2]) < int(lives[0][2]), "the line has ended, the server's goes on"
        assert 'class="wire-cross"' in painted(wire)


async def test_without_a_wire_a_connection_is_as_websockets_made_it():
    async with serving("counter", port=0) as server:
        ada = CounterClient(server, "Ada")
        await ada.until(lambda: ada.value == 0)
        for websocket in (next(iter(server.connections)), ada._connection._websocket):
            assert not isinstance(websocket.transport, CopyingTransport)
            assert websocket.transport.get_protocol() is websocket
            assert "data_received" not in vars(websocket)
        ada.close()
        await within(ada.wait_closed())


async def test_close_all_closes_it_and_what_was_seen_stays(monkeypatch):
    monkeypatch.setattr(widget, "_open", set())  # other tests may have left something open
    async with serving("counter", port=0) as server, guests(server.url, 1) as (ada,):
        await hear(ada)
        wire = Wire(server, view="table")
        await within(close_all())
        assert wire.is_closed and not server.watchers and wire not in widget._open
        assert "closed · 2 passed" in wire._card._head.value
        assert wire._panel.html.count("data-number") == 2


async def test_a_listener_that_raises_does_no_harm_and_listens_no_more(caplog):
    def listener(what, data):
        raise ZeroDivisionError

    async with serving("counter", port=0) as server, guests(server.url, 1) as (ada,):
        websocket = next(iter(server.connections))
        before = websocket.transport
        listen(websocket, listener)
        await say(ada, {"type": "increment"})
        while (await hear(ada))["value"] != 1:
            pass
        assert caplog.text.count("A listener raised") == 1
        assert websocket.transport is before


def connections_in_memory():
    gc.collect()
    return sum(isinstance(thing, ServerConnection) for thing in gc.get_objects())


async def test_connections_that_have_ended_are_let_go():
    before = connections_in_memory()  # of other tests
    async with serving("counter", port=0) as server:
        wire = Wire(server)
        for _ in range(20):
            async with connect(server.url) as ada:
                await hear(ada)
        await until(lambda: kinds(wire).count("end") == 20)
        ada = None
        await until(lambda: not server.begun)
        assert connections_in_memory() < before + 5
        assert {event.line.label for event in wire.seen} == {"program"}
        assert "Nothing" not in painted(wire)


async def test_a_bare_connection_can_be_watched_too():
    async with serving("connect", port=0) as server, connect(server.url) as carol:
        wire = Wire(carol)
        await within(await carol.ping(b"there?"))
        assert kinds(wire, "program → server") == ["request", "ping"]
        assert kinds(wire)[-1] == "pong"
        assert [e.what.is_masked for e in wire.seen if e.kind in ("ping", "pong")] == [True, False]
        assert "one connection" in repr(wire)


async def test_what_lets_somebody_in_is_not_shown():
    async with serving("counter", port=0) as server:
        wire = Wire(server)
        secret = {"Cookie": "session=4711", "Authorization": "Basic abc"}
        async with connect(server.url + "/?token=s3cret", additional_headers=secret) as ada:
            await hear(ada)
            await until(lambda: kinds(wire)[:2] == ["request", "response"])
            late = Wire(server)
            for seen in (wire, late):
                seen.choose(1)
                everything = painted(seen) + seen._detail.value
                assert "(hidden)" in everything
                assert not re.search("4711|abc|s3cret", everything)


async def test_the_wire_of_another_kernel_is_out_of_sight_but_that_of_a_client_is_not():
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    environment = os.environ | {"PYTHONPATH": str(OTHER_KERNEL.parents[1])}
    program = [sys.executable, str(OTHER_KERNEL)]
    other = await asyncio.create_subprocess_exec(*program, **pipes, env=environment)
    try:
        other.stdin.write(b"start typing_indicator\n")
        assert b'"Server"' in await within(other.stdout.readline())
        async with serving("typing_indicator") as joined:
            assert isinstance(joined, Joined)
            wire = Wire(joined)
            assert "another kernel" in wire._detail.value
            assert "<code>Wire(ada)</code>" in wire._detail.value
            wire.close()
            ada = ChatClient(joined, "Ada")
            wire = Wire(ada)
            await ada.until(lambda: ada.username)
            assert kinds(wire)[:3] == ["request", "response", "text"]
            ada.close()
            await within(ada.wait_closed())
    finally:
        other.stdin.close()
        await within(other.wait())


async def test_wrong_arguments_are_refused_in_words():
    with pytest.raises(TypeError, match=r"Got 'ws://.*Expected a server"):
        Wire("ws://127.0.0.1:1")
    async with serving("counter", port=0) as server:
        with pytest.raises(ValueError, match='"diagram" or "table"'):
            Wire(server, view="list")
    with pytest.raises(RuntimeError, match="cell of a notebook"):
        await asyncio.to_thread(Wire, server)


async def test_a_wire_of_a_server_that_stops_and_starts_again():
    async with serving("connect", port=0) as server:
        wire = Wire(server)
        ada = ConnectClient(server, "Ada")
        await ada.until(lambda: ada.state == "connected")
        await server.stop()
        await until(lambda: kinds(wire)[-1] == "end")
        await server.open(server.port)
        await ada.until(lambda: ada.state == "connected")
        await until(lambda: kinds(wire).count("response") == 2)
        assert isinstance(wire.seen[-1].what, Frame | Head)
        ada.close()
        await within(ada.wait_closed())
