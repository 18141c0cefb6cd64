"""Press the stop button in every cell of the solved notebooks: ``python -m tools.interrupt_cells``.

Each notebook is run twice, in real kernels, from the first cell to the last. The first time nobody
interferes; the second time each cell is interrupted at some moment within the time that it took,
and run again. Then it must end as it did the first time, and so must all that follow: the same
criteria passed, the same exceptions raised, and a kernel that answers. It prints a table in
Markdown, and fails if that is not so. A random moment is found again by its seed.
"""

import argparse
import asyncio
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tools.build_notebooks import free_ports
from tools.kernel import ROOT, Kernel, Ran

SOLUTIONS = ROOT / "solutions"
PATIENCE = 30.0  # seconds until a cell must be done
BLINK = 0.5  # seconds; a kernel that is idle has its answer on the way
STOPPED = ("KeyboardInterrupt", "CancelledError")
# What must be run again with a cell: it made what the cell uses up, a coroutine or a connection.
USES_UP = {("00_start_here", "cell-27"): "cell-25", ("02_chat", "cell-26"): "cell-24"}
HEAD = ("notebook", "cells", "interrupted", "done already", "no answer", "seed", "not as before")


class Cell(NamedTuple):
    """A code cell: its name and what stands in it."""

    name: str
    code: str


class End(NamedTuple):
    """How a cell ended: with which exception, and with which marks of a check."""

    error: str
    marks: str


@dataclass
class Outcome:
    """What came of pressing the button in a notebook.

    Attributes:
        cells: How many cells the notebook has.
        stopped: How many were interrupted.
        late: How many were done before the button had an effect.
        unanswered: How many times the kernel was idle again, and had forgotten to answer. That is
            ipykernel 7.4's own, when the button is pressed in the moment before the answer.
        complaints: What was not as it was before, in words.
    """

    cells: int
    stopped: int = 0
    late: int = 0
    unanswered: int = 0
    complaints: list[str] = field(default_factory=list)


def cells_of(stem: str) -> list[Cell]:
    """Return the code cells of a solved notebook that are meant to be run."""
    notebook = json.loads((SOLUTIONS / f"{stem}.ipynb").read_text(encoding="utf-8"))
    return [
        Cell(cell["id"], "".join(cell["source"]))
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" and "nbval-skip" not in cell["metadata"].get("tags", [])
    ]


@asynccontextmanager
async def fresh_kernel() -> AsyncIterator[Kernel]:
    """Yield a kernel with ports and a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        environment = {
            "COURSE_FIRST_PORT": str(free_ports()[0]),
            "COURSE_PROGRESS": str(Path(home) / "progress"),
            "IPYTHONDIR": home,
            "PYTHONPATH": str(ROOT),
        }
        async with Kernel(SOLUTIONS, **environment) as kernel:
            yield kernel


async def done(ran: Ran) -> End:
    """Wait until a cell is done. Returns how it ended.

    Raises:
        TimeoutError: If the kernel does not answer.
    """
    async with asyncio.timeout(PATIENCE):
        await ran.done.wait()
    return End(ran.error, "".join(re.findall(r"^[✓✗!–]", ran.text, re.MULTILINE)))


async def undisturbed(cells: list[Cell]) -> list[tuple[End, float]]:
    """Run cells in order. Returns how each ended, and after how many seconds."""
    ends = []
    async with fresh_kernel() as kernel:
        for cell in cells:
            began = time.monotonic()
            ends.append((await done(kernel.begin(*cell)), time.monotonic() - began))
    return ends


async def press_stop(stem: str, seed: int, only: int | None = None) -> Outcome:
    """Interrupt the cells of a notebook, each once, and run them again.

    Args:
        stem: Which notebook.
        seed: Of the moments, and of the choice of cells.
        only: How many cells to interrupt; by default all of them.
    """
    chance = random.Random(f"{stem} {seed}")
    cells = cells_of(stem)
    chosen = cells if only is None else chance.sample(cells, min(only, len(cells)))
    outcome = Outcome(len(cells))
    before = await undisturbed(cells)
    async with fresh_kernel() as kernel:
        for cell, (expected, seconds) in zip(cells, before, strict=True):
            try:
                if cell in chosen:
                    moment = chance.uniform(0, seconds)
                    await interrupt(kernel, cell, moment, expected.error, outcome)
                    for earlier in cells:
                        if earlier.name == USES_UP.get((stem, cell.name)):
                            await done(kernel.begin(*earlier))
                end = await done(kernel.begin(*cell))
            except TimeoutError:
                outcome.complaints.append(f"{cell.name}: the kernel does not answer")
                break
            if end != expected:
                outcome.complaints.append(f"{cell.name}: {end}, expected {expected}")
    return outcome


async def interrupt(
    kernel: Kernel, cell: Cell, seconds: float, usual: str, outcome: Outcome
) -> None:
    """Run a cell, which usually ends with some exception, and press the stop button meanwhile."""
    ran = kernel.begin(*cell)
    await asyncio.wait_for(ran.begun.wait(), PATIENCE)
    await asyncio.sleep(seconds)  # the moment itself is what is tried, nothing is waited for
    await kernel.interrupt()
    await asyncio.wait_for(ran.idle.wait(), PATIENCE)
    try:
        await asyncio.wait_for(ran.answered.wait(), BLINK)
    except TimeoutError:
        outcome.unanswered += 1
        return
    if ran.error in STOPPED:
        outcome.stopped += 1
    elif ran.error != usual:
        outcome.complaints.append(f"{cell.name}: {ran.error} when it was interrupted")
    else:
        outcome.late += 1


async def press_everywhere(stems: Collection[str], seed: int, only: int | None) -> bool:
    """Print a row for each notebook. Returns whether all is well."""
    print(f"| {' | '.join(HEAD)} |\n| {' | '.join('---' for _ in HEAD)} |")
    all_is_well = True
    for stem in stems:
        one = await press_stop(stem, seed, only)
        row = (stem, one.cells, one.stopped, one.late, one.unanswered, seed, len(one.complaints))
        print(f"| {' | '.join(map(str, row))} |", flush=True)
        for words in one.complaints:
            print(f"{stem}, {words}", file=sys.stderr)
            all_is_well = False
    return all_is_well


def main() -> None:
    known = sorted(path.stem for path in SOLUTIONS.glob("*.ipynb"))
    parser = argparse.ArgumentParser(
        prog="python -m tools.interrupt_cells", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("stems", nargs="*", metavar="NOTEBOOK", help="such as 04_counter; all")
    parser.add_argument("--seed", type=int, help="of the moments; by default another each time")
    parser.add_argument("--only", type=int, metavar="N", help="interrupt N cells of each notebook")
    options = parser.parse_args()
    if unknown := set(options.stems) - set(known):
        parser.error(f"there is no {sorted(unknown)[0]!r}; expected {', '.join(known)}")
    seed = random.randrange(10**6) if options.seed is None else options.seed
    sys.exit(not asyncio.run(press_everywhere(options.stems or known, seed, options.only)))


if __name__ == "__main__":
    main()
