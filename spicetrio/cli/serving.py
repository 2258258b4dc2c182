"""Running a server around a source of pixels, as a command does: from its first line to its end by a signal."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable
from contextlib import ExitStack
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import trio

from spicetrio import Server, open_server
from spicetrio.cli.bridges import open_devices
from spicetrio.cli.collector import collect_unseen
from spicetrio.cli.errors import CommandError
from spicetrio.cli.options import Serving
from spicetrio.cli.parser import FAILURE_STATUS
from spicetrio.cli.tasktree import print_on_signal
from spicetrio.cli.viewerfile import entries, viewer_file
from spicetrio.sources.errors import SourceError, first_of

logger: Final = logging.getLogger("spicetrio.command")

FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_ENDING: Final = (signal.SIGINT, signal.SIGTERM)
"""The signals that end a command, as SIGHUP does, of a terminal that was closed, unless it runs under nohup."""
_PATIENCE_SECONDS: Final = 1.0
"""How long a second signal changes nothing: what kills us would leave the programs behind that we started."""
_ABSTRACT: Final = "spice+unix://@"
"""Where no spice-gtk finds its way to."""
_WILDCARDS: Final = ("0.0.0.0", "::")
_FIXES: Final = {
    errno.EADDRINUSE: "choose another --port (0 takes a free one) or --unix path, or end who uses it",
    errno.EACCES: "choose a --port from 1024 on, or a --unix path where you may write",
    errno.EADDRNOTAVAIL: "--addr is a name or an address of this machine",
    errno.EAFNOSUPPORT: "choose an --addr of another kind",
    errno.ENOENT: "make the directory of the --unix path first",
    errno.ENOTDIR: "choose another --unix path",
}


class Source(Protocol):
    """Something that opens displays on a server."""

    def __call__(self, server: Server, *, task_status: trio.TaskStatus[Any]) -> Awaitable[None]:
        """Run it; the status is told once it can be looked at."""
        ...


def run(prog: str, serving: Serving, source: Source) -> int:
    """Serve a source until it ends or a signal comes; return the exit status.

    Args:
        prog: What the command is called.
        serving: How to serve.
        source: What to serve.
    """
    logging.basicConfig(
        stream=sys.stderr, level=serving.log_level.upper(), format=FORMAT, datefmt="%H:%M:%S", force=True
    )
    _warn_of_slow_kernels(prog)
    complaint = ""
    try:
        trio.run(_serve, serving, source)
    except* (CommandError, SourceError) as group:
        complaint = str(first_of(group))
    if not complaint:
        return 0
    print(f"{prog}: error: {' '.join(complaint.split())}", file=sys.stderr)
    return FAILURE_STATUS


async def _serve(serving: Serving, source: Source) -> None:
    stop = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        await nursery.start(_stop_by_signal, stop)
        await nursery.start(print_on_signal)
        opened = False
        try:
            async with open_server(serving.settings) as server:
                opened = True
                # Only the source ends with the scope: the server is left in its own time, and says goodbye.
                with stop:
                    await _serve_source(server, serving, source)
        except* OSError as group:
            if opened:
                raise
            raise CommandError(_explain(first_of(group))) from group
        nursery.cancel_scope.cancel()


async def _serve_source(server: Server, serving: Serving, source: Source) -> None:
    async with open_devices(server, serving.devices) as folder, trio.open_nursery() as nursery:

        async def run_source(*, task_status: trio.TaskStatus[Any]) -> None:
            await source(server, task_status=task_status)
            nursery.cancel_scope.cancel()

        await nursery.start(partial(run_source), name="source")
        nursery.start_soon(collect_unseen, server.clients)
        # Here, so that a file with a secret goes at once, however long the source takes to end.
        with ExitStack() as stack:
            target = _target(server.addresses)
            if serving.vv is not None:
                values = entries(target, title=serving.settings.name, ticket=serving.secret)
                stack.enter_context(viewer_file(serving.vv, values))
            _announce(server, serving, target, folder)
            await trio.sleep_forever()


async def _stop_by_signal(
    stop: trio.CancelScope, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Cancel the scope with the first signal; a second one kills, but not before our programs had time to end."""
    numbers = {*_ENDING, signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else _ENDING
    with trio.open_signal_receiver(*numbers) as signals:
        task_status.started()
        first = await anext(signals)
        logger.info("got %s: ending", signal.Signals(first).name)
        stop.cancel()
        with trio.move_on_after(_PATIENCE_SECONDS):
            async for _ in signals:
                logger.info("ending already")
    for number in numbers:
        signal.signal(number, signal.SIG_DFL)


def _announce(server: Server, serving: Serving, target: str, folder: str | None) -> None:
    """Tell the person how to connect, and then whoever reads our output that we are ready."""
    if serving.ticket_made:
        print(f"ticket: {serving.secret}", file=sys.stderr)
    if folder is not None:
        print(f"shared folder: {folder}", file=sys.stderr)
    if not target.startswith(_ABSTRACT):
        print(f"connect: remote-viewer {serving.vv or target}", file=sys.stderr, flush=True)
    try:
        for address in server.addresses:
            print(f"listening on {address}", flush=True)
    except OSError as error:
        logger.warning("cannot say where we listen: %s", error.strerror)
        mute_output()


def mute_output() -> None:
    """Write standard output nowhere from now on; nobody reads it, and Python would complain at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _target(addresses: tuple[str, ...]) -> str:
    """Return the address to give to a viewer: a TCP one if there is one, by name if it is every address."""
    address = next((address for address in addresses if address.startswith("spice://")), addresses[0])
    uri = urlsplit(address)
    if uri.hostname in _WILDCARDS:
        return f"spice://{socket.gethostname()}:{uri.port}"
    return address


def _explain(error: BaseException) -> str:
    assert isinstance(error, OSError)
    text = error.strerror or str(error)
    fix = _FIXES.get(error.errno or 0)
    return text if fix is None else f"{text}; {fix}"


def _warn_of_slow_kernels(prog: str) -> None:
    """Say so when pixels are worked on by Python instead of machine code."""
    slow = sorted(
        name
        for name, module in sys.modules.items()
        if name.startswith("spicetrio.") and getattr(module, "COMPILED", True) is False
    )
    if slow:
        print(
            f"{prog}: warning: not compiled, so EVERYTHING IS MUCH SLOWER: {', '.join(slow)}; "
            "install it again where there is a C compiler",
            file=sys.stderr,
        )
