"""What holds in a real kernel: cells that run again, and where a traceback ends up."""

from tools.kernel import Kernel


async def test_a_cell_that_runs_again_closes_the_clients_that_it_made_before():
    async with Kernel() as book:
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
    async with Kernel() as book:
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
    async with Kernel() as book:
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
