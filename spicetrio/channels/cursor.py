"""The cursor channel: the pointer's shape and place on one display (spec 3.3).

A viewer is sent what it lacks when its connection can take it, so a pointer that moves faster than the connection is
seen at fewer places and never late.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from PIL import Image

from spicetrio.channels.pulling import PullingChannelClient
from spicetrio.server.channel import BASE_HANDLERS, Channel, Handler
from spicetrio.server.client import Client
from spicetrio.server.link import Link
from spicetrio.server.settings import Settings
from spicetrio.wire import cursor
from spicetrio.wire.buffer import Marshalled, Message, marshal
from spicetrio.wire.enums import ChannelType, CursorFlags, CursorType, MouseMode
from spicetrio.wire.geometry import Point16

if TYPE_CHECKING:
    from typing_extensions import Buffer

CACHE_SIZE: Final = 256
"""Shapes that a viewer keeps (spec C-3)."""
SHAPE_BYTES: Final = 16 * 1024 * 1024
"""Bytes of shapes that are remembered."""
MAX_CURSOR: Final = 1024
"""The widest and highest pointer, in pixels."""


@dataclass(frozen=True, slots=True)
class CursorShape:
    """What the pointer looks like."""

    unique: int
    """Names this shape in the viewers' caches; not 0."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    hot_x: int
    """The pixel that points, from the left."""
    hot_y: int
    """The pixel that points, from the top."""
    pixels: bytes
    """Rows of BGRA, packed; not premultiplied."""


class CursorChannelClient(PullingChannelClient["Cursor"]):
    """One viewer's pointer."""

    HANDLERS: ClassVar[Mapping[int, Handler]] = BASE_HANDLERS

    def __init__(self, channel: Cursor, client: Client, link: Link) -> None:
        super().__init__(channel, client, link)
        self._cache: OrderedDict[int, None] = OrderedDict()
        self._state: _State | None = None

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Begin with INIT, which is sent even without a shape."""
        self.writer.start_acks(self.settings.ack_window)
        yield

    def _lacking(self) -> list[Marshalled]:
        now, before = self.channel.state, self._state
        self._state = now
        if before is None:
            shape, dropped = self._cursor(now.shape)
            return [marshal(cursor.Init(now.position, 0, 0, now.visible, shape)), *dropped]
        messages: list[Marshalled] = []
        if now.shape is not before.shape:
            shape, dropped = self._cursor(now.shape)
            messages += [*dropped, marshal(cursor.Set(now.position, now.visible, shape))]
        elif now.visible and (now.position != before.position or not before.visible) and self._sees_moves(before):
            messages.append(marshal(cursor.Move(now.position)))
        elif before.visible and not now.visible:
            messages.append(marshal(cursor.Hide()))
        return messages

    def _sees_moves(self, before: _State) -> bool:
        """In client mouse mode the viewer moves the pointer itself; a move only brings it back (spec C-4)."""
        return self.client.mouse_mode.value == MouseMode.SERVER or not before.visible

    def _cursor(self, shape: CursorShape | None) -> tuple[cursor.Cursor, list[Marshalled]]:
        """Return a shape as this viewer needs it, and the messages that make room for it in the viewer's cache."""
        if shape is None:
            return cursor.Cursor(CursorFlags.NONE), []
        header = cursor.CursorHeader(
            shape.unique, CursorType.ALPHA, shape.width, shape.height, shape.hot_x, shape.hot_y
        )
        if shape.unique in self._cache:
            self._cache.move_to_end(shape.unique)
            return cursor.Cursor(CursorFlags.FROM_CACHE, header), []
        self._cache[shape.unique] = None
        dropped: list[Message] = []
        if len(self._cache) > CACHE_SIZE:
            dropped.append(cursor.InvalOne(self._cache.popitem(last=False)[0]))
        return cursor.Cursor(CursorFlags.CACHE_ME, header, shape.pixels), [marshal(message) for message in dropped]


@dataclass(frozen=True, slots=True)
class _State:
    shape: CursorShape | None = None
    position: Point16 = Point16(0, 0)  # noqa: RUF009 - a tuple
    visible: bool = True


class Cursor(Channel[CursorChannelClient]):
    """The pointer on a display, at `Display.cursor`. All calls return at once; viewers catch up as they can."""

    TYPE = ChannelType.CURSOR

    def __init__(self, channel_id: int, settings: Settings) -> None:
        super().__init__(channel_id, settings)
        self.state = _State()
        self._shapes: OrderedDict[tuple[object, ...], CursorShape] = OrderedDict()
        self._shapes_bytes = 0
        self._last_unique = 0

    def make_client(self, client: Client, link: Link) -> CursorChannelClient:
        """Make the object that serves one viewer."""
        return CursorChannelClient(self, client, link)

    def set(
        self,
        image: Image.Image | Buffer,
        hot_x: int,
        hot_y: int,
        *,
        width: int | None = None,
        height: int | None = None,
    ) -> None:
        """Change the shape. One that was set before is not sent again to viewers that still have it.

        Args:
            image: A Pillow image, or rows of BGRA, packed and not premultiplied.
            hot_x: The pixel that points, from the left of the image.
            hot_y: The pixel that points, from the top of the image.
            width: Of flat bytes, in pixels, 1 to 1024.
            height: Of flat bytes, in pixels, 1 to 1024.

        Raises:
            ValueError: The pixels are not all there, or the hot spot is outside.
        """
        if isinstance(image, Image.Image):
            width, height = image.size
            pixels = image.convert("RGBA").tobytes("raw", "BGRA")
        else:
            pixels = bytes(image)
        if width is None or height is None:
            raise ValueError("flat pixels need a width and a height")
        if not (1 <= width <= MAX_CURSOR and 1 <= height <= MAX_CURSOR):
            raise ValueError(f"the pointer is {width} x {height}, expected 1 x 1 to {MAX_CURSOR} x {MAX_CURSOR}")
        if len(pixels) != 4 * width * height:
            raise ValueError(f"got {len(pixels)} bytes, expected {4 * width * height} for {width} x {height} BGRA")
        if not (0 <= hot_x < width and 0 <= hot_y < height):
            raise ValueError(f"the hot spot ({hot_x}, {hot_y}) is outside the pointer of {width} x {height}")
        self._change(shape=self._shape(width, height, hot_x, hot_y, pixels))

    def move(self, x: int, y: int) -> None:
        """Move the pointer and show it. Viewers in client mouse mode move it themselves.

        Args:
            x: Pixels from the left of the display.
            y: Pixels from the top of the display.

        Raises:
            ValueError: The place cannot be told in 16 bits.
        """
        if not (-32768 <= x <= 32767 and -32768 <= y <= 32767):
            raise ValueError(f"the pointer is moved to ({x}, {y}), expected 16-bit numbers")
        self._change(position=Point16(x, y), visible=True)

    def hide(self) -> None:
        """Show no pointer."""
        self._change(visible=False)

    def show(self) -> None:
        """Show the pointer again."""
        self._change(visible=True)

    def _change(
        self, *, shape: CursorShape | None = None, position: Point16 | None = None, visible: bool | None = None
    ) -> None:
        self.state = _State(
            shape or self.state.shape,
            self.state.position if position is None else position,
            self.state.visible if visible is None else visible,
        )
        for client in self.clients:
            client.catch_up()

    def _shape(self, width: int, height: int, hot_x: int, hot_y: int, pixels: bytes) -> CursorShape:
        """Return the shape that looks like this, the same one as before if it is remembered."""
        key = (width, height, hot_x, hot_y, pixels)
        shape = self._shapes.pop(key, None)
        if shape is None:
            self._last_unique += 1
            shape = CursorShape(self._last_unique, width, height, hot_x, hot_y, pixels)
            self._shapes_bytes += len(pixels)
        self._shapes[key] = shape
        while len(self._shapes) > CACHE_SIZE or self._shapes_bytes > SHAPE_BYTES:
            _, dropped = self._shapes.popitem(last=False)
            self._shapes_bytes -= len(dropped.pixels)
        return shape
