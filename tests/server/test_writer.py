from __future__ import annotations

import math
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from spicetrio.server.link import Meter
from spicetrio.server.turns import Turns, TurnStream
from spicetrio.server.writer import FEW_BYTES, SlowViewerError, Writer, open_writer
from spicetrio.wire import base
from spicetrio.wire.buffer import Marshalled, ReadBuffer, marshal
from spicetrio.wire.enums import BaseMessage
from spicetrio.wire.framing import JOINED_SIZE, Bundle, Frame, Framing

from .rig import Pipe, read_to_end

LIMIT = 1 << 20
BIG = base.Ping(7, 7, bytes(100_000))


def frames(data: bytes | bytearray, *, mini: bool = True) -> list[Frame]:
    """The messages in all that arrived. There must be nothing but whole messages."""
    found, rest = split(data, mini=mini)
    assert rest == 0
    return found


def split(data: bytes | bytearray, *, mini: bool = True) -> tuple[list[Frame], int]:
    """The whole messages, and how many bytes of half a message are left."""
    framing = Framing(mini=mini, limits=None)
    framing.receive_data(bytes(data))
    found = []
    while frame := framing.next_message():
        found.append(frame)
    header = 6 if mini else 18
    return found, len(data) - sum(header + len(memoryview(frame.body)) for frame in found)


def ids(data: bytes | bytearray) -> list[int]:
    return [ReadBuffer(frame.body).u32() for frame in frames(data)]


@asynccontextmanager
async def writing(
    pipe: trio.abc.SendStream,
    *,
    queue_limit: int = LIMIT,
    grace: float = 1,
    mini: bool = True,
    meter: Meter | None = None,
    on_idle: Callable[[], None] | None = None,
) -> AsyncIterator[Writer]:
    framing = Framing(mini=mini, limits=None)
    async with open_writer(pipe, framing, queue_limit=queue_limit, grace=grace, meter=meter, on_idle=on_idle) as writer:
        yield writer


async def long_enough() -> None:
    """Wait to be ended."""
    await trio.sleep(10)


# Order and batches


async def test_messages_leave_in_the_order_they_were_posted() -> None:
    pipe = Pipe()
    async with writing(pipe) as writer:
        for number in range(500):
            writer.post(base.AckSync(number))
            if number % 7 == 0:
                await trio.lowlevel.checkpoint()
        writer.post(base.AckSync(500), base.AckSync(501))
    assert ids(pipe.data) == list(range(502))


async def test_what_waits_leaves_in_one_go() -> None:
    pipe = Pipe()
    async with writing(pipe) as writer:
        for number in range(500):
            writer.post(base.AckSync(number))
    assert len(pipe.sends) == 1


async def test_what_is_posted_while_the_peer_does_not_read_leaves_in_one_go() -> None:
    pipe = Pipe(0)
    async with writing(pipe) as writer:
        writer.post(base.AckSync(0))
        await wait_all_tasks_blocked()
        for number in range(1, 100):
            writer.post(base.AckSync(number))
        pipe.read(math.inf)
    assert ids(pipe.data) == list(range(100))
    assert len(pipe.sends) == 2


async def test_a_batch_has_an_end() -> None:
    pipe = Pipe()
    async with writing(pipe, queue_limit=100 * LIMIT) as writer:
        for _ in range(20):
            writer.post(BIG)
    assert len(frames(pipe.data)) == 20
    assert max(pipe.sends) < JOINED_SIZE + 101_000
    assert len(pipe.sends) == 7


async def test_what_is_large_is_not_joined_with_what_is_small() -> None:
    pipe = Pipe()
    large = bytes(JOINED_SIZE)
    async with writing(pipe) as writer:
        writer.post(base.AckSync(1), Marshalled(1, (b"abc", large, b"d", b"e"), len(large) + 5))
    assert pipe.sends == [10 + 6 + 3, JOINED_SIZE, 2]
    assert pipe.data[-5:] == bytes(3) + b"de"


@pytest.mark.parametrize("mini", [False, True])
async def test_subs_go_before_the_first_message_alone(mini: bool) -> None:
    pipe = Pipe()
    async with writing(pipe, mini=mini) as writer:
        writer.post(base.Pong(1, 2), base.Pong(3, 4), subs=[base.AckSync(9)])
    found = frames(pipe.data) if mini else split(pipe.data, mini=False)[0]
    assert [frame.type for frame in found] == [1, 3, 3]


async def test_a_message_that_was_marshalled_before_may_go_to_many() -> None:
    pipes = [Pipe(), Pipe()]
    message = marshal(BIG)
    async with writing(pipes[0]) as first, writing(pipes[1]) as second:
        first.post(message)
        second.post(message)
    assert pipes[0].data == pipes[1].data
    assert frames(pipes[0].data)[0].body == b"".join(message.buffers)


async def test_it_counts_what_it_sends_and_what_waited() -> None:
    pipe, meter = Pipe(0), Meter()
    async with writing(pipe, meter=meter) as writer:
        writer.post(BIG)
        writer.post(BIG)
        assert 200_000 < writer.peak_bytes < 202_000
        pipe.read(math.inf)
    assert meter.sent == len(pipe.data)


# Too much


async def test_a_viewer_that_lets_too_much_pile_up_is_ended_and_no_other() -> None:
    slow, quick = Pipe(0), Pipe()
    async with writing(quick) as other:
        with pytest.RaisesGroup(SlowViewerError):
            async with writing(slow) as writer:
                for _ in range(100):
                    writer.post(BIG)
                    other.post(base.AckSync(1))
                    await trio.lowlevel.checkpoint()
        other.post(base.AckSync(2))
    assert ids(quick.data)[-1] == 2
    assert slow.data == b""


async def test_it_is_ended_at_once_without_the_grace(autojump_clock: MockClock) -> None:
    with pytest.RaisesGroup(SlowViewerError):
        async with writing(Pipe(10), grace=1000) as writer:
            writer.post(BIG)
            await wait_all_tasks_blocked()
            for _ in range(100):
                writer.post(BIG)
            await long_enough()
    assert trio.current_time() < 1


async def test_what_waits_is_bounded_whatever_is_posted() -> None:
    with pytest.RaisesGroup(SlowViewerError):
        async with writing(Pipe(0)) as writer:
            for _ in range(10_000):
                writer.post(BIG)
            assert len(writer._queue) <= 11
            assert writer.peak_bytes <= LIMIT + 102_000
            await long_enough()


async def test_messages_without_a_body_pile_up_too() -> None:
    with pytest.RaisesGroup(SlowViewerError):
        async with writing(Pipe(0)) as writer:
            for _ in range(LIMIT // 100):
                writer.post(base.Ack())
            await long_enough()


async def test_one_message_may_be_larger_than_the_limit() -> None:
    pipe = Pipe()
    large = base.Ping(1, 2, bytes(3 * LIMIT))
    async with writing(pipe) as writer:
        for _ in range(3):
            writer.post(base.AckSync(1), large)
            await wait_all_tasks_blocked()
    assert len(frames(pipe.data)) == 6


async def test_a_viewer_that_keeps_up_may_be_sent_any_amount() -> None:
    pipe = Pipe()
    async with writing(pipe, queue_limit=150_000) as writer:
        for _ in range(50):
            writer.post(BIG)
            await wait_all_tasks_blocked()
    assert len(frames(pipe.data)) == 50


# The end


async def test_leaving_the_block_sends_what_waits() -> None:
    pipe = Pipe(0)
    async with trio.open_nursery() as nursery, writing(pipe) as writer:
        writer.post(BIG)
        writer.post(base.AckSync(3))
        await wait_all_tasks_blocked()
        nursery.start_soon(read_slowly, pipe, 50_000)
    assert len(frames(pipe.data)) == 2


async def read_slowly(pipe: Pipe, size: int) -> None:
    for _ in range(5):
        await wait_all_tasks_blocked()
        pipe.read(size)


async def test_an_error_in_the_block_sends_what_waits_as_well() -> None:
    pipe = Pipe()
    with pytest.RaisesGroup(KeyError):
        async with writing(pipe) as writer:
            writer.post(base.AckSync(3))
            raise KeyError
    assert ids(pipe.data) == [3]


async def test_a_peer_that_does_not_read_is_waited_for_no_longer_than_the_grace(autojump_clock: MockClock) -> None:
    pipe = Pipe(10)
    async with writing(pipe, grace=3) as writer:
        writer.post(BIG)
        await wait_all_tasks_blocked()
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(3)
    pipe.read(math.inf)
    await wait_all_tasks_blocked()
    assert len(pipe.data) == 10  # the stream is in an unknown state, so nothing more goes out


async def test_nothing_waits_when_there_is_nothing_to_send(autojump_clock: MockClock) -> None:
    async with writing(Pipe(0), grace=3):
        pass
    async with writing(Pipe(0), grace=3, on_idle=lambda: None):
        await wait_all_tasks_blocked()
    assert trio.current_time() == 0


async def test_a_peer_that_is_gone_ends_the_block() -> None:
    pipe = Pipe()
    await pipe.aclose()
    with pytest.RaisesGroup(trio.ClosedResourceError):
        async with writing(pipe) as writer:
            writer.post(base.Ack())
            await long_enough()


@pytest.mark.parametrize("room", [0, 1, 5, 6, 7, 17, 18, 100_017, 100_018, 100_019, 100_030])
async def test_cancelling_cuts_no_message_in_two(room: int) -> None:
    pipe = Pipe(room)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_slowly_shielded, pipe)
            async with writing(pipe, grace=5) as writer:
                writer.post(BIG)
                writer.post(base.AckSync(1))
                await wait_all_tasks_blocked(0.001)
                writer.post(base.AckSync(2))
                scope.cancel()
                await trio.sleep_forever()
    assert [frame.type for frame in frames(pipe.data)] == [4, 1, 1]


async def read_slowly_shielded(pipe: Pipe) -> None:
    try:
        await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            for _ in range(9):
                await trio.sleep(0.001)
                pipe.read(20_000)


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 400)), max_size=30),
    st.integers(0, 3000),
    st.booleans(),
)
def test_a_prefix_of_whole_messages_arrives_whenever_it_is_cancelled(
    steps: list[tuple[int, int]], last_read: int, cut: bool
) -> None:
    """Only if the grace is over the last message may be half, and nothing follows it."""
    pipe = Pipe(0)
    posted = []

    async def run() -> None:
        with trio.move_on_after(1):
            async with writing(pipe, grace=0.5) as writer:
                for number, (size, read) in enumerate(steps):
                    posted.append(number)
                    writer.post(base.Ping(number, 0, bytes(size)))
                    pipe.read(read)
                    await trio.lowlevel.checkpoint()
                if not cut:
                    pipe.read(last_read)
                await trio.sleep_forever()

    trio.run(run, clock=MockClock(autojump_threshold=0))
    found, _ = split(pipe.data)
    got = [ReadBuffer(frame.body).u32() for frame in found]
    assert got == posted[: len(got)]


async def test_over_a_socket_a_message_is_finished_after_cancelling() -> None:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    message = base.Ping(1, 2, bytes(range(256)) * 4000)
    data = bytearray()
    with trio.fail_after(20):
        async with stream(theirs) as reader, trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:
                async with stream(ours) as sender, writing(sender, grace=10, queue_limit=1 << 24) as writer:
                    writer.post(message)
                    data += await reader.receive_some(1000)
                    scope.cancel()
                    nursery.start_soon(read_into, reader, data)
    (frame,) = frames(data)
    assert frame.body == b"".join(bytes(buffer) for buffer in marshal(message).buffers)


async def read_into(reader: trio.abc.ReceiveStream, data: bytearray) -> None:
    data += await read_to_end(reader)


async def test_over_a_socket_a_peer_that_never_reads_gets_nothing_after_a_cut() -> None:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with trio.fail_after(20):
        async with stream(theirs) as reader:
            with trio.move_on_after(0.05):
                async with stream(ours) as sender, writing(sender, grace=0.05, queue_limit=1 << 24) as writer:
                    for number in range(4):
                        writer.post(base.Ping(number, 0, bytes(1 << 20)))
                    await trio.sleep_forever()
            data = await read_to_end(reader)
    found, rest = split(data)
    assert found == []
    assert 0 < rest < 1 << 20


def stream(sock: socket.socket) -> trio.SocketStream:
    return trio.SocketStream(trio.socket.from_stdlib_socket(sock))


# ACK windows


async def test_without_acks_41_messages_leave_at_window_20() -> None:
    pipe = Pipe()
    async with writing(pipe) as writer:
        writer.start_acks(20)
        for number in range(200):
            writer.post(base.AckSync(number))
        await wait_all_tasks_blocked()
        first, *rest = frames(pipe.data)
        assert (first.type, first.body) == (BaseMessage.SET_ACK, bytes.fromhex("01000000 14000000"))
        assert len(rest) == 41
        writer.acknowledged()  # before the ACK_SYNC: of another generation
        await wait_all_tasks_blocked()
        assert len(frames(pipe.data)) == 42
        writer.ack_synced(1)
        for count in (61, 81, 101):
            writer.acknowledged()
            await wait_all_tasks_blocked()
            assert len(frames(pipe.data)) == 1 + count
    assert len(frames(pipe.data)) == 102


async def test_what_a_closed_window_keeps_back_does_not_keep_the_end_back(autojump_clock: MockClock) -> None:
    pipe = Pipe()
    async with writing(pipe, grace=3) as writer:
        writer.start_acks(1)
        for _ in range(10):
            writer.post(base.Ack())
    assert trio.current_time() == 0
    assert len(frames(pipe.data)) == 4


async def test_a_sub_message_that_is_a_message_is_counted() -> None:
    pipe = Pipe()
    async with writing(pipe) as writer:
        writer.start_acks(2)
        for _ in range(10):
            writer.post(base.Ack(), subs=[base.AckSync(1)])
        await wait_all_tasks_blocked()
        assert len(frames(pipe.data)) == 1 + 6


async def test_a_closed_window_lets_memory_grow_no_further_than_the_limit() -> None:
    with pytest.RaisesGroup(SlowViewerError):
        async with writing(Pipe()) as writer:
            writer.start_acks(1)
            for _ in range(50):
                writer.post(BIG)
                await trio.lowlevel.checkpoint()
            await long_enough()


# Credit


class Puller:
    def __init__(self) -> None:
        self.credits = 0

    def on_idle(self) -> None:
        self.credits += 1


async def test_there_is_one_credit_until_it_is_answered() -> None:
    pipe, puller = Pipe(), Puller()
    async with writing(pipe, on_idle=puller.on_idle) as writer:
        await wait_all_tasks_blocked()
        assert puller.credits == 1
        writer.post(base.AckSync(1))  # is no answer
        writer.acknowledged()
        await wait_all_tasks_blocked()
        assert puller.credits == 1
        writer.post_batch(Bundle([marshal(base.AckSync(2)), marshal(base.AckSync(3))]))
        assert puller.credits == 1  # not before they were sent
        await wait_all_tasks_blocked()
        assert puller.credits == 2
        writer.post_batch(Bundle([]))
        await wait_all_tasks_blocked()
        assert puller.credits == 3
    assert puller.credits == 3
    assert ids(pipe.data) == [1, 2, 3]


async def test_no_credit_while_the_socket_is_full() -> None:
    pipe, puller = Pipe(0), Puller()
    async with writing(pipe, on_idle=puller.on_idle) as writer:
        await wait_all_tasks_blocked()
        assert puller.credits == 0
        writer.post(BIG)
        await wait_all_tasks_blocked()
        assert puller.credits == 0
        pipe.read(6 + 12 + 100_000)  # the one that was posted, and then it is full again
        await wait_all_tasks_blocked()
        assert ids(pipe.data) == [7]
        assert puller.credits == 0
        pipe.read(1)
        await wait_all_tasks_blocked()
        assert puller.credits == 1


async def test_the_socket_is_not_asked_again_after_a_few_bytes() -> None:
    pipe, puller = Pipe(1), Puller()
    async with writing(pipe, on_idle=puller.on_idle) as writer:
        await wait_all_tasks_blocked()
        pipe.read(9)
        writer.post_batch(Bundle([marshal(base.AckSync(1))]))
        await wait_all_tasks_blocked()
        assert puller.credits == 2
        pipe.read(FEW_BYTES)
        writer.post_batch(Bundle([marshal(base.Ping(2, 2, bytes(FEW_BYTES - 18)))]))
        await wait_all_tasks_blocked()
        assert puller.credits == 2
        pipe.read(1)
        await wait_all_tasks_blocked()
        assert puller.credits == 3


async def test_no_credit_while_the_window_is_closed() -> None:
    pipe, puller = Pipe(), Puller()
    async with writing(pipe, on_idle=puller.on_idle) as writer:
        writer.start_acks(1)
        writer.ack_synced(1)
        await wait_all_tasks_blocked()
        assert puller.credits == 1
        writer.post_batch(Bundle([marshal(base.Ack())] * 3))
        await wait_all_tasks_blocked()
        assert puller.credits == 1
        writer.acknowledged()
        await wait_all_tasks_blocked()
        assert puller.credits == 2


async def test_no_credit_while_something_waits() -> None:
    pipe, puller = Pipe(), Puller()
    async with writing(pipe, on_idle=puller.on_idle) as writer:
        writer.start_acks(1)
        writer.ack_synced(1)
        writer.post(*[base.Ack()] * 6)
        await wait_all_tasks_blocked()
        assert puller.credits == 0
        for _ in range(3):
            writer.acknowledged()
            await wait_all_tasks_blocked()
        assert puller.credits == 0
        writer.acknowledged()
        await wait_all_tasks_blocked()
        assert puller.credits == 1


async def test_a_batch_may_be_posted_in_answer_at_once() -> None:
    pipe = Pipe()
    left = list(range(50))

    def on_idle() -> None:
        if left:
            writer.post_batch(Bundle([marshal(base.AckSync(left.pop(0)))]))

    async with writing(pipe, on_idle=on_idle) as writer:
        await wait_all_tasks_blocked()
    assert ids(pipe.data) == list(range(50))


async def test_no_credit_is_given_at_the_end() -> None:
    pipe, puller = Pipe(0), Puller()
    async with writing(pipe, on_idle=puller.on_idle) as writer:
        await wait_all_tasks_blocked()
        writer.finish(1)
        pipe.read(math.inf)
    assert puller.credits == 0


@asynccontextmanager
async def tcp(puller: Puller) -> AsyncIterator[tuple[Writer, trio.SocketStream]]:
    """A writer on a real socket, waiting, and the stream of its peer."""
    ours, theirs = (trio.SocketStream(trio.socket.from_stdlib_socket(sock)) for sock in socket.socketpair())
    async with theirs, ours, writing(TurnStream(ours, Turns()), on_idle=puller.on_idle) as writer:
        await wait_all_tasks_blocked()
        yield writer, theirs


async def test_few_bytes_are_sent_and_the_next_credit_is_given_at_once() -> None:
    puller = Puller()
    async with tcp(puller) as (writer, peer):
        for number in range(10):
            assert puller.credits == number + 1
            writer.post_batch(Bundle([marshal(base.AckSync(number))]), at_once=True)
        assert ids(await peer.receive_some()) == list(range(10))
        writer.post(base.AckSync(98))
        writer.post_batch(Bundle([marshal(base.AckSync(99))]), at_once=True)
        assert puller.credits == 11, "it did not wait for what was posted before"
        await wait_all_tasks_blocked()
        assert ids(await peer.receive_some()) == [98, 99]


async def test_credits_are_given_at_once_however_many_bytes_are_sent_while_the_peer_takes_them() -> None:
    puller = Puller()
    batch = Bundle([marshal(base.Ping(7, 0, bytes(FEW_BYTES // 3)))])
    async with tcp(puller) as (writer, peer):
        for number in range(100):
            assert puller.credits == number + 1
            writer.post_batch(batch, at_once=True)
            await peer.receive_some()
        while puller.credits > number:
            writer.post_batch(batch, at_once=True)
            number += 1
            assert not writer._rest, "the socket was not asked whether it takes it"
        assert number < 1000


async def test_what_the_socket_does_not_take_at_once_is_sent_later_and_in_order() -> None:
    puller = Puller()
    batch = Bundle([marshal(base.Ping(7, 0, bytes(FEW_BYTES - 100)))])
    posted, received = 0, bytearray()
    async with tcp(puller) as (writer, peer):
        while puller.credits > posted:
            writer.post_batch(batch, at_once=True)
            posted += 1
            await wait_all_tasks_blocked()
        assert posted > 5, "the socket took nothing"
        while len(received) < posted * (6 + batch.size):
            received += await peer.receive_some()
    framing = Framing(mini=True, limits=None)
    framing.receive_data(received)
    frames = [framing.next_message() for _ in range(posted + 1)]
    assert [frame and len(memoryview(frame.body)) for frame in frames] == [batch.size] * posted + [None]


async def test_that_the_peer_left_is_noticed_after_a_batch_sent_at_once() -> None:
    with pytest.RaisesGroup(trio.BrokenResourceError, flatten_subgroups=True):
        async with tcp(Puller()) as (writer, peer):
            await peer.aclose()
            writer.post_batch(Bundle([marshal(base.AckSync(1))]), at_once=True)
            with trio.fail_after(5):
                await trio.sleep_forever()


async def test_that_its_owner_has_closed_the_stream_is_not_noticed_by_who_posts() -> None:
    ours, theirs = (trio.SocketStream(trio.socket.from_stdlib_socket(sock)) for sock in socket.socketpair())
    with pytest.RaisesGroup(trio.ClosedResourceError, flatten_subgroups=True):
        async with theirs, ours, writing(TurnStream(ours, Turns()), on_idle=Puller().on_idle) as writer:
            await wait_all_tasks_blocked()
            writer.post(base.Ping(7, 0, bytes(FEW_BYTES)))
            await wait_all_tasks_blocked()
            ours.socket.close()
            writer.post_batch(Bundle([marshal(base.AckSync(1))]), at_once=True)
            with trio.fail_after(5):
                await trio.sleep_forever()


async def test_who_was_seen_to_leave_gets_no_credit_while_it_waits_for_its_turn_and_the_rest_at_the_end() -> None:
    puller, turns = Puller(), Turns()
    ours, theirs = (trio.SocketStream(trio.socket.from_stdlib_socket(sock)) for sock in socket.socketpair())
    stream = TurnStream(ours, turns)
    turns._taken = True
    async with theirs, ours, trio.open_nursery() as nursery:
        async with writing(stream, on_idle=puller.on_idle) as writer:
            nursery.start_soon(stream.receive_some)
            await wait_all_tasks_blocked()
            before = puller.credits
            await theirs.send_eof()
            await wait_all_tasks_blocked()
            writer.post_batch(Bundle([marshal(base.AckSync(1))]), at_once=True)
            writer.post_batch(Bundle([marshal(base.AckSync(2))]), at_once=True)
            writer.post(base.AckSync(3))
            await wait_all_tasks_blocked()
            assert puller.credits == before
        assert ids(await theirs.receive_some()) == [1, 2, 3]
        nursery.cancel_scope.cancel()


async def test_a_batch_of_more_messages_than_the_window_takes_is_sent_in_parts() -> None:
    pipe, puller = Pipe(), Puller()
    async with writing(pipe, on_idle=puller.on_idle) as writer:
        writer.start_acks(2)
        writer.ack_synced(1)
        await wait_all_tasks_blocked()
        writer.post_batch(Bundle([marshal(base.AckSync(number)) for number in range(12)]))
        for sent in (5, 7, 9, 11, 12):
            await wait_all_tasks_blocked()
            assert ids(pipe.data) == [1, *range(sent)]  # the first one is SET_ACK
            writer.acknowledged()
