"""The whiteboard in a real JupyterLab and as a page: mouse, finger, reload, a second view."""

import json
from collections.abc import Iterator
from itertools import zip_longest

from playwright.sync_api import Browser, Locator, Page

from tests.lab import expect

START = 'from server import start\n\nserver = await start("whiteboard"{})\nserver'
CLIENT = 'from client import WhiteboardClient\n\nclient = WhiteboardClient(server, "{}")\nclient'
STROKES = (
    "import json\n"
    "print(json.dumps([[s.number, s.color, s.ended, s.points]"
    " for s in client.drawing.strokes.values()]))"
)
# As a learner may write it: it knows the table alone, and refuses in words what is not in it.
PLAIN = """
from server.whiteboard import ACCEPTED
from server.room import Room, receive
room, table = Room(), {kind: ACCEPTED[kind] for kind in ("draw_start", "draw_move", "draw_end")}
async def handler(websocket):
    room.add(websocket)
    last = None
    async for message in receive(websocket, table):
        place = {field: message[field] for field in table[message["type"]]}
        told = {"type": message["type"], "stroke": f"{id(websocket)}"} | place
        if message["type"] == "draw_move":
            told |= {"fromX": last["x"], "fromY": last["y"]}
        last = place
        room.broadcast(told, skip=websocket)
    room.remove(websocket)
""".strip()
INKED = """([sheets, x, y, wanted]) => sheets.every((sheet) =>
    (sheet.getContext("2d").getImageData(x, y, 1, 1).data[3] > 0) === wanted)"""
SHEET, PAD = ".course-sheet > canvas", ".course-pad"


def wait_for_ink(sheet: Locator, *places: tuple[int, int], ink: bool = True) -> None:
    """Wait until places of all these sheets are painted, or are not any more."""
    sheet.first.wait_for()
    handles = sheet.element_handles()
    for x, y in places:
        sheet.page.wait_for_function(INKED, arg=[handles, x, y, ink], timeout=5_000)


def place(pad: Locator, x: float, y: float) -> tuple[float, float]:
    """Return where in the window a place of a sheet is."""
    box = pad.bounding_box()
    return box["x"] + x * box["width"] / 800, box["y"] + y * box["height"] / 500


def draw(pad: Locator, *points: tuple[float, float]) -> None:
    """Draw with the mouse."""
    pad.scroll_into_view_if_needed()
    mouse = pad.page.mouse
    mouse.move(*place(pad, *points[0]))
    mouse.down()
    for point in points[1:]:
        mouse.move(*place(pad, *point), steps=5)
    mouse.up()


def swipe(page: Page, pad: Locator, *points: tuple[float, float]) -> None:
    """Draw with a finger."""
    for _ in finger(page, pad, *points):
        pass


def finger(page: Page, pad: Locator, *points: tuple[float, float]) -> Iterator[None]:
    """Draw with a finger, one point at each step."""
    fingers = page.context.new_cdp_session(page)
    kinds = ["touchStart", *["touchMove"] * (len(points) - 1)]
    for kind, point in zip(kinds, points, strict=True):
        x, y = place(pad, *point)
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        yield
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def hand(pad: Locator, *points: tuple[float, float]) -> Iterator[None]:
    """Draw with the mouse, one point at each step."""
    mouse = pad.page.mouse
    mouse.move(*place(pad, *points[0]))
    mouse.down()
    for point in points[1:]:
        yield
        mouse.move(*place(pad, *point))
    mouse.up()


def saved(page: Page) -> list:
    """Return what a page has on its sheet: the colour and the points of each stroke."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Save JSON").click()
    drawing = json.loads(download.value.path().read_text())
    return [[stroke["color"], stroke["points"]] for stroke in drawing["strokes"]]


def strokes(notebook) -> list:
    notebook.run_cell("client.drawing.strokes")
    return json.loads(notebook.output_text("client.drawing.strokes"))


def open_both(lab, open_notebook, more=()):
    """Open two notebooks with a kernel each. Two scales are two windows, and both of them paint."""
    notebooks = []
    for name, theme, scale in (("Ada", "light", 1), ("Bob", "dark", 1.001)):
        cells = [START.format(""), CLIENT.format(name), STROKES, *more]
        path = lab.write_notebook(f"notebooks/whiteboard-{name}.ipynb", cells)
        notebook = open_notebook(path, theme=theme, scale=scale, size=(1280, 1100))
        notebook.run_cell(0)
        notebook.run_cell(1)
        expect(notebook.output(1).locator(".course-badge")).to_have_text("connected")
        notebooks.append(notebook)
    return notebooks


def test_two_kernels_and_two_phones_draw_on_one_sheet(lab, open_notebook, browser: Browser):
    ada, bob = open_both(lab, open_notebook)
    link = ada.output(0).get_by_role("link", name="open its page").get_attribute("href")
    phone = browser.new_context(
        has_touch=True, is_mobile=True, viewport={"width": 390, "height": 700}
    )
    page = phone.new_page()
    page.goto(link)
    expect(page.locator("#state")).to_have_text("connected")
    sheets = [ada.output(1).locator(SHEET), bob.output(1).locator(SHEET), page.locator("#paper")]
    pad, glass = ada.output(1).locator(PAD), page.locator("#glass")

    # The mouse leaves the sheet while it is pressed, comes back elsewhere, is let go outside.
    draw(pad, (100, 50), (200, 50), (200, -40), (300, -40), (300, 80), (300, -20))
    pad.page.mouse.move(*place(pad, 500, 80))  # and comes back, not pressed any more
    for sheet in sheets:
        wait_for_ink(sheet, (100, 50), (190, 50), (300, 60))
        wait_for_ink(sheet, (400, 80), ink=False)
    (first,) = strokes(ada)
    assert first[2] and first[3][0] == [100.0, 50.0] and first[3][-1] == [300.0, -20.0]
    assert strokes(bob) == [first]

    # A finger draws, and the page does not scroll.
    swipe(page, glass, (50, 450), (50, 300), (400, 300))
    for sheet in sheets:
        wait_for_ink(sheet, (50, 400), (300, 300))
    assert page.evaluate("scrollY") == 0
    assert len({stroke[1] for stroke in strokes(bob)}) == 2  # each pen has its own colour
    page.touchscreen.tap(*place(glass, 700, 100))
    for sheet in sheets:
        wait_for_ink(sheet, (700, 100))

    # The pen of somebody is shown with their name; the sheet stays paper in the dark.
    bob.page.mouse.move(*place(bob.output(1).locator(PAD), 600, 400))
    wait_for_ink(sheets[0], (600, 400))
    expect(bob.page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    paper = "e => getComputedStyle(e).backgroundColor"
    for sheet in (bob.output(1).locator(".course-sheet"), page.locator("#sheet")):
        assert sheet.evaluate(paper) == "rgb(255, 255, 255)"

    # A page that is loaded again shows all, and its pen can still undo its last stroke.
    page.reload()
    wait_for_ink(page.locator("#paper"), (100, 50), (300, 300), (700, 100))
    page.get_by_role("button", name="Undo").tap()
    for sheet in (*sheets[:2], page.locator("#paper")):
        wait_for_ink(sheet, (700, 100), ink=False)
        wait_for_ink(sheet, (300, 300), (190, 50))
    ada.reload()
    sheets[0], pad = ada.output(1).locator(SHEET), ada.output(1).locator(PAD)
    wait_for_ink(sheets[0], (100, 50), (300, 300))

    # A second view of the same client shows all, and one can draw on either.
    view = ada.insert_cell_below(1, "client")
    ada.run_cell(view)
    wait_for_ink(ada.output(view).locator(SHEET), (100, 50), (300, 300))
    draw(ada.output(view).locator(PAD), (600, 450), (700, 450))
    for sheet in (*sheets, ada.output(view).locator(SHEET)):
        wait_for_ink(sheet, (650, 450))
    draw(pad, (600, 480), (700, 480))
    wait_for_ink(ada.output(view).locator(SHEET), (650, 480))

    # Two phones and two kernels draw at the same time, and in the end all have the same picture.
    tablet = browser.new_context(
        has_touch=True, is_mobile=True, viewport={"width": 820, "height": 1180}
    )
    other = tablet.new_page()
    other.goto(link)
    expect(other.locator("#state")).to_have_text("connected")
    wait_for_ink(other.locator("#paper"), (650, 450))
    lines = [[(20 + 60 * step, 210 + 30 * number) for step in range(12)] for number in range(4)]
    hands = [
        finger(page, glass, *lines[0]),
        finger(other, other.locator("#glass"), *lines[1]),
        hand(pad, *lines[2]),
        hand(bob.output(1).locator(PAD), *lines[3]),
    ]
    for _ in zip_longest(*hands):
        pass
    for sheet in (*sheets, other.locator("#paper")):
        wait_for_ink(sheet, *[(660, y) for _, y in (line[-1] for line in lines)])
    drawn = strokes(ada)
    assert strokes(bob) == drawn
    assert all(ended for _, _, ended, _ in drawn[-4:])
    assert sorted(round(points[-1][1], -1) for *_, points in drawn[-4:]) == [210, 240, 270, 300]
    picture = [[color, points] for _, color, _, points in drawn]
    assert saved(page) == saved(other) == picture
    tablet.close()

    # Clear asks once.
    bob.button(1, "Clear").click()
    again = bob.button(1, "Clear for everybody?")
    expect(again).to_be_visible()
    wait_for_ink(sheets[0], (650, 450))
    again.click()
    for sheet in (*sheets, ada.output(view).locator(SHEET), ada.output(1).locator(PAD)):
        wait_for_ink(sheet, (650, 450), (650, 480), (100, 50), (300, 300), ink=False)
    expect(bob.button(1, "Clear")).to_be_visible()
    assert ada.complaints == []
    phone.close()


def test_the_page_draws_with_a_server_that_knows_the_table_alone(
    lab, open_notebook, browser: Browser
):
    cells = [PLAIN, START.format(""), CLIENT.format("Ada"), START.format(", handler")]
    ada = open_notebook(lab.write_notebook("notebooks/plain.ipynb", cells))
    for cell in range(3):
        ada.run_cell(cell)
    page = browser.new_page()
    page.goto(ada.output(1).get_by_role("link", name="open its page").get_attribute("href"))
    expect(page.locator("#state")).to_have_text("connected")
    glass, sheet = page.locator("#glass"), ada.output(2).locator(SHEET)
    draw(glass, (10, 10), (100, 10))
    wait_for_ink(sheet, (50, 10))
    ada.run_cell(3)  # now a server without a hello takes over
    draw(glass, (10, 60), (100, 60))
    wait_for_ink(sheet, (50, 60))
    wait_for_ink(page.locator("#paper"), (50, 60))
    page.reload()
    # The card above the sheet must not grow while somebody draws below it.
    expect(ada.output(1)).to_contain_text("browser")
    draw(glass, (10, 90), (100, 90))
    wait_for_ink(sheet, (50, 90))
    draw(ada.output(2).locator(PAD), (10, 120), (100, 120))
    wait_for_ink(page.locator("#paper"), (50, 120))
    ada.run_cell(1)  # and ours comes back
    expect(page.locator("#state")).to_have_text("connected")
    wait_for_ink(page.locator("#paper"), (50, 60), ink=False)
    draw(glass, (10, 150), (100, 150))
    wait_for_ink(sheet, (50, 150))
    page.close()

    # Within the card, nobody has to scroll to reach the tools.
    ada.button(1, "Show its page here").click()
    frame = ada.output(1).frame_locator("iframe")
    expect(frame.locator("#state")).to_have_text("connected")
    tall, seen = frame.locator("html").evaluate("e => [e.scrollHeight, innerHeight]")
    assert tall <= seen
    assert frame.locator("#sheet").bounding_box()["width"] > 500
