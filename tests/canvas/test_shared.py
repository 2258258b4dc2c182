"""What was made of an area is given to others exactly as long as it is true."""

from __future__ import annotations

from random import Random

from spicetrio.canvas import shared
from spicetrio.canvas.region import intersect
from spicetrio.canvas.shared import MAX_BYTES, MAX_CHANGES, MAX_ENTRIES, Shared
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


def test_it_is_bounded_in_bytes_and_entries() -> None:
    kept: Shared[int] = Shared()
    for number in range(3):
        kept.keep(0, AREA, number, number, MAX_BYTES // 2)
    assert [kept.get(0, AREA, number) for number in range(3)] == [None, 1, 2]
    kept.keep(0, AREA, 2, 5, 1)
    assert kept.get(0, AREA, 1) == 1
    assert kept.get(0, AREA, 2) == 5
    for number in range(MAX_ENTRIES):
        kept.keep(1, AREA, number, number, 0)
    assert kept.get(0, AREA, 1) is None
    assert len(kept._entries) == MAX_ENTRIES
    assert kept._bytes == 0


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
