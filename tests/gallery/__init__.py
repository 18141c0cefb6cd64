"""The gallery: code as learners write it, wrong and right, and what the checks must say of it.

Each piece is run in a namespace of its own, cell by cell, as a notebook would run it: functions
that find each other in the globals, state in the globals, source lines that a traceback can show.
"""

import ast
import json
import linecache
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Piece:
    """A piece of a learner's code.

    Attributes:
        title: The mistake that is in it, or how it is written if there is none.
        cells: The sources of the cells, in the order in which they are run.
        marks: What the check must find: the mark of each criterion, in order.
        words: What the first criterion that is not passed must say, among other things.
        subject: What is given to the check: a name, or an expression. It may be a tuple: a handler,
            and what runs beside it.
        leaves: The tasks that it leaves behind, because it cannot be ended.
    """

    title: str
    cells: tuple[str, ...]
    marks: str
    words: tuple[str, ...] = ()
    subject: str = "handler"
    leaves: tuple[str, ...] = ()

    def run(self) -> Any:
        """Run the cells in a fresh namespace. Returns the subject of the check."""
        return eval(self.subject, run_cells(self.cells, self.title))


def run_cells(cells: Sequence[str], title: str) -> dict[str, Any]:
    """Run the sources of cells one after the other in a fresh namespace, and return that."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells, 1):
        file = f"/ipykernel/{title}/{number}.py"
        # Tracebacks and `inspect` look for the source here, as they do for the cells of a kernel.
        linecache.cache[file] = len(cell), None, cell.splitlines(keepends=True), file
        exec(compile(cell, file, "exec"), namespace)
    return namespace


def cell(source: str) -> str:
    """Return the source of a cell, without the indentation that it has in a gallery."""
    return dedent(source).strip() + "\n"


def notebook_cells(folder: str, stem: str, step: int) -> list[str]:
    """Return what the code cells of a notebook define, up to the check of a step.

    What starts, checks and shows things is left out; imports, functions, classes and plain values
    stay.
    """
    cells = json.loads((ROOT / folder / f"{stem}.ipynb").read_text(encoding="utf-8"))["cells"]
    sources = []
    for code in (cell for cell in cells if cell["cell_type"] == "code"):
        source = "".join(code["source"])
        tree = compile(source, stem, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        kept = [node for node in tree.body if _defines(node)]
        lines = source.splitlines()
        sources.append("\n".join("\n".join(lines[_from(n) - 1 : n.end_lineno]) for n in kept))
        if f"step={step})" in source:
            return [source + "\n" for source in sources if source]
    raise ValueError(f"{folder}/{stem}.ipynb has no check of step {step}")


def _defines(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return not any(isinstance(part, ast.Await) for part in ast.walk(node)) and all(
            isinstance(target, ast.Name) for target in node.targets
        )
    return isinstance(
        node,
        ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
    )


def _from(node: Any) -> int:
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
