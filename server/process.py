"""A server in a process of its own, started from a notebook: the same program as in a terminal."""

import asyncio
import os
import sys
from collections import deque
from pathlib import Path
from typing import Any

from server.exercises import check_exercise
from server.ports import LOOPBACK

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 20.0  # a cold start on a busy computer; it usually takes half a second
FAREWELL = 3.0  # seconds in which it may end by itself
VIA = "COURSE_VIA"  # the variable that tells it the address of a Redis


class ServerProcess:
    """A server that runs in another process, and ends with this one.

    Attributes:
        exercise: Which exercise it serves.
        url: Where WebSocket clients connect, such as ``ws://127.0.0.1:8764``.
        pid: The number of its process.
    """

    def __init__(self, exercise: str, process: asyncio.subprocess.Process) -> None:
        self.exercise = exercise
        self.url = ""
        self.pid = process.pid
        self._process = process
        self._said: deque[str] = deque(maxlen=20)  # lines
        self._listening = asyncio.Event()
        self._reader = asyncio.create_task(self._read())
        self._card: Any = None

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    async def wait_until_it_listens(self) -> None:
        """Wait until clients can connect.

        Raises:
            RuntimeError: If it ends first, or does not come so far.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._listening.wait()
        except TimeoutError:
            pass
        finally:
            if not self.url:
                await self.stop()
        if not self.url:
            words = "\n".join(self._said) or "It said nothing."
            raise RuntimeError(f"The {self.exercise} server did not start. {words}")

    async def stop(self) -> None:
        """End it, as Ctrl+C does in a terminal: whoever is connected is told goodbye."""
        running.discard(self)
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), FAREWELL)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await asyncio.wait([self._reader])
        self._show()

    async def _read(self) -> None:
        """Read what it says, or else it would wait for us one day; find its address in there."""
        async for line in self._process.stdout:
            words = line.decode(errors="replace").strip()
            self._said.append(words)
            if not self.url and f"ws://{LOOPBACK}:" in words:
                self.url = words.rpartition(" ")[2]
                self._listening.set()
        self._listening.set()  # or never
        await self._process.wait()
        self._show()

    def _show(self) -> None:
        if self._card is not None:
            self._card.show()

    def __repr__(self) -> str:
        state = "running" if self.is_running else "ended"
        return f"<{self.exercise} server in another process, {state}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        from server.card import ProcessCard, mimebundle  # Only a notebook needs widgets.

        if self._card is None:
            self._card = ProcessCard(self)
        return mimebundle(self, self._card.widget, **kwargs)


# Those of this process, so that `stop` ends them. As with servers, names get overwritten.
running: set[ServerProcess] = set()
# Which cell of a notebook made which, and in which of its runs.
_made_by_cell: dict[str, tuple[int, list[ServerProcess]]] = {}


async def start_process(exercise: str, *, via: str | None = None) -> ServerProcess:
    """Start a server of the course in a process of its own, on a port that is free.

    It is what ``python -m server EXERCISE --port 0`` starts in a terminal. It ends when you
    ``stop()`` it, when the cell that started it runs again, when the notebook closes everything,
    and when this kernel ends, however that is.

    Args:
        exercise: The name of an exercise, such as "chat".
        via: The address of a Redis, such as ``redis://127.0.0.1:6379``, that joins servers.

    Raises:
        ValueError: If there is no such exercise.
        RuntimeError: If it does not start; the text says what it said.
    """
    check_exercise(exercise)
    made = await _made_in_this_run()
    command = [sys.executable, "-m", "server.child", exercise, "--port", "0"]
    # A password in it is not for the list of programs, which everybody on this computer can read.
    secret = {} if via is None else {VIA: via}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env=os.environ | secret,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,  # or else a notebook's stop button would interrupt it, too
    )
    server = ServerProcess(exercise, process)
    running.add(server)
    made.append(server)
    await server.wait_until_it_listens()
    return server


async def _made_in_this_run() -> list[ServerProcess]:
    """Return the processes that this run of a cell has started; those of the run before end.

    Otherwise each run would leave one more behind that nobody can see.
    """
    from IPython import get_ipython  # Only a notebook has cells.

    shell = get_ipython()
    parent = shell.get_parent() if shell and hasattr(shell, "get_parent") else None
    cell = ((parent or {}).get("metadata") or {}).get("cellId")
    if cell is None:
        return []
    count, made = _made_by_cell.get(cell, (None, []))
    if count != shell.execution_count:
        for former in made:
            await former.stop()
        made = []
        _made_by_cell[cell] = shell.execution_count, made
    return made
