"""QEMU's objects on D-Bus: their methods, their properties, and when they are gone."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import jeepney
import jeepney.bus
import jeepney.io.trio
import jeepney.low_level
import trio

from spicetrio.sources.errors import SourceError
from spicetrio.sources.qemu import authentication
from spicetrio.sources.qemu.messages import MALFORMED, MOST_BODY_BYTES

NAME: Final = "org.qemu"
"""What a QEMU calls itself on a bus unless it was told otherwise."""
CONNECT_SECONDS: Final = 5.0
"""How long the other end may take for its first answers."""

_BUS: Final = "org.freedesktop.DBus"
_BUS_PATH: Final = "/org/freedesktop/DBus"
_PROPERTIES: Final = "org.freedesktop.DBus.Properties"

Properties = Mapping[str, Any]
"""Values by the names of the properties."""


class BusError(SourceError):
    """QEMU, or the bus, refused a call."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{text or 'no reason given'} ({name})")
        self.name: Final = name
        """Of the error, on D-Bus."""


class _Answer:
    """What comes back from a call."""

    def __init__(self) -> None:
        self.arrived = trio.Event()
        self.message: Any = None


class Bus:
    """A connection to a QEMU, straight or over a bus, from `open_peer` or `open_bus`."""

    def __init__(self, connection: Any, name: str | None) -> None:
        self._connection = connection
        self._name = name
        self._owner: str | None = None
        self._answers: dict[int, _Answer] = {}
        self._watchers: dict[tuple[str, str], Callable[[Properties], None]] = {}
        self._appeared = trio.Event()
        self.gone = False
        """QEMU is not there any more."""

    @property
    def straight(self) -> bool:
        """There is no bus between this end and QEMU."""
        return self._name is None

    async def call(self, path: str, interface: str, member: str, signature: str = "", *arguments: Any) -> Any:
        """Call a method of one of QEMU's objects; return what it returns.

        Cancellation: the call may have been made.

        Raises:
            BusError: It was refused.
        """
        return await self._call(self._owner, path, interface, member, signature, *arguments)

    async def properties(self, path: str, interface: str) -> Properties:
        """Return the properties of one of QEMU's objects.

        Raises:
            BusError: There is no such object.
        """
        (values,) = await self.call(path, _PROPERTIES, "GetAll", "s", interface)
        return {name: value for name, (_, value) in values.items()}

    def watch(self, path: str, interface: str, changed: Callable[[Properties], None]) -> None:
        """Have a function called with those properties of an object that change, whenever some do."""
        self._watchers[path, interface] = changed

    async def objects(self) -> Mapping[str, Mapping[str, Properties]]:
        """Return the properties of all of QEMU's objects, by path and interface.

        Raises:
            BusError: There is no QEMU with a D-Bus display.
        """
        (tree,) = await self.call("/org/qemu/Display1", f"{_BUS}.ObjectManager", "GetManagedObjects")
        return {
            path: {
                interface: {name: value for name, (_, value) in values.items()}
                for interface, values in interfaces.items()
            }
            for path, interfaces in tree.items()
        }

    async def run(self) -> None:
        """Read answers and signals until QEMU is gone.

        Raises:
            SourceError: What came makes no sense.
        """
        while not self.gone:
            try:
                await self._take(await self._connection.receive())
            except (trio.EndOfChannel, trio.BrokenResourceError):
                self.gone = True
            except MALFORMED as error:
                raise SourceError(f"QEMU sent a message that makes no sense: {error}") from error

    async def join(self, *, wait: bool) -> None:
        """Be known to the bus, and find the QEMU there.

        An address can also be that of a QEMU itself, which knows no names and says so.

        Raises:
            SourceError: There is no such QEMU.
        """
        try:
            await self._call(_BUS, _BUS_PATH, _BUS, "Hello")
        except BusError:
            self._name = None
            return
        try:
            for rule in (
                f"type='signal',sender='{_BUS}',member='NameOwnerChanged',arg0='{self._name}'",
                f"type='signal',sender='{self._name}',interface='{_PROPERTIES}'",
            ):
                await self._call(_BUS, _BUS_PATH, _BUS, "AddMatch", "s", rule)
        except BusError as error:
            raise SourceError(f"{self._name} is no name on a bus: give one such as {NAME} with --bus-name") from error
        try:
            (self._owner,) = await self._call(_BUS, _BUS_PATH, _BUS, "GetNameOwner", "s", self._name)
        except BusError as error:
            if not wait:
                raise SourceError(
                    f"nobody on the bus is called {self._name}: start QEMU with -display dbus,addr=ADDRESS on that "
                    "bus, name another with --bus-name, or wait for it with --wait"
                ) from error
            await self._appeared.wait()

    async def _call(
        self, owner: str | None, path: str, interface: str, member: str, signature: str = "", *arguments: Any
    ) -> Any:
        fields = {
            jeepney.HeaderFields.path: path,
            jeepney.HeaderFields.interface: interface,
            jeepney.HeaderFields.member: member,
        }
        if owner is not None:
            fields[jeepney.HeaderFields.destination] = owner
        if signature:
            fields[jeepney.HeaderFields.signature] = signature
        header = jeepney.Header(jeepney.Endianness.little, jeepney.MessageType.method_call, 0, 1, 0, 0, fields)
        serial = next(self._connection.outgoing_serial)
        answer = self._answers[serial] = _Answer()
        try:
            try:
                await self._connection.send(jeepney.Message(header, arguments), serial=serial)
            except trio.BrokenResourceError:
                await trio.sleep_forever()  # QEMU is gone, and who reads cancels all of us
            await answer.arrived.wait()
        finally:
            del self._answers[serial]
        fields, body = answer.message.header.fields, answer.message.body
        if answer.message.header.message_type is jeepney.MessageType.error:
            text = body[0] if body and isinstance(body[0], str) else ""
            raise BusError(fields[jeepney.HeaderFields.error_name], text)
        return body

    async def _take(self, message: Any) -> None:
        fields = message.header.fields
        answer = self._answers.get(fields.get(jeepney.HeaderFields.reply_serial, 0))
        match message.header.message_type:
            case jeepney.MessageType.method_return | jeepney.MessageType.error if answer is not None:
                answer.message = message
                answer.arrived.set()
            case jeepney.MessageType.signal:
                self._take_signal(fields, message.body)
            case jeepney.MessageType.method_call if not message.header.flags & jeepney.MessageFlag.no_reply_expected:
                await self._connection.send(jeepney.new_error(message, "org.freedesktop.DBus.Error.UnknownMethod"))

    def _take_signal(self, fields: Mapping[Any, str], body: tuple[Any, ...]) -> None:
        """Take in a signal. Who is on the bus can send any to us, so it counts who has sent it."""
        sender = fields.get(jeepney.HeaderFields.sender)
        match fields[jeepney.HeaderFields.member]:
            case "PropertiesChanged" if self.straight or sender == self._owner:
                interface, changed, _ = body
                watcher = self._watchers.get((fields[jeepney.HeaderFields.path], interface))
                if watcher is not None:
                    watcher({name: value for name, (_, value) in changed.items()})
            case "NameOwnerChanged" if sender == _BUS:
                name, _, owner = body
                if name != self._name:
                    return
                if self._owner is None and owner:
                    self._owner = owner
                    self._appeared.set()
                elif owner != self._owner:  # another one may have stood in line for the name
                    self.gone = True


class _Parser(jeepney.low_level.Parser):  # type: ignore[misc]
    """Puts messages together, and no larger ones than D-Bus allows."""

    def bytes_desired(self) -> int:
        size = int(super().bytes_desired())
        if size > MOST_BODY_BYTES:
            raise ValueError(f"it has {size} bytes, expected up to {MOST_BODY_BYTES}")
        return size


@asynccontextmanager
async def open_peer(sock: socket.socket) -> AsyncIterator[Bus]:
    """Speak with a QEMU at the other end of a socket while the block runs; the block is cancelled when QEMU is gone.

    Raises:
        SourceError: It does not answer.
    """
    with trio.socket.from_stdlib_socket(sock) as transport:
        async with _running(transport, authentication.pair_owner(sock), None) as bus:
            yield bus


@asynccontextmanager
async def open_bus(address: str, name: str | None, *, wait: bool) -> AsyncIterator[Bus]:
    """Speak with a QEMU on a bus while the block runs; the block is cancelled when QEMU is gone.

    Args:
        address: Of the bus, as in $DBUS_SESSION_BUS_ADDRESS.
        name: What the QEMU is called there; by default `NAME`.
        wait: Wait until it is there.

    Raises:
        SourceError: There is no such bus, or no such QEMU on it.
    """
    path = _path(address)
    with trio.socket.socket(socket.AF_UNIX) as transport:
        try:
            await transport.connect(path)
        except OSError as error:
            raise SourceError(f"cannot connect to the bus at {address}: {error.strerror or error}") from error
        joined = False
        async with _running(transport, os.geteuid(), name or NAME) as bus:
            await bus.join(wait=wait)
            joined = True
            yield bus
        if not joined:  # libvirt's hang up on all but the user of the machine
            raise SourceError(
                f"the bus at {address} hung up: if it has not ended, it is not for user {os.geteuid()}: "
                "run spicetrio as the user of the machine"
            )


def _path(address: str) -> str:
    """Return the socket of the first address that has one.

    Raises:
        SourceError: None has.
    """
    try:
        return str(next(jeepney.bus.get_connectable_addresses(address)))
    except (ValueError, RuntimeError):
        raise SourceError(f"{address} is no address of a bus here: expected unix:path=PATH") from None


@asynccontextmanager
async def _running(transport: trio.socket.SocketType, user: int, name: str | None) -> AsyncIterator[Bus]:
    try:
        with trio.fail_after(CONNECT_SECONDS):
            rest = await _let_in(transport, user)
    except trio.TooSlowError:
        raise SourceError("nobody answers at the other end of the D-Bus connection") from None
    connection = jeepney.io.trio.DBusConnection(transport, enable_fds=True)
    connection.parser = _Parser()
    connection.parser.add_data(rest)
    bus = Bus(connection, name)
    # What is cancelled along with the block may have something to call still, and wait for the answer.
    reading = trio.CancelScope(shield=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_read, bus, reading, nursery.cancel_scope)
        try:
            yield bus
        finally:
            reading.cancel()
            nursery.cancel_scope.cancel()


async def _let_in(transport: trio.socket.SocketType, user: int) -> bytes:
    """Be let in as a user; return what came behind the answer.

    Raises:
        SourceError: The other end does not, or it hung up.
    """
    answer = b""
    try:
        await transport.send(authentication.greeting(user))
        while (size := authentication.answer_size(answer)) is None:
            data = await transport.recv(authentication.MOST_BYTES)
            if not data:
                raise SourceError("the other end of the D-Bus connection hung up")
            answer += data
    except OSError as error:
        raise SourceError(f"the other end of the D-Bus connection hung up: {error.strerror}") from error
    return answer[size:]


async def _read(bus: Bus, reading: trio.CancelScope, scope: trio.CancelScope) -> None:
    """Read, and cancel the scope when QEMU is gone."""
    with reading:
        await bus.run()
    scope.cancel()
