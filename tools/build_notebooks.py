"""Build the exercise notebooks from the solved ones, or check that the two have not drifted apart.

solutions/ is the source: each notebook in it is tidied, run and written back with its outputs.
Without the lines from each solution mark to the next it becomes notebooks/<same name>, run too:

    ### BEGIN SOLUTION
    counter += 1
    ### END SOLUTION

Stored outputs are the same on every run, so that nbval can compare them. Cells that show a widget
or are tagged nbval-ignore-output are run, but stored without count and outputs. A cell tagged
raises-exception may raise, one tagged nbval-skip is not run. What --check refuses, a build reports.
"""

import argparse
import ast
import copy
import difflib
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import count, groupby
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode, v4

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "python tools/build_notebooks.py"
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
METADATA = {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
PORTS, CELL_SECONDS = 20, 60
MEDIAN_LINES, MOST_LINES = 5, 12
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
MARK = re.compile(r"\s*### (BEGIN|END) SOLUTION\s*")
# A mark with a typing error would hand the solution to the learner.
NEARLY_A_MARK = re.compile(r"#.*\b(begin|end)[ _-]*solution", re.IGNORECASE)
ANSI = re.compile(r"\x1b\[[0-9;]*m")
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{9,}")
PATH = r"(?<![\w.-])/(?:home|mnt|opt|private|root|srv|tmp|usr|Users|var)/\S*|\b[A-Z]:\\+\w+\\\S*"
MUST_BE = {
    "✓": "in a solution every criterion must come out as passed (✓)",
    "–": "an untouched stub must come out as not attempted (–)",
}


class BuildError(Exception):
    """What keeps a notebook from being built, in words."""


def where(name: str, number: int, cell: NotebookNode) -> str:
    return f"{name}, cell {number} ({cell.id})"


def indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def code_cells(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    """The code cells with their numbers, counted from 1 over the cells of every kind."""
    return (pair for pair in enumerate(notebook.cells, 1) if pair[1].cell_type == "code")


# Reading, tidying, taking the solution away


def read(path: Path) -> NotebookNode:
    """Read a notebook as it is; `nbformat.read` would give missing cell ids random values."""
    try:
        return v4.reads(path.read_text(encoding="utf-8"))
    except (ValueError, AttributeError, TypeError) as error:
        raise BuildError(f"{path.parent.name}/{path.name} is not a notebook: {error}") from None


def tidy(notebook: NotebookNode) -> NotebookNode:
    """A copy with the course's metadata and valid cell ids, without empty cells and outputs.

    Code loses the white space at line ends; in Markdown two spaces there are a line break.
    """
    tidied = nbformat.from_dict(
        {"cells": [], "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    )
    cells = [cell for cell in notebook.cells if cell.source.strip()]
    known, used = {cell.get("id") for cell in cells}, set()
    for number, old in enumerate(cells, 1):
        cell = NotebookNode(cell_type=old.cell_type, id=old.get("id"), metadata=NotebookNode())
        if cell.id in used or not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", str(cell.id or "")):
            names = (f"cell-{n:02}" for n in count(number))
            cell.id = next(name for name in names if name not in known | used)
        used.add(cell.id)
        cell.source = old.source.replace("\r\n", "\n").rstrip()
        if old.metadata.get("tags"):
            cell.metadata.tags = list(dict.fromkeys(old.metadata.tags))
        if "attachments" in old:
            cell.attachments = old.attachments
        if cell.cell_type == "code":
            cell.source = "\n".join(line.rstrip() for line in cell.source.split("\n"))
            cell.update(execution_count=None, outputs=[])
        tidied.cells.append(cell)
    return tidied


def without_solution(notebook: NotebookNode, name: str) -> NotebookNode:
    """A copy without the lines between solution marks; a mark that pairs with none is refused."""
    exercise = copy.deepcopy(notebook)
    for number, cell in code_cells(exercise):
        kept, begun = [], 0
        for line_number, line in enumerate(cell.source.split("\n"), 1):
            place = f"{where(name, number, cell)}, line {line_number}"
            if mark := MARK.fullmatch(line):
                if mark[1] == "BEGIN" and begun:
                    raise BuildError(f"{place}: a solution begins inside that of line {begun}.")
                if mark[1] == "END" and not begun:
                    raise BuildError(f"{place}: a solution ends, but none has begun.")
                begun = 0 if begun else line_number
            elif NEARLY_A_MARK.search(line):
                raise BuildError(
                    f"{place}: {line.strip()!r} is not a solution mark. "
                    "Write ### BEGIN SOLUTION or ### END SOLUTION, alone on its line."
                )
            elif not begun:
                kept.append(line)
        if begun:
            raise BuildError(
                f"{where(name, number, cell)}, line {begun}: the solution that begins here "
                "does not end in this cell. Add ### END SOLUTION."
            )
        cell.source = "\n".join(kept).rstrip()
    return exercise


def only_adds_lines(exercise: NotebookNode, solution: NotebookNode) -> bool:
    """Whether each cell of the exercise is its solution with lines left out."""

    def left_out(stub: NotebookNode, solved: NotebookNode) -> bool:
        lines = iter(solved.source.split("\n"))
        return all(line in lines for line in stub.source.split("\n") if line)

    same_length = len(exercise.cells) == len(solution.cells)
    return same_length and all(map(left_out, exercise.cells, solution.cells))


# Running


def free_ports() -> range:
    """Ports in a row on which nobody listens, below those used for outgoing connections.

    And beside those of the tests, which may run meanwhile.
    """
    for first in random.sample(range(25_000, 30_000, PORTS), 100):
        ports = range(first, first + PORTS)
        with ExitStack() as bound:
            try:
                for port in ports:
                    bound.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return ports
    raise BuildError(f"No {PORTS} free ports in a row between 25000 and 30000. Stop some servers.")


def run(notebook: NotebookNode, root: Path, name: str) -> range:
    """Run the cells in a fresh kernel, keeping what they show; return the ports it was given."""
    ports = free_ports()
    # With no folder of kernel specs to look in, python3 is the ipykernel of this interpreter.
    specs = KernelSpecManager(kernel_dirs=[])
    client = NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_spec_manager=specs, transport_encryption="auto"),
        timeout=CELL_SECONDS,
        iopub_timeout=CELL_SECONDS,
        raise_on_iopub_timeout=True,
        record_timing=False,
        store_widget_state=False,
    )
    # The notebooks must run this tree, even where another copy of the course is installed.
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "COURSE_FIRST_PORT": str(ports[0])}
    folder = (root / name).parent
    cwd = str(folder if folder.is_dir() else root)
    with (
        # The checks that pass here are not what whoever builds the notebooks has passed.
        tempfile.TemporaryDirectory() as scratch,
        client.setup_kernel(
            cleanup_kc=True,
            cwd=cwd,
            env=environment | {"COURSE_PROGRESS": os.path.join(scratch, "progress.json")},
        ),
    ):
        for number, cell in code_cells(notebook):
            if "nbval-skip" in tags(cell):
                continue
            try:
                client.execute_cell(cell, number - 1)
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                raise BuildError(f"{where(name, number, cell)} {in_words(error, cell)}") from None
    return ports


def in_words(error: Exception, cell: NotebookNode) -> str:
    """What went wrong while a cell ran, its source, and the traceback."""
    source = indented(cell.source)
    if isinstance(error, CellTimeoutError):
        return f"did not end within {CELL_SECONDS} seconds.\n{source}"
    if not isinstance(error, CellExecutionError):
        return f"ended its kernel.\n{source}"
    frames = next((o.traceback for o in cell.outputs if o.output_type == "error"), [])
    return (
        f"raised {error.ename}: {error.evalue}\n{source}\n"
        "Where the learner should see this error, tag the cell raises-exception.\n"
        + indented(ANSI.sub("", "\n".join(frames)))
    )


# What is stored


def store_stable(notebook: NotebookNode) -> None:
    """Leave of the outputs what is the same on every run."""
    for _, cell in code_cells(notebook):
        shows_widget = any(WIDGET_VIEW in output.get("data", {}) for output in cell.outputs)
        if shows_widget or "nbval-ignore-output" in tags(cell):
            cell.update(execution_count=None, outputs=[])
        cell.outputs = list(merged(cell.outputs))
        for output in cell.outputs:
            if output.output_type == "error":
                # Frames outside the notebook lie in files, at paths of this machine.
                plain = ((frame, ANSI.sub("", frame).lstrip()) for frame in output.traceback)
                output.traceback = [frame for frame, text in plain if not text.startswith("File ")]


def merged(outputs: Iterable[NotebookNode]) -> Iterator[NotebookNode]:
    """Outputs with adjoining streams as one stdout and one stderr, since those two race."""
    for is_stream, group in groupby(outputs, lambda output: output.output_type == "stream"):
        if not is_stream:
            yield from group
            continue
        texts = {"stdout": "", "stderr": ""}
        for output in group:
            texts[output.name] += output.text
        yield from (v4.new_output("stream", name=n, text=text) for n, text in texts.items() if text)


def texts_of(output: NotebookNode) -> Iterator[str]:
    """The texts an output shows; pictures are none."""
    if output.output_type == "stream":
        yield output.text
    elif output.output_type == "error":
        yield ANSI.sub("", "\n".join([*output.traceback, f"{output.ename}: {output.evalue}"]))
    else:
        for kind, content in sorted(output.data.items()):
            if not kind.startswith("image/") or kind == "image/svg+xml":
                yield content if isinstance(content, str) else json.dumps(content, sort_keys=True)


def unstable(notebook: NotebookNode, name: str, root: Path, ports: range) -> Iterator[str]:
    """Which outputs hold something that the next run, or the next machine, will not have."""
    homes = {str(root), sys.prefix, sys.base_prefix, str(Path.home())} - {os.sep}
    paths = [*(rf"{re.escape(home)}(?![\w-])\S*" for home in sorted(homes)), PATH]
    patterns = {
        "a memory address": ADDRESS,
        "an absolute path": re.compile("|".join(paths)),
        "a port of this run": re.compile(
            rf"(?:port\W{{1,3}}|:\s?)(?:{'|'.join(map(str, ports))})\b"
        ),
    }
    for number, cell in code_cells(notebook):
        shown = "\n".join(text for output in cell.outputs for text in texts_of(output))
        for what, pattern in patterns.items():
            if found := pattern.search(shown):
                yield (
                    f"{where(name, number, cell)}: its output holds {what}, {found[0]}, which will "
                    "differ elsewhere. Show something else, or tag the cell nbval-ignore-output."
                )


# What a notebook must keep to


def calls_a_check(source: str) -> bool:
    """Whether a cell calls a function whose name begins with `check_`."""
    try:
        tree = ast.parse(TransformerManager().transform_cell(source))
    except SyntaxError:
        return False
    called = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(getattr(f, "id", getattr(f, "attr", "")).startswith("check_") for f in called)


def criteria(report: str) -> list[str]:
    """The lines of a report that speak of a criterion: without details and summary."""
    lines = [line for line in report.splitlines() if line.strip() and not line[0].isspace()]
    return lines if lines and lines[-1].startswith(("✓", "✗", "–", "!")) else lines[:-1]


def wrong_reports(notebook: NotebookNode, name: str, mark: str) -> Iterator[str]:
    """Which check cells report anything but `mark`, or nothing."""
    for number, cell in code_cells(notebook):
        if calls_a_check(cell.source):
            results = (o.data for o in cell.outputs if o.output_type == "execute_result")
            lines = criteria("".join(data.get("text/plain", "") for data in results))
            wrong = [line for line in lines if not line.startswith(f"{mark} ")]
            place = where(name, number, cell)
            if not lines:
                yield f"{place}: its check shows no report. The call must be the cell's last line."
            elif wrong:
                yield f"{place}: {MUST_BE[mark]}, but:\n" + indented("\n".join(wrong))


def too_long(notebook: NotebookNode, name: str) -> Iterator[str]:
    """Whether the code cells are too long, not counting comments, marks and blank lines."""
    sizes = {}
    for number, cell in code_cells(notebook):
        lines = (line.strip() for line in cell.source.split("\n"))
        sizes[number] = sum(1 for line in lines if line and not line.startswith("#"))
    if (median := statistics.median(sizes.values() or [0])) > MEDIAN_LINES:
        yield f"{name}: its code cells have {median:g} lines (median), not {MEDIAN_LINES} or less."
    long = [f"cell {number} has {size}" for number, size in sizes.items() if size > MOST_LINES]
    if len(long) > len(sizes) / 10:
        yield (
            f"{name}: {len(long)} of {len(sizes)} code cells have more than {MOST_LINES} lines, "
            f"expected at most one in ten: {', '.join(long)}."
        )


def wrong_names(notebook: NotebookNode, name: str) -> Iterator[str]:
    """Which imports no cell uses, and which names no cell defines."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache"]
    command += ["--select", "F401,F821", "--config", 'builtins = ["In", "Out", "_"]']
    command += ["--output-format", "json", "--stdin-filename", "notebook.ipynb", "-"]
    text = v4.writes(notebook)
    ruff = subprocess.run(command, input=text, capture_output=True, encoding="utf-8", check=False)
    if ruff.returncode > 1 or not ruff.stdout:
        raise BuildError(f"ruff could not check {name}: {ruff.stderr.strip()}")
    for found in json.loads(ruff.stdout):
        cell = notebook.cells[found["cell"] - 1]
        # A NameError may be what the cell is there to show.
        if found["code"] != "F821" or "raises-exception" not in tags(cell):
            yield f"{where(name, found['cell'], cell)}: {found['message']}."


# Comparing with what is stored, and the whole


def difference(stored: NotebookNode, built: NotebookNode) -> str:
    """What differs, cell by cell; a line that begins with ⇒ is output."""

    def by_id(notebook: NotebookNode) -> dict[str, list[str]]:
        cells = {}
        for number, cell in enumerate(notebook.cells, 1):
            shown = (text for output in cell.get("outputs", []) for text in texts_of(output))
            lines = [f"⇒ {line}" for text in shown for line in text.splitlines()]
            cells[cell.get("id", f"number {number}")] = cell.source.splitlines() + lines
        return cells

    old, new, told = by_id(stored), by_id(built), []
    for cell in old | new:
        diff = difflib.unified_diff(old.get(cell, []), new.get(cell, []), lineterm="", n=0)
        lines = [line for line in list(diff)[2:] if not line.startswith("@@")]
        if lines:
            rest = [f"... and {len(lines) - 12} more lines"] if len(lines) > 12 else []
            told += [f"  cell {cell} (- stored, + built):", indented("\n".join(lines[:12] + rest))]
    if any("⇒" in lines for lines in told):
        told.append("  Where an output is never the same, tag its cell nbval-ignore-output.")
    return "\n".join(told) or "  Only metadata, counts, pictures or the order of cells differ."


def drift(file: Path, built: str) -> str:
    """What differs between a stored notebook and the built one, or nothing."""
    name = f"{file.parent.name}/{file.name}"
    if not file.exists():
        return f"{name} is missing. Run: {COMMAND}"
    if file.read_text(encoding="utf-8") == built:
        return ""
    try:
        what = difference(read(file), v4.reads(built))
    except (BuildError, AttributeError, KeyError, TypeError) as error:
        what = f"  It cannot be compared: {error}"
    return f"{name} is not what solutions/{file.name} gives. Run: {COMMAND}\n{what}"


def process(source: Path, root: Path, check: bool) -> Iterator[str]:
    """Build one notebook and its exercise, write them unless checking, and tell what is wrong."""
    names = f"solutions/{source.name}", f"notebooks/{source.name}"
    solution = tidy(read(source))
    exercise = without_solution(solution, names[0])
    if not only_adds_lines(exercise, solution):
        yield f"{names[1]}: solving it does more than add lines."
    yield from too_long(solution, names[0])
    yield from wrong_names(solution, names[0])
    versions = [(solution, "✓")] if exercise == solution else [(solution, "✓"), (exercise, "–")]
    texts = []
    for (notebook, mark), name in zip(versions, names, strict=False):
        ports = run(notebook, root, name)
        yield from wrong_reports(notebook, name, mark)
        store_stable(notebook)
        yield from unstable(notebook, name, root, ports)
        try:
            nbformat.validate(notebook)
        except nbformat.ValidationError as error:
            raise BuildError(f"{name} is not a valid notebook: {error.message}") from None
        texts.append(v4.writes(notebook) + "\n")
    for name, text in zip(names, (texts[0], texts[-1]), strict=True):
        if changed := drift(root / name, text):
            if check:
                yield changed
            else:
                (root / name).parent.mkdir(exist_ok=True)
                (root / name).write_text(text, encoding="utf-8", newline="\n")
                print(f"wrote {name}")


def chosen(root: Path, stems: Sequence[str]) -> list[Path]:
    """The solutions with these stems (`counter` and `04_counter` are the same), or all of them."""
    every = sorted((root / "solutions").glob("*.ipynb"))
    known = {stem: path for path in every for stem in (path.stem, path.stem.partition("_")[2])}
    if unknown := [stem for stem in stems if stem not in known]:
        there = ", ".join(path.stem for path in every) or "none"
        raise BuildError(f"No solution is called {', '.join(unknown)}. There are: {there}.")
    return sorted({known[stem] for stem in stems}) if stems else every


def build(root: Path = ROOT, stems: Sequence[str] = (), check: bool = False) -> list[str]:
    """Build or check the notebooks of the course at `root`; return what is wrong, in words.

    It stops at the first notebook that cannot be built at all, such as one whose cell raises.
    """
    wrong = []
    try:
        for source in chosen(root, stems):
            for problem in process(source, root, check):
                wrong.append(problem)
    except BuildError as error:
        return [*wrong, str(error)]
    for file in [] if stems else sorted((root / "notebooks").glob("*.ipynb")):
        if not (root / "solutions" / file.name).exists():
            wrong.append(
                f"notebooks/{file.name} has no solution. notebooks/ is generated: "
                f"move it to solutions/ and run: {COMMAND}, or delete it."
            )
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 when all is well, 1 when something must be put right."""
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exit codes: 0 all is well, 1 something is wrong (said on stderr), 2 wrong usage.",
    )
    stems_help = "only these notebooks, such as counter or 04_counter (default: all)"
    parser.add_argument("stems", nargs="*", metavar="STEM", help=stems_help)
    check_help = (
        "write nothing; fail where a stored notebook is not what would be built, a notebook has no "
        "solution, a stub's check is not 'not attempted', a solution's is not passed, an output "
        "holds an address, a path or a port, code cells are too long "
        f"(median over {MEDIAN_LINES} lines, or more than one in ten over {MOST_LINES}), "
        "an import is not used or a name not defined"
    )
    parser.add_argument("--check", action="store_true", help=check_help)
    root_help = "the folder that holds solutions/ and notebooks/ (default: the course's own)"
    parser.add_argument("--root", type=Path, default=ROOT, help=root_help)
    options = parser.parse_args(arguments)
    wrong = build(options.root.resolve(), options.stems, options.check)
    for problem in wrong:
        print(problem, end="\n\n", file=sys.stderr)
    print(f"To put right: {len(wrong)}." if wrong else "All notebooks are as they should be.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
