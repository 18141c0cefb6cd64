"""What a learner has passed is remembered, and nothing that happens to the file harms a check."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from checks import check_handshake, check_masking, course_map
from checks.progress import progress_file, read, remember
from client import Quiz
from client.quiz import HERE
from tests.test_quiz import answer_all
from tests.test_start_here import digest, encoded

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def kept(monkeypatch, tmp_path) -> Path:
    """A file of this test's own."""
    file = tmp_path / "deep" / "progress.json"
    monkeypatch.setenv("COURSE_PROGRESS", str(file))
    return file


def right(key: str) -> str:
    return encoded(digest(key))


def stop(number: str):
    return next(stop for stop in course_map().stops if stop.number == number)


async def test_what_passes_is_remembered_and_shown_on_the_map(kept):
    assert not kept.exists()
    assert stop("0").words == "0 of 5"
    await check_masking(lambda payload, key: payload)  # is wrong
    assert not kept.exists()
    await check_handshake(right)
    assert list(read(kept)) == ["start_here"]
    first = kept.read_bytes()
    assert stop("0").words == "2 of 5" and course_map().next == stop("0")
    await check_masking(lambda payload, key: bytes(b ^ key[n % 4] for n, b in enumerate(payload)))
    await check_handshake(lambda key: "wrong")  # what has passed once, has passed
    assert stop("0").words == "✓ done" and course_map().next == stop("1")
    assert json.loads(first)["start_here"].items() <= read(kept)["start_here"].items()
    shown = course_map()._repr_html_()
    assert '<a href="../notebooks/00_start_here.ipynb">Start here 👋</a>' in shown
    files = sorted(path.name for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
    assert [stop.file for stop in course_map().stops] == files
    kept.unlink()
    assert stop("0").words == "0 of 5"


def test_the_quiz_counts_and_one_of_your_own_does_not(kept, tmp_path):
    for questions, right in (("lesson", 4), ("lesson", 2), ("exercises", 16)):
        quiz = Quiz(questions, seed=1)
        answer_all(quiz, right)
        assert quiz.check().score == right
        # What was right once counts, also after another try that went worse.
        assert stop("8").words == ("4 of 21" if questions == "lesson" else "20 of 21")
    mine = tmp_path / "lesson.toml"
    mine.write_text((HERE / "quiz_lesson.toml").read_text("utf-8").replace("?", "??"), "utf-8")
    quiz = Quiz(mine)
    answer_all(quiz, 5)
    quiz.check()
    assert len(read(kept)["quiz"]) == 20
    answer_all(quiz := Quiz("lesson", seed=1), 5)
    quiz.check()
    assert stop("8").words == "✓ done"


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff\xfe", b"[1]", b'{"counter": 7}', b'{"counter": {"x": 1}}', b"[" * 99_999],
)
async def test_a_damaged_file_counts_as_empty_and_is_put_aside(kept, content, capsys):
    kept.parent.mkdir()
    kept.write_bytes(content)
    assert stop("0").words == "0 of 5"
    assert "It counts as empty" in course_map().note
    assert (await check_handshake(right)).passed
    assert "which begins anew" in capsys.readouterr().err
    assert stop("0").words == "2 of 5"
    assert kept.with_name("progress.json.damaged").read_bytes() == content


async def test_where_nothing_can_be_written_a_check_says_so_and_goes_on(kept, capsys):
    kept.parent.write_text("a file in place of the folder")
    assert (await check_handshake(right)).passed
    assert "Your progress could not be remembered" in capsys.readouterr().err
    assert "cannot be read" in course_map().note or stop("0").words == "0 of 5"


def test_several_kernels_at_once_lose_nothing(kept):
    program = (
        "import sys\nfrom checks.progress import remember\n"
        "for n in range(25): remember({'counter': [f'{sys.argv[1]} {n}']})"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    kernels = [subprocess.Popen([*command, str(n)], env=environment) for n in range(3)]
    assert [kernel.wait(60) for kernel in kernels] == [0, 0, 0]
    assert len(read(kept)["counter"]) == 75
    assert {path.name for path in kept.parent.iterdir()} == {"progress.json", "progress.json.lock"}


def test_the_solved_notebooks_do_not_count(kept, monkeypatch, tmp_path):
    (tmp_path / "solutions").mkdir()
    monkeypatch.chdir(tmp_path / "solutions")
    remember({"counter": ["One"]})
    assert not kept.exists()


def test_where_it_is_kept_follows_the_system(monkeypatch):
    assert progress_file() == Path(os.environ["COURSE_PROGRESS"])  # never the real one in tests
    monkeypatch.delenv("COURSE_PROGRESS")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    expected = {
        "linux": Path("/data/websocket-course/progress.json"),
        "win32": Path("/local/websocket-course/progress.json"),
        "darwin": Path.home() / "Library/Application Support/websocket-course/progress.json",
    }
    for system, file in expected.items():
        monkeypatch.setattr(sys, "platform", system)
        assert progress_file() == file
