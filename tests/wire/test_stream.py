from __future__ import annotations

import pytest

from spicetrio.wire.enums import StreamFlags, VideoCodec
from spicetrio.wire.geometry import Rect
from spicetrio.wire.stream import (
    CANNOT_DECODE,
    NO_AUDIO_DELAY,
    QualityIndicator,
    StreamActivateReport,
    StreamClip,
    StreamCreate,
    StreamData,
    StreamDataSized,
    StreamDestroy,
    StreamDestroyAll,
    StreamReport,
)

from .vectors import Vector, check_damaged, check_trailing, check_truncated, check_whole

RECT = Rect(1, 2, 3, 4)
RECT_BODY = "02000000 01000000 04000000 03000000"

VECTORS = [
    Vector(
        StreamCreate(0, 49, StreamFlags.TOP_DOWN, VideoCodec.MJPEG, 0, 640, 480, 320, 240, RECT),
        "00000000 31000000 01 01 0000000000000000 80020000 e0010000 40010000 f0000000" + RECT_BODY + "00",
    ),
    Vector(
        StreamCreate(1, 2, 0, 99, 1 << 32, 3, 4, 5, 6, RECT, (RECT, RECT)),
        "01000000 02000000 00 63 0000000001000000 03000000 04000000 05000000 06000000"
        + RECT_BODY
        + "01 02000000"
        + RECT_BODY
        + RECT_BODY,
    ),
    Vector(StreamData(2, 0xFFFFFFFF, b"abc"), "02000000 ffffffff 03000000 616263"),
    Vector(
        StreamDataSized(2, 7, 640, 480, RECT, b"abc"),
        "02000000 07000000 80020000 e0010000" + RECT_BODY + "03000000 616263",
    ),
    Vector(StreamClip(2, None), "02000000 00"),
    Vector(StreamClip(2, (RECT,)), "02000000 01 01000000" + RECT_BODY),
    Vector(StreamDestroy(2), "02000000"),
    Vector(StreamDestroyAll(), ""),
    Vector(StreamActivateReport(2, 3, 5, 1000), "02000000 03000000 05000000 e8030000"),
    Vector(QualityIndicator(b"abc"), "616263", opaque=0),
    Vector(
        StreamReport(2, 3, 100, 200, 5, 1, -7, NO_AUDIO_DELAY),
        "02000000 03000000 64000000 c8000000 05000000 01000000 f9ffffff ffffffff",
    ),
    Vector(
        StreamReport(2, 3, 0, 0, 0, CANNOT_DECODE, 0, 0),
        "02000000 03000000 00000000 00000000 00000000 ffffffff 00000000 00000000",
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
