from __future__ import annotations

import pytest

from spicetrio.wire.record import Data, Mode, Mute, Start, StartMark, Stop, Volume

from .vectors import Vector, check_damaged, check_trailing, check_truncated, check_whole

VECTORS = [
    Vector(Start(2, 1, 48000), "02000000 0100 80bb0000"),
    Vector(Stop(), ""),
    Vector(Volume((1, 2, 3)), "03 0100 0200 0300"),
    Vector(Mute(False), "00"),
    Vector(Data(5, b"\xff\x7f\x00\x80"), "05000000 ff7f0080", opaque=4),
    Vector(Mode(9, 1), "09000000 0100"),
    Vector(StartMark(258), "02010000"),
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
