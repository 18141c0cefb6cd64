"""Browsers that come another way: a page of somebody else's, and one over an encrypted line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from client import ChatClient, ConnectClient
from server import join
from tests.lab import NoBrowser, chromium_beside
from tests.test_command_line import address, run
from tests.wire import serving, within

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

playwright = pytest.importorskip("playwright.async_api")
expect = playwright.expect
STRANGER = Path(__file__).parent / "strangers_page.html"
# An address of this computer at which the door knows nobody, so that the token counts.
CLASSROOM = "127.0.0.2"


@asynccontextmanager
async def a_browser() -> AsyncIterator[Browser]:
    """Chromium; without one the test is skipped."""
    try:
        async with chromium_beside() as browser:
            yield browser
    except NoBrowser as missing:
        pytest.skip(str(missing))


# Somebody else's page


@asynccontextmanager
async def a_site_of_its_own() -> AsyncIterator[int]:
    """Serve the stranger's page, as its own server would; gives the port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = STRANGER.read_bytes()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


class Stranger:
    """The stranger's page in one tab, as somebody uses it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.status, self.online = page.locator("#status"), page.locator("#online")
        self.messages = page.locator("#messages")

    async def press(self, button: str, words: str = "") -> None:
        if words:
            await self.page.get_by_label("Message").fill(words)
        await self.page.get_by_role("button", name=button, exact=True).click()

    async def connect(self, url: str) -> None:
        await self.page.get_by_label("Address").fill(url)
        await self.press("Connect")


# Not in tests/browser: while the browser of those tests is open, `asyncio.run` raises.
@pytest.mark.browser
async def test_a_page_that_others_wrote_for_the_exercise_sheet_works_with_our_server():
    async with a_browser() as browser, a_site_of_its_own() as port:
        site = f"http://localhost:{port}"
        command = ("-m", "server", "connect", "--port", "0", "--origin", site)
        async with run(*command) as process:
            url = await within(address(process))
            one, two = [Stranger(await browser.new_page()) for _ in range(2)]
            for number, tab in enumerate((one, two), start=1):
                await tab.page.goto(site)
                await tab.connect(url)
                await expect(tab.status).to_have_text("connected")
                await expect(tab.messages).to_contain_text(f"* Welcome! You are Guest {number}.")
                await expect(one.online).to_have_text(str(number))
            await expect(one.messages).to_contain_text("* Guest 2 joined.")

            # A notebook's client is in the same room.
            ada = ConnectClient(url, "Ada")
            await expect(two.online).to_have_text("3")
            await one.press("Send", "Hello <b>all</b>")
            for tab in (one, two):
                await expect(tab.messages).to_contain_text(": Hello <b>all</b>\n")
                await expect(tab.messages).to_contain_text("Guest 1 at 20")
            await ada.until(lambda: any("Hello <b>all</b>" in line for line in ada.log.lines))
            ada.send({"type": "message", "content": "And to you"})
            await expect(two.messages).to_contain_text(": And to you")

            # What only the sender hears.
            await one.press("Ping")
            await expect(one.messages).to_contain_text("* pong with a time")
            await one.press("Send as it is", '{"type": "dance"}')
            await expect(one.messages).to_contain_text('* echo of {"type": "dance"}')
            await one.press("Send as it is", "no JSON")
            await expect(one.messages).to_contain_text("Echo: no JSON")
            await one.press("Send as it is", '{"type": "message"}')
            await expect(one.messages).to_contain_text("* error: The field 'content' is missing.")
            for text in ("pong", "dance", "no JSON", "error"):
                await expect(two.messages).not_to_contain_text(text)

            # It leaves, and comes back.
            await one.press("Disconnect")
            await expect(one.status).to_have_text("closed (1005)")  # it gave no code
            await expect(two.messages).to_contain_text("* Guest 1 left.")
            await expect(two.online).to_have_text("2")
            await one.press("Connect")
            await expect(two.online).to_have_text("3")

            # From an origin that was not named, the very same page is refused.
            await two.page.goto(f"http://127.0.0.1:{port}")
            await two.connect(url)
            await expect(two.status).to_have_text("closed (1006)")
            ada.close()
            await within(ada.wait_closed())


# An encrypted line


@pytest.mark.browser
async def test_a_page_over_a_certificate_made_on_the_spot():
    if sys.platform == "darwin":
        pytest.skip("macOS does not have 127.0.0.2 from the beginning")
    async with a_browser() as browser, serving("chat", port=0) as server:
        await server.move(CLASSROOM, tls=True)
        link = replace(server.link, host=CLASSROOM)
        assert str(link).startswith("https://") and "#" in str(link)  # with the fingerprint

        careful = await browser.new_page()
        with pytest.raises(playwright.Error, match="ERR_CERT_AUTHORITY_INVALID"):
            await careful.goto(str(link))

        # Somebody reads the warning, and goes on.
        context = await browser.new_context(ignore_https_errors=True)
        page, lines = await context.new_page(), []
        page.on("websocket", lambda line: lines.append(line.url))
        assert (await page.goto(link.public.page)).status == 401
        assert (await page.goto(str(link))).status == 200
        assert "token" not in page.url
        await expect(page.locator("#state")).to_have_text("connected")
        [kept] = await context.cookies()
        assert kept["secure"] and kept["httpOnly"] and kept["sameSite"] == "Lax"
        assert lines == [f"wss://{link.place}/"]

        # A kernel is in the same room, by the same link.
        ada = ChatClient(await within(join(str(link))), "Ada")
        await page.get_by_label("Your name").fill("Bob")
        await page.get_by_role("button", name="Join").click()
        await ada.until(lambda: sorted(ada.users) == ["Ada", "Bob"])
        await page.get_by_label("Message", exact=True).fill("In secret")
        await page.keyboard.press("Enter")
        await ada.until(lambda: any("In secret" in line for line in ada.log.lines))
        ada.close()
        await within(ada.wait_closed())
