"""Open the course in JupyterLab, or run its tests, after installing what that needs.

This file must stay readable by Python 3.6: it is what tells an old Python that it is too old.
"""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

# Not Path.resolve(): on Windows it turns a network drive into a path that pip cannot work in.
ROOT = Path(os.path.abspath(__file__)).parent
OLDEST_PYTHON = (3, 11)
NEWEST_TESTED = (3, 13)

HELP = """\
usage: python course.py [ARGUMENT ...]         open the course in JupyterLab
       python course.py test [ARGUMENT ...]    run every test
       python course.py --help                 show this

python course.py
    Opens JupyterLab with the first notebook of the course. Every ARGUMENT goes to JupyterLab:
        python course.py --no-browser --port 8888
        python course.py notebooks/04_counter.ipynb
        python course.py --help-all            every option of JupyterLab
    Ctrl+C in this terminal, twice, ends it. Started by root, JupyterLab gets --allow-root.

python course.py test
    Runs all tests and, beside them, all notebooks, each with a pytest of its own, in the folder
    of the course. With an ARGUMENT there is one pytest, to which every ARGUMENT goes:
        python course.py test -x -k counter
        python course.py test notebooks
    The tests marked `browser` need Chromium or Chrome.

Both install what they need first, with pip:
    where    in the virtual or conda environment that you have activated (not in conda's `base`),
             otherwise in a new virtual environment, the folder .venv beside this file
    when     on the first run, and when pyproject.toml has changed or the folder has moved;
             a file websocket-course.json in the environment remembers it.
             `test` installs some more packages on its first run.
    network  needed for installing only
    settings labconfig/websocket-course.json is put among the environment's settings of JupyterLab:
             live widgets are quicker without the icon that tells that a kernel is busy
    Something is broken? Delete the folder .venv and run the command again.

environment variables:
    COURSE_FIRST_PORT    the first of the 20 ports that the exercises use (default 8760)

exit code: that of JupyterLab or pytest; if it came to neither, that of what failed;
           1 where this program gave up, 130 after Ctrl+C
"""


class GiveUp(Exception):
    """Ends the program with a text for the person in front of it, and an exit code."""

    def __init__(self, text: str, code: int = 1):
        super().__init__(text)
        self.code = code


def say(text: str) -> None:
    """Tell the person what happens now.

    On stderr, which is never buffered: the lines of pip come out below it, not above.
    """
    print(text, file=sys.stderr, flush=True)


def too_old(version: tuple) -> str:
    """What to tell somebody whose Python has this version; empty if it is new enough."""
    if tuple(version[:2]) >= OLDEST_PYTHON:
        return ""
    newer = "py -3.13 course.py" if os.name == "nt" else "python3.13 course.py"
    return (
        f"This is Python {version[0]}.{version[1]} ({sys.executable}).\n"
        f"The course needs Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer.\n"
        f"If you have a newer one, name it:  {newer}\n"
        "If not, get it from https://www.python.org/downloads/ and run this command again."
    )


def active_environment():
    """The folder of the virtual or conda environment that this Python belongs to, or None.

    Conda's `base` does not count: exact versions of JupyterLab and the rest would change what
    its owner works with every day.
    """
    if sys.prefix != sys.base_prefix:
        return Path(sys.prefix)
    conda = os.environ.get("CONDA_PREFIX")
    is_base = os.environ.get("CONDA_DEFAULT_ENV") == "base"
    if conda and not is_base and os.path.realpath(conda) == os.path.realpath(sys.prefix):
        return Path(sys.prefix)
    return None


def python_of(environment: Path) -> Path:
    """The Python of a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def succeeds(command: list) -> bool:
    """Whether a command ends well; what it prints is not shown."""
    quiet = subprocess.DEVNULL
    try:
        return subprocess.call([str(part) for part in command], stdout=quiet, stderr=quiet) == 0
    except OSError:
        return False


def no_ensurepip() -> GiveUp:
    """The way out for a Python that cannot make an environment with pip (Debian's, as it comes)."""
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    return GiveUp(
        f"This Python ({sys.executable}) cannot make a virtual environment: `venv` and\n"
        "`ensurepip`, parts of Python that some systems package separately, are not there.\n"
        f"On Debian and Ubuntu:  sudo apt install {package}\n"
        "Elsewhere, get Python from https://www.python.org/downloads/\n"
        "Then run this command again."
    )


def make_environment(environment: Path) -> None:
    """Make the virtual environment of the course, unless there is one that works."""
    is_new_enough = f"import sys; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    if succeeds([python_of(environment), "-c", is_new_enough]):
        return
    try:
        in_the_way = bool(os.listdir(str(environment)))
    except FileNotFoundError:
        in_the_way = False
    except OSError:
        in_the_way = True
    if in_the_way and not (environment / "pyvenv.cfg").is_file():
        raise GiveUp(
            f"{environment} is there, and is not a virtual environment.\n"
            "The course wants to make its own under that name, and deletes nothing of yours.\n"
            "Move it away or rename it, and run this command again."
        )
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        raise no_ensurepip()
    say(f"Making a virtual environment: {environment}")
    # Without pip, which takes seconds: who presses Ctrl+C then would see venv's traceback. It
    # comes with the installing, which can also mend an environment that was left half made.
    command = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(environment)]
    code = subprocess.call(command)
    if code:
        raise GiveUp(
            f"Making the virtual environment failed with exit code {code}; see the lines above.\n"
            f"Expected: a new folder {environment}, writable and with 700 MB of free space.\n"
            "Mend what they name, and run this command again.",
            code,
        )


def stamp_of(environment: Path) -> Path:
    """The file in an environment that remembers what was installed there."""
    return environment / "websocket-course.json"


def what_is_wanted(extra: str) -> dict:
    """What a stamp says when the course is installed, with this extra of pyproject.toml."""
    pyproject = (ROOT / "pyproject.toml").read_bytes()
    return {
        "course": str(ROOT),
        "pyproject": hashlib.sha256(pyproject).hexdigest(),
        "extra": extra,
    }


def is_installed(environment: Path, extra: str) -> bool:
    """Whether this course, as pyproject.toml has it now, is installed in an environment."""
    try:
        found = json.loads(stamp_of(environment).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    # Whoever has an extra has what comes without it, too.
    return found in (what_is_wanted(extra), what_is_wanted("test"))


def install(environment: Path, python: Path, extra: str) -> None:
    """Install the course and what it needs into an environment, and leave a stamp there."""
    say(f"Installing what the course needs into {environment}")
    say("(once; it takes a minute or more, and the network)")
    has_pip = succeeds([python, "-c", "import pip"])
    if not has_pip and not succeeds([python, "-m", "ensurepip", "--default-pip"]):
        if importlib.util.find_spec("ensurepip") is None:
            raise no_ensurepip()
        raise GiveUp(
            f"The environment {environment} has no pip, and `ensurepip` could not put it there.\n"
            "The course is installed with pip. Install pip into that environment, or leave the\n"
            "environment (`deactivate`), and run this command again."
        )
    stamp = stamp_of(environment)
    if stamp.exists():
        stamp.unlink()
    what = f".[{extra}]" if extra else "."
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-e", what]
    code = subprocess.call(command, cwd=str(ROOT))
    if code:
        tested = (
            ""
            if sys.version_info[:2] <= NEWEST_TESTED
            else (
                f"- a Python newer than {NEWEST_TESTED[0]}.{NEWEST_TESTED[1]}, the newest that the "
                f"course was tested with: this is {sys.version_info[0]}.{sys.version_info[1]}\n"
            )
        )
        raise GiveUp(
            f"\nInstalling failed: pip ended with exit code {code}. Its last lines above say why.\n"
            "Expected: the packages that pyproject.toml names, from the network. Likely causes:\n"
            "- no network, or a proxy that pip does not know (set HTTPS_PROXY)\n"
            "- no free space: an environment takes up to 700 MB\n"
            f"{tested}"
            "Mend that, and run this command again: it goes on where it stopped.",
            code,
        )
    stamp.write_text(json.dumps(what_is_wanted(extra), indent=1), encoding="utf-8")


def quicken_lab(environment: Path) -> None:
    """Put the course's settings of JupyterLab into an environment, beside those that are there.

    They make live widgets quicker: see labconfig/. The settings of the user are not touched.
    """
    folder = environment / "etc" / "jupyter" / "labconfig" / "page_config.d"
    settings = ROOT / "labconfig" / "websocket-course.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / settings.name).write_bytes(settings.read_bytes())
    except OSError as error:
        say(f"(Live widgets will be slower: {error})")


def trust_notebooks(python: Path) -> None:
    """Sign the course's notebooks. JupyterLab shows no widget of an unsigned one after a reload."""
    sign = "from nbformat.sign import TrustNotebookApp as App; App.launch_instance()"
    succeeds([python, "-c", sign, *notebooks_in("notebooks"), *notebooks_in("solutions")])


def notebooks_in(folder: str) -> list:
    """The notebooks in a folder of the course, in order."""
    return sorted((ROOT / folder).glob("*.ipynb"))


def first_notebook_url() -> str:
    """Where JupyterLab shows the first notebook, or its launcher if there is none."""
    notebooks = notebooks_in("notebooks")
    return f"/lab/tree/notebooks/{quote(notebooks[0].name)}" if notebooks else "/lab"


def lab_arguments(arguments: list) -> list:
    """What JupyterLab is started with: the person's own arguments, and ours where none say it."""
    ours = {
        "--ServerApp.root_dir": str(ROOT),
        "--LabApp.default_url": first_notebook_url(),
    }
    given = {argument.split("=")[0] for argument in arguments}
    added = [f"{option}={value}" for option, value in ours.items() if option not in given]
    # JupyterLab refuses to run as root, which in a container is the only user there is.
    if hasattr(os, "geteuid") and os.geteuid() == 0 and "--allow-root" not in given:
        added.append("--allow-root")
    return added + arguments


def activated(environment: Path, python: Path) -> dict:
    """The environment variables that make `python` the course's in a terminal of JupyterLab."""
    variables = dict(os.environ)
    variables["PATH"] = str(python.parent) + os.pathsep + variables.get("PATH", os.defpath)
    if (environment / "pyvenv.cfg").is_file():
        variables["VIRTUAL_ENV"] = str(environment)
    return variables


def become(command: list, variables: dict) -> int:
    """Run a command in place of this program: its signals, its exit code."""
    if os.name == "posix":
        os.execve(command[0], command, variables)
    # Windows has no exec that a terminal waits for.
    return wait_for(subprocess.Popen(command, env=variables))


def run_everything(command: list, variables: dict) -> int:
    """Run the tests, and the notebooks beside them: both wait more than they work.

    What the second pytest says comes when the first has ended, so that the two do not mix.
    """
    say("The notebooks run beside the tests. What came of them is told at the end.")
    with tempfile.TemporaryFile() as told:
        beside = subprocess.Popen(
            [*command, "notebooks", "solutions"], env=variables, stdout=told, stderr=told
        )
        tests = wait_for(subprocess.Popen([*command, "tests"], env=variables))
        notebooks = wait_for(beside)
        told.seek(0)
        sys.stdout.buffer.write(told.read())
    return tests or notebooks


def wait_for(process: subprocess.Popen) -> int:
    """Wait until a program ends. Ctrl+C in a terminal reaches both, and it is the program's."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def main(arguments: list) -> int:
    """Do what the arguments ask for; returns the exit code."""
    testing = arguments[:1] == ["test"]
    if testing:
        arguments = arguments[1:]
    if arguments[:1] in (["--help"], ["-h"]):
        print(HELP, end="")
        return 0
    complaint = too_old(sys.version_info)
    if complaint:
        raise GiveUp(complaint)

    environment = active_environment()
    if environment:
        python = Path(sys.executable)
    else:
        environment = ROOT / ".venv"
        python = python_of(environment)
        make_environment(environment)
    extra = "test" if testing else ""
    if not is_installed(environment, extra):
        install(environment, python, extra)

    if testing:
        # pytest looks into the folders that pyproject.toml names only when it starts beside it.
        os.chdir(str(ROOT))
        command = [str(python), "-m", "pytest"]
        if not arguments:
            return run_everything(command, activated(environment, python))
        command += arguments
    else:
        quicken_lab(environment)
        trust_notebooks(python)
        say("Opening the course in JupyterLab. To end it, press Ctrl+C here, twice.")
        command = [str(python), "-m", "jupyterlab", *lab_arguments(arguments)]
    return become(command, activated(environment, python))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except GiveUp as trouble:
        say(str(trouble))
        sys.exit(trouble.code)
    except KeyboardInterrupt:
        say("\nStopped. Run the same command again to go on.")
        sys.exit(130)
