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
        taken = {channel_id for kind, channel_id in self.channels if kind == ChannelType.DISPLAY}
        free = next((channel_id for channel_id in range(256) if channel_id not in taken), None)
        if free is None:
            raise ValueError("there are 256 displays already")
        display = Display(free, self.settings, width, height)
        async with self.channel_opened(display), self.channel_opened(display.cursor):
            yield display

    @asynccontextmanager
    async def open_inputs(self, *, absolute: bool = True) -> AsyncIterator[Inputs]:
        """Take keys, buttons and pointers of the viewers while the block runs: `async for event in inputs`.

        Args:
            absolute: The application takes pointer positions, so viewers may draw the pointer themselves. Without,
                all of them send motions.

        Cancellation: ends the block. Viewers stay, and their inputs are not heard.

        Raises:
            ValueError: There are inputs already.
        """
        async with self.channel_opened(Inputs(self.settings, self._main.relay, absolute=absolute)) as inputs:
            yield inputs

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
