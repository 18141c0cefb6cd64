"""The server of an exercise in a process that a notebook started: ``python -m server.child chat``.

It is ``python -m server chat`` with one difference: it ends when its standard input does. The other
end of that belongs to the kernel that started it. Whichever way the kernel ends, this ends, too.
"""

import asyncio
import os
import signal
import sys
import threading

from server.__main__ import parse_arguments, run


def end_with_input() -> None:
    """Do what Ctrl+C does as soon as the standard input ends."""
    while os.read(0, 1_024):
        pass
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    threading.Thread(target=end_with_input, daemon=True).start()
    sys.exit(asyncio.run(run(parse_arguments())))
