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


def free_ports() -> tuple[int, socket.socket]:
    """Return the first of 20 ports in a row on which nobody listens, and what reserves them.

    Another run of the tests, with another Python, looks for its ports in the same place. The two
    are told apart by the port after the 20, which stays taken.
    """
    for first in random.sample(range(30_000, 32_000, PORTS + 1), 90):
        with ExitStack() as probes:
            free = [probes.enter_context(socket.socket()) for _ in range(PORTS)]
            reserved = socket.socket()
            try:
                for port, probe in enumerate([*free, reserved], first):
                    probe.bind(("127.0.0.1", port))
            except OSError:
                reserved.close()
                continue
            return first, reserved
    raise RuntimeError(f"There are no {PORTS} free ports in a row.")


# Kernels inherit it. On the default ports a class may be running, which no test must join.
first_port, reserved = free_ports()
os.environ["COURSE_FIRST_PORT"] = str(first_port)
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
