"""What the other browser tests rely on: that the harness does to JupyterLab what it says.

Run All, two kernels, restarts and reloads are what those tests show themselves.
"""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.lab import Lab, LabError, expect

BUTTON = """
from ipywidgets import HTML, Button, HBox
clicks, label = 0, HTML("<b>0</b> clicks")
def count(_):
    global clicks
    clicks += 1
    label.value = f"<b>{clicks}</b> clicks"
plus = Button(description="+")
plus.on_click(count)
HBox([plus, Button(description="−"), label])
"""
KERNEL = {"name": "python3", "display_name": "Python 3"}
CELLS = [
    new_markdown_cell("# A throwaway notebook"),
    new_code_cell("import os\nprint('folder', os.path.basename(os.getcwd()))\nos.getpid()"),
    new_code_cell(BUTTON.strip()),
    *[new_markdown_cell(f"Paragraph {number}.\n\n" + "Words. " * 60) for number in range(20)],
    new_code_cell("'the ' + 'end'"),
]


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    (root / "notebooks").mkdir()
    for name in ("ada", "bob"):
        notebook = new_notebook(cells=CELLS, metadata={"kernelspec": KERNEL})
        nbformat.write(notebook, root / "notebooks" / f"{name}.ipynb")
    # Under a path, as behind a hub; in the other modules it is not.
    with Lab(root, browser, {"COURSE_FIRST_PORT": "23456"}, base_url="/user/ada/") as started:
        yield started
        started.request("POST", "api/kernels")  # it must end with the lab
        processes = [started.pid, *(kernel.pid for kernel in started.kernel_processes().values())]
    assert len(processes) > 1
    assert not [process for process in processes if psutil.pid_exists(process)]


def test_two_pages_of_one_notebook_share_its_kernel(open_notebook):
    first, second = (open_notebook("notebooks/ada.ipynb") for _ in range(2))
    assert first.kernel_id() == second.kernel_id()
    first.close()
    assert second.kernel_pid()


def test_cells_can_be_written_inserted_and_run_one_by_one(open_notebook, lab):
    notebook = open_notebook(lab.write_notebook("scratch.ipynb", ["1 + 1", "1 / 0", "3"]))
    notebook.set_cell(0, "import os\nos.environ['COURSE_FIRST_PORT']")
    assert notebook.insert_cell_below("FIRST_PORT", "print('between')") == 1
    assert notebook.run_cell("between") > 0
    notebook.run_cell(0)
    assert [notebook.output_text(i) for i in range(4)] == ["'23456'", "between\n", "", ""]
    notebook.run_all()
    (error,) = notebook.errors()
    assert (error.index, error.name, error.value) == (2, "ZeroDivisionError", "division by zero")
    assert "1 / 0" in error.traceback
    assert "\x1b" not in error.traceback
    assert notebook.output_text(3) == ""  # Run All stops at an error
    expect(notebook.output(2)).to_contain_text("ZeroDivisionError")
    expect(notebook.cell(0)).to_contain_text("os.environ")
    with pytest.raises(LabError, match="is in 0 code cells"):
        notebook.index("nowhere")


def test_interrupt(open_notebook, lab):
    source = """
import asyncio
async def tick():  # or else the event loop would not wake up to see the interrupt
    while True:
        await asyncio.sleep(0.1)
ticking = asyncio.create_task(tick())
print('waiting')
await asyncio.Event().wait()
"""
    notebook = open_notebook(lab.write_notebook("endless.ipynb", [source.strip(), "'next'"]))
    with pytest.raises(LabError, match=r"Run All done not within 1 s; .* cell 0 is running"):
        notebook.run_all(seconds=1)
    assert notebook.running() == [0, 1]
    notebook.interrupt()
    assert notebook.running() == []
    assert [error.name for error in notebook.errors()] == ["CancelledError"]
    notebook.run_cell(1)
    assert notebook.output_text(1) == "'next'"
    notebook.run_cell(0, wait=False)
    expect(notebook.output(0)).to_contain_text("waiting")


def test_kill(open_notebook):
    ada, bob = open_notebook("notebooks/ada.ipynb"), open_notebook("notebooks/bob.ipynb")
    ada.run_all()
    bob.run_all()
    kernel, pid = ada.kernel_id(), bob.kernel_pid()
    killed = ada.kill_kernel()
    assert not psutil.pid_exists(killed)
    assert ada.kernel_id() == kernel
    assert ada.kernel_pid() != killed
    assert bob.kernel_pid() == pid
    ada.run_all()
    assert ada.output_text(1).endswith(str(ada.kernel_pid()))
    assert ada.close_dialogs() == []


def test_reload_without_saving_asks_nobody(open_notebook):
    notebook = open_notebook("notebooks/ada.ipynb")
    notebook.cell(1).click()
    notebook.page.keyboard.type("unsaved")
    notebook.reload(save=False)
    assert "unsaved" not in notebook.source(1)


def test_a_notebook_is_fresh_and_the_repository_untouched(open_notebook, lab):
    source = lab.root / "notebooks/ada.ipynb"
    before = source.read_bytes()
    notebook = open_notebook("notebooks/ada.ipynb")
    notebook.set_cell(1, "'changed'")
    notebook.run_all()
    notebook.save()
    assert "changed" in (lab.folder / notebook.path).read_text()
    pid = notebook.kernel_pid()
    notebook.close()
    assert not psutil.pid_exists(pid)
    assert "changed" not in lab.open("notebooks/ada.ipynb").source(1)
    assert source.read_bytes() == before


def test_pictures_in_both_themes(open_notebook, tmp_path):
    folder = Path(os.environ.get("KEEP_PICTURES", tmp_path))
    dark = open_notebook("notebooks/ada.ipynb", theme="dark", size=(900, 600))
    light = open_notebook("notebooks/bob.ipynb", theme="light", size=(500, 700), scale=2)
    for notebook, theme in ((dark, "dark"), (light, "light")):
        notebook.run_all()
        page = notebook.screenshot(folder / f"{theme}.png")
        full = notebook.screenshot(folder / f"{theme}-full.png", full=True)
        cell = notebook.screenshot(folder / f"{theme}-cell.png", of=notebook.output(2))
        assert page.stat().st_size < full.stat().st_size
        assert cell.stat().st_size
        expect(notebook.page.locator("body")).to_have_attribute(
            "data-jp-theme-light", "true" if theme == "light" else "false"
        )
    assert dark.page.viewport_size == {"width": 900, "height": 600}


def test_under_a_base_url(open_notebook):
    notebook = open_notebook("notebooks/ada.ipynb")
    assert "/user/ada/lab/" in notebook.page.url
    notebook.run_all()
    notebook.button(2, "+").click()
    expect(notebook.html(2)).to_have_text("1 clicks")
