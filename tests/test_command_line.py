"""`python -m server`: what it says, what it serves, and how it ends."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close

from server import Joined, ports, start, stop
from server.__main__ import parse_arguments
from server.jupyter import NO_WAY
from tests.wire import ask, guests, hear, say, within

ROOT = Path(__file__).parents[1]


@asynccontextmanager
async def run(*arguments: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "COLUMNS": "80", "JUPYTERHUB_SERVICE_PREFIX": ""}
        | environment,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await within(process.wait())


async def outcome(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Run it until it ends by itself; return its exit code and what it wrote."""
    async with run("-m", "server", *arguments, **environment) as process:
        out, err = await within(process.communicate())
        return process.returncode, out.decode(), err.decode()


async def address(process: asyncio.subprocess.Process) -> str:
    """Return where it says that it runs."""
    first = (await within(process.stdout.readline())).decode()
    second = (await within(process.stdout.readline())).decode()
    found = re.fullmatch(r"The (\w+) server runs at (ws://127\.0\.0\.1:(\d+))\n", first)
    assert found, first
    assert second == f"Its page: http://127.0.0.1:{found[3]}/  (Ctrl+C stops it)\n"
    return found[2]


async def ended(process: asyncio.subprocess.Process) -> None:
    """See that it ends as it should: with code 0, and without a traceback."""
    out, err = await within(process.communicate())
    assert (process.returncode, out, err) == (0, b"Stopped.\n", b"")


@pytest.mark.parametrize("exercise", ["connect", "counter"])
async def test_it_says_where_it_runs_and_serves_there(exercise):
    async with run("-m", "server", exercise, "--port", "0") as process:
        url = await address(process)
        async with guests(url, 2) as [ann, ben]:
            assert (await hear(ann))["type"] in {"system", "counter"}
            assert (await hear(ben))["type"] in {"system", "counter"}
        page = await ask(int(url.rpartition(":")[2]), "/")
        assert page.body.startswith("<!doctype html>")
        process.send_signal(signal.SIGTERM)
        await ended(process)


async def test_in_a_terminal_of_a_jupyterhub_it_says_where_the_browser_finds_it():
    hub = {"JUPYTERHUB_SERVICE_PREFIX": "/user/ada%40x/"}
    async with run("-m", "server", "counter", "--port", "0", **hub) as process:
        port = (await address(process)).rpartition(":")[2]
        line = (await within(process.stdout.readline())).decode()
        assert line.endswith(f" your JupyterHub: /user/ada%40x/proxy/{port}/\n")
    async with run("-m", "server", "counter", "--port", "0", "--tls", **hub) as process:
        _, page, line = [(await within(process.stdout.readline())).decode() for _ in range(3)]
        assert page.startswith("Its page: https://")
        assert line == f"{NO_WAY}python -m server counter\n"
        process.send_signal(signal.SIGTERM)
        await ended(process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_with_1001_for_its_clients_and_exit_code_0(number):
    async with run("-m", "server", "counter", "--port", "0") as process:
        async with guests(await address(process), 3) as clients:
            for client in clients:
                await hear(client)
            process.send_signal(number)
            for client in clients:
                with pytest.raises(ConnectionClosed):
                    await hear(client)
                assert client.close_code == 1001
        await ended(process)


async def test_ctrl_c_ends_it_even_if_a_client_does_not_answer():
    async with run("-m", "server", "counter", "--port", "0") as process:
        port = int((await address(process)).rpartition(":")[2])
        reader, writer = await within(asyncio.open_connection("127.0.0.1", port))
        writer.write(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert b"101" in await within(reader.readline())
        process.send_signal(signal.SIGINT)
        await ended(process)
        writer.transport.abort()


async def test_the_default_port_is_the_one_of_the_notebook():
    async with run("-m", "server", "counter") as process:
        assert await address(process) == f"ws://127.0.0.1:{ports.exercise_port('counter')}"
        process.send_signal(signal.SIGINT)
        await ended(process)


async def test_echo_sends_back_whatever_comes_and_is_no_exercise():
    async with run("-m", "server", "echo") as process:
        url = await address(process)
        long = bytes(range(256)) * 2**14  # 4 MiB, of which an exercise takes nothing
        # In its own time: the server waits until what it has sent is on its way.
        async with guests(url, 1, max_size=None) as [ann]:
            for data in ["", "¡hola! 🚀", '{"type": "ping"}', b"", b"\x00\xff", long, "x" * 2**16]:
                await say(ann, data)
                assert await within(ann.recv()) == data
            ann.protocol.send_text(b"Hel", fin=False)
            ann.protocol.send_close(4321, "on second thoughts")
            ann.send_data()
            await within(ann.wait_closed())
            assert ann.protocol.close_rcvd == Close(4321, "on second thoughts")
        process.send_signal(signal.SIGINT)
        await ended(process)
    with pytest.raises(ValueError, match="There is no exercise 'echo'"):
        await start("echo")


async def test_a_kernel_joins_it():
    async with run("-m", "server", "counter") as process:
        url = await address(process)
        joined = await within(start("counter"))
        assert isinstance(joined, Joined)
        assert joined.url == url
        assert joined.about["notebook"] is None
        await stop()
        process.send_signal(signal.SIGTERM)
        await ended(process)


async def test_the_port_can_be_had_again_at_once():
    async with run("-m", "server", "counter", "--port", "0") as process:
        url = await address(process)
        async with guests(url, 1) as [ann]:
            await hear(ann)
            process.send_signal(signal.SIGINT)
            await ended(process)
        async with run("-m", "server", "counter", "--port", url.rpartition(":")[2]) as again:
            assert await address(again) == url
            again.send_signal(signal.SIGINT)
            await ended(again)


async def test_a_page_may_connect_if_its_origin_was_named():
    named = ("--origin", "https://example.org", "--origin", "http://localhost:8888")
    async with run("-m", "server", "counter", "--port", "0", *named) as process:
        port = int((await address(process)).rpartition(":")[2])
        for origin, status in {
            "https://example.org": 200,
            "http://localhost:8888": 200,
            "https://example.com": 403,
            "null": 403,
        }.items():
            assert (await ask(port, "/", f"Origin: {origin}")).status == status
        process.send_signal(signal.SIGINT)
        await ended(process)


async def test_help_is_complete():
    code, out, err = await outcome("--help")
    assert (code, err) == (0, "")
    assert out.startswith("usage: python -m server")
    for word in (
        "--help",
        "--port N",
        "--origin URL",
        "--host",
        "--tls",
        "{connect,",
        ",whiteboard,echo}",
        "Ctrl+C",
        "without",
    ):
        assert word in out
    assert "without Jupyter" in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "the following arguments are required: exercise"),
        (["chess"], "invalid choice: 'chess'"),
        (["Counter"], "invalid choice: 'Counter'"),
        (["counter", "connect"], "unrecognized arguments: connect"),
        (["counter", "--prot", "5"], "unrecognized arguments: --prot"),
        (["counter", "--port"], "expected one argument"),
        (["counter", "--port", "http"], "expected a number from 0 to 65535, got 'http'"),
        (["counter", "--port", "65536"], "expected a number from 0 to 65535, got '65536'"),
        (["counter", "--port", "8764.5"], "expected a number from 0 to 65535, got '8764.5'"),
        (["counter", "--port", ""], "expected a number from 0 to 65535, got ''"),
        (["counter", "--port=-1"], "expected a number from 0 to 65535, got '-1'"),
        (["counter", "--origin", "example.org"], "expected a scheme and a host such as"),
        (["counter", "--origin", "https://example.org/"], "such as https://example.org, got"),
        (["counter", "--origin", "https://example.org/a"], "such as https://example.org, got"),
        (["counter", "--origin", "ftp://example.org"], "such as https://example.org, got"),
        (["counter", "--origin", "*"], "such as https://example.org, got '*'"),
        (["counter", "--host", "::"], "invalid choice: '::'"),
        (["counter", "--tls", "cert.pem"], "--tls takes no file, or two: the certificate and its"),
        (["counter", "--origin", "http://"], "such as https://example.org, got 'http://'"),
    ],
)
def test_wrong_arguments_end_it_with_2_and_clear_words(arguments, words, capsys):
    with pytest.raises(SystemExit) as ended:
        parse_arguments(arguments)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in " ".join(err.split())


async def test_a_wrong_exercise_ends_the_process_in_the_same_way():
    code, out, err = await outcome("chess")
    assert (code, out) == (2, "")
    assert err.startswith("usage: python -m server")
    assert "Traceback" not in err


async def test_a_first_port_that_is_none_ends_it_with_clear_words():
    code, out, err = await outcome("counter", COURSE_FIRST_PORT="nonsense")
    assert (code, out) == (2, "")
    assert "COURSE_FIRST_PORT is 'nonsense'. Expected a number from 1024 to 65000." in err
    assert "Traceback" not in err


async def test_files_that_are_no_certificate_end_it_with_2_and_clear_words():
    code, out, err = await outcome("counter", "--port", "0", "--tls", "no.pem", "no.key")
    assert (code, out) == (2, "")
    assert err.startswith("no.pem and no.key are no certificate with its key: ")
    assert "Traceback" not in err


async def test_a_port_that_is_taken_ends_it_with_1_and_says_by_whom():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, out, err = await outcome("counter", "--port", str(port))
    assert (code, out) == (1, "")
    assert re.match(
        rf"Port {port} belongs to .*\(process {os.getpid()}\)\. End that program, or", err
    )
    assert "python -m server counter --port 0" in err
    assert "Traceback" not in err


async def test_it_does_without_jupyter():
    """It starts at once, and on a machine that has websockets and psutil alone."""
    script = (
        "import sys, runpy\n"
        "sys.argv = ['server', '--help']\n"
        "try: runpy.run_module('server', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "import server.connect, server.counter\n"
        "heavy = {'IPython', 'ipywidgets', 'ipykernel', 'traitlets', 'jupyter_client', 'client'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    async with run("-c", script) as process:
        out, err = await within(process.communicate())
    assert (out.decode().splitlines()[-1], err) == ("[]", b"")


async def test_a_handler_that_raises_costs_that_connection_and_is_told():
    """There is nobody to exchange the handler, so the connection is not kept."""
    script = (
        "import asyncio, sys\n"
        "from server import __main__ as command, counter\n"
        "async def broken(websocket):\n"
        "    async for message in websocket:\n"
        "        await websocket.send(str(1 // len(message)))\n"
        "command.load = lambda exercise: broken\n"
        "arguments = command.parse_arguments(['counter', '--port', '0'])\n"
        "sys.exit(asyncio.run(command.run(arguments)))\n"
    )
    async with run("-c", script) as process:
        async with guests(await address(process), 2) as [ann, ben]:
            await say(ann, "")
            with pytest.raises(ConnectionClosed):
                await hear(ann)
            assert ann.close_code == 1011
            await say(ben, "x")
            assert await hear(ben) == 1
        process.send_signal(signal.SIGINT)
        out, err = await within(process.communicate())
        assert (process.returncode, out) == (0, b"Stopped.\n")
        assert b"ZeroDivisionError" in err
