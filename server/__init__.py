"""The servers of the course: one file for each exercise, and what they share.

In a notebook::

    from server import start

    server = await start("counter")
    server
"""

from server.joined import Joined
from server.launch import join, start, stop
from server.ports import PortTaken
from server.process import ServerProcess, start_process
from server.redis_process import RedisProcess, start_redis
from server.running import Server

__all__ = [
    "Joined",
    "PortTaken",
    "RedisProcess",
    "Server",
    "ServerProcess",
    "join",
    "start",
    "start_process",
    "start_redis",
    "stop",
]
