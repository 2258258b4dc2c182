"""Pictures that are filmed: what there is to see, encoders, and an application that shows it encoded."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import trio
from PIL import Image, ImageDraw

import spicetrio
from spicetrio import StreamDisplay, VideoCodec

from .gtk import Picture
from .processes import missing

ENCODERS = {
    VideoCodec.VP8: ("libvpx", {"deadline": "realtime", "cpu-used": "8"}),
    VideoCodec.H264: ("libx264", {"preset": "ultrafast", "tune": "zerolatency"}),
    VideoCodec.VP9: ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
    VideoCodec.H265: (
        "libx265",
        {"preset": "ultrafast", "tune": "zerolatency", "x265-params": "log-level=none:repeat-headers=1"},
    ),
}


@dataclass
class Scene:
    """What is filmed: soft colors and a square, both of which depend on the take."""

    width: int = 320
    height: int = 240
    take: int = 0

    def image(self) -> Image.Image:
        y, x = np.mgrid[0 : self.height, 0 : self.width]
        planes = [
            127 + 80 * np.sin((x * a + y * b) / 60 + self.take * c) for a, b, c in ((2, 1, 1), (1, 2, 2), (1, -1, 3))
        ]
        image = Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8))
        left = 20 + 50 * (self.take % 4)
        ImageDraw.Draw(image).rectangle((left, 60, left + 60, 120), fill=(230, 30 + 60 * (self.take % 3), 40))
        return image

    def picture(self) -> Picture:
        return Picture.of_image(self.image())


@dataclass
class Wall(Scene):
    """Nothing but a color."""

    color: tuple[int, int, int] = (20, 120, 200)

    def image(self) -> Image.Image:
        return Image.new("RGB", (self.width, self.height), self.color)


class Encoder:
    """Makes frames of images of one size; after its first, which stands alone, none does if that can be helped."""

    def __init__(self, codec: VideoCodec, width: int, height: int) -> None:
        self._number = 0
        self._encoder: av.VideoCodecContext | None = None
        if codec is VideoCodec.MJPEG:
            return
        name, options = ENCODERS[codec]
        encoder = self._encoder = av.CodecContext.create(name, "w")
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
        encoder.time_base = Fraction(1, 30)
        encoder.bit_rate = 4_000_000
        encoder.gop_size = 100_000
        encoder.options = options

    def encode(self, image: Image.Image) -> bytes:
        if self._encoder is None:
            file = io.BytesIO()
            image.save(file, "JPEG", quality=90)
            return file.getvalue()
        frame = av.VideoFrame.from_image(image).reformat(format="yuv420p")
        frame.pts = self._number
        self._number += 1
        (packet,) = self._encoder.encode(frame)
        return bytes(packet)


async def film(display: StreamDisplay, codec: VideoCodec, scene: Scene) -> None:
    """Be an application that encodes what there is to see, for whoever looks."""
    begun = None
    while True:
        request = await display.request.wait_value(lambda request: bool(request.codecs))
        if codec not in request.codecs:
            missing(f"spice-gtk decodes no {codec.name} (Debian packages gstreamer1.0-plugins-*, gstreamer1.0-libav)")
        wanted = (request, scene.width, scene.height)
        if begun != wanted:
            begun = wanted
            display.set_format(codec, scene.width, scene.height)
            encoder = Encoder(codec, scene.width, scene.height)
        await display.write(encoder.encode(scene.image()))
        await trio.sleep(1 / 30)


@asynccontextmanager
async def open_cinema() -> AsyncIterator[tuple[spicetrio.Server, StreamDisplay, trio.Nursery]]:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_stream_display() as display,
        trio.open_nursery() as nursery,
    ):
        yield server, display, nursery
        nursery.cancel_scope.cancel()
