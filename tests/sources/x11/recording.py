"""What a server gives a source, reduced to remembering what the source does with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast

import trio
from PIL import Image
from trio_util import AsyncValue

import spicetrio


class Changing:
    """Something that tests wait for."""

    def __init__(self) -> None:
        self._changed = trio.Event()

    def changed(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        with trio.fail_after(seconds):
            while not condition():
                await self._changed.wait()


class RecordingCursor(Changing):
    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[Image.Image, int, int]] = []
        self.places: list[tuple[int, int]] = []
        self.visible = True

    def set(self, image: Image.Image, hot_x: int, hot_y: int) -> None:
        self.shapes.append((image, hot_x, hot_y))
        self.changed()

    def move(self, x: int, y: int) -> None:
        self.places.append((x, y))
        self.changed()

    def hide(self) -> None:
        self.visible = False

    def show(self) -> None:
        self.visible = True


class RecordingDisplay(Changing):
    """Takes from a frame what was said to be damaged and nothing else, so that damage not told shows."""

    id = 0

    def __init__(self, width: int, height: int) -> None:
        super().__init__()
        self.width = width
        self.height = height
        self.cursor = RecordingCursor()
        self.heads: list[spicetrio.Rect] = []
        self.most_heads = 0
        self.picture = bytearray(width * height * 4)
        self.frames: list[list[spicetrio.Rect] | None] = []
        self.times: list[float] = []
        self.delay = 0.0

    async def draw_frame(self, frame: memoryview, damage: Iterable[spicetrio.Rect] | None = None) -> None:
        assert frame.nbytes == len(self.picture)
        stride = self.width * 4
        areas = None if damage is None else list(damage)
        for left, top, right, bottom in areas or [spicetrio.Rect(0, 0, self.width, self.height)]:
            assert 0 <= left < right <= self.width
            assert 0 <= top < bottom <= self.height
            for y in range(top, bottom):
                row = slice(y * stride + left * 4, y * stride + right * 4)
                self.picture[row] = frame[row]
        self.frames.append(areas)
        self.times.append(trio.current_time())
        await trio.sleep(self.delay)
        self.changed()

    async def resize(self, width: int, height: int) -> None:
        await trio.lowlevel.checkpoint()
        self.width, self.height = width, height
        self.picture = bytearray(width * height * 4)
        self.heads = [spicetrio.Rect(0, 0, width, height)]

    async def set_heads(self, areas: Iterable[spicetrio.Rect], *, most: int) -> None:
        await trio.lowlevel.checkpoint()
        self.most_heads = most
        self.heads = list(areas)
        self.changed()

    def rgb(self) -> bytes:
        return Image.frombytes("RGB", (self.width, self.height), bytes(self.picture), "raw", "BGRX").tobytes()


class RecordingInputs(Changing):
    def __init__(self) -> None:
        super().__init__()
        self._send, self._receive = trio.open_memory_channel[spicetrio.InputEvent](1000)
        self.locks: list[spicetrio.Locks] = []

    def __aiter__(self) -> AsyncIterator[spicetrio.InputEvent]:
        return self._receive

    def set_locks(self, locks: spicetrio.Locks) -> None:
        self.locks.append(locks)
        self.changed()

    def key(self, code: int, down: bool) -> None:
        self._put(spicetrio.KeyEvent, code, down)

    def tap(self, code: int) -> None:
        self.key(code, True)
        self.key(code, False)

    def place(self, x: int, y: int) -> None:
        self._put(spicetrio.PointerPosition, x, y, 0)

    def move(self, dx: int, dy: int) -> None:
        self._put(spicetrio.PointerMotion, dx, dy)

    def button(self, button: int, down: bool) -> None:
        self._put(spicetrio.ButtonEvent, button, down)

    def wheel(self, steps: int) -> None:
        self._put(spicetrio.WheelEvent, steps)

    def _put(self, event: Callable[..., spicetrio.InputEvent], *fields: int) -> None:
        self._send.send_nowait(event(*fields, cast("spicetrio.Client", None)))


class RecordingAgent(Changing):
    """The clipboards are real; who calls `grab` and `release` on them is a viewer."""

    def __init__(self, nursery: trio.Nursery, clipboard_limit: int = 1 << 26) -> None:
        super().__init__()
        self.clipboards = {
            selection: spicetrio.Clipboard(
                selection, limit=clipboard_limit, nursery=nursery, changed=lambda _: self.changed()
            )
            for selection in spicetrio.Selection
        }
        self.monitors = AsyncValue[tuple[spicetrio.Rect, ...] | None](None)


async def offered(agent: RecordingAgent, clipboard: spicetrio.Clipboard) -> spicetrio.Offer:
    """What the X server's side offers."""
    await agent.until(lambda: clipboard.current is not None)
    assert clipboard.current is not None
    assert clipboard.offered.value is None
    return clipboard.current


def viewers_offer(
    clipboard: spicetrio.Clipboard, viewer: spicetrio.Client | None = None, **contents: bytes
) -> spicetrio.Offer:
    """Have a viewer offer something."""

    async def read(kind: spicetrio.ClipboardType) -> bytes:
        await trio.lowlevel.checkpoint()
        return contents[kind.name]

    kinds = [spicetrio.ClipboardType[name] for name in contents]
    offer = spicetrio.Offer(kinds, read, limit=clipboard.limit, viewer=viewer)
    clipboard.grab(offer)
    return offer


class RecordingServer:
    """Stands in for `spicetrio.Server`."""

    agent: RecordingAgent
    shared_folder = None

    def __init__(self) -> None:
        self.display = RecordingDisplay(1, 1)
        self.inputs = RecordingInputs()
        self.closed = False

    @asynccontextmanager
    async def open_display(self, width: int, height: int) -> AsyncIterator[RecordingDisplay]:
        self.display = RecordingDisplay(width, height)
        try:
            yield self.display
        finally:
            self.closed = True

    @asynccontextmanager
    async def open_inputs(self) -> AsyncIterator[RecordingInputs]:
        yield self.inputs

    @asynccontextmanager
    async def open_agent(self) -> AsyncIterator[RecordingAgent]:
        async with trio.open_nursery() as nursery:
            self.agent = RecordingAgent(nursery)
            yield self.agent
            nursery.cancel_scope.cancel()

    @property
    def server(self) -> spicetrio.Server:
        return cast("spicetrio.Server", cast(Any, self))
