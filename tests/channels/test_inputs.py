"""Keys, buttons and pointers of viewers reach the application: all of them, in order, and none stays pressed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

import spicetrio
from spicetrio import ButtonEvent, KeyEvent, Locks, MouseMode, PointerMotion, PointerPosition, WheelEvent
from spicetrio.channels import inputs as inputs_module
from spicetrio.channels.inputs import _ScanCodes
from spicetrio.wire import base, inputs, main
from spicetrio.wire.buffer import Message
from spicetrio.wire.enums import ChannelType
from tests.channels.stage import Stage, closed, open_stage, receive, until
from tests.peer import PeerChannel, Viewer


@dataclass
class Desk:
    stage: Stage
    inputs: spicetrio.Inputs
    viewer: Viewer
    channel: PeerChannel

    async def type(self, *data: bytes) -> None:
        await self.channel.send(*(inputs.KeyScancode(part) for part in data))

    async def events(self, count: int) -> list[tuple[object, ...]]:
        """The next events, without their viewers."""
        return [await self.event() for _ in range(count)]

    async def event(self) -> tuple[object, ...]:
        return plain(await anext(self.inputs))

    async def ask_for(self, mode: MouseMode) -> None:
        await self.viewer.main.send(main.MouseModeRequest(mode))
        while (await receive(self.viewer.main, main.MouseModeMessage)).current != mode:
            pass


def plain(event: spicetrio.InputEvent) -> tuple[object, ...]:
    match event:
        case KeyEvent(code, down, _):
            return "key", code, down
        case ButtonEvent(button, down, _):
            return "button", button, down
        case WheelEvent(steps, _):
            return "wheel", steps
        case PointerMotion(dx, dy, _):
            return "motion", dx, dy
        case PointerPosition(x, y, display_id, _):
            return "position", x, y, display_id


@asynccontextmanager
async def open_desk(*, absolute: bool = True) -> AsyncIterator[Desk]:
    async with (
        open_stage() as stage,
        stage.server.open_display(32, 32),
        stage.server.open_inputs(absolute=absolute) as taken,
        stage.viewer() as viewer,
    ):
        channel = await viewer.open(ChannelType.INPUTS)
        async with channel.stream:
            yield Desk(stage, taken, viewer, channel)


def scanned(data: Sequence[int]) -> list[tuple[int, bool]]:
    codes = _ScanCodes()
    return [key for byte in data if (key := codes.feed(byte)) is not None]


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        ([0x1E, 0x9E], [(0x1E, True), (0x1E, False)]),
        ([0xE0, 0x1D, 0xE0, 0x9D], [(0xE01D, True), (0xE01D, False)]),
        ([0xE1, 0x1D, 0x45, 0xE1, 0x9D, 0xC5], [(0xE11D45, True), (0xE11D45, False)]),
        ([0xE0, 0x2A, 0xE0, 0x37], [(0xE02A, True), (0xE037, True)]),
        ([0xE0, 0x48, 0x48], [(0xE048, True), (0x48, True)]),
        ([0xE0, 0xE0, 0x1D], [(0xE01D, True)]),
        ([0xE1, 0xE0, 0x1D], [(0xE01D, True)]),
        ([0xE1, 0x1D, 0x45, 0x45], [(0xE11D45, True), (0x45, True)]),
        ([0xE0], []),
        ([0xE1, 0x1D], []),
    ],
)
def test_scan_codes_with_their_prefixes_become_keys(data: list[int], keys: list[tuple[int, bool]]) -> None:
    assert scanned(data) == keys


@given(st.binary(max_size=40))
def test_whatever_bytes_come_no_release_bit_and_no_prefix_alone_is_told(data: bytes) -> None:
    for code, _ in scanned(data):
        assert code & 0x80 == 0
        assert code < 0x80 or code >> 8 in (0xE0, 0xE2) or code >> 16 == 0xE1


async def test_keys_come_whether_as_codes_or_as_bytes_and_name_their_viewer() -> None:
    async with open_desk() as desk:
        await desk.channel.send(inputs.KeyDown(0x1E), inputs.KeyUp(0x9E))
        await desk.channel.send(inputs.KeyDown(0x1DE0), inputs.KeyUp(0x9DE0))
        await desk.type(b"\xe1\x1d\x45\xe1\x9d\xc5")
        assert await desk.events(6) == [
            ("key", 0x1E, True),
            ("key", 0x1E, False),
            ("key", 0xE01D, True),
            ("key", 0xE01D, False),
            ("key", 0xE11D45, True),
            ("key", 0xE11D45, False),
        ]
        await desk.type(b"\x10")
        event = await anext(desk.inputs)
        assert event.viewer is desk.stage.server.clients.value[0]


async def test_scan_codes_may_be_split_over_messages_anyhow() -> None:
    async with open_desk() as desk:
        await desk.type(b"\xe0", b"\x1d", b"\xe1", b"\x1d", b"\x45", b"\xe0")
        await desk.channel.send(inputs.KeyDown(0x9D))
        assert await desk.events(3) == [("key", 0xE01D, True), ("key", 0xE11D45, True), ("key", 0xE01D, False)]


async def test_a_key_that_is_held_repeats() -> None:
    async with open_desk() as desk:
        await desk.type(b"\x1e\x1e\x1e\x9e")
        assert await desk.events(4) == [("key", 0x1E, True)] * 3 + [("key", 0x1E, False)]


async def test_empty_codes_are_nothing() -> None:
    async with open_desk() as desk:
        await desk.channel.send(inputs.KeyDown(0), inputs.KeyUp(0), inputs.KeyScancode(b""), inputs.KeyDown(0x10))
        assert await desk.event() == ("key", 0x10, True)


HELD = [("key", 0x2A, False), ("key", 0xE01D, False), ("button", 1, False), ("button", 3, False)]


async def hold(desk: Desk) -> None:
    await desk.type(b"\x2a\xe0\x1d\x1e\x9e")
    await desk.channel.send(inputs.MousePress(3, 4), inputs.MousePress(1, 5))
    await desk.events(6)


@pytest.mark.parametrize("way", ["eof", "goodbye", "rubbish", "main", "ended", "reset"])
async def test_what_a_viewer_holds_is_released_when_it_leaves_in_whatever_way(way: str) -> None:
    async with open_desk() as desk:
        await hold(desk)
        match way:
            case "eof":
                await desk.channel.stream.aclose()
            case "goodbye":
                await desk.channel.send(base.ClientDisconnecting(0, 0))
            case "rubbish":
                await desk.channel.stream.send_all(b"\xff" * 64)
            case "main":
                await desk.viewer.main.stream.aclose()
            case "ended":
                desk.stage.server.clients.value[0].end()
            case "reset":
                for _ in range(100):  # unread data makes the close a reset
                    desk.inputs.set_locks(Locks.CAPS)
                    desk.inputs.set_locks(Locks.NONE)
                await trio.testing.wait_all_tasks_blocked()
                await desk.channel.stream.aclose()
        assert await desk.events(4) == HELD


async def test_what_other_viewers_hold_stays_held() -> None:
    async with open_desk() as desk:
        async with desk.stage.viewer() as other:
            channel = await other.open(ChannelType.INPUTS)
            await channel.send(inputs.KeyDown(0x10))
            assert await desk.event() == ("key", 0x10, True)
            await desk.channel.send(inputs.KeyDown(0x11))
            assert await desk.event() == ("key", 0x11, True)
            await channel.stream.aclose()
            assert await desk.event() == ("key", 0x10, False)
        await desk.channel.send(inputs.KeyUp(0x91))
        assert await desk.event() == ("key", 0x11, False)


@pytest.mark.parametrize("message", [inputs.KeyUp(0xAA), inputs.MouseRelease(1, 0)], ids=["key", "button"])
async def test_a_release_that_waits_for_room_is_not_lost_with_its_viewer(message: Message) -> None:
    async with open_desk() as desk:
        await desk.channel.send(inputs.KeyDown(0x2A), inputs.MousePress(1, 1))
        await desk.events(2)
        await desk.channel.send(*[inputs.MousePress(4, 0)] * inputs_module.QUEUE_LENGTH, message)
        await until(lambda: len(desk.inputs._events) == inputs_module.QUEUE_LENGTH)
        await trio.testing.wait_all_tasks_blocked(0.01)
        desk.stage.server.clients.value[0].end()
        await desk.stage.server.clients.wait_value(())
        events = await desk.events(inputs_module.QUEUE_LENGTH + 2)
        assert sorted(events[-2:]) == [("button", 1, False), ("key", 0x2A, False)]


async def test_a_press_that_waited_in_vain_for_room_is_not_released() -> None:
    async with open_desk() as desk:
        wheel = [inputs.MousePress(4, 0)] * inputs_module.QUEUE_LENGTH
        await desk.channel.send(*wheel, inputs.KeyDown(0x3A), inputs.KeyDown(0x11))
        await until(lambda: len(desk.inputs._events) == inputs_module.QUEUE_LENGTH)
        await trio.testing.wait_all_tasks_blocked(0.01)
        desk.stage.server.clients.value[0].end()
        await desk.stage.server.clients.wait_value(())
        await until(lambda: not desk.inputs.clients)
        assert len(desk.inputs._events) == inputs_module.QUEUE_LENGTH
        assert desk.inputs.locks.value == Locks.NONE, "the application never heard of that key"


async def test_a_viewer_that_sends_more_than_is_taken_is_read_no_further_and_others_are() -> None:
    async with open_desk() as desk:
        sent = 0
        with trio.move_on_after(0.3):
            while True:
                await desk.channel.send(*[inputs.MousePress(4, 0)] * 1000)
                sent += 1000
        assert len(desk.inputs._events) == inputs_module.QUEUE_LENGTH
        async with desk.stage.viewer() as other:
            assert other.init.session_id
        taken = [await desk.event() for _ in range(sent)]
        assert taken == [("wheel", -1)] * sent


async def test_two_tasks_may_share_the_events_and_neither_sleeps_for_ever() -> None:
    async with open_desk() as desk, trio.open_nursery() as nursery:
        got: list[object] = []

        async def take(scope: trio.CancelScope) -> None:
            with scope:
                async for event in desk.inputs:
                    got.append(plain(event))

        scopes = [trio.CancelScope(), trio.CancelScope()]
        for scope in scopes:
            nursery.start_soon(take, scope)
            await trio.testing.wait_all_tasks_blocked()
        scopes[1].cancel()
        await trio.testing.wait_all_tasks_blocked()
        await desk.type(b"\x10")
        await until(lambda: got == [("key", 0x10, True)])
        scopes[0].cancel()


async def test_no_event_is_lost_when_waiting_for_it_is_cancelled() -> None:
    async with open_desk() as desk:
        got = []
        await desk.type(bytes(range(1, 50)))
        while len(got) < 49:
            with trio.move_on_after(0) as scope:
                event = await desk.event()
            if not scope.cancelled_caught:
                got.append(event)
            else:
                with trio.move_on_after(0.05) as scope:
                    got.append(await desk.event())
        assert got == [("key", code, True) for code in range(1, 50)]


async def test_a_viewer_is_told_the_locks_first_and_when_they_change() -> None:
    async with open_desk() as desk:
        assert await receive(desk.channel, inputs.Init) == inputs.Init(Locks.NONE)
        desk.inputs.set_locks(Locks.CAPS | Locks.NUM)
        assert (await receive(desk.channel, inputs.KeyModifiers)).modifiers == Locks.CAPS | Locks.NUM
        desk.inputs.set_locks(Locks.CAPS | Locks.NUM)  # nothing changed
        desk.inputs.set_locks(Locks.NONE)
        assert (await receive(desk.channel, inputs.KeyModifiers)).modifiers == Locks.NONE
        desk.inputs.set_locks(Locks.SCROLL)
        async with desk.stage.viewer() as other:
            channel = await other.open(ChannelType.INPUTS)
            assert await channel.receive() == inputs.Init(Locks.SCROLL)
            await channel.stream.aclose()


async def test_a_viewer_whose_locks_differ_presses_those_keys() -> None:
    async with open_desk() as desk:
        await desk.channel.send(inputs.ClientKeyModifiers(Locks.CAPS | Locks.NUM))
        wanted = [("key", 0x45, True), ("key", 0x45, False), ("key", 0x3A, True), ("key", 0x3A, False)]
        assert await desk.events(4) == wanted
        assert desk.inputs.locks.value == Locks.CAPS | Locks.NUM
        await desk.channel.send(inputs.ClientKeyModifiers(Locks.CAPS | Locks.NUM), inputs.ClientKeyModifiers(Locks.NUM))
        assert await desk.events(2) == [("key", 0x3A, True), ("key", 0x3A, False)]
        await desk.channel.send(inputs.ClientKeyModifiers(0xFFF8 | Locks.NUM), inputs.KeyDown(1))
        assert await desk.event() == ("key", 1, True)


async def test_a_lock_key_that_is_held_is_not_pressed_once_more() -> None:
    async with open_desk() as desk:
        await desk.type(b"\x3a\x3a")
        await desk.channel.send(inputs.ClientKeyModifiers(Locks.NONE), inputs.KeyDown(1))
        assert await desk.events(3) == [("key", 0x3A, True), ("key", 0x3A, True), ("key", 1, True)]
        assert desk.inputs.locks.value == Locks.CAPS, "a repetition is no second press"


async def test_viewers_whose_locks_differ_do_not_switch_them_to_and_fro() -> None:
    async with open_desk() as desk, desk.stage.viewer() as other:
        channel = await other.open(ChannelType.INPUTS)
        await desk.channel.send(inputs.ClientKeyModifiers(Locks.CAPS))
        assert await desk.events(2) == [("key", 0x3A, True), ("key", 0x3A, False)]
        desk.inputs.set_locks(Locks.CAPS)
        assert (await receive(channel, inputs.KeyModifiers)).modifiers == Locks.CAPS
        await channel.send(inputs.ClientKeyModifiers(Locks.NONE), inputs.MousePress(1, 0))  # as viewers answer
        assert await desk.event() == ("button", 1, True)
        assert desk.inputs.locks.value == Locks.CAPS
        await channel.stream.aclose()


async def test_the_locks_are_those_of_the_viewer_that_types() -> None:
    async with open_desk() as desk, desk.stage.viewer() as other:
        channel = await other.open(ChannelType.INPUTS)
        await desk.channel.send(inputs.ClientKeyModifiers(Locks.CAPS), inputs.KeyDown(0x1E))
        assert await desk.events(3) == [("key", 0x3A, True), ("key", 0x3A, False), ("key", 0x1E, True)]
        await channel.send(inputs.ClientKeyModifiers(Locks.NUM), inputs.KeyUp(0x9E), inputs.KeyDown(0x1F))
        switched = [("key", code, down) for code in (0x45, 0x3A) for down in (True, False)]
        assert await desk.events(6) == [("key", 0x1E, False), *switched, ("key", 0x1F, True)]
        await channel.send(inputs.KeyDown(0x45))
        assert await desk.event() == ("key", 0x45, True)
        await desk.channel.send(inputs.KeyDown(0x20))
        assert await desk.events(3) == [("key", 0x3A, True), ("key", 0x3A, False), ("key", 0x20, True)]
        await channel.send(inputs.KeyDown(0x21))  # its num lock is off by now, as it pressed the key itself
        assert await desk.events(3) == [("key", 0x3A, True), ("key", 0x3A, False), ("key", 0x21, True)]
        await channel.stream.aclose()


async def test_the_locks_of_the_next_viewer_count_when_the_one_that_typed_has_left() -> None:
    async with open_desk() as desk, desk.stage.viewer() as other:
        channel = await other.open(ChannelType.INPUTS)
        await channel.send(inputs.KeyDown(0x1E))
        assert await desk.event() == ("key", 0x1E, True)
        await channel.stream.aclose()
        assert await desk.event() == ("key", 0x1E, False)
        await desk.channel.send(inputs.ClientKeyModifiers(Locks.CAPS))
        assert await desk.events(2) == [("key", 0x3A, True), ("key", 0x3A, False)]


async def test_an_application_that_refuses_a_lock_tells_viewers_that_believed_in_it() -> None:
    async with open_desk() as desk:
        await desk.type(b"\x3a\xba")
        await desk.events(2)
        async with desk.stage.viewer() as other:
            channel = await other.open(ChannelType.INPUTS)
            assert await channel.receive() == inputs.Init(Locks.CAPS)
            desk.inputs.set_locks(Locks.NONE)
            assert (await receive(channel, inputs.KeyModifiers)).modifiers == Locks.NONE
            await channel.stream.aclose()


async def test_locks_may_be_set_while_a_viewer_is_about_to_come() -> None:
    async with open_stage() as stage, stage.server.open_inputs() as taken, stage.viewer() as viewer:
        async with trio.open_nursery() as nursery:
            done = trio.Event()

            async def blink() -> None:
                while not done.is_set():
                    taken.set_locks(taken.locks.value ^ Locks.CAPS)
                    await trio.lowlevel.checkpoint()

            nursery.start_soon(blink)
            channel = await viewer.open(ChannelType.INPUTS)
            assert isinstance(await channel.receive(), inputs.Init)
            done.set()
        await channel.stream.aclose()


async def test_every_fourth_motion_is_acknowledged_of_whatever_kind() -> None:
    async with open_desk() as desk:
        for bunch in range(3):
            for kind in range(4):
                motion = inputs.MouseMotion(1, 1, 0) if (bunch + kind) % 2 else inputs.MousePosition(1, 1, 0, 0)
                await desk.channel.send(motion)
            await receive(desk.channel, inputs.MouseMotionAck)
        await desk.channel.send(*[inputs.MouseMotion(1, 1, 0)] * 3)
        with trio.move_on_after(0.03) as scope:
            await receive(desk.channel, inputs.MouseMotionAck)
        assert scope.cancelled_caught


async def test_motions_count_in_server_mode_and_positions_in_client_mode_for_each_viewer_alone() -> None:
    async with open_desk() as desk, desk.stage.viewer() as other:
        channel = await other.open(ChannelType.INPUTS)
        await desk.ask_for(MouseMode.CLIENT)
        both = [inputs.MouseMotion(3, -4, 0), inputs.MousePosition(5, 6, 0, 2)]
        await desk.channel.send(*both)
        assert await desk.event() == ("position", 5, 6, 2)
        await channel.send(*both)
        assert await desk.event() == ("motion", 3, -4)
        await desk.ask_for(MouseMode.SERVER)
        await desk.channel.send(*both)
        assert await desk.event() == ("motion", 3, -4)
        await desk.channel.send(inputs.KeyDown(1))
        assert await desk.event() == ("key", 1, True)
        await channel.stream.aclose()


async def test_without_absolute_inputs_no_viewer_sends_positions() -> None:
    async with open_desk(absolute=False) as desk:
        assert desk.viewer.init.supported_mouse_modes == MouseMode.SERVER
        await desk.viewer.main.send(main.MouseModeRequest(MouseMode.CLIENT))
        assert (await receive(desk.viewer.main, main.MouseModeMessage)).current == MouseMode.SERVER
        await desk.channel.send(inputs.MousePosition(5, 6, 0, 0), inputs.MouseMotion(1, 2, 0))
        assert await desk.event() == ("motion", 1, 2)


async def test_positions_may_be_taken_later_and_no_more() -> None:
    async with open_desk(absolute=False) as desk:
        desk.inputs.absolute = True
        offer = await receive(desk.viewer.main, main.MouseModeMessage)
        assert offer.supported == MouseMode.SERVER | MouseMode.CLIENT
        await desk.viewer.main.send(main.MouseModeRequest(MouseMode.CLIENT))
        assert (await receive(desk.viewer.main, main.MouseModeMessage)).current == MouseMode.CLIENT
        await desk.channel.send(inputs.MousePosition(5, 6, 0, 0))
        assert await desk.event() == ("position", 5, 6, 0)
        desk.inputs.absolute = False
        offer = await receive(desk.viewer.main, main.MouseModeMessage)
        assert (offer.supported, offer.current) == (MouseMode.SERVER, MouseMode.SERVER)


async def test_sixteen_buttons_go_down_and_up_and_the_wheel_is_none_of_them() -> None:
    async with open_desk() as desk:
        for button in range(1, 17):
            await desk.channel.send(inputs.MousePress(button, 0), inputs.MouseRelease(button, 0))
            if button in (4, 5):
                assert await desk.event() == ("wheel", -1 if button == 4 else 1)
            else:
                assert await desk.events(2) == [("button", button, True), ("button", button, False)]


@pytest.mark.parametrize("button", [0, 17, 255])
async def test_buttons_that_do_not_exist_are_not_told(button: int) -> None:
    async with open_desk() as desk:
        await desk.channel.send(inputs.MousePress(button, 0xFFFF), inputs.MouseRelease(button, 0), inputs.KeyDown(1))
        assert await desk.event() == ("key", 1, True)


async def test_a_button_never_pressed_is_not_released() -> None:
    async with open_desk() as desk:
        await desk.channel.send(inputs.MouseRelease(1, 0), inputs.KeyDown(1))
        assert await desk.event() == ("key", 1, True)


async def test_releases_that_were_lost_are_made_up_in_the_order_of_the_buttons() -> None:
    async with open_desk() as desk:
        await desk.channel.send(inputs.MousePress(1, 0), inputs.MousePress(16, 0), inputs.MouseMotion(1, 1, 0))
        assert (await desk.events(4))[2:] == [("button", 1, False), ("button", 16, False)]


async def test_a_release_that_was_lost_is_made_up_by_the_mask_of_the_next_motion() -> None:
    async with open_desk() as desk:
        await desk.channel.send(inputs.MousePress(1, 1), inputs.MousePress(3, 5), inputs.MouseMotion(1, 1, 4))
        assert await desk.events(4) == [
            ("button", 1, True),
            ("button", 3, True),
            ("button", 1, False),
            ("motion", 1, 1),
        ]


async def test_a_viewer_that_holds_impossibly_many_keys_costs_little() -> None:
    async with open_desk() as desk:
        await desk.type(bytes(range(1, 0x60)), b"".join(bytes((0xE0, code)) for code in range(1, 0x60)))
        await desk.events(inputs_module.MAX_KEYS)
        await desk.channel.stream.aclose()
        released = await desk.events(inputs_module.MAX_KEYS)
        assert all(not down for _, _, down in released)


async def test_messages_that_the_channel_does_not_have_end_the_viewer() -> None:
    async with open_desk() as desk:
        await desk.channel.stream.send_all((999).to_bytes(2, "little") + bytes(4))
        await closed(desk.channel)
        await desk.stage.server.clients.wait_value(())


async def test_a_viewer_may_come_back() -> None:
    async with open_desk() as desk:
        await desk.channel.receive()  # with data unread it would be a reset, which ends the viewer
        await desk.channel.stream.aclose()
        await until(lambda: not desk.inputs.clients)
        channel = await desk.viewer.open(ChannelType.INPUTS)
        await channel.send(inputs.KeyDown(1))
        assert await desk.event() == ("key", 1, True)
        await channel.stream.aclose()
