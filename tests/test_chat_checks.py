"""What the checks of the chat and of the typing indicator say of right and wrong code."""

import asyncio
import importlib
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

import checks
from checks.report import Report, State

GALLERIES = {
    "chat_servers": "check_chat",
    "chat_clients": "check_chat_client",
    "typing_indicator_servers": "check_typing_indicator",
    "typing_indicator_clients": "check_typing_indicator_client",
}
WORKERS = 6  # they wait more than they work


def shelf(gallery: str, name: str) -> list:
    return getattr(importlib.import_module(f"tests.gallery.{gallery}"), name)


def cases(name: str) -> list:
    return [
        pytest.param((gallery, name, number), id=f"{gallery}: {piece.title}")
        for gallery in GALLERIES
        for number, piece in enumerate(shelf(gallery, name))
    ]


def try_out(gallery: str, name: str, number: int) -> Report:
    """Check a piece of a gallery, on an event loop of its own."""
    piece = shelf(gallery, name)[number]

    async def check() -> Report:
        return await getattr(checks, GALLERIES[gallery])(piece.run())

    return asyncio.run(check())


@pytest.fixture(scope="module")
def reports(request: pytest.FixtureRequest) -> Iterator[dict]:
    """Try out the pieces that the selected tests need, several at a time."""
    items = [item for item in request.session.items if hasattr(item, "callspec")]
    selected = [item.callspec.params["case"] for item in items if "case" in item.callspec.params]
    mine = [case for case in selected if isinstance(case, tuple)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        yield {case: pool.submit(try_out, *case) for case in mine}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("case", cases("WRONG"))
def test_wrong_code_is_refused_with_words_for_its_mistake(case, reports):
    gallery, name, number = case
    piece, report = shelf(gallery, name)[number], reports[case].result(60)
    assert "".join(outcome.state.value for outcome in report.outcomes) == piece.marks, f"\n{report}"
    caught = next(o for o in report.outcomes if o.state is not State.PASSED)
    assert piece.words
    for words in piece.words:
        assert words in caught.words
    assert "0x" not in str(report)


@pytest.mark.parametrize("case", cases("RIGHT"))
def test_right_code_passes(case, reports):
    report = reports[case].result(60)
    assert report.passed, f"\n{report}"
