"""What one viewer lacks of the picture: commands to carry out, and regions to send afresh.

The picture itself is always current; a viewer is behind it. What it lacks is kept as

- `commands`: drawing operations that it is to carry out in order, then
- for each surface, a `Lack`: regions of which it is to be sent the pixels, as they are by then.

and this is always true: *a viewer that carries out the commands has the right pixels everywhere outside the dirty
regions*. Each kind of drawing keeps it true in its own way. An image makes its area dirty. An operation that covers its
area makes it clean, whatever was there. One that changes what is there changes what is wrong as well, and leaves it
dirty. A copy takes along what was dirty at its source: the viewer copies wrong pixels there, so the target is as dirty
as the source was. What reads another surface that the viewer does not have right is no command: its area is dirty. When
too many commands pile up, they are dropped, and all that they would have written is dirty.

So nothing that was superseded is ever encoded, a slow viewer gets fewer and newer pixels, and its memory is bounded.

Surfaces that are not shown are unknown to a viewer until an operation reads one that it could carry out by itself.
From then on the viewer is sent that surface, and operations like it will be commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from spicetrio.canvas.drawings import Drawing
from spicetrio.canvas.lack import Lack
from spicetrio.canvas.region import Region, intersect, translate
from spicetrio.wire.geometry import Rect

PRIMARY: Final = 0
"""Id of the surface that is shown."""
MAX_COMMANDS: Final = 64
"""Commands that may wait; more become regions."""
MAX_BYTES: Final = 4 * 1024 * 1024
"""Bytes of images in them."""


class Strip(NamedTuple):
    """An area to be sent as an image."""

    surface: int
    """The id of its surface."""
    rect: Rect
    """Where on it."""


class Backlog:
    """What one viewer lacks.

    Args:
        surfaces: Ids and bounds of all surfaces there are, the primary among them.
        can_do: Tells whether the viewer carries out an operation as the canvas does.
    """

    def __init__(self, surfaces: Mapping[int, Rect], can_do: Callable[[Drawing], bool] = lambda drawing: True) -> None:
        self._commands: list[Drawing] = []
        self._bytes = 0
        self._known = {PRIMARY: Lack(surfaces[PRIMARY])}
        self._unknown = {surface: bounds for surface, bounds in surfaces.items() if surface != PRIMARY}
        self._created: list[int] = []
        self._destroyed: list[int] = []
        self._can_do = can_do

    def __bool__(self) -> bool:
        """Tell whether the viewer lacks anything."""
        return bool(self._commands or self._created or self._destroyed) or any(self._known.values())

    @property
    def surfaces(self) -> tuple[int, ...]:
        """The surfaces that the viewer has."""
        return tuple(self._known)

    @property
    def complete(self) -> bool:
        """Every pixel shown has been right at the viewer at some time, so it has a picture that is worth showing."""
        return self._known[PRIMARY].complete

    def take_in(self, drawing: Drawing) -> None:
        """Take in that something was drawn."""
        lack = self._known.get(drawing.surface)
        if lack is None:
            return  # all of it is lacking anyway
        if drawing.operation is None or not self._can_do(drawing) or not self._has_right(drawing.reads):
            lack.renew(drawing.written)
            self._drop_superseded(drawing)
        elif drawing.offset is not None:
            self._copy(lack, drawing, *drawing.offset)
        elif drawing.opaque:
            lack.overwrite(drawing.written)
            self._drop_superseded(drawing)
            self._append(drawing)
        else:
            lack.change(drawing.written)
            if not all(map(lack.dirty.covers, drawing.written)):
                self._append(drawing)

    def miss(self, written: Mapping[int, Region], *, coarsely: bool) -> None:
        """Take in that regions were written to in ways that are not known any more.

        Args:
            written: What was written, by surface.
            coarsely: Keep one area around all that is dirty. A viewer that reads nothing then costs next to nothing.
        """
        for surface, region in written.items():
            lack = self._known.get(surface)
            if lack is not None:
                if coarsely:
                    lack.renew_around(region)
                else:
                    lack.renew(region)

    def add_surface(self, surface: int, bounds: Rect) -> None:
        """Take in that there is a new surface; a new primary takes the place of the one before."""
        if surface == PRIMARY:
            self._give_up_commands()
            self._known[PRIMARY] = Lack(bounds)
        else:
            self._unknown[surface] = bounds

    def remove_surface(self, surface: int) -> None:
        """Take in that a surface that is not shown is gone."""
        if surface in self._created:  # the viewer will never have it, so nothing can be done with it there
            self._created.remove(surface)
            self._give_up_commands()
        elif surface in self._known:
            self._destroyed.append(surface)
        self._known.pop(surface, None)
        self._unknown.pop(surface, None)

    def take_destroyed(self) -> list[int]:
        """Return surfaces that the viewer is to destroy after it has carried out the commands."""
        destroyed, self._destroyed = self._destroyed, []
        return destroyed

    def take_created(self) -> list[int]:
        """Return surfaces that the viewer is to create before it carries out the commands."""
        created, self._created = self._created, []
        return created

    def take_commands(self) -> list[Drawing]:
        """Return the commands; they are the viewer's now."""
        commands, self._commands = self._commands, []
        self._bytes = 0
        return commands

    def take_strip(self, scale: int = 1) -> Strip | None:
        """Return an area whose pixels the viewer is to be sent next; None if there is none.

        The commands must have been taken before. What is shown goes first.

        Args:
            scale: As in `Lack.take_strip`.
        """
        for surface, lack in self._known.items():
            if rect := lack.take_strip(scale):
                return Strip(surface, rect)
        return None

    def blur(self, strip: Strip) -> None:
        """Take in that a strip was sent with a loss."""
        self._known[strip.surface].blur(strip.rect)

    def take_blurred(self) -> Strip | None:
        """Return an area that the viewer is to be sent again without loss; None if there is none."""
        for surface, lack in self._known.items():
            if rect := lack.take_blurred():
                return Strip(surface, rect)
        return None

    def _has_right(self, reads: Iterable[tuple[int, Rect]]) -> bool:
        """Tell whether the viewer has the pixels that an operation takes; if not, it will have their surfaces."""
        right = True
        for surface, rect in reads:
            if bounds := self._unknown.pop(surface, None):
                self._known[surface] = Lack(bounds)
                self._created.append(surface)
            right = right and self._known[surface].is_exact(rect)
        return right

    def _copy(self, lack: Lack, drawing: Drawing, dx: int, dy: int) -> None:
        if all(lack.dirty.covers(translate(rect, -dx, -dy)) for rect in drawing.written):
            lack.renew(drawing.written)
            return
        lack.move(drawing.written, dx, dy)
        self._append(drawing)

    def _append(self, drawing: Drawing) -> None:
        self._commands.append(drawing)
        self._bytes += drawing.size
        if len(self._commands) > MAX_COMMANDS or self._bytes > MAX_BYTES:
            self._give_up_commands()

    def _give_up_commands(self) -> None:
        for command in self.take_commands():
            lack = self._known.get(command.surface)
            if lack is not None:
                lack.renew(command.written)

    def _drop_superseded(self, drawing: Drawing) -> None:
        """Drop commands all of whose pixels are drawn over now, unless those were read in between."""
        if not self._commands:
            return
        kept: list[Drawing] = []
        read: list[tuple[int, Rect]] = []
        for command in reversed(self._commands):
            if _is_within(command, drawing) and not any(_is_read(command, area) for area in read):
                self._bytes -= command.size
            else:
                kept.append(command)
                read += _reads(command)
        self._commands = kept[::-1]


def _is_within(command: Drawing, drawing: Drawing) -> bool:
    return command.surface == drawing.surface and all(
        any(intersect(rect, cover) == rect for cover in drawing.written) for rect in command.written
    )


def _is_read(command: Drawing, area: tuple[int, Rect]) -> bool:
    surface, rect = area
    return command.surface == surface and any(intersect(rect, written) for written in command.written)


def _reads(command: Drawing) -> Iterator[tuple[int, Rect]]:
    """Yield all that a command takes from elsewhere than the pixels that it changes."""
    yield from command.reads
    if command.offset is not None:
        dx, dy = command.offset
        for rect in command.written:
            yield command.surface, translate(rect, -dx, -dy)
