"""The display channel: pixels that the application draws, at every viewer (spec 3.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from operator import index
from typing import TYPE_CHECKING, ClassVar, Final, Self

import trio
from PIL import Image

from spicetrio.canvas.backlog import PRIMARY
from spicetrio.canvas.checks import check
from spicetrio.canvas.images import owned, size_of, with_images
from spicetrio.canvas.operations import Operation
from spicetrio.canvas.picture import Picture
from spicetrio.canvas.pixelbuffer import PixelBuffer, pixel_buffer
from spicetrio.canvas.surface import Surface
from spicetrio.canvas.viewer import Memory, Wishes
from spicetrio.channels.cursor import Cursor
from spicetrio.channels.throughput import Throughput
from spicetrio.server.channel import BASE_HANDLERS, Channel, ChannelClient, Handler
from spicetrio.server.client import Client
from spicetrio.server.link import Link
from spicetrio.server.settings import Settings, WanCompression
from spicetrio.server.worker import LIGHT_PIXELS, Worker
from spicetrio.wire import display, stream
from spicetrio.wire.enums import (
    ChannelType,
    DisplayCapability,
    DisplayClientMessage,
    ImageCompression,
    SurfaceFormat,
)
from spicetrio.wire.errors import RemoteProtocolError
from spicetrio.wire.framing import Bundle
from spicetrio.wire.geometry import Rect
from spicetrio.wire.link import Capabilities

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PixelDraw = Callable[[Picture, PixelBuffer], None]

MAX_SIZE: Final = 8192
"""The widest and highest display, in pixels."""
MAX_SURFACES: Final = 1024
"""Surfaces that a display may have besides the one that is shown."""
MAX_HEADS: Final = 64
"""Monitors that may show parts of a display."""
COMPRESSIONS: Final = frozenset(int(compression) for compression in ImageCompression)
COPIED_BYTES: Final = 64 * 1024
"""Pixels of up to this size are copied at once; for more, a draw waits until the Worker has taken them."""


class DisplayChannelClient(ChannelClient["Display"]):
    """One viewer of a display."""

    PULLS = True

    def __init__(self, channel: Display, client: Client, link: Link) -> None:
        super().__init__(channel, client, link)
        self._viewer: int | None = None
        self._credit = False
        self._preferred: ImageCompression | None = None
        self._throughput = Throughput(trio.current_time)

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
        if self._throughput.end():
            self.wish()
        if self._viewer is None:
            self._credit = True
        else:
            self.channel.worker.credit(self._viewer)

    def wish(self) -> None:
        """Tell the Worker what this viewer wants now."""
        if self._viewer is not None:
            self.channel.worker.change(self._viewer, self._wishes())

    def _deliver(self, messages: Bundle) -> None:
        self._throughput.begin(messages.size)
        self.writer.post_batch(messages, at_once=True)

    def _init(self, message: display.Init) -> None:
        if self._viewer is not None:
            raise RemoteProtocolError("got a second display INIT")
        self._viewer = self.channel.worker.attach(self._wishes(), self._memory(message), self._deliver)
        if self._credit:
            self.channel.worker.credit(self._viewer)

    def _memory(self, message: display.Init) -> Memory:
        """Return what of its memory the viewer has for this display; several share it.

        Each further display may fill half of what is left of the image cache, so that it is never too much, however
        many there are. A dictionary is for one display: others would number the same images.
        """
        images = max(0, message.pixmap_cache_size) >> self.channel.id + 1
        window = max(0, message.glz_dictionary_window_size)
        if message.glz_dictionary_id in self.client.dictionaries:
            window = 0
        self.client.dictionaries.add(message.glz_dictionary_id)
        return Memory(images, window)

    async def _preferred_compression(self, message: display.PreferredCompression) -> None:
        if message.compression in COMPRESSIONS:
            self._preferred = ImageCompression(message.compression)
            self.wish()
        if self._viewer is not None:
            await self.channel.worker.settled()  # or wishes could pile up

    def _ignore(self, message: object) -> None:
        """Streams and GL scanouts are never sent, so there is nothing that reports on them could change."""

    def _wishes(self) -> Wishes:
        return Wishes(
            compression=self._preferred or self.channel.compression,
            lossy=self._is_worth(self.settings.jpeg_wan_compression),
            zlib=self._is_worth(self.settings.zlib_glz_wan_compression),
            lz4=DisplayCapability.LZ4_COMPRESSION in self.capabilities,
            composite=DisplayCapability.COMPOSITE in self.capabilities,
            monitors_config=DisplayCapability.MONITORS_CONFIG in self.capabilities,
            slow=self._throughput.slow,
        )

    def _is_worth(self, when: WanCompression) -> bool:
        return when is WanCompression.ALWAYS or (when is WanCompression.AUTO and self._throughput.slow)

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
        self.cursor: Final[Cursor] = Cursor(channel_id, settings)
        """The pointer's shape and place on this display."""
        self.worker: Final = Worker(Picture(width, height, channel_id))
        """The bridge to this display's thread."""
        self._compression = settings.image_compression
        self._surfaces: dict[int, SurfaceHandle] = {}
        self._last_surface = 0

    @property
    def compression(self) -> ImageCompression:
        """How images are compressed for viewers that have no preference of their own; at first that of `Settings`.

        To set it takes effect with the next image.
        """
        return self._compression

    @compression.setter
    def compression(self, compression: ImageCompression) -> None:
        self._compression = ImageCompression(compression)
        for client in self.clients:
            client.wish()

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

    async def draw(self, operation: Operation) -> None:
        """Draw with an operation of the protocol: `DrawFill`, `DrawCopy`, `DrawText` and so on.

        A viewer that does the same as the display's own canvas is sent the operation, another one the pixels.

        Args:
            operation: One of `spicetrio.operations`, on surface 0, which is shown, or on one of `open_surface`. Its
                images are what `image_of` makes, other bitmaps, or surfaces.

        Cancellation: it is drawn wholly or not at all.

        Raises:
            ValueError: It makes no sense, or does not fit the surfaces; the text says what was expected. Nothing is
                drawn.
            ClosedResourceError: The display is closed.
        """
        shown = SurfaceHandle(PRIMARY, self.width, self.height, SurfaceFormat.XRGB32)
        check({PRIMARY: shown, **self._surfaces}, operation)
        operation = with_images(operation, owned)
        await self.worker.draw(partial(Picture.draw, operation=operation), size=size_of(operation))

    @asynccontextmanager
    async def open_surface(
        self,
        width: int,
        height: int,
        format: SurfaceFormat = SurfaceFormat.XRGB32,  # noqa: A002 - the protocol's word
    ) -> AsyncIterator[SurfaceHandle]:
        """Have a surface that is not shown while the block runs: something to draw on and to take pixels from.

        Args:
            width: In pixels, 1 to 8192.
            height: In pixels, 1 to 8192.
            format: The layout of its pixels, which are zero at first.

        Cancellation: ends the block.

        Raises:
            ValueError: The size is out of range, or there are 1024 surfaces already.
            ClosedResourceError: The display is closed.
        """
        _check_size(width, height)
        if len(self._surfaces) >= MAX_SURFACES:
            raise ValueError(f"there are {MAX_SURFACES} surfaces already")
        self._last_surface += 1
        surface = SurfaceHandle(self._last_surface, index(width), index(height), SurfaceFormat(format))
        pixels = Surface(surface.width, surface.height, surface.format)
        await self.worker.draw(partial(Picture.add_surface, number=surface.id, surface=pixels))
        self._surfaces[surface.id] = surface
        try:
            yield surface
        finally:
            del self._surfaces[surface.id]
            self.worker.post(partial(Picture.remove_surface, number=surface.id))

    async def set_heads(self, areas: Iterable[Rect], *, most: int = 0) -> None:
        """Have several monitors show parts of the display, until it is resized; at first one shows all of it.

        Args:
            areas: What each monitor shows, in pixels of the display.
            most: How many monitors viewers may ask an agent for, if that is more. It stays when the display is resized.

        Cancellation: it is done wholly or not at all.

        Raises:
            ValueError: There is no area, one does not lie inside the display, or the number is out of range.
            ClosedResourceError: The display is closed.
        """
        inside = [self._inside(left, top, right - left, bottom - top) for left, top, right, bottom in areas]
        if not 1 <= len(inside) <= MAX_HEADS:
            raise ValueError(f"there are {len(inside)} areas, expected 1 to {MAX_HEADS}")
        if not 0 <= index(most) <= MAX_HEADS:
            raise ValueError(f"most is {most}, expected 0 to {MAX_HEADS}")
        await self.worker.draw(partial(Picture.show, areas=inside, most=index(most)))

    async def resize(self, width: int, height: int) -> None:
        """Give the display another size; it is black afterwards, and one monitor shows all of it.

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


@dataclass(frozen=True, slots=True)
class SurfaceHandle:
    """A surface of a display that is not shown, from `Display.open_surface`."""

    id: int
    """Its number in operations."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    format: SurfaceFormat
    """The layout of its pixels."""

    @property
    def bounds(self) -> Rect:
        """All of it."""
        return Rect(0, 0, self.width, self.height)


def _check_size(width: int, height: int) -> None:
    if not (1 <= width <= MAX_SIZE and 1 <= height <= MAX_SIZE):
        raise ValueError(f"the display is {width} x {height}, expected 1 x 1 to {MAX_SIZE} x {MAX_SIZE}")
