from __future__ import annotations

import pytest

from spicetrio.canvas.surface import Surface
from spicetrio.wire.enums import SurfaceFormat
from spicetrio.wire.geometry import Rect


@pytest.mark.parametrize(
    ("surface_format", "stride"),
    [
        (SurfaceFormat.A1, 8),
        (SurfaceFormat.A8, 36),
        (SurfaceFormat.XRGB1555, 68),
        (SurfaceFormat.RGB565, 68),
        (SurfaceFormat.XRGB32, 132),
        (SurfaceFormat.ARGB32, 132),
    ],
)
def test_rows_begin_at_multiples_of_four_bytes(surface_format: SurfaceFormat, stride: int) -> None:
    surface = Surface(33, 3, surface_format)
    assert surface.stride == stride
    assert surface.pixels == bytes(3 * stride)
    assert surface.bounds == Rect(0, 0, 33, 3)


@pytest.mark.parametrize(("width", "height"), [(0, 1), (1, 0), (1, 1 << 15), (1 << 15, 1)])
def test_sizes_that_no_viewer_has_are_refused(width: int, height: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 32767 each"):
        Surface(width, height, SurfaceFormat.A8)


def test_a_part_of_a_plane_begins_at_its_first_pixel() -> None:
    plane = Surface(10, 4, SurfaceFormat.XRGB1555).plane().part(Rect(3, 1, 7, 4))
    assert (plane.offset, plane.stride, plane.width, plane.height) == (26, 20, 4, 3)
