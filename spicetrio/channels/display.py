"""The display channel: pixels that the application draws, at every viewer (spec 3.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from operator import index
from typing import TYPE_CHECKING, ClassVar, Final, Self

import trio
from PIL import Image

from spicetrio.canvas.picture import Picture, ViewerWishes
from spicetrio.canvas.pixelbuffer import PixelBuffer, pixel_buffer
from spicetrio.channels.cursor import Cursor
from spicetrio.server.channel import BASE_HANDLERS, Channel, ChannelClient, Handler
from spicetrio.server.client import Client
from spicetrio.server.link import Link
from spicetrio.server.settings import SUPPORTED_COMPRESSION, Settings
from spicetrio.server.worker import LIGHT_PIXELS, Worker
from spicetrio.wire import display, stream
from spicetrio.wire.enums import ChannelType, DisplayCapability, DisplayClientMessage, ImageCompression
from spicetrio.wire.errors import RemoteProtocolError
from spicetrio.wire.geometry import Rect
from spicetrio.wire.link import Capabilities

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PixelDraw = Callable[[Picture, PixelBuffer], None]

MAX_SIZE: Final = 8192
"""The widest and highest display, in pixels."""
COPIED_BYTES: Final = 64 * 1024
"""Pixels of up to this size are copied at once; for more, a draw waits until the Worker has taken them."""


class DisplayChannelClient(ChannelClient["Display"]):
    """One viewer of a display."""

    PULLS = True

    def __init__(self, channel: Display, client: Client, link: Link) -> None:
        super().__init__(channel, client, link)
        self._viewer: int | None = None
        self._credit = False

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Wait for DISPLAY_INIT; nobody else does."""
        self.writer.start_acks(self.settings.ack_window)
        try:
            yield
        finally:
            if self._viewer is not None:
                self.channel.worker.detach(self._viewer)
                self._viewer = None  # the writer may still find itself idle while it is ended

    def on_idle(self) -> None:
        """Pass the credit on to the Worker, which answers when there is something new."""
        if self._viewer is None:
            self._credit = True
        else:
            self.channel.worker.credit(self._viewer)

    def _init(self, message: display.Init) -> None:
        if self._viewer is not None:
            raise RemoteProtocolError("got a second display INIT")
        wishes = self._wishes(self.settings.image_compression)
        self._viewer = self.channel.worker.attach(wishes, self.writer.post_batch)
        if self._credit:
            self.channel.worker.credit(self._viewer)

    async def _preferred_compression(self, message: display.PreferredCompression) -> None:
        if self._viewer is not None and message.compression in SUPPORTED_COMPRESSION:
            await self.channel.worker.change(self._viewer, self._wishes(ImageCompression(message.compression)))

    def _ignore(self, message: object) -> None:
        """Streams and GL scanouts are never sent, so there is nothing that reports on them could change."""

    def _wishes(self, compression: ImageCompression) -> ViewerWishes:
        if compression == ImageCompression.LZ4 and DisplayCapability.LZ4_COMPRESSION not in self.capabilities:
            compression = ImageCompression.LZ
        return ViewerWishes(compression, DisplayCapability.MONITORS_CONFIG in self.capabilities)

    HANDLERS: ClassVar[Mapping[int, Handler]] = {
        **BASE_HANDLERS,
        DisplayClientMessage.INIT: Handler(display.Init, _init, 1024),
        DisplayClientMessage.STREAM_REPORT: Handler(stream.StreamReport, _ignore, 1024),
        DisplayClientMessage.PREFERRED_COMPRESSION: Handler(display.PreferredCompression, _preferred_compression, 1024),
        DisplayClientMessage.GL_DRAW_DONE: Handler(display.GlDrawDone, ChannelClient._unexpected, 1024),
        DisplayClientMessage.PREFERRED_VIDEO_CODEC_TYPE: Handler(display.PreferredVideoCodecType, _ignore, 1024),
    }


class Display(Channel[DisplayChannelClient]):
    """A display of the server, from `Server.open_display`.

    All drawing is in order. A drawing call returns when the drawing is on its way to the display's own thread; only
    if it is given a large buffer that could still be changed, it waits until the thread has taken the pixels. So a
    buffer is always free again when the call returns. Slow viewers never hold up a call: they get fewer pictures.
    """

    TYPE = ChannelType.DISPLAY

    def __init__(self, channel_id: int, settings: Settings, width: int, height: int) -> None:
        _check_size(width, height)
        super().__init__(channel_id, settings)
        width, height = index(width), index(height)
        self.width = width
        """In pixels."""
        self.height = height
        """In pixels."""
        self.cursor: Final = Cursor(channel_id, settings)
        """The pointer's shape and place on this display."""
        self.worker: Final = Worker(Picture(width, height))
        """The bridge to this display's thread."""

    @property
    def capabilities(self) -> Capabilities:
        """What this channel can do."""
        return Capabilities({DisplayCapability.MONITORS_CONFIG, DisplayCapability.PREF_COMPRESSION})

    def make_client(self, client: Client, link: Link) -> DisplayChannelClient:
        """Make the object that serves one viewer."""
        return DisplayChannelClient(self, client, link)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        """Run the display's thread and take viewers while the block runs.

        A failure in the thread is raised here; other displays go on.

        Cancellation: ends the block; the thread ends after the image at hand.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.worker.run, f"spicetrio {self!r}")
            async with super().opened():
                try:
                    yield self
                finally:
                    nursery.cancel_scope.cancel()

    async def draw_image(
        self,
        x: int,
        y: int,
        image: Image.Image | Buffer,
        *,
        width: int | None = None,
        height: int | None = None,
        format: str | None = None,  # noqa: A002 - the word that callers know
        stride: int | None = None,
    ) -> None:
        """Draw an image with its top left pixel at a place.

        Args:
            x: Pixels from the left.
            y: Pixels from the top.
            image: A Pillow image; an array such as numpy's, of shape (rows, columns, 3 or 4) or (rows, columns), or a
                view of one such as `frame[::2, 10:200]`; or flat bytes.
            width: Of flat bytes, in pixels.
            height: Of flat bytes, in pixels.
            format: The order of a pixel's bytes: BGRX, BGRA, RGBX, RGBA, BGR, RGB or L (gray); or RGB555 or RGB565,
                which are little-endian words of 16 bits. Alpha is ignored. Without it, flat bytes are BGRX, and arrays
                are RGB, RGBA or L.
            stride: Of flat bytes: bytes from one row to the next; without it rows are packed.

        Cancellation: the image is drawn wholly or not at all.

        Raises:
            ValueError: The pixels are not all there, or the image does not lie inside the display. Nothing is drawn.
            TypeError: The image is neither of those, or a number is not whole. Nothing is drawn.
            ClosedResourceError: The display is closed.
        """
        pixels = pixel_buffer(image, width=width, height=height, format=format, stride=stride)
        place = self._inside(x, y, pixels.width, pixels.height)
        await self._draw_pixels(
            pixels, lambda picture, pixels: picture.draw_image(place.left, place.top, pixels), light=_is_light(place)
        )

    async def draw_frame(
        self,
        frame: Image.Image | Buffer,
        damage: Iterable[Rect] | None = None,
        *,
        format: str | None = None,  # noqa: A002 - the word that callers know
        stride: int | None = None,
    ) -> None:
        """Make the display look like a frame of its own size; viewers get what really differs, and scrolls as copies.

        Args:
            frame: As in `draw_image`; flat bytes have the display's width and height.
            damage: Where the frame may differ from the display, in pixels; None if that is not known. It is clipped.
            format: As in `draw_image`.
            stride: As in `draw_image`.

        Cancellation: the frame is drawn wholly or not at all.

        Raises:
            ValueError: The pixels are not all there, or have another size than the display. Nothing is drawn.
            TypeError: As in `draw_image`.
            ClosedResourceError: The display is closed.
        """
        flat = not isinstance(frame, Image.Image) and memoryview(frame).ndim == 1
        width, height = (self.width, self.height) if flat else (None, None)
        pixels = pixel_buffer(frame, width=width, height=height, format=format, stride=stride)
        if (pixels.width, pixels.height) != (self.width, self.height):
            raise ValueError(
                f"the frame is {pixels.width} x {pixels.height}, expected the display's {self.width} x {self.height}"
            )
        areas = None if damage is None else [Rect(*map(index, area)) for area in damage]
        await self._draw_pixels(pixels, lambda picture, pixels: picture.draw_frame(pixels, areas))

    async def fill(self, x: int, y: int, width: int, height: int, color: int) -> None:
        """Fill an area with one color.

        Args:
            x: Pixels from the left.
            y: Pixels from the top.
            width: In pixels.
            height: In pixels.
            color: 0xRRGGBB.

        Cancellation: it is filled wholly or not at all.

        Raises:
            ValueError: The area does not lie inside the display, or there is no such color.
            ClosedResourceError: The display is closed.
        """
        area, color = self._inside(x, y, width, height), index(color)
        if not 0 <= color <= 0xFFFFFF:
            raise ValueError(f"color is {color:#x}, expected 0xRRGGBB")
        await self.worker.draw(partial(Picture.fill, rect=area, color=color), light=_is_light(area))

    async def copy_area(self, x: int, y: int, width: int, height: int, src_x: int, src_y: int) -> None:
        """Copy an area of the display to another place, which may overlap it.

        Args:
            x: Pixels from the left, where to.
            y: Pixels from the top, where to.
            width: In pixels.
            height: In pixels.
            src_x: Pixels from the left, where from.
            src_y: Pixels from the top, where from.

        Cancellation: it is copied wholly or not at all.

        Raises:
            ValueError: One of the areas does not lie inside the display.
            ClosedResourceError: The display is closed.
        """
        source = self._inside(src_x, src_y, width, height)
        rect = self._inside(x, y, width, height)
        draw = partial(Picture.copy_area, rect=rect, src_x=source.left, src_y=source.top)
        await self.worker.draw(draw, light=_is_light(rect))

    async def resize(self, width: int, height: int) -> None:
        """Give the display another size; it is black afterwards.

        Args:
            width: In pixels, 1 to 8192.
            height: In pixels, 1 to 8192.

        Cancellation: it is resized wholly or not at all.

        Raises:
            ValueError: The size is out of range.
            ClosedResourceError: The display is closed.
        """
        width, height = index(width), index(height)
        _check_size(width, height)
        await self.worker.draw(partial(Picture.resize, width=width, height=height))
        self.width, self.height = width, height

    async def read(self, rect: Rect | None = None) -> bytes:
        """Return the pixels of an area, or of the whole display, after all that was drawn before.

        Returns:
            Rows of BGRX, packed; X is 0.

        Cancellation: nothing was changed.

        Raises:
            ValueError: The area does not lie inside the display.
            ClosedResourceError: The display is closed.
        """
        left, top, right, bottom = (0, 0, self.width, self.height) if rect is None else rect
        left, top = index(left), index(top)
        area = self._inside(left, top, index(right) - left, index(bottom) - top)
        return await self.worker.ask(partial(Picture.read, rect=area))

    async def _draw_pixels(self, pixels: PixelBuffer, draw: _PixelDraw, *, light: bool = False) -> None:
        if pixels.packed_size <= COPIED_BYTES:
            pixels = pixels.owned()
        await self.worker.draw(lambda picture: draw(picture, pixels), size=pixels.size, light=light, wait=pixels.shared)

    def _inside(self, x: int, y: int, width: int, height: int) -> Rect:
        """Return an area that lies inside. Numbers that are not whole fail here, not in the thread."""
        x, y, width, height = index(x), index(y), index(width), index(height)
        if width < 1 or height < 1 or x < 0 or y < 0 or x + width > self.width or y + height > self.height:
            raise ValueError(
                f"the area {width} x {height} at ({x}, {y}) is not inside the display of {self.width} x {self.height}"
            )
        return Rect(x, y, x + width, y + height)


def _is_light(area: Rect) -> bool:
    return area.width * area.height <= LIGHT_PIXELS


def _check_size(width: int, height: int) -> None:
    if not (1 <= width <= MAX_SIZE and 1 <= height <= MAX_SIZE):
        raise ValueError(f"the display is {width} x {height}, expected 1 x 1 to {MAX_SIZE} x {MAX_SIZE}")
