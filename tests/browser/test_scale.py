"""The ladder in a real JupyterLab: it grows, everybody freezes, two processes become one room."""

import shutil

from tests.lab import expect

CHECK, STUB = "await check_scale", "def say_to_all(members, text)"
GATHER = """
async def say_to_all(members, text):
    await asyncio.gather(*[member.send(text) for member in members])
"""
CUT_OFF = """
def say_to_all(members, text):
    broadcast(members, text)
    for member in members:
        if member.transport.get_write_buffer_size() > 2**18:
            member.transport.abort()
"""


def test_a_learner_climbs_sees_all_freeze_and_lets_two_processes_meet(open_notebook):
    notebook = open_notebook("notebooks/09_scale.ipynb")
    # A learner looks at it for longer than a test must.
    for name, seconds in (("four", 0.1), ("patient", 0.1), ("mine", 3)):
        notebook.set_cell(f"await {name}.stall(4)", f"await {name}.stall({seconds})")
    launch = notebook.source("ladder = Ladder(")
    notebook.set_cell("ladder = Ladder(", launch.replace("seconds=0.7", "seconds=0.4"))
    notebook.run_all(120)
    assert notebook.errors() == []
    assert notebook.complaints == []

    ladder = notebook.output("ladder = Ladder(")
    expect(ladder.locator(".course-badge")).to_have_text("6 rungs")
    rungs = ladder.locator(".ladder > span")
    expect(rungs.filter(has_text="one after another")).to_have_count(1)
    expect(rungs.filter(has_text="1,000 clients")).to_have_count(1)
    widths = ladder.locator(".ladder b").evaluate_all("all => all.map(b => b.offsetWidth)")
    # From the left: one after another, gathered, broadcast, without compression, per turn.
    assert widths[0] < widths[3] < widths[4], widths
    assert min(widths) > 0

    # Dan stops reading, and everybody freezes until he reads on.
    four = notebook.output("four = Listeners(")
    expect(four.locator(".course-badge")).to_contain_text("messages sent")
    four.get_by_role("button", name="Dan stops reading").click()
    expect(four.locator(".course-badge")).to_have_text("nobody hears anything")
    expect(four.locator(".listeners-late")).to_have_count(4)
    expect(four.locator(".listeners-late").last).to_contain_text("KiB wait")
    four.get_by_role("button", name="Dan reads on").click()
    expect(four.locator(".listeners-late")).to_have_count(0)
    expect(four.locator("rect.heart-gap").nth(3)).to_be_visible()

    # What is not solved says so, a wrong answer is refused, a right one cuts Dan off.
    assert "say_to_all() is still empty" in notebook.output_text(CHECK)
    mine = notebook.output("mine = Listeners(")
    expect(mine.locator(".course-badge")).to_contain_text("is the function still empty?")
    for source, mark in ((GATHER, "✗ One who stops"), (CUT_OFF, "✓ Who leaves too much")):
        notebook.set_cell(STUB, source)
        notebook.run_cell(STUB)
        notebook.run_cell(CHECK)
        assert mark in notebook.output_text(CHECK)
    notebook.run_cell("mine = Listeners(")
    notebook.run_cell("await mine.stall")
    expect(mine.locator(".listeners-late")).to_have_text("was cut off")
    expect(mine.get_by_role("button", name="Dan was cut off")).to_be_disabled()

    # Two processes are two rooms, until they meet.
    assert "Ada sees ['Ada'] and Bob sees ['Bob']" in notebook.output_text("Is anybody here?")
    if shutil.which("redis-server"):
        logs = notebook.output("via=redis.url)").get_by_role("log")
        for log in (logs.first, logs.nth(1)):
            expect(log).to_contain_text("Bob, can you hear me now?")
            expect(log).to_contain_text("cannot be reached for now")
            expect(log).to_contain_text("connected again")
            expect(log).to_contain_text("Here I am again.")
        expect(logs.first).to_contain_text("Is anybody still here?")
        expect(logs.nth(1)).not_to_contain_text("Is anybody still here?")

    # Once more: a rung is replaced, and who was there before gives way.
    notebook.run_cell("def gathered(members, text)")
    expect(ladder.locator(".course-badge")).to_have_text("6 rungs")
    notebook.run_cell("via=redis.url)")
    badges = notebook.output("via=redis.url)").locator(".course-badge")
    expect(badges).to_have_text(["connected"] * 2)
    notebook.button("close_button", "Close everything").click()
    expect(badges).to_have_text(["closed"] * 2)
    expect(four.locator(".course-badge")).to_have_text("stopped")
    assert notebook.errors() == [] and notebook.complaints == []
