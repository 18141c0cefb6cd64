"""One room in many processes, over a Redis that these tests start themselves."""

import asyncio
import itertools
import json
import os
import random
import re
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import trustme
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection

from server import (
    Joined,
    PortTaken,
    RedisProcess,
    Server,
    channel,
    names,
    shared,
    start,
    start_redis,
    stop,
)
from server.exercises import load
from server.via import Via
from tests.test_command_line import ROOT, address, outcome, run
from tests.wire import DEADLINE, ask, guests, hear, say, serving, until, within

IS_HERE = shutil.which("redis-server") is not None
# Here and there is no redis-server; in CI there must be one, and then these tests fail without.
pytestmark = pytest.mark.skipif(
    not IS_HERE and not os.environ.get("CI"),
    reason="there is no redis-server (Debian: apt-get install redis-server)",
)


@asynccontextmanager
async def meeting() -> AsyncIterator[RedisProcess]:
    redis = RedisProcess()
    assert redis.is_installed, "CI must have a redis-server."
    try:
        await redis.start()
        yield redis
    finally:
        await redis.stop()


@asynccontextmanager
async def servers_of(
    exercise: str, number: int, redis: RedisProcess, **options: Any
) -> AsyncIterator[list[Server]]:
    """Run several servers. They share nothing but Redis, as if each had a process of its own."""
    via = Via.parse(redis.url)
    servers: list[Server] = []
    try:
        for _ in range(number):
            servers.append(Server(exercise, load(exercise, **options), via=via))
            await within(servers[-1].open(0))
        yield servers
    finally:
        await within(asyncio.gather(*(server.stop() for server in servers)))


@asynccontextmanager
async def one_each(servers: list[Server]) -> AsyncIterator[list[ClientConnection]]:
    """Connect one client to each server."""
    async with AsyncExitStack() as stack:
        yield [(await stack.enter_async_context(guests(s.url, 1)))[0] for s in servers]


async def join(client: ClientConnection, name: str) -> None:
    await say(client, {"type": "join", "username": name})


async def hear_until(client: ClientConnection, **fields: Any) -> list[dict]:
    """Return what comes, up to a message that has these fields."""
    heard = [await hear(client)]
    while not heard[-1].items() >= fields.items():
        heard.append(await hear(client))
    return heard


def texts(messages: list[dict]) -> list[str]:
    return [m["content"] for m in messages if m["type"] == "message"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the heart beat fast, so that who is silent is soon forgotten."""
    monkeypatch.setattr(shared, "BEAT", 0.1)
    monkeypatch.setattr(shared, "SILENT", 0.6)
    monkeypatch.setattr(shared, "STEADY", 0.2)


async def test_a_chat_of_three_servers_is_one_chat():
    async with (
        meeting() as redis,
        servers_of("typing_indicator", 3, redis) as servers,
        one_each(servers) as [ann, ben, cem],
    ):
        await join(ann, "Ann")
        await hear_until(ann, type="user_list", users=["Ann"])
        await until(lambda: all(s.room.size == 1 for s in servers))
        await join(ben, "aNN")
        assert "taken" in (await hear(ben))["message"]
        for client, name in (ben, "Ben"), (cem, "Cem"):
            await join(client, name)
            present = ["Ann", "Ben", "Cem"][: 2 + (client is cem)]
            heard = await hear_until(ann, type="user_list", users=present)
            assert heard[-2]["message"] == f"{name} joined."  # first the words, then the list
        for client in (ben, cem):
            await hear_until(client, type="user_list", users=["Ann", "Ben", "Cem"])

        await say(ben, {"type": "typing"})
        for number in range(200):
            await say(ben, {"type": "message", "content": str(number)})
        everything = list(map(str, range(200)))
        heard = await hear_until(ann, content="199")
        assert {"type": "typing", "username": "Ben"} in heard
        assert texts(heard) == everything  # each once, in order
        assert texts(await hear_until(ben, content="199")) == everything
        assert texts(await hear_until(cem, content="199")) == everything

        # What is open ends with its server, and who was there is gone.
        await join(ben, "Benjamin")
        await hear_until(ann, type="user_list", users=["Ann", "Benjamin", "Cem"])
        await servers[1].stop()
        heard = await hear_until(ann, type="user_list", users=["Ann", "Cem"])
        assert any("Benjamin left" in m.get("message", "") for m in heard)
        await hear_until(cem, type="user_list", users=["Ann", "Cem"])


@pytest.mark.parametrize("tick", [-60.0, 0.0, 0.0001])
async def test_names_are_in_order_of_joining_whatever_the_clocks_say(monkeypatch, tick):
    clock = itertools.count(1e9, tick)
    monkeypatch.setattr(names, "time", SimpleNamespace(time=lambda: next(clock)))
    async with (
        meeting() as redis,
        servers_of("chat", 2, redis) as servers,
        guests(servers[0].url, 2) as [zoe, yan],
        guests(servers[1].url, 2) as [xia, wim],
    ):
        present = []
        for client, name in (zoe, "Zoe"), (yan, "Yan"), (xia, "Xia"), (wim, "Wim"):
            await join(client, name)
            present.append(name)
            await hear_until(zoe, type="user_list", users=present)
            await until(lambda: servers[1].exercise_object.user_list()["users"] == present)


async def test_of_two_with_one_name_the_first_keeps_it(quick):
    async with (
        meeting() as redis,
        servers_of("chat", 2, redis) as servers,
        one_each(servers) as [first, second],
    ):
        await redis.stop()
        await until(lambda: all(s.shared.failure for s in servers))
        await join(first, "Ann")
        await hear_until(first, type="user_list", users=["Ann"])
        await join(second, "ann")
        await hear_until(second, type="user_list", users=["ann"])
        await redis.start()
        [*_, error] = await hear_until(second, type="error")
        assert "at another server first" in error["message"]
        await until(lambda: servers[0].room.size == 1)
        await say(second, {"type": "message", "content": "me?"})
        await hear_until(second, type="error")
        await join(second, "Ben")
        await hear_until(second, type="user_list", users=["Ann", "Ben"])
        await hear_until(first, type="user_list", users=["Ann", "Ben"])


async def test_a_counter_is_the_sum_and_outlives_who_counted():
    async with meeting() as redis, AsyncExitStack() as stack:
        one, two, three = await stack.enter_async_context(servers_of("counter", 3, redis))
        [ann, ben, cem] = await stack.enter_async_context(one_each([one, two, three]))
        for number in range(300):
            await say((ann, ben, cem)[number % 3], {"type": "increment"})
        await say(ben, {"type": "decrement"})
        for client in (ann, ben, cem):
            await hear_until(client, type="counter", value=299)
        await two.stop()
        await until(lambda: len(one.shared.others) == 1)
        await one.stop()
        [late] = await stack.enter_async_context(servers_of("counter", 1, redis))
        [dan] = await stack.enter_async_context(one_each([late]))
        assert await hear(dan) == {"type": "counter", "value": 299}
        late.exercise_object.clear()
        await hear_until(cem, type="counter", value=0)
        await say(cem, {"type": "decrement"})
        await hear_until(dan, type="counter", value=-1)


async def test_two_who_clear_a_counter_in_the_same_instant_clear_it_once():
    async with (
        meeting() as redis,
        servers_of("counter", 2, redis) as servers,
        one_each(servers) as [ann, ben],
    ):
        for who, kind in (ann, "increment"), (ann, "increment"), (ben, "decrement"):
            await say(who, {"type": kind})
        counters = [server.exercise_object for server in servers]
        await until(lambda: [counter.value for counter in counters] == [1, 1])
        for counter in counters:
            counter.clear()
        await say(ben, {"type": "increment"})
        # Neither goes below 0 when it hears that the other has cleared, too.
        await until(lambda: [counter.value for counter in counters] == [1, 1])


async def test_connect_counts_all_and_gives_each_guest_a_number(quick):
    async with (
        meeting() as redis,
        servers_of("connect", 2, redis) as [one, two],
        one_each([one]) as [ann],
    ):
        assert "Guest 1." in (await hear(ann))["message"]
        await hear_until(ann, type="user_joined", client_count=1)
        await until(lambda: two.room.size == 1 and two.room.parts == [1])
        async with one_each([two]) as [ben]:
            assert "Guest 2." in (await hear(ben))["message"]
            await hear_until(ben, type="user_joined", client_count=2)
            await hear_until(ann, type="user_joined", client_count=2)
            # The line breaks without a goodbye, as if its process were killed.
            await shared.end(two.shared._line, *two.shared._tasks)
            [*_, told] = await hear_until(ann, type="user_left", client_count=1)
            assert told["message"] == "1 at another server left."


async def test_all_see_one_dashboard_and_the_next_takes_over():
    async with (
        meeting() as redis,
        servers_of("dashboard", 2, redis, every=0.05) as [one, two],
        one_each([one, two]) as [ann, ben],
    ):
        await hear_until(ann, connections=2)
        assert two.exercise_object.sampler is None
        seen = await hear_until(ben, connections=2)
        seen += [await hear(ben) for _ in range(5)]
        everything = [await hear(ann) for _ in range(20)]
        assert [m for m in everything if m["timestamp"] == seen[-1]["timestamp"]] == [seen[-1]]
        async with (
            servers_of("dashboard", 1, redis, every=0.05) as [late],
            one_each([late]) as [cem],
        ):
            assert (await hear(cem))["timestamp"] <= everything[-1]["timestamp"]
            await one.stop()
            # What Ben hears first may be of before Cem came.
            await until(lambda: two.exercise_object.sampler)
            assert late.exercise_object.sampler is None
            await hear_until(ben, connections=2)
            await hear_until(cem, connections=2)


@pytest.mark.beside
async def test_real_processes_have_one_feed_and_the_next_takes_over_when_one_is_killed():
    async with meeting() as redis, AsyncExitStack() as stack:
        clients, processes = [], []
        command = ("-m", "server", "notifications", "--pace", "0.02", "0.05", "--port", "0")
        for _ in range(2):
            process = await stack.enter_async_context(run(*command, "--via", redis.url))
            url = await address(process)
            processes.append(process)
            clients += await stack.enter_async_context(guests(url, 1))
        ann, ben = clients
        first = await hear(ben)
        heard = await hear_until(ann, id=first["id"])
        heard += [await hear(ann) for _ in range(20)]
        also = [first] + [await hear(ben) for _ in range(20)]
        ids = [m["id"] for m in heard]
        assert ids[ids.index(first["id"]) :] == [m["id"] for m in also]
        processes[0].kill()
        # It is silent for some beats: then the other one speaks, to the client that it has.
        known = {m["id"] for m in also}
        await hear_until_new(ben, known, seconds=shared.SILENT + DEADLINE)


async def hear_until_new(client: ClientConnection, known: set[str], seconds: float) -> None:
    """Wait until the feed has paused, as it must when its speaker dies, and goes on."""
    async with asyncio.timeout(seconds):
        while True:
            before = asyncio.get_running_loop().time()
            message = await hear(client)
            assert message["id"] not in known  # each of them once
            known.add(message["id"])
            if asyncio.get_running_loop().time() - before > 1:
                return


async def test_redis_goes_and_comes_back_while_all_talk(quick):
    async with (
        meeting() as redis,
        servers_of("chat", 2, redis) as servers,
        guests(servers[0].url, 2) as [ann, ben],
        guests(servers[1].url, 1) as [cem],
        AsyncExitStack() as stack,
    ):
        for client, name in (ann, "Ann"), (ben, "Ben"), (cem, "Cem"):
            await join(client, name)
            await hear_until(ann, type="user_list")
        said = 0
        goes_on = True

        async def talk() -> None:
            nonlocal said
            while goes_on:
                await say(ann, {"type": "message", "content": str(said)})
                said += 1
                await asyncio.sleep(0.002)

        talking = asyncio.create_task(talk())
        stack.callback(talking.cancel)
        await hear_until(cem, type="message")
        await redis.stop()
        # Told once, also if it comes and goes.
        out = await hear_until(cem, type="system", message=shared.AWAY)
        await hear_until(cem, type="user_list", users=["Cem"])
        await redis.start()
        back = await hear_until(cem, type="system", message=shared.BACK)
        heard = back + await hear_until(cem, type="message")
        assert sum(m.get("message") in {shared.AWAY, shared.BACK} for m in heard) == 1
        assert {"type": "user_list", "users": ["Ann", "Ben", "Cem"]} in heard
        await hear_until(ann, type="system", message=shared.BACK)
        goes_on = False
        await talking
        await say(ann, {"type": "message", "content": "end"})
        everything = [*map(str, range(said)), "end"]
        heard = await hear_until(ben, content="end")
        assert texts(heard) == everything  # who is at the same server has lost nothing
        news = [m["message"] for m in heard if m["type"] == "system"]
        assert news.count(shared.AWAY) == news.count(shared.BACK) == 1
        # The others have lost what was said meanwhile, and nothing else, and heard nothing twice.
        numbers = [int(t) for t in texts(out + back) if t != "end"]
        assert numbers == sorted(set(numbers))
        await hear_until(cem, content="end")


async def test_a_redis_that_hangs_again_and_again_is_told_of_once(quick, monkeypatch):
    monkeypatch.setattr(shared, "STEADY", 3.0)
    monkeypatch.setattr(channel, "PATIENCE", 0.3)
    async with (
        meeting() as redis,
        servers_of("chat", 2, redis) as servers,
        one_each(servers) as [ann, ben],
    ):
        await join(ann, "Ann")
        await join(ben, "Ben")
        await hear_until(ann, type="user_list", users=["Ann", "Ben"])
        beside = psutil.Process(redis._shell.pid).children()
        [process] = [child for child in beside if child.name() == "redis-server"]
        for _ in range(3):
            process.suspend()  # its connections stay open, and nothing comes
            await until(lambda: all(s.shared.failure for s in servers))
            process.resume()
            await until(lambda: not any(s.shared.failure for s in servers))
        heard = await hear_until(ann, type="system", message=shared.BACK)
        assert [m.get("message") for m in heard].count(shared.AWAY) == 1
        await say(ben, {"type": "message", "content": "Are you there?"})
        await hear_until(ann, content="Are you there?")
        assert servers[0].exercise_object.user_list()["users"] == ["Ann", "Ben"]


GARBAGE = [
    b"\xff\xfe",
    b"hello",
    b"[" * 10_000,
    b"[]",
    b'{"from": "x"}',
    b'{"from": 5, "items": []}',
    b'{"from": "a b", "items": []}',
    b'{"from": "e1", "items": [{"say": 5}, {"say": {}}, {"say": {"type": 1}}, 7, null, {}]}',
    b'{"from": "e2", "items": [{"say": {"type": "message", "content": "\\ud800"}}]}',
    b'{"from": "e3", "items": [{"say": {"type": "message", "content": 1e999}}]}',
    b'{"from": "e4", "items": [{"part": [[1, "Ann"], "x"], "members": 1}]}',
    b'{"from": "e5", "items": [{"part": [[1e999, "Eve"]], "members": 1}]}',
    b'{"from": "e6", "items": [{"part": [[1, "Ev\\ud800"]], "members": 1}]}',
    b'{"from": "e7", "items": [{"part": [], "members": -1}]}',
    b'{"from": "e8", "items": [{"part": NaN, "members": 1}]}',
    b'{"from": "e9", "items": [{"bye": true}, {"hello": 1}]}',
    b'{"from": "e10", "items": ["' + b"x" * 600_000 + b'"]}',
]


async def test_what_is_wrong_on_the_channel_is_left_out_with_one_warning(caplog):
    async with (
        meeting() as redis,
        servers_of("chat", 2, redis) as servers,
        one_each(servers) as [ann, ben],
        Redis.from_url(redis.url) as stranger,
    ):
        await join(ann, "Ann")
        await hear_until(ann, type="user_list", users=["Ann"])
        for data in GARBAGE * 2:
            await stranger.publish(servers[0].via.channel("chat"), data)
        await join(ben, "Ben")
        heard = await hear_until(ann, type="user_list", users=["Ann", "Ben"])
        assert len(heard) <= 2  # nobody noticed anything

        def warnings(name: str) -> int:
            words = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
            return sum(f"process {name} " in one for one in words)

        blamed = ["somebody", *(f"e{number}" for number in (1, 2, 3, 4, 5, 6, 7, 9))]
        # Ben's server may still have to read what was published before he joined there.
        await until(lambda: all(warnings(name) >= len(servers) for name in blamed))
        assert {name: warnings(name) for name in blamed} == dict.fromkeys(blamed, len(servers))
        assert not servers[0].shared.others.keys() & {f"e{number}" for number in range(11)}


@pytest.mark.parametrize("seed", [random.SystemRandom().randrange(10**6)])
async def test_whatever_happens_all_agree_in_the_end(quick, seed):
    print("seed", seed)
    chance = random.Random(seed)
    async with meeting() as redis, AsyncExitStack() as stack:
        chats = await stack.enter_async_context(servers_of("chat", 3, redis))
        counters = await stack.enter_async_context(servers_of("counter", 3, redis))
        people = [c for s in chats for c in await stack.enter_async_context(guests(s.url, 3))]
        hands = await stack.enter_async_context(one_each(counters))
        counted = 0
        for _ in range(150):
            match chance.randrange(12):
                case 0:
                    await (redis.stop() if redis.is_running else redis.start())
                case 1 | 2 | 3:
                    await join(chance.choice(people), chance.choice("ABCDEFabcdef"))
                case 4:
                    who = chance.randrange(len(people))
                    await within(people[who].close())
                    server = chats[who // 3]
                    people[who] = (await stack.enter_async_context(guests(server.url, 1)))[0]
                case 5 | 6:
                    await say(chance.choice(people), {"type": "message", "content": "hello"})
                case _:
                    step = chance.choice([1, 1, -1])
                    await say(chance.choice(hands), {"type": ["decrement", "increment"][step > 0]})
                    counted += step
            await asyncio.sleep(chance.choice([0, 0, 0.01]))
        await redis.start()

        def agree() -> bool:
            lists = [s.exercise_object.user_list()["users"] for s in chats]
            here = [name for s in chats for name in s.exercise_object.names.values()]
            sums = {s.exercise_object.value for s in counters}
            return (
                lists[0] == lists[1] == lists[2]
                and sorted(here) == sorted(lists[0])
                and len({name.casefold() for name in here}) == len(here)
                and sums == {counted}
                and not any(s.shared.failure for s in chats + counters)
            )

        await until(agree)


async def test_nothing_is_left_after_stop():
    async with meeting() as redis:
        before = asyncio.all_tasks()
        async with servers_of("chat", 2, redis) as servers, one_each(servers):
            assert asyncio.all_tasks() > before
        await until(lambda: asyncio.all_tasks() == before)
        async with Redis.from_url(redis.url) as observer:
            assert await observer.pubsub_channels() == []


async def test_start_shares_a_room_and_a_second_cell_moves_it(free_port, tmp_path):
    async with meeting() as redis, meeting() as other, serving("chat", via=redis.url) as server:
        about = json.loads((await ask(server.port, "/about")).body)
        assert about["via"] == f"redis://127.0.0.1:{Via.parse(redis.url).port}/0?room=course"
        assert await start("chat") is server and server.shared is not None
        async with guests(server.url, 1) as [ann]:
            await join(ann, "Ann")
            await hear_until(ann, type="user_list")
            async with servers_of("chat", 1, other) as [there]:
                assert await start("chat", via=other.url) is server  # and nobody is disconnected
                await until(lambda: there.room.size == 1)
                assert there.exercise_object.user_list()["users"] == ["Ann"]
                await other.stop()
                with pytest.raises(ConnectionError, match="Nobody listens"):
                    await start("chat", via=f"redis://127.0.0.1:{free_port}")
                assert server.via == there.via
        # Another kernel has the port.
        async with run(
            "-m", "server", "counter", "--port", str(free_port), "--via", redis.url
        ) as p:
            await address(p)
            assert isinstance(await start("counter", port=free_port, via=redis.url), Joined)
            assert isinstance(await start("counter", port=free_port), Joined)
            with pytest.raises(PortTaken, match=r"not in the room of .*room=b"):
                await start("counter", port=free_port, via=redis.url + "?room=b")


async def test_what_cannot_be_shared_is_said_in_words(free_port):
    async def mine(websocket):
        pass

    with pytest.raises(TypeError, match="keeps its clients in its own way"):
        await start("chat", mine, via="redis://127.0.0.1")
    with pytest.raises(ValueError, match="whiteboard is not built"):
        await start("whiteboard", via="redis://127.0.0.1")
    with pytest.raises(TypeError, match="as a text"):
        await start("chat", via=6379)
    wrong = {
        "http://x:geheim@y": "begins with redis://",
        "redis://": "names no computer",
        "redis://x:geheim": "port or its brackets",
        "redis://:geheim@x:0": "port or its brackets",
        "redis://:geheim@x/room": "number of a database",
        "redis://:geheim@x?rooom=1": "only a room is known",
        "redis://:geheim@x?room=": "1 to 40 characters",
        "redis://:12/geheim@x": "are written as %2F and %23",
        "redis://eve:12#geheim@x": "are written as %2F and %23",
    }
    for url, words in wrong.items():
        with pytest.raises(ValueError, match=re.escape(words)) as error:
            await start("chat", via=url)
        assert "geheim" not in str(error.value)
    via = Via.parse("rediss://eve:geheim@localhost/2?room=b%20c")
    assert (via.password, via.channel("chat")) == ("geheim", "websocket-course/2/b c/chat")
    assert "geheim" not in f"{via} {via!r} {Server('chat', load('chat'), via=via).about()}"
    code, out, err = await outcome("chat", "--via", f"redis://:geheim@127.0.0.1:{free_port}")
    assert (code, out) == (1, "") and "Nobody listens" in err and "geheim" not in err
    code, _, err = await outcome("whiteboard", "--via", "redis://x")
    assert code == 2 and "not built to be shared" in err


COURSE = {"channels": ["websocket-course/*"]}
USERS = {
    "ann": COURSE | {"commands": ["+publish", "+subscribe"]},
    "mute": COURSE | {"commands": ["+subscribe"]},
}


async def test_a_redis_that_does_not_let_us_in_or_is_none(monkeypatch):
    monkeypatch.setattr(channel, "PATIENCE", 0.3)
    async with meeting() as redis, serving("chat") as server:
        port = Via.parse(redis.url).port
        async with Redis.from_url(redis.url) as keeper:
            await keeper.config_set("requirepass", "geheim")
            for url in (redis.url, f"redis://:falsch@127.0.0.1:{port}"):
                with pytest.raises(
                    ValueError, match="does not accept the name or the password"
                ) as error:
                    await start("chat", via=url)
                assert "falsch" not in str(error.value)
            await start("chat", via=f"redis://:geheim@127.0.0.1:{port}")
            assert not server.shared.failure
            assert "geheim" not in str(vars(server))
            await keeper.config_set("requirepass", "")
            for user, allowed in USERS.items():
                await keeper.acl_setuser(user, enabled=True, passwords=["+ge:/heim"], **allowed)
            for user, words in (
                ("mute", r"needs the permissions \+publish"),
                ("eve", "the password"),
            ):
                with pytest.raises(ValueError, match=words) as error:
                    await start("chat", via=f"redis://{user}:ge%3A%2Fheim@127.0.0.1:{port}")
                assert "heim" not in str(error.value)
            await start("chat", via=f"redis://ann:ge%3A%2Fheim@127.0.0.1:{port}")
            assert not server.shared.failure
        with pytest.raises((ValueError, ConnectionError), match=r"is no Redis|Is it a Redis"):
            await start("chat", via=f"redis://127.0.0.1:{server.port}")
        lines = []
        silent = await asyncio.start_server(lambda *line: lines.append(line), "127.0.0.1", 0)
        try:
            with pytest.raises(ConnectionError, match="does not answer"):
                await start("chat", via=f"redis://127.0.0.1:{silent.sockets[0].getsockname()[1]}")
        finally:
            silent.close()
            for _, writer in lines:
                writer.close()


async def test_a_redis_that_encrypts(free_port, tmp_path, monkeypatch):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    redis = await asyncio.create_subprocess_exec(
        *("redis-server", "--port", "0", "--tls-port", str(free_port), "--save", ""),
        *("--tls-cert-file", tmp_path / "certificate.pem", "--tls-key-file", tmp_path / "key.pem"),
        *("--tls-ca-cert-file", tmp_path / "authority.pem", "--tls-auth-clients", "no"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE):
            while b"Ready to accept" not in await redis.stdout.readline():
                pass
        async with serving("chat") as server:
            with pytest.raises(ValueError, match=r"not trusted here: self-signed .*SSL_CERT_FILE"):
                await start("chat", via=f"rediss://127.0.0.1:{free_port}")
            with pytest.raises(ConnectionError, match=r"If it encrypts, .* with rediss://"):
                await start("chat", via=f"redis://127.0.0.1:{free_port}")
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
            await start("chat", via=f"rediss://127.0.0.1:{free_port}")
            assert not server.shared.failure
            with pytest.raises(ValueError, match="IP address mismatch"):
                await start("chat", via=f"rediss://127.0.0.2:{free_port}")
    finally:
        redis.kill()
        await redis.wait()


async def test_a_cell_that_keeps_the_kernel_busy_does_not_cut_it_off(quick):
    async with (
        meeting() as redis,
        servers_of("chat", 2, redis) as [one, two],
        one_each([one, two]) as [ann, ben],
    ):
        await join(ann, "Ann")
        await hear_until(ann, type="user_list", users=["Ann"])
        await until(lambda: two.room.size == 1)
        time.sleep(2 * shared.SILENT)  # as a cell does: everything waits
        await join(ben, "Ben")
        heard = await hear_until(ann, type="user_list", users=["Ann", "Ben"])
        assert [m["message"] for m in heard if m["type"] == "system"] == ["Ben joined."]


async def test_start_redis_can_be_run_again_and_says_how_to_install_it(monkeypatch):
    redis = await start_redis()
    try:
        url = redis.url
        assert await start_redis() is redis and redis.is_running and redis.url == url
        async with Redis.from_url(url) as client:
            assert (await client.config_get("save"))["save"] == ""
        await redis.stop()
        assert not redis.is_running and repr(redis) == "<Redis, stopped>"
        await redis.start()
        assert redis.is_running and redis.url == url
    finally:
        await stop()  # all that this process runs
    assert not redis.is_running
    monkeypatch.setenv("PATH", "")
    missing = RedisProcess()
    await missing.start()
    assert missing.url is None and not missing.is_running
    assert "apt-get install redis-server" in repr(missing) and "WSL" in repr(missing)


async def test_a_cell_that_starts_redis_can_be_interrupted_and_run_again():
    for moment in range(20):
        redis = RedisProcess()
        starting = asyncio.create_task(redis.start())
        for turn in range(moment):  # the moment is what is tried, nothing is waited for
            await asyncio.sleep(0 if turn < 10 else 0.002)
        starting.cancel()
        try:
            await within(starting)
        except asyncio.CancelledError:
            assert not redis.is_running
        await within(redis.start())
        assert redis.is_running and redis.url
        await redis.stop()
    mine = "PYTEST_CURRENT_TEST", os.environ["PYTEST_CURRENT_TEST"]
    every = [p.info for p in psutil.process_iter(["name", "environ"])]
    left = [p for p in every if p["environ"] and mine in p["environ"].items()]
    assert "redis-server" not in {p["name"] for p in left}


START = """
import asyncio
from server import start_redis
async def main():
    print((await start_redis()).url, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_redis_ends_with_a_kernel_that_is_killed():
    async with run("-c", START) as kernel:
        url = (await within(kernel.stdout.readline())).decode().strip()
        assert url.startswith("redis://")
        kernel.kill()
        port = Via.parse(url).port

        async def gone() -> None:
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    return
                except OSError:
                    continue  # it ended in this very moment
                writer.close()
                await asyncio.sleep(0.02)

        await within(gone())


ALONE = """
import asyncio, sys
from server import start
async def main():
    await start("chat", port=0)
    print([name for name in sys.modules if name.partition(".")[0] == "redis"])
asyncio.run(main())
"""


async def test_who_is_alone_does_not_need_redis():
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ALONE), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    out, _ = await within(process.communicate())
    assert out.decode().strip() == "[]"
