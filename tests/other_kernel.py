"""Another kernel, as far as `start` goes: a process that does what it reads, a line at a time.

``start counter`` starts an exercise, ``stop`` stops it. It answers with one line of JSON.
"""

import asyncio
import json
import sys

from server import start, stop


async def do(words: list[str]) -> dict[str, str]:
    match words:
        case ["start", exercise]:
            server = await start(exercise)
            return {"kind": type(server).__name__, "url": server.url, "shown": repr(server)}
        case ["stop"]:
            await stop()
            return {"kind": "stopped"}
    raise ValueError(f"Got {words}.")


async def main() -> None:
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async for line in lines:
        try:
            answer = await do(line.decode().split())
        except Exception as error:
            answer = {"kind": type(error).__name__, "words": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
