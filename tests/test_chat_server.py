"""The chat: who may join under which name, who hears what, and what becomes of who vanishes."""

import asyncio
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest
from websockets.asyncio.server import serve

from server import start
from server.chat import Chat
from tests.wire import DEADLINE, guests, hear, say, serving, within


def joining(name):
    return {"type": "join", "username": name}


def saying(content):
    return {"type": "message", "content": content}


async def hear_notice(client) -> str:
    message = await hear(client)
    assert set(message) == {"type", "message", "timestamp"}, message
    assert message["type"] == "system"
    assert datetime.fromisoformat(message["timestamp"]).utcoffset() is not None
    return message["message"]


async def expect_list(client, *names) -> None:
    assert await hear(client) == {"type": "user_list", "users": list(names)}


async def expect_error(client, words) -> None:
    message = await hear(client)
    assert set(message) == {"type", "message"}, message
    assert message["type"] == "error"
    assert words in message["message"]


async def expect_said(client, name, content) -> None:
    message = await hear(client)
    assert set(message) == {"type", "username", "content", "timestamp"}, message
    assert (message["type"], message["username"], message["content"]) == ("message", name, content)
    at = datetime.fromisoformat(message["timestamp"])
    assert abs(datetime.now(at.tzinfo) - at) < timedelta(seconds=60)


async def join(client, name, there, users) -> None:
    """Join, and take what that brings to the one who joins and to those who are there."""
    await say(client, joining(name))
    assert name in await hear_notice(client)
    await expect_list(client, *users)
    for other in there:
        assert await hear_notice(other) == f"{name} joined."
        await expect_list(other, *users)


@asynccontextmanager
async def room(*names, exercise="chat"):
    """Yield a server and one client for each of the names, all of whom have joined."""
    async with serving(exercise) as server, guests(server.url, len(names)) as clients:
        for number, (name, client) in enumerate(zip(names, clients, strict=True)):
            await join(client, name, clients[:number], names[: number + 1])
        yield server, *clients


async def test_joining_welcome_to_one_notice_to_the_others_list_to_all():
    async with room("Ada", "Bob", "Cem") as (_, ada, bob, cem):  # room() looks at each message
        await say(ada, saying("That was all."))
        for client in (ada, bob, cem):
            await expect_said(client, "Ada", "That was all.")


async def test_nothing_reaches_who_has_not_joined():
    async with room("Ada") as (server, ada), guests(server.url, 1) as [stranger]:
        await say(ada, saying("a secret"))
        await expect_said(ada, "Ada", "a secret")
        await say(stranger, joining("Bob"))
        assert await hear_notice(stranger) == "Welcome, Bob!"


@pytest.mark.parametrize("message", [saying("Hello"), saying("Hello") | {"username": "Ada"}])
async def test_speaking_before_joining_is_refused(message):
    async with room("Ada") as (server, ada), guests(server.url, 1) as [stranger]:
        await say(stranger, message)
        await expect_error(stranger, "Join first")
        await join(stranger, "Bob", [ada], ["Ada", "Bob"])  # nothing came before


async def test_the_server_decides_who_said_it():
    async with room("Ada", "Bob") as (_, ada, bob):
        await say(bob, saying("I owe Bob a cake") | {"username": "Ada", "timestamp": "1970"})
        for client in (ada, bob):
            await expect_said(client, "Bob", "I owe Bob a cake")


@pytest.mark.parametrize("same", ["Zoë", "zoë", " ZOË ", "Zoe\u0308", "Zo\u200bë", "Ｚｏë"])
async def test_a_taken_name_is_refused_and_the_same_connection_may_try_again(same):
    async with room("Zoë") as (server, zoe), guests(server.url, 1) as [other]:
        await say(other, joining(same))
        await expect_error(other, "taken")
        await join(other, "Bob", [zoe], ["Zoë", "Bob"])


async def test_case_is_folded_and_not_only_lowered():
    async with room("STRASSE") as (server, _), guests(server.url, 1) as [other]:
        await say(other, joining("straße"))
        await expect_error(other, "taken")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "1 to 20"),
        ("   ", "1 to 20"),
        ("\u00a0\u2003", "1 to 20"),
        ("x" * 21, "1 to 20"),
        ("x" * 60_000, "1 to 20"),
        ("A\nda", "control"),
        ("Ada\n", "control"),
        ("\tAda", "control"),
        ("A\u0000da", "control"),
        ("A\u001b[31m", "control"),
        ("A\u0085da", "control"),
        ("A\u2028da", "control"),
        ("\u200b\u200d", "can see"),
        ("\ud83d", "surrogate"),
        (5, "must be a string"),
        (None, "must be a string"),
        (["Ada"], "must be a string"),
    ],
)
async def test_what_is_no_name_is_refused_and_the_same_connection_may_try_again(name, words):
    async with room("Ada") as (server, ada), guests(server.url, 1) as [other]:
        await say(other, joining(name))
        await expect_error(other, words)
        await join(other, "Bob", [ada], ["Ada", "Bob"])


@pytest.mark.parametrize(
    "name",
    ["x", "x" * 20, "Zoë", "李小龙", "שרה", "مریم", "O'Neil <b>", "👩‍👩‍👧‍👦", "🇺🇳", "Иван Ⅳ"],
)
async def test_names_of_every_kind(name):
    async with room("Ada", name) as (_, ada, other):
        await say(other, saying("That is me."))
        await expect_said(ada, name, "That is me.")


async def test_spaces_around_a_name_are_taken_off():
    async with room("Ada") as (server, ada), guests(server.url, 1) as [bob]:
        await say(bob, joining("  Bob  " + " " * 30))
        assert await hear_notice(bob) == "Welcome, Bob!"
        await expect_list(bob, "Ada", "Bob")
        assert await hear_notice(ada) == "Bob joined."


async def test_joining_again_is_taking_a_new_name():
    async with room("Ada", "Bob") as (server, ada, bob):
        await say(ada, joining("Eve"))
        assert await hear_notice(ada) == "Welcome, Eve!"
        assert await hear_notice(bob) == "Ada is now Eve."
        for client in (ada, bob):
            await expect_list(client, "Eve", "Bob")
        await say(ada, saying("Still me."))
        await expect_said(ada, "Eve", "Still me.")
        await expect_said(bob, "Eve", "Still me.")
        async with guests(server.url, 1) as [other]:
            await join(other, "Ada", [ada, bob], ["Eve", "Bob", "Ada"])  # it is free now


async def test_a_new_name_may_be_the_old_one_written_differently():
    async with room("Ada", "Bob") as (_, ada, bob):
        await say(ada, joining("ADA"))
        assert await hear_notice(ada) == "Welcome, ADA!"
        assert await hear_notice(bob) == "Ada is now ADA."


async def test_joining_again_under_the_same_name_bothers_nobody():
    async with room("Ada", "Bob") as (_, ada, bob):
        await say(ada, joining("Ada"))
        assert await hear_notice(ada) == "Welcome, Ada!"
        await say(ada, saying("Nothing between."))
        for client in (ada, bob):
            await expect_said(client, "Ada", "Nothing between.")


async def test_a_refused_new_name_leaves_the_old_one():
    async with room("Ada", "Bob") as (_, ada, bob):
        await say(ada, joining("bob"))
        await expect_error(ada, "taken")
        await say(ada, saying("Then not."))
        for client in (ada, bob):
            await expect_said(client, "Ada", "Then not.")


@pytest.mark.parametrize("way", ["goodbye", "vanishes"])
async def test_leaving(way):
    async with room("Ada", "Bob", "Cem") as (server, ada, bob, cem):
        if way == "goodbye":
            await within(bob.close())
        else:
            bob.transport.abort()
        for client in (ada, cem):
            async with asyncio.timeout(1):  # within a second
                assert await hear_notice(client) == "Bob left."
                await expect_list(client, "Ada", "Cem")
        async with guests(server.url, 1) as [again]:
            await join(again, "Bob", [ada, cem], ["Ada", "Cem", "Bob"])


async def test_who_never_joined_leaves_without_a_word():
    async with room("Ada") as (server, ada):
        async with guests(server.url, 1):
            pass
        await say(ada, saying("Alone."))
        await expect_said(ada, "Ada", "Alone.")


async def test_who_joins_and_is_gone_at_once_was_here_and_left():
    async with room("Ada") as (server, ada), guests(server.url, 1) as [bob]:
        await say(bob, joining("Bob"))
        bob.transport.abort()
        heard = [await hear(ada) for _ in range(4)]
        assert [message.get("message") or message["users"] for message in heard] == [
            "Bob joined.",
            ["Ada", "Bob"],
            "Bob left.",
            ["Ada"],
        ]


async def test_a_dead_peer_is_gone_when_the_keep_alive_runs_out():
    chat = Chat()
    options = {"ping_interval": 0.2, "ping_timeout": 0.2, "close_timeout": 0.2}
    async with serve(chat.handler, "127.0.0.1", 0, **options) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with guests(url, 2) as [ada, bob]:
            await join(ada, "Ada", [], ["Ada"])
            await join(bob, "Bob", [ada], ["Ada", "Bob"])
            bob.transport.pause_reading()  # as if its computer had lost its power: no pong
            assert await hear_notice(ada) == "Bob left."
            await expect_list(ada, "Ada")
            bob.transport.abort()


@pytest.mark.parametrize(
    "content",
    [
        "x",
        "x" * 2_000,
        " ",
        "two\nlines\ttab",
        "<script>alert(1)</script>&amp;",
        "مرحبا بالعالم",
        "e\u0301 is not é",
        "👩‍👩‍👧‍👦 🏳️‍🌈 \U0010ffff",
        "\u202eright to left\u202c",
        "\u0000\u001b[31m\u2028",
        '"\\"',
    ],
)
async def test_what_is_said_arrives_as_it_was_said(content):
    async with room("Ada", "Bob") as (_, ada, bob):
        await say(ada, saying(content))
        for client in (ada, bob):
            await expect_said(client, "Ada", content)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("hello", "Expected JSON"),
        ("[1]", "Expected a JSON object"),
        ({"type": "shout", "content": "Hi"}, "Expected one of: join, message"),
        ({"type": "join"}, "'username' is missing"),
        ({"type": "message"}, "'content' is missing"),
        (saying(""), "1 to 2,000"),
        (saying("x" * 2_001), "1 to 2,000"),
        (saying(["Hi"]), "must be a string"),
        (saying("\udc00"), "surrogate"),
        ("[" * 5_000 + "]" * 5_000, "nested too deep"),
        (b'{"type": "message", "content": "Hi"}', "text frame"),
    ],
)
async def test_whoever_sends_something_wrong_is_told_why_and_nobody_else_notices(data, words):
    async with room("Ada", "Bob") as (_, ada, bob):
        await say(ada, data)
        await expect_error(ada, words)
        await say(ada, saying("And on."))
        for client in (ada, bob):
            await expect_said(client, "Ada", "And on.")


async def test_a_hundred_join_at_once_and_all_lists_agree():
    async with serving("chat") as server, guests(server.url, 100) as clients:
        for number, client in enumerate(clients):
            await say(client, joining(f"Guest {number}"))

        async def last_list(client):
            users = []
            while len(users) < len(clients):
                message = await hear(client)
                users = message.get("users", users)
            return users

        lists = await within(asyncio.gather(*map(last_list, clients)), 3 * DEADLINE)
        assert all(users == lists[0] for users in lists)
        assert len(set(lists[0])) == 100


async def test_two_who_want_one_name_at_the_same_moment():
    async with serving("chat") as server, guests(server.url, 2) as clients:
        await asyncio.gather(*(say(client, joining("Ada")) for client in clients))
        first = [(await hear(client))["type"] for client in clients]
        assert sorted(first) == ["error", "system"]


async def test_each_server_has_a_room_of_its_own():
    async with (
        serving(Chat().handler) as one,
        serving("chat") as other,
        guests(one.url, 1) as [ada],
        guests(other.url, 1) as [ada_too],
    ):
        await join(ada, "Ada", [], ["Ada"])
        await join(ada_too, "Ada", [], ["Ada"])


async def test_who_stays_connected_under_a_new_handler_sees_that_it_must_join_again():
    async with room("Ada", "Bob") as (_, ada, bob):
        await within(start("chat", Chat().handler))
        for client, name in ((ada, "Ada"), (bob, "Bob")):
            while name in (await hear(client)).get("users", [name]):
                pass
        await join(bob, "Bob", [], ["Bob"])
