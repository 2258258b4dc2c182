"""Random drawing on a display, and beside it the picture that must come of it."""

from __future__ import annotations

import random

import numpy as np
from PIL import Image

import spicetrio

from .gtk import Picture


class Drawing:
    """Draws on a display and, with means of its own, on an array of the same size."""

    def __init__(self, display: spicetrio.Display, seed: int) -> None:
        self.display = display
        self.random = random.Random(seed)
        self.noise = np.random.default_rng(seed)
        self.array = np.zeros((display.height, display.width, 3), np.uint8)

    @property
    def picture(self) -> Picture:
        return Picture.of_array(self.array)

    async def draw(self, count: int) -> None:
        """So many random operations."""
        for _ in range(count):
            operation = self.random.choice((self.fill, self.image, self.image, self.copy, self.scroll, self.frame))
            await operation()

    async def cover(self) -> None:
        """A picture of the whole display, without two rows that are the same."""
        height, width = self.array.shape[:2]
        rows, columns = np.mgrid[:height, :width]
        self.array = np.stack((rows, columns, rows * columns >> 4), axis=2).astype(np.uint8)
        await self.display.draw_image(0, 0, self.array)

    async def fill(self) -> None:
        x, y, width, height = self._rectangle()
        colour = self.random.randrange(1 << 24)
        self.array[y : y + height, x : x + width] = tuple(colour.to_bytes(3, "big"))
        await self.display.fill(x, y, width, height, colour)

    async def image(self) -> None:
        """An image in one of the forms in which applications hold them."""
        x, y, width, height = self._rectangle()
        pixels = self._content(width, height)
        form = self.random.choice(("pillow", "array", "alpha", "flat", "strided", "grey"))
        if form == "grey":
            pixels[:] = pixels[:, :, :1]
        self.array[y : y + height, x : x + width] = pixels
        bgrx = Picture.of_array(pixels).pixels
        match form:
            case "pillow":
                await self.display.draw_image(x, y, Image.fromarray(pixels))
            case "array":
                await self.display.draw_image(x, y, pixels)
            case "alpha":
                opaque = np.full((height, width, 1), 255, np.uint8)
                await self.display.draw_image(x, y, np.concatenate((pixels, opaque), axis=2))
            case "flat":
                await self.display.draw_image(x, y, bgrx, width=width, height=height)
            case "strided":
                rows = [bgrx[i : i + 4 * width] + b"padding!" for i in range(0, len(bgrx), 4 * width)]
                await self.display.draw_image(
                    x, y, b"".join(rows), width=width, height=height, format="BGRX", stride=4 * width + 8
                )
            case "grey":
                grey = np.ascontiguousarray(pixels[:, :, 0]).tobytes()
                await self.display.draw_image(x, y, grey, width=width, height=height, format="L")

    async def copy(self) -> None:
        """A part of the picture to somewhere else in it, often onto itself."""
        x, y, width, height = self._rectangle()
        source_x = self.random.randint(0, self.display.width - width)
        source_y = self.random.randint(0, self.display.height - height)
        part = self.array[source_y : source_y + height, source_x : source_x + width].copy()
        self.array[y : y + height, x : x + width] = part
        await self.display.copy_area(x, y, width, height, source_x, source_y)

    async def scroll(self) -> None:
        """A whole frame in which a part has moved up, as a terminal does it."""
        x, y, width, height = self._rectangle()
        lines = min(height, self.random.randint(1, 20))
        part = self.array[y : y + height, x : x + width]
        part[: height - lines] = part[lines:].copy()
        part[height - lines :] = self._content(width, lines)
        await self._draw_frame([spicetrio.Rect(x, y, x + width, y + height)])

    async def frame(self) -> None:
        """A whole frame with changes here and there."""
        damage = []
        for _ in range(self.random.randint(1, 4)):
            x, y, width, height = self._rectangle()
            self.array[y : y + height, x : x + width] = self._content(width, height)
            damage.append(spicetrio.Rect(x, y, x + width, y + height))
        await self._draw_frame(damage)

    async def resize(self, width: int, height: int) -> None:
        self.array = np.zeros((height, width, 3), np.uint8)
        await self.display.resize(width, height)

    async def _draw_frame(self, damage: list[spicetrio.Rect]) -> None:
        # The application uses one buffer over and over: nobody may look at it after the call.
        frame = bytearray(self.picture.pixels)
        await self.display.draw_frame(frame, self.random.choice((damage, None)))
        frame[:] = b"\xaa" * len(frame)

    def _rectangle(self) -> tuple[int, int, int, int]:
        size = self.random.choice((8, 64, 10_000))
        width = self.random.randint(1, min(size, self.display.width))
        height = self.random.randint(1, min(size, self.display.height))
        x = self.random.randint(0, self.display.width - width)
        y = self.random.randint(0, self.display.height - height)
        return x, y, width, height

    def _content(self, width: int, height: int) -> np.ndarray:
        """Pixels like a photograph's, a drawing's, or those of text."""
        kind = self.random.choice(("noise", "slope", "text"))
        if kind == "noise":
            return self.noise.integers(0, 256, (height, width, 3), np.uint8)
        if kind == "slope":
            start, dx, dy = (self.noise.integers(0, 8, 3) for _ in range(3))
            rows, columns = np.mgrid[:height, :width]
            return (start + rows[..., None] * dy + columns[..., None] * dx).astype(np.uint8)
        ink, paper = self.noise.integers(0, 256, (2, 3), np.uint8)
        mask = self.noise.random((height, width, 1)) < 0.2
        return np.where(mask, ink, paper)
