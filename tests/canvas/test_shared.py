"""What was made of an area is given to others exactly as long as it is true."""

from __future__ import annotations

from random import Random

from spicetrio.canvas import shared
from spicetrio.canvas.region import intersect
from spicetrio.canvas.shared import MAX_AREAS, MAX_BYTES, MAX_CHANGES, Shared
from spicetrio.wire.geometry import Rect

AREA = Rect(0, 0, 10, 10)


def test_it_is_kept_while_no_pixel_of_its_area_changes() -> None:
    kept: Shared[str] = Shared()
    kept.keep(0, AREA, "lz", "message", 7)
    kept.changed(0, Rect(10, 0, 20, 10))
    kept.changed(1, AREA)
    assert kept.get(0, AREA, "lz") == "message"
    assert kept.get(0, AREA, "raw") is None
    assert kept.get(1, AREA, "lz") is None
    kept.changed(0, Rect(9, 9, 12, 12))
    assert kept.get(0, AREA, "lz") is None


def test_it_is_forgotten_after_many_changes_anywhere() -> None:
    kept: Shared[str] = Shared()
    kept.keep(0, AREA, None, "message", 7)
    for _ in range(MAX_CHANGES):
        kept.changed(0, Rect(50, 50, 60, 60))
    assert kept.get(0, AREA, None) == "message"
    kept.changed(0, Rect(50, 50, 60, 60))
    assert kept.get(0, AREA, None) is None


def test_it_is_bounded_in_bytes_and_areas() -> None:
    kept: Shared[int] = Shared()
    for number in range(3):
        kept.keep(number, AREA, None, number, MAX_BYTES // 2)
    assert [kept.get(number, AREA, None) for number in range(3)] == [None, 1, 2]
    kept.keep(3, AREA, None, 3, MAX_BYTES + 1)
    assert kept.get(3, AREA, None) is None
    assert kept._bytes == 0
    for number in range(MAX_AREAS + 1):
        kept.keep(number, AREA, None, number, 1)
    assert kept.get(0, AREA, None) is None
    assert kept.get(1, AREA, None) == 1
    assert kept._bytes == len(kept._areas) == MAX_AREAS


def test_what_was_made_of_one_area_is_dropped_when_there_is_something_truer() -> None:
    kept: Shared[str] = Shared()
    kept.keep(0, AREA, "lz", "old lz", 7)
    kept.keep(0, AREA, "raw", "old raw", 400)
    kept.changed(0, AREA)
    kept.keep(0, AREA, "lz", "new lz", 8)
    assert kept.get(0, AREA, "lz") == "new lz"
    assert kept.get(0, AREA, "raw") is None
    assert kept._bytes == 8


def test_it_tells_the_truth_whatever_is_drawn() -> None:
    random = Random(3)
    kept: Shared[int] = Shared()
    pixels = {(x, y): 0 for x in range(12) for y in range(12)}

    def rect() -> Rect:
        left, top = random.randrange(11), random.randrange(11)
        return Rect(left, top, random.randint(left + 1, 12), random.randint(top + 1, 12))

    def content(area: Rect) -> int:
        return hash(tuple(pixels[x, y] for x in range(area.left, area.right) for y in range(area.top, area.bottom)))

    areas = [rect() for _ in range(40)]
    hits = 0
    for step in range(4000):
        area = random.choice(areas)
        if random.randrange(30) == 0:
            kept.changed(0, area)
            for x, y in pixels:
                if intersect(Rect(x, y, x + 1, y + 1), area):
                    pixels[x, y] = step + 1
        elif (value := kept.get(0, area, None)) is not None:
            hits += 1
            assert value == content(area)
        else:
            kept.keep(0, area, None, content(area), 100)
    assert hits > 50
    assert len(kept._changes) <= shared.MAX_CHANGES
