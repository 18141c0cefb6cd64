"""Many clients in one thread that do next to nothing, so that the server is what is measured.

They read raw bytes and count messages. A real client costs more than a fast server does. As a
program, with a process and so a core of its own, it measures a server and tells line by line what
it knows so far, as JSON: ``python -P client/crowd.py PORT CLIENTS SECONDS``.
"""

import argparse
import base64
import json
import os
import random
import selectors
import socket
import statistics
import string
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from itertools import cycle, islice

from websockets.frames import Frame, Opcode

LENGTH = 120  # bytes of a message
WORDS = 256  # different messages: the same again and again would compress too well
FIRST_BYTE = b"\x81"
DEADLINE = 60.0  # seconds
WINDOW = 128  # messages that may be on their way: enough to keep any server busy
PROGRESS = 0.1  # seconds


class Crowd:
    """Clients of one server, the first of which speaks."""

    def __init__(self, port: int, number: int, *, length: int = LENGTH) -> None:
        """Connect all at once, as a class does whose teacher's server comes back.

        Args:
            port: Where the server listens, on this computer.
            number: How many clients.
            length: The length of the messages, in bytes.

        Raises:
            TimeoutError: If they are not connected after a minute.
            ConnectionError: If the server refuses one.
        """
        began = time.perf_counter()
        self.clients = [socket.socket() for _ in range(number)]
        self.selector = selectors.DefaultSelector()
        self.rests = dict.fromkeys(self.clients, b"")  # what came of a frame that is not whole
        self.got: Counter[socket.socket] = Counter()  # messages
        self.unsent = b""
        self.messages = cycle(frame_of(length) for _ in range(WORDS))
        # The last one is the one that may stop reading. Its system shall not read on for it.
        self.clients[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**15)
        for client in self.clients:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            self.selector.register(client, selectors.EVENT_WRITE)
        compressed = self._shake_hands(port)
        self.count = count_compressed if compressed else count_plain
        self.seconds_to_connect = time.perf_counter() - began

    def _shake_hands(self, port: int) -> bool:
        """Connect each client. Returns whether the server compresses."""
        lines = [
            "GET / HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Extensions: permessage-deflate",  # as browsers do
        ]
        request = "\r\n".join([*lines, "", ""]).encode()
        heads = dict.fromkeys(self.clients, b"")
        deadline = time.monotonic() + DEADLINE
        while heads:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(heads)} clients are not connected after {DEADLINE:.0f} s")
            for key, events in self.selector.select(1):
                client = key.fileobj
                if events & selectors.EVENT_WRITE:
                    client.send(request)
                    self.selector.modify(client, selectors.EVENT_READ)
                    continue
                heads[client] += client.recv(4_096)
                head, end, self.rests[client] = heads[client].partition(b"\r\n\r\n")
                if end:
                    if not head.startswith(b"HTTP/1.1 101 "):
                        raise ConnectionError(f"The server answers {head[:80]!r}")
                    del heads[client]
        return b"permessage-deflate" in head

    def send(self, number: int = 1) -> None:
        """Let the first client send messages, or as much of them as its line takes now."""
        self.unsent += b"".join(islice(self.messages, number))
        try:
            sent = self.clients[0].send(self.unsent)
        except BlockingIOError:
            sent = 0
        self.unsent = self.unsent[sent:]

    def read(self, wait: float = 1.0) -> Counter[socket.socket]:
        """Wait until something comes. Returns how many messages came, to each client."""
        if self.unsent:
            self.send(0)
        came: Counter[socket.socket] = Counter()
        for key, _ in self.selector.select(wait):
            client = key.fileobj
            try:
                data = client.recv(2**18)
            except ConnectionError:
                data = b""
            if data:
                came[client], self.rests[client] = self.count(self.rests[client] + data)
            else:
                self.selector.unregister(client)
        self.got += came
        return came

    def read_all(self, number: int, within: float = DEADLINE) -> None:
        """Read until so many messages came to all together.

        Raises:
            TimeoutError: If they have not come in time, in seconds.
        """
        deadline = time.monotonic() + within
        while number > 0:
            number -= self.read(min(1.0, within)).total()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{number} messages have not come after {within:.0f} s")
        assert number == 0, f"{-number} messages more than were sent"

    def expect_no_more(self, within: float = 0.2) -> None:
        """Wait a moment, in seconds, and see that nothing comes that was not sent."""
        more = self.read(within).total()
        assert not more, f"{more} messages more than were sent"

    def send_alone(self, times: int, within: float = DEADLINE) -> float:
        """Send a message and wait until all have it, several times.

        Returns:
            The median of how long that takes, in seconds.

        Raises:
            TimeoutError: If they do not have it in time, in seconds.
        """
        durations = []
        for _ in range(times):
            began = time.perf_counter()
            self.send()
            self.read_all(len(self.clients), within)
            durations.append(time.perf_counter() - began)
        return statistics.median(durations)

    def flood(
        self, seconds: float, on_progress: Callable[[int, float], None] = lambda *_: None
    ) -> tuple[int, int, float]:
        """Keep the server busy: a new message whenever one has come to all.

        Args:
            seconds: How long.
            on_progress: Called now and then, with how many messages came, and in which time.

        Returns:
            How many messages were sent, how many came to all together, and in which time.
        """
        sent = delivered = 0
        began = told = time.perf_counter()
        while (now := time.perf_counter()) < began + seconds:
            if now - told > PROGRESS:
                told = now
                on_progress(delivered, now - began)
            free = WINDOW - sent + delivered // len(self.clients)
            self.send(free)
            sent += free
            delivered += self.read(PROGRESS).total()
        return sent, delivered, time.perf_counter() - began

    def stop_reading(self, client: socket.socket) -> None:
        """Let a client read nothing any more, without a goodbye."""
        self.selector.unregister(client)

    def close(self) -> None:
        self.selector.close()
        for client in self.clients:
            client.close()


def frame_of(length: int) -> bytes:
    """Return the frame of a client, whose message has a length in bytes."""
    message = {"type": "message", "content": ""}
    free = length - len(json.dumps(message))
    message["content"] = "".join(random.choices(string.ascii_letters + " ", k=free))
    return Frame(Opcode.TEXT, json.dumps(message).encode()).serialize(mask=True)


def count_plain(data: bytes) -> tuple[int, bytes]:
    """Count the messages in some bytes from a server. Returns also bytes to look at again.

    The messages are ASCII, so the first byte of a frame (0x81: text, whole) is nowhere else.
    """
    return data.count(FIRST_BYTE), b""


def count_compressed(data: bytes) -> tuple[int, bytes]:
    """Count the messages in some bytes from a server. Returns also what has come of the last."""
    number, at, end = 0, 0, len(data)
    while at + 4 <= end:
        length, header = data[at + 1], 2
        if length == 126:
            length, header = data[at + 2] << 8 | data[at + 3], 4
        if at + header + length > end:
            break
        number += data[at] & 0x0F == Opcode.TEXT  # not the pings
        at += header + length
    return number, data[at:]


def main() -> None:
    """Measure a server, and print what is known so far, line by line."""
    parser = argparse.ArgumentParser(description="Measure a server of this computer.")
    parser.add_argument("port", type=int)
    parser.add_argument("clients", type=int)
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    # Whoever wants to know holds the other end of our standard input, and we go when they do.
    listening = threading.Thread(target=end_with_input, daemon=True)
    listening.start()
    try:
        with closing(Crowd(options.port, options.clients)) as crowd:
            crowd.send_alone(1, within=5)  # with the first one, everything is slower
            alone = crowd.send_alone(5, within=5)

            def tell(delivered: int, seconds: float, *, done: bool = False) -> None:
                known = {"delivered": delivered, "seconds": seconds, "alone": alone, "done": done}
                print(json.dumps(known), flush=True)

            sent, delivered, seconds = crowd.flood(options.seconds, tell)
            crowd.read_all(sent * options.clients - delivered, within=5)
            crowd.expect_no_more()
            tell(delivered, seconds, done=True)
            listening.join()  # who went now would disturb what the server still has to do
    except (TimeoutError, AssertionError) as error:
        print(json.dumps({"wrong": str(error)}), flush=True)
        listening.join()
    except OSError as error:
        print(json.dumps({"failed": str(error)}), flush=True)
        listening.join()


def end_with_input() -> None:
    """End this process as soon as its standard input ends."""
    while os.read(0, 1_024):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
