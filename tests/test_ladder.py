"""The ladder measures what it says, and leaves nothing behind; the listeners freeze and go on."""

import asyncio
import re
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest
from websockets.asyncio.server import broadcast

from client import Ladder, Listeners
from client.ladder import Rung, chart
from tools.kernel import Kernel

ROOT = Path(__file__).resolve().parents[1]


@asynccontextmanager
async def leaving_nothing():
    """Expect that there are no more tasks, connections and processes in the end than before."""
    tasks, lines = asyncio.all_tasks(), connections()
    yield
    async with asyncio.timeout(10):
        while asyncio.all_tasks() - tasks or connections() - lines or crowds():
            await asyncio.sleep(0)


def connections():
    return set(psutil.Process().net_connections("inet"))


def crowds(process=None):
    """The processes of crowds that a process has begun, by default this one."""
    found = []
    for child in (process or psutil.Process()).children():
        with suppress(psutil.Error):
            found += [child] if any("crowd.py" in word for word in child.cmdline()) else []
    return found


async def one_after_another(members, text):
    for member in members:
        await member.send(text)


async def gathered(members, text):
    await asyncio.gather(*[member.send(text) for member in members])


def nobody(members, text):
    """Send to nobody, as a stub does."""


async def test_each_rung_is_measured_and_measured_again_it_is_replaced():
    ladder = Ladder(clients=20, seconds=0.2)
    assert "nothing measured yet" in repr(ladder) + ladder._card._head.value
    await ladder.climb(one_after_another)
    await ladder.climb(broadcast, compression=None, clients=10)
    assert list(ladder.rungs) == ["one after another", "broadcast, no compression, 10 clients"]
    first = ladder.rungs["one after another"]
    assert first.clients == 20 and first.is_done
    # Each of the messages that come alone came to all, and so did each of those of the load.
    assert first.delivered > 20 and 0.2 <= first.seconds < 2
    assert 0 < first.alone < 2
    assert f"{first.rate:,.0f} messages a second" in repr(ladder)
    async with leaving_nothing():
        await ladder.climb(one_after_another)
    assert list(ladder.rungs) == ["one after another", "broadcast, no compression, 10 clients"]
    assert ladder.rungs["one after another"] is not first
    assert "2 rungs" in ladder._card._head.value


async def test_a_measurement_that_is_stopped_leaves_nothing_and_the_former_rung_stays():
    ladder = Ladder(clients=20, seconds=0.2)
    await ladder.climb(broadcast)
    former = ladder.rungs["broadcast"]
    ladder.seconds = 10
    async with leaving_nothing():
        for title, send_to_all in (("broadcast", broadcast), ("gathered", gathered)):
            climbing = asyncio.create_task(ladder.climb(send_to_all))
            async with asyncio.timeout(20):
                while (rung := ladder.rungs.get(title)) in (None, former) or not rung.delivered:
                    await asyncio.sleep(0)
            climbing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await climbing
    assert ladder.rungs == {"broadcast": former}


async def test_the_stop_button_ends_a_measurement_and_no_server_of_another_process():
    prepare = (
        "from websockets.asyncio.server import broadcast\n"
        "from client import Ladder\n"
        "from server import start_process\n"
        "ladder, server = Ladder(seconds=8), await start_process('counter')"
    )
    async with Kernel() as book:
        await book.run("prepare", prepare)
        climbing = book.begin("climb", "await ladder.climb(broadcast)")
        async with asyncio.timeout(20):
            while not crowds(book.process):
                await asyncio.sleep(0.01)
            await book.interrupt()
            await climbing.answered.wait()
        assert climbing.error in ("CancelledError", "KeyboardInterrupt")
        assert await book.run("look", "ladder.rungs, server.is_running") == "({}, True)"
        assert not crowds(book.process)
        # Whoever sends to a crowd that is gone is told so, thousands of times.
        assert "socket.send() raised" not in book.stderr


def raises(members, text):
    raise ZeroDivisionError("division by zero")


@pytest.mark.beside
@pytest.mark.parametrize(
    ("send_to_all", "error", "words"),
    [
        (nobody, RuntimeError, "Each message must come to each of the 10 clients once: 10 mess"),
        (lambda m, t: broadcast(m, t) or broadcast(m, t), RuntimeError, "more than were sent"),
        (raises, ZeroDivisionError, "division by zero"),
        (lambda members: None, TypeError, "Expected a function with two parameters"),
        (7, TypeError, "Got 7. Expected a function"),
    ],
)
async def test_what_cannot_be_measured_is_told(send_to_all, error, words):
    ladder = Ladder(clients=10, seconds=0.2)
    async with leaving_nothing():
        with pytest.raises(error, match=words):
            await ladder.climb(send_to_all)
    assert ladder.rungs == {}


@pytest.mark.parametrize("options", [{"clients": 1}, {"clients": "9"}, {"seconds": 60}])
async def test_a_ladder_refuses_what_makes_no_sense(options):
    [name] = options
    with pytest.raises(ValueError, match=f"{name} is .*Expected a number from"):
        Ladder(**options)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_where_the_system_allows_few_open_files_there_are_fewer_clients():
    program = """
import asyncio, resource
from websockets.asyncio.server import broadcast
from client import Ladder
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 300))
async def main():
    ladder = Ladder(clients=50, seconds=0.1)
    await ladder.climb(broadcast, clients=1_000)
    print(list(ladder.rungs), ladder._chart.value[-100:])
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "'broadcast, 100 clients'" in done.stdout
    # What it may raise itself, it has raised: from 256 to 300.
    assert "Your system allows 300 open files: I take 100 clients." in done.stdout


def test_the_chart_has_a_row_for_each_rung_on_a_scale_of_powers_of_ten():
    rungs = [
        Rung("<b>one</b>", 100, delivered=20_000, seconds=1.0, alone=0.002, is_done=True),
        Rung("two", 100, delivered=1_000_000, seconds=1.0, alone=0.001, is_done=True),
        Rung("three", 100),
    ]
    html = chart(rungs)
    assert "&lt;b&gt;one&lt;/b&gt;" in html and "<b>one" not in html
    assert re.findall(r'<b style="width: ([\d.]+)%', html) == ["15.1", "100.0", "0.0"]
    assert re.findall(r"× [\d.]+", html) == ["× 1.0", "× 50", "× 0.0"]
    for words in ("20,000", "1,000,000", "10,000", "1 million", "2.0 ms", "ladder-growing"):
        assert words in html


# Who listens


def cutting_off(members, text):
    broadcast(members, text)
    for member in members:
        if member.transport.get_write_buffer_size() > 2**16:
            member.transport.abort()


@pytest.mark.beside
@pytest.mark.parametrize(
    ("send_to_all", "freezes", "cuts_off"),
    [
        (one_after_another, True, False),
        (gathered, True, False),
        (broadcast, False, False),
        (cutting_off, False, True),
    ],
)
async def test_one_who_stops_reading_holds_up_the_others_or_does_not(
    send_to_all, freezes, cuts_off
):
    async with leaving_nothing():
        four = Listeners(send_to_all)
        await four.stall(4)
        for listener in four.others:
            # Some messages are on their way before all is full. Who is busy is a little late, too.
            assert (listener.longest_gap > 1.5) is freezes
            assert not listener.is_cut_off
        assert four.dan.longest_gap > 3 or cuts_off
        assert four.dan.is_cut_off is cuts_off
        four._paint()
        assert ("Dan was cut off" in four._button.description) is cuts_off
        four.close()
        await four.wait_closed()
    assert "stopped" in four._card._head.value


@pytest.mark.beside
async def test_where_nothing_is_sent_the_listeners_say_so_and_nobody_waits():
    four = Listeners(nobody)
    await asyncio.wait_for(four.stall(60), 10)
    four._paint()
    assert "is the function still empty?" in four._card._head.value
    four.close()
    await four.wait_closed()


@pytest.mark.beside
async def test_what_the_function_raises_is_on_the_card_of_the_listeners():
    four = Listeners(raises)
    with pytest.raises(ZeroDivisionError):
        await four.stall()
    [shown] = four._card._trouble.outputs
    assert shown["ename"] == "ZeroDivisionError" and "raises()" in "".join(shown["traceback"])
