"""README.md promises commands and a program; they are tried as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import trio

from spicetrio.wire import inputs
from spicetrio.wire.enums import ChannelType, MouseMode
from spicetrio.wire.main import MouseModeMessage, MouseModeRequest

from .peer import open_viewer

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


async def read_line(stream: trio.abc.ReceiveStream) -> str:
    data = bytearray()
    while not data.endswith(b"\n"):
        some = await stream.receive_some(1)
        assert some, "the program has ended"
        data += some
    return data.decode().strip()


async def test_the_example_shows_what_a_viewer_draws() -> None:
    (program,) = blocks("python")
    assert program.count("port=5900") == 1
    command = [sys.executable, "-c", program.replace("port=5900", "port=0")]
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            process = await nursery.start(
                partial(trio.run_process, command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
            )
            line = await read_line(process.stdout)
            port = int(re.fullmatch(r"listening on spice://127\.0\.0\.1:(\d+)", line)[1])
            async with open_viewer(partial(trio.open_tcp_stream, "127.0.0.1", port), password="secret") as viewer:
                await viewer.main.send(MouseModeRequest(MouseMode.CLIENT))
                while not isinstance(await viewer.main.receive(), MouseModeMessage):
                    pass
                screen = await viewer.open_display()
                async with screen.stream:
                    await viewer.watch(screen, lambda picture: picture.marked)
                    assert viewer.screen.pixels() == b"\x60\x40\x20\0" * 640 * 480
                    mouse = await viewer.open(ChannelType.INPUTS)
                    async with mouse.stream:
                        await mouse.send(inputs.MousePosition(100, 50, 0, 0), inputs.MousePosition(639, 479, 0, 0))
                        await viewer.watch(screen, lambda picture: picture.pixels().endswith(b"\xff\xff\xff\0"))
                offset = 4 * (50 * 640 + 100)
                assert viewer.screen.pixels()[offset : offset + 16] == b"\xff\xff\xff\0" * 4
            nursery.cancel_scope.cancel()


def test_the_two_commands_are_one_line_each() -> None:
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    assert "spicetrio demo" in commands[0]
    assert commands[1].endswith(".venv/bin/python -m pytest -n 2")


def test_ci_runs_the_tests_by_the_command_that_is_promised() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    pattern = re.search(r"grep -m 1 '([^']*)' README\.md", script)
    assert pattern is not None
    found = [line for line in README.splitlines() if re.match(pattern[1], line)]
    assert [line.endswith("-m pytest -n 2") for line in found] == [True]


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
