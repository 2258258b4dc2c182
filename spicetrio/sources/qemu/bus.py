"""QEMU's objects on D-Bus: their methods, their properties, and when they are gone."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import jeepney
import jeepney.io.trio
import trio

from spicetrio.sources.errors import SourceError
from spicetrio.sources.qemu import authentication

NAME: Final = "org.qemu"
"""What a QEMU calls itself on a bus unless it was told otherwise."""
CONNECT_SECONDS: Final = 5.0
"""How long the other end may take for its first answers."""

_BUS: Final = "org.freedesktop.DBus"
_BUS_PATH: Final = "/org/freedesktop/DBus"
_PROPERTIES: Final = "org.freedesktop.DBus.Properties"

Properties = Mapping[str, Any]
"""Values by the names of the properties."""


class BusError(Exception):
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

    def __init__(self, connection: Any, owner: str | None) -> None:
        self._connection = connection
        self._owner = owner
        self._answers: dict[int, _Answer] = {}
        self._watchers: dict[tuple[str, str], Callable[[Properties], None]] = {}
        self._appeared = trio.Event()
        self.gone = False
        """QEMU is not there any more."""

    @property
    def straight(self) -> bool:
        """There is no bus between this end and QEMU."""
        return self._owner is None

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

    async def run(self, scope: trio.CancelScope) -> None:
        """Read answers and signals, and cancel the scope when QEMU is gone."""
        while not self.gone:
            try:
                self._take(await self._connection.receive())
            except (trio.EndOfChannel, trio.BrokenResourceError):
                self.gone = True
        scope.cancel()

    async def join(self, *, wait: bool) -> None:
        """Be known to the bus, and find the QEMU there.

        An address can also be that of a QEMU itself, which knows no names and says so.

        Raises:
            SourceError: There is no such QEMU.
        """
        assert self._owner is not None
        try:
            await self._call(_BUS, _BUS_PATH, _BUS, "Hello")
        except BusError:
            self._owner = None
            return
        for rule in (
            f"type='signal',sender='{_BUS}',member='NameOwnerChanged',arg0='{self._owner}'",
            f"type='signal',sender='{self._owner}',interface='{_PROPERTIES}'",
        ):
            await self._call(_BUS, _BUS_PATH, _BUS, "AddMatch", "s", rule)
        (there,) = await self._call(_BUS, _BUS_PATH, _BUS, "NameHasOwner", "s", self._owner)
        if there:
            return
        if not wait:
            raise SourceError(
                f"nobody on the bus is called {self._owner}: start QEMU with -display dbus,addr=ADDRESS on that bus, "
                "name another with --bus-name, or wait for it with --wait"
            )
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

    def _take(self, message: Any) -> None:
        fields = message.header.fields
        answer = self._answers.get(fields.get(jeepney.HeaderFields.reply_serial, 0))
        if answer is not None:
            answer.message = message
            answer.arrived.set()
        elif message.header.message_type is jeepney.MessageType.signal:
            self._take_signal(fields, message.body)

    def _take_signal(self, fields: Mapping[Any, str], body: tuple[Any, ...]) -> None:
        match fields[jeepney.HeaderFields.member]:
            case "PropertiesChanged":
                interface, changed, _ = body
                watcher = self._watchers.get((fields[jeepney.HeaderFields.path], interface))
                if watcher is not None:
                    watcher({name: value for name, (_, value) in changed.items()})
            case "NameOwnerChanged":
                name, _, owner = body
                if name == self._owner and owner:
                    self._appeared.set()
                elif name == self._owner:
                    self.gone = True


@asynccontextmanager
async def open_peer(sock: socket.socket) -> AsyncIterator[Bus]:
    """Speak with a QEMU at the other end of a socket while the block runs; the block is cancelled when QEMU is gone.

    Raises:
        SourceError: It does not answer.
    """
    async with _running(trio.socket.from_stdlib_socket(sock), None) as bus:
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
    transport = trio.socket.socket(socket.AF_UNIX)
    try:
        await transport.connect(path)
    except OSError as error:
        transport.close()
        raise SourceError(f"cannot connect to the bus at {address}: {error.strerror}") from error
    async with _running(transport, name or NAME) as bus:
        await bus.join(wait=wait)
        yield bus


def _path(address: str) -> str:
    """Return the socket of the first address that has one.

    Raises:
        SourceError: None has.
    """
    for one in address.split(";"):
        transport, _, rest = one.partition(":")
        keys = dict(pair.partition("=")[::2] for pair in rest.split(","))
        if transport == "unix" and "path" in keys:
            return keys["path"]
        if transport == "unix" and "abstract" in keys:
            return "\0" + keys["abstract"]
    raise SourceError(f"{address} is no address of a bus here: expected unix:path=PATH")


@asynccontextmanager
async def _running(transport: trio.socket.SocketType, owner: str | None) -> AsyncIterator[Bus]:
    with transport:
        try:
            with trio.fail_after(CONNECT_SECONDS):
                await transport.send(authentication.greeting())
                rest = await authentication.read_answer(transport)
        except trio.TooSlowError:
            raise SourceError("nobody answers at the other end of the D-Bus connection") from None
        except OSError as error:
            raise SourceError(f"the other end of the D-Bus connection hung up: {error.strerror}") from error
        connection = jeepney.io.trio.DBusConnection(transport, enable_fds=True)
        connection.parser.add_data(rest)
        bus = Bus(connection, owner)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bus.run, nursery.cancel_scope)
            yield bus
            nursery.cancel_scope.cancel()
