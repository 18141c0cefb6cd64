"""A link as a QR code, which the camera of a phone reads."""

from functools import lru_cache

import segno


@lru_cache(maxsize=8)  # a card asks for the same one at each change
def as_svg(link: str) -> str:
    """Return the code as SVG, to be put into HTML.

    It has its own white ground: in a dark theme a camera would not know it otherwise.
    """
    svg = segno.make_qr(link, error="m").svg_inline(
        border=3, dark="#000", light="#fff", omitsize=True
    )
    label = 'role="img" aria-label="The join link as a QR code"'
    return svg.replace("<svg ", f"<svg {label} ", 1)


def as_text(link: str, colours: bool) -> str:
    """Return the code as lines of text, two rows of it in each.

    Args:
        link: What it says.
        colours: Whether the terminal takes them: then it is black on white on any ground.
    """
    rows = [list(row) for row in segno.make_qr(link, error="l").matrix_iter(border=2)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    lines = (
        "".join("█▀▄ "[2 * bool(upper) + bool(lower)] for upper, lower in zip(*pair, strict=True))
        for pair in zip(rows[::2], rows[1::2], strict=True)
    )
    # White where the code is light: so it is right on a dark ground, and with colours on any.
    return "\n".join(f"\x1b[97;40m{line}\x1b[0m" if colours else line for line in lines)
