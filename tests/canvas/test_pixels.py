from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spicetrio.canvas import changes, pixels, scroll
from tests.kernels import uncompiled

pure = uncompiled("canvas.pixels")
pure_changes = uncompiled("canvas.changes")
pure_scroll = uncompiled("canvas.scroll")

DRAWING = pytest.mark.parametrize("module", [pixels, pure], ids=["in use", "uncompiled"])
DAMAGE = [changes, pure_changes]
SCROLL = [scroll, pure_scroll]


@st.composite
def areas(draw, most=80):
    """Draw a surface's size and stride, and a rectangle in it."""
    width, height = draw(st.integers(1, most)), draw(st.integers(1, most))
    stride = 4 * width + draw(st.sampled_from([0, 0, 4, 13]))
    x, y = draw(st.integers(0, width)), draw(st.integers(0, height))
    w, h = draw(st.integers(0, width - x)), draw(st.integers(0, height - y))
    return width, height, stride, x, y, w, h


def rows(buffer, stride, x, y, w, h, offset=0):
    """Return a rectangle as lists of the three bytes of each pixel that count."""
    starts = [offset + j * stride + 4 * x for j in range(y, y + h)]
    return [[bytes(buffer[at + 4 * i : at + 4 * i + 3]) for i in range(w)] for at in starts]


@DRAWING
@given(area=areas(), color=st.integers(0, 0xFFFFFF))
def test_fill(module, area, color):
    _, height, stride, x, y, w, h = area
    surface = bytearray(random.Random(1).randbytes(stride * height))
    expected = bytearray(surface)
    for j in range(y, y + h):
        expected[j * stride + 4 * x : j * stride + 4 * (x + w)] = color.to_bytes(4, "little") * w
    module.fill(surface, stride, x, y, w, h, color)
    assert surface == expected


@DRAWING
@given(area=areas(), data=st.data())
def test_copy_area_with_any_overlap(module, area, data):
    width, height, stride, x, y, w, h = area
    src_x, src_y = data.draw(st.integers(0, width - w)), data.draw(st.integers(0, height - h))
    surface = bytearray(random.Random(2).randbytes(stride * height))
    before = bytes(surface)
    expected = bytearray(surface)
    for j in range(h):
        origin = (src_y + j) * stride + 4 * src_x
        expected[(y + j) * stride + 4 * x : (y + j) * stride + 4 * (x + w)] = before[origin : origin + 4 * w]
    module.copy_area(surface, stride, x, y, w, h, src_x, src_y)
    assert surface == expected


def widened(layout, pixel):
    """Return blue, green and red of a word, each with its digits repeated until there are eight."""
    digits = f"{int.from_bytes(pixel, 'little'):016b}"
    red, green, blue = (
        (digits[:5], digits[5:11], digits[11:]) if layout == "RGB565" else re.findall(".....", digits[1:])
    )
    return [int((component * 2)[:8], 2) for component in (blue, green, red)]


@DRAWING
@pytest.mark.parametrize("layout", ["RGB555", "RGB565"])
def test_every_word_is_widened(module, layout):
    words = [word.to_bytes(2, "little") for word in range(1 << 16)]
    surface = bytearray(b"\xff" * (4 << 16))
    module.blit(surface, 1024, 0, 0, b"".join(words), 0, 512, 256, 256, layout)
    assert surface == bytes(byte for word in words for byte in (*widened(layout, word), 0))
    assert surface[-4:] == b"\xff\xff\xff\0"


@DRAWING
@given(area=areas(), color=st.integers(0, 0xFFFFFF), seed=st.integers(0, 1 << 20))
def test_solid_color(module, area, color, seed):
    _, height, stride, x, y, w, h = area
    chance = random.Random(seed)
    surface = bytearray(chance.randbytes(stride * height))
    module.fill(surface, stride, x, y, w, h, color)
    for _ in range(9):  # x bytes do not matter
        if w and h:
            surface[(y + chance.randrange(h)) * stride + 4 * (x + chance.randrange(w)) + 3] = 77
    assert module.solid_color(surface, stride, x, y, w, h) == (color if w and h else None)
    if w * h > 1:
        at = (y + chance.randrange(h)) * stride + 4 * (x + chance.randrange(w)) + chance.randrange(3)
        surface[at] ^= 1 << chance.randrange(8)
        assert module.solid_color(surface, stride, x, y, w, h) is None


@DRAWING
@pytest.mark.parametrize("layout", list(pixels.FORMATS))
@given(area=areas(), gap=st.integers(0, 9), offset=st.integers(0, 9))
@settings(max_examples=30)
def test_blit(module, layout, area, gap, offset):
    _, height, stride, x, y, w, h = area
    size = pixels.FORMATS[layout]
    src_stride = size * w + gap
    source = random.Random(3).randbytes(offset + src_stride * h)
    surface = bytearray(random.Random(4).randbytes(stride * height))
    expected = bytearray(surface)
    for j in range(h):
        for i in range(w):
            pixel = source[offset + j * src_stride + i * size :][:size]
            color = widened(layout, pixel) if size == 2 else [pixel[max(layout.find(channel), 0)] for channel in "BGR"]
            at = (y + j) * stride + 4 * (x + i)
            expected[at : at + 4] = bytes([*color, 0])
    module.blit(surface, stride, x, y, source, offset, src_stride, w, h, layout)
    assert surface == expected


@DRAWING
@given(area=areas())
def test_pack(module, area):
    _, height, stride, x, y, w, h = area
    surface = random.Random(5).randbytes(stride * height)
    expected = b"".join(surface[j * stride + 4 * x : j * stride + 4 * (x + w)] for j in range(y, y + h))
    packed = module.pack(surface, stride, x, y, w, h)
    assert type(packed) is bytes
    assert packed == expected


@given(area=areas(200), offset=st.integers(0, 5), seed=st.integers(0, 1 << 30))
@settings(deadline=None)
def test_damage_holds_every_change_and_no_edge_without_one(area, offset, seed):
    _, height, stride, x, y, w, h = area
    chance = random.Random(seed)
    canvas = bytearray(stride * height)
    frame = bytearray(offset) + canvas
    for _ in range(chance.choice((0, 1, 2, 10, 400))):
        frame[offset + chance.randrange(len(canvas))] = chance.randrange(256)
    arguments = (canvas, stride, frame, offset, stride, x, y, w, h)
    found, again = (module.damage(*arguments) for module in DAMAGE)
    assert found == again
    assert len(found) <= changes.DAMAGE_LIMIT
    old, new = rows(canvas, stride, x, y, w, h), rows(frame, stride, x, y, w, h, offset)
    changed = {(x + i, y + j) for j in range(h) for i in range(w) if old[j][i] != new[j][i]}
    for left, top, right, bottom in found:
        inside = {(i, j) for i, j in changed if left <= i < right and top <= j < bottom}
        assert (left, top) == (min(i for i, _ in inside), min(j for _, j in inside))
        assert (right, bottom) == (max(i for i, _ in inside) + 1, max(j for _, j in inside) + 1)
        changed -= inside
    assert not changed
    for number, (left, top, right, bottom) in enumerate(found):
        for other in found[:number]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


def test_damage_keeps_small_changes_apart():
    canvas, frame = bytearray(4 * 1000 * 500), bytearray(4 * 1000 * 500)
    for x, y in ((3, 4), (990, 100), (500, 480)):
        frame[4000 * y + 4 * x] = 1
    found = pixels.damage(canvas, 4000, frame, 0, 4000, 0, 0, 1000, 500)
    assert found == [(3, 4, 4, 5), (990, 100, 991, 101), (500, 480, 501, 481)]


def test_damage_of_dust_is_few_rectangles():
    chance = random.Random(9)
    canvas = bytearray(4 * 1920 * 1080)
    frame = bytearray(canvas)
    for _ in range(3000):
        frame[4 * chance.randrange(1920 * 1080)] = 1
    for module in DAMAGE:
        found = module.damage(canvas, 7680, frame, 0, 7680, 0, 0, 1920, 1080)
        assert 0 < len(found) <= changes.DAMAGE_LIMIT


def test_x_bytes_are_no_damage():
    canvas, frame = bytearray(4 * 640 * 480), bytearray(b"\0\0\0\xff" * 640 * 480)
    for module in DAMAGE:
        assert module.damage(canvas, 2560, frame, 0, 2560, 0, 0, 640, 480) == []


# Scrolling


class Screen:
    """A surface as rows of 4-byte pixels."""

    def __init__(self, width: int, height: int, color: int = 0x336699) -> None:
        self.width, self.height = width, height
        self.rows = [[color] * width for _ in range(height)]

    def put(self, left: int, top: int, lines: list[list[int]]) -> None:
        for number, line in enumerate(lines):
            self.rows[top + number][left : left + len(line)] = line

    def bytes(self) -> bytes:
        return b"".join(color.to_bytes(4, "little") for row in self.rows for color in row)


def page(width: int, height: int, seed: int, line: int = 16) -> list[list[int]]:
    """Make lines of made-up letters, ragged on the right."""
    chance = random.Random(seed)
    letters = [[[chance.random() < 0.4 for _ in range(7)] for _ in range(line - 5)] for _ in range(60)]
    out = [[0x101010] * width for _ in range(height)]
    for top in range(0, height - line, line):
        for left in range(0, chance.randrange(width // 3, width - 8), 8):
            if chance.random() < 0.2:
                continue
            for j, dots in enumerate(chance.choice(letters)):
                for i, dot in enumerate(dots):
                    if dot:
                        out[top + j + 2][left + i] = 0xD0D0D0
    return out


def find(old: Screen, new: Screen):
    """Look for a scroll in what changed, and check what was found pixel by pixel."""
    stride = 4 * old.width
    canvas, frame = old.bytes(), new.bytes()
    changed = pixels.damage(canvas, stride, frame, 0, stride, 0, 0, old.width, old.height)
    left, top = min(rect[0] for rect in changed), min(rect[1] for rect in changed)
    right, bottom = max(rect[2] for rect in changed), max(rect[3] for rect in changed)
    area = (left, top, right - left, bottom - top)
    found, again = (module.find_scroll(canvas, stride, frame, 0, stride, *area) for module in SCROLL)
    assert found == again
    check_scroll(found, canvas, frame, stride, area)
    return found


def check_scroll(found, canvas, frame, stride, area):
    if found is None:
        return
    dx, dy, left, top, right, bottom = found
    x, y, w, h = area
    assert x <= left < right <= x + w
    assert y <= top < bottom <= y + h
    assert x <= left - dx
    assert right - dx <= x + w
    assert y <= top - dy
    assert bottom - dy <= y + h
    assert (right - left) * (bottom - top) >= scroll.SMALLEST_SCROLL
    size = (right - left, bottom - top)
    assert rows(frame, stride, left, top, *size) == rows(canvas, stride, left - dx, top - dy, *size)


@pytest.mark.parametrize("by", [1, 7, 16, 45, 48, 200])
@pytest.mark.parametrize("line", [14, 16, 21])
def test_a_scrolled_page_is_found(by, line):
    text = page(400, 300 + by, by, line)
    old, new = Screen(500, 400), Screen(500, 400)
    for first, second, sign in ((old, new, -1), (new, old, 1)):
        first.put(60, 50, text[:300])
        second.put(60, 50, text[by : 300 + by])
        dx, dy, left, top, right, bottom = find(old, new)
        assert (dx, dy) == (0, sign * by)
        assert (right - left) * (bottom - top) > 0.7 * 400 * (300 - by)


def test_a_page_scrolled_sideways_is_found():
    text = page(460, 200, 5)
    old, new = Screen(420, 220), Screen(420, 220)
    old.put(10, 10, [row[:400] for row in text])
    new.put(10, 10, [row[30:430] for row in text])
    dx, dy, left, top, right, bottom = find(old, new)
    assert (dx, dy) == (-30, 0)
    assert (right - left) * (bottom - top) > 0.7 * 370 * 180


def test_a_moved_window_is_found():
    text = page(300, 200, 6)
    old, new = Screen(500, 400), Screen(500, 400)
    old.put(40, 50, text)
    new.put(77, 63, text)
    found = find(old, new)
    assert found[:2] == (37, 13)
    assert found[2] <= 80
    assert found[4] >= 370


def test_a_scroll_beside_what_does_not_scroll_is_found():
    text = page(300, 364, 7)
    old, new = Screen(330, 300), Screen(330, 300)
    old.put(0, 0, text[:300])
    new.put(0, 0, text[64:])
    old.put(310, 20, [[0xAAAAAA] * 12] * 60)
    new.put(310, 37, [[0xAAAAAA] * 12] * 60)
    dx, dy, _, _, right, _ = find(old, new)
    assert (dx, dy) == (0, -64)
    assert right <= 310


@pytest.mark.parametrize("period", [1, 2, 3, 8, 64])
def test_patterns_are_no_scroll_worth_less_than_they_seem(period):
    old, new = Screen(300, 200), Screen(300, 200)
    old.put(0, 0, [[0xFFFFFF * (i // period % 2) for i in range(300)]] * 200)
    new.put(0, 0, [[0xFFFFFF * ((i + 1) // period % 2) for i in range(300)]] * 200)
    find(old, new)


def test_new_text_and_flat_areas_are_no_scroll():
    old, new = Screen(400, 300), Screen(400, 300)
    old.put(0, 0, page(400, 300, 8))
    new.put(0, 0, page(400, 300, 9))
    assert find(old, new) is None
    assert find(old, Screen(400, 300, 0xFFFFFF)) is None
    assert find(Screen(400, 300), Screen(400, 300, 0xFFFFFF)) is None


@given(st.integers(0, 1 << 30))
@settings(max_examples=60, deadline=None)
def test_what_is_found_is_true(seed):
    chance = random.Random(seed)
    width, height = chance.randint(64, 200), chance.randint(64, 200)
    colors = chance.choice(([0, 1], [0] * 9 + [0xFFFFFF], range(1 << 24)))
    tile = chance.choice((1, 3, 8, 500))
    canvas = bytearray(4 * width * height)
    for j in range(height):
        for i in range(width):
            at = 4 * (j * width + i)
            if j >= tile:
                canvas[at : at + 4] = canvas[at - 4 * width * tile : at - 4 * width * tile + 4]
            else:
                canvas[at : at + 4] = chance.choice(colors).to_bytes(4, "little")
    frame = bytearray(canvas)
    for _ in range(chance.randint(1, 4)):
        w, h = chance.randint(1, width), chance.randint(1, height)
        places = [(chance.randint(0, width - w), chance.randint(0, height - h)) for _ in range(2)]
        pixels.copy_area(frame, 4 * width, *places[0], w, h, *places[1])
        for _ in range(chance.choice((0, 0, 3))):
            frame[chance.randrange(len(frame))] ^= 1
    area = (0, 0, width, height)
    found, again = (module.find_scroll(canvas, 4 * width, frame, 0, 4 * width, *area) for module in SCROLL)
    assert found == again
    check_scroll(found, canvas, frame, 4 * width, area)


# Bounds


@DRAWING
@pytest.mark.parametrize(
    ("x", "y", "w", "h", "stride"),
    [(-1, 0, 2, 2, 40), (0, -1, 2, 2, 40), (0, 0, -2, 2, 40), (0, 0, 2, -2, 40), (9, 0, 2, 2, 40), (0, 9, 2, 2, 40),
     (0, 0, 10, 10, 39), (0, 0, 11, 10, 44), (0, 0, 1 << 70, 1, 1 << 72), (0, 1 << 70, 1, 1, 40), (0, 0, 2, 2, -40)],
)  # fmt: skip
def test_refuses_rectangles_outside(module, x, y, w, h, stride):
    surface = bytearray(400)
    area = (x, y, w, h)
    drawing = pytest.raises(ValueError, match=r"expected|but the buffer has")
    with drawing:
        module.fill(surface, stride, *area, 0)
    with drawing:
        module.copy_area(surface, stride, *area, 0, 0)
    with drawing:
        module.copy_area(surface, stride, 0, 0, w, h, x, y)
    with drawing:
        module.blit(surface, stride, x, y, bytes(4000), 0, 400, w, h)
    with drawing:
        module.pack(surface, stride, *area)
    with drawing:
        module.solid_color(surface, stride, *area)
    with drawing:
        module.damage(surface, stride, bytes(4000), 0, 400, *area)
    with drawing:
        module.damage(bytes(8000), 400, surface, 0, stride, *area)
    with drawing:
        module.find_scroll(surface, stride, bytes(4000), 0, 400, *area)
    assert surface == bytes(400)


@DRAWING
def test_refuses_what_it_cannot_use(module):
    with pytest.raises(ValueError, match="read-only"):
        module.fill(bytes(400), 40, 0, 0, 10, 10, 0)
    with pytest.raises(ValueError, match="gaps"):
        module.fill(memoryview(bytearray(800))[::2], 40, 0, 0, 10, 10, 0)
    with pytest.raises(ValueError, match="format is 'CMYK'"):
        module.blit(bytearray(400), 40, 0, 0, bytes(400), 0, 40, 10, 10, "CMYK")
    with pytest.raises(ValueError, match="color"):
        module.fill(bytearray(400), 40, 0, 0, 10, 10, 1 << 24)
    with pytest.raises(ValueError, match="source"):
        module.blit(bytearray(400), 40, 0, 0, bytes(400), 1, 40, 10, 10)
    with pytest.raises(ValueError, match="source"):
        module.blit(bytearray(400), 40, 0, 0, bytes(400), -1, 40, 10, 10)


@DRAWING
def test_nothing_to_do_is_done(module):
    surface = bytearray(0)
    module.fill(surface, 0, 0, 0, 0, 0, 0)
    module.copy_area(surface, 0, 0, 0, 0, 5, 0, 0)
    module.blit(surface, 0, 0, 0, b"", 0, 0, 0, 0)
    assert module.pack(surface, 0, 0, 0, 0, 3) == b""
    assert module.damage(surface, 0, b"", 0, 0, 0, 0, 0, 0) == []
    assert module.find_scroll(surface, 0, b"", 0, 0, 0, 0, 0, 0) is None
