"""The options about serving that all commands share; they are named as QEMU's `-spice` names them."""

from __future__ import annotations

import argparse
import ipaddress
import os
import secrets
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from spicetrio import CopyPaste, ImageCompression, Role, Settings, Ticket, WanCompression, WhenFull
from spicetrio.cli.devices import LONGEST_PATH, Devices, add_device_options, read_device_options
from spicetrio.cli.parser import MIB, Parser, count, port
from spicetrio.server.settings import MAX_CLIPBOARD_LIMIT

DEFAULT_ADDRESS: Final = "127.0.0.1"
DEFAULT_PORT: Final = 5900
LEVELS: Final = ("debug", "info", "warning", "error")
COPY_PASTE: Final = {
    "both": CopyPaste.BOTH,
    "to-viewer": CopyPaste.TO_VIEWER,
    "from-viewer": CopyPaste.FROM_VIEWER,
    "off": CopyPaste.OFF,
}
COMPRESSIONS: Final = {mode.name.lower(): mode for mode in ImageCompression}

_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look alike
_MOST_READ: Final = 4096


@dataclass(frozen=True, slots=True)
class Serving:
    """What was asked for."""

    settings: Settings
    ticket_made: bool
    """The ticket is our own, and nobody knows it yet."""
    vv: Path | None
    log_level: str
    secret: str | None = field(repr=False)
    """The ticket."""
    devices: Devices = field(default_factory=Devices)
    """What viewers get besides the display."""
    playback: bool = True
    """Viewers hear something."""
    record: bool = True
    """Viewers are heard."""


def add_serving_options(parser: Parser) -> None:
    """Add the options to the parser of a command."""
    where = parser.add_argument_group("where to listen")
    where.add_argument(
        "--addr",
        action="append",
        metavar="ADDRESS",
        help=f"name or address to listen on; may be given several times (default: {DEFAULT_ADDRESS})",
    )
    where.add_argument(
        "--port",
        type=port,
        metavar="PORT",
        help=f"TCP port; 0 takes a free one (default: {DEFAULT_PORT}; none with --unix alone)",
    )
    where.add_argument(
        "--unix",
        metavar="PATH",
        help="listen on a UNIX socket; only this user may connect to a path, everybody here to @NAME",
    )
    who = parser.add_argument_group("who may connect", "Without these a ticket is made and printed.")
    who.add_argument(
        "--password-file",
        metavar="FILE",
        help="the ticket (password) that viewers need is the first line of FILE; - is standard input",
    )
    who.add_argument("--disable-ticketing", action="store_true", help="let in whoever can connect")
    who.add_argument(
        "--allow-anonymous",
        action="store_true",
        help="with --disable-ticketing: even from other machines",
    )
    who.add_argument(
        "--view-password-file",
        metavar="FILE",
        help="a second ticket, as --password-file; viewers that have it may only view",
    )
    who.add_argument("--max-viewers", type=count, metavar="N", help="how many at once (default: 256)")
    who.add_argument(
        "--when-full",
        choices=[choice.value for choice in WhenFull],
        default=WhenFull.REFUSE.value,
        help="refuse one viewer more, or end the one that came first and tell it why (default: %(default)s)",
    )
    what = parser.add_argument_group("what viewers get")
    what.add_argument("--name", metavar="NAME", help=f"what viewers call it (default: {parser.prog})")
    what.add_argument(
        "--image-compression",
        type=_compression,
        default=ImageCompression.AUTO_LZ,
        metavar="|".join(COMPRESSIONS),
        help="how pictures are packed (default: auto_lz)",
    )
    for option, subject in (("--jpeg-wan-compression", "photographs"), ("--zlib-glz-wan-compression", "glz pictures")):
        what.add_argument(
            option,
            choices=[choice.value for choice in WanCompression],
            default=WanCompression.AUTO.value,
            help=f"pack {subject} smaller, on slow connections or on all (default: %(default)s)",
        )
    add_device_options(parser)
    what.add_argument(
        "--playback-compression",
        choices=["on", "off"],
        default="on",
        help="pack sound with Opus for viewers that can decode it (default: %(default)s)",
    )
    what.add_argument("--disable-playback", action="store_true", help="let viewers hear nothing")
    what.add_argument("--disable-record", action="store_true", help="do not listen to viewers' microphones")
    what.add_argument(
        "--copy-paste",
        choices=COPY_PASTE,
        help="in which directions what was copied can be pasted; between viewers it takes both (default: both)",
    )
    what.add_argument("--disable-copy-paste", action="store_true", help="the same as --copy-paste off")
    what.add_argument(
        "--clipboard-limit",
        type=count,
        metavar="MIB",
        help="the most MiB that are pasted at once (default: 64)",
    )
    what.add_argument(
        "--disable-agent-file-xfer",
        action="store_true",
        help="take no files that are dropped on viewers, or copied there",
    )
    what.add_argument(
        "--agent-mouse",
        choices=["on", "off"],
        default="on",
        help="let the agent of a guest move the pointer (default: %(default)s)",
    )
    what.add_argument(
        "--vv",
        type=Path,
        metavar="FILE",
        help="write FILE for `remote-viewer FILE`, with the ticket in it; it is removed in the end",
    )
    what.add_argument(
        "--log-level",
        choices=LEVELS,
        default="info",
        metavar="LEVEL",
        help=f"what is told on standard error: {', '.join(LEVELS)} (default: info)",
    )


def add_file_option(parser: Parser) -> None:
    """Add the option of commands that take the files themselves."""
    group = parser.add_argument_group("files")
    group.add_argument(
        "--file-transfer-dir",
        type=Path,
        metavar="DIR",
        help="put the files that are dropped on viewers into DIR (default: take none)",
    )


def read_serving_options(
    arguments: argparse.Namespace, parser: Parser, *, file_transfer_dir: Path | None = None
) -> Serving:
    """Return what the arguments ask for; what makes no sense ends the program."""
    if arguments.copy_paste is not None and arguments.disable_copy_paste:
        parser.error("--copy-paste and --disable-copy-paste exclude each other")
    if file_transfer_dir is not None:
        if arguments.disable_agent_file_xfer:
            parser.error("--file-transfer-dir and --disable-agent-file-xfer exclude each other")
        if not os.path.isdir(file_transfer_dir):  # noqa: PTH112 - of a path that is too long, the other one complains
            parser.error(f"--file-transfer-dir {file_transfer_dir} is no directory")
        if not os.access(file_transfer_dir, os.W_OK | os.X_OK):
            parser.error(f"--file-transfer-dir {file_transfer_dir} cannot be written to")
    if arguments.unix is not None and arguments.port is None and arguments.addr:
        parser.error("--addr with --unix needs --port as well")
    if arguments.unix is not None and not 0 < len(os.fsencode(arguments.unix)) <= LONGEST_PATH:
        parser.error(f"--unix needs a path of 1 to {LONGEST_PATH} bytes")
    if arguments.allow_anonymous and not arguments.disable_ticketing:
        parser.error("--allow-anonymous is for --disable-ticketing only")
    if arguments.password_file is not None and arguments.disable_ticketing:
        parser.error("--password-file and --disable-ticketing exclude each other")
    if arguments.view_password_file is not None and arguments.disable_ticketing:
        parser.error("--view-password-file and --disable-ticketing exclude each other")
    tcp = DEFAULT_PORT if arguments.port is None and arguments.unix is None else arguments.port
    if arguments.vv is not None and tcp is None and arguments.unix.startswith("@"):
        parser.error("--vv cannot name an abstract UNIX socket: give a path, or --port as well")
    addresses = arguments.addr or [DEFAULT_ADDRESS]
    if arguments.disable_ticketing and not arguments.allow_anonymous and tcp is not None:
        for address in addresses:
            if not _is_loopback(address):
                parser.error(
                    f"--disable-ticketing with --addr {address or repr(address)} would let in everybody: "
                    "leave it out, or add --allow-anonymous"
                )
    ticket = None
    if arguments.password_file is not None:
        ticket = _read_ticket("--password-file", arguments.password_file, parser)
    elif not arguments.disable_ticketing:
        ticket = make_ticket()
    changes = {} if arguments.max_viewers is None else {"max_viewers": arguments.max_viewers}
    if arguments.clipboard_limit is not None:
        most = MAX_CLIPBOARD_LIMIT // MIB
        if arguments.clipboard_limit > most:
            parser.error(f"--clipboard-limit is at most {most} MiB")
        changes["clipboard_limit"] = arguments.clipboard_limit * MIB
    viewing = None
    if arguments.view_password_file is not None:
        viewing = _read_ticket("--view-password-file", arguments.view_password_file, parser)
    if viewing is not None and viewing == ticket:
        parser.error("--view-password-file holds the same ticket as --password-file")
    try:
        settings = Settings(
            host=tuple(addresses),
            port=tcp,
            unix=arguments.unix,
            ticket=ticket,
            tickets=() if viewing is None else (Ticket(viewing, Role.VIEW, "view only"),),
            when_full=WhenFull(arguments.when_full),
            disable_ticketing=arguments.disable_ticketing,
            allow_anonymous=arguments.allow_anonymous,
            name=arguments.name or parser.prog,
            image_compression=arguments.image_compression,
            jpeg_wan_compression=WanCompression(arguments.jpeg_wan_compression),
            zlib_glz_wan_compression=WanCompression(arguments.zlib_glz_wan_compression),
            playback_compression=arguments.playback_compression == "on",
            copy_paste=CopyPaste.OFF if arguments.disable_copy_paste else COPY_PASTE[arguments.copy_paste or "both"],
            agent_file_xfer=not arguments.disable_agent_file_xfer,
            agent_mouse=arguments.agent_mouse == "on",
            file_transfer_dir=file_transfer_dir,
            **changes,
        )
    except ValueError as error:
        parser.error(str(error))
    devices = read_device_options(arguments, parser)
    made = ticket is not None and arguments.password_file is None
    return Serving(
        settings,
        made,
        arguments.vv,
        arguments.log_level,
        ticket,
        devices,
        playback=not arguments.disable_playback,
        record=not arguments.disable_record,
    )


def make_ticket() -> str:
    """Return a ticket that nobody can guess and everybody can type."""
    letters = "".join(secrets.choice(_LETTERS) for _ in range(12))
    return "-".join(letters[start : start + 4] for start in range(0, 12, 4))


def _read_ticket(option: str, name: str, parser: Parser) -> str:
    try:
        if name == "-":
            line = sys.stdin.buffer.readline(_MOST_READ)
        else:
            with Path(name).open("rb") as file:
                line = file.readline(_MOST_READ)
        ticket = line.decode().rstrip("\r\n")
    except OSError as error:
        parser.error(f"cannot read {option} {name}: {error.strerror}")
    except UnicodeDecodeError:
        parser.error(f"{option} {name} is not UTF-8")
    if not ticket:
        parser.error(f"{option} {name}: its first line is empty, expected the ticket")
    return ticket


def _compression(text: str) -> ImageCompression:
    if text not in COMPRESSIONS:
        raise argparse.ArgumentTypeError(f"{text!r} is none: choose {', '.join(COMPRESSIONS)}")
    return COMPRESSIONS[text]


def _is_loopback(address: str) -> bool:
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
