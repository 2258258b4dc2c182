"""Devices that are cancelled while viewers stand in line for them, use them, and leave."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import spicetrio
from spicetrio import VscType
from spicetrio.channels.vmc import Device
from spicetrio.wire import port, smartcard, vmc
from spicetrio.wire.enums import ChannelType, PortEvent
from spicetrio.wire.smartcard import UNDEFINED_READER
from spicetrio.wire.webdav import MuxDecoder, MuxFrame
from tests.cancellation.guests import Guest
from tests.cancellation.harness import Scenario, Stage, cases, every_place
from tests.peer import PeerChannel
from tests.server.rig import receive

NAME = "org.example.shell"


async def echo(stage: Stage, device: Device, viewers: int) -> None:
    """Answer so many viewers, one after the other, with what they send."""
    stage.notes["device"] = device
    stage.cue("open").set()
    for _ in range(viewers):
        async with await device.accept() as stream:
            async for data in stream:
                await stream.send_all(data)


async def echo_port(stage: Stage) -> None:
    with stage.scope("device"):
        async with stage.server.open_port(NAME) as device:
            await echo(stage, device, 1)
            device.send_break()


async def echo_usb(stage: Stage) -> None:
    with stage.scope("device"):
        async with stage.server.open_usbredir() as device:
            await echo(stage, device, 2)


async def collect(channel: PeerChannel, size: int) -> bytes:
    data = b""
    while len(data) < size:
        message = await channel.receive()
        data += bytes(message.data) if isinstance(message, vmc.Data) else b""
    return data


async def attach(stage: Stage, kind: ChannelType) -> tuple[Guest, PeerChannel]:
    guest = stage.guest()
    await guest.come()
    await stage.cue("open").wait()
    return guest, await guest.open(kind)


async def use_port(stage: Stage) -> None:
    guest, channel = await attach(stage, ChannelType.PORT)
    while (await receive(channel, port.Event)).event != PortEvent.OPENED:
        pass
    await channel.send(vmc.ClientData(b"hello"), port.ClientEvent(PortEvent.BREAK))
    assert await collect(channel, 5) == b"hello"
    await channel.stream.aclose()
    await guest.leave()


async def use_usb_in_turn(stage: Stage) -> None:
    stage.notes["taken over"] = True  # the viewer that is cancelled may be either of them
    first, channel = await attach(stage, ChannelType.USBREDIR)
    second, later = await attach(stage, ChannelType.USBREDIR)
    await later.send(vmc.ClientData(b"second"))
    await channel.send(vmc.ClientData(b"first"))
    assert await collect(channel, 5) == b"first"
    await first.leave()
    assert await collect(later, 6) == b"second"
    await second.leave()


def nobody_has_the_device(stage: Stage) -> None:
    device = stage.notes.get("device")
    if device is not None:
        assert (device._line, device._holder, device.viewer.value) == ([], None, None)
        assert not device._changes.statistics().tasks_waiting


def each_got_its_own(stage: Stage) -> None:
    nobody_has_the_device(stage)
    for guest in stage.guests:
        for tap in guest.taps:
            if tap.received and tap.link.channel_type == ChannelType.USBREDIR:
                data = b"".join(bytes(one.data) for one in tap.parse()[0] if isinstance(one, vmc.Data))
                assert data in (b"", b"first", b"second")


async def ask_folder(stage: Stage) -> None:
    with stage.scope("device"):
        async with stage.server.open_webdav() as folder:
            stage.cue("open").set()
            await folder.shared.wait_value(True)
            async with trio.open_nursery() as nursery:
                for number in range(2):
                    nursery.start_soon(ask, folder, b"GET /%d" % number)


async def ask(folder: spicetrio.SharedFolder, request: bytes) -> None:
    async with await folder.connect() as stream:
        await stream.send_all(request)
        if not (answer := await stream.receive_some()):
            raise EOFError("the viewer has left")
        assert answer == request[::-1]


async def share_folder(stage: Stage) -> None:
    guest, channel = await attach(stage, ChannelType.WEBDAV)
    decoder = MuxDecoder()
    while (message := await channel.receive()) != port.Event(PortEvent.CLOSED):
        for frame in decoder.receive_data(message.data) if isinstance(message, vmc.Data) else ():
            if frame.data:
                await channel.send(vmc.ClientData(MuxFrame(frame.number, frame.data[::-1]).encode()))
    await guest.leave()


async def use_card(stage: Stage) -> None:
    told: list[Any] = stage.notes.setdefault("told", [])
    with stage.scope("device"):
        async with stage.server.open_smartcard() as cards:
            stage.notes["cards"] = cards
            stage.cue("open").set()
            async for message in cards:
                told.append(message)
                if message.type == VscType.ATR:
                    await cards.send(message.reader_id, b"\x00\xa4")
                if message.type == VscType.READER_REMOVE:
                    break


async def bring_card(stage: Stage) -> None:
    guest, channel = await attach(stage, ChannelType.SMARTCARD)
    await channel.send(smartcard.ClientData(VscType.READER_ADD, UNDEFINED_READER, b"reader"))
    reader = (await receive(channel, smartcard.Data)).reader_id
    await channel.send(smartcard.ClientData(VscType.ATR, reader, b"\x3b\x00"))
    while (await receive(channel, smartcard.Data)).type != VscType.APDU:
        pass
    await channel.send(smartcard.ClientData(VscType.APDU, reader, b"\x90\x00"))
    await guest.leave()


def each_reader_came_and_went(stage: Stage) -> None:
    cards = stage.notes.get("cards")
    if cards is not None:
        assert not cards._readers
        told = [*stage.notes["told"], *cards._messages]
        added = [message.reader_id for message in told if message.type == VscType.READER_ADD]
        removed = [message.reader_id for message in told if message.type == VscType.READER_REMOVE]
        assert added == removed


SCENARIOS = {
    "port": Scenario(peers=use_port, application=echo_port, check=nobody_has_the_device, bystander=False),
    "usb": Scenario(peers=use_usb_in_turn, application=echo_usb, check=each_got_its_own, bystander=False),
    "webdav": Scenario(peers=share_folder, application=ask_folder, bystander=False),
    "smartcard": Scenario(peers=bring_card, application=use_card, check=each_reader_came_and_went, bystander=False),
}


@pytest.mark.parametrize(
    ("scenario", "target", "place"),
    [
        *cases("port", "server", "client.end", "port client", "device"),
        *cases("usb", "server", "client", "usbredir client"),
        *cases("webdav", "server", "client", "webdav client", "device"),
        *cases("smartcard", "server", "client", "smartcard client", "application"),
    ],
)
def test_device_leaves_nothing_behind_wherever_it_is_cancelled(scenario: str, target: str, place: str) -> None:
    every_place(SCENARIOS[scenario], target, place)
