"""Whatever a caller has as pixels is understood, or refused with a text that names what was expected."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
import pytest
from PIL import Image

from spicetrio.canvas.pixelbuffer import BYTES_PER_PIXEL, PixelBuffer, pixel_buffer

WIDTH, HEIGHT = 3, 2
COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (1, 2, 3), (250, 128, 7), (0, 0, 0)]
"""Red, green, blue of each pixel."""
GRAYS = [(value, value, value) for value in (0, 1, 127, 128, 254, 255)]
BGRX = b"".join(bytes((blue, green, red, 0)) for red, green, blue in COLORS)


def encoded(name: str, colors: list[tuple[int, int, int]]) -> bytes:
    """Write colors in a format; what is to be ignored is noise."""
    pixels = bytearray()
    for index, (red, green, blue) in enumerate(colors):
        values = {"R": red, "G": green, "B": blue, "X": 200 + index, "A": 37 * index & 0xFF, "L": red}
        pixels += bytes(values[letter] for letter in name)
    return bytes(pixels)


def decoded(pixels: PixelBuffer) -> bytes:
    return bytes(pixels.as_bgrx().data)


def expected(name: str) -> tuple[list[tuple[int, int, int]], bytes]:
    colors = GRAYS if name == "L" else COLORS
    return colors, b"".join(bytes((blue, green, red, 0)) for red, green, blue in colors)


@pytest.mark.parametrize("name", BYTES_PER_PIXEL)
def test_every_format_is_read_and_alpha_is_ignored(name: str) -> None:
    colors, wanted = expected(name)
    pixels = pixel_buffer(encoded(name, colors), width=WIDTH, height=HEIGHT, format=name)
    assert decoded(pixels) == wanted
    assert (pixels.width, pixels.height, pixels.stride) == (WIDTH, HEIGHT, WIDTH * BYTES_PER_PIXEL[name])


@pytest.mark.parametrize("name", BYTES_PER_PIXEL)
@pytest.mark.parametrize("gap", [1, 5, 64])
def test_a_stride_skips_what_is_between_rows_and_nothing_is_needed_after_the_last(name: str, gap: int) -> None:
    colors, wanted = expected(name)
    row = WIDTH * BYTES_PER_PIXEL[name]
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
    depth = BYTES_PER_PIXEL[name]
    shape = (HEIGHT, WIDTH) if depth == 1 else (HEIGHT, WIDTH, depth)
    return np.frombuffer(encoded(name, expected(name)[0]), np.uint8).reshape(shape)


@pytest.mark.parametrize("name", ["RGB", "RGBA", "L"])
def test_an_array_needs_no_format_and_no_size(name: str) -> None:
    assert decoded(pixel_buffer(as_array(name))) == expected(name)[1]


@pytest.mark.parametrize("name", BYTES_PER_PIXEL)
def test_an_array_may_be_of_any_format_with_its_depth(name: str) -> None:
    assert decoded(pixel_buffer(as_array(name), format=name)) == expected(name)[1]


def test_a_gray_array_may_have_three_dimensions() -> None:
    assert decoded(pixel_buffer(as_array("L").reshape(HEIGHT, WIDTH, 1))) == expected("L")[1]


@pytest.mark.parametrize(
    "view",
    [
        lambda pixels: np.repeat(np.repeat(pixels, 2, axis=0), 3, axis=1)[::2, ::3],
        lambda pixels: np.asfortranarray(pixels),
        lambda pixels: pixels[::-1, ::-1].copy()[::-1, ::-1],
        lambda pixels: pixels.transpose(1, 0, 2).copy().transpose(1, 0, 2),
        lambda pixels: np.pad(pixels, ((1, 2), (3, 4), (0, 1)))[1:-2, 3:-4, :-1],
    ],
)
def test_an_array_may_lie_in_memory_in_any_way(view: Any) -> None:
    pixels = view(as_array("RGB"))
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert decoded(pixel_buffer(pixels)) == BGRX


def test_an_array_that_lies_in_any_way_is_copied_so_it_is_not_shared() -> None:
    assert not pixel_buffer(np.asfortranarray(as_array("RGB"))).shared


def test_a_view_of_several_dimensions_without_numpy_is_taken() -> None:
    view = memoryview(encoded("RGB", COLORS)).cast("B", (HEIGHT, WIDTH, 3))
    assert decoded(pixel_buffer(view)) == BGRX


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I", "F"])
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
        (np.zeros((2, 3, 2), np.uint8), {}, r"shape \(2, 3, 2\)"),
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
    with pytest.raises(TypeError):
        pixel_buffer(image, width=1, height=1)
