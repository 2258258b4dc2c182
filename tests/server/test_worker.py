"""A display's thread does what it is told, in order, for whoever asks, and is gone when its owner is.

Threads work in real time, so the clock is real, and every test has a deadline.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from typing import Any

import pytest
import trio

import spicetrio
from spicetrio.canvas.drawings import MAX_DRAWINGS
from spicetrio.canvas.picture import Picture
from spicetrio.canvas.viewer import Memory, Wishes
from spicetrio.server import worker as worker_module
from spicetrio.server.worker import Worker
from spicetrio.wire import display
from spicetrio.wire.buffer import Marshalled, ReadBuffer
from spicetrio.wire.enums import ImageCompression
from spicetrio.wire.geometry import Rect
from tests.screen import Screen

WISHES = Wishes(compression=ImageCompression.LZ)
DEADLINE = 20


@asynccontextmanager
async def running(width: int = 16, height: int = 16) -> AsyncIterator[Worker]:
    worker = Worker(Picture(width, height))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.run, "a worker")
        try:
            yield worker
        finally:
            nursery.cancel_scope.cancel()


class Gate:
    """A job that keeps the thread busy until the test says so."""

    def __init__(self) -> None:
        self.entered = trio.Event()
        self._go_on = threading.Event()

    def __call__(self, picture: Picture) -> None:
        trio.from_thread.run_sync(self.entered.set)
        assert self._go_on.wait(DEADLINE)

    def open(self) -> None:
        self._go_on.set()


@asynccontextmanager
async def busy(worker: Worker) -> AsyncIterator[Gate]:
    """Keep the thread busy while the block runs."""
    gate = Gate()
    await worker.draw(gate)
    await gate.entered.wait()
    try:
        yield gate
    finally:
        gate.open()


async def idle(worker: Worker) -> None:
    await worker.ask(lambda _: None)


class Viewer:
    """A viewer that draws what is delivered, and gives credit when the test says so."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.screen = Screen()
        self.batches = 0
        self.got = trio.Event()
        self.number = worker.attach(WISHES, Memory(), self.deliver)

    def deliver(self, messages: Sequence[Marshalled]) -> None:
        self.batches += 1
        for message in messages:
            body = ReadBuffer(b"".join(message.buffers))
            self.screen.handle(display.SERVER_MESSAGES[message.type].pull(body))
        self.got.set()
        self.got = trio.Event()

    def credit(self) -> None:
        self.worker.credit(self.number)

    async def take(self) -> None:
        """Give a credit and wait for what it brings."""
        got = self.got
        self.credit()
        await got.wait()


class PromptViewer(Viewer):
    """A viewer that gives the next credit while it is given a batch."""

    def deliver(self, messages: Sequence[Marshalled]) -> None:
        super().deliver(messages)
        self.credit()


async def test_draws_and_questions_are_done_in_the_order_in_which_they_were_left() -> None:
    done: list[int] = []
    async with running() as worker:
        for number in range(0, 300, 3):
            await worker.draw(lambda _, number=number: done.append(number))
            await worker.draw(lambda _, number=number: done.append(number + 1), wait=True)
            assert done[-1] == number + 1
            assert await worker.ask(lambda _, number=number: done.append(number + 2) or number) == number
    assert done == list(range(300))


async def test_all_jobs_run_in_one_thread_that_is_not_the_loops() -> None:
    threads: set[int] = set()
    async with running() as worker:
        for _ in range(20):
            await worker.ask(lambda _: threads.add(threading.get_ident()))
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


async def test_every_call_is_a_checkpoint() -> None:
    async with running() as worker:
        for call in (
            partial(worker.draw, lambda _: None),
            partial(worker.draw, lambda _: None, wait=True),
            partial(worker.ask, lambda _: None),
        ):
            with trio.testing.assert_checkpoints():
                await call()


async def test_a_draw_waits_while_too_many_jobs_are_under_way(monkeypatch: Any) -> None:
    monkeypatch.setattr(worker_module, "MAX_JOBS", 4)
    async with running() as worker, trio.open_nursery() as nursery:
        done: list[int] = []
        async with busy(worker):
            for number in range(3):
                await worker.draw(lambda _, number=number: done.append(number))
            nursery.start_soon(worker.draw, lambda _: done.append(3))
            nursery.start_soon(worker.draw, lambda _: done.append(4))
            await trio.testing.wait_all_tasks_blocked()
            assert len(worker._under_way) == 4
            assert done == []
        while len(done) < 5:  # noqa: ASYNC110 - the thread tells nobody
            await trio.sleep(0.001)
        assert done[:3] == [0, 1, 2]


async def test_a_draw_waits_while_too_many_bytes_are_under_way(monkeypatch: Any) -> None:
    monkeypatch.setattr(worker_module, "MAX_BYTES", 1000)
    async with running() as worker, trio.open_nursery() as nursery:
        async with busy(worker):
            await worker.draw(lambda _: None, size=600)
            await worker.draw(lambda _: None, size=400)
            await worker.draw(lambda _: None)  # it weighs nothing
            nursery.start_soon(partial(worker.draw, lambda _: None, size=1))
            await trio.testing.wait_all_tasks_blocked()
            assert worker._bytes == 1000
        await trio.testing.wait_all_tasks_blocked(0.01)
        await idle(worker)
        assert worker._bytes == 0
        assert not worker._under_way


async def test_a_draw_larger_than_all_that_may_wait_is_done_alone(monkeypatch: Any) -> None:
    monkeypatch.setattr(worker_module, "MAX_BYTES", 1000)
    done: list[str] = []
    async with running() as worker:
        await worker.draw(lambda _: done.append("small"), size=10)
        await worker.draw(lambda _: done.append("huge"), size=5000, wait=True)
        await worker.draw(lambda _: done.append("small"), size=10, wait=True)
    assert done == ["small", "huge", "small"]


async def test_many_who_wait_for_room_all_get_it(monkeypatch: Any) -> None:
    monkeypatch.setattr(worker_module, "MAX_JOBS", 3)
    monkeypatch.setattr(worker_module, "MAX_BYTES", 100)
    done: list[int] = []
    random = Random(5)
    async with running() as worker, trio.open_nursery() as nursery:

        async def draw(number: int) -> None:
            for _ in range(10):
                await worker.draw(
                    lambda _: done.append(number), size=random.choice((0, 60, 300)), wait=random.random() < 0.5
                )

        for number in range(20):
            nursery.start_soon(draw, number)
        nursery.start_soon(draw, 99)
        while len(done) < 210:  # noqa: ASYNC110 - the thread tells nobody
            await trio.sleep(0.001)
    assert all(done.count(number) == 10 for number in [*range(20), 99])


async def test_a_draw_cancelled_before_it_was_left_is_not_done(monkeypatch: Any) -> None:
    monkeypatch.setattr(worker_module, "MAX_JOBS", 1)
    done: list[str] = []
    async with running() as worker:
        with trio.CancelScope() as scope:
            scope.cancel()
            await worker.draw(lambda _: done.append("at once"))
        async with busy(worker):
            with trio.move_on_after(0.01) as scope:
                await worker.draw(lambda _: done.append("waiting for room"))
            assert scope.cancelled_caught
        await idle(worker)
    assert done == []


async def test_a_draw_cancelled_while_its_pixels_are_taken_is_done_before_it_returns() -> None:
    done: list[str] = []
    async with running() as worker, trio.open_nursery() as nursery:
        finished = trio.Event()
        scope = trio.CancelScope()

        async def draw() -> None:
            with scope:
                await worker.draw(lambda _: done.append("drawn"), wait=True)
            assert done == ["drawn"]
            finished.set()

        async with busy(worker):
            nursery.start_soon(draw)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
            await trio.testing.wait_all_tasks_blocked()
            assert not finished.is_set(), "the buffer is not free yet"
        await finished.wait()


async def test_a_question_may_be_given_up_and_its_answer_bothers_nobody() -> None:
    answered: list[str] = []
    async with running() as worker:
        async with busy(worker):
            with trio.move_on_after(0.01) as scope:
                await worker.ask(lambda _: answered.append("nobody listens"))
            assert scope.cancelled_caught
        assert await worker.ask(lambda _: 7) == 7
        assert answered == ["nobody listens"]
        assert not worker._under_way


async def test_buffers_are_free_once_a_draw_has_returned() -> None:
    async with spicetrio.open_server(disable_ticketing=True) as server, server.open_display(256, 256) as shown:
        for size in (16, 256):
            buffer = bytearray(4 * size * size)
            await shown.draw_image(0, 0, buffer, width=size, height=size)
            buffer.append(0)  # an error while anybody has a view of it
        frame = bytearray(4 * 256 * 256)
        await shown.draw_frame(frame)
        frame.clear()


async def test_light_draws_are_done_in_the_loop_and_in_order() -> None:
    done: list[tuple[int, bool]] = []

    def note(_: Picture, number: int) -> None:
        done.append((number, threading.current_thread() is threading.main_thread()))

    async with running() as worker:
        viewer = Viewer(worker)
        await viewer.take()
        for number in range(0, 200, 2):
            await worker.draw(partial(note, number=number), wait=True)
            await worker.draw(partial(note, number=number + 1), light=True, wait=True)
    assert done == [(number, number % 2 == 1) for number in range(200)]


async def test_a_light_draw_waits_for_what_the_thread_has_to_do_before() -> None:
    done: list[str] = []
    async with running() as worker:
        async with busy(worker):
            worker.post(lambda _: done.append(threading.current_thread().name))
            await worker.draw(lambda _: done.append(threading.current_thread().name), light=True)
            assert not done
        await idle(worker)
    assert len(done) == 2
    assert threading.main_thread().name not in done


async def test_of_light_draws_at_once_only_the_first_is_done_in_the_loop() -> None:
    done: list[tuple[int, bool]] = []

    def note(_: Picture, number: int) -> None:
        done.append((number, threading.current_thread() is threading.main_thread()))

    async with running() as worker:
        await idle(worker)
        await trio.testing.wait_all_tasks_blocked(0.01)  # the thread waits for jobs
        for first in range(0, 15, 5):
            async with trio.open_nursery() as nursery:
                for number in range(first, first + 5):
                    nursery.start_soon(partial(worker.draw, partial(note, number=number), light=True))
            await idle(worker)
            await trio.testing.wait_all_tasks_blocked(0.01)
    assert sorted(number for number, _ in done) == list(range(15))
    assert [in_loop for _, in_loop in done] == [True, False, False, False, False] * 3


async def test_what_a_light_draw_takes_too_long_to_send_is_left_to_the_thread(monkeypatch: Any) -> None:
    monkeypatch.setattr(worker_module, "LIGHT_SECONDS", 0.0)
    monkeypatch.setattr(worker_module, "PROMPT", 0.0)
    by: list[trio.lowlevel.Task] = []

    class Noting(Viewer):
        def deliver(self, messages: Sequence[Marshalled]) -> None:
            super().deliver(messages)
            by.append(trio.lowlevel.current_task())

    async with running() as worker:
        viewers = [Noting(worker) for _ in range(5)]
        for viewer in viewers:
            await viewer.take()
            viewer.credit()
        await trio.testing.wait_all_tasks_blocked(0.01)  # the thread waits for jobs
        by.clear()
        await worker.draw(partial(Picture.fill, rect=Rect(0, 0, 4, 4), color=7), light=True)
        while len(by) < 5:  # noqa: ASYNC110 - nobody tells, and whoever asked would wake the thread
            await trio.sleep(0.001)
        assert [task is trio.lowlevel.current_task() for task in by] == [True, False, False, False, False]
        pixels = await worker.ask(partial(Picture.read, rect=Rect(0, 0, 16, 16)))
        assert all(viewer.screen.pixels() == pixels for viewer in viewers)


@pytest.mark.parametrize("kind", [Viewer, PromptViewer])
async def test_light_draws_leave_it_to_the_thread_to_tell_slow_viewers_what_they_have_missed(
    kind: type[Viewer], monkeypatch: Any
) -> None:
    monkeypatch.setattr(worker_module, "LIGHT_SECONDS", DEADLINE)
    done: list[bool] = []

    def draw(picture: Picture) -> None:
        picture.fill(Rect(0, 0, 1, 1), 0)
        done.append(threading.current_thread() is threading.main_thread())

    async with running() as worker:
        await kind(worker).take()
        await trio.testing.wait_all_tasks_blocked(0.01)  # the thread waits for jobs
        for _ in range(MAX_DRAWINGS):
            await worker.draw(draw, light=True)
        await worker.draw(draw, light=True, wait=True)
    assert done == [True] * MAX_DRAWINGS + [kind is PromptViewer]


async def test_the_picture_has_one_user_at_a_time_and_each_who_draws_is_served_in_order() -> None:
    using: list[int] = []
    done: list[tuple[int, int]] = []
    random = Random(3)

    def use(_: Picture, task: int, number: int) -> None:
        using.append(task)
        time.sleep(random.choice((0.0, 0.0, 0.0002)))  # others may go on
        done.append((task, number))
        assert using == [task]
        using.clear()

    async with running() as worker, trio.open_nursery() as nursery:

        async def draw(task: int) -> None:
            for number in range(60):
                await worker.draw(
                    partial(use, task=task, number=number), light=random.random() < 0.8, wait=random.random() < 0.3
                )
                for _ in range(random.choice((0, 0, 1, 5))):
                    await trio.lowlevel.checkpoint()
            await idle(worker)

        for task in range(4):
            nursery.start_soon(draw, task)
    for task in range(4):
        assert [number for other, number in done if other == task] == list(range(60))


async def test_a_light_draw_reaches_viewers_that_have_credit_and_later_those_that_had_none() -> None:
    async with running() as worker:
        quick, slow = Viewer(worker), Viewer(worker)
        await quick.take()
        await slow.take()
        for color in range(1, 50):
            got = quick.got
            quick.credit()
            await worker.draw(partial(Picture.fill, rect=Rect(0, 0, 4, 4), color=color), light=True)
            await got.wait()
        assert slow.batches == 1
        await slow.take()
        pixels = await worker.ask(partial(Picture.read, rect=Rect(0, 0, 16, 16)))
        assert quick.screen.pixels() == slow.screen.pixels() == pixels


async def test_a_light_draw_that_raises_ends_its_display() -> None:
    async with spicetrio.open_server(disable_ticketing=True) as server:
        with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True, allow_unwrapped=True):
            async with server.open_display(8, 8) as failing:
                await failing.worker.draw(lambda _: 1 / 0, light=True)
                await trio.sleep_forever()


@pytest.mark.parametrize("where", ["job", "batches", "deliver"])
async def test_who_waits_for_a_light_draw_that_fails_is_told_whether_it_was_done(where: str, monkeypatch: Any) -> None:
    told: list[str] = []

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    async def draw(worker: Worker) -> None:
        try:
            await worker.draw(fail if where == "job" else lambda _: None, light=True, wait=True)
            told.append("done")
            await worker.draw(lambda _: None, light=True, wait=True)
        except trio.ClosedResourceError:
            told.append("closed")

    async with trio.open_nursery() as drawing:
        with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
            async with running() as worker:
                viewer = Viewer(worker)
                await viewer.take()
                viewer.credit()
                await trio.testing.wait_all_tasks_blocked(0.01)  # the thread waits for jobs
                if where == "batches":
                    monkeypatch.setattr(worker._picture, "batches", fail)
                elif where == "deliver":
                    worker._viewers[viewer.number] = fail
                    worker._picture.fill(Rect(0, 0, 1, 1), 5)
                drawing.start_soon(draw, worker)
                await trio.sleep_forever()
    assert told == (["closed"] if where == "job" else ["done", "closed"])
    assert not worker._under_way
    assert worker._drawing == 0


async def test_nothing_of_a_batch_is_kept_once_it_was_delivered() -> None:
    async with running() as worker:
        viewer = Viewer(worker)
        await viewer.take()
        await idle(worker)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert worker._bytes == 0
        assert not worker._under_way


async def test_a_job_that_raises_ends_its_display_and_no_other() -> None:
    async with spicetrio.open_server(disable_ticketing=True) as server, server.open_display(8, 8) as other:
        with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True, allow_unwrapped=True):
            async with server.open_display(8, 8) as failing:
                await failing.worker.draw(lambda _: 1 / 0)
                await trio.sleep_forever()
        with pytest.raises(trio.ClosedResourceError):
            await failing.fill(0, 0, 1, 1, 0)
        await other.fill(0, 0, 1, 1, 0xFF)
        assert await other.read(Rect(0, 0, 1, 1)) == b"\xff\0\0\0"
        async with server.open_display(8, 8) as again:
            assert again.id == failing.id


async def test_who_waits_for_a_job_that_raises_is_told_that_the_display_is_closed() -> None:
    outcomes: list[str] = []
    worker = Worker(Picture(8, 8))

    async def outcome(name: str, call: Callable[[], Any]) -> None:
        try:
            await call()
        except trio.ClosedResourceError:
            outcomes.append(name)

    async with trio.open_nursery() as waiting:
        with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(worker.run, "a worker")
                async with busy(worker):
                    with trio.CancelScope(shield=True):
                        waiting.start_soon(outcome, "raises", partial(worker.ask, lambda _: 1 / 0))
                        await trio.testing.wait_all_tasks_blocked()
                        waiting.start_soon(outcome, "behind", partial(worker.draw, lambda _: None, wait=True))
                        await trio.testing.wait_all_tasks_blocked()
    assert sorted(outcomes) == ["behind", "raises"]


@pytest.mark.parametrize("kind", ["draw", "wait", "room", "ask"])
async def test_whoever_waits_while_a_display_closes_is_told_and_never_hangs(kind: str, monkeypatch: Any) -> None:
    if kind == "room":
        monkeypatch.setattr(worker_module, "MAX_JOBS", 1)
    outcomes: list[str] = []
    async with trio.open_nursery() as nursery, running() as worker:
        gate = Gate()
        await worker.draw(gate)
        await gate.entered.wait()

        async def act() -> None:
            call: Callable[[Picture], None] = lambda _: None  # noqa: E731
            try:
                match kind:
                    case "ask":
                        await worker.ask(call)
                    case "draw":
                        await worker.draw(call)
                    case _:
                        await worker.draw(call, wait=True)
                outcomes.append("done")
            except trio.ClosedResourceError:
                outcomes.append("closed")

        for _ in range(5):
            nursery.start_soon(act)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(trio.to_thread.run_sync, gate.open)
    assert len(outcomes) == 5
    if kind == "draw":
        assert set(outcomes) == {"done"}, "a draw that does not wait is left, and that is all"
    elif kind == "room":
        assert set(outcomes) == {"closed"}


async def test_who_draws_and_is_cancelled_along_with_the_display_is_cancelled() -> None:
    gate, worker = Gate(), Worker(Picture(8, 8))
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker.run, "a worker")
            nursery.start_soon(partial(worker.draw, gate, wait=True))
            await gate.entered.wait()
            nursery.start_soon(partial(worker.draw, lambda _: None, wait=True))
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
            gate.open()
    assert scope.cancelled_caught


async def test_after_it_is_closed_everything_is_refused_and_nothing_posted_fails() -> None:
    async with running() as worker:
        viewer = Viewer(worker)
        await viewer.take()
    for call in (
        partial(worker.draw, lambda _: None),
        partial(worker.draw, lambda _: None, wait=True),
        partial(worker.ask, lambda _: None),
        worker.settled,
    ):
        with pytest.raises(trio.ClosedResourceError):
            await call()
    worker.change(viewer.number, WISHES)
    viewer.credit()
    worker.detach(viewer.number)
    Viewer(worker)


async def test_threads_end_with_their_displays() -> None:
    async def shown() -> None:
        async with running() as worker:
            await idle(worker)

    await shown()
    before = threading.active_count()
    for _ in range(5):
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(shown)
    await trio.testing.wait_all_threads_completed()
    assert trio.testing.active_thread_count() == 0
    assert threading.active_count() <= before + 4, "idle threads of Trio's cache are used again"


async def test_many_displays_do_not_use_up_the_threads_that_others_need() -> None:
    async with trio.open_nursery() as nursery:
        limiter = trio.to_thread.current_default_thread_limiter()
        workers = [Worker(Picture(1, 1)) for _ in range(int(limiter.total_tokens) + 2)]
        for worker in workers:
            nursery.start_soon(worker.run, "one of many")
        for worker in workers:
            await idle(worker)
        assert limiter.borrowed_tokens == 0
        assert await trio.to_thread.run_sync(lambda: "free") == "free"
        nursery.cancel_scope.cancel()


async def test_a_viewer_gets_one_batch_for_each_credit() -> None:
    async with running() as worker:
        viewer = Viewer(worker)
        await idle(worker)
        assert viewer.batches == 0
        await viewer.take()
        assert viewer.screen.marked
        for color in range(5):
            await worker.draw(partial(Picture.fill, rect=Rect(0, 0, 16, 16), color=color))
        await idle(worker)
        await idle(worker)
        assert viewer.batches == 1
        await viewer.take()
        assert viewer.batches == 2
        assert viewer.screen.pixels() == await worker.ask(partial(Picture.read, rect=Rect(0, 0, 16, 16)))


async def test_a_credit_given_before_there_is_anything_new_is_not_lost() -> None:
    async with running() as worker:
        viewer = Viewer(worker)
        await viewer.take()
        viewer.credit()
        await idle(worker)
        for _ in range(3):
            await trio.testing.wait_all_tasks_blocked(0.005)
        got = viewer.got
        await worker.draw(partial(Picture.fill, rect=Rect(0, 0, 1, 1), color=1))
        await got.wait()
        assert viewer.batches == 2


async def test_a_credit_of_a_hungry_viewer_wakes_the_thread() -> None:
    async with running() as worker:
        viewer = Viewer(worker)
        await viewer.take()
        await worker.draw(partial(Picture.fill, rect=Rect(0, 0, 1, 1), color=1))
        await idle(worker)
        await trio.testing.wait_all_tasks_blocked(0.01)  # the thread waits for jobs
        await viewer.take()
        assert viewer.batches == 2


async def test_a_credit_given_while_the_thread_makes_its_viewer_hungry_is_not_lost() -> None:
    async with running() as worker:
        viewer = Viewer(worker)
        await viewer.take()
        async with busy(worker):
            # The thread has begun a round. It does not know of this credit, and this is not in it either.
            await worker.draw(partial(Picture.fill, rect=Rect(0, 0, 1, 1), color=1))
            got = viewer.got
            viewer.credit()
        await got.wait()

        gate = Gate()

        def fill_and_wait(picture: Picture) -> None:
            picture.fill(Rect(0, 0, 1, 1), 2)
            gate(picture)

        await worker.draw(fill_and_wait)
        await gate.entered.wait()
        got = viewer.got
        viewer.credit()  # it counts as sated still
        gate.open()
        await got.wait()
        assert viewer.batches == 3


async def test_a_viewer_that_left_gets_nothing_and_harms_nobody() -> None:
    async with running() as worker:
        leaving, staying = Viewer(worker), Viewer(worker)
        async with busy(worker):
            leaving.credit()
            staying.credit()
            worker.detach(leaving.number)
        await idle(worker)
        assert leaving.batches == 0
        assert staying.batches == 1


async def test_that_a_viewer_leaves_keeps_no_light_draw_out_of_the_loop() -> None:
    threads: list[threading.Thread] = []
    async with running() as worker:
        leaving, staying = Viewer(worker), Viewer(worker)
        await leaving.take()
        await staying.take()
        staying.credit()
        await trio.testing.wait_all_tasks_blocked(0.01)  # the thread waits for jobs
        worker.detach(leaving.number)
        assert list(worker._picture._viewers) == [staying.number]
        await worker.draw(lambda _: threads.append(threading.current_thread()), light=True)
        assert threads == [threading.main_thread()]


async def test_who_leaves_while_a_batch_is_delivered_is_removed_when_the_picture_is_free() -> None:
    async with running() as worker:
        first, leaving = Viewer(worker), Viewer(worker)
        for viewer in (first, leaving):
            await viewer.take()
            viewer.credit()
        await trio.testing.wait_all_tasks_blocked(0.01)  # the thread waits for jobs
        worker._viewers[first.number] = lambda _: worker.detach(leaving.number)
        await worker.draw(partial(Picture.fill, rect=Rect(0, 0, 4, 4), color=7), light=True)
        await idle(worker)
        assert list(worker._picture._viewers) == [first.number]
        assert leaving.batches == 1


async def test_a_credit_that_comes_after_its_viewer_left_harms_nobody() -> None:
    async with running() as worker:
        leaving, staying = Viewer(worker), Viewer(worker)
        await leaving.take()
        worker.detach(leaving.number)
        leaving.credit()
        worker.change(leaving.number, WISHES)
        await idle(worker)
        await staying.take()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("prompt", [0.0, worker_module.PROMPT])
async def test_no_credit_is_lost_whatever_comes_between(seed: int, prompt: float, monkeypatch: Any) -> None:
    """Viewers that always answer with a credit, at random moments, all end with the picture when drawing stops.

    Some answer while the batch is delivered to them, as a connection does that takes it at once. Some leave.
    """
    monkeypatch.setattr(worker_module, "PROMPT", prompt)
    monkeypatch.setattr(worker_module, "LIGHT_SECONDS", prompt)
    random = Random(seed)
    async with running(24, 24) as worker, trio.open_nursery() as nursery:
        viewers: list[Viewer] = []

        async def crediting(viewer: Viewer) -> None:
            while True:
                for _ in range(random.choice((0, 0, 1, 3, 10))):
                    await trio.lowlevel.checkpoint()
                await viewer.take()

        def join() -> None:
            viewer = random.choice((Viewer, PromptViewer))(worker)
            viewers.append(viewer)
            if isinstance(viewer, PromptViewer):
                viewer.credit()
            else:
                nursery.start_soon(crediting, viewer)

        for number in range(150):
            if number % 20 == 0:
                join()
            if number % 50 == 49:
                worker.detach(viewers.pop(random.randrange(len(viewers))).number)
            x, y = random.randrange(24), random.randrange(24)
            rect = Rect(x, y, random.randint(x + 1, 24), random.randint(y + 1, 24))
            draw = partial(Picture.fill, rect=rect, color=random.randrange(1 << 24))
            await worker.draw(draw, light=random.random() < 0.7)
            if random.random() < 0.3:
                await trio.testing.wait_all_tasks_blocked()
            if random.random() < 0.1:
                await trio.sleep(0.0005)
            if random.random() < 0.2:
                await idle(worker)
        truth = await worker.ask(partial(Picture.read, rect=Rect(0, 0, 24, 24)))
        with trio.fail_after(5):
            while any(viewer.screen.pixels() != truth for viewer in viewers):  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
