from __future__ import annotations

import pytest

from spicetrio.wire.buffer import ReadBuffer, WriteBuffer
from spicetrio.wire.errors import RemoteProtocolError
from spicetrio.wire.geometry import Clip, Point, Point16, PointFix, Rect, Transform, pull_clip, push_clip

from .vectors import Vector, check_damaged, check_trailing, check_truncated, check_whole

VECTORS = [
    Vector(Point(1, -2), "01000000 feffffff"),
    Vector(Point16(-1, 2), "ffff 0200"),
    Vector(PointFix(16, -8), "10000000 f8ffffff"),
    Vector(Rect(left=1, top=2, right=3, bottom=-4), "02000000 01000000 fcffffff 03000000"),
    Vector(
        Transform(0x10000, 1, 2, 3, 0x10000, 0xFFFFFFFF),
        "00000100 01000000 02000000 03000000 00000100 ffffffff",
    ),
]

CLIPS: list[tuple[Clip, str]] = [
    (None, "00"),
    ((), "01 00000000"),
    ((Rect(1, 2, 3, 4),), "01 01000000 02000000 01000000 04000000 03000000"),
    (
        (Rect(1, 2, 3, 4), Rect(-1, 0, 0, 1)),
        "01 02000000 02000000 01000000 04000000 03000000 00000000 ffffffff 01000000 00000000",
    ),
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


@pytest.mark.parametrize(("clip", "body"), CLIPS)
def test_clips(clip: Clip, body: str) -> None:
    data = bytes.fromhex(body)
    buffer = WriteBuffer()
    push_clip(buffer, clip)
    assert b"".join(buffer.finish()) == data
    assert pull_clip(ReadBuffer(data + b"more")) == clip
    for size in range(len(data)):
        with pytest.raises(RemoteProtocolError):
            pull_clip(ReadBuffer(data[:size]))


def test_unknown_clips_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="got ClipType 2, expected one of 0, 1"):
        pull_clip(ReadBuffer(b"\2" + bytes(40)))


def test_rectangles_are_measured() -> None:
    rect = Rect(1, 2, 4, 8)
    assert (rect.width, rect.height) == (3, 6)
    left, top, right, bottom = rect
    assert (left, top, right, bottom) == (1, 2, 4, 8)
