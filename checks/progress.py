"""What a learner has passed so far, kept in a small file that they may delete at any time."""

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

VARIABLE = "COURSE_PROGRESS"  # names another file
PATIENCE = 0.5  # seconds to wait for another kernel that writes
LARGEST = 1_000_000  # bytes

# By exercise, then by title of the criterion: when it was met for the first time.
Progress = dict[str, dict[str, str]]


class Damaged(ValueError):
    """The file cannot be understood. The text says why."""


def progress_file() -> Path:
    """Return where progress is kept: where programs keep such things on this system.

    Raises:
        OSError: If this user has no folder of their own.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named)
    try:
        home = Path.home()
    except RuntimeError as error:
        raise OSError(f"{error} Set {VARIABLE} to the path of a file.") from None
    if sys.platform == "win32":
        folder = os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local"
    elif sys.platform == "darwin":
        folder = home / "Library" / "Application Support"
    else:
        folder = os.environ.get("XDG_DATA_HOME") or home / ".local" / "share"
    return Path(folder) / "websocket-course" / "progress.json"


def read(file: Path) -> Progress:
    """Return what the file says; nothing if there is none.

    Raises:
        Damaged: If it does not say what it should.
        OSError: If it cannot be read.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST)
        progress = json.loads(content)
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        raise Damaged(f"{file} is not JSON.") from None
    if not isinstance(progress, dict):
        raise Damaged(f"{file} holds no JSON object.")
    for exercise, met in progress.items():
        if not isinstance(met, dict) or not all(isinstance(when, str) for when in met.values()):
            raise Damaged(f"{file}: {exercise!r} does not have criteria with times.")
    return progress


def remember(met: Mapping[str, Iterable[str]]) -> None:
    """Note which criteria are met. It says on stderr what goes wrong, and never raises that.

    Several kernels may do so at the same time. A damaged file is put aside. Progress in the solved
    notebooks is not the learner's, and does not count.

    Args:
        met: Titles of criteria, by exercise.
    """
    if not any(met.values()) or Path.cwd().name == "solutions":
        return
    try:
        _add(progress_file(), met)
    except OSError as error:
        print(f"Your progress could not be remembered: {error}", file=sys.stderr)


def _add(file: Path, met: Mapping[str, Iterable[str]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with _locked(file):
        try:
            progress = read(file)
        except Damaged as damage:
            aside = file.with_name(file.name + ".damaged")
            os.replace(file, aside)
            words = f"{damage} It held your progress, which begins anew; it is now {aside.name}."
            print(words, file=sys.stderr)
            progress = {}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        new = False
        for exercise, titles in met.items():
            known = progress.setdefault(exercise, {})
            for title in titles:
                new = new or title not in known
                known.setdefault(title, now)
        if new:
            _write(file, json.dumps(progress, ensure_ascii=False, indent=1))


def _write(file: Path, text: str) -> None:
    """Write a file so that nobody ever sees half of it."""
    descriptor, name = tempfile.mkstemp(prefix=file.name, dir=file.parent)
    try:
        with open(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
        os.replace(name, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Keep other kernels from writing meanwhile. The system frees the lock of one that dies."""
    with open(file.with_name(file.name + ".lock"), "a+b") as opened:
        deadline = time.monotonic() + PATIENCE
        while not _try_lock(opened) and time.monotonic() < deadline:
            time.sleep(0.01)
        yield


def _try_lock(opened: IO[bytes]) -> bool:
    """Return whether the lock was free. Closing the file frees it again."""
    try:
        if sys.platform == "win32":
            import msvcrt

            opened.seek(0)
            msvcrt.locking(opened.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
