"""Whether spice-gtk copies, pastes, sends files and asks for monitors as its user would."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import trio
from PIL import Image

import spicetrio
from spicetrio import Agent, ClipboardType, CopyPaste, FileTransferState, Offer, Rect, Selection
from spicetrio.wire.enums import AgentCapability

from .gtk import GtkClient, OpenGtk

TEXT, PNG = ClipboardType.UTF8_TEXT, ClipboardType.IMAGE_PNG
CLIPBOARD, PRIMARY = Selection.CLIPBOARD, Selection.PRIMARY
RANDOM = np.random.default_rng(7)
TEN_BYTES = b"ten bytes!"
TEN_MEGABYTES = RANDOM.bytes(5_000_000).hex().encode()


def picture() -> bytes:
    file = io.BytesIO()
    Image.frombytes("RGB", (640, 480), RANDOM.bytes(640 * 480 * 3)).save(file, "png")
    return file.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def offered(agent: Agent, selection: Selection = CLIPBOARD) -> Offer:
    with trio.fail_after(10):
        offer = await agent.clipboards[selection].offered.wait_value(lambda offer: offer is not None)
    assert offer is not None
    return offer


def give(agent: Agent, data: bytes, kind: ClipboardType = TEXT) -> None:
    async def read(_: ClipboardType) -> bytes:
        await trio.lowlevel.checkpoint()
        return data

    agent.clipboards[CLIPBOARD].offer([kind], read)


async def both_ready(*viewers: GtkClient) -> None:
    for viewer in viewers:
        await viewer.wait_capability(AgentCapability.CLIPBOARD_BY_DEMAND)


@pytest.mark.parametrize(
    ("kind", "data"),
    [(TEXT, TEN_BYTES), (TEXT, TEN_MEGABYTES), (PNG, picture())],
    ids=["10 bytes", "10 MB", "picture"],
)
async def test_what_is_copied_is_pasted_in_all_directions(gtk: OpenGtk, kind: ClipboardType, data: bytes) -> None:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_agent() as agent,
        gtk(server.addresses[0], channels=[], picture=False) as one,
        gtk(server.addresses[0], channels=[], picture=False) as other,
    ):
        await both_ready(one, other)
        give(agent, data, kind)
        await one.wait_event("grab", selection=0, types=[kind])
        assert await one.paste(kind) == (kind, data)
        await one.copy({kind: data[::-1]})
        assert await (await offered(agent)).read(kind) == data[::-1]
        await other.wait_event("grab", after=len(other.events) - 1, selection=0, types=[kind])
        assert await other.paste(kind) == (kind, data[::-1])
        await one.request("release", selection=0)
        await other.wait_event("release", selection=0)


async def test_large_texts_of_two_viewers_at_once_arrive_whole(gtk: OpenGtk) -> None:
    texts = {CLIPBOARD: TEN_MEGABYTES, PRIMARY: TEN_MEGABYTES[::-1]}
    got = {}
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_agent() as agent,
        gtk(server.addresses[0], channels=[], picture=False) as one,
        gtk(server.addresses[0], channels=[], picture=False) as other,
    ):
        await both_ready(one, other)

        async def read(selection: Selection) -> None:
            got[selection] = await (await offered(agent, selection)).read(TEXT)

        for viewer, selection in ((one, CLIPBOARD), (other, PRIMARY)):
            await viewer.copy({TEXT: texts[selection]}, selection=selection)
            await offered(agent, selection)
        async with trio.open_nursery() as nursery:
            for selection in texts:
                nursery.start_soon(read, selection)
    assert got == texts


@pytest.mark.parametrize("allowed", [CopyPaste.TO_VIEWER, CopyPaste.FROM_VIEWER, CopyPaste.OFF])
async def test_nothing_passes_in_a_direction_that_is_off(gtk: OpenGtk, allowed: CopyPaste) -> None:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True, copy_paste=allowed) as server,
        server.open_agent() as agent,
        gtk(server.addresses[0], channels=[], picture=False) as viewer,
    ):
        await viewer.wait_capability(AgentCapability.REPLY)
        on = allowed is not CopyPaste.OFF
        await viewer.wait_capability(AgentCapability.CLIPBOARD_BY_DEMAND, there=on)
        if on:
            await viewer.copy({TEXT: b"from the viewer"})
            await viewer.ask_for_monitors(Rect(0, 0, 800, 600))  # a sign that what came before is here
            await agent.monitors.wait_value(lambda areas: areas is not None)
        assert (agent.clipboards[CLIPBOARD].offered.value is not None) == (allowed is CopyPaste.FROM_VIEWER)
        give(agent, b"to the viewer")
        if allowed is CopyPaste.TO_VIEWER:
            await viewer.wait_event("grab")
        if on:
            expected = (TEXT, b"to the viewer") if allowed is CopyPaste.TO_VIEWER else (ClipboardType.NONE, b"")
            assert await viewer.paste(TEXT) == expected
        assert any(seen["event"] == "grab" for seen in viewer.events) == (allowed is CopyPaste.TO_VIEWER)


async def test_files_arrive_whole_and_take_the_place_of_none(gtk: OpenGtk, tmp_path: Path) -> None:
    folder, source = tmp_path / "here", tmp_path / "there"
    files = {"big file.bin": RANDOM.bytes(50_000_000), "größe.txt": b"small", "empty": b""}
    fill(source, files)
    fill(folder, {"empty": b"not so"})
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_agent(file_transfer_dir=folder),
        gtk(server.addresses[0], channels=[], picture=False) as viewer,
    ):
        await viewer.wait_capability(AgentCapability.FILE_XFER_DETAILED_ERRORS)
        sent = await viewer.send_files(*(source / name for name in files), timeout=60)
        assert sent == {"ok": True}
    assert contents(folder) == {**files, "empty": b"not so", "empty (1)": b""}


async def test_a_file_that_is_cancelled_half_way_leaves_nothing(gtk: OpenGtk, tmp_path: Path) -> None:
    folder, source = tmp_path / "here", tmp_path / "there"
    fill(source, {"big": RANDOM.bytes(50_000_000)})
    fill(folder, {})
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_agent(file_transfer_dir=folder) as agent,
        gtk(server.addresses[0], channels=[], picture=False) as viewer,
        trio.open_nursery() as nursery,
    ):
        await viewer.wait_capability(AgentCapability.FILE_XFER_DETAILED_ERRORS)
        results = []

        async def send() -> None:
            results.append(await viewer.send_files(source / "big", timeout=60))

        nursery.start_soon(send)
        with trio.fail_after(30):
            await agent.transfers.wait_value(lambda seen: bool(seen) and seen[-1].received > 20_000_000)
            assert len(contents(folder)) == 1
            await viewer.cancel_files()
            await agent.transfers.wait_value(lambda seen: seen[-1].state is FileTransferState.CANCELLED)
        assert contents(folder) == {}
        await until_done(results)
        assert results[0]["cancelled"]


async def until_done(results: list[object]) -> None:
    with trio.fail_after(10):
        while not results:  # noqa: ASYNC110 - nothing tells
            await trio.sleep(0.01)


async def test_files_are_refused_where_there_is_no_room_or_no_folder(
    gtk: OpenGtk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, source = tmp_path / "here", tmp_path / "there"
    fill(source, {"file": b"12345"})
    fill(folder, {})
    monkeypatch.setattr("spicetrio.agent.files._free_space", lambda folder: 4)
    async with spicetrio.open_server(port=0, disable_ticketing=True) as server:
        for place, words in ((folder, "space"), (None, "disabled")):
            async with (
                server.open_agent(file_transfer_dir=place),
                gtk(server.addresses[0], channels=[], picture=False) as viewer,
            ):
                await viewer.wait_capability(AgentCapability.FILE_XFER_DISABLED, there=place is None)
                await viewer.wait_capability(AgentCapability.FILE_XFER_DETAILED_ERRORS)
                assert "1 failed" in (await viewer.send_files(source / "file"))["failed"]
                assert words in (await viewer.wait_event("file", name="file"))["error"].lower()
    assert contents(folder) == {}


async def test_a_viewer_asks_for_monitors(gtk: OpenGtk) -> None:
    areas = (Rect(0, 0, 800, 600), Rect(800, 0, 1600, 700))
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_agent() as agent,
        gtk(server.addresses[0], channels=[], picture=False) as viewer,
    ):
        await viewer.wait_capability(AgentCapability.MONITORS_CONFIG)
        await viewer.ask_for_monitors(*areas)
        with trio.fail_after(10):
            await agent.monitors.wait_value(lambda wanted: wanted == areas)


def fill(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
