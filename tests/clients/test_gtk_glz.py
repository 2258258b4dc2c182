"""What spice-gtk makes of GLZ pictures that refer to those before."""

from __future__ import annotations

import random

import numpy as np
import pytest

import spicetrio
from spicetrio.codecs import lz, zlib_glz
from spicetrio.codecs.glz import Dictionary
from spicetrio.codecs.lz import LzType
from spicetrio.wire.draw import DrawCopy
from spicetrio.wire.drawing import DisplayBase
from spicetrio.wire.enums import ImageFlags
from spicetrio.wire.geometry import Rect
from spicetrio.wire.image import Glz, Image, ZlibGlz

from .gtk import OpenGtk, Picture

WIDTH, HEIGHT = 200, 150


def content(chance: random.Random, width: int, height: int) -> np.ndarray:
    """Return blue, green, red: noise, mostly a part of the same, whole or changed a little."""
    kind = chance.randrange(6)
    noise = np.random.default_rng(chance.randrange(1 << 32) if kind == 0 else 1)
    x, y = chance.choice((0, 0, 3)), chance.choice((0, 0, 5))
    part = noise.integers(0, 256, (HEIGHT + 5, WIDTH + 3, 3), np.uint8)[y : y + height, x : x + width]
    if kind == 1:
        part[:: chance.randint(1, 9)] ^= np.uint8(chance.randrange(256))
    return np.ascontiguousarray(part)


def packed(part: np.ndarray, image_type: LzType) -> tuple[bytes, np.ndarray]:
    """Return the pixels as the type has them, and what becomes of them."""
    if image_type == LzType.RGB24:
        return part.tobytes(), part
    if image_type != LzType.RGB16:
        return np.concatenate((part, np.full_like(part[:, :, :1], 255)), axis=2).tobytes(), part
    fives = part >> 3
    blue, green, red = (fives[:, :, k].astype(np.uint16) for k in range(3))
    return (blue | green << 5 | red << 10).tobytes(), fives << 3 | fives >> 2


@pytest.mark.parametrize("window", [15_000, 25_000, 40_000, 1 << 20])
async def test_pictures_that_refer_to_others_are_shown(gtk: OpenGtk, window: int) -> None:
    chance = random.Random(window)
    dictionary = Dictionary(window)
    shown = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_display(WIDTH, HEIGHT) as display,
        gtk(server.addresses[0]) as viewer,
    ):
        await viewer.wait_equal(Picture.of_array(shown))
        (client,) = display.clients
        referred = zipped = 0
        for number in range(150):
            image_type = chance.choice((LzType.RGB32, LzType.RGB32, LzType.RGBA, LzType.RGB24, LzType.RGB16))
            width = chance.randint(1, chance.choice((5, 40, WIDTH)))
            height = chance.randint(1, chance.choice((5, 40, HEIGHT)))
            x, y = chance.randint(0, WIDTH - width), chance.randint(0, HEIGHT - height)
            data, part = packed(content(chance, width, height), image_type)
            size = {"width": width, "height": height, "stride": len(data) // height, "image_type": image_type}
            encoded = dictionary.encode(data, **size)
            if encoded is None:
                assert width * height >= window // 2
                continue
            shown[y : y + height, x : x + width] = part
            referred += len(encoded) < len(lz.encode(data, **size)) // 2
            deflated = zlib_glz.encode(encoded)
            zipped += deflated is not None
            payload = Glz(encoded) if deflated is None else ZlibGlz(len(encoded), deflated)
            image = Image(number << 32 | 2, ImageFlags.NONE, width, height, payload)
            base = DisplayBase(0, Rect(x, y, x + width, y + height))
            client.writer.post(DrawCopy(base, image, Rect(0, 0, width, height)))
            if number % 30 == 29:
                await viewer.wait_equal(Picture.of_array(shown[:, :, ::-1]))
        await viewer.wait_equal(Picture.of_array(shown[:, :, ::-1]))
        assert referred >= 10
        assert zipped >= 5
