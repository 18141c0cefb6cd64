"""The servers of the course: one file for each exercise, and what they share.

In a notebook::

    from server import start

    server = await start("counter")
    server
"""

from server.launch import Joined, Server, start, stop
from server.ports import PortTaken

__all__ = ["Joined", "PortTaken", "Server", "start", "stop"]
