"""What viewers have of a device, connected to what there is of it on this side."""

from __future__ import annotations

from contextlib import suppress

import trio
from trio_util import move_on_when

import spicetrio


async def connect_viewer(viewer: spicetrio.DeviceStream, device: trio.abc.Stream) -> None:
    """Pass on bytes both ways until one of the ends is closed, or the viewer has left.

    Cancellation: what is on its way is dropped.
    """
    # Who waits for something else than the viewer does not notice that it has left.
    async with move_on_when(viewer.wait_left), trio.open_nursery() as nursery:
        for source, target in ((device, viewer), (viewer, device)):
            nursery.start_soon(_copy, source, target, nursery.cancel_scope)


async def _copy(source: trio.abc.Stream, target: trio.abc.Stream, scope: trio.CancelScope) -> None:
    """Pass on bytes until an end is closed; then cancel the scope."""
    with suppress(trio.BrokenResourceError):
        async for data in source:
            await target.send_all(data)
    scope.cancel()
