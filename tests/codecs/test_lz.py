from __future__ import annotations

import json
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spicetrio.codecs import lz
from spicetrio.codecs.lz import LzType
from tests.kernels import uncompiled

VECTORS = Path(__file__).parent.parent / "data" / "lz"
INDEX = json.loads((VECTORS / "index.json").read_text())
UNIT = {LzType.RGB16: 2, LzType.RGB24: 3, LzType.RGB32: 3, LzType.RGBA: 3}
ALL = pytest.mark.parametrize("image_type", list(LzType))

pure = uncompiled("codecs.lz")


def simple_decode(data: bytes) -> bytes:
    """Decode without a thought for speed or for bad data, as the format is written down."""
    magic, version, kind, width, height, stride, top_down = struct.unpack_from(">7I", data)
    assert (magic, version, top_down in (0, 1)) == (0x20205A4C, 0x00010001, True)
    size = UNIT.get(LzType(kind), 1)
    units = stride * height if kind <= 5 else width * height
    at = 28

    def one_pass(size: int) -> list[bytes]:
        nonlocal at
        out: list[bytes] = []
        while len(out) < units:
            control = data[at]
            at += 1
            if control < 32:
                for _ in range(control + 1):
                    out.append(data[at : at + size])
                    at += size
                continue
            length, distance = control >> 5, (control & 31) << 8
            if length == 7:
                more = 255
                while more == 255:
                    more = data[at]
                    at += 1
                    length += more
            low = data[at]
            at += 1
            distance += low
            if low == 255 and control & 31 == 31:
                distance = int.from_bytes(data[at : at + 2], "big") + 8191
                at += 2
            for _ in range(length - 1 + {1: 3, 2: 2, 3: 1}[size]):
                out.append(out[-distance - 1])
        assert len(out) == units
        return out

    first = one_pass(size)
    if kind == LzType.RGBA:
        pixels = b"".join(color + alpha for color, alpha in zip(first, one_pass(1), strict=True))
    elif kind == LzType.RGB32:
        pixels = b"".join(color + b"\0" for color in first)
    elif kind == LzType.XXXA:
        pixels = b"".join(b"\0\0\0" + alpha for alpha in first)
    elif kind == LzType.RGB16:
        pixels = b"".join(struct.pack("=H", int.from_bytes(pixel, "big")) for pixel in first)
    else:
        pixels = b"".join(first)
    assert at == len(data)
    return pixels


def coded_part(pixels: bytes, image_type: LzType) -> bytes:
    """Return pixels as they come back: without what the type leaves out."""
    kept = bytearray(pixels)
    if image_type == LzType.RGB32:
        kept[3::4] = bytes(len(kept) // 4)
    elif image_type == LzType.XXXA:
        for k in range(3):
            kept[k::4] = bytes(len(kept) // 4)
    return bytes(kept)


def picture(chance: random.Random, size: int) -> bytes:
    """Make bytes that repeat themselves near and far, with noise between."""
    out = bytearray()
    while len(out) < size:
        kind = chance.randrange(5)
        if kind == 0 or not out:
            out += chance.randbytes(chance.randint(1, 200))
        elif kind == 1:
            out += chance.randbytes(4) * chance.randint(1, 400)
        elif kind == 2:
            start = chance.randrange(len(out))
            out += out[start : start + chance.randint(1, 3000)]
        elif kind == 3:
            out += bytes([chance.choice((0, 255))]) * chance.randint(1, 5000)
        else:
            out += out[-chance.choice((1, 2, 3, 4, 16, 64)) :] * chance.randint(1, 50)
    return bytes(out[:size])


@pytest.mark.parametrize("entry", INDEX, ids=[entry["encoded"] for entry in INDEX])
@pytest.mark.parametrize("module", [lz, pure], ids=["in use", "uncompiled"])
def test_decodes_what_the_c_encoder_made(entry, module):
    raw = (VECTORS / entry["raw"]).read_bytes()
    decoded = module.decode((VECTORS / entry["encoded"]).read_bytes())
    image_type = LzType(entry["type"])
    assert decoded.pixels == coded_part(raw, image_type)
    assert (decoded.width, decoded.height) == (entry["width"], entry["height"])
    assert decoded.image_type == image_type
    assert decoded.stride == lz.row_bytes(image_type, entry["width"])


@pytest.mark.parametrize("entry", INDEX, ids=[entry["encoded"] for entry in INDEX])
def test_comes_near_the_c_encoder_in_size(entry):
    raw = (VECTORS / entry["raw"]).read_bytes()
    image_type = LzType(entry["type"])
    size = {"width": entry["width"], "height": entry["height"], "stride": lz.row_bytes(image_type, entry["width"])}
    encoded = lz.encode(raw, **size, image_type=image_type)
    assert encoded == pure.encode(raw, **size, image_type=image_type)
    assert lz.decode(encoded).pixels == simple_decode(encoded) == coded_part(raw, image_type)
    assert len(encoded) <= 1.3 * len((VECTORS / entry["encoded"]).read_bytes())


@ALL
@pytest.mark.parametrize("seed", range(12))
def test_pictures_come_back(image_type, seed):
    chance = random.Random(f"{image_type} {seed}")
    width, height = chance.choice(((1, 1), (2, 1), (1, 3), (chance.randint(1, 90), chance.randint(1, 60))))
    row = lz.row_bytes(image_type, width)
    stride = row + chance.choice((0, 0, 1, 4, 50))
    offset = chance.choice((0, 1, 4, 37))
    top_down = chance.random() < 0.5
    buffer = picture(chance, offset + height * stride)
    encoded = lz.encode(
        buffer, width=width, height=height, stride=stride, offset=offset, image_type=image_type, top_down=top_down
    )
    again = pure.encode(
        bytearray(buffer),
        width=width, height=height, stride=stride, offset=offset, image_type=image_type, top_down=top_down,
    )  # fmt: skip
    assert encoded == again
    rows = b"".join(buffer[offset + y * stride :][:row] for y in range(height))
    decoded = lz.decode(encoded + b"what follows")
    assert decoded == lz.Decoded(image_type, width, height, row, top_down, coded_part(rows, image_type))
    assert simple_decode(encoded) == decoded.pixels


@pytest.mark.parametrize("image_type", [LzType.RGB32, LzType.RGBA, LzType.RGB16, LzType.A8])
@pytest.mark.parametrize("distance", [8190, 8191, 8192, 8193, 73724, 73725, 73726, 80000])
def test_distances_at_the_limits(image_type, distance):
    width = distance + 300
    size = lz.row_bytes(image_type, 1)
    pixels = bytearray(random.Random(distance).randbytes(300 * size))
    pixels += bytes(size * (width - len(pixels) // size - 300)) + pixels
    encoded = lz.encode(pixels, width=width, height=1, stride=width * size, image_type=image_type)
    assert simple_decode(encoded) == coded_part(pixels, image_type)
    assert lz.decode(encoded).pixels == coded_part(pixels, image_type)


@pytest.mark.parametrize("length", [*range(1, 20), *range(250, 275), 508, 509, 510, 511, 512, 513, 100_000])
@pytest.mark.parametrize("image_type", [LzType.RGB32, LzType.RGB16, LzType.PLT8])
def test_runs_of_every_length(image_type, length):
    size = lz.row_bytes(image_type, 1)
    pixels = b"abcd"[:size] + b"\x07" * (size * length) + b"efgh"[:size]
    width = length + 2
    encoded = lz.encode(pixels, width=width, height=1, stride=width * size, image_type=image_type)
    assert lz.decode(encoded).pixels == simple_decode(encoded) == coded_part(pixels, image_type)


@ALL
def test_limit_is_the_first_size_too_large(image_type):
    pixels = picture(random.Random(int(image_type)), 64 * 40 * 4)
    size = {"width": 64, "height": 40, "stride": 256, "image_type": image_type}
    whole = lz.encode(pixels, **size)
    assert lz.encode(pixels, **size, limit=len(whole) + 1) == whole
    for limit in (0, 10, 28, 29, len(whole) // 2, len(whole)):
        assert lz.encode(pixels, **size, limit=limit) is None
        assert pure.encode(pixels, **size, limit=limit) is None


def test_x_bytes_do_not_matter():
    pixels = bytearray(b"\x10\x20\x30\x00" * 500)
    plain = lz.encode(pixels, width=50, height=10, stride=200, image_type=LzType.RGB32)
    pixels[3::4] = random.Random(1).randbytes(500)
    assert lz.encode(pixels, width=50, height=10, stride=200, image_type=LzType.RGB32) == plain
    assert len(plain) < 50


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
        ({"width": 1 << 40, "stride": 1 << 43}, "expected 1 to"),
        ({"image_type": 12}, "12"),
    ],
)
def test_refuses_bounds(changes, message):
    arguments = {"width": 10, "height": 10, "stride": 40, "image_type": LzType.RGB32} | changes
    for module in (lz, pure):
        with pytest.raises(ValueError, match=message):
            module.encode(bytes(400), **arguments)


@given(st.binary(max_size=80))
def test_garbage_raises_value_error(data):
    check_garbage(data)


@given(st.sampled_from(list(LzType)), st.integers(0, 40), st.integers(0, 40), st.binary(max_size=200))
def test_garbage_after_a_header_raises_value_error(image_type, width, height, data):
    header = struct.pack(">7I", 0x20205A4C, 0x10001, image_type, width, height, lz.row_bytes(image_type, width), 1)
    check_garbage(header + data)


@given(st.integers(0, 2**32), st.sampled_from(list(LzType)))
def test_damaged_pictures_raise_value_error(seed, image_type):
    chance = random.Random(seed)
    width, height = chance.randint(1, 40), chance.randint(1, 20)
    stride = lz.row_bytes(image_type, width)
    pixels = picture(chance, stride * height)
    data = bytearray(lz.encode(pixels, width=width, height=height, stride=stride, image_type=image_type))
    for _ in range(chance.randint(1, 4)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    check_garbage(bytes(data[: chance.randint(0, len(data))]))


def check_garbage(data: bytes) -> None:
    """Decode or refuse, and so does the uncompiled module."""
    try:
        decoded = lz.decode(data)
    except ValueError:
        with pytest.raises(ValueError):
            pure.decode(data)
    else:
        assert pure.decode(data).pixels == decoded.pixels
        assert len(decoded.pixels) == decoded.stride * decoded.height


def test_huge_picture_in_little_data_is_refused():
    header = struct.pack(">7I", 0x20205A4C, 0x10001, 8, 16384, 16383, 65536, 1)
    with pytest.raises(ValueError, match="too few"):
        lz.decode(header + b"\xff" * 1000)
