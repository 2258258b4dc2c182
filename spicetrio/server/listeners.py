"""Sockets that wait for viewers: TCP over IPv4 and IPv6, and UNIX."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import trio

from spicetrio.server.settings import Settings

KEEPALIVE_IDLE: Final = 600
"""Seconds after which TCP asks whether a silent peer is still there (spec L-51)."""
BACKLOG: Final = 128
"""Connections that the kernel keeps until they are accepted."""


@contextmanager
def listening(settings: Settings) -> Iterator[list[trio.SocketListener]]:
    """Listen on everything that the settings name; at the end no socket and no UNIX path is left.

    Raises:
        OSError: An address is taken, not ours, or not allowed; the text names it.
    """
    with ExitStack() as stack:
        listeners: list[trio.SocketListener] = []
        port = settings.port
        for host in settings.hosts if port is not None else ():
            for listener in _tcp_listeners(host, port or 0):
                stack.callback(listener.socket.close)
                listeners.append(listener)
            port = listeners[0].socket.getsockname()[1]  # one that was free on the first is meant for all
        if settings.unix is not None:
            listeners.append(stack.enter_context(unix_listening(os.fspath(settings.unix))))
        yield listeners


@contextmanager
def unix_listening(name: str) -> Iterator[trio.SocketListener]:
    """Listen on a UNIX socket: a path for this user alone, or `@NAME` for everybody here. At the end nothing is left.

    Raises:
        OSError: The path is taken, or not allowed; the text names it.
    """
    listener = _unix_listener(name)
    path = str(Path(name).absolute())
    try:
        yield listener
    finally:
        listener.socket.close()
        if not name.startswith("@"):
            _remove_stale(path)  # another server may have taken it over


def address(listener: trio.SocketListener) -> str:
    """Return what a viewer is to be pointed at, as a URI."""
    name = listener.socket.getsockname()
    if listener.socket.family == socket.AF_UNIX:
        path = "@" + name[1:].decode() if isinstance(name, bytes) else name
        return f"spice+unix://{path}"
    host, port = name[:2]
    return f"spice://[{host}]:{port}" if ":" in host else f"spice://{host}:{port}"


def peer_of(stream: trio.SocketStream) -> str:
    """Return the address of a peer, without its port; `unix` for all peers of UNIX sockets."""
    if stream.socket.family == socket.AF_UNIX:
        return "unix"
    try:
        return str(stream.socket.getpeername()[0])
    except OSError:  # it is gone already
        return "unknown"


def prepare(stream: trio.SocketStream) -> None:
    """Set what every connection needs. Trio sets TCP_NODELAY and TCP_NOTSENT_LOWAT itself."""
    if stream.socket.family != socket.AF_UNIX:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE)


def _tcp_listeners(host: str, port: int) -> list[trio.SocketListener]:
    """Listen on every address of a name. An empty name is every address of this machine, IPv4 and IPv6."""
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_ADDRCONFIG
        )
    except socket.gaierror as error:
        raise OSError(errno.EADDRNOTAVAIL, f"cannot listen on {host!r}: {error.strerror}") from error
    listeners: list[trio.SocketListener] = []
    try:
        for family, kind, protocol, _, where in dict.fromkeys(found):
            if listeners and port == 0:
                where = (where[0], listeners[0].socket.getsockname()[1], *where[2:])
            listeners.append(_listener(socket.socket(family, kind, protocol), where))
    except BaseException:
        for listener in listeners:
            listener.socket.close()
        raise
    return listeners


def _unix_listener(name: str) -> trio.SocketListener:
    if not name.startswith("@"):
        _remove_stale(name)
        if os.path.lexists(name) and not Path(name).is_socket():
            raise OSError(errno.EEXIST, f"cannot listen on {name}: something else is there: choose another path")
        # Only this user may connect, from the first moment on.
        mask = os.umask(0o177)
        try:
            return _listener(socket.socket(socket.AF_UNIX), name)
        finally:
            os.umask(mask)
    return _listener(socket.socket(socket.AF_UNIX), "\0" + name[1:])


def _listener(sock: socket.socket, where: object) -> trio.SocketListener:
    try:
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(where)  # type: ignore[arg-type]
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        place = where if isinstance(where, str) else "{} port {}".format(*where[:2])  # type: ignore[index]
        why = error.strerror or error  # a path that is too long has no number
        raise OSError(error.errno or errno.EINVAL, f"cannot listen on {place.replace(chr(0), '@')}: {why}") from error
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


def _remove_stale(name: str) -> None:
    """Remove a socket that a server has left behind; one that somebody listens on is left alone, and so are files."""
    try:
        if not stat.S_ISSOCK(Path(name).stat().st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(name)
        except ConnectionRefusedError:
            Path(name).unlink(missing_ok=True)
        except OSError:  # it is in use, or not ours to judge: to listen on it will fail, and say why
            return
