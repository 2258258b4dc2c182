"""A viewer is told who serves it and what there is, and measured, and its wishes are its own."""

from __future__ import annotations

from uuid import UUID

import pytest
import trio

from spicetrio import MouseMode
from spicetrio.agent.transport import WINDOW
from spicetrio.wire import base, main
from spicetrio.wire.buffer import Message
from spicetrio.wire.enums import ChannelType, LinkErrorCode
from spicetrio.wire.link import Capabilities
from tests.channels.stage import closed, open_stage, receive, until
from tests.peer import FULL_HEADER, MODERN

DISPLAY, INPUTS, CURSOR = (ChannelType.DISPLAY, ChannelType.INPUTS, ChannelType.CURSOR)


async def test_the_first_message_tells_what_there_is() -> None:
    async with open_stage() as stage, stage.server.open_display(8, 8), stage.viewer() as viewer:
        init = viewer.init
        assert init.session_id == stage.server.clients.value[0].connection_id != 0
        assert init.display_channels_hint == 1
        assert init.supported_mouse_modes == MouseMode.SERVER
        assert init.current_mouse_mode == MouseMode.SERVER
        assert init.agent_connected == 0
        assert init.agent_tokens == WINDOW
        now = int(trio.current_time() * 1000) & 0xFFFFFFFF
        assert (now - 400 - init.multi_media_time) & 0xFFFFFFFF < 5000
        assert init.ram_hint == 0


@pytest.mark.parametrize(("displays", "hint"), [(0, 1), (1, 1), (3, 3)])
async def test_the_number_of_displays_is_a_hint_of_at_least_one(displays: int, hint: int) -> None:
    async with open_stage() as stage, trio.open_nursery() as nursery:
        opened = trio.Semaphore(0)

        async def show() -> None:
            async with stage.server.open_display(8, 8):
                opened.release()
                await trio.sleep_forever()

        for _ in range(displays):
            nursery.start_soon(show)
        for _ in range(displays):
            await opened.acquire()
        async with stage.viewer() as viewer:
            assert viewer.init.display_channels_hint == hint
        nursery.cancel_scope.cancel()


async def test_name_and_uuid_are_told_to_who_understands_them() -> None:
    uuid = UUID(int=0x1234)
    async with open_stage(name="the näme", uuid=uuid) as stage:
        async with stage.viewer() as viewer:
            assert await viewer.main.receive() == main.Name("the näme")
            assert await viewer.main.receive() == main.Uuid(uuid)
            assert isinstance(await viewer.main.receive(), base.Ping)
        async with stage.viewer(capabilities=Capabilities()) as viewer:
            assert isinstance(await viewer.main.receive(), base.Ping)
    async with open_stage() as stage, stage.viewer() as viewer:
        assert isinstance(await viewer.main.receive(), main.Name)
        assert isinstance(await viewer.main.receive(), base.Ping)


@pytest.mark.parametrize("common", [MODERN, FULL_HEADER, Capabilities()])
async def test_viewers_with_either_header_are_served(common: Capabilities) -> None:
    async with open_stage() as stage, stage.server.open_inputs(), stage.viewer(common=common) as viewer:
        await viewer.main.send(main.AttachChannels())
        assert (await receive(viewer.main, main.ChannelsList)).channels == ((INPUTS, 0),)


async def test_the_channels_are_listed_when_asked_for_and_later_ones_announced() -> None:
    async with open_stage() as stage, stage.server.open_display(8, 8), stage.viewer() as viewer:
        async with stage.viewer() as silent:
            async with stage.server.open_inputs():
                pass
            await silent.main.send(main.MouseModeRequest(1))
            while not isinstance(message := await silent.main.receive(), main.MouseModeMessage):
                assert not isinstance(message, main.ChannelsList), "it did not ask"
        await viewer.main.send(main.AttachChannels())
        assert (await receive(viewer.main, main.ChannelsList)).channels == ((DISPLAY, 0), (CURSOR, 0))
        async with stage.server.open_inputs(), stage.server.open_display(8, 8) as second:
            announced = [(await receive(viewer.main, main.ChannelsList)).channels for _ in range(3)]
            assert announced == [((INPUTS, 0),), ((DISPLAY, 1),), ((CURSOR, 1),)]
            channel = await viewer.open_display(second.id)
            await channel.stream.aclose()


async def test_mouse_modes_are_offered_and_withdrawn_with_what_they_need() -> None:
    both = MouseMode.SERVER | MouseMode.CLIENT
    async with open_stage() as stage, stage.viewer() as viewer, stage.server.open_inputs():
        async with stage.server.open_display(8, 8):
            assert await receive(viewer.main, main.MouseModeMessage) == main.MouseModeMessage(both, 1)
            await viewer.main.send(main.MouseModeRequest(MouseMode.CLIENT))
            assert await receive(viewer.main, main.MouseModeMessage) == main.MouseModeMessage(both, 2)
            async with stage.viewer() as other:
                assert (other.init.supported_mouse_modes, other.init.current_mouse_mode) == (both, 1)
            client = stage.server.clients.value[0]
            assert client.mouse_mode.value == MouseMode.CLIENT
        assert await receive(viewer.main, main.MouseModeMessage) == main.MouseModeMessage(1, 1)
        assert client.mouse_mode.value == MouseMode.SERVER


@pytest.mark.parametrize("mode", [0, 3, 4, 0xFFFF, int(MouseMode.CLIENT)])
async def test_a_mode_that_is_not_offered_is_not_taken_and_the_viewer_is_told(mode: int) -> None:
    async with open_stage() as stage, stage.viewer() as viewer:
        await viewer.main.send(main.MouseModeRequest(mode))
        assert await receive(viewer.main, main.MouseModeMessage) == main.MouseModeMessage(1, 1)


async def test_channels_may_come_and_go_while_a_viewer_is_about_to_come() -> None:
    async with open_stage() as stage, stage.server.open_inputs(), trio.open_nursery() as nursery:
        done = trio.Event()

        async def flicker() -> None:
            while not done.is_set():
                async with stage.server.open_display(8, 8):
                    await trio.lowlevel.checkpoint()

        nursery.start_soon(flicker)
        for _ in range(5):
            async with stage.viewer() as viewer:
                assert viewer.init.session_id
        done.set()


AGENT: list[Message] = [
    main.AgentStart(0xFFFFFFFF),
    main.ClientAgentToken(5),
    main.ClientAgentData(b"x" * 2048),
    main.ClientInfo(1),
    main.MigrateConnected(),
    main.MigrateConnectError(),
    main.ClientMigrateEnd(),
    main.QualityIndicator(b"?"),
]


async def test_messages_for_an_agent_that_is_not_there_are_ignored() -> None:
    async with open_stage() as stage, stage.viewer() as viewer:
        await viewer.main.send(*AGENT, *AGENT, main.AttachChannels())
        assert (await receive(viewer.main, main.ChannelsList)).channels == ()


@pytest.mark.parametrize(
    "data",
    [
        b"".join(((107).to_bytes(2, "little"), (2049).to_bytes(4, "little"))),
        b"".join(((104).to_bytes(2, "little"), (0xFFFFFFFF).to_bytes(4, "little"))),
        b"".join(((65535).to_bytes(2, "little"), bytes(4))),
        b"".join(((105).to_bytes(2, "little"), (1).to_bytes(4, "little"), b"\0")),
    ],
    ids=["too much agent data", "4 GiB", "unknown", "short"],
)
async def test_a_viewer_that_breaks_the_protocol_is_ended_and_no_other(data: bytes) -> None:
    async with open_stage() as stage, stage.viewer() as good, stage.viewer() as bad:
        await bad.main.stream.send_all(data)
        await closed(bad.main)
        await stage.server.clients.wait_value(lambda viewers: len(viewers) == 1)
        await good.main.send(main.AttachChannels())
        await receive(good.main, main.ChannelsList)


async def test_the_latency_is_measured_by_the_second_ping_and_only_by_answers_to_it() -> None:
    async with open_stage() as stage, stage.viewer() as viewer:
        viewer.main.answer_pings = False
        (client,) = stage.server.clients.value
        first = await receive(viewer.main, base.Ping)
        await viewer.main.send(base.Pong(first.id, 0))  # as if it had taken for ever
        second = await receive(viewer.main, base.Ping)
        assert second.id != first.id
        assert client.latency is None
        await viewer.main.send(base.Pong(first.id, first.timestamp), base.Pong(77, 0))
        await viewer.main.send(base.Pong(second.id, second.timestamp))
        await until(lambda: client.latency is not None)
        assert client.latency is not None
        assert 0 <= client.latency < 5


async def test_a_viewer_is_pinged_again_and_again_and_ended_if_it_is_silent() -> None:
    async with open_stage(ping_interval=0.02, silence_timeout=0.2) as stage, stage.viewer() as viewer:
        for _ in range(20):  # twice as long as silence is borne
            await receive(viewer.main, base.Ping)
        viewer.main.answer_pings = False
        await closed(viewer.main)
        await stage.server.clients.wait_value(())


async def test_the_session_ends_with_a_goodbye_that_says_why() -> None:
    async with open_stage() as stage, stage.viewer() as viewer:
        stage.server.clients.value[0].end("the owner wants you gone")
        assert (await receive(viewer.main, base.Notify)).text == "the owner wants you gone"
        assert (await receive(viewer.main, base.Disconnecting)).reason == LinkErrorCode.OK
        await closed(viewer.main)


async def test_the_main_connection_takes_all_the_others_with_it() -> None:
    async with (
        open_stage() as stage,
        stage.server.open_display(8, 8) as shown,
        stage.server.open_inputs() as taken,
        stage.viewer() as viewer,
    ):
        channels = [await viewer.open_display(), await viewer.open(CURSOR), await viewer.open(INPUTS)]
        await viewer.main.send(base.ClientDisconnecting(0, 0))
        for channel in channels:
            await closed(channel)
        await until(lambda: not (shown.clients or shown.cursor.clients or taken.clients))
        assert stage.server.clients.value == ()
