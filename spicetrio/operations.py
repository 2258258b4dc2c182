"""What `Display.draw` takes: the drawing operations of the protocol, and what they are made of.

::

    from spicetrio.operations import DisplayBase, DrawCopy, Rect, image_of

    image = image_of(pixels, width=64, height=64)
    stretched = DrawCopy(DisplayBase(0, Rect(0, 0, 320, 200)), image, Rect(0, 0, 64, 64))
    await display.draw(stretched)
"""

from spicetrio.canvas.images import image_of
from spicetrio.canvas.operations import Operation
from spicetrio.wire.draw import (
    CopyBits,
    DrawAlphaBlend,
    DrawBlackness,
    DrawBlend,
    DrawComposite,
    DrawCopy,
    DrawFill,
    DrawInvers,
    DrawOpaque,
    DrawRop3,
    DrawStroke,
    DrawText,
    DrawTransparent,
    DrawWhiteness,
)
from spicetrio.wire.drawing import (
    Brush,
    DisplayBase,
    Glyph,
    LineAttr,
    Path,
    PathSegment,
    Pattern,
    QMask,
    Solid,
    String,
)
from spicetrio.wire.enums import (
    AlphaFlags,
    BitmapFlags,
    BitmapFormat,
    CompositeFlags,
    LineFlags,
    MaskFlags,
    PathFlags,
    Ropd,
    ScaleMode,
    StringFlags,
    SurfaceFormat,
)
from spicetrio.wire.geometry import Clip, Point, Point16, PointFix, Rect, Transform
from spicetrio.wire.image import Bitmap, Image, Palette
from spicetrio.wire.image import Surface as SurfaceImage

__all__ = [
    "AlphaFlags",
    "Bitmap",
    "BitmapFlags",
    "BitmapFormat",
    "Brush",
    "Clip",
    "CompositeFlags",
    "CopyBits",
    "DisplayBase",
    "DrawAlphaBlend",
    "DrawBlackness",
    "DrawBlend",
    "DrawComposite",
    "DrawCopy",
    "DrawFill",
    "DrawInvers",
    "DrawOpaque",
    "DrawRop3",
    "DrawStroke",
    "DrawText",
    "DrawTransparent",
    "DrawWhiteness",
    "Glyph",
    "Image",
    "LineAttr",
    "LineFlags",
    "MaskFlags",
    "Operation",
    "Palette",
    "Path",
    "PathFlags",
    "PathSegment",
    "Pattern",
    "Point",
    "Point16",
    "PointFix",
    "QMask",
    "Rect",
    "Ropd",
    "ScaleMode",
    "Solid",
    "String",
    "StringFlags",
    "SurfaceFormat",
    "SurfaceImage",
    "Transform",
    "image_of",
]
