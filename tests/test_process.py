"""A server in a process of its own: it starts, it ends when asked, and it ends with its kernel."""

import asyncio
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from websockets import connect
from websockets.exceptions import ConnectionClosed

from server import start_process, stop
from server.process import running
from tests.wire import within
from tools.kernel import Kernel

ROOT = Path(__file__).resolve().parents[1]


async def test_it_serves_and_when_it_is_stopped_everybody_is_told_goodbye():
    server = await start_process("counter")
    process = psutil.Process(server.pid)
    assert repr(server) == "<counter server in another process, running>"
    async with connect(server.url, proxy=None) as ada:
        assert '"value": 0' in await within(ada.recv())
        await server.stop()
        with pytest.raises(ConnectionClosed) as closed:
            await within(ada.recv())
    assert closed.value.rcvd.code == 1001
    assert not process.is_running() and not server.is_running
    assert repr(server) == "<counter server in another process, ended>"
    await server.stop()  # once more does no harm


async def test_what_closes_everything_ends_it_too_and_its_card_says_so():
    server = await start_process("counter")
    server._repr_mimebundle_()
    assert f"process {server.pid}" in server._card._body.value
    assert "running" in server._card._head.value
    await stop()
    assert not server.is_running and "stopped" in server._card._head.value


async def test_one_that_is_killed_is_shown_as_ended():
    server = await start_process("counter")
    server._repr_mimebundle_()
    psutil.Process(server.pid).kill()
    async with asyncio.timeout(10):
        while "stopped" not in server._card._head.value:
            await asyncio.sleep(0.01)
    await server.stop()


async def test_a_cell_that_runs_again_ends_those_that_it_started_before():
    make = (
        "from server import start_process\n"
        "made = [await start_process('counter'), await start_process('counter')]\n"
        "everybody = globals().get('everybody', []) + made\n"
        "[server.is_running for server in everybody]"
    )
    async with Kernel() as book:
        assert await book.run("start", make) == "[True, True]"
        assert await book.run("start", make) == "[False, False, True, True]"


async def test_the_password_of_a_redis_is_in_no_list_of_programs():
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        starting = asyncio.create_task(
            start_process("counter", via=f"redis://:geheim@127.0.0.1:{port}")
        )
        async with asyncio.timeout(10):
            while not running:
                await asyncio.sleep(0.01)
        [server] = running
        command = psutil.Process(server.pid).cmdline()
        with pytest.raises(RuntimeError, match=rf"127\.0\.0\.1:{port}") as error:
            await within(starting)
    assert "counter" in command and "geheim" not in f"{command}{error.value}"


async def test_what_cannot_start_says_why():
    with pytest.raises(ValueError, match="There is no exercise 'chess'"):
        await start_process("chess")
    with pytest.raises(RuntimeError, match=r"(?s)did not start\..*via"):
        await start_process("counter", via="no address at all")
    assert running == set()


def test_it_ends_when_its_kernel_is_killed():
    program = """
import asyncio
from server import start_process
async def main():
    print((await start_process("counter")).pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    kernel = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE)
    process = psutil.Process(int(kernel.stdout.readline()))
    kernel.kill()
    kernel.wait()
    kernel.stdout.close()
    process.wait(10)
