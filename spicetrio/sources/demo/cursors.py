"""The shapes the pointer takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from PIL import Image, ImageDraw, ImageFilter

from spicetrio.sources.demo.theme import rgb

_SMOOTH: Final = 4
_DARK: Final = (16, 20, 28, 255)
_LIGHT: Final = (255, 255, 255, 255)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A pointer: an RGBA image, and which of its pixels points."""

    name: str
    image: Image.Image
    hot_x: int
    hot_y: int


@lru_cache(maxsize=1)
def arrow() -> Shape:
    """Return the ordinary pointer."""
    points = ((0, 0), (0, 16.5), (3.9, 12.9), (6.4, 18.6), (9.2, 17.4), (6.8, 11.9), (12, 11.6))
    return _outlined("arrow", 17, 24, 2, 2, lambda draw: draw.polygon(_scaled(points), fill=255))


@lru_cache(maxsize=1)
def beam() -> Shape:
    """Return the pointer over text."""

    def paint(draw: ImageDraw.ImageDraw) -> None:
        for left, top, right, bottom in ((3, 1, 4.4, 17), (0.4, 0, 3.2, 1.4), (4.2, 0, 7, 1.4)):
            draw.rectangle(_scaled(((left, top), (right, bottom))), fill=255)
        for left, right in ((0.4, 3.2), (4.2, 7)):
            draw.rectangle(_scaled(((left, 16.6), (right, 18))), fill=255)

    return _outlined("beam", 12, 23, 5, 11, paint)


@lru_cache(maxsize=1)
def hand() -> Shape:
    """Return the pointer over what can be pressed."""

    def paint(draw: ImageDraw.ImageDraw) -> None:
        for left, top, bottom in ((5, 0, 14), (8.1, 6, 14), (11.2, 7, 14), (14.2, 8.2, 15)):
            draw.rounded_rectangle(_scaled(((left, top), (left + 3, bottom))), 1.5 * _SMOOTH, fill=255)
        draw.rounded_rectangle(_scaled(((5, 9), (17.2, 19.5))), 4 * _SMOOTH, fill=255)
        draw.polygon(_scaled(((5.6, 10.5), (5.6, 17.5), (1.2, 12.2), (0.6, 10.2), (2.2, 9.3))), fill=255)

    return _outlined("hand", 22, 25, 8, 3, paint)


@lru_cache(maxsize=64)
def ring(diameter: int, color: int) -> Shape:
    """Return the pointer of a brush: its edge, its colour, and a cross in its middle."""
    side = max(diameter, 12) + 7
    side += 1 - side % 2
    middle = side * _SMOOTH / 2
    image = Image.new("RGBA", (side * _SMOOTH, side * _SMOOTH), (*rgb(color), 0))
    draw = ImageDraw.Draw(image)
    for extra, width, ink in ((1.9, 3.4, _DARK), (1.0, 1.6, (*rgb(color), 255))):
        radius = (max(diameter, 5) / 2 + extra) * _SMOOTH
        edges = (middle - radius, middle - radius, middle + radius, middle + radius)
        draw.ellipse(edges, outline=ink, width=round(width * _SMOOTH))
    if diameter >= 12:
        for long, wide, ink in ((4, 1.4, _DARK), (3.4, 0.5, _LIGHT)):
            draw.rectangle([middle + d * _SMOOTH for d in (-long, -wide, long, wide)], fill=ink)
            draw.rectangle([middle + d * _SMOOTH for d in (-wide, -long, wide, long)], fill=ink)
    return Shape(f"ring {diameter} {color:06x}", image.reduce(_SMOOTH), side // 2, side // 2)


def _scaled(points: tuple[tuple[float, float], ...]) -> list[tuple[float, float]]:
    """Return the points on the large image; shapes keep two pixels of distance to its edge."""
    return [((x + 2) * _SMOOTH, (y + 2) * _SMOOTH) for x, y in points]


def _outlined(
    name: str, width: int, height: int, hot_x: int, hot_y: int, paint: Callable[[ImageDraw.ImageDraw], object]
) -> Shape:
    """Return a white shape with a dark line around it."""
    mask = Image.new("L", (width * _SMOOTH, height * _SMOOTH))
    paint(ImageDraw.Draw(mask))
    image = Image.new("RGBA", mask.size, (*_DARK[:3], 0))
    image.paste(_DARK, (0, 0), mask.filter(ImageFilter.MaxFilter(2 * _SMOOTH + 1)))
    image.paste(_LIGHT, (0, 0), mask)
    return Shape(name, image.reduce(_SMOOTH), hot_x, hot_y)
