"""What several tests need."""

import socket

import pytest


@pytest.fixture
def free_port() -> int:
    """Return a port on which nobody listens yet."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
