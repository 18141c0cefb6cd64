"""Lets `asyncio.run` work in a cell for a while, and takes that back afterwards."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def put_back() -> Iterator[None]:
    """Undo in the end what was patched in asyncio meanwhile, as `nest_asyncio2.apply()` does.

    That function has no counterpart that undoes it: what it puts in place of the event loop and its
    tasks stays there for all that runs in the kernel afterwards.

    Raises:
        RuntimeError: If no event loop runs.
    """
    former = [(patched, dict(vars(patched))) for patched in _patchable()]
    try:
        yield
    finally:
        for patched, names in former:
            for name, value in list(vars(patched).items()):
                if name not in names:
                    delattr(patched, name)
                elif value is not names[name]:
                    setattr(patched, name, names[name])


def _patchable() -> list[Any]:
    """Return the modules and classes in which nest_asyncio2 exchanges something."""
    loop, policy = asyncio.get_running_loop(), asyncio.get_event_loop_policy()
    places = [asyncio, asyncio.events, asyncio.tasks, asyncio.futures, type(loop), type(policy)]
    tornado = sys.modules.get("tornado.concurrent")
    return [*places, tornado] if tornado else places
