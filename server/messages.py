"""The messages of the course: JSON objects with a string "type", one in each text frame.

What a server takes is written down as a table, for example::

    {"message": {"content": text(1, 2_000)}, "ping": {}}

means: a client may send a ``message`` with a ``content`` of 1 to 2,000 characters, and a ``ping``
without any field. :func:`decode` holds a frame against such a table.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

Message = dict[str, Any]
Field = Callable[[str, Any], None]
Accepted = Mapping[str, Mapping[str, Field]]

LEVELS = 50  # how deep JSON may be nested
TOO_DEEP = "The JSON is nested too deep. Expected an object of a few levels."
# Made once: json.dumps() would make one for each message, which costs half as much as to use it.
JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


class Refused(ValueError):
    """A message that is not taken. The text says what was wrong and what was expected."""


class NotJSON(Refused):
    """A text that is not JSON as RFC 8259 defines it."""


def now() -> str:
    """Return the time as ISO 8601 with its offset from UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def notice(words: str) -> Message:
    """Return a message in which the server itself speaks."""
    return {"type": "system", "message": words, "timestamp": now()}


def encode(message: Message) -> str:
    """Return the text of a frame for `message`.

    Raises:
        ValueError: If `message` holds NaN or infinity, which JSON does not have.
        TypeError: If `message` holds something that JSON cannot express.
    """
    return JSON.encode(message)


def read_json(data: str | bytes) -> Any:
    """Return the JSON value in a text frame.

    Raises:
        NotJSON: If the text is not JSON.
        Refused: If the frame is binary or nested too deep.
    """
    if isinstance(data, bytes):
        raise Refused("Expected a text frame, got a binary one. Send the JSON as text.")
    try:
        value = json.loads(data, parse_constant=_refuse_constant)
    except RecursionError:  # from how many levels on depends on the version of Python
        raise Refused(TOO_DEEP) from None
    except ValueError as error:
        raise NotJSON(f"Expected JSON, got something else: {error}.") from None
    if _is_deeper(value, LEVELS):
        raise Refused(TOO_DEEP)
    return value


def decode(data: str | bytes, accepted: Accepted) -> Message:
    """Return the message in a frame, if it is one of those that are `accepted`.

    Raises:
        Refused: If it is anything else; the text names the field and what was expected.
    """
    message = read_json(data)
    example = json.dumps({"type": next(iter(accepted), "…")}, ensure_ascii=False)
    if not isinstance(message, dict):
        raise Refused(f"Expected a JSON object such as {example}, got {_kind(message)}.")
    if "type" not in message:
        raise Refused(f"The field 'type' is missing. Expected an object such as {example}.")
    kind = message["type"]
    if not isinstance(kind, str):
        raise Refused(f"The field 'type' must be a string, got {_kind(kind)}.")
    if kind not in accepted:
        known = ", ".join(accepted) or "nothing: this server only speaks"
        raise Refused(f"The type {_shortened(kind)} is unknown. Expected one of: {known}.")
    for name, check in accepted[kind].items():
        read_field(message, name, check)
    return message


def read_field(message: Message, name: str, check: Field) -> Any:
    """Return one field of a message, checked.

    Raises:
        Refused: If the field is missing or `check` does not take its value.
    """
    if name not in message:
        raise Refused(f"The field '{name}' is missing.")
    check(name, message[name])
    return message[name]


def text(shortest: int, longest: int) -> Field:
    """Describe a field that holds a string of `shortest` to `longest` characters."""

    def check(name: str, value: Any) -> None:
        if not isinstance(value, str):
            raise Refused(f"The field '{name}' must be a string, got {_kind(value)}.")
        if not shortest <= len(value) <= longest:
            raise Refused(
                f"The field '{name}' must have {shortest:,} to {longest:,} characters, "
                f"got {len(value):,}."
            )
        if any("\ud800" <= character <= "\udfff" for character in value):
            # JSON can spell half a character ("\\ud800"); UTF-8, and so a frame, cannot.
            raise Refused(f"The field '{name}' holds half a character (a lone surrogate).")

    return check


def number(lowest: float, highest: float) -> Field:
    """Describe a field that holds a number from `lowest` to `highest`."""

    def check(name: str, value: Any) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Refused(f"The field '{name}' must be a number, got {_kind(value)}.")
        # Written so that it also refuses infinity, which is how Python reads 1e999.
        if not lowest <= value <= highest:
            raise Refused(f"The field '{name}' must be from {lowest:,} to {highest:,}.")

    return check


def _refuse_constant(name: str) -> None:
    # Python's parser takes NaN and Infinity, which no other one does.
    raise ValueError(f"{name} is not JSON")


def _is_deeper(value: Any, levels: int) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        if not level:
            return False
        inner = (part.values() if isinstance(part, dict) else part for part in level)
        level = [child for part in inner for child in part if isinstance(child, dict | list)]
    return bool(level)


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def _shortened(name: str) -> str:
    return json.dumps(name if len(name) <= 40 else name[:40] + "…")
