"""The progress of a class: what is shared, with whom, and above all what is not."""

import asyncio
import json
import os
import random
import sys
import tempfile
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from checks.progress import progress_file, remember
from client import TeacherView, close_all, share_progress
from client.class_map import STOPPED, columns
from client.sharing import OFFER
from server import join, start
from server.class_progress import CLEARED, MOST_LEARNERS
from server.link import PROGRESS
from tests.test_class import EVERYWHERE, call, token_of
from tests.test_door import HANDSHAKE
from tests.wire import DEADLINE, guests, hear, say, serving, within

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = {column.name: sorted(column.titles) for column in columns()}
KEY = "a key of sixteen characters"


@contextmanager
def progress_of_its_own():
    """Keep progress in a file that only this test knows."""
    former = os.environ["COURSE_PROGRESS"]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COURSE_PROGRESS"] = os.path.join(folder, "progress.json")
        try:
            yield
        finally:
            os.environ["COURSE_PROGRESS"] = former


@asynccontextmanager
async def looking_at_a_class(**options):
    """Start a server on a free port, and look at it as its teacher."""
    with progress_of_its_own():
        async with serving("chat", port=0, **options) as server:
            view = TeacherView(server)
            try:
                yield server, view
            finally:
                await within(close_all())


async def until(condition, seconds: float = DEADLINE) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def names(view: TeacherView) -> list[tuple[str, bool]]:
    return [(row.name, row.is_here) for row in view.class_map.rows]


def filled(view: TeacherView, exercise: str, row: int = 0) -> int:
    place = list(COLUMNS).index(exercise)
    return view.class_map.rows[row].passed[place] if view.class_map.rows else -1


async def pass_elsewhere(exercise: str, titles: list[str]) -> None:
    """Let checks pass in another kernel of the same learner."""
    program = (
        "import sys, json; from checks.progress import remember; remember(json.load(sys.stdin))"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        stdin=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    await within(process.communicate(json.dumps({exercise: titles}).encode()))
    assert process.returncode == 0


def shared(name: str, key: str = KEY, **passed: list[str]) -> dict:
    return {"type": "progress", "key": key, "username": name, "passed": passed}


@pytest.mark.beside
async def test_nothing_before_yes_then_all_that_passes_then_nothing_after_stop():
    async with looking_at_a_class(host=EVERYWHERE) as (server, view):
        begun = []
        server.watchers.add(begun.append)

        def asked_for_progress():
            return [c for c in begun if c.request and c.request.path.startswith(PROGRESS)]

        joined = await within(join(f"http://127.0.0.1:{server.port}/"))
        bundle = joined._repr_mimebundle_()
        sharing = joined._sharing
        assert sharing.widget in joined._card.widget.children and "text/plain" in bundle
        assert OFFER in sharing._body.value and sharing.stop_button.layout.display == "none"
        remember({"counter": COLUMNS["counter"][:1]})
        sharing.share_button.click()  # without a name
        assert (sharing.state, "Type the name first" in sharing._body.value) == ("off", True)
        await asyncio.sleep(1.5)  # longer than two looks at the file are apart
        assert not asked_for_progress() and not view.class_map.rows
        assert "Nobody shares their progress" in view.class_map._body.value

        sharing.field.value = " Ada "
        sharing.share_button.click()
        await until(lambda: names(view) == [("Ada", True)] and sharing.username == "Ada")
        assert filled(view, "counter") == 1 and "that 1 check passed" in sharing._body.value
        # It is no client of the exercise.
        assert not server.guests and not view.rows and server.about()["connections"] == 0
        [line] = asked_for_progress()
        assert "Ada" in line.request.headers["User-Agent"] and token_of(server) not in str(line)

        view.pause_or_go_on()  # that concerns the exercise alone
        view.drop_all()
        await pass_elsewhere("counter", COLUMNS["counter"])
        await until(lambda: filled(view, "counter") == len(COLUMNS["counter"]), 3)
        assert '<td class="course-full">✓</td>' in view.class_map._body.value
        received, server_traffic = line.traffic.received, view._traffic.received
        assert received == 2 and server_traffic == 0
        progress_file().write_bytes(b"{")  # what cannot be read takes nothing away
        await asyncio.sleep(1.5)
        assert filled(view, "counter") == len(COLUMNS["counter"])

        sharing.stop_button.click()
        await until(lambda: not view.class_map.rows)
        await until(lambda: sharing.state == "off" and OFFER in sharing._body.value)
        assert len(asked_for_progress()) == 1
        # A name that will not do is refused by the class, and it is off again.
        share_progress(joined, "x" * 21)
        assert share_progress(joined, "x" * 21) is sharing
        await until(lambda: "1 to 20 characters" in sharing.words)
        assert sharing.state == "off" and not view.class_map.rows


@pytest.mark.beside
async def test_who_drops_comes_back_who_leaves_stays_and_the_teacher_clears():
    async with looking_at_a_class() as (server, view):
        ada = share_progress(server, "Ada")
        other = f"ws://localhost:{server.port}"  # another kernel would have the same address
        bob = share_progress(other, "ADA")
        await until(lambda: names(view) == [("Ada", True), ("ADA (2)", True)])
        assert (ada.username, bob.username) == ("Ada", "ADA (2)")
        first = server.class_progress.learners[0]
        before = first.websocket
        before.transport.abort()
        await until(lambda: first.websocket not in (None, before))
        await until(lambda: names(view) == [("Ada", True), ("ADA (2)", True)])
        assert server.class_progress.learners[0] is first

        # The server stops; the map says so, and those who come back are where they were.
        await within(server.stop())
        await until(lambda: STOPPED in view.class_map._body.value)
        assert names(view) == [("Ada", False), ("ADA (2)", False)]
        left = '<tr class="course-left"><th scope="row"><bdi>Ada</bdi> <i>left</i>'
        assert left in view.class_map._body.value
        ada.stop()  # the class cannot hear of it yet
        assert ada.state == "stopping"
        await within(start("chat", port=server.port))
        await until(lambda: names(view) == [("ADA (2)", True)] and ada.state == "off")
        assert STOPPED not in view.class_map._body.value

        # A kernel that ends leaves its row, and when it shares again it has the same one.
        bob.close()
        await until(lambda: names(view) == [("ADA (2)", False)])
        again = share_progress(other, "Ada")
        await until(lambda: names(view) == [("Ada", True)])
        again.share("Bea")
        await until(lambda: names(view) == [("Bea", True)])

        view.class_map.toggle_button.click()
        assert "<table>" not in view.class_map._body.value
        view.class_map.clear_button.click()
        await until(lambda: again.state == "off")
        assert not view.class_map.rows and again.words == CLEARED
        assert CLEARED in again._body.value and "Nobody shares" in view.class_map._body.value


async def test_thirty_share_at_once_and_what_they_call_themselves_is_no_html():
    source = random.Random(7)
    async with looking_at_a_class() as (server, view):
        url = f"ws://127.0.0.1:{server.port}{PROGRESS}"
        async with guests(url, 30) as learners:
            told = []
            for number, learner in enumerate(learners):
                name = ["<b onclick=x>A</b>", "Ada", "Łucja عمر"][number % 3]
                met = {e: source.sample(t, source.randint(0, len(t))) for e, t in COLUMNS.items()}
                met["counter"] = COLUMNS["counter"] * (number < 7)
                told.append([len(titles) for titles in met.values()])
                met["chat"] = [*met["chat"], "A criterion that this course has not"]
                met["of another course"] = ["One"]
                await say(learner, shared(name, f"{KEY} {number}", **met))
            answers = [await hear(learner) for learner in learners]
            await until(lambda: len(view.class_map.rows) == 30)
            assert [row.passed for row in view.class_map.rows] == told
            assert [a["username"] for a in answers] == [row.name for row in view.class_map.rows]
            assert len(set(row.name for row in view.class_map.rows)) == 30
            assert "Ada (10)" in answers[28]["username"]
            full = [len(COLUMNS[exercise]) for exercise in COLUMNS]
            everybody = [sum(t[n] == full[n] for t in told) for n in range(len(full))]
            assert view.class_map.everybody == everybody and everybody[4] >= 7
            html = view.class_map._body.value
            assert f"<td>{everybody[4]} of 30</td>" in html and "30 share it now" in html
            assert "&lt;b onclick=x&gt;A&lt;/b&gt;" in html and "<b onclick" not in html
            for learner in learners[:20]:
                learner.transport.abort()
            await until(lambda: "10 share it now, 20 left" in view.class_map._body.value)
            assert [row.passed for row in view.class_map.rows] == told


WRONG = {
    "this is no JSON": "Expected JSON",
    b"\x00": "Expected a text frame",
    "[]": "Expected a JSON object",
    '{"type": "join", "username": "Ada"}': "Expected one of: progress, stop_sharing",
    '{"type": "progress"}': "The field 'key' is missing",
    json.dumps(shared("Ada", "short")): "The field 'key' must have 16 to 64 characters",
    json.dumps(shared("Ada", 7)): "The field 'key' must be a string",
    json.dumps(shared("")): "The field 'username' must have 1 to 20 characters",
    json.dumps(shared("a\nb")): "must not hold control characters",
    json.dumps(shared("Ada") | {"passed": ["One"]}): "'passed' must be an object such as",
    json.dumps(shared("Ada", counter="One")): "'passed.counter' must be an array of titles",
    json.dumps(shared("Ada", counter=[1])): "'passed.counter' must be a string, got a number",
    json.dumps(shared("Ada", counter=["x" * 301])): "must have 1 to 300 characters",
    json.dumps(shared("Ada", counter=["x"] * 61)): "must hold 60 titles at most, got 61",
    json.dumps(shared("Ada", **{"x" * 41: []})): "the name of an exercise' must have 1 to 40",
    json.dumps(shared("Ada", **{f"x{n}": [] for n in range(21)})): "20 exercises at most, got 21",
    '{"type": "stop_sharing"}': "The field 'key' is missing",
}


async def test_what_is_wrong_is_answered_and_changes_nothing():
    with progress_of_its_own():
        async with serving("chat", port=0) as server:
            progress, url = server.class_progress, f"{server.url}{PROGRESS}"
            async with guests(url, 2) as [ann, eve]:
                await say(ann, shared("Ann", counter=["One"]))
                assert await hear(ann) == {"type": "shared", "username": "Ann"}
                for wrong, words in WRONG.items():
                    await say(eve, wrong)
                    answer = await hear(eve)
                    assert answer["type"] == "error" and words in answer["message"], wrong
                await say(ann, shared("Ann", "the key of somebody else"))
                assert "must stay the same" in (await hear(ann))["message"]
                [learner] = progress.learners
                assert (learner.label, learner.passed) == ("Ann", {"counter": {"One"}})

                # A hundred rows at most. Who has left makes room for who comes, else nobody does.
                for number in range(1, MOST_LEARNERS):
                    progress._newcomer(f"Nobody {number}")
                await say(eve, shared("Eve", "another key of sixteen"))
                assert await hear(eve) == {"type": "shared", "username": "Eve"}
                assert len(progress.learners) == MOST_LEARNERS
                assert "Nobody 1" not in [one.label for one in progress.learners]
                for one in progress.learners:
                    one.websocket = one.websocket or ann
                async with guests(url, 1) as [late]:
                    await say(late, shared("Late", "a third key of sixteen"))
                    assert "100 learners share their progress" in (await hear(late))["message"]


async def test_progress_comes_in_by_the_same_door():
    with progress_of_its_own():
        async with serving("chat", port=0, host=EVERYWHERE) as server:
            token = token_of(server)
            assert (await call(server, PROGRESS, *HANDSHAKE)).status == 401
            assert (await call(server, f"{PROGRESS}?token={token[:-1]}x", *HANDSHAKE)).status == 401
            with_token = f"{PROGRESS}?token={token}"
            foreign = "Origin: https://stranger.example"
            assert (await call(server, with_token, *HANDSHAKE, foreign)).status == 403
            assert (await call(server, with_token, *HANDSHAKE)).status == 101
            assert (await call(server, with_token)).status == 404  # it is no page
            assert server.link.progress.endswith(f"{server.port}{with_token}")


async def test_words_about_what_cannot_be_shared_with():
    async with serving("counter", port=0) as server:
        for wrong, error, words in (
            ((server, 7), TypeError, "Expected the name as a text"),
            ((server, " "), ValueError, "Type the name first"),
            ((7, "Ada"), TypeError, "join link"),
            (("chat", "Ada"), ValueError, "begins with http"),
        ):
            with pytest.raises(error, match=words):
                share_progress(*wrong)
        joined = await within(join(f"http://127.0.0.1:{server.port}/"))
        joined._repr_mimebundle_()
        assert joined._sharing is None  # of one's own computer alone: the card offers nothing
