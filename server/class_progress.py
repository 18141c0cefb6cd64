"""The progress of a class: what those who want to share it have passed, for the teacher to see.

A learner's kernel connects to ``/progress`` on the port of the class, through the same door as all
others, and tells everything it shares in one message, again after each change::

    {"type": "progress", "key": "…", "username": "Ada", "passed": {"counter": ["…", "…"]}}

``key`` is a random text of that kernel: by it, a learner whose line has dropped is known again, and
nobody else can change their row. The answer is ``shared {username}``, the name as the teacher sees
it. ``stop_sharing {key}`` takes the learner off the map; the answer is ``stopped {message}``.
Such a connection is no client of the exercise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from server.messages import Accepted, Message, Refused, text
from server.names import look_of, username
from server.room import receive, refuse, send, tell

MOST_LEARNERS = 100
MOST_EXERCISES = 20
MOST_TITLES = 60  # of one exercise
CLEARED = "The teacher has cleared the map. To be on it again, share again."


def passed(name: str, value: Any) -> None:
    """Describe a field that holds titles of checks that have passed, by exercise."""
    if not isinstance(value, dict):
        raise Refused(f'The field \'{name}\' must be an object such as {{"counter": ["…", "…"]}}.')
    _expect_at_most(MOST_EXERCISES, value, f"The field '{name}'", "exercises")
    for exercise, titles in value.items():
        text(1, 40)(f"{name}: the name of an exercise", exercise)
        where = f"{name}.{exercise}"
        if not isinstance(titles, list):
            raise Refused(f"The field '{where}' must be an array of titles.")
        _expect_at_most(MOST_TITLES, titles, f"The field '{where}'", "titles")
        for title in titles:
            text(1, 300)(where, title)


# What a learner's kernel may send.
KEY = text(16, 64)
ACCEPTED: Accepted = {
    "progress": {"key": KEY, "username": username, "passed": passed},
    "stop_sharing": {"key": KEY},
}


@dataclass(eq=False)
class Learner:
    """Somebody who shares which checks they have passed.

    Attributes:
        key: By which they are known again.
        name: What they call themselves.
        label: What the teacher sees: the name, with a number where another one has it, too.
        passed: Titles, by exercise.
        websocket: The connection on which they tell it; None if they have left.
    """

    key: str
    name: str
    label: str = ""
    passed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    websocket: ServerConnection | None = None

    @property
    def is_here(self) -> bool:
        return self.websocket is not None


class ClassProgress:
    """Who shares their progress, those who came first at the beginning. It is in memory alone.

    Attributes:
        learners: Who is on the map. Who leaves stays there, with what they told last.
        changes: How often any of it has changed.
    """

    def __init__(self) -> None:
        self.learners: list[Learner] = []
        self.changes = 0

    async def converse(self, websocket: ServerConnection) -> None:
        """Talk with one learner's kernel, from its arrival until it leaves."""
        try:
            async for message in receive(websocket, ACCEPTED):
                try:
                    await send(websocket, self._take(websocket, message))
                except Refused as refusal:
                    await refuse(websocket, str(refusal))
        except ConnectionClosed:
            pass
        finally:
            if learner := self._told_on(websocket):
                learner.websocket = None
                self.changes += 1

    def clear(self) -> None:
        """Take everybody off the map. Who is still here is told, and shares no longer."""
        cleared, self.learners = self.learners, []
        self.changes += 1
        for learner in cleared:
            if learner.websocket is not None:
                tell(learner.websocket, {"type": "stopped", "message": CLEARED})

    def _take(self, websocket: ServerConnection, message: Message) -> Message:
        """Do what a learner's kernel asks for, and return the answer."""
        mine = self._told_on(websocket)
        if mine is not None and mine.key != message["key"]:
            raise Refused("The field 'key' must stay the same on one connection.")
        known = next((one for one in self.learners if one.key == message["key"]), None)
        self.changes += 1
        if message["type"] == "stop_sharing":
            if known is not None:
                self.learners.remove(known)
            return {"type": "stopped", "message": ""}
        name = message["username"].strip()
        learner = known or self._one_who_left(name) or self._newcomer(name)
        if learner.name != name:
            learner.label = self._free_label(name, learner)
        learner.key, learner.name, learner.websocket = message["key"], name, websocket
        learner.passed = {exercise: frozenset(met) for exercise, met in message["passed"].items()}
        return {"type": "shared", "username": learner.label}

    def _told_on(self, websocket: ServerConnection) -> Learner | None:
        return next((one for one in self.learners if one.websocket is websocket), None)

    def _one_who_left(self, name: str) -> Learner | None:
        """Return whose row a name takes over: after a restart, a kernel has another key."""
        look = look_of(name)
        left = (one for one in self.learners if not one.is_here and look_of(one.name) == look)
        return next(left, None)

    def _newcomer(self, name: str) -> Learner:
        if len(self.learners) >= MOST_LEARNERS:
            left = next((one for one in self.learners if not one.is_here), None)
            if left is None:
                raise Refused(
                    f"{MOST_LEARNERS} learners share their progress already, which is the most "
                    "that the map can show."
                )
            self.learners.remove(left)
        learner = Learner("", name)
        learner.label = self._free_label(name, learner)
        self.learners.append(learner)
        return learner

    def _free_label(self, name: str, learner: Learner) -> str:
        """Return the name, with a number behind it if somebody else is shown by it."""
        taken = {look_of(one.label) for one in self.learners if one is not learner}
        label, number = name, 1
        while look_of(label) in taken:
            number += 1
            label = f"{name} ({number})"
        return label


def _expect_at_most(most: int, value: Any, where: str, what: str) -> None:
    if len(value) > most:
        raise Refused(f"{where} must hold {most} {what} at most, got {len(value):,}.")
