"""Leaving in turn, so that many who leave at once do not have the event loop for themselves.

To end a connection takes about half a millisecond: tasks and nurseries end, others are told. When a network fails,
hundreds end in the same instant, and Trio runs all that is ready before it looks at anything else. So whoever notices
that its peer is gone waits for its turn, and in a round of the loop at most one of them goes on.
"""

from __future__ import annotations

import os
import select
from collections.abc import Awaitable
from typing import Final, TypeVar

import trio

ResultT = TypeVar("ResultT")


class Turns:
    """Who waits to leave, in order."""

    def __init__(self) -> None:
        self._waiting: Final = trio.lowlevel.ParkingLot()  # a lock would cost hundreds of errors that say "not yet"
        self._taken = False

    async def wait(self) -> None:
        """Return when it is one's turn.

        Cancellation: at any time; who is ended for another reason needs no turn.
        """
        if self._taken:
            await self._waiting.park()  # until the turn is handed over
        self._taken = True
        try:
            await trio.lowlevel.checkpoint()
        finally:
            self._taken = bool(self._waiting.unpark())


class TurnStream(trio.abc.Stream):
    """A stream that tells of its end when it is its turn. It tells nothing else, and never late.

    Args:
        stream: What is read and written.
        turns: Those of all streams.
    """

    def __init__(self, stream: trio.abc.Stream, turns: Turns) -> None:
        self._stream = stream
        self._turns = turns
        self._had_turn = False
        self.left = False
        """The peer was seen to be done. Who noticed tells it when it is its turn, and nothing need be sent any more."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return bytes as they come; none if the peer is done, after a turn."""
        data = await self._attempt(self._stream.receive_some(max_bytes))
        if not data:
            await self._turn()
        return data

    def send_nowait(self, data: bytes) -> int:
        """Send what the peer takes at once, while no other task sends; return how many bytes. None, if it left."""
        if (descriptor := self._descriptor) < 0:
            return 0
        try:
            return os.write(descriptor, data)
        except OSError:
            return 0

    def takes_data(self) -> bool:
        """Tell whether the peer can take more right now, as `wait_send_all_might_not_block` would tell in time."""
        if (descriptor := self._descriptor) < 0:
            return False
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        return [event for _, event in poll.poll(0)] == [select.POLLOUT]

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes."""
        await self._attempt(self._stream.send_all(data))

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the peer can take more."""
        await self._attempt(self._stream.wait_send_all_might_not_block())

    @property
    def _descriptor(self) -> int:
        """The socket's, for calls that do not wait; -1 if there is none, it was closed, or the peer left."""
        if self.left or not isinstance(self._stream, trio.SocketStream):
            return -1
        return self._stream.socket.fileno()

    async def _attempt(self, attempt: Awaitable[ResultT]) -> ResultT:
        try:
            return await attempt
        except trio.BrokenResourceError:
            pass  # nobody keeps it while waiting: with its frames it is a dozen objects, for each of hundreds who wait
        await self._turn()
        raise trio.BrokenResourceError("the peer left")

    async def _turn(self) -> None:
        if self._had_turn:
            return
        self.left = True
        try:
            await self._turns.wait()
            self._had_turn = True
        finally:
            self.left = self._had_turn  # who is cancelled tells nobody, and the stream may go on

    async def aclose(self) -> None:
        """Close it, without a turn."""
        await self._stream.aclose()
