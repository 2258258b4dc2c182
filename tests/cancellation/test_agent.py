"""An agent that is cancelled, or whose viewers are, while they copy, paste and send files, also copied ones."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from unittest import mock

import pytest
import trio
from trio.testing import memory_stream_pair

from spicetrio import ClipboardError, ClipboardType, Selection
from spicetrio.sources.copiedfiles import open_copied_files
from spicetrio.wire import agent, port, vmc
from spicetrio.wire.enums import ChannelType, FileTransferStatus, PortEvent
from spicetrio.wire.webdav import MuxDecoder, MuxFrame
from tests.agent.guestend import Guest as GuestEnd
from tests.agent.talk import Talker
from tests.cancellation.harness import Scenario, Stage, cases, every_place
from tests.server.rig import receive
from tests.sources.davserver import DavServer, Request

TEXT, PNG, FILES = ClipboardType.UTF8_TEXT, ClipboardType.IMAGE_PNG, ClipboardType.FILE_LIST
CLIPBOARD = Selection.CLIPBOARD
LARGE = bytes(3000)
FILE = "[vdagent-file-xfer]\nname=x\nsize=3000\n"


async def come(stage: Stage) -> Talker:
    guest = stage.guest()
    await stage.cue("open").wait()
    await guest.come()
    talker = Talker(guest.main, guest.init.agent_tokens)
    await talker.start()
    return talker


async def share(stage: Stage) -> None:
    """Be a viewer that copies, pastes, and sends a file and half of another one."""
    talker = await come(stage)
    await talker.send(agent.ClipboardGrab(CLIPBOARD, 0, (TEXT,)))
    request = await talker.receive(agent.ClipboardRequest)
    await talker.send(agent.ClipboardMessage(request.selection, TEXT, LARGE))
    await talker.receive(agent.ClipboardGrab)
    await talker.send(agent.ClipboardRequest(CLIPBOARD, PNG))
    assert (await talker.receive(agent.ClipboardMessage)).data == LARGE or stage.trigger.fired
    assert await talker.send_file(1, "x", LARGE) == FileTransferStatus.SUCCESS
    assert await talker.offer_file(2, "x", 10) is None
    await talker.send(agent.FileXferData(2, b"12345"))
    stage.cue("done").set()
    await talker.channel.stream.aclose()


async def answer(stage: Stage) -> None:
    """Be the agent that it does this with."""
    folder = stage.notes["folder"] = Path(tempfile.mkdtemp())
    stage.notes["complete"] = {"x"}
    with stage.scope("agent"):
        async with stage.server.open_agent(file_transfer_dir=folder) as here:
            clipboard = here.clipboards[CLIPBOARD]
            stage.cue("open").set()
            offer = await clipboard.offered.wait_value(lambda offer: offer is not None)
            assert offer is not None
            try:
                assert await offer.read(TEXT) == LARGE
            except ClipboardError:
                assert stage.trigger.fired

            async def read(kind: ClipboardType) -> bytes:
                await trio.lowlevel.checkpoint()
                return LARGE

            clipboard.offer([PNG], read)
            await stage.cue("done").wait()


async def copy_files(stage: Stage) -> None:
    """Be a viewer that copies a folder, and shares it."""
    talker = await come(stage)
    channel = await stage.guests[-1].open(ChannelType.WEBDAV)
    while (await receive(channel, port.Event)).event != PortEvent.OPENED:
        pass
    await talker.send(agent.ClipboardGrab(CLIPBOARD, 0, (FILES,)))
    request = await talker.receive(agent.ClipboardRequest)
    await talker.send(agent.ClipboardMessage(request.selection, FILES, b"copy\0/docs\0"))
    server, decoder = DavServer({"docs": {"x": LARGE}}), MuxDecoder()
    while len(server.requests) < 2:
        for one in decoder.receive_data((await receive(channel, vmc.Data)).data):
            if one.data:
                for data in (server.answer(Request.read(one.data)), b""):
                    await channel.send(vmc.ClientData(MuxFrame(one.number, data).encode()))
    await stage.cue("done").wait()
    await channel.stream.aclose()
    await talker.channel.stream.aclose()


async def paste_files(stage: Stage) -> None:
    """Be the desktop that wants them."""
    folder = stage.notes["folder"] = Path(tempfile.mkdtemp())
    with stage.scope("agent"), mock.patch("tempfile.tempdir", str(folder)):
        async with (
            stage.server.open_webdav() as shared,
            stage.server.open_agent() as here,
            open_copied_files(shared, 10 * len(LARGE)) as files,
        ):
            stage.cue("open").set()
            offer = await here.clipboards[CLIPBOARD].offered.wait_value(lambda offer: offer is not None)
            assert offer is not None
            try:
                (path,) = await files.fetch(offer)
                assert (path / "x").read_bytes() == LARGE
            except ClipboardError:
                assert stage.trigger.fired
            stage.cue("done").set()


async def share_with_guest(stage: Stage) -> None:
    """Be a viewer and a guest that paste what the other has copied, and begin to transfer a file."""
    await stage.cue("open").wait()
    guest = stage.notes["guest"]
    await guest.announce()
    talker = await come(stage)
    await talker.send(agent.ClipboardGrab(CLIPBOARD, 0, (TEXT,)))
    await guest.receive(agent.ClipboardGrab)
    await guest.send(agent.ClipboardRequest(CLIPBOARD, TEXT))
    request = await talker.receive(agent.ClipboardRequest)
    await talker.send(agent.ClipboardMessage(request.selection, TEXT, LARGE))
    assert (await guest.receive(agent.ClipboardMessage)).data == LARGE or stage.trigger.fired
    await guest.send(agent.ClipboardGrab(CLIPBOARD, 1, (PNG,)))
    await talker.receive(agent.ClipboardGrab)
    await talker.send(agent.ClipboardRequest(CLIPBOARD, PNG))
    await guest.answer(LARGE)
    assert (await talker.receive(agent.ClipboardMessage)).data == LARGE or stage.trigger.fired
    await talker.send(agent.FileXferStart(1, FILE))
    number = (await guest.receive(agent.FileXferStart)).id
    await guest.send(agent.FileXferStatus(number, FileTransferStatus.CAN_SEND_DATA))
    assert await talker.file_status(1) == FileTransferStatus.CAN_SEND_DATA
    await talker.channel.stream.aclose()
    last = {agent.FileXferStatus, agent.ClientDisconnected}
    while last:
        last.discard(type(await guest.receive(object)))
    await guest.stream.aclose()


async def bring_guest(stage: Stage) -> None:
    """Be the application that has the guest's port."""
    ours, theirs = memory_stream_pair()
    stage.notes["guest"] = GuestEnd(ours)
    with stage.scope("agent"):
        stage.cue("open").set()
        await stage.server.serve_guest_agent(theirs)


def nothing_is_left(stage: Stage) -> None:
    relay = stage.server._main.relay
    assert not relay.connected
    assert not relay._transports
    assert not relay._served
    folder = stage.notes.get("folder")
    if folder is not None:
        names = {path.name for path in folder.iterdir()}
        shutil.rmtree(folder)
        assert names <= stage.notes.get("complete", set()), f"{names} are left"


SCENARIOS = {
    "copied files": Scenario(peers=copy_files, application=paste_files, check=nothing_is_left),
    "local": Scenario(peers=share, application=answer, check=nothing_is_left),
    "guest": Scenario(peers=share_with_guest, application=bring_guest, check=nothing_is_left),
}


@pytest.mark.parametrize(
    ("scenario", "target", "place"),
    [
        *cases("local", "server", "agent"),
        *cases("guest", "client", "agent"),
        *cases("copied files", "client", "webdav client", "agent"),
    ],
)
def test_an_agent_leaves_nothing_behind_wherever_it_is_cancelled(scenario: str, target: str, place: str) -> None:
    every_place(SCENARIOS[scenario], target, place)
