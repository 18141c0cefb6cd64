"""What several tests need."""

import asyncio
import importlib
import multiprocessing
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

import pytest

from client import widget
from tests.gallery.trial import try_out

WORKERS = 4  # enough to be done before the others are; more would take the time from those


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "beside: waits more than it works; runs beside others, in a process of its own"
    )


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Forget the clients that a test has left open: the loop on which they lived is closed."""
    yield
    widget._open.clear()


@pytest.fixture
def free_port() -> int:
    """Return a port on which nobody listens yet."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.hookimpl(trylast=True)  # when all tests in the browser are marked as such
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests in the browser come first, while nothing runs beside; and those that run in
    processes of their own last: by then they are done.
    """
    items.sort(key=lambda item: (is_beside(item), not is_in_browser(item)))  # else, the order stays


def is_in_browser(item: pytest.Item) -> bool:
    return item.get_closest_marker("browser") is not None


def is_beside(item: pytest.Item) -> bool:
    return item.get_closest_marker("beside") is not None


@pytest.fixture(scope="session")
def started_beside(request: pytest.FixtureRequest) -> "Iterator[dict[object, Future[Any]]]":
    """Start all selected tests marked `beside`, several at a time.

    The pieces of the galleries are started as well; theirs is the test that judges what came out.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        started = {}
        for item in filter(is_beside, request.session.items):
            if case := item.callspec.params.get("case") if hasattr(item, "callspec") else None:
                started[case] = started.get(case) or pool.submit(try_out, case)
            else:
                started[item.nodeid] = pool.submit(
                    run_test, item.module.__name__, item.originalname, number(item)
                )
        yield started
        pool.shutdown(cancel_futures=True)


@pytest.fixture(autouse=True)
def begun(request: pytest.FixtureRequest) -> None:
    """Start what runs beside others as soon as no browser needs the computer any more."""
    if not is_in_browser(request.node):
        request.getfixturevalue("started_beside")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not is_beside(pyfuncitem) or "case" in pyfuncitem.funcargs:
        return None
    started = pyfuncitem._request.getfixturevalue("started_beside")
    started[pyfuncitem.nodeid].result(120)
    return True


def number(item: pytest.Function) -> int | None:
    """Return which of its parameters a test has, counted from 0; None if it has none."""
    return next(iter(item.callspec.indices.values())) if hasattr(item, "callspec") else None


def run_test(module: str, function: str, number: int | None) -> None:
    """Run an `async def` test with one set of its parameters, on an event loop of its own."""
    test = getattr(importlib.import_module(module), function)
    arguments = {}
    for mark in test.pytestmark:
        if mark.name == "parametrize" and number is not None:
            names, values = mark.args
            names = [names] if isinstance(names, str) else names
            chosen = values[number] if len(names) > 1 else [values[number]]
            arguments = dict(zip(names, chosen, strict=True))
    try:
        asyncio.run(asyncio.wait_for(test(**arguments), 60))
    except pytest.fail.Exception as failed:  # which cannot be sent to another process
        raise AssertionError(str(failed)) from failed
