"""What holds in a real kernel: cells that run again, and where a traceback ends up."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jupyter_client import AsyncKernelClient, AsyncKernelManager

from tests.wire import within

ROOT = Path(__file__).parents[1]


class Notebook:
    """Runs cells in a kernel, as JupyterLab does: each cell has an id that stays."""

    def __init__(self, kernel: AsyncKernelClient) -> None:
        self.kernel = kernel
        self.stderr = ""

    async def run(self, cell: str, code: str) -> str:
        """Run a cell; return what it printed and what it ended with."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        request = self.kernel.session.msg("execute_request", content, metadata={"cellId": cell})
        self.kernel.shell_channel.send(request)
        shown = ""
        async with asyncio.timeout(30):
            while True:
                message = await self.kernel.get_iopub_msg()
                self.note(message)
                if message["parent_header"].get("msg_id") != request["header"]["msg_id"]:
                    continue
                match message["msg_type"], message["content"]:
                    case "stream", {"text": text}:
                        shown += text
                    case "execute_result", {"data": {"text/plain": text}}:
                        shown += text
                    case "error", {"traceback": lines}:
                        raise AssertionError("\n".join(lines))
                    case "status", {"execution_state": "idle"}:
                        return shown

    async def written_until(self, words: str) -> str:
        """Return what was written to the standard error stream, as soon as it has these words."""
        async with asyncio.timeout(30):
            while words not in self.stderr:
                self.note(await self.kernel.get_iopub_msg())
        return self.stderr

    def note(self, message: dict[str, Any]) -> None:
        match message["msg_type"], message["content"]:
            case "stream", {"name": "stderr", "text": text}:
                self.stderr += text


@asynccontextmanager
async def notebook() -> AsyncIterator[Notebook]:
    manager = AsyncKernelManager(kernel_name="python3")
    await within(manager.start_kernel(env=os.environ | {"PYTHONPATH": str(ROOT)}), 30)
    kernel = manager.client()
    kernel.start_channels()
    try:
        await within(kernel.wait_for_ready(), 30)
        yield Notebook(kernel)
    finally:
        kernel.stop_channels()
        await within(manager.shutdown_kernel(now=True))


async def test_a_cell_that_runs_again_closes_the_clients_that_it_made_before():
    async with notebook() as book:
        await book.run("launch", "from server import start\nserver = await start('counter')")
        await book.run("import", "from client import CounterClient\neverybody = []")
        make = (
            "made = [CounterClient(server, name) for name in ('Ada', 'Ben')]\n"
            "everybody += made\n"
            "for client in made: await client.until(lambda: client.value is not None)\n"
            "made"
        )
        one = "cem = CounterClient(server, 'Cem')\nawait cem.until(lambda: cem.value is not None)"
        shown = (
            "for client in everybody[:-2]: await client.wait_closed()\n"
            "[client.state for client in everybody], cem.state, len(server.connections)"
        )
        await book.run("clients", make)
        await book.run("another", one)
        assert await book.run("show", shown) == "(['connected', 'connected'], 'connected', 3)"
        await book.run("clients", make)
        again = "(['closed', 'closed', 'connected', 'connected'], 'connected', 3)"
        assert await book.run("show", shown) == again
        await book.run("another", "cem")  # does not make one any more
        assert await book.run("show", "everybody[-1].state, cem.state") == (
            "('connected', 'connected')"
        )


async def test_the_launch_cell_may_run_again_and_keeps_server_and_state():
    async with notebook() as book:
        launch = "from server import start\nserver = await start('counter')\nid(server)"
        first = await book.run("launch", launch)
        play = (
            "from client import CounterClient\nada = CounterClient(server)\nada.increment()\n"
            "await ada.until(lambda: ada.value == 1)\nada.value"
        )
        assert await book.run("play", play) == "1"
        assert await book.run("launch", launch) == first
        again = "ada.increment()\nawait ada.until(lambda: ada.value == 2)\nada.value, ada.state"
        assert await book.run("again", again) == "(2, 'connected')"


async def test_what_a_handler_raises_appears_at_once_in_the_notebook():
    async with notebook() as book:
        await book.run(
            "handler",
            "from server import start\n"
            "from client import Client\n"
            "async def handler(websocket):\n"
            "    async for message in websocket:\n"
            "        1 / 0\n"
            "server = await start(handler)\n"
            "client = Client(server)",
        )
        await book.run("send", "client.send('hello')")
        written = await book.written_until("ZeroDivisionError: division by zero")
        assert "    1 / 0\n" in written
        assert "server/" not in written
        connected = "client.state, len(server.connections)"
        assert await book.run("still there", connected) == "('connected', 1)"
