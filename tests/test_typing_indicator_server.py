"""The chat with a typing indicator: who is told that somebody is typing, and under which name."""

import pytest

from tests.test_chat_server import expect_error, expect_said, hear_notice, join, room, saying
from tests.wire import guests, hear, say


@pytest.mark.parametrize("kind", ["typing", "stop_typing"])
async def test_the_others_are_told_and_the_sender_is_not(kind):
    async with room("Ada", "Bob", "Cem", exercise="typing_indicator") as (_, ada, bob, cem):
        await say(ada, {"type": kind})
        for other in (bob, cem):
            assert await hear(other) == {"type": kind, "username": "Ada"}
        await say(ada, saying("Hello"))
        for client in (ada, bob, cem):
            await expect_said(client, "Ada", "Hello")


@pytest.mark.parametrize("kind", ["typing", "stop_typing"])
async def test_the_name_is_the_one_that_the_server_knows(kind):
    async with room("Ada", "Bob", exercise="typing_indicator") as (_, ada, bob):
        await say(bob, {"type": kind, "username": "Ada"})
        assert await hear(ada) == {"type": kind, "username": "Bob"}
        await say(bob, {"type": kind, "username": 5})
        assert await hear(ada) == {"type": kind, "username": "Bob"}


async def test_after_joining_again_it_is_the_new_name():
    async with room("Ada", "Bob", exercise="typing_indicator") as (_, ada, bob):
        await say(bob, {"type": "join", "username": "Eve"})
        assert await hear_notice(ada) == "Bob is now Eve."
        await hear(ada)
        await say(bob, {"type": "typing"})
        assert await hear(ada) == {"type": "typing", "username": "Eve"}


@pytest.mark.parametrize("kind", ["typing", "stop_typing"])
async def test_who_has_not_joined_neither_types_nor_hears_of_it(kind):
    in_room = room("Ada", exercise="typing_indicator")
    async with in_room as (server, ada), guests(server.url, 1) as [stranger]:
        await say(stranger, {"type": kind})
        await expect_error(stranger, "Join first")
        await say(ada, {"type": kind})
        await join(stranger, "Bob", [ada], ["Ada", "Bob"])  # nothing came before


async def test_the_chat_does_not_know_these_messages():
    async with room("Ada") as (_, ada):
        await say(ada, {"type": "typing"})
        await expect_error(ada, "Expected one of: join, message")


async def test_an_unknown_message_names_all_that_are_known():
    async with room("Ada", exercise="typing_indicator") as (_, ada):
        await say(ada, {"type": "type"})
        await expect_error(ada, "Expected one of: join, message, typing, stop_typing")
