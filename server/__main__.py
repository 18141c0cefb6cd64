"""Run the server of one exercise from a terminal: ``python -m server counter``."""

import argparse
import asyncio
import re
import signal
import sys
from typing import Any

from server.exercises import available, load, options_of
from server.ports import TAKEN, exercise_port, who_listens
from server.running import Server


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m server",
        description="Run the server of one exercise, without Jupyter. Ctrl+C stops it.",
        epilog="Open the address that it prints in a browser, in as many tabs as you like.",
    )
    parser.add_argument("exercise", choices=available(), help="the exercise to serve")
    parser.add_argument(
        "--port",
        type=port,
        metavar="N",
        help="TCP port, 0 for any that is free; by default the one the exercise's notebook uses",
    )
    parser.add_argument(
        "--origin",
        type=origin,
        action="append",
        default=[],
        metavar="URL",
        help="let pages of this origin connect as well, such as https://example.org; "
        "may be given several times; by default only the server's own page may",
    )
    known = {name: options_of(name) for name in available()}
    for name, options in known.items():
        for option, default in options.items():
            add_option(parser, name, option, default)
    parsed = parser.parse_args(arguments)
    given = {o for options in known.values() for o in options if getattr(parsed, o) is not None}
    if foreign := sorted(given - known[parsed.exercise].keys()):
        parser.error(f"{parsed.exercise} has no option --{foreign[0]}")
    parsed.options = {option: getattr(parsed, option) for option in given}
    if parsed.port is None:
        try:
            parsed.port = exercise_port(parsed.exercise)
        except ValueError as error:  # COURSE_FIRST_PORT is no port
            parser.error(str(error))
    return parsed


def add_option(parser: argparse.ArgumentParser, exercise: str, option: str, default: Any) -> None:
    """Let an option of an exercise be given on the command line, with values as its default has."""
    several = isinstance(default, tuple)
    shown = " ".join(map(str, default if several else [default]))
    parser.add_argument(
        f"--{option}",
        type=float,
        nargs=len(default) if several else None,
        metavar="SECONDS",
        help=f"{exercise}: by default {shown}",
    )


def port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 65535, got {text!r}")
    return int(text)


def origin(text: str) -> str:
    if not re.fullmatch(r"https?://[^/?#\s]+", text):
        raise argparse.ArgumentTypeError(
            f"expected a scheme and a host such as https://example.org, got {text!r}"
        )
    return text


async def run(arguments: argparse.Namespace) -> int:
    """Serve until somebody stops it. Returns the exit code."""
    try:
        handler = load(arguments.exercise, **arguments.options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    server = Server(arguments.exercise, handler, origins=frozenset(arguments.origin))
    server.parks = False  # nobody is there to exchange the handler
    stopped = asyncio.Event()
    _on_signals(stopped)
    try:
        await server.open(arguments.port)
    except OSError as error:
        if error.errno not in TAKEN:
            raise
        print(
            f"Port {arguments.port} belongs to {who_listens(arguments.port)}. End that program, "
            f"or choose another port: python -m server {arguments.exercise} --port 0",
            file=sys.stderr,
        )
        return 1
    print(f"The {server.exercise} server runs at {server.url}", flush=True)
    print(f"Its page: {server.page}  (Ctrl+C stops it)", flush=True)
    try:
        await stopped.wait()
    finally:
        await server.stop()
    print("Stopped.")
    return 0


def _on_signals(stopped: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stopped.set)
        except NotImplementedError:  # Windows, where signal.signal() has to do
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopped.set))


if __name__ == "__main__":
    sys.exit(asyncio.run(run(parse_arguments())))
