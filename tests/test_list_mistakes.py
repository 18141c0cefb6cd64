"""The page about the checks lists what the galleries hold, and the galleries hold enough."""

import pytest

from tests.gallery import Piece
from tests.gallery.trial import GALLERIES
from tools.list_mistakes import (
    BEGIN,
    COMMAND,
    PAGE,
    RIGHT,
    WRONG,
    caught_by,
    criteria_of,
    galleries,
    in_a_cell,
    mistakes,
    pieces,
    with_tables,
)


def test_the_page_says_what_the_galleries_hold():
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_tables(page), f"{PAGE} is out of date: {COMMAND}"


def test_the_tables_replace_what_stands_in_the_page_and_nothing_else():
    page = PAGE.read_text(encoding="utf-8")
    spoiled = page.replace("| a loop for each connection |", "| something else |")
    assert spoiled != page
    assert with_tables(spoiled) == page
    with pytest.raises(ValueError, match="Expected the lines"):
        with_tables(page.replace(BEGIN, ""))


def test_every_exercise_has_a_gallery_of_servers_and_one_of_clients():
    assert sorted(gallery for gallery, _ in galleries()) == sorted(GALLERIES)


@pytest.mark.parametrize("gallery", GALLERIES)
def test_a_gallery_has_enough(gallery: str):
    wrong, right = pieces(gallery, WRONG), pieces(gallery, RIGHT)
    assert len(right) >= 3
    titles = [piece.title for piece in wrong + right]
    assert len(set(titles)) == len(titles)
    # Not any words: they stand in the table, and shall tell what the learner is told.
    assert all(len(" ".join(piece.words)) >= 15 for piece in wrong)
    # A criterion that no mistake fails might as well not be there.
    for at, title in enumerate(criteria_of(gallery).titles):
        assert any(piece.marks[at] in "✗!" for piece in wrong), f"nothing fails “{title}”"


def test_there_are_at_least_fifty_mistakes():
    assert len(set(mistakes())) >= 50


@pytest.mark.parametrize("marks", ["", "✓", "✓✓✓✓✓✓✓", "✓✓✓✓✓✓✗✓"])
def test_marks_that_cannot_be_are_refused(marks: str):
    with pytest.raises(ValueError, match="Expected one for each of the 7 criteria"):
        caught_by("counter_servers", Piece("a mistake", (), marks))


def test_words_stay_themselves_in_a_table():
    assert in_a_cell("uniform(*pace) or <b>") == r"uniform(\*pace) or &lt;b>"
    assert in_a_cell("a | b, `*_| <b>`, last_one") == r"a \| b, `*_\| <b>`, last\_one"
