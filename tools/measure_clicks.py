"""Measure what a learner feels: from Run All to a live client, and from a click to what it changes.

Run it with ``python -m tools.measure_clicks``. It needs Chromium. In one run and one page it
compares a click on + with the same click in a client that only prints, without any connection.
"""

import argparse
import statistics
from pathlib import Path

from tests.lab import Lab, Notebook, chromium, free_ports

ROOT = Path(__file__).resolve().parent.parent
LAUNCH = 'server = await start("counter")'
CLIENTS = "side_by_side(CounterClient(server.url"
ONLY_PRINTS = """
from ipywidgets import HTML, Button, HBox
label, presses = HTML("0"), []
def show(_):
    presses.append(1)
    label.value = str(len(presses))
press = Button(description="press")
press.on_click(show)
HBox([press, label])
"""
# Milliseconds from a click on one element to the next change of the text of another.
CLICK = """([button, shown]) => new Promise((resolve) => {
    const began = performance.now();
    const observer = new MutationObserver(() => {
        observer.disconnect();
        resolve(performance.now() - began);
    });
    observer.observe(shown, {childList: true, characterData: true, subtree: true});
    button.click();
})"""
# Seconds from now until the page shows two connected clients.
LIVE = """() => new Promise((resolve) => {
    const began = performance.now();
    window.live = new Promise((done) => {
        const look = () => {
            if (document.querySelectorAll('.course-connected').length >= 2)
                done((performance.now() - began) / 1000);
            else requestAnimationFrame(look);
        };
        look();
    });
    resolve();
})"""


def until_live(lab: Lab) -> float:
    """Return the seconds from Run All until two clients are connected, in a fresh kernel."""
    notebook = lab.open("solutions/04_counter.ipynb")
    notebook.page.evaluate(LIVE)
    notebook.run_all()
    seconds = notebook.page.evaluate("() => window.live")
    notebook.close()
    return seconds


def click_times(notebook: Notebook, clicks: int) -> dict[str, list[float]]:
    """Return milliseconds for each way to click, measured in turns."""
    notebook.run_cell(LAUNCH)
    notebook.run_cell(CLIENTS)
    notebook.insert_cell_below(CLIENTS, ONLY_PRINTS.strip())
    notebook.run_cell("presses = HTML")
    notebook.page.wait_for_function("document.querySelectorAll('.course-connected').length == 2")
    plus = notebook.button(CLIENTS, "+").first.element_handle()
    numbers = notebook.output(CLIENTS).locator(".course-number").locator("..")
    pairs = {
        "only prints": (
            notebook.button("presses = HTML", "press").element_handle(),
            notebook.html("presses = HTML").element_handle(),
        ),
        "own number": (plus, numbers.nth(0).element_handle()),
        "other client's number": (plus, numbers.nth(1).element_handle()),
    }
    times: dict[str, list[float]] = {name: [] for name in pairs}
    for _ in range(clicks):
        for name, pair in pairs.items():
            times[name].append(notebook.page.evaluate(CLICK, list(pair)))
            notebook.page.wait_for_timeout(150)  # a person's pace; the repaint interval is over
    return times


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.measure_clicks", description=__doc__)
    parser.add_argument("--clicks", type=int, default=30, metavar="N", help="of each kind (30)")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="of Run All (5)")
    options = parser.parse_args()
    environment = {"COURSE_FIRST_PORT": str(free_ports()), "PYTHONPATH": str(ROOT)}
    with chromium() as browser, Lab(ROOT, browser, environment) as lab:
        live = [until_live(lab) for _ in range(options.runs)]
        times = click_times(lab.open("notebooks/04_counter.ipynb"), options.clicks)
    print(f"Run All to two connected clients: {statistics.median(live):.2f} s (median of {live})")
    least = statistics.median(times["only prints"])
    print("| a click changes | median, ms | 95th percentile, ms | ratio |\n|---|---|---|---|")
    for name, values in times.items():
        middle, high = statistics.median(values), statistics.quantiles(values, n=20)[-1]
        print(f"| {name} | {middle:.0f} | {high:.0f} | {middle / least:.2f} |")


if __name__ == "__main__":
    main()
