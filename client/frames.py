"""WebSocket frames, read from the bytes as they pass: RFC 6455, section 5.2.

    byte 0           byte 1            2 or 8 bytes,     4 bytes,     the rest
    FIN RSV opcode   MASK and length   if length is      if MASK      payload
     1   3    4       1       7        126 or 127

It knows nothing of websockets, and so it can tell whether that keeps to the rules.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import NamedTuple

KEPT = 200  # bytes of each payload
LONGEST_HEAD = 16_384  # bytes of a handshake that are looked at

FIELDS = ["FIN, RSV, opcode", "MASK, length", "extended length", "masking key", "payload"]
KINDS = {0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
# RFC 6455, section 7.4.1, and the registry of close codes at IANA.
CLOSE_CODES = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1007: "invalid data",
    1008: "policy violation",
    1009: "message too big",
    1010: "extension missing",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
}
# What lets somebody in must not be seen on a projector.
SECRETS = re.compile(r"(?im)^((?:proxy-)?authorization|cookie|set-cookie): *.*?(\r?)$")
TOKEN = re.compile(r"(?i)([?&](?:token|key|password)=)[^&\s]+")


class Field(NamedTuple):
    """A part of a frame: its name, its bytes as they passed, and what they mean."""

    name: str
    bytes: bytes
    meaning: str


@dataclass(slots=True)
class Frame:
    """One frame as it passed.

    Attributes:
        header: All bytes before the payload.
        payload: The first 200 bytes of the payload; masked, if the frame is.
        length: How many bytes the payload has, says the header.
        missing: How many of them never came.
    """

    header: bytes
    payload: bytes
    length: int
    missing: int = 0

    @property
    def fin(self) -> bool:
        """Whether it is the last frame of its message."""
        return self.header[0] >= 0x80

    @property
    def rsv(self) -> int:
        """The three reserved bits as a number: 0, unless an extension is in use."""
        return self.header[0] >> 4 & 0b111

    @property
    def opcode(self) -> int:
        return self.header[0] & 0xF

    @property
    def kind(self) -> str:
        """What the opcode says: "text", "ping"…"""
        return KINDS.get(self.opcode, f"opcode {self.opcode:#x}")

    @property
    def is_masked(self) -> bool:
        return self.header[1] >= 0x80

    @property
    def key(self) -> bytes:
        """The masking key, four bytes; empty, if the frame is not masked."""
        return self.header[-4:] if self.is_masked else b""

    @property
    def unmasked(self) -> bytes:
        """The first bytes of the payload as they are meant: each one XOR a byte of the key."""
        if not self.is_masked:
            return self.payload
        return bytes(byte ^ key for byte, key in zip(self.payload, cycle(self.key), strict=False))

    @property
    def meaning(self) -> str:
        """The payload in words, on one line."""
        payload = self.unmasked
        if self.kind == "close":
            if len(payload) < 2:
                return "no close code" if not payload else shown_bytes(payload)
            code = int.from_bytes(payload[:2], "big")
            words = CLOSE_CODES.get(code, "a code of the application" if code >= 3000 else "")
            reason = shown_text(payload[2:])
            return " · ".join(filter(None, [f"{code} {words}".strip(), reason and f"“{reason}”"]))
        cut = "…" if self.length > len(payload) else ""
        looks_like_text = self.kind == "text" or (self.kind != "binary" and is_text(payload))
        if self.rsv or not looks_like_text:  # an extension may have compressed it
            return shown_bytes(payload) + cut
        return shown_text(payload, is_whole=self.fin and not cut) + cut

    @property
    def fields(self) -> list[Field]:
        """The parts of the frame, in the order in which they pass."""
        first, second = self.header[:2]
        last = "1: the last of its message" if self.fin else "0: more of this message follows"
        rsv = "no extension" if not self.rsv else "an extension, or a mistake"
        mask = "1: masked" if self.is_masked else "0: not masked"
        seven = second & 0x7F
        extended = {126: 2, 127: 8}.get(seven, 0)
        follows = f": it follows in {extended} bytes" if extended else ""
        kind = KINDS.get(self.opcode, "none that is known")
        fields = [
            Field(
                "FIN, RSV, opcode",
                bytes([first]),
                f"{first >> 7} {self.rsv:03b} {self.opcode:04b} · FIN {last} · "
                f"RSV {self.rsv:03b}: {rsv} · opcode {self.opcode:#x}: {kind}",
            ),
            Field(
                "MASK, length",
                bytes([second]),
                f"{second >> 7} {seven:07b} · MASK {mask} · length {seven}{follows}",
            ),
        ]
        if extended:
            fields.append(Field("extended length", self.header[2 : 2 + extended], f"{self.length}"))
        if self.is_masked:
            fields.append(Field("masking key", self.key, "XORed with the payload, again and again"))
        if self.payload:
            words = "as it passed, masked" if self.is_masked else self.meaning
            fields.append(Field("payload", self.payload, words))
        return fields


@dataclass(slots=True)
class Head:
    """The request or the response of a handshake (RFC 6455, section 4).

    Attributes:
        text: All its lines, without what is secret.
        body: What came behind the lines of a refusal.
    """

    text: str
    body: str = ""

    @property
    def first_line(self) -> str:
        return self.text.partition("\r\n")[0]

    @property
    def wants_websocket(self) -> bool:
        """Whether it is a request that asks for a WebSocket, and not for a page."""
        return re.search(r"(?im)^upgrade: *websocket", self.text) is not None

    @property
    def switches(self) -> bool:
        """Whether it is a response from which on frames follow."""
        return re.match(r"HTTP/1\.1 101\b", self.text) is not None


class Stream:
    """What passes in one direction: the head of a handshake, then frames.

    It takes the bytes in pieces of any size, and raises for none. Of long payloads it keeps the
    first bytes and counts the rest.
    """

    def __init__(self, *, is_response: bool = False, midway: bool = False) -> None:
        """
        Args:
            is_response: Whether it is the direction from the server, in which the head says
                whether frames will follow at all.
            midway: Whether the handshake is over already.
        """
        self._is_response = is_response
        self._in_head = not midway
        self._unsure = midway  # whether a frame may have begun before
        self._ended = False
        self._begun = b""  # of a head, or of a header that has not come whole
        self._header = b""  # of the frame whose payload still comes
        self._payload = b""
        self._length = self._missing = 0

    def feed(self, data: bytes) -> list[Head | Frame]:
        """Take the next bytes. Returns what has come whole by them."""
        if self._ended:
            return []
        if self._begun:
            data, self._begun = self._begun + data, b""
        if self._unsure:
            if len(data) < 2:
                self._begun = data
                return []
            if not _may_begin(data, masked=not self._is_response):
                return []  # the rest of a long frame
            self._unsure = False
        if self._in_head:
            return self._feed_head(data)
        return self._feed_frames(data)

    def rest(self) -> Frame | None:
        """Return the frame that has not come whole, if there is one."""
        if not self._header:
            return None
        return Frame(self._header, self._payload, self._length, self._missing)

    def _feed_head(self, data: bytes) -> list[Head | Frame]:
        lines, end, behind = data.partition(b"\r\n\r\n")
        if not end:
            self._begun = data
            self._ended = len(data) > LONGEST_HEAD
            return []
        self._in_head = False
        head = read_head(lines)
        if self._is_response and not head.switches:
            self._ended = True
            return [Head(head.text, shown_text(behind[:KEPT]))]
        return [head, *self._feed_frames(behind)]

    def _feed_frames(self, data: bytes) -> list[Head | Frame]:
        frames: list[Head | Frame] = []
        position, end = 0, len(data)
        while True:
            if self._header:
                position = self._take_payload(data, position)
                if self._missing:
                    return frames
                frames.append(Frame(self._header, self._payload, self._length))
                self._header = b""
            header_end = position + _header_size(data, position)
            if header_end > end:
                self._begun = data[position:]
                return frames
            self._header, self._payload = data[position:header_end], b""
            self._length = self._missing = _length(self._header)
            position = header_end

    def _take_payload(self, data: bytes, position: int) -> int:
        """Take what has come of a payload. Returns the position behind it."""
        behind = position + min(self._missing, len(data) - position)
        if len(self._payload) < KEPT:
            self._payload += data[position : min(behind, position + KEPT - len(self._payload))]
        self._missing -= behind - position
        return behind


def _header_size(data: bytes, position: int) -> int:
    """Return how many bytes the header has that begins at a position; 2 if that is not known."""
    if len(data) < position + 2:
        return 2
    second = data[position + 1]
    seven = second & 0x7F
    return 2 + (2 if seven == 126 else 8 if seven == 127 else 0) + (4 if second >= 0x80 else 0)


def _length(header: bytes) -> int:
    seven = header[1] & 0x7F
    if seven < 126:
        return seven
    return int.from_bytes(header[2 : 4 if seven == 126 else 10], "big")


def _may_begin(data: bytes, *, masked: bool) -> bool:
    """Return whether a frame may begin here; that of a client is masked, that of a server not."""
    return data[0] & 0x30 == 0 and data[0] & 0xF in KINDS and (data[1] >= 0x80) == masked


def read_head(data: bytes) -> Head:
    """Return the head of a handshake, without what is secret."""
    text = data[:LONGEST_HEAD].decode("utf-8", "replace")
    return Head(TOKEN.sub(r"\1(hidden)", SECRETS.sub(r"\1: (hidden)\2", text)).strip("\r\n"))


def is_text(data: bytes) -> bool:
    """Return whether bytes are a text without control characters."""
    try:
        return data.decode().isprintable()
    except UnicodeDecodeError:
        return False


def shown_text(data: bytes, *, is_whole: bool = True) -> str:
    """Return bytes as a text in which all can be seen: a line break is \\n, a broken byte \\xff.

    Args:
        data: Bytes of a text in UTF-8.
        is_whole: Whether nothing follows; else half a character at the end is left out.
    """
    decoder = getincrementaldecoder("utf-8")("backslashreplace")
    text = decoder.decode(data, final=is_whole)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown_bytes(data: bytes) -> str:
    """Return bytes in hexadecimal."""
    return data.hex(" ")


def header_lines(head: Head) -> Iterator[tuple[str, str]]:
    """Yield the header lines of a handshake, as name and value."""
    for line in head.text.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        yield name, value.strip()
