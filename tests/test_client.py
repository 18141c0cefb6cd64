"""The clients of the notebook without a browser: their connection, their widgets, their threads."""

import asyncio
import json
import random
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from client import Client, ConnectClient, CounterClient, close_all, close_button, side_by_side
from client import connection as timing
from client.connection import WAITING_LIMIT, back_off
from client.log import LINES, Log
from server import Server, start
from tests.wire import DEADLINE, ask, guests, hear, say, serving, until, within

PLUS = {"type": "increment"}


class Witness(Client):
    """A client that keeps what happens to it."""

    def build(self) -> list:
        self.states: list[str] = []
        self.words: list[str] = []
        self.heard: list[Any] = []
        self.times_connected = 0
        return []

    def connected(self) -> None:
        self.times_connected += 1

    def received(self, message: dict) -> None:
        self.heard.append(message)

    def received_text(self, text: str) -> None:
        self.heard.append(text)

    def _show_state(self, state: str, words: str) -> None:
        self.states.append(state)
        self.words.append(words)
        super()._show_state(state, words)

    async def becomes(self, state: str) -> None:
        await self.until(lambda: self.state == state, DEADLINE)

    async def hears(self, *expected: Any) -> None:
        await self.until(lambda: len(self.heard) >= len(expected), DEADLINE)
        assert self.heard == list(expected)


@asynccontextmanager
async def clients(*made: Client) -> AsyncIterator[None]:
    """Close clients in the end."""
    try:
        yield
    finally:
        for client in made:
            client.close()
            await within(client.wait_closed())
            assert client.state == "closed"


async def echo(websocket: ServerConnection) -> None:
    async for message in websocket:
        await websocket.send(message)


def badge(client: Client) -> str:
    return client._card._head.value


# Connecting, losing, coming back


async def test_it_connects_and_says_goodbye():
    goodbyes: asyncio.Queue[int] = asyncio.Queue()

    async def handler(websocket: ServerConnection) -> None:
        await websocket.wait_closed()
        goodbyes.put_nowait(websocket.close_code)

    async with serving(handler) as server:
        client = Witness(server.url)
        assert client.state == "connecting"
        await client.becomes("connected")
        assert "connected" in badge(client)
        client.close()
        await within(client.wait_closed())
        assert client.state == "closed"
        assert client.states == ["connecting", "connected", "closed"]
        assert await within(goodbyes.get()) == 1000


async def test_a_server_may_be_given_in_place_of_its_address():
    async with serving("counter") as server:
        client = CounterClient(server)
        async with clients(client):
            await client.until(lambda: client.value == 0, DEADLINE)
            assert client.url == server.url


async def test_it_waits_for_a_server_that_is_not_there_yet(free_port):
    client = Witness(f"ws://127.0.0.1:{free_port}")
    async with clients(client):
        await client.until(lambda: len(client.states) >= 3, DEADLINE)
        assert set(client.states) == {"connecting"}
        assert client.words[1] == "connecting — nobody listens there; trying again…"
        async with serving("counter", port=free_port):
            await client.becomes("connected")
            await client.hears({"type": "counter", "value": 0})


async def test_it_comes_back_when_the_server_does():
    async with serving("counter") as server:
        client = Witness(server.url)
        async with clients(client):
            await client.becomes("connected")
            await within(server.stop())
            await client.becomes("lost")
            assert client.words[2] == "lost (the server is going away) — reconnecting…"
            await client.until(lambda: "nobody listens there" in client.words[-1], DEADLINE)
            assert client.words[-1] == "lost — nobody listens there; trying again…"
            await start("counter")
            await client.becomes("connected")
            await client.until(lambda: len(client.heard) == 2, DEADLINE)
            assert client.times_connected == 2


async def test_a_line_that_was_cut_comes_back():
    async with serving("counter") as server, guests(server.url, 1) as [ann]:
        await hear(ann)
        client = CounterClient(server.url)
        async with clients(client):
            await client.until(lambda: client.value == 0, DEADLINE)
            for value in range(1, 4):
                client.cut()
                await client.until(lambda: client.state == "lost", DEADLINE)
                assert "lost (the line went dead)" in badge(client)
                await say(ann, PLUS)
                await client.until(lambda value=value: client.value == value, DEADLINE)
                assert client.state == "connected"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1000, "the server said goodbye"),
        (1001, "the server is going away"),
        (1009, "a message was too long"),
        (1011, "the server made a mistake"),
        (4001, "close code 4001"),
    ],
)
async def test_it_says_how_the_connection_was_lost(code, words):
    async def handler(websocket: ServerConnection) -> None:
        await websocket.close(code)

    async with serving(handler) as server:
        client = Witness(server.url)
        async with clients(client):
            await client.until(lambda: "lost" in client.states, DEADLINE)
            assert client.words[client.states.index("lost")] == f"lost ({words}) — reconnecting…"


def test_the_pauses_between_attempts_grow_to_a_bound_and_differ_from_client_to_client():
    random.seed(7)
    clients = [back_off() for _ in range(50)]
    for middle in (0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0):
        pauses = [next(client) for client in clients]
        assert all(0.75 * middle <= pause <= 1.25 * middle for pause in pauses)
        assert len(set(pauses)) > 40
    assert all(pause <= 2.5 for pause in islice(back_off(), 2_000))


async def test_a_server_that_closes_each_connection_at_once_is_called_with_pauses():
    calls = []
    fifth = asyncio.Event()

    async def handler(websocket: ServerConnection) -> None:
        calls.append(asyncio.get_running_loop().time())
        if len(calls) == 5:
            fifth.set()

    async with serving(handler) as server:
        client = Witness(server.url)
        async with clients(client):
            await within(fifth.wait())
    assert calls[4] - calls[0] >= 0.75 * (0.1 + 0.2 + 0.4 + 0.8)
    assert sum(call < calls[0] + 1 for call in calls) <= 6


async def test_after_a_connection_that_worked_the_pauses_begin_anew(monkeypatch):
    monkeypatch.setattr(timing, "STEADY", 0.0)
    async with serving("counter") as server:
        client = Witness(server.url)
        async with clients(client):
            begun = asyncio.get_running_loop().time()
            for _ in range(8):
                await client.becomes("connected")
                client.cut()
                await client.becomes("lost")
            assert asyncio.get_running_loop().time() - begun < 8 * 0.125 + 2


async def test_whoever_is_refused_is_told_why_and_stays_away():
    attempts = []

    def refuse(websocket, request):
        attempts.append(request)
        return websocket.respond(403, "Only on Mondays.\n")

    async with serve(echo, "127.0.0.1", 0, process_request=refuse) as server:
        client = Witness(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with clients(client):
            await client.becomes("refused")
            assert client.words[-1] == "refused — Only on Mondays."
            assert "Only on Mondays." in badge(client)
            await until(client._connection._task.done)  # no attempt will follow
            assert len(attempts) == 1


@pytest.mark.parametrize("url", ["127.0.0.1:8764", "http://127.0.0.1:8764", "", "ws://", None, 5])
async def test_an_address_that_is_none_is_refused_with_words(url):
    client = Witness(url)
    async with clients(client):
        await client.becomes("refused")
        assert client.words[-1].startswith("refused — ")
        assert len(client.words[-1]) > 15


@asynccontextmanager
async def stranger(answer: bytes) -> AsyncIterator[str]:
    """Run a program that answers each request with the same bytes; yield its address."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<html>",  # as python -m http.server
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
    ],
)
async def test_a_stranger_is_called_again_since_it_may_make_room(answer):
    async with stranger(answer) as url:
        client = Witness(url)
        async with clients(client):
            await client.until(lambda: len(client.states) >= 3, DEADLINE)
            assert set(client.states) == {"connecting"}
            words = "connecting — what answers there is no WebSocket server; trying again…"
            assert client.words[1] == words


async def test_the_page_of_a_stranger_is_not_poured_out_over_the_badge():
    page = b"<!doctype html><html>" + b"<p>Not found</p>\n" * 1_000
    head = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n"
    async with stranger(head % len(page) + page) as url:
        client = Witness(url)
        async with clients(client):
            await client.until(lambda: len(client.states) >= 2, DEADLINE)
            assert "HTTP status 404" in client.words[-1]
            assert len(client.words[-1]) < 300


async def test_a_server_in_trouble_is_called_again():
    head = b"HTTP/1.1 503 Busy\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n"
    async with stranger(head + b"Busy.") as url:
        client = Witness(url)
        async with clients(client):
            await client.until(lambda: len(client.states) >= 3, DEADLINE)
            assert client.words[1] == "connecting — Busy.; trying again…"


# Sending


async def test_what_is_sent_before_the_connection_is_there_goes_out_in_order(free_port):
    client = Witness(f"ws://127.0.0.1:{free_port}")
    async with clients(client):
        for number in range(WAITING_LIMIT):
            client.send(str(number))
        await client.until(lambda: len(client.states) >= 2, DEADLINE)
        async with serving(echo, port=free_port):
            await client.until(lambda: len(client.heard) == WAITING_LIMIT, DEADLINE)
            assert client.heard == [str(number) for number in range(WAITING_LIMIT)]


async def test_no_more_than_a_hundred_messages_wait_for_a_connection(free_port):
    client = Witness(f"ws://127.0.0.1:{free_port}")
    async with clients(client):
        for number in range(WAITING_LIMIT):
            client.send(str(number))
        with pytest.raises(ConnectionError, match="Not connected, and 100 messages wait already"):
            client.send("one too many")


async def test_what_could_not_be_sent_goes_with_the_next_connection():
    async with serving(echo) as server:
        client = Witness(server.url)
        async with clients(client):
            await client.becomes("connected")
            await within(server.stop())
            await client.becomes("lost")
            client.send("late")
            await start(echo)
            await client.hears("late")


async def test_what_was_sent_before_close_still_arrives():
    arrived: asyncio.Queue[list] = asyncio.Queue()

    async def handler(websocket: ServerConnection) -> None:
        arrived.put_nowait([message async for message in websocket])

    async with serving(handler) as server:
        client = Witness(server.url)
        async with clients(client):
            await client.becomes("connected")
            for number in range(500):
                client.send(str(number))
            client.close()
            assert await within(arrived.get()) == [str(number) for number in range(500)]


async def test_any_thread_may_send():
    async with serving(echo) as server:
        client = Witness(server.url)
        async with clients(client):
            await client.becomes("connected")
            thread = threading.Thread(target=client.send, args=["from a thread"])
            thread.start()
            await client.hears("from a thread")
            thread.join(DEADLINE)
            await asyncio.to_thread(client.send, {"from": "asyncio.to_thread"})
            await client.hears("from a thread", {"from": "asyncio.to_thread"})


async def test_many_threads_may_send_at_once():
    async with serving(echo) as server:
        client = Witness(server.url)
        async with clients(client):
            await client.becomes("connected")

            def talk(name: int) -> None:
                for number in range(200):
                    client.send({"name": name, "number": number})

            await within(asyncio.gather(*(asyncio.to_thread(talk, name) for name in range(4))))
            await client.until(lambda: len(client.heard) == 800, DEADLINE)
            for name in range(4):
                numbers = [m["number"] for m in client.heard if m["name"] == name]
                assert numbers == list(range(200))


async def test_a_text_is_sent_as_it_is_and_a_dict_as_json():
    async with serving(echo) as server:
        client = Witness(server.url)
        async with clients(client):
            client.send("¡hola!")
            client.send({"text": "¡hola! 🚀"})
            client.send("[1]")
            await client.hears("¡hola!", {"text": "¡hola! 🚀"}, "[1]")


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"value": {1, 2}}, TypeError),
        ({"value": float("nan")}, ValueError),
        ({"value": "\ud800"}, ValueError),
        ("\ud800", ValueError),
    ],
)
async def test_what_cannot_be_sent_is_refused_at_once_and_holds_up_nothing(message, kind):
    async with serving(echo) as server:
        client = Witness(server.url)
        async with clients(client):
            await client.becomes("connected")
            with pytest.raises(kind):
                client.send(message)
            client.send("next")
            await client.hears("next")
            assert client.times_connected == 1


@pytest.mark.parametrize("size", [65_537, 5_000_000])
async def test_a_message_that_is_too_long_is_not_sent_for_ever(size):
    async with serving(echo) as server:
        client = Witness(server.url)
        async with clients(client):
            await client.becomes("connected")
            client.send("x" * size)
            await client.becomes("lost")
            assert client.words[-1] == "lost (a message was too long) — reconnecting…"
            await client.becomes("connected")
            client.send("next")
            await client.hears("next")
            assert client.times_connected == 2


async def test_a_closed_client_does_not_send():
    async with serving(echo) as server:
        client = Witness(server.url)
        client.close()
        await within(client.wait_closed())
        with pytest.raises(ConnectionError, match=r"client is closed\. Run the cell that"):
            client.send("hello")


# Leaving


@pytest.mark.parametrize("when", ["connecting", "connected", "lost", "refused"])
async def test_a_closed_client_leaves_no_task_behind(when, free_port):
    before = asyncio.all_tasks()
    async with serving(echo) as server:
        address = {"connecting": f"ws://127.0.0.1:{free_port}", "refused": "nonsense"}
        client = Witness(address.get(when, server.url))
        if when in {"connected", "lost"}:
            await client.becomes("connected")
        if when == "lost":
            await within(server.stop())
        await client.becomes(when)
        client.close()
        client.close()
        await within(client.wait_closed())
        assert client.state == "closed"
    await until(lambda: asyncio.all_tasks() == before)


async def test_a_client_that_was_closed_at_once_never_connects():
    async with serving(echo) as server:
        client = Witness(server.url)
        client.close()
        await within(client.wait_closed())
        assert client.state == "closed"
        assert client.times_connected == 0
        assert len(server.connections) == 0


async def test_disconnect_stays_away_until_reconnect():
    async with serving("counter") as server:
        client = Witness(server.url)
        async with clients(client):
            await client.becomes("connected")
            client.disconnect()
            await within(client.wait_closed())
            assert client.state == "disconnected"
            await until(lambda: len(server.connections) == 0)
            client.send(PLUS)  # waits
            client.reconnect()
            await client.until(lambda: {"type": "counter", "value": 1} in client.heard, DEADLINE)
            assert client.states == [
                "connecting", "connected", "disconnected", "connecting", "connected",
            ]  # fmt: skip


async def test_disconnect_and_reconnect_in_one_breath():
    async with serving("counter") as server:
        client = Witness(server.url)
        async with clients(client):
            await client.becomes("connected")
            client.disconnect()
            client.reconnect()
            await client.until(lambda: client.times_connected == 2, DEADLINE)
            assert client.state == "connected"


async def test_a_closed_client_does_not_come_back():
    async with serving("counter") as server:
        client = Witness(server.url)
        await client.becomes("connected")
        client.close()
        client.disconnect()
        client.reconnect()
        await within(client.wait_closed())
        client.disconnect()
        client.reconnect()
        await within(client.wait_closed())
        await within(ask(server.port, "/about"))  # time enough for a connection
        assert client.state == "closed"
        assert client.times_connected == 1


async def test_a_server_that_does_not_read_cannot_hold_up_the_goodbye():
    async def deaf(websocket: ServerConnection) -> None:
        websocket.transport.pause_reading()
        await asyncio.Future()

    async with serving(deaf) as server:
        client = Witness(server.url)
        await client.becomes("connected")
        for _ in range(100):
            client.send("x" * 100_000)
        client.close()
        await within(client.wait_closed(), 5)
        assert client.state == "closed"


async def test_close_all_closes_clients_and_servers():
    async with serving("counter") as server:
        made = [CounterClient(server.url) for _ in range(3)]
        for client in made:
            await client.until(lambda client=client: client.value == 0, DEADLINE)
        await within(close_all())
        assert [client.state for client in made] == ["closed"] * 3
        assert not server.is_running


async def test_the_close_button_closes_everything():
    async with serving("counter") as server:
        client = CounterClient(server.url)
        await client.until(lambda: client.value == 0, DEADLINE)
        button = close_button()
        await click_elsewhere(button)
        await client.until(lambda: client.state == "closed", DEADLINE)
        await until(lambda: not server.is_running)
        assert button.disabled


async def test_until_gives_up_and_says_for_whom():
    async with serving("counter") as server:
        client = CounterClient(server.url, "Ada")
        async with clients(client):
            await client.until(lambda: client.value == 0, DEADLINE)
            with pytest.raises(TimeoutError, match=r"Ada waited 0\.05 seconds in vain\. It is"):
                await client.until(lambda: client.value == 1, 0.05)


def test_without_an_event_loop_there_is_no_client():
    with pytest.raises(RuntimeError, match="A client needs an event loop that runs"):
        CounterClient("ws://127.0.0.1:1")


# Widgets


async def click_elsewhere(button: Any) -> None:
    """Click as JupyterLab does it from the second click on: on a thread with a loop of its own."""

    def subshell() -> None:
        async def callback() -> None:
            button.click()

        asyncio.run(callback())

    await within(asyncio.to_thread(subshell))


async def enter_elsewhere(field: Any, text: str) -> None:
    """Type a text and press Enter as a page tells it, on a thread with a loop of its own."""
    message = {"page": "a page", "number": 1, "text": text, "seen": field.shown["count"]}

    def subshell() -> None:
        async def callback() -> None:
            sent = [[1, text, message["seen"], "enter"]]
            field._handle_custom_msg(message | {"sent": sent}, [])

        asyncio.run(callback())

    await within(asyncio.to_thread(subshell))


async def test_clicks_count_on_whatever_thread_they_arrive():
    async with serving("counter") as server, guests(server.url, 1) as [ann]:
        assert (await hear(ann))["value"] == 0
        client = CounterClient(server.url)
        async with clients(client):
            client.plus.click()
            assert (await hear(ann))["value"] == 1
            for value in range(2, 12):
                await click_elsewhere(client.plus)
                assert (await hear(ann))["value"] == value
            await click_elsewhere(client.minus)
            assert (await hear(ann))["value"] == 10
            await client.until(lambda: client.value == 10, DEADLINE)
            assert client.failure is None


async def test_the_counter_shows_what_the_server_told():
    async with serving("counter") as server:
        client = CounterClient(server.url)
        async with clients(client):
            assert ">–<" in client.number.value
            await client.until(lambda: client.value == 0, DEADLINE)
            for _ in range(3):
                client.decrement()
            assert client.value == 0  # it is the server that counts
            await client.until(lambda: ">-3<" in client.number.value, DEADLINE)


async def test_the_connect_client_says_pings_leaves_and_returns():
    async with serving("connect") as server:
        ann, ben = ConnectClient(server.url, "Ann"), ConnectClient(server.url, "Ben")
        async with clients(ann, ben):
            await ben.until(lambda: ben.client_count == 2, DEADLINE)
            await ann.until(lambda: ann.client_count == 2, DEADLINE)
            assert ann.count.value == "2 connected"
            ann.field.value = "¡Hola!"
            await click_elsewhere(ann.send_button)
            await ben.until(lambda: any(": ¡Hola!" in line for line in ben.log.lines), DEADLINE)
            await ann.until(lambda: any(": ¡Hola!" in line for line in ann.log.lines), DEADLINE)
            assert ann.field.value == ""
            await enter_elsewhere(ann.field, "by the Enter key")
            await ben.until(lambda: any("by the Enter" in line for line in ben.log.lines), DEADLINE)
            ann.ping_button.click()
            await ann.until(lambda: any('"pong"' in line for line in ann.log.lines), DEADLINE)
            ann.send("plain text")
            await ann.until(lambda: "Echo: plain text" in ann.log.lines, DEADLINE)
            assert not any("pong" in line or "Echo" in line for line in ben.log.lines)

            ann.leave_button.click()
            await ann.until(lambda: ann.state == "disconnected", DEADLINE)
            assert ann.leave_button.description == "Connect"
            await ben.until(lambda: ben.client_count == 1, DEADLINE)
            ann.leave_button.click()
            await ann.until(lambda: ann.state == "connected", DEADLINE)
            assert ann.leave_button.description == "Disconnect"
            ann.cut_button.click()
            await ann.until(lambda: ann.state == "lost", DEADLINE)
            await ann.until(lambda: ann.state == "connected", DEADLINE)


async def test_an_empty_field_says_nothing():
    async with serving("connect") as server, guests(server.url, 1) as [ann]:
        assert (await hear(ann))["type"] == "system"
        client = ConnectClient(server.url)
        async with clients(client):
            await client.until(lambda: client.client_count == 2, DEADLINE)
            client.send_button.click()
            client.ping()
            await client.until(lambda: any('"pong"' in line for line in client.log.lines), DEADLINE)
            assert not any("error" in line.lower() for line in client.log.lines)


async def test_it_survives_whatever_a_server_sends():
    sent = [
        "null",
        "5",
        "[]",
        "NaN",
        "",
        "{",
        '"x"',
        "[" * 100_000,
        b"\x00\xff",
        '{"a": "\\ud800"}',
    ]

    async def handler(websocket: ServerConnection) -> None:
        for data in sent:
            await websocket.send(data)
        await websocket.send('{"type": "counter", "value": 7}')
        await websocket.wait_closed()

    async with serving(handler) as server:
        witness, room = Witness(server.url), ConnectClient(server.url)
        async with clients(witness, room):
            await witness.until(lambda: len(witness.heard) == len(sent) + 1, DEADLINE)
            assert witness.heard[:7] == sent[:7]
            assert witness.heard[8] == "(2 bytes, not a text)"
            assert witness.failure is None
            await room.until(lambda: any("counter" in line for line in room.log.lines), DEADLINE)
            assert room.failure is None


async def test_what_a_method_raises_is_shown_on_the_card_and_the_client_lives_on():
    class Fragile(Witness):
        def received(self, message: dict) -> None:
            super().received(message)
            print(message["value"])

    async with serving(echo) as server:
        client = Fragile(server.url)
        async with clients(client):
            client.send({"valu": 1})
            await client.hears({"valu": 1})
            await client.until(lambda: client.failure is not None, DEADLINE)
            assert isinstance(client.failure, KeyError)
            [output] = client._card._trouble.outputs
            assert output["output_type"] == "error"
            assert output["ename"] == "KeyError"
            assert 'message["value"]' in "".join(output["traceback"])
            assert "client/widget.py" not in "".join(output["traceback"])
            assert client._card._trouble.layout.display == ""
            client.send({"value": 2})
            await client.hears({"valu": 1}, {"value": 2})
            assert client.state == "connected"


@pytest.mark.parametrize("method", ["connected", "received_text", "click", "paint"])
async def test_whichever_method_raises(method):
    class Fragile(Witness):
        def build(self) -> list:
            self.knob = self.button("Break", self.fail)
            self.picture = self.painter(self.fail)
            return [*super().build(), self.knob]

        def fail(self) -> None:
            raise LookupError("on purpose")

    async with serving(echo) as server:
        if method in {"connected", "received_text"}:
            setattr(Fragile, method, lambda self, *_: self.fail())
        client = Fragile(server.url)
        async with clients(client):
            await client.becomes("connected")
            if method == "received_text":
                client.send("x")
            elif method == "click":
                await click_elsewhere(client.knob)
            elif method == "paint":
                client.picture.changed()
            await client.until(lambda: client.failure is not None, DEADLINE)
            assert client._card._trouble.outputs[0]["evalue"] == "on purpose"
            client.send({"still": "here"})
            await client.until(lambda: {"still": "here"} in client.heard, DEADLINE)


async def test_sending_too_much_from_a_button_is_shown_on_the_card(free_port):
    client = CounterClient(f"ws://127.0.0.1:{free_port}")
    async with clients(client):
        for _ in range(WAITING_LIMIT + 1):
            client.plus.click()
        await client.until(lambda: client.failure is not None, DEADLINE)
        assert "100 messages wait already" in client._card._trouble.outputs[0]["evalue"]


async def test_titles_and_states_are_text_and_never_html():
    name = '<script>alert(1)</script> & "Ada\'s"'
    async with serving("counter") as server:
        client = CounterClient(server.url, name)
        async with clients(client):
            await client.until(lambda: client.value == 0, DEADLINE)
            assert "<script>" not in badge(client)
            assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; " in badge(client)
            assert repr(client) == f"<CounterClient {name!r}, connected>"


# The log, and how often things are painted


def painted(widget: Any, trait: str = "value") -> list[float]:
    """Return a list that grows by the time of each painting."""
    times: list[float] = []
    loop = asyncio.get_running_loop()
    widget.observe(lambda _: times.append(loop.time()), trait)
    return times


def busiest_second(times: list[float]) -> int:
    return max(sum(begin <= time < begin + 1 for time in times) for begin in times)


async def test_the_log_keeps_the_last_200_lines_escaped():
    log = Log()
    for number in range(1_000):
        log.add(f"<b>{number}</b> & more")
    assert log.lines == [f"<b>{number}</b> & more" for number in range(800, 1_000)]
    await until(lambda: "&lt;b&gt;999" in log._html.value)
    assert log._html.value.count("<div") == LINES + 1
    assert "<b>" not in log._html.value


async def test_a_thousand_messages_cause_a_dozen_paintings_a_second_at_most():
    each = 1_000

    async def handler(websocket: ServerConnection) -> None:
        message = {"type": "message", "from": "Guest 1", "timestamp": ""}
        for number in range(each):
            await websocket.send(json.dumps(message | {"content": str(number)}))
            await asyncio.sleep(0.001)
        await websocket.wait_closed()

    async with serving(handler) as server:
        client = ConnectClient(server.url)
        times = painted(client.log._html)
        async with clients(client):
            await client.until(lambda: f"Guest 1: {each - 1}" in client.log.lines, DEADLINE)
            await until(lambda: f": {each - 1}</div>" in client.log._html.value)
            assert busiest_second(times) <= 12
            assert len(client.log.lines) == LINES


async def test_a_counter_that_changes_fast_is_painted_slowly_and_ends_right():
    async with serving("counter") as server, guests(server.url, 1) as [ann]:
        client = CounterClient(server.url)
        times = painted(client.number)
        async with clients(client):
            for _ in range(1_000):
                await say(ann, PLUS)
            await client.until(lambda: client.value == 1_000, DEADLINE)
            await until(lambda: ">1,000<" in client.number.value)
            assert busiest_second(times) <= 12


async def test_the_first_change_is_painted_at_once():
    async with serving("counter") as server:
        client = CounterClient(server.url)
        async with clients(client):
            await client.until(lambda: client.value == 0, DEADLINE)
            assert ">0<" in client.number.value


async def test_side_by_side_shows_all_in_one_row():
    async with serving("counter") as server:
        made = [CounterClient(server.url, name) for name in ("Ada", "Ben")]
        async with clients(*made):
            row = side_by_side(*made)
            assert list(row._box.children) == [client._card.widget for client in made]
            assert row._box.layout.flex_flow == "row wrap"
            assert all(card.layout.flex for card in row._box.children)
            assert repr(row) == f"{made[0]!r} {made[1]!r}"
            for shown in (row, *made):
                bundle = shown._repr_mimebundle_()
                assert "application/vnd.jupyter.widget-view+json" in bundle
                assert bundle["text/plain"] == repr(shown)


async def test_a_server_shows_who_is_connected():
    async with serving("counter") as server:
        assert isinstance(server, Server)
        server._repr_mimebundle_()
        client = CounterClient(server.url, "Ada <3")
        async with clients(client):
            await client.until(lambda: client.value == 0, DEADLINE)
            async with guests(server.url, 1) as [ann]:
                await hear(ann)
                await until(lambda: "running · 2 connected" in server._card._head.value)
                body = server._card._body.value
                assert "Ada &lt;3" in body
                assert "program" in body
            await until(lambda: "running · 1 connected" in server._card._head.value)
        await within(server.stop())
        await until(lambda: "stopped" in server._card._head.value)


async def test_a_handler_that_raises_is_shown_on_the_card_of_its_server(capsys):
    async def fragile(websocket: ServerConnection) -> None:
        async for message in websocket:
            await websocket.send(str(1 // len(message)))

    async with serving(fragile) as server, guests(server.url, 1) as [ann]:
        server._repr_mimebundle_()
        await say(ann, "")
        await until(lambda: server._card._trouble.outputs)
        assert server._card._trouble.outputs[0]["ename"] == "ZeroDivisionError"
        assert capsys.readouterr().err == ""  # once is enough
        await start(echo)
        await until(lambda: not server._card._trouble.outputs)
