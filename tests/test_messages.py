"""What is taken as a message, and how the rest is refused: by words that name what was expected."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.messages import (
    NotJSON,
    Refused,
    decode,
    encode,
    now,
    read_field,
    read_json,
    text,
)
from tests.wire import strict_json

ACCEPTED = {"message": {"content": text(1, 20)}, "ping": {}}


def refusal(data: str | bytes) -> str:
    with pytest.raises(Refused) as refused:
        decode(data, ACCEPTED)
    return str(refused.value)


# What is taken


@pytest.mark.parametrize(
    "message",
    [
        {"type": "ping"},
        {"type": "ping", "content": 5},
        {"type": "message", "content": "a"},
        {"type": "message", "content": "a" * 20},
        {"type": "message", "content": "👩‍🚀 ¿qué? \x00\n"},
        {"content": "hello", "type": "message", "more": [1.5, None, {"a": {}}]},
    ],
)
def test_an_accepted_message_comes_out_as_it_went_in(message):
    assert decode(json.dumps(message), ACCEPTED) == message


def test_a_character_outside_of_the_basic_plane_counts_once_however_it_is_written():
    escaped = '{"type": "message", "content": "' + "\\ud83d\\ude80" * 20 + '"}'
    assert decode(escaped, ACCEPTED)["content"] == "🚀" * 20


# What is refused, and in which words


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"type": "ping"}', "Expected a text frame, got a binary one."),
        ("", "Expected JSON, got something else: Expecting value"),
        ("hello", "Expected JSON, got something else: Expecting value"),
        ('{"type": "ping"', "Expected JSON, got something else: "),
        ("{'type': 'ping'}", "Expected JSON, got something else: "),
        ('{"type": "ping"} {}', "Expected JSON, got something else: Extra data"),
        ('{"type": "ping", "x": NaN}', "Expected JSON, got something else: NaN is not JSON."),
        ('{"type": "ping", "x": -Infinity}', "got something else: -Infinity is not JSON."),
        ("\ufeff{}", "Expected JSON, got something else: "),
        ("null", 'Expected a JSON object such as {"type": "message"}, got null.'),
        ("true", 'a JSON object such as {"type": "message"}, got true or false.'),
        ("1e3", 'a JSON object such as {"type": "message"}, got a number.'),
        ('"ping"', 'a JSON object such as {"type": "message"}, got a string.'),
        ('["ping"]', 'a JSON object such as {"type": "message"}, got an array.'),
        ("{}", 'The field \'type\' is missing. Expected an object such as {"type": "message"}.'),
        ('{"Type": "ping"}', "The field 'type' is missing."),
        ('{"type": null}', "The field 'type' must be a string, got null."),
        ('{"type": 1}', "The field 'type' must be a string, got a number."),
        ('{"type": true}', "The field 'type' must be a string, got true or false."),
        ('{"type": ["ping"]}', "The field 'type' must be a string, got an array."),
        ('{"type": {}}', "The field 'type' must be a string, got an object."),
        ('{"type": ""}', 'The type "" is unknown. Expected one of: message, ping.'),
        ('{"type": "Ping"}', 'The type "Ping" is unknown. Expected one of: message, ping.'),
        ('{"type": "\\ud800"}', 'The type "\\ud800" is unknown.'),
        ('{"type": "message"}', "The field 'content' is missing."),
        ('{"type": "message", "content": null}', "The field 'content' must be a string, got null."),
        ('{"type": "message", "content": 5}', "The field 'content' must be a string, got a number"),
        ('{"type": "message", "content": []}', "'content' must be a string, got an array."),
        ('{"type": "message", "content": ""}', "'content' must have 1 to 20 characters, got 0."),
        (
            json.dumps({"type": "message", "content": "a" * 21}),
            "The field 'content' must have 1 to 20 characters, got 21.",
        ),
        (
            '{"type": "message", "content": "a\\udc00"}',
            "The field 'content' holds half a character (a lone surrogate).",
        ),
    ],
)
def test_a_refusal_names_what_is_wrong_and_what_was_expected(data, words):
    assert words in refusal(data)


@pytest.mark.parametrize("kind", ["[", '{"a":'])
def test_what_is_nested_10_000_deep_is_refused_before_it_is_read(kind):
    closing = {"[": "]", '{"a":': "}"}[kind]
    deep = kind * 10_000 + "1" + closing * 10_000
    words = "nested too deep. Expected an object of a few levels."
    assert words in refusal(deep)
    assert words in refusal('{"type": "ping", "x": ' + deep + "}")


def test_a_long_unknown_type_is_shortened():
    words = refusal(json.dumps({"type": "x" * 60_000}))
    assert '"' + "x" * 40 in words
    assert len(words) < 200


def test_a_number_with_more_digits_than_python_reads_is_refused():
    words = refusal('{"type": "ping", "x": ' + "9" * 5_000 + "}")
    assert "digits" in words


def test_where_nothing_is_accepted_the_refusal_says_so():
    with pytest.raises(Refused, match="this server only speaks"):
        decode('{"type": "ping"}', {})


def test_not_json_can_be_told_from_json_that_is_not_wanted():
    with pytest.raises(NotJSON):
        read_json("hello")
    for data in (b"1", "[" * 10_000 + "]" * 10_000):
        with pytest.raises(Refused) as refused:
            read_json(data)
        assert not isinstance(refused.value, NotJSON)


def test_a_field_can_be_read_by_itself():
    assert read_field({"content": "hi"}, "content", text(1, 2)) == "hi"
    with pytest.raises(Refused, match="The field 'content' is missing"):
        read_field({}, "content", text(1, 2))
    with pytest.raises(Refused, match=r"'content' must have 1 to 2,000 characters, got 2,001\."):
        read_field({"content": "a" * 2_001}, "content", text(1, 2_000))


# Whatever comes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
NEARLY = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "ping", "Ping", 0, None])},
    optional={"content": JSON | st.text(st.characters(exclude_categories=()))},
)


@settings(deadline=None, derandomize=True)
@given(st.text() | st.binary() | (JSON | NEARLY).map(json.dumps))
@example('{"type": "ping", "x": 1e999}')
@example("1e999")
@example("-")
@example("\x00")
def test_decode_returns_an_accepted_message_or_refuses(data):
    try:
        message = decode(data, ACCEPTED)
    except Refused as refused:
        assert "xpected" in str(refused) or "must" in str(refused) or "The field" in str(refused)
        str(refused).encode()  # can be sent
    else:
        assert isinstance(message, dict)
        assert message["type"] in ACCEPTED
        if message["type"] == "message":
            assert 1 <= len(message["content"]) <= 20
            message["content"].encode()


@settings(deadline=None, derandomize=True)
@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_encode_gives_strict_json_or_raises(message):
    try:
        encoded = encode(message)
    except ValueError:
        assert any(word in repr(message) for word in ("nan", "inf"))
    else:
        assert strict_json(encoded) == message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_encode_refuses_what_json_has_not(value):
    with pytest.raises(ValueError, match="JSON"):
        encode({"value": value})
    with pytest.raises(TypeError):
        encode({"value": {1, 2}})


def test_encode_leaves_characters_as_they_are():
    assert encode({"content": "añ🚀"}) == '{"content": "añ🚀"}'


def test_the_time_has_an_offset():
    told = datetime.fromisoformat(now())
    assert told.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - told) < timedelta(seconds=5)


@pytest.mark.parametrize(
    "nest", [lambda n: "[" * n + "]" * n, lambda n: '{"a":' * n + "1" + "}" * n]
)
@pytest.mark.parametrize(("levels", "refused"), [(1, False), (50, False), (51, True), (900, True)])
def test_how_deep_json_may_be_nested_depends_on_no_version_of_python(nest, levels, refused):
    if not refused:
        assert read_json(nest(levels)) is not None
        return
    with pytest.raises(Refused, match="nested too deep"):
        read_json(nest(levels))
