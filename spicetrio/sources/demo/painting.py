"""Paper, and strokes on it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final

from PIL import Image, ImageDraw

from spicetrio.sources.demo import theme
from spicetrio.sources.demo.layout import Box

GRID: Final = 24
_SMOOTH: Final = 4
_PIECE: Final = 48
"""Long strokes are drawn in pieces of this length: the box around a long slanting line is mostly empty."""


class Paper:
    """A picture that strokes are drawn on, and erased from down to the bare paper.

    Args:
        width: Of the paper.
        height: Of the paper.
    """

    def __init__(self, width: int, height: int) -> None:
        self.box = Box(0, 0, width, height)
        self._bare = _bare(width, height)
        self.image = self._bare.copy()

    def clear(self) -> None:
        """Take a new sheet."""
        self.image = self._bare.copy()

    def color_at(self, x: int, y: int) -> int:
        """Return the colour of a pixel."""
        pixel = self.image.getpixel((x, y))
        assert isinstance(pixel, tuple)
        return int.from_bytes(bytes(pixel), "big")

    def stroke(
        self, start: tuple[float, float], end: tuple[float, float], diameter: float, color: int | None
    ) -> list[Box]:
        """Draw a line with round ends, or erase along it.

        Args:
            start: Where it begins; may be outside.
            end: Where it ends; may be outside.
            diameter: How thick it is.
            color: 0xRRGGBB, or None to erase.

        Returns:
            What has changed.
        """
        (x, y), (dx, dy) = start, (end[0] - start[0], end[1] - start[1])
        pieces = max(math.ceil(math.hypot(dx, dy) / _PIECE), 1)
        corners = [(x + dx * n / pieces, y + dy * n / pieces) for n in range(pieces + 1)]
        boxes = [self._piece(a, b, diameter, color) for a, b in pairwise(corners)]
        return [box for box in boxes if box.width and box.height]

    def _piece(self, start: tuple[float, float], end: tuple[float, float], diameter: float, color: int | None) -> Box:
        radius = diameter / 2
        left, right = sorted((start[0], end[0]))
        top, bottom = sorted((start[1], end[1]))
        x, y = math.floor(left - radius), math.floor(top - radius)
        around = Box(x, y, math.ceil(right + radius) + 1 - x, math.ceil(bottom + radius) + 1 - y)
        box = around.clip(self.box)
        if not (box.width and box.height):
            return box
        mask = Image.new("L", (box.width * _SMOOTH, box.height * _SMOOTH))
        draw = ImageDraw.Draw(mask)
        ends = [((px - box.x + 0.5) * _SMOOTH, (py - box.y + 0.5) * _SMOOTH) for px, py in (start, end)]
        draw.line(ends, fill=255, width=round(diameter * _SMOOTH))
        large = radius * _SMOOTH
        for px, py in ends:
            draw.ellipse((px - large, py - large, px + large, py + large), fill=255)
        mask = mask.reduce(_SMOOTH)
        if color is None:
            self.image.paste(self._bare.crop(_corners(box)), (box.x, box.y), mask)
        else:
            self.image.paste(theme.rgb(color), (box.x, box.y), mask)
        return box

    def crop(self, box: Box) -> Image.Image:
        """Return a part of it."""
        return self.image.crop(_corners(box))


def welcome(paper: Paper) -> None:
    """Draw the waves a new sheet begins with."""
    width, height = paper.box.width, paper.box.height
    for number, color in enumerate((theme.TEAL, theme.AMBER, theme.ROSE)):
        last = None
        for x in range(round(width * 0.08), round(width * 0.92), 3):
            phase = x / width * 2 * math.pi * 1.5 + number * 0.9
            swell = math.sin(math.pi * (x / width - 0.08) / 0.84)
            point = x, height * 0.47 + height * 0.26 * math.sin(phase) * swell
            if last is not None:
                paper.stroke(last, point, 3 + 6 * swell, color)
            last = point


def _bare(width: int, height: int) -> Image.Image:
    """Return paper with dots on it and a few words."""
    image = theme.plain(width, height, theme.PAPER)
    draw = ImageDraw.Draw(image)
    for y in range(GRID // 2 + height % GRID // 2, height, GRID):
        for x in range(GRID // 2 + width % GRID // 2, width, GRID):
            draw.rectangle((x - 1, y - 1, x, y), fill=theme.rgb(theme.PAPER_DOT))
    theme.write(image, width / 2, height - 24, "paint here", 17, theme.PAPER_TEXT, "middle")
    return image


def _corners(box: Box) -> tuple[int, int, int, int]:
    return box.x, box.y, box.right, box.bottom
