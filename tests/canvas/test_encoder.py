"""Images are made once, are never larger than raw, and are forgotten when they are no longer true."""

from __future__ import annotations

import random
from typing import Any

import pytest

from spicetrio.canvas import encoder as encoder_module
from spicetrio.canvas.encoder import GROUP_SERVER_MADE, SMALLEST_COMPRESSED, Encoder
from spicetrio.codecs import lz, lz4
from spicetrio.wire.buffer import Marshalled, ReadBuffer
from spicetrio.wire.draw import DrawCopy
from spicetrio.wire.enums import BitmapFlags, BitmapFormat, ImageCompression
from spicetrio.wire.geometry import Rect
from spicetrio.wire.image import Bitmap, Lz, Lz4

WIDTH, HEIGHT = 64, 48
STRIDE = 4 * WIDTH
FLAT = bytearray(STRIDE * HEIGHT)
NOISE = bytearray(random.Random(1).randbytes(STRIDE * HEIGHT))
WHOLE = Rect(0, 0, WIDTH, HEIGHT)
PART = Rect(5, 7, 40, 30)
RAW, LZ, LZ4 = ImageCompression.OFF, ImageCompression.LZ, ImageCompression.LZ4


def drawn(message: Marshalled) -> DrawCopy:
    assert message.type == DrawCopy.TYPE
    return DrawCopy.pull(ReadBuffer(b"".join(message.buffers)))


def payload_pixels(copy: DrawCopy) -> bytes:
    match copy.src.payload:
        case Bitmap() as bitmap:
            assert bitmap.format == BitmapFormat.BIT32
            assert bitmap.flags == BitmapFlags.TOP_DOWN
            assert (bitmap.width, bitmap.height, bitmap.stride) == (copy.src.width, copy.src.height, 4 * copy.src.width)
            return bytes(bitmap.data)
        case Lz() as image:
            decoded = lz.decode(bytes(image.data))
            assert decoded.top_down
            return bytes(decoded.pixels)
        case Lz4() as image:
            return lz4.decode(bytes(image.data), 4 * copy.src.width * copy.src.height).pixels
        case other:
            raise AssertionError(other)


def rows(surface: bytearray, rect: Rect) -> bytes:
    return b"".join(
        bytes(surface[y * STRIDE + 4 * rect.left : y * STRIDE + 4 * rect.right]) for y in range(rect.top, rect.bottom)
    )


def without_x(pixels: bytes) -> bytes:
    cleared = bytearray(pixels)
    cleared[3::4] = bytes(len(pixels) // 4)
    return bytes(cleared)


@pytest.mark.parametrize("compression", [RAW, LZ, LZ4])
@pytest.mark.parametrize("surface", [FLAT, NOISE], ids=["flat", "noise"])
@pytest.mark.parametrize("rect", [WHOLE, PART, Rect(3, 4, 4, 5), Rect(0, 47, 64, 48), Rect(63, 0, 64, 48)])
def test_an_image_carries_the_pixels_of_its_area(surface: bytearray, rect: Rect, compression: ImageCompression) -> None:
    copy = drawn(Encoder().encode(surface, STRIDE, rect, compression, share=False))
    assert copy.base.surface_id == 0
    assert copy.base.box == rect
    assert copy.base.clip is None
    assert copy.src_area == Rect(0, 0, rect.width, rect.height)
    assert (copy.src.width, copy.src.height) == (rect.width, rect.height)
    assert without_x(payload_pixels(copy)) == without_x(rows(surface, rect))


@pytest.mark.parametrize(("compression", "kind"), [(RAW, Bitmap), (LZ, Lz), (LZ4, Lz4)])
def test_what_can_be_compressed_is(compression: ImageCompression, kind: type) -> None:
    message = Encoder().encode(FLAT, STRIDE, WHOLE, compression, share=False)
    assert type(drawn(message).src.payload) is kind
    if kind is not Bitmap:
        assert message.size < 1000


@pytest.mark.parametrize(("compression", "rect"), [(LZ, Rect(0, 0, 4, 4)), (LZ4, Rect(0, 0, 4, 4)), (LZ4, WHOLE)])
def test_what_compressing_would_make_larger_is_sent_raw(compression: ImageCompression, rect: Rect) -> None:
    raw = Encoder().encode(NOISE, STRIDE, rect, RAW, share=False)
    message = Encoder().encode(NOISE, STRIDE, rect, compression, share=False)
    assert isinstance(drawn(message).src.payload, Bitmap)
    assert message.size == raw.size


@pytest.mark.parametrize("compression", [LZ, LZ4])
def test_no_payload_is_larger_than_raw_whatever_is_in_it(compression: ImageCompression) -> None:
    surface = bytearray(NOISE)
    for flat_rows in range(HEIGHT):
        surface[: flat_rows * STRIDE] = bytes(flat_rows * STRIDE)
        payload = drawn(Encoder().encode(surface, STRIDE, WHOLE, compression, share=False)).src.payload
        assert isinstance(payload, Bitmap | Lz | Lz4)
        assert memoryview(payload.data).nbytes <= STRIDE * HEIGHT


@pytest.mark.parametrize("compression", [LZ, LZ4])
def test_a_few_pixels_are_not_worth_compressing(compression: ImageCompression) -> None:
    few = SMALLEST_COMPRESSED // 4
    copy = drawn(Encoder().encode(FLAT, STRIDE, Rect(0, 0, few, 1), compression, share=False))
    assert isinstance(copy.src.payload, Bitmap)


@pytest.mark.parametrize("compression", [ImageCompression.QUIC, ImageCompression.GLZ, ImageCompression.AUTO_GLZ])
def test_a_compression_that_does_not_exist_yet_is_sent_raw(compression: ImageCompression) -> None:
    assert isinstance(drawn(Encoder().encode(FLAT, STRIDE, WHOLE, compression, share=False)).src.payload, Bitmap)


def test_every_image_has_an_id_of_its_own_in_the_servers_group() -> None:
    encoder = Encoder()
    ids = [drawn(encoder.encode(FLAT, STRIDE, PART, RAW, share=False)).src.id for _ in range(5)]
    assert len(set(ids)) == 5
    assert {number & 0xFFFFFFFF for number in ids} == {GROUP_SERVER_MADE}


def test_viewers_that_want_the_same_share_one_message() -> None:
    encoder = Encoder()
    first = encoder.encode(NOISE, STRIDE, PART, LZ, share=True)
    assert encoder.encode(NOISE, STRIDE, PART, LZ, share=True) is first
    assert encoder.encode(NOISE, STRIDE, PART, LZ, share=False) is first
    assert encoder.encode(NOISE, STRIDE, PART, LZ4, share=True) is not first
    assert encoder.encode(NOISE, STRIDE, WHOLE, LZ, share=True) is not first


def test_a_single_viewer_costs_no_memory() -> None:
    encoder = Encoder()
    first = encoder.encode(NOISE, STRIDE, PART, LZ, share=False)
    assert encoder.encode(NOISE, STRIDE, PART, LZ, share=False) is not first
    assert kept(encoder) == (0, 0)


def test_a_change_of_a_single_pixel_makes_the_image_anew() -> None:
    encoder = Encoder()
    first = encoder.encode(NOISE, STRIDE, PART, RAW, share=True)
    for outside in (Rect(0, 0, 5, 48), Rect(40, 0, 64, 48), Rect(0, 0, 64, 7), Rect(0, 30, 64, 48)):
        encoder.changed(outside)
        assert encoder.encode(NOISE, STRIDE, PART, RAW, share=True) is first
    for x, y in ((5, 7), (39, 29), (20, 20)):
        encoder.changed(Rect(x, y, x + 1, y + 1))
        assert kept(encoder) == (0, 0)
        again = encoder.encode(NOISE, STRIDE, PART, RAW, share=True)
        assert again is not first
        first = again


def test_a_change_leaves_what_it_does_not_touch() -> None:
    encoder = Encoder()
    left = encoder.encode(NOISE, STRIDE, Rect(0, 0, 32, 48), RAW, share=True)
    right = encoder.encode(NOISE, STRIDE, Rect(32, 0, 64, 48), RAW, share=True)
    encoder.changed(Rect(31, 0, 32, 1))
    assert encoder.encode(NOISE, STRIDE, Rect(32, 0, 64, 48), RAW, share=True) is right
    assert encoder.encode(NOISE, STRIDE, Rect(0, 0, 32, 48), RAW, share=True) is not left


def kept(encoder: Encoder) -> tuple[int, int]:
    messages = encoder._shared.values()
    assert encoder._shared_bytes == sum(message.size for message in messages), "the count is off"
    return len(messages), encoder._shared_bytes


def test_only_so_many_images_are_kept(monkeypatch: Any) -> None:
    monkeypatch.setattr(encoder_module, "SHARED_IMAGES", 8)
    encoder = Encoder()
    messages = [encoder.encode(NOISE, STRIDE, Rect(x, 0, x + 4, 4), RAW, share=True) for x in range(30)]
    assert kept(encoder)[0] == 8
    assert encoder.encode(NOISE, STRIDE, Rect(29, 0, 33, 4), RAW, share=True) is messages[29]
    assert encoder.encode(NOISE, STRIDE, Rect(21, 0, 25, 4), RAW, share=True) is not messages[21]


def test_only_so_many_bytes_are_kept(monkeypatch: Any) -> None:
    monkeypatch.setattr(encoder_module, "SHARED_BYTES", 20_000)
    encoder = Encoder()
    for y in range(HEIGHT - 16):
        encoder.encode(NOISE, STRIDE, Rect(0, y, WIDTH, y + 16), RAW, share=True)  # 4 KiB each
        assert kept(encoder)[1] <= 20_000
    assert kept(encoder)[0] == 4
    encoder.encode(NOISE, STRIDE, Rect(0, 0, WIDTH, 24), RAW, share=True)
    whole = encoder.encode(NOISE, STRIDE, Rect(0, 0, WIDTH, HEIGHT - 8), RAW, share=True)
    assert whole.size < 20_000
    assert kept(encoder)[1] <= 20_000


def test_an_image_larger_than_all_that_may_be_kept_is_made_all_the_same(monkeypatch: Any) -> None:
    monkeypatch.setattr(encoder_module, "SHARED_BYTES", 100)
    encoder = Encoder()
    copy = drawn(encoder.encode(NOISE, STRIDE, WHOLE, RAW, share=True))
    assert payload_pixels(copy) == bytes(NOISE)
    assert kept(encoder) == (0, 0)


def test_an_encoded_image_does_not_change_with_the_surface() -> None:
    surface = bytearray(NOISE)
    message = Encoder().encode(surface, STRIDE, WHOLE, RAW, share=False)
    surface[:] = bytes(len(surface))
    assert payload_pixels(drawn(message)) == bytes(NOISE)
