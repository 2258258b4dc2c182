from __future__ import annotations

import configparser
import io
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import trio

import spicetrio
from spicetrio.cli import main, serving
from spicetrio.cli.errors import CommandError
from spicetrio.cli.options import Serving
from spicetrio.sources.errors import SourceError
from tests.peer import RefusedError, open_viewer

from .commands import PROGRAM, ROOT, environment, run, running

FREE = ("demo", "--port", "0")


def place(address: str) -> tuple[str, int]:
    found = re.fullmatch(r"spice://\[?([^\]]+?)\]?:(\d+)", address)
    assert found is not None, address
    return found[1], int(found[2])


async def test_help_and_version() -> None:
    outcome = await run("--help")
    assert (outcome.status, outcome.errors) == (0, "")
    assert "demo" in outcome.output
    assert "x11" in outcome.output
    outcome = await run("--version")
    assert outcome.status == 0
    assert outcome.output.startswith("spicetrio ")


async def test_it_listens_with_a_ticket_of_its_own_until_a_signal() -> None:
    async with running(*FREE) as program:
        ticket = await program.errors.find("ticket: ")
        hint = await program.errors.find("connect: ")
        address = await program.ready()
        assert hint == f"remote-viewer {address}"
        host, port = place(address)
        assert host == "127.0.0.1"
        connect = partial(trio.open_tcp_stream, host, port)
        async with open_viewer(connect, password=ticket) as viewer:
            channel = await viewer.open_display()
            async with channel.stream:
                screen = await viewer.watch(channel, lambda screen: screen.marked)
                assert (screen.width, screen.height) == (1024, 768)
        program.process.send_signal(signal.SIGINT)
        assert await program.end() == 0
        assert await program.output.rest() == []
        assert not [line for line in await program.errors.rest() if "Traceback" in line or "ERROR" in line]


async def test_a_wrong_ticket_is_refused() -> None:
    async with running(*FREE) as program:
        host, port = place(await program.ready())
        with pytest.raises(RefusedError):
            async with open_viewer(partial(trio.open_tcp_stream, host, port), password="wrong"):
                pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_viewers_do_not_keep_it_from_ending(number: signal.Signals) -> None:
    async with running(*FREE, "--disable-ticketing", "--size", "640x480") as program:
        host, port = place(await program.ready())
        async with open_viewer(partial(trio.open_tcp_stream, host, port)) as viewer:
            channel = await viewer.open_display()
            async with channel.stream:
                await viewer.watch(channel, lambda screen: screen.marked)
                assert viewer.screen.width == 640
                program.process.send_signal(number)
                assert await program.end() == 0
        assert not [line for line in program.errors.seen if line.startswith("ticket")]


async def test_a_viewer_file_is_there_when_it_is_ready_and_gone_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "demo.vv"
    async with running(*FREE, "--vv", str(path), "--name", "A Desk") as program:
        ticket = await program.errors.find("ticket: ")
        assert await program.errors.find("connect: ") == f"remote-viewer {path}"
        host, port = place(await program.ready())
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        parsed = configparser.ConfigParser()
        parsed.read_string(path.read_text())
        values = dict(parsed["virt-viewer"])
        assert (values["type"], values["host"], values["port"]) == ("spice", host, str(port))
        assert (values["password"], values["title"]) == (ticket, "A Desk")
        async with open_viewer(partial(trio.open_tcp_stream, host, port), password=ticket):
            pass
        program.process.send_signal(signal.SIGTERM)
        assert await program.end() == 0
    assert not path.exists()


async def test_a_viewer_file_that_is_there_already(tmp_path: Path) -> None:
    path = tmp_path / "demo.vv"
    path.write_text("mine")
    outcome = await run(*FREE, "--vv", str(path))
    assert outcome.status == 1
    assert outcome.output == ""
    assert last_line(outcome.errors).startswith(f"spicetrio demo: error: {path} is there already")
    assert path.read_text() == "mine"


async def test_a_unix_socket_alone(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    vv = tmp_path / "demo.vv"
    async with running("demo", "--unix", str(path), "--disable-ticketing", "--vv", str(vv)) as program:
        assert await program.ready() == f"spice+unix://{path}"
        assert f"unix-path={path}\n" in vv.read_text()
        async with open_viewer(partial(trio.open_unix_socket, str(path))):
            pass
        program.process.send_signal(signal.SIGTERM)
        assert await program.end() == 0
        assert len(program.output.seen) == 1
    assert not path.exists()


async def test_several_addresses(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    where = ("--addr", "127.0.0.1", "--addr", "127.0.0.2", "--unix", str(path))
    async with running(*FREE, *where, "--disable-ticketing") as program:
        first, second = place(await program.ready()), place(await program.ready())
        assert (first[0], second[0]) == ("127.0.0.1", "127.0.0.2")
        assert await program.ready() == f"spice+unix://{path}"


async def test_the_password_is_read_from_standard_input() -> None:
    outcome = await run("demo", "--password-file", "-", stdin=b"\n")
    assert outcome.status == 2
    assert "its first line is empty" in outcome.errors


def test_an_interrupt_ends_it_while_it_waits_for_the_password(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.BytesIO):
        def readline(self, size: int | None = -1) -> bytes:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Terminal()))
    assert main(["demo", "--password-file", "-"]) == 0
    assert capfd.readouterr() == ("", "")


def last_line(text: str) -> str:
    return text.rstrip("\n").split("\n")[-1]


async def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = await run("demo", "--port", str(port))
    assert outcome.status == 1
    assert outcome.output == ""
    line = last_line(outcome.errors)
    assert line.startswith(f"spicetrio demo: error: cannot listen on 127.0.0.1 port {port}: Address already in use")
    assert "--port" in line
    assert "Traceback" not in outcome.errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--addr", "192.0.2.1", "--port", "0"], "--addr is a name or an address of this machine"),
        (["--addr", "no.such.name.invalid", "--port", "0"], "no.such.name.invalid"),
        (["--unix", "/nowhere/socket"], "make the directory"),
        (["--unix", "/dev/null"], "cannot listen on /dev/null: something else is there: choose another path"),
    ],
)
async def test_places_that_cannot_be_listened_on(arguments: list[str], words: str) -> None:
    outcome = await run("demo", *arguments)
    assert outcome.status == 1
    assert outcome.output == ""
    assert last_line(outcome.errors).startswith("spicetrio demo: error: cannot listen on ")
    assert words in last_line(outcome.errors)
    assert "Traceback" not in outcome.errors


async def test_a_display_that_is_not_there() -> None:
    outcome = await run("x11", "--port", "0", "--display", ":4095")
    assert outcome.status == 1
    assert outcome.output == ""
    assert last_line(outcome.errors).startswith("spicetrio x11: error: ")
    assert "Traceback" not in outcome.errors


async def test_a_program_that_is_not_there_is_said_before_anything_starts() -> None:
    outcome = await run("x11", "--port", "0", "--disable-ticketing", "--start", "no-such-desktop")
    assert (outcome.status, outcome.output) == (1, "")
    line = "spicetrio x11: error: no-such-desktop cannot be started: No such file or directory"
    assert last_line(outcome.errors) == line


async def test_nobody_reads_where_it_listens() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        process = await trio.lowlevel.open_process(
            [*PROGRAM, *FREE], stdout=writer, stderr=subprocess.PIPE, cwd=ROOT, env=environment()
        )
    finally:
        os.close(writer)
    assert process.stderr is not None
    errors = b""
    try:
        with trio.fail_after(30):
            async for data in process.stderr:
                errors += data
                if b"cannot say where we listen: Broken pipe" in errors:
                    process.send_signal(signal.SIGTERM)
                    break
            async for data in process.stderr:
                errors += data
            assert await process.wait() == 0, errors
    finally:
        if process.returncode is None:
            process.kill()
        await process.stderr.aclose()
    assert b"BrokenPipe" not in errors


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
async def test_standard_output_that_takes_nothing(redirection: str) -> None:
    shell = f"timeout -s TERM 3 {sys.executable} -m spicetrio demo --port 0 --disable-ticketing {redirection}; echo $?"
    outcome = await run("-c", f"exec 3>&1; ({shell}) | cat", program=["bash"])
    assert "Traceback" not in outcome.errors
    assert ("cannot say where we listen: No space left on device" in outcome.errors) is (redirection == ">/dev/full")


async def test_nobody_reads_the_help() -> None:
    shell = f"{sys.executable} -m spicetrio demo --help | true; echo ${{PIPESTATUS[0]}}"
    outcome = await run("-c", shell, program=["bash"])
    assert outcome.errors == ""
    assert outcome.output.strip() == "0"


async def test_a_second_signal_kills_but_not_at_once(tmp_path: Path) -> None:
    script = tmp_path / "stubborn.py"
    script.write_text(
        "import trio, sys\n"
        "from spicetrio.cli import demo, main\n"
        "async def stubborn(server, *, task_status, **options):\n"
        "    task_status.started()\n"
        "    with trio.CancelScope(shield=True):\n"
        "        await trio.sleep_forever()\n"
        "demo.serve_demo = stubborn\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    vv = tmp_path / "demo.vv"
    process = await trio.lowlevel.open_process(
        [sys.executable, str(script), *FREE, "--vv", str(vv)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(PYTHONPATH=str(ROOT)),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    async with process.stdout, process.stderr:
        try:
            with trio.fail_after(30):
                await process.stdout.receive_some()
                process.send_signal(signal.SIGINT)
                while b"ending" not in await process.stderr.receive_some():
                    pass
                process.send_signal(signal.SIGINT)
                while b"ending already" not in await process.stderr.receive_some():
                    pass
                while vv.exists():  # noqa: ASYNC110 - another process removes it
                    await trio.sleep(0.02)
                while process.returncode is None:
                    process.send_signal(signal.SIGINT)
                    with trio.move_on_after(0.1):
                        await process.wait()
                assert process.returncode == -signal.SIGINT
        finally:
            if process.returncode is None:
                process.kill()
                with trio.CancelScope(shield=True):
                    await process.wait()


def quick() -> Serving:
    settings = spicetrio.Settings(disable_ticketing=True, port=0)
    return Serving(settings, False, None, "error", None)


def test_a_source_that_ends_ends_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    async def source(server: spicetrio.Server, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.sleep(0.01)

    assert serving.run("spicetrio test", quick(), source) == 0
    assert capfd.readouterr().out.startswith("listening on spice://127.0.0.1:")


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("error", [SourceError("give me\nanother one"), CommandError("give me another one")])
def test_a_source_that_fails(capfd: pytest.CaptureFixture[str], error: Exception, early: bool) -> None:
    async def source(server: spicetrio.Server, *, task_status: trio.TaskStatus[None]) -> None:
        if not early:
            task_status.started()
            await trio.sleep(0.01)
        raise error

    assert serving.run("spicetrio test", quick(), source) == 1
    assert last_line(capfd.readouterr().err) == "spicetrio test: error: give me another one"


def test_faults_of_ours_are_not_hidden() -> None:
    async def source(server: spicetrio.Server, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        raise OSError("something else")

    with pytest.raises(ExceptionGroup):
        serving.run("spicetrio test", quick(), source)


def test_slow_kernels_are_told_of(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from spicetrio.codecs import lz

    monkeypatch.setattr(lz, "COMPILED", False)

    async def source(server: spicetrio.Server, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()

    assert serving.run("spicetrio test", quick(), source) == 0
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "warning" in line]
    assert "spicetrio.codecs.lz" in line


@pytest.mark.parametrize(
    ("addresses", "target"),
    [
        (("spice://127.0.0.1:1",), "spice://127.0.0.1:1"),
        (("spice+unix:///s", "spice://[::1]:2"), "spice://[::1]:2"),
        (("spice+unix:///s",), "spice+unix:///s"),
        (("spice://0.0.0.0:3",), f"spice://{socket.gethostname()}:3"),
        (("spice://[::]:3",), f"spice://{socket.gethostname()}:3"),
    ],
)
def test_where_viewers_are_pointed_to(addresses: tuple[str, ...], target: str) -> None:
    assert serving._target(addresses) == target
