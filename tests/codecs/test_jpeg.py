from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spicetrio.codecs import jpeg, lz


def gradient(width: int, height: int, gap: int = 0, offset: int = 0) -> bytes:
    """Make rows of pixels that change slowly, at most 127 x 85, with noise wherever nobody should look."""
    chance = random.Random(width)
    rows = [chance.randbytes(offset)]
    for y in range(height):
        for x in range(width):
            rows.append(bytes((2 * x, 3 * y, 100 + x // 2, chance.randrange(256))))
        rows.append(chance.randbytes(gap))
    return b"".join(rows)


def worst(one: bytes, other: bytes) -> int:
    """Return the largest difference of two colors."""
    return max(abs(a - b) for k in range(3) for a, b in zip(one[k::4], other[k::4], strict=True))


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def segments(data: bytes) -> dict[int, bytes]:
    """Return the first of each kind of segment before the pixels."""
    found: dict[int, bytes] = {}
    at = 2
    while data[at + 1] != 0xDA:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        found.setdefault(data[at + 1], data[at + 4 : at + 2 + size])
        at += 2 + size
    return found


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 3), (64, 64), (90, 2)])
@pytest.mark.parametrize(("gap", "offset"), [(0, 0), (0, 5), (4, 0), (33, 8)])
def test_a_rectangle_comes_back_much_as_it_was(width, height, gap, offset):
    buffer = gradient(width, height, gap, offset)
    data = jpeg.encode(buffer, width=width, height=height, stride=4 * width + gap, offset=offset)
    decoded = jpeg.decode(data)
    assert (decoded.width, decoded.height) == (width, height)
    assert worst(decoded.pixels, gradient(width, height)) < 16
    assert not any(decoded.pixels[3::4])


def test_red_is_red_and_blue_is_blue():
    pixels = jpeg.decode(jpeg.encode(bytes((250, 120, 10, 0)) * 256, width=16, height=16, stride=64)).pixels
    assert worst(pixels, bytes((250, 120, 10, 0)) * 256) < 4


def test_it_is_a_baseline_jfif_of_three_components_and_quality_85():
    found = segments(jpeg.encode(gradient(20, 10), width=20, height=10, stride=80))
    assert found[0xE0].startswith(b"JFIF\0")
    assert 0xC0 in found  # baseline, Huffman
    assert struct.unpack_from(">BHHB", found[0xC0]) == (8, 10, 20, 3)
    scaled = [min(255, max(1, (value * 30 + 50) // 100)) for value in (16, 11, 10, 16, 24, 40, 51, 61)]
    zigzag = [found[0xDB][1 + at] for at in (0, 1, 5, 6, 14, 15, 27, 28)]
    assert zigzag == scaled  # the first row of the table of the standard, at 200 - 2 * 85 percent


def test_x_bytes_do_not_matter():
    pixels = bytearray(gradient(20, 20))
    size = {"width": 20, "height": 20, "stride": 80}
    data = jpeg.encode(pixels, **size)
    pixels[3::4] = bytes(400)
    assert jpeg.encode(pixels, **size) == data


def test_limit_is_the_first_size_too_large():
    pixels, size = gradient(20, 20), {"width": 20, "height": 20, "stride": 80}
    data = jpeg.encode(pixels, **size)
    assert jpeg.encode(pixels, **size, limit=len(data)) is None
    assert jpeg.encode(pixels, **size, limit=len(data) + 1) == data
    both, first = jpeg.encode_alpha(pixels, **size)
    for limit in (0, 1, first, first + 28, len(both)):
        assert jpeg.encode_alpha(pixels, **size, limit=limit) is None
    assert jpeg.encode_alpha(pixels, **size, limit=len(both) + 1) == (both, first)


@pytest.mark.parametrize(("gap", "offset"), [(0, 0), (20, 7)])
def test_alpha_comes_back_exactly(gap, offset):
    size = {"width": 40, "height": 30, "stride": 160 + gap, "offset": offset}
    buffer = gradient(40, 30, gap, offset)
    rows = b"".join(buffer[offset + y * (160 + gap) :][:160] for y in range(30))
    data, first = jpeg.encode_alpha(buffer, **size)
    assert data[:first] == jpeg.encode(buffer, **size)
    assert lz.decode(data[first:]).image_type == lz.LzType.XXXA
    decoded = jpeg.decode_alpha(data, first)
    assert decoded.pixels[3::4] == rows[3::4]
    assert worst(decoded.pixels, rows) < 16


def test_pillow_writes_to_a_descriptor_and_none_is_left(monkeypatch):
    seen = []
    save = Image.Image.save

    def spy(image, file, *arguments, **options):
        seen.append(str(Path(f"/proc/self/fd/{file.fileno()}").readlink()))
        save(image, file, *arguments, **options)

    monkeypatch.setattr(Image.Image, "save", spy)
    before = descriptors()
    jpeg.encode(gradient(20, 20), width=20, height=20, stride=80)
    jpeg.encode(gradient(20, 20), width=20, height=20, stride=80, limit=10)
    assert all(name.startswith("/memfd:") for name in seen)
    assert len(seen) == 2
    assert descriptors() == before


def test_no_descriptor_is_left_when_pillow_fails(monkeypatch):
    def fail(image, file, *arguments, **options):
        file.write(b"half")
        raise OSError("encoder error -9")

    monkeypatch.setattr(Image.Image, "save", fail)
    before = descriptors()
    with pytest.raises(OSError, match="encoder error"):
        jpeg.encode(bytes(400), width=10, height=10, stride=40)
    assert descriptors() == before


@pytest.mark.parametrize(
    "changes",
    [{"width": 0}, {"height": 0}, {"width": -1}, {"stride": 39}, {"stride": -40}, {"offset": 1}, {"offset": -1},
     {"height": 11}, {"width": 65501, "stride": 1 << 20}, {"height": 1 << 40}],
)  # fmt: skip
@pytest.mark.parametrize("encode", [jpeg.encode, jpeg.encode_alpha])
def test_refuses_bounds(encode, changes):
    before = descriptors()
    with pytest.raises(ValueError, match=r"expected|but the buffer has"):
        encode(bytes(400), **({"width": 10, "height": 10, "stride": 40} | changes))
    assert descriptors() == before


def test_the_widest_picture_is_made():
    data = jpeg.encode(bytes(4 * jpeg.MAX_SIZE), width=jpeg.MAX_SIZE, height=1, stride=4 * jpeg.MAX_SIZE)
    assert jpeg.decode(data).width == jpeg.MAX_SIZE


@given(st.binary(max_size=60))
def test_garbage_raises_value_error(data):
    with pytest.raises(ValueError, match="no JPEG"):
        jpeg.decode(data)


def test_damaged_pictures_raise_value_error():
    data, first = jpeg.encode_alpha(gradient(40, 40), width=40, height=40, stride=160)
    other = lz.encode(bytes(400), width=10, height=10, stride=40, image_type=lz.LzType.XXXA)
    colors = lz.encode(bytes(6400), width=40, height=40, stride=160, image_type=lz.LzType.RGB32)
    with pytest.raises(ValueError, match="damaged"):
        jpeg.decode(data[: first // 2 + 300])
    with pytest.raises(ValueError, match="alpha is 10x10, the JPEG 40x40"):
        jpeg.decode_alpha(data[:first] + other, first)
    with pytest.raises(ValueError, match="RGB32, expected XXXA"):
        jpeg.decode_alpha(data[:first] + colors, first)
    with pytest.raises(ValueError, match=r"has \d+ bytes, but the data has"):
        jpeg.decode_alpha(data, len(data) + 1)
    with pytest.raises(ValueError, match="at least a header"):
        jpeg.decode_alpha(data[:first], first)
