"""Measure the room beside other servers: ``python -m tools.benchmark fanout|stall|storm|notebook``.

Everything runs on this computer, on 127.0.0.1, for a bounded time: the server on one core, the
clients on the other. The servers take turns, round after round, so that whatever else the computer
does at the time befalls all of them, and the median of the rounds counts. The tables are Markdown.

fanout    one client sends, N clients get it: how many messages a second, how soon, at which memory
stall     one of the clients stops reading: what that means for the others and for the server
storm     all clients connect in the same instant, and come back when the server does
notebook  the server in a kernel beside one in a process of its own, and what a live client costs
"""

import argparse
import platform
import sys
from collections.abc import Callable
from datetime import date
from importlib.metadata import version

import psutil

from tools.benchmark.contestants import use_core
from tools.benchmark.fanout import fanout
from tools.benchmark.notebook import notebook
from tools.benchmark.stall import stall
from tools.benchmark.storm import storm

BENCHMARKS = {"fanout": fanout, "stall": stall, "storm": storm, "notebook": notebook}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.benchmark",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=list(BENCHMARKS))
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
    BENCHMARKS[options.what](options)


def up_to(most: int) -> Callable[[str], int]:
    """Describe an option that is a whole number: what is measured must come to an end."""

    def check(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"expected a number from 1 to {most}, got {text!r}")
        return int(text)

    return check


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


if __name__ == "__main__":
    main()
