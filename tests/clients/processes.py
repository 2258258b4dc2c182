"""Child processes that never outlive the block they were opened in, and screens of our own to run clients on."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import trio
import xcffib
from PIL import Image
from xcffib import xproto

ENDING_TIMEOUT = 5.0


def need(program: str, package: str) -> None:
    """Skip the test when a client is not installed; where everything must be (CI), fail it."""
    if shutil.which(program) is None:
        missing(f"{program} is not installed (Debian package {package})")


def missing(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@asynccontextmanager
async def open_child(
    command: Sequence[str], *, ending: signal.Signals = signal.SIGTERM, **options: Any
) -> AsyncIterator[trio.Process]:
    """Run a program for as long as the block; it is asked to end by `ending`, and killed if it does not."""
    process = await trio.lowlevel.open_process(list(command), **options)
    try:
        yield process
    finally:
        with trio.CancelScope(shield=True):
            await end(process, ending)
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    await pipe.aclose()


async def end(process: trio.Process, ending: signal.Signals) -> int:
    """Have a process end, and wait for it; its exit status."""
    if process.returncode is None:
        process.send_signal(ending)
        process.send_signal(signal.SIGCONT)  # a stopped process would not see the other one
        with trio.move_on_after(ENDING_TIMEOUT):
            await process.wait()
    if process.returncode is None:
        process.kill()
    return await process.wait()


@asynccontextmanager
async def open_screen(width: int = 1024, height: int = 768) -> AsyncIterator[dict[str, str]]:
    """An X server without a screen to look at; gives the environment in which its clients run."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as numbers:
        try:
            screen = open_child(
                ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp"],
                pass_fds=(writer,),
                stderr=subprocess.DEVNULL,
            )
            async with screen:
                os.close(writer)
                writer = -1
                with trio.fail_after(10):
                    await trio.lowlevel.wait_readable(numbers)
                display = f":{numbers.read(16).decode().strip()}"
                environment = {k: v for k, v in os.environ.items() if k not in {"XAUTHORITY", "WAYLAND_DISPLAY"}}
                yield environment | {"DISPLAY": display, "NO_AT_BRIDGE": "1"}
        finally:
            if writer >= 0:
                os.close(writer)


def complaints(errors: bytes) -> list[str]:
    """What the SPICE client libraries objected to, among all that a client wrote to its standard error."""
    pattern = re.compile(r"\bG?Spice-(CRITICAL|WARNING)\b")
    return [line for line in errors.decode(errors="replace").splitlines() if pattern.search(line)]


@contextmanager
def x_connection(environment: Mapping[str, str]) -> Iterator[xcffib.Connection]:
    """A connection to the X server of that environment."""
    connection = _connect(environment["DISPLAY"], environment.get("XAUTHORITY"))
    try:
        yield connection
    finally:
        connection.disconnect()


async def screenshot(environment: Mapping[str, str]) -> Image.Image:
    """What is on the X screen of that environment."""
    with x_connection(environment) as connection, trio.fail_after(10):
        return await trio.to_thread.run_sync(_grab, connection)


def _grab(connection: xcffib.Connection) -> Image.Image:
    root = connection.get_setup().roots[connection.pref_screen].root
    shape = connection.core.GetGeometry(root).reply()
    every_plane = 0xFFFFFFFF
    request = connection.core.GetImage(xproto.ImageFormat.ZPixmap, root, 0, 0, shape.width, shape.height, every_plane)
    pixels = bytes(request.reply().data)
    return Image.frombytes("RGB", (shape.width, shape.height), pixels, "raw", "BGRX", 0, 1)


def _connect(display: str, authority: str | None) -> xcffib.Connection:
    # libxcb looks for the cookie's file nowhere but in this process's own environment.
    before = os.environ.get("XAUTHORITY")
    try:
        _set_authority(authority)
        return xcffib.connect(display)
    finally:
        _set_authority(before)


def _set_authority(file: str | None) -> None:
    if file is None:
        os.environ.pop("XAUTHORITY", None)
    else:
        os.environ["XAUTHORITY"] = file
