"""What comes is received in order, and what does not fit waits."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from spicetrio.channels.inbox import Inbox


async def test_bytes_come_out_in_order_and_pieces_of_any_size() -> None:
    inbox = Inbox(100)
    await inbox.put(b"abc")
    await inbox.put(memoryview(b"def"))
    assert await inbox.receive_some(4) == b"abcd"
    assert await inbox.receive_some(None) == b"ef"


async def test_what_does_not_fit_waits_until_some_was_received() -> None:
    inbox = Inbox(10)
    await inbox.put(bytes(10))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inbox.put, b"later")
        await wait_all_tasks_blocked()
        assert await inbox.receive_some(1) == b"\0"
        await wait_all_tasks_blocked()
        assert await inbox.receive_some(None) == bytes(9) + b"later"


async def test_a_put_that_is_cancelled_leaves_nothing() -> None:
    inbox = Inbox(1)
    await inbox.put(b"a")
    with trio.move_on_after(0.01):
        await inbox.put(b"b")
    assert await inbox.receive_some(None) == b"a"
    inbox.end()
    assert await inbox.receive_some(None) == b""


async def test_after_the_last_bytes_nothing_comes() -> None:
    inbox = Inbox(10)
    await inbox.put(b"last")
    inbox.end()
    assert inbox.ended
    assert [await inbox.receive_some(3) for _ in range(4)] == [b"las", b"t", b"", b""]


async def test_who_waits_is_told_of_the_end_and_of_the_close() -> None:
    for ending in (Inbox.end, Inbox.close):
        inbox = Inbox(10)
        answers: list[object] = []

        async def receive(inbox: Inbox = inbox, answers: list[object] = answers) -> None:
            try:
                answers.append(await inbox.receive_some(None))
            except trio.ClosedResourceError as error:
                answers.append(type(error))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            await wait_all_tasks_blocked()
            ending(inbox)
        assert answers == [b"" if ending is Inbox.end else trio.ClosedResourceError]


async def test_a_closed_inbox_drops_what_is_there_and_what_comes() -> None:
    inbox = Inbox(3)
    await inbox.put(b"full")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inbox.put, b"waiting")
        await wait_all_tasks_blocked()
        inbox.close()
    await inbox.put(b"late")
    assert inbox.closed
    assert not inbox._data
    with pytest.raises(trio.ClosedResourceError):
        await inbox.receive_some(None)
