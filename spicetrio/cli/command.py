"""`spicetrio`, which is several commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from spicetrio.cli import demo, qemu, x11
from spicetrio.cli.collector import skip_last_collection
from spicetrio.cli.parser import Parser
from spicetrio.cli.serving import mute_output

DESCRIPTION = "Show a screen to SPICE viewers such as remote-viewer, several at once."
EPILOG = """\
examples:
  spicetrio demo
  spicetrio x11 --start xfce4-session --vv desk.vv
  spicetrio qemu --qmp /run/vm.qmp

`spicetrio COMMAND --help` tells all options of a command.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments; by default those of the program.

    Returns:
        The exit status.

    Raises:
        SystemExit: Help was asked for, or the arguments are bad.
    """
    skip_last_collection()
    try:
        try:
            return _run(argv)
        finally:
            if sys.stdout is not None:  # None if it was closed before
                sys.stdout.flush()
    except BrokenPipeError:
        mute_output()
        return 0
    except KeyboardInterrupt:  # before anything was served: while a ticket was waited for
        return 0


def _run(argv: Sequence[str] | None) -> int:
    parser = Parser(prog="spicetrio", description=DESCRIPTION, epilog=EPILOG)
    about = f"spicetrio {_version()}"
    parser.add_argument("--version", action="version", version=about, help="show the version and end")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    for name, module, usage in (
        ("demo", demo, "%(prog)s [options]"),
        ("x11", x11, x11.USAGE),
        ("qemu", qemu, qemu.USAGE),
    ):
        command = commands.add_parser(
            name, help=module.HELP, description=f"Serve {module.HELP}.", epilog=module.EXAMPLES, usage=usage
        )
        module.add_options(command)
        command.set_defaults(execute=module.execute, parser=command)
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        arguments.parser.error(f"unknown or not supported yet: {' '.join(unknown)}")
    status: int = arguments.execute(arguments, arguments.parser)
    return status


def _version() -> str:
    try:
        return version("spicetrio")
    except PackageNotFoundError:  # run from a checkout
        return "(not installed)"
