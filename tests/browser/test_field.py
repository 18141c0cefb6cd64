"""The text field's two sides, with messages that come late, in disorder, or from two pages."""

import asyncio
import random
from collections import deque
from pathlib import Path

from client.field import Field

# One page: the model that a notebook's front end hands to field.js, and an input to type into.
PAGE = """async (source) => {
    const code = URL.createObjectURL(new Blob([source], {type: "text/javascript"}));
    const field = (await import(code)).default();
    const state = {shown: {value: "", count: 0, taken: {}}, buttons: ["sends"],
        placeholder: "Say something", disabled: false};
    const listeners = [], told = [];
    const model = {get: (name) => state[name], send: (message) => told.push(message),
        on: (names, call) => { if (names.includes("shown")) listeners.push(call); }};
    const {signal} = new AbortController();
    field.initialize({model, signal});
    field.render({model, el: document.body, signal});
    field.render({model, el: document.body, signal});  // a second view
    const button = document.createElement("button");
    button.className = "sends";
    button.addEventListener("click", () => { window.clicked = true; });
    document.body.append(button);
    const inputs = document.querySelectorAll("input");
    window.type = (text, at = 0) => {
        inputs[at].value = text;
        inputs[at].dispatchEvent(new Event("input"));
    };
    window.press = (key, options) =>
        inputs[0].dispatchEvent(new KeyboardEvent("keydown", {key, ...options}));
    window.compose = (event) => inputs[0].dispatchEvent(new CompositionEvent(event));
    window.hear = (shown) => { state.shown = shown; listeners.forEach(call => call()); };
    window.look = () => [inputs[0].value, inputs[1].value];
    window.told = () => told.splice(0);
}"""


class Pair:
    """A field, its pages, and what is underway between them."""

    def __init__(self, browser, pages=1):
        def run(function, *arguments):
            function(*arguments)

        loop = asyncio.new_event_loop()
        loop.close()  # messages are handed over below, not by it
        self.field = Field(loop, run)
        self.field.on_enter(self.say)
        self.field._calls["sends"] = self.say
        self.said = []
        self.context = browser.new_context()
        self.pages = [self.context.new_page() for _ in range(pages)]
        source = Path("client/field.js").read_text(encoding="utf-8")
        for page in self.pages:
            page.evaluate(PAGE, source)
        self.up = []  # to the kernel, which takes them in any order
        self.down = [deque() for _ in self.pages]  # to each page, in order
        self.field.observe(self.shown, "shown")

    def say(self):
        self.said.append(self.field.value)
        self.field.value = ""

    def shown(self, change):
        for queue in self.down:
            queue.append(change.new)

    def do(self, number, script, argument=None):
        """Do something in a page, and put what it tells on the way."""
        page = self.pages[number]
        self.up += page.evaluate(f"argument => {{ {script}; return told(); }}", argument)

    def text(self, number=0):
        one, other = self.pages[number].evaluate("look()")
        assert one == other
        return one

    def deliver(self, chance):
        """Deliver one message, if there is one."""
        ways = [way for way in (self.up, *self.down) if way]
        if not ways:
            return False
        way = chance.choice(ways)
        if way is self.up:
            self.field._take(way.pop(chance.randrange(len(way))))
        else:
            number = next(n for n, queue in enumerate(self.down) if queue is way)
            self.do(number, "hear(argument)", way.popleft())
        return True


def test_whatever_the_order_nothing_is_lost_and_nothing_said_twice(browser):
    for seed in range(5):
        chance = random.Random(seed)
        pair = Pair(browser)
        letters = iter("The quick brown fox jumps over the lazy dog. 0123456789 äöü 😀😁")
        typed, lines = "", 0
        for letter in letters:
            pair.do(0, "type(look()[0] + argument)", letter)
            typed += letter
            while chance.random() < 0.5 and pair.deliver(chance):
                pass
            if chance.random() < 0.15:
                how = ["press('Enter')", "document.querySelector('button').click()"]
                pair.do(0, chance.choice(how))
                lines += 1
        pair.do(0, "press('Enter')")
        while pair.deliver(chance):
            pass
        assert "".join(pair.said) == typed, seed
        assert len(pair.said) == lines + 1
        assert pair.text() == pair.field.value == ""
        assert pair.pages[0].evaluate("window.clicked") is None  # the field has told of it
        pair.context.close()


def test_two_pages_code_and_a_word_that_is_put_together(browser):
    for seed in range(2):
        chance = random.Random(seed)
        pair = Pair(browser, pages=2)
        for number in range(30):
            # Letters only one of them types, so that each can be found again.
            pair.do(number % 2, "type(look()[0] + argument)", "ab"[number % 2])
            if number == 15:
                pair.field.value += "c"
            while chance.random() < 0.7 and pair.deliver(chance):
                pass
        while pair.deliver(chance):
            pass
        text = pair.field.value
        assert pair.text(0) == pair.text(1) == text, seed
        assert [text.count(letter) for letter in "abc"] == [15, 15, 1], (seed, text)
        pair.context.close()

    pair, chance = Pair(browser), random.Random(0)
    pair.do(0, "compose('compositionstart'); type('に')")
    pair.do(0, "press('Enter', {isComposing: true}); press('Enter', {keyCode: 229})")
    pair.field.value = "set meanwhile "
    while pair.deliver(chance):
        pass
    assert (pair.said, pair.text()) == ([], "に")  # the word was left alone
    pair.do(0, "compose('compositionend')")
    while pair.deliver(chance):
        pass
    assert pair.text() == pair.field.value == "set meanwhile に"
    pair.context.close()
