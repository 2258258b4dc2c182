"""Keys, tickets, and patience with those who guess."""

from __future__ import annotations

import hmac
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn

import trio
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from spicetrio.server.settings import Settings
from spicetrio.server.tickets import ANYBODY, Ticket
from spicetrio.wire.errors import PermissionDeniedError

POOL_SIZE: Final = 16
"""Keys kept ahead: four viewers of four channels each may come at once before anyone waits for a key."""
MAX_REMEMBERED_PEERS: Final = 1024
"""Addresses whose failures are remembered; the one that failed longest ago is forgotten first."""
FORGET_AFTER: Final = 60.0
"""Seconds without a failure after which a peer is trusted like a new one; so no failure keeps it waiting longer."""

_OAEP: Final = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)


class TicketKey:
    """An RSA key that is good for one link (spec L-7, L-8)."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
        self.public = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def decrypt(self, ticket: bytes) -> bytes:
        """Return the password in a ticket, without its NUL.

        Raises:
            PermissionDeniedError: It is not encrypted for this key.
        """
        try:
            plain = self._key.decrypt(ticket, _OAEP)
        except ValueError:
            raise PermissionDeniedError("got a ticket that this link's key does not decrypt") from None
        return plain.partition(b"\0")[0]


class KeyPool:
    """Keys made ahead in a thread, so that a link costs the event loop none of it (spec L-57)."""

    def __init__(self) -> None:
        self._fill, self._take = trio.open_memory_channel[TicketKey](POOL_SIZE)

    async def run(self) -> NoReturn:
        """Keep the pool full.

        Cancellation: at any time; keys that were made stay usable.
        """
        limiter = trio.CapacityLimiter(1)
        while True:
            await self._fill.send(await trio.to_thread.run_sync(TicketKey, limiter=limiter))

    async def take(self) -> TicketKey:
        """Return a key that nobody had before.

        Cancellation: a key is lost at most, and made anew.
        """
        return await self._take.receive()


@dataclass(slots=True)
class _Suspect:
    """An address that failed. There is no connection in it: a guesser who drops one and opens another gains nothing."""

    failures: int = 0
    """How many there were, none of them `FORGET_AFTER` after the one before."""
    last: float = -math.inf
    """When the last of them was."""
    until: float = -math.inf
    """Nobody of this address is judged before this time."""
    line: trio.StrictFIFOLock = field(default_factory=trio.StrictFIFOLock)
    """Held by the one who is judged next; the others come in the order in which they asked for it."""


class Gatekeeper:
    """Decides who comes in, and makes those wait who were wrong, together with all others of their address.

    Args:
        settings: Whose tickets are asked for.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.tickets = settings.all_tickets
        """Those that are good now, unless ticketing is disabled."""
        self._suspects: OrderedDict[str, _Suspect] = OrderedDict()

    async def check_ticket(
        self, key: TicketKey, ticket: bytes, peer: str, watch: Callable[[], Awaitable[NoReturn]]
    ) -> Ticket:
        """Return the ticket that a peer has (spec L-21).

        After a failure nobody of the same address is judged for a while, which doubles with each further one. Who
        comes earlier waits in line, with whatever ticket: else a right one would be known by its prompt answer.
        Without ticketing its value does not matter, but it must have been encrypted for this link.

        Args:
            key: What it should have been encrypted for.
            ticket: What the peer sent.
            peer: Its address.
            watch: Raises an error when the peer leaves. Who leaves the line is not judged.

        Cancellation: nothing was decided, or the failure was counted and not told.

        Raises:
            PermissionDeniedError: It is wrong; raised when the next one of this address may be judged. Or it is
                empty, which delays neither this nor the next one.
        """
        await self._wait_in_line(peer, watch)
        # No checkpoint from here until a failure is counted: the next one in line is to find the new time.
        found = None
        try:
            password = key.decrypt(ticket)
            if password or self._settings.disable_ticketing:
                found = self._find(password)
        except PermissionDeniedError:
            await trio.sleep_until(self._count_failure(peer))
            raise
        if found is None:  # viewers ask the person only after this, and it is no guess
            raise PermissionDeniedError("got an empty ticket")
        await trio.lowlevel.checkpoint()
        return found

    async def _wait_in_line(self, peer: str, watch: Callable[[], Awaitable[NoReturn]]) -> None:
        if suspect := self._suspects.get(peer):
            async with suspect.line, trio.open_nursery() as nursery:
                nursery.start_soon(watch)
                await trio.sleep_until(suspect.until)
                nursery.cancel_scope.cancel()

    def _find(self, password: bytes) -> Ticket:
        """Compare with every ticket, in a time that does not depend on which one it is or how much of it is right."""
        if self._settings.disable_ticketing:
            return ANYBODY
        matching = [ticket for ticket in self.tickets if hmac.compare_digest(password, ticket.password.encode())]
        if not matching:
            raise PermissionDeniedError("got a wrong ticket")
        now = trio.current_time()
        for ticket in matching:
            if ticket.expires is None or ticket.expires >= now:
                return ticket
        raise PermissionDeniedError("got a ticket that has expired")

    def _count_failure(self, peer: str) -> float:
        """Return the time before which nobody of this address is judged again."""
        now = trio.current_time()
        suspect = self._suspects.pop(peer, None) or _Suspect()
        if now - suspect.last >= FORGET_AFTER:
            suspect.failures = 0
        delay = self._settings.failure_delay * float(min(2**suspect.failures, 8))
        suspect.failures += 1
        suspect.last, suspect.until = now, now + min(delay, FORGET_AFTER)
        self._suspects[peer] = suspect
        if len(self._suspects) > MAX_REMEMBERED_PEERS:
            self._suspects.popitem(last=False)
        return suspect.until
