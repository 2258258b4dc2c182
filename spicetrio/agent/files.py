"""Files that are dropped on viewers land in a folder (spec AG-4, FILE_XFER).

A file is written under a hidden name and gets its own when it is complete, never that of another file. It is removed
when its transfer ends in another way. A part of it is written, in a thread, before its viewer may send more than a
window ahead, so a slow disk holds up the viewer, not the server.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import struct
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio
from trio_util import AsyncValue

from spicetrio.agent.filenames import claim, read_keyfile, safe_name
from spicetrio.server.client import Client
from spicetrio.wire import agent
from spicetrio.wire.enums import FileTransferStatus

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from spicetrio.agent.session import AgentSession

logger: Final = logging.getLogger("spicetrio.agent")

MAX_AT_ONCE: Final = 8
"""Files of one viewer that are written at a time; others wait."""
MAX_WAITING: Final = 1024
"""Files of one viewer that may wait."""
REMEMBERED: Final = 16
"""Transfers that have ended and are still told of."""
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_GLIB_IO: Final = struct.pack("<BI", 0, 0)
"""The detail of an error: of GLib's kind, `G_IO_ERROR_FAILED`."""


class FileTransferState(Enum):
    """How far a transfer is."""

    WAITING = "waiting"
    """Others of the viewer come first."""
    RECEIVING = "receiving"
    """Data comes, or is about to."""
    COMPLETE = "complete"
    """The file is in the folder."""
    FAILED = "failed"
    """It could not be written."""
    CANCELLED = "cancelled"
    """The viewer does not want it any more, or has left."""


@dataclass(frozen=True, slots=True)
class FileTransfer:
    """A file that a viewer sends, at a moment."""

    viewer: Client
    """Whose file it is."""
    number: int
    """The viewer's number for it, which it may use again once it has ended."""
    name: str
    """What it is to be called here."""
    size: int
    """In bytes."""
    received: int = 0
    """Bytes that were written until now."""
    state: FileTransferState = FileTransferState.WAITING
    """How far it is."""
    path: Path | None = None
    """Where the complete file is. Another one may have had its name, so this one has a number in it."""
    reason: str = ""
    """Why it failed, in words."""


class _File:
    """A transfer that has not ended."""

    def __init__(self, session: AgentSession, told: FileTransfer) -> None:
        self.session = session
        self.told = told
        self.part: Path | None = None
        self.descriptor = -1

    def open(self, folder: Path) -> None:
        part = folder / f".{secrets.token_hex(8)}.part"
        self.descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        self.part = part

    def write(self, data: Buffer) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self.descriptor, rest) :]

    def complete(self, folder: Path) -> Path:
        """Give it its name; return that."""
        assert self.part is not None
        self._close()
        path = claim(folder, self.told.name)
        try:
            self.part.replace(path)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        self.part = None
        return path

    def discard(self) -> None:
        """Close and remove what there is of it, as far as the system lets us: a transfer ends all the same."""
        part, self.part = self.part, None
        try:
            try:
                self._close()
            finally:
                if part is not None:
                    part.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("cannot remove %s: %s", part, error.strerror)

    def _close(self) -> None:
        """Close it; after an error, too, it is not open any more."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class FileReceiver:
    """Takes the files of all viewers.

    Args:
        folder: Where they land.

    Raises:
        NotADirectoryError: It is none.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "the folder for files is none", str(folder))
        self.transfers: Final = AsyncValue[tuple[FileTransfer, ...]](())
        """Those under way, and the last ones that have ended, oldest first."""
        self._folder = folder
        self._files: dict[tuple[AgentSession, int], _File] = {}

    async def start(self, session: AgentSession, message: agent.FileXferStart) -> None:
        """Take in a FILE_XFER_START: let the viewer send the data, or wait, or tell it why not.

        Cancellation: the transfer is dropped when the session is.

        Raises:
            RemoteProtocolError: It tells no name or size.
        """
        description = read_keyfile(message.keyfile)
        key = (session, message.id)
        told = FileTransfer(session.client, message.id, description.name, description.size)
        if key in self._files or len(self._of(session)) >= MAX_AT_ONCE + MAX_WAITING:
            logger.info("%r may not send %r: its number is in use, or too many wait", session.client, description.name)
            session.report_file(message.id, FileTransferStatus.ERROR, _GLIB_IO)
            return
        file = _File(session, told)
        try:
            file.told = replace(told, name=safe_name(description.name))
        except ValueError as error:
            self._fail(file, OSError(errno.EINVAL, str(error)))
            return
        self._files[key] = file
        self._show(file)
        await self._begin_next(session)

    async def write(self, session: AgentSession, message: agent.FileXferData) -> None:
        """Take in a FILE_XFER_DATA. Data of a transfer that has ended is dropped.

        Cancellation: the transfer is dropped when the session is; this returns after the disk has.
        """
        await trio.lowlevel.checkpoint()
        file = self._files.get((session, message.id))
        if file is None or file.told.state is not FileTransferState.RECEIVING:
            return
        received = file.told.received + memoryview(message.data).nbytes
        try:
            if received > file.told.size:
                raise OSError(errno.EINVAL, f"it has more than its {file.told.size} bytes")
            await trio.to_thread.run_sync(file.write, message.data)
            path = await trio.to_thread.run_sync(file.complete, self._folder) if received == file.told.size else None
        except OSError as error:
            self._fail(file, error)
            await self._begin_next(session)
            return
        file.told = replace(file.told, received=received)
        if path is None:
            self._show(file)
            return
        file.told = replace(file.told, state=FileTransferState.COMPLETE, path=path)
        logger.info("%r sent %s, %d bytes", session.client, path, received)
        self._forget(file)
        session.report_file(message.id, FileTransferStatus.SUCCESS)
        await self._begin_next(session)

    async def cancel(self, session: AgentSession, message: agent.FileXferStatus) -> None:
        """Take in a FILE_XFER_STATUS: the viewer ends a transfer.

        Cancellation: the transfer is dropped when the session is.
        """
        await trio.lowlevel.checkpoint()
        file = self._files.get((session, message.id))
        if file is not None and message.result in (FileTransferStatus.CANCELLED, FileTransferStatus.ERROR):
            self._cancel(file)
            await self._begin_next(session)

    def leave(self, session: AgentSession) -> None:
        """Take in that a viewer has left: its files are removed."""
        self._cancel(*self._of(session))

    def _of(self, session: AgentSession) -> list[_File]:
        return [file for (owner, _), file in self._files.items() if owner is session]

    async def _begin_next(self, session: AgentSession) -> None:
        """Let as many files of a viewer come as may at a time."""
        await trio.lowlevel.checkpoint()
        for file in self._of(session):
            under_way = sum(other.told.state is FileTransferState.RECEIVING for other in self._of(session))
            if under_way >= MAX_AT_ONCE:
                return
            if file.told.state is FileTransferState.WAITING:
                await self._begin(file)

    async def _begin(self, file: _File) -> None:
        promised = sum(
            other.told.size - other.told.received
            for other in self._files.values()
            if other.told.state is FileTransferState.RECEIVING
        )
        file.told = replace(file.told, state=FileTransferState.RECEIVING)
        free = 0
        try:
            free = await trio.to_thread.run_sync(_free_space, self._folder) - promised
            if file.told.size > free:
                raise OSError(errno.ENOSPC, f"{max(0, free)} bytes are free for {file.told.size}")
            await trio.to_thread.run_sync(file.open, self._folder)
        except OSError as error:
            self._fail(file, error, max(0, free))
            return
        self._show(file)
        file.session.report_file(file.told.number, FileTransferStatus.CAN_SEND_DATA)

    def _fail(self, file: _File, error: OSError, free: int = 0) -> None:
        """End a transfer that cannot be written, and tell the viewer why (spec AG-5)."""
        file.told = replace(file.told, state=FileTransferState.FAILED, reason=error.strerror or str(error))
        logger.warning("the file %r of %r failed: %s", file.told.name, file.session.client, file.told.reason)
        self._forget(file)
        if error.errno in _NO_SPACE:
            file.session.report_file(file.told.number, FileTransferStatus.NOT_ENOUGH_SPACE, struct.pack("<Q", free))
        else:
            file.session.report_file(file.told.number, FileTransferStatus.ERROR, _GLIB_IO)

    def _cancel(self, *files: _File) -> None:
        for file in files:
            file.told = replace(file.told, state=FileTransferState.CANCELLED)
            logger.info("%r sends %r no more", file.session.client, file.told.name)
        self._forget(*files)

    def _forget(self, *files: _File) -> None:
        for file in files:
            self._files.pop((file.session, file.told.number), None)
            file.discard()
        self._show(*files)

    def _show(self, *files: _File) -> None:
        """Tell how far transfers are. It takes as long for many as for one."""
        ended = [told for told in self.transfers.value if told.state not in _UNDER_WAY]
        ended += [file.told for file in files if file.told.state not in _UNDER_WAY]
        self.transfers.value = (*ended[-REMEMBERED:], *(other.told for other in self._files.values()))


_UNDER_WAY: Final = (FileTransferState.WAITING, FileTransferState.RECEIVING)


def _free_space(folder: Path) -> int:
    """Return the bytes that may be written to where a folder is."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize
