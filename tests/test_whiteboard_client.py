"""The client of the whiteboard without a browser: what it sends, keeps, paints, saves and says."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from io import BytesIO

import pytest
from ipycanvas.canvas import _CANVAS_MANAGER
from PIL import Image
from websockets.asyncio.server import serve

from client import WhiteboardClient
from client import connection as timing
from client import drawing as limits
from client import whiteboard as client_module
from server import drawing as sheet
from server import start
from server.room import receive
from server.whiteboard import ACCEPTED
from tests.wire import DEADLINE, serving, until, within

TABLE = {kind: ACCEPTED[kind] for kind in ("draw_start", "draw_move", "draw_end", "clear")}
RED, BLUE = "#d93025", "#1a73e8"
LINE = [(10, 20), (30, 20), (50, 40)]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """What takes a second or more takes less."""
    monkeypatch.setattr(timing, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(client_module, "HELLO", 0.1)
    monkeypatch.setattr(client_module, "PATIENCE", 0.2)
    monkeypatch.setattr(client_module, "ASKING", 0.1)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """What is saved does not end up in the repository."""
    monkeypatch.chdir(tmp_path)


@asynccontextmanager
async def clients(url, *names):
    """Connect clients, and wait until each knows what server it has."""
    made = [WhiteboardClient(url, name) for name in names]
    try:
        for client in made:
            await client.until(lambda client=client: client._mode, DEADLINE)
        yield made
        assert [client.failure for client in made] == [None] * len(made)
    finally:
        for client in made:
            client.close()
            await within(client.wait_closed())


@pytest.fixture
def to_page(monkeypatch):
    """What ipycanvas sends to the page, message by message."""
    sent = []
    real = _CANVAS_MANAGER.send

    def send(content, buffers=None):
        sent.append(content)
        real(content, buffers)

    monkeypatch.setattr(_CANVAS_MANAGER, "send", send)
    return sent


def ways(drawing):
    return [[tuple(point) for point in stroke.points] for stroke in drawing.strokes.values()]


def hand(client, *events, number=1):
    """Do what a hand does on the pad."""
    client._on_pad("view", number, list(events))


def begin(x, y):
    return {"type": "draw_start", "x": x, "y": y, "color": RED, "width": 8}


def go(*points):
    return {"type": "draw_points", "points": [list(point) for point in points]}


# Sending, losing, sending once more


async def test_a_stroke_survives_a_line_that_breaks_in_the_middle_of_it():
    async with (
        serving("whiteboard", port=0) as server,
        clients(server.url, "Ada", "Bob") as (ada, bob),
    ):
        pen, board = ada.pen, server.handler.__self__
        hand(ada, begin(1, 1), go((2, 2), (3, 3)))
        await until(lambda: ways(board.drawing) == [[(1, 1), (2, 2), (3, 3)]])
        ada.cut()  # what it is told of these points, it does not hear any more
        hand(ada, go((4, 4)), number=2)
        await ada.until(lambda: ada.state != "connected", DEADLINE)
        hand(ada, go((5, 5)), {"type": "draw_end"}, number=3)
        everything = [[(1, 1), (2, 2), (3, 3)], [(3, 3), (4, 4), (5, 5)]]
        for client in (ada, bob):
            await client.until(lambda client=client: ways(client.drawing) == everything, DEADLINE)
        await ada.until(lambda: not ada._untaken, DEADLINE)
        assert ada.pen == pen and ways(board.drawing) == everything
        ada.undo()  # it is still one's own
        await bob.until(lambda: ways(bob.drawing) == everything[:1], DEADLINE)


async def test_what_is_kept_without_a_connection_is_bounded_and_it_says_so(free_port, monkeypatch):
    monkeypatch.setattr(client_module, "UNTAKEN", 5)
    ada = WhiteboardClient(f"ws://127.0.0.1:{free_port}")
    for number in range(4):
        ada.draw([(number, number)])
    assert "You have drawn a lot without a connection" in ada.words
    assert "You have drawn a lot" in ada.note.value
    async with serving("whiteboard", port=free_port) as server:
        await ada.until(lambda: ada._mode == "batch" and not ada._untaken, DEADLINE)
        assert ways(server.handler.__self__.drawing) == [[(0, 0)], [(1, 1)], [(2, 2)]]
        for number in range(20):  # with a connection there is no such bound
            ada.draw([(number, number)])
        await ada.until(lambda: len(ada.drawing.strokes) == 23, DEADLINE)
        assert ada.words == ""
        ada.close()
        await within(ada.wait_closed())


@pytest.mark.parametrize("points", [[], [(1, 20_000)], [(1, 2, 3)], [(float("nan"), 1)]], ids=str)
async def test_points_that_no_server_takes_are_refused(points):
    ada = WhiteboardClient("ws://127.0.0.1:9")
    with pytest.raises(ValueError, match=r"Expected a list of at least one point such as"):
        ada.draw(points)
    assert not ada._untaken
    ada.close()


@pytest.mark.parametrize("name", ["  ", "\n", "A name\nof more than twenty letters", "Zoë 🎨"])
async def test_any_name_is_made_one_that_the_server_takes(name):
    async with serving("whiteboard", port=0) as server, clients(server.url, name) as [ada]:
        assert ada._mode == "batch" and ada.words == ""


# Servers that know the table alone


def plain_server(got):
    async def handler(websocket):
        """As a learner may write it: what is not in the table raises."""
        async for text in websocket:
            message = json.loads(text)
            got.append({field: message[field] for field in ("type", *TABLE[message["type"]])})

    return handler


async def test_a_server_that_says_no_hello_gets_one_message_a_point():
    got = []
    async with serve(plain_server(got), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        ada = WhiteboardClient(f"ws://127.0.0.1:{port}")
        ada.draw(LINE)  # it waits until the server is known
        await ada.until(lambda: ada._mode == "plain", DEADLINE)
        hand(ada, {"type": "pointer", "x": 1, "y": 1}, begin(5, 5), go((6, 6)))
        await until(lambda: len(got) == 6)
        kinds = ["draw_start", "draw_move", "draw_move", "draw_end", "draw_start", "draw_move"]
        assert [message["type"] for message in got] == kinds
        assert [(message.get("x"), message.get("y")) for message in got[:3]] == LINE
        assert ways(ada.drawing) == [LINE, [(5, 5), (6, 6)]]  # nobody else tells it
        ada.clear()
        await until(lambda: got[-1] == {"type": "clear"})
        assert ada.failure is None
        ada.close()
        await within(ada.wait_closed())


async def refusing(websocket, got):
    async for message in receive(websocket, TABLE):
        got.append(message)


@pytest.mark.parametrize("kind", ["refuses", "raises", "ignores"])
async def test_a_handler_takes_over_that_knows_the_table_alone(kind):
    got = []

    async def handler(websocket):
        if kind == "refuses":
            await refusing(websocket, got)
        elif kind == "raises":
            await plain_server(got)(websocket)
        async for text in websocket:
            if json.loads(text)["type"] in TABLE:
                got.append(json.loads(text))

    async with serving("whiteboard") as server, clients(server.url, "Ada") as [ada]:
        assert ada._mode == "batch"
        await start("whiteboard", handler)
        ada.draw(LINE)
        await ada.until(lambda: ada._mode == "plain", DEADLINE)
        await until(lambda: {"type": "draw_end"} in got)
        moves = [(m["x"], m["y"]) for m in got if m["type"] == "draw_move"]
        assert moves == LINE[1:]
        await start("whiteboard")
        await ada.until(lambda: ada._mode == "batch", DEADLINE)
        ada.draw(LINE)
        await ada.until(lambda: not ada._untaken and len(ada.drawing.strokes) == 1, DEADLINE)


# Undo and Clear


async def test_undo_takes_the_own_last_stroke_and_clear_asks_once():
    async with (
        serving("whiteboard", port=0) as server,
        clients(server.url, "Ada", "Bob") as (ada, bob),
    ):
        ada.draw(LINE)
        ada.draw([(1, 1)])
        await bob.until(lambda: len(bob.drawing.strokes) == 2, DEADLINE)
        bob.draw([(2, 2)])
        await ada.until(lambda: len(ada.drawing.strokes) == 3, DEADLINE)
        ada.undo_button.click()
        await bob.until(lambda: ways(bob.drawing) == [LINE, [(2, 2)]], DEADLINE)
        ada.clear_button.click()
        await ada.until(lambda: ada.clear_button.description == "Clear for everybody?", DEADLINE)
        await ada.until(lambda: ada.clear_button.description == "Clear", DEADLINE)  # too late
        assert len(bob.drawing.strokes) == 2
        for description in ("Clear for everybody?", "Clear"):
            ada.clear_button.click()
            await ada.until(lambda d=description: ada.clear_button.description == d, DEADLINE)
        for client in (ada, bob):
            await client.until(lambda client=client: not client.drawing.strokes, DEADLINE)
        ada.undo_button.click()
        await ada.until(lambda: "nothing of yours to undo" in ada.words, DEADLINE)


async def test_a_full_sheet_is_told_in_words_and_what_was_refused_leaves_the_glass(monkeypatch):
    monkeypatch.setattr(sheet, "STROKES", 1)
    async with serving("whiteboard", port=0) as server, clients(server.url, "Ada") as [ada]:
        told = []
        monkeypatch.setattr(ada.pad, "send", told.append)
        ada.draw(LINE)
        await ada.until(lambda: ada.drawing.strokes and not ada._untaken, DEADLINE)
        hand(ada, begin(1, 1), go((2, 2)), {"type": "draw_end"})
        await ada.until(lambda: "The sheet is full: 1 strokes are on it" in ada.words, DEADLINE)
        assert {"refused": True} in told
        await ada.until(lambda: not ada._untaken, DEADLINE)
        assert ways(ada.drawing) == [LINE]
        ada.undo()
        await ada.until(lambda: not ada.drawing.strokes, DEADLINE)
        assert ada.words == ""


# Painting


async def test_all_that_came_in_a_tick_is_painted_in_one_message(to_page):
    async with serving("whiteboard", port=0) as server, clients(server.url, "Ada") as [ada]:
        strokes = [
            {"type": "draw_start", "stroke": n, "x": 1, "y": n, "pen": 99} for n in range(40)
        ]
        points = [{"type": "draw_points", "stroke": n, "points": [[9, n], [99, n]], "pen": 99}
                  for n in range(40)]  # fmt: skip
        began = ada._loop.time()
        ada._paint()
        to_page.clear()
        for message in strokes + points * 20:
            ada.received(message)
        await until(lambda: not ada.drawing._new)
        assert 1 <= len(to_page) <= 1 + (ada._loop.time() - began) / client_module.TICK
        for message in points * 20:
            ada.drawing.take(message)
        to_page.clear()
        ada._paint()
        assert len(to_page) == 1


async def test_the_pad_is_told_per_view_what_the_sheet_shows(monkeypatch):
    async with serving("whiteboard", port=0) as server, clients(server.url, "Ada") as [ada]:
        told = []
        monkeypatch.setattr(ada.pad, "send", told.append)
        ada._on_pad("first", 1, [begin(1, 1), {"type": "draw_end"}])
        ada._on_pad("first", 2, [begin(2, 2)])
        ada._on_pad("second", 1, [{"type": "draw_end"}])
        await until(lambda: {"view": "first", "taken": 2, "drawn": 2} in told)
        await until(lambda: {"view": "second", "taken": 1, "drawn": 1} in told)


async def test_an_error_while_painting_does_not_stop_all_canvases(to_page, monkeypatch):
    async with serving("whiteboard", port=0) as server, clients(server.url, "Ada") as [ada]:

        def broken(*_):
            raise RuntimeError("no paint")

        with monkeypatch.context() as patch:
            patch.setattr(client_module, "_paint_stroke", broken)
            ada.draw(LINE)
            await ada.until(lambda: ada.failure, DEADLINE)
        assert str(ada.failure) == "no paint" and not _CANVAS_MANAGER._caching
        ada.failure = None
        to_page.clear()
        ada._page_came()
        await until(lambda: to_page)


# Saving and opening


async def test_a_drawing_is_saved_and_opened_again():
    async with serving("whiteboard", port=0) as server, clients(server.url, "Ada") as [ada]:
        ada.draw([(100, 100), (300, 100)], color=RED, width=20)
        ada.draw([(400, 300)], color=BLUE, width=8)
        await ada.until(lambda: not ada._untaken, DEADLINE)
        picture = Image.open(BytesIO(ada.save("png").read_bytes()))
        assert picture.size == (1600, 1000)
        red, blue, white = (0xD9, 0x30, 0x25), (0x1A, 0x73, 0xE8), (255, 255, 255)
        for (x, y), ink in {
            (200, 100): red, (200, 108): red, (200, 112): white, (92, 100): red, (88, 100): white,
            (400, 300): blue, (402, 300): blue, (406, 300): white, (5, 5): white,
        }.items():  # fmt: skip
            assert picture.getpixel((2 * x, 2 * y)) == ink, (x, y)
        svg = ada.save("svg").read_text()
        assert f'points="100,100 300,100" stroke="{RED}" stroke-width="20"' in svg
        assert f'points="400,300 400,300" stroke="{BLUE}"' in svg
        file = ada.save("json")
        assert ada.save("json").name == "whiteboard-2.json" and "whiteboard-2.json" in ada.words
        with pytest.raises(ValueError, match="Expected one of png, svg, json, got 'gif'"):
            ada.save("gif")
        before = ways(ada.drawing)
        ada.clear()
        ada.open(file)
        await ada.until(lambda: ways(ada.drawing) == before and not ada._untaken, DEADLINE)
        strokes = ada.drawing.strokes.values()
        assert [(s.color, s.width) for s in strokes] == [(RED, 20), (BLUE, 8)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89PNG\r\n", "This file is no JSON"),
        (b"[" * 100_000, "This file is no JSON"),
        (b"[1, 2]", "This file has no list of strokes"),
        (b'{"strokes": [{"points": []}]}', "Stroke 1 of this file is broken"),
        (b'{"strokes": [{"points": [[1, 2]]}, {"points": [["1", 2]]}]}', "Stroke 2 of this"),
        (b'{"strokes": [{"points": [[1e999, 2]]}]}', "with numbers up to 10,000"),
        (b'{"strokes": [{"points": [[1, 1], [1, 1], [1, 1]]}]}', "too large: more than"),
    ],
    ids=["picture", "nested", "list", "no points", "text", "infinity", "large"],
)
async def test_a_file_that_is_no_drawing_is_refused_in_words(content, words, monkeypatch):
    monkeypatch.setattr(limits, "MOST_POINTS", 2)
    ada = WhiteboardClient("ws://127.0.0.1:9")
    file = {"name": "mine.json", "content": memoryview(content), "type": "", "size": len(content)}
    ada.upload.value = (file | {"last_modified": datetime.now(UTC)},)
    await ada.until(lambda: ada.words, DEADLINE)
    assert words in ada.words and ada.words.startswith("mine.json: ")
    assert ada.upload.value == () and not ada._untaken
    ada.close()


async def test_an_odd_look_in_a_file_becomes_a_plain_one():
    async with serving("whiteboard", port=0) as server, clients(server.url, "Ada") as [ada]:
        odd = [{"points": [[1, 1]], "color": "red", "width": width} for width in (0.5, True, None)]
        ada.open(json.dumps({"strokes": odd}).encode())
        await ada.until(lambda: len(ada.drawing.strokes) == 3 and not ada._untaken, DEADLINE)
        strokes = ada.drawing.strokes.values()
        assert {(s.color, s.width) for s in strokes} == {("#222222", 3)}


async def test_nothing_that_a_server_says_breaks_it():
    odd = [
        {"type": "pointer", "pen": 1}, {"type": "pointer", "pen": 1, "x": "a", "y": None},
        {"type": "draw_start", "pen": 2, "stroke": 1, "x": None, "y": 1},
        {"type": "draw_start", "pen": 2, "stroke": 2, "x": 1, "y": 1, "color": "<b>", "width": -1},
        {"type": "draw_points", "pen": 2, "stroke": 2, "points": []},
        {"type": "draw_points", "pen": 2, "stroke": 2, "points": [None, [1]]},
        {"type": "draw_move", "stroke": 9, "x": 1, "y": 2, "fromX": None},
        {"type": "draw_end", "stroke": [1]}, {"type": "undo", "stroke": {}}, {"type": "error"},
        {"type": "welcome"}, {"type": "hello"}, {"type": 5}, {}, {"type": "taken", "n": None},
    ]  # fmt: skip

    async def handler(websocket):
        for message in odd:
            await websocket.send(json.dumps(message))
        await websocket.wait_closed()

    async with serve(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        ada = WhiteboardClient(f"ws://127.0.0.1:{port}")
        await ada.until(lambda: ada._mode == "plain", DEADLINE)
        await asyncio.sleep(0)
        ada._paint()
        assert ada.failure is None and ways(ada.drawing) == [[(1, 1)]]
        ada.close()
        await within(ada.wait_closed())
