"""The checks of the course: one file for each exercise, and what they share.

In a notebook::

    from checks import check_counter

    await check_counter(handler)
"""

from checks.chat import check_chat, check_chat_client
from checks.connect import check_connect, check_connect_client
from checks.counter import check_counter, check_counter_client
from checks.course_map import course_map
from checks.dashboard import check_dashboard, check_dashboard_client
from checks.notifications import check_notifications, check_notifications_client
from checks.scale import check_scale
from checks.start_here import check_handshake, check_masking
from checks.typing_indicator import check_typing_indicator, check_typing_indicator_client
from checks.whiteboard import check_whiteboard, check_whiteboard_client

__all__ = [
    "check_chat",
    "check_chat_client",
    "check_connect",
    "check_connect_client",
    "check_counter",
    "check_counter_client",
    "check_dashboard",
    "check_dashboard_client",
    "check_handshake",
    "check_masking",
    "check_notifications",
    "check_notifications_client",
    "check_scale",
    "check_typing_indicator",
    "check_typing_indicator_client",
    "check_whiteboard",
    "check_whiteboard_client",
    "course_map",
]
