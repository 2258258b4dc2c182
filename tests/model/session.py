"""Runs the commands of a session against a real server, and holds it to the model."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from unittest import mock

import trio
from trio.testing import MockClock

from spicetrio.canvas import backlog, lack, picture, region
from spicetrio.canvas import viewer as canvas_viewer
from spicetrio.channels import cursor as cursor_channel
from spicetrio.channels import display as display_channel
from spicetrio.channels import inputs as inputs_channel
from spicetrio.server import worker, writer
from spicetrio.server.events import EventKind
from spicetrio.wire import framing
from tests.model import commands as c
from tests.model.application import Application
from tests.model.audience import Audience
from tests.model.input import Input
from tests.model.invariants import Invariants
from tests.model.state import PATIENCE, Faults
from tests.model.viewers import Dialer
from tests.server.rig import descriptors

# Limits that pictures of this size reach.
LIMITS: Final[Sequence[tuple[Any, str, float]]] = (
    (picture, "BATCH_SIZE", 8192), (backlog, "MAX_COMMANDS", 8), (lack, "STRIP_PIXELS", 1024),
    (canvas_viewer, "KEEPS_UP", 1),
    (region, "MAX_RECTS", 12), (region, "FEW_RECTS", 8), (region, "COARSE_RECTS", 4),
    (worker, "MAX_JOBS", 8), (worker, "MAX_BYTES", 65536), (worker, "PROMPT", 0.0002),
    (worker, "LIGHT_SECONDS", 0.0002),
    (display_channel, "COPIED_BYTES", 4096), (cursor_channel, "CACHE_SIZE", 3),
    (inputs_channel, "QUEUE_LENGTH", 8),
    (writer, "JOINED_SIZE", 4096), (framing, "JOINED_SIZE", 4096),
)  # fmt: skip


class Session(Application, Audience, Input, Invariants):
    """From the server's beginning to its end."""

    async def run(self, commands: Sequence[c.Command]) -> None:
        async with trio.open_nursery() as self.nursery:
            tasks = trio.lowlevel.current_statistics().tasks_living
            self.dialer = Dialer(self.server, self.nursery)
            # The log outlives the server: the last connections end with that.
            with self.server.events() as reader:
                self.nursery.start_soon(self._listen, self.log, reader)
                async with self.server.opened():
                    for command in commands:
                        await getattr(self, f"on_{type(command).__name__}")(command)
                        self.look()
                        if self.setup.settles:
                            await self.on_Settle(c.Settle())
                    await self.on_Settle(c.Settle())
                    await self.resume_all()
                    await self.on_Settle(c.Settle())
                    await self._close_application()
                    for scope in self.drains:
                        scope.cancel()
                    for ear in self.ears:
                        ear.scope.cancel()
                for stream in self.knocks[::2]:  # those are pairs, which the server has no listener for
                    await trio.aclose_forcefully(stream)
                await self.until(self._everybody_left)
                self.log.scope.cancel()
            self.check_log()
            for stream in self.knocks[1::2]:
                await trio.aclose_forcefully(stream)
            await self.until(
                lambda: (
                    f"{extra} tasks are left"
                    if (extra := trio.lowlevel.current_statistics().tasks_living - tasks)
                    else ""
                )
            )

    async def _close_application(self) -> None:
        while self.rooms:
            await self.on_CloseDisplay(c.CloseDisplay(0))
        await self.on_CloseInputs(c.CloseInputs())

    def _everybody_left(self) -> str:
        for viewer in self.viewers:
            for connection in viewer.connections.values():
                if not connection.ended:
                    return f"{viewer} still has {connection.key} after the server has ended"
        connected = sum(event.kind is EventKind.CONNECTED for event in self.log.heard)
        left = sum(event.kind is EventKind.DISCONNECTED for event in self.log.heard)
        return "" if connected == left else f"{connected} CONNECTED, {left} DISCONNECTED"


@contextmanager
def limits() -> Iterator[None]:
    with ExitStack() as stack:
        for module, name, value in LIMITS:
            stack.enter_context(mock.patch.object(module, name, value))
        yield


def run(setup: c.Setup, commands: Sequence[c.Command], *, patience: float = PATIENCE) -> None:
    """Run a session from the beginning to the end; afterwards nothing of it is left."""
    faults = Faults()
    logger = logging.getLogger("spicetrio")
    before = descriptors()
    logger.addHandler(faults)
    clock = MockClock(rate=1.0)
    session = Session(setup, clock, patience)
    try:
        with limits():
            trio.run(session.run, commands, clock=clock)
    except BaseException as error:
        for event in session.log.heard[-20:]:
            error.add_note(f"{event.kind.name} {event.connection} {event.channel} {event.client}: {event.reason}")
        error.add_note(f"replay: run({setup!r}, {commands!r})")
        raise
    finally:
        logger.removeHandler(faults)
    assert not faults.seen, faults.seen[0]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("spicetrio")]
    if descriptors() != before:
        gc.collect()
    assert descriptors() == before, "descriptors are left"
