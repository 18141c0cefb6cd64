"""The life of `start`: run again, exchange the handler, join, take over, and what is in the way."""

import asyncio
import errno
import json
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from server import Joined, PortTaken, Server, ports, start, stop
from server.counter import Counter
from tests.wire import DEADLINE, ask, guests, hear, say, serving, until, within

ROOT = Path(__file__).parents[1]
PLUS = {"type": "increment"}

Handler = Callable[[ServerConnection], Awaitable[None]]


def echo(version: Any) -> Handler:
    """Return a handler that answers each message with its version and the message."""

    async def handler(websocket: ServerConnection) -> None:
        async for message in websocket:
            await websocket.send(json.dumps([version, message]))

    return handler


async def closed(websocket: ClientConnection) -> int | None:
    """Return the close code with which a connection ends, whatever comes before."""
    with pytest.raises(ConnectionClosed):
        while True:
            await within(websocket.recv())
    return websocket.close_code


# Running the cell again


async def test_the_same_cell_again_gives_the_same_server_with_its_state():
    async with serving("counter") as server, guests(server.url, 1) as [ann]:
        assert (await hear(ann))["value"] == 0
        await say(ann, PLUS)
        assert (await hear(ann))["value"] == 1
        assert await start("counter") is server
        await say(ann, PLUS)
        assert (await hear(ann))["value"] == 2
        async with guests(server.url, 1) as [ben]:
            assert (await hear(ben))["value"] == 2


async def test_where_a_server_runs():
    async with serving("counter") as server:
        assert server.port == ports.exercise_port("counter") == ports.first_port() + 4
        assert server.url == f"ws://127.0.0.1:{server.port}"
        assert server.page == f"http://127.0.0.1:{server.port}/"
        assert repr(server) == f"<counter server at {server.url}, 0 connected>"
    assert repr(server) == "<counter server, stopped>"


async def test_a_handler_of_ones_own_has_one_server_however_often_it_is_started():
    async with serving(echo(1)) as server, guests(server.url, 1) as [ann]:
        assert server.port == ports.first_port() + 10
        assert await start(echo(2)) is server
        await say(ann, "hello")
        assert await hear(ann) == [2, "hello"]
        assert await start(echo(3)) is server


async def test_several_exercises_and_a_handler_of_ones_own_run_beside_each_other():
    async with serving("counter") as counter, serving("connect") as room, serving(echo(1)) as own:
        assert len({counter.port, room.port, own.port}) == 3
        async with guests(counter.url, 1) as [ann], guests(own.url, 1) as [ben]:
            assert (await hear(ann))["type"] == "counter"
            await say(ben, "hello")
            assert await hear(ben) == [1, "hello"]


async def test_a_handler_of_ones_own_where_the_exercise_lives_and_back_again():
    async with serving("counter") as server, guests(server.url, 1) as [ann]:
        assert (await hear(ann))["value"] == 0
        await say(ann, PLUS)
        assert (await hear(ann))["value"] == 1
        assert await start("counter", echo("mine")) is server
        await say(ann, "hello")
        assert await hear(ann) == ["mine", "hello"]
        assert await start("counter") is server  # the course's own again, with its state
        assert (await hear(ann))["value"] == 1


async def test_on_a_port_of_ones_choice():
    async with serving("counter", port=0) as server:
        assert server.port != ports.exercise_port("counter")
        async with guests(server.url, 1) as [ann]:
            assert (await hear(ann))["value"] == 0


async def test_the_handler_is_run_anew_even_if_it_is_the_same():
    """The cell that makes its state may have been run again: it must register everybody again."""
    greetings = iter("abc")

    async def handler(websocket: ServerConnection) -> None:
        await websocket.send(json.dumps(next(greetings)))
        await websocket.wait_closed()

    async with serving(handler) as server, guests(server.url, 1) as [ann]:
        assert await hear(ann) == "a"
        await start(handler)
        assert await hear(ann) == "b"


# Another handler on open connections


async def test_forty_handlers_one_after_the_other_under_load():
    """Three clients send 100 messages a second each, and the handler is exchanged 40 times."""
    each, swaps = 100, 40
    answered = asyncio.Semaphore(0)
    random_ = random.Random(7)

    def handler_of(version: int) -> Handler:
        async def handler(websocket: ServerConnection) -> None:
            async for message in websocket:
                # Some are busy for longer than it takes until the next exchange.
                await asyncio.sleep(random_.choice([0, 0, 0.001, 0.03]))
                await websocket.send(json.dumps([version, message]))
                answered.release()

        return handler

    async def talk(websocket: ClientConnection) -> None:
        for number in range(each):
            await websocket.send(str(number))
            await asyncio.sleep(0.01)

    async with serving(handler_of(0)) as server, guests(server.url, 3) as clients:
        talking = asyncio.gather(*(talk(client) for client in clients))
        for version in range(1, swaps + 1):
            for _ in range(3 * each // (swaps + 2)):
                await within(answered.acquire())
            assert await start(handler_of(version)) is server
        await within(talking)
        for client in clients:
            await client.send("last")
            heard = [await hear(client) for _ in range(each + 1)]
            assert [message for _, message in heard] == [*map(str, range(each)), "last"]
            versions = [version for version, _ in heard]
            assert versions == sorted(versions)
            assert versions[-1] == swaps
        assert server.failure is None
        assert len(server.connections) == 3


async def test_forty_handlers_while_messages_come_as_fast_as_they_can():
    each, swaps = 1_500, 40
    async with serving(echo(0)) as server, guests(server.url, 3) as clients:

        async def talk(websocket: ClientConnection) -> None:
            for number in range(each):
                await websocket.send(str(number))

        async def listen(websocket: ClientConnection) -> list[Any]:
            return [await hear(websocket) for _ in range(each)]

        async def swap() -> None:
            for version in range(1, swaps + 1):
                for _ in range(version % 7):
                    await asyncio.sleep(0)  # let everybody take a turn
                await start(echo(version))

        *heard, _, _, _, _ = await within(
            asyncio.gather(*map(listen, clients), *map(talk, clients), swap())
        )
        for answers in heard:
            assert [message for _, message in answers] == [str(n) for n in range(each)]
            versions = [version for version, _ in answers]
            assert versions == sorted(versions)
        for client in clients:
            await client.send("last")
            assert await hear(client) == [swaps, "last"]


async def test_two_exchanges_in_one_turn_and_the_last_one_holds():
    async with serving(echo(0)) as server, guests(server.url, 1) as [ann]:
        await say(ann, "a")
        assert await hear(ann) == [0, "a"]
        server.use(echo(1))
        server.use(echo(2))
        await say(ann, "b")
        assert await hear(ann) == [2, "b"]


async def test_a_handler_that_is_busy_changes_over_after_its_message():
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(websocket: ServerConnection) -> None:
        async for message in websocket:
            begun.set()
            await go_on.wait()
            await websocket.send(json.dumps(["slow", message]))

    async with serving(slow) as server, guests(server.url, 2) as [ann, ben]:
        await say(ann, "a")
        await say(ann, "b")
        await within(begun.wait())
        await start(echo("new"))
        await say(ben, "c")
        assert await hear(ben) == ["new", "c"]  # who waited has changed over already
        go_on.set()
        assert await hear(ann) == ["slow", "a"]
        assert await hear(ann) == ["new", "b"]
        assert server.failure is None


@pytest.mark.parametrize("reads_first", [False, True])
async def test_a_handler_that_never_reads_again_is_replaced(reads_first):
    async def push(websocket: ServerConnection) -> None:
        if reads_first:
            await websocket.recv()
        while True:
            await websocket.send('"tick"')
            await asyncio.sleep(0.01)

    async with serving(push) as server, guests(server.url, 1) as [ann]:
        await say(ann, "go")
        assert await hear(ann) == "tick"
        await start(echo("new"))
        await say(ann, "hello")
        answer = "tick"
        while answer == "tick":
            answer = await hear(ann)
        # What it had not read, the next one reads.
        if not reads_first:
            assert answer == ["new", "go"]
            answer = await hear(ann)
        assert answer == ["new", "hello"]
        assert server.failure is None


async def test_a_handler_in_several_tasks_is_replaced_as_a_whole():
    ended = asyncio.Event()

    async def handler(websocket: ServerConnection) -> None:
        async def push() -> None:
            try:
                await asyncio.Future()
            finally:
                ended.set()

        async def read() -> None:
            async for message in websocket:
                await websocket.send(json.dumps(["old", message]))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(push())
            tasks.create_task(read())

    async with serving(handler) as server, guests(server.url, 1) as [ann]:
        await say(ann, "a")
        assert await hear(ann) == ["old", "a"]
        await start(echo("new"))
        await within(ended.wait())
        await say(ann, "b")
        assert await hear(ann) == ["new", "b"]
        assert server.failure is None


async def test_the_finally_of_a_handler_runs_before_its_successor():
    order = []

    async def old(websocket: ServerConnection) -> None:
        try:
            async for _ in websocket:
                await websocket.send('"old"')
        finally:
            order.append("old ends")

    async def new(websocket: ServerConnection) -> None:
        order.append("new begins")
        async for _ in websocket:
            await websocket.send('"new"')

    async with serving(old) as server, guests(server.url, 1) as [ann]:
        await say(ann, "a")
        assert await hear(ann) == "old"
        await start(new)
        await say(ann, "b")
        assert await hear(ann) == "new"
        assert order == ["old ends", "new begins"]


# A handler that raises, or that returns


async def fragile(websocket: ServerConnection) -> None:
    async for message in websocket:
        await websocket.send(json.dumps(["fragile", 1 // len(message)]))


async def test_a_handler_that_raises_is_reported_and_its_connection_waits_for_the_next(capsys):
    async with serving(fragile) as server, guests(server.url, 2) as [ann, ben]:
        await say(ann, "")
        await say(ann, "kept")
        await within(await ann.ping())  # still connected
        await say(ben, "x")
        assert await hear(ben) == ["fragile", 1]
        told = capsys.readouterr().err
        assert "ZeroDivisionError: integer division or modulo by zero" in told
        assert "1 // len(message)" in told
        assert "server/" not in told  # the learner's part begins with the learner's code
        assert isinstance(server.failure, ZeroDivisionError)
        assert len(server.connections) == 2

        await start(echo("next"))
        assert await hear(ann) == ["next", "kept"]  # not "", which the first one had taken
        await say(ben, "y")
        assert await hear(ben) == ["next", "y"]
        assert server.failure is None


async def test_a_parked_connection_may_leave():
    async with serving(fragile) as server:
        async with guests(server.url, 1) as [ann]:
            await say(ann, "")
            await within(ann.close())
            assert ann.close_code == 1000
        await start(fragile)
        async with guests(server.url, 1) as [ben]:
            await say(ben, "x")
            assert await hear(ben) == ["fragile", 1]


async def test_a_handler_that_raises_again_and_again():
    async def broken(websocket: ServerConnection) -> None:
        raise RuntimeError("as always")

    async with serving(broken) as server, guests(server.url, 1) as [ann]:
        for _ in range(5):
            await start(broken)
            assert server.failure is None
            await until(lambda: str(server.failure) == "as always")
        await start(echo("whole"))
        await say(ann, "a")
        assert await hear(ann) == ["whole", "a"]


async def test_sending_to_somebody_who_has_gone_is_the_handlers_failure_and_not_the_senders():
    """A famous mistake: a list of clients from which nobody is ever removed."""
    everybody, gone = [], asyncio.Event()

    async def handler(websocket: ServerConnection) -> None:
        everybody.append(websocket)
        try:
            async for message in websocket:
                for other in everybody:
                    await other.send(message)
        finally:
            gone.set()

    async with serving(handler) as server, guests(server.url, 2) as [ann, ben]:
        await say(ann, '"a"')
        assert await hear(ann) == "a"
        assert await hear(ben) == "a"
        await within(ann.close())
        await within(gone.wait())
        await say(ben, '"b"')
        await until(lambda: isinstance(server.failure, ConnectionClosed))
        assert len(server.connections) == 1


async def test_a_handler_that_returns_closes_its_connection_with_1000():
    async def brief(websocket: ServerConnection) -> None:
        await websocket.send('"bye"')

    async with serving(brief) as server, guests(server.url, 2) as [ann, ben]:
        assert await hear(ann) == "bye"
        assert await closed(ann) == await closed(ben) == 1000
        assert server.failure is None


@pytest.mark.parametrize("swallowed", [Exception, BaseException])
async def test_a_handler_that_swallows_everything_freezes_nobody_when_its_client_leaves(swallowed):
    """A famous mistake: `try: ... except: continue` around all, so that bad JSON does no harm."""
    turns, ended = 0, asyncio.Event()

    async def handler(websocket: ServerConnection) -> None:
        nonlocal turns
        try:
            while not (swallowed is BaseException and turns > 5):
                try:
                    message = json.loads(await websocket.recv())
                    await websocket.send(json.dumps(message["text"]))
                except swallowed:
                    turns += 1
                    assert turns < 1_000  # or else this very test would hang
        finally:
            ended.set()

    async with serving(handler) as server, guests(server.url, 2) as [ann, ben]:
        await say(ann, "no json")
        await say(ann, {"text": "hello"})
        assert await hear(ann) == "hello"
        await within(ann.close())
        await within(ended.wait())
        await say(ben, {"text": "still here"})
        assert await hear(ben) == "still here"
        assert server.failure is None


# Stopping


async def test_stop_closes_with_1001_and_the_port_is_free_at_once():
    async with serving("counter") as server, guests(server.url, 3) as clients:
        for client in clients:
            await hear(client)
        await within(server.stop())
        assert [await closed(client) for client in clients] == [1001] * 3
        assert not server.is_running
        await within(server.stop())  # twice does no harm
        socket.create_server(("127.0.0.1", server.port)).close()
        again = await start("counter")
        assert again is server  # and so on the same card
        assert again.is_running
        async with guests(again.url, 1) as [ann]:
            assert (await hear(ann))["value"] == 0  # a new counter


async def test_stop_stops_every_server_of_this_kernel():
    async with serving("counter") as one, serving("connect") as two, serving(echo(1)) as three:
        await within(stop())
        assert not any(server.is_running for server in (one, two, three))
        for server in (one, two, three):
            with pytest.raises(ConnectionRefusedError):
                await ask(server.port, "/")


async def test_stop_goes_on_while_somebody_connects():
    async with serving("counter") as server:

        async def knock() -> None:
            while True:
                async with connect(server.url, proxy=None) as websocket:
                    await websocket.recv()

        knocking = [asyncio.create_task(knock()) for _ in range(10)]
        async with guests(server.url, 1) as [ann]:
            await hear(ann)
            await within(server.stop())
        results = await within(asyncio.gather(*knocking, return_exceptions=True))
        assert all(isinstance(result, Exception) for result in results)


async def preconnected(server: Server) -> None:
    """Connect and say nothing, as browsers do that expect to need a connection soon."""
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writers.append(writer)
    await ask(server.port, "/about")  # by now the server has noticed the one before


async def frozen(server: Server) -> None:
    """Complete the handshake, and never read or write again, as a suspended laptop does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writers.append(writer)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert b"101" in await reader.readline()


async def overfull(server: Server) -> None:
    """Be frozen, with so much unread that the server cannot even send its goodbye."""
    writers[-1:] = []
    await frozen(server)
    [websocket] = server.connections
    while websocket.transport.get_write_buffer_size() < 200_000:
        websocket.transport.write(b"\x82\x7e\xff\xff" + b" " * 65_535)


writers: list[asyncio.StreamWriter] = []


@pytest.mark.parametrize("guest", [preconnected, frozen, overfull])
async def test_nobody_can_hold_up_the_stop(guest):
    async with serving("counter") as server, guests(server.url, 0):
        try:
            await within(guest(server))
            await within(server.stop(), 5)
            again = await start("counter")
            assert again.port == server.port
        finally:
            while writers:
                writers.pop().transport.abort()


async def test_a_handler_that_never_ends_does_not_hold_up_the_stop():
    async def endless(websocket: ServerConnection) -> None:
        await websocket.send('"begun"')
        await asyncio.Future()

    async with serving(endless) as server, guests(server.url, 1) as [ann]:
        assert await hear(ann) == "begun"
        await within(server.stop(), 5)
        assert await closed(ann) == 1001


# Wrong arguments


class Exercise:
    async def handler(self, websocket: ServerConnection) -> None: ...


def plain(websocket: ServerConnection) -> None: ...
async def two(websocket: ServerConnection, path: str) -> None: ...
async def none() -> None: ...
async def generator(websocket: ServerConnection):
    yield


EXPECTED = "Expected an `async def` function with one parameter, the connection."


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (["nonsense"], ValueError, "There is no exercise 'nonsense'. Expected one of \"connect\","),
        (["Counter"], ValueError, "There is no exercise 'Counter'."),
        ([""], ValueError, "There is no exercise ''."),
        (["your handler"], ValueError, "There is no exercise 'your handler'."),
        (["../server/counter"], ValueError, "There is no exercise"),
        ([None], ValueError, "There is no exercise None."),
        ([4], ValueError, "There is no exercise 4."),
        ([Exercise], TypeError, f"Got the class Exercise. {EXPECTED} Did you mean its method?"),
        (["counter", Exercise], TypeError, "Got the class Exercise."),
        ([plain], TypeError, EXPECTED),
        (["counter", plain], TypeError, EXPECTED),
        ([generator], TypeError, EXPECTED),
        ([partial(plain)], TypeError, EXPECTED),
        ([print], TypeError, EXPECTED),
        ([Exercise()], ValueError, "There is no exercise"),
        (["counter", Exercise()], TypeError, EXPECTED),
        (["counter", "connect"], TypeError, f"Got 'connect'. {EXPECTED}"),
        ([two], TypeError, f"two(): missing a required argument: 'path'. {EXPECTED}"),
        ([none], TypeError, f"none(): too many positional arguments. {EXPECTED}"),
        ([partial(none)], TypeError, "the handler(): too many positional arguments."),
        ([Exercise.handler], TypeError, "missing a required argument: 'websocket'"),
    ],
)
async def test_wrong_arguments_are_refused_with_words_that_help(arguments, kind, words):
    with pytest.raises(kind) as refused:
        async with serving(*arguments):
            pass
    assert words in str(refused.value)


async def test_a_method_a_partial_and_a_default_are_fine():
    async def with_default(websocket: ServerConnection, greeting: str = "hello") -> None:
        await websocket.send(json.dumps(greeting))

    class Greeter:
        async def handler(self, websocket: ServerConnection) -> None:
            await with_default(websocket, "method")

    for handler, greeting in (
        (with_default, "hello"),
        (partial(with_default, greeting="partial"), "partial"),
        (Greeter().handler, "method"),
    ):
        async with serving(handler) as server, guests(server.url, 1) as [ann]:
            assert await hear(ann) == greeting


async def test_a_coroutine_in_place_of_its_function_is_refused():
    """A famous mistake: start(handler(...))."""
    coroutine = two(None, "")
    with pytest.raises((TypeError, ValueError)):
        await start(coroutine)
    coroutine.close()


async def test_a_wrong_handler_leaves_the_one_that_runs():
    async with serving(echo(1)) as server, guests(server.url, 1) as [ann]:
        with pytest.raises(TypeError):
            await start(plain)
        await say(ann, "a")
        assert await hear(ann) == [1, "a"]


@pytest.mark.parametrize("value", ["nonsense", "", "80", "65001", "-1", "8760.5", " 8760", "³"])
async def test_a_first_port_that_is_none_is_refused_with_words(value, monkeypatch):
    monkeypatch.setenv("COURSE_FIRST_PORT", value)
    for exercise in ("counter", echo(1)):
        with pytest.raises(ValueError) as refused:
            await start(exercise)
        expected = f"COURSE_FIRST_PORT is {value!r}. Expected a number from 1024 to 65000."
        assert str(refused.value) == expected


async def test_the_first_port_is_8760_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("COURSE_FIRST_PORT")
    assert ports.exercise_port("connect") == 8761
    assert ports.own_ports() == [*range(8770, 8780), 0]


# Other kernels


class Kernel:
    """Another process that starts servers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def do(self, *words: str) -> dict[str, str]:
        self.process.stdin.write(" ".join(words).encode() + b"\n")
        line = await within(self.process.stdout.readline())
        return json.loads(line)


@asynccontextmanager
async def program(*arguments: str | Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT), "JPY_SESSION_NAME": "/ada/04_counter.ipynb"},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await within(process.wait())


@asynccontextmanager
async def kernel() -> AsyncIterator[Kernel]:
    async with program(ROOT / "tests" / "other_kernel.py") as process:
        yield Kernel(process)


async def test_another_kernel_joins_and_shares_the_room():
    async with serving("counter") as server, kernel() as other:
        answer = await other.do("start", "counter")
        assert answer == {
            "kind": "Joined",
            "url": server.url,
            "shown": f"<counter server of another kernel at {server.url}>",
        }
        async with guests(server.url, 1) as [ann], guests(answer["url"], 1) as [ben]:
            await hear(ann), await hear(ben)
            await say(ben, PLUS)
            assert (await hear(ann))["value"] == (await hear(ben))["value"] == 1
        assert await other.do("start", "counter") == answer
        assert await other.do("stop") == {"kind": "stopped"}
        async with guests(server.url, 1) as [cem]:  # who has joined cannot stop it
            assert (await hear(cem))["value"] == 1


async def test_we_join_the_server_of_another_kernel():
    async with kernel() as other:
        answer = await other.do("start", "counter")
        assert answer["kind"] == "Server"
        async with serving("counter") as joined:
            assert isinstance(joined, Joined)
            assert (joined.url, joined.is_running) == (answer["url"], True)
            assert joined.page == joined.url.replace("ws", "http") + "/"
            assert joined.about["notebook"] == "04_counter.ipynb"
            assert joined.about["process"] == other.process.pid
            assert await start("counter") is joined


async def test_when_the_owner_was_killed_the_next_to_start_takes_over():
    async with kernel() as other:
        await other.do("start", "counter")
        async with serving("counter") as joined, guests(joined.url, 1) as [ann]:
            assert isinstance(joined, Joined)
            await hear(ann)
            other.process.send_signal(signal.SIGKILL)
            assert await closed(ann) == 1006
            server = await start("counter")
            assert isinstance(server, Server)
            assert server.url == joined.url
            async with guests(server.url, 1) as [ben]:
                assert (await hear(ben))["value"] == 0


async def test_when_the_owner_has_stopped_the_next_to_start_takes_over():
    async with serving("counter") as server, kernel() as other:
        assert (await other.do("start", "counter"))["kind"] == "Joined"
        await within(server.stop())
        assert (await other.do("start", "counter"))["kind"] == "Server"
        assert isinstance(await start("counter"), Joined)


async def test_of_two_that_start_in_the_same_instant_one_serves_and_one_joins():
    async with kernel() as one, kernel() as other:
        for _ in range(10):
            answers = await asyncio.gather(one.do("start", "counter"), other.do("start", "counter"))
            assert sorted(answer["kind"] for answer in answers) == ["Joined", "Server"], answers
            assert answers[0]["url"] == answers[1]["url"]
            async with guests(answers[0]["url"], 1) as [ann]:
                assert (await hear(ann))["value"] == 0
            await asyncio.gather(one.do("stop"), other.do("stop"))


async def test_a_handler_of_ones_own_never_joins_but_takes_the_next_port():
    async with kernel() as other, serving(echo(1), port=ports.first_port() + 10) as own:
        assert isinstance(own, Server)
        # Another kernel's handler is another program, even if both are called "your handler".
        with pytest.raises(PortTaken, match=r'belongs to the "your handler" server'):
            await start("counter", port=own.port)
        assert (await other.do("start", "counter"))["kind"] == "Server"


# Strangers on the port


async def test_a_web_server_on_the_port_is_named(free_port):
    async with program("-m", "http.server", "--bind", "127.0.0.1", str(free_port)) as process:
        await listening(free_port)
        with pytest.raises(PortTaken) as taken:
            await within(start("counter", port=free_port))
        words = str(taken.value)
        assert words.startswith(f"Port {free_port} belongs to python")
        assert f"(process {process.pid}), which does not answer" in words
        assert "end it and run this again." in words
        assert 'Or choose another port, for example: await start("…", port=8799)' in words


async def listening(port: int) -> None:
    """Wait until somebody listens on a port."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)  # another program cannot tell us when
            else:
                writer.close()
                return


@pytest.mark.beside
async def test_one_that_says_nothing_on_the_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"Port {port} belongs to .*\(process {os.getpid()}\)"):
            await within(start("counter", port=port))


@pytest.mark.beside
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00" * 100,
        b"HTTP/1.1 200 OK\r\n\r\nnonsense",
        b"HTTP/1.1 200 OK\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b'HTTP/1.1 200 OK\r\n\r\n{"course": "another"}',
        b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 50_000,
        b"HTTP/1.1 200 OK\r\n\r\n\xff\xfe",
        b"x" * 1_000_000,
    ],
)
async def test_one_that_answers_anything_on_the_port_is_a_stranger(answer):
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as stranger:
        port = stranger.sockets[0].getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {port} belongs to "):
            await within(start("counter", port=port))


async def test_one_that_hangs_up_at_once_is_a_stranger():
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as stranger:
        port = stranger.sockets[0].getsockname()[1]
        with pytest.raises(PortTaken, match=rf"Port {port} belongs to .*\(process {os.getpid()}\)"):
            await within(start("counter", port=port))


async def test_a_port_that_is_reserved_but_on_which_nobody_listens():
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {port} cannot be had on this computer. Or choo"):
            await within(start("counter", port=port))


async def test_another_exercise_on_the_port_is_named():
    async with serving("connect") as room:
        with pytest.raises(PortTaken) as taken:
            await start("counter", port=room.port)
        words = str(taken.value)
        assert (
            f'Port {room.port} belongs to the "connect" server of process {os.getpid()}.' in words
        )
        assert "Or choose another port" in words
        async with guests(room.url, 1) as [ann]:
            assert (await hear(ann))["type"] == "system"


async def test_a_handler_of_ones_own_moves_on_where_strangers_are():
    first = ports.own_ports()[0]
    with socket.create_server(("127.0.0.1", first)):
        async with serving(echo(1)) as own, guests(own.url, 1) as [ann]:
            assert own.port == first + 1
            await say(ann, "a")
            assert await hear(ann) == [1, "a"]
            assert await start(echo(2)) is own


async def test_other_trouble_with_a_port_is_not_called_taken():
    with pytest.raises(OverflowError):
        await start("counter", port=70_000)
    assert errno.EADDRINUSE in ports.TAKEN
    assert errno.EADDRNOTAVAIL not in ports.TAKEN


async def test_the_same_counter_object_is_not_shared_by_accident():
    counter = Counter()
    async with serving("counter", counter.handler) as server, guests(server.url, 1) as [ann]:
        await hear(ann)
        await say(ann, PLUS)
        await hear(ann)
        assert counter.value == 1


async def test_a_check_that_is_interrupted_while_it_pauses_a_server_does_not_leave_it_mute():
    """It waits until every handler is off its connection, and an interrupt may come meanwhile."""
    stuck = asyncio.Event()

    async def handler(websocket):
        async for message in websocket:
            stuck.set()
            while message == "wait":
                await asyncio.sleep(0.01)
            await websocket.send(message)

    async def check():
        async with server.paused():
            raise AssertionError("it must wait for the handler")

    async with serving(handler) as server, guests(server.url, 2) as [ann, ben]:
        await say(ann, "wait")
        await within(stuck.wait())
        checking = asyncio.create_task(check())
        await until(lambda: server.handler is not handler)
        checking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(checking)
        assert server.handler is handler
        await say(ben, "hello")
        assert await within(ben.recv()) == "hello"
