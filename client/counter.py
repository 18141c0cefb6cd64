"""The client of exercise 4: a number, a button to add one, and a button to take one away."""

from ipywidgets import HTML, HBox, Layout

from client.widget import Client
from server.messages import Message

LARGE = {"font_size": "20px"}


class CounterClient(Client):
    """Shows the shared number.

    Attributes:
        value: The number that the server told last, or None before it told any.
    """

    title = "Counter"

    def build(self) -> HBox:
        self.value: int | None = None
        self._painter = self.painter(self._paint)
        self.number = HTML(layout=Layout(flex="1 1 auto"))
        self.minus = self.button("−", self.decrement, tooltip="Take one away", style=LARGE)
        self.plus = self.button("+", self.increment, tooltip="Add one", style=LARGE)
        self._paint()
        return HBox([self.minus, self.number, self.plus], layout=Layout(align_items="center"))

    def increment(self) -> None:
        """Ask the server to add one. The number changes when the server says so."""
        self.send({"type": "increment"})

    def decrement(self) -> None:
        """Ask the server to take one away."""
        self.send({"type": "decrement"})

    def received(self, message: Message) -> None:
        if message["type"] == "counter":
            self.value = message["value"]
            self._painter.changed()

    def _paint(self) -> None:
        shown = "–" if self.value is None else f"{self.value:,}"
        self.number.value = f'<div class="course-number" role="status">{shown}</div>'
