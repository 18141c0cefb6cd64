"""Words for the learner: what their code raised, where, and what to do about it."""

import json
import linecache
import sysconfig
import traceback
from typing import Any

from websockets.exceptions import ConnectionClosed

from checks.watchdog import Blocked
from server.tracebacks import PLUMBING

NOT_THE_LEARNERS = (*PLUMBING, sysconfig.get_path("stdlib"), "<frozen")


class Failed(Exception):
    """A criterion is not met. The text says what happened, what was expected, where to look."""


def explain(error: BaseException) -> str:
    """Return what was raised, in which line of the learner's code, and what to do."""
    advice = advise(error)
    raised = "blocked the event loop" if isinstance(error, Blocked) else f"raised {_kind(error)}"
    return " ".join(part for part in (f"{raised}{_where(error)}.", advice) if part)


def advise(error: BaseException) -> str:
    """Return what to do about an exception, if it is one of those that happen to everybody."""
    match error:
        case Blocked():
            return "Nothing else can run meanwhile. Use `await asyncio.sleep(…)` to wait."
        case json.JSONDecodeError():
            return "Anyone may send anything. Catch ValueError around json.loads()."
        case UnboundLocalError(name=str(name)) if name:
            return (
                f"A function that assigns to `{name}` makes it local. Begin with `global {name}`."
            )
        case UnboundLocalError():
            return "A function that assigns to a name makes it local. Begin with `global NAME`."
        case NameError(name=str(name)) if name:
            return f"Python does not know `{name}`. Did you run the cell that defines it?"
        case TypeError() if "string indices" in str(error):
            return (
                "The message is still text. json.loads() makes an object of text; json.dumps() "
                "makes text of an object."
            )
        case TypeError() if "indices must be integers" in str(error):
            return "JSON may also be a list, a number or null. Look at what came before you use it."
        case AttributeError() if "'str' object" in str(error):
            return "The message is still text. json.loads() makes an object of it."
        case KeyError():
            return 'A message may lack the field. message.get("type") returns None then.'
        case ValueError() if "randrange" in str(error):
            return "random.randint() takes whole numbers alone. random.uniform() takes any."
        case ConnectionClosed():
            return (
                "It sent to a client that had left. Forget a client in `finally`, and use "
                "broadcast(), which passes over connections that are closed."
            )
        case RuntimeError() if "changed size during iteration" in str(error):
            return "Somebody came or left during the loop. Use broadcast(), or loop over a copy."
        case _:
            return ""


def shown(message: Any, longest: int = 80) -> str:
    """Return a message as a report shows it."""
    text = message if isinstance(message, str | bytes) else json.dumps(message, ensure_ascii=False)
    text = repr(text) if isinstance(text, bytes) else text
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _kind(error: BaseException) -> str:
    words = str(error).strip().splitlines()
    return f"{type(error).__name__}: {words[0]}" if words else type(error).__name__


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(NOT_THE_LEARNERS)]
    if not own:
        return ""
    frame = own[-1]
    line = linecache.getline(frame.filename, frame.lineno or 0).strip()
    return f" in {frame.name}(), line {frame.lineno}" + (f": `{line}`" if line else "")
