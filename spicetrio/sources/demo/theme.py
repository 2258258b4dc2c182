"""How the demo looks: its colours, its letters, and shapes with smooth edges."""

from __future__ import annotations

from bisect import bisect_right
from functools import cache
from typing import Final, Literal

from PIL import Image, ImageDraw, ImageFont, features

from spicetrio.sources.demo.layout import Box

GROUND: Final = 0x12161D
PANEL: Final = 0x1B212B
WELL: Final = 0x141920
EDGE: Final = 0x2C3644
TEXT: Final = 0xE9EEF5
SOFT: Final = 0xB4BFCE
MUTED: Final = 0x7F8DA1
FAINT: Final = 0x4A5769
TEAL: Final = 0x4FD1C5
AMBER: Final = 0xF6B755
ROSE: Final = 0xF47C8C
BLUE: Final = 0x63A9F0
VIOLET: Final = 0xB497F2
GREEN: Final = 0x7BD389
PAPER: Final = 0xFAF7F0
PAPER_DOT: Final = 0xE2DCCD
PAPER_TEXT: Final = 0xC9C1AE
INK: Final = 0x2A3140

RADIUS: Final = 12
"""Of the corners of a panel."""
_SMOOTH: Final = 4
"""Shapes are drawn this many times larger and then reduced."""

Align = Literal["left", "middle", "right"]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def rgb(color: int) -> tuple[int, int, int]:
    """Return red, green and blue of 0xRRGGBB."""
    return color >> 16, (color >> 8) & 0xFF, color & 0xFF


def mix(color: int, other: int, share: float) -> int:
    """Return a colour with that share of the other one in it."""
    parts = (round(a + (b - a) * share) for a, b in zip(rgb(color), rgb(other), strict=True))
    return int.from_bytes(bytes(parts), "big")


def plain(width: int, height: int, color: int) -> Image.Image:
    """Return an image of one colour."""
    return Image.new("RGB", (width, height), rgb(color))


@cache
def font(size: int) -> Font:
    """Return Pillow's own font; without FreeType there is one small size of it."""
    return ImageFont.load_default(size) if features.check("freetype2") else ImageFont.load_default()


def text_width(text: str, size: int) -> float:
    """Return how wide a text is."""
    return font(size).getlength(text)


def shorten(text: str, size: int, width: float) -> str:
    """Return the text, cut so that it fits."""
    if text_width(text, size) <= width:
        return text
    fitting = bisect_right(range(len(text)), width, key=lambda end: text_width(text[:end] + "…", size)) - 1
    return text[: max(fitting, 0)] + "…"


def write(image: Image.Image, x: float, middle: float, text: str, size: int, color: int, align: Align = "left") -> None:
    """Write one line.

    Args:
        image: What to write on.
        x: Left edge, middle or right edge of the text, as `align` says.
        middle: Where the middle of its capital letters is.
        text: The line.
        size: Height of the letters.
        color: 0xRRGGBB.
        align: What `x` is.
    """
    letters = font(size)
    if align != "left":
        x -= letters.getlength(text) / (2 if align == "middle" else 1)
    draw = ImageDraw.Draw(image)
    if isinstance(letters, ImageFont.FreeTypeFont):
        draw.text((round(x), round(middle + 0.36 * size)), text, fill=rgb(color), font=letters, anchor="ls")
    else:
        draw.text((round(x), round(middle) - 6), text, fill=rgb(color), font=letters)


def round_box(image: Image.Image, box: Box, radius: float, color: int, edge: int | None = None) -> None:
    """Draw a rectangle with round corners, and a line of one pixel along its edge if that has a colour."""
    if edge is not None:
        round_box(image, box, radius, edge)
        box, radius = box.inset(1), radius - 1
    large = box.width * _SMOOTH, box.height * _SMOOTH
    mask = Image.new("L", large)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, large[0] - 1, large[1] - 1), radius * _SMOOTH, fill=255)
    image.paste(rgb(color), (box.x, box.y), mask.reduce(_SMOOTH))


def disc(image: Image.Image, x: float, y: float, radius: float, color: int) -> None:
    """Draw a disc around (x, y)."""
    left, top = int(x - radius) - 1, int(y - radius) - 1
    side = int(2 * radius) + 4
    mask = Image.new("L", (side * _SMOOTH, side * _SMOOTH))
    ImageDraw.Draw(mask).ellipse(
        [(edge * _SMOOTH) for edge in (x - radius - left, y - radius - top, x + radius - left, y + radius - top)],
        fill=255,
    )
    image.paste(rgb(color), (left, top), mask.reduce(_SMOOTH))
