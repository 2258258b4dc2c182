from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import ExitStack
from pathlib import Path

import pytest
import trio

import spicetrio
from spicetrio.server.listeners import address, listening, peer_of, prepare
from spicetrio.server.settings import Settings
from tests.peer import open_viewer

from .rig import descriptors


def addresses(**changes: object) -> list[str]:
    with listening(Settings(disable_ticketing=True, **changes)) as listeners:  # type: ignore[arg-type]
        return [address(listener) for listener in listeners]


def port_of(uri: str) -> int:
    return int(uri.rpartition(":")[2])


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")


async def test_nothing_is_listened_on_unless_it_is_asked_for() -> None:
    assert addresses() == []


async def test_port_0_takes_a_free_port() -> None:
    (uri,) = addresses(port=0)
    assert uri.startswith("spice://127.0.0.1:")
    assert 0 < port_of(uri) < 65536


@needs_ipv6
async def test_an_ipv6_address_stands_in_brackets() -> None:
    (uri,) = addresses(host="::1", port=0)
    assert uri.startswith("spice://[::1]:")


@needs_ipv6
async def test_several_hosts_share_the_port_that_was_free() -> None:
    first, second = addresses(host=["127.0.0.1", "::1"], port=0)
    assert (first, second) == (f"spice://127.0.0.1:{port_of(first)}", f"spice://[::1]:{port_of(first)}")


async def test_every_address_is_ipv4_at_least() -> None:
    uris = addresses(host="", port=0, allow_anonymous=True)
    assert f"spice://0.0.0.0:{port_of(uris[0])}" in uris
    assert len({port_of(uri) for uri in uris}) == 1


@needs_ipv6
async def test_every_address_is_ipv6_as_well() -> None:
    uris = addresses(host="", port=0, allow_anonymous=True)
    assert len(uris) == 2
    assert any(uri.startswith("spice://[::]:") for uri in uris)


async def test_a_port_that_was_used_can_be_used_again() -> None:
    with trio.fail_after(20):
        async with spicetrio.open_server(port=0, disable_ticketing=True) as server:
            port = port_of(server.addresses[0])
            stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream, spicetrio.open_server(port=port, disable_ticketing=True) as server:
            assert port_of(server.addresses[0]) == port


async def test_a_taken_address_is_named_and_nothing_stays_open() -> None:
    before = descriptors()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = rf"cannot listen on 127\.0\.0\.1 port {port}: Address already in use"
        with pytest.raises(OSError, match=text) as caught:
            addresses(host=["127.0.0.2", "127.0.0.1"], port=port)
        assert caught.value.errno == errno.EADDRINUSE
    assert descriptors() == before


async def test_a_server_that_cannot_listen_says_so_itself() -> None:
    with (
        trio.fail_after(20),
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match=r"cannot listen on .*: Address already in use"),
    ):
        async with spicetrio.open_server(port=taken.getsockname()[1], disable_ticketing=True):
            raise AssertionError("it listens")


async def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1 port 5999"):
        addresses(host="192.0.2.1", port=5999, allow_anonymous=True)


async def test_a_name_that_does_not_exist_is_named() -> None:
    with pytest.raises(OSError, match=r"cannot listen on 'nowhere\.invalid'"):
        addresses(host="nowhere.invalid", port=0, allow_anonymous=True)


# UNIX


async def test_a_path_is_there_while_it_is_listened_on_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "spice"
    mask = os.umask(0)
    try:
        with listening(Settings(disable_ticketing=True, unix=path)) as (listener,):
            assert address(listener) == f"spice+unix://{path}"
            mode = path.stat().st_mode
            assert stat.S_ISSOCK(mode)
            assert stat.S_IMODE(mode) == 0o600
            assert os.umask(0) == 0
    finally:
        os.umask(mask)
    assert not path.exists()


async def test_the_path_is_gone_after_an_error_too(tmp_path: Path) -> None:
    path = tmp_path / "spice"
    with pytest.raises(RuntimeError), listening(Settings(disable_ticketing=True, unix=path)):
        raise RuntimeError
    assert not path.exists()


async def test_a_relative_path_is_removed_from_where_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with listening(Settings(disable_ticketing=True, unix="spice")):
        assert (tmp_path / "spice").exists()
        monkeypatch.chdir("/")
    assert not (tmp_path / "spice").exists()


async def test_a_path_that_is_gone_already_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "spice"
    with listening(Settings(disable_ticketing=True, unix=path)):
        path.unlink()


async def test_a_path_that_another_server_has_taken_over_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "spice"
    settings = Settings(disable_ticketing=True, unix=path)
    with ExitStack() as successor:
        with listening(settings) as (listener,):
            listener.socket.close()  # its viewers are told goodbye, and another one begins meanwhile
            (other,) = successor.enter_context(listening(settings))
        async with await trio.open_unix_socket(str(path)):
            pass
        assert address(other) == f"spice+unix://{path}"
    assert not path.exists()


async def test_what_a_dead_server_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "spice"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    assert addresses(unix=path) == [f"spice+unix://{path}"]
    assert not path.exists()


@pytest.mark.parametrize("backlog", [0, 5])
async def test_a_socket_that_is_listened_on_is_left_alone(tmp_path: Path, backlog: int) -> None:
    path = tmp_path / "spice"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen(backlog)
        for _ in range(backlog + 3):  # until its queue is full
            with pytest.raises(OSError, match=rf"cannot listen on {path}: (Addr|something else)"):
                addresses(unix=path)
        assert path.exists()
        with other.accept()[0]:
            pass


@pytest.mark.parametrize("kind", ["file", "directory", "datagram socket"])
async def test_what_is_no_stream_socket_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "spice"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        if kind == "file":
            path.write_text("precious")
        elif kind == "directory":
            path.mkdir()
        else:
            datagrams.bind(str(path))
        with pytest.raises(OSError, match=rf"cannot listen on {path}: (Addr|something else)"):
            addresses(unix=path)
        assert path.exists()


async def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot listen on .*/missing/spice: No such file"):
        addresses(unix=tmp_path / "missing" / "spice")


async def test_a_path_that_is_too_long_is_named() -> None:
    before = descriptors()
    with pytest.raises(OSError, match=r"cannot listen on /tmp/x+: .*too long"):
        addresses(unix="/tmp/" + 200 * "x")
    assert descriptors() == before


async def test_when_one_address_fails_no_path_is_left(tmp_path: Path) -> None:
    path = tmp_path / "spice"
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        addresses(unix=path, port=taken.getsockname()[1])
    assert not path.exists()


async def test_an_abstract_socket_has_no_path() -> None:
    name = f"@spicetrio-test-{os.getpid()}"
    with trio.fail_after(20):
        async with spicetrio.open_server(unix=name, disable_ticketing=True) as server:
            assert server.addresses == (f"spice+unix://{name}",)
            assert not await trio.Path(name).exists()
            async with open_viewer(lambda: connect_abstract(name)):
                pass
        with pytest.raises(ConnectionRefusedError):
            await connect_abstract(name)


async def connect_abstract(name: str) -> trio.SocketStream:
    sock = trio.socket.socket(socket.AF_UNIX)
    try:
        await sock.connect("\0" + name[1:])
    except BaseException:
        sock.close()
        raise
    return trio.SocketStream(sock)


async def test_a_taken_abstract_socket_is_named() -> None:
    name = f"@spicetrio-taken-{os.getpid()}"
    with (
        listening(Settings(disable_ticketing=True, unix=name)),
        pytest.raises(OSError, match=f"cannot listen on {name}: Address already in use"),
    ):
        addresses(unix=name)


async def test_viewers_come_by_every_way(tmp_path: Path) -> None:
    path = str(tmp_path / "spice")
    hosts = ["127.0.0.1", "::1"] if has_ipv6() else ["127.0.0.1"]
    with trio.fail_after(20):
        async with spicetrio.open_server(host=hosts, port=0, unix=path, disable_ticketing=True) as server:
            peers = []
            for uri in server.addresses:
                if uri.startswith("spice+unix"):
                    stream = await trio.open_unix_socket(uri.removeprefix("spice+unix://"))
                else:
                    host, _, port = uri.removeprefix("spice://").rpartition(":")
                    stream = await trio.open_tcp_stream(host.strip("[]"), int(port))
                async with open_viewer(lambda stream=stream: give(stream)):
                    peers.append(server.clients.value[0].peer)
                await server.clients.wait_value(())
            assert peers == [*hosts, "unix"]


async def give(stream: trio.SocketStream) -> trio.SocketStream:
    await trio.lowlevel.checkpoint()
    return stream


# Connections


async def test_tcp_connections_are_kept_alive_and_unix_ones_are_left_alone() -> None:
    with listening(Settings(disable_ticketing=True, port=0)) as (listener,):
        async with await trio.open_tcp_stream(*listener.socket.getsockname()), await listener.accept() as stream:
            prepare(stream)
            assert stream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 600
            assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            assert peer_of(stream) == "127.0.0.1"
    first, second = (trio.SocketStream(trio.socket.from_stdlib_socket(sock)) for sock in socket.socketpair())
    async with first, second:
        prepare(first)
        assert peer_of(first) == "unix"


async def test_a_peer_that_is_gone_already_has_no_address() -> None:
    sock = trio.socket.socket()
    stream = trio.SocketStream(sock)
    assert peer_of(stream) == "unknown"
    await stream.aclose()
