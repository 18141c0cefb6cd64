"""The pad: a pane of glass above a sheet, which takes what a hand draws."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets


class Pad(anywidget.AnyWidget):
    """Shows at once what a hand draws on it, and tells the kernel, several points in one message.

    ipycanvas sends one message to the kernel for each move of the mouse, and each makes JupyterLab
    do more work than the drawing itself. So the moves are collected where they arise.

    Attributes:
        color: The colour in which a hand draws, such as "#1a73e8".
        stroke: How wide, in pixels.
    """

    _esm = Path(__file__).parent / "pad.js"
    width = traitlets.Int(800).tag(sync=True)
    height = traitlets.Int(500).tag(sync=True)
    color = traitlets.Unicode("#222222").tag(sync=True)
    stroke = traitlets.Int(3).tag(sync=True)

    def on_events(self, function: Callable[[str, int, list[dict[str, Any]]], Any]) -> None:
        """Call a function with each message from a page: its view, its number, the events in it.

        A widget may be shown in several views, and each counts its own messages.
        """

        def take(_: Any, content: Any, __: Any) -> None:
            if isinstance(content, dict) and isinstance(content.get("events"), list):
                function(str(content["view"]), int(content["number"]), content["events"])

        self.on_msg(take)

    def tell(self, view: str, taken: int, drawn: int) -> None:
        """Tell a view which of its messages was taken last, and which is painted on the sheet."""
        self.send({"view": view, "taken": taken, "drawn": drawn})

    def wipe(self) -> None:
        """Take away what is on the glass: it was refused."""
        self.send({"refused": True})
