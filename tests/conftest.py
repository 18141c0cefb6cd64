"""What several tests need."""

import asyncio
import importlib
import multiprocessing
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor

import pytest

from client import widget

WORKERS = 6  # they wait more than they work


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


@pytest.fixture(scope="session")
def started_beside(request: pytest.FixtureRequest) -> Iterator[dict[str, "Future[None]"]]:
    """Start all selected tests marked `beside`, several at a time."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        yield {
            item.nodeid: pool.submit(
                run_test, item.module.__name__, item.originalname, number(item)
            )
            for item in request.session.items
            if item.get_closest_marker("beside")
        }
        pool.shutdown(cancel_futures=True)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if pyfuncitem.get_closest_marker("beside") is None:
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
    asyncio.run(asyncio.wait_for(test(**arguments), 60))
