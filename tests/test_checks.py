"""What the checks say of right and wrong code, and how they behave themselves."""

import asyncio
import json
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from checks import check_connect, check_connect_client, check_counter, check_counter_client
from checks.criteria import does_nothing
from checks.report import Outcome, Report, State
from client import Client, ConnectClient, CounterClient, close_all
from server import start, stop
from server.counter import Counter
from tests.gallery import notebook_cells, run_cells
from tests.gallery.trial import Case, Trial, cases

BOUND = 12  # seconds in which a check must be done, whatever it is given
SERVER_STEPS, CLIENT_STEPS = range(1, 6), range(6, 8)


def marks(report: Report) -> str:
    return "".join(outcome.state.value for outcome in report.outcomes)


# The gallery


@pytest.mark.beside
@pytest.mark.parametrize("case", cases("WRONG", "BLOCKED"), ids=str)
def test_wrong_code_is_refused_with_words_for_its_mistake(
    case: Case, started_beside: dict[object, "Future[Any]"]
) -> None:
    piece, trial = case.piece, started_beside[case].result(60)
    assert marks(trial.report) == piece.marks, f"\n{trial.report}"
    caught = next(o for o in trial.report.outcomes if o.state is not State.PASSED)
    assert caught.state in (State.FAILED, State.RAISED)
    assert piece.words
    for words in piece.words:
        assert words in caught.words
    for outcome in trial.report.outcomes:
        assert not outcome.words or outcome.words.endswith((".", "?")), outcome.words
        assert "0x" not in outcome.words
    behaved(piece, trial)


@pytest.mark.beside
@pytest.mark.parametrize("case", cases("RIGHT"), ids=str)
def test_right_code_passes(case: Case, started_beside: dict[object, "Future[Any]"]) -> None:
    piece, trial = case.piece, started_beside[case].result(60)
    assert trial.report.passed, f"\n{trial.report}"
    behaved(piece, trial)


def behaved(piece: Any, trial: Trial) -> None:
    """What holds for each check, whatever it was given."""
    assert trial.seconds < BOUND
    assert trial.left == list(piece.leaves)
    if trial.second is not None:
        assert str(trial.second) == str(trial.report)


# The notebook, solved in part


def solved_up_to(step: int, steps: range, run_to: int) -> dict[str, Any]:
    """Run the notebook up to a check, solved up to a step and empty from there on."""
    solved = notebook_cells("solutions", "04_counter", run_to)
    empty = notebook_cells("notebooks", "04_counter", run_to)
    assert len(solved) == len(empty)
    full = len(notebook_cells("solutions", "04_counter", step)) if step in steps else 0
    return run_cells([*solved[:full], *empty[full:]], f"solved up to {step}")


@pytest.mark.parametrize("step", SERVER_STEPS)
async def test_an_empty_step_of_the_server_is_not_attempted(step: int) -> None:
    handler = solved_up_to(0, SERVER_STEPS, run_to=step)["handler"]
    began = time.perf_counter()
    report = await check_counter(handler, step)
    assert {outcome.state for outcome in report.outcomes} == {State.NOT_ATTEMPTED}
    assert "welcome() is still empty" in str(report)
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, "–––––––"),
        (1, "✓––––––"),
        (2, "✓✓✓––––"),
        (3, "✓✓✓✓✓––"),
        (4, "✓✓✓✓✓✓–"),
        (5, "✓✓✓✓✓✓✓"),
    ],
)
async def test_a_server_that_is_half_done(step: int, expected: str) -> None:
    handler = solved_up_to(step, SERVER_STEPS, run_to=5)["handler"]
    report = await check_counter(handler)
    assert marks(report) == expected, f"\n{report}"
    empty = [o.words for o in report.outcomes if o.state is State.NOT_ATTEMPTED]
    assert all("() is still empty." in words for words in empty)


@pytest.mark.parametrize("step", SERVER_STEPS)
async def test_each_step_of_the_server_passes_with_the_handler_of_its_time(step: int) -> None:
    handler = solved_up_to(step, SERVER_STEPS, run_to=step)["handler"]
    report = await check_counter(handler, step)
    assert report.passed, f"\n{report}"


@pytest.mark.parametrize(("step", "expected"), [(0, "––––"), (6, "✓✓––"), (7, "✓✓✓✓")])
async def test_a_client_that_is_half_done(step: int, expected: str) -> None:
    client = solved_up_to(step, CLIENT_STEPS, run_to=7)["MyCounter"]
    report = await check_counter_client(client)
    assert marks(report) == expected, f"\n{report}"
    assert step == 7 or "() is still empty." in str(report)


async def test_a_step_says_which_earlier_step_is_broken() -> None:
    namespace = solved_up_to(5, SERVER_STEPS, run_to=5)
    exec("def change(text):\n    1 / 0", namespace)
    report = await check_counter(namespace["handler"], step=4)
    assert marks(report) == "!"
    assert "first see to “Anyone can add and take away”. raised ZeroDivision" in str(report)


# What a check is given


def no_server() -> None:
    """A function without async."""


class NoServer:
    """A class, where a handler is expected."""


@pytest.mark.parametrize("check", [check_counter, check_connect])
@pytest.mark.parametrize(
    ("subject", "words"),
    [
        (None, "got None."),
        (5, "got 5."),
        ("counter", "got 'counter'."),
        (no_server, "got no_server(), which is a function without `async`."),
        (NoServer, "got the class NoServer. Did you mean a method of an object of it?"),
        (object(), "got <object object>."),
    ],
)
async def test_what_is_no_handler(check: Callable, subject: Any, words: str) -> None:
    report = await check(subject)
    assert not report.passed
    assert (
        f"Expected a handler, an `async def` function whose parameter is the connection; {words}"
        in str(report)
    )


@pytest.mark.parametrize("check", [check_counter_client, check_connect_client])
@pytest.mark.parametrize("subject", [None, 5, "client", no_server, Counter, str, asyncio.sleep])
async def test_what_is_no_client(check: Callable, subject: Any) -> None:
    report = await check(subject)
    assert not report.passed
    assert "Expected a class of clients" in str(report)


@pytest.mark.parametrize("step", [0, 9, -1, "1", 1.5, [], object])
async def test_a_step_that_does_not_exist(step: Any) -> None:
    report = await check_counter(Counter().handler, step)
    assert "there is no step" in str(report)
    assert "Expected one of [1, 2, 3, 4, 5]." in str(report)
    assert str(report).endswith("1 criterion: 1 failed")


@pytest.mark.parametrize(
    ("source", "empty"),
    [
        ("def f(): pass", True),
        ("def f(text): ...", True),
        ('async def f(websocket): "Send."', True),
        ('def f(text):\n    "Change."\n    global value', True),
        ("class C:\n    def f(self, message):\n        '''Show.'''\nf = C.f", True),
        ("def f(): return 1", False),
        ("def f(text): return text", False),
        ("def f(text): text.strip()", False),
        ("def f(text): value = text", False),
        ("def f():\n    while True: pass", False),
        ("async def f(ws): await ws", False),
        ("f = len", False),
        ("f = None", False),
    ],
)
def test_what_counts_as_empty(source: str, empty: bool) -> None:
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    assert does_nothing(namespace["f"]) is empty


# How a check behaves


async def test_a_solved_check_takes_little_work() -> None:
    handler = solved_up_to(5, SERVER_STEPS, run_to=5)["handler"]
    began = time.thread_time()
    assert (await check_counter(handler)).passed
    # The time of the processor in this thread: other programs, and what runs the galleries
    # beside this, may be at work.
    assert time.thread_time() - began < 0.3


INTERRUPTED = """
import asyncio, signal, sys, time
from checks import check_counter

async def waits(websocket):
    print("at work", flush=True)
    await asyncio.sleep(60)

async def blocks(websocket):
    print("at work", flush=True)
    time.sleep(60)

async def main():
    former = signal.getsignal(signal.SIGINT)
    try:
        print(await check_counter({handler}))
    finally:
        assert signal.getsignal(signal.SIGINT) is former

began = time.monotonic()
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
    sys.exit(time.monotonic() - began > 10)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl+C alone there")
@pytest.mark.parametrize("handler", ["waits", "blocks"])
def test_ctrl_c_ends_a_check(handler: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED.format(handler=handler)],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
    assert rest.splitlines()[-1] == "interrupted"
    assert process.returncode == 0


async def test_ctrl_c_works_as_before_afterwards() -> None:
    former = signal.getsignal(signal.SIGINT)
    await check_counter(None)
    await check_counter(Counter().handler)
    assert signal.getsignal(signal.SIGINT) is former


async def test_a_check_leaves_the_loop_as_it_was() -> None:
    loop, here = asyncio.get_running_loop(), asyncio.all_tasks()
    handler = loop.get_exception_handler()
    assert (await check_counter(Counter().handler)).passed
    assert loop.get_exception_handler() is handler
    async with asyncio.timeout(1):
        while asyncio.all_tasks() - here:
            await asyncio.sleep(0)


# Servers that run


@pytest.mark.parametrize(
    ("name", "check", "client"),
    [
        ("connect", check_connect, ConnectClient),
        ("counter", check_counter, CounterClient),
    ],
)
async def test_a_server_that_runs_and_has_clients(
    name: str, check: Callable, client: type[Client]
) -> None:
    try:
        server = await start(name)
        ada = client(server.url)
        await ada.until(lambda: ada.state == "connected")
        for _ in range(5):
            report = await check(server)
            assert report.passed, f"\n{report}"
        assert ada.state == "connected"
        assert server.is_running
    finally:
        await close_all()


async def test_a_server_that_is_stopped() -> None:
    server = await start("counter")
    await stop()
    report = await check_counter(server)
    assert marks(report) == "✗––––––"
    assert "Alice could not connect: nobody listens. Is it running?" in str(report)


# The report


def test_a_report_as_text() -> None:
    report = Report(
        [
            Outcome("One", State.PASSED),
            Outcome("Two", State.FAILED, "Bob got <nothing>."),
            Outcome("Three", State.NOT_ATTEMPTED, "not attempted: f() is still empty."),
            Outcome("Four", State.RAISED, "raised KeyError: 'x'."),
        ]
    )
    assert repr(report) == textwrap.dedent("""\
        ✓ One
        ✗ Two — Bob got <nothing>.
        – Three — not attempted: f() is still empty.
        ! Four — raised KeyError: 'x'.
        4 criteria: 1 passed, 1 failed, 1 not attempted, 1 raised""")
    assert not report.passed
    page = report._repr_html_()
    assert "Bob got &lt;nothing&gt;." in page and "<nothing>" not in page
    for part in ("✓", "✗", "–", "!", "One", "4 criteria: 1 passed"):
        assert part in page


def test_a_report_of_one_criterion() -> None:
    report = Report([Outcome("One", State.PASSED)])
    assert report.passed
    assert str(report) == "✓ One\n1 criterion: 1 passed"


async def test_what_a_learner_sent_is_not_html() -> None:
    async def handler(websocket: Any) -> None:
        await websocket.send(json.dumps({"type": "<script>alert(1)</script>"}))
        await websocket.wait_closed()

    page = (await check_counter(handler, 1))._repr_html_()
    assert "&lt;script&gt;" in page and "<script>" not in page
