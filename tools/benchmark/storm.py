"""All clients connect in the same instant, and come back when the server does."""

import argparse
import asyncio
import socket
import statistics
import sys
import time
from contextlib import closing

from client.crowd import Crowd
from tools.benchmark.contestants import OURS, ROOT, python
from tools.benchmark.figures import print_table


def storm(options: argparse.Namespace) -> None:
    seconds: dict[str, list[float]] = {OURS: [], "`serve`, defaults": []}
    for _ in range(options.rounds):
        for name, peer in zip(seconds, ["course", "broadcast"], strict=True):
            with python(peer)() as (port, _), closing(Crowd(port, options.clients)) as crowd:
                seconds[name].append(crowd.seconds_to_connect)
    rows = [[name, f"{statistics.median(all_of):.2f}"] for name, all_of in seconds.items()]
    print_table(f"{options.clients} connect at once|s until all are connected", rows)

    rounds = [asyncio.run(come_back(30)) for _ in range(options.rounds)]
    median = statistics.median(statistics.median(times) for times in rounds)
    last = statistics.median(max(times) for times in rounds)
    print()
    print_table(
        "30 clients of the course come back|s, half of them|s, all",
        [["after the server was killed and run again", f"{median:.2f}", f"{last:.2f}"]],
    )


async def come_back(number: int) -> list[float]:
    """Kill a server and run it again. Returns after how many seconds each client was back."""
    from client.connection import ReconnectingConnection

    port = free_port()
    command = [sys.executable, "-m", "server", "counter", "--port", str(port)]
    connected: asyncio.Queue[float] = asyncio.Queue()

    async def run() -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=pipe)
        await process.stdout.readline()  # it says so when it listens
        return process

    async def all_connected() -> list[float]:
        async with asyncio.timeout(30):
            return [await connected.get() for _ in range(number)]

    server = await run()
    clients = [
        ReconnectingConnection(
            f"ws://127.0.0.1:{port}",
            f"client {place}",
            on_state=lambda *_: None,
            on_connected=lambda: connected.put_nowait(time.perf_counter()),
            on_data=lambda _: None,
        )
        for place in range(number)
    ]
    try:
        await all_connected()
        server.kill()
        await server.wait()
        server = await run()
        back = time.perf_counter()
        return [max(0.0, moment - back) for moment in await all_connected()]
    finally:
        for client in clients:
            client.close()
        for client in clients:
            await client.wait_closed()
        server.kill()
        await server.wait()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
