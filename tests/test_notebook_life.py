"""What a notebook goes through: cells run a hundred times, backwards, interrupted, and a sleep."""

import asyncio
import json
import random
import signal
from collections.abc import Iterator

import pytest
from websockets.asyncio.client import connect

from tests.gallery import ROOT
from tests.wire import hear, say
from tools.build_notebooks import free_ports
from tools.interrupt_cells import press_stop
from tools.kernel import Kernel

LAUNCH = 'from server import start\n\nserver = await start("counter")\nserver.url'
CLIENTS = """
from client import CounterClient, side_by_side

ada, bob = CounterClient(server.url, "Ada"), CounterClient(server.url, "Bob")
for client in (ada, bob):
    await client.until(lambda: client.value is not None)
display(side_by_side(ada, bob))  # what a cell returns, IPython itself would keep
"""
# What must not grow, once the closed ones are gone.
COUNTS = """
import asyncio, gc, json, weakref
import ipywidgets

while len(server.connections) > 2:
    await asyncio.sleep(0)
gc.collect()
open_widgets = len(ipywidgets.widgets.widget._instances)
kinds = [str(type(it)) for it in gc.get_objects()]
ours = sum(kind.startswith(("<class 'client.", "<class 'server.")) for kind in kinds)
print(json.dumps([len(asyncio.all_tasks()), open_widgets, ours]))
"""
# Whoever checks this one waits for an answer, for a second each time.
SILENT = """
from checks import check_counter


async def silent(websocket):
    await websocket.wait_closed()
"""
STATES = "ada.state, bob.state, ada.value == bob.value, len(server.connections)"
BLINK = 0.3  # seconds
WELL = "('connected', 'connected', True, 2)"


@pytest.fixture
def environment() -> dict[str, str]:
    return {"COURSE_FIRST_PORT": str(free_ports()[0])}


async def counts(kernel: Kernel) -> tuple[list[int], int]:
    """Return the tasks, widgets and objects of the course in a kernel, and its threads."""
    return json.loads(await kernel.run("counts", COUNTS)), kernel.process.num_threads()


async def test_cells_a_hundred_times_leave_nothing_behind(environment):
    async with Kernel(**environment) as kernel:
        url = await kernel.run("launch", LAUNCH)
        for _ in range(3):  # the run before the last one is kept on the page
            await kernel.run("clients", CLIENTS)
        first = await counts(kernel)
        async with connect(url.strip("'"), proxy=None) as line:
            await hear(line)
            for _ in range(100):
                assert await kernel.run("launch", LAUNCH) == url
            await say(line, {"type": "increment"})  # nobody was disconnected
            assert await hear(line) == {"type": "counter", "value": 1}
        for _ in range(20):
            await kernel.run("clients", CLIENTS)
        assert await kernel.run("states", STATES) == WELL
        assert await counts(kernel) == first


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="only POSIX can stop a process")
async def test_a_kernel_that_sleeps_wakes_up_as_it_was(environment):
    async with Kernel(**environment) as kernel:
        url = (await kernel.run("launch", LAUNCH)).strip("'")
        await kernel.run("clients", CLIENTS)
        async with connect(url, proxy=None, open_timeout=None) as line:
            await hear(line)
            process = kernel.process
            process.suspend()
            try:
                # What is said and done meanwhile waits, and so does who comes.
                await say(line, {"type": "increment"})
                newcomer = asyncio.ensure_future(connect(url, proxy=None, open_timeout=None))
                waiting = kernel.begin("click", "ada.increment()")
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(2):
                        await asyncio.gather(line.recv(), waiting.done.wait())
            finally:
                process.resume()
            values = set()
            async with asyncio.timeout(10):
                while 2 not in values:
                    values.add((await hear(line))["value"])
                await waiting.done.wait()
                async with await newcomer as late:
                    while (await hear(late))["value"] != 2:
                        pass
        both = "ada.value == bob.value == 2 and len(server.connections) == 2"
        await kernel.run("wait", f"await ada.until(lambda: {both})")
        assert await kernel.run("states", STATES) == WELL


def code_cells() -> Iterator[tuple[str, str]]:
    """Yield the code cells of the solved counter, each with its name."""
    text = (ROOT / "solutions" / "04_counter.ipynb").read_text(encoding="utf-8")
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] == "code":
            yield cell["id"], "".join(cell["source"])


async def run_in_order(kernel: Kernel) -> None:
    """Run all cells from the first to the last, as Run All does; all is well in the end."""
    reports = [await kernel.run(cell, code) for cell, code in code_cells()]
    marks = [report for report in reports if "criteria: " in report]
    assert marks and all(not set(report) & set("✗!–") for report in marks), marks
    assert await kernel.run("served", "len(mine.connections)") == "4"


async def test_cells_in_any_order_and_interrupted_come_back_with_run_all(environment):
    async with Kernel(**environment) as kernel:
        for cell, code in reversed(list(code_cells())):
            ran = kernel.begin(cell, code)
            async with asyncio.timeout(20):
                await ran.done.wait()
            # What another cell has yet to define is named; nothing else is wrong with the order.
            assert ran.error in ("", "NameError"), ran.traceback
        await kernel.run("silent", SILENT)
        for _ in range(2):
            ran = kernel.begin("check", "await check_counter(silent)")
            async with asyncio.timeout(20):
                await ran.begun.wait()
                await asyncio.sleep(BLINK)  # a person's finger; the check waits much longer
                await kernel.interrupt()
                await ran.done.wait()
            assert ran.error in ("CancelledError", "KeyboardInterrupt")
        await run_in_order(kernel)


async def test_a_cell_that_is_interrupted_at_any_moment_can_be_run_again():
    seed = random.randrange(10**6)
    print("seed:", seed)  # python -m tools.interrupt_cells 01_connect --only 5 --seed …
    outcome = await press_stop("01_connect", seed, only=5)
    assert not outcome.complaints
    assert outcome.stopped + outcome.late + outcome.unanswered == 5


async def test_no_answer_of_a_kernel_is_overlooked():
    """Two cells at a time: the answer to one may come in the moment in which the other is sent."""
    async with Kernel() as kernel:
        for _ in range(100):
            pair = [kernel.begin("first", "1"), kernel.begin("second", "2")]
            async with asyncio.timeout(20):
                await asyncio.gather(*(ran.done.wait() for ran in pair))
            assert [ran.text for ran in pair] == ["1", "2"]
