from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
import trio
from xcffib import xproto

from spicetrio import ClipboardError, ClipboardType, Offer, Selection
from spicetrio.sources.x11 import conversion
from tests.sources.x11.conftest import share
from tests.sources.x11.recording import RecordingAgent, offered
from tests.sources.x11.selecting import SelectionClient

LIMIT = 200_000


async def owned(agent: RecordingAgent, client: SelectionClient, *, target: str = "image/png") -> Offer:
    """What a program offers that owns the clipboard and has named its target."""
    client.own("CLIPBOARD")
    client.name_targets(await client.request(), target)
    return await offered(agent, agent.clipboards[Selection.CLIPBOARD])


class Reading:
    """What a viewer that pastes an image comes to have."""

    def __init__(self, nursery: trio.Nursery, offer: Offer) -> None:
        self._offer = offer
        self._done = trio.Event()
        self._data = b""
        self._error: ClipboardError | None = None
        nursery.start_soon(self._read)

    async def _read(self) -> None:
        try:
            self._data = await self._offer.read(self._offer.types[0])
        except ClipboardError as error:
            self._error = error
        self._done.set()

    async def result(self) -> bytes:
        with trio.fail_after(10):
            await self._done.wait()
        if self._error is not None:
            raise self._error
        return self._data


async def announce_pieces(client: SelectionClient, size: int) -> Any:
    """Answer the next request with INCR; returns it once the announcement was read."""
    request = await client.request()
    client.core.ChangeWindowAttributes(request.requestor, xproto.CW.EventMask, [xproto.EventMask.PropertyChange])
    client.write(request, "INCR", struct.pack("=I", size), 32)
    client.notify(request)
    await deleted(client, request)
    return request


async def deleted(client: SelectionClient, request: Any) -> None:
    await client.event(xproto.PropertyNotifyEvent, window=request.requestor, state=xproto.Property.Delete)


async def test_pieces_of_any_size_are_joined(xvfb: dict[str, str], client: SelectionClient) -> None:
    pieces = [b"a", b"b" * 100_000, b"c" * 3, b"d" * 65_536]
    async with share(xvfb) as agent, trio.open_nursery() as nursery:
        reading = Reading(nursery, await owned(agent, client))
        request = await announce_pieces(client, 1)
        for piece in pieces:
            client.write(request, "image/png", piece)
            await deleted(client, request)
        client.write(request, "image/png", b"")
        client.settle()
        assert await reading.result() == b"".join(pieces)


async def test_a_piece_written_in_several_requests(xvfb: dict[str, str], client: SelectionClient) -> None:
    async with share(xvfb) as agent, trio.open_nursery() as nursery:
        reading = Reading(nursery, await owned(agent, client))
        request = await announce_pieces(client, 1)
        kind = client.atom("image/png")
        client.core.GrabServer()
        for part in (b"one", b"two"):
            client.core.ChangeProperty(
                xproto.PropMode.Append, request.requestor, request.property, kind, 8, len(part), part
            )
        client.core.UngrabServer()
        client.settle()
        await deleted(client, request)
        await trio.sleep(0.1)  # the second one's event would end it, if it were taken for a piece of no bytes
        client.write(request, "image/png", b"three")
        await deleted(client, request)
        client.write(request, "image/png", b"")
        client.settle()
        assert await reading.result() == b"onetwothree"


@pytest.mark.parametrize("incremental", [False, True])
async def test_more_than_the_limit_is_refused(xvfb: dict[str, str], client: SelectionClient, incremental: bool) -> None:
    async with share(xvfb, LIMIT) as agent, trio.open_nursery() as nursery:
        offer = await owned(agent, client)
        reading = Reading(nursery, offer)
        if incremental:
            request = await announce_pieces(client, 1)
            for _ in range(3):
                client.write(request, "image/png", bytes(LIMIT // 3))
                await deleted(client, request)
        else:
            request = await client.request()
        client.write(request, "image/png", bytes(LIMIT % 3 + 1 if incremental else LIMIT + 1))
        client.notify(request)
        with pytest.raises(ClipboardError, match=f"more than the {LIMIT} bytes"):
            await reading.result()
        # Exactly as much is taken.
        reading = Reading(nursery, offer)
        request = await client.request()
        client.write(request, "image/png", bytes(LIMIT))
        client.notify(request)
        assert await reading.result() == bytes(LIMIT)


def never_answers(client: SelectionClient, request: Any) -> None:
    pass


def announces_and_stops(client: SelectionClient, request: Any) -> None:
    client.write(request, "INCR", struct.pack("=I", 1000), 32)
    client.notify(request)


@pytest.mark.parametrize("misbehave", [never_answers, announces_and_stops])
async def test_an_owner_that_does_not_go_on_is_given_up(
    agent: RecordingAgent,
    client: SelectionClient,
    monkeypatch: pytest.MonkeyPatch,
    misbehave: Callable[[SelectionClient, Any], None],
) -> None:
    offer = await owned(agent, client)
    monkeypatch.setattr(conversion, "PATIENCE_SECONDS", 0.2)
    async with trio.open_nursery() as nursery:
        reading = Reading(nursery, offer)
        request = await client.request()
        misbehave(client, request)
        with pytest.raises(ClipboardError, match="does not answer"):
            await reading.result()
        # What it writes too late goes nowhere, and the next one is answered.
        client.write(request, "image/png", b"late")
        client.notify(request)
        reading = Reading(nursery, offer)
        request = await client.request()
        client.write(request, "image/png", b"in time")
        client.notify(request)
        assert await reading.result() == b"in time"


async def test_an_owner_that_answers_without_writing(agent: RecordingAgent, client: SelectionClient) -> None:
    async with trio.open_nursery() as nursery:
        reading = Reading(nursery, await owned(agent, client))
        client.notify(await client.request())
        assert await reading.result() == b""


async def test_a_window_that_another_client_destroys(agent: RecordingAgent, client: SelectionClient) -> None:
    async with trio.open_nursery() as nursery:
        reading = Reading(nursery, await owned(agent, client))
        request = await client.request()
        client.core.GrabServer()
        client.notify(request)
        client.destroy(request.requestor)
        client.core.UngrabServer()
        client.settle()
        with pytest.raises(ClipboardError, match="it cannot be read: X error 3"):
            await reading.result()


async def test_several_viewers_paste_at_once(agent: RecordingAgent, client: SelectionClient) -> None:
    many = conversion.MOST_CONVERSIONS + 3
    async with trio.open_nursery() as nursery:
        offer = await owned(agent, client)
        readings = [Reading(nursery, offer) for _ in range(many)]
        requests = [await client.request() for _ in range(conversion.MOST_CONVERSIONS)]
        assert len({request.requestor for request in requests}) == len(requests)
        await trio.sleep(0.1)
        assert client.connection.poll_for_event() is None, "more at once than there should be"
        nursery.start_soon(client.serve, {"image/png": ("image/png", b"image")})
        for request in reversed(requests):
            client.write(request, "image/png", b"image")
            client.notify(request)
        assert [await reading.result() for reading in readings] == [b"image"] * many
        nursery.cancel_scope.cancel()


async def test_a_viewer_that_leaves_meanwhile_leaves_no_window(agent: RecordingAgent, client: SelectionClient) -> None:
    def windows() -> int:
        return len(client.core.QueryTree(client.root).reply().children)

    async def until(count: int) -> None:
        with trio.fail_after(5):
            while windows() != count:  # noqa: ASYNC110
                await trio.sleep(0.01)

    offer = await owned(agent, client)
    before = windows()
    await trio.sleep(0.1)  # the window in which it was asked what there is may go only now
    before = min(before, windows())
    await until(before)
    async with trio.open_nursery() as nursery:
        Reading(nursery, offer)
        request = await client.request()
        assert windows() == before + 1
        nursery.cancel_scope.cancel()
    await until(before)
    client.write(request, "image/png", b"late")
    client.notify(request)
    assert ClipboardType.IMAGE_PNG in offer.types
