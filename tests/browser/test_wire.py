"""A Wire in a real JupyterLab: the picture of a broadcast, a table, the bytes behind a click."""

import re

from tests.lab import expect

CELLS = [
    'from server import start\n\nserver = await start("chat", port=0)\nserver',
    "from client import ChatClient, Wire, side_by_side\n\n"
    'ada, bob = ChatClient(server, "Ada"), ChatClient(server, "Bob")\n'
    'carol = ChatClient(server, "Carol")\nside_by_side(ada, bob, carol)',
    "wire = Wire(server)\nwire",
    "for client in (ada, bob, carol):\n    await client.until(lambda: len(client.users) == 3)\n"
    'ada.field.value = "Hello"\nada.say()\n'
    'await bob.until(lambda: "Ada: Hello" in bob.log.lines)',
    "print(wire.chosen.what.header.hex(' '), wire.chosen.what.payload.hex(' '))",
    "from websockets.asyncio.server import broadcast\nimport asyncio\n"
    "for number in range(3_000):\n    broadcast(server.connections, 'x' * 50)\n"
    "    await asyncio.sleep(0.0005)",
]


# Which arrows begin where Ada's message came in and go to whom: where they start and end.
ARROWS = """panel => [...panel.querySelectorAll("g.wire-message .wire-arrow")].map(arrow => ({
    points: arrow.getAttribute("d").match(/[0-9]+/g).map(Number),
    stroke: getComputedStyle(arrow).stroke,
    background: getComputedStyle(panel).backgroundColor,
}))"""


def brightness(colour: str) -> float:
    red, green, blue = map(float, re.findall(r"[\d.]+", colour)[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_broadcast_its_picture_and_its_bytes(lab, open_notebook):
    notebook = open_notebook(lab.write_notebook("notebooks/wire.ipynb", CELLS), theme="dark")
    for cell in range(4):
        notebook.run_cell(cell)
    shown = notebook.output(2)
    panel, detail = shown.locator(".wire-panel"), shown.locator(".wire-detail")
    expect(shown.locator(".course-badge")).to_have_text(re.compile(r"^watching · \d+ passed$"))

    # One message in, three out: a fan from one point.
    expect(shown.locator(".wire-row").last).to_contain_text("→ 3 clients")
    expect(shown.locator(".wire-row").last).to_contain_text('"Hello"')
    names = shown.locator(".wire-names b").all_inner_texts()
    assert sorted(names) == ["Ada", "Bob", "Carol", "server"] and names[2] == "server"
    arrows = panel.evaluate(ARROWS)
    fan = [arrow["points"] for arrow in arrows[-3:]]
    assert len({(x, y) for x, y, _, _ in fan}) == 1 and len({x for _, _, x, _ in fan}) == 3

    # A click on what Ada sent: its bytes, each field in a colour of its own.
    said = shown.locator(".wire-row").filter(has_text='"content": "Hello"').first
    said.click()
    expect(said).to_have_class(re.compile("wire-selected"))
    expect(detail).to_contain_text("Ada → server · text")
    fields = detail.locator(".wire-bytes [class*=wire-field-]")
    expect(fields).to_have_count(4)
    for theme in ("light", "dark"):
        notebook.show_in(theme)
        colours = fields.evaluate_all("all => all.map(e => getComputedStyle(e).backgroundColor)")
        assert len(set(colours)) == 4, theme
        for arrow in panel.evaluate(ARROWS):
            difference = brightness(arrow["stroke"]) - brightness(arrow["background"])
            assert abs(difference) > 70, (theme, arrow)
    expect(detail).to_contain_text("1 000 0001 · FIN 1")
    expect(detail).to_contain_text('{"type": "message", "content": "Hello"}')
    bytes_shown = " ".join(fields.all_inner_texts())
    notebook.run_cell(4)
    assert notebook.output_text(4).strip() == bytes_shown

    # The table has the same frame selected; the keyboard goes to its neighbour.
    notebook.button(2, "Table").click()
    row = shown.locator("tr.wire-selected")
    expect(row).to_contain_text("Ada → server")
    number = int(row.get_attribute("data-number"))
    panel.focus()
    notebook.page.keyboard.press("ArrowDown")
    expect(shown.locator("tr.wire-selected")).to_have_attribute("data-number", str(number + 1))
    expect(detail).to_contain_text("server → ")

    # Nine thousand frames in a few seconds: the page keeps up, and the newest are there.
    notebook.run_cell(5)
    expect(shown.locator(".course-badge")).to_have_text(re.compile(r"watching · 9,\d+ passed"))
    expect(shown.locator("tr.wire-row")).to_have_count(100)
    notebook.button(2, "Pause").click()
    expect(shown.locator(".course-badge")).to_have_text(re.compile("^paused"))
    assert notebook.errors() == []
    assert notebook.complaints == []
