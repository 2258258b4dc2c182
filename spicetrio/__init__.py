"""A SPICE remote desktop server for Trio.

::

    async with (
        spicetrio.open_server(port=5900, ticket="secret") as server,
        server.open_display(640, 480) as display,
        server.open_inputs() as inputs,
    ):
        await display.draw_image(0, 0, image)
        async for event in inputs:
            ...
"""

from spicetrio.agent.clipboard import Clipboard, ClipboardError, Offer
from spicetrio.agent.files import FileTransfer, FileTransferState
from spicetrio.agent.local import Agent, Volume
from spicetrio.api import Server, open_server
from spicetrio.channels.cursor import Cursor
from spicetrio.channels.display import Display, SurfaceHandle
from spicetrio.channels.inputs import (
    ButtonEvent,
    InputEvent,
    Inputs,
    KeyEvent,
    PointerMotion,
    PointerPosition,
    WheelEvent,
)
from spicetrio.channels.playback import Playback
from spicetrio.channels.port import Port
from spicetrio.channels.record import Record, RecordedFrame, Recording
from spicetrio.channels.smartcard import CardMessage, Smartcard
from spicetrio.channels.streamdevice import serve_stream_device
from spicetrio.channels.streamdisplay import StreamDisplay, StreamRequest
from spicetrio.channels.usbredir import UsbRedir
from spicetrio.channels.vmc import DeviceStream
from spicetrio.channels.webdav import SharedFolder
from spicetrio.server.client import Client
from spicetrio.server.events import ConnectionEvent, EventKind, EventReader, Traffic
from spicetrio.server.settings import CopyPaste, Settings, WanCompression, WhenFull
from spicetrio.server.statistics import ConnectionStatistics, Statistics
from spicetrio.server.tickets import Role, Ticket
from spicetrio.wire.agent import GraphicsDevice
from spicetrio.wire.enums import ClipboardType, ImageCompression, Locks, MouseMode, Selection, VideoCodec, VscType
from spicetrio.wire.errors import LinkError, LocalProtocolError, ProtocolError, RemoteProtocolError
from spicetrio.wire.geometry import Rect

__all__ = [
    "Agent",
    "ButtonEvent",
    "CardMessage",
    "Client",
    "Clipboard",
    "ClipboardError",
    "ClipboardType",
    "ConnectionEvent",
    "ConnectionStatistics",
    "CopyPaste",
    "Cursor",
    "DeviceStream",
    "Display",
    "EventKind",
    "EventReader",
    "FileTransfer",
    "FileTransferState",
    "GraphicsDevice",
    "ImageCompression",
    "InputEvent",
    "Inputs",
    "KeyEvent",
    "LinkError",
    "LocalProtocolError",
    "Locks",
    "MouseMode",
    "Offer",
    "Playback",
    "PointerMotion",
    "PointerPosition",
    "Port",
    "ProtocolError",
    "Record",
    "RecordedFrame",
    "Recording",
    "Rect",
    "RemoteProtocolError",
    "Role",
    "Selection",
    "Server",
    "Settings",
    "SharedFolder",
    "Smartcard",
    "Statistics",
    "StreamDisplay",
    "StreamRequest",
    "SurfaceHandle",
    "Ticket",
    "Traffic",
    "UsbRedir",
    "VideoCodec",
    "Volume",
    "VscType",
    "WanCompression",
    "WheelEvent",
    "WhenFull",
    "open_server",
    "serve_stream_device",
]
