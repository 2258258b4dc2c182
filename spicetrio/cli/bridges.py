"""What is at the other end of a command's devices: programs, UNIX sockets, WebDAV clients."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Final, NoReturn

import trio
from trio_util import move_on_when

from spicetrio import DeviceStream, Port, Server, SharedFolder
from spicetrio.cli.devices import Devices, PortDevice
from spicetrio.cli.errors import CommandError
from spicetrio.server.listeners import unix_listening
from spicetrio.sources.devices import connect_viewer
from spicetrio.sources.errors import SourceError, first_of
from spicetrio.sources.processes import open_group

logger: Final = logging.getLogger("spicetrio.command")

ANSWER_SECONDS: Final = 30.0
"""How long a WebDAV client that sends no more may wait for an answer."""
LINGER_SECONDS: Final = 1.0
"""How long it is sent more of it, after each part."""


@asynccontextmanager
async def open_devices(server: Server, devices: Devices) -> AsyncIterator[str | None]:
    """Give viewers the devices while the block runs; yield where their folder is offered, if it is.

    Cancellation: ends the block, and with it the programs.

    Raises:
        CommandError: A socket cannot be listened on.
    """
    async with AsyncExitStack() as stack:
        nursery = await stack.enter_async_context(trio.open_nursery())
        for device in devices.ports:
            port = await stack.enter_async_context(server.open_port(device.name))
            if device.command:
                nursery.start_soon(serve_program, port, device.command)
            else:
                nursery.start_soon(serve_socket, port, _listen(device, stack))
        address = None
        if devices.webdav_port is not None:
            listener = await _listen_for_webdav(devices.webdav_port)
            folder = await stack.enter_async_context(server.open_webdav())
            nursery.start_soon(trio.serve_listeners, partial(serve_webdav_client, folder), [listener])
            address = "dav://{}:{}/".format(*listener.socket.getsockname())
        try:
            yield address
        finally:
            nursery.cancel_scope.cancel()


def _listen(device: PortDevice, stack: AsyncExitStack) -> trio.SocketListener:
    try:
        return stack.enter_context(unix_listening(device.unix))
    except OSError as error:
        raise CommandError(f"--port-device {device.name}: {error.strerror}; choose another path") from error


async def _listen_for_webdav(port: int) -> trio.SocketListener:
    try:
        (listener,) = await trio.open_tcp_listeners(port, host="127.0.0.1")
    except OSError as error:
        raise CommandError(f"--webdav-port {port}: {error.strerror}; choose another, 0 takes a free one") from error
    return listener


async def serve_program(port: Port, command: tuple[str, ...]) -> NoReturn:
    """Run a program for each viewer that has the port, until cancelled. Its input and output are the port.

    The program ends with its viewer; when it ends by itself, the viewer sees the port closed.

    Cancellation: ends the program.
    """
    while True:
        async with await port.accept() as stream:
            try:
                await _run_program(port, command, stream)
            except* SourceError as group:
                logger.warning("port %s: %s", port.name, first_of(group))
        await stream.wait_left()


async def _run_program(port: Port, command: tuple[str, ...], stream: DeviceStream) -> None:
    async with move_on_when(stream.wait_left), trio.open_nursery() as nursery:
        async with open_group(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            nursery.start_soon(_feed, stream, process.stdin)
            drained = trio.Event()
            nursery.start_soon(_drain, process.stdout, stream, drained)
            await process.wait()
        await drained.wait()
        nursery.cancel_scope.cancel()


async def _feed(stream: DeviceStream, stdin: trio.abc.SendStream) -> None:
    """Pass on what the viewer sends."""
    async with stdin:
        with suppress(trio.BrokenResourceError):  # the program takes no more
            async for data in stream:
                await stdin.send_all(data)


async def _drain(stdout: trio.abc.ReceiveStream, stream: DeviceStream, drained: trio.Event) -> None:
    """Pass on all that the program writes."""
    async with stdout:
        with suppress(trio.BrokenResourceError):
            async for data in stdout:
                await stream.send_all(data)
    drained.set()


async def serve_socket(port: Port, listener: trio.SocketListener) -> NoReturn:
    """Let programs connect to a UNIX socket, one at a time, until cancelled. The connection is the port.

    Cancellation: ends the connection.
    """
    while True:
        async with await listener.accept() as local, await port.accept() as stream:
            await connect_viewer(stream, local)


async def serve_webdav_client(folder: SharedFolder, local: trio.SocketStream) -> None:
    """Lead a WebDAV client of this machine to the folder that a viewer shares.

    Cancellation: ends the connection.
    """
    with suppress(trio.BrokenResourceError):
        try:
            remote = await folder.connect()
        except (trio.BrokenResourceError, trio.BusyResourceError) as error:
            await local.receive_some()
            await local.send_all(_unavailable(str(error)))
            return
        async with remote:
            await _Exchange(local, remote).run()


class _Exchange:
    """What a WebDAV client and a viewer say to each other.

    When the client sends no more it may be gone, or have closed that half alone: nobody can tell. So an answer that it
    waits for is waited for here too, and else the connection lasts a moment longer.
    """

    def __init__(self, local: trio.abc.Stream, remote: trio.abc.Stream) -> None:
        self._local = local
        self._remote = remote
        self._answered = True
        self._asking = True
        self._scope: trio.CancelScope

    async def run(self) -> None:
        """Pass on what they say until one of them is done."""
        async with trio.open_nursery() as nursery:
            self._scope = nursery.cancel_scope
            nursery.start_soon(self._ask)
            nursery.start_soon(self._answer)

    async def _ask(self) -> None:
        with suppress(trio.BrokenResourceError):
            async for data in self._local:
                self._answered = False
                await self._remote.send_all(data)
        self._asking = False
        self._linger()

    async def _answer(self) -> None:
        with suppress(trio.BrokenResourceError):
            async for data in self._remote:
                await self._local.send_all(data)
                self._answered = True
                if not self._asking:
                    self._linger()
        self._scope.cancel()

    def _linger(self) -> None:
        self._scope.deadline = trio.current_time() + (LINGER_SECONDS if self._answered else ANSWER_SECONDS)


def _unavailable(reason: str) -> bytes:
    body = f"{reason}\n".encode()
    return (
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )
