from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spicetrio.canvas import fingerprint
from tests.kernels import uncompiled

pure = uncompiled("canvas.fingerprint")

MODULES = pytest.mark.parametrize("module", [fingerprint, pure], ids=["in use", "uncompiled"])


def of(pixels: bytes, width: int, height: int, module=fingerprint) -> bytes:
    return module.fingerprint(pixels, 4 * width, 0, 0, width, height)


def noise(width: int, height: int, seed: int = 1) -> bytearray:
    return bytearray(random.Random(seed).randbytes(4 * width * height))


@given(
    width=st.integers(0, 40), height=st.integers(0, 8), x=st.integers(0, 5), y=st.integers(0, 3),
    gap=st.sampled_from([0, 4, 13]), seed=st.integers(0, 1 << 20),
)  # fmt: skip
def test_it_is_of_the_pixels_wherever_they_lie_and_the_same_uncompiled(width, height, x, y, gap, seed):
    stride = 4 * (x + width) + gap
    surface = random.Random(seed).randbytes(stride * (y + height))
    packed = bytearray()
    for row in range(y, y + height):
        packed += surface[row * stride + 4 * x :][: 4 * width]
    packed[3::4] = bytes(width * height)
    found = fingerprint.fingerprint(surface, stride, x, y, width, height)
    assert found == pure.fingerprint(surface, stride, x, y, width, height)
    assert found == of(packed, width, height)
    assert len(found) == 16


@MODULES
@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (7, 3), (8, 2), (19, 2)])
def test_any_bit_of_a_color_matters_and_none_of_an_x_byte(module, width, height):
    pixels = noise(width, height)
    before = of(pixels, width, height, module)
    seen = {before}
    for bit in range(8 * len(pixels)):
        pixels[bit // 8] ^= 1 << bit % 8
        after = of(pixels, width, height, module)
        pixels[bit // 8] ^= 1 << bit % 8
        if bit // 8 % 4 == 3:
            assert after == before
        else:
            seen.add(after)
    assert len(seen) == 1 + 24 * width * height


def test_any_two_bits_of_a_blank_picture_make_another_one():
    """The commonest pictures are nearly blank, and bits that cancel each other would show here."""
    pixels = bytearray(4 * 10 * 4)
    bits = [bit for bit in range(8 * len(pixels)) if bit // 8 % 4 != 3]
    seen = {of(pixels, 10, 4)}
    for one, other in itertools.combinations(bits[::3], 2):
        for bit in (one, other):
            pixels[bit // 8] ^= 1 << bit % 8
        seen.add(of(pixels, 10, 4))
        for bit in (one, other):
            pixels[bit // 8] ^= 1 << bit % 8
    count = len(bits[::3])
    assert len(seen) == 1 + count * (count - 1) // 2


def test_half_of_the_bits_change_with_any_bit():
    pixels = noise(9, 3)
    before = int.from_bytes(of(pixels, 9, 3))
    changed = []
    for bit in range(8 * len(pixels)):
        if bit // 8 % 4 != 3:
            pixels[bit // 8] ^= 1 << bit % 8
            changed.append((before ^ int.from_bytes(of(pixels, 9, 3))).bit_count())
            pixels[bit // 8] ^= 1 << bit % 8
    assert min(changed) >= 35
    assert max(changed) <= 93
    assert 62 < sum(changed) / len(changed) < 66


def test_near_pictures_are_all_different_in_either_half():
    """A line, a dot or a letter somewhere else, another color, another size."""
    seen = set()
    count = 0
    for width, height in ((16, 16), (8, 32), (32, 8), (17, 15)):
        for color in (0x000001, 0x000100, 0x010000, 0xFFFFFF):
            for at in range(width * height):
                pixels = bytearray(4 * width * height)
                pixels[4 * at : 4 * at + 4] = color.to_bytes(4, "little")
                found = of(pixels, width, height)
                seen.update((found[:8], found[8:]))
                pixels[4 * at :] = color.to_bytes(4, "little") * (width * height - at)
                found = of(pixels, width, height)
                seen.update((found[:8], found[8:]))
                count += 2 * 2
    repeated = 2 * 4 * 4  # a dot in the last place is also the last of the areas to the end
    assert len(seen) == count - repeated


@pytest.mark.parametrize("apart", [1, 2, 3, 8, 16, 64])
def test_the_place_of_a_pixel_matters(apart):
    pixels = noise(32, 8)
    before = of(pixels, 32, 8)
    swapped = bytearray(pixels)
    swapped[:4], swapped[4 * apart : 4 * apart + 4] = pixels[4 * apart : 4 * apart + 4], pixels[:4]
    assert of(swapped, 32, 8) != before


def test_the_size_matters_when_the_bytes_do_not():
    sizes = [(width, 24 // width) for width in (1, 2, 3, 4, 6, 8, 12, 24)]
    assert len({of(bytes(96), *size) for size in sizes}) == len(sizes)
    assert len({of(b"", *size) for size in ((0, 0), (0, 1), (1, 0), (0, 2))}) == 4


@MODULES
@pytest.mark.parametrize(
    ("x", "y", "w", "h", "stride"),
    [(-1, 0, 2, 2, 40), (0, -1, 2, 2, 40), (0, 0, -2, 2, 40), (9, 0, 2, 2, 40), (0, 9, 2, 2, 40), (0, 0, 10, 10, 39),
     (0, 0, 1 << 70, 1, 1 << 72)],
)  # fmt: skip
def test_refuses_rectangles_outside(module, x, y, w, h, stride):
    with pytest.raises(ValueError, match=r"expected|but the buffer has"):
        module.fingerprint(bytes(400), stride, x, y, w, h)
