"""Every viewer has the pointer's shape and place, and is not told again what it knows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio
from PIL import Image

import spicetrio
from spicetrio import MouseMode
from spicetrio.channels.cursor import CACHE_SIZE, MAX_CURSOR
from spicetrio.wire import base, cursor, main
from spicetrio.wire.buffer import Message
from spicetrio.wire.enums import ChannelType, CursorFlags, CursorType
from spicetrio.wire.geometry import Point16
from tests.channels.stage import Stage, open_stage, receive
from tests.peer import PeerChannel, Viewer


def shape(number: int) -> bytes:
    return number.to_bytes(4, "little") * 4


@dataclass
class Pointer:
    stage: Stage
    display: spicetrio.Display
    viewer: Viewer
    channel: PeerChannel

    @property
    def cursor(self) -> spicetrio.Cursor:
        return self.display.cursor

    def set(self, number: int) -> None:
        self.cursor.set(shape(number), 1, 0, width=2, height=2)

    async def next(self) -> Message:
        """The next message about the pointer."""
        while isinstance(message := await self.channel.receive(), base.SetAck | base.Ping):
            pass
        return message

    async def nothing(self) -> None:
        """Check that nothing comes, by something that does."""
        before = self.cursor.state.shape
        self.cursor.set(shape(0xABCDEF), 0, 0, width=2, height=2)
        message = await self.next()
        assert isinstance(message, cursor.Set)
        if before is not None:
            self.cursor.set(before.pixels, before.hot_x, before.hot_y, width=before.width, height=before.height)
            await self.next()


@asynccontextmanager
async def open_pointer() -> AsyncIterator[Pointer]:
    async with (
        open_stage() as stage,
        stage.server.open_display(32, 32) as display,
        stage.server.open_inputs(),
        stage.viewer() as viewer,
    ):
        channel = await viewer.open(ChannelType.CURSOR)
        async with channel.stream:
            yield Pointer(stage, display, viewer, channel)


async def settled(pointer: Pointer) -> None:
    assert isinstance(await pointer.next(), cursor.Init)
    await trio.testing.wait_all_tasks_blocked(0.002)  # it has given its credit


async def test_init_is_sent_even_without_a_shape() -> None:
    async with open_pointer() as pointer:
        assert isinstance(await pointer.channel.receive(), base.SetAck)
        assert await pointer.next() == cursor.Init(Point16(0, 0), 0, 0, True, cursor.Cursor(CursorFlags.NONE))


async def test_init_tells_the_present_shape_and_place() -> None:
    async with open_stage() as stage, stage.server.open_display(8, 8) as display, stage.viewer() as viewer:
        display.cursor.set(Image.new("RGBA", (3, 2), (1, 2, 3, 4)), 2, 1)
        display.cursor.move(-5, 7)
        display.cursor.hide()
        channel = await viewer.open(ChannelType.CURSOR)
        init = await receive(channel, cursor.Init)
        assert (init.position, init.visible) == (Point16(-5, 7), False)
        assert init.cursor.flags == CursorFlags.CACHE_ME
        header = init.cursor.header
        assert header is not None
        assert header.unique != 0
        assert header.type == CursorType.ALPHA
        assert (header.width, header.height, header.hot_x, header.hot_y) == (3, 2, 2, 1)
        assert bytes(init.cursor.data) == bytes((3, 2, 1, 4)) * 6
        await channel.stream.aclose()


async def test_a_shape_is_sent_once_and_then_called_from_the_cache() -> None:
    async with open_pointer() as pointer:
        await settled(pointer)
        seen = {}
        for number in (1, 2):
            pointer.set(number)
            message = await pointer.next()
            assert isinstance(message, cursor.Set)
            assert message.cursor.flags == CursorFlags.CACHE_ME
            assert bytes(message.cursor.data) == shape(number)
            assert message.cursor.header
            seen[number] = message.cursor.header.unique
        for number in (1, 2, 1):
            pointer.set(number)
            message = await pointer.next()
            assert isinstance(message, cursor.Set)
            assert message.cursor.flags == CursorFlags.FROM_CACHE
            assert message.cursor.header
            assert message.cursor.header.unique == seen[number]
            assert bytes(message.cursor.data) == b""


async def test_setting_the_same_shape_again_says_nothing() -> None:
    async with open_pointer() as pointer:
        await settled(pointer)
        pointer.set(1)
        await pointer.next()
        pointer.set(1)
        await pointer.nothing()


async def test_another_hot_spot_is_another_shape() -> None:
    async with open_pointer() as pointer:
        await settled(pointer)
        uniques = set()
        for hot_x in (0, 1):
            pointer.cursor.set(shape(1), hot_x, 0, width=2, height=2)
            message = await pointer.next()
            assert isinstance(message, cursor.Set)
            assert message.cursor.header
            assert message.cursor.header.hot_x == hot_x
            uniques.add(message.cursor.header.unique)
        assert len(uniques) == 2


async def test_a_viewer_keeps_as_many_shapes_as_it_can_and_is_told_which_to_forget() -> None:
    async with open_pointer() as pointer:
        await settled(pointer)
        cache: set[int] = set()
        first = None
        for number in [*range(1, CACHE_SIZE + 1), 1, *range(CACHE_SIZE + 1, CACHE_SIZE + 4), 1, 2]:
            pointer.set(number)
            while not isinstance(message := await pointer.next(), cursor.Set):
                assert isinstance(message, cursor.InvalOne)
                cache.remove(message.id)
            header = message.cursor.header
            assert header
            if message.cursor.flags == CursorFlags.FROM_CACHE:
                assert header.unique in cache
            else:
                assert header.unique not in cache
                cache.add(header.unique)
            assert len(cache) <= CACHE_SIZE
            first = first or header.unique
            if number == 1:
                assert header.unique == first, "it was used of late, so it was kept"


async def test_moves_are_told_in_server_mode_and_only_the_last_matters() -> None:
    async with open_pointer() as pointer:
        await settled(pointer)
        pointer.cursor.move(3, 4)
        assert await pointer.next() == cursor.Move(Point16(3, 4))
        await trio.testing.wait_all_tasks_blocked(0.002)
        pointer.cursor.move(3, 4)
        for step in range(50):
            pointer.cursor.move(step, step)
        moves = []
        while not moves or moves[-1] != cursor.Move(Point16(49, 49)):
            moves.append(await pointer.next())
        assert len(moves) <= 3


async def test_in_client_mode_a_move_is_told_only_to_show_the_pointer_again() -> None:
    async with open_pointer() as pointer:
        await settled(pointer)
        await pointer.viewer.main.send(main.MouseModeRequest(MouseMode.CLIENT))
        while (await receive(pointer.viewer.main, main.MouseModeMessage)).current != MouseMode.CLIENT:
            pass
        pointer.cursor.move(3, 4)
        pointer.cursor.move(5, 6)
        await pointer.nothing()
        pointer.cursor.hide()
        assert isinstance(await pointer.next(), cursor.Hide)
        pointer.cursor.move(7, 8)
        assert await pointer.next() == cursor.Move(Point16(7, 8))


async def test_hiding_and_showing_are_told_once() -> None:
    async with open_pointer() as pointer:
        await settled(pointer)
        pointer.cursor.move(3, 4)
        await pointer.next()
        pointer.cursor.hide()
        assert await pointer.next() == cursor.Hide()
        pointer.cursor.hide()
        pointer.cursor.show()
        assert await pointer.next() == cursor.Move(Point16(3, 4))
        pointer.cursor.show()
        await pointer.nothing()


async def test_a_shape_set_while_hidden_stays_hidden() -> None:
    async with open_pointer() as pointer:
        await settled(pointer)
        pointer.cursor.hide()
        await pointer.next()
        pointer.set(5)
        message = await pointer.next()
        assert isinstance(message, cursor.Set)
        assert not message.visible


async def test_a_resize_of_the_display_does_not_begin_the_pointer_anew() -> None:
    async with open_pointer() as pointer:
        await settled(pointer)
        pointer.set(5)
        await pointer.next()
        await pointer.display.resize(64, 64)
        await pointer.nothing()


async def test_a_viewer_that_takes_nothing_gets_the_last_state_when_it_does() -> None:
    async with open_stage() as stage, stage.server.open_display(8, 8) as display, stage.viewer() as viewer:
        channel = await viewer.open(ChannelType.CURSOR)
        channel.acknowledge = False
        await receive(channel, cursor.Init)
        for number in range(500):
            display.cursor.set(shape(number), 0, 0, width=2, height=2)
            display.cursor.move(number, number)
            await trio.lowlevel.checkpoint()
        for client in display.cursor.clients:
            assert client.writer.peak_bytes < 4096
        channel.acknowledge = True
        await channel.send(base.Ack(), base.Ack(), base.Ack())
        message: Message | None = None
        while not (isinstance(message, cursor.Set | cursor.Move) and message.position == Point16(499, 499)):
            message = await channel.receive()
        await channel.stream.aclose()


async def test_the_largest_pointer_reaches_its_viewers() -> None:
    async with open_pointer() as pointer:
        await settled(pointer)
        pixels = bytes(4 * MAX_CURSOR * MAX_CURSOR)
        pointer.cursor.set(pixels, 0, 0, width=MAX_CURSOR, height=MAX_CURSOR)
        message = await pointer.next()
        assert isinstance(message, cursor.Set)
        assert bytes(message.cursor.data) == pixels


@pytest.mark.parametrize(
    ("image", "arguments", "text"),
    [
        (bytes(16), {}, "need a width and a height"),
        (bytes(16), {"width": 2, "height": 3}, "16 bytes, expected 24"),
        (bytes(17), {"width": 2, "height": 2}, "17 bytes, expected 16"),
        (b"", {"width": 0, "height": 0}, "0 x 0"),
        (bytes(4 * 1025), {"width": 1025, "height": 1}, "1025 x 1"),
        (bytes(16), {"width": 2, "height": 2, "hot_x": 2}, "hot spot"),
        (bytes(16), {"width": 2, "height": 2, "hot_y": -1}, "hot spot"),
        (Image.new("RGBA", (0, 0)), {}, "0 x 0"),
    ],
)
async def test_what_is_no_shape_is_refused_and_changes_nothing(
    image: bytes | Image.Image, arguments: dict[str, int], text: str
) -> None:
    async with open_stage() as stage, stage.server.open_display(8, 8) as display:
        state = display.cursor.state
        hot_x, hot_y = arguments.pop("hot_x", 0), arguments.pop("hot_y", 0)
        with pytest.raises(ValueError, match=text):
            display.cursor.set(image, hot_x, hot_y, **arguments)
        for place in ((32768, 0), (0, -32769)):
            with pytest.raises(ValueError, match="16-bit"):
                display.cursor.move(*place)
        assert display.cursor.state is state
