from __future__ import annotations

import json
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spicetrio.codecs import glz, lz
from spicetrio.codecs.glz import Dictionary
from spicetrio.codecs.glz_decoder import Decoder
from spicetrio.codecs.lz import LzType
from tests.kernels import uncompiled

from .test_lz import coded_part, picture

VECTORS = Path(__file__).parent.parent / "data" / "glz"
INDEX = json.loads((VECTORS / "index.json").read_text())
HEADER = struct.Struct(">IIBIIIQI")
TYPES = [LzType.RGB16, LzType.RGB24, LzType.RGB32, LzType.RGBA]

pure = uncompiled("codecs.glz")


class Session:
    """A dictionary in use and one uncompiled, which must agree, and the viewer that they encode for."""

    def __init__(self, window: int, memory: int = glz.MEMORY) -> None:
        self.dictionary = Dictionary(window, memory=memory)
        self.pure = pure.Dictionary(window, memory=memory)
        self.viewer = Decoder(window)

    def send(
        self, pixels: bytes, width: int, height: int, image_type: LzType, limit: int | None = None
    ) -> bytes | None:
        """Encode a picture, and see it arrive unless it is None."""
        stride = lz.row_bytes(image_type, width)
        size = {"width": width, "height": height, "stride": stride, "image_type": image_type, "limit": limit}
        data = self.dictionary.encode(pixels, **size)
        assert self.pure.encode(pixels, **size) == data
        if data is not None:
            assert limit is None or len(data) < limit
            decoded = self.viewer.decode(data)
            assert decoded == lz.Decoded(image_type, width, height, stride, True, coded_part(pixels, image_type))
        return data


@st.composite
def sequences(draw: st.DrawFn) -> list[tuple[bytes, int, int, LzType]]:
    """Pictures that are new, or those before: whole, changed a little, moved, of another size."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    types = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=4))
    largest = draw(st.sampled_from((3, 12, 40)))
    seen = picture(chance, 400)
    pictures = []
    for _ in range(draw(st.integers(1, 20))):
        image_type = chance.choice(types)
        width, height = chance.randint(1, largest), chance.randint(1, largest)
        size = lz.row_bytes(image_type, width) * height
        start = chance.choice((0, 0, chance.randrange(len(seen))))
        pixels = bytearray((seen[start:] + seen * (size // len(seen) + 1))[:size])
        for _ in range(chance.choice((0, 1, 5))):
            pixels[chance.randrange(size)] = chance.randrange(256)
        if chance.random() < 0.3:
            pixels = bytearray(picture(chance, size))
        seen = bytes(pixels) if chance.random() < 0.5 else seen
        pictures.append((bytes(pixels), width, height, image_type))
    return pictures


def test_decodes_what_the_c_encoder_made():
    viewer = Decoder(1 << 20)
    for entry in INDEX:
        image_type = LzType(entry["type"])
        decoded = viewer.decode((VECTORS / entry["encoded"]).read_bytes())
        assert decoded.pixels == coded_part((VECTORS / entry["raw"]).read_bytes(), image_type)
        assert (decoded.image_type, decoded.width, decoded.height) == (image_type, entry["width"], entry["height"])
        assert decoded.top_down


def test_comes_near_the_c_encoder_in_size():
    session = Session(1 << 20)
    ours = theirs = 0
    for entry in INDEX:
        raw = (VECTORS / entry["raw"]).read_bytes()
        data = session.send(raw, entry["width"], entry["height"], LzType(entry["type"]))
        ours += len(data)
        theirs += len((VECTORS / entry["encoded"]).read_bytes())
    assert ours <= 1.02 * theirs


@given(sequences(), st.sampled_from((10, 300, 1500, 5000, 1 << 20)), st.sampled_from((64, 2000, 12000, 1 << 20)))
def test_sequences_come_back(pictures, window, memory):
    session = Session(window, memory)
    for pixels, width, height, image_type in pictures:
        words = width * height * (2 if image_type == LzType.RGBA else 1)
        fits = width * height < window and words <= min(window, memory // 4)
        assert (session.send(pixels, width, height, image_type) is not None) == fits


@given(sequences(), st.sampled_from((1500, 5000)), st.integers(0, 2**32))
def test_a_limit_leaves_the_dictionary_in_step_with_the_viewer(pictures, window, seed):
    chance = random.Random(seed)
    session = Session(window)
    sent = 0
    for pixels, width, height, image_type in pictures:
        data = session.send(pixels, width, height, image_type, limit=chance.choice((None, 0, 34, 60, 300)))
        if data is not None:
            assert number_and_distance(data)[0] == sent
            sent += 1


def number_and_distance(data: bytes) -> tuple[int, int]:
    return HEADER.unpack_from(data)[6:]


def test_limit_is_the_first_size_too_large():
    pixels = picture(random.Random(2), 64 * 40 * 4)
    size = {"width": 64, "height": 40, "stride": 256, "image_type": LzType.RGBA}
    whole = Dictionary(10_000).encode(pixels, **size)
    dictionary = Dictionary(10_000)
    for limit in (-5, 0, 33, 34, len(whole) // 2, len(whole)):
        assert dictionary.encode(pixels, **size, limit=limit) is None
    assert dictionary.encode(pixels, **size, limit=len(whole) + 1) == whole


@pytest.mark.parametrize("image_type", TYPES)
def test_a_picture_that_was_there_before_costs_next_to_nothing(image_type):
    session = Session(10_000)
    pixels = random.Random(3).randbytes(50 * 40 * 4)[: 40 * lz.row_bytes(image_type, 50)]
    assert len(session.send(pixels, 50, 40, image_type)) > len(pixels) // 2
    for _ in range(5):
        assert len(session.send(pixels, 50, 40, image_type)) < 100


def test_a_picture_that_differs_little_costs_little():
    session = Session(10_000)
    pixels = bytearray(random.Random(4).randbytes(50 * 40 * 4))
    session.send(bytes(pixels), 50, 40, LzType.RGB32)
    for at in (0, 1000, 1002, 4000, 7999):
        pixels[at] ^= 0x55
    assert len(session.send(bytes(pixels), 50, 40, LzType.RGB32)) < 120


def test_a_part_is_found_in_a_picture_of_another_size():
    session = Session(10_000)
    pixels = random.Random(5).randbytes(50 * 40 * 4)
    session.send(pixels, 50, 40, LzType.RGB32)
    part = b"".join(pixels[200 * y + 40 : 200 * y + 160] for y in range(5, 35))
    assert len(session.send(part, 30, 30, LzType.RGB32)) < len(part) // 5


def test_pictures_of_another_type_are_not_referred_to():
    session = Session(10_000)
    pixels = random.Random(6).randbytes(4000)
    session.send(pixels, 25, 40, LzType.RGB32)
    assert len(session.send(pixels, 25, 40, LzType.RGBA)) > 4000


def test_the_oldest_pictures_leave_the_window():
    session = Session(1000)
    chance = random.Random(7)
    first = chance.randbytes(1200)
    distances = [number_and_distance(session.send(first, 20, 15, LzType.RGB32))[1]]
    for _ in range(5):
        distances.append(number_and_distance(session.send(chance.randbytes(1200), 20, 15, LzType.RGB32))[1])
    assert distances == [0, 1, 2, 2, 2, 2]
    assert len(session.send(first, 20, 15, LzType.RGB32)) > 900


@pytest.mark.parametrize("distance", [4095, 4096, 4097, (1 << 17) - 1, 1 << 17, (1 << 17) + 1])
@pytest.mark.parametrize("image_type", [LzType.RGB32, LzType.RGB16])
def test_distances_at_the_limits(distance, image_type):
    unit = lz.row_bytes(image_type, 1)
    part = random.Random(8).randbytes(300 * unit)
    pixels = part + bytes(unit * (distance - 300)) + part
    session = Session(1 << 20)
    width = len(pixels) // unit
    assert len(session.send(pixels, width, 1, image_type)) < 1500
    assert len(session.send(part[::-1] + pixels[: -len(part)], width, 1, image_type)) < 3000


@pytest.mark.parametrize("ago", [1, 62, 63, 64, 65, 255, 256, 257, 600])
def test_pictures_ever_so_many_ago(ago):
    dictionary, viewer = Dictionary(1 << 18), Decoder(1 << 18)
    near, far = random.Random(9).randbytes(400), random.Random(10).randbytes(4 * 4200)
    for part in (near, far):
        width = len(part) // 4
        viewer.decode(dictionary.encode(part, width=width, height=1, stride=4 * width, image_type=LzType.RGB32))
    for number in range(ago - 1):
        pixels = struct.pack("<I", number) * 2
        viewer.decode(dictionary.encode(pixels, width=2, height=1, stride=8, image_type=LzType.RGB32))
    pixels = near + far[-400:]
    data = dictionary.encode(pixels, width=200, height=1, stride=800, image_type=LzType.RGB32)
    assert len(data) < 60
    assert viewer.decode(data).pixels == coded_part(pixels, LzType.RGB32)


@pytest.mark.parametrize("length", [*range(1, 20), *range(250, 275), 508, 509, 510, 511, 512, 513, 5000])
@pytest.mark.parametrize("image_type", TYPES)
def test_matches_of_every_length(image_type, length):
    unit = lz.row_bytes(image_type, 1)
    chance = random.Random(length)
    part = chance.randbytes(length * unit)
    session = Session(1 << 16)
    for pixels in (part, chance.randbytes(unit) + part + chance.randbytes(unit), b"abcd"[:unit] * length):
        session.send(pixels, len(pixels) // unit, 1, image_type)


def test_rectangles_of_larger_pictures():
    buffer = bytes(picture(random.Random(11), 100 * 60 * 4))
    for module in (glz, pure):
        dictionary, viewer = module.Dictionary(50_000), Decoder(50_000)
        for left, top, width, height in ((0, 0, 100, 60), (3, 5, 90, 50), (99, 59, 1, 1), (0, 59, 100, 1)):
            data = dictionary.encode(
                buffer, width=width, height=height, stride=400, offset=400 * top + 4 * left, image_type=LzType.RGBA
            )
            rows = [buffer[400 * y + 4 * left :][: 4 * width] for y in range(top, top + height)]
            assert viewer.decode(data).pixels == b"".join(rows)


def test_of_many_small_pictures_the_newest_are_kept():
    dictionary, viewer = Dictionary(1 << 16), Decoder(1 << 16)
    for number in range(1100):
        pixels = struct.pack("<I", number * 12345) * 4
        data = dictionary.encode(pixels, width=4, height=1, stride=16, image_type=LzType.RGBA)
        assert viewer.decode(data).pixels == pixels
    assert number_and_distance(data) == (1099, 1023)


def test_a_dictionary_takes_little_memory_until_it_is_used():
    dictionary = Dictionary(glz.MOST_PIXELS, memory=1 << 30)
    assert not [value for value in vars(dictionary).values() if isinstance(value, memoryview)]


@pytest.mark.parametrize(("window", "memory", "expected"), [(1000, 1 << 20, 4000), (1 << 20, 8000, 8000)])
def test_memory_is_bounded_by_the_window_and_by_what_is_given(window, memory, expected):
    dictionary = Dictionary(window, memory=memory)
    for number in range(50):
        pixels = random.Random(number).randbytes(1200)
        assert dictionary.encode(pixels, width=20, height=15, stride=80, image_type=LzType.RGB32)
    views = [value.nbytes for value in vars(dictionary).values() if isinstance(value, memoryview)]
    assert sum(views) <= expected + 8 + (320 << 10)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "0x10"),
        ({"height": 0}, "10x0"),
        ({"width": -1}, "-1x10"),
        ({"height": 11}, "ends at byte 440, but the buffer has 400"),
        ({"offset": 1}, "ends at byte 401"),
        ({"offset": -1}, "nothing negative"),
        ({"stride": 39}, "stride is 39"),
        ({"width": 1 << 40, "stride": 1 << 43}, "but the buffer has 400"),
        ({"image_type": LzType.A8}, "RGB16"),
        ({"image_type": 12}, "12"),
    ],
)
def test_refuses_bounds(changes, message):
    arguments = {"width": 10, "height": 10, "stride": 40, "image_type": LzType.RGB32} | changes
    for module in (glz, pure):
        dictionary = module.Dictionary(1000)
        with pytest.raises(ValueError, match=message):
            dictionary.encode(bytes(400), **arguments)
        data = dictionary.encode(bytes(400), width=10, height=10, stride=40, image_type=LzType.RGB32)
        assert number_and_distance(data) == (0, 0)


@pytest.mark.parametrize(("window", "memory"), [(0, 100), (-1, 100), ((1 << 25) + 1, 100), (100, 3), (100, -1)])
def test_refuses_windows_that_cannot_be(window, memory):
    with pytest.raises(ValueError, match="expected"):
        Dictionary(window, memory=memory)


def header(image_type: int, width: int, height: int, number: int, distance: int) -> bytes:
    stride = lz.row_bytes(LzType(image_type & 15), width)
    return HEADER.pack(0x20205A4C, 0x10001, image_type, width, height, stride, number, distance)


def viewer_with_two() -> Decoder:
    viewer = Decoder(100)
    viewer.decode(header(0x18, 2, 1, 0, 0) + b"\1abcdef")
    viewer.decode(header(0x19, 2, 1, 1, 1) + b"\1abcdef\1gh")
    return viewer


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the data ends"),
        (b"\1ABC", "6 bytes are to follow 0 of 6"),
        (b"\1ABCDEF\0", "follow the picture"),
        (b"\2ABCDEFGHI", "9 bytes are to follow 0 of 6"),
        (b"\x40\0\0", "not as many"),  # from before the picture
        (b"\x40\0\x01", "not as many"),  # from one of another type
        (b"\x41\0\x02", "not as many"),  # from behind the end of one
        (b"\x40\0\x03", "not as many"),  # from one that there never was
        (b"\x60\0\x02", "not as many"),  # more than it has
        (b"\0ABC\x40\0\0", "not as many"),  # more than there is room for
        (b"\xe0\xff\xff", "the data ends"),
        (b"\x50\0\xc0", "the data ends"),
        (b"\x50\0\x20", "the data ends"),
    ],
)
def test_matches_that_lead_nowhere_are_refused(data, message):
    viewer = viewer_with_two()
    with pytest.raises(ValueError, match=message):
        viewer.decode(header(0x18, 2, 1, 2, 2) + data)
    assert viewer.decode(header(0x18, 2, 1, 2, 2) + b"\x40\0\x02").pixels == b"abc\0def\0"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (header(0x18, 2, 1, 1, 2), "number 1, expected 2"),
        (header(0x18, 2, 1, 2, 3), "3 pictures ago, but 2"),
        (header(0x18, 97, 1, 2, 2), "97x1, expected 1 to 96"),
        (header(0x18, 0, 1, 2, 2), "0x1"),
        (header(0x1B, 2, 1, 2, 2), "type is 0x1b"),
        (header(0x28, 2, 1, 2, 2), "type is 0x28"),
        (header(0x18, 2, 1, 2, 2).replace(b"\0\0\0\x08", b"\0\0\0\x09"), "stride is 9"),
        (b"x" + header(0x18, 2, 1, 2, 2), "magic"),
        (b"", "the data has 7 bytes"),
    ],
)
def test_headers_that_make_no_sense_are_refused(data, message):
    viewer = viewer_with_two()
    with pytest.raises(ValueError, match=message):
        viewer.decode(data + b"\1ABCDEF")
    assert viewer.decode(header(0x18, 2, 1, 2, 0) + b"\1ABCDEF").pixels == b"ABC\0DEF\0"
    with pytest.raises(ValueError, match="3 pictures ago, but 1"):
        viewer.decode(header(0x18, 2, 1, 3, 3) + b"\1ABCDEF")


def test_a_huge_picture_in_little_data_is_refused():
    with pytest.raises(ValueError, match="too few"):
        Decoder(1 << 25).decode(header(0x18, 1 << 12, 1 << 12, 0, 0) + b"\xff" * 1000)


@given(sequences(), st.integers(0, 2**32))
def test_damaged_pictures_raise_value_error_or_are_pictures(pictures, seed):
    chance = random.Random(seed)
    dictionary, viewer = Dictionary(3000), Decoder(3000)
    for pixels, width, height, image_type in pictures:
        stride = lz.row_bytes(image_type, width)
        data = dictionary.encode(pixels, width=width, height=height, stride=stride, image_type=image_type)
        if data is None:
            continue
        broken = bytearray(data[: chance.choice((len(data), chance.randint(0, len(data))))])
        for _ in range(chance.randint(1, 4)):
            if broken:
                broken[chance.randrange(len(broken))] = chance.randrange(256)
        try:
            decoded = viewer.decode(broken)
        except ValueError:
            decoded = viewer.decode(data)
            assert decoded.pixels == coded_part(pixels, image_type)
        assert len(decoded.pixels) == decoded.stride * decoded.height
        if decoded.pixels != coded_part(pixels, image_type):
            return  # from here on their windows differ


@given(st.binary(max_size=80))
def test_garbage_raises_value_error(data):
    with pytest.raises(ValueError):
        Decoder(1000).decode(data)
