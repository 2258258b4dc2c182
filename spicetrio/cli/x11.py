"""`spicetrio x11`."""

from __future__ import annotations

import argparse
import os
from functools import partial

from spicetrio.cli.options import add_file_option, add_serving_options, read_serving_options
from spicetrio.cli.parser import MIB, Parser, count, read_start, size
from spicetrio.cli.serving import run
from spicetrio.sources.x11 import COPIED_FILES_LIMIT, serve_x11

HELP = "an X11 desktop: one that runs already, or a new one without a screen"
USAGE = "%(prog)s [options] [--display NAME | --start COMMAND | -- COMMAND [ARGUMENT ...]]"
EXAMPLES = """\
examples:
  spicetrio x11                                      the desktop that $DISPLAY names
  spicetrio x11 --display :1
  spicetrio x11 --start xfce4-session --size 1600x900
  spicetrio x11 --vv desk.vv -- xterm -e top
"""
RESIZE = ("auto", "always", "never")


def add_options(parser: Parser) -> None:
    """Add what this command understands."""
    group = parser.add_argument_group("which desktop")
    group.add_argument("--display", metavar="NAME", help="show a running X server (default: $DISPLAY)")
    group.add_argument(
        "--start",
        metavar="COMMAND",
        help="start an X server without a screen and run COMMAND, one string, on it; "
        "when it ends everything ends. An empty string runs nothing",
    )
    group.add_argument("command", nargs="*", metavar="COMMAND", help="the same, written behind -- as it is")
    group.add_argument(
        "--size", type=size, metavar="WxH", help="size of the screen that is started (default: 1024x768)"
    )
    group.add_argument(
        "--resize",
        choices=RESIZE,
        default="auto",
        help="let the desktop follow the size of a viewer's window: "
        "auto if it is started here, always or never (default: %(default)s)",
    )
    add_file_option(parser)
    copied = parser.add_argument_group("files that are copied at a viewer", "They need --share-dir.")
    copied.add_argument(
        "--copied-files-limit",
        type=count,
        metavar="MIB",
        help="they are fetched when they are pasted here; MIB is the most that is kept of them, "
        f"in a private folder (default: {COPIED_FILES_LIMIT // MIB})",
    )
    add_serving_options(parser)


def execute(arguments: argparse.Namespace, parser: Parser) -> int:
    """Serve the desktop; return the exit status."""
    start = read_start(arguments, parser)
    if start is not None and arguments.display is not None:
        parser.error("--display and a command to start exclude each other")
    if start is None and arguments.size is not None:
        parser.error("--size is for a desktop that is started; a running one has its own")
    display = None if start is not None else arguments.display or os.environ.get("DISPLAY")
    if start is None and not display:
        parser.error("DISPLAY is not set: name a desktop with --display :0, or start one with --start COMMAND")
    if arguments.copied_files_limit is not None and not arguments.share_dir:
        parser.error("--copied-files-limit is for --share-dir only")
    limit = COPIED_FILES_LIMIT if arguments.copied_files_limit is None else arguments.copied_files_limit * MIB
    serving = read_serving_options(arguments, parser, file_transfer_dir=arguments.file_transfer_dir)
    source = partial(
        serve_x11,
        display=display,
        start=start,
        size=arguments.size or (1024, 768),
        playback=serving.playback,
        record=serving.record,
        resize=arguments.resize == "always" or (arguments.resize == "auto" and start is not None),
        copied_files_limit=limit,
    )
    return run(parser.prog, serving, source)
