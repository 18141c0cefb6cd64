"""Measure the room beside other servers: ``python -m tools.benchmark fanout|stall|storm``.

Everything runs on this computer, on 127.0.0.1, for a bounded time: the server on one core, the
clients on the other. The servers take turns, round after round, so that whatever else the computer
does at the time befalls all of them, and the median of the rounds counts. The tables are Markdown.

fanout  one client sends, N clients get it: how many messages a second, how soon, at which memory
stall   one of the clients stops reading: what that means for the others and for the server
storm   all clients connect in the same instant, and come back when the server does
"""

import argparse
import asyncio
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psutil

from tools.crowd import Crowd

ROOT = Path(__file__).resolve().parent.parent
WINDOW = 128  # messages that may be on their way: enough to keep any server busy
WS = "8.23.0"  # of the npm package `ws`
OURS = "this course"
# The cores that this process may use, where the system tells.
CORES = psutil.Process().cpu_affinity() if hasattr(psutil.Process, "cpu_affinity") else []
Start = Callable[[], contextmanager]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.benchmark",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=["fanout", "stall", "storm"])
    parser.add_argument(
        "--clients", type=up_to(5_000), metavar="N", help="by default 100, in a storm 1000"
    )
    parser.add_argument("--rounds", type=up_to(50), default=5, metavar="N", help="by default 5")
    parser.add_argument(
        "--seconds", type=up_to(60), metavar="S", help="of load in a round (1), or of a stall (20)"
    )
    options = parser.parse_args()
    if options.clients is None:
        options.clients = 1_000 if options.what == "storm" else 100
    if options.seconds is None:
        options.seconds = 20 if options.what == "stall" else 1
    raise_file_limit(options.clients)
    use_core(psutil.Process(), -1)
    print(f"`python -m tools.benchmark {' '.join(sys.argv[1:])}`, {environment()}\n")
    {"fanout": fanout, "stall": stall, "storm": storm}[options.what](options)


# The servers


@contextmanager
def running(*command: str, folder: Path = ROOT) -> Iterator[tuple[int, psutil.Process]]:
    """Run a server in a process of its own, on the first core. Yields its port and the process."""
    process = psutil.Popen(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        use_core(process, 0)
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(command)} did not start")
        yield int(line), process
    finally:
        with suppress(psutil.NoSuchProcess):
            process.kill()
        process.wait()


def python(name: str) -> Start:
    return lambda: running(sys.executable, "-m", "tools.peers", name)


@contextmanager
def all_servers() -> Iterator[dict[str, Start]]:
    """Yield how to start each server that can be had, by name; say which cannot."""
    servers = {
        OURS: python("course"),
        "`gather` (the exercise sheet)": python("gather"),
        "`broadcast`, defaults": python("broadcast"),
        "`broadcast`, no compression": python("uncompressed"),
    }
    if find_spec("aiohttp"):
        servers[f"aiohttp {version('aiohttp')}"] = python("aiohttp")
    else:
        print("Skipped: aiohttp is not installed (pip install aiohttp).\n")
    with tempfile.TemporaryDirectory() as folder:
        if complaint := install_ws(Path(folder)):
            print(f"Skipped: Node's ws. {complaint}\n")
        else:
            servers[f"Node ws {WS}"] = lambda: running("node", "peer_ws.js", folder=Path(folder))
        yield servers


def install_ws(folder: Path) -> str | None:
    """Install the peer from npm into a folder. Returns what is in the way, if anything."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return "There is no Node here (nodejs.org)."
    shutil.copy(ROOT / "tools" / "peer_ws.js", folder)
    command = [npm, "install", "--no-audit", "--no-fund", f"ws@{WS}"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    return installed.stderr.strip()[-200:] if installed.returncode else None


# What is measured


def fanout(options: argparse.Namespace) -> None:
    measures: dict[str, list[dict[str, float]]] = {}
    with all_servers() as servers:
        for _ in range(options.rounds):
            for name, start in servers.items():
                with start() as (port, process):
                    one = fan_out_once(port, process, options.clients, options.seconds)
                measures.setdefault(name, []).append(one)
    middle = {name: medians(rounds) for name, rounds in measures.items()}
    least = middle["`gather` (the exercise sheet)"]
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

        latencies = []
        for _ in range(20):
            began = time.perf_counter()
            crowd.send()
            crowd.read_all(number)
            latencies.append(time.perf_counter() - began)

        sent = delivered = 0
        cpu, began = cpu_time(process), time.perf_counter()
        while time.perf_counter() - began < seconds:
            free = WINDOW - sent + delivered // number
            crowd.send(free)
            sent += free
            delivered += crowd.read().total()
        elapsed, used = time.perf_counter() - began, cpu_time(process) - cpu
        crowd.read_all(sent * number - delivered)
        assert len(set(crowd.got.values())) == 1, "somebody missed a message"
    return {
        "rate": delivered / elapsed,
        "per CPU second": delivered / used,
        "latency": statistics.median(latencies),
        "memory": memory,
    }


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
        quiet, _ = pulse(crowd, number, 5.0)
        crowd.stop_reading(stalled)
        before = process.memory_info().rss
        disturbed, arrived = pulse(crowd, number - 1, seconds)
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


def pulse(crowd: Crowd, listeners: int, seconds: float) -> tuple[float, float]:
    """Send 100 messages a second. Returns the 99th percentile of the delays from when each was due
    until a client has it, in seconds, and which part of them arrived within a second of the end."""
    heard = Counter(crowd.got)
    before = max(heard.values(), default=0)
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
                delays.append(now - due[heard[client] - before])
                heard[client] += 1
    part = len(delays) / len(due) / listeners
    return statistics.quantiles(delays, n=100)[-1], part


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


# Figures and words


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}


def up_to(most: int) -> Callable[[str], int]:
    """Describe an option that is a whole number: what is measured must come to an end."""

    def check(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"expected a number from 1 to {most}, got {text!r}")
        return int(text)

    return check


def use_core(process: psutil.Process, place: int) -> None:
    """Let a process run on the first (0) or the last (-1) core, where the system offers that."""
    if CORES:
        process.cpu_affinity([CORES[place]])


def cpu_time(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def raise_file_limit(number: int) -> None:
    """Let this process and those it starts have a connection for each client."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = number + 200
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard), hard))


def environment() -> str:
    return (
        f"{date.today()}: Python {platform.python_version()}, websockets {version('websockets')}, "
        f"{platform.system()}, {psutil.cpu_count()} cores"
    )


def print_table(head: str, rows: list[list[str]]) -> None:
    columns = head.split("|")
    for cells in [columns, ["---"] + ["---:"] * (len(columns) - 1), *rows]:
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
