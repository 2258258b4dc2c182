"""Tickets of several viewers, and what changes when they do."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

import spicetrio
from spicetrio import EventKind, Role, Settings, Ticket
from spicetrio.wire.enums import ChannelType
from tests.peer import RefusedError, open_viewer

from .rig import Note, Rig, open_rig, receive

OWNER = Ticket("owner's", name="owner")
GUEST = Ticket("guest's", Role.VIEW, "guest")


async def code_of(rig: Rig, password: str) -> int:
    """What a new viewer with this password is told; 0 if it is let in."""
    try:
        async with open_viewer(rig.connect, password=password):
            return 0
    except RefusedError as error:
        return -1 if error.in_reply else error.code


async def test_each_ticket_lets_in_with_its_role_and_name() -> None:
    async with (
        open_rig(tickets=(OWNER, GUEST), failure_delay=0) as rig,
        open_viewer(rig.connect, password="owner's"),
        open_viewer(rig.connect, password="guest's"),
    ):
        owner, guest = rig.server.clients.value
        assert (owner.role, owner.ticket) == (Role.CONTROL, OWNER)
        assert (guest.role, guest.ticket) == (Role.VIEW, GUEST)
        assert "'guest'" in repr(guest)
        assert await code_of(rig, "anybody") == 7


async def test_the_short_form_is_a_ticket_with_full_control_beside_the_others() -> None:
    async with (
        open_rig(ticket="short", tickets=(GUEST,), failure_delay=0) as rig,
        open_viewer(rig.connect, password="short"),
        open_viewer(rig.connect, password="guest's"),
    ):
        assert [client.role for client in rig.server.clients.value] == [Role.CONTROL, Role.VIEW]


async def test_without_ticketing_everybody_controls() -> None:
    async with open_rig() as rig, open_viewer(rig.connect, password="whatever"):
        assert rig.server.clients.value[0].role is Role.CONTROL


async def test_a_channel_with_the_ticket_of_another_viewer_is_refused() -> None:
    async with (
        open_rig(ticket="owner's", tickets=(GUEST,), failure_delay=0) as rig,
        open_viewer(rig.connect, password="owner's") as owner,
        open_viewer(rig.connect, password="guest's") as guest,
    ):
        for viewer, other in ((guest, owner), (owner, guest)):
            # By a connection id that it has seen somewhere, a guest would get the keyboard of the owner.
            with pytest.raises(RefusedError) as caught:
                await viewer.open(ChannelType.PORT, connection_id=other.init.session_id)
            assert (caught.value.code, caught.value.in_reply) == (7, False)
        assert rig.echo.clients == ()
        for viewer in (owner, guest):
            await receive(await viewer.open(ChannelType.PORT), Note)


def test_a_ticket_lets_in_until_it_expires_and_those_who_are_in_stay() -> None:
    clock = MockClock()
    clock.autojump_threshold = 0

    async def main() -> None:
        expires = trio.current_time() + 10
        brief = Ticket("brief", expires=expires)
        async with (
            open_rig(tickets=(brief, GUEST), failure_delay=1) as rig,
            open_viewer(rig.connect, password="brief") as viewer,
        ):
            await trio.sleep_until(expires)
            assert await code_of(rig, "brief") == 0
            await trio.sleep_until(expires + 0.001)
            assert await code_of(rig, "brief") == 7
            assert await code_of(rig, "guest's") == 0
            assert [client.ticket for client in rig.server.clients.value][:1] == [brief]
            with pytest.raises(RefusedError) as caught:
                await viewer.open(ChannelType.PORT)
            assert caught.value.code == 7

    trio.run(main, clock=clock)


async def test_tickets_change_while_the_server_runs() -> None:
    async with (
        open_rig(tickets=(OWNER, GUEST), failure_delay=0) as rig,
        open_viewer(rig.connect, password="guest's") as guest,
    ):
        assert rig.server.tickets == (OWNER, GUEST)
        rig.server.tickets = [OWNER, Ticket("new")]
        assert rig.server.tickets == (OWNER, Ticket("new"))
        assert await code_of(rig, "guest's") == 7
        assert await code_of(rig, "new") == 0
        assert await code_of(rig, "owner's") == 0
        assert rig.server.clients.value[0].ticket == GUEST  # it stays,
        with pytest.raises(RefusedError):  # but a further channel is another link
            await guest.open(ChannelType.PORT)
        rig.server.tickets = []
        assert await code_of(rig, "owner's") == 7
        rig.server.tickets = (GUEST,)
        await receive(await guest.open(ChannelType.PORT), Note)


async def test_a_ticket_that_changes_under_way_counts_as_it_is_when_it_is_looked_at() -> None:
    async with open_rig(tickets=(OWNER,), failure_delay=0) as rig:
        with rig.server.events() as events:

            async def change_once_linked() -> None:
                assert (await anext(events)).kind is EventKind.CONNECTED
                rig.server.tickets = [GUEST]

            async with trio.open_nursery() as nursery:
                nursery.start_soon(change_once_linked)
                assert await code_of(rig, "owner's") == 7


async def test_a_password_of_two_tickets_lets_in_while_one_of_them_does() -> None:
    async with open_rig(tickets=(OWNER,), failure_delay=0) as rig:
        rig.server.tickets = [Ticket("same", expires=trio.current_time() - 1), Ticket("same", name="valid")]
        async with open_viewer(rig.connect, password="same"):
            assert rig.server.clients.value[0].ticket.name == "valid"


async def test_tickets_are_not_set_where_nobody_is_asked_for_one() -> None:
    async with open_rig() as rig:
        with pytest.raises(ValueError, match="ticketing is disabled"):
            rig.server.tickets = [OWNER]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ticket": "same", "tickets": (Ticket("same", Role.VIEW),)}, "same password"),
        ({"tickets": (Ticket("same"), Ticket("same", name="b"))}, "same password"),
        ({"tickets": (OWNER,), "disable_ticketing": True}, "choose one"),
        ({}, "give a ticket"),
    ],
)
def test_tickets_that_make_no_sense_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("password", ["", "x" * 61, "é" * 31, "a\0b"])
def test_a_password_that_clients_cannot_send_is_no_ticket(password: str) -> None:
    with pytest.raises(ValueError, match="the ticket"):
        Ticket(password)


def test_a_password_is_in_no_text() -> None:
    assert "owner's" not in repr(OWNER)
    assert "owner's" not in repr(Settings(tickets=(OWNER,)))
    assert spicetrio.Ticket is Ticket
