"""Tracebacks that end up where the learner looks."""

import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

import websockets

# What runs from these folders is ours or the library's: the learner cannot change it.
COURSE = Path(__file__).resolve().parent.parent
PLUMBING = (
    *(str(COURSE / folder) for folder in ("server", "client", "checks")),
    str(Path(websockets.__file__).parent),
)


def learners_part(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the learner's first frame on; the whole one if there is none."""
    start = trace
    while start is not None and start.tb_frame.f_code.co_filename.startswith(PLUMBING):
        start = start.tb_next
    return start or trace


def error_output(error: BaseException) -> dict[str, Any]:
    """Return a Jupyter output of type "error" that shows an exception in colour.

    It can be put into the `outputs` of an ipywidgets Output widget, which then shows it at once,
    whichever cell runs (https://nbformat.readthedocs.io/en/latest/format_description.html#error).
    """
    from IPython import get_ipython

    shell = get_ipython()
    trace = learners_part(error.__traceback__)
    if shell is None:
        lines = traceback.format_exception(type(error), error, trace)
    else:
        lines = shell.InteractiveTB.structured_traceback(type(error), error, trace)
    return {
        "output_type": "error",
        "ename": type(error).__name__,
        "evalue": str(error),
        "traceback": lines,
    }


def write_traceback(error: BaseException) -> None:
    """Write an exception to the standard error stream."""
    trace = learners_part(error.__traceback__)
    print("".join(traceback.format_exception(type(error), error, trace)), file=sys.stderr)
