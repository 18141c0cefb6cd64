"""Whatever a client sends, and however it goes: it is answered, and harms nobody.

Hypothesis makes up what the client does, the same in each run. ``COURSE_EXAMPLES=2000`` lets it
try other things, 2,000 for each exercise; it prints how to repeat what fails.
"""

import asyncio
import gc
import importlib
import json
import os
import random
import socket
import struct
import tracemalloc
import weakref
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import MappingProxyType
from typing import Any, NamedTuple

import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from server.exercises import available
from server.room import Room
from tests.wire import guests, hear, say, serving, strict_json, until, within

LONGEST = 64 * 1_024  # bytes of a message
EXAMPLES = int(os.environ.get("COURSE_EXAMPLES", "0"))
SETTINGS = settings(
    max_examples=EXAMPLES or 150,
    derandomize=not EXAMPLES,
    print_blob=True,
    database=None,
    deadline=None,
    # To make an example smaller takes many more of them; each is short as it is.
    phases=[Phase.explicit, Phase.generate] + [Phase.shrink] * bool(EXAMPLES),
    suppress_health_check=list(HealthCheck),
)


# What a client may send that is wrong


class Wrong(NamedTuple):
    """Something that no server takes.

    Attributes:
        data: The frame: a text or bytes.
        names: What the answer must name, such as a field.
        is_echoed: Whether the exercise `connect` sends it back instead of an error.
    """

    data: str | bytes
    names: str
    is_echoed: bool = False

    def __repr__(self) -> str:
        return f"Wrong({self.data[:200]!r}, {self.names!r})"


def as_json(value: Any, ascii: bool = True) -> str:
    """Return JSON. Infinity, which JSON has not, becomes a number that is as good."""
    text = json.dumps(value, ensure_ascii=ascii)
    return text.replace("-Infinity", "-1e999").replace("Infinity", "1e999")


def is_json(text: str) -> bool:
    def refuse(_: str) -> None:
        raise ValueError

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


words = st.text(max_size=50)
numbers = st.integers() | st.floats(allow_nan=False) | st.sampled_from([10**400, -(10**400)])
plain = st.none() | st.booleans() | numbers | words
values = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=10,
)
not_objects = plain | st.lists(values, max_size=4)
not_texts = st.none() | st.booleans() | numbers | st.lists(values, max_size=3)
not_texts |= st.dictionaries(words, values, max_size=3)
halves = st.sampled_from(["\ud800", "ab\udfff", "\udc00\ud800"])

deep = st.sampled_from(
    [
        "[" * 10_000 + "]" * 10_000,
        '{"type":' * 7_000 + "1" + "}" * 7_000,
        '{"type": "message", "content": ' + "[" * 60 + "]" * 60 + "}",
    ]
)
not_json = st.sampled_from(
    ["", " ", "{", "[1,]", '{"type"}', "{'type': 'ping'}", '{"type": "increment"} {}', '"\n"']
) | st.sampled_from(["NaN", "-Infinity", '{"type": NaN}', "0x10", "nul", "\ufeff{}"])
not_json |= st.sampled_from(["[" * 10_000, "9" * 5_000])


def wrong_everywhere(known: list[str]) -> st.SearchStrategy[Wrong]:
    """Return what no exercise takes, of which `known` are the types that this one takes."""
    unknown = (words | halves).filter(lambda kind: kind not in known)
    no_type = st.dictionaries(words, values, max_size=4).filter(lambda it: "type" not in it)
    more = st.dictionaries(words, values, max_size=3)
    return st.one_of(
        st.binary(max_size=200).map(lambda data: Wrong(data, "text frame")),
        deep.map(lambda data: Wrong(data, "too deep")),
        (not_json | words.filter(lambda text: not is_json(text))).map(
            # Of brackets that are never closed, how many are too many depends on the Python.
            lambda data: Wrong(data, "too deep" if data[:999] == "[" * 999 else "JSON", True)
        ),
        not_objects.map(lambda value: Wrong(as_json(value), "JSON", True)),
        no_type.map(lambda value: Wrong(as_json(value), "'type'", True)),
        st.builds(lambda m, t: Wrong(as_json(m | {"type": t}), "'type'", True), more, not_texts),
        st.builds(lambda m, t: Wrong(as_json(m | {"type": t}), "The type", True), more, unknown),
    )


def wrong_fields(accepted: Mapping[str, Mapping[str, Any]]) -> list[st.SearchStrategy[Wrong]]:
    """Return messages of known types, each of which has one field that is missing or wrong."""
    bad = {
        "content": not_texts | halves | st.sampled_from(["", "x" * 2_001, "é" * 10_000]),
        "username": not_texts | halves | st.sampled_from(["", " ", "x" * 21, "a\nb", "\x00\u200b"]),
        "x": not_numbers,
        "y": not_numbers,
    }
    right = {"content": "hello", "username": "Mallory", "x": 10, "y": 20.5}
    wrong = []
    for kind, fields in accepted.items():
        for field in fields.keys() & bad.keys():
            rest = {other: right[other] for other in fields if other != field and other in right}
            message = {"type": kind} | rest
            wrong.append(st.just(Wrong(as_json(message), f"'{field}'")))
            wrong.append(bad[field].map(lambda value, f=field, m=message: one_wrong(m, f, value)))
    return wrong


def one_wrong(message: dict, field: str, value: Any) -> Wrong:
    return Wrong(as_json(message | {field: value}), f"'{field}'")


not_numbers = st.none() | st.booleans() | words | st.lists(values, max_size=3)
not_numbers |= st.sampled_from([float("inf"), float("-inf"), 10_001, -1e300, 10**400])


# How a client may go


async def say_goodbye(client: ClientConnection) -> None:
    await client.close(1000, "bye")


async def vanish(client: ClientConnection) -> None:
    client.transport.abort()


async def reset_in_a_frame(client: ClientConnection) -> None:
    """Begin a frame of 1,000 bytes, and send a reset (RST) in place of the rest."""
    client.transport.write(b"\x81\xfe\x03\xe8\x00\x00\x00\x00" + b" " * 10)
    reset(client.transport.get_extra_info("socket"))
    client.transport.abort()


async def close_one_half(client: ClientConnection) -> None:
    """Say by TCP, not by WebSocket, that nothing comes any more; and go on listening."""
    client.transport.write_eof()
    await client.wait_closed()


async def leave_a_message_open(client: ClientConnection) -> None:
    """Send the first piece of a message, a ping in between, and never the last piece."""
    client.transport.write(b"\x01\x80\x00\x00\x00\x00" + b"\x89\x80\x00\x00\x00\x00")
    client.transport.abort()


def against_the_rules(data: bytes, code: int):
    """Return a way to go by sending bytes for which a server must close with a code."""

    async def go(client: ClientConnection) -> None:
        client.transport.write(data)
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd.code == code

    return go


NO_MASK = bytes(4)
WAYS_TO_GO = [
    say_goodbye,
    vanish,
    reset_in_a_frame,
    close_one_half,
    leave_a_message_open,
    against_the_rules(b"\x81\xff" + struct.pack("!Q", LONGEST + 1) + NO_MASK, 1009),
    against_the_rules(b"\x82\xff" + struct.pack("!Q", 2**62) + NO_MASK, 1009),
    against_the_rules(
        b"\x01\xfe\x80\x00" + NO_MASK + bytes(2**15) + b"\x80\xfe\x80\x01" + NO_MASK, 1009
    ),
    against_the_rules(b"\x81\x82" + NO_MASK + b"\xff\xfe", 1007),  # not UTF-8
    against_the_rules(b"\x81\x83" + NO_MASK + b"\xed\xa0\x80", 1007),  # half a character
    against_the_rules(b"\x81\x02{}", 1002),  # not masked
    against_the_rules(b"\x83\x80" + NO_MASK, 1002),  # a kind of frame that there is not
    against_the_rules(b"\xc1\x80" + NO_MASK, 1002),  # compressed, which was not agreed on
    against_the_rules(b"\x80\x80" + NO_MASK, 1002),  # goes on with what was not begun
    against_the_rules(b"\x89\xfe\x00\x7e" + NO_MASK + bytes(126), 1002),  # a ping of 126 bytes
    against_the_rules(b"\x09\x80" + NO_MASK, 1002),  # a ping in pieces
    against_the_rules(b"\x01\x80" + NO_MASK + b"\x81\x80" + NO_MASK, 1002),  # one in another
    against_the_rules(b"\x88\x82" + NO_MASK + b"\x03\xed", 1002),  # 1005 is never sent
]


def reset(sock: socket.socket) -> None:
    """Let a socket end with a reset. Its `linger` has other sizes on Windows."""
    form = "hh" if os.name == "nt" else "ii"
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(form, 1, 0))


# The exercises: what passes between clients that behave


class Exercise:
    """An exercise in which nobody says anything, such as the notifications."""

    options: Mapping[str, Any] = MappingProxyType(
        {}
    )  # such that the server says nothing by itself while a test runs
    types: tuple[str, ...] = ()  # what a message of a client may be
    echoes = False

    async def arrive(self, newcomer: ClientConnection, others: list[ClientConnection]) -> None:
        """Take what comes when somebody joins."""

    async def depart(self, others: list[ClientConnection]) -> None:
        """Take what comes when somebody has left."""

    async def act(self, who: ClientConnection, everybody: list[ClientConnection]) -> None:
        """Do something that is right, which everybody hears, and nothing else."""


class ConnectExercise(Exercise):
    types = ("message", "ping")
    echoes = True

    async def arrive(self, newcomer, others):
        assert (await hear(newcomer))["type"] == "system"
        for client in [newcomer, *others]:
            assert (await hear(client))["type"] == "user_joined"

    async def depart(self, others):
        for client in others:
            assert (await hear(client))["type"] == "user_left"

    async def act(self, who, everybody):
        content = "é🚀\x00" * random.randint(1, 500)
        await say(who, {"type": "message", "content": content, "from": "the Queen"})
        for client in everybody:
            message = await hear(client)
            assert message["content"] == content and message["from"].startswith("Guest ")


class ChatExercise(Exercise):
    async def arrive(self, newcomer, others):
        await say(newcomer, {"type": "join", "username": f"Guest {len(others)}"})
        for client in [newcomer, *others]:
            assert (await hear(client))["type"] == "system"
            assert len((await hear(client))["users"]) == 1 + len(others)

    async def depart(self, others):
        for client in others:
            assert (await hear(client))["type"] == "system"
            assert len((await hear(client))["users"]) == len(others)

    async def act(self, who, everybody):
        await say(who, {"type": "message", "content": "hi", "username": "the Queen"})
        for client in everybody:
            message = await hear(client)
            assert message["content"] == "hi" and message["username"].startswith("Guest ")


class CounterExercise(Exercise):
    value = 0

    async def arrive(self, newcomer, others):
        assert await hear(newcomer) == {"type": "counter", "value": self.value}

    async def act(self, who, everybody):
        self.value += 1
        await say(who, as_json({"type": "increment", "by": float("inf"), "value": [10**400]}))
        for client in everybody:
            assert await hear(client) == {"type": "counter", "value": self.value}


class NotificationsExercise(Exercise):
    options = MappingProxyType({"pace": (1_000, 2_000)})


class DashboardExercise(Exercise):
    options = MappingProxyType({"every": 1_000.0})


class WhiteboardExercise(Exercise):
    async def act(self, who, everybody):
        for message in [{"type": "draw_start", "x": -10_000, "y": 0.5}, {"type": "draw_end"}]:
            await say(who, message)
            for client in everybody:
                if client is not who:
                    assert (await hear(client))["type"] == message["type"]
        await say(who, {"type": "clear"})
        for client in everybody:
            assert (await hear(client))["type"] == "clear"


EXERCISES = {
    "connect": ConnectExercise,
    "chat": ChatExercise,
    "typing_indicator": ChatExercise,
    "counter": CounterExercise,
    "notifications": NotificationsExercise,
    "dashboard": DashboardExercise,
    "whiteboard": WhiteboardExercise,
}


class Table:
    """A server, and two clients of it that behave, while others do not."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.connections: list[weakref.ref[ServerConnection]] = []

    async def lay(self) -> None:
        self._stack = AsyncExitStack()
        self.exercise = EXERCISES[self.name]()
        options = self.exercise.options
        self.server = await self._stack.enter_async_context(serving(self.name, **options))
        self.room = self.server.handler.__self__
        self.good: list[ClientConnection] = []
        for _ in range(2):
            client = await self._stack.enter_async_context(guests(self.server.url, 1))
            await self.exercise.arrive(*client, self.good)
            self.good += client
        self.known = set(self.server.connections)
        self.tasks = len(asyncio.all_tasks())
        self.descriptors = open_descriptors()

    async def clear(self) -> None:
        await self._stack.aclose()

    async def suffer(self, steps: list[Wrong | str], go) -> None:
        """Let a client come, do what it should not, and go; look whether all is as before."""
        async with guests(self.server.url, 1) as [bad]:
            await self.exercise.arrive(bad, self.good)
            [side] = self.server.connections - self.known
            self.connections.append(weakref.ref(side))
            del side
            for step in steps:
                await self.take(bad, step)
            await within(go(bad))
            await until(lambda: self.server.connections == self.known)
        await self.exercise.depart(self.good)
        await self.look()

    async def take(self, bad: ClientConnection, step: Wrong | str) -> None:
        match step:
            case "right":
                await self.exercise.act(bad, [bad, *self.good])
            case "ping":
                await within(await bad.ping())
            case "pong":
                await within(bad.pong(b"for no ping"))
            case Wrong():
                await say(bad, step.data)
                text = await within(bad.recv())
                if self.exercise.echoes and step.is_echoed and text.startswith("Echo: "):
                    assert text == f"Echo: {step.data}"
                    return
                answer = strict_json(text)
                if self.exercise.echoes and step.is_echoed and answer["type"] == "echo":
                    assert answer["original"] == step.data
                    return
                assert set(answer) == {"type", "message"} and answer["type"] == "error", answer
                assert step.names in answer["message"], (step, answer)

    async def look(self) -> None:
        """Whoever behaves heard nothing of it, and can go on; the server has forgotten it."""
        for client in self.good:
            await self.exercise.act(client, self.good)
            await say(client, b"\x00")
            assert (await hear(client))["type"] == "error"  # and nothing came before it
        assert self.server.failure is None
        held = vars(self.room).values()
        # The whiteboard has two rooms: one for those that take several points at once.
        rooms = [room.members for room in held if isinstance(room, Room)]
        assert set().union(*rooms) == self.known and sum(map(len, rooms)) == len(self.known)
        for who in held:
            if isinstance(who, set | dict):
                assert {one for one in who if isinstance(one, ServerConnection)} <= self.known
        await until(lambda: len(asyncio.all_tasks()) == self.tasks)

    def forget(self) -> None:
        """See that nothing is left of all who came."""
        gc.collect()
        left = [connection for connection in self.connections if connection() is not None]
        assert not left, f"{len(left)} of {len(self.connections)} connections are still in memory"


def open_descriptors() -> int:
    process = psutil.Process()
    return process.num_handles() if os.name == "nt" else process.num_fds()


def accepted_by(name: str) -> Mapping[str, Mapping[str, Any]]:
    """Return what an exercise takes: its table, as its file has it."""
    module = importlib.import_module(f"server.{name}")
    owner = getattr(module, name.title().replace("_", ""))
    table = getattr(owner, "accepted", None)
    if table is None:
        table = getattr(module, "ACCEPTED", {kind: {} for kind in EXERCISES[name].types})
    return table | ({"message": {"content": None}} if name == "connect" else {})


@pytest.mark.parametrize("name", available())
def test_whatever_a_client_does_is_answered_and_harms_nobody(name):
    accepted = accepted_by(name)
    wrong = st.one_of(wrong_everywhere(list(accepted)), *wrong_fields(accepted))
    steps = st.lists(wrong | st.sampled_from(["right", "ping", "pong"]), max_size=8)
    with asyncio.Runner() as runner:
        table = Table(name)
        runner.run(table.lay())
        try:

            @SETTINGS
            @given(steps, st.sampled_from(WAYS_TO_GO))
            def try_it(steps, go):
                try:
                    runner.run(table.suffer(steps, go))
                except BaseException:
                    runner.run(table.clear())  # hypothesis tries again, on a table that is clean
                    runner.run(table.lay())
                    raise

            try_it()
            for go in WAYS_TO_GO:  # each of them at least once
                runner.run(table.suffer([], go))
            table.forget()
        finally:
            runner.run(table.clear())


@pytest.mark.parametrize("name", available())
async def test_hundreds_who_come_and_go_in_all_ways_leave_nothing_behind(name):
    seed = random.randrange(2**32)
    print("seed:", seed)
    chance = random.Random(seed)
    table = Table(name)
    await table.lay()
    try:
        for turn in range(3):
            await asyncio.gather(*(visit(table, chance.random()) for _ in range(100)))
            await until(lambda: table.server.connections == table.known)
            await swallow(table)
            await table.look()
            gc.collect()
            if turn == 0:  # what is made once, such as caches, is there now
                tracemalloc.start()
            memory = tracemalloc.get_traced_memory()[0]
        assert memory < 2**18, f"{memory} bytes are left of 200 clients"
        assert open_descriptors() <= table.descriptors + 2
    finally:
        tracemalloc.stop()
        await table.clear()


async def visit(table: Table, fate: float) -> None:
    """Connect, or only begin to, and vanish."""
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", table.server.port)
        request = (
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{table.server.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
        if fate < 0.2:  # a browser that connects in advance
            pass
        elif fate < 0.4:
            writer.write(request[: int(fate * 500)])
        elif fate < 0.6:
            writer.write(request)
        else:
            writer.write(request)
            await reader.readuntil(b"\r\n\r\n")
            if fate < 0.9:
                writer.write(b"\x81\x80\x00\x00\x00\x00" * 3)  # three texts of no length
        await writer.drain()
        if fate > 0.5:
            reset(writer.get_extra_info("socket"))
        writer.close()


async def swallow(table: Table) -> None:
    """Let those who behave take what they heard of the comings and goings."""
    await say(table.good[0], b"")  # answered after all of it
    await say(table.good[1], b"")
    for client in table.good:
        while (await hear(client))["type"] != "error":
            pass
