"""What is copied anywhere can be pasted everywhere else, as far as the owner of the server wants that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from spicetrio import ClipboardError, ClipboardType, CopyPaste, Selection, Ticket
from spicetrio.agent import clipboardpeer
from spicetrio.server.tickets import Role
from spicetrio.wire import agent, main
from spicetrio.wire.agent import Dialect
from spicetrio.wire.enums import AgentCapability
from tests.agent.talk import ALL, LIMITLESS, PLAIN, Talker, open_talker, quiet
from tests.channels.stage import Stage, open_stage

TEXT, PNG, NONE = ClipboardType.UTF8_TEXT, ClipboardType.IMAGE_PNG, ClipboardType.NONE
FILES = ClipboardType.FILE_LIST
CLIPBOARD, PRIMARY = Selection.CLIPBOARD, Selection.PRIMARY


def reader(data: bytes) -> Callable[[ClipboardType], Awaitable[bytes]]:
    async def read(kind: ClipboardType) -> bytes:
        await trio.lowlevel.checkpoint()
        return kind.name.encode() + data

    return read


async def answer(talker: Talker, data: bytes, kind: ClipboardType = TEXT) -> None:
    """Be asked for something once, and give it."""
    request = await talker.receive(agent.ClipboardRequest)
    await talker.send(agent.ClipboardMessage(request.selection, kind, data))


@pytest.mark.parametrize("size", [0, 10, 10_000_000], ids=["nothing", "10 bytes", "10 MB"])
async def test_a_viewer_pastes_what_was_copied_here(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    async with open_stage() as stage, stage.server.open_agent() as here, open_talker(stage) as viewer:
        here.clipboards[PRIMARY].offer([TEXT, PNG], reader(data[:size]))
        assert await viewer.receive(agent.ClipboardGrab) == agent.ClipboardGrab(PRIMARY, 0, (TEXT, PNG))
        await viewer.send(agent.ClipboardRequest(PRIMARY, PNG))
        pasted = await viewer.receive(agent.ClipboardMessage)
        assert pasted == agent.ClipboardMessage(PRIMARY, PNG, b"IMAGE_PNG" + data[:size])


@pytest.mark.parametrize("size", [0, 10, 10_000_000], ids=["nothing", "10 bytes", "10 MB"])
async def test_what_was_copied_at_a_viewer_is_pasted_here(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    async with open_stage() as stage, stage.server.open_agent() as here, open_talker(stage) as viewer:
        await viewer.send(agent.ClipboardGrab(CLIPBOARD, 0, (PNG, 77, TEXT)))
        offer = await here.clipboards[CLIPBOARD].offered.wait_value(lambda offer: offer is not None)
        assert offer is not None
        assert offer.types == (PNG, TEXT)
        stage.nursery.start_soon(answer, viewer, data[:size])
        assert await offer.read(TEXT) == data[:size]


async def test_what_was_copied_at_one_viewer_is_pasted_at_another() -> None:
    async with (
        open_stage() as stage,
        stage.server.open_agent(),
        open_talker(stage) as one,
        open_talker(stage) as other,
    ):
        await one.send(agent.ClipboardGrab(CLIPBOARD, 0, (TEXT,)))
        assert (await other.receive(agent.ClipboardGrab)).types == (TEXT,)
        await other.send(agent.ClipboardRequest(CLIPBOARD, TEXT))
        await answer(one, b"from one to the other")
        assert (await other.receive(agent.ClipboardMessage)).data == b"from one to the other"
        await one.nothing()
        await one.send(agent.ClipboardRelease(CLIPBOARD))
        assert await other.receive(agent.ClipboardRelease) == agent.ClipboardRelease(CLIPBOARD)


async def test_lists_of_files_come_here_with_their_viewer_and_not_to_other_viewers() -> None:
    async with (
        open_stage() as stage,
        stage.server.open_agent() as here,
        open_talker(stage) as one,
        open_talker(stage) as other,
    ):
        clipboard = here.clipboards[CLIPBOARD]
        await one.send(agent.ClipboardGrab(CLIPBOARD, 0, (FILES, TEXT)))
        assert (await other.receive(agent.ClipboardGrab)).types == (TEXT,)
        await other.send(agent.ClipboardRequest(CLIPBOARD, FILES))
        assert (await other.receive(agent.ClipboardMessage)).kind == NONE
        await one.send(agent.ClipboardGrab(CLIPBOARD, 0, (FILES,)))
        assert await other.receive(agent.ClipboardRelease) == agent.ClipboardRelease(CLIPBOARD)
        offer = await clipboard.offered.wait_value(lambda offer: offer is not None and offer.types == (FILES,))
        assert offer is not None
        assert offer.viewer is stage.server.clients.value[0]
        stage.nursery.start_soon(answer, one, b"copy\0/x\0", FILES)
        assert await offer.read(FILES) == b"copy\0/x\0"
        await other.nothing()


async def test_lists_of_files_do_not_come_where_files_are_switched_off() -> None:
    async with (
        open_stage(agent_file_xfer=False) as stage,
        stage.server.open_agent() as here,
        open_talker(stage) as viewer,
    ):
        await viewer.send(agent.ClipboardGrab(CLIPBOARD, 0, (FILES, TEXT)))
        offer = await here.clipboards[CLIPBOARD].offered.wait_value(lambda offer: offer is not None)
        assert offer is not None
        assert offer.types == (TEXT,)
        await viewer.send(agent.ClipboardGrab(CLIPBOARD, 0, (FILES,)))
        await here.clipboards[CLIPBOARD].offered.wait_value(None)


async def test_the_latest_copy_counts_and_earlier_ones_are_gone() -> None:
    async with open_stage() as stage, stage.server.open_agent() as here, open_talker(stage) as viewer:
        clipboard = here.clipboards[CLIPBOARD]
        await viewer.send(agent.ClipboardGrab(CLIPBOARD, 0, (TEXT,)))
        first = await clipboard.offered.wait_value(lambda offer: offer is not None)
        clipboard.offer([PNG], reader(b""))
        assert clipboard.offered.value is None
        assert first is not None
        with pytest.raises(ClipboardError, match="gone"):
            await first.read(TEXT)
        await viewer.send(agent.ClipboardRelease(CLIPBOARD))  # of what does not count any more
        await viewer.send(agent.ClipboardRequest(CLIPBOARD, PNG))
        assert (await viewer.receive(agent.ClipboardMessage)).kind == PNG
        clipboard.withdraw()
        assert await viewer.receive(agent.ClipboardRelease) == agent.ClipboardRelease(CLIPBOARD)
        clipboard.withdraw()
        await viewer.nothing()


async def test_a_newcomer_is_told_what_can_be_pasted() -> None:
    async with open_stage() as stage, stage.server.open_agent() as here:
        here.clipboards[CLIPBOARD].offer([TEXT], reader(b""))
        async with open_talker(stage) as viewer:
            assert (await viewer.receive(agent.ClipboardGrab)).types == (TEXT,)


async def test_viewers_that_know_one_selection_share_that_one() -> None:
    async with (
        open_stage() as stage,
        stage.server.open_agent() as here,
        open_talker(stage, capabilities=PLAIN) as viewer,
    ):
        here.clipboards[PRIMARY].offer([PNG], reader(b""))
        here.clipboards[CLIPBOARD].offer([TEXT], reader(b"!"))
        assert (await viewer.receive(agent.ClipboardGrab)).types == (TEXT,)
        await viewer.send(agent.ClipboardRequest(CLIPBOARD, TEXT))
        assert (await viewer.receive(agent.ClipboardMessage)).data == b"UTF8_TEXT!"
        await viewer.send(agent.ClipboardGrab(CLIPBOARD, 0, (PNG,)))
        offer = await here.clipboards[CLIPBOARD].offered.wait_value(lambda offer: offer is not None)
        assert offer is not None
        stage.nursery.start_soon(answer, viewer, b"pixels", PNG)
        assert await offer.read(PNG) == b"pixels"


async def test_a_viewer_that_copies_at_the_same_time_wins() -> None:
    """Its grab was sent before it saw ours; it drops ours for that, so ours must not count here (spec AG-7)."""
    async with open_stage() as stage, stage.server.open_agent() as here, open_talker(stage) as viewer:
        here.clipboards[CLIPBOARD].offer([TEXT], reader(b""))
        assert (await viewer.receive(agent.ClipboardGrab)).serial == 0
        await viewer.send(agent.ClipboardGrab(CLIPBOARD, 0, (PNG,)))
        await here.clipboards[CLIPBOARD].offered.wait_value(lambda offer: offer is not None)
        here.clipboards[CLIPBOARD].offer([TEXT], reader(b""))
        assert (await viewer.receive(agent.ClipboardGrab)).serial == 1


@pytest.mark.parametrize("allowed", [CopyPaste.TO_VIEWER, CopyPaste.FROM_VIEWER, CopyPaste.OFF])
async def test_nothing_passes_in_a_direction_that_is_off(allowed: CopyPaste) -> None:
    async with (
        open_stage(copy_paste=allowed) as stage,
        stage.server.open_agent() as here,
        open_talker(stage) as viewer,
        open_talker(stage) as other,
    ):
        on = AgentCapability.CLIPBOARD_BY_DEMAND in (viewer.agent_capabilities or ())
        assert on == (allowed is not CopyPaste.OFF)
        clipboard = here.clipboards[CLIPBOARD]
        await viewer.send(agent.ClipboardGrab(CLIPBOARD, 0, (TEXT,)))
        await viewer.nothing()
        assert (clipboard.offered.value is not None) == (CopyPaste.FROM_VIEWER in allowed)
        clipboard.offer([PNG], reader(b"secret"))
        if CopyPaste.TO_VIEWER in allowed:
            assert (await other.receive(agent.ClipboardGrab)).types == (PNG,)
        else:
            await other.nothing()
        await other.send(agent.ClipboardRequest(CLIPBOARD, PNG))
        assert ((await other.receive(agent.ClipboardMessage)).kind == PNG) == (CopyPaste.TO_VIEWER in allowed)


async def test_between_viewers_it_takes_both_directions() -> None:
    for allowed in (CopyPaste.TO_VIEWER, CopyPaste.FROM_VIEWER):
        async with (
            open_stage(copy_paste=allowed) as stage,
            stage.server.open_agent(),
            open_talker(stage) as one,
            open_talker(stage) as other,
        ):
            await one.send(agent.ClipboardGrab(CLIPBOARD, 0, (TEXT,)))
            await one.nothing()
            await other.nothing()


async def test_a_viewer_that_may_only_view_copies_and_pastes_nothing() -> None:
    async with (
        open_stage(tickets=(Ticket("view", Role.VIEW), Ticket("control"))) as stage,
        stage.server.open_agent() as here,
        open_talker(stage, password="view") as viewer,
    ):
        clipboard = here.clipboards[CLIPBOARD]
        assert AgentCapability.CLIPBOARD_BY_DEMAND not in (viewer.agent_capabilities or ())
        await viewer.send(agent.ClipboardGrab(CLIPBOARD, 0, (TEXT,)), agent.MonitorsConfig(0, (agent.Monitor(6, 8),)))
        clipboard.offer([PNG], reader(b"secret"))
        await viewer.send(agent.ClipboardRequest(CLIPBOARD, PNG))
        assert await viewer.next_message() == agent.ClipboardMessage(CLIPBOARD, NONE, b"")
        assert clipboard.offered.value is None
        assert here.monitors.value is None


async def test_what_is_not_offered_is_answered_with_nothing() -> None:
    async with open_stage() as stage, stage.server.open_agent() as here, open_talker(stage) as viewer:
        for selection, kind in ((CLIPBOARD, TEXT), (PRIMARY, 77)):
            await viewer.send(agent.ClipboardRequest(selection, kind))
            assert await viewer.receive(agent.ClipboardMessage) == agent.ClipboardMessage(selection, NONE, b"")

        async def refuse(kind: ClipboardType) -> bytes:
            raise ClipboardError("not today")

        here.clipboards[CLIPBOARD].offer([TEXT], refuse)
        await viewer.send(agent.ClipboardRequest(CLIPBOARD, TEXT))
        assert (await viewer.receive(agent.ClipboardMessage)).kind == NONE
        with pytest.raises(ValueError, match="types"):
            here.clipboards[CLIPBOARD].offer([], refuse)


async def test_what_is_too_large_is_not_pasted_in_either_direction() -> None:
    async with (
        open_stage(clipboard_limit=100_000) as stage,
        stage.server.open_agent() as here,
        open_talker(stage) as viewer,
    ):
        clipboard = here.clipboards[CLIPBOARD]
        await viewer.send(agent.ClipboardGrab(CLIPBOARD, 0, (TEXT,)))
        offer = await clipboard.offered.wait_value(lambda offer: offer is not None)
        assert offer is not None
        stage.nursery.start_soon(answer, viewer, bytes(100_001))
        with pytest.raises(ClipboardError, match="more than the 100000"):
            await offer.read(TEXT)
        await quiet()
        stage.nursery.start_soon(answer, viewer, bytes(100_000))
        assert await offer.read(TEXT) == bytes(100_000)
        clipboard.offer([PNG], reader(bytes(100_000)))
        await viewer.send(agent.ClipboardRequest(CLIPBOARD, PNG))
        assert (await viewer.receive(agent.ClipboardMessage)).kind == NONE
        clipboard.offer([PNG], reader(bytes(1000)))
        await viewer.send(agent.MaxClipboard(1000), agent.ClipboardRequest(CLIPBOARD, PNG))
        assert (await viewer.receive(agent.ClipboardMessage)).kind == NONE
        await viewer.send(agent.MaxClipboard(-1), agent.ClipboardRequest(CLIPBOARD, PNG))
        assert (await viewer.receive(agent.ClipboardMessage)).kind == PNG


async def test_what_nobody_asked_for_is_not_kept() -> None:
    async with (
        open_stage() as stage,
        stage.server.open_agent() as here,
        open_talker(stage) as viewer,
    ):
        await viewer.send(agent.ClipboardMessage(CLIPBOARD, TEXT, bytes(1_000_000)))
        await viewer.send(agent.ClipboardGrab(CLIPBOARD, 0, (TEXT,)))
        offer = await here.clipboards[CLIPBOARD].offered.wait_value(lambda offer: offer is not None)
        assert offer is not None
        stage.nursery.start_soon(answer, viewer, b"what was asked for")
        assert await offer.read(TEXT) == b"what was asked for"


async def test_reading_from_a_viewer_that_leaves_refuses_or_is_silent_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_stage() as stage, stage.server.open_agent() as here:
        clipboard = here.clipboards[CLIPBOARD]
        async with open_talker(stage) as viewer:
            await viewer.send(agent.ClipboardGrab(CLIPBOARD, 0, (TEXT,)))
            offer = await clipboard.offered.wait_value(lambda offer: offer is not None)
            assert offer is not None
            with pytest.raises(ClipboardError, match="only as"):
                await offer.read(PNG)
            stage.nursery.start_soon(answer, viewer, b"", NONE)
            with pytest.raises(ClipboardError, match="does not give it"):
                await offer.read(TEXT)
            monkeypatch.setattr(clipboardpeer, "SILENCE", 0.02)
            with pytest.raises(ClipboardError, match="in time"):
                await offer.read(TEXT)
            monkeypatch.undo()
            async with trio.open_nursery() as nursery:

                async def leave() -> None:
                    await viewer.receive(agent.ClipboardRequest)
                    await viewer.channel.stream.aclose()

                nursery.start_soon(leave)
                with pytest.raises(ClipboardError, match="left"):
                    await offer.read(TEXT)
        assert clipboard.offered.value is None
        with pytest.raises(ClipboardError, match="gone"):
            await offer.read(TEXT)


async def test_a_fault_in_what_the_application_reads_comes_out_at_the_agent_and_no_viewer_ends() -> None:
    async def fail(kind: ClipboardType) -> bytes:
        raise RuntimeError("a fault of the application")

    async def paste(stage: Stage, viewer: Talker) -> None:
        async with stage.server.open_agent() as here:
            viewer.tokens = 64
            await viewer.start()
            here.clipboards[CLIPBOARD].offer([TEXT], fail)
            await viewer.send(agent.ClipboardRequest(CLIPBOARD, TEXT))
            await trio.sleep_forever()

    async with open_stage() as stage, open_talker(stage, start=False) as viewer:
        with pytest.raises(BaseExceptionGroup) as caught:
            await paste(stage, viewer)
        assert caught.group_contains(RuntimeError, match="a fault of the application")
        assert len(stage.server.clients.value) == 1


async def test_one_viewer_is_answered_a_few_requests_at_a_time() -> None:
    started = 0
    go_on = trio.Event()

    async def slow(kind: ClipboardType) -> bytes:
        nonlocal started
        started += 1
        await go_on.wait()
        return b"at last"

    async with open_stage() as stage, stage.server.open_agent() as here, open_talker(stage) as viewer:
        here.clipboards[CLIPBOARD].offer([TEXT], slow)
        requests = [agent.ClipboardRequest(CLIPBOARD, TEXT)] * (clipboardpeer.MAX_ANSWERS + 1)
        await viewer.send(*requests)
        assert (await viewer.receive(agent.ClipboardMessage)).kind == NONE
        go_on.set()
        for _ in range(clipboardpeer.MAX_ANSWERS):
            assert (await viewer.receive(agent.ClipboardMessage)).data == b"at last"
        assert started == clipboardpeer.MAX_ANSWERS


async def test_a_viewer_is_told_of_offers_once_both_ends_know_what_the_other_can_read() -> None:
    async with open_stage() as stage, stage.server.open_agent() as here, open_talker(stage, start=False) as viewer:
        here.clipboards[CLIPBOARD].offer([TEXT], reader(b""))
        await viewer.channel.send(main.AgentStart(LIMITLESS))
        await viewer.send(agent.AnnounceCapabilities(0, ALL))
        await viewer.nothing()
        here.clipboards[CLIPBOARD].offer([PNG], reader(b""))
        await viewer.send(agent.AnnounceCapabilities(1, ALL))
        assert isinstance(await viewer.next_message(), agent.AnnounceCapabilities)
        viewer.dialect = Dialect.of(ALL)
        assert await viewer.next_message() == agent.ClipboardGrab(CLIPBOARD, 0, (PNG,))
