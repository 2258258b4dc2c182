"""Tokens bound what waits in both directions, and whoever breaks the rules ends alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from spicetrio import ClipboardType, Selection
from spicetrio.agent import transport
from spicetrio.agent.files import _File
from spicetrio.agent.transport import WINDOW
from spicetrio.wire import agent, main
from spicetrio.wire.agent import Dialect
from spicetrio.wire.agentstream import frame
from spicetrio.wire.enums import AgentMessage
from tests.agent.talk import LIMITLESS, Talker, open_talker, quiet
from tests.channels.stage import closed, open_stage, receive, until

TEXT, CLIPBOARD = ClipboardType.UTF8_TEXT, Selection.CLIPBOARD
CONFIG = frame(agent.DisplayConfig(0, 0), Dialect())


async def read_text(kind: ClipboardType) -> bytes:
    await trio.lowlevel.checkpoint()
    return b"x" * 100_000


@pytest.mark.parametrize("renews", [True, False])
async def test_an_agent_that_comes_and_goes_is_told(renews: bool) -> None:
    async with open_stage() as stage, open_talker(stage, renews=renews, start=False) as viewer:
        for _ in range(2):
            async with stage.server.open_agent() as here:
                if renews:
                    assert await receive(viewer.channel, main.AgentConnectedTokens) == main.AgentConnectedTokens(WINDOW)
                    viewer.tokens = WINDOW
                else:
                    await receive(viewer.channel, main.AgentConnected)
                await viewer.start()
                await viewer.send(agent.ClipboardGrab(CLIPBOARD, 0, (TEXT,)))
                await here.clipboards[CLIPBOARD].offered.wait_value(lambda offer: offer is not None)
                assert len(here.sessions) == 1
            assert not here.sessions
            await receive(viewer.channel, main.AgentDisconnected)
        assert len(stage.server.clients.value) == 1


async def test_a_viewer_is_told_at_once_whether_there_is_an_agent() -> None:
    async with open_stage() as stage, stage.server.open_agent(), stage.viewer() as viewer:
        assert viewer.init.agent_connected == 1
        with pytest.raises(ValueError, match="already"):
            async with stage.server.open_agent():
                pass


async def test_there_is_no_other_agent_before_the_one_that_ends_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would wait for the viewers of the other."""
    writes, goes_on, stop, ended = threading.Event(), threading.Event(), trio.Event(), trio.Event()

    def write(file: object, data: object) -> None:
        writes.set()
        goes_on.wait(5)

    monkeypatch.setattr(_File, "write", write)
    async with open_stage() as stage, trio.open_nursery() as nursery:

        async def be_agent(task_status: trio.TaskStatus[None]) -> None:
            async with stage.server.open_agent(file_transfer_dir=tmp_path):
                task_status.started()
                await stop.wait()
            ended.set()

        await nursery.start(be_agent)
        async with open_talker(stage) as viewer:
            assert await viewer.offer_file(1, "x", 5) is None
            await viewer.send(agent.FileXferData(1, b"123"))
            await trio.to_thread.run_sync(writes.wait)
            stop.set()
            await receive(viewer.channel, main.AgentDisconnected)
            with pytest.raises(ValueError, match="already"):
                async with stage.server.open_agent():
                    pass
            goes_on.set()
            await ended.wait()
            async with stage.server.open_agent():
                await receive(viewer.channel, main.AgentConnectedTokens)


@pytest.mark.parametrize("renews", [True, False])
async def test_tokens_come_back_for_all_that_was_sent_however_often_the_agent_changes(renews: bool) -> None:
    """A viewer that is not told of its tokens anew must get back those of what was sent to nobody."""
    async with open_stage() as stage, open_talker(stage, renews=renews, start=False) as viewer:
        for _ in range(3):
            async with stage.server.open_agent():
                await viewer.hear(main.AgentConnectedTokens if renews else main.AgentConnected)
                viewer.tokens = WINDOW if renews else viewer.tokens
                await viewer.start()
                for _ in range(2 * WINDOW):
                    await viewer.send(agent.DisplayConfig(0, 0))
            while viewer.tokens:
                viewer.tokens -= 1
                await viewer.channel.send(main.ClientAgentData(CONFIG))
            await viewer.hear(main.AgentDisconnected)
        assert len(stage.server.clients.value) == 1


async def test_a_viewer_without_tokens_is_sent_nothing_until_it_gives_some() -> None:
    async with open_stage() as stage, stage.server.open_agent() as here, open_talker(stage, start=False) as viewer:
        await viewer.start(0)
        here.clipboards[CLIPBOARD].offer([TEXT], read_text)
        await until(lambda: bool(here.sessions))
        await quiet()
        await viewer.channel.send(main.ClientAgentToken(1))
        await viewer.receive(agent.AnnounceCapabilities)
        for number in range(100):  # each takes the place of the one before
            here.clipboards[CLIPBOARD].offer([TEXT, ClipboardType(1 + number % 6)], read_text)
        await viewer.send(agent.ClipboardRequest(CLIPBOARD, TEXT))
        await viewer.channel.send(main.ClientAgentToken(2))
        assert (await viewer.receive(agent.ClipboardGrab)).types[1] == 1 + 99 % 6
        await viewer.channel.send(main.ClientAgentToken(100))
        assert (await viewer.receive(agent.ClipboardMessage)).data == b"x" * 100_000


async def test_a_viewer_that_takes_no_answers_is_heard_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "WAITING_LIMIT", 1000)
    async with open_stage() as stage, stage.server.open_agent() as here, open_talker(stage, start=False) as viewer:
        await viewer.start(0)
        for _ in range(WINDOW - 1):
            await viewer.send(agent.DisplayConfig(0, 0))
        await until(lambda: bool(here.sessions))
        await quiet()
        (session,) = here.sessions
        assert session._transport._waiting_bytes < 2000
        assert session._transport._pieces
        await viewer.channel.send(main.ClientAgentToken(LIMITLESS))
        for _ in range(WINDOW - 1):
            await viewer.receive(agent.Reply)


async def test_large_messages_of_two_viewers_at_once_arrive_whole() -> None:
    async with (
        open_stage() as stage,
        stage.server.open_agent() as here,
        open_talker(stage) as one,
        open_talker(stage) as other,
    ):
        texts: dict[Talker, bytes] = {one: b"1" * 3_000_000, other: b"2" * 3_000_000}
        for viewer, selection in ((one, CLIPBOARD), (other, Selection.PRIMARY)):
            await viewer.send(agent.ClipboardGrab(selection, 0, (TEXT,)))
            await here.clipboards[selection].offered.wait_value(lambda offer: offer is not None)
        read: dict[Selection, bytes] = {}

        async def ask(selection: Selection) -> None:
            offer = here.clipboards[selection].offered.value
            assert offer is not None
            read[selection] = await offer.read(TEXT)

        async def give(viewer: Talker) -> None:
            request = await viewer.receive(agent.ClipboardRequest)
            await viewer.send(agent.ClipboardMessage(request.selection, TEXT, texts[viewer]))

        async with trio.open_nursery() as nursery:
            for viewer in texts:
                nursery.start_soon(give, viewer)
            for selection in (CLIPBOARD, Selection.PRIMARY):
                nursery.start_soon(ask, selection)
        assert read == {CLIPBOARD: texts[one], Selection.PRIMARY: texts[other]}


async def test_a_viewer_that_stops_in_the_middle_of_a_message_hurts_only_itself() -> None:
    async with (
        open_stage() as stage,
        stage.server.open_agent() as here,
        open_talker(stage) as half,
        open_talker(stage) as whole,
    ):
        await half.send(agent.ClipboardGrab(CLIPBOARD, 0, (TEXT,)))
        offer = await here.clipboards[CLIPBOARD].offered.wait_value(lambda offer: offer is not None)
        assert offer is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(offer.read, TEXT)
            await half.receive(agent.ClipboardRequest)
            await half.send_raw(frame(agent.ClipboardMessage(CLIPBOARD, TEXT, bytes(50_000)), half.dialect)[:20_000])
            await whole.send(agent.ClipboardGrab(CLIPBOARD, 0, (TEXT,)))
            other = await here.clipboards[CLIPBOARD].offered.wait_value(lambda now: now is not offer)
            assert other is not None
            nursery.start_soon(whole.send, agent.ClipboardMessage(CLIPBOARD, TEXT, b"whole"))
            assert await other.read(TEXT) == b"whole"
            nursery.cancel_scope.cancel()
        assert len(stage.server.clients.value) == 2


async def flood(viewer: Talker) -> None:
    await viewer.channel.send(*[main.ClientAgentData(CONFIG)] * (WINDOW + 1))


async def give_too_many_tokens(viewer: Talker) -> None:
    await viewer.channel.send(main.ClientAgentToken(LIMITLESS), main.ClientAgentToken(LIMITLESS))


def raw(data: bytes) -> Callable[[Talker], object]:
    async def send(viewer: Talker) -> None:
        await viewer.channel.send(main.ClientAgentData(data))

    return send


def header(kind: int, size: int, protocol: int = 1) -> bytes:
    return protocol.to_bytes(4, "little") + kind.to_bytes(4, "little") + bytes(8) + size.to_bytes(4, "little")


@pytest.mark.parametrize(
    "fault",
    [
        flood,
        give_too_many_tokens,
        raw(b""),
        raw(CONFIG[:19]),
        raw(CONFIG + b"!"),
        raw(CONFIG + CONFIG),
        raw(header(AgentMessage.DISPLAY_CONFIG, 8, protocol=2) + bytes(8)),
        raw(header(AgentMessage.DISPLAY_CONFIG, 65)),
        raw(header(AgentMessage.MONITORS_CONFIG, 8 + 28 * 256 + 1)),
        raw(header(AgentMessage.FILE_XFER_DATA, 0xFFFFFFFF)),
        raw(header(AgentMessage.FILE_XFER_START, 0x7FFFFFFF)),
        raw(header(AgentMessage.CLIPBOARD_GRAB, 1025)),
        raw(header(AgentMessage.MONITORS_CONFIG, 8) + b"\xff" * 8),
        raw(header(AgentMessage.CLIPBOARD_GRAB, 8) + b"\x03" + bytes(7)),
        raw(header(AgentMessage.DISPLAY_CONFIG, 4) + bytes(4)),
        raw(header(AgentMessage.ANNOUNCE_CAPABILITIES, 0)),
    ],
    ids=[
        "flood",
        "tokens",
        "empty",
        "cut header",
        "a byte more",
        "two in one piece",
        "protocol",
        "display config",
        "monitors",
        "file data",
        "file start",
        "grab",
        "count",
        "selection",
        "short",
        "nothing",
    ],
)
async def test_a_viewer_that_breaks_the_agents_rules_is_ended_and_no_other(
    fault: Callable[[Talker], object],
) -> None:
    async with (
        open_stage() as stage,
        stage.server.open_agent(),
        open_talker(stage) as good,
        open_talker(stage, start=False) as bad,
    ):
        await bad.start(LIMITLESS - 5)
        stage.nursery.start_soon(fault, bad)
        await closed(bad.channel)
        await stage.server.clients.wait_value(lambda viewers: len(viewers) == 1)
        await good.nothing()


@pytest.mark.parametrize(("kind", "size"), [(77, 100_000), (AgentMessage.MOUSE_STATE, 13), (AgentMessage.REPLY, 8)])
async def test_messages_that_mean_nothing_to_the_agent_are_passed_over(kind: int, size: int) -> None:
    async with open_stage() as stage, stage.server.open_agent(), open_talker(stage) as viewer:
        await viewer.send_raw(header(kind, size) + bytes(size))
        await viewer.nothing()


async def test_a_message_without_a_body_may_end_with_its_header() -> None:
    async with open_stage() as stage, stage.server.open_agent(), open_talker(stage) as viewer:
        await viewer.send_raw(header(AgentMessage.CLIENT_DISCONNECTED, 0))
        await viewer.nothing()
