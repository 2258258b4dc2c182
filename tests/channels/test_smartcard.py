"""Card readers of all viewers are one stream of messages, and what is meant for one never reaches another."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import spicetrio
from spicetrio import CardMessage, Role, Ticket, VscType
from spicetrio.channels.smartcard import MAX_DATA, MAX_READERS, QUEUE_LENGTH
from spicetrio.wire import smartcard
from spicetrio.wire.enums import ChannelType, VscError
from spicetrio.wire.smartcard import UNDEFINED_READER
from tests.channels.devices import answers
from tests.channels.stage import closed, open_stage, receive
from tests.peer import PeerChannel, link, open_viewer
from tests.server.rig import open_rig

ATR = bytes.fromhex("3bff1300ff10000031fe4580")


def tell(kind: int, reader_id: int = UNDEFINED_READER, data: bytes = b"") -> smartcard.ClientData:
    return smartcard.ClientData(kind, reader_id, data)


async def answer(channel: PeerChannel) -> tuple[int, int]:
    """The reader and the code of the next answer to a change."""
    message = await receive(channel, smartcard.Data)
    assert message.type == VscType.ERROR
    return message.reader_id, int.from_bytes(bytes(message.data), "little")


async def add_reader(channel: PeerChannel, name: bytes = b"reader") -> int:
    await channel.send(tell(VscType.READER_ADD, data=name))
    reader_id, code = await answer(channel)
    assert code == VscError.SUCCESS
    return reader_id


def plain(message: CardMessage) -> tuple[VscType, int, bytes]:
    return message.type, message.reader_id, message.data


async def test_a_card_is_told_asked_and_taken_away() -> None:
    async with open_stage() as stage, stage.server.open_smartcard() as cards, stage.viewer() as viewer:
        channel = await viewer.open(ChannelType.SMARTCARD)
        async with channel.stream:
            reader = await add_reader(channel, b"Yubikey 0")
            assert plain(await anext(cards)) == (VscType.READER_ADD, reader, b"Yubikey 0")
            await channel.send(tell(VscType.ATR, reader, ATR))
            assert await answer(channel) == (reader, VscError.SUCCESS)
            message = await anext(cards)
            assert plain(message) == (VscType.ATR, reader, ATR)
            assert message.viewer is stage.server.clients.value[0]
            await cards.send(reader, b"\x00\xa4\x04\x00")
            assert await receive(channel, smartcard.Data) == smartcard.Data(VscType.APDU, reader, b"\x00\xa4\x04\x00")
            await channel.send(tell(VscType.APDU, reader, b"\x90\x00"), tell(VscType.ERROR, reader, b"\1\0\0\0"))
            assert plain(await anext(cards)) == (VscType.APDU, reader, b"\x90\x00")
            assert plain(await anext(cards)) == (VscType.ERROR, reader, b"\1\0\0\0")
            for kind in (VscType.CARD_REMOVE, VscType.READER_REMOVE):
                await channel.send(tell(kind, reader))
                assert await answer(channel) == (reader, VscError.SUCCESS)
                assert plain(await anext(cards)) == (kind, reader, b"")
            with pytest.raises(trio.BrokenResourceError):
                await cards.send(reader, b"x")


async def test_each_reader_of_each_viewer_is_asked_alone() -> None:
    async with (
        open_stage() as stage,
        stage.server.open_smartcard() as cards,
        stage.viewer() as first,
        stage.viewer() as second,
    ):
        channels = [await viewer.open(ChannelType.SMARTCARD) for viewer in (first, second)]
        readers = [await add_reader(channel) for channel in (channels[0], channels[1], channels[0])]
        assert len(set(readers)) == 3
        for reader, channel in zip(readers, (channels[0], channels[1], channels[0]), strict=True):
            await cards.send(reader, b"%d" % reader)
            assert await receive(channel, smartcard.Data) == smartcard.Data(VscType.APDU, reader, b"%d" % reader)
        assert [(await anext(cards)).reader_id for _ in readers] == readers
        await channels[0].stream.aclose()
        gone = [plain(await anext(cards)) for _ in range(2)]
        assert gone == [(VscType.READER_REMOVE, readers[0], b""), (VscType.READER_REMOVE, readers[2], b"")]
        again = await first.open(ChannelType.SMARTCARD)
        assert await add_reader(again) not in readers
        await again.stream.aclose()
        await channels[1].stream.aclose()


@pytest.mark.parametrize("kind", [VscType.ATR, VscType.APDU, VscType.CARD_REMOVE, VscType.ERROR])
async def test_a_message_of_a_reader_that_a_viewer_does_not_have_ends_that_connection_alone(kind: VscType) -> None:
    async with (
        open_stage() as stage,
        stage.server.open_smartcard() as cards,
        stage.viewer() as viewer,
        stage.viewer() as other,
    ):
        theirs = await other.open(ChannelType.SMARTCARD)
        reader = await add_reader(theirs)
        channel = await viewer.open(ChannelType.SMARTCARD)
        await channel.send(tell(kind, reader))
        await closed(channel)
        await answers(viewer)
        assert plain(await anext(cards)) == (VscType.READER_ADD, reader, b"reader")
        await cards.send(reader, b"still there")
        assert (await receive(theirs, smartcard.Data)).data == b"still there"
        await theirs.stream.aclose()


async def test_what_cannot_be_is_answered_with_an_error() -> None:
    async with open_stage() as stage, stage.server.open_smartcard(), stage.viewer() as viewer:
        channel = await viewer.open(ChannelType.SMARTCARD)
        async with channel.stream:
            await channel.send(tell(VscType.READER_REMOVE, 5))
            assert await answer(channel) == (5, VscError.GENERAL)
            for _ in range(MAX_READERS):
                await add_reader(channel)
            await channel.send(tell(VscType.READER_ADD))
            assert await answer(channel) == (UNDEFINED_READER, VscError.CANNOT_ADD_MORE_READERS)


async def test_messages_that_mean_nothing_here_are_passed_over() -> None:
    async with open_stage() as stage, stage.server.open_smartcard() as cards, stage.viewer() as viewer:
        channel = await viewer.open(ChannelType.SMARTCARD)
        async with channel.stream:
            await channel.send(tell(VscType.INIT, 7), tell(VscType.FLUSH, 7), tell(99, 7))
            reader = await add_reader(channel)
            assert plain(await anext(cards)) == (VscType.READER_ADD, reader, b"reader")


async def test_who_may_only_view_has_no_readers() -> None:
    async with (
        open_rig(tickets=(Ticket("guest's", Role.VIEW),)) as rig,
        rig.server.open_smartcard(),
        open_viewer(rig.connect, password="guest's") as viewer,
    ):
        channel = await viewer.open(ChannelType.SMARTCARD)
        await channel.send(tell(VscType.READER_ADD))
        assert await answer(channel) == (UNDEFINED_READER, VscError.CANNOT_ADD_MORE_READERS)
        await channel.stream.aclose()


async def test_an_application_that_takes_nothing_holds_up_that_channel_alone() -> None:
    async with open_stage() as stage, stage.server.open_smartcard() as cards, stage.viewer() as viewer:
        channel = await viewer.open(ChannelType.SMARTCARD)
        async with channel.stream:
            reader = await add_reader(channel)
            await channel.send(*[tell(VscType.APDU, reader, b"%d" % number) for number in range(2 * QUEUE_LENGTH)])
            await channel.send(tell(VscType.CARD_REMOVE, reader))
            await wait_all_tasks_blocked(0.01)
            await answers(viewer)
            assert len(cards._messages) == QUEUE_LENGTH
            taken = [(await anext(cards)).data for _ in range(2 * QUEUE_LENGTH + 1)]
            assert taken == [b"reader", *(b"%d" % number for number in range(2 * QUEUE_LENGTH))]
            assert await answer(channel) == (reader, VscError.SUCCESS)


async def test_a_viewer_that_does_not_read_holds_up_who_sends_to_it_until_it_leaves() -> None:
    async with open_stage() as stage, stage.server.open_smartcard() as cards, stage.viewer() as viewer:
        stream = await stage.connect(buffer=4096)
        channel = await link(stream, ChannelType.SMARTCARD, connection_id=viewer.init.session_id)
        reader = await add_reader(channel)
        ended = trio.Event()

        async def send() -> None:
            try:
                while True:
                    await cards.send(reader, bytes(MAX_DATA))
            except trio.BrokenResourceError:
                ended.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await wait_all_tasks_blocked(0.02)
            await answers(viewer)
            assert not ended.is_set()
            assert cards.clients[0].writer.peak_bytes < 2 * MAX_DATA
            await stream.aclose()
        assert ended.is_set()


async def test_an_apdu_that_is_none_is_refused() -> None:
    async with open_stage() as stage, stage.server.open_smartcard() as cards:
        assert isinstance(cards, spicetrio.Smartcard)
        with pytest.raises(ValueError, match=f"expected at most {MAX_DATA}"):
            await cards.send(0, bytes(MAX_DATA + 1))
        with pytest.raises(trio.BrokenResourceError):
            await cards.send(0, b"x")


async def test_there_is_one_smartcard_channel() -> None:
    async with open_stage() as stage, stage.server.open_smartcard():
        with pytest.raises(ValueError, match="there is a channel"):
            async with stage.server.open_smartcard():
                pass
