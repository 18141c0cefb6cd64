"""Tells in plain words whether all is installed that the course needs: ``%run`` it in a notebook.

Whoever lacks a package must still get the words. So this file imports nothing but what comes with
Python, and must stay readable by Python 3.8: an old one is told that it is too old.
"""

import importlib.metadata
import importlib.util
import os
import re
import sys
from pathlib import Path

ROOT = Path(os.path.realpath(__file__)).parent.parent
OLDEST_PYTHON, NEWEST_TESTED = (3, 11), (3, 13)
OWN = ("server", "client", "checks")  # the packages of the course itself


def pins() -> dict:
    """Return the packages that the course needs, with the versions it was tested with.

    Raises:
        OSError: If there is no pyproject.toml in the course's folder.
        ValueError: If that file is damaged.
    """
    import tomllib  # not in a Python that is too old

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return dict(requirement.split("==") for requirement in project["dependencies"])


def what_is_wrong(wanted: dict) -> list:
    """Return a line for each thing that is missing or has another version than the tested one.

    Args:
        wanted: Names of packages, and the versions that are wanted.
    """
    lines = []
    for name, version in wanted.items():
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            lines.append(f"{name} is missing. The course needs version {version}.")
            continue
        if found is None:
            lines.append(f"{name} is half installed: nothing tells its version.")
        elif numbers(found) != numbers(version):
            age = "too old" if numbers(found) < numbers(version) else "newer than the tested one"
            lines.append(f"{name} {found} is {age}. The course was tested with {version}.")
    for name in OWN:
        spec = importlib.util.find_spec(name)
        where = Path(spec.origin).parent.parent if spec and spec.origin else None
        if where is None:
            lines.append(f"The course's own package {name!r} is not installed.")
        elif not os.path.samefile(str(where), str(ROOT)):
            lines.append(f"{name!r} is not this course's: it comes from {where}.")
    return lines


def numbers(version: str) -> list:
    """Return the numbers in a version, so that 7.10 counts as newer than 7.9."""
    found = [int(number) for number in re.findall(r"\d+", version)]
    while found and found[-1] == 0:  # 8.1 and 8.1.0 are the same
        found.pop()
    return found


def about_python(version: tuple) -> str:
    """Return what is wrong with a version of Python, or nothing."""
    name = "Python {}.{}".format(*version)
    oldest = "{}.{}".format(*OLDEST_PYTHON)
    newest = "{}.{}".format(*NEWEST_TESTED)
    if tuple(version[:2]) < OLDEST_PYTHON:
        return f"This is {name}, which is too old. The course needs {oldest} to {newest}."
    if tuple(version[:2]) > NEWEST_TESTED:
        return f"This is {name}, which is newer than {newest}, the newest the course was tested on."
    return ""


def report() -> str:
    """Return what is wrong and how to mend it, or that all is well."""
    python = about_python(sys.version_info)
    if python and sys.version_info[:2] < OLDEST_PYTHON:
        return "\n".join(
            [
                f"✗ {python}",
                "",
                "How to mend it: get a newer one from https://www.python.org/downloads/, then",
                f"start the course with it, in the folder {ROOT}:",
                "    python course.py",
            ]
        )
    try:
        wanted = pins()
    except (OSError, ValueError, KeyError) as error:
        return (
            f"✗ {ROOT / 'pyproject.toml'} cannot be read ({error}). It says what the course needs. "
            "Get the folder of the course once more."
        )
    wrong = what_is_wrong(wanted)
    if not wrong:
        note = f"\n– {python} It may work all the same." if python else ""
        return f"✓ All is well: Python, and the {len(wanted)} packages of the course.{note}"
    return "\n".join([f"✗ {line}" for line in filter(None, [python, *wrong])] + advice())


def advice() -> list:
    """Return the lines that say how to mend an installation."""
    return [
        "",
        "How to mend it: close JupyterLab, open a terminal in the folder",
        f"    {ROOT}",
        "and start the course from there. It installs what is missing, in a place of its own:",
        "    python course.py",
        "",
        f"Or install it into the Python that runs this notebook ({sys.executable}):",
        "run `%pip install -e ..` in a new cell, then choose Kernel → Restart Kernel.",
    ]


if __name__ == "__main__":
    print(report())
