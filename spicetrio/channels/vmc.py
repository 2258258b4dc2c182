"""What the channels of devices have in common: a stream of bytes with one viewer at a time (spec 3.8).

The bytes of two viewers must not meet: a USB device, a shell or a WebDAV mux is in the middle of something with one of
them. So viewers stand in line. The first has the device; the others are told nothing, and read no further than their
first bytes, until it is their turn.

Both ways are held back, and hold back only each other. What the application sends waits until the viewer's writer
gives a credit (see `spicetrio.server.writer`), and is one message for each; what it does not receive stays unread on
that viewer's connection to this channel.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar

import lz4.block
import trio
from trio_util import AsyncValue

from spicetrio.channels.inbox import Inbox
from spicetrio.server.channel import BASE_HANDLERS, Channel, ChannelClient, Handler
from spicetrio.server.client import Client
from spicetrio.server.link import Link
from spicetrio.server.settings import Settings
from spicetrio.server.tickets import Role
from spicetrio.wire import vmc
from spicetrio.wire.buffer import Message, marshal
from spicetrio.wire.enums import DataCompression, VmcCapability, VmcClientMessage
from spicetrio.wire.errors import RemoteProtocolError
from spicetrio.wire.framing import Bundle
from spicetrio.wire.link import Capabilities

if TYPE_CHECKING:
    from typing_extensions import Buffer

CHUNK_SIZE: Final = 64 * 1024
"""The most bytes that are sent in a message (spec V-4)."""
COMPRESSED_FROM: Final = 1000
"""Messages of more bytes than this are compressed (spec V-4)."""
MAX_MESSAGE: Final = 8 * 1024 * 1024
"""The most bytes that a viewer may send in a message, as they are and compressed (spec V-5)."""
RECEIVE_LIMIT: Final = 256 * 1024
"""Bytes of a viewer that may wait for the application before a further message of it does."""
LZ4_EXPANSION: Final = 255
"""No byte of an LZ4 block stands for more bytes than this."""

DeviceT = TypeVar("DeviceT", bound="Device")


class VmcClient(ChannelClient[DeviceT]):
    """One viewer's connection to a device. What a viewer sends that may only view is read, and comes to nothing."""

    PULLS = True

    def __init__(self, channel: DeviceT, client: Client, link: Link) -> None:
        super().__init__(channel, client, link)
        self.stream: DeviceStream | None = None
        """What the application has open with this viewer."""
        self.inbox = Inbox(RECEIVE_LIMIT)
        """What the application did not receive yet. It has ended when the viewer has left."""
        self.credit = False
        """The viewer can take a message."""
        self.news: Final = trio.lowlevel.ParkingLot()
        """Who waits for the credit, or for the end."""
        self.left: Final = trio.Event()
        """The viewer has left this channel."""
        self._compresses = VmcCapability.DATA_COMPRESS_LZ4 in self.capabilities and link.peer != "unix"

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Stand in line."""
        if self.client.role is not Role.CONTROL:
            yield
            return
        with self.channel.standing_in_line(self):
            try:
                yield
            finally:
                self.left.set()
                self.inbox.end()
                self.news.unpark_all()

    def begin(self) -> None:
        """Take in that it is this viewer's turn."""

    def open(self) -> DeviceStream:
        """Return a stream with this viewer; there is none yet."""
        if self.inbox.closed:
            self.inbox = Inbox(RECEIVE_LIMIT)
        self.stream = DeviceStream(self)
        return self.stream

    def hang_up(self) -> None:
        """Take in that the application has closed its stream. What the viewer sent into it is dropped."""
        self.stream = None
        self.inbox.close()
        self.news.unpark_all()
        self.channel.changed()

    def on_idle(self) -> None:
        """Take the credit for one message."""
        self.credit = True
        self.news.unpark_all()

    def send(self, data: bytes) -> None:
        """Spend the credit on at most `CHUNK_SIZE` bytes."""
        self.credit = False
        self.writer.post_batch(Bundle((marshal(self._message(data)),)))

    def _message(self, data: bytes) -> Message:
        if self._compresses and len(data) > COMPRESSED_FROM:
            packed: bytes = lz4.block.compress(data, store_size=False)
            if len(packed) < len(data):
                return vmc.CompressedData(DataCompression.LZ4, len(data), packed)
        return vmc.Data(data)

    async def _data(self, message: vmc.ClientData) -> None:
        await self._deliver(message.data)

    async def _compressed_data(self, message: vmc.ClientCompressedData) -> None:
        await trio.lowlevel.checkpoint()  # to decompress takes its time, and many may have come at once
        await self._deliver(decompress(message))

    async def _deliver(self, data: Buffer) -> None:
        if self.client.role is Role.CONTROL:
            await self.inbox.put(data)

    HANDLERS: ClassVar[Mapping[int, Handler]] = {
        **BASE_HANDLERS,
        VmcClientMessage.DATA: Handler(vmc.ClientData, _data, MAX_MESSAGE),
        VmcClientMessage.COMPRESSED_DATA: Handler(vmc.ClientCompressedData, _compressed_data, MAX_MESSAGE),
    }


class DeviceStream(trio.abc.Stream):
    """A device's bytes to and from one viewer, from `Device.accept`. It ends when the viewer leaves.

    One task may send while another receives.
    """

    def __init__(self, end: VmcClient[Any]) -> None:
        self.viewer: Final[Client] = end.client
        """Who is at the other end."""
        self._end = end
        self._inbox = end.inbox
        self._sending = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return bytes of the viewer as they come; none once it has left.

        Cancellation: nothing is lost.

        Raises:
            ClosedResourceError: This stream was closed.
            BusyResourceError: Another task receives.
        """
        return await self._inbox.receive_some(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes to the viewer, as fast as it takes them.

        Cancellation: a part may have been sent, of which nothing is known.

        Raises:
            BrokenResourceError: The viewer has left.
            ClosedResourceError: This stream was closed.
            BusyResourceError: Another task sends.
        """
        view = memoryview(data).cast("B")
        with self._sole_sender():
            await trio.lowlevel.checkpoint()
            self._check_there()
            for start in range(0, len(view), CHUNK_SIZE):
                await self._wait_for_credit()
                self._end.send(bytes(view[start : start + CHUNK_SIZE]))

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the viewer takes bytes.

        Cancellation: at any time.

        Raises:
            BrokenResourceError: The viewer has left.
            ClosedResourceError: This stream was closed.
            BusyResourceError: Another task sends.
        """
        with self._sole_sender():
            await trio.lowlevel.checkpoint()
            await self._wait_for_credit()

    async def wait_left(self) -> None:
        """Wait until the viewer has left the device, be this end closed or not.

        Cancellation: at any time.
        """
        await self._end.left.wait()

    async def aclose(self) -> None:
        """Close this end. What was sent still arrives; what the viewer has sent, and sends, is dropped."""
        if not self._inbox.closed:
            self._end.hang_up()
        await trio.lowlevel.checkpoint()

    @contextmanager
    def _sole_sender(self) -> Iterator[None]:
        if self._sending:
            raise trio.BusyResourceError("another task sends to this device")
        self._sending = True
        try:
            yield
        finally:
            self._sending = False

    async def _wait_for_credit(self) -> None:
        self._check_there()
        while not self._end.credit:
            await self._end.news.park()
            self._check_there()

    def _check_there(self) -> None:
        if self._inbox.closed:
            raise trio.ClosedResourceError
        if self._inbox.ended:
            raise trio.BrokenResourceError("the viewer left")


class Device(Channel[VmcClient[Any]], trio.abc.Stream):
    """A device whose bytes go to and from a viewer: one at a time, the others stand in line.

    It is a stream itself, with whichever viewer has the device. Each direction is told once when that viewer leaves:
    `receive_some` returns nothing, `send_all` raises `trio.BrokenResourceError`; then it goes on with the next viewer,
    and waits while there is none. Or take a stream for each viewer, which ends with it, from `accept`.
    """

    ESSENTIAL = False

    def __init__(self, channel_id: int, settings: Settings) -> None:
        super().__init__(channel_id, settings)
        self.viewer: Final[AsyncValue[Client | None]] = AsyncValue(None)
        """Who has the device; a value that can be waited on."""
        self._line: list[VmcClient[Any]] = []
        self._holder: VmcClient[Any] | None = None
        self._reading: DeviceStream | None = None
        self._writing: DeviceStream | None = None
        self._closed = False
        self._changes = trio.lowlevel.ParkingLot()

    @property
    def capabilities(self) -> Capabilities:
        """What this channel can do."""
        return Capabilities({VmcCapability.DATA_COMPRESS_LZ4})

    def make_client(self, client: Client, link: Link) -> VmcClient[Any]:
        """Make the object that serves one viewer."""
        return VmcClient(self, client, link)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        """Take viewers while the block runs.

        Cancellation: ends the block.
        """
        try:
            async with super().opened():
                yield self
        finally:
            self.changed()

    async def accept(self) -> DeviceStream:
        """Wait until a viewer has the device and no other stream is open with it; return a stream with that viewer.

        Cancellation: no viewer is lost.

        Raises:
            ClosedResourceError: The device was closed.
        """
        await trio.lowlevel.checkpoint()
        while self._closed or self._holder is None or self._holder.stream is not None:
            await self._wait_for_change()
        return self._holder.open()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return bytes of the viewer as they come; none when it has left.

        Cancellation: nothing is lost.

        Raises:
            ClosedResourceError: The device was closed.
            BusyResourceError: Another task receives.
        """
        if self._reading is None:
            self._reading = await self._find_stream()
            self._writing = self._writing or self._reading
        data = await self._reading.receive_some(max_bytes)
        if not data:
            self._reading = None
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes to the viewer, as fast as it takes them.

        Cancellation: a part may have been sent, of which nothing is known.

        Raises:
            BrokenResourceError: The viewer has left.
            ClosedResourceError: The device was closed.
            BusyResourceError: Another task sends.
        """
        with self._end_told():
            await (await self._find_writing()).send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until a viewer takes bytes.

        Cancellation: at any time.

        Raises:
            BrokenResourceError: The viewer has left.
            ClosedResourceError: The device was closed.
            BusyResourceError: Another task sends.
        """
        with self._end_told():
            await (await self._find_writing()).wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close this end for all viewers, though they stay in line; the device itself ends with its block."""
        self._closed = True
        self.changed()
        if self._holder is not None and self._holder.stream is not None:
            self._holder.hang_up()
        await trio.lowlevel.checkpoint()

    @contextmanager
    def standing_in_line(self, end: VmcClient[Any]) -> Iterator[None]:
        """Let a viewer have the device when those before it have left."""
        self._line.append(end)
        self._move_up()
        try:
            yield
        finally:
            self._line.remove(end)
            self._move_up()

    def changed(self) -> None:
        """Wake those who wait for a viewer."""
        self._changes.unpark_all()

    def _move_up(self) -> None:
        first = self._line[0] if self._line else None
        if first is self._holder:
            return
        self._holder = first
        if first is not None:
            first.begin()
        self.viewer.value = first.client if first else None
        self.changed()

    @contextmanager
    def _end_told(self) -> Iterator[None]:
        try:
            yield
        except trio.BrokenResourceError:
            self._writing = None
            raise

    async def _find_writing(self) -> DeviceStream:
        if self._writing is None:
            self._writing = await self._find_stream()
            self._reading = self._reading or self._writing
        return self._writing

    async def _find_stream(self) -> DeviceStream:
        await trio.lowlevel.checkpoint()
        while self._closed or self._holder is None:
            await self._wait_for_change()
        return self._holder.stream or self._holder.open()

    async def _wait_for_change(self) -> None:
        if self._closed or not self._open:
            raise trio.ClosedResourceError
        await self._changes.park()


def decompress(message: vmc.ClientCompressedData) -> Buffer:
    """Return the bytes of a message; what they would take is checked before they are made.

    Raises:
        RemoteProtocolError: They are too many, or others than was said.
    """
    size = message.uncompressed_size
    if size is None:
        return message.data
    packed = memoryview(message.data)
    most = min(MAX_MESSAGE, LZ4_EXPANSION * packed.nbytes)
    if size > most:
        raise RemoteProtocolError(f"got {packed.nbytes} bytes said to be {size}, expected at most {most}")
    try:
        data: bytes = lz4.block.decompress(packed, uncompressed_size=size)
    except lz4.block.LZ4BlockError as error:
        raise RemoteProtocolError(f"got a wrong LZ4 block of {packed.nbytes} bytes: {error}") from error
    if len(data) != size:
        raise RemoteProtocolError(f"got {len(data)} compressed bytes, expected {size}")
    return data
