"""One task writes to a connection; all others leave it messages.

The writer is the only place where a message could be cut in two, so it is the only place that is shielded: it ends
when its owner has left the block of `open_writer` and what was left for it is sent, or `grace` seconds after that.
After the latter the stream is in an unknown state, and its owner does nothing with it but close it.

A channel whose next message depends on the moment (the picture, the cursor) does not queue. It gives the writer an
`on_idle` callback: called when the socket takes data, the ACK window is open and nothing waits. That is a credit for
one batch of messages, to be posted at once or later; until then the channel's state may change as it likes, and what
is superseded is never encoded. The socket is asked first because of Trio's small TCP_NOTSENT_LOWAT: bytes that were
written long before the peer can take them are old bytes.

To wake a task costs more than to send a few bytes. So while the writer waits, a small batch is sent right where it is
posted, by a system call that does not wait, and whether the socket takes more is asked by another such call; what it
does not take is left to the writer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import trio

from spicetrio.server.link import Meter
from spicetrio.server.turns import TurnStream
from spicetrio.wire.buffer import Marshalled, Message, marshal
from spicetrio.wire.errors import RemoteProtocolError
from spicetrio.wire.framing import JOINED_SIZE, AckWindow, Bundle, Framing, joined

if TYPE_CHECKING:
    from typing_extensions import Buffer

FEW_BYTES: Final = 4096
"""Bytes that may be written before the socket is asked again whether it takes data, or in a batch that is sent where it
is left: to ask, or to wake a task, costs more than they do."""
ENTRY_SIZE: Final = 256
"""Bytes that a message takes while it waits, besides its body; many have none."""


class SlowViewerError(RemoteProtocolError):
    """A viewer does not read, and more than its share of memory would wait for it."""


@dataclass(frozen=True, slots=True)
class _Entry:
    messages: Bundle
    subs: Sequence[Message]
    counted: bool
    """It counts in the ACK window."""
    asked: bool
    """The writer gave credit for it, so who posted it bounds it."""

    @property
    def cost(self) -> int:
        return self.messages.size + ENTRY_SIZE * len(self.messages)


class Writer:
    """The messages that wait for one connection. Use `open_writer`."""

    def __init__(
        self,
        stream: trio.abc.SendStream,
        framing: Framing,
        *,
        queue_limit: int,
        meter: Meter,
        on_idle: Callable[[], None] | None,
    ) -> None:
        self._stream = stream
        self._framing = framing
        self._queue_limit = queue_limit
        self._on_idle = on_idle
        self._ack = AckWindow()
        self._queue: deque[_Entry] = deque()
        self._rest: bytes = b""
        self._parked = False
        self._queued_bytes = 0
        self._unasked_bytes = 0
        self._wakeup = trio.Event()
        self._finishing = False
        self._overflowed = False
        self._credit_given = False
        self._free_bytes = 0
        self._meter = meter
        self._shield = trio.CancelScope(shield=True)
        self._idle_wait = trio.CancelScope()
        self.peak_bytes = 0
        """The most bytes that ever waited."""

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait now."""
        return self._queued_bytes

    def post(self, *messages: Message | Marshalled, subs: Sequence[Message] = ()) -> None:
        """Leave messages to be sent in order. Never waits; a connection with too much waiting before is ended.

        Args:
            messages: What to send.
            subs: Sub-messages of the first of them.
        """
        for message in messages:
            marshalled = message if isinstance(message, Marshalled) else marshal(message)
            self._append(_Entry(Bundle((marshalled,)), subs, True, False))
            subs = ()
        self._wake()

    def post_batch(self, messages: Bundle, *, at_once: bool = False) -> None:
        """Leave the messages that an `on_idle` was the credit for. However large, they are not too much waiting.

        Args:
            messages: In order.
            at_once: They may be sent, and the next credit be given, before this returns. Not for use in `on_idle`.
        """
        self._credit_given = False
        if (
            at_once
            and self._parked
            and messages.size <= FEW_BYTES
            and not self._queue
            and len(messages) <= self._ack.room
        ):
            self._send_now(messages)
            return
        if messages:
            self._append(_Entry(messages, (), True, True))
        self._wake()

    def start_acks(self, window: int) -> None:
        """Tell the peer to acknowledge every `window` messages, and stop when two windows are unacknowledged."""
        self._append(_Entry(Bundle((marshal(self._ack.start(window)),)), (), False, False))
        self._wake()

    def ack_synced(self, generation: int) -> None:
        """Take in an ACK_SYNC."""
        self._ack.synced(generation)

    def acknowledged(self) -> None:
        """Take in an ACK."""
        self._ack.acknowledged()
        if self._queue or not self._credit_given:
            self._wake()

    async def run(self) -> None:
        """Send what is posted, until the owner is done and the rest is sent.

        Raises:
            SlowViewerError: Too much waits for the peer.
            BrokenResourceError: The peer left.
        """
        with self._shield:
            while True:
                if batch := self._take_batch():
                    await self._send(batch)
                elif self._finishing:
                    break
                else:
                    await self._wait_for_work()
        if self._overflowed:
            raise SlowViewerError(
                f"got a viewer that does not read, expected at most {self._queue_limit} bytes to wait"
            )

    def finish(self, grace: float) -> None:
        """Let `run` send what waits, for at most `grace` seconds, and end."""
        self._finishing = True
        self._on_idle = None  # no more credit, and no circle of references that only a garbage collection would break
        self._shield.deadline = trio.current_time() + grace
        self._idle_wait.cancel()
        self._wake()

    def _append(self, entry: _Entry) -> None:
        if self._overflowed:
            return
        if not entry.asked:
            if self._unasked_bytes > self._queue_limit:
                self._overflowed = True
                self._parked = False
                self._shield.cancel()
                return
            self._unasked_bytes += entry.cost
        self._queue.append(entry)
        self._queued_bytes += entry.cost
        self.peak_bytes = max(self.peak_bytes, self._queued_bytes)

    def _take_batch(self) -> list[Buffer]:
        buffers: list[Buffer] = [self._rest] if self._rest else []
        self._rest = b""
        size = 0
        while self._queue and size < JOINED_SIZE and self._ack.open:
            entry = self._take_entry()
            before = self._framing.send_serial
            if entry.subs:
                buffers += self._framing.send(entry.messages.messages[0], subs=entry.subs)
            else:
                buffers += self._framing.send_bundle(entry.messages)
            if entry.counted:
                self._ack.sent(self._framing.send_serial - before)
            size += entry.messages.size
            self._queued_bytes -= entry.cost
            if not entry.asked:
                self._unasked_bytes -= entry.cost
        return buffers

    def _take_entry(self) -> _Entry:
        """Return the next entry, or as much of it as there is room for in the ACK window."""
        entry = self._queue.popleft()
        if len(entry.messages) <= self._ack.room:
            return entry
        now, later = entry.messages.split(self._ack.room)
        self._queue.appendleft(replace(entry, messages=later))
        return replace(entry, messages=now)

    async def _send(self, batch: list[Buffer]) -> None:
        """Send buffers; a method of its own, so that nothing keeps the last of them while the writer waits."""
        for part in joined(batch):
            view = memoryview(part).cast("B")
            await self._stream.send_all(view)
            self._meter.sent += len(view)
            self._free_bytes -= len(view)

    async def _wait_for_work(self) -> None:
        """Wait for a post, an ACK or the end; give the credit for a batch if the socket can take one."""
        self._wakeup = trio.Event()
        if self._is_idle():
            if self._free_bytes <= 0:
                with trio.CancelScope() as self._idle_wait:
                    await self._stream.wait_send_all_might_not_block()
                    self._free_bytes = FEW_BYTES
                if self._finishing or self._wakeup.is_set():
                    return
            self._give_credit()
        self._parked = not self._wakeup.is_set()
        try:
            await self._wakeup.wait()
        finally:
            self._parked = False

    def _is_idle(self) -> bool:
        return self._on_idle is not None and not self._credit_given and not self._queue and self._ack.open

    def _give_credit(self) -> None:
        assert self._on_idle is not None
        self._credit_given = True
        self._on_idle()

    def _wake(self) -> None:
        self._parked = False
        if self._left and not self._finishing:
            return  # its turn to end comes soon
        self._wakeup.set()

    @property
    def _left(self) -> bool:
        return isinstance(self._stream, TurnStream) and self._stream.left

    def _send_now(self, messages: Bundle) -> None:
        """Send a few bytes while `run` waits, as to wake it costs more than they do; it sends what is not taken."""
        data = b"".join(self._framing.send_bundle(messages))
        self._ack.sent(len(messages))
        sent = 0
        if isinstance(self._stream, TurnStream):
            sent = self._stream.send_nowait(data)
            self._free_bytes -= sent
            if self._free_bytes <= 0 and self._stream.takes_data():
                self._free_bytes = FEW_BYTES
        self._meter.sent += sent
        self._rest = data[sent:]
        if self._rest or self._free_bytes <= 0 or not self._is_idle():
            self._wake()
        else:
            self._give_credit()


@asynccontextmanager
async def open_writer(
    stream: trio.abc.SendStream,
    framing: Framing,
    *,
    queue_limit: int,
    grace: float,
    meter: Meter | None = None,
    on_idle: Callable[[], None] | None = None,
) -> AsyncIterator[Writer]:
    """Run the writer of a connection while the block runs, and let it finish what it has begun.

    Args:
        stream: What to write to; nobody else may.
        framing: Makes bytes of the messages.
        queue_limit: Bytes that may wait besides a batch; while more do, a further message ends the connection.
        meter: Counts what was handed to the socket.
        grace: Seconds in which what waits is still sent when the block is left, for whatever reason.
        on_idle: The credit for one batch, see above. Called in the event loop; must not wait or raise.

    Cancellation: ends the block; leaving it takes up to `grace` seconds if the peer does not read.

    Raises:
        SlowViewerError: Too much waits for the peer.
        BrokenResourceError: The peer left.
    """
    writer = Writer(stream, framing, queue_limit=queue_limit, meter=meter or Meter(), on_idle=on_idle)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        try:
            yield writer
        finally:
            writer.finish(grace)
