"""Notifications and dashboards in a real JupyterLab, and as pages."""

import json
import re

import pytest
from playwright.sync_api import Browser

from tests.lab import expect

START = 'from server import start\n\nserver = await start("{}"{})\nserver'
BELLS = (
    "from client import NotificationsClient, side_by_side\n\n"
    'ada, bob = NotificationsClient(server, "Ada"), NotificationsClient(server, "Bob")\n'
    "side_by_side(ada, bob)"
)
BOARDS = (
    "from client import DashboardClient, side_by_side\n\n"
    'ada, bob = DashboardClient(server, "Ada"), DashboardClient(server, "Bob")\n'
    "side_by_side(ada, bob)"
)
# A producer that speaks when the test says so.
BY_HAND = """
import asyncio, json
from websockets.asyncio.server import broadcast
clients = set()
async def handler(websocket):
    clients.add(websocket)
    await websocket.wait_closed()
    clients.discard(websocket)
def tell(*names):
    for name in names:
        broadcast(clients, json.dumps({"type": "notification", "id": str(name),
            "message": f"Number {name} <b>x</b>", "timestamp": "2026-01-01T10:00:00+00:00"}))
from server import start
server = await start("notifications", handler)
server
""".strip()


@pytest.fixture
def bells(lab, open_notebook):
    """Ada and Bob, and a server that speaks when it is told to."""
    path = lab.write_notebook("notebooks/bells.ipynb", [BY_HAND, BELLS, "tell(1, 2, 3)"])
    notebook = open_notebook(path)
    notebook.run_cell(0)
    notebook.run_cell(1)
    expect(notebook.output(1).locator(".course-badge")).to_have_text(["connected"] * 2)
    return notebook


def test_toasts_appear_stack_and_leave(bells):
    bells.run_cell(2)
    toasts = bells.output(1).locator(".course-toast")
    expect(toasts).to_have_count(6, timeout=1_000)
    expect(toasts.first).to_contain_text("Number 3 <b>x</b>")
    bells.page.wait_for_timeout(3_500)
    expect(toasts).to_have_count(6)
    expect(toasts).to_have_count(0, timeout=3_000)
    expect(bells.output(1).locator(".course-unread")).to_have_text(["3", "3"])


def test_dismiss_one_and_all_and_repeats(bells):
    bells.run_cell(2)
    unread = bells.output(1).locator(".course-unread")
    expect(unread).to_have_text(["3", "3"])
    buttons = bells.output(1).get_by_title("Dismiss: Number 2")
    expect(buttons).to_have_count(2)  # or else the first one may be Bob's
    buttons.first.click()
    expect(unread).to_have_text(["2", "3"])
    expect(bells.output(1).locator(".course-fresh")).to_have_count(5)
    bells.run_cell(2)  # the same three once more
    bells.insert_cell_below(2, "tell(4)")
    bells.run_cell(3)
    expect(unread).to_have_text(["3", "4"])
    bells.button(1, "Dismiss all").nth(1).click()
    expect(unread).to_have_text(["3", "0"])


def test_a_hundred_in_a_second_do_not_bury_the_page(bells):
    height = bells.output(1).bounding_box()["height"]
    bells.set_cell(2, "for n in range(100):\n    tell(n)\n    await asyncio.sleep(0.01)")
    bells.run_cell(2)
    expect(bells.output(1).locator(".course-unread")).to_have_text(["100", "100"])
    expect(bells.output(1).locator(".course-toast")).to_have_count(6)
    expect(bells.output(1)).to_contain_text("and 97 more")
    assert abs(bells.output(1).bounding_box()["height"] - height) < 2


def test_the_page_of_the_notifications(bells, browser: Browser):
    with bells.page.expect_popup() as popup:
        bells.output(0).get_by_role("link", name="open its page in a tab").click()
    page = popup.value
    expect(page.locator("#state")).to_have_text("connected")
    bells.run_cell(2)
    expect(page.locator(".toast")).to_have_count(3)
    expect(page.locator(".toast").first).to_have_text("🔔 Number 3 <b>x</b>")
    expect(page.locator("#unread")).to_have_text("3")
    page.get_by_title("Dismiss: Number 2").click()
    expect(page.locator("#unread")).to_have_text("2")
    expect(page.locator(".toast")).to_have_count(2)
    bells.run_cell(2)
    page.get_by_role("button", name="Dismiss all").click()
    expect(page.locator("#unread")).to_have_text("0")
    expect(page.locator(".toast")).to_have_count(0)
    page.close()


SAMPLES = "import json\nprint(json.dumps([list(ada.samples), list(bob.samples)]))"


PLOT = """() => {
    const line = document.querySelector(".course-chart polyline");
    const box = line.ownerSVGElement.getBoundingClientRect();
    return [box.width, box.height, getComputedStyle(line).stroke];
}"""


def test_four_dashboards_in_two_kernels_and_both_themes_show_the_same(lab, open_notebook):
    cells = [START.format("dashboard", ", every=0.2"), BOARDS, SAMPLES]
    first = open_notebook(lab.write_notebook("notebooks/first.ipynb", cells), theme="light")
    first.run_cell(0)
    first.run_cell(1)
    second = open_notebook(lab.write_notebook("notebooks/second.ipynb", cells), theme="dark")
    second.run_cell(0)
    second.run_cell(1)
    expect(second.output(0)).to_contain_text("joined · 4 connected")
    for notebook in (first, second):
        lines = notebook.output(1).locator("polyline")
        expect(lines).to_have_count(4)
        # More than are compared below: Bob's newest sample may be one behind Ada's.
        expect(lines.first).to_have_attribute("points", re.compile(r"(\d+(\.\d+)?,\d+ ?){15,}"))
        expect(notebook.output(1)).to_contain_text("60 s ago")
        expect(notebook.output(1).locator(".course-age")).to_have_text(["live", "live"])
        # Asked for in one go: five times a second the line is replaced by a new one.
        width, height, stroke = notebook.page.evaluate(PLOT)
        assert width > 100 and height > 60
        assert stroke not in ("none", "rgb(0, 0, 0)")
    samples = []
    for notebook in (first, second):
        notebook.run_cell(2)
        samples += json.loads(notebook.output_text(2))
    newest = min(client[-1]["timestamp"] for client in samples)
    oldest = max(client[0]["timestamp"] for client in samples)
    same = [[s for s in c if oldest <= s["timestamp"] <= newest] for c in samples]
    assert len(same[0]) >= 10
    assert same[0] == same[1] == same[2] == same[3]


def test_a_dashboard_without_a_server_says_so(lab, open_notebook, browser: Browser):
    cells = [START.format("dashboard", ", every=0.1"), BOARDS, "await server.stop()"]
    notebook = open_notebook(lab.write_notebook("notebooks/lost.ipynb", cells))
    notebook.run_cell(0)
    notebook.run_cell(1)
    age = notebook.output(1).locator(".course-age")
    expect(age).to_have_text(["live", "live"])
    with notebook.page.expect_popup() as popup:
        notebook.output(0).get_by_role("link", name="open its page in a tab").click()
    page = popup.value
    expect(page.locator("#age")).to_have_text("live")
    expect(page.locator("#cpu h2 b")).to_have_text(re.compile(r"\d+ %"))
    expect(page.locator("#connections")).to_have_text("3")
    expect(page.locator("#memory polyline")).to_have_attribute("points", re.compile(r"\d+,\d+ "))
    notebook.run_cell(2)
    expect(age).to_have_text(["lost", "lost"])
    expect(page.locator("#age")).to_have_text("lost")
    notebook.run_cell(0)
    expect(age).to_have_text(["live", "live"])
    expect(page.locator("#age")).to_have_text("live")
    page.close()


def test_an_update_costs_less_than_three_kilobytes(lab, open_notebook):
    one = BOARDS.replace("\nside_by_side(ada, bob)", "\nbob.close()\nada")
    cells = [START.format("dashboard", ", every=0.05"), one]
    notebook = open_notebook(lab.write_notebook("notebooks/bytes.ipynb", cells))
    sizes = []

    def measure(payload):
        text = payload if isinstance(payload, str) else payload.decode(errors="replace")
        if "polyline" in text:
            sizes.append(len(payload))

    def listen(socket):
        socket.on("framereceived", measure)

    notebook.page.on("websocket", listen)
    notebook.restart_kernel()  # so that the kernel's channel is opened before our eyes
    notebook.reload()
    notebook.run_cell(0)
    notebook.run_cell(1)
    expect(notebook.output(1).locator("polyline").first).to_have_attribute(
        "points", re.compile(r"(\S+ ){58}"), timeout=15_000
    )
    notebook.page.wait_for_timeout(500)
    notebook.page.remove_listener("websocket", listen)  # others will use this page
    assert sizes and max(sizes[-3:]) < 3_000, sizes[-5:]
