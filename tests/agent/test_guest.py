"""The agent in a guest, behind a stream, is everybody's, and does not know that there are several."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import lockstep_stream_one_way_pair, memory_stream_one_way_pair, memory_stream_pair

from spicetrio import ClipboardType, CopyPaste, GraphicsDevice, MouseMode, Selection
from spicetrio.agent import device, transport
from spicetrio.wire import agent, inputs, main
from spicetrio.wire.agent import Dialect
from spicetrio.wire.agentstream import chunk, frame
from spicetrio.wire.buffer import Message
from spicetrio.wire.enums import AgentCapability, AgentPort, ChannelType, FileTransferStatus, MonitorsFlags
from spicetrio.wire.link import Capabilities
from tests.agent.guestend import Guest
from tests.agent.talk import ABLE, ALL, PLAIN, Talker, open_talker, quiet
from tests.channels.stage import Stage, open_stage, receive, until

TEXT, PNG, NONE = ClipboardType.UTF8_TEXT, ClipboardType.IMAGE_PNG, ClipboardType.NONE
CLIPBOARD = Selection.CLIPBOARD


@asynccontextmanager
async def open_guest(stage: Stage, **arguments: Any) -> AsyncIterator[Guest]:
    ours, theirs = memory_stream_pair()
    stage.nursery.start_soon(lambda: stage.server.serve_guest_agent(theirs, **arguments))
    await until(lambda: stage.server._main.relay.connected)
    async with ours:
        yield Guest(ours)
    await until(lambda: not stage.server._main.relay.connected)


@asynccontextmanager
async def open_deaf_guest(stage: Stage) -> AsyncIterator[tuple[trio.abc.SendStream, Any]]:
    """A guest that does not read: what it says goes there, and what is behind the other end of its stream."""
    ours, received = memory_stream_one_way_pair()
    sent, unread = lockstep_stream_one_way_pair()
    devices = (GraphicsDevice(0, 0, 0, "pci/0000/01.0"),)
    stage.nursery.start_soon(
        lambda: stage.server.serve_guest_agent(trio.StapledStream(sent, received), devices=devices)
    )
    await until(lambda: stage.server._main.relay.connected)
    async with ours, unread:
        yield ours, stage.server._main.relay._agent
    await until(lambda: not stage.server._main.relay.connected)


@asynccontextmanager
async def open_all(stage: Stage, capabilities: frozenset[int] = ABLE) -> AsyncIterator[tuple[Guest, Talker, Talker]]:
    """A guest that has announced itself, and two viewers."""
    async with open_guest(stage) as guest:
        await guest.announce(capabilities)
        async with open_talker(stage) as one, open_talker(stage) as other:
            yield guest, one, other


@pytest.mark.parametrize("capabilities", [ALL, PLAIN], ids=["all", "plain"])
async def test_the_guests_clipboard_and_those_of_all_viewers_are_one(capabilities: frozenset[int]) -> None:
    async with open_stage() as stage, open_all(stage, capabilities) as (guest, one, other):
        await one.send(agent.ClipboardGrab(CLIPBOARD, 0, (TEXT,)))
        assert (await guest.receive(agent.ClipboardGrab)).types == (TEXT,)
        assert (await other.receive(agent.ClipboardGrab)).types == (TEXT,)
        await guest.send(agent.ClipboardRequest(CLIPBOARD, TEXT))
        request = await one.receive(agent.ClipboardRequest)
        await one.send(agent.ClipboardMessage(request.selection, TEXT, b"x" * 100_000))
        assert (await guest.receive(agent.ClipboardMessage)).data == b"x" * 100_000
        await guest.send(agent.ClipboardGrab(CLIPBOARD, 1, (PNG,)))
        for viewer in (one, other):
            assert (await viewer.receive(agent.ClipboardGrab)).types == (PNG,)
            await viewer.send(agent.ClipboardRequest(CLIPBOARD, PNG))
            await guest.answer(b"y" * 100_000)
            assert (await viewer.receive(agent.ClipboardMessage)).data == b"y" * 100_000
        await guest.send(agent.ClipboardRelease(CLIPBOARD))
        await one.receive(agent.ClipboardRelease)


async def test_a_guest_may_have_a_viewers_list_of_files() -> None:
    """It may reach the viewer's folder, through a port of its own."""
    async with open_stage() as stage, open_all(stage) as (guest, one, _):
        await one.send(agent.ClipboardGrab(CLIPBOARD, 0, (ClipboardType.FILE_LIST,)))
        assert (await guest.receive(agent.ClipboardGrab)).types == (ClipboardType.FILE_LIST,)


async def test_a_guest_that_copies_at_the_same_time_as_a_viewer_loses() -> None:
    async with open_stage() as stage, open_all(stage) as (guest, one, other):
        await one.send(agent.ClipboardGrab(CLIPBOARD, 0, (TEXT,)))
        await guest.receive(agent.ClipboardGrab)
        await guest.send(agent.ClipboardGrab(CLIPBOARD, 0, (PNG,)))  # it had not seen that one yet
        await other.receive(agent.ClipboardGrab)
        await other.send(agent.ClipboardRequest(CLIPBOARD, PNG))
        assert (await other.receive(agent.ClipboardMessage)).kind == NONE


async def test_messages_of_viewers_reach_the_guest_whole_one_after_the_other() -> None:
    """libspice-server mixes them (spec AG-12)."""
    async with open_stage() as stage, open_all(stage) as (guest, one, other):

        async def send(viewer: Talker, fill: bytes) -> None:
            await viewer.send(agent.FileXferStart(1, "[vdagent-file-xfer]\nname=x\nsize=300000\n"))
            assert await viewer.file_status(1) == FileTransferStatus.CAN_SEND_DATA
            for _ in range(5):
                await viewer.send(agent.FileXferData(1, fill * 60_000))
            assert await viewer.file_status(1) == FileTransferStatus.SUCCESS

        got: dict[int, bytes] = {}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, one, b"1")
            nursery.start_soon(send, other, b"2")
            while sum(map(len, got.values())) < 600_000:
                message: Any = await guest.receive(
                    object, lambda one: isinstance(one, agent.FileXferStart | agent.FileXferData)
                )
                if isinstance(message, agent.FileXferStart):
                    got[message.id] = b""
                    await guest.send(agent.FileXferStatus(message.id, FileTransferStatus.CAN_SEND_DATA))
                    continue
                got[message.id] += message.data
                if len(got[message.id]) == 300_000:
                    await guest.send(agent.FileXferStatus(message.id, FileTransferStatus.SUCCESS))
        assert set(got.values()) == {b"1" * 300_000, b"2" * 300_000}


async def test_a_viewer_that_stops_in_the_middle_of_a_message_holds_up_nobody() -> None:
    async with open_stage() as stage, open_all(stage) as (guest, one, other):
        half = frame(agent.FileXferData(1, bytes(60_000)), one.dialect)[:30_000]
        await one.send_raw(half)
        await other.send(agent.MonitorsConfig(0, (agent.Monitor(480, 640),)))
        assert await guest.receive(agent.MonitorsConfig) == agent.MonitorsConfig(0, (agent.Monitor(480, 640),))


FLOODS = {
    "files": [agent.FileXferData(1, bytes(60_000))] * 100,
    "monitors": [agent.MonitorsConfig(0, (agent.Monitor(1, 1),) * 256)] * 100,
    "grabs": [agent.ClipboardGrab(CLIPBOARD, number, (TEXT,) * 200) for number in range(1000)],
}


@pytest.mark.parametrize("messages", FLOODS.values(), ids=FLOODS)
async def test_a_guest_that_does_not_read_holds_up_who_sends_and_not_more_waits(
    monkeypatch: pytest.MonkeyPatch, messages: list[Message]
) -> None:
    async with open_stage() as stage, open_guest(stage) as guest:
        await guest.announce()
        async with open_talker(stage) as viewer:
            await viewer.send(agent.FileXferStart(1, "[vdagent-file-xfer]\nname=x\nsize=9000000\n"))
            message = await guest.receive(agent.FileXferStart)
            await guest.send(agent.FileXferStatus(message.id, FileTransferStatus.CAN_SEND_DATA))
            await viewer.file_status(1)
            stopped = trio.Event()

            async def never() -> None:
                await stopped.wait()

            monkeypatch.setattr(guest.stream, "receive_some", never)
            server_end: Any = stage.server._main.relay._agent
            monkeypatch.setattr(server_end._device._stream, "send_all", lambda data: never())
            with trio.move_on_after(0.5):
                await viewer.send(*messages)
            assert sum(server_end._device._waiting.values()) < 2 * device.WAITING_LIMIT + 2 * 65_536
            assert len(stage.server.clients.value) == 1
            monkeypatch.undo()
            stopped.set()


@pytest.mark.parametrize(
    "message",
    [
        agent.ClipboardRequest(CLIPBOARD, TEXT),
        agent.AnnounceCapabilities(1, Capabilities()),
        agent.AnnounceCapabilities(0, Capabilities({AgentCapability.GRAPHICS_DEVICE_INFO})),
    ],
    ids=["request", "announce", "devices"],
)
async def test_a_guest_that_asks_and_does_not_read_is_heard_no_further(
    message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "WAITING_LIMIT", 1000)
    async with open_stage() as stage, open_deaf_guest(stage) as (guest, here), open_talker(stage, tokens=0):
        await guest.send_all(chunk(AgentPort.CLIENT, frame(message, Dialect())) * 500)
        await until(lambda: sum(here._device._waiting.values()) > device.WAITING_LIMIT)
        await quiet()
        assert sum(here._device._waiting.values()) < 2000


async def test_of_viewers_that_come_and_go_nothing_waits_for_a_guest_that_does_not_read() -> None:
    async with open_stage() as stage, open_deaf_guest(stage) as (_, here):
        waiting = []
        for _ in range(3):
            async with open_talker(stage, tokens=0) as viewer:
                await viewer.send(agent.MonitorsConfig(0, (agent.Monitor(1, 1),) * 256))
                await until(lambda: any(session in here._device._messages for session in here.sessions))
            await until(lambda: not here.sessions)
            await quiet()
            waiting.append(sum(here._device._waiting.values()))
        assert waiting[0] == waiting[1] == waiting[2]


async def test_what_a_viewer_wants_is_passed_on_and_replies_come_back() -> None:
    async with open_stage() as stage, open_all(stage) as (guest, one, _):
        config = agent.MonitorsConfig(MonitorsFlags.USE_POS, (agent.Monitor(600, 800, 32, -1, 2),))
        await one.send(config, agent.DisplayConfig(1, 32), agent.AudioVolumeSync(1, 0, (7, 8)))
        assert await guest.receive(agent.MonitorsConfig) == config
        assert await guest.receive(agent.DisplayConfig) == agent.DisplayConfig(1, 32)
        assert await guest.receive(agent.AudioVolumeSync) == agent.AudioVolumeSync(1, 0, (7, 8))
        await guest.send(agent.Reply(2, 1))
        assert await one.receive(agent.Reply) == agent.Reply(2, 1)


@pytest.mark.parametrize("when", ["begun", "asked"])
async def test_a_file_of_a_viewer_that_leaves_is_cancelled_in_the_guest(when: str) -> None:
    async with open_stage() as stage, open_guest(stage) as guest:
        await guest.announce()
        async with open_talker(stage) as viewer:
            await viewer.send(agent.FileXferStart(5, "[vdagent-file-xfer]\nname=x\nsize=9\n"))
            number = (await guest.receive(agent.FileXferStart)).id
            taken = agent.FileXferStatus(number, FileTransferStatus.CAN_SEND_DATA)
            if when == "begun":
                await guest.send(taken)
                await viewer.file_status(5)
            await viewer.send(agent.FileXferStatus(77, FileTransferStatus.CANCELLED))
        if when == "asked":
            await guest.receive(agent.ClientDisconnected)
            await guest.send(taken)  # it crossed
        assert await guest.receive(agent.FileXferStatus) == agent.FileXferStatus(number, FileTransferStatus.CANCELLED)
        await guest.send(agent.FileXferStatus(number, FileTransferStatus.SUCCESS))


@pytest.mark.parametrize("kind", ["replies", "capabilities", "statuses"])
async def test_of_what_the_guest_says_again_and_again_little_waits_for_a_viewer_that_takes_none(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "WAITING_LIMIT", 1000)
    async with open_stage() as stage, open_guest(stage) as guest, open_talker(stage, tokens=0) as viewer:
        await viewer.send(agent.FileXferStart(1, "[vdagent-file-xfer]\nname=x\nsize=9\n"))
        number = (await guest.receive(agent.FileXferStart)).id
        messages: dict[str, Message] = {
            "replies": agent.Reply(2, 1),
            "capabilities": agent.AnnounceCapabilities(0, ALL),
            "statuses": agent.FileXferStatus(number, FileTransferStatus.CAN_SEND_DATA),
        }
        flood = chunk(AgentPort.CLIENT, frame(messages[kind], Dialect())) * 200
        await guest.stream.send_all(flood)
        await quiet()
        server_end: Any = stage.server._main.relay._agent
        assert server_end.sessions[0]._transport._waiting_bytes < 2000


async def test_files_that_are_switched_off_do_not_reach_the_guest() -> None:
    settings = {"agent_file_xfer": False, "copy_paste": CopyPaste.TO_VIEWER}
    async with open_stage(**settings) as stage, open_all(stage) as (guest, one, _):
        assert AgentCapability.FILE_XFER_DISABLED in (one.agent_capabilities or ())
        await one.send(agent.ClipboardGrab(CLIPBOARD, 0, (TEXT,)))
        assert await one.offer_file(1, "x", 5) == FileTransferStatus.DISABLED
        await one.send(agent.MonitorsConfig(0, ()))
        kinds = set()
        while agent.MonitorsConfig not in kinds:
            kinds.add(type(await guest.receive(object)))
        assert not kinds & {agent.FileXferStart, agent.ClipboardGrab}


async def test_the_guest_is_told_when_the_last_viewer_has_left_and_when_one_comes_again() -> None:
    async with open_stage() as stage, open_guest(stage) as guest:
        await guest.announce()
        for _ in range(2):
            async with open_talker(stage), open_talker(stage):
                assert (await guest.receive(agent.AnnounceCapabilities)).request == 1
            await guest.receive(agent.ClientDisconnected)
            await quiet()
            assert not guest.arrived


async def test_grabs_are_counted_from_the_beginning_when_the_first_viewer_comes_again() -> None:
    async with open_stage() as stage, open_guest(stage) as guest:
        await guest.announce()
        for _ in range(2):
            async with open_talker(stage) as viewer:
                await guest.receive(agent.AnnounceCapabilities)  # at which a guest begins to count anew
                await guest.send(agent.AnnounceCapabilities(0, ALL), agent.ClipboardGrab(CLIPBOARD, 0, (PNG,)))
                assert (await viewer.receive(agent.ClipboardGrab)).types == (PNG,)
                await viewer.send(agent.ClipboardGrab(CLIPBOARD, 1, (TEXT,)))
                assert (await guest.receive(agent.ClipboardGrab)).serial == 1
            await guest.receive(agent.ClientDisconnected)


async def test_a_guest_that_starts_again_behind_a_port_that_stayed_open_shares_the_clipboard() -> None:
    async with open_stage() as stage, open_all(stage) as (guest, one, other):
        await one.send(agent.ClipboardGrab(CLIPBOARD, 0, (TEXT,)))
        assert (await guest.receive(agent.ClipboardGrab)).serial == 0
        await guest.send(agent.AnnounceCapabilities(0, ALL), agent.AnnounceCapabilities(1, ALL))
        await guest.receive(agent.AnnounceCapabilities, lambda message: message.request)
        await guest.send(agent.AnnounceCapabilities(0, ALL))
        grabs = [
            await guest.receive(agent.ClipboardGrab) for _ in range(2)
        ]  # one for each time that it announced itself
        assert grabs == [agent.ClipboardGrab(CLIPBOARD, number, (TEXT,)) for number in range(2)]
        await guest.send(agent.ClipboardGrab(CLIPBOARD, 2, (PNG,)))
        while (await other.receive(agent.ClipboardGrab)).types != (PNG,):
            pass


async def test_a_guest_that_asks_when_it_is_asked_is_answered_and_not_asked_again() -> None:
    async with open_stage() as stage, open_guest(stage) as guest, open_talker(stage, tokens=0):
        assert (await guest.receive(agent.AnnounceCapabilities)).request
        for _ in range(2):
            await guest.send(agent.AnnounceCapabilities(1, ALL))
            assert not (await guest.receive(agent.AnnounceCapabilities)).request


async def test_viewers_are_told_what_the_guest_can_do_when_that_is_known() -> None:
    async with open_stage() as stage, open_guest(stage) as guest, open_talker(stage, start=False) as viewer:
        await viewer.channel.send(main.AgentStart(100))
        await viewer.send(agent.AnnounceCapabilities(1, Capabilities(ALL)))
        await guest.announce(frozenset({AgentCapability.MONITORS_CONFIG, AgentCapability.GUEST_LINEEND_CRLF}))
        told = await viewer.receive(agent.AnnounceCapabilities)
        assert told.capabilities == {AgentCapability.MONITORS_CONFIG, AgentCapability.GUEST_LINEEND_CRLF}


async def test_the_guest_learns_which_devices_the_displays_show_if_it_wants_to() -> None:
    devices = (GraphicsDevice(0, 0, 0, "pci/0000/01.0"), GraphicsDevice(1, 0, 1, "pci/0000/01.0"))
    async with open_stage() as stage, open_guest(stage, devices=devices) as guest:
        await guest.send(agent.AnnounceCapabilities(0, ALL))
        assert await guest.receive(agent.GraphicsDeviceInfo) == agent.GraphicsDeviceInfo(devices)


async def test_the_agent_moves_the_pointer_in_client_mouse_mode() -> None:
    async with (
        open_stage() as stage,
        stage.server.open_display(64, 48),
        stage.server.open_inputs(absolute=False) as taken,
        stage.viewer() as viewer,
    ):
        assert viewer.init.supported_mouse_modes == MouseMode.SERVER
        channel = await viewer.open(ChannelType.INPUTS)
        await receive(channel, inputs.Init)
        async with open_guest(stage) as guest:
            await guest.announce()
            assert (await receive(viewer.main, main.MouseModeMessage)).supported == 3
            await viewer.main.send(main.MouseModeRequest(MouseMode.CLIENT))
            assert (await receive(viewer.main, main.MouseModeMessage)).current == MouseMode.CLIENT
            await channel.send(inputs.MousePosition(3, 4, 0, 0))
            assert await guest.receive(agent.MouseState) == agent.MouseState(3, 4, 0, 0)
            await channel.send(inputs.MousePress(1, 1))
            assert await guest.receive(agent.MouseState) == agent.MouseState(3, 4, 1 << 1, 0)
            await channel.send(inputs.MouseRelease(1, 0), inputs.MousePress(4, 0))
            assert await guest.receive(agent.MouseState) == agent.MouseState(3, 4, 0, 0)
            assert await guest.receive(agent.MouseState) == agent.MouseState(3, 4, 1 << 4, 0)
            await channel.send(inputs.MouseRelease(4, 0), inputs.MousePress(3, 4))
            assert await guest.receive(agent.MouseState, lambda state: state.buttons == 1 << 3)
            await channel.stream.aclose()
            assert await guest.receive(agent.MouseState) == agent.MouseState(3, 4, 0, 0)
        assert (await receive(viewer.main, main.MouseModeMessage)).current == MouseMode.SERVER
        assert not taken._events


@pytest.mark.parametrize("way", ["release", "leave"])
async def test_a_button_that_is_down_in_the_guest_is_let_go_there_in_the_other_mouse_mode_too(way: str) -> None:
    async with (
        open_stage() as stage,
        stage.server.open_display(64, 48),
        stage.server.open_inputs() as taken,
        open_guest(stage) as guest,
    ):
        await guest.announce()
        async with stage.viewer() as viewer:
            channel = await viewer.open(ChannelType.INPUTS)
            for mode in (MouseMode.CLIENT, MouseMode.SERVER):
                await viewer.main.send(main.MouseModeRequest(mode))
                while (await receive(viewer.main, main.MouseModeMessage)).current != mode:
                    pass
                if mode == MouseMode.CLIENT:
                    await channel.send(inputs.MousePress(1, 1))
                    assert (await guest.receive(agent.MouseState)).buttons == 1 << 1
            if way == "release":
                await channel.send(inputs.MouseRelease(1, 0))
            else:
                await channel.stream.aclose()
            assert (await guest.receive(agent.MouseState)).buttons == 0
            if way == "release":
                await channel.send(inputs.MousePress(1, 1))
                event: Any = await anext(taken)
                assert (event.button, event.down) == (1, True)
                await channel.stream.aclose()


async def test_an_agent_that_may_not_move_the_pointer_does_not() -> None:
    async with (
        open_stage(agent_mouse=False) as stage,
        stage.server.open_display(64, 48),
        stage.server.open_inputs(absolute=False),
        open_guest(stage) as guest,
    ):
        await guest.announce()
        assert stage.server.mouse_modes == MouseMode.SERVER


async def test_positions_that_wait_give_way_to_later_ones_and_buttons_do_not() -> None:
    ours, theirs = memory_stream_pair()
    waiting = device.Device(theirs)
    for x in range(100):
        waiting.point(agent.MouseState(x, 0, 2 if 50 <= x < 60 else 0, 0))
    guest = Guest(ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiting.send)
        states = [await guest.receive(agent.MouseState) for _ in range(3)]
        nursery.cancel_scope.cancel()
    assert [(state.x, state.buttons) for state in states] == [(49, 0), (59, 2), (99, 0)]


@pytest.mark.parametrize(
    "data",
    [
        chunk(AgentPort.CLIENT, bytes(20)),
        chunk(AgentPort.CLIENT, frame(agent.AnnounceCapabilities(0, Capabilities()), Dialect())[:16] + b"\xff" * 4),
        chunk(AgentPort.CLIENT, frame(agent.ClipboardRequest(0, 1), Dialect())[:16] + b"\3\0\0\0abc"),
    ],
    ids=["protocol", "size", "short"],
)
async def test_a_guest_that_breaks_the_protocol_is_ended_and_no_viewer(
    data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_stage() as stage, open_guest(stage) as guest, open_talker(stage, start=False) as viewer:
        await viewer.channel.send(main.AgentStart(100))
        await guest.stream.send_all(data)
        await viewer.hear(main.AgentDisconnected)
        assert len(stage.server.clients.value) == 1
        assert "ended the guest's agent: got" in caplog.text


async def test_the_guest_may_cut_its_chunks_as_it_likes() -> None:
    async with open_stage() as stage, open_guest(stage) as guest, open_talker(stage, start=False) as viewer:
        await viewer.channel.send(main.AgentStart(100))
        await viewer.send(agent.AnnounceCapabilities(1, Capabilities(ALL)))
        message = frame(agent.AnnounceCapabilities(0, Capabilities({AgentCapability.REPLY})), Dialect())
        ignored = chunk(AgentPort.SERVER, b"whatever") + chunk(7, b"") + chunk(7, b"more")
        data = b"".join(chunk(AgentPort.CLIENT, message[start : start + 3]) for start in range(0, len(message), 3))
        for byte in ignored + data:
            await guest.stream.send_all(bytes([byte]))
        told = await viewer.receive(agent.AnnounceCapabilities)
        assert told.capabilities == {AgentCapability.REPLY}


async def test_that_the_last_viewer_has_left_is_told_between_messages() -> None:
    """The guest forgets the message it is in then: what is left of it would be taken for another (spec AG-11)."""
    ours, theirs = memory_stream_pair()
    waiting = device.Device(theirs)
    sizes = [3000, 5000, 20]
    for number, size in enumerate(sizes):
        waiting.post("viewer" if number < 2 else "other", frame(agent.FileXferData(number, bytes(size)), Dialect()))
    waiting.post("server", frame(agent.ClientDisconnected(), Dialect()), AgentPort.SERVER)
    waiting.post("other", frame(agent.FileXferData(3, b""), Dialect()))
    waiting.point(agent.MouseState(1, 2, 0, 0))
    guest = Guest(ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiting.send)
        got = [await guest.receive(object) for _ in range(6)]
        nursery.cancel_scope.cancel()
    kinds = [getattr(message, "id", type(message)) for message in got]
    assert kinds == [agent.MouseState, 0, 2, agent.ClientDisconnected, 1, 3]


async def test_there_is_one_agent_at_a_time() -> None:
    async with open_stage() as stage, open_guest(stage):
        _, theirs = memory_stream_pair()
        with pytest.raises(ValueError, match="already"):
            await stage.server.serve_guest_agent(theirs)
