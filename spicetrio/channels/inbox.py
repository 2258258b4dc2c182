"""Bytes on their way from a viewer to whoever receives them here, and no more of them than fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Inbox:
    """The receiving half of a stream, filled by another task.

    Args:
        limit: Bytes from which on further ones wait until some were received.
    """

    def __init__(self, limit: int) -> None:
        self._limit: Final = limit
        self._data = bytearray()
        self._changes = trio.lowlevel.ParkingLot()
        self._ended = self._closed = self._receiving = False

    @property
    def ended(self) -> bool:
        """Nothing comes any more."""
        return self._ended

    @property
    def closed(self) -> bool:
        """Nobody receives any more."""
        return self._closed

    async def put(self, data: Buffer) -> None:
        """Leave bytes once there is room; of a closed inbox they are dropped. No checkpoint if there is room.

        Cancellation: they are not left.
        """
        while len(self._data) >= self._limit:
            await self._changes.park()
        if not self._closed:
            self._data += memoryview(data)
            self._changes.unpark_all()

    async def receive_some(self, max_bytes: int | None) -> bytes:
        """Return bytes as they come; none after the last.

        Cancellation: nothing is lost.

        Raises:
            ClosedResourceError: It is closed.
            BusyResourceError: Another task receives.
        """
        if max_bytes is not None and max_bytes < 1:
            raise ValueError(f"max_bytes is {max_bytes}, expected at least 1")
        if self._receiving:
            raise trio.BusyResourceError("another task receives from this stream")
        self._receiving = True
        try:
            await trio.lowlevel.checkpoint()
            while not (self._data or self._ended or self._closed):
                await self._changes.park()
        finally:
            self._receiving = False
        if self._closed:
            raise trio.ClosedResourceError
        data = bytes(self._data[:max_bytes])
        del self._data[:max_bytes]
        self._changes.unpark_all()
        return data

    def end(self) -> None:
        """Take in that nothing comes any more."""
        self._ended = True
        self._changes.unpark_all()

    def close(self) -> None:
        """Drop what is there and what comes."""
        self._closed = True
        self._data.clear()
        self._changes.unpark_all()
