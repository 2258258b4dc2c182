"""The public server: the ownership tree with the kinds of channels that there are."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import trio

from spicetrio.agent.files import FileReceiver
from spicetrio.agent.guest import GuestAgent
from spicetrio.agent.local import Agent
from spicetrio.channels.display import Display
from spicetrio.channels.inputs import Inputs
from spicetrio.channels.main import MainChannel
from spicetrio.channels.playback import Playback
from spicetrio.channels.port import Port, WebdavPort
from spicetrio.channels.record import Record
from spicetrio.channels.smartcard import Smartcard
from spicetrio.channels.sound import BEST_RATE
from spicetrio.channels.streamdisplay import StreamDisplay
from spicetrio.channels.usbredir import UsbRedir
from spicetrio.channels.webdav import SharedFolder
from spicetrio.server.channel import Channel
from spicetrio.server.listeners import listening
from spicetrio.server.server import BaseServer
from spicetrio.server.settings import Settings
from spicetrio.wire.agent import GraphicsDevice
from spicetrio.wire.enums import ChannelType, MouseMode


class Server(BaseServer):
    """A SPICE server, from `open_server`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._main: Final = MainChannel(settings, lambda: self.channels, lambda: self.mouse_modes)
        self._offered_modes = MouseMode.SERVER
        self._folders: list[SharedFolder] = []

    @property
    def shared_folder(self) -> SharedFolder | None:
        """The folder that a viewer shares; None while no block of `open_webdav` runs."""
        return self._folders[0] if self._folders else None

    @property
    def mouse_modes(self) -> MouseMode:
        """The modes that viewers may choose from: client mode needs a display, and inputs or an agent that take
        positions.
        """
        modes = MouseMode.SERVER
        inputs = self._channels.get((ChannelType.INPUTS, 0))
        if (
            isinstance(inputs, Inputs)
            and (inputs.absolute or self._main.relay.pointer)
            and self._main.count(ChannelType.DISPLAY)
        ):
            modes |= MouseMode.CLIENT
        return modes

    @asynccontextmanager
    async def open_display(self, width: int, height: int) -> AsyncIterator[Display]:
        """Give viewers a display, and a pointer on it, while the block runs. It is black at first.

        Args:
            width: In pixels, 1 to 8192.
            height: In pixels, 1 to 8192.

        Cancellation: ends the block. Viewers stay, without this display.

        Raises:
            ValueError: The size is out of range, or there are 256 displays already.
        """
        display = Display(self._free_id(ChannelType.DISPLAY), self.settings, width, height)
        async with self.channel_opened(display), self.channel_opened(display.cursor):
            yield display

    @asynccontextmanager
    async def open_stream_display(self) -> AsyncIterator[StreamDisplay]:
        """Give viewers a display that shows encoded video, and a pointer on it, while the block runs.

        Cancellation: ends the block. Viewers stay, without this display.

        Raises:
            ValueError: There are 256 displays already.
        """
        display = StreamDisplay(self._free_id(ChannelType.DISPLAY), self.settings)
        async with self.channel_opened(display), self.channel_opened(display.cursor):
            yield display

    @asynccontextmanager
    async def open_inputs(self, *, absolute: bool = True) -> AsyncIterator[Inputs]:
        """Take keys, buttons and pointers of the viewers while the block runs: `async for event in inputs`.

        Args:
            absolute: The application takes pointer positions, so viewers may draw the pointer themselves. Without,
                all of them send motions. It can change, see `Inputs.absolute`.

        Cancellation: ends the block. Viewers stay, and their inputs are not heard.

        Raises:
            ValueError: There are inputs already.
        """
        inputs = Inputs(self.settings, self._main.relay, absolute=absolute, modes_changed=self.channels_changed)
        async with self.channel_opened(inputs):
            yield inputs

    @asynccontextmanager
    async def open_port(self, name: str) -> AsyncIterator[Port]:
        """Give viewers a named port while the block runs: a stream of bytes, with one viewer at a time.

        Args:
            name: Tells viewers what it is for, like a domain name the other way round: `org.example.shell`. With
                `org.spice-space.webdav.0` it carries what spice-webdavd speaks; see `open_webdav` for what is in it.

        Cancellation: ends the block. Viewers stay, without this port.

        Raises:
            ValueError: The name is none, or there are 256 ports already.
        """
        kind = WebdavPort if name == WebdavPort.NAME else Port
        async with self.channel_opened(kind(self._free_id(kind.TYPE), self.settings, name)) as port:
            yield port

    @asynccontextmanager
    async def open_webdav(self) -> AsyncIterator[SharedFolder]:
        """Take the folders that viewers share while the block runs, one viewer's at a time.

        Cancellation: ends the block. Viewers stay, and share nothing.

        Raises:
            ValueError: There are 256 such channels already.
        """
        async with self.open_port(WebdavPort.NAME) as port, trio.open_nursery() as nursery:
            folder = SharedFolder(port)
            nursery.start_soon(folder.run)
            self._folders.append(folder)
            try:
                yield folder
            finally:
                self._folders.remove(folder)
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def open_usbredir(self) -> AsyncIterator[UsbRedir]:
        """Take a USB device of a viewer while the block runs: a stream of the usbredir protocol.

        A viewer can bring as many devices at once as there are such blocks.

        Cancellation: ends the block. Viewers stay, and have their devices back.

        Raises:
            ValueError: There are 256 such channels already.
        """
        usbredir = UsbRedir(self._free_id(ChannelType.USBREDIR), self.settings)
        async with self.channel_opened(usbredir):
            yield usbredir

    @asynccontextmanager
    async def open_smartcard(self) -> AsyncIterator[Smartcard]:
        """Take the card readers of all viewers while the block runs: `async for message in smartcard`.

        Cancellation: ends the block. Viewers stay, and have their readers back.

        Raises:
            ValueError: There is a smartcard channel already.
        """
        async with self.channel_opened(Smartcard(self.settings)) as smartcard:
            yield smartcard

    @asynccontextmanager
    async def open_playback(self, *, rate: int = BEST_RATE) -> AsyncIterator[Playback]:
        """Let viewers hear what is written while the block runs: `await playback.write(samples)`.

        Args:
            rate: Samples in a second, 8000 to 192000. At 8000, 12000, 16000, 24000 and 48000 they can be sent as Opus.

        Cancellation: ends the block. Viewers stay, and hear nothing more.

        Raises:
            ValueError: The rate is out of range, or there is playback already.
        """
        async with self.channel_opened(Playback(self.settings, rate)) as playback:
            yield playback

    @asynccontextmanager
    async def open_record(self, *, rate: int = BEST_RATE) -> AsyncIterator[Record]:
        """Let viewers have a record channel while the block runs; `Record.listen` turns their microphones on.

        Args:
            rate: Samples in a second that they are to record, as for `open_playback`.

        Cancellation: ends the block. Viewers stay, and record nothing more.

        Raises:
            ValueError: The rate is out of range, or there is a record channel already.
        """
        async with self.channel_opened(Record(self.settings, rate)) as record:
            yield record

    @asynccontextmanager
    async def open_agent(self, *, file_transfer_dir: str | os.PathLike[str] | None = None) -> AsyncIterator[Agent]:
        """Answer viewers about clipboards, files and monitors while the block runs.

        Args:
            file_transfer_dir: Folder for the files that are dropped on viewers; by default that of the settings. If
                there is neither, none are taken.

        Cancellation: ends the block. Viewers stay, without an agent.

        Raises:
            ValueError: There is an agent already.
            NotADirectoryError: The folder is none.
        """
        self._main.relay.check_vacant()  # outside of the nursery, which would make a group of its error
        folder = self.settings.file_transfer_dir if file_transfer_dir is None else file_transfer_dir
        files = None if folder is None else FileReceiver(Path(folder))
        async with trio.open_nursery() as nursery:
            agent = Agent(self.settings, nursery, files)
            async with self._main.relay.attached(agent):
                yield agent
            nursery.cancel_scope.cancel()

    async def serve_guest_agent(self, stream: trio.abc.Stream, *, devices: Sequence[GraphicsDevice] = ()) -> None:
        """Let viewers have the agent in a guest, until its end of the stream is closed. Ours is closed then, too.

        Nothing that the guest does raises an error here; it is logged.

        Args:
            stream: Whose other end is the agent's port, such as a virtio port with the name `com.redhat.spice.0`.
            devices: Which devices of the guest the displays show, for an agent that wants to know.

        Cancellation: viewers are told that the agent is gone.

        Raises:
            ValueError: There is an agent already.
        """
        relay = self._main.relay
        relay.check_vacant()
        try:
            async with stream, trio.open_nursery() as nursery:
                guest = GuestAgent(self.settings, nursery, stream, devices=devices, changed=self.channels_changed)
                async with relay.attached(guest):
                    await guest.run()
                nursery.cancel_scope.cancel()
        finally:
            self.channels_changed()

    def channels_changed(self, *, added: Channel[Any] | None = None) -> None:
        """Tell the viewers of a new channel, and of the mouse modes if those changed."""
        if added is not None:
            self._main.channel_added(added.key)
        if self._offered_modes != self.mouse_modes:
            self._offered_modes = self.mouse_modes
            self._main.mouse_modes_changed()

    def _free_id(self, kind: ChannelType) -> int:
        """Return the lowest id that no channel of a type has (spec V-1)."""
        taken = {channel_id for other, channel_id in self.channels if other == kind}
        free = next((channel_id for channel_id in range(256) if channel_id not in taken), None)
        if free is None:
            raise ValueError(f"there are 256 {kind.name.lower()}s already")
        return free

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Serve while the block runs.

        Raises:
            OSError: An address cannot be listened on.
        """
        with listening(self.settings) as listeners:  # outside of the nursery, which would make a group of its error
            async with trio.open_nursery() as nursery, self.channel_opened(self._main):
                await nursery.start(self.run, listeners)
                try:
                    yield
                finally:
                    nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_server(settings: Settings | None = None, **changes: Any) -> AsyncIterator[Server]:
    """Run a SPICE server while the block runs.

    When the block is left, for whatever reason, the server accepts nobody any more, tells every viewer goodbye, sends
    what was begun for at most `Settings.grace` seconds, and closes all connections.

    Args:
        settings: How to serve; by default `Settings()`.
        **changes: Fields of `Settings`, which go before those of `settings`: `port=5900, ticket="secret"`.

    Cancellation: ends the block, as above.

    Raises:
        ValueError: A setting makes no sense; the text names the fix.
        OSError: An address cannot be listened on.
    """
    server = Server(_merge(settings, changes))
    async with server.opened():
        yield server


def _merge(settings: Settings | None, changes: dict[str, Any]) -> Settings:
    if settings is None:
        return Settings(**changes)
    return replace(settings, **changes)
