"""Everything that can be drawn on a display, and what of it was sent to whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self

import numpy as np
import pytest
from PIL import Image as Pillow

import spicetrio
from spicetrio.canvas.backlog import PRIMARY
from spicetrio.canvas.operations import images
from spicetrio.canvas.surface import BITS
from spicetrio.channels.display import DisplayChannelClient, SurfaceHandle
from spicetrio.server.writer import Writer
from spicetrio.wire import draw
from spicetrio.wire.buffer import Marshalled, ReadBuffer
from spicetrio.wire.display import InvalList, InvalPalette, SurfaceCreate, SurfaceDestroy
from spicetrio.wire.drawing import DisplayBase
from spicetrio.wire.enums import BitmapFlags, BitmapFormat, ImageFlags, SurfaceFormat
from spicetrio.wire.framing import Bundle
from spicetrio.wire.geometry import Rect
from spicetrio.wire.image import Bitmap, Image, Palette
from spicetrio.wire.image import Surface as SurfaceImage
from tests.canvas.random_operations import KINDS, RandomOperations

from .drawing import Drawing
from .gtk import GtkClient, Picture

SURFACES = (
    (60, 50, SurfaceFormat.XRGB32),
    (41, 33, SurfaceFormat.ARGB32),
    (70, 40, SurfaceFormat.ARGB32),
    (33, 21, SurfaceFormat.RGB565),
    (20, 30, SurfaceFormat.XRGB1555),
    (31, 17, SurfaceFormat.A8),
    (50, 50, SurfaceFormat.A1),
)
FORMATS = {"BGRX": 4, "BGRA": 4, "RGBX": 4, "RGBA": 4, "BGR": 3, "RGB": 3, "L": 1, "RGB555": 2, "RGB565": 2}
"""Bytes of a pixel."""
MESSAGES = {message.TYPE: message for message in (*KINDS, InvalList, InvalPalette, SurfaceCreate, SurfaceDestroy)}


class Sent:
    """Names of the messages that displays send, of the images in them, and of what those do to the viewer's caches."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._of: dict[Writer, Counter[str]] = {}
        post = Writer.post_batch

        def post_batch(writer: Writer, messages: Bundle, *, at_once: bool = False) -> None:
            self._of.setdefault(writer, Counter()).update(name for message in messages for name in _names(message))
            post(writer, messages, at_once=at_once)

        patch.setattr(Writer, "post_batch", post_batch)

    def to(self, *clients: DisplayChannelClient) -> Counter[str]:
        """Return how often each was sent to those viewers."""
        return sum((self._of.get(client.writer, Counter()) for client in clients), Counter())

    def clear(self) -> None:
        """Begin to count anew."""
        self._of.clear()


def _names(message: Marshalled) -> Iterable[str]:
    kind = MESSAGES.get(message.type)
    if kind is None:
        return
    yield kind.__name__
    operation = kind.pull(ReadBuffer(b"".join(message.buffers)))
    if not isinstance(operation, KINDS):
        return
    for image in images(operation):
        yield type(image.payload).__name__
        flags = getattr(image.payload, "flags", 0)
        if image.flags & ImageFlags.CACHE_ME:
            yield "CACHE_ME"
        if flags & BitmapFlags.PAL_CACHE_ME:
            yield "PAL_CACHE_ME"
        if flags & BitmapFlags.PAL_FROM_CACHE:
            yield "PAL_FROM_CACHE"


def photograph(noise: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Make colors that change a little from pixel to pixel."""
    coarse = noise.integers(0, 256, (height // 40 + 2, width // 40 + 2, 3), np.uint8)
    smooth = Pillow.fromarray(coarse).resize((width, height), Pillow.Resampling.BICUBIC)
    return np.clip(np.asarray(smooth).astype(int) + noise.integers(-2, 3, (height, width, 1)), 0, 255).astype(np.uint8)


class Scene(Drawing):
    """Draws in all ways on a display with surfaces. What must come of it is what the display reads."""

    def __init__(self, display: spicetrio.Display, handles: Sequence[SurfaceHandle], seed: int) -> None:
        super().__init__(display, seed)
        self.handles = {handle.id: handle for handle in handles}
        self.operations = RandomOperations(self.handles, seed)
        self._shown()

    @classmethod
    @asynccontextmanager
    async def open(cls, display: spicetrio.Display, seed: int) -> AsyncIterator[Self]:
        """A scene with surfaces of all formats."""
        async with AsyncExitStack() as stack:
            handles = [await stack.enter_async_context(display.open_surface(*surface)) for surface in SURFACES]
            yield cls(display, handles, seed)

    def _shown(self) -> None:
        self.handles[PRIMARY] = SurfaceHandle(PRIMARY, self.display.width, self.display.height, SurfaceFormat.XRGB32)

    async def wait_equal(self, *viewers: GtkClient, timeout: float = 15) -> None:  # noqa: ASYNC109
        """Wait until viewers show what the display reads."""
        picture = Picture(self.display.width, self.display.height, await self.display.read())
        for viewer in viewers:
            await viewer.wait_equal(picture, display=self.display.id, timeout=timeout)

    async def draw(self, count: int) -> None:
        pixels = (self.image, self.flat, self.photograph, self.repeat, self.scroll, self.frame)
        operations = (self.operation, self.operation, self.operation, self.palette, self.show)
        for _ in range(count):
            await self.random.choice((self.fill, self.copy, *pixels, *operations))()

    async def draw_and_wait(self, viewer: GtkClient, count: int) -> None:
        """In each way that is sent in one of its own, so many times; nothing is superseded before it was sent."""
        for way in (self.fill, self.copy, self.image, self.photograph, self.palette, self.repeat):
            for _ in range(count):
                await way()
                await self.wait_equal(viewer)

    async def all_kinds(self) -> None:
        """Each kind of operation once."""
        for kind in KINDS:
            await self.operation(kind)

    async def operation(self, kind: type | None = None) -> None:
        """A random operation on a random surface."""
        drawn = [number for number, handle in self.handles.items() if handle.format is not SurfaceFormat.A1]
        surface = self.random.choice((PRIMARY, PRIMARY, *drawn))
        await self.display.draw(self.operations.operation(kind or self.random.choice(KINDS), surface))

    async def show(self) -> None:
        """A surface that is not shown, drawn on the one that is."""
        sources = [handle for handle in self.handles.values() if handle.id != PRIMARY and BITS[handle.format] == 32]
        source = self.random.choice(sources)
        width, height = min(source.width, self.display.width), min(source.height, self.display.height)
        image = Image(0, 0, source.width, source.height, SurfaceImage(source.id))
        x, y = self._place(width, height)
        base = DisplayBase(PRIMARY, Rect(x, y, x + width, y + height))
        await self.display.draw(draw.DrawCopy(base, image, Rect(0, 0, width, height)))

    async def photograph(self) -> None:
        width, height = self.random.randint(1, self.display.width), self.random.randint(1, self.display.height)
        await self.display.draw_image(*self._place(width, height), photograph(self.noise, width, height))

    async def flat(self) -> None:
        """Bytes in one of all formats, with rows that begin anywhere."""
        pixel_format, size = self.random.choice(tuple(FORMATS.items()))
        x, y, width, height = self._rectangle()
        stride = size * width + self.random.randrange(4)
        data = self.random.randbytes(stride * height)
        await self.display.draw_image(x, y, data, width=width, height=height, format=pixel_format, stride=stride)

    async def repeat(self) -> None:
        """One of a few pictures, some of which differ in one row alone."""
        number = self.random.randrange(3)
        noise = np.random.default_rng(number)
        width, height = min(self.display.width, 90 + number), min(self.display.height, 70 - number)
        picture = photograph(noise, width, height) if number else noise.integers(0, 9, (height, width, 3), np.uint8)
        picture[height // 2] = self.random.choice((0, 200))
        await self.display.draw_image(*self._place(width, height), picture)

    async def palette(self, unique: int | None = None) -> None:
        """An indexed image with one of a few palettes, or another one, clipped."""
        unique = unique or self.random.randint(1, 5)
        bitmap_format = self.random.choice((BitmapFormat.BIT4_BE, BitmapFormat.BIT8))
        width, height = min(self.display.width, 20), min(self.display.height, 9)
        palette = Palette(unique, tuple(unique * 0x50F03 * k & 0xFFFFFF for k in range(256)))
        data = self.random.choice((self.random.randbytes(width * height), bytes(range(width)) * height))
        bitmap = Bitmap(bitmap_format, BitmapFlags.TOP_DOWN, width, height, width, palette, data)
        x, y = self._place(width, height)
        base = DisplayBase(PRIMARY, Rect(x, y, x + width, y + height), (Rect(x, y, x + width, y + height),))
        await self.display.draw(draw.DrawCopy(base, Image(0, 0, width, height, bitmap), Rect(0, 0, width, height)))

    async def resize(self, width: int, height: int) -> None:
        await super().resize(width, height)
        self._shown()

    async def scroll(self) -> None:
        await self._look()
        await super().scroll()

    async def frame(self) -> None:
        await self._look()
        await super().frame()

    async def _look(self) -> None:
        """Frames are the display's own picture with changes."""
        pixels = await self.display.read()
        self.array = Picture(self.display.width, self.display.height, pixels).array().copy()

    def _place(self, width: int, height: int) -> tuple[int, int]:
        return self.random.randint(0, self.display.width - width), self.random.randint(0, self.display.height - height)
