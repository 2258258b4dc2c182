"""Messages of a display channel that draw (spec 3.2, 104 and 302 to 318)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, Final, Self

from spicetrio.wire.buffer import Message, ReadBuffer, WriteBuffer
from spicetrio.wire.drawing import (
    NO_MASK,
    Brush,
    DisplayBase,
    LineAttr,
    Path,
    QMask,
    String,
    pull_brush,
    push_brush,
)
from spicetrio.wire.enums import CompositeFlags, DisplayMessage, Ropd, ScaleMode
from spicetrio.wire.errors import LocalProtocolError
from spicetrio.wire.geometry import Point, Point16, Rect, Transform
from spicetrio.wire.image import Image

_AREA: Final = Struct("<iiiiHB")
_ROP: Final = Struct("<HB")
_ROP3: Final = Struct("<BB")
_MODES: Final = Struct("<HH")
_COLORS: Final = Struct("<II")
_ALPHA: Final = Struct("<BB")


@dataclass(frozen=True, slots=True)
class CopyBits:
    """Moves a part of a surface to another place on it."""

    TYPE: ClassVar = DisplayMessage.COPY_BITS
    base: DisplayBase
    """Where it goes."""
    src_position: Point
    """Where it comes from: the place of its first pixel."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(DisplayBase.pull(buffer), Point.pull(buffer))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        self.base.push(buffer)
        self.src_position.push(buffer)


@dataclass(frozen=True, slots=True)
class DrawFill:
    """Fills the box with a brush."""

    TYPE: ClassVar = DisplayMessage.DRAW_FILL
    base: DisplayBase
    """Where it goes."""
    brush: Brush
    """What fills it."""
    ropd: int = Ropd.PUT
    """`Ropd` bits."""
    mask: QMask = NO_MASK
    """Which pixels change."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(DisplayBase.pull(buffer), pull_brush(buffer), buffer.u16(), QMask.pull(buffer))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        self.base.push(buffer)
        push_brush(buffer, self.brush)
        buffer.u16(self.ropd)
        self.mask.push(buffer)


@dataclass(frozen=True, slots=True)
class DrawOpaque:
    """Draws an image that is combined with a brush."""

    TYPE: ClassVar = DisplayMessage.DRAW_OPAQUE
    base: DisplayBase
    """Where it goes."""
    src: Image
    """The image."""
    src_area: Rect
    """The part of the image that is stretched over the box."""
    brush: Brush
    """What it is combined with."""
    ropd: int = Ropd.PUT
    """`Ropd` bits."""
    scale_mode: int = ScaleMode.INTERPOLATE
    """A `ScaleMode`."""
    mask: QMask = NO_MASK
    """Which pixels change."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        base = DisplayBase.pull(buffer)
        src = buffer.target(Image.pull)
        src_area = Rect.pull(buffer)
        brush = pull_brush(buffer)
        ropd, scale_mode = buffer.unpack(_ROP)
        return cls(base, src, src_area, brush, ropd, scale_mode, QMask.pull(buffer))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        self.base.push(buffer)
        buffer.pointer(self.src.push)
        self.src_area.push(buffer)
        push_brush(buffer, self.brush)
        buffer.pack(_ROP, self.ropd, self.scale_mode)
        self.mask.push(buffer)


@dataclass(frozen=True, slots=True)
class _Copy:
    """Base of the messages that draw an image."""

    base: DisplayBase
    """Where it goes."""
    src: Image
    """The image."""
    src_area: Rect
    """The part of the image that is stretched over the box."""
    ropd: int = Ropd.PUT
    """`Ropd` bits."""
    scale_mode: int = ScaleMode.INTERPOLATE
    """A `ScaleMode`."""
    mask: QMask = NO_MASK
    """Which pixels change."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        base = DisplayBase.pull(buffer)
        src = buffer.target(Image.pull)
        top, left, bottom, right, ropd, scale_mode = buffer.unpack(_AREA)
        return cls(base, src, Rect(left, top, right, bottom), ropd, scale_mode, QMask.pull(buffer))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        self.base.push(buffer)
        buffer.pointer(self.src.push)
        left, top, right, bottom = self.src_area
        buffer.pack(_AREA, top, left, bottom, right, self.ropd, self.scale_mode)
        self.mask.push(buffer)


@dataclass(frozen=True, slots=True)
class DrawCopy(_Copy):
    """Draws an image."""

    TYPE: ClassVar = DisplayMessage.DRAW_COPY


@dataclass(frozen=True, slots=True)
class DrawBlend(_Copy):
    """Draws an image that is combined with what is there."""

    TYPE: ClassVar = DisplayMessage.DRAW_BLEND


@dataclass(frozen=True, slots=True)
class _Plain:
    """Base of the messages that need no source."""

    base: DisplayBase
    """Where it goes."""
    mask: QMask = NO_MASK
    """Which pixels change."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(DisplayBase.pull(buffer), QMask.pull(buffer))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        self.base.push(buffer)
        self.mask.push(buffer)


@dataclass(frozen=True, slots=True)
class DrawBlackness(_Plain):
    """Makes the box black."""

    TYPE: ClassVar = DisplayMessage.DRAW_BLACKNESS


@dataclass(frozen=True, slots=True)
class DrawWhiteness(_Plain):
    """Makes the box white."""

    TYPE: ClassVar = DisplayMessage.DRAW_WHITENESS


@dataclass(frozen=True, slots=True)
class DrawInvers(_Plain):
    """Inverts what is in the box."""

    TYPE: ClassVar = DisplayMessage.DRAW_INVERS


@dataclass(frozen=True, slots=True)
class DrawRop3:
    """Combines an image, a brush and what is there."""

    TYPE: ClassVar = DisplayMessage.DRAW_ROP3
    base: DisplayBase
    """Where it goes."""
    src: Image
    """The image."""
    src_area: Rect
    """The part of the image that is stretched over the box."""
    brush: Brush
    """The brush."""
    rop3: int
    """The result for each of the eight combinations of a bit of brush, image and destination."""
    scale_mode: int = ScaleMode.INTERPOLATE
    """A `ScaleMode`."""
    mask: QMask = NO_MASK
    """Which pixels change."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        base = DisplayBase.pull(buffer)
        src = buffer.target(Image.pull)
        src_area = Rect.pull(buffer)
        brush = pull_brush(buffer)
        rop3, scale_mode = buffer.unpack(_ROP3)
        return cls(base, src, src_area, brush, rop3, scale_mode, QMask.pull(buffer))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        self.base.push(buffer)
        buffer.pointer(self.src.push)
        self.src_area.push(buffer)
        push_brush(buffer, self.brush)
        buffer.pack(_ROP3, self.rop3, self.scale_mode)
        self.mask.push(buffer)


@dataclass(frozen=True, slots=True)
class DrawStroke:
    """Draws lines and curves, one pixel wide."""

    TYPE: ClassVar = DisplayMessage.DRAW_STROKE
    base: DisplayBase
    """Where it goes."""
    path: Path
    """The lines and curves."""
    attr: LineAttr
    """How they are dashed."""
    brush: Brush
    """What they are drawn with."""
    fore_mode: int = Ropd.PUT
    """`Ropd` bits, for the dashes."""
    back_mode: int = Ropd.PUT
    """`Ropd` bits, for the gaps."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        base = DisplayBase.pull(buffer)
        path = buffer.target(Path.pull)
        attr = LineAttr.pull(buffer)
        brush = pull_brush(buffer)
        return cls(base, path, attr, brush, *buffer.unpack(_MODES))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        self.base.push(buffer)
        buffer.pointer(self.path.push)
        self.attr.push(buffer)
        push_brush(buffer, self.brush)
        buffer.pack(_MODES, self.fore_mode, self.back_mode)


@dataclass(frozen=True, slots=True)
class DrawText:
    """Draws glyphs."""

    TYPE: ClassVar = DisplayMessage.DRAW_TEXT
    base: DisplayBase
    """Where it goes."""
    string: String
    """The glyphs."""
    back_area: Rect
    """What is filled with the back brush first; may be empty."""
    fore_brush: Brush
    """What the glyphs are drawn with."""
    back_brush: Brush
    """What is behind them."""
    fore_mode: int = Ropd.PUT
    """`Ropd` bits, for the glyphs."""
    back_mode: int = Ropd.PUT
    """`Ropd` bits, for the area behind them."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        base = DisplayBase.pull(buffer)
        string = buffer.target(String.pull)
        back_area = Rect.pull(buffer)
        fore_brush = pull_brush(buffer)
        back_brush = pull_brush(buffer)
        return cls(base, string, back_area, fore_brush, back_brush, *buffer.unpack(_MODES))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        self.base.push(buffer)
        buffer.pointer(self.string.push)
        self.back_area.push(buffer)
        push_brush(buffer, self.fore_brush)
        push_brush(buffer, self.back_brush)
        buffer.pack(_MODES, self.fore_mode, self.back_mode)


@dataclass(frozen=True, slots=True)
class DrawTransparent:
    """Draws an image except for its pixels of one color."""

    TYPE: ClassVar = DisplayMessage.DRAW_TRANSPARENT
    base: DisplayBase
    """Where it goes."""
    src: Image
    """The image."""
    src_area: Rect
    """The part of the image that is stretched over the box."""
    src_color: int
    """The color in the image's own format."""
    true_color: int
    """The color as 0x00RRGGBB."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        base = DisplayBase.pull(buffer)
        src = buffer.target(Image.pull)
        return cls(base, src, Rect.pull(buffer), *buffer.unpack(_COLORS))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        self.base.push(buffer)
        buffer.pointer(self.src.push)
        self.src_area.push(buffer)
        buffer.pack(_COLORS, self.src_color, self.true_color)


@dataclass(frozen=True, slots=True)
class DrawAlphaBlend:
    """Draws an image that lets through what is there."""

    TYPE: ClassVar = DisplayMessage.DRAW_ALPHA_BLEND
    base: DisplayBase
    """Where it goes."""
    alpha_flags: int
    """`AlphaFlags` bits."""
    alpha: int
    """Opacity of the whole image: 0 to 255."""
    src: Image
    """The image."""
    src_area: Rect
    """The part of the image that is stretched over the box."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        base = DisplayBase.pull(buffer)
        alpha_flags, alpha = buffer.unpack(_ALPHA)
        return cls(base, alpha_flags, alpha, buffer.target(Image.pull), Rect.pull(buffer))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        self.base.push(buffer)
        buffer.pack(_ALPHA, self.alpha_flags, self.alpha)
        buffer.pointer(self.src.push)
        self.src_area.push(buffer)


@dataclass(frozen=True, slots=True)
class DrawComposite:
    """Combines an image, a mask and what is there with an operator of the X Render extension."""

    TYPE: ClassVar = DisplayMessage.DRAW_COMPOSITE
    base: DisplayBase
    """Where it goes."""
    flags: int
    """`CompositeFlags` bits; below them the operator, the filters and the repeats."""
    src: Image
    """The image."""
    mask: Image | None
    """Its mask; there if and only if HAS_MASK is set."""
    src_transform: Transform | None
    """From the box to the image; there if and only if HAS_SRC_TRANSFORM is set."""
    mask_transform: Transform | None
    """From the box to the mask; there if and only if HAS_MASK_TRANSFORM is set."""
    src_origin: Point16
    """The place in the image that belongs to the first pixel of the box."""
    mask_origin: Point16
    """The place in the mask that belongs to the first pixel of the box."""

    @property
    def operator(self) -> int:
        """The operator: its number in the X Render extension."""
        return self.flags & 0xFF

    @property
    def src_filter(self) -> int:
        """How the image is sampled."""
        return self.flags >> 8 & 7

    @property
    def mask_filter(self) -> int:
        """How the mask is sampled."""
        return self.flags >> 11 & 7

    @property
    def src_repeat(self) -> int:
        """What lies beyond the image."""
        return self.flags >> 14 & 3

    @property
    def mask_repeat(self) -> int:
        """What lies beyond the mask."""
        return self.flags >> 16 & 3

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        base = DisplayBase.pull(buffer)
        flags = buffer.u32()
        return cls(
            base,
            flags,
            buffer.target(Image.pull),
            buffer.target(Image.pull) if flags & CompositeFlags.HAS_MASK else None,
            Transform.pull(buffer) if flags & CompositeFlags.HAS_SRC_TRANSFORM else None,
            Transform.pull(buffer) if flags & CompositeFlags.HAS_MASK_TRANSFORM else None,
            Point16.pull(buffer),
            Point16.pull(buffer),
        )

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        self._check_flags()
        self.base.push(buffer)
        buffer.u32(self.flags)
        buffer.pointer(self.src.push)
        if self.mask is not None:
            buffer.pointer(self.mask.push)
        for transform in (self.src_transform, self.mask_transform):
            if transform is not None:
                transform.push(buffer)
        self.src_origin.push(buffer)
        self.mask_origin.push(buffer)

    def _check_flags(self) -> None:
        for flag, value in (
            (CompositeFlags.HAS_MASK, self.mask),
            (CompositeFlags.HAS_SRC_TRANSFORM, self.src_transform),
            (CompositeFlags.HAS_MASK_TRANSFORM, self.mask_transform),
        ):
            if bool(self.flags & flag) != (value is not None):
                raise LocalProtocolError(f"flags {self.flags:#x} and {value!r} do not agree on {flag.name}")


DRAW_MESSAGES: Final[tuple[type[Message], ...]] = (
    CopyBits,
    DrawFill,
    DrawOpaque,
    DrawCopy,
    DrawBlend,
    DrawBlackness,
    DrawWhiteness,
    DrawInvers,
    DrawRop3,
    DrawStroke,
    DrawText,
    DrawTransparent,
    DrawAlphaBlend,
    DrawComposite,
)
"""They are part of a display channel's server messages."""
