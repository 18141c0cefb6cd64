"""A server's page within its card in the notebook, for who asks for it."""

import asyncio
from html import escape
from typing import Any

from ipywidgets import HTML, Button, Layout, VBox

SHOW, HIDE = "Show its page here", "Hide its page"


class InlinePage:
    """A button, and the page that it shows below itself and takes away again.

    Not from the beginning: the page is a client like any other, and one more who is connected.
    """

    def __init__(self, exercise: str) -> None:
        """Make one without a page; `show` says where that is.

        Args:
            exercise: What the page is of, for who cannot see it.
        """
        self._title = f"The page of the {exercise} server"
        self._address: str | None = None
        self._wanted = False
        # A press may arrive in another thread, which has another loop.
        self._loop = asyncio.get_running_loop()
        self._button = Button(description=SHOW)
        self._button.on_click(self._pressed)
        self._frame = HTML(layout=Layout(display="none"))
        self.widget = VBox([self._button, self._frame], layout=Layout(display="none"))
        self.widget.add_class("course-inline")

    def show(self, address: str | None) -> None:
        """Say where the page is; None if there is none now."""
        if address != self._address:
            self._address = address
            self._paint()

    def _pressed(self, _button: Any) -> None:
        self._loop.call_soon_threadsafe(self._toggle)

    def _toggle(self) -> None:
        self._wanted = not self._wanted
        self._paint()

    def _paint(self) -> None:
        shown = self._wanted and self._address is not None
        self.widget.layout.display = "none" if self._address is None else ""
        self._button.description = HIDE if shown else SHOW
        self._frame.layout.display = "" if shown else "none"
        # Without its element, the page is gone, and its connection with it.
        self._frame.value = (
            f'<iframe src="{escape(self._address)}" title="{escape(self._title)}"></iframe>'
            if shown
            else ""
        )
