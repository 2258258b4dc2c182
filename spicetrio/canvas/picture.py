"""The picture of one display, and what each of its viewers lacks of it.

All of this belongs to the Worker's thread. Drawing changes the pixels at once and only notes for each viewer what it
now lacks (`spicetrio.canvas.backlog`); messages are made when a viewer has credit for them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from spicetrio.canvas import changes, operations, pixels, scroll
from spicetrio.canvas.backlog import PRIMARY, Backlog, Strip
from spicetrio.canvas.checks import check
from spicetrio.canvas.drawings import Drawing, Drawings
from spicetrio.canvas.encoder import Encoder, Made
from spicetrio.canvas.exactness import is_exact
from spicetrio.canvas.images import is_plain, size_of
from spicetrio.canvas.operations import Operation
from spicetrio.canvas.pixelbuffer import PixelBuffer
from spicetrio.canvas.region import bounding, intersect
from spicetrio.canvas.render import render
from spicetrio.canvas.surface import Surface
from spicetrio.canvas.viewer import Memory, Viewer, Wishes
from spicetrio.wire import display as messages
from spicetrio.wire.buffer import Marshalled, marshal
from spicetrio.wire.draw import CopyBits, DrawFill
from spicetrio.wire.drawing import DisplayBase, Solid
from spicetrio.wire.enums import SurfaceFlags, SurfaceFormat
from spicetrio.wire.framing import Bundle
from spicetrio.wire.geometry import Point, Rect

BATCH_SIZE: Final = 512 * 1024
"""Bytes from which a viewer's batch takes no further image; more by `Viewer.scale`."""
SCROLL_PIXELS: Final = 64 * 64
"""The smallest changed area in which it is worth looking for a scroll."""
SENT_FORMATS: Final = (SurfaceFormat.XRGB32, SurfaceFormat.ARGB32)
"""Formats of surfaces that viewers may get. What is drawn from others reaches them as pixels."""


class Batch(NamedTuple):
    """Messages for one viewer, worth one credit."""

    viewer: int
    """Whom they are for."""
    messages: Bundle
    """In order."""
    sated: bool
    """With them, the viewer lacks nothing."""


class Picture:
    """The pixels of a display.

    Args:
        width: In pixels, 1 to 8192.
        height: In pixels, 1 to 8192.
        display: The display's id.
    """

    def __init__(self, width: int, height: int, display: int = 0) -> None:
        self._viewers: dict[int, Viewer] = {}
        self._encoder = Encoder(display)
        self._drawings = Drawings()
        self._surfaces: dict[int, Surface] = {}
        self._heads: tuple[messages.Head, ...] = ()
        self._most_heads = 0
        self._set_size(width, height)

    @property
    def full(self) -> bool:
        """To note one more drawing is much work; see `Drawings.full`."""
        return self._drawings.full

    # Drawing. The caller has checked that every area lies inside the picture as it was then. What a resize has
    # overtaken does not any more, and is not drawn.

    def resize(self, width: int, height: int) -> None:
        """Begin again with black pixels of another size, and one head that shows all of it."""
        self._set_size(width, height)
        self._drawings.add_surface(PRIMARY, self._primary.bounds)
        for viewer in self._viewers.values():
            viewer.begun = viewer.shown = viewer.heads_told = False

    def show(self, areas: Sequence[Rect], most: int) -> None:
        """Have other monitors show areas of the primary surface, and say how many viewers may ask for."""
        self._most_heads = most
        if not all(map(self._contains, areas)):
            return
        self._set_heads(areas)
        for viewer in self._viewers.values():
            viewer.heads_told = False

    def add_surface(self, number: int, surface: Surface) -> None:
        """Add a surface that is not shown."""
        self._surfaces[number] = surface
        self._drawings.add_surface(number, surface.bounds)

    def remove_surface(self, number: int) -> None:
        """Remove a surface that is not shown."""
        del self._surfaces[number]
        self._drawings.remove_surface(number)
        self._encoder.changed(number, Rect(0, 0, 1 << 31, 1 << 31))

    def draw(self, operation: Operation) -> None:
        """Carry out an operation of the protocol."""
        try:
            check(self._surfaces, operation)
        except ValueError:
            return
        render(self._surfaces, operation)
        surface = operation.base.surface_id
        written = tuple(operations.written(operation))
        for rect in written:
            self._encoder.changed(surface, rect)
        if self._viewers and written:
            self._drawings.add(self._drawing_of(surface, written, operation))

    def fill(self, rect: Rect, color: int) -> None:
        """Fill an area with one color, 0xRRGGBB."""
        if not self._contains(rect):
            return
        primary = self._primary
        pixels.fill(primary.pixels, primary.stride, rect.left, rect.top, rect.width, rect.height, color)
        self._encoder.changed(PRIMARY, rect)
        if self._viewers:
            self._drawings.add(Drawing(PRIMARY, (rect,), DrawFill(DisplayBase(PRIMARY, rect), Solid(color))))

    def copy_area(self, rect: Rect, src_x: int, src_y: int) -> None:
        """Copy an area of the same size, whose top left pixel is given, to `rect`; they may overlap."""
        if not (self._contains(rect) and self._contains(Rect(src_x, src_y, src_x + rect.width, src_y + rect.height))):
            return
        primary = self._primary
        pixels.copy_area(primary.pixels, primary.stride, rect.left, rect.top, rect.width, rect.height, src_x, src_y)
        self._encoder.changed(PRIMARY, rect)
        if self._viewers:
            operation = CopyBits(DisplayBase(PRIMARY, rect), Point(src_x, src_y))
            self._drawings.add(Drawing(PRIMARY, (rect,), operation, offset=(rect.left - src_x, rect.top - src_y)))

    def draw_image(self, x: int, y: int, image: PixelBuffer) -> None:
        """Put an image at a place."""
        rect = Rect(x, y, x + image.width, y + image.height)
        if not self._contains(rect):
            return
        pixels.blit(
            self._primary.pixels, self._primary.stride, x, y,
            image.data, 0, image.stride, image.width, image.height, image.format,
        )  # fmt: skip
        self._changed(rect)

    def draw_frame(self, frame: PixelBuffer, damage: Iterable[Rect] | None) -> None:
        """Become like a frame of the same size, of which only the damaged areas need to be looked at."""
        bounds = self._primary.bounds
        if (frame.width, frame.height) != (bounds.width, bounds.height):
            return
        if frame.format not in ("BGRX", "BGRA"):
            frame = frame.as_bgrx()
        for area in (bounds,) if damage is None else damage:
            if rect := intersect(area, bounds):
                self._take_damage(frame, rect)

    def read(self, rect: Rect) -> bytes:
        """Return the pixels of an area as rows of BGRX; none of an area that a resize has overtaken."""
        if not self._contains(rect):
            return b""
        primary = self._primary
        return pixels.pack(primary.pixels, primary.stride, rect.left, rect.top, rect.width, rect.height)

    # Viewers.

    def attach(self, viewer: int, wishes: Wishes, memory: Memory = Memory()) -> None:  # noqa: B008 - it is frozen
        """Add a viewer that has nothing yet."""
        bounds = {number: surface.bounds for number, surface in self._surfaces.items()}
        backlog = Backlog(bounds, wishes.can_do)
        self._viewers[viewer] = Viewer(wishes, self._drawings.open(backlog), memory)

    def change(self, viewer: int, wishes: Wishes) -> None:
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
        return {number for number, viewer in self._viewers.items() if not viewer.credit and self._lacks(viewer)}

    def batches(self, prepare: Callable[[], None] = lambda: None) -> Iterator[Batch]:
        """Make a batch of messages for each viewer that has credit and lacks something.

        Args:
            prepare: Called before one is made.
        """
        shared: dict[Hashable, Bundle] = {}
        share = len(self._viewers) > 1
        for number, viewer in self._viewers.items():
            if not viewer.credit or not self._lacks(viewer):
                continue
            need = self._need(viewer) if share else None
            if need is not None and (bundle := shared.get(need)):
                self._drawings.skip(viewer.reader)
                viewer.credit = False
                yield Batch(number, bundle, sated=True)
                continue
            prepare()
            made = self._messages(viewer, self._drawings.take_in(viewer.reader))
            if made.messages:
                viewer.credit = False
                batch = Batch(number, Bundle(made.messages), sated=not self._lacks(viewer))
                if need is not None and batch.sated and not made.personal:
                    shared[need] = batch.messages
                yield batch

    @property
    def _primary(self) -> Surface:
        return self._surfaces[PRIMARY]

    def _set_size(self, width: int, height: int) -> None:
        self._surfaces[PRIMARY] = Surface(width, height, SurfaceFormat.XRGB32)
        self._set_heads([self._primary.bounds])
        self._encoder.changed(PRIMARY, Rect(0, 0, 1 << 31, 1 << 31))

    def _set_heads(self, areas: Sequence[Rect]) -> None:
        self._heads = tuple(
            messages.Head(number, PRIMARY, area.width, area.height, area.left, area.top)
            for number, area in enumerate(areas)
        )

    def _contains(self, rect: Rect) -> bool:
        return intersect(rect, self._primary.bounds) == rect

    def _changed(self, rect: Rect) -> None:
        self._encoder.changed(PRIMARY, rect)
        self._drawings.add(Drawing(PRIMARY, (rect,)))

    def _need(self, viewer: Viewer) -> Hashable:
        """Return all that decides what a viewer is sent, if it lacks nothing but the latest drawings; or else None."""
        if not viewer.shown or self._drawings.lacks_older(viewer.reader) or self._lacks_heads(viewer):
            return None
        return viewer.reader.position, viewer.reader.backlog.surfaces, viewer.wishes, viewer.memory

    def _lacks_heads(self, viewer: Viewer) -> bool:
        return not viewer.heads_told and viewer.wishes.monitors_config

    def _lacks(self, viewer: Viewer) -> bool:
        return self._drawings.lacks(viewer.reader) or (viewer.shown and self._lacks_heads(viewer))

    def _drawing_of(self, surface: int, written: tuple[Rect, ...], operation: Operation) -> Drawing:
        """Return what is noted of an operation: itself, if viewers do just the same with it, or else its pixels."""
        if isinstance(operation, CopyBits):
            x, y = operation.src_position
            return Drawing(
                surface, written, operation, offset=(operation.base.box.left - x, operation.base.box.top - y)
            )
        reads = tuple(operations.read(operation))
        sent = all(self._surfaces[number].format in SENT_FORMATS for number, _ in reads)
        if not sent or not is_exact(self._surfaces, operation) or is_plain(operation):
            return Drawing(surface, written)
        opaque = operations.is_opaque(operation)
        return Drawing(surface, written, operation, opaque, reads=reads, size=size_of(operation))

    def _take_damage(self, frame: PixelBuffer, area: Rect) -> None:
        changed = self._differences(frame, area)
        primary = self._primary
        if changed and sum(rect.width * rect.height for rect in changed) >= SCROLL_PIXELS:
            around = bounding(changed)
            moved = scroll.find_scroll(
                primary.pixels, primary.stride, frame.data, 0, frame.stride,
                around.left, around.top, around.width, around.height,
            )  # fmt: skip
            if moved is not None:
                dx, dy, *target = moved
                rect = Rect(*target)
                self.copy_area(rect, rect.left - dx, rect.top - dy)
                changed = self._differences(frame, area)
        for rect in changed:
            pixels.blit(
                primary.pixels, primary.stride, rect.left, rect.top,
                frame.data, rect.top * frame.stride + 4 * rect.left, frame.stride, rect.width, rect.height, "BGRX",
            )  # fmt: skip
            self._changed(rect)

    def _differences(self, frame: PixelBuffer, area: Rect) -> list[Rect]:
        primary = self._primary
        found = changes.damage(
            primary.pixels, primary.stride, frame.data, 0, frame.stride, area.left, area.top, area.width, area.height
        )
        return [Rect(*rect) for rect in found]

    def _messages(self, viewer: Viewer, backlog: Backlog) -> Made:
        """Make a batch. First comes what the commands need, then they, then pixels as they are now."""
        batch: list[Marshalled] = []
        personal = False
        if not viewer.begun:
            batch += self._begin(viewer)
        for number in backlog.take_created():
            batch.append(marshal(self._surface_create(number)))
            personal = True
        for drawing in backlog.take_commands():
            made = self._encoder.operation(drawing, viewer)
            batch += made.messages
            personal |= made.personal
        batch += [marshal(messages.SurfaceDestroy(number)) for number in backlog.take_destroyed()]
        for made in self._strips(viewer, backlog):
            batch += made.messages
            personal |= made.personal
        shows = not viewer.shown and backlog.complete
        if (shows or viewer.shown) and self._lacks_heads(viewer):
            viewer.heads_told = True
            batch.append(marshal(messages.MonitorsConfig(max(self._most_heads, len(self._heads)), self._heads)))
        if shows:
            viewer.shown = True
            batch.append(marshal(messages.Mark()))
        return Made(tuple(batch), personal=personal) if batch else self._repair(viewer, backlog)

    def _begin(self, viewer: Viewer) -> Iterator[Marshalled]:
        """Yield what comes before the first pixel of a surface (spec D-1)."""
        yield marshal(messages.SurfaceDestroy(PRIMARY) if viewer.has_surface else messages.InvalAllPalettes())
        viewer.begun = viewer.has_surface = True
        yield marshal(self._surface_create(PRIMARY))

    def _surface_create(self, number: int) -> messages.SurfaceCreate:
        surface = self._surfaces[number]
        flags = SurfaceFlags.PRIMARY if number == PRIMARY else SurfaceFlags.NONE
        return messages.SurfaceCreate(number, surface.width, surface.height, surface.format, flags)

    def _strips(self, viewer: Viewer, backlog: Backlog) -> Iterator[Made]:
        """Yield images of what is dirty, as many as are worth a credit."""
        size, scale = 0, viewer.scale
        while size < scale * BATCH_SIZE and (strip := backlog.take_strip(scale)):
            made = self._made(viewer, strip, lossless=strip.surface != PRIMARY)
            if made.lossy:
                backlog.blur(strip)
            size += made.size
            yield made

    def _repair(self, viewer: Viewer, backlog: Backlog) -> Made:
        """Send something blurred again, now that there is nothing better to do; a little at a time."""
        strip = backlog.take_blurred()
        return self._made(viewer, strip, lossless=True) if strip else Made(())

    def _made(self, viewer: Viewer, strip: Strip, *, lossless: bool) -> Made:
        surface = self._surfaces[strip.surface]
        share = len(self._viewers) > 1
        return self._encoder.strip(strip.surface, surface, strip.rect, viewer, lossless=lossless, share=share)
