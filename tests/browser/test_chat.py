"""The chat and the typing indicator in a real JupyterLab, in several notebooks and in a tab."""

import json
import re
import time

import pytest

from tests.lab import expect

LOG, PEOPLE, TYPING = ".course-log", ".course-people", ".course-typing"
EVIL = (
    '<img src=x onerror="window.evil = 1"><b>bold</b> &amp; <script>window.evil = 2</script>'
    "</div></div><style>* { display: none }</style>"
)
UNICODE = [
    "مرحبا بالعالم",
    "שלום",
    "こんにちは",
    "👩‍👩‍👧‍👦 🏳️‍🌈 🇺🇳",
    "e\u0301 and é",
    "Zalgo Z̴̡͝a̷͜l̸g̶o",
    "\u202eto the left\u202c and back",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \U0001f9ff",
    "$x^2$ \\(y\\) `code` **bold**",
]
TALKER = """
import json
from websockets import connect

async def talk(number):
    async with connect(server.url, max_queue=None) as websocket:
        await websocket.send(json.dumps({"type": "join", "username": "Talker"}))
        for n in range(number):
            said = {"type": "message", "content": f"Line {n} of {number}"}
            await websocket.send(json.dumps(said))
        last = json.dumps(f"Line {number - 1} of {number}")
        async for text in websocket:
            if last in text:
                return

await talk(1000)
"""


class Person:
    """Somebody who takes part, in a notebook or in a tab: the same things have the same names."""

    def __init__(self, scope, number=0):
        is_page = scope.locator("form#say").count() > 0
        at = 0 if is_page else number
        self.keyboard_page = scope if hasattr(scope, "keyboard") else scope.page
        self.name = scope.get_by_placeholder("Your name").nth(at)
        self.join_button = scope.get_by_role("button", name="Join", exact=True).nth(at)
        self.leave_button = scope.get_by_role("button", name="Leave", exact=True).nth(at)
        self.field = scope.get_by_placeholder("Say something").nth(at)
        self.send_button = scope.get_by_role("button", name="Send", exact=True).nth(at)
        self.log = scope.get_by_role("log").nth(at)
        self.lines = self.log.locator("p" if is_page else ":scope > div")
        self.people = scope.locator("#people" if is_page else PEOPLE).nth(at)
        self.typing = scope.locator("#typing" if is_page else TYPING).nth(at)
        self.state = scope.locator("#state" if is_page else ".course-badge").nth(at)

    def join(self, name):
        self.name.fill(name)
        self.name.press("Enter")
        expect(self.people).to_contain_text(f"{name} (you)")

    def say(self, words):
        self.field.fill(words)
        self.field.press("Enter")
        expect(self.field).to_have_value("")


def clients_of(exercise):
    name = {"chat": "ChatClient", "typing_indicator": "TypingIndicatorClient"}[exercise]
    return name, f'bob = {name}(server.url, "Bob")'


@pytest.fixture
def pair(open_notebook):
    """Return a function that runs the first two sections of an exercise's notebook."""

    def run(exercise):
        stem = {"chat": "02_chat", "typing_indicator": "03_typing_indicator"}[exercise]
        notebook = open_notebook(f"notebooks/{stem}.ipynb")
        notebook.run_cell(f'server = await start("{exercise}")')
        cell = clients_of(exercise)[1]
        notebook.run_cell(cell)
        ada, bob = (Person(notebook.output(cell), number) for number in range(2))
        for person in (ada, bob):
            expect(person.people).to_contain_text("Ada")
            expect(person.people).to_contain_text("Bob")
        return notebook, ada, bob

    return run


@pytest.fixture
def visitor(lab, open_notebook):
    """Return a function that opens one more notebook, with a kernel of its own, as a visitor."""

    def run(exercise, name):
        client = clients_of(exercise)[0]
        cells = [
            f'from server import start\n\nserver = await start("{exercise}")\nserver',
            f'from client import {client}\n\nvisitor = {client}(server.url, "{name}")\nvisitor',
        ]
        path = lab.write_notebook(f"notebooks/{name.lower()}.ipynb", cells)
        notebook = open_notebook(path)
        notebook.run_all()
        person = Person(notebook.output(1))
        expect(person.people).to_contain_text(f"{name} (you)")
        return notebook, person

    return run


@pytest.fixture
def open_page():
    """Return a function that follows the link on the server's card, and joins there."""
    pages = []

    def run(notebook, exercise, name):
        with notebook.page.expect_popup() as popup:
            card = notebook.output(f'server = await start("{exercise}")')
            card.get_by_role("link", name="open its page in a tab").click()
        pages.append(popup.value)
        expect(popup.value.locator("#state")).to_have_text("connected")
        person = Person(popup.value)
        person.join(name)
        return popup.value, person

    yield run
    for page in pages:
        page.close()


def all_see(people, names, timeout=5000):
    """Wait until everybody's list has these names, in whatever order, and no others."""
    deadline = time.monotonic() + timeout / 1000
    for person in people:
        listed = re.compile("^Here: " + "".join(f"(?=.*{name})" for name in names))
        left = max(1, (deadline - time.monotonic()) * 1000)
        expect(person.people).to_have_text(listed, timeout=left)
        assert person.people.inner_text().count(",") == len(names) - 1


def test_a_conversation(pair):
    notebook, ada, bob = pair("chat")
    ada.say("Hello Bob!")
    for person in (ada, bob):
        expect(person.lines.last).to_have_text(re.compile(r"^\d\d:\d\d ?Ada ?Hello Bob!$"))
    expect(ada.lines.last).to_have_class("course-own")
    expect(bob.lines.last).not_to_have_class("course-own")
    bob.name.fill("Bobby")
    bob.join_button.click()
    expect(ada.log).to_contain_text("Bob is now Bobby.")
    all_see([ada, bob], ["Ada", "Bobby"])
    bob.name.fill(" ADA ")
    bob.join_button.click()
    expect(bob.log).to_contain_text("The name ADA is taken.")
    bob.leave_button.click()
    expect(bob.state).to_have_text("disconnected")
    expect(bob.people).to_have_text("You have not joined yet.")
    expect(ada.log).to_contain_text("Bobby left.")
    all_see([ada], ["Ada"])
    bob.join("Bob again")
    all_see([ada, bob], ["Ada", "Bob again"])
    assert notebook.complaints == []


def test_what_others_write_is_text(pair, open_page):
    notebook, ada, bob = pair("typing_indicator")
    page, carol = open_page(notebook, "typing_indicator", "<i>Carol</i>")
    everybody = (ada, bob, carol)
    ada.join("<b>Ada")
    carol.field.press_sequentially("x")
    expect(ada.typing).to_have_text("<i>Carol</i> is typing…")
    ada.field.press_sequentially("y")
    expect(carol.typing).to_have_text("<b>Ada is typing…")
    for sender in (ada, carol):
        sender.say(EVIL)
    for person in everybody:
        expect(person.lines.filter(has_text=EVIL)).to_have_count(2)
        assert person.log.locator("img, script, b, i, style").count() == 0
        assert person.people.locator("b, i").count() == 0
    for where in (notebook.page, page):
        assert where.evaluate("window.evil") is None
    page.close()


def test_unicode_of_every_kind_arrives_as_it_was_sent(pair, open_page):
    notebook, ada, bob = pair("chat")
    page, carol = open_page(notebook, "chat", "Carol 🎉")
    for number, text in enumerate(UNICODE):
        [ada, carol][number % 2].say(text)
        for person in (ada, bob, carol):
            expect(person.lines.last).to_contain_text(text)
            shown = person.lines.last.evaluate("line => line.lastChild.textContent")
            assert shown.strip() == text
    page.close()


def test_a_burst_leaves_the_page_usable(pair, open_page):
    notebook, ada, bob = pair("chat")
    page, carol = open_page(notebook, "chat", "Carol")
    index = notebook.insert_cell_below('bob = ChatClient(server.url, "Bob")', TALKER.strip())
    notebook.run_cell(index)  # it ends when the last line has come back to who sent it
    began = time.monotonic()
    for person in (ada, bob, carol):
        left = max(1, 2000 - (time.monotonic() - began) * 1000)
        expect(person.log).to_contain_text("Line 999 of 1000", timeout=left)
    for person in (ada, bob, carol):
        assert person.lines.count() <= 200
        expect(person.log).to_contain_text("Talker left.")
        last = person.lines.filter(has_text="Line 999 of 1000")
        expect(last).to_be_in_viewport()
    bob.say("Still here.")
    expect(ada.log).to_contain_text("Still here.", timeout=2000)
    expect(carol.log).to_contain_text("Still here.", timeout=2000)
    page.close()


def test_who_types_fast_loses_no_letter(pair):
    notebook, ada, bob = pair("typing_indicator")
    for number, delay in enumerate([0, 0, 15, 15, 60, 60]):  # milliseconds between two keys
        words = f"The quick brown fox jumps over dog number {number}."
        ada.field.click()
        notebook.page.keyboard.type(words, delay=delay)
        if number % 2:
            ada.send_button.click()
        else:
            notebook.page.keyboard.press("Enter")
        expect(bob.log).to_contain_text(words)
        expect(ada.field).to_have_value("")


def test_two_kernels_and_a_page_share_one_room(pair, visitor, open_page):
    notebook, ada, bob = pair("chat")
    _, vera = visitor("chat", "Vera")
    page, paul = open_page(notebook, "chat", "Paul")
    everybody = [ada, bob, vera, paul]
    all_see(everybody, ["Ada", "Bob", "Vera", "Paul"])
    for number, person in enumerate(everybody):
        person.say(f"I am number {number}.")
        for other in everybody:
            expect(other.log).to_contain_text(f"I am number {number}.")
    for person in (ada, bob, vera):
        expect(person.log).to_contain_text("Paul joined.")
    page.close()
    for person in (ada, bob, vera):
        expect(person.log).to_contain_text("Paul left.")
    all_see([ada, bob, vera], ["Ada", "Bob", "Vera"])


def test_another_kernel_takes_over_and_everybody_is_back_under_their_names(
    pair, visitor, open_page
):
    owner, ada, _ = pair("typing_indicator")
    taker, vera = visitor("typing_indicator", "Vera")
    _, will = visitor("typing_indicator", "Will")
    page, paul = open_page(owner, "typing_indicator", "Paul")
    left = [vera, will, paul]
    all_see([ada, *left], ["Ada", "Bob", "Vera", "Will", "Paul"])
    owner.kill_kernel()
    for person in left:
        expect(person.state).to_contain_text("lost")
        expect(person.people).to_have_text("You have not joined yet.")
    will.field.fill("Said while the line was dead.")
    will.field.press("Enter")
    began = time.monotonic()
    taker.run_cell(0)
    all_see(left, ["Vera", "Will", "Paul"], 5000 - (time.monotonic() - began) * 1000)
    assert time.monotonic() - began < 5
    for person in left:
        expect(person.people).to_contain_text("(you)")
    expect(will.log).to_contain_text("Said while the line was dead.")
    paul.say("Everybody is back.")
    for person in left:
        expect(person.log).to_contain_text("Everybody is back.")
    vera.field.press_sequentially("And")
    for person in (will, paul):
        expect(person.typing).to_have_text("Vera is typing…")
    page.close()


def test_who_is_typing_is_seen_in_three_clients(pair, visitor, open_page):
    notebook, ada, bob = pair("typing_indicator")
    _, vera = visitor("typing_indicator", "Vera")
    page, paul = open_page(notebook, "typing_indicator", "Paul")
    everybody = [ada, bob, vera, paul]
    all_see(everybody, ["Ada", "Bob", "Vera", "Paul"])

    def expect_typing(words, *people):
        for person in people:
            expect(person.typing).to_have_text(words, timeout=4000)

    ada.field.press_sequentially("Hm", delay=50)
    expect_typing("Ada is typing…", bob, vera, paul)
    expect_typing("", ada)
    paul.field.press_sequentially("Hm", delay=50)
    expect_typing(re.compile("^(Ada and Paul|Paul and Ada|Paul)"), bob, vera)
    expect_typing("", *everybody)  # two seconds after the last key
    paul.field.press_sequentially("m", delay=50)
    expect_typing("Paul is typing…", ada, bob, vera)
    paul.say("Hmm!")
    expect_typing("", *everybody)
    paul.field.press_sequentially("And")
    expect_typing("Paul is typing…", ada, bob, vera)
    page.close()  # in the middle of a word
    expect_typing("", ada, bob, vera)


def test_who_types_on_and_on_is_shown_all_the_time_and_to_who_comes_later(pair, open_page):
    notebook, ada, bob = pair("typing_indicator")
    # The page is open beforehand: meanwhile, nobody could type on.
    page, paul = open_page(notebook, "typing_indicator", "Paul")
    page.get_by_role("button", name="Leave").click()
    expect(paul.state).to_have_text("disconnected")
    ada.field.press_sequentially("a")
    expect(bob.typing).to_have_text("Ada is typing…")
    cell = clients_of("typing_indicator")[1]
    notebook.page.evaluate(
        """() => { window.gaps = []; const seen = document.querySelectorAll('.course-typing')[1];
        new MutationObserver(() => { if (!seen.textContent) window.gaps.push(Date.now()); })
            .observe(seen.parentNode, {childList: true, subtree: true, characterData: true}); }"""
    )
    for number in range(17):  # 8.5 seconds: longer than anybody is remembered
        ada.field.press_sequentially("a", delay=500)
        if number == 2:
            paul.join("Paul")
            expect(paul.typing).to_have_text("Ada is typing…")
    expect(bob.typing).to_have_text("Ada is typing…")
    assert notebook.output(cell).page.evaluate("window.gaps") == []
    expect(bob.typing).to_have_text("", timeout=4000)


def test_the_pages_reload_and_the_notebook_shows_what_is(pair):
    notebook, ada, bob = pair("chat")
    ada.say("Before the reload.")
    expect(bob.log).to_contain_text("Before the reload.")
    ada.field.press_sequentially("Half a sen")
    notebook.reload()
    cell = clients_of("chat")[1]
    ada, bob = (Person(notebook.output(cell), number) for number in range(2))
    expect(ada.log).to_contain_text("Before the reload.")
    expect(ada.field).to_have_value("Half a sen")
    ada.field.press("End")
    ada.field.press_sequentially("tence")
    ada.field.press("Enter")
    expect(bob.log).to_contain_text("Half a sentence")
    bob.say("And after it.")
    expect(ada.log).to_contain_text("And after it.")


def test_names_are_told_apart_and_can_be_read_in_both_themes(pair):
    def luminance(colour):
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    notebook, ada, _ = pair("chat")
    for number in range(8):
        ada.join(f"Name {number}")
        ada.say("Hello")
    expect(ada.log.locator(".course-name")).to_have_count(8)
    for theme in ("light", "dark"):
        notebook.show_in(theme)
        # Painted onto a canvas, since the browser gives them back as oklch().
        names = ada.log.locator(".course-name").evaluate_all(
            """names => names.map(name => {
                const own = name.closest('.course-own');
                const paint = document.createElement('canvas').getContext('2d');
                const seen = colour => {
                    paint.fillStyle = colour;
                    paint.fillRect(0, 0, 1, 1);
                    return paint.getImageData(0, 0, 1, 1).data.slice(0, 3).join();
                };
                const behind = own ?? name.closest('.course-card');
                return [seen(getComputedStyle(name).color),
                        seen(getComputedStyle(behind).backgroundColor)];
            })"""
        )
        assert len(names) == 8, json.dumps(names)
        assert len({colour for colour, _ in names}) == 8
        for colour, background in names:
            light, dark = sorted(map(luminance, (colour, background)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) > 4.5, (theme, colour, background)
