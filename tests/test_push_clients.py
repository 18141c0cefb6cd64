"""The clients of exercises 5 and 6, on their own and against real servers."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import serve

from client import DashboardClient, NotificationsClient
from client.dashboard import chart
from client.inbox import REMEMBERED, Inbox
from server.exercises import load
from server.running import Server

NOWHERE = "ws://127.0.0.1:9"  # a port on which nobody listens
IDS = st.sampled_from("abcdefgh")
ACTIONS = st.one_of(
    st.tuples(st.just("arrive"), IDS),
    st.tuples(st.just("dismiss"), IDS),
    st.tuples(st.sampled_from(["dismiss all", "reconnect"]), st.none()),
)


def notification(identifier, text="Something happened"):
    return {
        "type": "notification",
        "id": identifier,
        "message": text,
        "timestamp": "2026-01-02T03:04:05.678+00:00",
    }


def sample(second, **fields):
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    fields = {"cpu": second * 7.3 % 100, "memory": 40.0, "connections": 2} | fields
    return {"type": "metrics", "timestamp": at.isoformat(timespec="milliseconds")} | fields


@given(st.lists(ACTIONS, max_size=60))
@settings(deadline=None, max_examples=200)
def test_the_unread_count_is_right_in_any_order(actions):
    async def act():
        client = NotificationsClient(NOWHERE)
        arrived, dismissed = set(), set()
        for action, identifier in actions:
            match action:
                case "arrive":
                    client.received(notification(identifier))
                    arrived.add(identifier)
                case "dismiss":
                    client.dismiss(identifier)
                    dismissed |= {identifier} & arrived
                case "dismiss all":
                    client.dismiss_all()
                    dismissed |= arrived
                case "reconnect":  # a server may tell all once more
                    client.connected()
                    for known in sorted(arrived):
                        client.received(notification(known))
            assert client.unread == len(arrived - dismissed)
            assert {n.identifier for n in client.inbox.newest() if n.is_unread} == (
                arrived - dismissed
            )
            assert {toast.identifier for toast in client.toasts} <= arrived - dismissed
        client._paint()
        assert f">{client.unread}</b>" in client.badge.value
        client.close()
        await client.wait_closed()

    asyncio.run(act())


def test_an_inbox_is_bounded():
    inbox = Inbox()
    for number in range(REMEMBERED + 50):
        inbox.arrived(str(number), "text", "time")
    assert inbox.unread == REMEMBERED
    assert len(inbox.newest()) == 200
    inbox.dismiss_all()
    assert inbox.unread == 0


@pytest.fixture
def make_client():
    clients = []

    def make(kind, url=NOWHERE):
        clients.append(kind(url))
        return clients[-1]

    yield make
    for client in clients:
        assert client.failure is None


async def test_a_dashboard_costs_the_same_after_an_hour(make_client):
    client = make_client(DashboardClient)
    sizes = []
    for second in range(3_600):
        client.received(sample(second))
        before = client.panel.value
        client._paint()
        if client.panel.value != before:
            sizes.append(len(json.dumps(client.panel.value)) + len(json.dumps(client.age.value)))
    assert len(client.samples) == 60
    # A comm message wraps the value in about 700 bytes of headers.
    assert max(sizes) + 700 < 3_000, max(sizes)
    assert max(sizes[-60:]) <= max(sizes[60:120]) + 50


async def test_a_dashboard_tells_how_old_its_data_is(make_client):
    client = make_client(DashboardClient)
    assert client.age_in_words == "no data yet"
    client.received(sample(1))
    assert client.age_in_words == "lost"

    async def tell_once(websocket):
        await websocket.send(json.dumps(sample(1)))
        await websocket.wait_closed()

    async with serve(tell_once, "127.0.0.1", 0) as server:
        client = make_client(
            DashboardClient, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        )
        await client.until(lambda: client.age_in_words == "live")
        await client.until(lambda: "live" in client.age.value)
        await client.until(lambda: client.age_in_words == "3 s old", within=6)
        await client.until(lambda: "3 s old" in client.age.value)
    await client.until(lambda: "lost" in client.age.value)
    client.close()
    await client.wait_closed()


async def test_after_a_reconnect_no_sample_is_doubled(make_client):
    server = Server("dashboard", load("dashboard", every=0.02))
    await server.open(0)
    client = make_client(DashboardClient, server.url)
    await client.until(lambda: len(client.samples) >= 5)
    client.cut()
    await client.until(lambda: client.state == "lost")
    await client.until(lambda: client.state == "connected")
    seen = len(client.samples)
    await client.until(lambda: len(client.samples) >= seen + 5)
    times = [message["timestamp"] for message in client.samples]
    assert times == sorted(set(times))
    client.close()
    await client.wait_closed()
    await server.stop()


def test_a_chart_shows_percent_over_time():
    html = chart("CPU", "cpu", [sample(0, cpu=0.0), sample(30, cpu=50.0), sample(60, cpu=100.0)])
    assert 'points="0,100 30,50 60,0"' in html
    assert "100 %" in html and "60 s ago" in html
    old = [sample(0, cpu=1.0), sample(100, cpu=50.0)]
    assert 'points="60,50"' in chart("CPU", "cpu", old)


async def test_what_is_no_number_is_never_shown(make_client):
    client = DashboardClient(NOWHERE)
    client.received(sample(1, cpu="<b>evil</b>"))
    await client.until(lambda: client.failure is not None)
    assert "evil" not in client.panel.value
    client.close()
    await client.wait_closed()


async def test_toasts_leave_and_the_inbox_keeps(make_client):
    client = make_client(NotificationsClient)
    client.stay = 0.05
    client.received(notification("1", "<b>bold</b>"))
    await client.until(lambda: "&lt;b&gt;bold" in client.pile.value)
    assert "&lt;b&gt;bold" in client.list.children[0].children[0].value
    await client.until(lambda: not client.toasts)
    await client.until(lambda: "bold" not in client.pile.value)
    assert client.unread == 1


async def test_a_hundred_at_once_do_not_bury_the_page(make_client):
    client = make_client(NotificationsClient)
    paints = []
    client.pile.observe(paints.append, "value")
    for number in range(100):
        client.received(notification(str(number), f"Number {number}"))
        await asyncio.sleep(0.002)
    await client.until(lambda: "Number 99" in client.pile.value)
    assert client.unread == 100
    assert client.pile.value.count('class="course-toast"') == client.most_toasts
    assert "and 97 more" in client.pile.value
    assert len(client.list.children) <= 20
    assert len(paints) < 20


async def test_each_row_dismisses_its_own(make_client):
    client = make_client(NotificationsClient)
    for number in range(5):
        client.received(notification(str(number), f"Number {number}"))
    await client.until(lambda: len(client.list.children) == 5)
    row = next(r for r in client.list.children if "Number 2" in r.children[0].value)
    client.received(notification("new", "Came in between"))
    row.children[1].click()
    await client.until(lambda: client.unread == 5)
    assert [n.identifier for n in client.inbox.newest() if not n.is_unread] == ["2"]
    client.all_button.click()
    await client.until(lambda: client.unread == 0)
