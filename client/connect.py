"""The client of exercise 1: say something, and see all that the server sends."""

import json

from ipywidgets import HBox, Label, Layout, Widget

from client.log import Log
from client.widget import Client
from server.messages import Message


class ConnectClient(Client):
    """Shows every message, as the words it brings or as the text it is.

    Attributes:
        client_count: How many clients the server told to be there, or None.
        log: What was sent and received; ``log.lines`` are its texts.
    """

    title = "Client"

    def build(self) -> list[Widget]:
        self.client_count: int | None = None
        self.log = Log()
        self.count = Label("", layout=Layout(margin="0 12px"))
        self.field = self.text_field("Say something", self.say, layout=Layout(flex="1 1 120px"))
        self.send_button = self.button("Send", self.say, self.field, button_style="primary")
        self.ping_button = self.button("Ping", self.ping, tooltip="Ask the server for a pong")
        self.leave_button = self.button("Disconnect", self.leave_or_return)
        self.cut_button = self.button("Cut the line", self.cut, tooltip="Like a pulled cable")
        return [
            self.count,
            self.log.widget,
            _row(self.field, self.send_button),
            _row(self.ping_button, self.leave_button, self.cut_button),
        ]

    def say(self) -> None:
        """Send what is in the text field as a message to everybody."""
        if self.field.value:
            self.send({"type": "message", "content": self.field.value})
            self.field.value = ""

    def ping(self) -> None:
        """Ask the server for a pong."""
        self.send({"type": "ping"})

    def leave_or_return(self) -> None:
        """Disconnect; or connect again."""
        if self.state in {"disconnected", "refused"}:
            self.reconnect()
        else:
            self.disconnect()

    def connected(self) -> None:
        self.leave_button.description = "Disconnect"

    def lost(self) -> None:
        self.client_count, self.count.value = None, ""
        if self.state == "disconnected":
            self.leave_button.description = "Connect"

    def received(self, message: Message) -> None:
        match message:
            case {"type": "message", "from": sender, "content": content}:
                self.log.add(f"{sender}: {content}")
            case {"type": "user_joined" | "user_left", "message": words, "client_count": count}:
                self.client_count = count
                self.count.value = f"{count} connected"
                self.log.add(words, quiet=True)
            case {"type": "system" | "error", "message": words}:
                self.log.add(words, quiet=True)
            case _:
                self.log.add(json.dumps(message, ensure_ascii=False), quiet=True)

    def received_text(self, text: str) -> None:
        self.log.add(text)


def _row(*widgets: Widget) -> HBox:
    for widget in widgets:
        widget.layout.flex = widget.layout.flex or "1 1 90px"
    return HBox(widgets, layout=Layout(flex_flow="row wrap"))
