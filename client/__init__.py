"""The clients of the course: one file for each exercise, and what they share.

In a notebook::

    from client import CounterClient, side_by_side

    side_by_side(CounterClient(server.url), CounterClient(server.url))
"""

from client.chat import ChatClient
from client.connect import ConnectClient
from client.counter import CounterClient
from client.dashboard import DashboardClient
from client.heartbeat import Heartbeat
from client.ladder import Ladder
from client.listeners import Listeners
from client.notifications import NotificationsClient
from client.quiz import Quiz
from client.race import Race
from client.sharing import Sharing, share_progress
from client.teacher import TeacherView
from client.typing_indicator import TypingIndicatorClient
from client.whiteboard import WhiteboardClient
from client.widget import Client, close_all, close_button, side_by_side
from client.wire import Wire

__all__ = [
    "ChatClient",
    "Client",
    "ConnectClient",
    "CounterClient",
    "DashboardClient",
    "Heartbeat",
    "Ladder",
    "Listeners",
    "NotificationsClient",
    "Quiz",
    "Race",
    "Sharing",
    "TeacherView",
    "TypingIndicatorClient",
    "WhiteboardClient",
    "Wire",
    "close_all",
    "close_button",
    "share_progress",
    "side_by_side",
]
