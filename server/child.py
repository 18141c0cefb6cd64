"""The server of an exercise in a process that a notebook started: ``python -m server.child chat``.

It is ``python -m server chat`` with two differences. It ends when its standard input does: the
other end of that belongs to the kernel that started it, so whichever way the kernel ends, this
ends, too. And the address of a Redis comes in a variable of its environment.
"""

import asyncio
import os
import signal
import sys
import threading

from server.__main__ import parse_arguments, run
from server.process import VIA


def end_with_input() -> None:
    """Do what Ctrl+C does as soon as the standard input ends."""
    while os.read(0, 1_024):
        pass
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    threading.Thread(target=end_with_input, daemon=True).start()
    via = os.environ.get(VIA)
    arguments = sys.argv[1:] + ([] if via is None else ["--via", via])
    sys.exit(asyncio.run(run(parse_arguments(arguments))))
