"""The exercises in a real JupyterLab, used as a learner uses them."""

import re
import time

import pytest
from playwright.sync_api import Browser

from tests.lab import expect

LAUNCH = 'server = await start("counter")'
CLIENTS = "side_by_side(CounterClient(server.url"
# A second notebook, in which somebody takes part in the counter of the first.
VISITOR = [
    'from server import start\n\nserver = await start("counter")\nserver',
    'from client import CounterClient\n\nvisitor = CounterClient(server.url, "Visitor")\nvisitor',
]
NUMBER = ".course-number"


@pytest.fixture
def counter(open_notebook):
    """The first two sections of the counter's notebook, run."""
    notebook = open_notebook("notebooks/04_counter.ipynb")
    notebook.run_cell(LAUNCH)
    notebook.run_cell(CLIENTS)
    expect(notebook.output(CLIENTS).locator(NUMBER)).to_have_text(["0", "0"])
    return notebook


@pytest.fixture
def visitor(lab, counter, open_notebook):
    """A second notebook, with a kernel of its own, in the same room."""
    notebook = open_notebook(lab.write_notebook("notebooks/visitor.ipynb", VISITOR))
    notebook.run_all()
    expect(notebook.output(1).locator(NUMBER)).to_have_text("0")
    return notebook


# Where nothing is to be solved, the two are the same.
@pytest.mark.parametrize(
    "path",
    [
        "notebooks/01_connect",
        "notebooks/02_chat",
        "notebooks/03_typing_indicator",
        "solutions/03_typing_indicator",
        "notebooks/04_counter",
        "solutions/04_counter",
        "notebooks/05_notifications",
        "notebooks/06_dashboard",
        "solutions/06_dashboard",
        "notebooks/07_whiteboard",
    ],
)
def test_run_all_leaves_everything_live(open_notebook, path):
    notebook = open_notebook(f"{path}.ipynb")
    notebook.run_all()
    assert notebook.errors() == []
    assert notebook.complaints == []
    badges = notebook.page.locator(".course-badge")
    expect(badges.first).to_contain_text("running · ")
    # Run All is over when the last cell is; a client may still be about to connect.
    expect(badges.filter(has_text="connecting")).to_have_count(0)
    states = [re.sub(r" .*", "", text) for text in badges.all_inner_texts()]
    assert set(states) - {"watching"} == {"running", "connected"}
    assert notebook.button("close_button", "Close everything").is_enabled()


def test_clicks_arrive_in_the_other_client_at_once(counter):
    # JupyterLab delivers the first click on the main thread and later ones on another.
    numbers = counter.output(CLIENTS).locator(NUMBER)
    for clicks in range(1, 11):
        counter.button(CLIENTS, "+").first.click()
        expect(numbers).to_have_text([str(clicks)] * 2, timeout=1000)
    counter.button(CLIENTS, "−").nth(1).click()
    expect(numbers).to_have_text(["9", "9"], timeout=1000)


def test_two_kernels_and_a_page_share_one_counter(counter, visitor, browser: Browser):
    expect(visitor.output(0)).to_contain_text("joined · 3 connected")
    expect(visitor.output(0)).to_contain_text("It runs in 04_counter.ipynb")
    expect(counter.output(LAUNCH)).to_contain_text("Visitor")
    with counter.page.expect_popup() as popup:
        counter.output(LAUNCH).get_by_role("link", name="open its page in a tab").click()
    page = popup.value
    page_number = page.locator("#number")
    expect(page_number).to_have_text("0")
    shown = [counter.output(CLIENTS).locator(NUMBER).first, visitor.output(1).locator(NUMBER)]
    buttons = [
        counter.button(CLIENTS, "+").nth(1),
        visitor.button(1, "+"),
        page.get_by_role("button", name="Add one"),
    ]
    for value in range(1, 7):
        buttons[value % 3].click()
        for number in [*shown, page_number]:
            expect(number).to_have_text(str(value), timeout=2000)
    page.close()


def test_another_kernel_takes_over(counter, visitor):
    counter.button(CLIENTS, "+").first.click()
    expect(visitor.output(1).locator(NUMBER)).to_have_text("1")
    counter.restart_kernel()
    expect(visitor.output(1)).to_contain_text("lost")
    expect(visitor.output(0)).to_contain_text("gone")
    visitor.run_cell(0)
    expect(visitor.output(0)).to_contain_text("running · 1 connected")
    expect(visitor.output(1)).to_contain_text("connected")
    # The one that had it before joins the one that has it now.
    counter.run_cell(LAUNCH)
    expect(counter.output(LAUNCH)).to_contain_text("It runs in visitor.ipynb")
    counter.run_cell(CLIENTS)
    counter.button(CLIENTS, "+").first.click()
    expect(visitor.output(1).locator(NUMBER)).to_have_text("1")


def test_running_cells_again_leaves_no_connections_behind(counter):
    for _ in range(3):
        counter.run_cell(LAUNCH)
        counter.run_cell(CLIENTS)
    expect(counter.output(LAUNCH)).to_contain_text("running · 2 connected")


def test_the_page_may_be_reloaded(counter):
    counter.button(CLIENTS, "+").first.click()
    expect(counter.output(CLIENTS).locator(NUMBER)).to_have_text(["1", "1"])
    counter.reload()
    expect(counter.output(CLIENTS).locator(NUMBER)).to_have_text(["1", "1"])
    counter.button(CLIENTS, "+").nth(1).click()
    expect(counter.output(CLIENTS).locator(NUMBER)).to_have_text(["2", "2"])


RAISES = """
async def handler(websocket):
    async for text in websocket:
        raise RuntimeError("Something went wrong here")

mine = await start(handler)
mine
"""
MENDED = """
async def handler(websocket):
    async for text in websocket:
        await websocket.send('{"type": "counter", "value": 42}')

await start(handler)
"""


def test_a_handler_that_raises_shows_its_traceback_and_may_be_mended(counter):
    counter.insert_cell_below(CLIENTS, RAISES.strip())
    counter.insert_cell_below(RAISES.strip(), 'CounterClient(mine.url, "Cara")')
    counter.insert_cell_below('"Cara"', MENDED.strip())
    counter.run_cell("Something went wrong")
    counter.run_cell('"Cara"')
    counter.button('"Cara"', "+").click()
    trace = counter.output("Something went wrong").locator(".jp-OutputArea-output pre")
    expect(trace).to_contain_text("RuntimeError: Something went wrong here")
    expect(trace).not_to_contain_text("launch.py")
    # The others go on.
    counter.button(CLIENTS, "+").first.click()
    expect(counter.output(CLIENTS).locator(NUMBER)).to_have_text(["1", "1"])
    # The mended handler takes the open connection over.
    counter.run_cell("42")
    expect(counter.output('"Cara"')).to_contain_text("connected")
    counter.button('"Cara"', "+").click()
    expect(counter.output('"Cara"').locator(NUMBER)).to_have_text("42")
    assert counter.errors() == []


@pytest.fixture
def connect(open_notebook):
    notebook = open_notebook("notebooks/01_connect.ipynb")
    notebook.run_cell('server = await start("connect")\nserver')
    notebook.run_cell("side_by_side(ada, bob)")
    expect(notebook.output("side_by_side(ada, bob)")).to_contain_text("2 connected")
    return notebook


def test_what_others_write_is_text(connect):
    # Newlines cannot be typed into a field; everything else that HTML knows can.
    clients = connect.output("side_by_side(ada, bob)")
    evil = '<img src=x onerror="window.evil = 1"><b>bold</b> &amp; <script>window.evil = 2</script>'
    clients.get_by_placeholder("Say something").first.fill(evil)
    clients.get_by_placeholder("Say something").first.press("Enter")
    logs = clients.get_by_role("log")
    for number in range(2):
        expect(logs.nth(number)).to_contain_text(evil)
    assert clients.locator("img, script, .course-log b").count() == 0
    assert connect.page.evaluate("window.evil") is None


def test_disconnect_cut_and_return(connect):
    clients = connect.output("side_by_side(ada, bob)")
    badge = clients.locator(".course-badge").first
    connect.button("side_by_side(ada, bob)", "Disconnect").first.click()
    expect(badge).to_have_text("disconnected")
    expect(clients.get_by_role("log").nth(1)).to_contain_text("Guest 1 left.")
    connect.button("side_by_side(ada, bob)", "Connect").first.click()
    expect(badge).to_have_text("connected")
    expect(clients.get_by_role("log").nth(1)).to_contain_text("Guest 3 joined.")
    connect.button("side_by_side(ada, bob)", "Cut the line").first.click()
    expect(clients.get_by_role("log").nth(1)).to_contain_text("Guest 4 joined.")
    expect(badge).to_have_text("connected")


def test_the_page_of_connect(connect, browser: Browser):
    with connect.page.expect_popup() as popup:
        connect.output("\nserver").get_by_role("link", name="open its page in a tab").click()
    page = popup.value
    expect(page.locator("#state")).to_have_text("connected")
    expect(page.locator("#count")).to_contain_text("3 connected")
    page.get_by_label("Message", exact=True).fill("Hello <b>from</b> a tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("log")).to_contain_text("Guest 3: Hello <b>from</b> a tab")
    logs = connect.output("side_by_side(ada, bob)").get_by_role("log")
    expect(logs.first).to_contain_text("Guest 3: Hello <b>from</b> a tab")
    page.get_by_role("button", name="Ping").click()
    expect(page.get_by_role("log")).to_contain_text("pong")
    page.get_by_role("button", name="Disconnect").click()
    expect(page.locator("#state")).to_have_text("disconnected")
    expect(logs.first).to_contain_text("Guest 3 left.")
    page.get_by_role("button", name="Connect").click()
    expect(page.locator("#state")).to_have_text("connected")
    # The server goes and comes back, and so does the page.
    connect.run_cell("await server.stop()")
    expect(page.locator("#state")).to_contain_text("lost")
    connect.run_cell('server = await start("connect")\nserver')
    expect(page.locator("#state")).to_have_text("connected")
    page.close()


def test_close_everything(counter):
    counter.run_cell("close_button")
    counter.button("close_button", "Close everything").click()
    expect(counter.output(LAUNCH)).to_contain_text("stopped")
    expect(counter.output(CLIENTS).locator(".course-badge")).to_have_text(["closed", "closed"])


def test_a_cell_that_waits_for_ever_can_be_stopped(counter):
    waits = "import asyncio\n\nprint('It waits.')\nawait asyncio.Event().wait()"
    counter.insert_cell_below(CLIENTS, waits)
    counter.run_cell(waits, wait=False)
    expect(counter.output(waits)).to_contain_text("It waits.")
    began = time.monotonic()
    counter.interrupt()
    # Without a wake-up call it would end with the next keep-alive ping, 20 s after connecting.
    assert time.monotonic() - began < 10
    assert [error.name for error in counter.errors()] == ["CancelledError"]
    counter.button(CLIENTS, "+").first.click()
    expect(counter.output(CLIENTS).locator(NUMBER)).to_have_text(["1", "1"])
