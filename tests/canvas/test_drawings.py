"""What was drawn is noted once, and every viewer lacks what it did not take in, whenever it asks."""

from __future__ import annotations

import pytest

from spicetrio.canvas.backlog import PRIMARY, Backlog
from spicetrio.canvas.drawings import MAX_DRAWINGS, Drawing, Drawings, Reader
from spicetrio.canvas.region import Region
from spicetrio.wire.geometry import Rect

BOUNDS = Rect(0, 0, 1000, 8)


def place(number: int) -> Rect:
    """Return a place that touches none of those before and after."""
    left = 3 * number % 999
    return Rect(left, 0, left + 2, 8)


def strips(drawings: Drawings, reader: Reader) -> list[Rect]:
    backlog = drawings.take_in(reader)
    taken = []
    while strip := backlog.take_strip():
        taken.append(strip.rect)
    return taken


def test_who_takes_in_every_drawing_is_sent_each_once() -> None:
    drawings = Drawings()
    reader = drawings.open(Backlog({PRIMARY: BOUNDS}))
    assert strips(drawings, reader) == [BOUNDS]
    for number in range(3 * MAX_DRAWINGS):
        drawings.add(Drawing(PRIMARY, (place(number),)))
        assert strips(drawings, reader) == [place(number)]


@pytest.mark.parametrize("late", [MAX_DRAWINGS // 2, MAX_DRAWINGS, MAX_DRAWINGS + 1, 3 * MAX_DRAWINGS])
def test_who_takes_in_drawings_late_is_sent_all_that_was_written(late: int) -> None:
    drawings = Drawings()
    reader = drawings.open(Backlog({PRIMARY: BOUNDS}))
    strips(drawings, reader)
    for number in range(late):
        drawings.add(Drawing(PRIMARY, (place(number),)))
    sent = Region()
    for strip in strips(drawings, reader):
        sent.add(strip)
    assert all(sent.covers(place(number)) for number in range(late))
    assert not drawings.lacks(reader)


@pytest.mark.parametrize("before", [1, MAX_DRAWINGS // 4, MAX_DRAWINGS])
def test_what_was_drawn_before_a_resize_is_forgotten_however_late_a_viewer_is(before: int) -> None:
    drawings = Drawings()
    reader = drawings.open(Backlog({PRIMARY: BOUNDS}))
    strips(drawings, reader)
    for number in range(before):
        drawings.add(Drawing(PRIMARY, (place(number + 200),)))
    smaller = Rect(0, 0, 100, 8)
    drawings.add_surface(PRIMARY, smaller)
    for _ in range(MAX_DRAWINGS):
        drawings.add(Drawing(PRIMARY, (Rect(0, 0, 2, 2),)))
    assert all(strip.right <= smaller.right for strip in strips(drawings, reader))
