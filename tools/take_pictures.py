"""Take the pictures of the course from the running course: ``python -m tools.take_pictures``.

It needs Chromium. The pictures go to notebooks/pictures/.
"""

import argparse
from pathlib import Path

from tests.lab import Lab, Notebook, chromium, expect, free_ports

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "notebooks" / "pictures"
SIZE = (900, 700)


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


SCENES = {"01_connect": connect, "04_counter": counter}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.take_pictures", description=__doc__)
    parser.parse_args()
    environment = {"COURSE_FIRST_PORT": str(free_ports()), "PYTHONPATH": str(ROOT)}
    with chromium() as browser, Lab(ROOT, browser, environment) as lab:
        for stem, scene in SCENES.items():
            notebook = lab.open(f"solutions/{stem}.ipynb", size=SIZE, scale=1.5)
            cell = scene(notebook)
            picture = PICTURES / f"{stem.partition('_')[2]}.png"
            clients = notebook.output(cell).locator(".widget-hbox").first
            notebook.screenshot(picture, of=clients, style="body { background: white; }")
            print("took", picture.relative_to(ROOT))
            notebook.close()


if __name__ == "__main__":
    main()
