"""Let thirty clients draw at once on a whiteboard whose server runs in a real kernel.

Run it with ``python -m tools.draw_together``. It prints what came too late or not at all, and for
how long the event loop of the kernel had no time for anybody else.
"""

import argparse
import json
import os
import selectors
import socket
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jupyter_client import BlockingKernelClient, KernelManager
from websockets.frames import Frame, Opcode

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 20.0  # seconds that the last point may take
SERVE = 'from server import start\n\nserver = await start("whiteboard", port=0)\nserver'
# How late a task is that wants to run every 2 ms: so long, nobody else had a turn either.
WATCH = """
import asyncio, time

async def watch(step=0.002):
    while True:
        began = time.perf_counter()
        await asyncio.sleep(step)
        late.append(time.perf_counter() - began - step)

late, began, cpu = [], time.perf_counter(), time.process_time()
watching = asyncio.ensure_future(watch())
print(server.url.rpartition(":")[2])
""".strip()
REPORT = """
watching.cancel()
busy = (time.process_time() - cpu) / (time.perf_counter() - began)
points = sum(len(s.points) for s in server.handler.__self__.drawing.strokes.values())
print(json.dumps({"late": sorted(late)[-5:], "busy": busy, "points": points}))
""".strip()


class Hand:
    """A client in the least code that draws and notes when it hears of what.

    It takes the bytes of frames apart by itself: a real client would cost more than the server.
    """

    def __init__(self, port: int, name: str) -> None:
        self.name, self.pen, self.number = name, 0, 0
        self.rest = b""
        self.sent: dict[int, float] = {}  # when each of our messages went out
        self.heard = 0  # points
        self.line = socket.create_connection(("127.0.0.1", port))
        head = ["GET /?batch=1 HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket"]
        head += ["Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
        self.line.sendall("\r\n".join([*head, "Sec-WebSocket-Version: 13", "", ""]).encode())
        while b"\r\n\r\n" not in self.rest:
            self.rest += self.line.recv(4_096)
        self.rest = self.rest.partition(b"\r\n\r\n")[2]
        self.say({"type": "join", "username": name})

    def say(self, message: dict[str, Any]) -> None:
        self.line.sendall(Frame(Opcode.TEXT, json.dumps(message).encode()).serialize(mask=True))

    def draw(self, message: dict[str, Any]) -> None:
        self.number += 1
        self.sent[self.number] = time.perf_counter()
        self.say(message | {"n": self.number})

    def hear(self) -> Iterator[bytes]:
        """Yield the messages that have come."""
        data, at = self.rest + self.line.recv(2**18), 0
        while at + 4 <= len(data):
            length, header = data[at + 1], 2
            if length >= 126:
                header = 4 if length == 126 else 10
                length = int.from_bytes(data[at + 2 : at + header])
            end = at + header + length
            if end > len(data):
                break
            payload = data[at + header : end]
            if data[at] & 0x0F == Opcode.PING:
                self.line.sendall(Frame(Opcode.PONG, payload).serialize(mask=True))
            elif data[at] & 0x0F == Opcode.TEXT:
                yield payload
            at = end
        self.rest = data[at:]


def draw_together(port: int, clients: int, rate: float, seconds: float) -> tuple[list[float], int]:
    """Let clients draw at once.

    Returns:
        How long each point took to each client, in seconds, and how many never came.
    """
    hands = [Hand(port, f"Hand {number}") for number in range(1, clients + 1)]
    by_pen: dict[int, Hand] = {}
    behind: list[float] = []
    with selectors.DefaultSelector() as selector:
        for hand in hands:
            selector.register(hand.line, selectors.EVENT_READ, hand)

        def listen(until: float) -> None:
            wait = max(0.0, until - time.perf_counter())
            for key, _ in selector.select(wait):
                for message in key.data.hear():
                    if message.startswith(b'{"type": "welcome"'):
                        key.data.pen = json.loads(message)["pen"]
                        by_pen[key.data.pen] = key.data
                    elif message.startswith(b'{"type": "draw_points"'):
                        # It ends with: "pen": 7, "n": 120}
                        _, pen, _, number = message.rsplit(b" ", 3)
                        sent = by_pen[int(pen[:-1])].sent[int(number[:-1])]
                        behind.append(time.perf_counter() - sent)
                        key.data.heard += 1
                    elif message.startswith(b'{"type": "error"'):
                        raise RuntimeError(f"The server refuses: {message.decode()}")

        while len(by_pen) < clients:
            listen(time.perf_counter() + 1)
        for hand in hands:
            hand.draw({"type": "draw_start", "x": 0, "y": hand.pen})
        began, points = time.perf_counter(), round(rate * seconds)
        # Each has a moment of its own: hands do not move in step.
        plan = [
            (began + (step + place / clients) / rate, step, hand)
            for step in range(points)
            for place, hand in enumerate(hands)
        ]
        for due, step, hand in plan:
            while time.perf_counter() < due:
                listen(due)
            hand.draw({"type": "draw_points", "points": [[step % 800, hand.pen + step % 300]]})
        expected, deadline = points * clients * clients, time.perf_counter() + PATIENCE
        while len(behind) < expected and time.perf_counter() < deadline:
            listen(time.perf_counter() + 0.1)
    for hand in hands:
        hand.line.close()
    return behind, expected - len(behind)


def run(kernel: BlockingKernelClient, code: str) -> str:
    """Run a cell, and return what it printed."""
    printed: list[str] = []

    def note(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    answer = kernel.execute_interactive(code, timeout=60, output_hook=note)
    if answer["content"]["status"] != "ok":
        raise RuntimeError("\n".join(answer["content"]["traceback"]))
    return "".join(printed)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.draw_together", description=__doc__)
    parser.add_argument("--clients", type=int, default=30, metavar="N")
    parser.add_argument("--rate", type=float, default=30, metavar="HZ", help="points of each (30)")
    parser.add_argument("--seconds", type=float, default=30, metavar="S")
    options = parser.parse_args()
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    kernel = manager.client()
    try:
        kernel.start_channels()
        kernel.wait_for_ready(timeout=60)
        run(kernel, SERVE)
        port = int(run(kernel, WATCH).partition("/")[0])
        behind, lost = draw_together(port, options.clients, options.rate, options.seconds)
        said = json.loads(run(kernel, f"import json\n{REPORT}"))
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)
    percents = statistics.quantiles(behind, n=100)
    figures = [statistics.median(behind), percents[94], max(behind), max(said["late"])]
    row = [options.clients, f"{options.rate:g}/s", f"{options.seconds:g} s", len(behind), lost]
    row += [f"{1_000 * figure:.0f}" for figure in figures] + [f"{100 * said['busy']:.0f} %"]
    print(
        "| clients | points of each | for | deliveries | lost | behind, ms: median "
        "| 95th percentile | most | the loop was blocked for, ms | kernel's CPU |"
    )
    print("|---" * 10 + "|")
    print(f"| {' | '.join(map(str, row))} |")
    print(
        f"\nPoints on the sheet: {said['points']:,}. The loop was late by, at most, in ms: ", end=""
    )
    print(", ".join(f"{1_000 * late:.0f}" for late in said["late"]))


if __name__ == "__main__":
    main()
