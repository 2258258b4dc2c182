"""The link stage, against real sockets and streams in memory."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from trio.testing import MockClock, wait_all_tasks_blocked

import spicetrio
from spicetrio.wire import base, main
from spicetrio.wire.buffer import ReadBuffer
from spicetrio.wire.enums import AuthMechanism, ChannelType, CommonCapability, MainCapability
from spicetrio.wire.framing import Framing
from spicetrio.wire.link import Capabilities, LinkHeader, LinkMessage, LinkReply, with_header
from tests import peer
from tests.peer import CAPS_LESS, FULL_HEADER, MODERN, PeerChannel, RefusedError, open_viewer, read_exactly

from .rig import Note, Rig, open_rig, read_to_end, receive

Connect = Callable[[], Awaitable[trio.abc.Stream]]

SECRET = "sésame"


@asynccontextmanager
async def memory() -> AsyncIterator[tuple[spicetrio.Server, Connect]]:
    async with open_rig(ticket=SECRET, failure_delay=0.01) as rig:
        yield rig.server, rig.connect


@asynccontextmanager
async def tcp() -> AsyncIterator[tuple[spicetrio.Server, Connect]]:
    async with spicetrio.open_server(port=0, ticket=SECRET, failure_delay=0.01) as server:
        port = int(server.addresses[0].rpartition(":")[2])
        yield server, partial(trio.open_tcp_stream, "127.0.0.1", port)


@asynccontextmanager
async def unix(path: str) -> AsyncIterator[tuple[spicetrio.Server, Connect]]:
    async with spicetrio.open_server(unix=path, ticket=SECRET, failure_delay=0.01) as server:
        yield server, partial(trio.open_unix_socket, path)


@pytest.fixture(params=["memory", "tcp", "unix"])
async def served(request: pytest.FixtureRequest, tmp_path: object) -> AsyncIterator[tuple[spicetrio.Server, Connect]]:
    make = {"memory": memory, "tcp": tcp, "unix": lambda: unix(f"{tmp_path}/spice")}[request.param]
    with trio.fail_after(20):
        async with make() as pair:
            yield pair


def ask(
    channel_type: int = ChannelType.MAIN, channel_id: int = 0, connection_id: int = 0, common: Capabilities = MODERN
) -> bytes:
    return with_header(LinkMessage(connection_id, channel_type, channel_id, common, Capabilities()))


def header(size: int, *, major: int = 2, minor: int = 2) -> bytes:
    return b"REDQ" + b"".join(value.to_bytes(4, "little") for value in (major, minor, size))


def capabilities(common: int, channel: int, offset: int, words: int) -> bytes:
    fixed = bytes(4) + b"\1\0" + b"".join(value.to_bytes(4, "little") for value in (common, channel, offset))
    return header(18 + 4 * words) + fixed + bytes(4 * words)


async def read_reply(stream: trio.abc.Stream) -> LinkReply:
    head = LinkHeader.pull(ReadBuffer(await read_exactly(stream, 16)))
    return LinkReply.pull(ReadBuffer(await read_exactly(stream, head.size)))


async def check_alive(server: spicetrio.Server, connect: Connect) -> None:
    """The next one is served as if nothing had happened."""
    async with open_viewer(connect, password=SECRET):
        assert len(server.clients.value) == 1
    await server.clients.wait_value(())


# Refused before the reply: a whole reply, its other fields empty, then the end


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 2, id="http"),
        pytest.param(b"RFB 003.008\n", 2, id="vnc"),
        pytest.param(b"\x16\3\1\2", 2, id="tls, four bytes are enough"),
        pytest.param(b"redq" + header(18)[4:], 2, id="lower case"),
        pytest.param(header(18, major=0), 4, id="major 0"),
        pytest.param(header(18, major=1), 4, id="major 1"),
        pytest.param(header(18, major=3), 4, id="major 3"),
        pytest.param(header(2**32 - 1, major=3), 4, id="version before size"),
        pytest.param(header(0), 3, id="no size"),
        pytest.param(header(17), 3, id="too short"),
        pytest.param(header(4097), 3, id="too long"),
        pytest.param(header(2**32 - 1), 3, id="far too long"),
        pytest.param(capabilities(1, 0, 17, 1), 3, id="capabilities inside"),
        pytest.param(capabilities(1, 0, 19, 1), 3, id="capabilities past the end"),
        pytest.param(capabilities(2, 0, 18, 1), 3, id="too few capabilities"),
        pytest.param(capabilities(1, 0, 2**32 - 4, 1), 3, id="capabilities that wrap around"),
        pytest.param(capabilities(1025, 0, 18, 1019), 3, id="too many common capabilities"),
        pytest.param(capabilities(0, 1025, 18, 1019), 3, id="too many channel capabilities"),
        pytest.param(capabilities(2**31, 2**31, 18, 0), 3, id="a sum that wraps around"),
        pytest.param(ask(ChannelType.DISPLAY), 9, id="no such display"),
        pytest.param(ask(ChannelType.USBREDIR, 3), 9, id="no such kind here"),
        pytest.param(ask(0), 9, id="type 0"),
        pytest.param(ask(200, 200), 9, id="unknown type"),
    ],
)
async def test_a_wrong_link_is_told_why_in_a_reply(
    served: tuple[spicetrio.Server, Connect], data: bytes, code: int
) -> None:
    server, connect = served
    async with await connect() as stream:
        await stream.send_all(data)
        assert await read_to_end(stream) == with_header(LinkReply(code))
    assert server.clients.value == ()
    await check_alive(server, connect)


async def test_a_refusal_arrives_although_more_was_sent(served: tuple[spicetrio.Server, Connect]) -> None:
    _, connect = served
    async with await connect() as stream:
        await stream.send_all(header(5000) + bytes(5000))
        assert await read_to_end(stream) == with_header(LinkReply(3))


# The reply


async def test_the_reply_has_a_key_and_what_the_server_can_do(served: tuple[spicetrio.Server, Connect]) -> None:
    _, connect = served
    async with await connect() as stream:
        await stream.send_all(ask())
        data = await read_exactly(stream, 16 + 178 + 8)
    assert data[:16] == header(178 + 8)
    reply = LinkReply.pull(ReadBuffer(data[16:]))
    key = load_der_public_key(reply.public_key)
    assert isinstance(key, rsa.RSAPublicKey)
    assert (key.key_size, key.public_numbers().e, len(reply.public_key)) == (1024, 65537, 162)
    assert reply.common_capabilities.words() == (0b1011,)
    assert reply.channel_capabilities == {MainCapability.NAME_AND_UUID, MainCapability.AGENT_CONNECTED_TOKENS}


async def test_the_minor_version_and_the_id_of_main_do_not_matter(served: tuple[spicetrio.Server, Connect]) -> None:
    _, connect = served
    async with await connect() as stream:
        message = ask(channel_id=7)
        await stream.send_all(message[:8] + b"\xff\xff\xff\xff" + message[12:])
        assert (await read_reply(stream)).error == 0


async def test_every_link_has_a_key_of_its_own() -> None:
    with trio.fail_after(20):
        async with tcp() as (_, connect):
            keys = set()
            for _ in range(20):  # more than the pool has
                async with await connect() as stream:
                    await stream.send_all(ask())
                    keys.add((await read_reply(stream)).public_key)
            assert len(keys) == 20


# Refused after the reply: one word, then the end


@pytest.mark.parametrize("mechanism", [0, AuthMechanism.SASL, 3, 0x51444552, 2**32 - 1])
async def test_another_mechanism_is_invalid_data(served: tuple[spicetrio.Server, Connect], mechanism: int) -> None:
    server, connect = served
    async with await connect() as stream:
        await stream.send_all(ask())
        await read_reply(stream)
        await stream.send_all(mechanism.to_bytes(4, "little"))
        assert await read_to_end(stream) == b"\3\0\0\0"
    await check_alive(server, connect)


@pytest.mark.parametrize("ticket", [bytes(128), b"\xff" * 128, bytes(127) + b"\1", b"\x5a" * 128])
async def test_what_the_key_does_not_decrypt_is_refused(
    served: tuple[spicetrio.Server, Connect], ticket: bytes
) -> None:
    server, connect = served
    async with await connect() as stream:
        await stream.send_all(ask())
        await read_reply(stream)
        await stream.send_all(b"\1\0\0\0" + ticket)
        assert await read_to_end(stream) == b"\7\0\0\0"
    await check_alive(server, connect)


@pytest.mark.parametrize("password", ["", "wrong", SECRET[:-1], SECRET + "x", SECRET.upper(), "x" * 80, "\0" + SECRET])
async def test_a_wrong_ticket_is_refused(served: tuple[spicetrio.Server, Connect], password: str) -> None:
    server, connect = served
    with pytest.raises(RefusedError) as caught:
        async with open_viewer(connect, password=password):
            pass
    assert (caught.value.code, caught.value.in_reply) == (7, False)
    assert server.clients.value == ()
    await check_alive(server, connect)


async def test_what_follows_the_nul_of_a_ticket_does_not_count(served: tuple[spicetrio.Server, Connect]) -> None:
    _, connect = served
    async with open_viewer(connect, password=SECRET + "\0rubbish"):
        pass


async def test_a_ticket_is_worth_nothing_on_another_link() -> None:
    with trio.fail_after(20):
        async with tcp() as (_, connect), await connect() as first, await connect() as second:
            await first.send_all(ask())
            await second.send_all(ask())
            key = (await read_reply(first)).public_key
            await read_reply(second)
            ticket = b"\1\0\0\0" + peer.encrypt(key, SECRET)
            await second.send_all(ticket)
            assert await read_to_end(second) == b"\7\0\0\0"
            await first.send_all(ticket)
            assert await read_exactly(first, 4) == bytes(4)


async def test_a_key_is_asked_for_even_without_ticketing() -> None:
    async with open_rig(failure_delay=0) as rig, await rig.connect() as stream:
        await stream.send_all(ask())
        await read_reply(stream)
        await stream.send_all(b"\1\0\0\0" + bytes(128))
        assert await read_to_end(stream) == b"\7\0\0\0"
        async with open_viewer(rig.connect, password="anything"):
            pass


@pytest.mark.parametrize("channel_type", [ChannelType.PORT, ChannelType.MAIN])
async def test_an_unknown_connection_id_is_refused(channel_type: int) -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        for connection_id in (viewer.init.session_id ^ 1, 2**32 - 1):
            with pytest.raises(RefusedError) as caught:
                await viewer.open(channel_type, connection_id=connection_id)
            assert (caught.value.code, caught.value.in_reply) == (8, False)
        with pytest.raises(RefusedError) as caught:
            await viewer.open(ChannelType.PORT, connection_id=0)
        assert (caught.value.code, caught.value.in_reply) == (8, False)
        assert len(rig.server.clients.value) == 1


async def test_a_connection_id_is_no_way_into_main() -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        with pytest.raises(RefusedError) as caught:
            await viewer.open(ChannelType.MAIN)
        assert (caught.value.code, caught.value.in_reply) == (8, False)
        assert len(rig.server.clients.value) == 1


async def test_the_connection_id_of_one_who_left_is_unknown() -> None:
    async with open_rig() as rig:
        async with open_viewer(rig.connect) as viewer:
            pass
        await rig.server.clients.wait_value(())
        with pytest.raises(RefusedError) as caught:
            await viewer.open(ChannelType.PORT)
        assert caught.value.code == 8


async def test_a_channel_that_the_viewer_has_is_refused_and_the_first_goes_on() -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        first = await viewer.open(ChannelType.PORT)
        for _ in range(2):
            with pytest.raises(RefusedError) as caught:
                await viewer.open(ChannelType.PORT)
            assert (caught.value.code, caught.value.in_reply) == (9, False)
        await receive(first, Note)
        await first.send(Note(b"still here"))
        assert await receive(first, Note)
        assert len(rig.echo.clients) == 1
        await first.stream.aclose()
        await wait_all_tasks_blocked()
        await viewer.open(ChannelType.PORT)


async def test_two_links_for_one_channel_at_once_give_one() -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        outcomes = []

        async def try_it() -> None:
            try:
                await viewer.open(ChannelType.PORT)
                outcomes.append(0)
            except RefusedError as error:
                outcomes.append(error.code)

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(try_it)
        assert sorted(outcomes) == [0, 9, 9, 9, 9]


async def test_a_channel_that_goes_while_a_link_proves_itself_is_refused() -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        second = type(rig.echo)(1, rig.server.settings)
        async with rig.server.channel_opened(second):
            stream = await rig.connect()
            await stream.send_all(ask(ChannelType.PORT, 1, viewer.init.session_id))
            reply = await read_reply(stream)
            assert reply.error == 0
        await stream.send_all(b"\1\0\0\0" + peer.encrypt(reply.public_key, ""))
        assert await read_to_end(stream) == b"\x09\0\0\0"


async def test_viewers_beyond_the_limit_are_refused_until_one_leaves() -> None:
    async with open_rig(max_viewers=2) as rig, open_viewer(rig.connect):
        async with open_viewer(rig.connect):
            with pytest.raises(RefusedError) as caught:
                async with open_viewer(rig.connect):
                    pass
            assert (caught.value.code, caught.value.in_reply) == (1, False)
            assert len(rig.server.clients.value) == 2
        await rig.server.clients.wait_value(lambda viewers: len(viewers) == 1)
        async with open_viewer(rig.connect):
            pass


async def test_every_connection_of_a_viewer_proves_itself() -> None:
    async with open_rig(ticket=SECRET, failure_delay=0) as rig, open_viewer(rig.connect, password=SECRET) as viewer:
        with pytest.raises(RefusedError) as caught:
            await peer.link(
                await rig.connect(),
                ChannelType.PORT,
                connection_id=viewer.init.session_id,
                password="wrong",
            )
        assert caught.value.code == 7
        assert rig.echo.clients == ()
        await viewer.open(ChannelType.PORT)


# Kinds of clients


@pytest.mark.parametrize(
    ("common", "head"),
    [
        pytest.param(MODERN, "6700 20000000", id="modern"),
        pytest.param(Capabilities({CommonCapability.MINI_HEADER}), "6700 20000000", id="mini header alone"),
        pytest.param(FULL_HEADER, "0100000000000000 6700 20000000 00000000", id="full header"),
        pytest.param(CAPS_LESS, "0100000000000000 6700 20000000 00000000", id="no capabilities"),
    ],
)
async def test_the_client_decides_the_headers_and_whether_there_is_a_mechanism(
    served: tuple[spicetrio.Server, Connect], common: Capabilities, head: str
) -> None:
    _, connect = served
    async with await connect() as stream:
        channel = await peer.link(stream, ChannelType.MAIN, password=SECRET, common=common)
        first = await read_exactly(stream, len(bytes.fromhex(head)))
        assert first == bytes.fromhex(head)
        channel.framing.receive_data(first)
        assert isinstance(await channel.receive(), main.Init)
        await channel.send(main.AttachChannels())
        await receive(channel, main.ChannelsList)


def answer(key: bytes, *messages: base.Ack) -> bytes:
    framing = Framing(mini=True, limits=None)
    sent = b"".join(bytes(buffer) for message in messages for buffer in framing.send(message))
    return b"\1\0\0\0" + peer.encrypt(key, SECRET) + sent


async def test_all_that_a_client_knows_may_come_in_one_write(served: tuple[spicetrio.Server, Connect]) -> None:
    _, connect = served
    async with await connect() as stream:
        await stream.send_all(ask() + b"\1\0\0\0")
        key = (await read_reply(stream)).public_key
        await stream.send_all(answer(key, main.AttachChannels(), base.Ack())[4:])
        assert await read_exactly(stream, 4) == bytes(4)
        channel = PeerChannel(stream, ChannelType.MAIN, Framing(mini=True, limits=None))
        assert isinstance(await channel.receive(), main.Init)
        await receive(channel, main.ChannelsList)


async def test_a_link_may_come_byte_by_byte(served: tuple[spicetrio.Server, Connect]) -> None:
    _, connect = served
    async with await connect() as stream:
        for byte in ask():
            await stream.send_all(bytes([byte]))
        key = (await read_reply(stream)).public_key
        for byte in answer(key, main.AttachChannels()):
            await stream.send_all(bytes([byte]))
        assert await read_exactly(stream, 4) == bytes(4)
        channel = PeerChannel(stream, ChannelType.MAIN, Framing(mini=True, limits=None))
        assert isinstance(await channel.receive(), main.Init)
        await receive(channel, main.ChannelsList)


# Deadlines, limits and delays


STAGES = {
    "nothing": b"",
    "half a magic": b"RE",
    "magic": b"REDQ",
    "half a header": ask()[:10],
    "header": ask()[:16],
    "half a message": ask()[:-1],
    "message": ask(),
    "mechanism": ask() + b"\1\0\0\0",
    "half a ticket": ask() + b"\1\0\0\0" + bytes(127),
}

each_stage = pytest.mark.parametrize("data", STAGES.values(), ids=STAGES)


@each_stage
async def test_a_link_that_takes_too_long_is_closed(autojump_clock: MockClock, data: bytes) -> None:
    async with open_rig(link_timeout=7) as rig, await rig.connect() as stream:
        began = trio.current_time()
        if data:
            await stream.send_all(data)
        await read_to_end(stream)
        assert trio.current_time() - began == pytest.approx(7)
        async with open_viewer(rig.connect):
            pass


async def test_a_link_that_trickles_is_closed_in_time_too(autojump_clock: MockClock) -> None:
    async with open_rig(link_timeout=7) as rig, await rig.connect() as stream:
        began = trio.current_time()

        async def trickle() -> None:
            for byte in header(4096) + bytes(4096):
                await stream.send_all(bytes([byte]))
                await trio.sleep(1)

        with pytest.raises((trio.BrokenResourceError, trio.ClosedResourceError)):
            await trickle()
        assert trio.current_time() - began <= 8


@each_stage
async def test_a_peer_that_leaves_is_no_fault(caplog: pytest.LogCaptureFixture, data: bytes) -> None:
    async with open_rig() as rig:
        stream = await rig.connect()
        if data:
            await stream.send_all(data)
        await wait_all_tasks_blocked()
        await stream.aclose()
        await wait_all_tasks_blocked()
        assert rig.server._half_open._scopes == {}
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


async def test_time_after_the_link_is_not_counted(autojump_clock: MockClock) -> None:
    async with open_rig(link_timeout=5) as rig, open_viewer(rig.connect) as viewer:
        channel = await viewer.open(ChannelType.PORT)
        await trio.sleep(20)
        await channel.send(Note(b"x"))
        assert await receive(channel, Note)


async def open_streams(rig: Rig, *peers: str) -> list[trio.abc.Stream]:
    """Connections that came one after the other and say nothing."""
    streams = []
    for name in peers:
        streams.append(await rig.connect(name))
        await wait_all_tasks_blocked()
    return streams


async def survivors(streams: list[trio.abc.Stream]) -> list[int]:
    """Which of them the server has not closed; it sends nothing."""
    closed = set()

    async def wait(number: int) -> None:
        assert await streams[number].receive_some(1) == b""
        closed.add(number)

    async with trio.open_nursery() as nursery:
        for number in range(len(streams)):
            nursery.start_soon(wait, number)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return sorted(set(range(len(streams))) - closed)


async def test_of_too_many_half_open_links_the_oldest_gives_way() -> None:
    async with open_rig(max_half_open=3) as rig:
        streams = await open_streams(rig, "a", "b", "c")
        assert await survivors(streams) == [0, 1, 2]
        streams += await open_streams(rig, "d", "e")
        assert await survivors(streams) == [2, 3, 4]


async def test_of_too_many_half_open_links_of_one_peer_its_oldest_gives_way() -> None:
    async with open_rig(max_half_open_per_peer=2) as rig:
        streams = await open_streams(rig, "other", "a", "a")
        assert await survivors(streams) == [0, 1, 2]
        streams += await open_streams(rig, "a", "other", "a")
        assert await survivors(streams) == [0, 3, 4, 5]


async def test_links_that_come_in_the_same_instant_are_all_counted() -> None:
    async with open_rig(max_half_open=4) as rig:
        streams = [await rig.connect(str(number)) for number in range(20)]
        await wait_all_tasks_blocked()
        assert len(await survivors(streams)) == 4
    async with open_rig(max_half_open_per_peer=4) as rig:
        streams = [await rig.connect() for number in range(20)]
        await wait_all_tasks_blocked()
        assert len(await survivors(streams)) == 4


async def test_half_open_links_keep_no_one_out() -> None:
    async with open_rig(max_half_open=3) as rig:
        await open_streams(rig, *"abcdefgh")
        async with open_viewer(rig.connect) as viewer:
            await viewer.open(ChannelType.PORT)


async def test_links_that_proved_themselves_are_not_half_open() -> None:
    async with open_rig(max_half_open=1, max_half_open_per_peer=1) as rig, open_viewer(rig.connect) as first:
        async with open_viewer(rig.connect) as second:
            for viewer in (first, second):
                channel = await viewer.open(ChannelType.PORT)
                await channel.send(Note(b"x"))
                await receive(channel, Note)
        assert rig.server._half_open._scopes == {}


async def fail(rig: Rig, name: str) -> float:
    """Seconds that a wrong ticket waits for its answer."""
    began = trio.current_time()
    async with await rig.connect(name) as stream:
        with pytest.raises(RefusedError) as caught:
            await peer.link(stream, ChannelType.MAIN, password="wrong")
    assert caught.value.code == 7
    return trio.current_time() - began


async def test_the_delay_of_failures_doubles_for_each_peer(autojump_clock: MockClock) -> None:
    async with open_rig(ticket=SECRET, failure_delay=0.5) as rig:
        assert [await fail(rig, "a") for _ in range(6)] == pytest.approx([0.5, 1, 2, 4, 4, 4])
        assert [await fail(rig, "b") for _ in range(2)] == pytest.approx([0.5, 1])
        await trio.sleep(61)
        assert await fail(rig, "a") == pytest.approx(0.5)


async def test_all_of_an_address_wait_for_one_who_failed_and_dropped_its_connection(autojump_clock: MockClock) -> None:
    async with open_rig(ticket=SECRET, failure_delay=5) as rig:
        began = trio.current_time()
        with trio.move_on_after(0.3):
            await fail(rig, "a")
        for _ in range(2):
            async with open_viewer(lambda: rig.connect("a"), password=SECRET):
                assert trio.current_time() - began == pytest.approx(5)


async def test_who_waits_for_its_judgement_and_leaves_is_not_judged(autojump_clock: MockClock) -> None:
    async with open_rig(ticket=SECRET, failure_delay=2) as rig:
        began = trio.current_time()
        for _ in range(5):
            with trio.move_on_after(0.3):
                await fail(rig, "a")
        async with open_viewer(lambda: rig.connect("a"), password=SECRET):
            assert trio.current_time() - began == pytest.approx(2)


async def test_what_is_sent_while_a_ticket_waits_is_for_the_channel(autojump_clock: MockClock) -> None:
    async with open_rig(ticket=SECRET, failure_delay=2) as rig:
        with trio.move_on_after(0.3):
            await fail(rig, "a")
        async with await rig.connect("a") as stream:
            await stream.send_all(ask())
            key = (await read_reply(stream)).public_key
            await stream.send_all(answer(key))
            await wait_all_tasks_blocked()
            await stream.send_all(answer(key, main.AttachChannels())[len(answer(key)) :])
            assert await read_exactly(stream, 4) == bytes(4)
            channel = PeerChannel(stream, ChannelType.MAIN, Framing(mini=True, limits=None))
            assert isinstance(await channel.receive(), main.Init)
            await receive(channel, main.ChannelsList)


async def test_others_do_not_wait_for_one_who_failed(autojump_clock: MockClock) -> None:
    async with open_rig(ticket=SECRET, failure_delay=5) as rig, trio.open_nursery() as nursery:
        nursery.start_soon(fail, rig, "a")
        await trio.sleep(1)
        began = trio.current_time()
        async with open_viewer(lambda: rig.connect("b"), password=SECRET):
            assert trio.current_time() == began


async def test_secrets_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_rig(ticket=SECRET, failure_delay=0) as rig:
        async with await rig.connect() as stream:
            with pytest.raises(RefusedError):
                await peer.link(stream, ChannelType.MAIN, password="my other password")
        async with open_viewer(rig.connect, password=SECRET):
            pass
        await rig.server.clients.wait_value(())
    assert caplog.records
    assert SECRET not in caplog.text
    assert "other" not in caplog.text
