"""The lesson in a real JupyterLab: everything runs, the race is drawn, the heart shows its gap."""

import re

from tests.lab import expect

RACE, HEART, MAP = "race = Race(every=1.0)", "heart = Heartbeat()", "course_map()"


def test_run_all_leaves_the_race_drawn_and_the_gap_seen(open_notebook):
    notebook = open_notebook("notebooks/00_start_here.ipynb", theme="dark")
    notebook.run_all()
    # The one error is the one that is to be seen.
    [error] = notebook.errors()
    assert error.name == "RuntimeError" and "running event loop" in str(error)
    assert notebook.complaints == []
    race = notebook.output(RACE)
    expect(race.locator(".course-badge")).to_have_text("finished")
    news = race.locator("circle.race-news").count()
    assert news >= 4
    expect(race.locator("circle.race-polling")).to_have_count(news)
    expect(race.locator("circle.race-websocket")).to_have_count(news)
    box = race.locator(".race-picture svg").bounding_box()
    assert box["width"] > 500 and box["height"] > 80
    expect(race.locator(".race-figures")).to_contain_text(re.compile(r"News came after.* ms"))
    heart = notebook.output(HEART)
    expect(heart.locator("rect.heart-gap")).to_have_count(1)
    expect(heart.locator(".heart-words")).to_contain_text(re.compile(r"longest gap: 2\.\d s"))
    expect(notebook.output("checks/installed.py")).to_contain_text("✓ All is well")
    expect(notebook.output(MAP).locator(".course-map > div").first).to_contain_text("0 of 5")
    # A link of the map leads to the notebook beside this one.
    link = notebook.output(MAP).get_by_role("link", name="Connect")
    assert "notebooks/01_connect.ipynb" in link.get_attribute("href")
