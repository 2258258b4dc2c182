"""Memory shared with the X server, that a screen's pixels are read into."""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from typing import Any, Final

from spicetrio.sources.x11.connection import ConnectionLost, XConnection

BYTES_PER_PIXEL: Final = 4
_ALL_PLANES: Final = 0xFFFFFFFF
_Z_PIXMAP: Final = 2


class Segment:
    """A memfd of the size of a screen: it has no name anywhere, so none has to be cleaned up."""

    def __init__(self, connection: XConnection, width: int, height: int) -> None:
        self._connection = connection
        self.width = width
        self.height = height
        self.stride = width * BYTES_PER_PIXEL
        descriptor = os.memfd_create("spicetrio-x11", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, self.stride * height)
        self._memory = mmap.mmap(descriptor, self.stride * height)
        self.pixels: Final = memoryview(self._memory)
        """The whole screen, BGRX."""
        self._id = connection.new_id()
        connection.pass_fd(descriptor)
        connection.shm.AttachFd(self._id, False)

    def request(self, top: int, bottom: int) -> Any:
        """Have the X server write these rows to their place. Whole rows lie in one piece, so none is copied here."""
        return self._connection.shm.GetImage(
            self._connection.root,
            0,
            top,
            self.width,
            bottom - top,
            _ALL_PLANES,
            _Z_PIXMAP,
            self._id,
            top * self.stride,
        )

    def close(self) -> None:
        """Give the memory back, here and on the X server."""
        with suppress(ConnectionLost):
            self._connection.shm.Detach(self._id)
        # If a display still looks at the pixels, the memory goes when it lets go of them.
        with suppress(BufferError):
            self.pixels.release()
            self._memory.close()
