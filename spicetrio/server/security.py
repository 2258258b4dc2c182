"""Keys, tickets, and patience with those who guess."""

from __future__ import annotations

import hmac
import math
from collections import OrderedDict
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
"""Seconds without a failure after which a peer is trusted like a new one."""

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


class Gatekeeper:
    """Decides who comes in, and makes those wait who were wrong.

    Args:
        settings: Whose tickets are asked for.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.tickets = settings.all_tickets
        """Those that are good now, unless ticketing is disabled."""
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def check_ticket(self, key: TicketKey, ticket: bytes, peer: str) -> Ticket:
        """Return the ticket that a peer has (spec L-21).

        Without ticketing its value does not matter, but it must have been encrypted for this link.

        Cancellation: nothing was decided.

        Raises:
            PermissionDeniedError: It is wrong; after a delay that grows with the failures of this peer.
        """
        found = None
        try:
            password = key.decrypt(ticket)
            if password or self._settings.disable_ticketing:
                found = self._find(password)
        except PermissionDeniedError:
            await trio.sleep(self._penalty(peer))
            raise
        if found is None:  # viewers ask the person only after this, and it is no guess
            raise PermissionDeniedError("got an empty ticket")
        await trio.lowlevel.checkpoint()
        return found

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

    def _penalty(self, peer: str) -> float:
        now = trio.current_time()
        failures, last = self._failures.pop(peer, (0, -math.inf))
        failures = failures + 1 if now - last < FORGET_AFTER else 1
        self._failures[peer] = (failures, now)
        if len(self._failures) > MAX_REMEMBERED_PEERS:
            self._failures.popitem(last=False)
        return self._settings.failure_delay * float(min(2 ** (failures - 1), 8))
