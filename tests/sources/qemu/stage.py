"""A server without viewers that shows a virtual machine, and what tests look at of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import cast

import trio
from PIL import Image

import spicetrio
from spicetrio.sources.qemu import Place, serve_qemu

VIEWER = cast("spicetrio.Client", None)


def descriptors() -> list[str]:
    """Those that are open here."""
    return sorted(file.name for file in Path("/proc/self/fd").iterdir())


class Stage:
    """Stands before a server, and remembers what the source opens."""

    def __init__(self, server: spicetrio.Server) -> None:
        self._server = server
        self.displays: list[spicetrio.Display] = []
        self.inputs: spicetrio.Inputs
        self.ended = trio.Event()
        """The source has returned by itself."""

    @property
    def server(self) -> spicetrio.Server:
        return cast("spicetrio.Server", self)

    def __getattr__(self, name: str) -> object:
        return getattr(self._server, name)

    @asynccontextmanager
    async def open_display(self, width: int, height: int) -> AsyncIterator[spicetrio.Display]:
        async with self._server.open_display(width, height) as display:
            self.displays.append(display)
            yield display

    @asynccontextmanager
    async def open_inputs(self, *, absolute: bool) -> AsyncIterator[spicetrio.Inputs]:
        async with self._server.open_inputs(absolute=absolute) as self.inputs:
            yield self.inputs

    async def wait_shows(self, picture: Image.Image, display: int = 0) -> None:
        """Wait until a display shows exactly that."""
        expected = picture.convert("RGB").tobytes("raw", "BGRX")
        shown = self.displays[display]
        with trio.move_on_after(10):
            while True:
                if (shown.width, shown.height) == picture.size and await shown.read() == expected:
                    return
                await trio.sleep(0.02)
        raise AssertionError(f"display {display} of {shown.width} x {shown.height} shows something else")

    def key(self, code: int, *, down: bool) -> None:
        self.inputs.put(spicetrio.KeyEvent(code, down, VIEWER))

    def tap(self, *codes: int) -> None:
        for code in codes:
            self.key(code, down=True)
            self.key(code, down=False)


@asynccontextmanager
async def open_stage(
    place: Place | None = None, *, start: Sequence[str] | None = None, name: str = "first"
) -> AsyncIterator[Stage]:
    """Show a machine while the block runs: one that is there, or one that is started."""
    async with spicetrio.open_server(
        port=None, unix=f"@spicetrio-{os.getpid()}-{name}", disable_ticketing=True
    ) as server:
        stage = Stage(server)
        async with trio.open_nursery() as nursery:

            async def serve(*, task_status: trio.TaskStatus[str]) -> None:
                await serve_qemu(stage.server, place=place or Place(), start=start, task_status=task_status)
                stage.ended.set()

            with trio.fail_after(15):
                await nursery.start(partial(serve))
            yield stage
            nursery.cancel_scope.cancel()
