"""What runs beside a handler, and the options of an exercise."""

import asyncio
import json

import pytest
from websockets.asyncio.client import connect

from server import start, stop
from server.__main__ import parse_arguments
from server.exercises import load, options_of
from server.launch import pause_own


@pytest.fixture
def beats():
    """A background that counts its beats, and keeps which of its runs have begun and ended."""

    class Beats:
        def __init__(self):
            self.begun, self.ended, self.beat = 0, 0, asyncio.Event()

        async def background(self):
            self.begun += 1
            try:
                while True:
                    await asyncio.sleep(0.001)
                    self.beat.set()
            finally:
                self.ended += 1

    return Beats()


async def listen(websocket):
    async for _ in websocket:
        pass


async def test_it_begins_with_the_server_and_ends_with_it(beats):
    before = asyncio.all_tasks()
    server = await start(listen, background=beats.background, port=0)
    await asyncio.wait_for(beats.beat.wait(), 2)
    await server.stop()
    assert (beats.begun, beats.ended) == (1, 1)
    assert asyncio.all_tasks() == before


async def test_another_handler_brings_another_background(beats):
    server = await start(listen, background=beats.background, port=0)
    await asyncio.wait_for(beats.beat.wait(), 2)
    again = await start(listen, background=beats.background, port=server.port)
    assert again is server
    beats.beat.clear()
    await asyncio.wait_for(beats.beat.wait(), 2)
    assert (beats.begun, beats.ended) == (2, 1)
    await start(listen, port=server.port)
    await asyncio.sleep(0)
    await stop()
    assert (beats.begun, beats.ended) == (2, 2)


async def test_what_it_raises_is_shown_and_the_server_goes_on(capsys):
    raised = asyncio.Event()

    async def background():
        raised.set()
        raise RuntimeError("The producer broke down")

    server = await start(listen, background=background, port=0)
    await asyncio.wait_for(raised.wait(), 2)
    async with connect(server.url) as websocket:
        await (await websocket.ping())
        assert isinstance(server.failure, RuntimeError)
    assert "The producer broke down" in capsys.readouterr().err
    await server.stop()


async def test_stopping_does_not_wait_for_one_that_will_not_end():
    let_go = asyncio.Event()

    async def stubborn():
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    server = await start(listen, background=stubborn, port=0)
    async with connect(server.url):
        await asyncio.wait_for(server.stop(), 5)
    assert not server.is_running
    let_go.set()


async def test_while_a_check_runs_a_live_server_rests_and_nobody_is_disconnected(beats):
    server = await start(listen, background=beats.background, port=0)
    async with connect(server.url) as websocket:
        await asyncio.wait_for(beats.beat.wait(), 2)
        async with pause_own():
            assert (beats.begun, beats.ended) == (1, 1)
            assert server.handler is not listen
        beats.beat.clear()
        await asyncio.wait_for(beats.beat.wait(), 2)
        assert server.handler is listen
        await (await websocket.ping())
    await server.stop()


@pytest.mark.parametrize("background", [7, lambda: None, load, listen])
async def test_a_background_must_be_one(background):
    with pytest.raises(TypeError, match=r"Expected an `async def` function"):
        await start(listen, background=background, port=0)


async def test_a_background_needs_a_handler(beats):
    with pytest.raises(TypeError, match="goes with a handler"):
        await start("counter", background=beats.background, port=0)


def test_every_exercise_can_be_made_without_options():
    assert options_of("counter") == {}
    assert options_of("notifications") == {"pace": (5, 15)}
    assert options_of("dashboard") == {"every": 1.0}


async def test_unknown_options_are_refused_by_name():
    with pytest.raises(TypeError, match='"notifications" has no option peace'):
        await start("notifications", peace=(1, 3), port=0)
    with pytest.raises(TypeError, match='"counter" has no option pace'):
        await start("counter", pace=(1, 3), port=0)
    with pytest.raises(TypeError, match="only the course's own exercises have options"):
        await start(listen, pace=(1, 3), port=0)


@pytest.mark.parametrize("pace", [(3, 1), (0, 1), (-1, 1)])
async def test_values_that_make_no_sense_are_refused(pace):
    with pytest.raises(ValueError, match="Expected a pace"):
        await start("notifications", pace=pace, port=0)
    with pytest.raises(ValueError, match="Expected a number of seconds"):
        await start("dashboard", every=0, port=0)


async def test_another_option_takes_effect_on_the_open_connections():
    server = await start("notifications", pace=(500, 900), port=0)
    async with connect(server.url) as websocket:
        again = await start("notifications", pace=(0.001, 0.002), port=server.port)
        assert again is server
        assert json.loads(await asyncio.wait_for(websocket.recv(), 2))["type"] == "notification"
    await server.stop()


def test_options_on_the_command_line(capsys):
    assert parse_arguments(["notifications", "--pace", "1", "3"]).options == {"pace": [1.0, 3.0]}
    assert parse_arguments(["dashboard", "--every", "0.5"]).options == {"every": 0.5}
    assert parse_arguments(["dashboard"]).options == {}
    with pytest.raises(SystemExit):
        parse_arguments(["counter", "--pace", "1", "3"])
    assert "counter has no option --pace" in capsys.readouterr().err
