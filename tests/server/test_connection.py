"""The boundary around each connection: what is logged, once, and where an error ends."""

from __future__ import annotations

import logging

import pytest
import trio

from spicetrio.server.connection import Connection
from spicetrio.server.events import ConnectionEvent, EventKind, Events
from spicetrio.wire.errors import PermissionDeniedError, RemoteProtocolError


def told(*errors: BaseException) -> tuple[list[ConnectionEvent], Connection]:
    """What is told of a connection whose block ends so."""
    events = Events()
    with events.opened() as reader:
        connection = Connection(7, "192.0.2.1", events)
        with connection.opened(), connection.boundary():
            if len(errors) == 1:
                raise errors[0]
            if errors:
                raise BaseExceptionGroup("several", errors)
    return list(reader._events), connection


@pytest.mark.parametrize(
    ("errors", "level", "line"),
    [
        ([trio.BrokenResourceError()], "INFO", "the peer 192.0.2.1 left"),
        ([trio.ClosedResourceError()], "INFO", "the peer 192.0.2.1 left"),
        ([PermissionDeniedError("got a wrong ticket")], "INFO", "refused 192.0.2.1: got a wrong ticket"),
        ([RemoteProtocolError("got 3")], "WARNING", "ended the viewer at 192.0.2.1: got 3"),
        ([ZeroDivisionError()], "ERROR", "ended the viewer at 192.0.2.1: a fault of ours"),
    ],
)
async def test_an_error_is_logged_once_with_its_reason(
    errors: list[BaseException], level: str, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "spicetrio")
    told(*errors)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [(level, line)]
    assert (caplog.records[0].exc_info is not None) == (level == "ERROR")


@pytest.mark.parametrize(
    ("errors", "reason"),
    [
        ([], "the viewer left"),
        ([trio.BrokenResourceError()], "the viewer left"),
        ([trio.BrokenResourceError(), trio.ClosedResourceError()], "the viewer left"),
        ([trio.BrokenResourceError(), RemoteProtocolError("got 3")], "got 3"),
        ([RemoteProtocolError("got 3"), trio.BrokenResourceError()], "got 3"),
        ([ExceptionGroup("inner", [RemoteProtocolError("got 3")]), KeyError("x")], "got 3"),
        ([KeyError("x"), trio.BrokenResourceError()], "a fault of ours: BrokenResourceError, KeyError"),
    ],
)
async def test_the_reason_is_the_cause_and_not_what_followed_from_it(errors: list[BaseException], reason: str) -> None:
    events, connection = told(*errors)
    assert [(event.kind, event.reason) for event in events] == [
        (EventKind.CONNECTED, ""),
        (EventKind.DISCONNECTED, reason),
    ]
    assert connection.reason == reason


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
async def test_what_is_no_error_of_a_viewer_goes_on(error: type[BaseException]) -> None:
    with pytest.raises(BaseException) as caught:
        told(error())
    assert isinstance(caught.value, error) or caught.group_contains(error)


async def test_a_cancellation_goes_on_and_the_end_is_told() -> None:
    events = Events()
    with events.opened() as reader, trio.CancelScope() as scope:
        connection = Connection(7, "192.0.2.1", events)
        with connection.opened(), connection.boundary():
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert [event.reason for event in reader._events] == ["", "the server ended it"]


async def test_the_first_reason_stands() -> None:
    events = Events()
    with events.opened() as reader:
        connection = Connection(7, "192.0.2.1", events)
        with connection.opened(), connection.boundary():
            connection.refused("its link took too long")
    assert reader._events[-1].reason == "its link took too long"
