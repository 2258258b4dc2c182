from __future__ import annotations

import pytest

from spicetrio.wire.playback import Data, Latency, Mode, Mute, Start, Stop, Volume

from .vectors import Vector, check_damaged, check_trailing, check_truncated, check_whole

VECTORS = [
    Vector(Data(0xFFFFFFFE, b"\x01\x02\x03\x04"), "feffffff 01020304", opaque=4),
    Vector(Mode(1000, 3), "e8030000 0300"),
    Vector(Start(2, 1, 48000, 7), "02000000 0100 80bb0000 07000000"),
    Vector(Stop(), ""),
    Vector(Volume((65535, 0x1234)), "02 ffff 3412"),
    Vector(Mute(True), "01"),
    Vector(Latency(400), "90010000"),
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
