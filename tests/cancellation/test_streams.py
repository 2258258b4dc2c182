"""A display of encoded video, its viewers, and the device that it shows, cancelled wherever they can be."""

from __future__ import annotations

from contextlib import suppress

import pytest
from trio.testing import memory_stream_pair

from spicetrio import RemoteProtocolError, VideoCodec, serve_stream_device
from spicetrio.wire import display, stream
from spicetrio.wire.enums import ChannelType, CursorType
from spicetrio.wire.streamdevice import CursorMove, CursorSet, Data, Format, NotifyError, StartStop
from tests.cancellation.guests import Guest
from tests.cancellation.harness import Scenario, Stage, cases, every_place
from tests.channels.cinema import delta, key
from tests.channels.guest import StreamGuest
from tests.peer import PeerChannel
from tests.server.rig import receive


async def come(guest: Guest) -> PeerChannel:
    await guest.come()
    channel = await guest.open(ChannelType.DISPLAY, 1)
    await channel.send(display.Init(1, 1 << 20, 1, 1 << 20))
    return channel


async def see(channel: PeerChannel, frame: bytes) -> None:
    while (await receive(channel, stream.StreamData)).data != frame:
        pass


async def watch(stage: Stage) -> None:
    """See a stream, and another one of another size."""
    await stage.cue("open").wait()
    channel = await come(stage.guest())
    await see(channel, key("last"))
    stage.cue("seen").set()


async def film(stage: Stage) -> None:
    """Write faster than a viewer acknowledges, so that frames wait."""
    with stage.scope("stream"):
        async with stage.server.open_stream_display() as shown:
            stage.notes["shown"] = shown
            stage.cue("open").set()
            await shown.request.wait_value(lambda request: bool(request.codecs))
            shown.set_format(VideoCodec.MJPEG, 64, 48)
            await shown.write(key("first"))
            shown.set_format(VideoCodec.MJPEG, 80, 48)
            for number in range(3):
                await shown.write(delta(number))
            await shown.write(key("last"))
            await stage.cue("seen").wait()


async def be_device(stage: Stage) -> None:
    """Be the viewer, and the guest's device."""
    await stage.cue("open").wait()
    device = StreamGuest(stage.notes["guest"])
    guest = stage.guest()
    channel = await come(guest)
    while not isinstance(await device.receive(), StartStop):
        pass
    await device.send(Format(64, 48, VideoCodec.MJPEG), Data(key("a")), Data(delta("b")))
    await device.send(CursorSet(1, 1, 0, 0, CursorType.ALPHA, bytes(4)), CursorMove(1, 2))
    await see(channel, delta("b"))
    if "fault" in stage.notes:
        await device.stream.send_all(b"\2" * 8)
        while not isinstance(await device.receive(), NotifyError):
            pass
    else:
        await device.stream.aclose()
    await receive(channel, display.SurfaceDestroy)


async def attach(stage: Stage) -> None:
    """Have a device shown until it ends."""
    ours, theirs = memory_stream_pair()
    stage.notes["guest"] = ours
    with stage.scope("stream"):
        async with stage.server.open_stream_display() as shown:
            stage.notes["shown"] = shown
            stage.cue("open").set()
            with stage.scope("device"), suppress(RemoteProtocolError):
                stage.notes["host"] = theirs
                await serve_stream_device(theirs, shown)


async def attach_faulty(stage: Stage) -> None:
    stage.notes["fault"] = True
    await attach(stage)


def nothing_is_left(stage: Stage) -> None:
    """Nobody waits or is asked, and a device was let go."""
    if "shown" not in stage.notes:
        return
    shown = stage.notes["shown"]
    assert not shown.clients
    assert not shown.request.value.codecs
    assert not shown._room.statistics().tasks_waiting
    if "host" in stage.notes:
        assert shown.format is None
        assert stage.notes["host"].send_stream.get_data_nowait() == b"", "it is open"


SCENARIOS = {
    "stream": Scenario(peers=watch, application=film, settings={"ack_window": 1}, check=nothing_is_left),
    "device": Scenario(peers=be_device, application=attach, check=nothing_is_left),
    "faulty device": Scenario(peers=be_device, application=attach_faulty, check=nothing_is_left),
}


@pytest.mark.parametrize(
    ("scenario", "target", "place"),
    [
        *cases("stream", "server", "stream client", "stream", "application"),
        *cases("device", "stream client", "device", "application"),
        *cases("faulty device", "device"),
    ],
)
def test_a_stream_leaves_nothing_behind_wherever_it_is_cancelled(scenario: str, target: str, place: str) -> None:
    every_place(SCENARIOS[scenario], target, place)
