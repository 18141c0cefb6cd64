"""Write the learners' mistakes into checks/README.md as a table: ``python -m tools.list_mistakes``.

The galleries in tests/gallery/ hold code as learners write it, wrong and right, with what the
checks must say of it; tests/test_checks.py runs each piece and holds its check to that. So this
tool need not run anything: what it lists has been tried.
"""

import argparse
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import checks
from checks.criteria import Criteria
from server.ports import EXERCISES
from tests.gallery import ROOT, Piece
from tests.gallery.trial import GALLERIES

PAGE = ROOT / "checks" / "README.md"
COMMAND = "python -m tools.list_mistakes"
BEGIN, END = f"<!-- from here on written by {COMMAND} -->\n", "<!-- to here -->\n"
WRONG, RIGHT = ("WRONG", "BLOCKED"), ("RIGHT",)
# In a cell of a table, outside of `code`, these would be something else than themselves.
NOT_THEMSELVES = str.maketrans({"*": r"\*", "_": r"\_", "<": "&lt;", "\n": " "})


def pieces(gallery: str, shelves: tuple[str, ...]) -> list[Piece]:
    """Return what stands on some shelves of a gallery."""
    module = importlib.import_module(f"tests.gallery.{gallery}")
    return [piece for shelf in shelves for piece in getattr(module, shelf, [])]


def criteria_of(gallery: str) -> Criteria:
    """Return the criteria that a gallery is held against."""
    check = getattr(checks, GALLERIES[gallery])
    module: ModuleType = importlib.import_module(check.__module__)
    return module.CLIENT if gallery.endswith("_clients") else module.SERVER


def caught_by(gallery: str, piece: Piece) -> str:
    """Return the title of the criterion that catches a mistake: the first that does not pass.

    Raises:
        ValueError: If the marks of the piece are not one for each criterion, or all passed.
    """
    titles = criteria_of(gallery).titles
    if len(piece.marks) != len(titles) or not piece.marks.strip("✓"):
        raise ValueError(
            f"{gallery}: {piece.title!r} has the marks {piece.marks!r}. Expected one for each of "
            f"the {len(titles)} criteria, and one of them not ✓."
        )
    return next(t for mark, t in zip(piece.marks, titles, strict=True) if mark != "✓")


def galleries() -> Iterator[tuple[str, str]]:
    """Yield the galleries in the order of the course, each with its exercise in words."""
    for number, exercise in enumerate(EXERCISES, 1):
        for part in ("server", "client"):
            yield f"{exercise}_{part}s", f"{number} {exercise.replace('_', ' ')}, {part}"
    yield "scale_senders", "9 scale"


def mistakes() -> list[tuple[str, str, str, str]]:
    """Return a row for each mistake: exercise, mistake, criterion, words."""
    return [
        (exercise, piece.title, caught_by(gallery, piece), " … ".join(piece.words))
        for gallery, exercise in galleries()
        for piece in pieces(gallery, WRONG)
    ]


def ways() -> list[tuple[str, str]]:
    """Return a row for each gallery: exercise, and the right ways to write it."""
    return [
        (exercise, "; ".join(piece.title for piece in pieces(gallery, RIGHT)))
        for gallery, exercise in galleries()
    ]


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return rows as a table in Markdown."""
    lines = [head, tuple("---" for _ in head), *(tuple(map(in_a_cell, row)) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def in_a_cell(words: str) -> str:
    """Return words as they are written in a cell of a table in Markdown."""
    # Every other part stands between backquotes, where only the bar has a meaning.
    parts = words.replace("|", r"\|").split("`")
    return "`".join(p if at % 2 else p.translate(NOT_THEMSELVES) for at, p in enumerate(parts))


def generated() -> str:
    """Return the part of the page that comes from the galleries."""
    wrong, right = mistakes(), ways()
    return (
        f"{len(wrong)} mistakes. Each is caught by the criterion in the third column, whose words "
        "contain those in the fourth.\n\n"
        + table(("exercise", "mistake", "caught by", "with words such as"), wrong)
        + "\n### What passes\n\nThe same exercise, written in different ways:\n\n"
        + table(("exercise", "written as"), right)
    )


def with_tables(page: str) -> str:
    """Return a page with the generated part written anew.

    Raises:
        ValueError: If the page does not say where it begins and ends.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"Expected the lines {BEGIN.strip()!r} and {END.strip()!r} in the page.")
    return f"{before}{begin}\n{generated()}\n{end}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail if it differs")
    page = PAGE.read_text(encoding="utf-8")
    new = with_tables(page)
    if parser.parse_args().check:
        sys.exit(f"{PAGE.name} is not what the galleries say: run {COMMAND}" if new != page else 0)
    PAGE.write_text(new, encoding="utf-8", newline="\n")
    print(f"{PAGE.relative_to(ROOT)}: {len(mistakes())} mistakes")


if __name__ == "__main__":
    main()
