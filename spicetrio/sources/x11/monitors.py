"""The monitors of an X server's screen, and their change to what a viewer wants (RANDR).

An Xvfb has one output, which takes any mode that fits into the screen it was started with. Several monitors are areas
of that one screen with a name each (RANDR 1.5), which is all that window managers go by.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Final

import xcffib.randr
from trio_util import AsyncValue

from spicetrio import Rect
from spicetrio.channels.display import MAX_SIZE
from spicetrio.sources.x11.connection import XConnection, XError

SETTLE_SECONDS: Final = 0.2
"""How long a viewer must want the same before it is done: windows are dragged to their size."""
SMALLEST: Final = (320, 200)
"""Width and height of the smallest monitor that a viewer may have, in pixels."""
MOST_MONITORS: Final = 4
"""Monitors that a viewer may have."""

_NO_TIME: Final = 0
_UPRIGHT: Final = 1
_BLANK_WIDTH: Final = 160
_BLANK_HEIGHT: Final = 30
_RATE: Final = 60
_MILLIMETERS_PER_PIXEL: Final = 25.4 / 96
_MODE: Any = xcffib.randr.ModeInfo
_MONITOR: Any = xcffib.randr.MonitorInfo

_log = logging.getLogger(__name__)


async def read_monitors(connection: XConnection, width: int, height: int) -> list[Rect]:
    """Return the areas of a screen of this size that monitors show, the first one first; all of it if none is known."""
    whole = Rect(0, 0, width, height)
    if connection.randr is None:
        return [whole]
    try:
        reply = await connection.ask(connection.randr.GetMonitors(connection.root, True))
    except XError:  # a RANDR of before 1.5
        return [whole]
    areas = [
        Rect(max(each.x, 0), max(each.y, 0), min(each.x + each.width, width), min(each.y + each.height, height))
        for each in reply.monitors
    ]
    return [area for area in areas if area.left < area.right and area.top < area.bottom] or [whole]


def arrange(wanted: Sequence[Rect], most_width: int, most_height: int) -> list[Rect]:
    """Return monitors as near to what is wanted as a screen of at most this size allows, from its corner on."""
    left = min(area.left for area in wanted)
    top = min(area.top for area in wanted)
    arranged = []
    for area in wanted[:MOST_MONITORS]:
        x, y = area.left - left, area.top - top
        width, height = min(area.width, most_width - x), min(area.height, most_height - y)
        # Of a monitor that is not wholly there, no sliver is left.
        if width >= min(area.width, SMALLEST[0]) and height >= min(area.height, SMALLEST[1]):
            arranged.append(Rect(x, y, x + width, y + height))
    return arranged or [Rect(0, 0, most_width, most_height)]


class Monitors:
    """Changes the screen of an X server to what a viewer wants.

    Args:
        connection: To an X server that has RANDR.
    """

    def __init__(self, connection: XConnection) -> None:
        self._connection = connection
        self._randr = connection.randr
        self._own_mode: int | None = None
        self._names: list[int] = []

    async def follow(self, wanted: AsyncValue[tuple[Rect, ...] | None]) -> None:
        """Change it each time something else is wanted, until cancelled."""
        async with aclosing(wanted.eventual_values(held_for=SETTLE_SECONDS)) as wishes:
            async for wish in wishes:
                if wish:
                    await self.change([_enlarge(area) for area in wish])

    async def change(self, wanted: Sequence[Rect]) -> None:
        """Change it to monitors of these areas; what cannot be done is logged.

        Cancellation: it is changed or not.
        """
        connection, randr, root = self._connection, self._randr, self._connection.root
        try:
            limits, resources, screen = await connection.ask_all(
                [
                    randr.GetScreenSizeRange(root),
                    randr.GetScreenResourcesCurrent(root),
                    connection.core.GetGeometry(root),
                ]
            )
            areas = arrange(wanted, min(limits.max_width, MAX_SIZE), min(limits.max_height, MAX_SIZE))
            if areas == await read_monitors(connection, screen.width, screen.height):
                return
            crtcs = await connection.ask_all([randr.GetCrtcInfo(crtc, _NO_TIME) for crtc in resources.crtcs])
            lit = [(number, crtc) for number, crtc in zip(resources.crtcs, crtcs, strict=True) if crtc.mode]
            if len(lit) != 1:
                _log.warning("the screen at %s is not resized: it has %d real monitors", connection.display, len(lit))
                return
            ((number, crtc),) = lit
            await self._apply(areas, number, list(crtc.outputs), (screen.width, screen.height), resources)
        except XError as error:
            _log.warning("the screen at %s cannot be resized: %s", connection.display, error)

    async def _apply(
        self, areas: Sequence[Rect], crtc: int, outputs: list[int], before: tuple[int, int], resources: Any
    ) -> None:
        connection, randr, root = self._connection, self._randr, self._connection.root
        width, height = max(area.right for area in areas), max(area.bottom for area in areas)
        names = list((await connection.atoms(f"spicetrio-{index}" for index in range(len(areas)))).values())
        mode = await self._find_mode(outputs[0], width, height, resources.modes)
        own = None
        if mode is None:
            mode = own = await self._make_mode(outputs, width, height)
        # In one go, so that no other client sees, and reacts to, what is only half changed. While a mode is set, the
        # screen must have room for it.
        connection.core.GrabServer()
        self._set_size(max(width, before[0]), max(height, before[1]))
        changing = randr.SetCrtcConfig(
            crtc, _NO_TIME, resources.config_timestamp, 0, 0, mode, _UPRIGHT, len(outputs), outputs
        )
        self._set_size(width, height)
        for name in self._names:
            randr.DeleteMonitor(root, name)
        self._names = names if len(areas) > 1 else []
        for index, name in enumerate(self._names):
            randr.SetMonitor(root, _monitor(name, areas[index], [] if index else outputs))
        if self._own_mode is not None and self._own_mode != mode:
            for output in outputs:
                randr.DeleteOutputMode(output, self._own_mode)
            randr.DestroyMode(self._own_mode)
            self._own_mode = None
        connection.core.UngrabServer()
        self._own_mode = own or self._own_mode
        reply = await connection.ask(changing)
        if reply.status:
            _log.warning("the screen at %s cannot be made %d x %d pixels", connection.display, width, height)

    async def _find_mode(self, output: int, width: int, height: int, modes: Sequence[Any]) -> int | None:
        """Return a mode of this size that an output has."""
        fitting = {mode.id for mode in modes if (mode.width, mode.height) == (width, height)}
        info = await self._connection.ask(self._randr.GetOutputInfo(output, _NO_TIME))
        return next((mode for mode in info.modes if mode in fitting), None)

    async def _make_mode(self, outputs: Sequence[int], width: int, height: int) -> int:
        """Make a mode of this size for the outputs."""
        name = f"spicetrio-{width}x{height}"
        total_width, total_height = width + _BLANK_WIDTH, height + _BLANK_HEIGHT
        mode = _MODE.synthetic(
            id=0,
            width=width,
            height=height,
            dot_clock=total_width * total_height * _RATE,
            hsync_start=width + 48,
            hsync_end=width + 80,
            htotal=total_width,
            hskew=0,
            vsync_start=height + 3,
            vsync_end=height + 8,
            vtotal=total_height,
            name_len=len(name),
            mode_flags=0,
        )
        reply = await self._connection.ask(self._randr.CreateMode(self._connection.root, mode, len(name), name))
        for output in outputs:
            self._randr.AddOutputMode(output, reply.mode)
        return int(reply.mode)

    def _set_size(self, width: int, height: int) -> None:
        millimeters = [round(pixels * _MILLIMETERS_PER_PIXEL) for pixels in (width, height)]
        self._randr.SetScreenSize(self._connection.root, width, height, *millimeters)


def _enlarge(area: Rect) -> Rect:
    """Return an area that is large enough for a monitor."""
    left, top, right, bottom = area
    return Rect(left, top, max(right, left + SMALLEST[0]), max(bottom, top + SMALLEST[1]))


def _monitor(name: int, area: Rect, outputs: list[int]) -> Any:
    return _MONITOR.synthetic(
        name=name,
        primary=bool(outputs),
        automatic=False,
        nOutput=len(outputs),
        x=area.left,
        y=area.top,
        width=area.width,
        height=area.height,
        width_in_millimeters=round(area.width * _MILLIMETERS_PER_PIXEL),
        height_in_millimeters=round(area.height * _MILLIMETERS_PER_PIXEL),
        outputs=outputs,
    )
