"""The quiz: its files, the order of the answers, the score, and what a page is told."""

import asyncio
import json
import re
import threading
from collections import Counter
from pathlib import Path

import pytest

from client import Quiz
from client.questions import MalformedQuiz, read_questions
from client.quiz import HERE, ROUNDS, learner, shuffled
from tests.wire import until

ROOT = Path(__file__).parents[1]
FILES = pytest.mark.parametrize("name", ROUNDS.values())
MINE = '''\
# A comment
[[question]]
text = "How many legs has a cat?"
lesson = """
[[question]]
[[question.answer]]
"""

[[question.answer]]
text = "Three"
why = "So has a stool."

[[question.answer]]
text = "Four"
right = true
why = "Count them."

[[question.answer]]
text = "Six"
why = "So has a fly."

[[question.answer]]
text = "Eight"
why = "So has a spider."

[[question]]
text = "Who says `meow`?"
lesson = "1 · Animals"

[[question.answer]]
text = "A cat"
right = true
why = "Listen."

[[question.answer]]
text = "A dog"
why = "Never."

[[question.answer]]
text = "A cow"
why = "It says moo."

[[question.answer]]
text = "A fish"
why = "It says nothing."
'''
# What is replaced, by what, in which line that is told, and in which words.
WRONG = {
    "no TOML": ('text = "A dog"', "text = A dog", 36, "This is not TOML"),
    "a text without an end": ('"It says nothing."', '"It says nothing.', 45, "This is not TOML"),
    "empty": (MINE, "", 1, "There is no question in this file"),
    "another name for the list": (MINE, MINE.replace("[[q", "[[Q"), 2, "'Question' is unknown"),
    "a table, not a list": (MINE, 'title = 1\n[question]\ntext = "?"\n', 1, "'title' is unknown"),
    "one question, not a list": (MINE, '\n[question]\ntext = "?"\n', 2, "not a list of questions"),
    "no right answer": ('right = true\nwhy = "Count', 'why = "Count', 2, "No answer is right"),
    "two right": (
        'text = "A fish"',
        'text = "A fish"\nright = true',
        26,
        "Question 2: 2 answers are right, those in lines 30 and 43. Expected one.",
    ),
    "right in quotes": ('right = true\nwhy = "L', 'right = "true"\nwhy = "L', 30, "true or false"),
    "no explanation": (
        'why = "So has a fly."\n',
        "",
        18,
        "Question 1, answer 3: 'why' is missing. Add why = \"…\".",
    ),
    "an empty explanation": ('"It says moo."', '" "', 39, "'why' must be a text that is not empty"),
    "a number for a text": ('text = "Six"', "text = 6", 18, "'text' must be a text"),
    "three answers": (
        '[[question.answer]]\ntext = "Eight"\nwhy = "So has a spider."\n',
        "",
        2,
        "Question 1: Expected 4 answers, each below a heading [[question.answer]], got 3.",
    ),
    "an answer twice": (
        'text = "A cow"',
        'text = "a  CAT"',
        39,
        "Question 2, answer 3: It says the same as the answer in line 30.",
    ),
    "a question twice": (
        "Who says `meow`?",
        "How many legs has a cat?",
        26,
        "Question 2: It is asked twice: question 1 in line 2 has the same text.",
    ),
    "a name mistyped": ('why = "Listen."', 'wyh = "Listen."', 30, "'wyh' is unknown. Expected"),
    "no question text": ('text = "Who says `meow`?"\n', "", 26, "'text' is missing"),
    "no lesson": ('lesson = "1 · Animals"\n', "", 26, "'lesson' is missing"),
    "a name for all": (
        'lesson = "1 · Animals"',
        'lesson = "1 · Animals"\nhint = "Listen"',
        26,
        "Question 2: 'hint' is unknown. Expected 'text', 'lesson' and 'answer'.",
    ),
}


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(MINE, encoding="utf-8")
    return path


# The files


@FILES
def test_every_question_has_four_answers_of_which_one_is_right_and_all_are_explained(name):
    questions = read_questions(HERE / name)
    assert len(questions) == 5 if "lesson" in name else len(questions) >= 10
    for question in questions:
        assert len(question.answers) == 4
        assert [answer.right for answer in question.answers].count(True) == 1
        assert all(len(answer.why) >= 30 for answer in question.answers), question.text
        # Where to read again: a notebook of the course, or a file of it.
        assert re.match(r"\d · ", question.lesson) or (ROOT / question.lesson).is_file()
        texts = [question.text, *(text for a in question.answers for text in (a.text, a.why))]
        assert all(text.count("`") % 2 == 0 for text in texts)


def test_the_notebook_asks_what_the_file_asks():
    notebook = json.loads((ROOT / "solutions/08_quiz.ipynb").read_text(encoding="utf-8"))
    lines = [line.strip() for cell in notebook["cells"] for line in cell["source"]]
    for number, question in enumerate(read_questions(HERE / ROUNDS["lesson"]), 1):
        assert f"### {number} · {question.text}" in lines
        assert f"quiz.question({number})" in lines
    count = len(read_questions(HERE / ROUNDS["exercises"]))
    assert {16: "Sixteen"}[count] + " questions from the exercises" in " ".join(lines)


@FILES
def test_whoever_always_takes_the_longest_answer_or_the_shortest_does_badly(name):
    questions = read_questions(HERE / name)
    for choose in (max, min):
        taken = [choose(q.answers, key=lambda answer: len(answer.text)) for q in questions]
        assert sum(answer.right for answer in taken) < 0.6 * len(questions)


@pytest.mark.parametrize(("old", "new", "line", "words"), WRONG.values(), ids=WRONG)
def test_a_malformed_file_is_refused_with_the_line(tmp_path, old, new, line, words):
    path = tmp_path / "wrong.toml"
    assert MINE.count(old) == 1
    path.write_text(MINE.replace(old, new), encoding="utf-8")
    with pytest.raises(MalformedQuiz) as refused:
        Quiz(path)
    assert str(refused.value).startswith(f"wrong.toml, line {line}: ")
    assert words in str(refused.value)


def test_another_encoding_is_refused_with_the_line_and_that_of_windows_is_read(tmp_path, mine):
    written_elsewhere = tmp_path / "latin.toml"
    written_elsewhere.write_bytes(MINE.encode("latin-1"))
    with pytest.raises(MalformedQuiz, match=r"latin\.toml, line 28: This is not UTF-8"):
        read_questions(written_elsewhere)
    windows = tmp_path / "windows.toml"
    windows.write_bytes(b"\xef\xbb\xbf" + MINE.replace("\n", "\r\n").encode())
    assert read_questions(windows) == read_questions(mine)


def test_which_questions_there_are(mine):
    assert repr(Quiz(str(mine))) == "<Quiz 'mine', 0 of 2 answered>"
    for wrong in ("lessons", 1, None):
        with pytest.raises(ValueError, match=r"There is no round .*lesson.*exercises.*toml"):
            Quiz(wrong)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.toml"):
        Quiz("nowhere.toml")


# The order


def order_of(quiz):
    return [list(view.answers) for view in quiz.views]


def test_a_learner_finds_the_same_order_again_and_another_learner_another_one(monkeypatch):
    assert order_of(Quiz("exercises")) == order_of(Quiz("exercises"))
    assert order_of(Quiz("exercises")) == order_of(Quiz("exercises", seed=learner()))
    assert order_of(Quiz("exercises", seed=1)) != order_of(Quiz("exercises", seed=2))
    before = order_of(Quiz("exercises"))
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(ROOT / "somebody else"))
    assert order_of(Quiz("exercises")) != before


def test_the_right_answer_is_as_often_in_one_place_as_in_another():
    questions = read_questions(HERE / ROUNDS["lesson"])
    for question in questions:
        places = Counter(
            [answer.right for answer in shuffled(question, f"seed {n}")].index(True)
            for n in range(1_000)
        )
        assert set(places) == {0, 1, 2, 3}
        assert all(200 <= count <= 300 for count in places.values()), places
    # And the questions of one learner do not all have it in the same place.
    ordered = [[a.right for a in shuffled(q, "seed 1")].index(True) for q in questions]
    assert len(set(ordered)) > 1


# What a page is told


def told(quiz):
    """All that a browser gets, apart from the names of the widgets."""
    states = [view.get_state() for view in [*quiz.views, quiz.score]]
    kept = [{k: v for k, v in state.items() if k not in ("layout",)} for state in states]
    return json.dumps(kept, default=str, ensure_ascii=False)


def test_before_the_check_a_page_cannot_know_what_is_right(tmp_path, mine):
    other = tmp_path / "other.toml"
    text = MINE.replace('right = true\nwhy = "Count', 'why = "Count')
    other.write_text(text.replace('text = "Six"', 'text = "Six"\nright = true'), encoding="utf-8")
    first, second = Quiz(mine, seed=1), Quiz(other, seed=1)
    for quiz in (first, second):
        for view in quiz.views:
            quiz.answer(view.number, view.answers[0])
    assert told(first) == told(second)
    assert "Count them" not in told(first)
    first.check(), second.check()
    assert told(first) != told(second)
    assert "Count them" in told(first)


# Answering


def right_place(quiz, number):
    [right] = [answer.text for answer in quiz.questions[number - 1].answers if answer.right]
    return quiz.views[number - 1].answers.index(right)


def answer_all(quiz, right=0):
    """Answer the first questions right, and the others wrong."""
    for view in quiz.views:
        place = right_place(quiz, view.number)
        quiz.answer(view.number, view.answers[place if view.number <= right else place - 1])


def choose_as_a_page(view, place):
    state = {"method": "update", "state": {"chosen": place}, "buffer_paths": []}
    view._handle_msg({"content": {"data": state}, "buffers": []})


def press_as_a_page(quiz):
    pressed = {"method": "custom", "content": "pressed"}
    quiz.score._handle_msg({"content": {"data": pressed}, "buffers": []})


@pytest.mark.parametrize(
    ("score", "verdict", "words"),
    [
        (0, "review", "🌱 0 of 5: everybody starts there"),
        (1, "review", "📖 1 of 5: review the lesson"),
        (2, "review", "📖 2 of 5: review the lesson"),
        (3, "good", "👍 3 of 5: you have understood it well"),
        (4, "good", "👍 4 of 5: you have understood it well"),
        (5, "expert", "🌟 5 of 5: you are a WebSocket expert!"),
    ],
)
async def test_the_verdict_of_each_score_by_clicks_that_come_from_another_thread(
    score, verdict, words
):
    quiz = Quiz(seed=score)
    threads = set()
    quiz.score.observe(lambda _: threads.add(threading.current_thread()), "lines")

    def click():
        for view in quiz.views:
            place = right_place(quiz, view.number)
            choose_as_a_page(view, place if view.number <= score else (place + 1) % 4)
        press_as_a_page(quiz)

    await asyncio.to_thread(click)
    await until(lambda: quiz.result)
    assert threads == {threading.main_thread()}
    assert (quiz.result.score, quiz.result.total, quiz.result.verdict) == (score, 5, verdict)
    assert quiz.score.lines[0].startswith(words)
    assert repr(quiz.result) == "\n".join(quiz.score.lines)
    wrong = [question.lesson for question in quiz.questions[score:]]
    assert quiz.result.lessons == tuple(dict.fromkeys(wrong))
    assert all(lesson in repr(quiz.result) for lesson in wrong)
    for view in quiz.views:
        assert view.marks[view.chosen]["right"] == (view.number <= score)
        assert [mark["right"] for mark in view.marks].index(True) == right_place(quiz, view.number)


@pytest.mark.parametrize(("score", "verdict"), [(16, "expert"), (10, "good"), (9, "review")])
def test_the_verdict_of_a_longer_round_goes_by_the_share(score, verdict):
    quiz = Quiz("exercises", seed=4)
    answer_all(quiz, right=score)
    assert (quiz.check().score, quiz.check().verdict) == (score, verdict)


async def test_the_button_tells_what_is_missing_then_checks_then_begins_anew():
    quiz = Quiz(seed=1)
    before = order_of(quiz)
    one = quiz.question(2)
    assert quiz.question(2) is one
    assert "not answered yet" in one._card._head.value
    choose_as_a_page(quiz.views[1], 3)
    await until(lambda: "answered</span>" in one._card._head.value)
    assert repr(one) == "<question 2 of <Quiz 'lesson', 1 of 5 answered>>"
    press_as_a_page(quiz)
    await until(lambda: quiz.score.lines)
    assert quiz.score.lines == ["Questions 1, 3, 4 and 5 have no answer yet."]
    assert quiz.result is None and not any(view.marks for view in quiz.views)
    # JupyterLab may deliver an answer after the press that followed it.
    choose_as_a_page(quiz.views[0], 2)
    await until(lambda: "Questions 3, 4 and 5 have no answer yet." in quiz.score.lines)
    answer_all(quiz, right=5)
    assert quiz.score.lines == []
    press_as_a_page(quiz)
    await until(lambda: quiz.result)
    assert quiz.score.label == "Try again"
    assert ">right</span>" in one._card._head.value
    press_as_a_page(quiz)
    await until(lambda: quiz.result is None)
    assert quiz.score.label == "Check my answers" and quiz.score.lines == []
    assert all(view.chosen == -1 and view.marks == [] for view in quiz.views)
    assert order_of(quiz) != before
    assert [sorted(answers) for answers in order_of(quiz)] == [sorted(a) for a in before]


def test_answers_by_code_and_what_is_refused(mine):
    quiz = Quiz(mine, seed=1)
    with pytest.raises(ValueError, match=r"^Questions 1 and 2 have no answer yet\.$"):
        quiz.check()
    with pytest.raises(RuntimeError, match=r"check\(\)"):
        quiz.explanation(1)
    for number in (0, 3, -1, True, "1", None):
        with pytest.raises(ValueError, match=r"There is no question .* from 1 to 2"):
            quiz.answer(number, "Four")
    for text in ("Five", "", None, 4):
        with pytest.raises(ValueError, match=f"{text!r} is no answer to question 1") as refused:
            quiz.answer(1, text)
        for answer in ("Three", "Four", "Six", "Eight"):
            assert f"\n  {answer}" in str(refused.value)
    quiz.answer(1, " four ")
    with pytest.raises(ValueError, match=r"^Question 2 has no answer yet\.$"):
        quiz.check()
    quiz.answer(2, "A dog")
    quiz.answer(2, "a CAT")
    assert quiz.check().score == 2
    assert quiz.explanation(1).splitlines()[:2] == [
        "How many legs has a cat?",
        "✓ Four: Count them.",
    ]
    assert "– Six: So has a fly." in quiz.explanation(1)
    with pytest.raises(RuntimeError, match=r"try_again\(\)"):
        quiz.answer(1, "Six")
    quiz.try_again()
    quiz.answer(1, "Six")
    quiz.answer(2, "A cat")
    assert quiz.check().score == 1
