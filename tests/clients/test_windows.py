"""Viewers with windows, remote-viewer and spicy, on a screen of their own: what they show, and what hands do there."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import trio
from PIL import Image

import spicetrio
from spicetrio import VideoCodec

from .command import open_command
from .drawing import Drawing
from .encoding import Wall, film, open_cinema
from .gtk import OpenGtk, Picture
from .processes import complaints, need, open_child, screenshot

PACKAGES = {"remote-viewer": "virt-viewer", "spicy": "spice-client-gtk"}
SIZE = (640, 480)
"""The one size that spicy does not scale."""


@pytest.fixture(params=PACKAGES)
def client(request: pytest.FixtureRequest) -> str:
    need(request.param, PACKAGES[request.param])
    return request.param


@asynccontextmanager
async def open_window(
    client: str, address: str, screen: dict[str, str], folder: Path, *options: str
) -> AsyncIterator[trio.Process]:
    """Start a viewer that has no settings of earlier runs."""
    url = urlsplit(address)
    command = {
        "remote-viewer": ["remote-viewer", address, *options],
        "spicy": ["spicy", "-h", str(url.hostname), "-p", str(url.port), *options],
    }[client]
    environment = screen | {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    errors = folder / f"{client}.errors"
    with errors.open("wb") as file:
        async with open_child(command, env=environment, stdout=subprocess.DEVNULL, stderr=file) as viewer:
            yield viewer
    if found := complaints(errors.read_bytes()):
        raise AssertionError("\n".join([f"{client} complained:", *found]))


async def wait_shown(screen: dict[str, str], expected: Picture, folder: Path, *, share: float = 1.0) -> tuple[int, int]:
    """Wait until the picture, or that share of it, stands somewhere on the screen; where its left upper corner is."""
    with trio.move_on_after(15):
        while True:
            image = await screenshot(screen)
            if (place := find(np.asarray(image), expected.array(), share)) is not None:
                return place
            await trio.sleep(0.1)
    image.save(folder / "screen.png")
    expected.image().save(folder / "expected.png")
    raise AssertionError(f"the picture is not on the screen; see screen.png and expected.png in {folder}")


def find(screen: np.ndarray, picture: np.ndarray, share: float) -> tuple[int, int] | None:
    """Where in one array of pixels the other one is, but for the share that may differ."""
    height, width = picture.shape[:2]
    rows = [screen[y].tobytes() for y in range(screen.shape[0])]
    busy = [y for y in range(0, height, 10) if len(np.unique(picture[y], axis=0)) > 8]
    for y in busy:
        wanted = picture[y].tobytes()
        for top in range(screen.shape[0] - height + 1):
            offset = rows[top + y].find(wanted)
            if offset < 0:
                continue
            left = offset // 3
            equal = (screen[top : top + height, left : left + width] == picture).all(axis=2)
            if equal.mean() >= share:
                return left, top
    return None


async def test_the_window_shows_what_is_drawn(client: str, screen: dict[str, str], tmp_path: Path) -> None:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_display(*SIZE) as display,
    ):
        drawing = Drawing(display, seed=1)
        await drawing.cover()
        async with open_window(client, server.addresses[0], screen, tmp_path):
            await wait_shown(screen, drawing.picture, tmp_path)
            await drawing.draw(10)
            await wait_shown(screen, drawing.picture, tmp_path)


async def test_the_window_follows_the_size_of_the_display(screen: dict[str, str], tmp_path: Path) -> None:
    need("remote-viewer", PACKAGES["remote-viewer"])
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_display(*SIZE) as display,
    ):
        drawing = Drawing(display, seed=3)
        await drawing.cover()
        async with open_window("remote-viewer", server.addresses[0], screen, tmp_path):
            await wait_shown(screen, drawing.picture, tmp_path)
            for size in ((800, 600), (500, 400)):
                await drawing.resize(*size)
                await drawing.cover()
                await wait_shown(screen, drawing.picture, tmp_path)


async def test_the_window_shows_encoded_video(client: str, screen: dict[str, str], tmp_path: Path) -> None:
    scene = Wall(*SIZE)
    async with open_cinema() as (server, display, nursery):
        nursery.start_soon(film, display, VideoCodec.H264, scene)
        async with open_window(client, server.addresses[0], screen, tmp_path):
            for scene.color in ((20, 120, 200), (200, 60, 100)):
                with trio.fail_after(15):
                    while _count(await screenshot(screen), scene.color) < 0.9 * SIZE[0] * SIZE[1]:  # noqa: ASYNC110
                        await trio.sleep(0.1)


def _count(screen: Image.Image, color: tuple[int, int, int]) -> int:
    """How many pixels have a color, but for what a codec loses."""
    return int((abs(np.asarray(screen).astype(int) - color) < 8).all(axis=2).sum())


async def test_hands_on_the_window_are_felt(client: str, screen: dict[str, str], tmp_path: Path) -> None:
    need("xdotool", "xdotool")
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_display(*SIZE) as display,
        server.open_inputs() as inputs,
    ):
        drawing = Drawing(display, seed=2)
        await drawing.cover()
        async with open_window(client, server.addresses[0], screen, tmp_path):
            left, top = await wait_shown(screen, drawing.picture, tmp_path)
            where = [str(left + 123), str(top + 45)]
            clicks = ["mousemove", *where, "click", "1", "sleep", "0.2", "key", "a"]
            await trio.run_process(["xdotool", *clicks], env=screen)
            position, felt = None, []
            with trio.move_on_after(10):
                async for event in inputs:
                    match event:
                        case spicetrio.PointerPosition(x, y):
                            position = x, y
                        case spicetrio.ButtonEvent(button, down):
                            felt.append(("button", button, down, position))
                        case spicetrio.KeyEvent(30, down):
                            felt.append(("a", down))
                            if not down:
                                break
    assert felt == [("button", 1, True, (123, 45)), ("button", 1, False, (123, 45)), ("a", True), ("a", False)]


async def test_the_demo_is_shown(gtk: OpenGtk, client: str, screen: dict[str, str], tmp_path: Path) -> None:
    async with (
        open_command("demo", "--port", "0", "--disable-ticketing", "--size", f"{SIZE[0]}x{SIZE[1]}") as command,
        open_window(client, command.address, screen, tmp_path),
        gtk(command.address) as viewer,
    ):
        # Something in it always moves, so not all can be caught equal.
        await wait_shown(screen, await viewer.picture(), tmp_path, share=0.8)


async def test_the_viewer_file_opens_the_demo(screen: dict[str, str], gtk: OpenGtk, tmp_path: Path) -> None:
    need("remote-viewer", PACKAGES["remote-viewer"])
    file, password = tmp_path / "demo.vv", tmp_path / "password"
    password.write_text("sésame, ouvre-toi\n")
    size = f"{SIZE[0]}x{SIZE[1]}"
    options = ["--port", "0", "--vv", str(file), "--password-file", str(password), "--size", size]
    async with (
        open_command("demo", *options) as command,
        open_window("remote-viewer", str(file), screen, tmp_path),
        gtk(command.address, password="sésame, ouvre-toi") as viewer,
    ):
        await wait_shown(screen, await viewer.picture(), tmp_path, share=0.8)
