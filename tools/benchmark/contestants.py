"""The servers that the benchmark runs: how to start each, on which core, and which can be had."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
WS = "8.23.0"  # of the npm package `ws`
OURS = "this course"
SHEETS = "`gather` (the exercise sheet)"
# The cores that this process may use, where the system tells.
CORES = psutil.Process().cpu_affinity() if hasattr(psutil.Process, "cpu_affinity") else []
Start = Callable[[], contextmanager]


@contextmanager
def running(*command: str, folder: Path = ROOT) -> Iterator[tuple[int, psutil.Process]]:
    """Run a server in a process of its own, on the first core. Yields its port and the process."""
    process = psutil.Popen(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        use_core(process, 0)
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(command)} did not start")
        yield int(line), process
    finally:
        with suppress(psutil.NoSuchProcess):
            process.kill()
        process.wait()


def python(name: str) -> Start:
    return lambda: running(sys.executable, "-m", "tools.peers", name)


@contextmanager
def all_servers() -> Iterator[dict[str, Start]]:
    """Yield how to start each server that can be had, by name; say which cannot."""
    servers = {
        OURS: python("course"),
        SHEETS: python("gather"),
        "`broadcast`, defaults": python("broadcast"),
        "`broadcast`, no compression": python("uncompressed"),
    }
    if find_spec("aiohttp"):
        servers[f"aiohttp {version('aiohttp')}"] = python("aiohttp")
    else:
        print("Skipped: aiohttp is not installed (pip install aiohttp).\n")
    with tempfile.TemporaryDirectory() as folder:
        if complaint := install_ws(Path(folder)):
            print(f"Skipped: Node's ws. {complaint}\n")
        else:
            servers[f"Node ws {WS}"] = lambda: running("node", "peer_ws.js", folder=Path(folder))
        yield servers


def install_ws(folder: Path) -> str | None:
    """Install the peer from npm into a folder. Returns what is in the way, if anything."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return "There is no Node here (nodejs.org)."
    shutil.copy(ROOT / "tools" / "peer_ws.js", folder)
    command = [npm, "install", "--no-audit", "--no-fund", f"ws@{WS}"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    return installed.stderr.strip()[-200:] if installed.returncode else None


def use_core(process: psutil.Process, place: int) -> None:
    """Let a process run on the first (0) or the last (-1) core, where the system offers that."""
    if CORES:
        process.cpu_affinity([CORES[place]])


def cpu_time(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
