"""The wire as a table: one row for each event, and the bytes of one of them, each field marked."""

from collections.abc import Sequence
from datetime import datetime
from html import escape

from client.frames import FIELDS, Frame, Head, header_lines, shown_bytes
from client.passed import Passed
from client.space_time import shown_seconds, style_of

# What the lines of a handshake are for (RFC 6455, sections 1.3 and 4).
PURPOSES = {
    "host": "which server is meant",
    "upgrade": "this connection shall speak WebSocket from now on, and HTTP no more",
    "connection": "the line Upgrade is meant for the very next computer on the way",
    "sec-websocket-key": "16 random bytes; the answer must be made of them",
    "sec-websocket-version": "the version of the protocol: there is only 13",
    "sec-websocket-accept": "made of the key: whoever answers does speak WebSocket",
    "sec-websocket-extensions": "such as compression",
    "origin": "which web page asks; the server may refuse it",
    "user-agent": "what the client calls itself",
}


def table(events: Sequence[Passed]) -> str:
    """Return the HTML of the table of what has passed, one row for each event."""
    names = ["", "s", "from → to", "what", "FIN", "masked", "bytes", "payload"]
    head = "".join(f"<th>{name}</th>" for name in names)
    rows = "".join(map(_row, events))
    none = "" if events else '<p class="course-body">Nothing has passed yet.</p>'
    return f'<table class="wire-table"><thead><tr>{head}</tr></thead>{rows}</table>{none}'


def _row(event: Passed) -> str:
    fin = masked = length = ""
    if isinstance(event.what, Frame):
        fin, masked = str(int(event.what.fin)), "yes" if event.what.is_masked else "no"
        length = f"{event.what.length:,}"
    cells = [str(event.number), shown_seconds(event), event.route, event.kind, fin, masked, length]
    shown = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return (
        f'<tr class="wire-row wire-{style_of(event)}" data-number="{event.number}">{shown}'
        f"<td><bdi>{escape(event.meaning)}</bdi></td></tr>"
    )


def detail(event: Passed, began: float) -> str:
    """Return the HTML of all that is known of one event."""
    when = "before this Wire was made"
    if event.seconds is not None:
        when = datetime.fromtimestamp(began + event.seconds).strftime("%H:%M:%S.%f")[:-3]
    title = f"{event.number} · {event.route} · {event.kind} · {when}"
    match event.what:
        case Frame() as frame:
            shown = frame_detail(frame)
        case Head() as head:
            shown = head_detail(head)
        case _:
            shown = f"<p>{escape(event.meaning)}</p>"
    return f'<div class="course-body wire-detail"><b><bdi>{escape(title)}</bdi></b>{shown}</div>'


def frame_detail(frame: Frame) -> str:
    """Return the HTML of a frame's bytes, and of what each of them says."""
    fields = [(FIELDS.index(field.name), field) for field in frame.fields]
    marked = " ".join(
        f'<span class="wire-field-{i}" title="{field.name}">{shown_bytes(field.bytes)}</span>'
        for i, field in fields
    )
    rest = frame.length - frame.missing - len(frame.payload)
    more = f" … and {rest:,} bytes more" if rest else ""
    rows = [
        (f"<span class='wire-field-{i}'>{field.name}</span>", escape(field.meaning))
        for i, field in fields
    ]
    if frame.is_masked and frame.payload:
        unmasked = f"<code>{shown_bytes(frame.unmasked)}</code>"
        rows.append(("payload, unmasked", f"{unmasked}<br><bdi>{escape(frame.meaning)}</bdi>"))
    if frame.missing:
        rows.append(("never came", f"{frame.missing:,} bytes"))
    return f'<code class="wire-bytes">{marked}{more}</code>{_rows(rows)}'


def head_detail(head: Head) -> str:
    """Return the HTML of the lines of a handshake, and of what they are for."""
    rows = [
        (f"{escape(name)}: <code>{escape(value)}</code>", PURPOSES.get(name.lower(), ""))
        for name, value in header_lines(head)
    ]
    body = f"<p>{escape(head.body)}</p>" if head.body else ""
    return f'<code class="wire-bytes">{escape(head.first_line)}</code>{_rows(rows)}{body}'


def _rows(rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th>{name}</th><td>{words}</td></tr>" for name, words in rows)
    return f"<table>{cells}</table>"
