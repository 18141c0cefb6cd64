"""The quiz in a real JupyterLab: by mouse, by keyboard, in both themes and a narrow column."""

import json
import re

from tests.lab import expect

MAKE = "from client import Quiz\n\nquiz = Quiz(seed=1)\nquiz"
RIGHT = (
    "import json\n"
    "right = [next(a.text for a in q.answers if a.right) for q in quiz.questions]\n"
    "print(json.dumps([view.answers.index(r) for view, r in zip(quiz.views, right)]))"
)
# How well each text can be read on what is behind it (WCAG 2.2, contrast ratio), the worst of all.
CONTRAST = """card => {
    const light = colour => {
        const [r, g, b] = colour.slice(0, 3).map(value => {
            const part = value / 255;
            return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const parts = text => text.match(/[\\d.]+/g).map(Number);
    const over = ([r, g, b, alpha = 1], back) =>
        [r, g, b].map((value, i) => value * alpha + back[i] * (1 - alpha));
    const behind = element => {
        const layers = [];
        for (let at = element; at; at = at.parentElement)
            layers.unshift(parts(getComputedStyle(at).backgroundColor));
        return layers.reduce((below, layer) => over(layer, below), [255, 255, 255]);
    };
    const found = [];
    const walker = document.createTreeWalker(card, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || element.tagName === "STYLE") continue;
        const back = behind(element);
        const front = over(parts(getComputedStyle(element).color), back);
        const [low, high] = [light(front), light(back)].sort((a, b) => a - b);
        found.push([(high + 0.05) / (low + 0.05), walker.currentNode.data]);
    }
    return found.sort((a, b) => a[0] - b[0])[0];
}"""


def test_the_whole_notebook_runs_and_its_questions_can_be_answered(open_notebook):
    notebook = open_notebook("notebooks/08_quiz.ipynb")
    notebook.run_all()
    assert notebook.errors() == []
    assert notebook.complaints == []
    one = notebook.output("quiz.question(2)")
    one.get_by_role("radio").nth(1).check()
    # Whoever has chosen goes on with Shift + Enter, as everywhere.
    notebook.page.keyboard.press("Shift+Enter")
    following = notebook.cell(notebook.index("quiz.question(2)") + 1)
    expect(following).to_have_class(re.compile("jp-mod-active"))
    expect(one.locator(".course-badge")).to_have_text("answered")
    # The same question stands in the list of all five, and one answer is of one question only.
    checked = notebook.page.locator(".course-question input:checked")
    expect(checked).to_have_count(2)
    round_two = notebook.output('Quiz("exercises")')
    expect(round_two.get_by_role("group")).to_have_count(16)


def test_answering_by_mouse_and_by_keyboard_in_both_themes(lab, open_notebook):
    path = lab.write_notebook("notebooks/answering.ipynb", [MAKE, RIGHT])
    notebook = open_notebook(path, size=(520, 800))
    notebook.run_all()
    page, quiz = notebook.page, notebook.output(0)
    right = json.loads(notebook.output_text(1))
    questions, score = quiz.get_by_role("group"), quiz.get_by_role("status").last
    expect(questions).to_have_count(5)
    expect(quiz.locator(".course-choice p")).to_have_count(0)

    # By keyboard: from the first question to the button, with Tab, Space and the arrow keys.
    radios = questions.first.get_by_role("radio")
    radios.first.focus()
    page.keyboard.press("Space")
    for _ in range(right[0]):
        page.keyboard.press("ArrowDown")
    expect(radios.nth(right[0])).to_be_checked()
    page.keyboard.press("Tab")
    expect(questions.nth(1).get_by_role("radio").first).to_be_focused()
    button = quiz.get_by_role("button", name="Check my answers")
    button.focus()
    page.keyboard.press("Enter")
    expect(score).to_have_text("Questions 2, 3, 4 and 5 have no answer yet.")
    expect(button).to_be_focused()

    # By mouse, on the words: three right, and the last one wrong.
    for number in range(1, 5):
        place = right[number] if number < 4 else (right[number] + 1) % 4
        questions.nth(number).locator("label").nth(place).click()
    expect(quiz.locator(".course-badge")).to_have_text("5 of 5 answered")
    button.focus()
    page.keyboard.press("Enter")
    expect(score).to_contain_text("👍 4 of 5: you have understood it well.")
    expect(score).to_contain_text("Where to read again: 1 · Connect.")
    expect(quiz.locator(".course-mark")).to_have_text(["✓ right"] * 4 + ["✗ wrong"])
    expect(quiz.locator(".course-choice p")).to_have_count(20)
    for number, place in enumerate(right):
        asked = questions.nth(number)
        expect(asked.locator(".course-choice").nth(place).locator("p")).to_contain_text("✓ Right.")
        description = asked.get_by_role("radio").nth(place).get_attribute("aria-describedby")
        assert page.locator(f"[id='{description}']").inner_text().startswith("✓ Right.")
    expect(quiz.get_by_text("✗ Your answer.")).to_have_count(1)

    # All of it can be read, in both themes, and nothing sticks out of the narrow column.
    for theme in ("light", "dark"):
        notebook.show_in(theme)
        worst, text = quiz.locator(".course-card").evaluate(CONTRAST)
        assert worst >= 4.5, f"{text!r} in the {theme} theme: {worst:.2f}"
    assert quiz.locator(".course-card").evaluate("card => card.scrollWidth <= card.clientWidth")

    # Once more from the beginning.
    quiz.get_by_role("button", name="Try again").click()
    expect(quiz.get_by_role("radio", checked=True)).to_have_count(0)
    expect(quiz.locator(".course-badge")).to_have_text(re.compile("^0 of 5"))
    assert notebook.complaints == [] and notebook.errors() == []
