"""The picture of one display, and what each of its viewers lacks of it.

All of this belongs to the Worker's thread. Drawing changes the pixels at once and only notes for each viewer what it
now lacks (`spicetrio.canvas.backlog`); messages are made when a viewer has credit for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from spicetrio.canvas import changes, pixels, scroll
from spicetrio.canvas.backlog import Backlog
from spicetrio.canvas.drawings import Drawing, Drawings, Reader
from spicetrio.canvas.encoder import Encoder
from spicetrio.canvas.pixelbuffer import PixelBuffer
from spicetrio.canvas.region import bounding, intersect
from spicetrio.wire import display
from spicetrio.wire.buffer import Marshalled, marshal
from spicetrio.wire.draw import CopyBits, DrawFill
from spicetrio.wire.drawing import DisplayBase, Solid
from spicetrio.wire.enums import ImageCompression, SurfaceFlags, SurfaceFormat
from spicetrio.wire.geometry import Point, Rect

PRIMARY: Final = 0
"""Id of the surface that is shown."""
BATCH_SIZE: Final = 512 * 1024
"""Bytes from which a viewer's batch takes no further image."""
SCROLL_PIXELS: Final = 64 * 64
"""The smallest changed area in which it is worth looking for a scroll."""


@dataclass(frozen=True, slots=True)
class ViewerWishes:
    """What a viewer can do and wants; viewers with equal wishes share encoded images."""

    compression: ImageCompression
    """How its images are compressed."""
    monitors_config: bool
    """It understands MONITORS_CONFIG."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages for one viewer, worth one credit."""

    viewer: int
    """Whom they are for."""
    messages: list[Marshalled]
    """In order."""
    sated: bool
    """With them, the viewer lacks nothing."""


@dataclass(slots=True)
class _Viewer:
    wishes: ViewerWishes
    reader: Reader
    credit: bool = False
    has_surface: bool = False
    begun: bool = False
    shown: bool = False


class Picture:
    """The pixels of a display.

    Args:
        width: In pixels, 1 to 8192.
        height: In pixels, 1 to 8192.
    """

    def __init__(self, width: int, height: int) -> None:
        self._viewers: dict[int, _Viewer] = {}
        self._encoder = Encoder()
        self._drawings = Drawings()
        self._set_size(width, height)

    # Drawing. The caller has checked that every area lies inside the picture as it was then. What a resize has
    # overtaken does not any more, and is not drawn.

    def resize(self, width: int, height: int) -> None:
        """Begin again with black pixels of another size."""
        self._set_size(width, height)
        self._drawings.begin_again(self._bounds)
        for viewer in self._viewers.values():
            viewer.begun = viewer.shown = False

    def fill(self, rect: Rect, color: int) -> None:
        """Fill an area with one color, 0xRRGGBB."""
        if not self._contains(rect):
            return
        pixels.fill(self._pixels, self._stride, rect.left, rect.top, rect.width, rect.height, color)
        self._encoder.changed(rect)
        if self._viewers:
            self._drawings.add(Drawing(rect, marshal(DrawFill(DisplayBase(PRIMARY, rect), Solid(color)))))

    def copy_area(self, rect: Rect, src_x: int, src_y: int) -> None:
        """Copy an area of the same size, whose top left pixel is given, to `rect`; they may overlap."""
        if not (self._contains(rect) and self._contains(Rect(src_x, src_y, src_x + rect.width, src_y + rect.height))):
            return
        pixels.copy_area(self._pixels, self._stride, rect.left, rect.top, rect.width, rect.height, src_x, src_y)
        self._encoder.changed(rect)
        if self._viewers:
            command = marshal(CopyBits(DisplayBase(PRIMARY, rect), Point(src_x, src_y)))
            self._drawings.add(Drawing(rect, command, (rect.left - src_x, rect.top - src_y)))

    def draw_image(self, x: int, y: int, image: PixelBuffer) -> None:
        """Put an image at a place."""
        rect = Rect(x, y, x + image.width, y + image.height)
        if not self._contains(rect):
            return
        pixels.blit(
            self._pixels, self._stride, x, y,
            image.data, 0, image.stride, image.width, image.height, image.format,
        )  # fmt: skip
        self._changed(rect)

    def draw_frame(self, frame: PixelBuffer, damage: Iterable[Rect] | None) -> None:
        """Become like a frame of the same size, of which only the damaged areas need to be looked at."""
        if (frame.width, frame.height) != (self._bounds.width, self._bounds.height):
            return
        if frame.format not in ("BGRX", "BGRA"):
            frame = frame.as_bgrx()
        for area in (self._bounds,) if damage is None else damage:
            if rect := intersect(area, self._bounds):
                self._take_damage(frame, rect)

    def read(self, rect: Rect) -> bytes:
        """Return the pixels of an area as rows of BGRX; none of an area that a resize has overtaken."""
        if not self._contains(rect):
            return b""
        return pixels.pack(self._pixels, self._stride, rect.left, rect.top, rect.width, rect.height)

    # Viewers.

    def attach(self, viewer: int, wishes: ViewerWishes) -> None:
        """Add a viewer that has nothing yet."""
        self._viewers[viewer] = _Viewer(wishes, self._drawings.open(Backlog(self._bounds)))

    def change(self, viewer: int, wishes: ViewerWishes) -> None:
        """Take in that a viewer wants something else."""
        self._viewers[viewer].wishes = wishes

    def credit(self, viewer: int) -> None:
        """Take in that a viewer can be sent a batch."""
        self._viewers[viewer].credit = True

    def detach(self, viewer: int) -> None:
        """Forget a viewer."""
        self._drawings.close(self._viewers.pop(viewer).reader)

    def hungry(self) -> set[int]:
        """Return the viewers that lack something and have no credit for it."""
        return {
            number
            for number, viewer in self._viewers.items()
            if not viewer.credit and self._drawings.lacks(viewer.reader)
        }

    def batches(self) -> Iterator[Batch]:
        """Make a batch of messages for each viewer that has credit and lacks something."""
        for number, viewer in self._viewers.items():
            if viewer.credit and (backlog := self._drawings.take_in(viewer.reader)):
                viewer.credit = False
                messages = self._messages(viewer, backlog)
                yield Batch(number, messages, sated=not backlog)

    def _set_size(self, width: int, height: int) -> None:
        self._bounds = Rect(0, 0, width, height)
        self._stride = 4 * width
        self._pixels = bytearray(self._stride * height)
        self._encoder.changed(self._bounds)

    def _contains(self, rect: Rect) -> bool:
        return intersect(rect, self._bounds) == rect

    def _changed(self, rect: Rect) -> None:
        self._encoder.changed(rect)
        self._drawings.add(Drawing(rect))

    def _take_damage(self, frame: PixelBuffer, area: Rect) -> None:
        changed = self._differences(frame, area)
        if changed and sum(rect.width * rect.height for rect in changed) >= SCROLL_PIXELS:
            around = bounding(changed)
            moved = scroll.find_scroll(
                self._pixels, self._stride, frame.data, 0, frame.stride,
                around.left, around.top, around.width, around.height,
            )  # fmt: skip
            if moved is not None:
                dx, dy, *target = moved
                rect = Rect(*target)
                self.copy_area(rect, rect.left - dx, rect.top - dy)
                changed = self._differences(frame, area)
        for rect in changed:
            pixels.blit(
                self._pixels, self._stride, rect.left, rect.top,
                frame.data, rect.top * frame.stride + 4 * rect.left, frame.stride, rect.width, rect.height, "BGRX",
            )  # fmt: skip
            self._changed(rect)

    def _differences(self, frame: PixelBuffer, area: Rect) -> list[Rect]:
        found = changes.damage(
            self._pixels, self._stride, frame.data, 0, frame.stride, area.left, area.top, area.width, area.height
        )
        return [Rect(*rect) for rect in found]

    def _messages(self, viewer: _Viewer, backlog: Backlog) -> list[Marshalled]:
        messages: list[Marshalled] = []
        if not viewer.begun:
            messages += self._begin(viewer)
        messages += backlog.take_commands()
        size = 0
        while size < BATCH_SIZE and (strip := backlog.take_strip()):
            message = self._encoder.encode(
                self._pixels, self._stride, strip, viewer.wishes.compression, share=len(self._viewers) > 1
            )
            messages.append(message)
            size += message.size
        if not viewer.shown and backlog.complete:
            viewer.shown = True
            if viewer.wishes.monitors_config:
                head = display.Head(0, PRIMARY, self._bounds.width, self._bounds.height, 0, 0, 0)
                messages.append(marshal(display.MonitorsConfig(1, (head,))))
            messages.append(marshal(display.Mark()))
        return messages

    def _begin(self, viewer: _Viewer) -> Iterator[Marshalled]:
        """Yield what comes before the first pixel of a surface (spec D-1)."""
        yield marshal(display.SurfaceDestroy(PRIMARY) if viewer.has_surface else display.InvalAllPalettes())
        viewer.begun = viewer.has_surface = True
        yield marshal(
            display.SurfaceCreate(
                PRIMARY, self._bounds.width, self._bounds.height, SurfaceFormat.XRGB32, SurfaceFlags.PRIMARY
            )
        )
