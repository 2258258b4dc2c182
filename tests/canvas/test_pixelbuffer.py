"""Whatever a caller has as pixels is understood, or refused with a text that names what was expected."""

from __future__ import annotations

import array
import ctypes
import gc
import weakref
from typing import Any

import numpy as np
import pytest
from PIL import Image

from spicetrio.canvas import span
from spicetrio.canvas.pixelbuffer import PixelBuffer, pixel_buffer
from spicetrio.canvas.pixels import FORMATS

WIDTH, HEIGHT = 3, 2
COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (1, 2, 3), (250, 128, 7), (0, 0, 0)]
"""Red, green, blue of each pixel."""
GRAYS = [(value, value, value) for value in (0, 1, 127, 128, 254, 255)]
BGRX = b"".join(bytes((blue, green, red, 0)) for red, green, blue in COLORS)


def encoded(name: str, colors: list[tuple[int, int, int]]) -> bytes:
    """Write colors in a format; what is to be ignored is noise."""
    if name in GREEN_BITS:
        return b"".join(word(name, color).to_bytes(2, "little") for color in colors)
    pixels = bytearray()
    for index, (red, green, blue) in enumerate(colors):
        values = {"R": red, "G": green, "B": blue, "X": 200 + index, "A": 37 * index & 0xFF, "L": red}
        pixels += bytes(values[letter] for letter in name)
    return bytes(pixels)


GREEN_BITS = {"RGB555": 5, "RGB565": 6}


def word(name: str, color: tuple[int, int, int]) -> int:
    red, green, blue = color
    bits = GREEN_BITS[name]
    return red >> 3 << (5 + bits) | green >> (8 - bits) << 5 | blue >> 3


def rounded(name: str, color: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return what 16 bits keep of a color: the highest bits, repeated."""
    kept = zip(color, (5, GREEN_BITS[name], 5), strict=True)
    red, green, blue = (int((f"{value:08b}"[:bits] * 2)[:8], 2) for value, bits in kept)
    return red, green, blue


def decoded(pixels: PixelBuffer) -> bytes:
    return bytes(pixels.as_bgrx().data)


def expected(name: str) -> tuple[list[tuple[int, int, int]], bytes]:
    colors = GRAYS if name == "L" else COLORS
    seen = [rounded(name, color) for color in colors] if name in GREEN_BITS else colors
    return colors, b"".join(bytes((blue, green, red, 0)) for red, green, blue in seen)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_read_and_alpha_is_ignored(name: str) -> None:
    colors, wanted = expected(name)
    pixels = pixel_buffer(encoded(name, colors), width=WIDTH, height=HEIGHT, format=name)
    assert decoded(pixels) == wanted
    assert (pixels.width, pixels.height, pixels.stride) == (WIDTH, HEIGHT, WIDTH * FORMATS[name])


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("gap", [1, 5, 64])
def test_a_stride_skips_what_is_between_rows_and_nothing_is_needed_after_the_last(name: str, gap: int) -> None:
    colors, wanted = expected(name)
    row = WIDTH * FORMATS[name]
    data = encoded(name, colors)
    spaced = data[:row] + b"\xee" * gap + data[row:]
    assert decoded(pixel_buffer(spaced, width=WIDTH, height=HEIGHT, format=name, stride=row + gap)) == wanted
    with pytest.raises(ValueError, match=f"{len(spaced) - 1} bytes, expected {len(spaced)}"):
        pixel_buffer(spaced[:-1], width=WIDTH, height=HEIGHT, format=name, stride=row + gap)


def test_flat_bytes_are_bgrx_unless_said_otherwise_and_may_have_more_behind() -> None:
    assert decoded(pixel_buffer(BGRX + b"more", width=WIDTH, height=HEIGHT)) == BGRX


@pytest.mark.parametrize(
    "kind",
    [bytes, bytearray, memoryview, lambda data: memoryview(bytearray(data)), lambda data: array.array("B", data)],
)
def test_every_kind_of_flat_buffer_is_taken(kind: Any) -> None:
    assert decoded(pixel_buffer(kind(BGRX), width=WIDTH, height=HEIGHT)) == BGRX


def test_a_flat_buffer_of_wider_items_is_taken_as_its_bytes() -> None:
    words = array.array("I", BGRX)
    assert decoded(pixel_buffer(words, width=WIDTH, height=HEIGHT)) == BGRX
    assert decoded(pixel_buffer(np.frombuffer(BGRX, np.uint32), width=WIDTH, height=HEIGHT)) == BGRX


def as_array(name: str) -> Any:
    """Return an array of bytes."""
    depth = FORMATS[name]
    shape = (HEIGHT, WIDTH) if depth == 1 else (HEIGHT, WIDTH, depth)
    return np.frombuffer(encoded(name, expected(name)[0]), np.uint8).reshape(shape)


@pytest.mark.parametrize("name", ["RGB", "RGBA", "L"])
def test_an_array_needs_no_format_and_no_size(name: str) -> None:
    assert decoded(pixel_buffer(as_array(name))) == expected(name)[1]


@pytest.mark.parametrize("name", FORMATS)
def test_an_array_may_be_of_any_format_with_its_depth(name: str) -> None:
    assert decoded(pixel_buffer(as_array(name), format=name)) == expected(name)[1]


def test_a_gray_array_may_have_three_dimensions() -> None:
    assert decoded(pixel_buffer(as_array("L").reshape(HEIGHT, WIDTH, 1))) == expected("L")[1]


@pytest.mark.parametrize(
    "view",
    [
        lambda pixels: np.repeat(np.repeat(pixels, 2, axis=0), 3, axis=1)[::2, ::3],
        lambda pixels: np.asfortranarray(pixels),
        lambda pixels: pixels[::-1].copy()[::-1],
        lambda pixels: pixels[:, ::-1].copy()[:, ::-1],
        lambda pixels: pixels[:, :, ::-1].copy()[:, :, ::-1],
        lambda pixels: np.repeat(pixels, 2, axis=1)[:, ::2],
        lambda pixels: np.pad(pixels, ((1, 2), (3, 4), (0, 0)))[1:-2, 3:-4],
        lambda pixels: pixels[::-1, ::-1].copy()[::-1, ::-1],
        lambda pixels: pixels.transpose(1, 0, 2).copy().transpose(1, 0, 2),
        lambda pixels: np.pad(pixels, ((1, 2), (3, 4), (0, 1)))[1:-2, 3:-4, :-1],
    ],
)
def test_an_array_may_lie_in_memory_in_any_way(view: Any) -> None:
    pixels = view(as_array("RGB"))
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert decoded(pixel_buffer(pixels)) == BGRX


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("view", [lambda pixels: pixels[1::2, 1:3], lambda pixels: pixels[::-1, ::-2]])
def test_a_view_of_any_format_is_what_it_shows(name: str, view: Any) -> None:
    pixels = as_array(name).repeat(2, axis=0).repeat(3, axis=1)
    copied = np.ascontiguousarray(view(pixels))
    assert decoded(pixel_buffer(view(pixels), format=name)) == decoded(pixel_buffer(copied, format=name))


def test_words_may_be_an_array_of_words() -> None:
    for name in GREEN_BITS:
        words = np.frombuffer(encoded(name, COLORS), "<u2").reshape(HEIGHT, WIDTH)
        for view in (words, words.astype("<i2"), np.asfortranarray(words), words[::-1, ::-1].copy()[::-1, ::-1]):
            assert decoded(pixel_buffer(view, format=name)) == expected(name)[1]


def test_arrays_of_ctypes_are_taken() -> None:
    rows = (ctypes.c_uint8 * (4 * WIDTH) * HEIGHT).from_buffer_copy(BGRX)
    assert decoded(pixel_buffer(memoryview(rows).cast("B"), width=WIDTH, height=HEIGHT)) == BGRX
    pixels = (ctypes.c_uint8 * 4 * WIDTH * HEIGHT).from_buffer_copy(BGRX)
    assert decoded(pixel_buffer(pixels, format="BGRX")) == BGRX
    words = (ctypes.c_uint16.__ctype_le__ * WIDTH * HEIGHT).from_buffer_copy(encoded("RGB565", COLORS))
    assert decoded(pixel_buffer(words, format="RGB565")) == expected("RGB565")[1]


@pytest.mark.parametrize("view", [(slice(None, None, 2), slice(1, 3)), (slice(1, None), slice(None, -1))])
@pytest.mark.parametrize("writable", [True, False])
def test_packed_rows_are_taken_where_they_are_unless_uncompiled(view: Any, writable: bool) -> None:
    frame = np.zeros((4, 5, 3), np.uint8)
    seen = frame[view]
    seen.flags.writeable = writable
    pixels = pixel_buffer(seen)
    assert pixels.shared == span.COMPILED
    frame[:] = 7
    seen_now = {7 if span.COMPILED else 0}
    assert set(decoded(pixels)[::4]) == seen_now
    owned = pixels.owned()
    frame[:] = 8
    assert set(decoded(owned)[::4]) == seen_now
    assert owned.size == seen.size


def test_what_is_behind_the_last_row_of_a_view_is_not_touched() -> None:
    frame = np.zeros((4, 5, 3), np.uint8)
    pixels = pixel_buffer(frame[:, 2:4])
    assert pixels.size <= 3 * 15 + 6
    assert pixels.packed_size == 4 * 2 * 3


def test_an_array_is_kept_as_long_as_its_pixels() -> None:
    frame = np.full((40, 50, 3), 9, np.uint8)
    watch = weakref.ref(frame)
    pixels: Any = pixel_buffer(frame[::2, 3:])
    data = pixels.data
    del frame, pixels
    gc.collect()
    assert set(bytes(data[:10])) == {9}
    del data
    gc.collect()
    assert watch() is None


@pytest.mark.parametrize("view", [np.asfortranarray, lambda pixels: pixels[:, ::-1], lambda pixels: pixels[::-1]])
def test_an_array_in_another_order_is_copied_so_it_is_not_shared(view: Any) -> None:
    assert not pixel_buffer(view(as_array("RGB"))).shared


def test_the_stride_of_a_single_row_does_not_matter() -> None:
    pixels = pixel_buffer(BGRX, width=WIDTH, height=1, stride=10**30)
    assert decoded(pixels) == BGRX[: 4 * WIDTH]
    assert pixels.stride == 4 * WIDTH


def test_a_view_of_several_dimensions_without_numpy_is_taken() -> None:
    view = memoryview(encoded("RGB", COLORS)).cast("B", (HEIGHT, WIDTH, 3))
    assert decoded(pixel_buffer(view)) == BGRX


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "HSV", "I", "I;16", "F"]
)
def test_every_mode_of_pillow_is_drawn_as_pillow_shows_it(mode: str) -> None:
    image = Image.frombytes("RGB", (WIDTH, HEIGHT), encoded("RGB", COLORS)).convert(mode)
    shown = image.convert("RGB").tobytes()
    pixels = pixel_buffer(image)
    wanted = b"".join(bytes((shown[at + 2], shown[at + 1], shown[at], 0)) for at in range(0, len(shown), 3))
    assert decoded(pixels) == wanted
    assert not pixels.shared


def test_alpha_of_a_pillow_image_is_ignored_not_blended() -> None:
    image = Image.new("RGBA", (1, 1), (10, 20, 30, 0))
    assert decoded(pixel_buffer(image)) == bytes((30, 20, 10, 0))


def test_what_others_may_change_is_shared_until_it_is_owned() -> None:
    data = bytearray(BGRX)
    pixels = pixel_buffer(data, width=WIDTH, height=HEIGHT)
    assert pixels.shared
    owned = pixels.owned()
    data[:] = bytes(len(data))
    assert not owned.shared
    assert owned.owned() is owned
    assert decoded(owned) == BGRX
    assert decoded(pixels) == bytes(len(data))


def test_bytes_are_not_copied() -> None:
    pixels = pixel_buffer(BGRX, width=WIDTH, height=HEIGHT)
    assert not pixels.shared
    assert pixels.owned() is pixels
    assert memoryview(pixels.data).obj is BGRX


def test_a_read_only_view_of_something_that_changes_is_shared() -> None:
    assert pixel_buffer(memoryview(bytearray(BGRX)).toreadonly(), width=WIDTH, height=HEIGHT).shared
    pixels = np.frombuffer(bytearray(BGRX), np.uint8)
    pixels.flags.writeable = False
    assert pixel_buffer(pixels, width=WIDTH, height=HEIGHT).shared


def test_the_size_is_that_of_the_memory_that_is_kept() -> None:
    assert pixel_buffer(bytes(1000), width=WIDTH, height=HEIGHT).size == 1000


@pytest.mark.parametrize(
    ("image", "arguments", "text"),
    [
        (BGRX, {}, "need a width and a height"),
        (BGRX, {"width": 3}, "need a width and a height"),
        (BGRX, {"height": 2}, "need a width and a height"),
        (BGRX, {"width": 3, "height": 3}, "24 bytes, expected 36 for 3 x 3 BGRX"),
        (BGRX, {"width": 0, "height": 2}, "0 x 2, expected at least 1 x 1"),
        (BGRX, {"width": 3, "height": 0}, "3 x 0, expected at least 1 x 1"),
        (BGRX, {"width": -3, "height": -2}, "-3 x -2"),
        (BGRX, {"width": 3, "height": 2, "format": "ARGB"}, "format is 'ARGB', expected one of BGRX"),
        (BGRX, {"width": 3, "height": 2, "format": "rgb"}, "format is 'rgb'"),
        (BGRX, {"width": 3, "height": 2, "stride": 11}, "stride is 11, expected at least 12"),
        (BGRX, {"width": 3, "height": 2, "stride": 0}, "stride is 0"),
        (BGRX, {"width": 3, "height": 2, "stride": -12}, "stride is -12"),
        (BGRX, {"width": 3, "height": 2, "stride": 16}, "24 bytes, expected 28"),
        (memoryview(BGRX * 2)[::2], {"width": 3, "height": 2}, "not contiguous"),
        (b"", {"width": 3, "height": 2}, "0 bytes, expected 24"),
        (BGRX, {"width": 10**9, "height": 10**9}, "24 bytes, expected 4000000000000000000 for"),
        (BGRX, {"width": 10**30, "height": 1}, "24 bytes, expected 4"),
        (BGRX, {"width": 3, "height": 2, "stride": 10**30}, "24 bytes, expected 1"),
        (BGRX, {"width": 3, "height": 2, "format": ""}, "format is '', expected one of BGRX"),
        (BGRX, {"width": 3, "height": 3, "format": "RGB565", "stride": 5}, "stride is 5, expected at least 6"),
        (np.zeros((2, 3, 2), np.uint8), {}, "2 bytes per pixel, expected a format: RGB555 or RGB565"),
        (np.zeros((2, 3), np.uint16), {}, "2 bytes per pixel, expected a format: RGB555 or RGB565"),
        (np.zeros((2, 3), np.uint16), {"format": "RGB"}, "2 bytes per pixel, which format 'RGB' has not"),
        (np.zeros((2, 3), ">u2"), {"format": "RGB565"}, "little-endian words"),
        (np.zeros((2, 3), np.float16), {"format": "RGB565"}, "little-endian words"),
        (np.zeros((2, 3, 1), np.uint16), {"format": "RGB565"}, "little-endian words"),
        (np.zeros((2, 3, 0), np.uint8), {}, r"shape \(2, 3, 0\)"),
        (np.zeros((2, 3, 5), np.uint8), {}, r"shape \(2, 3, 5\)"),
        (np.zeros((1, 2, 3, 3), np.uint8), {}, "shape"),
        (np.zeros((2, 3, 3), np.uint16), {}, "items of 2 bytes"),
        (np.zeros((2, 3, 3), np.float32), {}, "items of 4 bytes"),
        (np.zeros((2, 3), np.uint32), {}, "items of 4 bytes"),
        (np.zeros((0, 3, 3), np.uint8), {}, "3 x 0"),
        (np.zeros((2, 0, 3), np.uint8), {}, "0 x 2"),
        (np.zeros((2, 3, 3), np.uint8), {"format": "RGBA"}, "3 bytes per pixel, which format 'RGBA' has not"),
        (np.zeros((2, 3, 4), np.uint8), {"format": "RGB"}, "4 bytes per pixel"),
        (np.zeros((2, 3, 4), np.uint8), {"format": "nonsense"}, "4 bytes per pixel"),
        (np.zeros((2, 3, 3), np.uint8), {"width": 3, "height": 2}, "its own width"),
        (np.zeros((2, 3, 3), np.uint8), {"stride": 9}, "its own width"),
        (np.array(7, np.uint8), {}, "need a width and a height"),
        (Image.new("RGB", (0, 0)), {}, "0 x 0, expected at least 1 x 1"),
        (Image.new("RGB", (5, 0)), {}, "5 x 0"),
    ],
)
def test_what_cannot_be_pixels_is_refused(image: Any, arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        pixel_buffer(image, **arguments)


@pytest.mark.parametrize("arguments", [{"width": 3}, {"height": 2}, {"stride": 12}, {"format": "RGB"}])
def test_what_is_said_of_a_pillow_image_must_not_be_ignored(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="image"):
        pixel_buffer(Image.new("RGB", (WIDTH, HEIGHT)), **arguments)


@pytest.mark.parametrize("image", [None, 5, "pixels", [1, 2, 3]])
def test_what_is_no_buffer_is_a_type_error(image: Any) -> None:
    with pytest.raises(TypeError, match="bytes-like object is required"):
        pixel_buffer(image, width=1, height=1)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"width": 3.0}, "'float' object cannot be interpreted as an integer"),
        ({"height": "2"}, "'str' object cannot be interpreted as an integer"),
        ({"stride": 12.5}, "'float' object cannot be interpreted as an integer"),
        ({"format": 5}, "format is a int, expected a str"),
        ({"format": ["BGRX"]}, "format is a list, expected a str"),
    ],
)
def test_a_value_of_a_wrong_type_is_a_type_error(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(TypeError, match=text):
        pixel_buffer(BGRX, **{"width": WIDTH, "height": HEIGHT, **changes})
