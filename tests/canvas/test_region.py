"""A region is compared with the plain set of its pixels."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from spicetrio.canvas.region import FEW_RECTS, MAX_RECTS, Region, bounding, intersect, translate
from spicetrio.wire.geometry import Rect

SIZE = 24


@st.composite
def rects(draw: st.DrawFn, size: int = SIZE) -> Rect:
    left = draw(st.integers(0, size - 1))
    top = draw(st.integers(0, size - 1))
    return Rect(left, top, draw(st.integers(left + 1, size)), draw(st.integers(top + 1, size)))


operations = st.lists(st.tuples(st.sampled_from(["add", "subtract"]), rects()), max_size=30)


def pixels(*areas: Rect) -> set[tuple[int, int]]:
    return {(x, y) for area in areas for x in range(area.left, area.right) for y in range(area.top, area.bottom)}


def built(steps: list[tuple[str, Rect]]) -> tuple[Region, set[tuple[int, int]]]:
    region, model = Region(), set[tuple[int, int]]()
    for name, rect in steps:
        getattr(region, name)(rect)
        model = model | pixels(rect) if name == "add" else model - pixels(rect)
    return region, model


def check(region: Region, model: set[tuple[int, int]]) -> None:
    parts = list(region)
    assert all(rect.left < rect.right and rect.top < rect.bottom for rect in parts), "an empty rectangle is kept"
    assert pixels(*parts) == model
    assert sum(rect.width * rect.height for rect in parts) == len(model), "rectangles overlap"
    assert region.area == len(model)
    assert len(region) == len(parts)
    assert bool(region) == bool(model)


@given(operations)
def test_adding_and_subtracting_are_those_of_sets(steps: list[tuple[str, Rect]]) -> None:
    check(*built(steps))


@given(operations, rects())
def test_intersects_covers_and_within_agree_with_the_set(steps: list[tuple[str, Rect]], rect: Rect) -> None:
    region, model = built(steps)
    assert region.intersects(rect) == bool(model & pixels(rect))
    assert region.covers(rect) == (pixels(rect) <= model)
    parts = region.within(rect)
    assert pixels(*parts) == model & pixels(rect)
    assert sum(part.width * part.height for part in parts) == len(model & pixels(rect))
    check(region, model)


@given(operations, operations)
def test_a_copy_lives_on_its_own(steps: list[tuple[str, Rect]], later: list[tuple[str, Rect]]) -> None:
    region, model = built(steps)
    other = region.copy()
    for name, rect in later:
        getattr(region, name)(rect)
    check(other, model)


@given(operations, rects())
def test_a_region_may_be_changed_while_it_is_iterated_over(steps: list[tuple[str, Rect]], rect: Rect) -> None:
    region, model = built(steps)
    seen = []
    for part in region:
        seen.append(part)
        region.subtract(rect)
        region.subtract(part)
    assert pixels(*seen) == model
    assert not region


@given(rects(), rects())
def test_intersection_bounding_and_translation_are_those_of_sets(one: Rect, other: Rect) -> None:
    common = intersect(one, other)
    assert (pixels(common) if common else set()) == pixels(one) & pixels(other)
    assert common == intersect(other, one)
    around = bounding([one, other])
    assert pixels(one) | pixels(other) <= pixels(around)
    assert around.left in (one.left, other.left)
    assert around.bottom in (one.bottom, other.bottom)
    assert pixels(translate(one, 3, -2)) == {(x + 3, y - 2) for x, y in pixels(one)}


@given(st.sets(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=200))
def test_bounding_a_region_loses_no_pixel_and_leaves_few_rectangles(dots: set[tuple[int, int]]) -> None:
    region = Region()
    for x, y in dots:
        region.add(Rect(2 * x, 2 * y, 2 * x + 1, 2 * y + 1))  # dots that touch nobody
    before = set(region)
    region.bound()
    after = list(region)
    assert pixels(*before) <= pixels(*after)
    assert sum(rect.width * rect.height for rect in after) == len(pixels(*after))
    if len(before) <= MAX_RECTS:
        assert set(after) == before, "it was made coarser without need"
    else:
        assert len(after) <= FEW_RECTS
        assert pixels(*after) <= pixels(bounding(before))


@given(st.integers(0, 2**32), st.sampled_from([3, 40, 400]))
@settings(max_examples=30)
def test_bounding_leaves_few_rectangles_whatever_their_sizes(seed: int, largest: int) -> None:
    random = Random(seed)
    region = Region()
    for _ in range(60):
        left, top = random.randrange(400), random.randrange(400)
        region.add(Rect(left, top, left + random.randint(1, largest), top + random.randint(1, largest)))
    before, pieces = region.copy(), len(region)
    region.bound()
    assert all(region.covers(rect) for rect in before)
    assert len(region) <= (FEW_RECTS if pieces > MAX_RECTS else MAX_RECTS)


def test_lines_typed_and_strips_sent_stay_one_rectangle() -> None:
    region = Region()
    for column in range(80):
        region.add(Rect(8 * column, 0, 8 * column + 8, 16))
    assert list(region) == [Rect(0, 0, 640, 16)]
    region.add(Rect(0, 16, 640, 32))
    region.add(Rect(0, 48, 640, 64))
    region.add(Rect(0, 32, 640, 48))  # joins both neighbours
    assert list(region) == [Rect(0, 0, 640, 64)]
