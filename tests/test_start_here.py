"""The lesson: its install check, its race, its checks with wrong answers, what it puts back."""

import asyncio
import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from checks import check_handshake, check_masking
from checks.installed import about_python, pins
from checks.report import State
from client import Heartbeat, Race
from client.nesting import put_back
from server.news import News
from server.relay import Relay
from tests.gallery import run_cells
from tests.wire import ask, within

ROOT = Path(__file__).resolve().parents[1]
FIXED = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


# The install check


def installed(*options: str, path: Path | None = None) -> str:
    """What the install check says, run as a program; with `path` before what is installed."""
    search = os.pathsep.join([*([str(path)] if path else []), str(ROOT)])
    command = [sys.executable, *options, str(ROOT / "checks" / "installed.py")]
    done = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": search, "PYTHONIOENCODING": "utf-8"},
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def test_whoever_has_nothing_is_told_what_is_missing_and_how_to_mend_it():
    said = installed("-I", "-S")  # as if no package were installed
    for name, version in pins().items():
        assert f"✗ {name} is missing. The course needs version {version}." in said
    assert "✗ The course's own package 'server' is not installed." in said
    assert "python course.py" in said
    assert "✓" not in said


def test_too_old_and_too_new_and_another_course_are_told_apart(tmp_path):
    for name, version in (("websockets", "9.1"), ("ipywidgets", "100.0")):
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (folder / "METADATA").write_text(metadata, encoding="utf-8")
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "__init__.py").touch()
    said = installed(path=tmp_path)
    assert (
        f"✗ websockets 9.1 is too old. The course was tested with {pins()['websockets']}." in said
    )
    assert "✗ ipywidgets 100.0 is newer than the tested one." in said
    assert "✗ 'server' is not this course's" in said
    assert said.count("✗") == 3


def test_all_is_well_here_and_python_itself_is_looked_at():
    assert installed().startswith("✓ All is well")
    assert about_python((3, 11, 0)) == about_python((3, 13, 9)) == ""
    assert "Python 3.9, which is too old" in about_python((3, 9, 1))
    assert "newer than 3.13" in about_python((3, 14, 0))


# The race


async def test_the_race_counts_what_the_newsroom_and_the_wire_saw(monkeypatch):
    rooms = []
    opened = News.open

    async def open_and_note(news: News) -> None:
        rooms.append(news)
        await opened(news)

    monkeypatch.setattr(News, "open", open_and_note)
    race = Race(every=0.2, seconds=2.0, seed=3)
    await within(race.finished())
    polling, websocket = race.everybody
    assert polling.got.keys() == websocket.got.keys() == race.published.keys()
    assert len(race.published) >= 2
    # What was counted: the newsroom answered each request, and perhaps one that was cut off.
    assert polling.requests <= rooms[0].requests <= polling.requests + 1
    assert polling.requests >= 5
    assert websocket.requests == 1
    # Nobody has news before it is out.
    assert min(race.delays(websocket) + race.delays(polling)) >= 0
    assert str(race).startswith(f"Polling: {polling.requests} requests, {polling.bytes:,} b")
    # A frame is 2 or 4 bytes around the text, and the handshake some hundreds.
    assert 200 < websocket.bytes < 400 + 120 * len(race.published)
    assert f"{polling.bytes:,}" in race._figures.value
    assert race._picture.value.count("<circle") == 3 * len(race.published)


async def test_the_relay_counts_each_byte_and_changes_none():
    news = News()
    await news.open()
    try:
        async with Relay(news.http_port) as relay:
            reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
            news.publish("Grüße")
            sent = b"GET /news?after=0 HTTP/1.1\r\nHost: x\r\n\r\n"
            came = b""
            for _ in range(3):  # on one connection
                writer.write(sent)
                head = await within(reader.readuntil(b"\r\n\r\n"))
                size = int(head.partition(b"Content-Length: ")[2].split()[0])
                body = await within(reader.readexactly(size))
                came += head + body
                assert [item["text"] for item in json.loads(body)] == ["Grüße"]
            assert relay.from_client == 3 * sent and relay.from_server == came
            assert relay.count == 3 * len(sent) + len(came)
            assert news.requests == 3
            writer.close()
        for path in ("/", "/news?after=x", "/news?after=-1"):
            assert (await ask(news.http_port, path)).status == 404
    finally:
        await within(news.close())


@pytest.mark.parametrize("options", [{"every": 0}, {"seconds": 999}, {"every": "1"}])
async def test_a_race_refuses_times_that_make_no_sense(options):
    [name] = options
    with pytest.raises(ValueError, match=f"{name} is .*Expected seconds, from"):
        Race(**options)


# What runs between cells


async def test_a_heart_shows_the_gap_and_there_is_one_at_a_time(monkeypatch):
    monkeypatch.setattr("client.heartbeat.GAP", 0.3)
    heart = Heartbeat()
    async with asyncio.timeout(10):
        while heart.beats < 2:
            await asyncio.sleep(0)
        assert heart.gaps == []
        free_again = asyncio.get_running_loop().time() + 0.5
        while asyncio.get_running_loop().time() < free_again:
            pass  # keeps the loop for itself
        while heart.beats < 3:
            await asyncio.sleep(0)
    assert heart.longest_gap >= 0.5
    assert len(heart.gaps) == 1 and "heart-gap" in heart._picture.value
    other = Heartbeat()
    await asyncio.sleep(0)
    assert heart._task.cancelled() or heart._task.cancelling()
    other.stop()


async def test_what_nest_asyncio2_patches_is_put_back():
    nest_asyncio2 = pytest.importorskip("nest_asyncio2")

    async def main() -> str:
        return await asyncio.sleep(0.01, "ran")

    kind = type(asyncio.get_running_loop())
    before = (asyncio.Task, asyncio.Future, asyncio.run, kind._run_once, dict(vars(kind)).keys())
    with put_back():
        nest_asyncio2.apply()
        assert asyncio.run(main()) == "ran"
    after = (asyncio.Task, asyncio.Future, asyncio.run, kind._run_once, dict(vars(kind)).keys())
    assert after == before
    program = main()
    with pytest.raises(RuntimeError, match="cannot be called from a running event loop"):
        asyncio.run(program)
    assert await program == "ran"


# The checks


def digest(key: str) -> bytes:
    return hashlib.sha1((key + FIXED).encode()).digest()


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def waits(key):
    return encoded(digest(key))


def raises(key):
    return base64.b64encode(hashlib.sha1(key + FIXED).digest())


WRONG_KEYS = {
    "a constant": (lambda key: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "Append the fixed text"),
    "nothing": (lambda key: print(end=""), "Is there a `return`?"),
    "itself": (lambda key: key, "That is the key itself."),
    "bytes": (lambda key: encoded(digest(key)).encode(), "bytes have a method decode()."),
    "str of bytes": (lambda key: str(encoded(digest(key)).encode()), "keeps the b and the quotes"),
    "digest": (digest, "base64.b64encode() makes characters of it"),
    "hexdigest": (lambda key: digest(key).hex(), "Take digest(), not hexdigest()"),
    "no fixed text": (
        lambda key: encoded(hashlib.sha1(key.encode()).digest()),
        "The fixed text was not appended",
    ),
    "reversed": (
        lambda key: encoded(hashlib.sha1((FIXED + key).encode()).digest()),
        "The key comes first",
    ),
    "SHA-256": (
        lambda key: encoded(hashlib.sha256((key + FIXED).encode()).digest()),
        "The standard says SHA-1.",
    ),
    "not hashed": (lambda key: encoded((key + FIXED).encode()), "encoded, not hashed"),
    "white space": (lambda key: encoded(digest(key)) + "\n", "There is white space around it."),
    "async": (waits, "`def` will do"),
    "called": ("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "expected a function"),
    "raises": (raises, "raised TypeError"),
}
WRONG_MASKS = {
    "nothing": (lambda payload, key: print(end=""), "Is there a `return`?"),
    "unchanged": (lambda payload, key: payload, "Nothing has changed."),
    "a list": (
        lambda payload, key: [b ^ k for b, k in zip(payload, key * 9, strict=False)],
        "bytes()",
    ),
    "text": (lambda payload, key: payload.decode(), "Text is not bytes."),
    "four bytes": (
        lambda payload, key: bytes(b ^ k for b, k in zip(payload, key, strict=False)),
        "After its fourth byte, the key begins anew",
    ),
    "one byte": (lambda payload, key: bytes(b ^ key[0] for b in payload), "Only the first byte"),
    "key inside": (
        lambda payload, key: key + bytes(b ^ key[n % 4] for n, b in enumerate(payload)),
        "The key itself goes before the payload",
    ),
    "added": (
        lambda payload, key: bytes((b + key[n % 4]) % 256 for n, b in enumerate(payload)),
        "The key was added.",
    ),
    "or": (lambda payload, key: bytes(b | key[n % 4] for n, b in enumerate(payload)), "That is |"),
    "shifted": (
        lambda payload, key: bytes(b ^ key[n % 3] for n, b in enumerate(payload)),
        "The first wrong byte is number 3",
    ),
    "no index": (
        lambda payload, key: bytes(b ^ key[n] for n, b in enumerate(payload)),
        "raised IndexError",
    ),
    "not empty": (
        lambda payload, key: (
            bytes(b ^ key[n % 4] for n, b in enumerate(payload)) if payload else b"\0"
        ),
        "may have any length, also 0",
    ),
}


async def test_right_answers_pass_and_wrong_ones_are_refused_with_words_for_their_mistake():
    assert (await check_handshake(lambda key: encoded(digest(key)))).passed
    right = await check_masking(
        lambda payload, key: bytearray(b ^ key[n % 4] for n, b in enumerate(payload))
    )
    assert right.passed, right
    for check, wrong in ((check_handshake, WRONG_KEYS), (check_masking, WRONG_MASKS)):
        for title, (function, words) in wrong.items():
            report = await check(function)
            bad = next(o for o in report.outcomes if o.state in (State.FAILED, State.RAISED))
            assert words in bad.words, f"{title}: {report}"
            assert bad.words.endswith((".", "?", "]")), bad.words
    for check, name in ((check_handshake, "accept_key(key)"), (check_masking, "masked(a, b)")):
        stub = run_cells([f'def {name}:\n    """Nothing yet."""\n'], "stub")
        untouched = await check(stub[name.partition("(")[0]])
        assert {outcome.state for outcome in untouched.outcomes} == {State.NOT_ATTEMPTED}
