"""A page behind the real jupyter-server-proxy, for a browser that is on another computer."""

import json
import re
import shutil

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import REPOSITORY
from tests.lab import Lab, expect, free_ports

START = 'from server import start\n\nserver = await start("chat")\nserver'
CLIENT = 'from client import ChatClient\n\nada = ChatClient(server, "Ada")\nada'
# A name that leads to this computer, as a browser knows, and of which our server knows nothing.
NAME = "jupyter.localhost"


@pytest.fixture(scope="module")
def lab(browser: Browser, tmp_path_factory):
    """JupyterLab under a path, as behind a hub, open to the names of other computers."""
    config = tmp_path_factory.mktemp("config")
    allowed = {"ServerApp": {"allow_remote_access": True}}
    (config / "jupyter_server_config.json").write_text(json.dumps(allowed))
    env = {
        "COURSE_FIRST_PORT": str(free_ports(20)),
        "PYTHONPATH": str(REPOSITORY),
        "JUPYTER_CONFIG_PATH": str(config),
    }
    with Lab(REPOSITORY, browser, env, base_url="/user/ada@x/") as started:
        yield started


def test_the_link_and_the_page_in_the_notebook_lead_through_jupyter(lab, open_notebook):
    path = lab.write_notebook("room.ipynb", [START, CLIENT])
    here = lab.url
    lab.url = re.sub("//[^:/]+", f"//{NAME}", here)
    notebook = open_notebook(path)
    lab.url = here
    place = notebook.page.evaluate("location.host")
    assert place.startswith(f"{NAME}:")
    notebook.run_all()
    card, ada = notebook.output(0), notebook.output(1)
    expect(ada.locator(".course-people")).to_contain_text("Ada (you)")

    # In a tab: the page, its files and its WebSocket come through Jupyter, with the secret.
    with notebook.page.expect_popup() as popup:
        card.get_by_role("link", name="open its page in a tab").click()
    tab = popup.value
    expect(tab.locator("#state")).to_have_text("connected")
    assert tab.url.startswith(f"http://{place}/user/ada")
    assert "/proxy/" in tab.url and tab.url.endswith("/")  # and the secret is out of sight
    join(tab, "Bob")
    expect(ada.locator(".course-people")).to_contain_text("Bob")
    say(tab, "Hello from a tab")
    expect(ada.locator(".course-log")).to_contain_text("Hello from a tab")

    # In the notebook: on demand, in its colours, and gone with its connection.
    expect(card.locator("iframe")).to_have_count(0)
    expect(card).to_contain_text("running · 2 connected")
    card.get_by_role("button", name="Show its page here").click()
    frame = card.frame_locator("iframe")
    join(frame, "Cleo")
    expect(card).to_contain_text("running · 3 connected")
    ada.get_by_placeholder("Say something").fill("Hello from the notebook")
    ada.get_by_placeholder("Say something").press("Enter")
    for page in (tab, frame):
        expect(page.locator("#log")).to_contain_text("Hello from the notebook")
    say(frame, "Hello from the card")  # after all those messages it is still the same page
    expect(tab.locator("#log")).to_contain_text("Hello from the card")
    notebook.page.emulate_media(color_scheme="null")  # or else each frame is told this scheme
    for light, scheme in (("false", "dark"), ("true", "light")):
        notebook.page.evaluate("light => document.body.dataset.jpThemeLight = light", light)
        expect(frame.locator("body")).to_have_css("color", INK[scheme])
    card.get_by_role("button", name="Hide its page").click()
    expect(card).to_contain_text("running · 2 connected")
    expect(ada.locator(".course-log")).to_contain_text("Cleo left")

    # Without the secret, under this name: refused, and told what to do.
    tab.context.clear_cookies(name=re.compile("^websocket_course_"))
    answer = tab.reload()
    assert answer.status == 403
    assert "the link on the server's card" in answer.text()
    tab.close()
    assert notebook.errors() == []


# What the browser writes in, where the page says `color-scheme` and no colour.
INK = {"light": "rgb(0, 0, 0)", "dark": "rgb(255, 255, 255)"}


def join(page, name):
    page.get_by_placeholder("Your name").fill(name)
    page.get_by_placeholder("Your name").press("Enter")
    expect(page.locator("#people")).to_contain_text(f"{name} (you)")


def say(page, words):
    page.get_by_placeholder("Say something").fill(words)
    page.get_by_placeholder("Say something").press("Enter")


def test_the_workspace_sets_the_stage_for_the_demo(lab):
    workspace = "demo.jupyterlab-workspace"
    shutil.copy(REPOSITORY / workspace, lab.folder)
    page = lab._page(1.0)
    page.set_viewport_size({"width": 1600, "height": 900})
    page.evaluate(
        "path => { window.jupyterapp.commands.execute('docmanager:open', {path}); }", workspace
    )
    page.wait_for_url("**/lab/workspaces/demo**")
    shown = {
        "notebooks/02_chat.ipynb": True,
        "solutions/02_chat.ipynb": True,
        "solutions/06_dashboard.ipynb": False,
    }
    page.wait_for_function(
        """count => {
            const open = Array.from(window.jupyterapp?.shell?.widgets('main') ?? []);
            return open.length === count && open.filter(panel => panel.isVisible)
                .every(panel => panel.sessionContext?.session?.kernel?.status === 'idle');
        }""",
        arg=len(shown),
    )
    panels = page.evaluate(
        """() => Array.from(window.jupyterapp.shell.widgets('main')).map(panel => [
            panel.context.path, panel.isVisible, panel.node.getBoundingClientRect().x,
            panel.sessionContext.session?.kernel?.id])"""
    )
    assert {path: visible for path, visible, _, _ in panels} == shown
    (_, _, left, one), (_, _, right, other) = [panel for panel in panels if panel[1]]
    assert right - left > 700 and one != other  # side by side, with a kernel each
    for session in lab.request("GET", "api/sessions"):
        lab.request("DELETE", f"api/sessions/{session['id']}")
