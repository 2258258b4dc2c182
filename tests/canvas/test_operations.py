from __future__ import annotations

from typing import Any

import pytest

from spicetrio.canvas.checks import check
from spicetrio.canvas.operations import code, is_opaque, read, written
from spicetrio.wire import draw
from spicetrio.wire.drawing import (
    DisplayBase,
    Pattern,
    QMask,
)
from spicetrio.wire.enums import (
    BitmapFormat,
    Ropd,
)
from spicetrio.wire.geometry import Point, Rect
from tests.canvas.simple_operations import (
    AREA,
    BASE,
    BOX,
    IMAGE,
    MASK,
    ORIGIN,
    SURFACES,
    WHITE,
    bitmap,
    blend,
    compose,
    copy,
    fill,
    rop3,
    stroke,
    surface_image,
    text,
    transparent,
)


@pytest.mark.parametrize(
    ("ropd", "expected"),
    [
        (0, 0xF0),
        (Ropd.PUT, 0xF0),
        (Ropd.PUT | Ropd.INVERS_BRUSH, 0x0F),
        (Ropd.PUT | Ropd.INVERS_SRC, 0xF0),
        (Ropd.PUT | Ropd.INVERS_BRUSH | Ropd.INVERS_RES, 0xF0),
        (Ropd.OR, 0xFA),
        (Ropd.OR | Ropd.INVERS_DEST, 0xF5),
        (Ropd.AND | Ropd.INVERS_RES, 0x5F),
        (Ropd.XOR, 0x5A),
        (Ropd.XOR | Ropd.INVERS_DEST | Ropd.INVERS_BRUSH, 0x5A),
        (Ropd.BLACKNESS | Ropd.INVERS_RES, 0x00),
        (Ropd.WHITENESS, 0xFF),
        (Ropd.INVERS, 0x55),
        (Ropd.PUT | Ropd.OR | Ropd.BLACKNESS, 0xF0),
        (Ropd.AND | Ropd.XOR | Ropd.INVERS, 0xA0),
        (Ropd.WHITENESS | Ropd.BLACKNESS, 0x00),
    ],
)
def test_the_bits_of_a_raster_operation_become_a_ternary_code(ropd: int, expected: int) -> None:
    assert code(fill(ropd=ropd)) == expected


def test_an_opaque_combines_its_brush_with_its_image() -> None:
    operation = draw.DrawOpaque(BASE, IMAGE, AREA, WHITE, Ropd.AND | Ropd.INVERS_SRC)
    assert code(operation) == 0xF0 & ~0xCC


def test_what_is_written_is_the_box_within_the_clip() -> None:
    assert written(fill()) == [BOX]
    clip = (Rect(0, 0, 7, 7), Rect(6, 6, 9, 9), Rect(30, 0, 40, 30))
    areas = written(fill(base=DisplayBase(0, BOX, clip)))
    assert sum(rect.width * rect.height for rect in areas) == 4 + 9 - 1
    assert written(fill(base=DisplayBase(0, BOX, ()))) == []


def test_of_a_text_its_glyphs_and_background_are_written_and_of_lines_what_is_around_them() -> None:
    assert written(text()) == [Rect(7, 7, 10, 9)]
    assert written(text(back=Rect(0, 0, 6, 6))) == [Rect(5, 5, 10, 9)]
    assert written(stroke((6, 6), (-10, 9))) == [Rect(5, 6, 7, 10)]
    assert written(stroke((0, 0), (2, 2))) == []


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (fill(), []),
        (copy(), []),
        (draw.CopyBits(BASE, Point(1, 2)), [(0, Rect(1, 2, 9, 8))]),
        (draw.CopyBits(DisplayBase(0, BOX, (Rect(5, 5, 6, 6),)), Point(1, 2)), [(0, Rect(1, 2, 2, 3))]),
        (copy(surface_image(1), Rect(1, 2, 9, 8)), [(1, Rect(1, 2, 9, 8))]),
        (fill(brush=Pattern(surface_image(1), ORIGIN)), [(1, Rect(0, 0, 20, 10))]),
        (fill(mask=QMask(0, Point(3, 2), surface_image(3))), [(3, Rect(3, 2, 11, 8))]),
        (text(back_brush=Pattern(surface_image(1), ORIGIN)), [(1, Rect(0, 0, 20, 10))]),
        (compose(3, mask=surface_image(4)), [(4, Rect(0, 0, 20, 10))]),
    ],
)
def test_what_is_read_of_surfaces(operation: Any, expected: list[tuple[int, Rect]]) -> None:
    assert read(operation) == expected


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (fill(), True),
        (fill(ropd=Ropd.XOR), False),
        (fill(ropd=Ropd.WHITENESS), True),
        (fill(mask=MASK), False),
        (copy(), True),
        (copy(ropd=Ropd.AND), False),
        (copy(surface_image(0), Rect(0, 0, 8, 6)), False),
        (copy(surface_image(0), Rect(20, 0, 28, 6)), True),
        (draw.DrawOpaque(BASE, IMAGE, AREA, WHITE, Ropd.XOR), True),
        (draw.DrawBlackness(BASE), True),
        (draw.DrawInvers(BASE), False),
        (rop3(0xB8), False),
        (rop3(0x3C), True),
        (transparent(), False),
        (blend(), True),
        (blend(alpha=254), False),
        (blend(bitmap(8, 6, BitmapFormat.RGBA)), False),
        (blend(surface_image(1)), False),
        (compose(0), True),
        (compose(1, mask=IMAGE), True),
        (compose(3), False),
        (compose(0x30), False),
        (draw.CopyBits(BASE, Point(20, 20)), True),
        (draw.CopyBits(BASE, Point(6, 5)), False),
        (stroke((6, 6), (9, 9)), False),
        (text(), False),
        (text(back=BOX), True),
        (text(back=Rect(7, 7, 9, 9)), False),
    ],
)
def test_what_is_opaque(operation: Any, expected: bool) -> None:
    check(SURFACES, operation)
    assert is_opaque(operation) is expected
