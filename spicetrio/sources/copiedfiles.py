"""Files that were copied at a viewer, fetched from its folder when somebody pastes them (FILE_LIST, spec AG-6).

What a viewer offers is a list of paths in the folder that it shares. Programs here want files of this machine; so the
files come into a private folder, all of them before any is pasted. There they stay, as nobody tells when a program has
read them, until the viewer leaves, this ends, or what was copied since needs the room.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import trio

from spicetrio import Client, ClipboardError, ClipboardType, Offer, SharedFolder
from spicetrio.sources.webdav import Entry, WebdavClient, WebdavError

WAIT_SECONDS: Final = 60.0
"""How long somebody who pastes waits. What comes later is there for the next one."""
MOST_KEPT: Final = 8
"""Lists of which the files are kept, or on their way."""
MOST_ITEMS: Final = 10_000
"""Files and folders of one list."""
MOST_DEPTH: Final = 32
"""Folders in each other."""
MOST_PATH_BYTES: Final = 4096
"""Bytes of a path at the viewer."""
MOST_NAME_BYTES: Final = 255
PROGRESS_SECONDS: Final = 10.0
"""After which it is told how far a long transfer is."""
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)

logger: Final = logging.getLogger(__name__)


class _Item(NamedTuple):
    """A file or folder that is to come."""

    path: str
    """At the viewer."""
    place: Path
    """Below the folder of its list."""
    is_folder: bool
    size: int


class _Copy:
    """What has come of one list."""

    def __init__(self, viewer: Client | None) -> None:
        self.viewer: Final = viewer
        self.size = 0
        """Bytes that have come."""
        self.paths: tuple[Path, ...] = ()
        """Where the files are, once all are."""
        self.error = "who copied them has left"
        """Why there are no paths."""
        self.waiting = 0
        """How many wait for it."""
        self.ready: Final = trio.Event()
        """There are paths, or there never will be."""
        self.scope: Final = trio.CancelScope()
        """Its end is the end of the files."""


class CopiedFiles:
    """The files that viewers have copied, from `open_copied_files`.

    Args:
        folder: Where viewers have them.
        limit: The most bytes that are kept here.
        nursery: Where they are fetched, and kept.
    """

    def __init__(self, folder: SharedFolder, limit: int, nursery: trio.Nursery) -> None:
        self._folder = folder
        self._client = WebdavClient(folder)
        self._limit = limit
        self._nursery = nursery
        self._copies: dict[Offer, _Copy] = {}
        self._reading = trio.Lock()

    async def fetch(self, offer: Offer) -> tuple[Path, ...]:
        """Return the files and folders that were copied, when all that is in them is on this machine.

        Args:
            offer: It has the type FILE_LIST.

        Cancellation: they go on coming, for whoever asks next.

        Raises:
            ClipboardError: They cannot be had, or not in time.
        """
        await trio.lowlevel.checkpoint()
        if offer.viewer is None or offer.viewer is not self._folder.viewer.value:
            raise ClipboardError("who copied them shares no folder: share one at that viewer, and copy again")
        if (copy := self._copies.get(offer)) is None:
            while len(self._copies) >= MOST_KEPT:
                self._drop_oldest(f"{MOST_KEPT} others are on their way")
            copy = self._copies[offer] = _Copy(offer.viewer)
            self._nursery.start_soon(self._keep, offer, copy)
        copy.waiting += 1
        try:
            with trio.fail_after(WAIT_SECONDS):
                await copy.ready.wait()
        except trio.TooSlowError:
            raise ClipboardError("they are still on their way; paste again when they are told to be here") from None
        finally:
            copy.waiting -= 1
        if not copy.paths:
            raise ClipboardError(copy.error)
        return copy.paths

    async def follow_viewer(self) -> None:
        """Let go of the files of viewers that have left, until cancelled."""
        async with aclosing(self._folder.viewer.eventual_values()) as viewers:
            async for viewer in viewers:
                for offer, copy in tuple(self._copies.items()):
                    if copy.viewer is not viewer:
                        self._drop(offer)

    async def _keep(self, offer: Offer, copy: _Copy) -> None:
        """Fetch files, and keep them until they are dropped."""
        try:
            with copy.scope:
                async with _private_folder() as folder:
                    copy.paths = await self._fetch(offer, copy, folder)
                    copy.ready.set()
                    await trio.sleep_forever()
        except (ClipboardError, WebdavError, OSError) as error:
            copy.error = str(error)
            if isinstance(error, OSError) and error.errno in _FULL:
                copy.error += "; make room there, or let TMPDIR be a folder with more"
            if not copy.waiting:
                logger.info("the files that %r has copied do not come: %s", copy.viewer, copy.error)
        finally:
            if self._copies.get(offer) is copy:
                del self._copies[offer]
            copy.ready.set()

    async def _fetch(self, offer: Offer, copy: _Copy, folder: Path) -> tuple[Path, ...]:
        async with self._reading:  # one at a time, as it may be large
            paths = await trio.to_thread.run_sync(_read_list, await offer.read(ClipboardType.FILE_LIST))
        items = await self._plan(paths)
        size = sum(item.size for item in items)
        if size > self._limit:
            raise ClipboardError(
                f"they are of {size} bytes, more than the {self._limit} that are kept (--copied-files-limit)"
            )
        logger.info("%r has copied %d files and folders, %d bytes: they are fetched", copy.viewer, len(items), size)
        for number in range(len(paths)):
            await trio.Path(folder, str(number)).mkdir()
        told = trio.current_time()
        for number, item in enumerate(items):
            await self._take(item, folder / item.place, copy)
            if trio.current_time() - told > PROGRESS_SECONDS:
                told = trio.current_time()
                logger.info("%d of %d files and folders are here, %d bytes", number + 1, len(items), copy.size)
        logger.info("what %r has copied is here: %d files and folders, %d bytes", copy.viewer, len(items), copy.size)
        return tuple(folder / _place(number, path) for number, path in enumerate(paths))

    async def _plan(self, paths: list[str]) -> list[_Item]:
        """Return all that is to be fetched, folders before what is in them."""
        items: list[_Item] = []
        for number, path in enumerate(paths):
            entry, inside = await self._client.look(path)
            items.append(_Item(path, _place(number, path), entry.is_folder, entry.size))
            folders = _add(items, items[-1], inside)
            while folders:
                folder = folders.pop()
                entry, inside = await self._client.look(folder.path)
                if not entry.is_folder:
                    raise ClipboardError(f"{folder.path!r} was a folder, and is none any more")
                folders += _add(items, folder, inside)
        return items

    async def _take(self, item: _Item, place: Path, copy: _Copy) -> None:
        """Make a folder, or fetch a file; that there is one already is an error."""
        if item.is_folder:
            await trio.Path(place).mkdir()
            return
        async with await trio.open_file(place, "xb") as file, aclosing(self._client.read(item.path)) as data:
            async for piece in data:
                copy.size += len(piece)
                while sum(kept.size for kept in self._copies.values()) > self._limit:
                    self._drop_oldest(f"more than the {self._limit} bytes that are kept are on their way")
                await file.write(piece)

    def _drop_oldest(self, complaint: str) -> None:
        """Drop the oldest files that are not on their way, or say why there is no room."""
        oldest = next((offer for offer, copy in self._copies.items() if copy.paths), None)
        if oldest is None:
            raise ClipboardError(complaint)
        self._drop(oldest)

    def _drop(self, offer: Offer) -> None:
        self._copies.pop(offer).scope.cancel()


@asynccontextmanager
async def open_copied_files(folder: SharedFolder, limit: int) -> AsyncIterator[CopiedFiles]:
    """Fetch files that viewers copy while the block runs; in the end none is left.

    Args:
        folder: Where viewers have them.
        limit: The most bytes that are kept here.

    Cancellation: ends the block.
    """
    async with trio.open_nursery() as nursery:
        files = CopiedFiles(folder, limit, nursery)
        nursery.start_soon(files.follow_viewer)
        yield files
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def _private_folder() -> AsyncIterator[Path]:
    """Make a folder that is this user's alone, and remove it after the block with all that is in it."""
    folder = Path(await trio.to_thread.run_sync(partial(tempfile.mkdtemp, prefix="spicetrio-files-")))
    try:
        yield folder
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(partial(shutil.rmtree, folder, ignore_errors=True))
            if await trio.Path(folder).exists():
                logger.warning("cannot remove %s", folder)


def _add(items: list[_Item], folder: _Item, inside: list[Entry]) -> list[_Item]:
    """Add what is in a folder; return which of it are folders."""
    if len(items) + len(inside) > MOST_ITEMS:
        raise ClipboardError(f"there are more than {MOST_ITEMS} files and folders")
    begin = len(items)
    for entry in inside:
        path, place = _bounded(f"{folder.path}/{entry.name}"), folder.place / _checked(entry.name)
        items.append(_Item(path, place, entry.is_folder, entry.size))
    return [item for item in items[begin:] if item.is_folder]


def _read_list(data: bytes) -> list[str]:
    """Return the paths of a FILE_LIST: first what is to be done with them, then they, each with a NUL behind it.

    To cut is to copy here, as what a program moves is the copy.
    """
    data = data.removesuffix(b"\0")
    if data.count(b"\0") > MOST_ITEMS:
        raise ClipboardError(f"there are more than {MOST_ITEMS} files and folders")
    action, *paths = data.split(b"\0")
    if action not in (b"copy", b"cut") or not paths:
        raise ClipboardError(f"what is copied is no list of files: it begins with {data[:64]!r}")
    return [_read_path(path) for path in paths]


def _read_path(data: bytes) -> str:
    path = _bounded(data[: MOST_PATH_BYTES + 1].decode(errors="surrogateescape"))
    root, *names = path.split("/")
    if root:
        raise ClipboardError(f"{path!r} is no path in the viewer's folder")
    for name in names or [""]:
        _checked(name)
    return path


def _bounded(path: str) -> str:
    """Return a path that is neither too long nor too deep.

    Raises:
        ClipboardError: It is.
    """
    if len(path.encode(errors="surrogateescape")) > MOST_PATH_BYTES:
        raise ClipboardError(f"a path is longer than {MOST_PATH_BYTES} bytes: {path[:64]!r}")
    if path.count("/") > MOST_DEPTH:
        raise ClipboardError(f"there are folders {MOST_DEPTH} deep, or in a ring: {path[:64]!r}")
    return path


def _checked(name: str) -> str:
    """Return a name that stays in its folder, whatever the viewer wanted.

    Raises:
        ClipboardError: It is none.
    """
    try:
        size = len(os.fsencode(name))
    except UnicodeEncodeError:
        size = 0  # this machine's names have no such letters
    if not 0 < size <= MOST_NAME_BYTES or name in (".", "..") or "/" in name or "\0" in name:
        raise ClipboardError(f"{name[:MOST_NAME_BYTES]!r} is no name for a file")
    return name


def _place(number: int, path: str) -> Path:
    """Return where a path of the list goes: into a folder of its own, as two may have the same name."""
    return Path(str(number), path.rpartition("/")[2])
