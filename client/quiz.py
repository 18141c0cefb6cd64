"""The quiz: questions with four answers each, a score, and why each answer is right or is not."""

import asyncio
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from anywidget import AnyWidget
from traitlets import Int, List, Unicode

from client.questions import Answer, Question, read_questions
from server.card import Card, mimebundle

HERE = Path(__file__).parent
ROUNDS = {"lesson": "quiz_lesson.toml", "exercises": "quiz_exercises.toml"}
GOOD = 0.6  # of the answers right, from here on: 3 of 5


class QuestionView(AnyWidget):
    """One question as a learner sees it. Until the answers are checked, `marks` is empty."""

    _esm = (HERE / "quiz_question.js").read_text(encoding="utf-8")
    _css = (HERE / "quiz.css").read_text(encoding="utf-8")
    number = Int().tag(sync=True)
    text = Unicode().tag(sync=True)
    answers = List(Unicode()).tag(sync=True)
    chosen = Int(-1).tag(sync=True)
    marks = List().tag(sync=True)


class ScoreView(AnyWidget):
    """The button below the questions, and what is to be said when it was pressed."""

    _esm = (HERE / "quiz_score.js").read_text(encoding="utf-8")
    label = Unicode().tag(sync=True)
    lines = List(Unicode()).tag(sync=True)


@dataclass(frozen=True)
class Result:
    """What came out when the answers were checked.

    Attributes:
        score: How many answers are right.
        total: How many questions there are.
        lessons: The lessons of those that were answered wrong, each once.
    """

    score: int
    total: int
    lessons: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """One of "expert", "good" and "review"."""
        if self.score == self.total:
            return "expert"
        return "good" if self.score >= GOOD * self.total else "review"

    @property
    def lines(self) -> list[str]:
        """The verdict in words, and where to read again."""
        count = f"{self.score} of {self.total}"
        lines = {
            "expert": [f"🌟 {count}: you are a WebSocket expert!"],
            "good": [f"👍 {count}: you have understood it well."],
            "review": [f"📖 {count}: review the lesson, then try again."],
        }[self.verdict]
        if self.score == 0:
            lines = [f"🌱 {count}: everybody starts there. Review the lesson, then try again."]
        if self.lessons:
            lines.append(f"Where to read again: {', '.join(self.lessons)}.")
        return lines

    def __repr__(self) -> str:
        return "\n".join(self.lines)


class Quiz:
    """A round of questions. Show it in the last line of a cell, or one question of it.

    Each learner sees the answers in an order of their own, which stays the same when the cell is
    run again.
    """

    def __init__(self, questions: str | Path = "lesson", *, seed: object = None) -> None:
        """Read the questions and shuffle their answers.

        Args:
            questions: "lesson" (round one), "exercises" (round two), or the path of a file.
            seed: The order comes from it; by default from who runs this, and on which computer.

        Raises:
            ValueError: If there is no such round.
            MalformedQuiz: If the file is not a quiz; the text names the line.
            OSError: If the file cannot be read.
        """
        self.name, path = _find(questions)
        self.questions = read_questions(path)
        self._counts = path.parent == HERE  # a quiz of one's own is no progress in the course
        self.result: Result | None = None
        self._seed = learner() if seed is None else seed
        self._attempt = 0
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:  # a program without an event loop has no page that could call back
            self._loop = None
        self.views = [QuestionView(number=n) for n, _ in enumerate(self.questions, 1)]
        self.score = ScoreView()
        self._card = Card("Quiz", [*self.views, self.score])
        self._shown: dict[int, OneQuestion] = {}
        self._begin()
        for view in self.views:
            view.observe(lambda _: self._bridge(self._paint), "chosen")
        self.score.on_msg(lambda *_: self._bridge(self._pressed))

    # What can be done from code as by hand.

    def question(self, number: int) -> "OneQuestion":
        """Return one question, to be shown in the last line of a cell.

        Args:
            number: Which, counted from 1.
        """
        self._look_up(number)
        if number not in self._shown:
            self._shown[number] = OneQuestion(self, number)
            self._paint()
        return self._shown[number]

    def answer(self, number: int, text: str) -> None:
        """Choose an answer, in place of the one that was chosen before.

        Args:
            number: Of which question, counted from 1.
            text: The answer as it is shown; upper and lower case do not matter.

        Raises:
            ValueError: If there is no such question, or it has no such answer.
            RuntimeError: If the answers have been checked.
        """
        view = self._look_up(number)
        if self.result is not None:
            raise RuntimeError("The answers have been checked. try_again() begins anew.")
        known = [_plain(answer) for answer in view.answers]
        if not isinstance(text, str) or _plain(text) not in known:
            answers = "\n".join(f"  {answer}" for answer in view.answers)
            raise ValueError(
                f"{text!r} is no answer to question {number}. Expected one of:\n{answers}"
            )
        view.chosen = known.index(_plain(text))
        self._paint()

    def check(self) -> Result:
        """Tell the score and the verdict, and show of each question why the right answer is right.

        Raises:
            ValueError: If a question has no answer yet.
        """
        if self.result is None:
            if missing := self._missing():
                raise ValueError(missing)
            chosen = [
                order[view.chosen] for order, view in zip(self._orders, self.views, strict=True)
            ]
            wrong = [q for q, a in zip(self.questions, chosen, strict=True) if not a.right]
            lessons = tuple(dict.fromkeys(question.lesson for question in wrong))
            total = len(self.questions)
            self.result = Result(total - len(wrong), total, lessons)
            if self._counts:
                _remember([q for q in self.questions if q not in wrong])
            for order, view in zip(self._orders, self.views, strict=True):
                view.marks = [{"right": answer.right, "why": answer.why} for answer in order]
            self._paint()
        return self.result

    def explanation(self, number: int) -> str:
        """Return why the right answer to a question is right, and where the others would be true.

        Raises:
            ValueError: If there is no such question.
            RuntimeError: If the answers have not been checked yet.
        """
        view = self._look_up(number)
        if self.result is None:
            raise RuntimeError("First answer all questions, then check().")
        answers = sorted(self._orders[number - 1], key=lambda answer: not answer.right)
        lines = (f"{'✓' if a.right else '–'} {a.text}: {a.why}" for a in answers)
        return "\n".join([view.text, *lines])

    def try_again(self) -> None:
        """Take all answers back, and shuffle anew."""
        self._attempt += 1
        self._begin()

    # How it is done.

    def _begin(self) -> None:
        self.result, self._asked = None, False
        seed = f"{self._seed}\n{self._attempt}"
        self._orders = [shuffled(question, seed) for question in self.questions]
        for question, order, view in zip(self.questions, self._orders, self.views, strict=True):
            with view.hold_sync():
                view.chosen, view.marks = -1, []
                view.text, view.answers = question.text, [answer.text for answer in order]
        self._paint()

    def _pressed(self) -> None:
        if self.result is not None:
            self.try_again()
        elif self._missing():
            self._asked = True
            self._paint()
        else:
            self.check()

    def _missing(self) -> str:
        """Return which questions have no answer, in words; nothing, if all have one."""
        open_ones = [str(view.number) for view in self.views if view.chosen < 0]
        if len(open_ones) > 1:
            listed = f"{', '.join(open_ones[:-1])} and {open_ones[-1]}"
            return f"Questions {listed} have no answer yet."
        return f"Question {open_ones[0]} has no answer yet." if open_ones else ""

    def _paint(self) -> None:
        answered = sum(view.chosen >= 0 for view in self.views)
        words = f"{answered} of {len(self.views)} answered"
        if self.result is None:
            self._card.show_badge("open", words)
            self.score.label = "Check my answers"
            # An answer may arrive after the press that followed it: the words go by what is known.
            missing = self._missing() if self._asked else ""
            self.score.lines = [missing] if missing else []
        else:
            self._card.show_badge("open", f"{self.result.score} of {self.result.total} right")
            self.score.label, self.score.lines = "Try again", self.result.lines
        for shown in self._shown.values():
            shown.paint()

    def _look_up(self, number: int) -> QuestionView:
        if isinstance(number, bool) or number not in range(1, len(self.views) + 1):
            raise ValueError(
                f"There is no question {number!r}. Expected a number from 1 to {len(self.views)}."
            )
        return self.views[number - 1]

    def _bridge(self, function: Callable[[], Any]) -> None:
        """Call a function on the loop of this quiz: JupyterLab may deliver clicks on another."""
        if self._loop is None:
            function()
        else:
            self._loop.call_soon_threadsafe(function)

    def __repr__(self) -> str:
        answered = sum(view.chosen >= 0 for view in self.views)
        return f"<Quiz {self.name!r}, {answered} of {len(self.views)} answered>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return mimebundle(self, self._card.widget, **kwargs)


class OneQuestion:
    """One question of a quiz on a card of its own. Its answer is that of the quiz."""

    def __init__(self, quiz: Quiz, number: int) -> None:
        self._quiz = quiz
        self._view = quiz.views[number - 1]
        self._card = Card(f"Question {number} of {len(quiz.views)}", [self._view])

    def paint(self) -> None:
        """Show on the badge whether it is answered."""
        view = self._view
        if view.chosen < 0:
            self._card.show_badge("open", "not answered yet")
        elif not view.marks:
            self._card.show_badge("answered", "answered")
        else:
            words = "right" if view.marks[view.chosen]["right"] else "wrong"
            self._card.show_badge(words, words)

    def __repr__(self) -> str:
        return f"<question {self._view.number} of {self._quiz!r}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return mimebundle(self, self._card.widget, **kwargs)


def _remember(right: list[Question]) -> None:
    """Note which questions were answered right: that is progress, as a check that passes is."""
    # Not before it is needed: the checks take a moment.
    from checks.progress import remember

    remember({"quiz": [question.text for question in right]})


def learner() -> str:
    """Return what stays the same for one learner on one computer, and differs between learners."""
    return f"{os.path.expanduser('~')} on {platform.node()}"


def shuffled(question: Question, seed: str) -> list[Answer]:
    """Return the answers in an order that this seed always gives."""
    # From the question, too: one more or less in the file leaves the others as they are.
    random = Random(f"{seed}\n{question.text}")
    return random.sample(question.answers, len(question.answers))


def _find(questions: str | Path) -> tuple[str, Path]:
    if isinstance(questions, str) and questions in ROUNDS:
        return questions, HERE / ROUNDS[questions]
    path = Path(str(questions))
    if path.suffix == ".toml":
        return path.stem, path
    names = " or ".join(f'"{name}"' for name in ROUNDS)
    raise ValueError(f"There is no round {questions!r}. Expected {names}, or a file NAME.toml.")


def _plain(text: str) -> str:
    """Return a text as it is compared: without the marks of code, and all in lower case."""
    return " ".join(text.replace("`", "").split()).casefold()
