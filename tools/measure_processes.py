"""Measure a room in two processes beside one: ``python -m tools.measure_processes``.

It starts a Redis and servers of the exercise `connect` on this computer, for a bounded time. Two
tables in Markdown come out: how long a message takes to a client of the same process and to one of
the other process, and how many messages a second one sender gets to ten clients of its process,
with and without another process in the room.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from server import RedisProcess

ROOT = Path(__file__).resolve().parent.parent
LISTENERS = 10
PACE = 0.02  # seconds between two messages whose way is timed
LENGTH = 120  # characters
DEADLINE = 60.0  # seconds


@asynccontextmanager
async def server(*options: str) -> AsyncIterator[str]:
    """Run a server in a process of its own. Yields its address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "connect", "--port", "0", *options),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        line = (await process.stdout.readline()).decode()
        yield re.search(r"ws://\S+", line)[0]
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def clients_of(stack: AsyncExitStack, url: str, number: int) -> list[ClientConnection]:
    options = {"compression": None, "proxy": None, "max_queue": None}
    return [await stack.enter_async_context(connect(url, **options)) for _ in range(number)]


async def read(client: ClientConnection, number: int) -> list[float]:
    """Return when each of so many messages came, by the clock of the loop."""
    clock, times = asyncio.get_running_loop().time, []
    while len(times) < number:
        if '"type": "message"' in await client.recv():
            times.append(clock())
    return times


def message() -> str:
    return json.dumps({"type": "message", "content": "x" * LENGTH})


async def latency(redis: RedisProcess, number: int) -> tuple[list[float], list[float]]:
    """Return how long messages took to a client of the same process, and of the other."""
    async with AsyncExitStack() as stack:
        via = ("--via", redis.url)
        urls = [await stack.enter_async_context(server(*via)) for _ in range(2)]
        [sender, same] = await clients_of(stack, urls[0], 2)
        [other] = await clients_of(stack, urls[1], 1)
        reading = [asyncio.create_task(read(client, number)) for client in (same, other)]
        sent = []
        for _ in range(number):
            sent.append(asyncio.get_running_loop().time())
            await sender.send(message())
            await asyncio.sleep(PACE)
        came = await asyncio.gather(*reading)
        return tuple([b - a for a, b in zip(sent, times, strict=True)] for times in came)


async def throughput(number: int, *options: str, others: int) -> float:
    """Return the messages a second that one sender gets to all clients of its process."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(server(*options))
        for _ in range(others):
            there = await stack.enter_async_context(server(*options))
            await clients_of(stack, there, 1)
        [sender, *listeners] = await clients_of(stack, url, 1 + LISTENERS)
        reading = [asyncio.create_task(read(client, number)) for client in listeners]
        draining = asyncio.create_task(read(sender, number))
        began = asyncio.get_running_loop().time()
        for _ in range(number):
            await sender.send(message())
        came = await asyncio.gather(*reading, draining)
        return number / (max(times[-1] for times in came) - began)


async def measure(rounds: int, number: int) -> None:
    redis = RedisProcess()
    await redis.start()
    if redis.url is None:
        raise SystemExit(repr(redis))
    try:
        same, other = await latency(redis, 10 * rounds * 10)
        print("| a message every 20 ms, to a client of | median | 95th percentile |")
        print("|---|---|---|")
        for name, times in ("the same process", same), ("the other process", other):
            middle, late = statistics.median(times), statistics.quantiles(times, n=20)[-1]
            print(f"| {name} | {middle * 1000:.1f} ms | {late * 1000:.1f} ms |")
        kinds = {
            "one process, without Redis": ((), 0),
            "one process, with Redis": (("--via", redis.url), 0),
            "two processes, with Redis": (("--via", redis.url), 1),
        }
        rates: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(rounds):
            for name, (options, others) in kinds.items():
                rates[name].append(await throughput(number, *options, others=others))
        print(f"\n| one sender, {LISTENERS} clients beside it, saturated | messages a second | |")
        print("|---|---|---|")
        first = statistics.median(next(iter(rates.values())))
        for name, values in rates.items():
            middle = statistics.median(values)
            print(f"| {name} | {middle:,.0f} | {middle / first:.2f} |")
    finally:
        await redis.stop()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.measure_processes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, choices=range(1, 21), default=5, metavar="N")
    arguments = parser.parse_args()
    asyncio.run(asyncio.wait_for(measure(arguments.rounds, 4_000), 10 * DEADLINE))


if __name__ == "__main__":
    main()
