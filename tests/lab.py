"""Drive a real JupyterLab in a real browser, as a learner would.

    with chromium() as browser, Lab(repository, browser) as lab:
        notebook = lab.open("notebooks/04_counter.ipynb", theme="dark")
        notebook.run_all()
        notebook.button("side_by_side", "+").click()

The lab works on a copy of the notebooks, with settings of its own: nothing that happens in it
changes the repository or the user's JupyterLab. What differs from a learner's JupyterLab: every
cell is rendered at once (`windowingMode` is `none`; JupyterLab 4.6 comes with `contentVisibility`,
which does not paint what is scrolled away), and a restart does not ask first.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import nbformat
import psutil

try:
    from playwright.async_api import Browser as AsyncBrowser
    from playwright.async_api import async_playwright
    from playwright.sync_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        Locator,
        Page,
        expect,
        sync_playwright,
    )
    from playwright.sync_api import Error as BrowserError
    from playwright.sync_api import TimeoutError as BrowserTimeout
except ImportError:  # who only reads or runs the other tests needs no browser; chromium() says so
    sync_playwright = expect = None

__all__ = [
    "CellError",
    "Lab",
    "LabError",
    "NoBrowser",
    "Notebook",
    "chromium",
    "chromium_beside",
    "expect",
    "free_ports",
]

COURSE = Path(__file__).resolve().parent.parent

START_SECONDS = 60.0  # a cold start on a busy machine; it usually takes 2 s
OPEN_SECONDS = 60.0
RUN_SECONDS = 60.0
TALLEST_PICTURE = 16_000  # device pixels; Chromium paints nothing below 16,384

SETTINGS: dict[str, dict[str, Any]] = {
    # The theme follows the page's colour scheme: a dark page and a light one can be open at once.
    "@jupyterlab/apputils-extension:themes": {"adaptive-theme": True},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/apputils-extension:sessionDialogs": {"skipKernelRestartDialog": True},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none", "scrollPastEnd": False},
}

# What JupyterLab asks the network or a build tool for, at two seconds a page.
PAGE_CONFIG = {
    "buildCheck": False,
    "buildAvailable": False,
    "disabledExtensions": {
        "@jupyterlab/apputils-extension:announcements": True,
        "@jupyterlab/extensionmanager-extension:plugin": True,
        # As course.py sets it in the environment of the course.
        **json.loads((COURSE / "labconfig" / "websocket-course.json").read_text())[
            "disabledExtensions"
        ],
    },
}

CHROMIUM_FLAGS = ["--disable-gpu", "--disable-quic", "--disable-component-update", "--disable-sync"]


class NoBrowser(RuntimeError):
    """There is no browser to test with; the message says what to install."""


class LabError(AssertionError):
    """JupyterLab did not do what was asked of it in time; the message says what it did instead."""


@dataclass(frozen=True)
class CellError:
    """An error that a cell ended with."""

    index: int
    name: str
    value: str
    traceback: str


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium, as long as the `with` block lasts.

    Until the block ends, Playwright keeps an event loop running in this thread: `asyncio.run`
    raises. So leave the block early, and never hold it for a whole pytest session.

    Raises NoBrowser when Playwright or Chromium is not installed, see `find_chromium`.
    """
    found = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@asynccontextmanager
async def chromium_beside() -> AsyncIterator[AsyncBrowser]:
    """A headless Chromium for who is on an event loop already, beside the server it shall show.

    Raises NoBrowser when Playwright or Chromium is not installed, see `find_chromium`.
    """
    found = find_chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=CHROMIUM_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


def find_chromium() -> str:
    """The path of the browser.

    Raises NoBrowser when Playwright or Chromium is not installed. The environment variable CHROMIUM
    names another browser than the first of chromium, chromium-browser, google-chrome on the PATH.
    """
    if sync_playwright is None:
        raise NoBrowser("Playwright is missing: python -m pip install playwright")
    wanted = os.environ.get("CHROMIUM")
    names = [wanted] if wanted else ["chromium", "chromium-browser", "google-chrome"]
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise NoBrowser(
            f"CHROMIUM is {wanted!r}, which is no program"
            if wanted
            else "Chromium is missing: apt install chromium, or set CHROMIUM to its path"
        )
    return found


def free_ports(count: int = 20) -> int:
    """The first of `count` ports in a row on which nobody listens, for COURSE_FIRST_PORT.

    They lie below the range from which the system takes ports for outgoing connections, and where
    neither the other tests nor the builder of notebooks look for theirs: those may run meanwhile.
    """
    starts = range(20_000, 25_000 - count, count)
    offset = secrets.randbelow(len(starts))
    for start in [*starts[offset:], *starts[:offset]]:
        with suppress(OSError):
            for port in range(start, start + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return start
    raise LabError(f"no {count} free ports in a row between {starts.start} and {starts.stop}")


class Lab:
    """A JupyterLab of its own, on a copy of the course, from `with` to the end of its block.

    Arguments:
        root: the repository (or any folder); `folders` of it are copied.
        browser: where `open` opens its pages, see `chromium`.
        env: variables for the lab and its kernels, on top of this process's own without JUPYTER…
        base_url: the path under which JupyterLab is served, as behind a hub: "/user/ada/".
        settings: JupyterLab settings, plugin by plugin, on top of SETTINGS.
    """

    def __init__(
        self,
        root: Path,
        browser: Browser,
        env: dict[str, str] | None = None,
        *,
        base_url: str = "/",
        settings: dict[str, dict[str, Any]] | None = None,
        folders: Sequence[str] = ("notebooks", "solutions"),
    ) -> None:
        self.root = Path(root)
        self.browser = browser
        self.base_url = "/" + base_url.strip("/") + "/" if base_url.strip("/") else "/"
        self.notebooks: list[Notebook] = []
        self.start_seconds = 0.0
        self.url = ""
        self._env = env or {}
        self._settings = SETTINGS | {
            k: SETTINGS.get(k, {}) | v for k, v in (settings or {}).items()
        }
        self._folders = folders
        self._token = secrets.token_hex(16)
        self._contexts: dict[float, BrowserContext] = {}
        self._idle_pages: dict[float, list[Page]] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Lab:
        self._home = Path(tempfile.mkdtemp(prefix="course-lab-")).resolve()
        self.folder = self._home / "course"
        self.folder.mkdir()
        self._progress = self._home / "progress.json"
        try:
            for name in self._folders:
                if (self.root / name).is_dir():
                    ignored = shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__")
                    shutil.copytree(self.root / name, self.folder / name, ignore=ignored)
            # A notebook runs a file in here, which looks whether this is the course it belongs to.
            if (self.root / "checks").is_dir():
                (self.folder / "checks").symlink_to(self.root.resolve() / "checks")
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.notebooks.clear()
        for context in self._contexts.values():
            with suppress(BrowserError):
                context.close()
        self._contexts.clear()
        self._idle_pages.clear()
        if self._process is not None:
            end_process(self._process)
            self._process = None
            self._log_file.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def _start(self) -> None:
        """Start the lab and wait until it answers."""
        own = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "lab-settings",
            "JUPYTERLAB_WORKSPACES_DIR": "lab-workspaces",
            "IPYTHONDIR": "ipython",
        }
        env = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")}
        env |= {k: str(self._home / v) for k, v in own.items()}
        # What passes in a lab of the tests, the learner has not passed.
        env |= {"COURSE_PROGRESS": str(self._progress)}
        env |= {"JUPYTER_TOKEN": self._token} | self._env
        labconfig = self._home / "config" / "labconfig"
        labconfig.mkdir(parents=True)
        overrides = labconfig / "default_setting_overrides.json"
        overrides.write_text(json.dumps(self._settings))
        (labconfig / "page_config.json").write_text(json.dumps(PAGE_CONFIG))
        command = [
            sys.executable,
            "-m",
            "jupyterlab",
            "--no-browser",
            "--allow-root",
            "--ip=127.0.0.1",
        ]
        command += ["--port=0", f"--ServerApp.base_url={self.base_url}"]
        command += [f"--ServerApp.root_dir={self.folder}", "--expose-app-in-browser"]
        command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
        command += ["--LabApp.extension_manager=readonly"]  # the other one asks PyPI
        # As course.py does: of an unsigned notebook, JupyterLab shows no widget after a reload.
        copies = [str(path) for path in sorted(self.folder.rglob("*.ipynb"))]
        sign = "from nbformat.sign import TrustNotebookApp as App; App.launch_instance()"
        subprocess.run([sys.executable, "-c", sign, *copies], env=env, check=True)
        began = time.monotonic()
        self._log_path = self._home / "lab.log"
        self._log_file = self._log_path.open("wb")
        self._process = subprocess.Popen(
            command, env=env, cwd=self.folder, stdout=self._log_file, stderr=subprocess.STDOUT
        )
        info = self._home / "runtime" / f"jpserver-{self._process.pid}.json"
        while not self._answers(info):
            # Waiting for the process to end is what tells at once that it did.
            with suppress(subprocess.TimeoutExpired):
                code = self._process.wait(0.05)
                raise LabError(f"JupyterLab ended with {code} as it started:\n{self.log_tail()}")
            if time.monotonic() - began > START_SECONDS:
                raise LabError(f"JupyterLab did not start in {START_SECONDS} s:\n{self.log_tail()}")
        self.start_seconds = time.monotonic() - began

    def _answers(self, info: Path) -> bool:
        try:
            self.url = json.loads(info.read_text())["url"]
            self.request("GET", "api/status")
        except (OSError, ValueError):
            return False
        return True

    @property
    def pid(self) -> int:
        """The process id of the Jupyter server, whose children the kernels are."""
        if self._process is None:
            raise LabError("JupyterLab is not running")
        return self._process.pid

    def request(self, method: str, path: str, timeout: float = 30.0) -> Any:
        """Ask the lab's REST API; `path` is relative to its base URL. Gives the decoded answer."""
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Authorization", f"token {self._token}")
        # What the environment says about proxies is not meant for this machine itself.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=timeout) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def log_tail(self, lines: int = 60) -> str:
        """The last lines of what JupyterLab and its kernels wrote to the terminal."""
        with suppress(OSError):
            return "\n".join(self._log_path.read_text(errors="replace").splitlines()[-lines:])
        return "(no log)"

    def kernel_processes(self) -> dict[str, psutil.Process]:
        """The process of each running kernel, by the kernel's id."""
        found = {}
        for process in psutil.Process(self.pid).children(recursive=True):
            with suppress(psutil.Error):
                if match := re.search(r"kernel-([0-9a-f-]{36})\.json", " ".join(process.cmdline())):
                    found[match[1]] = process
        return found

    def forget_progress(self) -> None:
        """Let this lab's kernels begin as those of somebody who has passed nothing yet."""
        self._progress.unlink(missing_ok=True)

    def write_notebook(self, path: str, sources: Sequence[str]) -> str:
        """Put a notebook of code cells into the lab's folder; gives back its path, for `open`."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in sources],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        for number, cell in enumerate(notebook.cells):
            cell.id = f"cell-{number}"
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, self.folder / path)
        return path

    def open(
        self,
        path: str,
        *,
        theme: Literal["light", "dark"] = "light",
        size: tuple[int, int] = (1280, 800),
        scale: float = 1.0,
        sidebar: bool = False,
    ) -> Notebook:
        """Open a notebook in a page of its own, and wait until its kernel is idle.

        Two pages with different notebooks have different kernels; two pages with the same notebook
        share one, as in JupyterLab. Unless the notebook is open already, it is copied from the
        repository afresh.

        Arguments:
            size: of the page, in CSS pixels.
            scale: device pixels per CSS pixel; 2 gives sharp pictures.
            sidebar: keep JupyterLab's file browser on the left.
        """
        source = self.root / path
        if source.is_file() and all(other.path != path for other in self.notebooks):
            shutil.copyfile(source, self.folder / path)
        page = self._page(scale)
        notebook = Notebook(self, page, path, scale, sidebar)
        self.notebooks.append(notebook)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=theme)
        page.evaluate(
            """path => {
                window.jupyterapp.commands.execute('docmanager:open', {path, factory: 'Notebook'});
            }""",
            path,
        )
        notebook._wait_until_ready(theme)
        return notebook

    def _page(self, scale: float) -> Page:
        """A page with JupyterLab in it: one that a closed notebook left, or a new one (4 s)."""
        if self._idle_pages.get(scale):
            return self._idle_pages[scale].pop()
        if scale not in self._contexts:
            self._contexts[scale] = self.browser.new_context(device_scale_factor=scale)
        page = self._contexts[scale].new_page()
        page.on("dialog", lambda dialog: dialog.accept())  # "leave this page?"
        # A workspace of its own, or else the pages would rearrange each other.
        workspace = f"{self.url}lab/workspaces/test-{secrets.token_hex(4)}"
        page.goto(f"{workspace}?token={self._token}", wait_until="commit")
        try:
            page.wait_for_function(
                "() => window.jupyterapp && window.jupyterapp.restored.then(() => true)",
                timeout=OPEN_SECONDS * 1000,
                polling=20,
            )
        except BrowserTimeout:
            page.close()
            raise LabError(f"JupyterLab's page is not there in {OPEN_SECONDS:g} s") from None
        return page


class Notebook:
    """A notebook open in a page.

    Where a method takes `which`, that is a cell's number (from 0, or from -1 backwards), or a text
    that occurs in the source of one code cell only.
    """

    def __init__(self, lab: Lab, page: Page, path: str, scale: float, sidebar: bool) -> None:
        self.lab = lab
        self.page = page
        self.path = path
        self.complaints: list[str] = []  # what the browser's console showed as errors
        self._scale = scale
        self._sidebar = sidebar
        page.on("pageerror", self._on_page_error)
        page.on("console", self._on_console)

    def _on_page_error(self, error: BrowserError) -> None:
        self.complaints.append("\n".join(filter(None, [str(error), error.stack])))

    def _on_console(self, line: ConsoleMessage) -> None:
        if line.type == "error":
            self.complaints.append(line.text)

    # Asking JupyterLab itself, rather than what it happens to render.

    _FIND = """([path, argument]) => {
        const app = window.jupyterapp;
        const open = app ? Array.from(app.shell.widgets('main')) : [];
        const panel = open.find(widget => widget.context?.path === path);
        const kernel = panel?.sessionContext.session?.kernel;
        return (%s)(panel, argument, app, kernel);
    }"""

    def _ask(self, function: str, argument: Any = None) -> Any:
        return self.page.evaluate(self._FIND % function, [self.path, argument])

    def _wait(self, function: str, argument: Any = None, *, seconds: float, what: str) -> None:
        try:
            self.page.wait_for_function(
                self._FIND % function,
                arg=[self.path, argument],
                timeout=seconds * 1000,
                polling=20,
            )
        except BrowserTimeout:
            raise LabError(
                f"{self.path}: {what} not within {seconds:g} s; {self._state()}"
            ) from None

    def _state(self) -> str:
        status = self._ask("(panel, _, app, kernel) => kernel?.status ?? 'missing'")
        dialogs = self.page.locator(".jp-Dialog").all_inner_texts()
        said = [f"the kernel is {status}"]
        said += [f"cell {i} is running: {self.source(i)!r}" for i in self.running()]
        said += [f"a dialog says {text!r}" for text in dialogs]
        said += [f"cell {error.index}: {error.name}: {error.value}" for error in self.errors()]
        return ", ".join(said)

    def _wait_until_ready(self, theme: str | None = None) -> None:
        self._wait(
            """(panel, theme, app, kernel) => {
                if (!panel?.context.isReady || !panel.sessionContext.isReady) return false;
                // The launcher, which JupyterLab opens where nothing is open
                for (const other of Array.from(app.shell.widgets('main')))
                    if (other !== panel) other.close();
                return panel.content.widgets.length > 0
                    && kernel?.status === 'idle' && kernel.connectionStatus === 'connected'
                    && (!theme || document.body.dataset.jpThemeLight === String(theme === 'light'));
            }""",
            theme,
            seconds=OPEN_SECONDS,
            what="open with an idle kernel",
        )
        side = "expandLeft" if self._sidebar else "collapseLeft"
        self.page.evaluate(f"() => window.jupyterapp.shell.{side}()")

    # Cells

    def sources(self) -> list[str]:
        """The source of every cell, Markdown ones too."""
        return self._ask(
            "panel => panel ? panel.content.widgets.map(c => c.model.sharedModel.getSource()) : []"
        )

    def source(self, which: int | str) -> str:
        """The source of one cell."""
        return self.sources()[self.index(which)]

    def index(self, which: int | str) -> int:
        """The number of a cell."""
        kinds = self._ask("panel => panel ? panel.content.widgets.map(c => c.model.type) : []")
        if isinstance(which, int):
            if not -len(kinds) <= which < len(kinds):
                raise LabError(f"{self.path} has {len(kinds)} cells, none is number {which}")
            return which % len(kinds)
        found = [
            number
            for number, (kind, source) in enumerate(zip(kinds, self.sources(), strict=True))
            if kind == "code" and which in source
        ]
        if len(found) != 1:
            raise LabError(
                f"{self.path}: {which!r} is in {len(found)} code cells {found}, wanted one"
            )
        return found[0]

    def set_cell(self, which: int | str, source: str) -> None:
        """Write a cell's source anew, as if the learner had typed it."""
        self._ask(
            "(panel, [i, source]) => panel.content.widgets[i].model.sharedModel.setSource(source)",
            [self.index(which), source],
        )

    def insert_cell_below(
        self, which: int | str, source: str, kind: Literal["code", "markdown"] = "code"
    ) -> int:
        """Put a new cell below another, and give back its number."""
        index = self.index(which) + 1
        self._ask(
            """(panel, [i, source, kind]) => {
                const cell = {cell_type: kind, source, metadata: {}};
                panel.content.model.sharedModel.insertCell(i, cell);
            }""",
            [index, source, kind],
        )
        return index

    # Running

    def run_all(self, seconds: float = RUN_SECONDS) -> float:
        """Run All Cells, wait until none is running, and give back how many seconds that took.

        It stops at the first cell that raises: see `errors`.
        """
        return self._run("notebook:run-all-cells", seconds, "Run All")

    def run_cell(
        self, which: int | str, seconds: float = RUN_SECONDS, *, wait: bool = True
    ) -> float:
        """Run one cell, wait until it is done (unless `wait=False`); gives the seconds it took."""
        index = self.index(which)
        self._ask(
            "(panel, i) => { panel.content.deselectAll(); panel.content.activeCellIndex = i; }",
            index,
        )
        return self._run("notebook:run-cell", seconds if wait else 0, f"running cell {index}")

    def _run(self, command: str, seconds: float, what: str) -> float:
        self._ask(
            """(panel, command, app) => {
                const run = panel.courseRun = {};
                const began = performance.now();
                const end = () => { run.seconds = (performance.now() - began) / 1000; };
                app.shell.activateById(panel.id);
                app.commands.execute(command).then(end, end);
            }""",
            command,
        )
        if not seconds:
            return 0.0
        self._wait(
            "panel => panel.courseRun.seconds !== undefined", seconds=seconds, what=f"{what} done"
        )
        self.wait_until_done(seconds)
        return self._ask("panel => panel.courseRun.seconds")

    def running(self) -> list[int]:
        """The numbers of the cells that run or wait to run: those that show [*]."""
        return self._ask(RUNNING)

    def wait_until_done(self, seconds: float = RUN_SECONDS) -> None:
        """Wait until no cell shows [*] and the kernel is idle."""
        self._wait(
            f"""(panel, _, app, kernel) =>
                kernel?.status === 'idle' && ({RUNNING})(panel).length === 0""",
            seconds=seconds,
            what="all cells done",
        )

    # What a cell shows

    def cell(self, which: int | str) -> Locator:
        """A cell as the browser shows it, its input and its output."""
        panel = self._ask("panel => panel.id")
        return self.page.locator(f'[id="{panel}"] .jp-Notebook-cell').nth(self.index(which))

    def output(self, which: int | str) -> Locator:
        """What the browser shows below a cell, widgets among it."""
        return self.cell(which).locator(".jp-Cell-outputArea")

    def button(self, which: int | str, label: str) -> Locator:
        """The buttons of this very label in a cell's output; `.nth(1)` is the second one."""
        return self.output(which).get_by_role("button", name=label, exact=True)

    def html(self, which: int | str) -> Locator:
        """The HTML widgets in a cell's output, in order, without their descriptions."""
        return self.output(which).locator(".widget-html-content")

    def output_text(self, which: int | str) -> str:
        """The text that the kernel sent as a cell's output: prints, results, tracebacks uncoloured.

        A widget is in it as its repr; what a learner reads is `output(which).inner_text()`.
        """
        return "".join(map(text_of, self._outputs(self.index(which))))

    def _outputs(self, index: int) -> list[dict[str, Any]]:
        return self._ask(
            "(panel, i) => panel.content.widgets[i].model.outputs?.toJSON() ?? []", index
        )

    def errors(self) -> list[CellError]:
        """The errors that cells ended with (those shown in an Output widget are not among them)."""
        every = self._ask(
            """panel => panel ? panel.content.widgets.flatMap((cell, index) =>
                (cell.model.outputs?.toJSON() ?? [])
                    .filter(output => output.output_type === 'error')
                    .map(output => ({index, ...output}))) : []"""
        )
        return [
            CellError(error["index"], error["ename"], error["evalue"], text_of(error))
            for error in every
        ]

    # The kernel

    def kernel_id(self) -> str:
        """The kernel's id, which stays the same when it is restarted."""
        return self._ask("(panel, _, app, kernel) => kernel.id")

    def kernel_pid(self) -> int:
        """The process id of the kernel, which changes when it is restarted."""
        return self._kernel_process().pid

    def _kernel_process(self) -> psutil.Process:
        processes = self.lab.kernel_processes()
        if (kernel := self.kernel_id()) not in processes:
            raise LabError(
                f"{self.path}: kernel {kernel} has no process, there are {sorted(processes)}"
            )
        return processes[kernel]

    def restart_kernel(self) -> None:
        """Restart the kernel as the menu does, and wait until the new one is idle. Outputs stay."""
        self._run("notebook:restart-kernel", OPEN_SECONDS, "Restart Kernel")
        self._wait_until_ready()

    def interrupt(self) -> None:
        """Interrupt the kernel, as the stop button does, and wait until no cell is running.

        A cell that awaits ends only when its event loop next wakes up: with nothing else going on
        in the kernel, an interrupted `await asyncio.sleep(30)` lasts its 30 s.
        """
        self._run("notebook:interrupt-kernel", RUN_SECONDS, "Interrupt Kernel")

    def kill_kernel(self, *, wait: bool = True) -> int:
        """End the kernel's process with SIGKILL, as if it had crashed; gives back its process id.

        Jupyter notices within 3 s and starts a new kernel under the same id; JupyterLab tells so in
        a dialog. With `wait`, that is waited for and the dialog closed (in this page: another page
        on this kernel has its own, see `close_dialogs`).
        """
        process = self._kernel_process()
        self._ask(
            """(panel, _, app, kernel) => {
                panel.courseDeath = [];
                kernel.statusChanged.connect((_, status) => panel.courseDeath.push(status));
            }"""
        )
        process.kill()
        with suppress(psutil.NoSuchProcess):
            process.wait(10)
        if wait:
            self.wait_for_new_kernel()
        return process.pid

    def wait_for_new_kernel(self) -> None:
        """Wait until the kernel that follows a killed one is idle, and close the dialog on it."""
        self._wait(
            """(panel, _, app, kernel) => panel.courseDeath.includes('autorestarting')
                && kernel?.status === 'idle' && kernel.connectionStatus === 'connected'
                && document.querySelector('.jp-Dialog')""",
            seconds=OPEN_SECONDS,
            what="a new kernel after the killed one",
        )
        self.close_dialogs()

    def close_dialogs(self) -> list[str]:
        """Press Ok in every dialog that JupyterLab shows, and give back what they said."""
        said = []
        while (dialog := self.page.locator(".jp-Dialog").last).count():
            said.append(dialog.inner_text())
            handle = dialog.element_handle()
            dialog.locator(".jp-mod-accept").click()
            handle.wait_for_element_state("hidden")
        return said

    # The page

    def save(self) -> None:
        """Save the notebook into the lab's copy."""
        self._run("docmanager:save", RUN_SECONDS, "Save")

    def reload(self, *, save: bool = True) -> None:
        """Load the page anew, and wait until the notebook is back and its kernel (the same) idle.

        With `save`, the outputs come back, and with them the widgets that the kernel still has.
        """
        if save:
            self.save()
        # Reset, because the layout that JupyterLab would restore is saved late.
        workspace = re.match(r".*/lab/workspaces/[^/?]+", self.page.url)[0]
        self.page.goto(f"{workspace}/tree/{quote(self.path)}?reset", wait_until="commit")
        self._wait_until_ready()

    def show_in(self, theme: Literal["light", "dark"]) -> None:
        """Change the theme of the page, and wait until its colours are there.

        While JupyterLab loads them, it shows its splash screen; the body says earlier what it is.
        """
        self.page.emulate_media(color_scheme=theme)
        self._wait(
            """(panel, light) => document.body.dataset.jpThemeLight === light
                && !document.querySelector('#jupyterlab-splash')""",
            str(theme == "light").lower(),
            seconds=30,
            what=f"the {theme} theme",
        )

    def close(self) -> None:
        """Close the notebook without saving; end its kernel unless another page has it open."""
        if self not in self.lab.notebooks:
            return
        self.lab.notebooks.remove(self)
        self.page.remove_listener("pageerror", self._on_page_error)
        self.page.remove_listener("console", self._on_console)
        if self._leave_page():
            self.lab._idle_pages.setdefault(self._scale, []).append(self.page)
        else:
            self.page.close()
        if all(other.path != self.path for other in self.lab.notebooks):
            for session in self.lab.request("GET", "api/sessions"):
                if session["path"] == self.path:
                    self.lab.request("DELETE", f"api/sessions/{session['id']}")

    def _leave_page(self) -> bool:
        """Close the document in its page; says whether the page is as good as new."""
        try:
            if self.complaints or self.page.locator(".jp-Dialog").count():
                return False
            self._ask("panel => { panel.context.model.dirty = false; panel.close(); }")
            self._wait("panel => panel === undefined", seconds=5, what="closed")
        except (BrowserError, LabError):
            return False
        return True

    def screenshot(
        self,
        path: Path | str,
        of: Locator | None = None,
        *,
        full: bool = False,
        style: str = "",
    ) -> Path:
        """Take a PNG of the page, or of one element, or (`full`) of all of the notebook's cells.

        An element may be taller than the page. `style` is CSS for the picture alone.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        options: dict[str, Any] = {"path": path, "animations": "disabled", "style": style}
        if not full and of is None:
            self._wait_for_pictures()
            self.page.screenshot(**options)
            return path
        with self._tall_page():
            self._wait_for_pictures()
            if of is not None:
                of.screenshot(**options)
            else:
                self.page.screenshot(**options, clip=self._ask(CELLS_BOX))
        return path

    def _wait_for_pictures(self) -> None:
        self._wait(
            """() => document.fonts.status === 'loaded'
                && Array.from(document.images).every(image => image.complete)""",
            seconds=10,
            what="fonts and pictures loaded",
        )

    @contextmanager
    def _tall_page(self) -> Iterator[None]:
        """Make the page so tall that the notebook needs no scrolling."""
        before = self.page.viewport_size
        try:
            for _ in range(5):  # cells may grow as they come into sight
                shown, whole = self._ask(
                    """panel => [panel.content.outerNode.clientHeight,
                              panel.content.outerNode.scrollHeight]"""
                )
                if whole <= shown:
                    break
                size = self.page.viewport_size
                height = size["height"] + whole - shown
                if height * self._scale > TALLEST_PICTURE:
                    raise LabError(
                        f"{self.path} is over {TALLEST_PICTURE} pixels tall: too tall for a picture"
                    )
                self.page.set_viewport_size({"width": size["width"], "height": height})
                self._wait(
                    "(panel, height) => panel.content.outerNode.clientHeight >= height",
                    whole,
                    seconds=10,
                    what="a tall page",
                )
            yield
        finally:
            self.page.set_viewport_size(before)


RUNNING = """panel => (panel ? panel.content.widgets : []).flatMap((cell, i) =>
    cell.model.executionState === 'running'
    || cell.node.querySelector('.jp-InputArea-prompt')?.textContent.includes('*') ? [i] : [])"""

CELLS_BOX = """panel => {
    const boxes = panel.content.widgets.map(cell => cell.node.getBoundingClientRect());
    const all = panel.content.outerNode.getBoundingClientRect();
    const bottom = Math.min(all.bottom, Math.max(...boxes.map(box => box.bottom)) + 12);
    return {x: all.x, y: all.y, width: panel.content.outerNode.clientWidth, height: bottom - all.y};
}"""


def text_of(output: dict[str, Any]) -> str:
    """One output of a cell (nbformat's) as plain text."""
    if output["output_type"] == "stream":
        text = output["text"]
    elif output["output_type"] == "error":
        text = "\n".join(output["traceback"]) + "\n"
    else:
        text = output["data"].get("text/plain", "")
    text = "".join(text) if isinstance(text, list) else text
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def end_process(process: subprocess.Popen[bytes], seconds: float = 10.0) -> None:
    """End a process and all that it started: gently first, then whoever is left."""
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        for left in [
            *family,
            *([] if process.poll() is not None else [psutil.Process(process.pid)]),
        ]:
            with suppress(psutil.NoSuchProcess):
                left.kill()
        psutil.wait_procs(family, timeout=seconds)
    process.wait()
