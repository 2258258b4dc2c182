from __future__ import annotations

from PIL import Image, ImageChops

from spicetrio.sources.demo import theme
from spicetrio.sources.demo.layout import Box
from spicetrio.sources.demo.painting import Paper


def difference(one: Image.Image, other: Image.Image) -> Box | None:
    found = ImageChops.difference(one, other).getbbox()
    return None if found is None else Box(found[0], found[1], found[2] - found[0], found[3] - found[1])


def test_a_stroke_has_no_gaps_and_changes_only_what_it_says() -> None:
    paper = Paper(300, 200)
    before = paper.image.copy()
    boxes = paper.stroke((20, 30), (250, 170), 5, theme.ROSE)
    for step in range(231):
        assert paper.color_at(20 + step, 30 + round(step * 140 / 230)) == theme.ROSE
    for box in boxes:
        before.paste(paper.crop(box), (box.x, box.y))
    assert difference(before, paper.image) is None
    assert sum(box.width * box.height for box in boxes) < 300 * 200 / 3


def test_erasing_leaves_bare_paper() -> None:
    paper = Paper(100, 100)
    bare = paper.image.copy()
    paper.stroke((20, 50), (80, 50), 4, theme.TEAL)
    assert difference(bare, paper.image) is not None
    paper.stroke((10, 50), (90, 50), 20, None)
    assert difference(bare, paper.image) is None


def test_strokes_leave_the_paper_and_come_back() -> None:
    paper = Paper(100, 100)
    assert paper.stroke((-500, -500), (-400, 700), 8, theme.TEAL) == []
    boxes = paper.stroke((-50, 50), (150, 50), 8, theme.TEAL)
    assert all(box.clip(paper.box) == box for box in boxes)
    assert paper.color_at(0, 50) == paper.color_at(99, 50) == theme.TEAL


def test_a_click_is_a_dot() -> None:
    paper = Paper(100, 100)
    (box,) = paper.stroke((50, 50), (50, 50), 7, theme.BLUE)
    assert paper.color_at(50, 50) == theme.BLUE
    assert box.width <= 10


def test_a_new_sheet_is_bare() -> None:
    paper = Paper(60, 60)
    bare = paper.image.copy()
    paper.stroke((10, 10), (50, 50), 4, theme.TEAL)
    paper.clear()
    assert difference(bare, paper.image) is None
