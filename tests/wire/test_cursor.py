from __future__ import annotations

import pytest

from spicetrio.wire.buffer import ReadBuffer
from spicetrio.wire.cursor import (
    Cursor,
    CursorHeader,
    Hide,
    Init,
    InvalAll,
    InvalOne,
    Move,
    Reset,
    Set,
    Trail,
)
from spicetrio.wire.enums import CursorFlags, CursorType
from spicetrio.wire.errors import LocalProtocolError, RemoteProtocolError
from spicetrio.wire.geometry import Point16

from .vectors import Vector, check_damaged, check_trailing, check_truncated, check_whole, push

NONE = Cursor(CursorFlags.NONE)
HEADER = CursorHeader(0x0807060504030201, CursorType.ALPHA, 1, 2, 3, 4)
HEADER_BODY = "0102030405060708 00 0100 0200 0300 0400"  # 17 bytes

VECTORS = [
    Vector(NONE, "0100"),
    Vector(Cursor(0, HEADER, b"abcd"), "0000" + HEADER_BODY + "61626364", opaque=19),
    Vector(Cursor(CursorFlags.FROM_CACHE, HEADER), "0400" + HEADER_BODY),
    # 9 bytes of position, trail and visibility come first
    Vector(Init(Point16(0, 0), 0, 0, True, NONE), "0000 0000 0000 0000 01 0100"),
    Vector(
        Init(Point16(-1, 2), 3, 4, False, Cursor(CursorFlags.CACHE_ME, HEADER, b"abcdefgh")),
        "ffff 0200 0300 0400 00 0200" + HEADER_BODY + "6162636465666768",
        opaque=9 + 19,
    ),
    Vector(Reset(), ""),
    Vector(Set(Point16(5, -6), True, NONE), "0500 faff 01 0100"),
    Vector(
        Set(Point16(5, 6), False, Cursor(CursorFlags.CACHE_ME, CursorHeader(0, 99, 0, 0, 0, 0), b"ab")),
        "0500 0600 00 0200 0000000000000000 63 0000 0000 0000 0000 6162",
        opaque=5 + 19,
    ),
    Vector(Set(Point16(5, 6), True, Cursor(CursorFlags.FROM_CACHE, HEADER)), "0500 0600 01 0400" + HEADER_BODY),
    Vector(Move(Point16(-1, 2)), "ffff 0200"),
    Vector(Hide(), ""),
    Vector(Trail(3, 4), "0300 0400"),
    Vector(InvalOne(0x0102), "0201000000000000"),
    Vector(InvalAll(), ""),
]

each = pytest.mark.parametrize("vector", VECTORS, ids=str)


@each
def test_whole(vector: Vector) -> None:
    check_whole(vector)


@each
def test_truncated(vector: Vector) -> None:
    check_truncated(vector)


@each
def test_trailing(vector: Vector) -> None:
    check_trailing(vector)


@each
def test_damaged(vector: Vector) -> None:
    check_damaged(vector)


def test_any_visibility_but_zero_is_visible() -> None:
    assert Set.pull(ReadBuffer(bytes.fromhex("0000 0000 80 0100"))).visible is True


def test_unknown_cursor_flags_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="got CursorFlags 0x8, expected bits of 0x7 only"):
        Cursor.pull(ReadBuffer(bytes.fromhex("0800") + bytes(40)))


@pytest.mark.parametrize(
    "cursor",
    [
        Cursor(CursorFlags.NONE, HEADER),
        Cursor(CursorFlags.NONE, None, b"a"),
        Cursor(CursorFlags.CACHE_ME),
        Cursor(CursorFlags.FROM_CACHE, HEADER, b"a"),
    ],
)
def test_cursors_that_contradict_their_flags_are_not_written(cursor: Cursor) -> None:
    with pytest.raises(LocalProtocolError):
        push(cursor)
