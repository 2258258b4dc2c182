from __future__ import annotations

import pytest

from spicetrio.wire.enums import Locks
from spicetrio.wire.inputs import (
    ClientKeyModifiers,
    Init,
    KeyDown,
    KeyModifiers,
    KeyScancode,
    KeyUp,
    MouseMotion,
    MouseMotionAck,
    MousePosition,
    MousePress,
    MouseRelease,
)

from .vectors import Vector, check_damaged, check_trailing, check_truncated, check_whole

VECTORS = [
    Vector(Init(Locks.NUM | Locks.CAPS), "0600"),
    Vector(KeyModifiers(0xFFFF), "ffff"),
    Vector(MouseMotionAck(), ""),
    Vector(KeyDown(0x1E), "1e000000"),
    Vector(KeyUp(0x9DE0), "e09d0000"),
    Vector(ClientKeyModifiers(1), "0100"),
    Vector(KeyScancode(b"\xe1\x1d\x45"), "e11d45", opaque=0),
    Vector(MouseMotion(-1, 2, 5), "ffffffff 02000000 0500"),
    Vector(MousePosition(640, 480, 1, 3), "80020000 e0010000 0100 03"),
    Vector(MousePress(4, 8), "04 0800"),
    Vector(MouseRelease(1, 0), "01 0000"),
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


@pytest.mark.parametrize(
    ("code", "scan_codes"),
    [
        (0, ""),
        (0x1E, "1e"),
        (0x9E, "9e"),
        (0x1DE0, "e01d"),
        (0x9DE0, "e09d"),
        (0x451DE1, "e11d45"),
        (0x04030201, "01020304"),
        (0x04030001, "01"),
        (0x04030200, ""),
    ],
)
def test_scan_codes_end_at_a_zero_byte(code: int, scan_codes: str) -> None:
    assert KeyDown(code).scan_codes.hex() == scan_codes
    assert KeyUp(code).scan_codes.hex() == scan_codes
