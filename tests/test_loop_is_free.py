"""Playwright's event loop must be gone when the browser is: other tests call `asyncio.run`."""

import asyncio

import pytest


@pytest.mark.browser  # to run where those in the browser have run, after the last of them
def test_asyncio_run():
    assert asyncio.run(asyncio.sleep(0, "ran")) == "ran"
