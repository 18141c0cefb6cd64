"""Ends code that does not let go of the event loop, so that no check hangs."""

import asyncio
import os
import signal
import sys
import threading
import time
from collections import Counter
from types import FrameType
from typing import Any

from checks.advice import place
from server.tracebacks import COURSE, is_learners

PATIENCE = 3.0  # seconds that code may keep the event loop for itself
LESS_PATIENCE = 1.0  # the same, once it was interrupted: a check has several criteria
NOTICED = 0.5  # seconds after which a person would notice
BEAT, LOOK = 0.02, 0.1  # seconds between two signs of life, and between two looks for them
CHECKS = str(COURSE / "checks") + os.sep


class Blocked(BaseException):
    """Raised inside code that keeps the event loop for itself.

    Not an Exception: a loop around ``try: … except Exception: …`` must not survive it.
    """


class Watchdog:
    """Watches the event loop from another thread, while a check runs.

    If the loop gives no sign of life, it interrupts the main thread as Ctrl+C would, and there
    raises :class:`Blocked`: only if it finds the learner's code at work, never in asyncio itself.

    Attributes:
        interrupted: Whether it had to be interrupted.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self._places: Counter[tuple[str, str]] = Counter()
        self._patience = PATIENCE
        self._fired = False
        self._survived = False  # whether the code caught Blocked, as a bare `except:` does
        self._done = threading.Event()

    def reset(self) -> None:
        """Forget what was."""
        self.interrupted = False
        self._places.clear()
        self._last_beat = time.monotonic()

    async def __aenter__(self) -> "Watchdog":
        self.reset()
        self._beats = asyncio.get_running_loop().create_task(self._beat())
        # Signals reach the main thread only, and only there may handlers be set.
        self._armed = threading.current_thread() is threading.main_thread()
        if self._armed:
            self._former = signal.signal(signal.SIGINT, self._on_interrupt)
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._done.set()
        if self._armed:
            self._thread.join()
            signal.signal(signal.SIGINT, self._former)
        self._beats.cancel()
        await asyncio.wait([self._beats])

    async def _beat(self) -> None:
        while True:
            if self._survived:
                self._survived = False
                sys.settrace(self._former_trace)
            self._last_beat = time.monotonic()
            await asyncio.sleep(BEAT)

    def _watch(self) -> None:
        looked = time.monotonic()
        while not self._done.wait(LOOK):
            now = time.monotonic()
            # A computer that is too busy is late here as well. That is not the learner's fault.
            self._last_beat += now - looked - LOOK
            looked = now
            if now - self._last_beat > NOTICED:
                frame = _learners_frame(sys._current_frames().get(threading.main_thread().ident))
                if frame is not None:
                    code, line = frame.f_code, frame.f_lineno
                    found = place(code.co_name, code.co_filename, line)
                    self._places[code.co_name, found] += 1
            if now - self._last_beat > self._patience:
                self._fired = True
                self._interrupt()

    @property
    def blocked_in(self) -> str | None:
        """Where the learner's code kept the loop for so long that a person would notice.

        With the line only if it is there nearly all the time, as it is in a time.sleep(). In a
        loop it is here now and there then.
        """
        if self._places.total() < 2:  # one look may have met it by chance
            return None
        (function, line), times = self._places.most_common(1)[0]
        return line if times > 0.8 * self._places.total() else f"{function}()"

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
            if self._survived:
                _raise_in_handlers(frame)
            else:
                self._former_trace = sys.gettrace()
            self.interrupted = self._survived = True
            self._patience = LESS_PATIENCE
            raise Blocked


def _raise_in_handlers(frame: FrameType | None) -> None:
    """Raise Blocked once more where it is caught: a bare `except:` in a loop catches it.

    It goes through the frames that run now, with a trace function for these alone.
    """
    failed: set[FrameType] = set()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line" and frame in failed:
            raise Blocked  # which ends the tracing, too
        (failed.add if event == "exception" else failed.discard)(frame)
        return trace

    sys.settrace(lambda *_: None)
    while frame is not None:
        if is_learners(frame.f_code.co_filename):
            frame.f_trace = trace
        frame = frame.f_back


_guarded: set[Any] = set()


def guarded(function: Any) -> Any:
    """Mark a function that calls the learner's code: below it, Blocked may be raised."""
    _guarded.add(function.__code__)
    return function


def _is_guarded(frame: FrameType | None) -> bool:
    """Return whether a frame belongs to code that may be interrupted."""
    if _learners_frame(frame) is not None:
        return True
    while frame is not None and frame.f_code is not _ONE_TURN:
        if frame.f_code in _guarded:
            return True
        frame = frame.f_back
    return False


def _learners_frame(frame: FrameType | None) -> FrameType | None:
    """Return the innermost frame of the learner's code, if that is at work."""
    while frame is not None and frame.f_code is not _ONE_TURN:
        file = frame.f_code.co_filename
        if is_learners(file):
            return frame
        if file.startswith(CHECKS):
            return None  # the check itself is at work, though a cell of the learner's called it
        frame = frame.f_back
    return None


# Below this frame there is who runs the event loop, and above it what runs in one turn of it.
_ONE_TURN = asyncio.BaseEventLoop._run_once.__code__
