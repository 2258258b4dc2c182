"""The folder that a viewer shares: WebDAV connections to it, over one port (spec V-1).

Only the viewer serves; it has no place where it could mount a folder of ours. The mux has no flow control for a single
connection: bytes of one that is not read stand in the way of all others. So each may have some waiting, the port is
read no further for a while when one has too much, and then that one is ended.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import Final, NoReturn

import trio
from trio_util import AsyncBool, AsyncValue

from spicetrio.channels.inbox import Inbox
from spicetrio.channels.port import Port
from spicetrio.server.client import Client
from spicetrio.server.link import RECEIVE_SIZE
from spicetrio.wire.webdav import MAX_DATA, MuxDecoder, MuxFrame

MAX_CONNECTIONS: Final = 64
"""Connections to one viewer's folder at once."""
RECEIVE_LIMIT: Final = 512 * 1024
"""Bytes of one connection that may wait for the application before the port is read no further."""
STALL_SECONDS: Final = 10.0
"""How long that may last before the connection is ended."""


class Mux:
    """Connections over one stream with a viewer.

    Args:
        stream: The viewer's; nobody else may use it.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._numbers = count(1)
        self._connections: dict[int, MuxStream] = {}
        self._frames, self._waiting = trio.open_memory_channel[tuple[MuxStream, bytes]](0)
        self._closed, self._closing = trio.open_memory_channel[MuxStream](MAX_CONNECTIONS)

    async def run(self) -> None:
        """Carry the connections until the viewer leaves; they end with it.

        Cancellation: ends the connections.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send)
                nursery.start_soon(self._send_ends)
                await self._receive()
                nursery.cancel_scope.cancel()
        finally:
            self._waiting.close()
            for connection in tuple(self._connections.values()):
                self._end(connection)

    def connect(self) -> MuxStream:
        """Return a new connection.

        Raises:
            BusyResourceError: There are as many as there may be.
        """
        if len(self._connections) >= MAX_CONNECTIONS:
            raise trio.BusyResourceError(f"there are {MAX_CONNECTIONS} connections already")
        connection = MuxStream(self, next(self._numbers))
        self._connections[connection.number] = connection
        return connection

    async def send(self, connection: MuxStream, data: bytes) -> None:
        """Send a frame when it is its turn: the connections take turns, a frame each.

        Cancellation: the frame was sent wholly, or not at all.

        Raises:
            BrokenResourceError: The viewer has left.
        """
        await self._frames.send((connection, data))

    def close(self, connection: MuxStream) -> None:
        """Tell the viewer that a connection is closed, which is not waited for. It counts as one until then."""
        if not connection.over:
            self._closed.send_nowait(connection)

    async def _send(self) -> None:
        """Send frames; the only one who does, so none is cut. That the viewer has left is told by receiving."""
        with suppress(trio.BrokenResourceError):
            async for connection, data in self._waiting:
                if not connection.over:  # the viewer would take it for a new one
                    await self._stream.send_all(MuxFrame(connection.number, data).encode())

    async def _send_ends(self) -> None:
        async for connection in self._closing:
            await self.send(connection, b"")
            self._connections.pop(connection.number, None)

    async def _receive(self) -> None:
        decoder = MuxDecoder()
        while data := await self._stream.receive_some(RECEIVE_SIZE):
            for frame in decoder.receive_data(data):
                connection = self._connections.get(frame.number)
                if connection is None:
                    continue  # it was closed here, and the viewer did not know yet
                if not frame.data:
                    self._end(connection)
                elif not await connection.deliver(frame.data):
                    self.close(connection)

    def _end(self, connection: MuxStream) -> None:
        if not connection.closing:  # else it counts until that is told
            del self._connections[connection.number]
        connection.end()


class MuxStream(trio.abc.Stream):
    """One connection to the WebDAV server of a viewer."""

    def __init__(self, mux: Mux, number: int) -> None:
        self.number: Final = number
        """By which both ends know it."""
        self._mux = mux
        self.over = False
        """The viewer has closed it, or left."""
        self._inbox = Inbox(RECEIVE_LIMIT)
        self._given_up = False

    @property
    def closing(self) -> bool:
        """It was closed here."""
        return self._inbox.closed or self._given_up

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return bytes of the viewer as they come; none once it has closed the connection.

        Cancellation: nothing is lost.

        Raises:
            ClosedResourceError: It was closed here.
            BrokenResourceError: It was ended because what had come was not received for too long.
            BusyResourceError: Another task receives.
        """
        data = await self._inbox.receive_some(max_bytes)
        if not data and self._given_up:
            raise trio.BrokenResourceError("the connection to the viewer's folder was not read for too long")
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes to the viewer, in turn with the other connections.

        Cancellation: a part may have been sent, of which nothing is known.

        Raises:
            BrokenResourceError: The connection has ended.
            ClosedResourceError: It was closed here.
        """
        view = memoryview(data).cast("B")
        await self.wait_send_all_might_not_block()
        for start in range(0, len(view), MAX_DATA):
            self._check_there()
            await self._mux.send(self, bytes(view[start : start + MAX_DATA]))

    async def wait_send_all_might_not_block(self) -> None:
        """Return at once: nobody knows before whose turn it is.

        Cancellation: at any time.

        Raises:
            BrokenResourceError: The connection has ended.
            ClosedResourceError: It was closed here.
        """
        await trio.lowlevel.checkpoint()
        self._check_there()

    async def aclose(self) -> None:
        """Close the connection, both ways; the mux has no other end of one."""
        if not self._inbox.closed:
            self._inbox.close()
            if not self._given_up:
                self._mux.close(self)
        await trio.lowlevel.checkpoint()

    async def deliver(self, data: bytes) -> bool:
        """Leave bytes to be received; tell whether this is to go on.

        That there is room for them is waited for, but not for ever.

        Cancellation: they are not left.
        """
        if self._given_up:
            return True
        with trio.move_on_after(STALL_SECONDS) as scope:
            await self._inbox.put(data)
        if scope.cancelled_caught:
            self._given_up = True
            self._inbox.end()
        return not self._given_up

    def end(self) -> None:
        """Take in that nothing comes any more, and nothing can be sent."""
        self.over = True
        self._inbox.end()

    def _check_there(self) -> None:
        if self._inbox.closed:
            raise trio.ClosedResourceError
        if self._inbox.ended:
            raise trio.BrokenResourceError("the connection to the viewer's folder has ended")


class SharedFolder:
    """The folder that a viewer shares, from `Server.open_webdav`: a WebDAV server at the viewer's end.

    One viewer's at a time; that of the next can be had when the viewer has left, or shares no more.

    Args:
        port: The port that carries the connections; nobody else may use it.
    """

    def __init__(self, port: Port) -> None:
        self.viewer: Final[AsyncValue[Client | None]] = port.viewer
        """Whose folder it is; a value that can be waited on."""
        self.shared: Final[AsyncBool] = AsyncBool(False)
        """A folder is shared; a value that can be waited on."""
        self._port = port
        self._mux: Mux | None = None

    async def run(self) -> NoReturn:
        """Carry connections to the folders of viewers, one viewer after the other, until cancelled."""
        while True:
            async with await self._port.accept() as stream:
                self._mux = Mux(stream)
                self.shared.value = True
                try:
                    await self._mux.run()
                finally:
                    self._mux = None
                    self.shared.value = False

    async def connect(self) -> trio.abc.Stream:
        """Return a connection to the WebDAV server of the viewer: HTTP goes over it.

        Cancellation: there is no connection.

        Raises:
            BrokenResourceError: No viewer shares a folder.
            BusyResourceError: There are 64 connections already.
        """
        await trio.lowlevel.checkpoint()
        if self._mux is None:
            raise trio.BrokenResourceError("no viewer shares a folder")
        return self._mux.connect()
