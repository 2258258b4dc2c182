"""The inputs channel: keys, buttons and the pointer of all viewers, as one stream of events (spec 3.4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Final, Self

import trio
from trio_util import AsyncValue

from spicetrio.agent.relay import AgentRelay
from spicetrio.server.channel import BASE_HANDLERS, Channel, ChannelClient, Handler
from spicetrio.server.client import Client
from spicetrio.server.link import Link
from spicetrio.server.settings import Settings
from spicetrio.server.tickets import Role
from spicetrio.wire import inputs
from spicetrio.wire.agent import MouseState
from spicetrio.wire.enums import ChannelType, InputsCapability, InputsClientMessage, Locks, MouseMode
from spicetrio.wire.link import Capabilities

QUEUE_LENGTH: Final = 256
"""Events that may wait for the application; then viewers are read no further until it has taken some."""
MOTION_ACK_BUNCH: Final = 4
"""A MOUSE_MOTION_ACK is sent after this many motions (spec I-4)."""
MAX_BUTTON: Final = 16
"""The highest button: the mask on the wire has 16 bits."""
MAX_KEYS: Final = 64
"""Keys that a viewer may hold down at once; nobody has more fingers, and each is remembered."""

WHEEL_UP: Final = 4
WHEEL_DOWN: Final = 5
_WHEEL: Final[Mapping[int, int]] = {WHEEL_UP: -1, WHEEL_DOWN: 1}
_LOCK_KEYS: Final[Mapping[int, Locks]] = {0x46: Locks.SCROLL, 0x45: Locks.NUM, 0x3A: Locks.CAPS}


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """A key went down or up; a key that is held repeats going down."""

    code: int
    """PC set-1 scan code without the release bit. Keys with prefixes have them in front: 0xE01D is the right Ctrl,
    0xE11D45 is Pause."""
    down: bool
    """It went down, else up."""
    viewer: Client
    """Whose key it is."""


@dataclass(frozen=True, slots=True)
class PointerPosition:
    """The pointer of a viewer in client mouse mode is somewhere."""

    x: int
    """Pixels from the left of the display."""
    y: int
    """Pixels from the top of the display."""
    display_id: int
    """The display's `id`."""
    viewer: Client
    """Whose pointer it is."""


@dataclass(frozen=True, slots=True)
class PointerMotion:
    """The mouse of a viewer in server mouse mode moved."""

    dx: int
    """Steps to the right."""
    dy: int
    """Steps down."""
    viewer: Client
    """Whose mouse it is."""


@dataclass(frozen=True, slots=True)
class ButtonEvent:
    """A mouse button went down or up."""

    button: int
    """1 left, 2 middle, 3 right, 6 side, 7 extra, others up to 16. 4 and 5 are the wheel and never come here."""
    down: bool
    """It went down, else up."""
    viewer: Client
    """Whose button it is."""


@dataclass(frozen=True, slots=True)
class WheelEvent:
    """The wheel was turned."""

    steps: int
    """-1 is one notch up, 1 one notch down."""
    viewer: Client
    """Whose wheel it is."""


InputEvent = KeyEvent | PointerPosition | PointerMotion | ButtonEvent | WheelEvent
"""Everything that `Inputs` yields."""


class _ScanCodes:
    """Puts scan code bytes together into keys (spec I-2)."""

    def __init__(self) -> None:
        self._prefix = 0

    def feed(self, byte: int) -> tuple[int, bool] | None:
        """Take in a byte; return the key and whether it went down once that is known."""
        if byte in (0xE0, 0xE1, 0xE2):
            self._prefix = byte
            return None
        if self._prefix == 0xE1:  # one more byte follows: Pause is E1 1D 45, and E1 9D C5
            self._prefix = 0xE100 | byte & 0x7F
            return None
        code, self._prefix = self._prefix << 8 | byte & 0x7F, 0
        return code, not byte & 0x80


class InputsChannelClient(ChannelClient["Inputs"]):
    """One viewer's keyboard and mouse. Those of a viewer that may only view are read, and come to nothing."""

    def __init__(self, channel: Inputs, client: Client, link: Link) -> None:
        super().__init__(channel, client, link)
        self._keys: dict[int, None] = {}
        self._buttons: set[int] = set()
        self._scan_codes = _ScanCodes()
        self._place = (0, 0, 0)
        self._pointed = False
        """A button is down in the guest."""
        self._motions = 0
        self._controls = client.role is Role.CONTROL
        self._lights: int | None = None
        """The lock lights of the viewer's own keyboard; None until it tells them."""

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Tell the lock lights; in the end release what the viewer still holds."""
        self.writer.post(inputs.Init(self.channel.locks.value))
        try:
            yield
        finally:
            if self.channel.typist is self:
                self.channel.typist = None
            for code in self._keys:
                self.channel.put(KeyEvent(code, False, self.client))
            for button in sorted(self._buttons):
                self.channel.put(ButtonEvent(button, False, self.client))
            if self._pointed:
                self._point(0)

    async def _key_down(self, message: inputs.KeyDown) -> None:
        await self._scan(message.scan_codes)

    async def _key_up(self, message: inputs.KeyUp) -> None:
        await self._scan(message.scan_codes)

    async def _key_scancode(self, message: inputs.KeyScancode) -> None:
        await self._scan(bytes(message.data))

    async def _scan(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()  # prefixes alone make no event that could wait
        for byte in data:
            if key := self._scan_codes.feed(byte):
                await self._type(*key)

    async def _type(self, code: int, down: bool) -> None:
        """Pass on a key of the viewer's. Who presses one is the one who types from then on."""
        if down and code not in self._keys:
            if self.channel.typist is not self:
                await self._begin_typing()
            if self._lights is not None:
                self._lights ^= _LOCK_KEYS.get(code, 0)
        await self._key(code, down)

    async def _key(self, code: int, down: bool) -> None:
        if not self._controls:
            return
        pressed = down and code not in self._keys
        if pressed and len(self._keys) >= MAX_KEYS:
            return
        # Only what the application was told counts: a release that was not delivered is made up for in the end.
        await self._deliver(KeyEvent(code, down, self.client))
        if pressed:
            self.channel.toggle_lock(code)
            self._keys[code] = None
        elif not down:
            self._keys.pop(code, None)

    async def _key_modifiers(self, message: inputs.ClientKeyModifiers) -> None:
        """Take in the lights of the viewer's own keyboard. They count at once if nobody else types.

        Viewers answer a change of the application's lights with their own if those differ: if every answer counted,
        two viewers that differ would switch the lights forever.
        """
        self._lights = message.modifiers
        if self.channel.typist in (None, self):
            await self._begin_typing()

    async def _begin_typing(self) -> None:
        """Be the one who types: press and release the lock keys whose state differs from the viewer's (spec I-3)."""
        if not self._controls:
            return
        self.channel.typist = self
        lights = self.channel.locks.value if self._lights is None else self._lights
        for code, lock in _LOCK_KEYS.items():
            if (lights ^ self.channel.locks.value) & lock and code not in self._keys:
                for down in (True, False):
                    await self._key(code, down)

    async def _mouse_motion(self, message: inputs.MouseMotion) -> None:
        self._acknowledge_motion()
        if self.client.mouse_mode.value == MouseMode.SERVER:
            await self._hold_buttons(message.buttons)
            await self._deliver(PointerMotion(message.dx, message.dy, self.client))

    async def _mouse_position(self, message: inputs.MousePosition) -> None:
        self._acknowledge_motion()
        self._place = (message.x, message.y, message.display_id)
        if self._point(message.buttons):
            return
        if self.client.mouse_mode.value == MouseMode.CLIENT:
            await self._deliver(PointerPosition(message.x, message.y, message.display_id, self.client))
            await self._hold_buttons(message.buttons)

    def _point(self, buttons: int) -> bool:
        """Have the pointer moved by the agent in the guest, if one does that (spec AG-18); tell whether.

        A button that is down there is let go there, whatever the mouse mode is by then.
        """
        agent = self.channel.relay.pointer
        if agent is None or not (self._pointed or self.client.mouse_mode.value == MouseMode.CLIENT):
            return False
        if self._controls:
            x, y, display_id = self._place
            agent.point(MouseState(x, y, buttons << 1, display_id))
            self._pointed = bool(buttons)
        return True

    async def _mouse_press(self, message: inputs.MousePress) -> None:
        if 1 <= message.button <= MAX_BUTTON and self._point(message.buttons | 1 << message.button - 1):
            return
        if steps := _WHEEL.get(message.button):
            await self._deliver(WheelEvent(steps, self.client))
        elif 1 <= message.button <= MAX_BUTTON:
            await self._button(message.button, True)

    async def _mouse_release(self, message: inputs.MouseRelease) -> None:
        if 1 <= message.button <= MAX_BUTTON and self._point(message.buttons & ~(1 << message.button - 1)):
            return
        if message.button in self._buttons:
            await self._button(message.button, False)

    async def _hold_buttons(self, mask: int) -> None:
        """Take in the buttons that are said to be down with a motion; a release may have been lost with a focus."""
        for button in sorted(button for button in self._buttons if not mask >> button - 1 & 1):
            await self._button(button, False)

    async def _button(self, button: int, down: bool) -> None:
        if not self._controls:
            return
        await self._deliver(ButtonEvent(button, down, self.client))
        if down:
            self._buttons.add(button)
        else:
            self._buttons.discard(button)

    async def _deliver(self, event: InputEvent) -> None:
        if self._controls:
            await self.channel.deliver(event)

    def _acknowledge_motion(self) -> None:
        self._motions += 1
        if self._motions % MOTION_ACK_BUNCH == 0:
            self.writer.post(inputs.MouseMotionAck())

    HANDLERS: ClassVar[Mapping[int, Handler]] = {
        **BASE_HANDLERS,
        InputsClientMessage.KEY_DOWN: Handler(inputs.KeyDown, _key_down, 2048),
        InputsClientMessage.KEY_UP: Handler(inputs.KeyUp, _key_up, 2048),
        InputsClientMessage.KEY_MODIFIERS: Handler(inputs.ClientKeyModifiers, _key_modifiers, 2048),
        InputsClientMessage.KEY_SCANCODE: Handler(inputs.KeyScancode, _key_scancode, 2048),
        InputsClientMessage.MOUSE_MOTION: Handler(inputs.MouseMotion, _mouse_motion, 2048),
        InputsClientMessage.MOUSE_POSITION: Handler(inputs.MousePosition, _mouse_position, 2048),
        InputsClientMessage.MOUSE_PRESS: Handler(inputs.MousePress, _mouse_press, 2048),
        InputsClientMessage.MOUSE_RELEASE: Handler(inputs.MouseRelease, _mouse_release, 2048),
    }


class Inputs(Channel[InputsChannelClient]):
    """The keyboards and mice of all viewers, from `Server.open_inputs`: `async for event in inputs`.

    No event is dropped. While the application takes none, at most 256 wait; then the viewers that send more are read
    no further, and nobody else notices.

    Args:
        settings: Those of the server.
        relay: Knows the agent, which may move the pointer.
        absolute: The application takes pointer positions.
        modes_changed: Called when that has changed.
    """

    TYPE = ChannelType.INPUTS

    def __init__(
        self, settings: Settings, relay: AgentRelay, *, absolute: bool, modes_changed: Callable[[], None]
    ) -> None:
        super().__init__(0, settings)
        self.relay: Final = relay
        """Knows the agent, which may move the pointer."""
        self._absolute = absolute
        self._modes_changed = modes_changed
        self.locks: Final[AsyncValue[Locks]] = AsyncValue(Locks.NONE)
        """The lock lights, as far as is known; set by `set_locks`, and by lock keys that viewers press."""
        self.typist: InputsChannelClient | None = None
        """Whose lock lights count: the viewer that pressed a key last."""
        self._told: Locks | None = Locks.NONE  # the same at all viewers, or None
        self._events: deque[InputEvent] = deque()
        self._filled = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()

    @property
    def absolute(self) -> bool:
        """The application takes pointer positions, so viewers may use client mouse mode.

        To set it offers viewers that mode, or has them leave it.
        """
        return self._absolute

    @absolute.setter
    def absolute(self, absolute: bool) -> None:
        self._absolute = absolute
        self._modes_changed()

    @property
    def capabilities(self) -> Capabilities:
        """What this channel can do."""
        return Capabilities({InputsCapability.KEY_SCANCODE})

    def make_client(self, client: Client, link: Link) -> InputsChannelClient:
        """Make the object that serves one viewer."""
        return InputsChannelClient(self, client, link)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> InputEvent:
        """Return the next event.

        Cancellation: no event is lost.
        """
        await trio.lowlevel.checkpoint()
        while not self._events:
            await self._filled.park()
        event = self._events.popleft()
        self._room.unpark()
        return event

    def set_locks(self, locks: Locks) -> None:
        """Tell viewers which lock lights of the application's keyboard are on.

        Args:
            locks: All that are on.
        """
        believed, self.locks.value = self.locks.value, locks
        if locks == believed == self._told:
            return
        self._told = locks
        for client in self.clients:
            client.writer.post(inputs.KeyModifiers(locks))

    def put(self, event: InputEvent) -> None:
        """Leave an event for the application, however many wait. For releases, of which there are few."""
        self._events.append(event)
        self._filled.unpark()

    async def deliver(self, event: InputEvent) -> None:
        """Leave an event for the application, once it has taken enough of the others.

        Cancellation: the event is not left.
        """
        while len(self._events) >= QUEUE_LENGTH:
            await self._room.park()
        self.put(event)

    def toggle_lock(self, code: int) -> None:
        """Take in that a key went down; a lock key changes its light."""
        if lock := _LOCK_KEYS.get(code):
            self.locks.value ^= lock
            self._told = None  # viewers differ now: who pressed it, those who see nothing of it, those who come
