"""An hour of a class in one kernel: a few seconds of it, and what would be called a leak."""

import random
from dataclasses import replace

import pytest

from tools.soak import State, complaints, row, soak

FLAT = [State(memory=80.0, tasks=39, files=79, threads=14, objects=84_000)] * 16


async def test_a_class_comes_and_goes_and_the_kernel_is_as_before():
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    random.seed(seed)
    states, room = await soak(minutes=0.05, lesson=1)
    first, last = states[0], states[-1]
    assert (last.tasks, last.files) == (first.tasks, first.files)
    # Each left in one way or the other, and all who said something heard it.
    assert room.did["joined"] == room.did["left"] + room.did["dropped"] >= 30
    assert room.did["dropped"] and room.heard > room.did["sent"] > 30
    assert row(states, room, 0.05).splitlines()[2].startswith(f"| 0.05 | {len(states)} | ")


def test_what_stays_as_it_was_is_no_complaint():
    settling = [replace(state, memory=60.0 + 2 * n) for n, state in enumerate(FLAT[:8])]
    assert complaints(settling + FLAT[:8]) == []


@pytest.mark.parametrize(
    ("what", "grown", "words"),
    [
        ("memory", 83.0, "memory: 3.0 MiB more, expected 2.0 at most"),
        ("tasks", 40, "tasks: 39 at most, then 40"),
        ("files", 80, "files: 79 at most, then 80"),
        ("threads", 15, "threads: 14 at most, then 15"),
    ],
)
def test_what_grows_in_the_second_half_is(what, grown, words):
    late = [replace(state, **{what: grown}) for state in FLAT[12:]]
    assert complaints(FLAT[:12] + late) == [words]


def test_a_few_lessons_do_not_tell():
    assert complaints(FLAT[:7]) == ["7 lessons are too few to tell. Expected 8 at least."]
