"""A class in real browsers: who has the join link takes part, and the teacher runs the room."""

import re

import pytest
from playwright.sync_api import Browser

from server.addresses import own_addresses
from tests.lab import expect

START = 'from server import start\n\nserver = await start("chat", host="0.0.0.0")\nserver'
JOIN = 'from server import start\n\nserver = await start("chat")\nserver'
CHECK = (
    "from checks import check_masking\n\n"
    "await check_masking(lambda payload, key: bytes(b ^ key[n % 4] for n, b in enumerate(payload)))"
)
VIEW = (
    "from client import ChatClient, TeacherView\n\n"
    'ada = ChatClient(server, "Ada")\nTeacherView(server)'
)


@pytest.mark.skipif(not own_addresses(), reason="this computer is in no network")
def test_a_page_by_the_join_link_and_the_teachers_view(lab, open_notebook, browser: Browser):
    notebook = open_notebook(
        lab.write_notebook("notebooks/class.ipynb", [START, VIEW]), theme="dark"
    )
    notebook.run_cell(0)
    notebook.run_cell(1)
    card, view = notebook.output(0), notebook.output(1)
    link = card.locator(".course-link").inner_text()
    place, token = link.split("?token=")
    # Dark modules on a white ground, whatever the theme: or else no camera would know the code.
    code = card.get_by_role("img", name="The join link as a QR code")
    assert code.bounding_box()["width"] >= 190
    assert code.locator("path").first.get_attribute("fill") == "#fff"

    stranger = browser.new_page()
    assert stranger.goto(place).status == 401
    expect(stranger.locator("body")).to_contain_text("needs its join link. Ask the teacher for it")

    # As from a page of the school: the browser knows that another site led here.
    phone = browser.new_context().new_page()
    phone.goto(f'data:text/html,<a href="{link}">join</a>')
    phone.get_by_text("join").click()
    expect(phone.locator("#state")).to_have_text("connected")
    assert phone.url == place
    assert phone.evaluate("document.cookie") == ""  # the page's scripts cannot read it
    phone.reload()
    phone.get_by_label("Your name").fill("Bob")
    phone.get_by_role("button", name="Join").click()
    row = view.locator("tbody tr", has_text="Bob")
    expect(row).to_contain_text("browser")
    expect(row).to_contain_text(re.sub(r"http://|:\d+/", "", place))

    view.get_by_placeholder("Say something to all").fill("Five minutes")
    view.get_by_role("button", name="Say", exact=True).click()
    expect(phone.locator("#log")).to_contain_text("The teacher says: Five minutes")
    before = row.inner_text()
    view.locator("select").select_option(label=re.sub(r"\s+", " ", label_of(view, "Bob")))
    view.get_by_role("button", name="Drop", exact=True).click()
    expect(row).not_to_have_text(before, use_inner_text=True)
    expect(phone.locator("#state")).to_have_text("connected")  # back, with the cookie
    view.get_by_role("button", name="Drop all").click()
    expect(view.locator("tbody tr")).to_have_count(2)
    expect(view).to_contain_text("running · 2 connected")

    # The class is over, and another one begins on the same port: the old token is no good.
    notebook.restart_kernel()
    notebook.run_cell(0)
    expect(card.locator(".course-link")).not_to_contain_text(token)
    expect(phone.locator("#state")).to_contain_text("refused: This token does not fit this class")
    for page in (phone, stranger):
        page.context.close()
    assert notebook.errors() == []


def test_a_learner_shares_what_passes_and_the_teachers_map_fills(lab, open_notebook):
    teacher = open_notebook(lab.write_notebook("notebooks/teacher.ipynb", [START, VIEW]))
    teacher.run_all()
    map_ = teacher.output(1).locator(".course-class")
    expect(map_).to_contain_text("Nobody shares their progress")
    learner = open_notebook(lab.write_notebook("notebooks/learner.ipynb", [JOIN, CHECK]))
    learner.run_cell(0)
    card = learner.output(0)
    expect(card).to_contain_text("Nothing is sent before you press Share")
    # The name goes along with the click, also if that comes right after the last letter.
    card.get_by_placeholder("Your name").press_sequentially("<i>Ada</i>")
    card.get_by_role("button", name="Share", exact=True).click()
    expect(card).to_contain_text("your teacher sees you as <i>Ada</i>")
    row = map_.get_by_role("row", name="<i>Ada</i>")
    started = row.locator("td").first
    expect(started).to_have_text("0/5")
    learner.run_cell(1)
    expect(started).to_have_text("3/5")
    expect(card).to_contain_text("that 3 checks passed")
    expect(teacher.output(0)).to_contain_text("running · 1 connected")  # that is the teacher's own
    map_.get_by_role("button", name="Hide the map").click()
    expect(map_.get_by_role("table")).to_have_count(0)
    map_.get_by_role("button", name="Show the map of the class").click()
    card.get_by_role("button", name="Stop").click()
    expect(map_).to_contain_text("Nobody shares their progress")
    expect(card.get_by_role("button", name="Share", exact=True)).to_be_visible()
    assert teacher.errors() == [] and learner.errors() == []
    assert teacher.complaints == [] and learner.complaints == []


def label_of(view, name: str) -> str:
    """Return the choice that begins with a name."""
    return view.locator("option", has_text=name).inner_text()
