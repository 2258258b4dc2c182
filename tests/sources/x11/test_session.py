from __future__ import annotations

import errno
import importlib.util
import os
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio

import spicetrio
from spicetrio.sources import processes
from spicetrio.sources.errors import SourceError
from spicetrio.sources.x11 import connection, serve_x11
from spicetrio.sources.x11.xserver import authority_entry
from tests.clients.processes import need, open_child, x_connection
from tests.sources.x11.conftest import attach
from tests.sources.x11.recording import RecordingServer
from tests.sources.x11.screen import Screen, open_screen_client

SIZE = (320, 200)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    need("Xvfb", "xvfb")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


async def run(*, display: str | None = None, start: Sequence[str] | None = None) -> None:
    with trio.fail_after(30):
        await serve_x11(RecordingServer().server, display=display, start=start, size=SIZE, resize=False)


async def refusal(*, display: str | None = None, start: Sequence[str] | None = None) -> str:
    """The line that says why not."""
    with pytest.raises(SourceError) as error:
        await run(display=display, start=start)
    line = str(error.value)
    assert "\n" not in line
    return line


@asynccontextmanager
async def xvfb_with(*arguments: str) -> AsyncIterator[str]:
    """The display of an Xvfb with further arguments."""
    reading, writing = os.pipe()
    async with trio.lowlevel.FdStream(reading) as numbers:
        command = ["Xvfb", "-displayfd", str(writing), *arguments]
        async with open_child(command, pass_fds=(writing,), stderr=-3):
            os.close(writing)
            yield f":{(await numbers.receive_some(16)).decode().strip()}"


def descendants() -> set[int]:
    """This process's children, and what they started."""
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == os.getpid():
                found.add(int(entry.name))
    return found


def open_descriptors() -> set[str]:
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(f"{entry.name} {entry.readlink()}")
    return {one for one in found if "/proc/" not in one}


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def left_socket(display: str) -> bool:
    """Whether its socket is there and nobody listens; the number may be that of another test's X server by now."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(f"/tmp/.X11-unix/X{display[1:]}") == errno.ECONNREFUSED


@pytest.fixture(autouse=True)
def nothing_left(folder: Path) -> object:
    """Every session leaves the machine as it was."""
    processes, descriptors = descendants(), open_descriptors()
    yield
    assert descendants() == processes
    assert open_descriptors() - descriptors == set()
    assert not list(folder.glob("spicetrio-x11-*"))


async def test_it_ends_with_its_command(folder: Path) -> None:
    told = folder / "told"
    await run(start=["sh", "-c", f'echo "$DISPLAY $XAUTHORITY" > {told}; exit 3'])
    display, authority = told.read_text().split()
    assert display.startswith(":")
    assert authority.startswith(str(folder))
    assert not left_socket(display)


@asynccontextmanager
async def started(
    folder: Path, script: str, *, resize: bool = False
) -> AsyncIterator[tuple[RecordingServer, dict[str, str]]]:
    """A session with this script, cancelled in the end, and the environment the script told of."""
    told = folder / "told"
    server = RecordingServer()
    command = ["sh", "-c", f'echo "$DISPLAY $XAUTHORITY" > {told}.part; mv {told}.part {told}; {script}']
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            serve = partial(serve_x11, server.server, display=None, start=command, size=SIZE, resize=resize)
            name = await nursery.start(serve)
            while not told.exists():  # noqa: ASYNC110  (another process makes it)
                await trio.sleep(0.01)
            display, authority = told.read_text().split()
            assert display == name
            yield server, {"DISPLAY": display, "XAUTHORITY": authority}
            nursery.cancel_scope.cancel()


async def test_cancelling_it_ends_the_command_and_what_that_started(folder: Path) -> None:
    pids = folder / "pids"
    async with started(folder, f"sleep 60 & echo $$ $! > {pids}; wait") as (server, environment):
        while not pids.exists() or not pids.read_text().strip():  # noqa: ASYNC110
            await trio.sleep(0.01)
        await server.display.until(lambda: bool(server.display.frames))
        assert (server.display.width, server.display.height) == SIZE
        display = environment["DISPLAY"]
    assert not any(alive(int(pid)) for pid in pids.read_text().split())
    assert not left_socket(display)
    assert server.closed


async def test_a_screen_that_follows_viewers_has_its_size_at_first_and_room_to_grow(folder: Path) -> None:
    size = folder / "size"
    need("xrandr", "x11-xserver-utils")
    script = f"xrandr > {size}.part; mv {size}.part {size}; exec sleep 60"
    async with started(folder, script, resize=True) as (server, environment):
        while not size.exists():  # noqa: ASYNC110  (another process makes it)
            await trio.sleep(0.01)
        assert "current 320 x 200, maximum 7680 x 4320" in size.read_text()
        await server.display.until(lambda: bool(server.display.frames))
        assert (server.display.width, server.display.height) == SIZE
        server.agent.monitors.value = (spicetrio.Rect(0, 0, 7000, 300),)
        await server.display.until(lambda: (server.display.width, server.display.height) == (7000, 300))
        with x_connection(environment) as connection:
            assert connection.core.GetGeometry(connection.get_setup().roots[0].root).reply().width == 7000


async def test_a_command_that_does_not_want_to_end_is_killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "TERMINATION_SECONDS", 0.3)
    async with started(folder, "trap '' TERM HUP; while :; do sleep 0.1; done"):
        pass


async def test_what_the_command_leaves_behind_ends_too(folder: Path) -> None:
    pid = folder / "pid"
    await run(start=["sh", "-c", f"sleep 60 & echo $! > {pid}"])
    assert not alive(int(pid.read_text()))


async def test_a_stopped_xvfb_is_killed_and_its_socket_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "TERMINATION_SECONDS", 0.3)
    real = os.killpg

    def no_continuing(group: int, number: int) -> None:
        # As if it hung: it neither ends nor goes on.
        if number in (0, signal.SIGKILL):
            real(group, number)

    async with started(folder, "sleep 60") as (_, environment):
        monkeypatch.setattr(os, "killpg", no_continuing)
    assert not left_socket(environment["DISPLAY"])


async def test_only_the_cookie_lets_programs_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with started(folder, "sleep 60") as (_, environment):
        monkeypatch.setenv("XAUTHORITY", environment["XAUTHORITY"])
        with open_screen_client(environment) as screen:
            assert screen.size() == SIZE
        assert Path(environment["XAUTHORITY"]).parent.stat().st_mode & 0o77 == 0
        monkeypatch.setenv("XAUTHORITY", os.devnull)
        line = await refusal(display=environment["DISPLAY"])
        assert "XAUTHORITY" in line


def test_an_xauthority_entry_is_for_any_display() -> None:
    entry = authority_entry(b"0123456789abcdef")
    assert entry == b"\xff\xff\x00\x00\x00\x00\x00\x12MIT-MAGIC-COOKIE-1\x00\x100123456789abcdef"


async def test_a_terminal_is_shown(folder: Path) -> None:
    need("xterm", "xterm")
    async with started(folder, "exec xterm -geometry 30x8+0+0 -bg '#204060'") as (server, _):
        await server.display.until(lambda: b"\x20\x40\x60" * 50 in server.display.rgb())


async def test_the_end_of_an_x_server_ends_the_session(xvfb: dict[str, str], screen: Screen) -> None:
    with pytest.RaisesGroup(SourceError) as error:
        async with attach(xvfb):
            os.kill(screen.server_pid(), signal.SIGTERM)
            await trio.sleep(5)
    assert str(error.value.exceptions[0]) == f"the X server at {xvfb['DISPLAY']} went away"


async def test_without_xvfb_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PATH", str(folder))
    assert await refusal(start=["true"]) == (
        "Xvfb was not found: install it (Debian: apt-get install xvfb) or attach to a running display with --display :0"
    )


async def test_an_xvfb_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    xvfb = folder / "Xvfb"
    xvfb.write_text("#!/bin/sh\necho '(EE) no room for a screen' >&2\nexit 1\n")
    xvfb.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    assert await refusal(start=["true"]) == "Xvfb does not start: no room for a screen"


async def test_a_command_that_is_not_there() -> None:
    assert await refusal(start=["/no/such/program"]) == "/no/such/program cannot be started: No such file or directory"


async def test_without_xcffib_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install 'spicetrio[x11]'" in await refusal(display=":0")


async def test_a_display_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    assert "--display :0" in await refusal()
    with pytest.raises(ValueError, match="not both"):
        await run(display=":0", start=["true"])


@pytest.mark.parametrize("name", ["nonsense", ":x"])
async def test_a_name_that_is_no_display(name: str) -> None:
    assert await refusal(display=name) == f"'{name}' is no X display: it is written :0, or as $DISPLAY has it"


async def test_a_display_that_does_not_run() -> None:
    assert "there is no connection to the X server at :4711" in await refusal(display=":4711")


async def test_an_x_server_that_does_not_answer(
    xvfb: dict[str, str], screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.3)
    before = open_descriptors()
    os.kill(screen.server_pid(), signal.SIGSTOP)
    try:
        assert await refusal(display=xvfb["DISPLAY"]) == f"the X server at {xvfb['DISPLAY']} does not answer"
    finally:
        os.kill(screen.server_pid(), signal.SIGCONT)
    with trio.fail_after(5):
        while open_descriptors() - before:  # noqa: ASYNC110  (the thread that waited for it hangs up by itself)
            await trio.sleep(0.02)


@pytest.mark.parametrize("extension", ["MIT-SHM", "XTEST", "DAMAGE", "XFIXES"])
async def test_an_extension_that_is_missing(extension: str) -> None:
    async with xvfb_with("-extension", extension) as display:
        with open_screen_client({"DISPLAY": display}) as screen:
            if screen.core.QueryExtension(len(extension), extension).reply().present:
                pytest.skip(f"this Xvfb cannot do without {extension}")
        assert (await refusal(display=display)).startswith(f"the X server at {display} has no {extension} extension (")


async def test_without_randr_a_screen_keeps_its_size(caplog: pytest.LogCaptureFixture) -> None:
    async with xvfb_with("-extension", "RANDR") as display, attach({"DISPLAY": display}, resize=True) as server:
        assert f"the X server at {display} has no RANDR extension, and keeps its size" in caplog.text
        server.agent.monitors.value = (spicetrio.Rect(0, 0, 400, 300),)
        await trio.sleep(0.4)
        assert server.display.heads == [spicetrio.Rect(0, 0, server.display.width, server.display.height)]


@pytest.mark.parametrize("depth", [8, 16])
async def test_a_depth_that_cannot_be_shown(depth: int) -> None:
    async with xvfb_with("-screen", "0", f"320x200x{depth}") as display:
        assert f"has depth {depth}, not 24 or 32" in await refusal(display=display)


async def test_an_x_server_across_a_network() -> None:
    async with xvfb_with("-listen", "tcp", "-ac") as display:
        assert "is not on this machine" in await refusal(display=f"127.0.0.1{display}")
