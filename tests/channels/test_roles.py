"""What a viewer that may only view can do: everything that only it sees."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import spicetrio
from spicetrio import ButtonEvent, KeyEvent, Locks, Role, Ticket
from spicetrio.channels.inputs import MOTION_ACK_BUNCH, QUEUE_LENGTH
from spicetrio.wire import base, inputs, main
from spicetrio.wire.buffer import Message
from spicetrio.wire.enums import ChannelType, MouseMode
from tests.peer import PeerChannel, Viewer, open_viewer
from tests.server.rig import Rig, open_rig, receive

OWNER = Ticket("owner's")
GUEST = Ticket("guest's", Role.VIEW)

EVERYTHING = (
    inputs.KeyDown(0x1E), inputs.KeyUp(0x9E), inputs.KeyScancode(b"\xe0\x1d\xe0\x9d"),
    inputs.KeyDown(0x3A), inputs.KeyUp(0xBA), inputs.ClientKeyModifiers(Locks.CAPS | Locks.NUM),
    inputs.MousePress(1, 1), inputs.MouseRelease(1, 0), inputs.MousePress(4, 0), inputs.MouseRelease(4, 0),
    inputs.MouseMotion(3, 4, 1), inputs.MousePosition(5, 6, 2, 0), inputs.MousePress(3, 4),
)  # fmt: skip
"""Each kind of message on the inputs channel, with keys and buttons held at its end."""


async def opened(rig: Rig, viewer: Viewer) -> PeerChannel:
    channel = await viewer.open(ChannelType.INPUTS)
    await receive(channel, inputs.Init)
    return channel


async def next_now(events: spicetrio.Inputs) -> object:
    """The next event if there is one now."""
    found: list[object] = [None]

    async def take() -> None:
        found.insert(0, await anext(events))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return found[0]


@pytest.mark.parametrize("mode", [MouseMode.SERVER, MouseMode.CLIENT])
async def test_what_a_viewer_types_and_points_at_comes_to_nothing_if_it_may_only_view(mode: MouseMode) -> None:
    async with open_rig(tickets=(OWNER, GUEST)) as rig, rig.server.open_inputs() as events:
        async with (
            open_viewer(rig.connect, password="owner's") as owner,
            open_viewer(rig.connect, password="guest's") as guest,
        ):
            keyboard, other = await opened(rig, owner), await opened(rig, guest)
            rig.server.clients.value[1].mouse_mode.value = mode
            await other.send(*EVERYTHING)
            assert await next_now(events) is None
            assert events.locks.value == Locks.NONE
            await keyboard.send(inputs.KeyDown(0x1E))
            event = await next_now(events)
            assert isinstance(event, KeyEvent)
            assert event.viewer is rig.server.clients.value[0]
        await rig.server.clients.wait_value(())
        event = await next_now(events)  # the owner held a key; what the guest held never was
        assert (type(event), getattr(event, "down", None)) == (KeyEvent, False)
        assert await next_now(events) is None


async def test_motions_of_who_may_only_view_are_acknowledged_all_the_same() -> None:
    async with (
        open_rig(tickets=(GUEST,)) as rig,
        rig.server.open_inputs() as events,
        open_viewer(rig.connect, password="guest's") as guest,
    ):
        channel = await opened(rig, guest)
        for _ in range(3):  # clients send no more than a few that are not acknowledged
            await channel.send(*[inputs.MouseMotion(1, 1, 0)] * MOTION_ACK_BUNCH)
            await receive(channel, inputs.MouseMotionAck)
        assert await next_now(events) is None


async def test_who_may_only_view_is_told_of_the_lights_and_has_a_mouse_mode_of_its_own() -> None:
    async with (
        open_rig(tickets=(GUEST,)) as rig,
        rig.server.open_inputs() as events,
        rig.server.open_display(8, 8),
        open_viewer(rig.connect, password="guest's") as guest,
    ):
        channel = await opened(rig, guest)
        events.set_locks(Locks.NUM)
        assert (await receive(channel, inputs.KeyModifiers)).modifiers == Locks.NUM
        await guest.main.send(main.MouseModeRequest(MouseMode.CLIENT))
        while (await receive(guest.main, main.MouseModeMessage)).current != MouseMode.CLIENT:
            pass


async def test_who_may_only_view_sees_the_picture() -> None:
    with trio.fail_after(20):
        async with (
            open_rig(tickets=(GUEST,)) as rig,
            rig.server.open_display(16, 8) as display,
            open_viewer(rig.connect, password="guest's") as guest,
        ):
            channel = await guest.open_display()
            await display.fill(0, 0, 16, 8, 0x123456)
            picture = bytes.fromhex("56341200") * 128
            await guest.watch(channel, lambda screen: screen.marked and screen.pixels() == picture)


async def test_a_flood_of_who_may_only_view_does_not_fill_the_queue() -> None:
    async with (
        open_rig(tickets=(OWNER, GUEST)) as rig,
        rig.server.open_inputs() as events,
        open_viewer(rig.connect, password="guest's") as guest,
        open_viewer(rig.connect, password="owner's") as owner,
    ):
        flood, keyboard = await opened(rig, guest), await opened(rig, owner)
        await flood.send(*[inputs.KeyDown(0x1E), inputs.KeyUp(0x9E)] * QUEUE_LENGTH)
        await keyboard.send(inputs.KeyDown(0x10))
        event = await next_now(events)
        assert isinstance(event, KeyEvent)
        assert event.code == 0x10


@pytest.mark.parametrize(
    ("press", "release"),
    [(inputs.KeyDown(0x1E), inputs.KeyUp(0x9E)), (inputs.MousePress(1, 1), inputs.MouseRelease(1, 0))],
)
async def test_a_release_that_found_no_room_is_made_up_for_when_the_viewer_leaves(
    press: Message, release: Message
) -> None:
    async with open_rig() as rig, rig.server.open_inputs() as events:
        async with open_viewer(rig.connect) as viewer:
            channel = await opened(rig, viewer)
            await channel.send(press, *[inputs.MousePress(4, 0)] * (QUEUE_LENGTH - 1), release)
            await wait_all_tasks_blocked()
        await rig.server.clients.wait_value(())
        downs = []
        while (event := await next_now(events)) is not None:
            if isinstance(event, KeyEvent | ButtonEvent):
                downs.append(event.down)
        assert downs == [True, False]


async def test_a_press_that_found_no_room_never_was() -> None:
    async with open_rig() as rig, rig.server.open_inputs() as events:
        async with open_viewer(rig.connect) as viewer:
            channel = await opened(rig, viewer)
            for _ in range(QUEUE_LENGTH):
                await channel.send(inputs.MousePress(4, 0))
            await channel.send(inputs.KeyDown(0x3A))
            await wait_all_tasks_blocked()
        await rig.server.clients.wait_value(())
        told = [await next_now(events) for _ in range(QUEUE_LENGTH)]
        assert not any(isinstance(event, KeyEvent) for event in told)
        assert await next_now(events) is None
        assert events.locks.value == Locks.NONE


async def test_several_tasks_may_take_inputs_and_each_event_comes_once() -> None:
    async with open_rig() as rig, rig.server.open_inputs() as events, open_viewer(rig.connect) as viewer:
        channel = await opened(rig, viewer)
        taken: list[int] = []

        async def take_one() -> None:
            event = await anext(events)
            assert isinstance(event, KeyEvent)
            taken.append(event.code)

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(take_one)
                await wait_all_tasks_blocked()
                await channel.send(*[inputs.KeyDown(code) for code in (0x10, 0x11, 0x12)])
        assert sorted(taken) == [0x10, 0x11, 0x12]


class Presser(trio.abc.Instrument):
    """An application that changes its lights and its mouse modes after every step of any task."""

    def __init__(self, rig: Rig, events: spicetrio.Inputs) -> None:
        self.rig, self.events = rig, events
        self.steps = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += 1
        self.events.set_locks(Locks.NUM if self.steps % 2 else Locks.CAPS)
        if self.steps % 7 == 0:
            self.rig.server._main.mouse_modes_changed()


async def test_lights_and_mouse_modes_may_change_at_every_moment_of_a_connection() -> None:
    async with open_rig() as rig, rig.server.open_inputs() as events:
        presser = Presser(rig, events)
        trio.lowlevel.add_instrument(presser)
        async with open_viewer(rig.connect) as viewer:  # INIT is its first message
            channel = await viewer.open(ChannelType.INPUTS)
            assert isinstance(await channel.receive(), inputs.Init)
            await channel.send(base.ClientDisconnecting(0, 0))
            await viewer.main.send(base.ClientDisconnecting(0, 0))
        await rig.server.clients.wait_value(())
        trio.lowlevel.remove_instrument(presser)  # Trio has removed it if it raised
        assert presser.steps > 20
