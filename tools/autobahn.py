"""Let the Autobahn test suite fuzz ``python -m server echo``: ``python -m tools.autobahn``.

The suite (github.com/crossbario/autobahn-testsuite) tries all of RFC 6455 on an echo server. It
needs Python 2.7 and its package virtualenv, and is installed into a folder of its own. What it
writes about each case is in the folder `reports` there.

Left out: cases 12 and 13, since our servers do not compress.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITE = "autobahntestsuite==25.10.1"
LEFT_OUT = ["12.*", "13.*"]
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}
AGENT = "course"
# Cases 9.3.1 and 9.4.1 send 4 MiB in 65,536 pieces. websockets takes 4,096 unless it is told so.
PATIENT = {"WEBSOCKETS_MAX_FRAGMENTS": "70000"}


@asynccontextmanager
async def echo() -> AsyncIterator[str]:
    """Run the server, and yield its address.

    Raises:
        RuntimeError: If it does not start, or does not end as it should.
    """
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "echo"),
        cwd=ROOT,
        env=os.environ | PATIENT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        line = (await asyncio.wait_for(server.stdout.readline(), 30)).decode()
        address = re.search(r"ws://\S+", line)
        if address is None:
            raise RuntimeError(f"The server says {line!r}. Expected its address.")
        yield address[0]
        server.terminate()
        if code := await asyncio.wait_for(server.wait(), 10):
            raise RuntimeError(f"The server ended with exit code {code}.")
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()


def installed(folder: Path, python: str) -> Path:
    """Return the program of the suite; install it first if it is not there.

    Raises:
        subprocess.CalledProcessError: If it cannot be installed.
        FileNotFoundError: If there is no such Python.
    """
    program = folder / "bin" / "wstest"
    if not program.exists():
        print(f"Installing {SUITE} into {folder}, which takes a minute.", flush=True)
        subprocess.run([python, "-m", "virtualenv", "-q", folder], check=True, timeout=300)
        pip = [folder / "bin" / "pip", "install", "-q", SUITE]
        subprocess.run(pip, check=True, timeout=600, stderr=subprocess.DEVNULL)
    return program


async def fuzz(program: Path, folder: Path, cases: list[str]) -> dict[str, dict]:
    """Run the cases on a server of the course. Returns what became of each, by its number."""
    async with echo() as url:
        plan = {
            "outdir": str(folder / "reports"),
            "servers": [{"agent": AGENT, "url": url}],
            "cases": cases,
            "exclude-cases": LEFT_OUT,
        }
        (folder / "plan.json").write_text(json.dumps(plan))
        suite = await asyncio.create_subprocess_exec(
            *(program, "-m", "fuzzingclient", "-s", folder / "plan.json"),
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            code = await asyncio.wait_for(suite.wait(), 900)
        except TimeoutError:
            suite.kill()
            raise
    if code:
        raise RuntimeError(f"The suite ended with exit code {code}.")
    return json.loads((folder / "reports" / "index.json").read_text())[AGENT]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.autobahn",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cases", nargs="*", default=["*"], help='such as "5.*"; by default all')
    parser.add_argument("--python", default="python2.7", help="a Python 2.7 that has virtualenv")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()) / "websocket-course-autobahn",
        help="where the suite is, or shall be",
    )
    options = parser.parse_args()
    try:
        program = installed(options.folder, options.python)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        print(
            f"The suite could not be installed: {error}. It needs a Python 2.7 with virtualenv: "
            "give one with --python, after `python2.7 -m pip install virtualenv`.",
            file=sys.stderr,
        )
        return 2
    results = asyncio.run(fuzz(program, options.folder, options.cases))
    bad = {
        number: one
        for number, one in results.items()
        if not {one["behavior"], one["behaviorClose"]} <= GOOD
    }
    for number, one in bad.items():
        print(f"case {number}: {one['behavior']}, closing: {one['behaviorClose']}")
    counts = Counter(one["behavior"] for one in results.values())
    told = ", ".join(f"{number} {behavior}" for behavior, number in sorted(counts.items()))
    print(f"{len(results)} cases: {told or 'none'}.")
    return 0 if results and not bad else 1


if __name__ == "__main__":
    sys.exit(main())
