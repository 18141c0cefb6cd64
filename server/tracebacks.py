"""Tracebacks that end up where the learner looks, with the lines that the learner can change."""

import linecache
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

COURSE = Path(__file__).resolve().parent.parent
_OURS = [str(COURSE / folder) for folder in ("server", "client", "checks")]
_LIBRARIES = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
NOT_THE_LEARNERS = (*(folder + os.sep for folder in (*_OURS, *_LIBRARIES)), "<frozen")
AROUND = 2  # lines shown before and after the one in which it happened
RED, GREEN, PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[0m"


def is_learners(file: str) -> bool:
    """Return whether a file is the learner's: a cell of a notebook, or a file of their own."""
    return not file.startswith(NOT_THE_LEARNERS)


def learners_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Return the frames of an exception in which the learner's own code was at work."""
    return [
        frame for frame in traceback.extract_tb(error.__traceback__) if is_learners(frame.filename)
    ]


def error_output(error: BaseException) -> dict[str, Any]:
    """Return a Jupyter output of type "error" that shows an exception in colour.

    It can be put into the `outputs` of an ipywidgets Output widget, which then shows it at once,
    whichever cell runs (https://nbformat.readthedocs.io/en/latest/format_description.html#error).
    """
    return {
        "output_type": "error",
        "ename": type(error).__name__,
        "evalue": str(error),
        "traceback": list(_lines(error, RED, GREEN, PLAIN)),
    }


def write_traceback(error: BaseException) -> None:
    """Write an exception to the standard error stream."""
    print(*_lines(error), sep="\n", file=sys.stderr)


def _lines(error: BaseException, red: str = "", green: str = "", plain: str = "") -> Iterator[str]:
    # Not IPython's own traceback: in a function with `finally` it points at the last line that
    # ran there, not at the one in which it happened (IPython 9.18).
    frames = learners_frames(error) or traceback.extract_tb(error.__traceback__)
    for frame in frames:
        yield f"{green}{_where(frame.filename)}, line {frame.lineno}, in {frame.name}(){plain}"
        for number in range((frame.lineno or 0) - AROUND, (frame.lineno or 0) + AROUND + 1):
            if line := linecache.getline(frame.filename, number).rstrip():
                arrow = f"{green}---->{plain}" if number == frame.lineno else "     "
                yield f"{arrow} {number:3} {line}"
    message = "".join(traceback.format_exception_only(error)).strip()
    name, colon, words = message.partition(":")
    yield f"{red}{name}{plain}{colon}{words}"


def _where(file: str) -> str:
    """Return the cell of a notebook that a file is, such as "Cell In[3]", or the file itself."""
    ipython = sys.modules.get("IPython")  # without a notebook there are no cells
    shell = ipython.get_ipython() if ipython else None
    named = shell.compile.format_code_name(file) if shell else None
    return " ".join(named) if named else f"File {file}"
