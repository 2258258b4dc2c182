"""What clients' own decoders make of what the codecs encode."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import spicetrio
from spicetrio.codecs import lz, quic
from spicetrio.codecs.lz import LzType
from spicetrio.codecs.quic import QuicType
from spicetrio.wire.draw import DrawCopy
from spicetrio.wire.drawing import DisplayBase
from spicetrio.wire.geometry import Rect
from spicetrio.wire.image import Image, Quic

from .gtk import OpenGtk, Picture
from .processes import missing, need

HTML5 = Path("/usr/share/spice-html5")
DECODE = Path(__file__).with_name("html5_decode.mjs")
SIZES = [(1, 1), (2, 3), (5, 4), (161, 120), (2050, 9)]


@pytest.fixture
def html5(tmp_path: Path) -> Path:
    """A folder with the modules of spice-html5, as Node.js wants them."""
    need("node", "nodejs")
    if not HTML5.is_dir():
        missing(f"{HTML5} is not there (Debian package spice-html5)")
    folder = tmp_path / "html5"
    folder.mkdir()
    for file in HTML5.glob("*.js"):
        shutil.copy(file, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


def pattern(width: int, height: int, seed: int) -> np.ndarray:
    """Make rows of B, G, R and another byte: flat areas, slopes and noise."""
    pixels = np.zeros((height, width, 4), np.uint8)
    noise = np.random.default_rng(seed)
    chance = random.Random(seed)
    for _ in range(12):
        left, top = chance.randrange(width), chance.randrange(height)
        area = pixels[top : top + chance.randint(1, 60), left : left + chance.randint(1, 400)]
        kind = chance.randrange(3)
        if kind == 0:
            area[:] = noise.integers(0, 256, 4)
        elif kind == 1:
            area[:] = np.indices(area.shape[:2]).sum(0)[:, :, None] * (1, 2, 3, 5) % 256
        else:
            area[:] = noise.integers(0, 256, area.shape)
    return pixels


def encode(pixels: np.ndarray, image_type: QuicType) -> bytes:
    height, width, size = pixels.shape
    encoded = quic.encode(pixels.tobytes(), width=width, height=height, stride=size * width, image_type=image_type)
    assert encoded is not None
    return encoded


@pytest.mark.parametrize("image_type", [QuicType.RGB24, QuicType.RGB32, QuicType.RGBA])
def test_spice_html5_decodes_quic(html5: Path, tmp_path: Path, image_type: QuicType) -> None:
    files = []
    pictures = []
    for seed, (width, height) in enumerate(SIZES):
        pixels = pattern(width, height, seed)
        file = tmp_path / f"{width}x{height}.quic"
        file.write_bytes(encode(pixels[:, :, :3] if image_type == QuicType.RGB24 else pixels, image_type))
        files.append(file)
        pictures.append(pixels)
    subprocess.run(["node", DECODE, html5, "quic", *files], check=True, timeout=60)
    for file, pixels in zip(files, pictures, strict=True):
        shown = np.frombuffer(file.with_name(f"{file.name}.rgba").read_bytes(), np.uint8).reshape(pixels.shape)
        assert np.array_equal(shown[:, :, 2::-1], pixels[:, :, :3])
        # Of this type, spice-html5 shows the reverse of what alpha is; so what it decoded is the reverse of that.
        opacity = 255 - pixels[:, :, 3] if image_type == QuicType.RGBA else 255
        assert np.all(shown[:, :, 3] == opacity)


@pytest.mark.parametrize("image_type", [LzType.RGB32, LzType.RGBA])
@pytest.mark.parametrize("top_down", [True, False])
def test_spice_html5_decodes_lz(html5: Path, tmp_path: Path, image_type: LzType, top_down: bool) -> None:
    chance = random.Random(1)
    pictures = {}
    for number in range(40):
        width, height = SIZES[number] if number < len(SIZES) else (chance.randint(1, 90), chance.randint(1, 90))
        pixels = pattern(width, height, number)
        encoded = lz.encode(
            pixels.tobytes(), width=width, height=height, stride=4 * width, image_type=image_type, top_down=top_down
        )
        assert encoded is not None
        file = tmp_path / f"{number}.lz"
        file.write_bytes(encoded)
        pictures[file] = pixels
    subprocess.run(["node", DECODE, html5, "lz", *pictures], check=True, timeout=60)
    for file, pixels in pictures.items():
        shown = np.frombuffer(file.with_name(f"{file.name}.rgba").read_bytes(), np.uint8).reshape(pixels.shape)
        colors = pixels if top_down else pixels[::-1]
        assert np.array_equal(shown[:, :, 2::-1], colors[:, :, :3])
        # It leaves the alpha of pictures upside down as it is.
        assert np.all(shown[:, :, 3] == (pixels[:, :, 3] if image_type == LzType.RGBA else 255))


@pytest.mark.parametrize("image_type", [QuicType.RGB24, QuicType.RGB32])
async def test_spice_gtk_decodes_quic(gtk: OpenGtk, image_type: QuicType) -> None:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_display(2050, 140) as display,
        gtk(server.addresses[0]) as viewer,
    ):
        shown = np.zeros((140, 2050, 4), np.uint8)
        await viewer.wait_equal(Picture(2050, 140, shown.tobytes()))
        (client,) = display.clients
        top = 0
        for seed, (width, height) in enumerate(SIZES):
            top = 1 if width == 161 else 125 if width == 2050 else top + 2
            left = 200 * seed if width < 2050 else 0
            pixels = pattern(width, height, seed)
            pixels[:, :, 3] = 0
            shown[top : top + height, left : left + width] = pixels
            data = encode(pixels[:, :, :3] if image_type == QuicType.RGB24 else pixels, image_type)
            image = Image(seed + 1, 0, width, height, Quic(data))
            area = Rect(left, top, left + width, top + height)
            client.writer.post(DrawCopy(DisplayBase(0, area), image, Rect(0, 0, width, height)))
        await viewer.wait_equal(Picture(2050, 140, shown.tobytes()))
