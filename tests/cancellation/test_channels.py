"""Each channel of a viewer that is cancelled while it is attached, used, and left."""

from __future__ import annotations

import pytest

from spicetrio.channels.inputs import ButtonEvent, KeyEvent
from spicetrio.codecs import opus
from spicetrio.wire import cursor, inputs, playback, record
from spicetrio.wire.enums import AudioDataMode, ChannelType, Locks
from tests.cancellation.harness import Scenario, Stage, cases, every_place
from tests.peer import FULL_HEADER
from tests.server.rig import receive

TEN_MILLISECONDS = b"\x01\x02\x03\x04" * 480


async def attach_display(stage: Stage) -> None:
    guest = stage.guest(common=FULL_HEADER)
    await guest.come()
    channel = await guest.open_display()
    await guest.watch(channel, lambda screen: screen.marked)


async def attach_cursor(stage: Stage) -> None:
    guest = stage.guest()
    await guest.come()
    channel = await guest.open(ChannelType.CURSOR)
    await receive(channel, cursor.Init)
    for cue, message in (("shape", cursor.Set), ("hide", cursor.Hide), ("other shape", cursor.Set)):
        stage.cue(cue).set()
        await receive(channel, message)


async def point(stage: Stage) -> None:
    pointer = stage.display.cursor
    await stage.cue("shape").wait()
    pointer.set(bytes(4 * 8 * 8), 1, 1, width=8, height=8)
    pointer.move(5, 6)
    await stage.cue("hide").wait()
    pointer.hide()
    await stage.cue("other shape").wait()
    pointer.set(bytes(range(256)), 1, 1, width=8, height=8)


async def attach_inputs(stage: Stage) -> None:
    guest = stage.guest()
    await guest.come()
    channel = await guest.open(ChannelType.INPUTS)
    await receive(channel, inputs.Init)


async def type_and_point(stage: Stage) -> None:
    """Hold keys and a button, let go of some, have a lock corrected, move the pointer, and go."""
    guest = stage.guest()
    await guest.come()
    channel = await guest.open(ChannelType.INPUTS)
    await receive(channel, inputs.Init)
    await channel.send(inputs.KeyDown(0x1E), inputs.KeyDown(0x1DE0), inputs.KeyUp(0x9E), inputs.MousePress(1, 1))
    await channel.send(inputs.ClientKeyModifiers(Locks.CAPS))
    await receive(channel, inputs.KeyModifiers)
    await channel.send(*[inputs.MouseMotion(1, 2, 1)] * 5)
    await receive(channel, inputs.MouseMotionAck)
    await channel.send(inputs.KeyDown(0x2C))
    await guest.leave()


async def keyboard(stage: Stage) -> None:
    """Be a keyboard that switches its lights, until the viewer has left and all its keys are released."""
    held = stage.notes["held"] = set()
    seen = 0
    while not seen or held:
        event = await anext(stage.inputs)
        match event:
            case KeyEvent(code, down):
                name = ("key", code)
            case ButtonEvent(code, down):
                name = ("button", code)
            case _:
                continue
        if down:
            seen += 1
            held.add(name)
        else:
            assert name in held, f"{name} was released and not held"
            held.remove(name)
        if name == ("key", 0x3A) and not down:
            stage.inputs.set_locks(stage.inputs.locks.value)


def nothing_is_held(stage: Stage) -> None:
    held = stage.notes["held"]
    for event in list(stage.inputs._events):
        if isinstance(event, KeyEvent | ButtonEvent):
            name = ("key", event.code) if isinstance(event, KeyEvent) else ("button", event.button)
            assert event.down or name in held, f"{name} was released and not held"
            (held.add if event.down else held.discard)(name)
    assert not held, f"{held} are held by nobody"


async def listen(stage: Stage) -> None:
    """Hear sound begin and end."""
    guest = stage.guest()
    await guest.come()
    channel = await guest.open(ChannelType.PLAYBACK)
    await receive(channel, playback.Mode)
    stage.cue("listening").set()
    for message in (playback.Start, playback.Data, playback.Volume, playback.Stop):
        await receive(channel, message)


async def play(stage: Stage) -> None:
    await stage.cue("listening").wait()
    await stage.playback.write(TEN_MILLISECONDS)
    stage.playback.volume = (1, 2)
    await stage.playback.write(TEN_MILLISECONDS * 2 + b"and a part of the next")


def nobody_listens(stage: Stage) -> None:
    assert stage.playback.listeners.value == 0


async def speak(stage: Stage) -> None:
    """Be heard while the application listens."""
    guest = stage.guest()
    await guest.come()
    channel = await guest.open(ChannelType.RECORD)
    stage.cue("there").set()
    await receive(channel, record.Start)
    await channel.send(record.Mode(0, AudioDataMode.OPUS), record.StartMark(0))
    encoder = opus.Encoder(48000)
    await channel.send(*[record.Data(0, encoder.encode(TEN_MILLISECONDS)) for _ in range(3)])
    await receive(channel, record.Stop)
    await guest.leave()


async def hear(stage: Stage) -> None:
    await stage.cue("there").wait()
    with stage.record.listen() as recording:
        for _ in range(3):
            await anext(recording)


def nobody_records(stage: Stage) -> None:
    assert not stage.record.listening.value
    assert not stage.record._recordings


SCENARIOS = {
    "display": Scenario(peers=attach_display),
    "display in memory": Scenario(peers=attach_display, connect="memory", bystander=False),
    "cursor": Scenario(peers=attach_cursor, application=point),
    "inputs": Scenario(peers=attach_inputs),
    "playback": Scenario(peers=listen, application=play, sound=True, check=nobody_listens),
    "record": Scenario(peers=speak, application=hear, sound=True, check=nobody_records),
    "keys": Scenario(peers=type_and_point, application=keyboard, check=nothing_is_held),
}


@pytest.mark.parametrize(
    ("scenario", "target", "place"),
    [
        *cases(
            "display", "server", "client", "client.end", "main client", "display client", "display", "half open",
            threads=("server", "client", "display client", "display"),
        ),
        *cases("display in memory", "server", "connection"),
        *cases("cursor", "server", "client", "cursor client", "display", "application"),
        *cases("inputs", "server", "client", "inputs client", "inputs"),
        *cases("playback", "server", "client", "playback client", "playback", "application"),
        *cases("record", "server", "client", "record client", "record", "application"),
        *cases("keys", "server", "client", "main client", "inputs client", "inputs", "application"),
    ],
)  # fmt: skip
def test_channel_leaves_nothing_behind_wherever_it_is_cancelled(
    scenario: str, target: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spicetrio.channels.playback.SILENCE", 0.002)
    every_place(SCENARIOS[scenario], target, place)
