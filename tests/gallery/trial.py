"""Tries a piece of the gallery out, in a process of its own where nothing else can disturb it."""

import asyncio
import importlib
import threading
import time
from dataclasses import dataclass

import psutil

import checks
from checks.report import Report
from tests.gallery import Piece

GALLERIES = {
    "counter_servers": "check_counter",
    "counter_clients": "check_counter_client",
    "connect_servers": "check_connect",
    "connect_clients": "check_connect_client",
    "chat_servers": "check_chat",
    "chat_clients": "check_chat_client",
    "typing_indicator_servers": "check_typing_indicator",
    "typing_indicator_clients": "check_typing_indicator_client",
    "notifications_servers": "check_notifications",
    "notifications_clients": "check_notifications_client",
    "dashboard_servers": "check_dashboard",
    "dashboard_clients": "check_dashboard_client",
    "whiteboard_servers": "check_whiteboard",
    "whiteboard_clients": "check_whiteboard_client",
    "scale_senders": "check_scale",
}
SHORT = 2.0  # seconds; what took no longer is tried a second time


@dataclass(frozen=True)
class Case:
    """A piece of a gallery, by its place there."""

    gallery: str
    shelf: str
    number: int

    @property
    def piece(self) -> Piece:
        return getattr(importlib.import_module(f"tests.gallery.{self.gallery}"), self.shelf)[
            self.number
        ]

    def __str__(self) -> str:
        return f"{self.gallery}: {self.piece.title}"


@dataclass(frozen=True)
class Trial:
    """What came of it: the report, how long it took, what was left over, the second report."""

    report: Report
    seconds: float
    left: list[str]
    second: Report | None


def cases(*shelves: str) -> list[Case]:
    """Return all pieces that stand on some shelves of the galleries."""
    return [
        Case(gallery, shelf, number)
        for gallery in GALLERIES
        for shelf in shelves
        for number in range(
            len(getattr(importlib.import_module(f"tests.gallery.{gallery}"), shelf, []))
        )
    ]


def try_out(case: Case) -> Trial:
    """Check a piece, once or twice, on an event loop of its own."""
    return asyncio.run(_try_out(case))


async def _try_out(case: Case) -> Trial:
    check, piece = getattr(checks, GALLERIES[case.gallery]), case.piece
    subject = piece.run()
    # A handler and what runs beside it are checked together.
    subjects = subject if isinstance(subject, tuple) else (subject,)
    began = time.perf_counter()
    report = await check(*subjects)
    seconds = time.perf_counter() - began
    left = await left_over()
    second = await check(*subjects) if seconds < SHORT else None
    return Trial(report, seconds, left, second)


async def left_over(within: float = 8.0) -> list[str]:
    """Return the tasks, threads and sockets that do not go away by themselves."""
    deadline = time.monotonic() + within
    while left := _left_now():
        if time.monotonic() > deadline:
            return left
        for _ in range(10):
            await asyncio.sleep(0)  # what is being closed needs some turns of the loop
    return []


def _left_now() -> list[str]:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    threads = [thread.name for thread in threading.enumerate() if "pytest" not in thread.name]
    sockets = psutil.Process().net_connections("inet")
    return [
        *sorted(f"task {task.get_coro().__qualname__}" for task in tasks),
        *(f"thread {name}" for name in threads if _is_of_a_check(name)),
        *(f"socket {socket.status}" for socket in sockets),
    ]


def _is_of_a_check(name: str) -> bool:
    # A worker of a process pool has one thread of its own, which feeds a queue.
    return name != "MainThread" and not name.startswith("QueueFeederThread")
