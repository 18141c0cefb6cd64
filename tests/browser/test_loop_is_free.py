"""Playwright's event loop must be gone when the browser is: other tests call `asyncio.run`."""

import asyncio


def test_asyncio_run():
    assert asyncio.run(asyncio.sleep(0, "ran")) == "ran"
