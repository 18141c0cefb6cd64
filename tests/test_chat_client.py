"""The clients of the chat and of the typing indicator: joining, coming back, typing, forgetting."""

import asyncio
import json
from contextlib import asynccontextmanager

from websockets.asyncio.server import serve

from client import ChatClient, TypingIndicatorClient
from client.log import LINES
from server import start
from server.chat import Chat
from server.typing_indicator import TypingIndicator
from tests.wire import DEADLINE, guests, hear, say, serving, within


@asynccontextmanager
async def clients(url, *names, kind=TypingIndicatorClient):
    """Yield clients of these names, all of whom have joined, one after the other."""
    made = []
    try:
        for name in names:
            made.append(kind(url, name))
            await made[-1].until(lambda: made[-1].username, DEADLINE)
        for client in made:
            await client.until(lambda c=client: len(c.users) >= len(names), DEADLINE)
        yield made
    finally:
        for client in made:
            client.close()
        for client in made:
            await within(client.wait_closed())
            assert client.failure is None


@asynccontextmanager
async def scripted():
    """Yield an address, and a queue of the server's side of each connection to it."""
    came = asyncio.Queue()

    async def handler(websocket):
        came.put_nowait(websocket)
        await websocket.wait_closed()

    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", came


async def expect_join(websocket, name):
    assert json.loads(await within(websocket.recv())) == {"type": "join", "username": name}


async def send(websocket, **message):
    await within(websocket.send(json.dumps(message)))


async def test_who_has_no_name_joins_by_hand():
    async with serving("chat") as server, clients(server.url, "Ada", kind=ChatClient) as [ada]:
        guest = ChatClient(server.url)
        await guest.until(lambda: guest.state == "connected", DEADLINE)
        guest.field.value = "Hello"
        guest.say()
        assert guest.field.value == "Hello"  # it is not lost
        assert "press Join" in guest.log.lines[-1]
        guest.name_field.value = " ADA "
        guest.join()
        await guest.until(lambda: "taken" in guest.log.lines[-1], DEADLINE)
        guest.name_field.value = " Bob "
        guest.join()
        await guest.until(lambda: guest.username == "Bob", DEADLINE)
        guest.say()
        await ada.until(lambda: "Bob: Hello" in ada.log.lines, DEADLINE)
        guest.close()
        await within(guest.wait_closed())


async def test_a_new_name_that_is_taken_leaves_the_old_one_also_after_coming_back():
    async with serving("chat") as server, clients(server.url, "Ada", "Bob") as [ada, bob]:
        bob.name_field.value = "Ada"
        bob.join()
        await bob.until(lambda: "taken" in bob.log.lines[-1], DEADLINE)
        assert bob.username == "Bob"
        bob.cut()
        await bob.until(lambda: bob.username is None, DEADLINE)
        await bob.until(lambda: bob.username == "Bob", DEADLINE)
        assert ada.username == "Ada"


async def test_what_is_said_while_the_line_is_dead_comes_after_the_name():
    async with serving("chat") as server, clients(server.url, "Ada", "Bob") as [ada, bob]:
        await server.stop()
        await ada.until(lambda: ada.state == "lost", DEADLINE)
        assert ada.users == []
        await ada.until(lambda: "not joined" in ada.people.value, DEADLINE)
        for number in range(3):
            ada.field.value = f"Line {number}"
            ada.say()
        ada.send({"type": "message", "content": "Line 3"})
        await within(server.open(server.port))
        expected = {f"Ada: Line {number}" for number in range(4)}
        await ada.until(lambda: expected <= set(ada.log.lines), DEADLINE)
        await bob.until(lambda: bob.users and "Ada" in bob.users, DEADLINE)


async def test_it_asks_for_its_name_until_the_server_has_noticed_that_the_line_is_dead():
    async with scripted() as (url, came):
        ada = ChatClient(url, "Ada")
        websocket = await within(came.get())
        await expect_join(websocket, "Ada")
        await send(websocket, type="user_list", users=["Ada"])
        await ada.until(lambda: ada.username == "Ada", DEADLINE)
        websocket.transport.abort()
        websocket = await within(came.get())
        for _ in range(4):
            await expect_join(websocket, "Ada")
            await send(websocket, type="error", message="The name Ada is taken.")
        await expect_join(websocket, "Ada")
        await send(websocket, type="user_list", users=["Bob", "Ada"])
        await ada.until(lambda: ada.username == "Ada", DEADLINE)
        assert len([line for line in ada.log.lines if "taken" in line]) == 1
        ada.close()
        await within(ada.wait_closed())


async def test_a_dead_connection_on_a_real_server_gives_its_name_back():
    options = {"ping_interval": 0.3, "ping_timeout": 0.3, "close_timeout": 0.3}
    async with serve(Chat().handler, "127.0.0.1", 0, **options) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with guests(url, 1) as [dead], clients(url, "Bob", kind=ChatClient) as [bob]:
            await say(dead, {"type": "join", "username": "Ada"})
            await hear(dead)
            dead.transport.pause_reading()
            ada = ChatClient(url, "Ada")
            ada._accepted = "Ada"  # as if it had been there before
            await ada.until(lambda: ada.username == "Ada", DEADLINE)
            await bob.until(lambda: bob.users == ["Bob", "Ada"], DEADLINE)
            ada.close()
            await within(ada.wait_closed())
            dead.transport.abort()


async def test_under_a_new_handler_everybody_joins_again_without_being_asked():
    async with serving("typing_indicator") as server, clients(server.url, "Ada", "Bob") as both:
        ada, bob = both
        await within(start("typing_indicator", TypingIndicator().handler))
        for client in both:
            welcome = f"Welcome, {client.name}!"
            await client.until(lambda c=client, w=welcome: c.log.lines.count(w) == 2, DEADLINE)
            await client.until(lambda c=client: sorted(c.users) == ["Ada", "Bob"], DEADLINE)
        ada.field.value = "Here"
        ada.say()
        await bob.until(lambda: "Ada: Here" in bob.log.lines, DEADLINE)


async def test_the_log_is_bounded_and_painted_seldom():
    async with serving("chat") as server, clients(server.url, "Ada", kind=ChatClient) as [ada]:
        paintings = []
        ada.log._html.observe(paintings.append, "value")
        async with guests(server.url, 1) as [talker]:
            await say(talker, {"type": "join", "username": "Talker"})
            for number in range(1_000):
                await say(talker, {"type": "message", "content": f"<b>Line {number}"})
            await ada.until(lambda: "Talker: <b>Line 999" in ada.log.lines, DEADLINE)
        assert len(ada.log.lines) <= LINES
        assert len(paintings) < 30
        assert "<b>" not in ada.log._html.value


async def test_one_types_once_per_burst_and_stops():
    async with serving("typing_indicator") as server, clients(server.url, "Ada", "Bob") as both:
        ada, bob = both
        ada.stop_after = 0.2
        for text in ("H", "He", "Hey"):
            ada.field.value = text
        await bob.until(lambda: bob.typing == ["Ada"], DEADLINE)
        assert ada.typing == []
        await bob.until(lambda: bob.typing == [], DEADLINE)
        ada.field.value = "Hey "
        await bob.until(lambda: bob.typing == ["Ada"], DEADLINE)
        ada.say()
        await bob.until(lambda: bob.typing == [], DEADLINE)
        assert bob.log.lines[-1] == "Ada: Hey "


async def test_who_comes_later_is_told_who_types_and_who_returns_is_told_again():
    async with serving("typing_indicator") as server, clients(server.url, "Ada", "Bob") as both:
        ada, bob = both
        ada.stop_after = 60
        ada.field.value = "H"
        await bob.until(lambda: bob.typing == ["Ada"], DEADLINE)
        async with clients(server.url, "Cem") as [cem]:
            await cem.until(lambda: cem.typing == ["Ada"], DEADLINE)
            bob.cut()
            await bob.until(lambda: bob.typing == [], DEADLINE)
            await bob.until(lambda: bob.typing == ["Ada"], DEADLINE)
            ada.name_field.value = "Eve"
            ada.join()
            for client in (bob, cem):
                await client.until(lambda c=client: c.typing == ["Eve"], DEADLINE)


async def test_who_types_and_leaves_or_is_not_heard_of_any_more_is_not_shown():
    async with serving("typing_indicator") as server, clients(server.url, "Bob") as [bob]:
        bob.forget_after = 0.3
        async with guests(server.url, 2) as rude:
            for client, name in zip(rude, ("Ada", "Cem"), strict=True):
                await say(client, {"type": "join", "username": name})
                await say(client, {"type": "typing"})
            await bob.until(lambda: bob.typing == ["Ada", "Cem"], DEADLINE)
            await bob.until(lambda: bob.typing == [], DEADLINE)  # no stop_typing came
            bob.forget_after = 60
            for client in rude:
                await say(client, {"type": "typing"})
            await bob.until(lambda: len(bob.typing) == 2, DEADLINE)
            rude[0].transport.abort()
            await bob.until(lambda: bob.typing == ["Cem"], DEADLINE)
            assert "Cem is typing…" in bob.indicator.value or await painted(bob)


async def painted(client) -> bool:
    """Wait until the indicator, which is repainted at a bounded rate, shows one name."""
    async with asyncio.timeout(DEADLINE):
        change = asyncio.Event()
        client.indicator.observe(lambda _: change.set(), "value")
        while "Cem is typing…" not in client.indicator.value:
            await change.wait()
            change.clear()
    return True
