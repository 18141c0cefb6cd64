"""The server of the whiteboard, over the wire: plain clients, and those that take batches."""

import asyncio
import time

import pytest

from server import drawing, whiteboard
from tests.wire import guests, hear, say, serving, until

START = {"type": "draw_start", "x": 10, "y": 20}
MOVE = {"type": "draw_move", "x": 30, "y": 40.5}
END = {"type": "draw_end"}
LOOK = {"color": "#222222", "width": 3}


def board(server):
    """Return the exercise behind a server."""
    return server.handler.__self__


async def hears(websocket, number):
    return [await hear(websocket) for _ in range(number)]


async def join(websocket, name="Ada", **more):
    """Introduce a client that takes batches; returns the welcome."""
    assert await hear(websocket) == {"type": "hello", "batch": True}
    await say(websocket, {"type": "join", "username": name} | more)
    return await hear(websocket)


async def told_nothing(websocket):
    """Look that nothing has come: the answer to a bad message would come after it."""
    await say(websocket, "?")
    assert (await hear(websocket))["type"] == "error"


async def test_a_stroke_as_the_table_says():
    async with serving("whiteboard", port=0) as server, guests(server.url, 2) as (ada, bob):
        for message in (START, MOVE, {"type": "draw_move", "x": 31, "y": 41}, END):
            await say(ada, message)
        start, *moves, end = await hears(bob, 4)
        assert start.items() >= {**START, "stroke": 1, **LOOK}.items()
        assert moves[0] == {**MOVE, "stroke": 1, "fromX": 10, "fromY": 20, **LOOK}
        assert (moves[1]["fromX"], moves[1]["fromY"], moves[1]["x"]) == (30, 40.5, 31)
        assert end == {"type": "draw_end", "stroke": 1}
        await told_nothing(ada)
        await say(bob, {"type": "clear"})
        for websocket in (ada, bob):
            assert await hear(websocket) == {"type": "clear"}


async def test_colour_and_width_are_passed_on():
    async with serving("whiteboard", port=0) as server, guests(server.url, 2) as (ada, bob):
        await say(ada, START | {"color": "#1a73e8", "width": 8})
        assert (await hear(bob)).items() >= {"color": "#1a73e8", "width": 8}.items()
        await say(ada, MOVE)
        assert (await hear(bob)).items() >= {"color": "#1a73e8", "width": 8}.items()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (MOVE, "Begin a stroke first"),
        (END, "There is no stroke to end"),
        ({"type": "draw_start", "x": 1}, "'y' is missing"),
        (START | {"x": "1"}, "'x' must be a number, got a string"),
        (START | {"x": True}, "'x' must be a number, got true or false"),
        (START | {"y": 10_001}, "'y' must be from -10,000 to 10,000"),
        ('{"type": "draw_start", "x": 1e999, "y": 1}', "'x' must be from"),
        ('{"type": "draw_start", "x": NaN, "y": 1}', "Expected JSON"),
        (START | {"color": "red"}, "'color' must be a colour"),
        (START | {"width": 0}, "'width' must be from 1 to 50"),
        ('{"type": "draw_end", "n": "\\ud800"}', "'n' must be a number, got a string"),
        ({"type": "draw_points", "points": []}, "'points' must be a list of 1 to 500"),
        ({"type": "draw_points", "points": [[1, 2, 3]]}, "'points' must hold points such as"),
        ({"type": "draw_points", "points": [[1, None]]}, "'points' must be a number, got null"),
        ({"type": "undo"}, "nothing of yours to undo"),
        ({"type": "join", "username": ""}, "'username' must have 1 to 20"),
        ({"type": "join", "username": "Ada", "key": "short"}, "'key' must have 8 to 64"),
        ({"type": "paint"}, "unknown"),
    ],
    ids=str,
)
async def test_what_is_wrong_is_refused_in_words(message, words):
    async with serving("whiteboard", port=0) as server, guests(server.url, 2) as (ada, bob):
        await say(ada, message)
        answer = await hear(ada)
        assert answer["type"] == "error" and words in answer["message"]
        await say(ada, START)
        assert (await hear(bob))["type"] == "draw_start"


async def test_a_stroke_ends_when_its_client_vanishes():
    async with serving("whiteboard", port=0) as server, guests(server.url, 2) as (ada, bob):
        await say(ada, START)
        await hear(bob)
        ada.transport.abort()
        assert await hear(bob) == {"type": "draw_end", "stroke": 1}
        await until(lambda: len(board(server).pens) == 1)


async def test_a_newcomer_gets_the_same_messages_in_the_same_order():
    async with serving("whiteboard", port=0) as server, guests(server.url, 3) as (ada, bob, eve):
        for websocket, message in [
            (ada, START), (bob, START), (ada, MOVE), (bob, MOVE), (ada, END), (ada, START),
        ]:  # fmt: skip
            await say(websocket, message)
            seen = await hear(eve)
        await say(eve, START)  # so that all are heard in one order
        await hears(ada, 3)
        async with guests(server.url, 1) as [late]:
            told = await hears(late, 7)
        async with guests(server.url, 1) as [later]:
            assert await hears(later, 7) == told
        kinds = [(message["type"][5:], message["stroke"]) for message in told]
        assert kinds[:6] == [
            ("start", 1), ("start", 2), ("move", 1), ("move", 2), ("end", 1), ("start", 3),
        ]  # fmt: skip
        assert told[5] == seen


async def test_a_newcomer_misses_nothing_while_others_draw_on():
    async with serving("whiteboard", port=0) as server, guests(server.url, 2) as (ada, eve):
        await say(ada, START)
        for x in range(300):
            await say(ada, {"type": "draw_move", "x": x, "y": 1})
        before = await hears(eve, 301)
        async with guests(server.url, 1) as [late]:
            for x in range(300, 600):
                await say(ada, {"type": "draw_move", "x": x, "y": 1})
            assert await hears(late, 601) == before + await hears(eve, 300)


async def test_the_loop_is_free_while_a_large_drawing_is_shown():
    async with serving("whiteboard", port=0) as server:
        for _ in range(20):
            stroke = board(server).drawing.begin(1, "Ada", [0, 0], "#222222", 3)
            for _ in range(10):
                board(server).drawing.lead_on(stroke, [[x, x] for x in range(100)])
        # Of this thread: what other programs do meanwhile does not count.
        longest, last, running = 0.0, time.thread_time(), True

        async def watch():
            nonlocal longest, last
            while running:
                await asyncio.sleep(0)
                longest, last = max(longest, time.thread_time() - last), time.thread_time()

        async with guests(server.url, 1) as [ada]:
            task = asyncio.create_task(watch())
            told = [await hear(ada) for _ in range(20 * 1_001)]
            running = False
            await task
        assert len(told) == 20_020
        # All of it in one go takes over half a second.
        assert longest < 0.2


async def test_who_takes_batches_is_told_more():
    async with (
        serving("whiteboard", port=0) as server,
        guests(f"{server.url}/?batch=1", 2) as (ada, bob),
        guests(server.url, 1) as [eve],
    ):
        assert (await join(ada))["pen"] != (await join(bob, "Bob"))["pen"]
        await say(ada, START | {"n": 1})
        await say(ada, {"type": "draw_points", "points": [[1, 2], [3, 4]], "n": 2})
        await say(ada, END | {"n": 3})
        for websocket in (ada, bob):
            start, points, end = await hears(websocket, 3)
            assert start["username"] == "Ada" and start["pen"] == end["pen"] == points["pen"]
            assert points["points"] == [[1, 2], [3, 4]]
            assert [message["n"] for message in (start, points, end)] == [1, 2, 3]
        plain = await hears(eve, 4)
        assert [message["type"] for message in plain][1:3] == ["draw_move"] * 2
        assert not any("n" in message for message in plain)
        await say(ada, {"type": "pointer", "x": 5, "y": 6})
        place = {"type": "pointer", "x": 5, "y": 6, "username": "Ada"}
        assert (await hear(bob)).items() >= place.items()
        await say(ada, {"type": "undo", "n": 4})
        assert (await hear(bob))["type"] == "undo"
        assert await hear(eve) == {"type": "undo", "stroke": 1}
        await ada.close()
        assert (await hear(bob))["type"] == "pointer_gone"


async def test_who_comes_back_has_its_pen_and_is_told_what_was_taken():
    async with serving("whiteboard", port=0) as server:
        url = f"{server.url}/?batch=1"
        async with guests(url, 2) as (ada, bob):
            pen = (await join(ada, key="a secret"))["pen"]
            await join(bob, "Bob")
            await say(ada, START | {"n": 1})
            await say(ada, {"type": "draw_points", "points": [[1, 1]], "n": 2})
            await hears(bob, 2)
            ada.transport.abort()
            assert [m["type"] for m in await hears(bob, 2)] == ["draw_end", "pointer_gone"]
            async with guests(url, 1) as [again]:
                assert await join(again, key="a secret") == {
                    "type": "welcome", "pen": pen, "taken": 2,
                }  # fmt: skip
                # What comes a second time is passed over, and the stroke goes on as another one.
                await say(again, {"type": "draw_points", "points": [[1, 1]], "n": 2})
                await say(again, {"type": "draw_points", "points": [[2, 2]], "n": 3})
                start, points = await hears(bob, 2)
                assert (start["type"], start["x"], start["stroke"]) == ("draw_start", 1, 2)
                assert points["points"] == [[2, 2]] and points["pen"] == pen


async def test_who_counts_hears_of_each_message_even_if_it_changed_nothing(monkeypatch):
    monkeypatch.setattr(drawing, "STROKES", 1)
    url = "/?batch=1"
    async with serving("whiteboard", port=0) as server, guests(server.url + url, 1) as [ada]:
        pen = (await join(ada, key="a secret"))["pen"]
        await say(ada, START | {"n": 1})
        await say(ada, {"type": "clear", "n": 2})
        await say(ada, END | {"n": 3})  # of a stroke that was cleared below it
        await say(ada, END | {"n": 3})  # a second time
        kinds = [(message["type"], message["n"]) for message in await hears(ada, 4)]
        assert kinds == [("draw_start", 1), ("clear", 2), ("taken", 3), ("taken", 3)]
        await say(ada, START | {"n": 4})
        await say(ada, START | {"n": 5})
        for number, kind in [(6, {"points": [[1, 1]]} | MOVE), (7, END)]:
            await say(ada, kind | {"n": number})
        kinds = [(message["type"], message.get("n")) for message in await hears(ada, 5)]
        assert kinds == [
            ("draw_start", 4),
            ("draw_end", 5),
            ("error", 5),
            ("taken", 6),
            ("taken", 7),
        ]
        assert board(server).drawing.strokes[2].pen == pen


async def test_a_stranger_that_turns_out_to_be_known_ends_its_stroke():
    async with serving("whiteboard", port=0) as server:
        url = f"{server.url}/?batch=1"
        async with guests(url, 1) as [ada], guests(server.url, 1) as [eve]:
            await join(ada, key="a secret")
            ada.transport.abort()
            async with guests(url, 1) as [again]:
                await say(again, START)  # it was slow to hear the hello
                await join(again, key="a secret")
                start, end = await hears(eve, 2)
                assert (start["stroke"], end) == (1, {"type": "draw_end", "stroke": 1})


async def test_the_sheet_may_be_cleared_below_a_pen():
    async with serving("whiteboard", port=0) as server, guests(server.url, 2) as (ada, bob):
        await say(ada, START)
        await hear(bob)
        await say(bob, {"type": "clear"})
        await hears(bob, 1), await hears(ada, 1)
        await say(ada, MOVE)
        start, move = await hears(bob, 2)
        assert (start["stroke"], start["x"], start["y"]) == (2, 10, 20)
        assert move["stroke"] == 2
        await say(ada, END)
        assert await hear(bob) == {"type": "draw_end", "stroke": 2}


async def test_a_full_sheet_says_so_and_passes_over_the_rest_of_the_stroke(monkeypatch):
    monkeypatch.setattr(drawing, "STROKES", 2)
    async with serving("whiteboard", port=0) as server, guests(server.url, 2) as (ada, bob):
        for _ in range(2):
            await say(ada, START)
            await say(ada, END)
        await hears(bob, 4)
        for message in (START, MOVE, MOVE, END):
            await say(ada, message)
        assert "The sheet is full: 2 strokes are on it" in (await hear(ada))["message"]
        await say(ada, {"type": "undo"})
        assert await hear(ada) == await hear(bob) == {"type": "undo", "stroke": 2}
        await say(ada, START)
        assert (await hear(bob))["stroke"] == 3


async def test_points_are_bounded_too_and_long_strokes_go_on_as_others(monkeypatch):
    monkeypatch.setattr(drawing, "POINTS", 10)
    monkeypatch.setattr(drawing, "LONGEST", 4)
    async with serving("whiteboard", port=0) as server, guests(server.url, 2) as (ada, bob):
        await say(ada, START)
        for x in range(12):
            await say(ada, {"type": "draw_move", "x": x, "y": 1})
        assert "10 points" in (await hear(ada))["message"]
        await say(ada, END)
        await say(ada, {"type": "clear"})
        told = []
        while not told or told[-1]["type"] != "clear":
            told.append(await hear(bob))
        assert [m["stroke"] for m in told if m["type"] == "draw_start"] == [1, 2, 3]
        assert [m["x"] for m in told if m["type"] == "draw_move"] == list(range(7))


async def test_a_newcomer_that_does_not_read_is_dropped(monkeypatch):
    monkeypatch.setattr(whiteboard, "MISSED", 50)
    async with serving("whiteboard", port=0) as server, guests(server.url, 1) as [ada]:
        stroke = board(server).drawing.begin(1, "Ada", [0, 0], "#222222", 3)
        board(server).drawing.lead_on(stroke, [[x % 900, 1.5] for x in range(60_000)])
        async with guests(server.url, 1, max_queue=1, write_limit=1) as [lazy]:
            lazy.transport.pause_reading()
            await until(lambda: board(server)._missed)
            await say(ada, START)
            for x in range(60):
                await say(ada, {"type": "draw_move", "x": x, "y": 1})
            await until(lambda: len(board(server).pens) == 1 and not board(server)._missed)
            lazy.transport.abort()
