"""The options about devices: ports, and the folder that viewers share."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
from dataclasses import dataclass
from typing import Final

from spicetrio.cli.parser import Parser, port

DEFAULT_WEBDAV_PORT: Final = 9843
"""Where spice-webdavd listens too."""
LONGEST_PATH: Final = 107
"""Bytes; the system takes no longer one for a socket."""
MOST_PORTS: Final = 256
"""As many as there are ids of channels."""

_PORT: Final = re.compile(r"name=(?P<name>[^,\0\ud800-\udfff]{1,255}),(?P<kind>exec|unix)=(?P<rest>[^\0]+)", re.DOTALL)
_WEBDAV: Final = "org.spice-space.webdav.0"


@dataclass(frozen=True, slots=True)
class PortDevice:
    """A named port, and what is at its other end."""

    name: str
    """The port's name."""
    command: tuple[str, ...] = ()
    """A program that is run for each viewer, and its arguments; or else there is a path."""
    unix: str = ""
    """A UNIX socket to listen on; a leading `@` makes it abstract."""


@dataclass(frozen=True, slots=True)
class Devices:
    """What was asked for."""

    ports: tuple[PortDevice, ...] = ()
    """Their names are all different."""
    webdav_port: int | None = None
    """Where to offer the folder that viewers share, on loopback; None for nowhere."""


def add_device_options(parser: Parser) -> None:
    """Add the options to the parser of a command."""
    group = parser.add_argument_group("devices", "One viewer at a time has each of them.")
    group.add_argument(
        "--port-device",
        type=_port_device,
        action="append",
        default=[],
        metavar="name=NAME,exec=COMMAND|unix=PATH",
        help="a port: COMMAND, one string, is run for each viewer and its input and output are the port; "
        "or programs here connect to the UNIX socket PATH. May be given several times",
    )
    group.add_argument(
        "--share-dir",
        action="store_true",
        help="offer the folder that a viewer shares on this machine alone, for WebDAV: dav://127.0.0.1:PORT; "
        "x11 then pastes files that are copied at that viewer, too",
    )
    group.add_argument(
        "--webdav-port",
        type=port,
        metavar="PORT",
        help=f"where --share-dir offers it; 0 takes a free one (default: {DEFAULT_WEBDAV_PORT})",
    )


def read_device_options(arguments: argparse.Namespace, parser: Parser) -> Devices:
    """Return what the arguments ask for; what makes no sense ends the program."""
    if arguments.webdav_port is not None and not arguments.share_dir:
        parser.error("--webdav-port is for --share-dir only")
    names = [device.name for device in arguments.port_device]
    if len(names) > MOST_PORTS:
        parser.error(f"--port-device is given {len(names)} times, expected at most {MOST_PORTS}")
    for name in names:
        if names.count(name) > 1:
            parser.error(f"--port-device {name} is given twice")
        if name == _WEBDAV and arguments.share_dir:
            parser.error(f"--port-device {name} is what --share-dir opens: leave out one of them")
    webdav_port = DEFAULT_WEBDAV_PORT if arguments.webdav_port is None else arguments.webdav_port
    return Devices(tuple(arguments.port_device), webdav_port if arguments.share_dir else None)


def _port_device(text: str) -> PortDevice:
    """Read a port; what is behind `exec=` or `unix=` may have commas in it."""
    match = _PORT.fullmatch(text)
    if match is None or len(match["name"].encode()) > 255:
        raise argparse.ArgumentTypeError(f"{text!r} is none: write name=NAME,exec=COMMAND or name=NAME,unix=PATH")
    if match["kind"] == "unix":
        if len(os.fsencode(match["rest"])) > LONGEST_PATH:
            raise argparse.ArgumentTypeError(f"the path of {match['name']} is longer than {LONGEST_PATH} bytes")
        return PortDevice(match["name"], unix=match["rest"])
    try:
        command = tuple(shlex.split(match["rest"]))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{str(error).lower()} in {match['rest']!r}") from error
    if not command or shutil.which(command[0]) is None:
        raise argparse.ArgumentTypeError(f"there is no program {command[0] if command else ''!r} to run")
    return PortDevice(match["name"], command)
