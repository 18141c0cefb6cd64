"""Run the server of one exercise from a terminal: ``python -m server counter``."""

import argparse
import asyncio
import logging
import re
import signal
import sys
from typing import Any

from server.exercises import FOR_PROGRAMS, NOT_SHARED, available, load, options_of
from server.jupyter import NO_WAY, find_jupyter, page_links
from server.ports import LOOPBACK, TAKEN, exercise_port, who_listens
from server.running import EVERYWHERE, LONGEST_MESSAGE, Server, owner_of
from server.via import Away, Via


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m server",
        description="Run the server of one exercise, without Jupyter. Ctrl+C stops it.",
        epilog="Open the address that it prints in a browser, in as many tabs as you like.",
    )
    parser.add_argument(
        "exercise",
        choices=[*available(), *FOR_PROGRAMS],
        help="the exercise to serve; echo is none: it sends back whatever comes",
    )
    parser.add_argument(
        "--port",
        type=port,
        metavar="N",
        help="TCP port, 0 for any that is free; by default the one the exercise's notebook uses, "
        "and any for echo",
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
    parser.add_argument(
        "--host",
        choices=[LOOPBACK, EVERYWHERE],
        default=LOOPBACK,
        help="0.0.0.0 lets others on the network in, with the join link that it prints; "
        "by default this computer alone is served",
    )
    parser.add_argument(
        "--tls",
        nargs="*",
        metavar="FILE",
        help="encrypt: without files with a certificate made on the spot, else with these two, "
        "the certificate and its key (PEM)",
    )
    parser.add_argument(
        "--via",
        type=via,
        metavar="URL",
        help="share the room with all servers that have the same Redis, such as "
        "redis://127.0.0.1:6379, here with --port 0 and on other computers; "
        "redis://…?room=biology keeps two courses apart",
    )
    known = {name: options_of(name) for name in available()}
    for name, options in known.items():
        for option, default in options.items():
            add_option(parser, name, option, default)
    parsed = parser.parse_args(arguments)
    given = {o for options in known.values() for o in options if getattr(parsed, o) is not None}
    if foreign := sorted(given - known.get(parsed.exercise, {}).keys()):
        parser.error(f"{parsed.exercise} has no option --{foreign[0]}")
    parsed.options = {option: getattr(parsed, option) for option in given}
    if parsed.via is not None and parsed.exercise in NOT_SHARED:
        parser.error(f"{parsed.exercise} is not built to be shared by several servers")
    if parsed.tls is not None and len(parsed.tls) not in {0, 2}:
        parser.error("--tls takes no file, or two: the certificate and its key")
    parsed.tls = False if parsed.tls is None else tuple(parsed.tls) or True
    if parsed.port is None and parsed.exercise in FOR_PROGRAMS:
        parsed.port = 0
    elif parsed.port is None:
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


def via(text: str) -> Via:
    try:
        return Via.parse(text)
    except ValueError as error:
        # Not argparse's own words, which would show the address, and a password in it.
        raise argparse.ArgumentTypeError(str(error)) from None


def origin(text: str) -> str:
    if not re.fullmatch(r"https?://[^/?#\s]+", text):
        raise argparse.ArgumentTypeError(
            f"expected a scheme and a host such as https://example.org, got {text!r}"
        )
    return text


def invitation(server: Server) -> str:
    """Return the join link of a class, as a QR code and as text."""
    from server.qr import as_text  # Only a class needs it.

    link, *others = map(str, server.links)
    code = as_text(link, colours=sys.stdout.isatty())
    try:
        code.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:  # the terminal of an old Windows has no such signs
        code = ""
    lines = [code, f"The join link of this class: {link}", *(f"or: {other}" for other in others)]
    return "\n".join(filter(None, lines))


async def run(arguments: argparse.Namespace) -> int:
    """Serve until somebody stops it. Returns the exit code."""
    try:
        handler = load(arguments.exercise, **arguments.options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    server = Server(
        arguments.exercise,
        handler,
        origins=frozenset(arguments.origin),
        host=arguments.host,
        tls=arguments.tls,
        longest_message=getattr(owner_of(handler), "longest_message", LONGEST_MESSAGE),
        via=arguments.via,
    )
    server.parks = False  # nobody is there to exchange the handler
    logging.basicConfig(format="%(message)s")
    logging.getLogger("server.shared").setLevel(logging.INFO)  # no card shows it here
    stopped = asyncio.Event()
    _on_signals(stopped)
    try:
        await server.open(arguments.port)
    except ValueError as error:  # the files of the certificate, or a Redis that lets nobody in
        print(error, file=sys.stderr)
        return 2
    except Away as error:
        print(error, file=sys.stderr)
        return 1
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
    if server.via is not None:
        print(f"Its room is shared with all servers that have --via {server.via}", flush=True)
    jupyter = find_jupyter()
    # The browser is not where a hub's terminal is.
    if jupyter is not None and jupyter.has_own_names:
        links = page_links(server.page, server.port)
        for link in links:
            print(f"In your browser, after the name of your JupyterHub: {link.address}", flush=True)
        if not links:
            print(f"{NO_WAY}python -m server {server.exercise}", flush=True)
    if server.links:
        print(invitation(server), flush=True)
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
