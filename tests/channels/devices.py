"""What tests of devices have in common: viewers that send and collect a device's bytes."""

from __future__ import annotations

import lz4.block

from spicetrio.wire import main, vmc
from spicetrio.wire.enums import ChannelType, DataCompression, MouseMode, VmcCapability
from spicetrio.wire.link import Capabilities
from tests.channels.stage import receive
from tests.peer import PeerChannel, Viewer

LZ4 = Capabilities({VmcCapability.DATA_COMPRESS_LZ4})


async def attach(viewer: Viewer, kind: ChannelType = ChannelType.USBREDIR, *, lz4: bool = False) -> PeerChannel:
    return await viewer.open(kind, capabilities=LZ4 if lz4 else None)


def plain(message: object) -> bytes:
    """The bytes of a message, as a viewer reads them."""
    if isinstance(message, vmc.CompressedData):
        assert message.compression == DataCompression.LZ4
        data: bytes = lz4.block.decompress(bytes(message.data), uncompressed_size=message.uncompressed_size)
        return data
    return bytes(message.data) if isinstance(message, vmc.Data) else b""


async def collect(channel: PeerChannel, size: int) -> bytes:
    """The next bytes of the device, whatever messages they come in."""
    data = b""
    while len(data) < size:
        data += plain(await channel.receive())
    return data


async def answers(viewer: Viewer) -> None:
    """Check that a viewer's main connection is served."""
    await viewer.main.send(main.MouseModeRequest(MouseMode.SERVER))
    await receive(viewer.main, main.MouseModeMessage)
