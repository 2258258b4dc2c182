"""Pictures, pointers and what is drawn, naively: arrays of numbers, none of the project's kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from spicetrio.wire import cursor, display, draw
from spicetrio.wire.buffer import Message
from spicetrio.wire.drawing import Solid
from spicetrio.wire.enums import CursorFlags, ImageCompression
from spicetrio.wire.geometry import Rect
from spicetrio.wire.image import Bitmap, FromCache, Glz, Jpeg, Lz, Lz4, Quic, ZlibGlz
from tests import screen

Pixels = npt.NDArray[np.uint32]
"""Rows of 0x00RRGGBB."""

RGB: Final = 0xFFFFFF
PAYLOADS: Final = {
    ImageCompression.OFF: (),
    ImageCompression.LZ: (Lz,),
    ImageCompression.LZ4: (Lz4,),
    ImageCompression.QUIC: (Lz, Quic, Jpeg),
    ImageCompression.GLZ: (Lz, Glz, ZlibGlz),
    ImageCompression.AUTO_LZ: (Lz, Quic, Jpeg),
    ImageCompression.AUTO_GLZ: (Lz, Quic, Jpeg, Glz, ZlibGlz),
}
"""How images may come besides raw and out of the cache. Those with losses and zlib are for slow connections."""


def black(width: int, height: int) -> Pixels:
    return np.zeros((height, width), np.uint32)


def pixels_of(data: Any, width: int, height: int) -> Pixels:
    """Rows of BGRX as numbers, without X."""
    return (np.frombuffer(data, "<u4").reshape(height, width) & RGB).astype(np.uint32)


def pattern(seed: int, width: int, height: int) -> Pixels:
    """Noise, which nothing compresses; few colors; or stripes. The seed says which."""
    random = np.random.default_rng(seed)
    match seed % 4:
        case 0 | 1:
            return random.integers(0, RGB + 1, (height, width)).astype(np.uint32)
        case 2:
            return random.choice(random.integers(0, RGB + 1, 3), (height, width)).astype(np.uint32)
        case _:
            return np.repeat(random.integers(0, RGB + 1, (height, 1)), width, 1).astype(np.uint32)


def area(width: int, height: int, numbers: tuple[int, int, int, int]) -> Rect:
    """An area inside a picture, from any four numbers: small numbers give small areas in the top left."""
    left, top = numbers[0] % width, numbers[1] % height
    return Rect(left, top, left + 1 + numbers[2] % (width - left), top + 1 + numbers[3] % (height - top))


def copy_area(pixels: Pixels | npt.NDArray[np.bool_], rect: Rect, x: int, y: int) -> None:
    source = pixels[y : y + rect.height, x : x + rect.width].copy()
    pixels[rect.top : rect.bottom, rect.left : rect.right] = source


class Screen:
    """A display as a viewer has it, with all that a client would stumble over."""

    def __init__(self, *, monitors_config: bool) -> None:
        self.pixels: Pixels | None = None
        self.marked = False
        self.allowed: set[ImageCompression] = set()
        """What it may be sent, besides raw pixels."""
        self._decoder = screen.Screen()
        self._drawn: npt.NDArray[np.bool_]
        self._monitors_config = monitors_config
        self._monitors: tuple[int, int] | None = None

    def handle(self, message: Message) -> None:
        if handler := getattr(self, f"_on_{type(message).__name__}", None):
            handler(message)

    def shows(self, truth: Pixels) -> str:
        """Why it is not as it must be; empty if it is."""
        if self.pixels is None:
            return "no surface"
        if self.pixels.shape != truth.shape:
            return f"shape {self.pixels.shape}, expected {truth.shape}"
        if (wrong := self.pixels != truth).any():
            rows, columns = wrong.nonzero()
            return f"{wrong.sum()} wrong pixels, within {columns.min()}..{columns.max()} x {rows.min()}..{rows.max()}"
        if not self.marked:
            return "no MARK"
        if self._monitors != (truth.shape[::-1] if self._monitors_config else None):
            return f"monitors {self._monitors}"
        return ""

    def _on_SurfaceCreate(self, message: display.SurfaceCreate) -> None:
        assert self.pixels is None, "the surface is there already"
        self.pixels = np.full((message.height, message.width), 0xDEAD00, np.uint32)  # a client need not clear it
        self._drawn = np.zeros(self.pixels.shape, np.bool_)

    def _on_SurfaceDestroy(self, message: display.SurfaceDestroy) -> None:
        assert self.pixels is not None, "there is no surface"
        self.pixels, self.marked, self._monitors = None, False, None

    def _on_MonitorsConfig(self, message: display.MonitorsConfig) -> None:
        assert self._monitors_config, "this viewer does not know MONITORS_CONFIG"
        (head,) = message.heads
        self._monitors = (head.width, head.height)

    def _on_Mark(self, message: display.Mark) -> None:
        assert self.pixels is not None, "MARK without a surface"
        assert not self.marked, "a second MARK"
        assert self._drawn.all(), "MARK before each pixel was drawn"
        self.marked = True

    def _on_DrawFill(self, message: draw.DrawFill) -> None:
        assert isinstance(message.brush, Solid)
        self._draw(message.base.box, message.brush.color)

    def _on_CopyBits(self, message: draw.CopyBits) -> None:
        box, source = message.base.box, message.src_position
        assert self.pixels is not None, "drawn without a surface"
        height, width = self.pixels.shape
        assert 0 <= source.x <= width - box.width, f"{source} is not inside"
        assert 0 <= source.y <= height - box.height, f"{source} is not inside"
        drawn = self._drawn.copy()
        copy_area(drawn, box, source.x, source.y)  # what was not drawn there is not drawn here either
        drawn |= self._drawn
        self._draw(box, self.pixels[source.y : source.y + box.height, source.x : source.x + box.width].copy())
        self._drawn = drawn

    def _on_DrawCopy(self, message: draw.DrawCopy) -> None:
        box, image = message.base.box, message.src
        assert (image.width, image.height) == (box.width, box.height)
        allowed = set().union(*map(PAYLOADS.__getitem__, self.allowed))
        assert isinstance(image.payload, (Bitmap, FromCache, *allowed)), f"got {image}, wanted {self.allowed}"
        bitmap = self._decoder.decoded(image).payload
        assert isinstance(bitmap, Bitmap)
        self._draw(box, pixels_of(bitmap.data, box.width, box.height))

    def _on_InvalList(self, message: display.InvalList) -> None:
        self._decoder.handle(message)

    def _draw(self, box: Rect, content: Pixels | int) -> None:
        assert self.pixels is not None, "drawn without a surface"
        height, width = self.pixels.shape
        assert 0 <= box.left < box.right <= width, f"{box} is not inside"
        assert 0 <= box.top < box.bottom <= height, f"{box} is not inside"
        self.pixels[box.top : box.bottom, box.left : box.right] = content
        self._drawn[box.top : box.bottom, box.left : box.right] = True


@dataclass(frozen=True)
class Shape:
    """What a pointer looks like."""

    width: int
    height: int
    hot_x: int
    hot_y: int
    pixels: bytes


def shape(seed: int) -> Shape:
    random = np.random.default_rng(seed)
    width, height = (int(number) for number in random.integers(1, 9, 2))
    return Shape(width, height, seed % width, seed % height, random.bytes(4 * width * height))


class Pointer:
    """A pointer as a viewer has it."""

    def __init__(self) -> None:
        self.begun = False
        self.shape: Shape | None = None
        self.position = (0, 0)
        self.visible = False
        self._cache: dict[int, Shape] = {}

    def handle(self, message: Message) -> None:
        if handler := getattr(self, f"_on_{type(message).__name__}", None):
            assert self.begun != isinstance(message, cursor.Init), "INIT comes first, and once"
            handler(message)

    def _on_Init(self, message: cursor.Init) -> None:
        self.begun = True
        self._on_Set(message)

    def _on_Set(self, message: cursor.Init | cursor.Set) -> None:
        self.position, self.visible = (message.position.x, message.position.y), message.visible
        image = message.cursor
        if image.header is None:
            self.shape = None
            return
        header = image.header
        if image.flags & CursorFlags.FROM_CACHE:
            self.shape = self._cache[header.unique]
        else:
            self.shape = Shape(header.width, header.height, header.hot_x, header.hot_y, bytes(image.data))
        if image.flags & CursorFlags.CACHE_ME:
            self._cache[header.unique] = self.shape

    def _on_Move(self, message: cursor.Move) -> None:
        self.position, self.visible = (message.position.x, message.position.y), True

    def _on_Hide(self, message: cursor.Hide) -> None:
        self.visible = False

    def _on_InvalOne(self, message: cursor.InvalOne) -> None:
        del self._cache[message.id]
