"""Ends code that does not let go of the event loop, so that no check hangs."""

import asyncio
import signal
import sys
import threading
import time
import weakref
from types import FrameType
from typing import Any

PATIENCE = 3.0  # seconds that code may keep the event loop for itself
BEAT = 0.02  # seconds between two signs of life


class Blocked(BaseException):
    """Raised inside code that keeps the event loop for itself.

    Not an Exception: a loop around ``try: … except Exception: …`` must not survive it.
    """


class Watchdog:
    """Watches the event loop from another thread, while a check runs.

    If the loop gives no sign of life, it interrupts the main thread as Ctrl+C would, and there
    raises :class:`Blocked`: only if it finds the learner's code at work, never in asyncio itself.

    Attributes:
        blocked_for: The longest time without a sign of life, in seconds.
    """

    def __init__(self) -> None:
        self.blocked_for = 0.0
        self._fired = False
        self._done = threading.Event()

    def reset(self) -> None:
        """Forget what was."""
        self.blocked_for = 0.0
        self._last_beat = time.monotonic()

    def __enter__(self) -> "Watchdog":
        self.reset()
        self._beats = asyncio.get_running_loop().create_task(self._beat())
        # Signals reach the main thread only, and only there may handlers be set.
        self._armed = threading.current_thread() is threading.main_thread()
        if self._armed:
            self._former = signal.signal(signal.SIGINT, self._on_interrupt)
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._done.set()
        self._beats.cancel()
        if self._armed:
            self._thread.join()
            signal.signal(signal.SIGINT, self._former)

    async def _beat(self) -> None:
        while True:
            now = time.monotonic()
            self.blocked_for = max(self.blocked_for, now - self._last_beat)
            self._last_beat = now
            await asyncio.sleep(BEAT)

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            if time.monotonic() - self._last_beat > PATIENCE:
                self._fired = True
                self._interrupt()

    def _interrupt(self) -> None:
        if sys.platform == "win32":
            signal.raise_signal(signal.SIGINT)
        else:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if not self._fired:
            if callable(self._former):  # the learner's own Ctrl+C, or the stop button
                self._former(number, frame)
            return
        self._fired = False
        if _is_guarded(frame):
            raise Blocked


_guarded: set[Any] = set()
_guarded_tasks: "weakref.WeakSet[asyncio.Task[Any]]" = weakref.WeakSet()


def guarded(function: Any) -> Any:
    """Mark a function that calls the learner's code: below it, Blocked may be raised."""
    _guarded.add(function.__code__)
    return function


def guard_task(task: "asyncio.Task[Any]") -> None:
    """Mark a task that the learner's code started: in it, Blocked may be raised."""
    _guarded_tasks.add(task)


def _is_guarded(frame: FrameType | None) -> bool:
    if asyncio.current_task() in _guarded_tasks:
        return True
    while frame is not None:
        if frame.f_code in _guarded:
            return True
        frame = frame.f_back
    return False
