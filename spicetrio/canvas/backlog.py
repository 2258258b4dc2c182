"""What one viewer lacks of the picture: commands to carry out, and a region to send afresh.

The picture itself is always current; a viewer is behind it. What it lacks is kept as

- `commands`: drawing messages that it is to carry out in order, then
- `dirty`: a region of which it is to be sent the pixels, as they are by then.

and this is always true: *a viewer that carries out the commands has the right pixels everywhere outside the dirty
region*. Each kind of drawing keeps it true in its own way. An image makes its area dirty. A fill becomes a command and
makes its area clean, whatever was there. A copy becomes a command, and takes along what was dirty at its source: the
viewer copies wrong pixels there, so the target is as dirty as the source was. When too many commands pile up, they are
dropped, and all that they would have written is dirty.

So nothing that was superseded is ever encoded, a slow viewer gets fewer and newer pixels, and its memory is bounded.
"""

from __future__ import annotations

from typing import Final

from spicetrio.canvas.region import Region, bounding, translate
from spicetrio.wire.buffer import Marshalled
from spicetrio.wire.geometry import Rect

MAX_COMMANDS: Final = 64
"""Commands that may wait; more become a region."""
STRIP_PIXELS: Final = 256 * 1024
"""The most pixels that are sent as one image. What changes while a strip is sent is not sent twice."""


class Backlog:
    """What one viewer lacks.

    Args:
        bounds: The whole surface, all of which it lacks at first.
    """

    def __init__(self, bounds: Rect) -> None:
        self._commands: list[tuple[Marshalled, Rect]] = []
        self._dirty = Region(bounds)
        self._unseen = Region(bounds)
        self._sweep = Region()

    def __bool__(self) -> bool:
        """Tell whether the viewer lacks anything."""
        return bool(self._commands or self._dirty)

    @property
    def complete(self) -> bool:
        """Every pixel has been right at the viewer at some time, so it has a picture that is worth showing."""
        if self._unseen and not any(self._dirty.intersects(rect) for rect in self._unseen):
            self._unseen = Region()
        return not self._unseen

    def image(self, rect: Rect) -> None:
        """Take in that an area has new pixels."""
        self._dirty.add(rect)
        self._dirty.bound()

    def fill(self, rect: Rect, command: Marshalled) -> None:
        """Take in that an area was filled."""
        self._dirty.subtract(rect)
        self._append(command, rect)

    def copy(self, rect: Rect, dx: int, dy: int, command: Marshalled) -> None:
        """Take in that an area was copied.

        Args:
            rect: Where to.
            dx: From how far to the left.
            dy: From how far above.
            command: The message that does it.
        """
        source = translate(rect, -dx, -dy)
        if self._dirty.covers(source):
            self.image(rect)
            return
        moved = [translate(part, dx, dy) for part in self._dirty.within(source)]
        self._dirty.subtract(rect)
        for part in moved:
            self._dirty.add(part)
        self._append(command, rect)
        self._dirty.bound()

    def miss(self, region: Region, *, coarsely: bool) -> None:
        """Take in that a region was written to in ways that are not known any more.

        Args:
            region: What was written.
            coarsely: Keep one area around all that is dirty. A viewer that reads nothing then costs next to nothing.
        """
        for rect in region:
            self._dirty.add(rect)
        if coarsely:
            self._dirty = Region(bounding(self._dirty))
        else:
            self._dirty.bound()

    def take_commands(self) -> list[Marshalled]:
        """Return the commands; they are the viewer's now."""
        commands = [command for command, _ in self._commands]
        self._commands.clear()
        return commands

    def take_strip(self) -> Rect | None:
        """Return an area whose pixels the viewer is to be sent next; None if there is none.

        The commands must have been taken before. Strips go in sweeps down the surface: one sweep sends what is dirty
        when it begins, and each pixel once. So what changes all the time at one place does not keep the rest waiting.
        """
        rect = self._next_in_sweep()
        if rect is None:
            self._sweep = self._dirty.copy()
            rect = self._next_in_sweep()
            if rect is None:
                return None
        rows = max(1, STRIP_PIXELS // rect.width)
        strip = Rect(rect.left, rect.top, rect.right, min(rect.bottom, rect.top + rows))
        self._sweep.subtract(strip)
        self._dirty.subtract(strip)
        self._unseen.subtract(strip)
        return strip

    def _next_in_sweep(self) -> Rect | None:
        """Return the first area of this sweep that is dirty still; None if the sweep is over."""
        for rect in sorted(self._sweep, key=_top_left):
            if parts := self._dirty.within(rect):
                return min(parts, key=_top_left)
            self._sweep.subtract(rect)
        return None

    def _append(self, command: Marshalled, written: Rect) -> None:
        self._commands.append((command, written))
        if len(self._commands) > MAX_COMMANDS:
            for _, rect in self._commands:
                self._dirty.add(rect)
            self._commands.clear()
            self._dirty.bound()


def _top_left(rect: Rect) -> tuple[int, int]:
    return rect.top, rect.left
