"""Ports: named streams of bytes, with events beside them (spec 3.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from trio_util import AsyncBool, AsyncValue

from spicetrio.channels.vmc import Device, DeviceStream, VmcClient
from spicetrio.server.channel import Handler
from spicetrio.server.client import Client
from spicetrio.server.link import Link
from spicetrio.server.settings import Settings
from spicetrio.wire import port
from spicetrio.wire.enums import ChannelType, PortClientMessage, PortEvent

MAX_NAME: Final = 255
"""Bytes of the longest name."""


class PortClient(VmcClient["Port"]):
    """One viewer's connection to a port."""

    def __init__(self, channel: Port, client: Client, link: Link) -> None:
        super().__init__(channel, client, link)
        self.end_open = True
        """The viewer has not said that it closed its end."""

    def begin(self) -> None:
        """Tell the viewer which port this is; it is closed until the application opens a stream."""
        self.writer.post(port.Init(self.channel.name, opened=False))

    def open(self) -> DeviceStream:
        """Return a stream with this viewer, who is told."""
        self.writer.post(port.Event(PortEvent.OPENED))
        return super().open()

    def hang_up(self) -> None:
        """Take in that the application has closed its stream, and tell the viewer."""
        if not self.inbox.ended:
            self.writer.post(port.Event(PortEvent.CLOSED))
        super().hang_up()

    def _event(self, message: port.ClientEvent) -> None:
        if message.event == PortEvent.BREAK:
            self.channel.take_break(self)
        elif message.event in (PortEvent.OPENED, PortEvent.CLOSED):
            self.end_open = message.event == PortEvent.OPENED
            self.channel.take_end(self)

    HANDLERS: ClassVar[Mapping[int, Handler]] = {
        **VmcClient.HANDLERS,
        PortClientMessage.EVENT: Handler(port.ClientEvent, _event, 64),
    }


class Port(Device):
    """A named stream of bytes with a viewer, from `Server.open_port`.

    A viewer sees it closed until the application receives, sends or accepts, and again when a stream is closed.
    """

    TYPE = ChannelType.PORT

    def __init__(self, channel_id: int, settings: Settings, name: str) -> None:
        super().__init__(channel_id, settings)
        if not 1 <= len(name.encode()) <= MAX_NAME or "\0" in name:
            raise ValueError(f"the port's name is {name!r}, expected 1 to {MAX_NAME} bytes without NUL")
        self.name: Final[str] = name
        """By which viewers know what it is for."""
        self.viewer_open: Final[AsyncBool] = AsyncBool(False)
        """A viewer has the port, and its own end is open."""
        self.breaks: Final[AsyncValue[int]] = AsyncValue(0)
        """How many breaks viewers have sent, as a terminal does; a value that can be waited on."""

    def make_client(self, client: Client, link: Link) -> PortClient:
        """Make the object that serves one viewer."""
        return PortClient(self, client, link)

    def send_break(self) -> None:
        """Send the viewer a break, behind what was sent before; nothing happens if there is none."""
        if self._holder is not None:
            self._holder.writer.post(port.Event(PortEvent.BREAK))

    def take_break(self, end: PortClient) -> None:
        """Take in a break of a viewer, if it has the port."""
        if end is self._holder:
            self.breaks.value += 1

    def take_end(self, end: PortClient) -> None:
        """Take in that a viewer opened or closed its end, if it has the port."""
        if end is self._holder:
            self.viewer_open.value = end.end_open

    def _move_up(self) -> None:
        super()._move_up()
        self.viewer_open.value = isinstance(self._holder, PortClient) and self._holder.end_open


class WebdavPort(Port):
    """The port over which a viewer serves its shared folder; viewers find it by its type rather than its name."""

    TYPE = ChannelType.WEBDAV
    NAME: ClassVar = "org.spice-space.webdav.0"
    """Its name (spec V-1)."""
