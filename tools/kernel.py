"""A real kernel, whose cells are run as JupyterLab runs them, without a browser."""

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0  # a cold start on a busy machine; it usually takes 1 s


@dataclass
class Ran:
    """A cell that runs or has run.

    Attributes:
        text: What it printed and displayed, as text.
        error: The name of the exception with which it ended, or an empty text.
        traceback: What the notebook shows of that.
        begun: Set when the kernel begins with it.
        answered: Set when the kernel says that it is done. Outputs may come later; when there are
            thousands of them, ZeroMQ drops some, and this is what one can rely on.
        idle: Set when all outputs are there, and the kernel does nothing more for this cell. An
            interrupt in the moment before the answer makes ipykernel 7.4 forget the answer.
        done: Set when the kernel has answered, and all outputs are there.
    """

    text: str = ""
    error: str = ""
    traceback: str = ""
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Kernel:
    """A kernel in a process of its own, from ``async with`` to the end of the block.

    Attributes:
        stderr: What was written to its standard error stream so far, by whichever cell.
    """

    def __init__(self, folder: Path = ROOT, **environment: str) -> None:
        """Take where it runs, and what its environment shall have besides that of this process."""
        specs = KernelSpecManager(kernel_dirs=[])  # this Python's own, whatever is installed
        self._manager = AsyncKernelManager(kernel_spec_manager=specs, transport_encryption="auto")
        self._folder = folder
        self._environment = os.environ | environment
        self._runs: dict[str, Ran] = {}
        self.stderr = ""
        self._written = asyncio.Condition()
        self._readers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Kernel":
        await self._manager.start_kernel(cwd=str(self._folder), env=self._environment)
        self._client = self._manager.client()
        self._client.start_channels()
        try:
            await self._client.wait_for_ready(timeout=START_SECONDS)
        except BaseException:
            await self.__aexit__()
            raise
        receive = (self._client.get_shell_msg, self._client.get_iopub_msg)
        self._readers = [asyncio.create_task(self._read(get)) for get in receive]
        return self

    async def __aexit__(self, *_: object) -> None:
        for reader in self._readers:
            reader.cancel()
        self._client.stop_channels()
        await self._manager.shutdown_kernel(now=True)

    @property
    def process(self) -> psutil.Process:
        """The process of the kernel."""
        return psutil.Process(self._manager.provisioner.pid)

    def begin(self, cell: str, code: str) -> Ran:
        """Send a cell to the kernel, and do not wait for it.

        Args:
            cell: The name by which JupyterLab knows the cell, however often it is run.
            code: What stands in it.
        """
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        session = self._client.session
        message = session.msg("execute_request", content, metadata={"cellId": cell})
        ran = self._runs[message["header"]["msg_id"]] = Ran()
        # The channel's own send() goes past the socket that reads. What has come in that moment
        # would not be seen until something else comes, and the kernel would seem not to answer.
        self._client.shell_channel.socket.send_multipart(session.serialize(message))
        return ran

    async def run(self, cell: str, code: str, within: float = 30.0) -> str:
        """Run a cell. Returns what it printed and displayed, as text.

        Raises:
            CellFailed: If the cell raises.
            TimeoutError: If the kernel is not done with it after so many seconds.
        """
        ran = self.begin(cell, code)
        async with asyncio.timeout(within):
            await ran.done.wait()
        if ran.error:
            raise CellFailed(ran.traceback)
        return ran.text

    async def written_until(self, words: str, within: float = 30.0) -> str:
        """Return what was written to the standard error stream, as soon as it has these words."""
        async with asyncio.timeout(within), self._written:
            await self._written.wait_for(lambda: words in self.stderr)
        return self.stderr

    async def interrupt(self) -> None:
        """Do what the stop button does."""
        await self._manager.interrupt_kernel()

    async def _read(self, get: Any) -> None:
        while True:
            message = await get(timeout=None)
            content = message["content"]
            if message["msg_type"] == "stream" and content["name"] == "stderr":
                async with self._written:
                    self.stderr += content["text"]
                    self._written.notify_all()
            number = message["parent_header"].get("msg_id")
            if ran := self._runs.get(number):
                note(ran, message["msg_type"], content)
                if ran.done.is_set():
                    del self._runs[number]


class CellFailed(Exception):
    """A cell has raised. The text is what the notebook shows."""


def note(ran: Ran, kind: str, content: dict[str, Any]) -> None:
    """Note what a message of the kernel says about a cell."""
    match kind:
        case "stream":
            ran.text += content["text"]
        case "display_data" | "execute_result":
            ran.text += content["data"].get("text/plain", "")
        case "error":
            ran.error, ran.traceback = content["ename"], "\n".join(content["traceback"])
        case "execute_input":
            ran.begun.set()
        case "execute_reply":
            ran.error = content.get("ename", "")
            ran.answered.set()
        case "status" if content["execution_state"] == "idle":
            ran.idle.set()
    # The reply and the outputs come on different ways, in any order.
    if ran.answered.is_set() and ran.idle.is_set():
        ran.done.set()
