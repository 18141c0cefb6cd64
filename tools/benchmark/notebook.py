"""The server in the kernel of a notebook, beside a process of its own; what a live client costs."""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tools.benchmark.contestants import python, use_core
from tools.benchmark.fanout import fan_out_once
from tools.benchmark.figures import medians, print_table
from tools.build_notebooks import free_ports
from tools.kernel import Kernel

PEER = "from tools.peers import course\n\nprint(await course())"
# What the first two code cells of an exercise do, and the third that waits for what they began.
LAUNCH = 'from server import start\n\nserver = await start("counter")'
CLIENT = "from client import CounterClient\n\nada = CounterClient(server.url)\nada"
CONNECTED = 'await ada.until(lambda: ada.state == "connected" and ada.value is not None)'
MORE = """
clients = [CounterClient(server.url) for _ in range({number})]
for client in clients:
    await client.until(lambda: client.value is not None)
"""
MANY = 30  # clients, whose memory is measured together


def notebook(options: argparse.Namespace) -> None:
    asyncio.run(compare(options))


async def compare(options: argparse.Namespace) -> None:
    alone, in_kernel, client = [], [], []
    for _ in range(options.rounds):
        with python("course")() as (port, process):
            alone.append(fan_out_once(port, process, options.clients, options.seconds))
        in_kernel.append(await fan_out_in_kernel(options.clients, options.seconds))
        client.append(await client_once())
    own, ours = medians(alone), medians(in_kernel)
    rows = [
        [
            name,
            *(f"{one['rate']:,.0f}", f"{one['rate'] / own['rate']:.2f}"),
            *(
                f"{one['per CPU second']:,.0f}",
                f"{one['per CPU second'] / own['per CPU second']:.2f}",
            ),
            *(f"{1_000 * one['latency']:.1f}", f"{one['latency'] / own['latency']:.2f}"),
        ]
        for name, one in [("in a process of its own", own), ("in a notebook's kernel", ours)]
    ]
    head = "the server, {} clients|deliveries/s|ratio|per CPU second|ratio|one alone, ms|ratio"
    print_table(head.format(options.clients), rows)
    print()
    cost = medians(client)
    print_table(
        "a live client in a notebook|median",
        [
            ["from Run All in a new kernel until it is connected", f"{cost['first']:.2f} s"],
            ["the cells once more, until it is connected again", f"{1_000 * cost['again']:.0f} ms"],
            ["memory of each further one", f"{cost['memory'] / 1_024:.0f} KiB"],
        ],
    )


@asynccontextmanager
async def new_kernel() -> AsyncIterator[Kernel]:
    """Yield a kernel on the first core, with ports and a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        environment = {
            "COURSE_FIRST_PORT": str(free_ports()[0]),
            "COURSE_PROGRESS": os.path.join(home, "progress"),
            "IPYTHONDIR": home,
        }
        async with Kernel(**environment) as kernel:
            use_core(kernel.process, 0)
            yield kernel


async def fan_out_in_kernel(number: int, seconds: float) -> dict[str, float]:
    """Measure the course's server once, where a notebook has it."""
    async with new_kernel() as kernel:
        port = int(await kernel.run("launch", PEER))
        # Nobody reads here meanwhile what the kernel says: it has nothing to say.
        return fan_out_once(port, kernel.process, number, seconds)


async def client_once() -> dict[str, float]:
    """Measure once what a live client costs."""
    async with new_kernel() as kernel:
        first = await run_all(kernel)
        again = statistics.median([await run_all(kernel) for _ in range(5)])
        before = kernel.process.memory_info().rss
        await kernel.run("more", MORE.format(number=MANY))
        memory = (kernel.process.memory_info().rss - before) / MANY
    return {"first": first, "again": again, "memory": memory}


async def run_all(kernel: Kernel) -> float:
    """Send all cells at once, as Run All does. Returns after how many seconds all is there."""
    began = time.perf_counter()
    cells = {"launch": LAUNCH, "client": CLIENT, "connected": CONNECTED}
    runs = [kernel.begin(name, code) for name, code in cells.items()]
    async with asyncio.timeout(30):
        for ran in runs:
            await ran.done.wait()
    took = time.perf_counter() - began
    for ran in runs:
        if ran.error:
            raise RuntimeError(f"A cell raised {ran.error}: {ran.traceback}")
    return took
