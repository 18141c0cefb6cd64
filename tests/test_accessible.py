"""The pages for whoever uses the keyboard alone, listens to them, enlarges them, or sees little."""

import re
from contextlib import AsyncExitStack

import pytest

from server import start
from tests.lab import NoBrowser, chromium_beside
from tests.wire import serving, until

# What the Tab key comes to on each page, in this order, by its name.
WRITE = ["Messages", "Message", "Send"]
STOPS = {
    "dashboard": [],
    "connect": [*WRITE, "Ping", "Disconnect"],
    "chat": ["Your name", "Join", "Leave", *WRITE],
    "typing_indicator": ["Your name", "Join", "Leave", *WRITE],
    "counter": ["Take one away", "Add one"],
    "notifications": ["Dismiss all", "Dismiss: *"],
    "whiteboard": [
        "The sheet. *", "Your name", "Colour", "How wide the pen is", "Undo", "Clear",
        "Save PNG", "Save SVG", "Save JSON", "Open JSON",
    ],
}  # fmt: skip
# What is read out by itself when it changes. Each thing once: who came stands in the log as well.
LIVE = {
    "dashboard": ["status #state", "status #age"],
    "connect": ["status #state", "log #log"],
    "chat": ["status #state", "log #log"],
    "typing_indicator": ["status #state", "log #log", "status #typing"],
    "counter": ["status #state", "status #number"],
    "notifications": ["status #state", "log #toasts"],
    "whiteboard": ["status #state", "status #pen", "status #words"],
}
# How often that has changed since the page was loaded.
WATCH = """addEventListener("DOMContentLoaded", () => {
    window.changes = {};
    const note = (records) => records.forEach(({ target }) => {
        const id = target.closest?.("[role]")?.id ?? target.id;
        window.changes[id] = (window.changes[id] ?? 0) + 1;
    });
    for (const region of document.querySelectorAll("[role=status], [role=log]"))
        new MutationObserver(note).observe(region, { childList: true });
})"""
REGIONS = """() => Array.from(document.querySelectorAll("[role=status], [role=log], [role=alert]"),
    (region) => `${region.getAttribute("role")} #${region.id}`)"""
# What has the focus: its name, and whether one sees that it has it.
FOCUSED = """() => {
    const at = document.activeElement;
    if (at === document.body) return null;
    const name = at.getAttribute("aria-label") ?? at.labels?.[0]?.textContent ?? at.textContent;
    const around = [at, at.parentElement].map((e) => getComputedStyle(e));
    const isSeen = around.some((style) => style.outlineStyle === "solid"
        && parseFloat(style.outlineWidth) >= 2);
    return [name.trim(), isSeen];
}"""
# WCAG 2.2, 1.4.3 and 1.4.11: what has less contrast than 4.5 (text) or 3 (edges and dots).
PALE = """() => {
    const brush = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (color) => {
        brush.clearRect(0, 0, 1, 1);
        brush.fillStyle = color;
        brush.fillRect(0, 0, 1, 1);
        return Array.from(brush.getImageData(0, 0, 1, 1).data, (part) => part / 255);
    };
    const light = (color) => rgba(color).slice(0, 3)
        .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
        .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => {
        const color = getComputedStyle(element).backgroundColor;
        if (rgba(color)[3] === 1 || !element.parentElement) return color;
        return behind(element.parentElement);
    };
    const contrast = (one, other) => {
        const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
        return (bright + 0.05) / (dark + 0.05);
    };
    const found = [];
    let seen = 0;
    const expect = (element, what, color, background, least) => {
        const ratio = contrast(color, background);
        seen += 1;
        if (ratio < least) found.push(`${element.id || element.className || element.tagName}: `
            + `${what} ${color} on ${background} has ${ratio.toFixed(2)}`);
    };
    for (const element of document.body.querySelectorAll("*")) {
        const style = getComputedStyle(element);
        const words = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
        if (style.visibility === "hidden" || !element.getClientRects().length) continue;
        if (words) expect(element, "text", style.color, behind(element), 4.5);
        if (element.placeholder) {
            const color = getComputedStyle(element, "::placeholder").color;
            expect(element, "placeholder", color, behind(element), 4.5);
        }
        const isControl = element.matches("input:not([type=file]), select, button");
        if (isControl && style.borderStyle !== "none")
            expect(element, "edge", style.borderTopColor, behind(element.parentElement), 3);
        const dot = getComputedStyle(element, "::before");
        if (element.id === "state") expect(element, "dot", dot.color, behind(element), 3);
        if (element.points) expect(element, "line", style.stroke, behind(element), 3);
    }
    return seen < 3 ? ["nothing was looked at"] : found;
}"""


async def fill(page, exercise: str) -> None:
    """Let the page show what it shows when it is used."""
    if "chat" in exercise or exercise == "typing_indicator":
        await page.get_by_label("Your name").fill(f"Ada {exercise[0]}")
        await page.keyboard.press("Enter")
        await page.get_by_text("(you)").wait_for()
    if await page.locator("#content").count():
        await page.get_by_label("Message", exact=True).fill("Hello, " + "long" * 40)
        await page.keyboard.press("Enter")
        await page.locator("#log").get_by_text("Hello, ").wait_for()
    if exercise == "notifications":
        await page.locator("#inbox li").nth(1).wait_for()
        await page.locator("#inbox button").last.press("Enter")  # read ones are shown, too
    if exercise == "dashboard":
        await page.locator("#age", has_text="live").wait_for()


async def stops(page) -> list[str]:
    """Press Tab until it comes around; return what it came to. Each must show that it is there."""
    rounds: list[list[str]] = [[]]
    for _ in range(60):
        await page.keyboard.press("Tab")
        focused = await page.evaluate(FOCUSED)
        if focused is None:
            if len(rounds) == 2:  # the first one began somewhere in the middle
                return rounds[1]
            rounds.append([])
            continue
        name, is_seen = focused
        assert is_seen, f"nobody sees that {name!r} has the focus"
        rounds[-1].append(name)
    raise AssertionError(f"The Tab key does not leave the page: {rounds[-1]}")


async def draw_with_keys(page) -> None:
    """Draw a line on the whiteboard without a mouse."""
    await page.locator("#glass").focus()
    for key in ["ArrowRight", " ", "ArrowDown", "Shift+ArrowDown"]:
        await page.keyboard.press(key)
    assert await page.locator("#pen").inner_text() == "The pen is down."
    for key in [" ", "ArrowDown"]:
        await page.keyboard.press(key)
    assert await page.locator("#pen").inner_text() == "The pen is up."


# Not in tests/browser: while the browser of those tests is open, `asyncio.run` raises.
@pytest.mark.browser
async def test_every_page_for_the_keyboard_the_ear_and_the_weak_eye():
    async with AsyncExitStack() as stack:
        try:
            browser = await stack.enter_async_context(chromium_beside())
        except NoBrowser as missing:
            pytest.skip(str(missing))
        await stack.enter_async_context(serving("counter", port=0))  # and stop all in the end
        context = await browser.new_context(viewport={"width": 1000, "height": 700})
        await context.add_init_script(WATCH)
        pages, servers = {}, {}
        for exercise in STOPS:
            options = {"pace": (0.1, 0.2)} if exercise == "notifications" else {}
            server = servers[exercise] = await start(exercise, port=0, **options)
            page = pages[exercise] = await context.new_page()
            await page.goto(server.page)
            await page.locator("#state", has_text="connected").wait_for()
            await fill(page, exercise)
            if exercise == "notifications":
                await server.stop()  # nothing comes any more while we look
                await page.locator("#state", has_text="lost").wait_for()

            # By keyboard
            found, wanted = await stops(page), STOPS[exercise]
            pattern = [re.escape(name).replace(r"\*", ".*") for name in wanted]
            for name, expected in zip(found, pattern, strict=exercise != "notifications"):
                assert re.fullmatch(expected, name), (exercise, found)

            # For the ear
            assert await page.evaluate(REGIONS) == LIVE[exercise]
            assert await page.locator("main").count() == await page.locator("h1").count() == 1
            assert await page.evaluate("document.documentElement.lang") == "en"
            unnamed = await page.evaluate(
                """() => Array.from(document.querySelectorAll("button, input, select, svg"))
                    .filter((e) => !(e.getAttribute("aria-label") ?? e.labels?.[0]?.textContent
                        ?? e.textContent).trim()).length"""
            )
            assert unnamed == 0

            # For the weak eye: in both schemes, and at four times the size (WCAG 2.2, 1.4.10).
            for scheme in ("light", "dark"):
                await page.emulate_media(color_scheme=scheme)
                assert await page.evaluate(PALE) == [], (exercise, scheme)
            await page.set_viewport_size({"width": 320, "height": 600})
            assert await page.evaluate("document.documentElement.scrollWidth") == 320, exercise

        await draw_with_keys(pages["whiteboard"])
        strokes = servers["whiteboard"].exercise_object.drawing.strokes
        await until(lambda: strokes and strokes[1].ended)
        assert list(map(list, strokes[1].points)) == [[410, 250], [410, 260], [410, 262]]

        # A number that comes each second is not read out each second.
        changes = await pages["dashboard"].evaluate("window.changes")
        assert changes.get("age", 0) <= 2 and changes.get("state", 0) <= 3, changes
        # Nor is each attempt to connect again.
        changes = await pages["notifications"].evaluate("window.changes")
        assert changes["state"] <= 3, changes
