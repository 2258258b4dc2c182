from __future__ import annotations

import hashlib
import json
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spicetrio.codecs import quic
from spicetrio.codecs.quic import QuicType
from tests.kernels import uncompiled

VECTORS = Path(__file__).parent.parent / "data" / "quic"
INDEX = json.loads((VECTORS / "index.json").read_text())
BYTES = {QuicType.GRAY: 1, QuicType.RGB16: 2, QuicType.RGB24: 3, QuicType.RGB32: 4, QuicType.RGBA: 4}
ALL = pytest.mark.parametrize("image_type", list(QuicType))
TYPES = st.sampled_from(list(QuicType))
HEADER = struct.Struct("<5I")

pure = uncompiled("codecs.quic")
BOTH = pytest.mark.parametrize("module", [quic, pure], ids=["in use", "uncompiled"])

LARGE = (2100, 12)
LARGE_DIGESTS = {
    QuicType.GRAY: "a368bd635224cf57cc8f0f0c2fbff425eac20e39e48a3bee01734c3aaf227e73",
    QuicType.RGB16: "0093ff6989fc2e09b560a99babf22da27f69f430a201e477a8ea304976b55f48",
    QuicType.RGB24: "e84b97411fe5552b0e897d596e9bd385f73531d16b2bc267ef9a0cd5283f76af",
    QuicType.RGB32: "b273c95f7cd94ae0a2e782a2263266015f14b54827e160ce3898b99f523d9023",
    QuicType.RGBA: "11baca1f78b3c37526e24029ea03e1225373f073320105875f819b0dac55cd1a",
}
"""SHA-256 of what the C encoder makes of `picture(type, *LARGE, ...)`: enough pixels for all periods of the models."""


def picture(seed: int, width: int, height: int, size: int) -> bytes:
    """Make rows of runs, slopes and noise, many of them like the row above in part."""
    chance = random.Random(seed)
    row = bytearray(size * width)
    out = bytearray()
    for _ in range(height):
        x = 0
        while x < width:
            length = min(1 + chance.getrandbits(1 + chance.getrandbits(3)), width - x)
            kind = chance.getrandbits(3)
            at = slice(size * x, size * (x + length))
            if kind < 2:
                row[at] = chance.randbytes(size) * length
            elif kind == 2:
                row[at] = chance.randbytes(size * length)
            elif kind == 3:
                row[at] = bytes(chance.getrandbits(3) + 2 * i & 0xFF for i in range(size * length))
            x += length
        out += row
    return bytes(out)


def coded_part(pixels: bytes, image_type: QuicType) -> bytes:
    """Return pixels as they come back: without what the type leaves out."""
    kept = bytearray(pixels)
    if image_type == QuicType.RGB32:
        kept[3::4] = bytes(len(kept) // 4)
    elif image_type == QuicType.RGB16:
        words = memoryview(kept).cast("H")
        for i, word in enumerate(words):
            words[i] = word & 0x7FFF
    return bytes(kept)


def encoded_picture(seed: int, width: int, height: int, image_type: QuicType) -> tuple[bytes, bytes]:
    pixels = picture(seed, width, height, BYTES[image_type])
    stride = width * BYTES[image_type]
    return pixels, quic.encode(pixels, width=width, height=height, stride=stride, image_type=image_type)


@pytest.mark.parametrize("entry", INDEX, ids=[entry["encoded"] for entry in INDEX])
@BOTH
def test_is_what_the_c_encoder_made(entry, module):
    raw = (VECTORS / entry["raw"]).read_bytes()
    encoded = (VECTORS / entry["encoded"]).read_bytes()
    width, height, image_type = entry["width"], entry["height"], QuicType(entry["type"])
    stride = width * BYTES[image_type]
    assert module.encode(raw, width=width, height=height, stride=stride, image_type=image_type) == encoded
    decoded = module.decode(encoded)
    assert decoded.pixels == coded_part(raw, image_type)
    assert (decoded.image_type, decoded.width, decoded.height, decoded.stride) == (image_type, width, height, stride)


@ALL
def test_is_what_the_c_encoder_made_of_many_pixels(image_type):
    pixels, encoded = encoded_picture(image_type, *LARGE, image_type)
    assert hashlib.sha256(encoded).hexdigest() == LARGE_DIGESTS[image_type]
    assert quic.decode(encoded).pixels == coded_part(pixels, image_type)


@given(st.integers(0, 2**32), TYPES, st.integers(1, 24), st.integers(1, 8), st.integers(0, 9), st.integers(0, 9))
@settings(deadline=None)
def test_pictures_come_back(seed, image_type, width, height, gap, offset):
    row = width * BYTES[image_type]
    rows = picture(seed, width, height, BYTES[image_type])
    buffer = bytearray(b"\xa5" * offset)
    for y in range(height):
        buffer += rows[row * y : row * (y + 1)] + b"\x5a" * gap
    arguments = {"width": width, "height": height, "image_type": image_type}
    encoded = quic.encode(buffer, stride=row + gap, offset=offset, **arguments)
    assert encoded == quic.encode(rows, stride=row, **arguments)
    assert encoded == pure.encode(buffer, stride=row + gap, offset=offset, **arguments)
    expected = (image_type, width, height, row, coded_part(rows, image_type))
    for module in (quic, pure):
        decoded = module.decode(encoded + b"what follows")
        assert (decoded.image_type, decoded.width, decoded.height, decoded.stride, decoded.pixels) == expected


@given(st.integers(0, 2**32), TYPES, st.integers(2030, 2070), st.integers(1, 9))
@settings(deadline=None, max_examples=20)
def test_rows_around_a_period_of_the_models_come_back(seed, image_type, width, height):
    pixels, encoded = encoded_picture(seed, width, height, image_type)
    assert quic.decode(encoded).pixels == coded_part(pixels, image_type)


@pytest.mark.parametrize("width", [2047, 2048, 2049, 4096, 12288, 12289])
def test_a_period_may_end_where_a_row_does(width):
    pixels, encoded = encoded_picture(width, width, 2, QuicType.GRAY)
    assert pure.encode(pixels, width=width, height=2, stride=width, image_type=QuicType.GRAY) == encoded
    assert pure.decode(encoded).pixels == quic.decode(encoded).pixels == pixels


@ALL
def test_one_color_takes_next_to_nothing(image_type):
    pixels = b"\x41\x42\x43\x44"[: BYTES[image_type]] * (1000 * 300)
    stride = 1000 * BYTES[image_type]
    encoded = quic.encode(pixels, width=1000, height=300, stride=stride, image_type=image_type)
    assert quic.decode(encoded).pixels == coded_part(pixels, image_type)
    assert len(encoded) < len(pixels) // 100


@ALL
def test_the_largest_encoding_has_room(image_type):
    """Models that learned of the same values everywhere are at their worst with others."""
    chance = random.Random(int(image_type))
    size = BYTES[image_type]
    pixels = bytearray(size * 32 * 20) + bytes(chance.choice((0, 127, 128, 255)) for _ in range(size * 32 * 20))
    arguments = {"width": 32, "height": 40, "stride": 32 * size, "image_type": image_type}
    encoded = quic.encode(pixels, **arguments)
    assert encoded == pure.encode(pixels, **arguments)
    assert quic.decode(encoded).pixels == coded_part(pixels, image_type)


@ALL
@BOTH
def test_limit_is_the_first_size_too_large(image_type, module):
    pixels, whole = encoded_picture(1, 24, 20, image_type)
    size = {"width": 24, "height": 20, "stride": 24 * BYTES[image_type], "image_type": image_type}
    assert module.encode(pixels, **size, limit=len(whole) + 1) == whole
    for limit in (-1, 0, 10, 20, 21, 24, len(whole) // 2, len(whole)):
        assert module.encode(pixels, **size, limit=limit) is None


@pytest.mark.parametrize(("image_type", "left_out"), [(QuicType.RGB32, slice(3, None, 4)), (QuicType.RGB16, None)])
def test_what_the_type_leaves_out_does_not_matter(image_type, left_out):
    size = BYTES[image_type]
    pixels = bytearray(picture(5, 50, 10, size))
    arguments = {"width": 50, "height": 10, "stride": 50 * size, "image_type": image_type}
    plain = quic.encode(coded_part(pixels, image_type), **arguments)
    if left_out is None:
        words = memoryview(pixels).cast("H")
        for i, word in enumerate(words):
            words[i] = word ^ (0x8000 * (i % 3 == 0))
    else:
        pixels[left_out] = random.Random(1).randbytes(500)
    assert quic.encode(pixels, **arguments) == plain


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
        ({"stride": -40}, "stride is -40"),
        ({"width": 1 << 40, "stride": 1 << 43}, "expected 1 to"),
        ({"image_type": 6}, "6"),
    ],
)
@BOTH
def test_refuses_bounds(changes, message, module):
    arguments = {"width": 10, "height": 10, "stride": 40, "image_type": QuicType.RGB32} | changes
    with pytest.raises(ValueError, match=message):
        module.encode(bytes(400), **arguments)


@given(st.binary(max_size=80))
def test_garbage_raises_value_error(data):
    check_garbage(data)


@given(TYPES, st.integers(0, 40), st.integers(0, 20), st.binary(max_size=400))
@settings(deadline=None)
def test_garbage_after_a_header_raises_value_error(image_type, width, height, data):
    check_garbage(HEADER.pack(0x43495551, 0, image_type, width, height) + data)


@given(st.integers(0, 2**32), TYPES)
@settings(deadline=None)
def test_damaged_pictures_raise_value_error(seed, image_type):
    chance = random.Random(seed)
    data = bytearray(encoded_picture(seed, chance.randint(1, 24), chance.randint(1, 8), image_type)[1])
    for _ in range(chance.randint(1, 4)):
        data[chance.randrange(16, len(data))] ^= 1 << chance.randrange(8)
    check_garbage(bytes(data[: chance.randint(0, len(data))]))


def check_garbage(data: bytes) -> None:
    """Decode or refuse, and so does the uncompiled module."""
    try:
        decoded = quic.decode(data)
    except ValueError:
        with pytest.raises(ValueError):
            pure.decode(data)
    else:
        assert pure.decode(data).pixels == decoded.pixels
        assert len(decoded.pixels) == decoded.stride * decoded.height


@ALL
@BOTH
def test_a_picture_without_its_end_is_refused(image_type, module):
    """The last word is zero and carries nothing; all others do."""
    pixels, data = encoded_picture(3, 20, 9, image_type)
    assert module.decode(data[:-4]).pixels == coded_part(pixels, image_type)
    for size in (len(data) - 8, len(data) // 2, 24, 20):
        with pytest.raises(ValueError, match=r"too early|too few"):
            module.decode(data[:size])


@BOTH
def test_a_value_out_of_range_is_refused(module):
    """After one zero in code 7 there is code 0, where 18 zeros come before a number less 18."""
    header = HEADER.pack(0x43495551, 0, QuicType.GRAY, 400, 1)
    small = struct.pack("<8I", 0x80FFFFFF, *[0xFFFFFFFF] * 7)  # 1 + 24 + 7 * 32 pixels
    rest = b"\xff" * 200
    assert module.decode(header + small + struct.pack("<I", (255 - 18) << 6 | 0x3F) + rest).pixels[249] == 128
    with pytest.raises(ValueError, match="out of range"):
        module.decode(header + small + struct.pack("<I", (256 - 18) << 6 | 0x3F) + rest)


@BOTH
def test_a_run_past_its_row_is_refused(module):
    pixels = bytes(8 * 6)
    data = bytearray(quic.encode(pixels, width=8, height=6, stride=8, image_type=QuicType.GRAY))
    data[8:20] = struct.pack("<3I", QuicType.GRAY, 6, 6)
    assert data[20:] != bytes(len(data) - 20)
    with pytest.raises(ValueError, match="longer than its row"):
        module.decode(bytes(data))


@pytest.mark.parametrize(("width", "height"), [(1 << 16, 1 << 12), (1 << 20, 1), (1, 1 << 20)])
def test_huge_picture_in_little_data_is_refused(width, height):
    with pytest.raises(ValueError, match="too few"):
        quic.decode(HEADER.pack(0x43495551, 0, QuicType.RGB32, width, height) + b"\xff" * 1000)


@pytest.mark.parametrize(("width", "height"), [(0, 1), (1, 0), (1 << 15, 1 << 14), (0xFFFFFFFF, 0xFFFFFFFF)])
def test_a_picture_of_no_size_or_too_much_is_refused(width, height):
    with pytest.raises(ValueError, match="expected 1 to"):
        quic.decode(HEADER.pack(0x43495551, 0, QuicType.RGB32, width, height) + bytes(100))
