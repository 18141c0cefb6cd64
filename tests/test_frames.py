"""The decoder of frames, against the frames that websockets makes, and against what is none."""

from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets import frames as library
from websockets.frames import Opcode
from websockets.streams import StreamReader

from client.frames import FIELDS, KEPT, Frame, Head, Stream, read_head

CUTS = st.lists(st.integers(1, 300), max_size=20)
FRAMES = st.builds(
    library.Frame,
    opcode=st.sampled_from([Opcode.CONT, Opcode.TEXT, Opcode.BINARY]),
    data=st.one_of(
        st.binary(max_size=150),
        st.integers(0, 70_000).map(lambda size: bytes(range(256)) * (size // 256 + 1)),
    ),
    fin=st.booleans(),
) | st.builds(
    library.Frame,
    opcode=st.sampled_from([Opcode.PING, Opcode.PONG, Opcode.CLOSE]),
    data=st.binary(max_size=125),
)


def pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut bytes into pieces of these sizes, and the rest."""
    cut = []
    for size in sizes:
        cut.append(data[:size])
        data = data[size:]
    return [*cut, data]


def decode(data: bytes, sizes: list[int], **options: Any) -> list[Head | Frame]:
    stream = Stream(**{"midway": True} | options)
    return [passed for piece in pieces(data, sizes) for passed in stream.feed(piece)]


def library_parse(data: bytes, mask: bool) -> library.Frame:
    """Read one frame with the parser of websockets."""
    reader = StreamReader()
    reader.feed_data(data)
    parsing: Generator[None, None, library.Frame] = library.Frame.parse(
        reader.read_exact, mask=mask
    )
    with pytest.raises(StopIteration) as stopped:
        next(parsing)
    return stopped.value.value


@settings(max_examples=120, derandomize=True, deadline=None)
@given(sent=st.lists(FRAMES, min_size=1, max_size=6), mask=st.booleans(), sizes=CUTS)
def test_it_reads_what_websockets_writes_however_it_is_cut(sent, mask, sizes):
    wire = [frame.serialize(mask=mask) for frame in sent]
    read = decode(b"".join(wire), sizes, is_response=not mask)
    assert len(read) == len(sent)
    for was, is_, raw in zip(sent, read, wire, strict=True):
        assert (is_.opcode, is_.fin, is_.rsv) == (was.opcode, was.fin, 0)
        assert (is_.length, is_.missing, is_.is_masked) == (len(was.data), 0, mask)
        assert is_.unmasked == was.data[:KEPT]
        assert raw.startswith(is_.header + is_.payload)
        assert len(raw) == len(is_.header) + is_.length
        fields = is_.fields
        assert b"".join(field.bytes for field in fields) == is_.header + is_.payload
        assert [f.name for f in fields] == [n for n in FIELDS if n in {f.name for f in fields}]
        assert library_parse(raw, mask).data[:KEPT] == is_.unmasked
        assert isinstance(is_.meaning, str) and is_.meaning.isprintable()


@settings(max_examples=150, derandomize=True, deadline=None)
@given(data=st.binary(max_size=2_000), sizes=CUTS, midway=st.booleans(), is_response=st.booleans())
def test_garbage_is_read_as_what_it_may_be_and_raises_nothing(data, sizes, midway, is_response):
    stream = Stream(midway=midway, is_response=is_response)
    for piece in pieces(data, sizes):
        for passed in stream.feed(piece):
            if isinstance(passed, Frame):
                assert passed.fields and passed.meaning.isprintable()
    rest = stream.rest()
    assert rest is None or (rest.missing > 0 and rest.fields and rest.meaning is not None)


def test_a_long_payload_is_counted_and_not_kept():
    raw = library.Frame(Opcode.BINARY, bytes(10**6)).serialize(mask=False)
    (frame,) = decode(raw, [1_000] * 1_000, is_response=True)
    assert frame.length == 10**6
    assert len(frame.payload) == KEPT
    assert frame.meaning.endswith(" 00…")


def test_a_frame_that_never_comes_whole_tells_how_much_is_missing():
    raw = library.Frame(Opcode.TEXT, b"x" * 100_000).serialize(mask=True)
    stream = Stream(midway=True)
    assert stream.feed(raw[:40_014]) == []
    assert stream.rest().missing == 60_000
    assert stream.rest().length == 100_000


@pytest.mark.parametrize(
    ("opcode", "data", "meaning"),
    [
        (Opcode.TEXT, b'{"a": "\xc3\xa4"}', '{"a": "ä"}'),
        (Opcode.TEXT, b"two\nlines\x1b[31m", "two\\nlines\\x1b[31m"),
        (Opcode.TEXT, "a\u202eb".encode(), "a\\u202eb"),
        (Opcode.TEXT, b"\xff", "\\xff"),
        (Opcode.BINARY, b"Hello", "48 65 6c 6c 6f"),
        (Opcode.PING, b"\x00\x01", "00 01"),
        (Opcode.PONG, b"still there?", "still there?"),
        (Opcode.CLOSE, b"\x03\xe9", "1001 going away"),
        (Opcode.CLOSE, b"\x03\xf1<b>too long</b>", "1009 message too big · “<b>too long</b>”"),
        (Opcode.CLOSE, b"\x0f\xa1bye", "4001 a code of the application · “bye”"),
        (Opcode.CLOSE, b"", "no close code"),
        (Opcode.TEXT, "é".encode() * 150, "é" * 100 + "…"),
        (Opcode.TEXT, b"x" + "é".encode() * 150, "x" + "é" * 99 + "…"),
    ],
)
def test_a_payload_in_words(opcode, data, meaning):
    (frame,) = decode(library.Frame(opcode, data).serialize(mask=True), [])
    assert frame.meaning == meaning


def test_the_first_bytes_are_explained_bit_by_bit():
    (frame,) = decode(library.Frame(Opcode.TEXT, b"x" * 300, fin=False).serialize(mask=True), [])
    first, second, extended, key, payload = frame.fields
    assert first.bytes == b"\x01"
    assert first.meaning.startswith("0 000 0001 · FIN 0: more of this message follows · RSV 000")
    assert second.bytes == b"\xfe"
    assert second.meaning == "1 1111110 · MASK 1: masked · length 126: it follows in 2 bytes"
    assert (extended.bytes, extended.meaning) == (b"\x01\x2c", "300")
    assert len(key.bytes) == 4
    assert payload.bytes == bytes(b"x"[0] ^ key.bytes[i % 4] for i in range(KEPT))


REQUEST = (
    b"GET /?token=abc123&x=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"cookie: session=4711; other=0815\r\nAuthorization: Basic c2VjcmV0\r\n\r\n"
)
RESPONSE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


@pytest.mark.parametrize("sizes", [[], [1] * 60, [20, 20]])
def test_a_handshake_comes_before_the_frames(sizes):
    ping = library.Frame(Opcode.PING, b"now")
    head, frame = decode(REQUEST + ping.serialize(mask=True), sizes, midway=False)
    assert head.wants_websocket
    assert frame.unmasked == b"now"
    raw = RESPONSE + ping.serialize(mask=False)
    head, frame = decode(raw, sizes, midway=False, is_response=True)
    assert (head.first_line, head.switches) == ("HTTP/1.1 101 Switching Protocols", True)
    assert frame.unmasked == b"now"


def test_what_lets_somebody_in_is_not_shown():
    head = read_head(REQUEST)
    assert head.first_line == "GET /?token=(hidden)&x=1 HTTP/1.1"
    assert "cookie: (hidden)\r\n" in head.text
    for secret in ("abc123", "4711", "0815", "c2VjcmV0"):
        assert secret not in head.text


def test_behind_a_refusal_no_frames_follow():
    raw = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nNo.\n"
    (head,) = decode(raw + b"\x89\x00", [], midway=False, is_response=True)
    assert not head.switches
    assert head.body.startswith("No.\\n")


def test_a_stream_that_begins_within_a_frame_finds_the_next_one():
    long, short = (library.Frame(Opcode.TEXT, data) for data in (b"x" * 1_000, b"Hello"))
    raw = long.serialize(mask=False)
    stream = Stream(is_response=True, midway=True)
    assert stream.feed(raw[500:]) == []
    (frame,) = stream.feed(short.serialize(mask=False))
    assert frame.meaning == "Hello"
