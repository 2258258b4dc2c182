"""`spicetrio demo`."""

from __future__ import annotations

import argparse
from functools import partial

from spicetrio.cli.options import add_file_option, add_serving_options, read_serving_options
from spicetrio.cli.parser import Parser, size
from spicetrio.cli.serving import run
from spicetrio.sources.demo import serve_demo
from spicetrio.sources.demo.layout import MIN_HEIGHT, MIN_WIDTH

HELP = "a display to try everything on: type, paint, play, watch things move"
EXAMPLES = """\
examples:
  spicetrio demo                            then run the remote-viewer command that it prints
  spicetrio demo --port 0 --vv demo.vv      a free port; connect with `remote-viewer demo.vv`
  spicetrio demo --unix /run/user/1000/demo.sock
  spicetrio demo --addr 0.0.0.0 --password-file secret.txt
  spicetrio demo --file-transfer-dir ~/Downloads   then drop files on the viewer
"""


def add_options(parser: Parser) -> None:
    """Add what this command understands."""
    parser.add_argument(
        "--size",
        type=size,
        default=(1024, 768),
        metavar="WxH",
        help=f"size of the display, at least {MIN_WIDTH}x{MIN_HEIGHT} (default: 1024x768)",
    )
    add_file_option(parser)
    add_serving_options(parser)


def execute(arguments: argparse.Namespace, parser: Parser) -> int:
    """Serve the demo; return the exit status."""
    width, height = arguments.size
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        parser.error(f"argument --size: the demo needs at least {MIN_WIDTH}x{MIN_HEIGHT}")
    serving = read_serving_options(arguments, parser, file_transfer_dir=arguments.file_transfer_dir)
    source = partial(serve_demo, size=arguments.size, playback=serving.playback, record=serving.record)
    return run(parser.prog, serving, source)
