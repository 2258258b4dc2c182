from __future__ import annotations

from dataclasses import replace

import pytest

from spicetrio.wire.buffer import PAYLOAD_SIZE, ReadBuffer, WriteBuffer
from spicetrio.wire.enums import BitmapFlags, BitmapFormat, ImageFlags, ImageType
from spicetrio.wire.errors import LocalProtocolError, RemoteProtocolError
from spicetrio.wire.image import (
    BITS_PER_PIXEL,
    PAYLOADS,
    Bitmap,
    FromCache,
    FromCacheLossless,
    Glz,
    Image,
    Jpeg,
    JpegAlpha,
    Lz,
    Lz4,
    LzPalette,
    Palette,
    Payload,
    Quic,
    Surface,
    ZlibGlz,
)

from .vectors import Vector, check_damaged, check_trailing, check_truncated, check_whole, push

TOP_DOWN = BitmapFlags.TOP_DOWN
FROM_CACHE = BitmapFlags.PAL_FROM_CACHE
PALETTE = Palette(9, (0x112233, 0xFFFFFF))


def image(payload: Payload) -> Image:
    return Image(0x1122334400000002, ImageFlags.CACHE_ME, 3, 2, payload)


def descriptor(number: str) -> str:
    return f"0200000044332211 {number} 01 03000000 02000000"


VECTORS = [
    Vector(Palette(0, ()), "0000000000000000 0000"),
    Vector(PALETTE, "0900000000000000 0200 33221100 ffffff00"),
    Vector(
        image(Bitmap(BitmapFormat.BIT32, TOP_DOWN, 1, 2, 4, None, b"abcdefgh")),
        descriptor("00") + "08 04 01000000 02000000 04000000 00000000 6162636465666768",
    ),
    Vector(
        image(Bitmap(BitmapFormat.BIT8, TOP_DOWN | BitmapFlags.PAL_CACHE_ME, 1, 2, 1, PALETTE, b"ab")),
        # The palette stands behind the rows: 18 + 14 + 4 + 2 = 38.
        descriptor("00") + "05 05 01000000 02000000 01000000 26000000 6162 0900000000000000 0200 33221100 ffffff00",
    ),
    Vector(
        image(Bitmap(BitmapFormat.BIT8, FROM_CACHE, 1, 2, 1, 0x0807060504030201, b"ab")),
        descriptor("00") + "05 02 01000000 02000000 01000000 0102030405060708 6162",
    ),
    Vector(image(Bitmap(99, 0, 0, 0, 0, None, b"")), descriptor("00") + "63 00 00000000 00000000 00000000 00000000"),
    Vector(image(Quic(b"abc")), descriptor("01") + "03000000 616263"),
    Vector(
        image(LzPalette(TOP_DOWN, PALETTE, b"abc")),
        # 18 + 5 + 4 + 3 = 30.
        descriptor("64") + "04 03000000 1e000000 616263 0900000000000000 0200 33221100 ffffff00",
    ),
    Vector(
        image(LzPalette(FROM_CACHE | TOP_DOWN, 5, b"abc")), descriptor("64") + "06 03000000 0500000000000000 616263"
    ),
    Vector(image(Lz(b"abc")), descriptor("65") + "03000000 616263"),
    Vector(image(Glz(b"")), descriptor("66") + "00000000"),
    Vector(image(FromCache()), descriptor("67")),
    Vector(image(Surface(7)), descriptor("68") + "07000000"),
    Vector(image(Jpeg(b"abc")), descriptor("69") + "03000000 616263"),
    Vector(image(FromCacheLossless()), descriptor("6a")),
    Vector(image(ZlibGlz(99, b"abc")), descriptor("6b") + "63000000 03000000 616263"),
    Vector(image(JpegAlpha(1, 2, b"abc")), descriptor("6c") + "01 02000000 03000000 616263"),
    Vector(image(Lz4(b"abc")), descriptor("6d") + "03000000 616263"),
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


def pull(body: str) -> Image:
    return Image.pull(ReadBuffer(bytes.fromhex(body)))


def test_every_type_has_a_payload() -> None:
    assert set(PAYLOADS) == set(ImageType) - {ImageType.RESERVED}


@pytest.mark.parametrize("number", ["02", "03", "6e", "ff"])
def test_types_without_a_layout_are_refused(number: str) -> None:
    with pytest.raises(RemoteProtocolError, match=f"got image type {int(number, 16)}, expected one of 0, 1, 100"):
        pull(descriptor(number) + "00" * 40)


@pytest.mark.parametrize("payload", ["00 05 08", "64 08"])
def test_unknown_bits_that_may_change_the_layout_are_refused(payload: str) -> None:
    number, fields = payload.split(" ", 1)
    with pytest.raises(RemoteProtocolError, match="BitmapFlags"):
        pull(descriptor(number) + fields + "00" * 40)


def test_unknown_flags_of_an_image_are_kept() -> None:
    strange = replace(image(FromCache()), flags=0xF0)
    assert Image.pull(ReadBuffer(push(strange))) == strange


def test_rows_beyond_the_body_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="expected 18446744065119617025"):
        pull(descriptor("00") + "08 04 01000000 ffffffff ffffffff 00000000")


def test_compressed_palette_images_need_a_palette() -> None:
    with pytest.raises(RemoteProtocolError, match="null pointer"):
        pull(descriptor("64") + "04 00000000 00000000")


def test_jpeg_beyond_its_data_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="got 4 bytes of JPEG in 3 bytes"):
        pull(descriptor("6c") + "01 04000000 03000000 616263")
    with pytest.raises(LocalProtocolError):
        push(JpegAlpha(1, 4, b"abc"))


@pytest.mark.parametrize(
    "payload",
    [
        Bitmap(BitmapFormat.BIT32, 0, 1, 2, 4, None, b"abcdefg"),
        Bitmap(BitmapFormat.BIT8, FROM_CACHE, 1, 1, 1, None, b"a"),
        Bitmap(BitmapFormat.BIT8, FROM_CACHE, 1, 1, 1, PALETTE, b"a"),
        Bitmap(BitmapFormat.BIT8, 0, 1, 1, 1, 5, b"a"),
        LzPalette(0, 5, b""),
        LzPalette(FROM_CACHE, PALETTE, b""),
    ],
)
def test_payloads_that_contradict_themselves_are_not_written(payload: Bitmap | LzPalette) -> None:
    with pytest.raises(LocalProtocolError):
        push(image(payload))


def test_large_data_is_not_copied() -> None:
    data = bytearray(PAYLOAD_SIZE)
    rows = memoryview(data).cast("B", (PAYLOAD_SIZE // 64, 64))
    for payload in (
        Bitmap(BitmapFormat.BIT32, 0, 16, PAYLOAD_SIZE // 64, 64, None, data),
        LzPalette(0, PALETTE, data),
        Lz(data),
        ZlibGlz(1, data),
        JpegAlpha(0, 1, data),
    ):
        buffer = WriteBuffer()
        image(payload).push(buffer)
        assert any(part is data for part in buffer.finish())
    assert push(image(Bitmap(BitmapFormat.BIT32, 0, 16, PAYLOAD_SIZE // 64, 64, None, rows)))[-PAYLOAD_SIZE:] == data


def test_bits_per_pixel() -> None:
    assert [BITS_PER_PIXEL[number] for number in BitmapFormat] == [1, 1, 4, 4, 8, 16, 24, 32, 32, 8]
