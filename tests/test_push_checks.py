"""The checks of exercises 5 and 6, held against wrong and right solutions."""

import asyncio
import json
import random
import time
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import pytest
from websockets.asyncio.server import broadcast

from checks import (
    check_notifications,
)
from server.launch import load


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
    (partial(notifying, say=only_one), None, "Bob got"),
    (partial(notifying, same_id()), "✓✗✓✓✓✓", "24 notifications with 1 different ids"),
    (partial(notifying, changed(message="Hi")), "✓✗✓✓✓✓", "all with the same text"),
    (partial(notifying, changed(id=7)), "✗✗✓✓✓✓", "whose 'id' is 7, expected a text"),
    (
        partial(notifying, changed(timestamp="2026-01-01T10:00:00")),
        "✗✓✓✓✓✓",
        "does not say of which time zone",
    ),
    (partial(notifying, wait=regular), "✓✓✓✗✓✓", "came at regular intervals"),
    (partial(notifying, wait=too_quick), "✓✓✓✗✓✓", "in less time than that"),
    (partial(notifying, wait=integers), "!!!!!✓", "random.randint() takes whole numbers"),
    (partial(notifying, keep=False), "✓✓✓✓✓✗", "Remove a connection in `finally`"),
    (lambda: (notifying()[0], None), "✗✗✗✗✗✓", "Give your producer to the check"),
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


async def test_the_same_code_gets_the_same_report():
    first, second = [await check_notifications(*loop_for_each()) for _ in range(2)]
    assert repr(first) == repr(second)
