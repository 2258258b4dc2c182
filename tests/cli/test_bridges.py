"""Programs, sockets and WebDAV clients at the other end of devices begin and end as their viewers do."""

from __future__ import annotations

import re
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio

from spicetrio.cli import bridges
from spicetrio.cli.bridges import open_devices
from spicetrio.cli.devices import Devices, PortDevice
from spicetrio.cli.errors import CommandError
from spicetrio.wire import port, vmc
from spicetrio.wire.enums import ChannelType, PortEvent
from spicetrio.wire.webdav import MuxDecoder, MuxFrame
from tests.channels.devices import attach, collect, plain
from tests.channels.stage import Stage, closed, open_stage, receive, until
from tests.peer import PeerChannel

NAME = "org.example.test"


def program(script: str) -> Devices:
    return Devices((PortDevice(NAME, ("sh", "-c", script)),))


@asynccontextmanager
async def offering(devices: Devices) -> AsyncIterator[tuple[Stage, str | None]]:
    async with open_stage() as stage, open_devices(stage.server, devices) as folder:
        yield stage, folder


@asynccontextmanager
async def at_port(stage: Stage) -> AsyncIterator[PeerChannel]:
    """A viewer that has the port while the block runs."""
    async with stage.viewer() as viewer:
        channel = await attach(viewer, ChannelType.PORT)
        async with channel.stream:
            await receive(channel, port.Init)
            yield channel


async def flood(channel: PeerChannel) -> None:
    """Send more than anybody keeps, until the connection ends."""
    with suppress(trio.BrokenResourceError):
        await channel.send(*[vmc.ClientData(bytes(100_000))] * 100)


async def wait_event(channel: PeerChannel, event: PortEvent) -> bytes:
    """Read up to an event; return the bytes before it."""
    data = b""
    while not (isinstance(message := await channel.receive(), port.Event) and message.event == event):
        data += plain(message)
    return data


def runs(number: int) -> bool:
    """Whether there is such a process that is not merely waited for."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_program_is_run_for_each_viewer_and_ends_with_it() -> None:
    async with offering(program("echo $$; exec cat")) as (stage, _):
        numbers = []
        for _ in range(2):
            async with at_port(stage) as channel:
                await wait_event(channel, PortEvent.OPENED)
                line = b""
                while not line.endswith(b"\n"):
                    line += plain(await channel.receive())
                numbers.append(int(line))
                await channel.send(vmc.ClientData(b"hello"))
                assert await collect(channel, 5) == b"hello"
                assert runs(numbers[-1])
            await until(lambda: not runs(numbers[-1]))
        assert numbers[0] != numbers[1]


async def test_a_program_that_ends_closes_the_port_behind_its_last_words_and_is_not_run_again() -> None:
    async with offering(program("echo last words")) as (stage, _):
        async with at_port(stage) as channel:
            assert await wait_event(channel, PortEvent.CLOSED) == b"last words\n"
            await channel.send(vmc.ClientData(b"too late"))
            with trio.move_on_after(0.1):
                await receive(channel, port.Event)
                pytest.fail("it was opened again")
        async with at_port(stage) as channel:
            assert await wait_event(channel, PortEvent.CLOSED) == b"last words\n"


async def test_a_program_that_does_not_read_holds_up_nobody_and_is_ended_all_the_same() -> None:
    async with offering(program("trap '' HUP; echo $$; exec sleep 1000")) as (stage, _), at_port(stage) as channel:
        await wait_event(channel, PortEvent.OPENED)
        number = int(await collect(channel, 2))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood, channel)
            async with stage.viewer():
                pass
            nursery.cancel_scope.cancel()
        stage.server.clients.value[0].end()
        await closed(channel)
        await until(lambda: not runs(number))


async def test_a_viewer_that_opens_the_port_again_while_its_program_ends_gets_another_one() -> None:
    async with (
        offering(program("trap 'sleep 0.2; exit' TERM; echo; while :; do sleep 0.05; done")) as (stage, _),
        stage.viewer() as viewer,
    ):
        for _ in range(2):
            channel = await attach(viewer, ChannelType.PORT)
            assert await wait_event(channel, PortEvent.OPENED) == b""
            assert await collect(channel, 1) == b"\n"
            await channel.stream.aclose()
            (client,) = stage.server.clients.value
            await until(lambda client=client: (ChannelType.PORT, 0) not in client.channels)  # type: ignore[misc]


async def test_what_a_program_has_started_ends_with_it() -> None:
    async with offering(program("sleep 1000 & echo $!")) as (stage, _), at_port(stage) as channel:
        number = int(await wait_event(channel, PortEvent.CLOSED))
        assert not runs(number)


async def test_a_program_ends_with_the_command() -> None:
    async with open_stage() as stage:
        async with open_devices(stage.server, program("echo $$; exec cat")), at_port(stage) as channel:
            await wait_event(channel, PortEvent.OPENED)
            number = int(await collect(channel, 2))
            assert runs(number)
        assert not runs(number)


async def test_a_program_that_cannot_be_run_is_a_closed_port(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    async with offering(Devices((PortDevice(NAME, (str(script),)),))) as (stage, _), at_port(stage) as channel:
        assert await wait_event(channel, PortEvent.CLOSED) == b""


async def test_programs_connect_to_a_socket_and_are_the_port_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "port"
    async with open_stage() as stage:
        async with open_devices(stage.server, Devices((PortDevice(NAME, unix=str(path)),))), at_port(stage) as channel:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            for word in (b"first", b"other"):
                async with await trio.open_unix_socket(path) as local:
                    await wait_event(channel, PortEvent.OPENED)
                    await local.send_all(word)
                    assert await collect(channel, 5) == word
                    await channel.send(vmc.ClientData(word[::-1]))
                    assert await local.receive_some() == word[::-1]
                await wait_event(channel, PortEvent.CLOSED)
        assert not path.exists()


async def test_a_connection_to_the_socket_waits_for_a_viewer_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "port"
    async with (
        offering(Devices((PortDevice(NAME, unix=str(path)),))) as (stage, _),
        await trio.open_unix_socket(path) as local,
    ):
        await local.send_all(b"early")
        async with at_port(stage) as channel:
            assert await collect(channel, 5) == b"early"
        assert await local.receive_some() == b""


async def test_a_connection_that_is_not_read_ends_with_the_viewer_as_well(tmp_path: Path) -> None:
    path = tmp_path / "port"
    async with (
        offering(Devices((PortDevice(NAME, unix=str(path)),))) as (stage, _),
        stage.viewer() as other,
        await trio.open_unix_socket(path),
        at_port(stage) as channel,
        trio.open_nursery() as nursery,
    ):
        await wait_event(channel, PortEvent.OPENED)
        nursery.start_soon(flood, channel)
        later = await attach(other, ChannelType.PORT)
        stage.server.clients.value[1].end()
        async with later.stream, await trio.open_unix_socket(path) as local:
            await local.send_all(b"next")
            assert await collect(later, 4) == b"next"
        nursery.cancel_scope.cancel()


async def test_a_socket_that_cannot_be_listened_on_is_said_in_a_line(tmp_path: Path) -> None:
    async with open_stage() as stage:
        with pytest.RaisesGroup(pytest.RaisesExc(CommandError, match="--port-device org.example.test: cannot listen")):
            async with open_devices(stage.server, Devices((PortDevice(NAME, unix=str(tmp_path / "no" / "a")),))):
                pass
        async with open_devices(stage.server, Devices(webdav_port=0)) as folder:
            taken = number(folder)
            with pytest.RaisesGroup(pytest.RaisesExc(CommandError, match=f"--webdav-port {taken}: .* in use")):
                async with open_devices(stage.server, Devices(webdav_port=taken)):
                    pass


def number(folder: str | None) -> int:
    found = re.fullmatch(r"dav://127\.0\.0\.1:(\d+)/", folder or "")
    assert found is not None, folder
    return int(found[1])


class Folder:
    """A viewer that shares a folder; a test answers for it."""

    def __init__(self, channel: PeerChannel) -> None:
        self.channel = channel
        self._decoder = MuxDecoder()
        self._frames: list[MuxFrame] = []

    async def next(self) -> MuxFrame:
        while not self._frames:
            self._frames += self._decoder.receive_data(plain(await self.channel.receive()))
        return self._frames.pop(0)

    async def answer(self, frame: MuxFrame, data: bytes) -> None:
        await self.channel.send(vmc.ClientData(MuxFrame(frame.number, data).encode()))


@asynccontextmanager
async def sharing() -> AsyncIterator[tuple[Folder, Callable[[], Awaitable[trio.SocketStream]]]]:
    """A viewer that shares, and how WebDAV clients connect."""
    async with offering(Devices(webdav_port=0)) as (stage, where), stage.viewer() as viewer:
        channel = await attach(viewer, ChannelType.WEBDAV)
        async with channel.stream:
            while (await receive(channel, port.Event)).event != PortEvent.OPENED:
                pass
            yield Folder(channel), partial(trio.open_tcp_stream, "127.0.0.1", number(where))


async def test_webdav_clients_speak_to_the_viewer() -> None:
    async with (
        sharing() as (folder, connect),
        await connect() as client,
    ):
        await client.send_all(b"GET / HTTP/1.1\r\n\r\n")
        frame = await folder.next()
        assert frame.data == b"GET / HTTP/1.1\r\n\r\n"
        await folder.answer(frame, b"HTTP/1.1 200 OK\r\n\r\n")
        assert await client.receive_some() == b"HTTP/1.1 200 OK\r\n\r\n"
        await folder.answer(frame, b"")
        assert await client.receive_some() == b""


async def test_a_client_that_asks_no_more_still_gets_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridges, "LINGER_SECONDS", 0.05)
    async with sharing() as (folder, connect), await connect() as client:
        await client.send_all(b"GET / HTTP/1.0\r\n\r\n")
        await client.send_eof()
        frame = await folder.next()
        await trio.sleep(0.1)  # no answer takes longer than that to be lost
        await folder.answer(frame, b"here it is")
        assert await client.receive_some() == b"here it is"
        assert await folder.next() == MuxFrame(frame.number, b"")  # and then it is over
        assert await client.receive_some() == b""


async def test_without_a_viewer_webdav_clients_are_told_so() -> None:
    async with (
        offering(Devices(webdav_port=0)) as (_, where),
        await trio.open_tcp_stream("127.0.0.1", number(where)) as client,
    ):
        await client.send_all(b"GET / HTTP/1.1\r\n\r\n")
        answer = b"".join([data async for data in client])
        assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert answer.endswith(b"\r\n\r\nno viewer shares a folder\n")


async def test_a_client_that_leaves_at_once_is_no_fault() -> None:
    async with offering(Devices(webdav_port=0)) as (_, where):
        for _ in range(3):
            client = await trio.open_tcp_stream("127.0.0.1", number(where))
            client.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
            await client.send_all(b"G")
            await client.aclose()
        await trio.sleep(0.05)
