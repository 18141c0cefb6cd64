"""Measure what a Wire costs the traffic that it watches: ``python -m tools.measure_wire``.

One client of the room says something, and all of its clients get it. Rounds without a Wire, with
one, and after it was closed take turns in one process, so that what else the computer does falls on
all alike.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

from websockets.asyncio.client import ClientConnection, connect

from client import Wire
from server import Server, start, stop
from server.messages import encode

MESSAGE = encode({"type": "message", "content": "x" * 80})
WAYS = ("no Wire", "a Wire that shows the diagram", "a Wire that shows the table", "a closed Wire")


async def listen(websocket: ClientConnection, count: int) -> None:
    """Read so many of the messages that somebody has said."""
    async for text in websocket:
        if '"content"' in text:
            count -= 1
            if not count:
                return


async def flood(clients: list[ClientConnection], messages: int) -> float:
    """Say everything at once. Returns how many frames per second have passed."""
    began = time.perf_counter()
    readers = [asyncio.create_task(listen(websocket, messages)) for websocket in clients]
    for _ in range(messages):
        await clients[0].send(MESSAGE)
    await asyncio.gather(*readers)
    return messages * (1 + len(clients)) / (time.perf_counter() - began)


async def steady(clients: list[ClientConnection], messages: int) -> float:
    """Say something a thousand frames a second. Returns the median delay in milliseconds."""
    pause = (1 + len(clients)) / 1_000
    delays: list[float] = []
    loop = asyncio.get_running_loop()
    due = loop.time()
    for _ in range(messages):
        due += pause
        await asyncio.sleep(max(0, due - loop.time()))
        began = time.perf_counter()
        await clients[0].send(MESSAGE)
        await listen(clients[-1], 1)
        delays.append(1_000 * (time.perf_counter() - began))
    for websocket in clients[:-1]:
        await listen(websocket, messages)
    return statistics.median(delays)


async def rounds(
    server: Server,
    clients: list[ClientConnection],
    measure: Callable[[list[ClientConnection], int], Awaitable[float]],
    options: argparse.Namespace,
) -> dict[str, float]:
    """Return the median of what was measured, for each way."""
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(options.rounds):
        for way in WAYS:
            view = "table" if way.endswith("table") else "diagram"
            wire = None if way == "no Wire" else Wire(server, view)
            if wire is not None and way == "a closed Wire":
                wire.close()
            found[way].append(await measure(clients, options.messages))
            if wire is not None:
                wire.close()
    return {way: statistics.median(values) for way, values in found.items()}


async def main(options: argparse.Namespace) -> None:
    server = await start("connect", port=0)
    clients = [
        await connect(server.url, compression=None, proxy=None, max_queue=None)
        for _ in range(options.clients)
    ]
    print("| | frames/s, as many as can be | ratio | delay at 1,000 frames/s, ms |")
    print("|---|---|---|---|")
    most = await rounds(server, clients, flood, options)
    delay = await rounds(server, clients, steady, options)
    for way in WAYS:
        ratio = most[way] / most["no Wire"]
        print(f"| {way} | {most[way]:,.0f} | {ratio:.2f} | {delay[way]:.2f} |")
    for websocket in clients:
        await websocket.close()
    await stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tools.measure_wire", description=__doc__)
    parser.add_argument("--clients", type=int, default=9, metavar="N", help="in the room (9)")
    parser.add_argument("--messages", type=int, default=500, metavar="N", help="a round (500)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="of each way (7)")
    asyncio.run(main(parser.parse_args()))
