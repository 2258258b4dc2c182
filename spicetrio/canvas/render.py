"""Drawing operations rendered on surfaces, pixel by pixel as viewers do it (spec DT-14, DT-17)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from spicetrio.canvas import composite, coverage, formats, masks, mixing, operations, pixels, rops, sampling, sources
from spicetrio.canvas.operations import Operation
from spicetrio.canvas.region import bounding, intersect, translate
from spicetrio.canvas.sources import as_argb, as_raw, has_alpha
from spicetrio.canvas.surface import Plane, Surface
from spicetrio.wire import draw
from spicetrio.wire.drawing import Brush, QMask
from spicetrio.wire.enums import CompositeFlags, ScaleMode, SurfaceFormat
from spicetrio.wire.geometry import Point16, Rect, Transform
from spicetrio.wire.image import Image
from spicetrio.wire.image import Surface as SurfaceImage

_SMOOTH: Final = (1, 2, 4)
"""The filters that mix pixels: good, best, bilinear."""
_SECOND: Final = bytes([0, 0, 1]) + bytes(253)
"""Makes of the cover of a stroke that of the pixels that are drawn twice."""


def render(surfaces: Mapping[int, Surface], operation: Operation) -> None:
    """Draw.

    Args:
        surfaces: All surfaces by id; the one that the operation names is changed.
        operation: What is drawn; it has passed `spicetrio.canvas.checks.check` with the same surfaces.
    """
    areas = operations.written(operation)
    if not areas:
        return
    painter = _Painter(surfaces, surfaces[operation.base.surface_id], operation.base.box, areas)
    if isinstance(operation, operations.RasterOperation):
        _raster_operation(painter, operation)
    else:
        _RENDERERS[type(operation)](painter, operation)


class _Painter:
    """Kernels set to the part of a surface that an operation writes.

    All planes and covers are of `rect`, the rectangle around that part.
    """

    def __init__(self, surfaces: Mapping[int, Surface], surface: Surface, box: Rect, areas: Sequence[Rect]) -> None:
        self.surfaces = surfaces
        self.surface = surface
        self.box = box
        self.areas = areas
        self.rect = bounding(areas)

    def within(self, rect: Rect) -> _Painter | None:
        """Return a painter of the part that lies in a rectangle; None if there is none."""
        areas = [common for area in self.areas if (common := intersect(area, rect))]
        return _Painter(self.surfaces, self.surface, self.box, areas) if areas else None

    def image(self, image: Image, area: Rect, scale_mode: int) -> Plane:
        """Return the part of an image, stretched over the box, that is needed."""
        plane = sources.image_plane(self.surfaces, image, self.surface)
        plane = sources.stretched(plane, area, self.box, scale_mode)
        return plane.part(translate(self.rect, -self.box.left, -self.box.top))

    def brush(self, brush: Brush) -> Plane:
        """Return the part of a brush that is needed."""
        return sources.brush_plane(self.surfaces, brush, self.surface, self.rect)

    def mask(self, mask: QMask) -> bytearray | None:
        """Return the part of a mask that is needed."""
        return masks.mask_cover(self.surfaces, mask, self.box, self.rect)

    def rop(
        self, code: int, brush: Plane | None = None, src: Plane | None = None, cover: bytearray | None = None
    ) -> None:
        """Combine a brush and an image with what is there."""
        surface, rect = self.surface, self.rect
        zeros = Plane(bytes(surface.depth * rect.width), 0, 0, rect.width, rect.height, surface.format)
        pattern, source = brush or zeros, zeros if src is None else as_raw(src, surface)
        for area in self.areas:
            place = translate(area, -rect.left, -rect.top)
            own, p, s = surface.plane().part(area), pattern.part(place), source.part(place)
            rops.rop3(
                code, surface.depth, surface.format is SurfaceFormat.XRGB32,
                own.data, own.offset, own.stride, area.width, area.height,
                p.data, p.offset, p.stride, s.data, s.offset, s.stride,
                cover, place.top * rect.width + place.left, rect.width,
            )  # fmt: skip

    def composite(self, operator: int, src: Plane, mask: Plane | None = None, *, by_component: bool = False) -> None:
        """Lay an image over what is there.

        Args:
            operator: An operator of X Render.
            src: 4-byte pixels.
            mask: A8, or 4-byte pixels.
            by_component: All four components of the mask count, not only its alpha.
        """
        surface, rect = self.surface, self.rect
        for area in self.areas:
            place = translate(area, -rect.left, -rect.top)
            s, own = src.part(place), surface.plane().part(area)
            below = as_argb(own)
            if mask is None:
                factors: tuple[Any, ...] = ()
            else:
                m = mask.part(place)
                offset = m.offset + (3 if m.depth == 4 and not by_component else 0)
                factors = (m.data, offset, m.stride, m.depth)
            lay = mixing.mix if operator in mixing.OPERATORS else composite.composite
            lay(
                operator, below.data, below.offset, below.stride, not has_alpha(below), area.width, area.height,
                s.data, s.offset, s.stride, not has_alpha(s), *factors, by_component=by_component,
            )  # fmt: skip
            if below is not own:
                formats.pack(
                    own.data, own.offset, own.stride,
                    below.data, below.offset, below.stride, area.width, area.height, sources.PACKED[surface.format],
                )  # fmt: skip


def _raster_operation(painter: _Painter, operation: operations.RasterOperation) -> None:
    src = brush = None
    if isinstance(operation, draw.DrawOpaque | draw.DrawCopy | draw.DrawBlend | draw.DrawRop3):
        src = painter.image(operation.src, operation.src_area, operation.scale_mode)
    if isinstance(operation, draw.DrawFill | draw.DrawOpaque | draw.DrawRop3):
        brush = painter.brush(operation.brush)
    painter.rop(operations.code(operation), brush, src, painter.mask(operation.mask))


def _copy_bits(painter: _Painter, operation: draw.CopyBits) -> None:
    surface, rect = painter.surface, painter.rect
    dx, dy = operation.src_position.x - painter.box.left, operation.src_position.y - painter.box.top
    if surface.depth == 4 and len(painter.areas) == 1:
        pixels.copy_area(
            surface.pixels, surface.stride, rect.left, rect.top, rect.width, rect.height, rect.left + dx, rect.top + dy
        )
        return
    source = surface.plane().part(translate(rect, dx, dy))
    rows = memoryview(surface.pixels)[source.offset : source.offset + source.stride * rect.height]
    painter.rop(rops.SOURCE, src=Plane(bytes(rows), 0, source.stride, rect.width, rect.height, surface.format))


def _transparent(painter: _Painter, operation: draw.DrawTransparent) -> None:
    src = painter.image(operation.src, operation.src_area, ScaleMode.NEAREST)
    raw = as_raw(src, painter.surface)
    key = Plane(operation.true_color.to_bytes(4, "little"), 0, 0, 1, 1, SurfaceFormat.XRGB32)
    seen, seen_key = as_argb(raw), as_argb(as_raw(key, painter.surface))
    color = int.from_bytes(memoryview(seen_key.data)[:3], "little")
    painter.rop(
        rops.SOURCE,
        src=raw,
        cover=coverage.differs(seen.data, seen.offset, seen.stride, seen.width, seen.height, color),
    )


def _alpha_blend(painter: _Painter, operation: draw.DrawAlphaBlend) -> None:
    if operation.alpha == 0:
        return
    rect = painter.rect
    src = as_argb(painter.image(operation.src, operation.src_area, ScaleMode.NEAREST))
    factor = Plane(bytes([operation.alpha]) * rect.width, 0, 0, rect.width, rect.height, SurfaceFormat.A8)
    painter.composite(composite.OVER, src, factor)


def _text(painter: _Painter, operation: draw.DrawText) -> None:
    if back := painter.within(operation.back_area):
        back.rop(rops.BRUSH, back.brush(operation.back_brush))
    front = painter.within(masks.text_bounds(operation.string))
    if front is None or operation.fore_brush is None:
        return
    rect = front.rect
    cover = Plane(masks.text_cover(operation.string, rect), 0, rect.width, rect.width, rect.height, SurfaceFormat.A8)
    front.composite(
        composite.OVER, sources.ink_plane(painter.surfaces, operation.fore_brush, front.surface, rect), cover
    )


def _stroke(painter: _Painter, operation: draw.DrawStroke) -> None:
    cover = masks.stroke_cover(operation.path, operation.attr, painter.rect)
    code, brush = operations.brush_code(operation.fore_mode), painter.brush(operation.brush)
    painter.rop(code, brush, cover=cover)
    if 2 in cover:
        painter.rop(code, brush, cover=cover.translate(_SECOND))


def _composite(painter: _Painter, operation: draw.DrawComposite) -> None:
    by_component = bool(operation.flags & CompositeFlags.COMPONENT_ALPHA)
    src = _sampled(
        painter, operation.src, operation.src_origin, operation.src_transform,
        operation.src_repeat, operation.src_filter in _SMOOTH,
        opaque=bool(operation.flags & CompositeFlags.SOURCE_OPAQUE),
    )  # fmt: skip
    mask = None
    if operation.mask is not None:
        mask = _sampled(
            painter, operation.mask, operation.mask_origin, operation.mask_transform,
            operation.mask_repeat, operation.mask_filter in _SMOOTH,
        )  # fmt: skip
    painter.composite(operation.operator, src, mask, by_component=by_component and mask is not None)


def _sampled(
    painter: _Painter,
    image: Image,
    origin: Point16,
    transform: Transform | None,
    repeat: int,
    smooth: bool,
    *,
    opaque: bool = False,
) -> Plane:
    """Return the pixels of an image that a composite lays over the part that is drawn, or masks it with."""
    plane = as_argb(sources.image_plane(painter.surfaces, image, painter.surface))
    if opaque and isinstance(image.payload, SurfaceImage):
        plane = replace(plane, format=SurfaceFormat.XRGB32)
    place = translate(painter.rect, origin.x - painter.box.left, origin.y - painter.box.top)
    if transform is None:
        return sources.sampled(plane, place, repeat=repeat)
    numbers = (transform.t00, transform.t01, transform.t02, transform.t10, transform.t11, transform.t12)
    a, b, c, d, e, f = (number - (1 << 32) if number >> 31 else number for number in numbers)
    return sources.sampled(plane, place, (a, b, c, d, e, f), repeat, smooth=smooth and numbers != sampling.IDENTITY)


_RENDERERS: Final[Mapping[type, Callable[[_Painter, Any], None]]] = {
    draw.CopyBits: _copy_bits,
    draw.DrawStroke: _stroke,
    draw.DrawText: _text,
    draw.DrawTransparent: _transparent,
    draw.DrawAlphaBlend: _alpha_blend,
    draw.DrawComposite: _composite,
}
"""How to draw what is not a raster operation under a mask."""
