"""Which exercise lives on which port, and who is there already."""

import asyncio
import contextlib
import errno
import json
import os
import socket
from typing import Any

import psutil

from server.certificate import context_for, fetch, trust
from server.link import Link

LOOPBACK = "127.0.0.1"
EXERCISES = (
    "connect",
    "chat",
    "typing_indicator",
    "counter",
    "notifications",
    "dashboard",
    "whiteboard",
)
# Windows has numbers of its own for "in use" (10048) and "reserved" (10013).
TAKEN = {errno.EADDRINUSE, errno.EACCES, 10048, 10013}

LONGEST_ANSWER = 65_536  # bytes


class PortTaken(OSError):
    """A port belongs to another program. The text says to which, and what to do."""


def first_port() -> int:
    """Return the port from which the course counts: 8760, unless COURSE_FIRST_PORT is set."""
    configured = os.environ.get("COURSE_FIRST_PORT", "8760")
    if not configured.isdecimal() or not 1_024 <= int(configured) <= 65_000:
        raise ValueError(
            f"COURSE_FIRST_PORT is {configured!r}. Expected a number from 1024 to 65000."
        )
    return int(configured)


def exercise_port(exercise: str) -> int:
    """Return the port of an exercise: the first port plus its number in the course."""
    return first_port() + 1 + EXERCISES.index(exercise)


def own_ports() -> list[int]:
    """Return the ports for a handler of one's own: ten to try, then 0, which means any."""
    return [*range(first_port() + 10, first_port() + 20), 0]


async def ask_about(port: int, within: float = 2.0) -> dict[str, Any] | None:
    """Return what the course's server on a port of this computer says of itself.

    Args:
        port: A port of this computer.
        within: How long to wait for the answer, in seconds.

    Returns:
        What `/about` says, or None if it is not a server of the course.

    Raises:
        ConnectionError: If nobody listens there, or whoever did is gone in the same moment.
    """
    gone: ConnectionError | None = None
    for secure in (False, True):
        try:
            if secure:  # Whom one believes without encryption, on this computer, one may with it.
                trust(LOOPBACK, port, await fetch(LOOPBACK, port, within))
            if about := read_about(await ask(Link(LOOPBACK, port, secure=secure), within)):
                return about
            gone = None
        except ConnectionRefusedError:
            raise
        except ConnectionError as error:
            gone = error
        except TimeoutError:
            return None  # who does not answer to one does not answer to the other
        except OSError:
            gone = None
    if gone is not None:
        raise gone
    return None


async def ask(link: Link, within: float = 2.0) -> tuple[int, bytes]:
    """Return the status and the body with which a server answers to `/about`.

    Args:
        link: Where it is; if it is encrypted, its certificate must be trusted already.
        within: How long to wait for the answer, in seconds.

    Raises:
        OSError: If nobody answers there.
        TimeoutError: If it takes longer.
    """
    async with asyncio.timeout(within):
        reader, writer = await asyncio.open_connection(
            link.host, link.port, ssl=context_for(link.page)
        )
        try:
            path = f"/about?token={link.token}" if link.token else "/about"
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {link.place}\r\n\r\n".encode())
            answer = b""
            while not reader.at_eof() and len(answer) < LONGEST_ANSWER:
                answer += await reader.read(LONGEST_ANSWER)
        finally:
            writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    return int(status[0]) if status and status[0].isdigit() else 0, body


def read_about(answer: tuple[int, bytes]) -> dict[str, Any] | None:
    """Return what a server of the course says of itself, or None if it is not one."""
    with contextlib.suppress(ValueError, RecursionError):
        about = json.loads(answer[1])
        if isinstance(about, dict) and about.get("course") == "websocket-course":
            return about
    return None


def free_port() -> int:
    """Return a port of this computer on which nobody listens at this moment."""
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        return free.getsockname()[1]


def who_listens(port: int) -> str:
    """Name the program that listens on a port, as far as the operating system tells."""
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error):
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                    return f"{process.info['name']} (process {process.pid})"
    return "another program"
