"""The client of exercise 5: toasts that come and go, and an inbox of what was not yet read."""

from collections import deque
from datetime import datetime
from html import escape
from typing import Any

from ipywidgets import HTML, Button, HBox, Layout, VBox

from client.inbox import KEPT, Inbox, Notification
from client.widget import Client
from server.messages import Message

ROWS = 20  # notifications that the inbox shows at most


class NotificationsClient(Client):
    """Shows each notification as a toast for some seconds, and in an inbox until it is dismissed.

    Attributes:
        inbox: What came, and what of it is unread.
        toasts: The notifications whose time as a toast is not over, the newest last.
        stay: How long a toast stays, in seconds.
        most_toasts: How many toasts are shown at a time; others only count.
    """

    title = "Notifications"
    stay = 5.0
    most_toasts = 3

    def build(self) -> list[Any]:
        self.inbox = Inbox()
        self.toasts: deque[Notification] = deque(maxlen=KEPT)
        self._painter = self.painter(self._paint)
        self._rows: list[Row] = []
        self.badge = HTML(layout=Layout(flex="1 1 auto"))
        self.all_button = self.button("Dismiss all", self.dismiss_all)
        self.list = VBox(layout=Layout(height="160px"))
        self.list.add_class("course-inbox")
        self.pile = HTML()
        self.pile.add_class("course-toasts")
        self._paint()
        head = HBox([self.badge, self.all_button], layout=Layout(align_items="center"))
        return [head, self.list, self.pile]

    @property
    def unread(self) -> int:
        """How many notifications came and were not dismissed."""
        return self.inbox.unread

    def received(self, message: Message) -> None:
        if message["type"] != "notification":
            return
        new = self.inbox.arrived(message["id"], message["message"], message["timestamp"])
        if new is not None:
            self.toasts.append(new)
            self._loop.call_later(self.stay, self._run, self._toast_leaves, new)
            self._painter.changed()

    def dismiss(self, identifier: str) -> None:
        """Mark the notification with this id as read, and take its toast away."""
        self.inbox.dismiss(identifier)
        for toast in [toast for toast in self.toasts if toast.identifier == identifier]:
            self.toasts.remove(toast)
        self._painter.changed()

    def dismiss_all(self) -> None:
        """Mark all notifications as read, and take all toasts away."""
        self.inbox.dismiss_all()
        self.toasts.clear()
        self._painter.changed()

    def _toast_leaves(self, toast: Notification) -> None:
        if toast in self.toasts:
            self.toasts.remove(toast)
            self._painter.changed()

    def _paint(self) -> None:
        unread = self.unread
        self.badge.value = (
            f'<span class="course-bell" role="status">🔔 <b class="course-unread">{unread:,}</b> '
            "unread</span>"
        )
        self.all_button.disabled = unread == 0
        self.pile.value = self._toasts_html()
        self._paint_rows()

    def _toasts_html(self) -> str:
        shown = list(self.toasts)[: -self.most_toasts - 1 : -1]
        hidden = len(self.toasts) - len(shown)
        rows = (f'<div class="course-toast">🔔 {escape(toast.text)}</div>' for toast in shown)
        more = f'<div class="course-quiet">and {hidden} more</div>' if hidden else ""
        return f'<div role="log" aria-label="Toasts">{"".join(rows)}{more}</div>'

    def _paint_rows(self) -> None:
        """Give each notification a row of its own. The rows stay where they are; CSS sorts them.

        If all texts moved down by one instead, a click might hit the one that came in between.
        """
        newest = self.inbox.newest(ROWS)
        used = {row.notification.identifier: row for row in self._rows}
        free = [used[gone] for gone in used.keys() - {new.identifier for new in newest}]
        for new in newest:
            row = used.get(new.identifier) or (free.pop() if free else self._add_row(new))
            row.show(new)
        if len(self.list.children) != len(self._rows):
            self.list.children = [row.widget for row in self._rows]

    def _add_row(self, notification: Notification) -> "Row":
        button = self.button("✕", lambda: self.dismiss(row.notification.identifier))
        row = Row(notification, button)
        self._rows.append(row)
        return row


class Row:
    """One notification in the inbox, and the button that dismisses it."""

    def __init__(self, notification: Notification, button: Button) -> None:
        self.notification = notification
        self.words = HTML(layout=Layout(flex="1 1 auto", min_width="0"))
        self.button = button
        self.button.layout.width = "34px"
        self.widget = HBox([self.words, button])

    def show(self, notification: Notification) -> None:
        """Show a notification as it is now."""
        self.notification = notification
        style = "course-fresh" if notification.is_unread else "course-quiet"
        time = f'<span class="course-time">{clock_time(notification.timestamp)}</span>'
        self.words.value = f'<div class="{style}">{time}{escape(notification.text)}</div>'
        self.button.tooltip = f"Dismiss: {notification.text}"
        self.button.layout.visibility = "visible" if notification.is_unread else "hidden"
        self.widget.layout.order = str(-notification.number)


def clock_time(timestamp: str) -> str:
    """Return the time of day here; nothing, if it is no timestamp."""
    try:
        return f"{datetime.fromisoformat(timestamp).astimezone():%H:%M:%S}"
    except ValueError:
        return ""
