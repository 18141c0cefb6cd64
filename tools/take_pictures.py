"""Take the pictures of the course from the running course: ``python -m tools.take_pictures``.

It needs Chromium. The pictures go to notebooks/pictures/.
"""

from __future__ import annotations

import argparse
import math
import random
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import Lab, Notebook, chromium, expect, free_ports

if TYPE_CHECKING:
    from playwright.sync_api import Locator

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "notebooks" / "pictures"
SIZE = (900, 700)
PEOPLE = re.compile(r"Ada.*Bob|Bob.*Ada")


def start_here(notebook: Notebook) -> str:
    """Let polling and a WebSocket race to the end."""
    cell = "race = Race(every=1.0)"
    notebook.run_cell(cell)
    expect(notebook.output(cell)).to_contain_text("finished", timeout=20_000)
    return cell


def connect(notebook: Notebook) -> str:
    """Let Ada and Bob talk. Returns which cell to take a picture of."""
    cell = "side_by_side(ada, bob)"
    notebook.run_cell('server = await start("connect")\nserver')
    notebook.run_cell(cell)
    fields = notebook.output(cell).get_by_placeholder("Say something")
    expect(notebook.output(cell)).to_contain_text("2 connected")
    for number, words in enumerate(["Hello Bob! Can you see this?", "At once, Ada."]):
        fields.nth(number).fill(words)
        fields.nth(number).press("Enter")
        expect(notebook.output(cell).get_by_role("log").first).to_contain_text(words)
    notebook.button(cell, "Ping").first.click()
    expect(notebook.output(cell).get_by_role("log").first).to_contain_text("pong")
    return cell


def chat(notebook: Notebook) -> str:
    """Let Ada and Bob talk. Returns which cell to take a picture of."""
    return talk(notebook, "chat", "ChatClient")[0]


def typing_indicator(notebook: Notebook) -> str:
    """Let Ada type on after she and Bob have talked."""
    cell, fields = talk(notebook, "typing_indicator", "TypingIndicatorClient")
    fields.first.press_sequentially("And I see when y")
    expect(notebook.output(cell)).to_contain_text("Ada is typing…")
    return cell


def talk(notebook: Notebook, exercise: str, client: str) -> tuple[str, Locator]:
    """Let Ada and Bob talk; returns the cell with both, and the fields in which they write."""
    cell = f'bob = {client}(server.url, "Bob")'
    notebook.run_cell(f'server = await start("{exercise}")\nserver')
    notebook.run_cell(cell)
    logs = notebook.output(cell).get_by_role("log")
    fields = notebook.output(cell).get_by_placeholder("Say something")
    expect(notebook.output(cell).locator(".course-people")).to_have_text([PEOPLE, PEOPLE])
    for number, words in enumerate(["Hello Bob! 👋", "Hello Ada. I see who you are."]):
        fields.nth(number % 2).fill(words)
        fields.nth(number % 2).press("Enter")
        for log in (logs.first, logs.nth(1)):
            expect(log).to_contain_text(words)
    return cell, fields


def counter(notebook: Notebook) -> str:
    """Let Ada count to seven."""
    cell = "side_by_side(CounterClient(server.url"
    notebook.run_cell('server = await start("counter")')
    notebook.run_cell(cell)
    numbers = notebook.output(cell).locator(".course-number")
    expect(numbers).to_have_text(["0", "0"])
    for value in range(1, 8):
        notebook.button(cell, "+").first.click()
        expect(numbers).to_have_text([str(value)] * 2)
    return cell


def notifications(notebook: Notebook) -> str:
    """Let a few notifications come, and Ada dismiss one."""
    cell = "side_by_side(NotificationsClient(server.url"
    notebook.run_cell('server = await start("notifications"')
    notebook.run_cell(cell)
    unread = notebook.output(cell).locator(".course-unread")
    expect(unread).to_have_text(["5", "5"], timeout=30_000)
    notebook.button(cell, "✕").first.click()
    expect(unread.first).to_have_text(re.compile("4|5"))
    return cell


def dashboard(notebook: Notebook) -> str:
    """Let a minute pass, in which the computer has something to do now and then."""
    cell = "side_by_side(DashboardClient(server.url"
    notebook.run_cell('server = await start("dashboard")')
    notebook.run_cell(cell)
    expect(notebook.output(cell)).to_contain_text("live")
    until = time.monotonic() + 62
    while time.monotonic() < until:
        busy = time.monotonic() + random.uniform(0, 3)
        while time.monotonic() < busy:
            notebook.page.wait_for_timeout(1)
        notebook.page.wait_for_timeout(random.uniform(500, 4_000))
    return cell


def quiz(notebook: Notebook) -> str:
    """Choose an answer. Which one is right, the picture must not tell."""
    cell = "quiz.question(3)"
    notebook.run_cell('quiz = Quiz("lesson")')
    notebook.run_cell(cell)
    notebook.output(cell).get_by_text("With an e-mail").click()
    expect(notebook.output(cell)).to_contain_text("answered")
    notebook.page.mouse.move(0, 0)
    return cell


def whiteboard(notebook: Notebook) -> str:
    """Let Ada and Bob draw a house and a sun."""
    cell = "ada, bob = WhiteboardClient(server.url"
    notebook.run_cell('server = await start("whiteboard")')
    notebook.run_cell(cell)
    expect(notebook.output(cell).locator(".course-badge")).to_have_text(["connected"] * 2)
    # The whole notebook is too tall for a sharp picture.
    notebook.page.add_style_tag(content=".jp-Notebook-cell:nth-child(n+9) { display: none }")
    notebook.set_cell("wave = [", HOUSE)
    notebook.run_cell("roof = [")
    pad = notebook.output(cell).locator(".course-pad").nth(1)
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    mouse = notebook.page.mouse
    for step in range(40):  # Bob draws the smoke
        x = box["x"] + box["width"] * (0.47 + 0.03 * math.sin(step / 4) + step / 400)
        mouse.move(x, box["y"] + box["height"] * (0.4 - step / 110))
        if step == 0:
            mouse.down()
        notebook.page.wait_for_timeout(16)
    return cell


def scale(notebook: Notebook) -> str:
    """Climb the whole ladder."""
    cell = "ladder = Ladder(clients=100"
    for part in (cell, "def one_after_another", "def gathered", "import broadcast"):
        notebook.run_cell(part)
    notebook.run_cell("await ladder.climb(broadcast)")
    notebook.run_cell("broadcast, compression=None")
    for part in ("def one_write_per_turn", "OURS = {", "clients=1_000"):
        notebook.run_cell(part)
    expect(notebook.output(cell)).to_contain_text("6 rungs")
    return cell


HOUSE = """
from math import cos, sin

roof = [(160, 280), (290, 180), (420, 280), (160, 280)]
ada.draw(roof, color="#c62828", width=8)
ada.draw([(185, 285), (185, 420), (395, 420), (395, 285)], color="#5d4037", width=8)
ada.draw([(260, 420), (260, 340), (310, 340), (310, 420)], color="#5d4037", width=3)
circle = [(640 + 50 * cos(t / 8), 110 + 50 * sin(t / 8)) for t in range(52)]
bob.draw(circle, color="#f9a825", width=8)
for t in range(8):
    ray = [(640 + r * cos(t * 0.785), 110 + r * sin(t * 0.785)) for r in (65, 95)]
    bob.draw(ray, color="#f9a825", width=8)
bob.draw([(30, 422), (770, 422)], color="#2e7d32", width=8)
""".strip()

SCENES = {
    "00_start_here": start_here,
    "01_connect": connect,
    "02_chat": chat,
    "03_typing_indicator": typing_indicator,
    "04_counter": counter,
    "05_notifications": notifications,
    "06_dashboard": dashboard,
    "07_whiteboard": whiteboard,
    "08_quiz": quiz,
    "09_scale": scale,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.take_pictures", description=__doc__)
    parser.add_argument(
        "stems", nargs="*", metavar="STEM", choices=[*SCENES, []], help="which; by default all"
    )
    stems = parser.parse_args().stems or list(SCENES)
    environment = {"COURSE_FIRST_PORT": str(free_ports()), "PYTHONPATH": str(ROOT)}
    with chromium() as browser, Lab(ROOT, browser, environment) as lab:
        for stem in stems:
            notebook = lab.open(f"solutions/{stem}.ipynb", size=SIZE, scale=1.5)
            cell = SCENES[stem](notebook)
            picture = PICTURES / f"{stem.partition('_')[2]}.png"
            # The row of the clients, or a card that stands alone; other rows are inside of cards.
            shown = notebook.output(cell).locator(".widget-hbox, .course-card").first
            notebook.screenshot(picture, of=shown, style="body { background: white; }")
            print("took", picture.relative_to(ROOT))
            notebook.close()


if __name__ == "__main__":
    main()
