"""The exercises that this course has, found by their files, and what can be set when one starts."""

import importlib
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from server.connection import Handler
from server.ports import EXERCISES

# What `python -m server` serves besides. It is no exercise, and no notebook starts it.
FOR_PROGRAMS = ("echo",)
# Several servers cannot be one room for these: a drawing is more than what is said in a room.
NOT_SHARED = ("whiteboard", *FOR_PROGRAMS)


def load(exercise: str, **options: Any) -> Handler:
    """Return the handler of an exercise, or of what programs are served, with fresh state.

    Raises:
        ValueError: If there is no such exercise, or the value of an option is not one.
        TypeError: If the exercise has no such option.
    """
    known = options_of(exercise)
    if unknown := options.keys() - known.keys():
        takes = f"It takes: {listed(known)}." if known else "It takes none."
        raise TypeError(f'"{exercise}" has no option {listed(unknown)}. {takes}')
    return _class_of(exercise)(**options).handler


def options_of(exercise: str) -> dict[str, Any]:
    """Return the options of an exercise, with their defaults.

    Raises:
        ValueError: If there is no such exercise.
    """
    parameters = inspect.signature(_class_of(exercise)).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


def available() -> list[str]:
    """Return the names of the exercises that this course has, in order."""
    here = Path(__file__).parent
    return [name for name in EXERCISES if (here / f"{name}.py").is_file()]


def _class_of(exercise: str) -> Callable[..., Any]:
    if exercise not in FOR_PROGRAMS:
        check_exercise(exercise)
    module = importlib.import_module(f"server.{exercise}")
    return getattr(module, exercise.title().replace("_", ""))


def listed(names: Iterable[str]) -> str:
    """Return names as words show them."""
    return ", ".join(sorted(names))


def check_exercise(exercise: str) -> None:
    """Raise a ValueError that names all exercises, unless this is one of them."""
    if exercise not in available():
        names = ", ".join(f'"{name}"' for name in available())
        raise ValueError(f"There is no exercise {exercise!r}. Expected one of {names}.")
