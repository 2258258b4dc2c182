from __future__ import annotations

import itertools

import pytest

from spicetrio.sources.demo.layout import Box, Layout


@pytest.mark.parametrize("size", [(640, 480), (800, 600), (1024, 768), (1920, 1080), (641, 3000), (3840, 481)])
def test_panels_are_on_the_display_and_do_not_overlap(size: tuple[int, int]) -> None:
    layout = Layout.of(*size)
    boxes = [value for name in layout.__slots__ if isinstance(value := getattr(layout, name), Box)]
    assert len(boxes) == 9
    for box in boxes:
        assert box.width > 40
        assert box.height > 25
        assert box.clip(Box(0, 0, *size)) == box
    for one, other in itertools.combinations(boxes, 2):
        assert not one.touches(other)


@pytest.mark.parametrize("size", [(639, 480), (640, 479), (0, 0)])
def test_too_small_a_display_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 640x480"):
        Layout.of(*size)


def test_boxes() -> None:
    box = Box(10, 20, 30, 40)
    assert box.inset(1) == Box(11, 21, 28, 38)
    assert box.inset(1, 2) == Box(11, 22, 28, 36)
    assert box.inset(1, 2, 3, 4) == Box(11, 22, 26, 34)
    assert box.holds(10, 20)
    assert not box.holds(40, 20)
    assert not box.holds(10, 60)
    assert box.union(Box(0, 0, 5, 5)) == Box(0, 0, 40, 60)
    assert not box.touches(Box(40, 20, 5, 5))
    assert box.clip(Box(0, 0, 15, 25)) == Box(10, 20, 5, 5)
    assert box.clip(Box(0, 0, 5, 5)).width == 0
