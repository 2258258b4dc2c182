"""What holds for every message of every channel."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spicetrio.wire import (
    agent,
    base,
    cursor,
    display,
    enums,
    inputs,
    main,
    playback,
    port,
    record,
    smartcard,
    streamdevice,
    vmc,
)
from spicetrio.wire.buffer import Message, ReadBuffer, marshal
from spicetrio.wire.errors import RemoteProtocolError

from . import (
    strategies,
    test_agent,
    test_base,
    test_cursor,
    test_display,
    test_draw,
    test_inputs,
    test_main,
    test_playback,
    test_port,
    test_record,
    test_smartcard,
    test_stream,
    test_streamdevice,
    test_vmc,
)
from .vectors import check_bounded

CHANNELS: list[tuple[type[IntEnum], Mapping[int, type[Message]]]] = [
    (enums.BaseMessage, base.SERVER_MESSAGES),
    (enums.BaseClientMessage, base.CLIENT_MESSAGES),
    (enums.MainMessage, main.SERVER_MESSAGES),
    (enums.MainClientMessage, main.CLIENT_MESSAGES),
    (enums.DisplayMessage, display.SERVER_MESSAGES),
    (enums.DisplayClientMessage, display.CLIENT_MESSAGES),
    (enums.CursorMessage, cursor.SERVER_MESSAGES),
    (enums.InputsMessage, inputs.SERVER_MESSAGES),
    (enums.InputsClientMessage, inputs.CLIENT_MESSAGES),
    (enums.StreamDeviceMessage, streamdevice.MESSAGES),
    (enums.VmcMessage, vmc.SERVER_MESSAGES),
    (enums.VmcClientMessage, vmc.CLIENT_MESSAGES),
    (enums.PortMessage, port.SERVER_MESSAGES),
    (enums.PortClientMessage, port.CLIENT_MESSAGES),
    (enums.SmartcardMessage, smartcard.SERVER_MESSAGES),
    (enums.SmartcardClientMessage, smartcard.CLIENT_MESSAGES),
    (enums.PlaybackMessage, playback.SERVER_MESSAGES),
    (enums.RecordMessage, record.SERVER_MESSAGES),
    (enums.RecordClientMessage, record.CLIENT_MESSAGES),
    (enums.AgentMessage, agent.MESSAGES),
]

VECTOR_MODULES: list[ModuleType] = [
    test_agent,
    test_base,
    test_cursor,
    test_display,
    test_draw,
    test_inputs,
    test_main,
    test_port,
    test_smartcard,
    test_playback,
    test_record,
    test_stream,
    test_streamdevice,
    test_vmc,
]

each_message = pytest.mark.parametrize(
    "kind", strategies.MESSAGES, ids=lambda kind: f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}"
)


@pytest.mark.parametrize(("numbers", "messages"), CHANNELS, ids=lambda value: getattr(value, "__name__", ""))
def test_each_number_has_a_message(numbers: type[IntEnum], messages: Mapping[int, type[Message]]) -> None:
    assert set(messages) == set(numbers)
    for number, message in messages.items():
        assert message.TYPE is numbers(number)
        name = "".join(word.capitalize() for word in message.TYPE.name.split("_"))
        # MouseMode is the enum, and LIST would be a builtin.
        assert message.__name__ in {name, f"Client{name}", f"{name}Message", f"Message{name}"}


def test_a_cursor_client_has_no_messages_of_its_own() -> None:
    assert not cursor.CLIENT_MESSAGES


def test_each_message_has_a_strategy() -> None:
    assert set(strategies.MESSAGES) == {kind for _, messages in CHANNELS for kind in messages.values()}


def test_each_message_has_a_vector() -> None:
    values = {type(vector.value) for module in VECTOR_MODULES for vector in module.VECTORS}
    assert set(strategies.MESSAGES) - values == {base.Notify, streamdevice.NotifyError}  # those have vectors apart


@each_message
def test_messages_are_frozen_and_slotted(kind: type[Message]) -> None:
    assert "__slots__" in vars(kind)
    assert vars(kind)["__dataclass_params__"].frozen


@each_message
@settings(max_examples=50)
@given(data=st.data())
def test_round_trip(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(strategies.MESSAGES[kind])
    marshalled = marshal(message)
    body = b"".join(marshalled.buffers)
    assert marshalled.size == len(body)
    assert marshalled.type == kind.TYPE
    assert kind.pull(ReadBuffer(body)) == message


@each_message
@settings(max_examples=50)
@given(data=st.data())
def test_damaged(kind: type[Message], data: st.DataObject) -> None:
    """A message some of whose bytes were overwritten, cut or added is read or refused, and nothing else."""
    body = bytearray(b"".join(marshal(data.draw(strategies.MESSAGES[kind])).buffers))
    for _ in range(data.draw(st.integers(1, 3))):
        pos = data.draw(st.integers(0, min(len(body), 120)))
        end = min(len(body), pos + data.draw(st.integers(0, 4)))
        body[pos:end] = data.draw(st.binary(max_size=4) | st.just(b"\xff" * 4))
    check_bounded(kind, bytes(body))


@settings(max_examples=300)
@given(body=st.binary(max_size=300) | st.builds(bytes.__mul__, st.binary(max_size=3), st.integers(0, 2000)))
def test_any_bytes(body: bytes) -> None:
    for kind in strategies.MESSAGES:
        try:
            kind.pull(ReadBuffer(body))
        except RemoteProtocolError as error:
            assert "got" in str(error)  # noqa: PT017


@pytest.mark.parametrize("body", [b"\xff" * 4096, b"\x01" * 4096, bytes(4096), b"\x04\0\0\0" * 1024])
@each_message
def test_bombs(kind: type[Message], body: bytes) -> None:
    check_bounded(kind, body)
