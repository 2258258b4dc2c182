"""The main channel: a viewer begins and ends with it (spec 3.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar, Final

import trio

from spicetrio.agent.relay import AgentRelay
from spicetrio.agent.transport import WINDOW, AgentTransport
from spicetrio.channels.clock import DELAY, multimedia_time
from spicetrio.server.channel import BASE_HANDLERS, Channel, ChannelClient, Handler, logger
from spicetrio.server.client import Client
from spicetrio.server.link import Link
from spicetrio.server.settings import Settings
from spicetrio.wire import base, main
from spicetrio.wire.buffer import Message
from spicetrio.wire.enums import ChannelType, LinkErrorCode, MainCapability, MainClientMessage, MouseMode
from spicetrio.wire.link import Capabilities


class MainChannelClient(ChannelClient["MainChannel"]):
    """One viewer's main connection. Its task opened the viewer's nursery, so its end is the viewer's end."""

    PULLS = True

    def __init__(self, channel: MainChannel, client: Client, link: Link) -> None:
        super().__init__(channel, client, link)
        self._warm = False
        self._attached = False
        self._agent: AgentTransport

    def on_idle(self) -> None:
        """Send something of what the agent has for the viewer."""
        self._agent.on_idle()

    def tasks(self) -> Sequence[Callable[[], Awaitable[object]]]:
        """Return what runs beside the reading."""
        return (*super().tasks(), self._serve_agent)

    async def _serve_agent(self) -> None:
        await self.channel.relay.serve(self.client, self._agent)

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Begin with INIT and what else identifies the server; end by telling the viewer why."""
        relay = self.channel.relay
        renews = MainCapability.AGENT_CONNECTED_TOKENS in self.capabilities
        self._agent = AgentTransport(self.writer, connected=relay.connected, renews=renews)
        modes = self.channel.mouse_modes
        self.writer.post(
            main.Init(
                session_id=self.client.connection_id,
                display_channels_hint=max(1, self.channel.count(ChannelType.DISPLAY)),
                supported_mouse_modes=modes,
                current_mouse_mode=self.client.mouse_mode.value,
                agent_connected=relay.connected,
                agent_tokens=WINDOW,
                multi_media_time=multimedia_time(trio.current_time() - DELAY),
                ram_hint=0,
            )
        )
        if MainCapability.NAME_AND_UUID in self.capabilities:
            self.writer.post(main.Name(self.settings.name))
            if self.settings.uuid is not None:
                self.writer.post(main.Uuid(self.settings.uuid))
        self.post_ping()
        try:
            with relay.joined(self._agent):
                yield
        finally:
            now = int(trio.current_time() * 1e9)
            if self.client.goodbye:
                self.writer.post(base.Notify.warning(now, self.client.goodbye))
            self.writer.post(base.Disconnecting(now, LinkErrorCode.OK))

    def announce(self, channels: Sequence[tuple[int, int]]) -> None:
        """Tell a viewer that asked for the channels of those that came later."""
        if self._attached:
            self.writer.post(main.ChannelsList(tuple(main.ChannelId(*channel) for channel in channels)))

    def offer_mouse_modes(self) -> None:
        """Tell which mouse modes there are now; a mode that is gone is left."""
        modes = self.channel.mouse_modes
        if self.client.mouse_mode.value not in modes:
            self.client.mouse_mode.value = MouseMode.SERVER
        self.writer.post(main.MouseModeMessage(modes, self.client.mouse_mode.value))

    def _pong(self, message: base.Pong) -> None:
        """Measure the way: the first ping only warms it up (spec F-17)."""
        if self._warm:
            super()._pong(message)
        else:
            self._warm = True
            self.post_ping()

    def _attach_channels(self, message: main.AttachChannels) -> None:
        self._attached = True
        self.announce(self.channel.others())

    def _mouse_mode_request(self, message: main.MouseModeRequest) -> None:
        if message.mode in (MouseMode.SERVER, MouseMode.CLIENT) and message.mode & self.channel.mouse_modes:
            self.client.mouse_mode.value = MouseMode(message.mode)
        self.offer_mouse_modes()

    def _agent_start(self, message: main.AgentStart) -> None:
        self._agent.start(message.num_tokens)

    def _agent_data(self, message: main.ClientAgentData) -> None:
        self._agent.receive_piece(message.data)

    def _agent_token(self, message: main.ClientAgentToken) -> None:
        self._agent.grant(message.num_tokens)

    def _ignore(self, message: Message) -> None:
        """Without a migration there is nobody to tell; viewers may send these all the same."""
        logger.debug("%r sent %s, which means nothing here", self.client, type(message).__name__)

    HANDLERS: ClassVar[Mapping[int, Handler]] = {
        **BASE_HANDLERS,
        base.Pong.TYPE: Handler(base.Pong, _pong, 64),
        MainClientMessage.CLIENT_INFO: Handler(main.ClientInfo, _ignore, 64),
        MainClientMessage.MIGRATE_CONNECTED: Handler(main.MigrateConnected, _ignore, 64),
        MainClientMessage.MIGRATE_CONNECT_ERROR: Handler(main.MigrateConnectError, _ignore, 64),
        MainClientMessage.ATTACH_CHANNELS: Handler(main.AttachChannels, _attach_channels, 64),
        MainClientMessage.MOUSE_MODE_REQUEST: Handler(main.MouseModeRequest, _mouse_mode_request, 64),
        MainClientMessage.AGENT_START: Handler(main.AgentStart, _agent_start, 64),
        MainClientMessage.AGENT_DATA: Handler(main.ClientAgentData, _agent_data, main.AGENT_DATA_SIZE),
        MainClientMessage.AGENT_TOKEN: Handler(main.ClientAgentToken, _agent_token, 64),
        MainClientMessage.MIGRATE_END: Handler(main.ClientMigrateEnd, _ignore, 64),
        MainClientMessage.MIGRATE_DST_DO_SEAMLESS: Handler(main.MigrateDstDoSeamless, _ignore, 64),
        MainClientMessage.MIGRATE_CONNECTED_SEAMLESS: Handler(main.MigrateConnectedSeamless, _ignore, 64),
        MainClientMessage.QUALITY_INDICATOR: Handler(main.QualityIndicator, _ignore, 1024),
    }


class MainChannel(Channel[MainChannelClient]):
    """The channel that every server has.

    Args:
        settings: Those of the server.
        channels: Returns the types and ids of all channels there are.
        mouse_modes: Returns the mouse modes there are.
    """

    TYPE = ChannelType.MAIN

    def __init__(
        self,
        settings: Settings,
        channels: Callable[[], Sequence[tuple[int, int]]],
        mouse_modes: Callable[[], MouseMode],
    ) -> None:
        super().__init__(0, settings)
        self.relay: Final = AgentRelay()
        """Brings viewers and the agent together."""
        self._channels = channels
        self._mouse_modes = mouse_modes

    @property
    def capabilities(self) -> Capabilities:
        """What this channel can do."""
        return Capabilities({MainCapability.NAME_AND_UUID, MainCapability.AGENT_CONNECTED_TOKENS})

    @property
    def mouse_modes(self) -> MouseMode:
        """The mouse modes there are."""
        return self._mouse_modes()

    def others(self) -> list[tuple[int, int]]:
        """Return types and ids of all channels but this one."""
        return [channel for channel in self._channels() if channel[0] != ChannelType.MAIN]

    def count(self, channel_type: ChannelType) -> int:
        """Return the number of channels of a type."""
        return sum(kind == channel_type for kind, _ in self._channels())

    def make_client(self, client: Client, link: Link) -> MainChannelClient:
        """Make the object that serves one viewer."""
        return MainChannelClient(self, client, link)

    def channel_added(self, channel: tuple[int, int]) -> None:
        """Announce a new channel to the viewers that are there already (spec M-3)."""
        for client in self.clients:
            client.announce([channel])

    def mouse_modes_changed(self) -> None:
        """Tell all viewers."""
        for client in self.clients:
            client.offer_mouse_modes()
