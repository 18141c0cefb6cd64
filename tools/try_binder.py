"""Do what Binder does with this folder, as far as it goes without Docker: ``tools/try_binder.py``.

    python -m pip install jupyter-repo2docker    # in an environment of its own
    python tools/try_binder.py FOLDER            # a new one, which may be 1 GB large

repo2docker prints the Dockerfile that it would build. Its steps are then performed in FOLDER: the
Python packages of its base environment, what `environment.yml` adds, a copy of what git has of the
course, `postBuild`. Then its command is started, with the first notebook in JupyterLab as the badge
of the README asks for it, and the notebooks named by --run are run.

What `apt.txt` names must be installed on this computer; Binder installs it as root.

What differs from Binder: the base environment comes from pip instead of conda, without what no
Python package is (Node, the libraries); and the user is whoever runs this. It takes some minutes.
"""

import argparse
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRST = "lab/tree/notebooks/00_start_here.ipynb"
STEPS = (  # what must be in the Dockerfile, in this order, or else Binder has changed
    r"/tmp/install-base-env\.bash",
    r"env update -p \$\{NB_PYTHON_PREFIX\} --file \"environment\.yml\"",
    r"COPY --chown=1000:1000 src/ \$\{REPO_DIR\}/",
    r"RUN chmod \+x postBuild",
    r"RUN \./postBuild",
    r'CMD \["jupyter", "notebook", "--ip", "0\.0\.0\.0"\]',
)
# What conda calls otherwise than pip does.
NAMES_IN_PIP = {
    "brotli-python": "brotli",
    "jupyterhub-base": "jupyterhub",
    "nbconvert-core": "nbconvert",
    "python-fastjsonschema": "fastjsonschema",
}


class Broken(Exception):
    """Binder would not do what the course needs; the message says what."""


def dockerfile() -> str:
    """Return the Dockerfile that Binder would build of this folder."""
    command = ["jupyter-repo2docker", "--no-build", "--debug"]
    command += ["--user-id", "1000", "--user-name", "jovyan", str(ROOT)]
    beside = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{beside}{os.pathsep}{os.environ['PATH']}"}
    try:
        return subprocess.run(
            command, env=environment, check=True, text=True, capture_output=True
        ).stdout
    except FileNotFoundError:
        raise Broken("There is no jupyter-repo2docker: pip install it first.") from None
    except subprocess.CalledProcessError as error:
        raise Broken(f"repo2docker ended with {error.returncode}:\n{error.stderr}") from None


def check_steps(text: str) -> None:
    """Expect the steps of a Dockerfile that this program performs, in their order."""
    at = 0
    for step in STEPS:
        found = re.compile(step).search(text, at)
        if found is None:
            raise Broken(f"The Dockerfile has no {step!r} where it was expected:\n{text}")
        at = found.end()


def python_version() -> str:
    """Return the version of Python that `environment.yml` asks for."""
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    return re.search(r"^  - python=([\d.]+)$", text, re.MULTILINE)[1]


def check_system_packages() -> None:
    """Expect what `apt.txt` names, which Binder installs as root, on this computer."""
    names = (ROOT / "apt.txt").read_text(encoding="utf-8").split()
    if missing := [name for name in names if shutil.which(name) is None]:
        raise Broken(f"Not installed here: {', '.join(missing)}. Binder takes it from apt.txt.")


def base_packages(version: str) -> list[str]:
    """Return the pins of the environment that Binder begins with, as pip writes them."""
    import repo2docker

    folder = Path(repo2docker.__file__).parent / "buildpacks" / "conda"
    lock = (folder / f"environment.py-{version}-linux-64.lock").read_text(encoding="utf-8")
    # A build that begins with "py" is a Python package: for any computer, or for this Python.
    packages = re.findall(r"/([^/]+)-([^-/]+)-py[^-/]+\.(?:conda|tar\.bz2)#", lock)
    return [f"{NAMES_IN_PIP.get(name, name)}=={number}" for name, number in packages]


def pip_packages() -> list[str]:
    """Return what `environment.yml` has pip install."""
    lines = (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines()
    return [line.strip().removeprefix("- ") for line in lines[lines.index("  - pip:") + 1 :]]


def run(what: str, command: list[str], **options) -> None:
    """Run a command, and say how long it took."""
    print(f"{what} …", flush=True)
    began = time.monotonic()
    done = subprocess.run(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
    )
    if done.returncode:
        raise Broken(f"{what}: it ended with {done.returncode}.\n{done.stdout[-4000:]}")
    for line in done.stdout.splitlines():
        if "ERROR" in line or " requires " in line:  # pip installs all the same
            print(f"    {line}")
    print(f"    {time.monotonic() - began:.0f} s", flush=True)


def copy_course(target: Path) -> None:
    """Copy what git has of the course, with the changes that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def build(folder: Path) -> dict[str, str]:
    """Perform the steps of the Dockerfile in a new folder. Returns the environment they leave."""
    version = python_version()
    if sys.version_info[:2] != tuple(map(int, version.split("."))):
        raise Broken(f"environment.yml asks for Python {version}; run this with that one.")
    prefix, home = folder / "environment", folder / "home"
    home.mkdir(parents=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "PYTHON"))}
    environment |= {"HOME": str(home), "PATH": f"{prefix / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    python = str(prefix / "bin" / "python")
    run("The base: Python", [sys.executable, "-m", "venv", str(prefix)])
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install"]
    base = [*pip, "--no-deps", *base_packages(version)]
    run(f"The base: {len(base) - len(pip) - 1} packages", base, env=environment)
    run("What environment.yml adds", [*pip, "-U", *pip_packages()], env=environment)
    copy_course(home)
    run("postBuild", ["./postBuild"], cwd=home, env=environment)
    return environment


def start_lab(home: Path, environment: dict[str, str]) -> tuple[subprocess.Popen, str]:
    """Start Binder's command, and wait until it shows the first notebook. Returns its address."""
    token = secrets.token_hex(16)
    log = home.parent / "jupyter.log"
    base = "/user/ada@x/"
    command = ["jupyter", "notebook", "--ip", "127.0.0.1", "--port", "0", "--no-browser"]
    command += ["--allow-root", f"--ServerApp.base_url={base}"]
    environment = environment | {"JUPYTER_TOKEN": token, "JUPYTERHUB_SERVICE_PREFIX": base}
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=home, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError, ValueError, StopIteration):
            runtime = home / ".local" / "share" / "jupyter" / "runtime"
            said = json.loads(next(runtime.glob("jpserver-*.json")).read_text())
            url = f"{said['url']}{FIRST}?token={token}"
            with opener.open(url, timeout=10) as answer:
                if b"jupyter-config-data" in answer.read():
                    return process, url
        time.sleep(0.2)
    end(process)
    raise Broken(f"Jupyter does not show {FIRST}:\n{log.read_text(errors='replace')[-4000:]}")


def end(process: subprocess.Popen) -> None:
    """End a program that this one has started."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> int:
    """Do what the arguments say. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("folder", type=Path, help="a new folder, for the environment and all else")
    parser.add_argument("--run", nargs="*", default=["01_connect", "04_counter"], metavar="STEM")
    parser.add_argument("--keep", action="store_true", help="leave Jupyter running until Enter")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    if folder.exists() and any(folder.iterdir()):
        print(f"{folder} is not empty. Expected a new folder.", file=sys.stderr)
        return 2
    try:
        check_steps(dockerfile())
        check_system_packages()
        environment = build(folder)
        process, url = start_lab(folder / "home", environment)
        try:
            print(f"Jupyter shows the first notebook: {url}")
            for stem in arguments.run:
                command = ["jupyter", "execute", f"solutions/{stem}.ipynb"]
                run(f"Run {stem}", command, cwd=folder / "home", env=environment)
            if arguments.keep:
                input("Press Enter to end it. ")
        finally:
            end(process)
    except Broken as broken:
        print(broken, file=sys.stderr)
        return 1
    print("All that Binder does works here.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
