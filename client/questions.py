"""The questions of a quiz: data in a TOML file, read and checked here.

A file holds question after question, each with its four answers::

    [[question]]
    text = "How does a WebSocket start?"
    lesson = "Start here"

    [[question.answer]]
    text = "As an HTTP request that asks for an upgrade"
    right = true
    why = "The server answers with status 101, and from then on both speak WebSocket."

`why` tells of the right answer why it is right, and of any other where it would be true. Text
between `backticks` is shown as code.
"""

import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ANSWERS = 4  # to each question
HEADING = re.compile(r"\s*\[\[\s*(question(?:\s*\.\s*answer)?)\s*\]\]")
EXAMPLE = 'Expected the heading [[question]], and below it text = "…" and lesson = "…".'
TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class MalformedQuiz(ValueError):
    """A file that is not a quiz. The text names the file and the line, and what was expected."""


@dataclass(frozen=True)
class Answer:
    """One of the answers to a question, and why it is right, or where it would be true."""

    text: str
    why: str
    right: bool


@dataclass(frozen=True)
class Question:
    """A question, the lesson that taught it, and its answers, of which one is right."""

    text: str
    lesson: str
    answers: tuple[Answer, ...]


def read_questions(path: Path) -> list[Question]:
    """Return the questions in a TOML file, in their order.

    Raises:
        MalformedQuiz: If there is anything wrong with the file.
        OSError: If it cannot be read.
    """
    return _File(path).questions()


class _File:
    """A file of questions, and where in it something is wrong."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        data = path.read_bytes()
        try:
            self._text = data.decode("utf-8-sig")  # Windows' editor begins a file with a mark
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise self._wrong(
                line, "This is not UTF-8. Save the file with that encoding."
            ) from None
        self._text = self._text.replace("\r\n", "\n")
        self._lines = self._text.split("\n")

    def questions(self) -> list[Question]:
        try:
            data = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            place = TOML_PLACE.search(str(error))
            line = int(place[1]) if place and place[1] else len(self._lines)
            said = TOML_PLACE.sub("", str(error))
            raise self._wrong(line, f"This is not TOML: {said}. {EXAMPLE}") from None
        for name in data.keys() - {"question"}:
            raise self._wrong(self._line_with(name), f"{name!r} is unknown here. {EXAMPLE}")
        found = data.get("question", [])
        if not _is_list_of_tables(found):
            line = self._line_with("question")
            raise self._wrong(line, f"'question' is not a list of questions. {EXAMPLE}")
        if not found:
            raise self._wrong(1, f"There is no question in this file. {EXAMPLE}")
        questions = [self._question(number, table) for number, table in enumerate(found)]
        known: dict[str, int] = {}
        for number, question in enumerate(questions):
            first = known.setdefault(_plain(question.text), number)
            if first != number:
                raise self._refused(
                    f"It is asked twice: question {first + 1} in line {self._line(first)} has the "
                    "same text.",
                    number,
                )
        return questions

    def _question(self, number: int, table: dict[str, Any]) -> Question:
        self._check_names(table, ("text", "lesson", "answer"), number)
        found = table.get("answer", [])
        if not _is_list_of_tables(found) or len(found) != ANSWERS:
            got = len(found) if _is_list_of_tables(found) else "something else"
            raise self._refused(
                f"Expected {ANSWERS} answers, each below a heading [[question.answer]], got {got}.",
                number,
            )
        answers = tuple(self._answer(number, index, answer) for index, answer in enumerate(found))
        right = [index for index, answer in enumerate(answers) if answer.right]
        if not right:
            raise self._refused("No answer is right. Give one of them right = true.", number)
        if len(right) > 1:
            lines = _listed([str(self._line(number, index)) for index in right])
            raise self._refused(
                f"{len(right)} answers are right, those in lines {lines}. Expected one.", number
            )
        known: dict[str, int] = {}
        for index, answer in enumerate(answers):
            first = known.setdefault(_plain(answer.text), index)
            if first != index:
                raise self._refused(
                    f"It says the same as the answer in line {self._line(number, first)}. "
                    "Expected four different ones.",
                    number,
                    index,
                )
        text, lesson = (self._text_of(table, name, number) for name in ("text", "lesson"))
        return Question(text, lesson, answers)

    def _answer(self, number: int, index: int, table: dict[str, Any]) -> Answer:
        self._check_names(table, ("text", "why", "right"), number, index)
        right = table.get("right", False)
        if not isinstance(right, bool):
            raise self._refused("'right' must be true or false, without quotes.", number, index)
        text, why = (self._text_of(table, name, number, index) for name in ("text", "why"))
        return Answer(text, why, right)

    def _check_names(
        self, table: dict[str, Any], names: Collection[str], number: int, index: int | None = None
    ) -> None:
        for name in table.keys() - set(names):
            expected = _listed([repr(known) for known in names])
            raise self._refused(f"{name!r} is unknown. Expected {expected}.", number, index)

    def _text_of(
        self, table: dict[str, Any], name: str, number: int, index: int | None = None
    ) -> str:
        if name not in table:
            raise self._refused(f'{name!r} is missing. Add {name} = "…".', number, index)
        text = table[name]
        if not isinstance(text, str) or not text.strip():
            raise self._refused(f"{name!r} must be a text that is not empty.", number, index)
        return " ".join(text.split())

    def _refused(self, words: str, number: int, index: int | None = None) -> MalformedQuiz:
        which = f"Question {number + 1}" + ("" if index is None else f", answer {index + 1}")
        return self._wrong(self._line(number, index), f"{which}: {words}")

    def _wrong(self, line: int, words: str) -> MalformedQuiz:
        return MalformedQuiz(f"{self._name}, line {line}: {words}")

    def _line(self, number: int, index: int | None = None) -> int:
        """Return the line of the heading of a question, or of one of its answers.

        Python's TOML parser does not tell. So the headings are counted; what looks like one, but
        stands inside of a text of several lines, is told by that the lines above are incomplete.
        """
        question, answer, line_of_question = -1, -1, 1
        for line, text in enumerate(self._lines, 1):
            heading = HEADING.match(text)
            if heading is None or not _is_toml("\n".join(self._lines[: line - 1])):
                continue
            if heading[1] == "question":
                question, answer = question + 1, -1
                if question == number:
                    line_of_question = line
            else:
                answer += 1
            if question == number and answer == (-1 if index is None else index):
                return line
        return line_of_question

    def _line_with(self, name: str) -> int:
        return next((line for line, text in enumerate(self._lines, 1) if name in text), 1)


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(table, dict) for table in value)


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
