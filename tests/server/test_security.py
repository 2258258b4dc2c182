from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked, wait_all_threads_completed

from spicetrio.server.security import FORGET_AFTER, MAX_REMEMBERED_PEERS, POOL_SIZE, Gatekeeper, KeyPool, TicketKey
from spicetrio.server.settings import Settings
from spicetrio.server.tickets import Ticket
from spicetrio.wire.errors import PermissionDeniedError
from tests.peer import encrypt

from .rig import ticket_keys, until

# Keys


def test_the_public_key_is_rsa_1024_in_162_bytes() -> None:
    public = TicketKey().public
    key = load_der_public_key(public)
    assert isinstance(key, rsa.RSAPublicKey)
    assert (len(public), key.key_size, key.public_numbers().e) == (162, 1024, 65537)


@pytest.mark.parametrize("password", ["", "secret", "é" * 30, "x" * 85])
def test_a_ticket_is_decrypted(password: str) -> None:
    key = ticket_keys()[0]
    assert key.decrypt(encrypt(key.public, password)) == password.encode()


def test_a_ticket_ends_at_its_nul() -> None:
    key = ticket_keys()[0]
    assert key.decrypt(encrypt(key.public, "a\0b")) == b"a"


def test_a_ticket_for_another_key_is_refused() -> None:
    first, second, *_ = ticket_keys()
    with pytest.raises(PermissionDeniedError):
        second.decrypt(encrypt(first.public, "secret"))


@given(st.binary(min_size=128, max_size=128))
def test_any_bytes_are_refused_as_a_ticket(ticket: bytes) -> None:
    with pytest.raises(PermissionDeniedError):
        ticket_keys()[0].decrypt(ticket)


async def test_keys_are_made_ahead_and_given_once() -> None:
    pool = KeyPool()
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pool.run)
            taken = [await pool.take() for _ in range(POOL_SIZE + 4)]
            assert len({key.public for key in taken}) == POOL_SIZE + 4
            await until(lambda: pool._fill.statistics().current_buffer_used == POOL_SIZE)
            nursery.cancel_scope.cancel()
        await wait_all_threads_completed()
        assert [await pool.take() for _ in range(POOL_SIZE)]


async def test_giving_up_on_a_key_loses_none(autojump_clock: MockClock) -> None:
    pool = KeyPool()
    for _ in range(3):
        with trio.move_on_after(1):
            await pool.take()
    pool._fill.send_nowait(ticket_keys()[0])
    assert await pool.take() is ticket_keys()[0]


# Tickets


async def check(keeper: Gatekeeper, password: str, peer: str = "a") -> float:
    """Return the seconds that the answer took; PermissionDeniedError is a negative answer."""
    key = ticket_keys()[0]
    began = trio.current_time()
    try:
        await keeper.check_ticket(key, encrypt(key.public, password), peer, trio.sleep_forever)
    except PermissionDeniedError:
        return began - trio.current_time()
    return trio.current_time() - began


async def check_at_once(keeper: Gatekeeper, passwords: Sequence[str]) -> list[float]:
    """The same for tickets that come in the same instant, in this order."""
    took = [0.0] * len(passwords)

    async def note(number: int) -> None:
        took[number] = await check(keeper, passwords[number])

    async with trio.open_nursery() as nursery:
        for number in range(len(passwords)):
            nursery.start_soon(note, number)
            await wait_all_tasks_blocked()
    return took


async def test_the_right_ticket_is_no_wait_without_failures_and_once_they_were_answered(
    autojump_clock: MockClock,
) -> None:
    keeper = Gatekeeper(Settings(ticket="right", failure_delay=2))
    assert await check(keeper, "right") == 0
    assert await check(keeper, "wrong") == -2
    assert await check(keeper, "right") == 0
    assert await check_at_once(keeper, ["right"] * 4) == [0] * 4


async def test_after_a_failure_nobody_of_that_address_is_judged_for_a_while(autojump_clock: MockClock) -> None:
    keeper = Gatekeeper(Settings(ticket="right", failure_delay=1))
    assert await check_at_once(keeper, ["wrong", "right", "", "wrong", "right"]) == [-1, 1, -1, -3, 3]


async def test_a_guesser_who_drops_its_connections_has_one_guess_per_delay(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Gatekeeper(Settings(ticket="right", failure_delay=1))
    judge, judged, began = keeper._find, [], trio.current_time()

    def find(password: bytes) -> Ticket:
        judged.append(trio.current_time() - began)
        return judge(password)

    async def guess(password: str) -> None:
        with trio.move_on_after(0.3):
            await check(keeper, password)

    monkeypatch.setattr(keeper, "_find", find)
    async with trio.open_nursery() as nursery:
        for number in range(24 * 30):
            nursery.start_soon(guess, f"guess {number}")
            await trio.sleep(1 / 24)
    assert judged == pytest.approx([0, 1, 3, 7, 15, 23])


async def test_who_leaves_the_line_has_used_up_nothing_and_the_next_waits_all_the_same(
    autojump_clock: MockClock,
) -> None:
    keeper = Gatekeeper(Settings(ticket="right", failure_delay=4))
    with trio.move_on_after(1):
        await check(keeper, "wrong")
    with trio.move_on_after(1):
        await check(keeper, "wrong")
    assert await check(keeper, "right") == 2
    assert await check(keeper, "wrong") == -8


async def test_without_ticketing_any_password_is_right(autojump_clock: MockClock) -> None:
    keeper = Gatekeeper(Settings(disable_ticketing=True))
    assert await check(keeper, "") == 0
    assert await check(keeper, "anything") == 0


async def test_an_empty_ticket_is_refused_at_once_as_viewers_ask_for_one_only_then(autojump_clock: MockClock) -> None:
    keeper = Gatekeeper(Settings(ticket="right", failure_delay=1))
    key, before = ticket_keys()[0], trio.current_time()
    for _ in range(3):
        with pytest.raises(PermissionDeniedError):
            await keeper.check_ticket(key, encrypt(key.public, ""), "a", trio.sleep_forever)
    assert await check(keeper, "right") == 0
    assert trio.current_time() == before


@pytest.mark.parametrize("password", ["righ", "rightt", "Right", "right ", "r\0ight", "ríght"])
async def test_only_the_ticket_itself_is_right(autojump_clock: MockClock, password: str) -> None:
    assert await check(Gatekeeper(Settings(ticket="right")), password) < 0


async def test_failures_are_forgotten_after_a_minute_without_one(autojump_clock: MockClock) -> None:
    keeper = Gatekeeper(Settings(ticket="right", failure_delay=1))
    assert [await check(keeper, "wrong") for _ in range(5)] == [-1, -2, -4, -8, -8]
    await trio.sleep(50)  # the last failure was judged 8 s before its answer
    assert await check(keeper, "wrong") == -8
    await trio.sleep(52)
    assert await check(keeper, "wrong") == -1


async def test_no_delay_is_longer_than_failures_are_remembered(autojump_clock: MockClock) -> None:
    keeper = Gatekeeper(Settings(ticket="right", failure_delay=math.inf))
    assert await check_at_once(keeper, ["wrong", "right"]) == [-FORGET_AFTER, FORGET_AFTER]


async def test_one_peer_does_not_wait_for_another(autojump_clock: MockClock) -> None:
    keeper = Gatekeeper(Settings(ticket="right", failure_delay=1))
    assert [await check(keeper, "wrong", peer) for peer in "aaabbc"] == [-1, -2, -4, -1, -2, -1]


async def test_failures_at_once_are_judged_one_after_the_other(autojump_clock: MockClock) -> None:
    keeper = Gatekeeper(Settings(ticket="right", failure_delay=1))
    assert await check_at_once(keeper, ["wrong"] * 5) == [-1, -3, -7, -15, -23]


async def test_the_memory_of_failures_is_bounded(autojump_clock: MockClock) -> None:
    keeper = Gatekeeper(Settings(ticket="right", failure_delay=0))
    for number in range(MAX_REMEMBERED_PEERS + 50):
        keeper._count_failure(str(number))
    assert len(keeper._suspects) == MAX_REMEMBERED_PEERS
    assert "49" not in keeper._suspects
    assert "50" in keeper._suspects
