"""What the owner of a server decides, in one place."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, Flag
from typing import Final
from uuid import UUID

from spicetrio.server.tickets import Ticket
from spicetrio.wire.enums import ImageCompression


class WhenFull(Enum):
    """What happens to one viewer too many."""

    REFUSE = "refuse"
    """It is refused."""
    TAKE_OVER = "take-over"
    """It is let in, and the viewer that came first is ended and told why; who may only view ends none who controls."""


class WanCompression(Enum):
    """When images get a further, slower compression, which is worth its time on slow connections alone."""

    AUTO = "auto"
    """While the viewer's connection takes less than 10 Mbit/s."""
    ALWAYS = "always"
    """However fast the connection is."""
    NEVER = "never"
    """However slow the connection is."""


class CopyPaste(Flag):
    """In which directions what was copied may be pasted. From one viewer to another takes both."""

    OFF = 0
    """In none."""
    FROM_VIEWER = 1
    """What was copied at a viewer may be pasted here."""
    TO_VIEWER = 2
    """What was copied here may be pasted at viewers."""
    BOTH = 3
    """In both."""


MAX_CLIPBOARD_LIMIT: Final = 0x7FFFFFFF
"""Bytes of the largest limit that an agent can be told (MAX_CLIPBOARD)."""
MIN_QUEUE_LIMIT: Final = 64 * 1024
"""Bytes that must be allowed to wait: what every viewer is sent at first is less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a server listens, whom it lets in, and what it grants each viewer.

    Raises:
        ValueError: A value is out of its range, or the server would be open to strangers; the text names the fix.
    """

    host: str | Sequence[str] = "127.0.0.1"
    """Names or addresses to listen on, IPv4 or IPv6. `""` is every address of this machine."""
    port: int | None = None
    """TCP port, 0 to 65535; 0 takes a free one, None does not listen on TCP."""
    unix: str | os.PathLike[str] | None = None
    """Path of a UNIX socket to listen on; a leading `@` makes it abstract. Only this user may connect to a path."""
    ticket: str | None = field(default=None, repr=False)
    """The password of viewers with full control, 1 to 60 bytes. A short form of `tickets`."""
    tickets: tuple[Ticket, ...] = field(default=(), repr=False)
    """Further passwords, and what each is good for. One ticket is needed unless `disable_ticketing`."""
    disable_ticketing: bool = False
    """Let in whoever can connect."""
    allow_anonymous: bool = False
    """Without ticketing, listen on other addresses than loopback all the same."""
    name: str = "spicetrio"
    """Told to viewers, who show it as the title."""
    uuid: UUID | None = None
    """Told to viewers; None for none."""
    image_compression: ImageCompression = ImageCompression.AUTO_LZ
    """How images are compressed for a viewer that has no preference of its own."""
    jpeg_wan_compression: WanCompression = WanCompression.AUTO
    """When photographs are sent as JPEG. What that loses is made good as soon as the connection has nothing else to do.
    It takes a compression that tells photographs: `AUTO_GLZ`, `AUTO_LZ` or `QUIC`."""
    zlib_glz_wan_compression: WanCompression = WanCompression.AUTO
    """When what GLZ has made is compressed by zlib too. It takes a compression with GLZ: `AUTO_GLZ` or `GLZ`."""
    playback_compression: bool = True
    """Sound is packed with Opus for viewers that can decode it. It takes the extra `media`; without, sound is raw."""
    copy_paste: CopyPaste = CopyPaste.BOTH
    """In which directions copying and pasting works, if there is an agent. For viewers that may only view: in none."""
    clipboard_limit: int = 64 * 1024 * 1024
    """The most bytes that are pasted at once, from a viewer or to one; less than 2 GiB."""
    agent_file_xfer: bool = True
    """Viewers may send files, if there is an agent that takes them, and offer lists of files that were copied there."""
    file_transfer_dir: str | os.PathLike[str] | None = None
    """Folder for the files that viewers send, if this process is the agent; None to take none."""
    agent_mouse: bool = True
    """An agent in a guest that can do it moves the pointer, in client mouse mode."""
    max_viewers: int = 256
    """Viewers served at once."""
    when_full: WhenFull = WhenFull.REFUSE
    """What happens to one viewer more."""
    max_half_open: int = 64
    """Connections that did not prove themselves yet; at this number the oldest waits no longer."""
    max_half_open_per_peer: int = 32
    """The same for one peer address. UNIX sockets count as one peer."""
    link_timeout: float = 10.0
    """Seconds in which a connection must have linked and proved itself."""
    grace: float = 1.0
    """Seconds in which what was begun is still sent when a connection is to end."""
    failure_delay: float = 1.0
    """Seconds from a wrong ticket to its answer, in which no other ticket of that peer address is judged; doubles with
    each failure there, up to 8 times."""
    ping_interval: float = 15.0
    """Seconds between pings on each connection that sends nothing else."""
    silence_timeout: float = 60.0
    """Seconds after which a viewer that answers no ping is dropped."""
    ack_window: int = 20
    """Messages a viewer may receive before it acknowledges; two windows may be under way (spec F-9)."""
    queue_limit: int = 4 * 1024 * 1024
    """Bytes that may wait for one connection; while more do, a further message ends it."""

    def __post_init__(self) -> None:
        if self.port is not None and not 0 <= self.port <= 65535:
            raise ValueError(f"port is {self.port}, expected 0 to 65535")
        for name, kind in _ENUMS.items():
            if not isinstance(value := getattr(self, name), kind):
                raise ValueError(
                    f"{name} is {value!r}, expected one of {', '.join(map(str, kind.__members__.values()))}"
                )
        if self.all_tickets and self.disable_ticketing:
            raise ValueError("there is a ticket, and ticketing is disabled: choose one")
        if not self.all_tickets and not self.disable_ticketing:
            raise ValueError("give a ticket, or disable_ticketing=True to let in whoever can connect")
        if len({ticket.password for ticket in self.all_tickets}) < len(self.all_tickets):
            raise ValueError("two tickets have the same password: it is not clear which of them viewers have")
        if self.port is not None and not self.hosts:
            raise ValueError("there is a port, and no host to listen on: name one")
        self._refuse_open_house()
        for name in ("max_viewers", "max_half_open", "max_half_open_per_peer", "ack_window", "clipboard_limit"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")
        if self.clipboard_limit > MAX_CLIPBOARD_LIMIT:
            raise ValueError(f"clipboard_limit is {self.clipboard_limit}, expected at most {MAX_CLIPBOARD_LIMIT}")
        if self.queue_limit < MIN_QUEUE_LIMIT:
            raise ValueError(f"queue_limit is {self.queue_limit}, expected at least {MIN_QUEUE_LIMIT}")
        if not self.failure_delay >= 0:
            raise ValueError(f"failure_delay is {self.failure_delay}, expected 0 or more")
        for name in ("link_timeout", "grace", "ping_interval", "silence_timeout"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected more than 0")
        if self.silence_timeout < self.ping_interval:  # nobody was asked for a sign of life by then
            raise ValueError(
                f"silence_timeout is {self.silence_timeout}, expected at least ping_interval, {self.ping_interval}"
            )

    @property
    def all_tickets(self) -> tuple[Ticket, ...]:
        """Those that the server begins with."""
        return self.tickets if self.ticket is None else (Ticket(self.ticket), *self.tickets)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names or addresses to listen on, as a tuple."""
        return (self.host,) if isinstance(self.host, str) else tuple(self.host)

    def _refuse_open_house(self) -> None:
        if self.port is None or not self.disable_ticketing or self.allow_anonymous:
            return
        for host in self.hosts:
            if not _is_loopback(host):
                raise ValueError(
                    f"without a ticket {host or 'every address'!r} would be open to all: "
                    "give a ticket, listen on 127.0.0.1, or say allow_anonymous=True"
                )


_ENUMS: Final[Mapping[str, type[Enum]]] = {
    "image_compression": ImageCompression,
    "jpeg_wan_compression": WanCompression,
    "zlib_glz_wan_compression": WanCompression,
    "copy_paste": CopyPaste,
    "when_full": WhenFull,
}


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
