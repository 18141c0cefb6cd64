"""Measure the whiteboard: from the move of a mouse in one place to the pixel in another.

Run it with ``python -m tools.measure_drawing``. It needs Chromium. In one run it drives two
notebooks in two kernels and two pages of ours in plain browser tabs, all on one server.
"""

import argparse
import json
import statistics
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.lab import Lab, chromium, expect, free_ports

ROOT = Path(__file__).resolve().parent.parent
SERVE = 'from server import start\n\nserver = await start("whiteboard")\nserver'
# The stamps tell when a kernel had what, in milliseconds of the clock that the pages have, too.
CLIENT = """
import time
from client import WhiteboardClient

class Stamped(WhiteboardClient):
    stamps = {"pad": [], "server": [], "paint": []}

    def _on_pad(self, view, number, events):
        moves = sum(len(e["points"]) for e in events if e["type"] == "draw_points")
        self.stamps["pad"] += [1000 * time.time()] * moves
        super()._on_pad(view, number, events)

    def received(self, message):
        if message["type"] == "draw_points":
            self.stamps["server"] += [1000 * time.time()] * len(message["points"])
        super().received(message)

    def _paint(self):
        super()._paint()
        late = len(self.stamps["server"]) - len(self.stamps["paint"])
        self.stamps["paint"] += [1000 * time.time()] * late

client = Stamped(server, NAME)
client
""".strip()
STAMPS = (
    "import json\nprint(json.dumps(client.stamps))\n"
    "[stamps.clear() for stamps in client.stamps.values()];"
)
STEP, LINES, LEFT, RIGHT, TOP = 8, 10, 24, 776, 16  # pixels of the sheet
# Notes when a pixel of each move is on one of the canvases.
WATCH = """([targets, canvases]) => {
    const now = () => performance.timeOrigin + performance.now();
    const sheets = canvases.map((selector) => document.querySelector(selector));
    const contexts = sheets.map((sheet) => sheet.getContext("2d"));
    window.seen = [];
    const next = () => targets[window.seen.length];
    const inked = ([x, y]) => contexts.some((c) => c.getImageData(x, y, 1, 1).data[3] > 0);
    const look = () => {
        const until = now() + 4;
        while (next() && now() < until && inked(next())) window.seen.push(now());
        window.watching = requestAnimationFrame(look);
    };
    look();
}"""
# Moves the mouse at an even pace, which a driver outside of the page cannot keep up. Returns when.
MOVE = """([pad, targets, rate]) => new Promise((resolve) => {
    const element = document.querySelector(pad);
    const box = element.getBoundingClientRect();
    const began = performance.now();
    const moved = [];
    const move = () => {
        const due = (performance.now() - began) * rate / 1000;
        while (moved.length < Math.min(due, targets.length)) {
            const [x, y] = targets[moved.length];
            moved.push(performance.timeOrigin + performance.now());
            element.dispatchEvent(new PointerEvent("pointermove", {
                pointerId: 1, pointerType: "mouse", isPrimary: true, bubbles: true, buttons: 1,
                clientX: box.left + (x + 0.5) * box.width / element.width,
                clientY: box.top + (y + 0.5) * box.height / element.height,
            }));
        }
        if (moved.length < targets.length) setTimeout(move, 1);
        else resolve(moved);
    };
    move();
})"""
COLLECT = "() => { cancelAnimationFrame(window.watching); return window.seen; }"


@dataclass
class Place:
    """Somewhere to draw and to look.

    Attributes:
        pad: What the mouse moves on.
        canvases: Those on which a pixel may appear: the sheet, and the glass above it.
    """

    page: Page
    pad: str
    canvases: list[str]


def path(moves: int) -> list[list[int]]:
    """Return where the mouse goes: to and fro, down the sheet, and over each place once."""
    points, x, y, step = [], LEFT, TOP, STEP
    while len(points) < moves:
        points.append([x, y])
        if not LEFT <= x + step <= RIGHT:
            step = -step
            y += LINES
        else:
            x += step
    return points


def draw(place: Place, watcher: Place, rate: float, seconds: float) -> tuple[list[float], ...]:
    """Move the mouse in one place and look in both.

    Returns:
        When each move happened, and when it was seen there and in the other place, in ms.
    """
    targets = path(round(rate * seconds) + 1)
    for each in (place, watcher):
        each.page.evaluate(WATCH, [targets[1:], each.canvases])
    place.page.locator(place.pad).scroll_into_view_if_needed()
    box = place.page.locator(place.pad).bounding_box()
    scale = box["width"] / 800
    x, y = targets[0]
    place.page.mouse.move(box["x"] + (x + 0.5) * scale, box["y"] + (y + 0.5) * scale)
    place.page.mouse.down()
    moved = place.page.evaluate(MOVE, [place.pad, targets[1:], rate])
    place.page.mouse.up()
    print(f"  {len(moved)} moves in {(moved[-1] - moved[0]) / 1000:.1f} s", flush=True)
    watcher.page.wait_for_timeout(1_500)
    return moved, place.page.evaluate(COLLECT), watcher.page.evaluate(COLLECT)


def delays(moved: list[float], seen: list[float]) -> list[float]:
    """Return how long after each move it was seen, in milliseconds."""
    return [late - early for early, late in zip(moved, seen, strict=False)]


def figures(values: list[float]) -> str:
    """Return median, 95th percentile, and the medians of the first and the last third."""
    third = max(1, len(values) // 3)
    parts = [statistics.median(values), statistics.quantiles(values, n=20)[-1]]
    parts += [statistics.median(values[:third]), statistics.median(values[-third:])]
    return " | ".join(f"{part:.0f}" for part in parts)


def clear(place: Place) -> None:
    """Clear the sheet for everybody."""
    for _ in range(2):
        place.page.get_by_role("button", name="Clear").first.click()
    place.page.wait_for_timeout(500)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.measure_drawing", description=__doc__)
    parser.add_argument("--rates", type=float, nargs="+", default=[10, 60, 120], metavar="HZ")
    parser.add_argument("--seconds", type=float, default=10, metavar="S", help="of each rate (10)")
    options = parser.parse_args()
    environment = {"COURSE_FIRST_PORT": str(free_ports()), "PYTHONPATH": str(ROOT)}
    with chromium() as browser, Lab(ROOT, browser, environment) as lab:
        notebooks = []
        # Another scale is another window. In one window, the page in the background paints nothing.
        for name, scale in (("Ada", 1), ("Bob", 1.001)):
            cells = [SERVE, CLIENT.replace("NAME", repr(name)), STAMPS]
            notebook = lab.open(
                lab.write_notebook(f"notebooks/{name}.ipynb", cells), scale=scale, size=(1280, 1200)
            )
            notebook.run_cell(0)
            notebook.run_cell(1)
            expect(notebook.output(1).locator(".course-badge")).to_have_text("connected")
            notebooks.append(notebook)
        link = (
            notebooks[0]
            .output(0)
            .get_by_role("link", name="open its page in a tab")
            .get_attribute("href")
        )
        pages = [browser.new_page() for _ in range(2)]
        for page in pages:
            page.goto(link)
            expect(page.locator("#state")).to_have_text("connected")
        layers = [".course-sheet > canvas", ".course-pad"]
        labs = [Place(notebook.page, ".course-pad", layers) for notebook in notebooks]
        plain = [Place(page, "#glass", ["#paper", "#glass"]) for page in pages]
        rows, stages = [], []
        for rate in options.rates:
            middles = {}
            for kind, (first, second) in {"pages": plain, "notebooks": labs}.items():
                for notebook in notebooks:
                    notebook.run_cell(2)  # forgets the stamps of what was before
                moved, own, other = draw(first, second, rate, options.seconds)
                lost = round(rate * options.seconds) - len(other)
                for where, seen in (("own", own), ("other", other)):
                    values = delays(moved, seen)
                    middles[kind, where] = statistics.median(values)
                    ratio = middles[kind, where] / middles["pages", where]
                    told = [f"{rate:g}/s", kind, where, figures(values), lost, f"{ratio:.1f}"]
                    rows.append(f"| {' | '.join(map(str, told))} |")
                if kind == "notebooks":
                    stages.append(stages_of(rate, moved, other, notebooks))
                clear(first)
    print(
        "\n| moves | from one to the other of two | seen in | median, ms | 95th percentile | "
        "median of the first third | of the last third | lost | median to that of pages |"
    )
    print("|---" * 9 + "|")
    print("\n".join(rows))
    print("\nWhere the time of notebooks goes, medians in ms:\n")
    print("| moves | hand to kernel | to the other kernel | until it has painted | to the pixel |")
    print("|---" * 5 + "|")
    print("\n".join(stages))


def stages_of(rate: float, moved: list[float], seen: list[float], notebooks: list[Any]) -> str:
    """Return a row with how long each part of the way took."""
    stamps = []
    for notebook in notebooks:
        notebook.run_cell(2)
        stamps.append(json.loads(notebook.output_text(2)))
    way = [moved, stamps[0]["pad"], stamps[1]["server"], stamps[1]["paint"], seen]
    parts = [statistics.median(delays(a, b)) for a, b in pairwise(way)]
    return f"| {rate:g}/s | " + " | ".join(f"{part:.0f}" for part in parts) + " |"


if __name__ == "__main__":
    main()
