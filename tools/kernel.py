"""A real kernel, whose cells are run as JupyterLab runs them, without a browser."""

import asyncio
import os
from contextlib import suppress
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
    """What came of a cell.

    Attributes:
        printed: What it printed.
        shown: What it displayed, as text.
        error: The name of the exception with which it ended, or an empty text.
        traceback: The lines of that.
    """

    printed: str = ""
    shown: list[str] = field(default_factory=list)
    error: str = ""
    traceback: list[str] = field(default_factory=list)
    replied: bool = False
    idle: bool = False
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Kernel:
    """A kernel of its own process, from ``async with`` to the end of the block."""

    def __init__(self, **environment: str) -> None:
        """Take what its environment shall have besides that of this process."""
        specs = KernelSpecManager(kernel_dirs=[])  # this Python's own, whatever is installed
        self._manager = AsyncKernelManager(kernel_spec_manager=specs, transport_encryption="auto")
        self._environment = os.environ | environment
        self._runs: dict[str, Ran] = {}
        self._readers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Kernel":
        await self._manager.start_kernel(cwd=str(ROOT), env=self._environment)
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

    def begin(self, source: str, cell: str) -> Ran:
        """Send a cell to the kernel, and do not wait for it.

        Args:
            source: What stands in the cell.
            cell: The name by which JupyterLab knows the cell, however often it is run.
        """
        content = {
            "code": source,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        session = self._client.session
        message = session.msg("execute_request", content, metadata={"cellId": cell})
        ran = self._runs[message["header"]["msg_id"]] = Ran()
        self._client.shell_channel.send(message)
        return ran

    async def run(self, source: str, cell: str, within: float = 30.0) -> Ran:
        """Run a cell, and wait until the kernel is done with it.

        Raises:
            RuntimeError: If the cell raises.
            TimeoutError: If it is not done after so many seconds.
        """
        ran = self.begin(source, cell)
        async with asyncio.timeout(within):
            await ran.done.wait()
        if ran.error:
            raise RuntimeError("\n".join(ran.traceback))
        return ran

    async def interrupt(self) -> None:
        """Do what the stop button does."""
        await self._manager.interrupt_kernel()

    async def _read(self, get: Any) -> None:
        while True:
            message = await get(timeout=None)
            number = message["parent_header"].get("msg_id")
            if ran := self._runs.get(number):
                take(ran, message["msg_type"], message["content"])
                if ran.done.is_set():
                    with suppress(KeyError):
                        del self._runs[number]


def take(ran: Ran, kind: str, content: dict[str, Any]) -> None:
    """Note what a message of the kernel says about a cell."""
    match kind:
        case "stream":
            ran.printed += content["text"]
        case "display_data" | "execute_result":
            ran.shown.append(content["data"].get("text/plain", ""))
        case "error":
            ran.error, ran.traceback = content["ename"], content["traceback"]
        case "execute_input":
            ran.begun.set()
        case "execute_reply":
            ran.replied = True
        case "status":
            ran.idle = content["execution_state"] == "idle"
    # The reply and the outputs come on different ways, in any order.
    if ran.replied and ran.idle:
        ran.done.set()
