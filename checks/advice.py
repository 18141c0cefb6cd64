"""Words for the learner: what their code raised, where, and what to do about it."""

import difflib
import json
import linecache
import re
import traceback
from collections.abc import Iterable
from typing import Any

from websockets.exceptions import ConnectionClosed

from server.tracebacks import learners_frames

NOT_BLOCKING = (
    "Nothing else can run meanwhile. To wait, use `await asyncio.sleep(…)`; a loop must come to an "
    "end."
)


class Failed(Exception):
    """A criterion is not met. The text says what happened, what was expected, where to look."""


def explain(error: BaseException) -> str:
    """Return what was raised, in which line of the learner's code, and what to do."""
    parts = (f"raised {_kind(error)}{_where(error)}.", advise(error))
    return " ".join(part for part in parts if part)


def explain_blocked(error: BaseException) -> str:
    """Return in which line of the learner's code the event loop was blocked, and what to do."""
    return f"blocked the event loop{_where(error)}. {NOT_BLOCKING}"


def advise(error: BaseException) -> str:
    """Return what to do about an exception, if it is one of those that happen to everybody."""
    text = str(error)
    match error:
        case json.JSONDecodeError():
            return "Anyone may send anything. Catch ValueError around json.loads()."
        case UnboundLocalError():
            return _advise_about_scope(error)
        case NameError(name=str(name)) if name:
            return _advise_about_name(error, name)
        case TypeError() if "positional argument" in text and not learners_frames(error):
            return "The library calls your handler with one argument, the connection."
        case TypeError() | AttributeError():
            return _advise_about_types(text)
        case KeyError(args=(str(key),)):
            return (
                "Not every message has this field. Look at what came before you use it, with "
                f"message.get({json.dumps(key)})."
            )
        case KeyError():
            return "It is not there (any more). A set's discard() does not mind; remove() does."
        case ValueError() if "randrange" in text:
            return "random.randint() takes whole numbers alone. random.uniform() takes any."
        case ConnectionClosed():
            return (
                "It sent to a client that had left. Forget a client in `finally`, and use "
                "broadcast(), which passes over connections that are closed."
            )
        case RuntimeError() if "changed size during iteration" in text:
            return (
                "Somebody came or left during the loop, or the loop itself put in or removed one. "
                "Use broadcast(), or loop over a copy."
            )
        case _ if "trait of a Label" in text or "trait of an HTML" in text:
            return "A widget like this shows text. str() makes a text of anything."
        case _:
            return ""


def _advise_about_scope(error: UnboundLocalError) -> str:
    found = re.search(r"local variable '(\w+)'", str(error))
    name = found[1] if found else "NAME"
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    outside = frames and (
        name in frames[-1].f_globals or "<locals>" in frames[-1].f_code.co_qualname
    )
    if frames and not outside:
        return (
            f"On this way through the function `{name}` got no value. Does an `except` go on where "
            "it should `return`?"
        )
    nested = frames and "<locals>" in frames[-1].f_code.co_qualname
    word = "nonlocal" if nested and name not in frames[-1].f_globals else "global"
    return f"A function that assigns to `{name}` makes it local. Begin with `{word} {name}`."


def _advise_about_name(error: NameError, name: str) -> str:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    known = [*frames[-1].f_globals, *frames[-1].f_locals] if frames else []
    if close := difflib.get_close_matches(name, known, n=1):
        return f"Did you mean `{close[0]}`?"
    return f"Python does not know `{name}`. Did you run the cell that defines it?"


# What is found in the text of a TypeError or an AttributeError, and what to do about it.
_TYPES = {
    "string indices": "The message is still text. json.loads() makes an object of text; "
    "json.dumps() makes text of an object.",
    "'str' object has no": "The message is still text. json.loads() makes an object of it.",
    "'dict' object has no": 'The message is a dictionary: message["type"] is its field.',
    "coroutine": "A coroutine runs only if you `await` it.",
    "dict-like object|data must be": "What is sent must be text. json.dumps() makes text of an "
    "object.",
    "JSON object must be str": "The message is no text any more: json.loads() was called already.",
    "not JSON serializable": "JSON has objects, lists, texts, numbers, true, false and null. Make "
    "one of these of it.",
    "unhashable": 'The "type" may be a list, too. Look whether it is a string.',
    "bytes": "A binary frame comes as bytes. Look with isinstance(text, str).",
    "indices must be|not subscriptable|is not iterable|not a container|"
    "'(list|int|float|bool|NoneType)' object has no": "JSON may also be a list, a number or null, "
    "and so may each field. Look at what came before you use it.",
    "Connection. object has no": "A connection has it only if a line before this one has set "
    "it. Or is it a part of its `transport`?",
    "object has no attribute": "Is there a line that makes it, and does it run before this one?",
}


def _advise_about_types(text: str) -> str:
    return next((advice for sign, advice in _TYPES.items() if re.search(sign, text)), "")


def shown(message: Any, longest: int = 80) -> str:
    """Return a message as a report shows it."""
    if isinstance(message, bytes):
        return f"{_cut(repr(message), longest)}, a binary frame"
    text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
    return _cut(text, longest)


def outlined(message: Any, fields: Iterable[str] = ("type",)) -> str:
    """Return a message as a report shows it, with the values of some fields only.

    What differs from one run to the next, such as a time or a shared value, must not be in there.
    """
    if not isinstance(message, dict):
        return shown(message)
    parts = (
        f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False) if name in fields else '…'}"
        for name, value in message.items()
    )
    return _cut("{" + ", ".join(parts) + "}", 120)


def shown_object(thing: Any, longest: int = 60) -> str:
    """Return how Python shows an object, cut short."""
    try:
        text = repr(thing)
    except Exception:
        text = f"a {type(thing).__name__}"
    return _cut(without_addresses(text), longest)


def kind_of(value: Any) -> str:
    """Return what kind of JSON a value is."""
    kinds = {str: "a string", bool: "true or false", int: "an integer", float: "a decimal number"}
    kinds |= {list: "a list", dict: "an object", type(None): "null"}
    return kinds.get(type(value), type(value).__name__)


def leaves(error: BaseException) -> list[BaseException]:
    """Return the exceptions in a group, as a TaskGroup raises it; or the exception itself."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in leaves(part)]
    return [error]


def place(function: str, file: str, line: int | None) -> str:
    """Return where something happened, as a report says it."""
    source = linecache.getline(file, line or 0).strip()
    return f"{function}(), line {line}" + (f": `{source}`" if source else "")


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def without_addresses(text: str) -> str:
    """Return a text without addresses in memory, which differ from run to run."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)


def _kind(error: BaseException) -> str:
    words = str(error).strip().splitlines()
    return (
        f"{type(error).__name__}: {without_addresses(words[0])}" if words else type(error).__name__
    )


def _where(error: BaseException) -> str:
    own = learners_frames(error)
    return f" in {place(own[-1].name, own[-1].filename, own[-1].lineno)}" if own else ""
