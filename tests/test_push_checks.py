"""The checks of exercises 5 and 6, held against wrong and right solutions."""

import asyncio
import json
import random
import time
from collections import deque
from datetime import UTC, datetime
from functools import partial
from html import escape
from uuid import uuid4

import psutil
import pytest
from ipywidgets import HTML, HBox, Label, VBox
from websockets.asyncio.server import broadcast

from checks import (
    check_dashboard,
    check_dashboard_client,
    check_notifications,
    check_notifications_client,
)
from client import Client, NotificationsClient
from client.dashboard import plot
from server.exercises import load

pytestmark = pytest.mark.beside


def marks(report):
    return "".join(str(outcome)[0] for outcome in report.outcomes)


def words(report):
    return next((str(o) for o in report.outcomes if o.state.value != "✓"), "")


# Exercise 5, the server. A solution is a function that makes a handler and a producer.


def note():
    return json.dumps(
        {
            "type": "notification",
            "id": str(uuid4()),
            "message": random.choice(["Tea is ready", "Bob waves", "It rains", "Goal!"]),
            "timestamp": datetime.now(UTC).isoformat(),
        }
    )


def notifying(make_note=note, wait=None, say=None, keep=True):
    """One producer for all, of which parts may be exchanged."""
    clients = set()
    wait = wait or (lambda pace: asyncio.sleep(random.uniform(*pace)))

    async def produce(pace=(1, 3)):
        while True:
            await wait(pace)
            if say:
                await say(clients, make_note())
            else:
                broadcast(clients, make_note())

    async def handler(websocket):
        clients.add(websocket)
        try:
            async for _ in websocket:
                pass
        finally:
            if keep:
                clients.discard(websocket)

    return handler, produce


def loop_for_each():
    async def handler(websocket, pace=(5, 15)):
        while True:
            await asyncio.sleep(random.uniform(*pace))
            await websocket.send(note())

    return handler, None


def loop_for_each_as_task():
    async def send_notifications(websocket, pace):
        while True:
            await asyncio.sleep(random.uniform(*pace))
            await websocket.send(note())

    async def handler(websocket, pace=(5, 15)):
        asyncio.create_task(send_notifications(websocket, pace))  # noqa: RUF006
        await websocket.wait_closed()

    return handler, None


def fixed_pace_loop_for_each():
    async def handler(websocket):
        while True:
            await asyncio.sleep(random.randint(5, 15))
            await websocket.send(note())

    return handler, None


def blocking_wait():
    clients = set()

    async def produce(pace=(1, 3)):
        while True:
            time.sleep(random.uniform(*pace))
            broadcast(clients, note())

    async def handler(websocket):
        clients.add(websocket)
        await websocket.wait_closed()

    return handler, produce


async def one_after_the_other(clients, text):
    for client in clients:
        await client.send(text)


async def only_one(clients, text):
    broadcast(list(clients)[:1], text)


def same_id():
    constant = str(uuid4())
    return lambda: json.dumps(json.loads(note()) | {"id": constant})


def changed(**fields):
    return lambda: json.dumps(json.loads(note()) | fields)


async def regular(pace):
    await asyncio.sleep(pace[0])


async def too_quick(pace):
    await asyncio.sleep(random.uniform(0.001, 0.04))


async def integers(pace):
    await asyncio.sleep(random.randint(*pace))


NOTIFICATION_SERVERS = [
    (loop_for_each, "✓✓✗✓✓✗", "Is there a loop for each connection? One producer is enough"),
    (loop_for_each_as_task, "✓✓✗✓✓✗", "Is there a loop for each connection?"),
    (fixed_pace_loop_for_each, "✗✗✗✗✗✗", "Your handler sleeps by itself"),
    (blocking_wait, "!!!!!!", "blocked the event loop in produce()"),
    (partial(notifying, say=one_after_the_other), None, ""),
    (partial(notifying, say=only_one), None, "✗ Everybody gets each notification"),
    (partial(notifying, same_id()), "✓✗✓✓✓✓", "24 notifications with 1 different ids"),
    (partial(notifying, changed(message="Hi")), "✓✗✓✓✓✓", "all with the same text"),
    (partial(notifying, changed(id=7)), "✗✗✓✓✓✓", "expected a text as its 'id', got 7"),
    (
        partial(notifying, changed(timestamp="2026-01-01T10:00:00")),
        "✗✓✓✓✓✓",
        "does not say of which time zone",
    ),
    (partial(notifying, wait=regular), "✓✓✓✗✓✓", "came at regular intervals"),
    (partial(notifying, wait=too_quick), "✓✓✓✗✓✓", "in less time than that"),
    (partial(notifying, wait=integers), "!!!!!!", "random.randint() takes whole numbers"),
    (partial(notifying, keep=False), "✓✓✓✓✓✗", "Remove a connection in `finally`"),
    (lambda: (notifying()[0], None), "✗✗✗✗✗✗", "Give the check your producer"),
    (lambda: (len, None), "✗✗✗✗✗✗", "Expected a handler"),
]


@pytest.mark.parametrize(("make", "expected", "said"), NOTIFICATION_SERVERS)
async def test_wrong_notification_servers_are_refused(make, expected, said):
    before = asyncio.all_tasks()
    report = await check_notifications(*make())
    if expected is None:
        assert not report.passed or said == "", report
    else:
        assert marks(report) == expected, report
    assert said in words(report), report
    await until_only(before)


async def until_only(tasks):
    """What a check has started ends within its next few turns."""
    async with asyncio.timeout(2):
        while asyncio.all_tasks() - tasks:
            await asyncio.sleep(0)


def as_a_class():
    exercise = load("notifications")

    async def background(pace=(1, 3)):
        exercise.__self__.pace = pace
        await exercise.__self__.background()

    async def handler(websocket):
        await exercise(websocket)

    return handler, background


def with_queues():
    """Each connection has a queue, and its handler forwards what the producer puts there."""
    queues = set()

    async def produce(pace=(1, 3)):
        while True:
            await asyncio.sleep(random.uniform(*pace))
            text = note()
            for queue in queues:
                queue.put_nowait(text)

    async def forward(queue, websocket):
        while True:
            await websocket.send(await queue.get())

    async def handler(websocket):
        queue = asyncio.Queue()
        queues.add(queue)
        sender = asyncio.create_task(forward(queue, websocket))
        try:
            await websocket.wait_closed()
        finally:
            sender.cancel()
            queues.discard(queue)

    return handler, produce


def started_by_the_first():
    clients, state = set(), {}

    async def produce(pace):
        while clients:
            await asyncio.sleep(random.uniform(*pace))
            broadcast(clients, note())

    async def handler(websocket, pace=(1, 3)):
        clients.add(websocket)
        if len(clients) == 1:
            state["task"] = asyncio.create_task(produce(pace))
        try:
            await websocket.wait_closed()
        finally:
            clients.discard(websocket)
            if not clients:
                state["task"].cancel()

    return handler, None


@pytest.mark.parametrize("make", [notifying, as_a_class, with_queues, started_by_the_first])
async def test_right_notification_servers_pass(make):
    report = await check_notifications(*make())
    assert report.passed, report


@pytest.mark.beside
async def test_the_same_code_gets_the_same_report():
    first, second = [await check_notifications(*loop_for_each()) for _ in range(2)]
    assert repr(first) == repr(second), f"{first}\n{second}"


# Exercise 5, the client


class Bell(Client):
    """The widgets of the notebook, and one right way to do the rest."""

    stay, most = 5, 4

    def build(self):
        self.seen, self.unread = set(), {}
        self.badge, self.list, self.pile = Label("0 unread"), VBox(), VBox()
        self.all_button = self.button("Dismiss all", lambda: self.dismiss_all())
        return [HBox([self.badge, self.all_button]), self.list, self.pile]

    def show(self):
        self.badge.value = f"{len(self.unread)} unread"
        last = list(self.unread.items())[-5:]
        self.list.children = [self.button(t, lambda key=key: self.dismiss(key)) for key, t in last]

    def received(self, message):
        if message["type"] == "notification" and self.note(message):
            self.show()
            self.show_toast(message["message"])

    def note(self, message):
        if message["id"] in self.seen:
            return False
        self.seen.add(message["id"])
        self.unread[message["id"]] = message["message"]
        return True

    def dismiss(self, key):
        self.unread.pop(key, None)
        self.show()

    def dismiss_all(self):
        self.unread.clear()
        self.show()

    def show_toast(self, text):
        toast = Label(text)
        self.pile.children = [*self.pile.children, toast][-self.most :]
        asyncio.get_running_loop().call_later(self.stay, self.take_away, toast)

    def take_away(self, toast):
        self.pile.children = [other for other in self.pile.children if other is not toast]


class CountsEach(Bell):
    def note(self, message):
        self.unread[object()] = message["message"]
        return True


class ForgetsWhatItSaw(Bell):
    def note(self, message):
        new = message["id"] not in self.unread
        self.unread[message["id"]] = message["message"]
        return new


class AnyType(Bell):
    def received(self, message):
        if self.note(message):
            self.show()
            self.show_toast(message["message"])


class DismissesNothing(Bell):
    def dismiss(self, key):
        self.show()


class DismissesOnce(Bell):
    def dismiss(self, key):
        del self.unread[key]
        self.show()


class AllForgetsSeen(Bell):
    def dismiss_all(self):
        self.unread.clear()
        self.seen.clear()
        self.show()


class AtOnce(Bell):
    def show_toast(self, text):
        toast = Label(text)
        self.pile.children = [*self.pile.children, toast]
        asyncio.get_running_loop().call_later(self.stay, self.take_away(toast))


class ForEver(Bell):
    def show_toast(self, text):
        self.pile.children = [*self.pile.children, Label(text)][-self.most :]


class OnlyOne(Bell):
    most = 1


class Buries(Bell):
    most = 1_000


class Unescaped(Bell):
    def show_toast(self, text):
        toast = HTML(text)
        self.pile.children = [*self.pile.children, toast][-self.most :]
        asyncio.get_running_loop().call_later(self.stay, self.take_away, toast)


NOTIFICATION_CLIENTS = [
    (CountsEach, "✓✗✗✗✗✓✗✓✓", "3 notifications came, 2 of them twice"),
    (ForgetsWhatItSaw, "✓✓✗✗✗✓✓✓✓", "One that was dismissed came once more"),
    (AnyType, "✗✓✓✓✓✓✓✓✓", "A message of another type came"),
    (DismissesNothing, "✓✓✗✓✗✓✓✓✓", "was dismissed; `badge` shows '4 unread', expected 3"),
    (DismissesOnce, "✓✓!✓!✓✓✓✓", "KeyError"),
    (AllForgetsSeen, "✓✓✓✗✗✓✓✓✓", "Then an old one came again"),
    (AtOnce, None, "takes the function and what to give it apart"),
    (ForEver, "✓✓✓✓✓✗✓✓✓", "still there 3 seconds later"),
    (OnlyOne, "✓✓✓✓✓✓✗✓✓", "A new toast joins those that are there"),
    (Buries, "✓✓✓✓✓✓✓✗✓", "100 toasts are shown, expected 10 at most"),
    (Unescaped, "✓✓✓✓✓✓✓✓✗", "Show it in a Label"),
]


@pytest.mark.parametrize(("kind", "expected", "said"), NOTIFICATION_CLIENTS)
async def test_wrong_notification_clients_are_refused(kind, expected, said):
    report = await check_notifications_client(kind)
    assert not report.passed
    assert expected is None or marks(report) == expected, report
    assert said in words(report), report


class InHTML(Bell):
    def show_toast(self, text):
        toast = HTML(f"<p>{escape(text)}</p>")
        self.pile.children = [toast, *self.pile.children][: self.most]
        self._loop.call_later(self.stay, lambda: self.take_away(toast))


class WithFlags(Bell):
    """A dictionary of all that came, with a flag for those that are unread."""

    def note(self, message):
        self.flags = getattr(self, "flags", {})
        new = message["id"] not in self.flags
        self.flags.setdefault(message["id"], True)
        self.unread |= {message["id"]: message["message"]} if new else {}
        return new


@pytest.mark.parametrize("kind", [Bell, InHTML, WithFlags, NotificationsClient])
async def test_right_notification_clients_pass(kind):
    report = await check_notifications_client(kind)
    assert report.passed, report


# Exercise 6, the server


class Sampling:
    """A right dashboard, of which parts may be exchanged."""

    def __init__(self):
        self.clients, self.last, self.task = set(), deque(maxlen=60), None

    def measure(self):
        return {
            "type": "metrics",
            "cpu": psutil.cpu_percent(),
            "memory": psutil.virtual_memory().percent,
            "connections": len(self.clients),
            "timestamp": datetime.now(UTC).isoformat(),
        }

    def prime(self):
        psutil.cpu_percent()

    async def pause(self, due, every):
        due += every
        await asyncio.sleep(due - asyncio.get_running_loop().time())
        return due

    async def sample(self, every=1.0):
        self.prime()
        due = asyncio.get_running_loop().time()
        while True:
            due = await self.pause(due, every)
            text = json.dumps(self.measure())
            self.last.append(text)
            broadcast(self.clients, text)

    def catch_up(self, websocket):
        for text in self.last:
            broadcast([websocket], text)

    def arrive(self, websocket, every):
        self.catch_up(websocket)
        self.clients.add(websocket)
        if self.task is None:
            self.task = asyncio.create_task(self.sample(every))

    def leave(self, websocket):
        self.clients.discard(websocket)
        if not self.clients and self.task is not None:
            self.task.cancel()
            self.task = None

    async def handler(self, websocket, every=1.0):
        self.arrive(websocket, every)
        try:
            async for _ in websocket:
                pass
        finally:
            self.leave(websocket)


class LoopForEach(Sampling):
    async def handler(self, websocket, every=1.0):
        while True:
            await websocket.send(json.dumps(self.measure()))
            await asyncio.sleep(every)


class Blocking(Sampling):
    async def sample(self, every=1.0):
        while True:
            time.sleep(every)
            broadcast(self.clients, json.dumps(self.measure()))


class BlockingInterval(Sampling):
    def measure(self):
        return super().measure() | {"cpu": psutil.cpu_percent(interval=1)}


class DiesWithTheFirst(Sampling):
    async def handler(self, websocket, every=1.0):
        self.catch_up(websocket)
        self.clients.add(websocket)
        try:
            if len(self.clients) == 1:
                sampling = asyncio.create_task(self.sample(every))
                await websocket.wait_closed()
                sampling.cancel()
            else:
                await websocket.wait_closed()
        finally:
            self.clients.discard(websocket)


class Unprimed(Sampling):
    def prime(self):
        pass

    async def pause(self, due, every):
        if not self.last:
            return due
        return await super().pause(due, every)


class PrimedButHasty(Sampling):
    def prime(self):
        super().prime()
        self.first = True

    async def pause(self, due, every):
        if self.first:
            self.first = False
            return due
        return await super().pause(due, every)


class PrimedOnce(Sampling):
    primed = False

    def prime(self):
        if not self.primed:
            psutil.cpu_percent()
        self.primed = True


class TimesHundred(Sampling):
    def measure(self):
        return super().measure() | {"cpu": psutil.cpu_percent() * 100}


class MemoryInBytes(Sampling):
    def measure(self):
        return super().measure() | {"memory": psutil.virtual_memory().used}


class MemoryAvailable(Sampling):
    def measure(self):
        memory = psutil.virtual_memory()
        return super().measure() | {"memory": 100 * memory.available / memory.total}


class Drifts(Sampling):
    async def pause(self, due, every):
        await asyncio.sleep(every)
        return due


class Hurries(Sampling):
    async def pause(self, due, every):
        await asyncio.sleep(0.022)
        return due


class NoHistory(Sampling):
    def catch_up(self, websocket):
        _ = len(self.last)


class Backwards(Sampling):
    def catch_up(self, websocket):
        for text in reversed(self.last):
            broadcast([websocket], text)


class KeepsAll(Sampling):
    def __init__(self):
        super().__init__()
        self.last = []


class NeverRests(Sampling):
    def leave(self, websocket):
        self.clients.discard(websocket)


class NeverStartsAgain(Sampling):
    def leave(self, websocket):
        self.clients.discard(websocket)
        if not self.clients:
            self.task.cancel()


class CountsWrongly(Sampling):
    def measure(self):
        return super().measure() | {"connections": 1}


class LastTwice(Sampling):
    def catch_up(self, websocket):
        super().catch_up(websocket)
        for text in list(self.last)[-1:]:
            broadcast([websocket], text)


DASHBOARD_SERVERS = [
    (LoopForEach, 1, "got different numbers at the same time"),
    (Blocking, 0, "blocked the event loop in sample()"),
    (BlockingInterval, 0, "blocked the event loop in measure()"),
    (DiesWithTheFirst, 7, "The sampler must not depend on one client"),
    (Unprimed, 3, "throw that figure away"),
    (PrimedButHasty, 3, "throw that figure away"),
    (PrimedOnce, 3, "throw that figure away"),
    (TimesHundred, 0, "of more than 100; expected percent"),
    (MemoryInBytes, 0, "of more than 100; expected percent"),
    (MemoryAvailable, 0, "The memory is not the share that is used"),
    (Drifts, 4, "each came a little later than the one before"),
    (Hurries, 4, "much faster"),
    (NoHistory, 5, "Send a newcomer the samples that you kept"),
    (Backwards, 5, "oldest first"),
    (KeepsAll, 5, "told more"),
    (CountsWrongly, 2, "Count those in the set"),
    (LastTwice, 5, "got a sample twice"),
]


@pytest.mark.parametrize(("kind", "first", "said"), DASHBOARD_SERVERS)
async def test_wrong_dashboards_are_refused(kind, first, said):
    before = asyncio.all_tasks()
    report = await check_dashboard(kind().handler)
    assert marks(report).index(marks(report).strip("✓")[0]) == first, report
    assert said in words(report), report
    await until_only(before)


@pytest.mark.parametrize(
    ("kind", "said"), [(NeverRests, "for nobody"), (NeverStartsAgain, "must start again")]
)
async def test_samplers_without_rest_or_return_are_refused(kind, said):
    report = await check_dashboard(kind().handler, step=4)
    assert said in words(report), report


class WithAnEvent(Sampling):
    """The sampler runs beside the handlers, and sleeps while nobody is there."""

    def __init__(self):
        super().__init__()
        self.somebody = asyncio.Event()

    async def sample(self, every=1.0):
        while True:
            await self.somebody.wait()
            psutil.cpu_percent()
            due = asyncio.get_running_loop().time()
            while self.clients:
                due = await self.pause(due, every)
                if self.clients:
                    self.last.append(json.dumps(self.measure()))
                    broadcast(self.clients, self.last[-1])

    async def handler(self, websocket):
        self.catch_up(websocket)
        self.clients.add(websocket)
        self.somebody.set()
        try:
            await websocket.wait_closed()
        finally:
            self.clients.discard(websocket)
            if not self.clients:
                self.somebody.clear()


class InOneMessageEach(Sampling):
    """Sends with send(), one client after the other, from a copy of the set."""

    async def sample(self, every=1.0):
        psutil.cpu_percent()
        due = time.monotonic()
        while True:
            due += every
            await asyncio.sleep(max(0, due - time.monotonic()))
            self.last.append(json.dumps(self.measure()))
            await asyncio.gather(
                *(c.send(self.last[-1]) for c in set(self.clients)), return_exceptions=True
            )


@pytest.mark.parametrize("kind", [Sampling, InOneMessageEach])
async def test_right_dashboards_pass(kind):
    report = await check_dashboard(kind().handler)
    assert report.passed, report


@pytest.mark.beside
async def test_a_right_dashboard_with_a_background_passes():
    dashboard = WithAnEvent()
    report = await check_dashboard(dashboard.handler, dashboard.sample)
    assert report.passed, report


# Exercise 6, the client


class Screen(Client):
    """The widgets of the notebook, and one right way to do the rest."""

    def build(self):
        self.samples, self.arrived = deque(maxlen=60), 0.0
        self.cpu, self.memory, self.connections = Label("–"), Label("–"), Label("–")
        self.cpu_chart, self.age = HTML(), Label("no data yet")
        self.repeat(0.5, lambda: self.show_age())
        return [HBox([self.cpu, self.memory, self.connections, self.age]), self.cpu_chart]

    def received(self, message):
        if message["type"] == "metrics":
            self.show_numbers(message)
            self.remember(message)
            self.arrived = self._loop.time()
            self.cpu_chart.value = plot("CPU", self.cpu.value, self.points())
            self.show_age()

    def show_age(self):
        if self.samples:
            self.age.value = self.words_for(self._loop.time() - self.arrived)

    def show_numbers(self, message):
        self.cpu.value = f"CPU {message['cpu']:.0f} %"
        self.memory.value = f"Memory {message['memory']:.0f} %"
        self.connections.value = f"{message['connections']} connected"

    def remember(self, message):
        if message not in self.samples:
            self.samples.append(message)

    def points(self):
        first = 61 - len(self.samples)
        return " ".join(f"{x},{100 - s['cpu']:.0f}" for x, s in enumerate(self.samples, first))

    def words_for(self, age):
        if self.state != "connected":
            return "lost"
        return "live" if age < 2 else f"{age:.0f} s old"


class Swapped(Screen):
    def show_numbers(self, message):
        super().show_numbers(message | {"cpu": message["memory"], "memory": message["cpu"]})


class NoUnit(Screen):
    def show_numbers(self, message):
        super().show_numbers(message)
        self.cpu.value = str(message["cpu"])


class KeepsDoubles(Screen):
    def remember(self, message):
        self.samples.append(message)


class KeepsTooMany(Screen):
    def build(self):
        built = super().build()
        self.samples = []
        return built


class UpsideDown(Screen):
    def points(self):
        first = 61 - len(self.samples)
        return " ".join(f"{x},{s['cpu']:.0f}" for x, s in enumerate(self.samples, first))


class FromTheLeft(Screen):
    def points(self):
        return " ".join(f"{x},{100 - s['cpu']:.0f}" for x, s in enumerate(self.samples))


class NewestFirst(Screen):
    def points(self):
        return " ".join(f"{60 - x},{100 - s['cpu']}" for x, s in enumerate(self.samples))


class AlwaysLive(Screen):
    def words_for(self, age):
        return "live" if age < 2 else f"{age:.0f} s old"


class NeverOld(Screen):
    def words_for(self, age):
        return "live" if self.state == "connected" else "lost"


DASHBOARD_CLIENTS = [
    (Swapped, "✗✓✓✓", "`cpu` shows"),
    (NoUnit, "✗✓✓✓", "write a % after it"),
    (KeepsDoubles, "✓✗✓✓", "Add a sample only if it is not there yet"),
    (KeepsTooMany, "✓✗✓✓", "expected the last 60"),
    (UpsideDown, "✓✓✗✓", "SVG counts from the top"),
    (FromTheLeft, "✓✓✗✓", "Expected the newest at 60"),
    (NewestFirst, "✓✓✗✓", "Expected the newest at 60"),
    (AlwaysLive, "✓✓✓✗", "expected 'lost'"),
    (NeverOld, "✓✓✓✗", "words_for(3.2) is 'live', expected '3 s old'"),
]


@pytest.mark.parametrize(("kind", "expected", "said"), DASHBOARD_CLIENTS)
async def test_wrong_dashboard_clients_are_refused(kind, expected, said):
    report = await check_dashboard_client(kind)
    assert marks(report) == expected, report
    assert said in words(report), report


class InWholeNumbers(Screen):
    def show_numbers(self, message):
        self.cpu.value, self.memory.value = f"{message['cpu']}%", f"{message['memory']}%"
        self.connections.value = str(message["connections"])

    def words_for(self, age):
        return "lost" if self.state != "connected" else "live" if age < 2 else f"{int(age)} s old"


class ByTimestamp(Screen):
    def remember(self, message):
        if all(message["timestamp"] != known["timestamp"] for known in self.samples):
            self.samples.append(message)

    def points(self):
        corners, x = [], 60
        for known in reversed(self.samples):
            corners.insert(0, f"{x:.1f}, {100 - known['cpu']:.1f}")
            x -= 1
        return " ".join(corners)


@pytest.mark.parametrize("kind", [Screen, InWholeNumbers, ByTimestamp])
async def test_right_dashboard_clients_pass(kind):
    report = await check_dashboard_client(kind)
    assert report.passed, report
