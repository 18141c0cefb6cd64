"""The text field, as a page speaks to it: on whatever thread, in whatever order."""

import asyncio
import gc
import weakref

import pytest
from ipywidgets import Button

from client.field import PAGES_REMEMBERED, Field, carried_over
from client.quiz import QuestionView, ScoreView


def run(function, *arguments):
    function(*arguments)


def told(number, text, seen=0, sent=(), page="a page") -> dict:
    """Return a message of a page: its text, and what was sent that the kernel has not confirmed."""
    return {"page": page, "number": number, "text": text, "seen": seen, "sent": [*sent]}


class Sending(Field):
    """A field whose text is noted and cleared when somebody sends it."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop(), run, placeholder="Say something")
        self.said: list[str] = []
        self.on_enter(self.say)

    def say(self) -> None:
        self.said.append(self.value)
        self.value = ""

    def deliver(self, *messages: dict) -> None:
        for message in messages:
            self._handle_custom_msg(message, [])


@pytest.mark.parametrize(
    "typed, was, now, expected",
    [
        ("Hello", "Hello", "", ""),
        ("Hello World", "Hello", "", " World"),
        ("Hello World", "Hello", "Draft: ", "Draft:  World"),
        ("Say: Hello", "Hello", "", "Say: "),
        ("Help", "Hello", "", "p"),
        ("Hell", "Hello", "", ""),
        ("aaa", "aa", "", "a"),
        ("World", "Hello", "", "World"),
        ("", "Hello", "x", "x"),
        ("x", "", "", "x"),
    ],
)
def test_what_was_typed_since_goes_behind_what_was_set(typed, was, now, expected):
    assert carried_over(typed, was, now) == expected


async def test_a_newer_message_tells_all_and_an_older_one_nothing():
    field = Sending()
    enter = [2, "Hello", 0, "enter"]
    first, second, third = told(1, "Hell"), told(2, "Hello", sent=[enter]), told(3, "Hello W")
    third["sent"] = [enter]
    field.deliver(third, second, first, third)
    assert (field.said, field.value) == (["Hello"], " W")
    assert field.shown["taken"] == {"a page": 3}
    field.deliver(told(4, "Hello Wo"))  # this page has not seen yet that the text was cleared
    assert field.value == " Wo"
    field.deliver(told(5, "Wo", seen=field.shown["count"]))
    assert field.value == "Wo"


async def test_two_lines_typed_before_the_page_hears_of_the_first_one():
    field = Sending()
    one, two = [1, "one", 0, "enter"], [2, "onetwo", 0, "enter"]
    field.deliver(told(1, "one", sent=[one]), told(3, "onetwo!", sent=[one, two]))
    assert (field.said, field.value) == (["one", "two"], "!")
    # It has seen the first clearing, not the second one.
    field.deliver(told(4, "two!?", seen=2))
    assert field.value == "!?"


async def test_a_text_that_is_not_taken_stays():
    field = Field(asyncio.get_running_loop(), run, value="Ada")
    field.on_enter(lambda: None)
    field.deliver = field._handle_custom_msg
    field.deliver(told(1, "Adam", sent=[[1, "Adam", 0, "enter"]]), [])
    assert field.value == field.shown["value"] == "Adam"


async def test_code_and_a_page_set_the_text_at_the_same_time():
    field, seen = Sending(), []
    field.observe(lambda change: seen.append(change.new), "value")
    field.value = "from code"
    field.deliver(told(1, " and by hand"))  # typed before that was seen
    assert field.value == "from code and by hand"
    assert seen == ["from code", "from code and by hand"]


async def test_what_another_page_typed_is_carried_over_and_vanished_pages_are_forgotten():
    field = Sending()
    field.deliver(told(1, "A", page="a"), told(1, "B", page="b"))
    assert field.value == "AB"
    for number in range(PAGES_REMEMBERED + 3):
        field.deliver(told(1, "", seen=field.shown["count"], page=f"page {number}"))
    assert len(field.shown["taken"]) == PAGES_REMEMBERED


async def test_a_click_is_told_by_the_field_with_the_text_as_it_was():
    field, button, clicks = Sending(), Button(description="Send"), []
    button.on_click(lambda _: clicks.append(field.value))
    field.add_button(button)
    [name] = field.buttons
    assert name in button._dom_classes
    field.deliver(told(2, "Hello!", sent=[[1, "Hello", 0, name]]))
    assert (clicks, field.value) == (["Hello"], "Hello!")


@pytest.mark.parametrize("kind", [Field, QuestionView, ScoreView])
async def test_a_closed_widget_is_gone(kind):
    """What it shows comes from a file. If it listened to that file, the file would keep it."""
    widget = kind(asyncio.get_running_loop(), run) if kind is Field else kind()
    remembered = weakref.ref(widget)
    widget.close()
    del widget
    gc.collect()
    assert remembered() is None
