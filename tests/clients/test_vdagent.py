"""Whether the agent that guests run, spice-vdagent, works behind a stream for several spice-gtk viewers at once."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import trio

import spicetrio
from spicetrio import ClipboardType, Selection, Server
from spicetrio.wire.enums import AgentCapability

from .gtk import CLIENT_MOUSE, OpenGtk
from .processes import need, open_child

TEXT = ClipboardType.UTF8_TEXT
RANDOM = np.random.default_rng(11)


@asynccontextmanager
async def open_vdagent(server: Server, folder: Path, screen: Mapping[str, str]) -> AsyncIterator[None]:
    """Run spice-vdagentd and spice-vdagent, with a UNIX socket in place of the virtio port."""
    need("spice-vdagentd", "spice-vdagent")
    port, sock, uinput = folder / "port", folder / "sock", folder / "uinput"
    await trio.Path(uinput).write_bytes(b"")
    common = ["-x", "-s", str(port), "-S", str(sock)]
    env = {**os.environ, **screen}
    with trio.socket.socket(trio.socket.AF_UNIX) as listener:
        await listener.bind(str(port))
        listener.listen(1)
        async with (
            open_child(["spice-vdagentd", *common, "-X", "-f", "-u", str(uinput)], env=env),
            trio.open_nursery() as nursery,
        ):
            while not await trio.Path(sock).exists():  # noqa: ASYNC110 - nothing tells
                await trio.sleep(0.01)
            files = folder / "files"
            await trio.Path(files).mkdir()
            async with open_child(["spice-vdagent", *common, "-f", str(files), "-o", "0"], env=env):
                with trio.fail_after(10):
                    stream, _ = await listener.accept()
                nursery.start_soon(server.serve_guest_agent, trio.SocketStream(stream))
                yield
                nursery.cancel_scope.cancel()


async def wait_pasted(env: Mapping[str, str], expected: bytes) -> None:
    """Wait until a program in the guest pastes that."""
    command = ["xclip", "-o", "-selection", "clipboard", "-target", "UTF8_STRING"]
    pasted = b""
    with trio.fail_after(30):
        while pasted != expected:
            done = await trio.run_process(command, env={**os.environ, **env}, capture_stdout=True, check=False)
            pasted = done.stdout


async def test_the_agent_of_a_guest_serves_several_viewers(
    gtk: OpenGtk, screen: dict[str, str], tmp_path: Path
) -> None:
    need("xclip", "xclip")
    large = RANDOM.bytes(5_000_000).hex().encode()
    file = tmp_path / "big.bin"
    await trio.Path(file).write_bytes(RANDOM.bytes(20_000_000))
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_display(640, 480),
        server.open_inputs(absolute=False),
        open_vdagent(server, tmp_path, screen),
        gtk(server.addresses[0], channels=["inputs"], picture=False) as one,
        gtk(server.addresses[0], channels=[], picture=False) as other,
    ):
        for viewer in (one, other):
            await viewer.wait_capability(AgentCapability.CLIPBOARD_BY_DEMAND)
        await one.copy({TEXT: b"from a viewer"})
        await other.wait_event("grab", types=[TEXT])
        assert await other.paste(TEXT) == (TEXT, b"from a viewer")
        await wait_pasted(screen, b"from a viewer")

        seen = len(one.events)
        await other.copy({TEXT: large})
        await one.wait_event("grab", after=seen, types=[TEXT])
        await wait_pasted(screen, large)

        copied = tmp_path / "copied"
        await trio.Path(copied).write_bytes(large[::-1])
        seen = len(one.events), len(other.events)
        command = ["xclip", "-i", "-selection", "clipboard", "-quiet", str(copied)]
        async with open_child(command, env={**os.environ, **screen}):
            for viewer, before in zip((one, other), seen, strict=True):
                await viewer.wait_event("grab", after=before, selection=int(Selection.CLIPBOARD))
                assert await viewer.paste(TEXT) == (TEXT, large[::-1])

        assert await one.send_files(file, timeout=60) == {"ok": True}
        assert await trio.Path(tmp_path / "files" / "big.bin").read_bytes() == await trio.Path(file).read_bytes()

        await one.request_mouse_mode(CLIENT_MOUSE)
        await one.wait_event("mouse-mode", mode=CLIENT_MOUSE)
