"""A browser, a JupyterLab and notebooks for the tests here, and pictures of those that fail."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab import Lab, NoBrowser, Notebook, chromium, free_ports

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: needs Chromium and takes seconds")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


# Per package, not per session: while it lasts, `asyncio.run` raises, which other tests need.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium; without one the tests are skipped, in CI they fail."""
    with ExitStack() as stack:
        found, reason = None, ""
        try:
            found = stack.enter_context(chromium())
        except NoBrowser as missing:
            reason = str(missing)
        if found is None and os.environ.get("CI"):
            pytest.fail(f"CI must have a browser. {reason}", pytrace=False)
        if found is None:
            pytest.skip(reason)
        yield found


@pytest.fixture(scope="package")
def lab(browser: Browser) -> Iterator[Lab]:
    """JupyterLab on a copy of the course, with free ports and the modules of this very tree.

    All modules here share it, and the pages that closed notebooks leave: to start one and to load
    a page takes longer than most tests.
    """
    env = {"COURSE_FIRST_PORT": str(free_ports(20)), "PYTHONPATH": str(REPOSITORY)}
    with Lab(REPOSITORY, browser, env) as started:
        yield started


@pytest.fixture
def open_notebook(lab: Lab) -> Iterator[Callable[..., Notebook]]:
    """`lab.open`, whose notebooks are closed and whose kernels are ended after the test."""
    lab.forget_progress()
    yield lab.open
    for notebook in list(lab.notebooks):
        notebook.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    if report.failed and call.when in ("setup", "call"):
        for lab in [value for value in item.funcargs.values() if isinstance(value, Lab)]:
            report.sections.extend(evidence(lab, item))
    return report


def evidence(lab: Lab, item: pytest.Item) -> Iterator[tuple[str, str]]:
    """Pictures of all open pages, what their consoles complained about, the end of the log."""
    folder = item.config.rootpath / "test-screenshots"
    folder.mkdir(exist_ok=True)
    name = re.sub(r"[^\w.-]+", "-", item.name).strip("-")
    for number, notebook in enumerate(lab.notebooks, start=1):
        picture = folder / f"{name}-{number}.png"
        try:
            notebook.page.screenshot(path=picture, timeout=5000)
            said = [f"screenshot: {picture}", *notebook.complaints]
        except Exception as error:  # the report of the failure must not fail in its turn
            said = [f"no screenshot: {error}", *notebook.complaints]
        yield f"page {number}, {notebook.path}", "\n".join(said)
    yield "end of JupyterLab's log", lab.log_tail()
