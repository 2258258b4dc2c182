"""A display's thread, and the bridge to it.

The thread owns the picture: nothing else touches it, so it has no locks. Jobs go in through a memory channel, in
order; the thread takes all that are there at once and does them, then makes a batch of messages for each viewer that
has credit for one and lacks something, and hands them over when it comes for more jobs. That is one hop for a whole
batch of work, as a hop costs more than most jobs. The thread waits in `trio.from_thread.run` only, so the
cancellation of the Worker's scope arrives in it as `trio.Cancelled` (DESIGN: dispatchers).

A hop also costs more than a glyph. What is that light is done in the event loop, right where it is drawn, if the thread
waits for jobs and none is left for it; so the picture still has one user at a time, and all drawing is in order. The
event loop is never held up for long by it: of those who draw at once only the first does so there, and what its
viewers are still to be sent after `LIGHT_SECONDS` is left to the thread. Viewers are removed in the same way, or the
many who leave when a network fails would keep the thread busy, and all draws out of the event loop.

The channel has no bound of its own: a draw waits while too many bytes or jobs are under way, and all other jobs are at
most a few per viewer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any, Final, Generic, TypeVar

import outcome
import trio

from spicetrio.canvas.picture import Batch, Picture
from spicetrio.canvas.viewer import Memory, Wishes
from spicetrio.wire.framing import Bundle

MAX_JOBS: Final = 1024
"""Draws under way; further ones wait."""
MAX_BYTES: Final = 64 * 1024 * 1024
"""Bytes of pixels in draws under way; further ones wait. One draw may be larger."""
PROMPT: Final = 0.002
"""Seconds of work after which the thread hands over what it has made before it goes on."""

LIGHT_PIXELS: Final = 4096
"""Pixels that a draw may touch to be done in the event loop; that and the encoding take some 50 us."""
LIGHT_SECONDS: Final = 0.008
"""Seconds of work after which the event loop leaves the rest to the thread. For 128 viewers it takes 6 ms."""

T = TypeVar("T")
Deliver = Callable[[Bundle], None]


@dataclass(slots=True, eq=False)
class _Job(Generic[T]):
    call: Callable[[Picture], T]
    size: int = 0
    light: bool = False
    done: trio.Event | None = None
    result: list[T] = field(default_factory=list)

    def finish(self) -> None:
        if self.done is not None:
            self.done.set()


@dataclass(slots=True)
class _Work:
    jobs: list[_Job[Any]] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    hungry: set[int] = field(default_factory=set)
    since: float = field(default_factory=perf_counter)
    """When its first batch was begun, or some were handed over last."""


class Worker:
    """The bridge, as seen from the event loop. Use it within `run`.

    Args:
        picture: What the thread is to own from now on.
    """

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._inbox, self._jobs = trio.open_memory_channel[_Job[Any]](float("inf"))
        self._under_way: dict[_Job[Any], None] = {}
        self._bytes = 0
        self._drawing = 0
        self._room = trio.lowlevel.ParkingLot()
        self._viewers: dict[int, Deliver] = {}
        self._sated: set[int] = set()
        self._credits: list[int] = []
        self._last_viewer = 0
        self._thread_waits = False
        self._closed = False

    async def run(self, name: str) -> None:
        """Run the thread until cancelled.

        Cancellation: the thread ends after the job or the image at hand. Draws that were not done never will be.
        """
        try:
            await trio.to_thread.run_sync(self._work, thread_name=name, limiter=trio.CapacityLimiter(1))
        finally:
            self._closed = True
            self._jobs.close()
            for job in self._under_way:
                job.finish()
            self._under_way.clear()  # a closed display may be kept; the pixels of its callers are theirs again
            self._bytes = 0
            self._room.unpark_all()

    async def draw(
        self, call: Callable[[Picture], object], *, size: int = 0, light: bool = False, wait: bool = False
    ) -> None:
        """Leave a draw for the thread, in order with all others.

        Args:
            call: What to do with the picture, in the thread. It must not fail.
            size: Bytes of pixels that are kept alive by it.
            light: It touches at most `LIGHT_PIXELS`.
            wait: Return when it was done and the pixels are free again.

        Cancellation: it is left wholly or not at all; a wait for the thread is not interrupted.

        Raises:
            ClosedResourceError: The display is closed.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while len(self._under_way) >= MAX_JOBS or (self._bytes and self._bytes + size > MAX_BYTES):
            self._check_open()
            await self._room.park()
        job = _Job(call, size, light, trio.Event() if wait else None)
        self._drawing += 1
        try:
            self._leave(job)
            # After the job was left: others go on with it meanwhile.
            if job.done is None:
                await trio.lowlevel.cancel_shielded_checkpoint()
                return
            with trio.CancelScope(shield=True):
                await job.done.wait()
        finally:
            self._drawing -= 1
        if not job.result:
            await trio.lowlevel.checkpoint_if_cancelled()  # who is cancelled along with the display need not know more
            raise trio.ClosedResourceError("the display is closed")

    async def ask(self, call: Callable[[Picture], T]) -> T:
        """Return what the thread answers, after all that was drawn before.

        Cancellation: nothing was changed.

        Raises:
            ClosedResourceError: The display is closed.
        """
        job: _Job[T] = _Job(call, done=trio.Event())
        assert job.done is not None
        self._leave(job)
        await job.done.wait()
        if not job.result:
            raise trio.ClosedResourceError("the display is closed")
        return job.result[0]

    def attach(self, wishes: Wishes, memory: Memory, deliver: Deliver) -> int:
        """Add a viewer; return its number.

        Args:
            wishes: What it can do and wants.
            memory: What it keeps of images.
            deliver: Called in the event loop with each batch of messages.
        """
        self._last_viewer += 1
        self._viewers[self._last_viewer] = deliver
        self.post(partial(Picture.attach, viewer=self._last_viewer, wishes=wishes, memory=memory))
        return self._last_viewer

    def change(self, viewer: int, wishes: Wishes) -> None:
        """Take in that a viewer wants something else; one that was removed wants nothing any more."""
        if viewer in self._viewers:
            self.post(partial(Picture.change, viewer=viewer, wishes=wishes))

    async def settled(self) -> None:
        """Return when the thread has done all that was left for it so far.

        Cancellation: nothing was changed.

        Raises:
            ClosedResourceError: The display is closed.
        """
        await self.ask(lambda picture: None)

    def credit(self, viewer: int) -> None:
        """Give a viewer credit for one batch.

        A viewer that lacks nothing will lack something only after another job, so the credit goes in with that one: it
        is not worth a hop of its own. The connection of a viewer that was removed may still be written to, and give
        credit: that is worth nothing.
        """
        if viewer not in self._viewers:
            return
        if viewer in self._sated:
            self._credits.append(viewer)
        else:
            self.post(partial(Picture.credit, viewer=viewer))

    @trio.lowlevel.enable_ki_protection
    def detach(self, viewer: int) -> None:
        """Remove a viewer; nothing more is delivered to it."""
        del self._viewers[viewer]
        self._sated.discard(viewer)
        self._credits = [other for other in self._credits if other != viewer]
        if self._is_free:
            self._picture.detach(viewer)  # nobody lacks more for it, so there is nothing to be made
        else:
            self.post(partial(Picture.detach, viewer=viewer))

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("the display is closed")

    @property
    def _is_free(self) -> bool:
        """Nothing is left for the thread, so the event loop may use the picture."""
        return self._thread_waits and not self._under_way

    def _leave(self, job: _Job[Any]) -> None:
        self._check_open()
        if job.light and self._drawing == 1 and self._is_free and not self._picture.full:
            done = outcome.capture(self._do_now, job)
            if isinstance(done, outcome.Value):
                return
            job.call = lambda picture: done.unwrap()  # to be raised where a failure of the thread is
        self._under_way[job] = None
        self._bytes += job.size
        self._inbox.send_nowait(job)

    @trio.lowlevel.enable_ki_protection
    def _do_now(self, job: _Job[Any]) -> None:
        """Do a job in the event loop, as the picture is free; the thread goes on if there is much to make of it."""
        began = perf_counter()
        self._under_way[job] = None
        self._do([job], self._take_credits())
        job.finish()
        self._sated.clear()  # whoever is sent nothing now may well lack what was drawn
        for batch in self._picture.batches():
            self._deliver(batch)
            if perf_counter() - began > LIGHT_SECONDS:
                self.post(lambda picture: None)
                break
        del self._under_way[job]

    def _take_credits(self) -> list[int]:
        credited, self._credits = self._credits, []
        self._sated.difference_update(credited)
        return credited

    def _deliver(self, batch: Batch) -> None:
        if deliver := self._viewers.get(batch.viewer):
            if batch.sated:
                self._sated.add(batch.viewer)
            deliver(batch.messages)

    def post(self, call: Callable[[Picture], None]) -> None:
        """Leave a job that is not waited for. Its caller may well outlive the Worker: then there is nothing to do."""
        if not self._closed:
            self._leave(_Job(call))

    # In the event loop, called by the thread.

    async def _exchange(self, work: _Work) -> tuple[list[_Job[Any]], list[int]]:
        self._take_over(work)
        self._sated -= work.hungry
        jobs = [] if not work.hungry.isdisjoint(self._credits) else [await self._next_job()]
        jobs += [self._jobs.receive_nowait() for _ in range(self._jobs.statistics().current_buffer_used)]
        return jobs, self._take_credits()

    async def _next_job(self) -> _Job[Any]:
        self._thread_waits = True
        try:
            return await self._jobs.receive()
        finally:
            self._thread_waits = False

    def _take_over(self, work: _Work) -> None:
        """Give out what the thread has done, and let go of it: it may hold the caller's buffers and whole pictures."""
        if work.jobs:
            self._room.unpark_all()
        for job in work.jobs:
            del self._under_way[job]
            self._bytes -= job.size
            job.finish()
        work.jobs.clear()
        for batch in work.batches:
            self._deliver(batch)
        work.batches.clear()

    # In the thread.

    def _work(self) -> None:
        work = _Work()
        while True:
            jobs, credited = trio.from_thread.run(self._exchange, work)
            self._do(jobs, credited)
            work = _Work(jobs)
            for batch in self._picture.batches(partial(self._hand_over, work)):
                work.batches.append(batch)
            work.hungry = self._picture.hungry()

    def _hand_over(self, work: _Work) -> None:
        """Let go what is ready, if it is time, before more is made."""
        if perf_counter() - work.since > PROMPT:
            trio.from_thread.run_sync(self._take_over, work)
            work.since = perf_counter()

    def _do(self, jobs: list[_Job[Any]], credited: list[int]) -> None:
        for viewer in credited:
            self._picture.credit(viewer)
        for job in jobs:
            job.result.append(job.call(self._picture))
