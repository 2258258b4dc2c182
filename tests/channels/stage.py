"""A whole server whose viewers come over socket pairs, in real time and with a deadline."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import trio

import spicetrio
from spicetrio.wire.buffer import Message
from tests.peer import PeerChannel, Viewer, open_viewer

DEADLINE = 20

M = TypeVar("M", bound=Message)


@dataclass
class Stage:
    server: spicetrio.Server
    nursery: trio.Nursery

    async def connect(self, *, buffer: int | None = None) -> trio.SocketStream:
        """Return a client's end of a new connection, whose socket buffers may be small."""
        ours, theirs = trio.socket.socketpair()
        if buffer is not None:
            for end, option in ((ours, socket.SO_RCVBUF), (theirs, socket.SO_SNDBUF)):
                end.setsockopt(socket.SOL_SOCKET, option, buffer)
        self.nursery.start_soon(self.server.serve_stream, trio.SocketStream(theirs))
        return trio.SocketStream(ours)

    def viewer(self, **arguments: Any) -> AbstractAsyncContextManager[Viewer]:
        return open_viewer(self.connect, **arguments)


@asynccontextmanager
async def open_stage(**changes: Any) -> AsyncIterator[Stage]:
    changes.setdefault("grace", 0.2)
    changes.setdefault("disable_ticketing", "tickets" not in changes)
    with trio.fail_after(DEADLINE):
        async with (
            trio.open_nursery() as nursery,
            spicetrio.open_server(**changes) as server,
        ):
            yield Stage(server, nursery)


async def receive(channel: PeerChannel, kind: type[M]) -> M:
    """The next message of a kind; those before it are passed over."""
    while not isinstance(message := await channel.receive(), kind):
        pass
    return message


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds, for which there is no event."""
    while not condition():  # noqa: ASYNC110 - nothing tells
        await trio.sleep(0.001)


async def closed(channel: PeerChannel) -> None:
    """Wait until the server has closed a connection."""
    try:
        while True:
            await channel.receive()
    except (EOFError, trio.BrokenResourceError):
        await channel.stream.aclose()
