"""`spicetrio qemu`."""

from __future__ import annotations

import argparse
import os
import stat
from functools import partial

from spicetrio.cli.options import add_serving_options, read_serving_options
from spicetrio.cli.parser import Parser, read_start
from spicetrio.cli.serving import run

HELP = "a virtual machine of QEMU: one that runs already, or a new one"
USAGE = """\
%(prog)s [options] [--qmp PATH | --dbus-address ADDRESS | --dbus-p2p-fd FD |
                       --start COMMAND | -- COMMAND [ARGUMENT ...]]"""
EXAMPLES = """\
examples:
  spicetrio qemu                                     the machine on the session's bus
  spicetrio qemu --qmp /run/vm.qmp
  spicetrio qemu --dbus-address unix:path=/run/libvirt/qemu/dbus/1-vm-dbus.sock
  spicetrio qemu --vv vm.vv -- qemu-system-x86_64 -m 1G -device virtio-vga -cdrom live.iso
"""


def add_options(parser: Parser) -> None:
    """Add what this command understands."""
    group = parser.add_argument_group("which machine", "By default one on the session's bus.")
    group.add_argument("--qmp", metavar="PATH", help="the QEMU whose monitor (-qmp unix:PATH,...) is there")
    group.add_argument("--dbus-address", metavar="ADDRESS", help="the QEMU on the bus of this address")
    group.add_argument("--bus-name", metavar="NAME", help="what it is called on the bus (default: org.qemu)")
    group.add_argument("--wait", action="store_true", help="wait until it is on the bus")
    group.add_argument(
        "--dbus-p2p-fd", type=_descriptor, metavar="FD", help="the QEMU at the other end of this inherited socket"
    )
    group.add_argument(
        "--start",
        metavar="COMMAND",
        help="start a machine with COMMAND, one string; when it ends everything ends, and the other way around",
    )
    group.add_argument("command", nargs="*", metavar="COMMAND", help="the same, written behind -- as it is")
    ports = parser.add_argument_group("which ports viewers get", "By default all but monitors.")
    ports.add_argument(
        "--vt-chardev", action="append", metavar="NAME", help="only the one of this name; may be given several times"
    )
    ports.add_argument("--no-vt", action="store_true", help="none")
    add_serving_options(parser)


def execute(arguments: argparse.Namespace, parser: Parser) -> int:
    """Serve the machine; return the exit status."""
    start = read_start(arguments, parser)
    if start == []:
        parser.error("argument --start: expected the command that starts QEMU")
    ways = {
        "--qmp": arguments.qmp,
        "--dbus-address": arguments.dbus_address,
        "--dbus-p2p-fd": arguments.dbus_p2p_fd,
        "a command to start": start,
    }
    given = [name for name, value in ways.items() if value is not None]
    if len(given) > 1:
        parser.error(f"{given[0]} and {given[1]} exclude each other")
    if given not in ([], ["--dbus-address"]) and (arguments.bus_name is not None or arguments.wait):
        parser.error("--bus-name and --wait are for a machine on a bus")
    if arguments.no_vt and arguments.vt_chardev:
        parser.error("--no-vt and --vt-chardev exclude each other")
    serving = read_serving_options(arguments, parser)
    # Only here, so that the other commands do without what it needs.
    from spicetrio.sources.qemu import Place, serve_qemu

    place = Place(arguments.qmp, arguments.dbus_address, arguments.dbus_p2p_fd, arguments.bus_name, wait=arguments.wait)
    source = partial(
        serve_qemu,
        place=place,
        start=start,
        ports=() if arguments.no_vt else arguments.vt_chardev,
        playback=serving.playback,
        record=serving.record,
    )
    return run(parser.prog, serving, source)


def _descriptor(text: str) -> int:
    """Read the number of a descriptor that was inherited: it is looked at before any other is open here."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no descriptor: expected its number")
    try:
        if stat.S_ISSOCK(os.fstat(int(text)).st_mode):
            return int(text)
    except (OSError, OverflowError):
        pass
    raise argparse.ArgumentTypeError(
        f"descriptor {text} is no socket: pass one end of a D-Bus connection to QEMU along"
    )
