"""A desktop's clipboards and its size, shared with viewers by `spicetrio x11` without an agent on the desktop."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
import trio
from PIL import Image

from spicetrio import ClipboardType, Rect, Selection
from spicetrio.wire.enums import AgentCapability

from .desktop import Desktop, open_desktop
from .gtk import GtkClient, OpenGtk
from .processes import need, open_screen
from .test_windows import open_window, wait_shown

TEXT, PNG = ClipboardType.UTF8_TEXT, ClipboardType.IMAGE_PNG


def image() -> bytes:
    noise = Image.frombytes("RGB", (500, 400), random.Random(1).randbytes(500 * 400 * 3))
    file = BytesIO()
    noise.save(file, "PNG")
    return file.getvalue()


contents = pytest.mark.parametrize(
    ("kind", "target", "data"),
    [
        (TEXT, "UTF8_STRING", "zwölf 🥊".encode()),
        (TEXT, "UTF8_STRING", random.Random(1).randbytes(5_000_000).hex().encode()),
        (PNG, "image/png", image()),
    ],
    ids=["10 bytes of text", "10 MB of text", "image"],
)


@pytest.fixture(autouse=True)
def programs() -> None:
    need("Xvfb", "xvfb")
    need("xclip", "xclip")


@pytest.fixture
async def desktop(tmp_path: Path) -> AsyncIterator[Desktop]:
    async with open_desktop(tmp_path) as desktop, desktop.window(300, 200, 50, 50):
        yield desktop


async def grabbed(viewer: GtkClient, *kinds: ClipboardType, selection: Selection = Selection.CLIPBOARD) -> None:
    await viewer.wait_event("grab", selection=int(selection), types=[int(kind) for kind in kinds])


@contents
async def test_what_a_program_copies_is_pasted_at_the_viewer(
    gtk: OpenGtk, desktop: Desktop, kind: ClipboardType, target: str, data: bytes
) -> None:
    async with gtk(desktop.address) as viewer:
        await desktop.copy(data, target)
        await grabbed(viewer, kind)
        assert await viewer.paste(kind) == (kind, data)


@contents
async def test_what_the_viewer_copies_is_pasted_by_a_program(
    gtk: OpenGtk, desktop: Desktop, kind: ClipboardType, target: str, data: bytes
) -> None:
    async with gtk(desktop.address) as viewer:
        await viewer.wait_event("agent", connected=True)
        await viewer.copy({kind: data})
        await desktop.wait_paste(data, target)
        assert await desktop.paste("image/jpeg") is None


async def test_what_is_selected_is_a_clipboard_of_its_own(gtk: OpenGtk, desktop: Desktop) -> None:
    async with gtk(desktop.address) as viewer:
        await viewer.wait_event("agent", connected=True)
        await viewer.copy({TEXT: b"copied"})
        await desktop.wait_paste(b"copied")
        await desktop.copy(b"selected", selection="primary")
        await grabbed(viewer, TEXT, selection=Selection.PRIMARY)
        assert await viewer.paste(TEXT, selection=Selection.PRIMARY) == (TEXT, b"selected")
        assert await desktop.paste() == b"copied"
        await viewer.copy({TEXT: b"selected there"}, selection=Selection.PRIMARY)
        await desktop.wait_paste(b"selected there", selection="primary")


async def test_two_viewers_and_the_desktop_copy_in_turn(gtk: OpenGtk, desktop: Desktop) -> None:
    async with gtk(desktop.address) as one, gtk(desktop.address) as other:
        for viewer in (one, other):
            await viewer.wait_event("agent", connected=True)
        for turn in range(3):
            for viewer, neighbour in ((one, other), (other, one)):
                mark = len(neighbour.events)
                await viewer.copy({TEXT: f"{turn} at a viewer".encode()})
                await neighbour.wait_event("grab", after=mark)
                await desktop.wait_paste(f"{turn} at a viewer".encode())
            marks = len(one.events), len(other.events)
            await desktop.copy(f"{turn} on the desktop".encode())
            for viewer, mark in zip((one, other), marks, strict=True):
                await viewer.wait_event("grab", after=mark)
                assert await viewer.paste(TEXT) == (TEXT, f"{turn} on the desktop".encode())


async def test_a_viewer_that_leaves_takes_what_it_copied_along(gtk: OpenGtk, desktop: Desktop) -> None:
    async with gtk(desktop.address) as viewer:
        await viewer.wait_event("agent", connected=True)
        await viewer.copy({TEXT: b"text"})
        await desktop.wait_paste(b"text")
    with trio.fail_after(10):
        while await desktop.paste("TARGETS") is not None:
            pass


async def test_nothing_passes_to_viewers_where_that_is_off(gtk: OpenGtk, tmp_path: Path) -> None:
    async with open_desktop(tmp_path, "--copy-paste", "from-viewer") as desktop, gtk(desktop.address) as viewer:
        await viewer.wait_event("agent", connected=True)
        await desktop.copy(b"from the desktop")
        await trio.sleep(0.5)
        assert not any(event["event"] == "grab" for event in viewer.events)
        assert await viewer.paste(TEXT) == (ClipboardType.NONE, b"")
        await viewer.copy({TEXT: b"from the viewer"})
        await desktop.wait_paste(b"from the viewer")


async def test_nothing_passes_from_viewers_where_that_is_off(gtk: OpenGtk, tmp_path: Path) -> None:
    async with open_desktop(tmp_path, "--copy-paste", "to-viewer") as desktop, gtk(desktop.address) as viewer:
        await viewer.wait_event("agent", connected=True)
        await desktop.copy(b"from the desktop")
        await grabbed(viewer, TEXT)
        await viewer.copy({TEXT: b"from the viewer"})
        await trio.sleep(0.5)
        assert await desktop.paste() == b"from the desktop"
        assert await viewer.paste(TEXT) == (TEXT, b"from the desktop")
        assert not any(event["event"] == "request" for event in viewer.events)


async def test_without_copy_and_paste_viewers_do_not_even_try(gtk: OpenGtk, tmp_path: Path) -> None:
    async with open_desktop(tmp_path, "--disable-copy-paste") as desktop, gtk(desktop.address) as viewer:
        await viewer.wait_event("agent", connected=True)
        await viewer.wait_capability(AgentCapability.CLIPBOARD_BY_DEMAND, there=False)
        await desktop.copy(b"from the desktop")
        await trio.sleep(0.5)
        assert not any(event["event"] == "grab" for event in viewer.events)


async def test_more_than_the_limit_is_not_pasted(gtk: OpenGtk, tmp_path: Path) -> None:
    allowed, large = bytes(1 << 20), bytes((1 << 20) + 1)
    async with open_desktop(tmp_path, "--clipboard-limit", "1") as desktop, gtk(desktop.address) as viewer:
        await viewer.wait_event("agent", connected=True)
        for data in (allowed, large):
            mark = len(viewer.events)
            await desktop.copy(data, "image/png")
            await viewer.wait_event("grab", after=mark)
            expected = (PNG, data) if data is allowed else (ClipboardType.NONE, b"")
            assert await viewer.paste(PNG) == expected
        assert b"more than the 1048576" in desktop.command.errors
        await viewer.copy({PNG: allowed})
        await desktop.wait_paste(allowed, "image/png")
        await viewer.copy({PNG: large, TEXT: b"text"})
        await desktop.wait_paste(b"text")
        assert await desktop.paste("image/png") is None
        assert b"a viewer's IMAGE_PNG cannot be pasted" in desktop.command.errors


async def test_the_desktop_gets_the_size_that_the_viewer_wants(gtk: OpenGtk, desktop: Desktop) -> None:
    async with gtk(desktop.address) as viewer, desktop.window(300, 200):
        await viewer.wait_event("agent", connected=True)
        for size in ((640, 480), (333, 577), (801, 401)):
            await viewer.ask_for_monitors(Rect(0, 0, *size))
            await desktop.wait_size(*size)
            await viewer.wait_equal(await desktop.picture())
            await trio.to_thread.run_sync(desktop.scribble, 100, 1)
            await viewer.wait_equal(await desktop.picture())


async def test_two_monitors_are_two_heads(gtk: OpenGtk, desktop: Desktop) -> None:
    areas = Rect(0, 0, 800, 600), Rect(800, 0, 1500, 500)
    async with gtk(desktop.address) as viewer, desktop.window(300, 200, 700, 100):
        await viewer.wait_event("agent", connected=True)
        await viewer.ask_for_monitors(*areas)
        await desktop.wait_size(1500, 600)
        await viewer.wait_monitors(areas)
        await viewer.wait_equal(await desktop.picture())
        assert "800/212x600/159+0+0" in (listed := await desktop.run("xrandr", "--listmonitors")), listed
        assert "700/185x500/132+800+0" in listed


async def test_a_desktop_that_is_not_to_be_resized(gtk: OpenGtk, tmp_path: Path) -> None:
    options = ["--resize", "never", "--size", "500x400"]
    async with open_desktop(tmp_path, *options) as desktop, gtk(desktop.address) as viewer:
        await viewer.wait_event("agent", connected=True)
        await viewer.ask_for_monitors(Rect(0, 0, 640, 480))
        await trio.sleep(0.7)
        assert desktop.size() == (500, 400)
        await viewer.wait_equal(await desktop.picture())


@pytest.fixture
async def remote_viewer(desktop: Desktop, tmp_path: Path) -> AsyncIterator[Desktop]:
    """The screen that remote-viewer shows the desktop on."""
    need("remote-viewer", "virt-viewer")
    need("xdotool", "xdotool")
    async with open_screen(1600, 1200) as screen, open_window("remote-viewer", desktop.address, screen, tmp_path):
        await wait_shown(screen, await desktop.picture(), tmp_path)
        yield Desktop(desktop.command, screen, session=0)


async def test_the_desktop_follows_the_window_of_remote_viewer(
    desktop: Desktop, remote_viewer: Desktop, tmp_path: Path
) -> None:
    await trio.to_thread.run_sync(desktop.scribble, 100, 1)
    (window,) = (await remote_viewer.run("xdotool", "search", "--onlyvisible", "--class", "remote-viewer")).split()
    before = desktop.size()
    for width, height in ((900, 700), (1300, 1000), (1000, 600)):
        await remote_viewer.run("xdotool", "windowsize", window, str(width), str(height))
        with trio.fail_after(15):
            while (size := desktop.size()) == before:  # noqa: ASYNC110
                await trio.sleep(0.05)
        # Besides the desktop the window has a frame and a menu.
        assert width - 100 < size[0] <= width
        assert height - 100 < size[1] <= height
        before = size
        await trio.to_thread.run_sync(desktop.scribble, 100, 2)
        await wait_shown(remote_viewer.environment, await desktop.picture(), tmp_path)


async def test_remote_viewer_shares_the_clipboard_of_its_screen(desktop: Desktop, remote_viewer: Desktop) -> None:
    text = random.Random(2).randbytes(500_000).hex().encode()
    for selection in ("clipboard", "primary"):
        await remote_viewer.copy(text, selection=selection)
        await desktop.wait_paste(text, selection=selection)
        await desktop.copy(b"on the desktop", selection=selection)
        await remote_viewer.wait_paste(b"on the desktop", selection=selection)
        await remote_viewer.copy(b"at the viewer", selection=selection)
        await desktop.wait_paste(b"at the viewer", selection=selection)
