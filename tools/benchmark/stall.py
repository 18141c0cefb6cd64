"""One of the clients stops reading: what that means for the others and for the server."""

import argparse
import statistics
import time
from collections import Counter
from contextlib import closing

import psutil

from client.crowd import Crowd
from tools.benchmark.contestants import all_servers
from tools.benchmark.figures import print_table


def stall(options: argparse.Namespace) -> None:
    rows = []
    with all_servers() as servers:
        for name, start in servers.items():
            with start() as (port, process):
                rows.append([name, *stall_once(port, process, options.clients, options.seconds)])
    print_table(
        f"1 of {options.clients} does not read|p99 before, ms|p99, ms|arrived|grows by, MiB|it is",
        rows,
    )


def stall_once(port: int, process: psutil.Process, number: int, seconds: float) -> list[str]:
    """Let one client stop reading. Returns the cells of the table."""
    with closing(Crowd(port, number, length=4_000)) as crowd:
        stalled = crowd.clients[-1]
        quiet, _, sent = pulse(crowd, number, 5.0)
        crowd.stop_reading(stalled)
        before = process.memory_info().rss
        disturbed, arrived, _ = pulse(crowd, number - 1, seconds, sent)
        growth = process.memory_info().rss - before
        ports = {line.raddr.port for line in process.net_connections() if line.raddr}
        was_cut_off = stalled.getsockname()[1] not in ports
    return [
        f"{1_000 * quiet:.1f}",
        f"{1_000 * disturbed:.1f}" if arrived > 0.99 else "–",
        f"{arrived:.0%}",
        f"{growth / 2**20:.1f}",
        "cut off" if was_cut_off else "kept",
    ]


def pulse(
    crowd: Crowd, listeners: int, seconds: float, earlier: int = 0
) -> tuple[float, float, int]:
    """Send 100 messages a second, and see when they arrive.

    Args:
        crowd: The clients, of whom the first sends.
        listeners: How many of them read.
        seconds: For how long it sends.
        earlier: How many messages it has sent before. Some of these may still be on their way.

    Returns the 99th percentile of the delays from when each was due until a client has it, in
    seconds; which part of them arrived within a second of the end; and how many were sent.
    """
    heard = Counter(crowd.got)
    due: list[float] = []
    delays: list[float] = []
    began = time.perf_counter()
    while (now := time.perf_counter()) < began + seconds + 1:
        following = began + len(due) / 100
        if following > began + seconds:
            following = began + seconds + 1
        elif now >= following:
            crowd.send()
            due.append(following)
            continue
        for client, number in crowd.read(following - now).items():
            now = time.perf_counter()
            for _ in range(number):
                heard[client] += 1
                if heard[client] > earlier:
                    delays.append(now - due[heard[client] - earlier - 1])
    part = len(delays) / len(due) / listeners
    return statistics.quantiles(delays, n=100)[-1], part, len(due)
