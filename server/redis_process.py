"""A Redis that a notebook starts for itself, if it is installed here."""

import asyncio
import shutil
import signal
import tempfile
from contextlib import suppress
from typing import Any

from server.ports import LOOPBACK, free_port

START_SECONDS = 10.0  # on a busy computer; it usually takes a tenth of a second
FAREWELL = 3.0  # seconds in which it may end by itself
HOW_TO_INSTALL = {
    "Debian, Ubuntu": "`sudo apt-get install redis-server`",
    "macOS, with Homebrew": "`brew install redis`",
    "Linux and macOS, with conda": "`conda install -c conda-forge redis-server`",
    "Windows": "Redis does not run there; install WSL, and in it what Debian or Ubuntu need",
}
# Redis does not notice when whoever started it is gone. A shell does, which reads from a pipe: when
# the kernel ends, be it by a kill -9, the system closes the pipe, and the shell ends Redis.
UNTIL_THE_PIPE_CLOSES = '"$@" & redis=$!; cat >/dev/null; kill $redis 2>/dev/null; wait $redis'


class RedisProcess:
    """A Redis of this kernel, which ends with it. It stores nothing.

    Attributes:
        url: Its address, such as ``redis://127.0.0.1:6379``; None if Redis is not installed.
    """

    def __init__(self) -> None:
        self.url: str | None = None
        self._port = 0
        self._shell: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._card: Any = None

    @property
    def is_installed(self) -> bool:
        """Whether there is a ``redis-server`` that can be started."""
        return bool(shutil.which("redis-server") and shutil.which("sh"))

    @property
    def is_running(self) -> bool:
        return self._shell is not None and self._shell.returncode is None

    async def start(self) -> None:
        """Start it, again on the same port if it ran before. Does nothing if it runs.

        Raises:
            RuntimeError: If it does not start.
        """
        if self.is_running or not self.is_installed:
            return
        for _ in range(1 if self._port else 5):  # a port that was free may be taken the next moment
            port = self._port or free_port()
            if await self._start_on(port):
                self._port, self.url = port, f"redis://{LOOPBACK}:{port}"
                self._watch = asyncio.create_task(self._show_the_end())
                self._show()
                return
        raise RuntimeError(
            f"Redis did not start on port {port}. Perhaps another program has it. In a terminal, "
            f"`redis-server --port {port}` says why."
        )

    async def stop(self) -> None:
        """End it. Does nothing if it does not run."""
        await self._end()
        if self._watch is not None:
            await asyncio.wait([self._watch])
        self._show()

    async def _start_on(self, port: int) -> bool:
        # Nothing is stored, neither now and then nor at the end, and nothing that lies about in
        # that folder is read.
        options = {
            "port": str(port),
            "bind": LOOPBACK,
            "save": "",
            "appendonly": "no",
            "dir": tempfile.gettempdir(),
            "dbfilename": f"no-such-file-{port}.rdb",
            "daemonize": "no",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        beginning = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                *("sh", "-c", UNTIL_THE_PIPE_CLOSES, "sh", "redis-server", *words),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # or else a notebook's stop button would interrupt it, too
            )
        )
        answers = False
        try:
            # Interrupted while it begins, asyncio would kill the shell, leave Redis behind, and
            # wait for ever: https://github.com/python/cpython/issues/103847
            self._shell = await asyncio.shield(beginning)
            with suppress(TimeoutError):
                async with asyncio.timeout(START_SECONDS):
                    while self.is_running and not (answers := await _answers(port)):
                        await asyncio.sleep(0.02)
        finally:  # also if the cell is interrupted: what half began must not count as running
            if not answers:
                self._shell = await beginning
                await self._end()
        return answers

    async def _end(self) -> None:
        if self._shell is None:
            return
        self._shell.stdin.close()
        try:
            await asyncio.wait_for(self._shell.wait(), FAREWELL)
        except TimeoutError:
            self._shell.send_signal(signal.SIGKILL)
            await self._shell.wait()

    async def _show_the_end(self) -> None:
        await self._shell.wait()
        self._show()

    def _show(self) -> None:
        if self._card is not None:
            self._card.show()

    def __repr__(self) -> str:
        if not self.is_installed:
            ways = "\n".join(f"  {system}: {way}" for system, way in HOW_TO_INSTALL.items())
            return f"Redis is not installed on this computer. To install it:\n{ways}"
        if not self.is_running:
            return "<Redis, stopped>"
        return f"<Redis at {self.url}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        from server.card import RedisCard, mimebundle  # Only a notebook needs widgets.

        if self._card is None:
            self._card = RedisCard(self)
        return mimebundle(self, self._card.widget, **kwargs)


# The one of this process: a cell that starts it may be run again and again.
own = RedisProcess()


async def start_redis() -> RedisProcess:
    """Start a Redis for this notebook, which ends with it. Run it again as often as you like.

    It listens on a free port of this computer alone, and stores nothing. If Redis is not installed
    here, what is returned has no ``url``, and says how to install it.

    Raises:
        RuntimeError: If it does not start.
    """
    await own.start()
    return own


async def _answers(port: int) -> bool:
    """Return whether a Redis on a port of this computer takes commands."""
    try:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        return (await reader.read(100)).startswith(b"+PONG")
    except OSError:
        return False
    finally:
        writer.close()
