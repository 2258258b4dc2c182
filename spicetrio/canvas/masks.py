"""Where drawings go: clips, masks, glyphs and lines (spec S-4, S-11, S-13 to S-15).

Everything here trusts that the operation was checked (`spicetrio.canvas.checks`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from spicetrio.canvas import coverage
from spicetrio.canvas.region import Region, bounding, intersect
from spicetrio.canvas.sources import rows
from spicetrio.canvas.surface import Surface
from spicetrio.wire.drawing import GLYPH_BITS, DisplayBase, Glyph, LineAttr, Path, QMask, String
from spicetrio.wire.enums import BitmapFormat, LineFlags, MaskFlags, PathFlags, StringFlags
from spicetrio.wire.geometry import Point, PointFix, Rect
from spicetrio.wire.image import Bitmap
from spicetrio.wire.image import Surface as SurfaceImage

_FLAT = 8
"""Sixteenths of a pixel by which a line may miss the curve it stands for."""


def clipped(base: DisplayBase, within: Rect | None = None) -> list[Rect]:
    """Return the pixels that a drawing is confined to, as rectangles that do not overlap."""
    box = base.box if within is None else intersect(base.box, within)
    if box is None:
        return []
    if base.clip is None:
        return [box]
    region = Region()
    for rect in base.clip:
        if common := intersect(rect, box):
            region.add(common)
    return list(region)


def mask_cover(surfaces: Mapping[int, Surface], mask: QMask, box: Rect, rect: Rect) -> bytearray | None:
    """Return a byte for each pixel of a rectangle of a box: 0 where the box's mask forbids; None if it allows all."""
    if mask.bitmap is None:
        return None
    invert = bool(mask.flags & MaskFlags.INVERS)
    x, y = mask.position.x + rect.left - box.left, mask.position.y + rect.top - box.top
    payload = mask.bitmap.payload
    if isinstance(payload, SurfaceImage):
        surface = surfaces[payload.surface_id]
        return coverage.bits(
            surface.pixels, 0, surface.stride, x, y, rect.width, rect.height, low_first=True, invert=invert
        )
    assert isinstance(payload, Bitmap)
    low_first = payload.format == BitmapFormat.BIT1_LE
    offset, stride = rows(payload)
    return coverage.bits(
        payload.data, offset, stride, x, y, rect.width, rect.height, low_first=low_first, invert=invert
    )


def glyph_box(glyph: Glyph) -> Rect:
    """Return the rectangle of a glyph's pixels."""
    left = glyph.render_position.x + glyph.origin.x
    top = glyph.render_position.y + glyph.origin.y
    return Rect(left, top, left + glyph.width, top + glyph.height)


def text_bounds(string: String) -> Rect:
    """Return the rectangle around all glyphs of a string."""
    return bounding(map(glyph_box, string.glyphs))


def text_cover(string: String, rect: Rect) -> bytearray:
    """Return how much the glyphs of a string cover of each pixel of a rectangle, 0 to 255."""
    depth = GLYPH_BITS[string.flags & ~StringFlags.TOP_DOWN]
    upward = not string.flags & StringFlags.TOP_DOWN
    cover = bytearray(rect.width * rect.height)
    for glyph in string.glyphs:
        box = glyph_box(glyph)
        if intersect(box, rect):
            coverage.add_glyph(
                cover, rect.width, rect.height, box.left - rect.left, box.top - rect.top,
                glyph.data, glyph.width, glyph.height, depth, upward=upward,
            )  # fmt: skip
    return cover


def path_bounds(path: Path) -> Rect:
    """Return a rectangle around all lines of a path."""
    points = [_whole(point) for segment in path.segments for point in segment.points]
    return bounding(Rect(x, y, x + 1, y + 1) for x, y in points)


def stroke_cover(path: Path, attr: LineAttr, rect: Rect) -> bytearray:
    """Return how often a path passes each pixel of a rectangle: never 0, an odd number of times 1, an even one 2."""
    dashes = dash_pattern(attr)
    cover = bytearray(rect.width * rect.height)
    for line in polylines(path):
        phase = 0
        for (x1, y1), (x2, y2) in pairwise(line):
            coverage.add_line(
                cover, rect.width, rect.height,
                x1 - rect.left, y1 - rect.top, x2 - rect.left, y2 - rect.top, dashes, phase,
            )  # fmt: skip
            phase = (phase + max(abs(x2 - x1), abs(y2 - y1))) % len(dashes)
    return cover


def dash_pattern(attr: LineAttr) -> bytes:
    """Return for each pixel along a line whether it is drawn, until that begins again."""
    if attr.style is None:
        return b"\1"
    lengths = [length >> 4 if length & 15 <= 8 else (length >> 4) + 1 for length in attr.style]
    if len(lengths) % 2:
        lengths *= 2
    first = 0 if attr.flags & LineFlags.START_WITH_GAP else 1
    return b"".join(bytes([(first + index) % 2]) * length for index, length in enumerate(lengths))


def polylines(path: Path) -> Iterator[list[Point]]:
    """Yield the points, in whole pixels, of the lines that a path is made of."""
    line: list[Point] = []
    for segment in path.segments:
        if segment.flags & PathFlags.BEGIN and line:
            yield line
            line = []
        points = segment.points
        if segment.flags & PathFlags.BEZIER:
            if segment.flags & PathFlags.BEGIN:
                line.append(_whole(points[0]))
                points = points[1:]
            for index in range(0, len(points), 3):
                start = PointFix(16 * line[-1].x, 16 * line[-1].y)
                line += map(_whole, _flattened(start, *points[index : index + 3]))
        else:
            line += map(_whole, points)
        if segment.flags & PathFlags.END:
            if segment.flags & PathFlags.CLOSE and line:
                line.append(line[0])
            yield line
            line = []
    yield line


def _whole(point: PointFix) -> Point:
    """Return the nearest whole pixel; a half goes to the left and up."""
    return Point((point.x + 7) >> 4, (point.y + 7) >> 4)


def _flattened(a: PointFix, b: PointFix, c: PointFix, d: PointFix) -> Iterator[PointFix]:
    """Yield the ends of lines that come near a curve from `a` to `d`, by halving it until it is nearly straight."""
    pending = [(a, b, c, d)]
    while pending:
        a, b, c, d = pending.pop()
        # No place of the curve is farther from its chord than the bend at a control.
        bend = max(_bend(b, a, d), _bend(c, d, a))
        if bend <= 3 * _FLAT:
            yield d
            continue
        ab, bc, cd = _between(a, b), _between(b, c), _between(c, d)
        abc, bcd = _between(ab, bc), _between(bc, cd)
        middle = _between(abc, bcd)
        pending += ((middle, bcd, cd, d), (a, ab, abc, middle))


def _bend(control: PointFix, near: PointFix, far: PointFix) -> int:
    """Return three times how far a control is from its place on a straight line, which is at a third of the way."""
    return max(abs(3 * control.x - 2 * near.x - far.x), abs(3 * control.y - 2 * near.y - far.y))


def _between(one: PointFix, other: PointFix) -> PointFix:
    return PointFix((one.x + other.x) >> 1, (one.y + other.y) >> 1)
