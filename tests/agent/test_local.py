"""What viewers want of this side is told to the application; the viewer that spoke last counts."""

from __future__ import annotations

import pytest

from spicetrio import Rect, Volume
from spicetrio.wire import agent
from spicetrio.wire.enums import AgentError, AgentMessage, DisplayConfigFlags, MonitorsFlags
from tests.agent.talk import open_talker
from tests.channels.stage import closed, open_stage

Monitor = agent.Monitor


@pytest.mark.parametrize(
    ("message", "areas"),
    [
        (agent.MonitorsConfig(0, ()), ()),
        (agent.MonitorsConfig(0, (Monitor(600, 800),)), (Rect(0, 0, 800, 600),)),
        (
            agent.MonitorsConfig(0, (Monitor(600, 800, 32, 9, 9), Monitor(0, 0), Monitor(480, 640))),
            (Rect(0, 0, 800, 600), Rect(800, 0, 1440, 480)),
        ),
        (
            agent.MonitorsConfig(MonitorsFlags.USE_POS, (Monitor(600, 800, 32, -5, 7), Monitor(0, 0, 32, 1, 1))),
            (Rect(-5, 7, 795, 607),),
        ),
        (
            agent.MonitorsConfig(MonitorsFlags.PHYSICAL_SIZE, (Monitor(1, 2),), (agent.PhysicalSize(3, 4),)),
            (Rect(0, 0, 2, 1),),
        ),
    ],
)
async def test_the_monitors_that_a_viewer_wants(message: agent.MonitorsConfig, areas: tuple[Rect, ...]) -> None:
    async with open_stage() as stage, stage.server.open_agent() as here, open_talker(stage) as viewer:
        await viewer.send(message)
        assert await viewer.receive(agent.Reply) == agent.Reply(AgentMessage.MONITORS_CONFIG, AgentError.SUCCESS)
        assert here.monitors.value == areas


@pytest.mark.parametrize(
    "monitor", [Monitor(32768, 1), Monitor(1, 0xFFFFFFFF), Monitor(1, 1, 32, -40000, 0), Monitor(1, 1, 32, 0, 40000)]
)
async def test_monitors_of_no_size_that_can_be_had_break_the_protocol(monitor: agent.Monitor) -> None:
    async with open_stage() as stage, stage.server.open_agent() as here, open_talker(stage) as viewer:
        await viewer.send(agent.MonitorsConfig(MonitorsFlags.USE_POS, (monitor,)))
        await closed(viewer.channel)
        assert here.monitors.value is None


async def test_what_a_viewer_does_without_and_how_loud_it_is() -> None:
    async with open_stage() as stage, stage.server.open_agent() as here, open_talker(stage) as viewer:
        await viewer.send(agent.DisplayConfig(0xFFFF, 16))
        assert await viewer.receive(agent.Reply) == agent.Reply(AgentMessage.DISPLAY_CONFIG, AgentError.SUCCESS)
        assert here.display.value == DisplayConfigFlags(15)
        await viewer.send(agent.AudioVolumeSync(1, 0, (65535, 5)), agent.AudioVolumeSync(0, 1, (7,)))
        await viewer.nothing()
        assert here.playback_volume.value == Volume(False, (65535, 5))
        assert here.record_volume.value == Volume(True, (7,))
