from __future__ import annotations

import pytest

from spicetrio.wire.base import ChannelWait
from spicetrio.wire.display import (
    GlDraw,
    GlDrawDone,
    GlScanoutUnix,
    Head,
    Init,
    InvalAllPalettes,
    InvalAllPixmaps,
    InvalList,
    InvalPalette,
    Mark,
    Mode,
    MonitorsConfig,
    PreferredCompression,
    PreferredVideoCodecType,
    Reset,
    ResourceId,
    SurfaceCreate,
    SurfaceDestroy,
)
from spicetrio.wire.enums import (
    GlScanoutFlags,
    ImageCompression,
    ResourceType,
    SurfaceFlags,
    SurfaceFormat,
    VideoCodec,
)

from .vectors import Vector, check_damaged, check_trailing, check_truncated, check_whole

VECTORS = [
    Vector(Mode(640, 480, 32), "80020000 e0010000 20000000"),
    Vector(Mark(), ""),
    Vector(Reset(), ""),
    Vector(InvalList(()), "0000"),
    Vector(
        InvalList((ResourceId(ResourceType.PIXMAP, 5), ResourceId(7, 1 << 32))),
        "0200 01 0500000000000000 07 0000000001000000",
    ),
    Vector(InvalAllPixmaps((ChannelWait(2, 1, 9),)), "01 02 01 0900000000000000"),
    Vector(InvalPalette(0x0102), "0201000000000000"),
    Vector(InvalAllPalettes(), ""),
    Vector(
        SurfaceCreate(0, 640, 480, SurfaceFormat.XRGB32, SurfaceFlags.PRIMARY),
        "00000000 80020000 e0010000 20000000 01000000",
    ),
    Vector(SurfaceCreate(1, 2, 3, 4), "01000000 02000000 03000000 04000000 00000000"),
    Vector(SurfaceDestroy(3), "03000000"),
    Vector(MonitorsConfig(4, ()), "0000 0400"),
    Vector(
        MonitorsConfig(1, (Head(0, 0, 640, 480, 0, 0), Head(1, 2, 3, 4, 5, 6, 7))),
        "0200 0100"
        "00000000 00000000 80020000 e0010000 00000000 00000000 00000000"
        "01000000 02000000 03000000 04000000 05000000 06000000 07000000",
    ),
    Vector(
        GlScanoutUnix(640, 480, 2560, 0x34325258, GlScanoutFlags.Y0_TOP),
        "80020000 e0010000 000a0000 58523234 01000000",
    ),
    Vector(GlDraw(1, 2, 3, 4), "01000000 02000000 03000000 04000000"),
    Vector(Init(1, 20 << 20, 2, 16 << 20), "01 0000400100000000 02 00000001"),
    Vector(Init(0, -1, 0, -1), "00 ffffffffffffffff 00 ffffffff"),
    Vector(PreferredCompression(ImageCompression.LZ4), "07"),
    Vector(PreferredCompression(200), "c8"),
    Vector(GlDrawDone(), ""),
    Vector(PreferredVideoCodecType((VideoCodec.VP8, VideoCodec.MJPEG, 99)), "03 02 01 63"),
    Vector(PreferredVideoCodecType(()), "00"),
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
