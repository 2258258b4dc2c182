from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio

import spicetrio
from spicetrio.sources.qemu.bus import open_peer
from spicetrio.sources.qemu.input import Input
from tests.sources.qemu.stage import VIEWER
from tests.sources.qemu.test_bus import open_fake

LEFT_CTRL, A = 0x1D, 0x1E


class Typed:
    """Events of viewers, and then nothing; a scope is cancelled with the last of them, if one is given."""

    absolute = False

    def __init__(self, *events: spicetrio.InputEvent) -> None:
        self._events = list(events)
        self.cancelled_with_last: trio.CancelScope | None = None

    def set_locks(self, locks: spicetrio.Locks) -> None:
        pass

    def __aiter__(self) -> Typed:
        return self

    async def __anext__(self) -> spicetrio.InputEvent:
        if not self._events:
            await trio.sleep_forever()
        event = self._events.pop(0)
        if not self._events and self.cancelled_with_last is not None:
            self.cancelled_with_last.cancel()
        return event


PRESSED = (
    spicetrio.KeyEvent(LEFT_CTRL, True, VIEWER),
    spicetrio.KeyEvent(A, True, VIEWER),
    spicetrio.ButtonEvent(1, True, VIEWER),
    spicetrio.ButtonEvent(3, True, VIEWER),
)
RELEASED = (spicetrio.KeyEvent(A, False, VIEWER), spicetrio.ButtonEvent(3, False, VIEWER))


@pytest.mark.parametrize("released", [(), RELEASED[:1], RELEASED[1:]], ids=["held", "key", "button"])
async def test_nothing_stays_pressed_when_the_source_is_cancelled(released: Sequence[spicetrio.InputEvent]) -> None:
    """Not even what is released in the same moment."""
    typed = Typed(*PRESSED, *released)
    console = SimpleNamespace(path="/console", display=SimpleNamespace(id=0))
    held: set[tuple[str, int]] = set()
    pressed = trio.Event()
    async with open_fake() as (sock, peer), trio.open_nursery() as nursery:

        async def answer() -> None:
            while True:
                call = await peer.receive()
                interface, member = (call.header.fields[field] for field in (2, 3))
                if member == "GetAll":
                    await peer.answer(call, "a{sv}", {})
                    continue
                (held.add if member == "Press" else held.discard)((interface, call.body[0]))
                if len(held) == 4:
                    pressed.set()
                await peer.answer(call)

        nursery.start_soon(answer)
        with trio.fail_after(5), trio.CancelScope() as scope:
            async with open_peer(sock) as bus, trio.open_nursery() as inside:
                if released:
                    typed.cancelled_with_last = scope
                inside.start_soon(Input(bus, [cast(Any, console)], cast(Any, typed)).run)
                await pressed.wait()
                if not released:
                    scope.cancel()
        nursery.cancel_scope.cancel()
    assert pressed.is_set()
    assert not held
