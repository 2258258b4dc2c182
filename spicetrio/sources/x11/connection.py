"""A connection to an X server, served by Trio.

xcffib packs requests and unpacks replies. Its own waiting (`Cookie.reply`) blocks the thread, and with it every viewer,
for as long as the X server is stopped or grabbed; so nothing here waits inside libxcb. A request goes out at once, one
task waits for the socket to be readable, and `xcb_poll_for_reply` tells whether the answer has come. Measured on a
local Xvfb, a round trip takes 90 us this way, 87 us when it blocks, 250 us through a thread.

What can still block is short: flushing into a socket that is a quarter full (see `SEND_BUFFER`), and reading the rest
of a reply whose first 32 bytes have come (the X server writes a reply in one go).
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import cffi  # type: ignore[import-untyped,unused-ignore]
import trio
import xcffib
import xcffib.damage
import xcffib.randr
import xcffib.shm
import xcffib.xfixes
import xcffib.xkb
import xcffib.xproto
import xcffib.xtest

from spicetrio.sources.errors import SourceError

# xcffib is not annotated: what comes out of it is Any, and stays within this package.
_xcb: Any = xcffib
ConnectionLost: Any = xcffib.ConnectionException
"""What every call on a connection raises once its X server has gone away."""

# Two functions of libxcb that xcffib leaves out.
_ffi = cffi.FFI()
_ffi.cdef(
    """
    void xcb_send_fd(void *connection, int fd);
    unsigned char *xcb_poll_for_queued_event(void *connection);
    """
)
_libxcb: Any = _ffi.dlopen(_xcb.soname)

CONNECT_SECONDS: Final = 10.0
"""How long an X server may take to accept a connection."""
SEND_BUFFER: Final = 212_992
"""What the socket's buffer is asked to be; Linux makes it twice that. libxcb waits with a flush, and everybody with it,
while more than a quarter of it waits for the X server: 104 KiB, which all the limits here together stay below."""
REQUESTS_UNANSWERED: Final = 64
"""How many requests of input go out before a round trip is due. Each takes up to 768 bytes there."""
PIECE_BYTES: Final = 32 * 1024
"""The largest request. One of them may wait there, see `XConnection.room`."""
RANDR: Final = "RANDR"
"""The one extension that the source does without where it is not there."""
COOKIE_PROTOCOL: Final = b"MIT-MAGIC-COOKIE-1"
DEPTHS: Final = (24, 32)
EVENT_BYTES: Final = 32

_log = logging.getLogger(__name__)


class XError(Exception):
    """The X server refused a request."""

    def __init__(self, code: int, major: int, minor: int) -> None:
        super().__init__(f"X error {code} for request {major}.{minor}")
        self.code = code


class Signal:
    """Raised by events, however often, and taken by one task."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        """Raise it."""
        self._event.set()

    async def wait(self) -> None:
        """Wait until it is raised, and take it."""
        await self._event.wait()
        self.clear()

    def clear(self) -> None:
        """Take it if it is raised."""
        self._event = trio.Event()


class Extension(NamedTuple):
    """An extension the source cannot do without."""

    name: str
    key: Any
    version: tuple[int, int] | None
    """The version to ask for, where the extension wants to be asked before it is used."""
    purpose: str


_EXTENSIONS = (
    Extension("MIT-SHM", _xcb.shm.key, None, "to read the screen"),
    Extension("XFIXES", _xcb.xfixes.key, (5, 0), "to read the cursor"),
    Extension("DAMAGE", _xcb.damage.key, (1, 1), "to learn what changed"),
    Extension("XTEST", _xcb.xtest.key, None, "to pass on keys and the pointer"),
    Extension("XKEYBOARD", _xcb.xkb.key, None, "to know the keys and the lock lights"),
)


def reply_bytes(unpacker: Any) -> bytes:
    """A reply as it came, for a cookie's `reply_type`: xcffib is slow to make an object of each item of a list."""
    return bytes(_xcb.ffi.buffer(unpacker.cdata, unpacker.known_max))


@dataclass(slots=True)
class _Answer:
    cookie: Any
    arrived: trio.Event = field(default_factory=trio.Event)
    reply: Any = None
    error: XError | None = None


class XConnection:
    """An X connection whose requests any task may send, and whose events raise what was registered for them."""

    def __init__(self, raw: Any, display: str) -> None:
        self._raw = raw
        self._answers: deque[_Answer] = deque()
        self._handlers: dict[int, Callable[[bytes], None]] = {}
        self._caught_up = trio.Event()
        self._caught_up.set()
        self.display = display
        self.screen: Any = raw.setup.roots[raw.pref_screen]
        self.root: int = self.screen.root
        self.core: Any = raw.core
        self.shm: Any = raw(_xcb.shm.key)
        self.xfixes: Any = raw(_xcb.xfixes.key)
        self.damage: Any = raw(_xcb.damage.key)
        self.xtest: Any = raw(_xcb.xtest.key)
        self.xkb: Any = raw(_xcb.xkb.key)
        self.randr: Any = raw(_xcb.randr.key) if self._data(_xcb.randr.key).present else None
        """None if the X server has no RANDR."""

    def new_id(self) -> int:
        """An identifier for a thing to be made on the server."""
        return int(self._raw.generate_id())

    def first_event(self, extension: Any) -> int:
        """The number of the first of an extension's events."""
        return int(self._data(extension).first_event)

    def on_event(self, number: int, handler: Callable[[], None]) -> None:
        """Call a handler when an event of this number came. It is not given the event, but asks for the state."""
        self.take_events(number, lambda _: handler())

    def take_events(self, number: int, handler: Callable[[bytes], None]) -> None:
        """Give a handler the 32 bytes of each event of this number, in order. It may request nothing."""
        self._handlers[number] = handler

    def pass_fd(self, fd: int) -> None:
        """Pass a descriptor along with the next request, and close it here."""
        _libxcb.xcb_send_fd(self._raw._conn, fd)

    def flush(self) -> None:
        """Send what was requested."""
        self._raw.flush()
        # While it writes, libxcb reads what it can, and then the socket is not readable any more.
        self._process()

    async def ask(self, cookie: Any) -> Any:
        """The reply to a request just made. Cancelling it drops the reply.

        Raises:
            XError: The X server refused it.
        """
        return (await self.ask_all([cookie]))[0]

    async def ask_all(self, cookies: list[Any]) -> list[Any]:
        """The replies to requests just made, in their order, in one round trip."""
        answers = [_Answer(cookie) for cookie in cookies]
        self._answers.extend(answers)
        try:
            self.flush()
            for answer in answers:
                await answer.arrived.wait()
        finally:
            for answer in answers:
                if not answer.arrived.is_set():
                    self._answers.remove(answer)
                    if not self._raw.has_error():
                        answer.cookie.discard_reply()
        for answer in answers:
            if answer.error is not None:
                raise answer.error
        return [answer.reply for answer in answers]

    async def atoms(self, names: Iterable[str]) -> dict[str, int]:
        """The atoms of these names, which are made if need be."""
        names = list(names)
        replies = await self.ask_all([self.core.InternAtom(False, len(name), name) for name in names])
        return {name: reply.atom for name, reply in zip(names, replies, strict=True)}

    @asynccontextmanager
    async def room(self) -> AsyncIterator[None]:
        """Enter the block once there is room for what it requests: up to `PIECE_BYTES`, without awaiting anything.

        What viewers and other X clients have us request waits here while the X server is stopped, and does not fill
        the socket: each block is entered when the X server has read what the one before it requested.

        Cancellation: nothing was requested.
        """
        await trio.lowlevel.checkpoint()
        while not self._caught_up.is_set():
            await self._caught_up.wait()
        yield
        answer = _Answer(self.core.GetInputFocus())
        self._answers.append(answer)
        self._caught_up = answer.arrived
        self.flush()

    async def run(self, scope: trio.CancelScope) -> None:
        """Read replies and events within the scope, for as long as the X server is there."""
        fd = self._raw.get_file_descriptor()
        with scope:
            while True:
                self._process()
                await trio.lowlevel.wait_readable(fd)

    async def settle(self) -> None:
        """Wait until the X server has done all that was requested."""
        await self.ask(self.core.GetInputFocus())

    def close(self) -> None:
        """Hang up. What the X server has not done by now it may never do: it stops reading when it notices."""
        self._raw.disconnect()

    def _data(self, extension: Any) -> Any:
        # Each was asked for when the connection was checked, and libxcb remembers the answers.
        return _xcb.lib.xcb_get_extension_data(self._raw._conn, extension.c_key)

    def _process(self) -> None:
        """Hand out all that has come. On return libxcb holds nothing that nobody knows of."""
        self._take_events(_xcb.lib.xcb_poll_for_event)
        # Looking for a reply may read the socket too, and so leave events in libxcb's queue.
        while self._take_replies() or self._take_events(_libxcb.xcb_poll_for_queued_event):
            pass
        self._raw.invalid()

    def _take_events(self, poll: Any) -> bool:
        taken = False
        while event := poll(self._raw._conn):
            taken = True
            data = bytes(_ffi.buffer(event, EVENT_BYTES))
            _xcb.c_free(event)
            number = data[0] & 0x7F
            if number == 0:
                code, minor, major = struct.unpack_from("=xB6xHB", data)
                _log.debug("%s: %s", self.display, XError(code, major, minor))
            elif number in self._handlers:
                self._handlers[number](data)
        return taken

    def _take_replies(self) -> bool:
        taken = False
        reply = _xcb.ffi.new("void **")
        error = _xcb.ffi.new("xcb_generic_error_t **")
        # Requests are answered in their order: where one is not, none after it is.
        while self._answers and _xcb.lib.xcb_poll_for_reply(
            self._raw._conn, self._answers[0].cookie.sequence, reply, error
        ):
            self._raw.invalid()
            taken = True
            answer = self._answers.popleft()
            if error[0]:
                answer.error = XError(error[0].error_code, error[0].major_code, error[0].minor_code)
                _xcb.c_free(error[0])
            else:
                data = _xcb.ffi.gc(reply[0], _xcb.c_free)
                length = _xcb.ffi.cast("xcb_generic_reply_t *", data).length
                answer.reply = answer.cookie.reply_type(_xcb.CffiUnpacker(data, known_max=32 + 4 * length))
            answer.arrived.set()
        return taken


class _Attempt:
    """One attempt to connect, in a thread: libxcb greets the X server in calls that block."""

    def __init__(self, display: str, cookie: bytes | None) -> None:
        self._display = display
        self._cookie = cookie
        self._lock = threading.Lock()
        self._raw: Any = None
        self._abandoned = False

    def connect(self) -> Any:
        """Connect, and check that the X server has what the source needs. Comes it too late for anyone, hang up."""
        raw = self._open()
        try:
            _check(raw, self._display)
        except BaseException:
            raw.disconnect()
            raise
        with self._lock:
            if self._abandoned:
                raw.disconnect()
            self._raw = raw
        return raw

    def abandon(self) -> None:
        """Nobody waits for the connection any more."""
        with self._lock:
            self._abandoned = True
            if self._raw is not None:
                self._raw.disconnect()

    def _open(self) -> Any:
        # Not xcffib's own constructor: it lets go of the memory of the cookie before libxcb has read it.
        ffi = _xcb.ffi
        auth = ffi.NULL
        if self._cookie is not None:
            name, data = ffi.new("char[]", COOKIE_PROTOCOL), ffi.new("char[]", self._cookie)
            auth = ffi.new("xcb_auth_info_t *", (len(COOKIE_PROTOCOL), name, len(self._cookie), data))
        screen = ffi.new("int *")
        connection = _xcb.lib.xcb_connect_to_display_with_auth_info(self._display.encode(), auth, screen)
        if error := _xcb.lib.xcb_connection_has_error(connection):
            _xcb.lib.xcb_disconnect(connection)
            if error == _xcb.XCB_CONN_CLOSED_PARSE_ERR:
                raise SourceError(f"{self._display!r} is no X display: it is written :0, or as $DISPLAY has it")
            raise SourceError(
                f"there is no connection to the X server at {self._display}: "
                "check that it runs, and that XAUTHORITY names a file with its cookie"
            )
        raw = _xcb.wrap(connection)
        raw.pref_screen = screen[0]
        return raw


def _check(raw: Any, display: str) -> None:
    """See that the X server can be shown."""
    with socket.socket(fileno=os.dup(raw.get_file_descriptor())) as transport:
        if transport.family != socket.AF_UNIX:
            raise SourceError(
                f"the X server at {display} is not on this machine, and memory cannot be shared with it: "
                "run spicetrio where it runs"
            )
    for extension in _EXTENSIONS:
        if not raw.core.QueryExtension(len(extension.name), extension.name).reply().present:
            raise SourceError(
                f"the X server at {display} has no {extension.name} extension ({extension.purpose}): "
                "start it with the extension enabled, or let --start run an Xvfb"
            )
        if extension.version is not None:
            raw(extension.key).QueryVersion(*extension.version).reply()
    raw(_xcb.xkb.key).UseExtension(1, 0).reply()
    if raw.core.QueryExtension(len(RANDR), RANDR).reply().present:
        raw(_xcb.randr.key).QueryVersion(1, 5).reply()
    shm = raw(_xcb.shm.key).QueryVersion().reply()
    if (shm.major_version, shm.minor_version) < (1, 2):
        raise SourceError(
            f"the X server at {display} has MIT-SHM {shm.major_version}.{shm.minor_version}, "
            "and memory by descriptor takes 1.2: use a newer one, or let --start run an Xvfb"
        )
    screen = raw.setup.roots[raw.pref_screen]
    bits = {pixmap.depth: pixmap.bits_per_pixel for pixmap in raw.setup.pixmap_formats}
    masks = {
        visual.visual_id: (visual.red_mask, visual.green_mask, visual.blue_mask)
        for depth in screen.allowed_depths
        for visual in depth.visuals
    }
    if screen.root_depth not in DEPTHS or bits[screen.root_depth] != 32:
        raise SourceError(
            f"the screen at {display} has depth {screen.root_depth}, not 24 or 32: "
            "start its X server with depth 24 (Xvfb -screen 0 1280x800x24)"
        )
    if masks[screen.root_visual] != (0xFF0000, 0xFF00, 0xFF) or raw.setup.image_byte_order != 0:
        raise SourceError(f"the screen at {display} does not keep its pixels as BGRX, and no other order can be shown")


@asynccontextmanager
async def open_connection(display: str, cookie: bytes | None = None) -> AsyncIterator[XConnection]:
    """Connect to an X server, with the cookie given or else one from the user's Xauthority file.

    Raises:
        SourceError: There is no such X server, it cannot be shown, or it went away; also inside a group.
    """
    attempt = _Attempt(display, cookie)
    try:
        with trio.fail_after(CONNECT_SECONDS):
            # An X server that is stopped never answers. The thread has nothing but the connection, and hangs up itself.
            raw = await trio.to_thread.run_sync(attempt.connect, abandon_on_cancel=True)
    except trio.TooSlowError:
        attempt.abandon()
        raise SourceError(f"the X server at {display} does not answer") from None
    except trio.Cancelled:
        attempt.abandon()
        raise
    connection = XConnection(raw, display)
    try:
        with socket.socket(fileno=os.dup(raw.get_file_descriptor())) as transport:
            transport.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        async with trio.open_nursery() as nursery:
            # Whoever is cancelled in the block may still have to ask something; then there must be one who reads.
            reading = trio.CancelScope(shield=True)
            nursery.start_soon(connection.run, reading)
            try:
                yield connection
            finally:
                reading.cancel()
    except* ConnectionLost:
        raise SourceError(f"the X server at {display} went away") from None
    finally:
        connection.close()
