from __future__ import annotations

import logging
import os
import random
import signal
import struct
import threading

import pytest
import trio
from xcffib import xproto

from spicetrio import ClipboardError, ClipboardType, Offer, Selection
from spicetrio.sources.x11 import requestors
from spicetrio.sources.x11.connection import PIECE_BYTES
from spicetrio.sources.x11.requestors import Holding
from tests.sources.x11.conftest import share
from tests.sources.x11.recording import RecordingAgent, RecordingServer, viewers_offer
from tests.sources.x11.screen import Screen
from tests.sources.x11.selecting import SelectionClient

LARGE = random.Random(1).randbytes(12 * PIECE_BYTES)


@pytest.fixture
async def owned(agent: RecordingAgent, client: SelectionClient) -> RecordingAgent:
    """An agent whose viewer offers a text and a large image."""
    viewers_offer(agent.clipboards[Selection.CLIPBOARD], UTF8_TEXT="naïve".encode(), IMAGE_PNG=LARGE)
    await client.until_owned("CLIPBOARD")
    return agent


async def test_what_there_is_to_be_had(owned: RecordingAgent, client: SelectionClient) -> None:
    window = client.window()
    client.ask(window, "CLIPBOARD", "TARGETS")
    assert await client.answer() == "PLACE"
    assert client.atoms(window) == [
        *("TARGETS", "MULTIPLE", "TIMESTAMP"),
        *("UTF8_STRING", "text/plain;charset=utf-8", "text/plain;charset=UTF-8", "text/plain", "STRING", "TEXT"),
        "image/png",
    ]
    assert client.take(window)[0] == "ATOM"


async def test_a_text_is_had_as_old_programs_want_it(owned: RecordingAgent, client: SelectionClient) -> None:
    assert await client.paste("CLIPBOARD", "STRING") == ("STRING", b"na\xefve")
    assert await client.paste("CLIPBOARD", "TEXT") == ("UTF8_STRING", "naïve".encode())
    assert await client.paste("CLIPBOARD", "image/jpeg") is None
    window = client.window()
    client.core.ConvertSelection(window, client.atom("CLIPBOARD"), client.atom("UTF8_STRING"), 0, 0)
    assert await client.answer() == "UTF8_STRING"
    assert client.take(window, "UTF8_STRING") == ("UTF8_STRING", "naïve".encode())


async def test_what_is_asked_for_as_of_an_earlier_time_is_refused(
    owned: RecordingAgent, client: SelectionClient
) -> None:
    answer = await client.paste("CLIPBOARD", "TIMESTAMP")
    assert answer is not None
    assert answer[0] == "INTEGER"
    (since,) = struct.unpack("=I", answer[1])
    window = client.window()
    for time, given in ((since, "PLACE"), (since + 1000, "PLACE"), (since - 1, None)):
        client.ask(window, "CLIPBOARD", "UTF8_STRING", time=time)
        assert await client.answer() == given


def test_times_wrap_around() -> None:
    holding = Holding(offer=None, targets={}, time=2**32 - 10)  # type: ignore[arg-type]
    assert holding.was_held(2**32 - 10)
    assert holding.was_held(5)
    assert not holding.was_held(2**32 - 11)


async def test_several_targets_in_one_request(owned: RecordingAgent, client: SelectionClient) -> None:
    window = client.window()
    names = ["UTF8_STRING", "ONE", "image/jpeg", "TWO", "image/png", "THREE", "TARGETS", "FOUR"]
    pairs = struct.pack("=8I", *(client.atom(name) for name in names))
    client.core.ChangeProperty(0, window, client.atom("PAIRS"), client.atom("ATOM_PAIR"), 32, 8, pairs)
    client.ask(window, "CLIPBOARD", "MULTIPLE", "PAIRS")
    assert await client.answer() == "PAIRS"
    assert client.atoms(window, "PAIRS") == [*names[:3], "", *names[4:]]
    assert client.take(window, "ONE") == ("UTF8_STRING", "naïve".encode())
    assert client.take(window, "TWO") == ("", b"")
    assert client.take(window, "FOUR")[0] == "ATOM"
    kind, data = client.take(window, "THREE")
    assert (kind, struct.unpack("=I", data)) == ("INCR", (len(LARGE),))
    data = b""
    while True:
        await client.piece(window, "THREE")
        kind, piece = client.take(window, "THREE")
        if not piece:
            break
        data += piece
    assert data == LARGE


async def test_pairs_that_are_none(owned: RecordingAgent, client: SelectionClient) -> None:
    window = client.window()
    pairs = bytes(8 * requestors.MOST_PAIRS + 8)
    client.core.ChangeProperty(0, window, client.atom("PAIRS"), client.atom("ATOM_PAIR"), 32, len(pairs) // 4, pairs)
    client.ask(window, "CLIPBOARD", "MULTIPLE", "PAIRS")
    assert await client.answer() is None
    client.destroy(window)
    assert await client.paste("CLIPBOARD", "UTF8_STRING") is not None


async def test_several_programs_paste_at_once(owned: RecordingAgent, client: SelectionClient) -> None:
    windows = [client.window() for _ in range(6)]
    for window in windows:
        client.ask(window, "CLIPBOARD", "image/png")
    data = dict.fromkeys(windows, b"")
    for _ in windows:
        assert await client.answer() == "PLACE"
    for window in windows:
        assert client.take(window)[0] == "INCR"
    while data:
        event = await client.event(xproto.PropertyNotifyEvent, state=xproto.Property.NewValue)
        _, piece = client.take(event.window)
        data[event.window] += piece
        if not piece:
            assert data.pop(event.window) == LARGE


async def begin(client: SelectionClient) -> int:
    """A window that was told that a large image comes, and does not take it."""
    window = client.window()
    client.ask(window, "CLIPBOARD", "image/png")
    assert await client.answer() == "PLACE"
    return window


async def pasted(client: SelectionClient) -> bytes:
    """A large image, as soon as it is not refused any more."""
    with trio.fail_after(10):
        while (answer := await client.paste("CLIPBOARD", "image/png")) is None:  # noqa: ASYNC110
            await trio.sleep(0.02)
    return answer[1]


@pytest.mark.parametrize("ending", ["silence", "death", "late death"])
async def test_who_does_not_take_what_it_asked_for_costs_nothing_for_long(
    xvfb: dict[str, str],
    client: SelectionClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    ending: str,
) -> None:
    async with share(xvfb, len(LARGE) + 10) as agent:
        viewers_offer(agent.clipboards[Selection.CLIPBOARD], UTF8_TEXT=b"text", IMAGE_PNG=LARGE)
        await client.until_owned("CLIPBOARD")
        if ending == "silence":
            monkeypatch.setattr(requestors, "PATIENCE_SECONDS", 0.5)
        window = await begin(client)
        # What is on its way to all of them is no more than one of them may have.
        assert await client.paste("CLIPBOARD", "image/png") is None
        assert f"{len(LARGE)} bytes cannot be pasted while {len(LARGE)} are on their way" in caplog.text
        assert await client.paste("CLIPBOARD", "UTF8_STRING") == ("UTF8_STRING", b"text")
        if ending == "late death":
            client.take(window)
            await client.piece(window)
        if ending != "silence":
            client.destroy(window)
        assert await pasted(client) == LARGE


async def test_who_is_gone_before_it_is_answered(owned: RecordingAgent, client: SelectionClient) -> None:
    for target in ("UTF8_STRING", "image/png"):
        client.core.GrabServer()
        window = client.window()
        client.ask(window, "CLIPBOARD", target)
        client.destroy(window)
        client.core.UngrabServer()
    assert await pasted(client) == LARGE


async def test_a_second_request_for_the_same_place_is_refused(owned: RecordingAgent, client: SelectionClient) -> None:
    window = await begin(client)
    client.ask(window, "CLIPBOARD", "image/png")
    assert await client.answer() is None


async def test_the_root_window_gets_nothing(owned: RecordingAgent, client: SelectionClient) -> None:
    client.ask(client.root, "CLIPBOARD", "UTF8_STRING")
    client.settle()
    assert await client.paste("CLIPBOARD", "UTF8_STRING") is not None
    assert client.take(client.root) == ("", b"")


async def test_what_a_viewer_does_not_give_is_refused_with_its_reason(
    agent: RecordingAgent,
    client: SelectionClient,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(requestors, "READ_SECONDS", 0.2)

    async def read(kind: ClipboardType) -> bytes:
        if kind is ClipboardType.IMAGE_PNG:
            await trio.sleep_forever()
        raise ClipboardError("who copied it has left")

    clipboard = agent.clipboards[Selection.CLIPBOARD]
    clipboard.grab(Offer([ClipboardType.UTF8_TEXT, ClipboardType.IMAGE_PNG], read, limit=100))
    await client.until_owned("CLIPBOARD")
    with caplog.at_level(logging.WARNING):
        assert await client.paste("CLIPBOARD", "UTF8_STRING") is None
        assert await client.paste("CLIPBOARD", "image/png") is None
    assert caplog.messages == [
        "a viewer's UTF8_TEXT cannot be pasted: who copied it has left",
        "a viewer's IMAGE_PNG cannot be pasted: it does not come",
    ]


async def test_too_many_requests_are_refused(
    agent: RecordingAgent, client: SelectionClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = trio.Event()

    async def read(kind: ClipboardType) -> bytes:
        await given.wait()
        return b"text"

    agent.clipboards[Selection.CLIPBOARD].grab(Offer([ClipboardType.UTF8_TEXT], read, limit=100))
    await client.until_owned("CLIPBOARD")
    window = client.window()
    for number in range(requestors.MOST_REQUESTS):
        client.ask(window, "CLIPBOARD", "UTF8_STRING", f"PLACE_{number}")
        client.settle()
        await trio.sleep(0.002)
    client.ask(window, "CLIPBOARD", "UTF8_STRING", "ONE_MORE")
    assert await client.answer() is None
    given.set()
    answers = {await client.answer() for _ in range(requestors.MOST_REQUESTS)}
    assert answers == {f"PLACE_{number}" for number in range(requestors.MOST_REQUESTS)}
    assert await client.paste("CLIPBOARD", "UTF8_STRING") == ("UTF8_STRING", b"text")


async def test_a_stopped_x_server_holds_up_nobody(
    attached: RecordingServer, client: SelectionClient, screen: Screen
) -> None:
    clipboard = attached.agent.clipboards[Selection.CLIPBOARD]
    viewers_offer(clipboard, IMAGE_PNG=LARGE)
    await client.until_owned("CLIPBOARD")
    windows = [await begin(client) for _ in range(10)]
    for number in range(20):
        client.ask(client.window(), "CLIPBOARD", "image/png", f"PLACE_{number}")
    for window in windows:
        client.core.DeleteProperty(window, client.atom("PLACE"))
    client.connection.flush()
    pid = screen.server_pid()
    os.kill(pid, signal.SIGSTOP)
    # Who waits for it waits in libxcb, and there is nobody left here to let it go on.
    rescue = threading.Timer(10, os.kill, (pid, signal.SIGCONT))
    rescue.start()
    try:
        for x in range(100):
            for y in range(5):
                attached.inputs.place(x, y)
            await trio.sleep(0.005)
        assert rescue.is_alive(), "the loop waited for the X server"
    finally:
        rescue.cancel()
        rescue.join()
        os.kill(pid, signal.SIGCONT)
    assert await pasted(client) == LARGE
