"""The teacher's view, driven by its widgets: what it shows, and what its buttons do."""

import asyncio
import json
import random
import threading
import time
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from client import (
    ChatClient,
    CounterClient,
    NotificationsClient,
    TeacherView,
    WhiteboardClient,
)
from server import start
from server.guest import messages_in
from tests.wire import DEADLINE, guests, hear, say, serving, until, within

MOZILLA = {"user_agent_header": "Mozilla/5.0 (X11; Linux x86_64)"}


@asynccontextmanager
async def looking_at(*arguments, **options):
    """Start a server and look at it."""
    async with serving(*arguments, **options) as server:
        view = TeacherView(server)
        try:
            yield server, view
        finally:
            view.close()
            await within(view.wait_closed())


async def shows(view: TeacherView, condition) -> None:
    """Wait until the view shows something: it is painted twice a second."""
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.02)


def names(view: TeacherView) -> list[str]:
    return [name for name, *_ in view.rows]


def badge(view: TeacherView) -> str:
    return view._card._head.value


async def test_who_is_there():
    async with looking_at("chat") as (server, view):
        assert "Nobody is connected" in view._people.value
        async with AsyncExitStack() as stack:
            ada = ChatClient(server, "Ada <b>& co</b>")
            await ada.until(lambda: ada.username)
            [tab] = await stack.enter_async_context(guests(server.url, 1, **MOZILLA))
            [program] = await stack.enter_async_context(guests(server.url, 1))
            await say(tab, {"type": "join", "username": "Tab"})
            await shows(view, lambda: "Tab" in names(view))
            assert [row[:2] for row in view.rows] == [
                ("Ada <b>& co</b>", "kernel"),
                ("Tab", "browser"),
                ("", "program"),
            ]
            ports = [websocket.local_address[1] for websocket in (tab, program)]
            assert [row[2] for row in view.rows[1:]] == [f"127.0.0.1:{port}" for port in ports]
            assert all(row[3].count(":") == 2 and row[4] == 0 for row in view.rows)
            assert "Ada &lt;b&gt;&amp; co&lt;/b&gt;" in view._people.value
            assert "<b>& co" not in view._people.value
            assert "running · 3 connected" in badge(view)
            await say(tab, {"type": "join", "username": "Tabea"})
            await shows(view, lambda: "Tabea" in names(view))
        ada.close()
        await within(ada.wait_closed())
        await shows(view, lambda: not view.rows)
        await within(server.stop())
        await shows(view, lambda: "stopped" in badge(view))
        assert await start("chat") is server
        await shows(view, lambda: "running · 0 connected" in badge(view))


async def test_how_far_somebody_is_behind():
    async def flood(websocket):
        while websocket.transport.get_write_buffer_size() < 300_000:
            websocket.protocol.send_text(b"x" * 60_000)
            websocket.send_data()
        await websocket.wait_closed()

    async with looking_at(flood) as (server, view):
        stuck = await within(connect(server.url, proxy=None, max_queue=1, ping_interval=None))
        await shows(view, lambda: view.rows and view.rows[0][4] >= 300_000)
        assert "course-late" in view._people.value
        [row] = view.rows
        assert f"{row[4]:,}" in view._people.value
        stuck.transport.abort()


async def test_messages_a_second_and_the_lag_of_the_loop():
    async with looking_at("counter") as (server, view), guests(server.url, 4) as clients:
        for client in clients:
            await hear(client)
        ended = asyncio.get_running_loop().time() + 1.8
        rates = []
        while asyncio.get_running_loop().time() < ended:
            await say(clients[0], {"type": "increment"})
            for client in clients:
                await hear(client)
            await asyncio.sleep(0.02)
            rates.append((view.received_rate, view.sent_rate))
        received, sent = rates[-1]
        assert 5 < received < 60
        assert sent == pytest.approx(4 * received, rel=0.2)
        assert f"in <b>{received:.0f} messages/s</b>" in view._figures.value
        assert "MiB</b>" in view._figures.value
        time.sleep(0.4)  # as a cell does that computes
        await shows(view, lambda: view.lag >= 0.25)
        assert f"loop late by <b>{view.lag * 1_000:.0f} ms</b>" in view._figures.value
        await shows(view, lambda: view.lag < 0.25)


async def test_say_something_to_all():
    async with looking_at("chat") as (server, view), guests(server.url, 1, **MOZILLA) as [tab]:
        ada = ChatClient(server, "Ada")
        await ada.until(lambda: ada.username)
        view.field.value = "Look at <b>line 3</b>"
        view.say_button.click()
        said = "The teacher says: Look at <b>line 3</b>"
        heard = await hear(tab)
        assert (heard["type"], heard["message"]) == ("system", said)
        await ada.until(lambda: said in ada.log.lines)
        assert view.field.value == ""
        view.say_button.click()  # there is nothing to say
        enter = [1, "again", view.field.shown["count"], "enter"]
        told = {"page": "a page", "number": 1, "text": "again", "seen": enter[2], "sent": [enter]}
        view.field._handle_custom_msg(told, [])
        assert (await hear(tab))["message"] == "The teacher says: again"
        ada.close()
        await within(ada.wait_closed())


async def test_notifications_say_it_as_one_and_a_counter_cannot_say_anything():
    async with looking_at("notifications", pace=(99, 99)) as (server, view):
        bell = NotificationsClient(server)
        await bell.until(lambda: bell.state == "connected")
        await shows(view, lambda: view.rows)
        view.field.value = "Five minutes left"
        view.say_button.click()
        await bell.until(lambda: bell.unread == 1)
        assert view.clear_button.disabled
        bell.close()
        await within(bell.wait_closed())
    async with looking_at("counter") as (_, view):
        assert view.say_button.disabled and view.field.disabled
        assert "show no words" in view.field.placeholder


async def test_pause_keeps_what_is_sent_and_goes_on_with_it():
    async with looking_at("chat") as (server, view):
        ada, bob = ChatClient(server, "Ada"), ChatClient(server, "Bob")
        await ada.until(lambda: ada.users == ["Ada", "Bob"])
        view.pause_button.click()
        await bob.until(lambda: any("has paused" in line for line in bob.log.lines))
        assert "paused · 2 connected" in badge(view)
        assert view.pause_button.description == "Go on"
        for number in range(3):
            ada.send({"type": "message", "content": f"number {number}"})
        async with guests(server.url, 1) as [late]:
            await say(late, {"type": "join", "username": "Late"})
            # Who leaves while it is paused leaves at once.
            bob.close()
            await within(bob.wait_closed())
            await shows(view, lambda: len(view.rows) == 2)
            assert not any("number" in line for line in ada.log.lines)
            view.pause_button.click()
            await ada.until(lambda: ada.users == ["Ada", "Late"])
            said = [line for line in ada.log.lines if "number" in line]
            assert said == ["Ada: number 0", "Ada: number 1", "Ada: number 2"]
            assert "The teacher goes on." in ada.log.lines
        assert "running" in badge(view) and view.pause_button.description == "Pause"
        ada.close()
        await within(ada.wait_closed())


async def test_pause_across_a_change_of_the_handler_loses_nothing():
    def echo(version):
        async def handler(websocket):
            async for message in websocket:
                await websocket.send(json.dumps([version, message]))

        return handler

    async with looking_at(echo(1)) as (server, _), guests(server.url, 1) as [ann]:
        await say(ann, "a")
        assert await hear(ann) == [1, "a"]
        server.pause()
        await say(ann, "b")
        await until(lambda: server.guests[0]._held == "b")
        await start(echo(2))
        await say(ann, "c")
        server.go_on()
        assert [await hear(ann), await hear(ann)] == [[2, "b"], [2, "c"]]


async def test_pause_rests_the_producer_of_notifications():
    options = {"pace": (0.01, 0.01)}
    async with (
        looking_at("notifications", **options) as (server, view),
        guests(server.url, 1) as [ann],
    ):
        await hear(ann)
        view.pause_button.click()
        while "paused" not in (await hear(ann))["message"]:
            pass
        with pytest.raises(TimeoutError):
            await within(ann.recv(), 0.3)
        view.pause_button.click()
        while "goes on" not in (await hear(ann))["message"]:
            pass
        await hear(ann)


async def test_drop_one_and_drop_all_and_everybody_comes_back():
    async with looking_at("chat") as (server, view):
        clients = [ChatClient(server, name) for name in ("Ada", "Bob", "Cem")]
        for client in clients:
            await client.until(lambda client=client: client.users == ["Ada", "Bob", "Cem"])
        await shows(view, lambda: len(view.choice.options) == 4)
        before = {guest.address: guest for guest in server.guests}
        bob = next(
            guest for label, guest in view.choice.options if label.startswith("Bob · kernel")
        )
        assert view.choice.value is None and view.drop_button.disabled
        view.choice.value = bob
        await shows(view, lambda: not view.drop_button.disabled)
        view.drop_button.click()
        await clients[1].until(lambda: clients[1].state == "lost")
        await clients[1].until(lambda: clients[1].username == "Bob")
        await shows(view, lambda: names(view) == ["Ada", "Cem", "Bob"])
        assert len(before.keys() & {guest.address for guest in server.guests}) == 2
        await shows(view, lambda: bob not in dict(view.choice.options).values())
        assert view.choice.value is None
        view.drop_all_button.click()
        for client in clients:
            await client.until(lambda client=client: client.state == "lost")
        await shows(view, lambda: sorted(names(view)) == ["Ada", "Bob", "Cem"])
        assert not before.keys() & {guest.address for guest in server.guests}
        for client in clients:
            client.close()
            await within(client.wait_closed())


async def test_clear_where_the_exercise_can():
    async with looking_at("counter") as (server, view):
        ada = CounterClient(server)
        ada.increment()
        await ada.until(lambda: ada.value == 1)
        view.clear_button.click()
        await ada.until(lambda: ada.value == 0)
        ada.increment()
        await ada.until(lambda: ada.value == 1)
        ada.close()
        await within(ada.wait_closed())
    async with looking_at("whiteboard") as (server, view), guests(server.url, 1) as [ben]:
        eve = WhiteboardClient(server, "Eve")
        await shows(view, lambda: names(view) == ["Guest 1", "Eve"])
        await say(ben, {"type": "draw_start", "x": 1, "y": 2})
        await eve.until(lambda: eve.drawing.strokes)
        view.clear_button.click()
        await eve.until(lambda: not eve.drawing.strokes)
        assert await hear(ben) == {"type": "clear"}
        assert not server.exercise_object.drawing.strokes
        eve.close()
        await within(eve.wait_closed())
    async with looking_at("chat") as (_, view):
        assert view.clear_button.disabled


async def test_a_click_on_another_thread_acts_on_the_loop_of_the_server():
    """JupyterLab delivers clicks there, beside a loop of its own."""
    async with looking_at("chat") as (server, view), guests(server.url, 1) as [ann]:
        view.field.value = "hello"
        for button in (view.say_button, view.drop_all_button):
            thread = threading.Thread(target=lambda b=button: asyncio.run(click(b)))
            thread.start()
            await asyncio.to_thread(thread.join)
        assert (await hear(ann))["message"] == "The teacher says: hello"
        with pytest.raises(ConnectionClosed):
            await hear(ann)
        assert view.failure is None


async def click(button) -> None:
    button.click()


async def test_what_goes_wrong_is_shown_and_the_view_lives_on():
    class Broken:
        names = "not a mapping"

        async def handler(self, websocket):
            await websocket.wait_closed()

        def clear(self):
            raise ValueError("cannot clear")

    async with looking_at("counter", Broken().handler) as (server, view), guests(server.url, 1):
        view.clear_button.click()
        await shows(view, lambda: view.failure)
        assert "cannot clear" in str(view._card._trouble.outputs)
        await shows(view, lambda: len(view.rows) == 1)


async def test_only_a_server_of_this_kernel_will_do():
    with pytest.raises(TypeError, match="The view is for the kernel that runs the server"):
        TeacherView("ws://127.0.0.1:8762")


async def test_it_paints_seldom_however_much_happens_and_not_at_all_when_closed():
    async with looking_at("counter") as (server, view), guests(server.url, 1) as [ann]:
        paintings = []
        view._people.observe(paintings.append, "value")
        view._figures.observe(paintings.append, "value")
        for _ in range(300):
            await say(ann, {"type": "increment"})
            await hear(ann)
        assert len(paintings) <= 10
        view.close()
        await within(view.wait_closed())
        assert "closed" in badge(view)
        assert server._traffic.lookers == 0
        sent = server._traffic.sent
        async with guests(server.url, 1) as [ben]:
            await hear(ben)
            assert server._traffic.sent == sent  # who comes now is not counted


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
def test_messages_are_counted_in_what_is_written(length):
    frames = [
        Frame(Opcode.TEXT, b"x" * length),
        Frame(Opcode.PING, b""),
        Frame(Opcode.BINARY, b"y"),
    ]
    data = [frame.serialize(mask=False) for frame in frames]
    assert messages_in(b"".join(data)) == 2
    assert [messages_in(part) for part in data] == [1, 0, 1]
    parts = Frame(Opcode.TEXT, b"a", fin=False), Frame(Opcode.CONT, b"b")
    assert messages_in(b"".join(part.serialize(mask=False) for part in parts)) == 1


# A class of thirty


async def test_a_class_of_thirty_with_the_view_right_at_every_step():
    """Fifteen kernels and fifteen browsers come, go, are dropped and come back."""
    seed = 30
    random_ = random.Random(seed)
    async with looking_at("chat") as (server, view):
        kernels = {f"Kernel {n}": ChatClient(server, f"Kernel {n}") for n in range(15)}
        tabs = {}

        async def come(name):
            tabs[name] = await within(connect(server.url, proxy=None, max_queue=None, **MOZILLA))
            await say(tabs[name], {"type": "join", "username": name})

        async def is_right():
            there = sorted([*kernels, *tabs])
            try:
                await shows(view, lambda: sorted(names(view)) == there)
            except TimeoutError:
                pytest.fail(f"seed {seed}: the view shows {sorted(names(view))}, not {there}")
            kinds = {name: kind for name, kind, *_ in view.rows}
            assert {kinds[name] for name in kernels} == {"kernel"}
            assert {kinds[name] for name in tabs} <= {"browser"}
            assert f"running · {len(there)} connected" in badge(view)
            assert view._people.value.count("<tr>") == 1 + len(there)
            assert len(view.choice.options) == 1 + len(there)

        await asyncio.gather(*(come(f"Tab {n}") for n in range(15)))
        await is_right()
        for step in range(6):
            match step % 3:
                case 0:  # some tabs are closed, others are lost
                    for name in random_.sample(sorted(tabs), 4):
                        gone = tabs.pop(name)
                        if random_.random() < 0.5:
                            await within(gone.close())
                        else:
                            gone.transport.abort()
                case 1:  # some come anew
                    await asyncio.gather(*(come(f"New {step} {n}") for n in range(4)))
                case 2:  # all are dropped, and come back
                    view.drop_all_button.click()
                    for tab in tabs.values():
                        await within(tab.wait_closed())
                    await asyncio.gather(*map(come, list(tabs)))
            await is_right()
        for client in kernels.values():
            client.close()
        for client in kernels.values():
            await within(client.wait_closed())
        for tab in tabs.values():
            await within(tab.close())
        await shows(view, lambda: not view.rows)
        assert view.failure is None and server.failure is None
