"""One client sends, N clients get it: how many messages a second, how soon, at which memory."""

import argparse
from contextlib import closing

import psutil

from client.crowd import Crowd
from tools.benchmark.contestants import SHEETS, all_servers, cpu_time
from tools.benchmark.figures import medians, print_table


def fanout(options: argparse.Namespace) -> None:
    measures: dict[str, list[dict[str, float]]] = {}
    with all_servers() as servers:
        for _ in range(options.rounds):
            for name, start in servers.items():
                with start() as (port, process):
                    one = fan_out_once(port, process, options.clients, options.seconds)
                measures.setdefault(name, []).append(one)
    middle = {name: medians(rounds) for name, rounds in measures.items()}
    least = middle[SHEETS]
    rows = []
    for name, one in middle.items():
        rows.append(
            [
                name,
                f"{one['rate']:,.0f}",
                f"{one['rate'] / least['rate']:.1f}",
                f"{one['per CPU second']:,.0f}",
                f"{one['per CPU second'] / least['per CPU second']:.1f}",
                f"{1_000 * one['latency']:.1f}",
                f"{one['memory'] / 1_024:.0f}",
            ]
        )
    print_table(
        f"{options.clients} clients|deliveries/s|ratio|per CPU second|ratio|one alone, ms|KiB each",
        rows,
    )


def fan_out_once(
    port: int, process: psutil.Process, number: int, seconds: float
) -> dict[str, float]:
    """Measure one server once."""
    before = process.memory_info().rss
    with closing(Crowd(port, number)) as crowd:
        crowd.send()
        crowd.read_all(number)
        memory = (process.memory_info().rss - before) / number

        latency = crowd.send_alone(20)
        cpu = cpu_time(process)
        sent, delivered, elapsed = crowd.flood(seconds)
        used = cpu_time(process) - cpu
        crowd.read_all(sent * number - delivered)
        assert len(set(crowd.got.values())) == 1, "somebody missed a message"
    return {
        "rate": delivered / elapsed,
        "per CPU second": delivered / used,
        "latency": latency,
        "memory": memory,
    }
