"""The success criteria of the lesson: the accept key of a handshake, and the mask of a frame."""

import asyncio
import base64
import hashlib
import inspect
import random
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from checks.advice import Failed, shown_object
from checks.criteria import Criteria
from checks.report import Report

LOOPBACK = "127.0.0.1"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
WORDS = ("Grüße", "Hello, server!", "café ☕", "12 × 12 = 144", "Ada und Bob")

Answer = Callable[..., Any]


class Bench:
    """What one function of the learner's is tried out on.

    Attributes:
        function: The function.
        random: Where all values come from, so that a constant cannot pass.
        within: How long to wait for an answer, in seconds.
    """

    def __init__(self, function: Answer, source: random.Random, within: float) -> None:
        self.function, self.random, self.within = function, source, within

    async def __aenter__(self) -> "Bench":
        if not callable(self.function):
            raise Failed(
                f"Got {shown_object(self.function)}; expected a function. Give its name alone, "
                "without parentheses."
            )
        if inspect.iscoroutinefunction(self.function):
            raise Failed("It is an `async def` function. It waits for nothing: `def` will do.")
        return self

    async def __aexit__(self, *_: Any) -> None:
        pass

    def key(self) -> str:
        """Return a key as a client makes one: sixteen random bytes, as text."""
        return base64.b64encode(self.random.randbytes(16)).decode()


HANDSHAKE = Criteria(Bench)
MASKING = Criteria(Bench)


async def check_handshake(accept_key: Answer) -> Report:
    """Check the answer to the key of a handshake (RFC 6455, section 4.2.2).

    Args:
        accept_key: Takes the client's key, a text, and returns what the server answers, a text.
    """
    return await HANDSHAKE.check(accept_key)


async def check_masking(masked: Answer) -> Report:
    """Check the masking of a frame (RFC 6455, section 5.3).

    Args:
        masked: Takes a payload and a key of four bytes, and returns the masked payload, as bytes.
    """
    return await MASKING.check(masked)


@HANDSHAKE.criterion("The answer belongs to the key", step=1, stubs=["accept_key"])
async def belongs(bench: Bench) -> None:
    for _ in range(2):
        key = bench.key()
        got, expected = bench.function(key), accept(key)
        if got != expected:
            raise Failed(f"{told(key, got)}, expected {expected!r}. {wrong_answer(key, got)}")


@HANDSHAKE.criterion("A client believes the server", step=1, stubs=["accept_key"], needs=[belongs])
async def believed(bench: Bench) -> None:
    async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line[19:] for line in head.splitlines() if line.startswith("Sec-WebSocket-Key:"))
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines.append(f"Sec-WebSocket-Accept: {bench.function(key)}")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        writer.close()

    server = await asyncio.start_server(upgrade, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(bench.within):
            async with connect(f"ws://{LOOPBACK}:{port}", proxy=None, compression=None):
                pass
    except (InvalidHandshake, EOFError, OSError) as error:
        raise Failed(
            f"A client connected to a server that answers with your function, and left: {error}. "
            "Does it always give the same answer to the same key?"
        ) from None
    finally:
        server.close()


@MASKING.criterion("Each byte is masked with its byte of the key", step=1, stubs=["masked"])
async def each_byte(bench: Bench) -> None:
    # Each byte of the key is another one, and none is 0: or else a mistake might not show.
    key = bytes(bench.random.sample(range(1, 256), 4))
    for size in (4, bench.random.randint(9, 11)):
        payload = bytes(bench.random.choices(range(97, 123), k=size))
        got, expected = bench.function(payload, key), mask(payload, key)
        if not isinstance(got, bytes | bytearray) or got != expected:
            raise Failed(
                f"masked({payload!r}, key) with the key {key.hex(' ')} returned {seen(got)}, "
                f"expected {expected.hex(' ')}. {wrong_mask(payload, key, got)}"
            )


@MASKING.criterion("Masked twice, it is what it was", step=1, stubs=["masked"], needs=[each_byte])
async def twice(bench: Bench) -> None:
    key = bench.random.randbytes(4)
    for size in (0, 1, 2, 3, 5, 125):
        payload = bench.random.randbytes(size)
        got = bench.function(bytes(bench.function(payload, key)), key)
        if got != payload:
            raise Failed(
                f"A payload of {size} bytes was masked twice with the same key and came back as "
                f"{seen(got)}, expected {seen(payload)}. A payload may have any length, also 0."
            )


@MASKING.criterion("A server can read it", step=1, stubs=["masked"], needs=[each_byte])
async def readable(bench: Bench) -> None:
    text, key = bench.random.choice(WORDS), bench.random.randbytes(4)
    body = bytes(bench.function(text.encode(), key))
    loop = asyncio.get_running_loop()
    read: asyncio.Future[str] = loop.create_future()

    async def listen(websocket: ServerConnection) -> None:
        try:
            message = await websocket.recv()
        except ConnectionClosed as closed:
            message = f"({closed})"
        if not read.done():
            read.set_result(str(message))

    async with serve(listen, LOOPBACK, 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            writer.write(request(port, bench.key()))
            await reader.readuntil(b"\r\n\r\n")
            writer.write(bytes([0x81, 0x80 | len(body)]) + key + body)
            async with asyncio.timeout(bench.within + 1):
                got = await read
        finally:
            writer.close()
    if got != text:
        raise Failed(f"Your function masked {text!r}; a server unmasked it and read {got!r}.")


# What is right, from the standard.


def accept(key: str) -> str:
    """Return what a server answers to a key (RFC 6455, section 4.2.2)."""
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def mask(payload: bytes, key: bytes) -> bytes:
    """Return a masked payload (RFC 6455, section 5.3)."""
    return bytes(byte ^ key[number % 4] for number, byte in enumerate(payload))


def request(port: int, key: str) -> bytes:
    """Return the upgrade request of a client."""
    lines = [
        "GET / HTTP/1.1",
        f"Host: {LOOPBACK}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


# Words about what is wrong.


def told(key: str, got: Any) -> str:
    return f"For the key {key!r} it returned {shown_object(got)}"


def seen(got: Any) -> str:
    """Return bytes as the notebook shows them: two digits for each."""
    if isinstance(got, bytes | bytearray):
        return (got.hex(" ") if len(got) <= 16 else f"{got[:16].hex(' ')} …") or "no bytes"
    return shown_object(got)


def wrong_answer(key: str, got: Any) -> str:
    """Return what a wrong answer to a key looks like: which mistake gives it."""
    joined = (key + GUID).encode()
    right = hashlib.sha1(joined).digest()
    if got is None:
        return "Is there a `return`?"
    if isinstance(got, bytes):
        if got == accept(key).encode():
            return "These are bytes; a header is text. bytes have a method decode()."
        if got == right:
            return "That is the hash itself, 20 bytes; base64.b64encode() makes characters of it."
        return "These are bytes; the answer is text."
    if not isinstance(got, str):
        return "The answer is text."
    mistakes = {
        hashlib.sha1(joined).hexdigest(): "That is the hash in hexadecimal. Take digest(), not "
        "hexdigest(), and give it to base64.b64encode().",
        _encoded(hashlib.sha1(joined).hexdigest().encode()): "That is the hash in hexadecimal, "
        "encoded. Take digest(), not hexdigest().",
        _encoded(
            hashlib.sha1(key.encode()).digest()
        ): "The fixed text was not appended to the key.",
        _encoded(hashlib.sha1((GUID + key).encode()).digest()): "The key comes first, then the "
        "fixed text.",
        _encoded(hashlib.sha1(base64.b64decode(key) + GUID.encode()).digest()): "Take the key as "
        "the text that it is; it need not be decoded.",
        _encoded(hashlib.sha256(joined).digest()): "That is SHA-256. The standard says SHA-1.",
        _encoded(hashlib.md5(joined, usedforsecurity=False).digest()): "That is MD5. The standard "
        "says SHA-1.",
        _encoded(joined): "The key and the fixed text were encoded, not hashed.",
        key: "That is the key itself. A server must show that it understood the request.",
        str(accept(key).encode()): "str() of bytes keeps the b and the quotes. bytes have a method "
        "decode().",
    }
    if got in mistakes:
        return mistakes[got]
    if got.strip() == accept(key):
        return "There is white space around it. base64.b64encode() adds none."
    return "Append the fixed text to the key, take the SHA-1 digest, encode that with base64."


def wrong_mask(payload: bytes, key: bytes, got: Any) -> str:
    """Return what a wrongly masked payload looks like: which mistake gives it."""
    if got is None:
        return "Is there a `return`?"
    if isinstance(got, list | tuple):
        return "bytes() makes bytes of a list of numbers."
    if isinstance(got, str):
        return "Text is not bytes. Leave the numbers as they are; bytes() makes bytes of a list."
    if not isinstance(got, bytes | bytearray):
        return "bytes() of a list of numbers, one for each byte, will do."
    if len(got) < len(payload):
        return "Bytes are missing. After its fourth byte, the key begins anew: key[number % 4]."
    if len(got) > len(payload):
        return (
            "There are more bytes than before. The key itself goes before the payload, not into it."
        )
    mistakes = {
        payload: "Nothing has changed.",
        bytes(byte ^ key[0] for byte in payload): "Only the first byte of the key was used.",
        mask(payload, key[::-1]): "The key was used from its end.",
        bytes((byte + key[n % 4]) % 256 for n, byte in enumerate(payload)): "The key was added. "
        "^ is what can be undone by doing it again.",
        bytes(
            byte | key[n % 4] for n, byte in enumerate(payload)
        ): "That is | (or). ^ is exclusive or.",
        bytes(
            byte & key[n % 4] for n, byte in enumerate(payload)
        ): "That is & (and). ^ is exclusive or.",
    }
    if bytes(got) in mistakes:
        return mistakes[bytes(got)]
    right = mask(payload, key)
    first = next(n for n, (one, two) in enumerate(zip(got, right, strict=True)) if one != two)
    return (
        f"The first wrong byte is number {first}, counted from 0: key[{first} % 4] belongs to it."
    )


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
