from __future__ import annotations

from itertools import pairwise

import pytest

from spicetrio.canvas.masks import clipped, dash_pattern, polylines, stroke_cover
from spicetrio.wire.drawing import DisplayBase, LineAttr, Path, PathSegment
from spicetrio.wire.enums import LineFlags, PathFlags
from spicetrio.wire.geometry import Point, PointFix, Rect


def segment(flags: int, *points: tuple[float, float]) -> PathSegment:
    return PathSegment(flags, tuple(PointFix(int(16 * x), int(16 * y)) for x, y in points))


@pytest.mark.parametrize(
    ("style", "flags", "expected"),
    [
        ((32, 16), 0, [1, 1, 0]),
        ((32, 16), LineFlags.START_WITH_GAP, [0, 0, 1]),
        ((16, 24, 41), 0, [1, 0, 1, 1, 1, 0, 1, 0, 0, 0]),
    ],
)
def test_dashes_and_gaps_come_in_turn(style: tuple[int, ...], flags: int, expected: list[int]) -> None:
    assert list(dash_pattern(LineAttr(LineFlags.STYLED | flags, style))) == expected
    assert dash_pattern(LineAttr()) == b"\1"


def test_points_are_taken_to_the_nearest_pixel_halves_to_the_left_and_up() -> None:
    path = Path((segment(PathFlags.BEGIN, (0.5, 0.5625), (-0.5, -0.5625), (-1.4375, 7)),))
    assert list(polylines(path)) == [[Point(0, 1), Point(-1, -1), Point(-1, 7)]]


def test_segments_go_on_until_one_begins_or_ends() -> None:
    path = Path(
        (
            segment(PathFlags.BEGIN, (1, 1), (2, 2)),
            segment(0, (3, 3)),
            segment(PathFlags.BEGIN | PathFlags.END | PathFlags.CLOSE, (4, 4), (5, 5)),
            segment(PathFlags.END | PathFlags.CLOSE),
            segment(0, (6, 6)),
        )
    )
    found = [[tuple(point) for point in line] for line in polylines(path) if line]
    assert found == [[(1, 1), (2, 2), (3, 3)], [(4, 4), (5, 5), (4, 4)], [(6, 6)]]


def test_a_curve_becomes_lines_that_miss_it_by_less_than_a_pixel() -> None:
    controls = [(10, 20), (300, -80), (-200, 90), (120, 140)]
    path = Path((segment(PathFlags.BEGIN | PathFlags.BEZIER, *controls),))
    (line,) = polylines(path)
    assert line[0] == (10, 20)
    assert line[-1] == (120, 140)
    assert len(line) < 60
    for step in range(1001):
        t = step / 1000
        shares = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
        x, y = (sum(share * control[axis] for share, control in zip(shares, controls, strict=True)) for axis in (0, 1))
        assert min(distance(x, y, *ends) for ends in pairwise(line)) < 1.5


def distance(x: float, y: float, one: Point, other: Point) -> float:
    """From a place to a line between two points."""
    dx, dy = other.x - one.x, other.y - one.y
    t = ((x - one.x) * dx + (y - one.y) * dy) / (dx * dx + dy * dy or 1)
    t = min(max(t, 0), 1)
    return float(((x - one.x - t * dx) ** 2 + (y - one.y - t * dy) ** 2) ** 0.5)


def test_dashes_go_on_around_corners_and_begin_again_with_a_new_line() -> None:
    dashed = LineAttr(LineFlags.STYLED, (32, 32))
    square = segment(PathFlags.BEGIN, (0, 0), (3, 0), (3, 3))
    other = segment(PathFlags.BEGIN, (0, 2), (3, 2))
    cover = stroke_cover(Path((square, other)), dashed, Rect(0, 0, 4, 3))
    assert [list(cover[at : at + 4]) for at in (0, 4, 8)] == [[1, 1, 0, 0], [0, 0, 0, 1], [1, 1, 0, 1]]


def test_clip_rectangles_that_overlap_count_once() -> None:
    clip = (Rect(0, 0, 5, 5), Rect(3, 3, 9, 9), Rect(0, 0, 5, 5))
    areas = clipped(DisplayBase(0, Rect(1, 1, 8, 8), clip))
    assert sum(rect.width * rect.height for rect in areas) == 16 + 25 - 4
    assert clipped(DisplayBase(0, Rect(1, 1, 8, 8)), Rect(7, 0, 20, 20)) == [Rect(7, 1, 8, 8)]
