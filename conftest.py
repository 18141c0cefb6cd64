"""What holds for every test and every notebook that pytest runs."""

import asyncio
import inspect
import os
import random
import socket
import tempfile
from contextlib import ExitStack

import pytest

PORTS = 20


def free_ports() -> int:
    """Return the first of 20 ports in a row on which nobody listens."""
    for first in random.sample(range(30_000, 32_000, PORTS), 100):
        with ExitStack() as bound:
            try:
                for port in range(first, first + PORTS):
                    bound.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise RuntimeError(f"There are no {PORTS} free ports in a row.")


# Kernels inherit it. On the default ports a class may be running, which no test must join.
os.environ["COURSE_FIRST_PORT"] = str(free_ports())
# The checks that pass here are not what whoever runs the tests has passed.
scratch = tempfile.TemporaryDirectory(prefix="course-progress-")
os.environ["COURSE_PROGRESS"] = os.path.join(scratch.name, "progress.json")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests, each on an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), 60))
    return True
