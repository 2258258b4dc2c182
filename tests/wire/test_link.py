from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spicetrio.wire.buffer import ReadBuffer, WriteBuffer
from spicetrio.wire.enums import CommonCapability, LinkErrorCode
from spicetrio.wire.errors import (
    InvalidDataError,
    InvalidMagicError,
    LinkError,
    RemoteProtocolError,
    VersionMismatchError,
)
from spicetrio.wire.link import (
    HEADER_SIZE,
    MAX_LINK_SIZE,
    PUBLIC_KEY_SIZE,
    Capabilities,
    LinkHeader,
    LinkMessage,
    LinkReply,
    result,
    with_header,
)

HEADER = bytes.fromhex("52454451 02000000 02000000 1a000000")
MESSAGE = LinkMessage(0x01020304, 2, 3, Capabilities({0, 1, 3}), Capabilities({33}))
# One common word, two channel words.
MESSAGE_BODY = bytes.fromhex("04030201 02 03 01000000 02000000 12000000 0b000000 00000000 02000000")
KEY = bytes(range(PUBLIC_KEY_SIZE))
REPLY = LinkReply(0, KEY, Capabilities({0, 1, 3}), Capabilities({0, 1, 2, 3}))
REPLY_BODY = bytes(4) + KEY + bytes.fromhex("01000000 01000000 b2000000 0b000000 0f000000")


def link_body(common: int, channel: int, offset: int, words: bytes = b"") -> bytes:
    fixed = bytes(6) + b"".join(value.to_bytes(4, "little") for value in (common, channel, offset))
    return fixed + words


def pull_header(data: bytes) -> LinkHeader:
    return LinkHeader.pull(ReadBuffer(data))


def pull_message(data: bytes) -> LinkMessage:
    return LinkMessage.pull(ReadBuffer(data))


# Capability words


@pytest.mark.parametrize(
    ("capabilities", "words"),
    [((), ()), ((0,), (1,)), ((31,), (0x80000000,)), ((32,), (0, 1)), ((0, 1, 3), (11,)), ((1, 64), (2, 0, 1))],
)
def test_capability_n_is_bit_n_mod_32_of_word_n_div_32(capabilities: tuple[int, ...], words: tuple[int, ...]) -> None:
    assert Capabilities(capabilities).words() == words
    assert Capabilities.from_words(words) == Capabilities(capabilities)


def test_absent_words_are_zero() -> None:
    assert CommonCapability.MINI_HEADER not in Capabilities.from_words(())
    assert Capabilities.from_words((1, 0, 0)) == Capabilities({0})


def test_enum_members_are_found() -> None:
    assert CommonCapability.MINI_HEADER in Capabilities.from_words((8,))


@given(st.sets(st.integers(0, 200)))
def test_capabilities_come_back_as_words(capabilities: set[int]) -> None:
    assert Capabilities.from_words(Capabilities(capabilities).words()) == capabilities


# LinkHeader


def test_header_vector() -> None:
    assert pull_header(HEADER) == LinkHeader(26)
    buffer = WriteBuffer()
    LinkHeader(26).push(buffer)
    assert b"".join(buffer.finish()) == HEADER
    assert len(HEADER) == HEADER_SIZE


@pytest.mark.parametrize("size", range(HEADER_SIZE))
def test_half_a_header_is_no_header(size: int) -> None:
    with pytest.raises(RemoteProtocolError):
        pull_header(HEADER[:size])


@pytest.mark.parametrize("magic", [b"QDER", b"REDX", b"redq", b"GET ", b"RFB ", bytes(4)])
def test_another_magic_is_refused(magic: bytes) -> None:
    with pytest.raises(InvalidMagicError) as caught:
        pull_header(magic + HEADER[4:])
    assert caught.value.code == LinkErrorCode.INVALID_MAGIC


@pytest.mark.parametrize("major", [0, 1, 3, 2**32 - 1])
def test_another_major_version_is_refused(major: int) -> None:
    with pytest.raises(VersionMismatchError) as caught:
        pull_header(HEADER[:4] + major.to_bytes(4, "little") + HEADER[8:])
    assert caught.value.code == LinkErrorCode.VERSION_MISMATCH


@pytest.mark.parametrize("minor", [0, 1, 3, 2**32 - 1])
def test_the_minor_version_does_not_matter(minor: int) -> None:
    assert pull_header(HEADER[:8] + minor.to_bytes(4, "little") + HEADER[12:]) == LinkHeader(26, 2, minor)


@pytest.mark.parametrize(("size", "good"), [(0, 0), (17, 0), (18, 1), (4096, 1), (4097, 0), (2**32 - 1, 0)])
def test_a_link_has_18_to_4096_bytes(size: int, good: bool) -> None:
    data = HEADER[:12] + size.to_bytes(4, "little")
    if good:
        assert pull_header(data).size == size
        return
    with pytest.raises(InvalidDataError) as caught:
        pull_header(data)
    assert caught.value.code == LinkErrorCode.INVALID_DATA


# LinkMessage


def test_message_vector() -> None:
    assert pull_message(MESSAGE_BODY) == MESSAGE
    assert with_header(MESSAGE) == HEADER[:12] + bytes.fromhex("1e000000") + MESSAGE_BODY


def test_a_message_may_have_anything_behind_it() -> None:
    assert pull_message(MESSAGE_BODY + b"more") == MESSAGE


@pytest.mark.parametrize("size", range(len(MESSAGE_BODY)))
def test_half_a_message_is_refused(size: int) -> None:
    with pytest.raises(RemoteProtocolError if size < 18 else InvalidDataError):
        pull_message(MESSAGE_BODY[:size])


def test_the_capabilities_may_be_elsewhere() -> None:
    assert pull_message(link_body(1, 1, 22, b"????\x01\0\0\0\x02\0\0\0")) == LinkMessage(
        0, 0, 0, Capabilities({0}), Capabilities({1})
    )


@pytest.mark.parametrize("offset", [0, 1, 17, 18, 4096, 2**32 - 1])
def test_without_capabilities_their_place_does_not_matter(offset: int) -> None:
    assert pull_message(link_body(0, 0, offset)) == LinkMessage(0, 0, 0, Capabilities(), Capabilities())


@pytest.mark.parametrize(
    ("common", "channel", "offset", "words"),
    [
        (1, 0, 17, 1),  # inside the fixed part
        (0, 1, 0, 1),
        (1, 0, 19, 1),  # a byte past the end
        (1, 1, 18, 1),
        (0, 2, 18, 1),
        (1, 0, 22, 1),
        (1, 0, 23, 1),
        (1, 0, 2**32 - 1, 1),
        (1, 0, 2**32 - 4, 1),  # wraps around to the start
        (1025, 0, 18, 1019),
        (0, 1025, 18, 1019),
        (1024, 1024, 18, 1019),
        (2**32 - 1, 2**32 - 1, 18, 1019),
        (2**31, 2**31, 18, 0),  # the sum wraps around to 0
        (2**30, 0, 18, 0),  # the bytes wrap around to 0
    ],
)
def test_capabilities_that_are_not_there_are_refused(common: int, channel: int, offset: int, words: int) -> None:
    with pytest.raises(InvalidDataError) as caught:
        pull_message(link_body(common, channel, offset, bytes(4 * words)))
    assert caught.value.code == LinkErrorCode.INVALID_DATA


def test_as_many_capabilities_as_fit_are_taken() -> None:
    words = (MAX_LINK_SIZE - 18) // 4
    for common in (0, 1, words):
        message = pull_message(link_body(common, words - common, 18, b"\1\0\0\0" * words))
        assert (0 in message.common_capabilities, 0 in message.channel_capabilities) == (common > 0, words > common)


def test_a_link_full_of_capabilities_takes_little_memory() -> None:
    data = link_body(509, 510, 18, b"\xff" * 4 * 1019)
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    message = pull_message(data)
    peak = tracemalloc.get_traced_memory()[1] - before
    if not tracing:
        tracemalloc.stop()
    assert {0, 255} <= message.common_capabilities
    assert {0, 255} <= message.channel_capabilities
    assert peak < 200_000


capabilities = st.builds(Capabilities, st.sets(st.integers(0, 255)))


@given(st.integers(0, 2**32 - 1), st.integers(0, 255), st.integers(0, 255), capabilities, capabilities)
def test_messages_come_back(connection: int, kind: int, number: int, common: Capabilities, own: Capabilities) -> None:
    message = LinkMessage(connection, kind, number, common, own)
    data = with_header(message)
    assert pull_header(data[:HEADER_SIZE]).size == len(data) - HEADER_SIZE
    assert pull_message(data[HEADER_SIZE:]) == message


@given(st.binary(min_size=18, max_size=120))
def test_any_link_is_a_message_or_refused(data: bytes) -> None:
    try:
        message = pull_message(data)
    except LinkError as error:
        assert error.code == LinkErrorCode.INVALID_DATA  # noqa: PT017 - a message is as good
    else:
        assert message.connection_id == int.from_bytes(data[:4], "little")


# LinkReply


def test_reply_vector() -> None:
    assert with_header(REPLY) == HEADER[:12] + bytes.fromhex("ba000000") + REPLY_BODY
    assert LinkReply.pull(ReadBuffer(REPLY_BODY)) == REPLY


def test_an_error_is_a_reply_that_is_otherwise_empty() -> None:
    data = with_header(LinkReply(LinkErrorCode.NEED_SECURED))
    assert data == HEADER[:12] + b"\xb2\0\0\0" + b"\5\0\0\0" + bytes(PUBLIC_KEY_SIZE + 12)
    assert len(data) == 194


def test_half_a_reply_is_refused() -> None:
    for size in range(len(REPLY_BODY)):
        with pytest.raises((RemoteProtocolError, InvalidDataError)):
            LinkReply.pull(ReadBuffer(REPLY_BODY[:size]))


def test_capabilities_inside_a_reply_are_refused() -> None:
    with pytest.raises(InvalidDataError):
        LinkReply.pull(ReadBuffer(REPLY_BODY.replace(b"\xb2\0\0\0", b"\xb1\0\0\0")))


@given(st.integers(0, 9), st.binary(min_size=162, max_size=162), capabilities, capabilities)
def test_replies_come_back(error: int, key: bytes, common: Capabilities, own: Capabilities) -> None:
    reply = LinkReply(error, key, common, own)
    assert LinkReply.pull(ReadBuffer(with_header(reply)[HEADER_SIZE:])) == reply


def test_the_result_is_one_word() -> None:
    assert result(LinkErrorCode.OK) == bytes(4)
    assert result(LinkErrorCode.CHANNEL_NOT_AVAILABLE) == b"\x09\0\0\0"


def subclasses(kind: type[LinkError]) -> set[type[LinkError]]:
    return set(kind.__subclasses__())


def test_every_refusal_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in subclasses(LinkError)]
    assert sorted([*codes, LinkError.code]) == sorted(set(LinkErrorCode) - {LinkErrorCode.OK})
