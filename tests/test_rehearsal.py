"""A class that comes and goes, with a teacher who looks on: a few seconds of the rehearsal."""

import random
import sys

import pytest

from tests.lab import NoBrowser, find_chromium
from tools.rehearse_class import rehearse


@pytest.fixture
def seed():
    """Without a browser the tests are skipped; the seed is printed if they fail."""
    if sys.platform == "darwin":
        pytest.skip("macOS does not have 127.0.0.2 from the beginning")
    try:
        find_chromium()
    except NoBrowser as missing:
        pytest.skip(str(missing))
    number = random.randrange(10**6)
    print(f"seed {number}")
    random.seed(number)


# Not in tests/browser: while the browser of those tests is open, `asyncio.run` raises.
@pytest.mark.browser
async def test_the_teachers_view_is_right_whoever_comes_and_goes(seed):
    record = await rehearse(5, students=12, pages=4)
    assert record.wrong == []
    assert len(record.seconds) > 4 and record.connections > 8
