"""A spice-gtk client without windows, driven by JSON lines.

Runs under the system's Python (packages python3-gi and gir1.2-spiceclientglib-2.0), not under the project's.
Each line on standard input is a request: `{"id": 1, "do": "connect", ...}`; each is answered by one line
`{"id": 1, "ok": ...}` or `{"id": 1, "error": "..."}`. Between them come the client's own events:
`{"event": "cursor-move", ...}`. The program ends when standard input does.

`tests/clients/gtk.py` is the other end and documents what the requests mean.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
import traceback
from pathlib import Path

import gi

gi.require_version("SpiceClientGLib", "2.0")
from gi.repository import GLib, GObject, SpiceClientGLib  # noqa: E402  (the version must be asked for first)
from gtk_probe_agent import AgentRequests  # noqa: E402

LIBRARY = ctypes.CDLL("libspice-client-glib-2.0.so.8")

COMPRESSIONS = {"off": 1, "auto_glz": 2, "auto_lz": 3, "quic": 4, "glz": 5, "lz": 6, "lz4": 7}


class PrimaryStruct(ctypes.Structure):
    """The structure behind SpiceDisplayPrimary: introspection cannot hand out its pixels."""

    _fields_ = [
        ("format", ctypes.c_int),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("stride", ctypes.c_int),
        ("shmid", ctypes.c_int),
        ("data", ctypes.c_void_p),
        ("marked", ctypes.c_int),
    ]


LIBRARY.spice_display_channel_get_primary.argtypes = [
    ctypes.c_void_p,
    ctypes.c_uint32,
    ctypes.POINTER(PrimaryStruct),
]
LIBRARY.spice_display_channel_get_primary.restype = ctypes.c_int


class ArrayStruct(ctypes.Structure):
    """The structure of a GArray."""

    _fields_ = [("data", ctypes.c_void_p), ("length", ctypes.c_uint)]


class MonitorStruct(ctypes.Structure):
    """The structure behind SpiceDisplayMonitorConfig."""

    _fields_ = [(name, ctypes.c_uint) for name in ("id", "surface_id", "x", "y", "width", "height")]


LIBRARY.g_array_unref.argtypes = [ctypes.POINTER(ArrayStruct)]

PlaybackData = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
"""A handler of playback-data: introspection hands out no more than where the samples are."""

LIBRARY.g_signal_connect_data.argtypes = [
    ctypes.c_void_p,
    ctypes.c_char_p,
    PlaybackData,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int,
]
LIBRARY.g_signal_connect_data.restype = ctypes.c_ulong
LIBRARY.spice_record_channel_send_data.argtypes = [
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.c_size_t,
    ctypes.c_uint32,
]
LIBRARY.spice_record_channel_send_data.restype = None


class CursorStruct(ctypes.Structure):
    """The structure behind SpiceCursorShape."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("width", ctypes.c_uint16),
        ("height", ctypes.c_uint16),
        ("hot_x", ctypes.c_uint16),
        ("hot_y", ctypes.c_uint16),
        ("data", ctypes.c_void_p),
    ]


def emit(**fields: object) -> None:
    """Write one line, whole."""
    line = json.dumps(fields).encode() + b"\n"
    while line:
        line = line[os.write(1, line) :]


def colours(pixels: bytes) -> tuple[bytes, bytes, bytes]:
    """The three colour planes of 32 bit pixels; the fourth byte of each means nothing."""
    return pixels[0::4], pixels[1::4], pixels[2::4]


class Refused(Exception):
    """The request cannot be done; the text goes back to the asker."""


class Wait:
    """A request that is answered when its condition holds."""

    def __init__(self, request, condition, complaint):
        self.request = request
        self.condition = condition
        self.complaint = complaint
        self.deadline = time.monotonic() + request.get("timeout", 10)


class Display:
    """What is known of one display channel."""

    def __init__(self, channel):
        self.channel = channel
        self.marked = False
        self.invalidations = 0
        self.last_change = time.monotonic()

    def primary(self):
        """The primary surface as the client library has it now, or None."""
        primary = PrimaryStruct()
        if not LIBRARY.spice_display_channel_get_primary(hash(self.channel), 0, ctypes.byref(primary)):
            return None
        return primary

    def picture(self):
        """Width, height and the rows without padding, or None when there is no surface."""
        primary = self.primary()
        if primary is None or not primary.data:
            return None
        row = primary.width * 4
        if primary.stride == row:
            return primary.width, primary.height, ctypes.string_at(primary.data, row * primary.height)
        rows = [ctypes.string_at(primary.data + y * primary.stride, row) for y in range(primary.height)]
        return primary.width, primary.height, b"".join(rows)

    def monitors(self):
        """Left, top, width and height of what each monitor shows."""
        # Introspection does not know what is in the array.
        array = ctypes.POINTER(ArrayStruct)()
        LIBRARY.g_object_get(ctypes.c_void_p(hash(self.channel)), b"monitors", ctypes.byref(array), None)
        if not array:
            return []
        found = (MonitorStruct * array.contents.length).from_address(array.contents.data)
        areas = [[one.x, one.y, one.width, one.height] for one in found]
        LIBRARY.g_array_unref(array)
        return areas


class Playback:
    """What one playback channel has to say: its samples are kept, as they would be played."""

    def __init__(self, channel):
        self.sound = bytearray()
        self.keep = PlaybackData(self.on_data)  # the library keeps no reference
        connect = GObject.GObject.connect
        connect(channel, "playback-start", self.on_start)
        connect(channel, "playback-stop", lambda _channel: emit(event="playback-stop"))
        connect(channel, "notify::volume", lambda _c, _p: emit(event="playback-volume", volume=volume_of(channel)))
        connect(channel, "notify::mute", lambda _c, _p: emit(event="playback-mute", mute=channel.get_property("mute")))
        connect(channel, "notify::min-latency", self.on_latency)
        LIBRARY.g_signal_connect_data(hash(channel), b"playback-data", self.keep, None, None, 0)

    def on_start(self, _channel, sample_format, channels, frequency):
        emit(event="playback-start", format=sample_format, channels=channels, frequency=frequency)

    def on_data(self, _channel, data, size, _user):
        self.sound += ctypes.string_at(data, size)

    def on_latency(self, channel, _property):
        emit(event="playback-latency", latency=channel.get_property("min-latency"))


def volume_of(channel):
    """The volume that a sound channel was told, one number for each side."""
    # Introspection knows the property as a bare pointer.
    value, count = ctypes.c_void_p(), ctypes.c_uint()
    LIBRARY.g_object_get(
        ctypes.c_void_p(hash(channel)), b"volume", ctypes.byref(value), b"nchannels", ctypes.byref(count), None
    )
    return list((ctypes.c_uint16 * count.value).from_address(value.value)) if value.value else []


class Probe(AgentRequests):
    """The session, its channels, and the requests that wait for something."""

    library = LIBRARY
    tell = staticmethod(emit)
    wait = Wait

    def __init__(self, loop):
        self.loop = loop
        self.session = None
        self.wanted = None
        self.channels = {}
        self.displays = {}
        self.playbacks = {}
        self.waits = []
        self.sending = []
        self.usb = None
        self.buffer = b""
        GLib.unix_fd_add_full(0, 0, GLib.IOCondition.IN | GLib.IOCondition.HUP, self.on_input)
        GLib.timeout_add(5, self.check_waits)

    # -- requests

    def on_input(self, fd, _condition):
        data = os.read(fd, 1 << 16)
        if not data:
            self.loop.quit()
            return False
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            self.handle(json.loads(line))
        return True

    def handle(self, request):
        try:
            answer = getattr(self, "do_" + request["do"])(request)
        except Refused as error:
            emit(id=request["id"], error=str(error))
            return
        if isinstance(answer, Wait):
            self.waits.append(answer)
            self.check_waits()
        else:
            emit(id=request["id"], ok=answer)

    def check_waits(self):
        now = time.monotonic()
        for wait in list(self.waits):
            try:
                answer = wait.condition()
                if not answer and now > wait.deadline:
                    raise Refused(wait.complaint())
            except Refused as error:
                emit(id=wait.request["id"], error=str(error))
            else:
                if not answer:
                    continue
                emit(id=wait.request["id"], ok=answer)
            self.waits.remove(wait)
        return True

    def do_connect(self, request):
        session = SpiceClientGLib.Session()
        for name in ("host", "port", "tls-port", "unix-path", "password", "ca-file", "cert-subject"):
            if request.get(name) is not None:
                session.set_property(name, str(request[name]))
        session.set_property("enable-audio", request.get("audio", False))
        for name in ("usbredir", "smartcard"):
            session.set_property("enable-" + name, request.get(name, False))
        for name in ("shared-dir", "share-dir-ro", "smartcard-db", "smartcard-certificates"):
            if name in request:
                session.set_property(name, request[name])
        session.set_property("read-only", request.get("read-only", False))
        for name in ("cache-size", "glz-window-size"):
            if name in request:
                session.set_property(name, request[name])
        if "preferred-compression" in request:
            session.set_property("preferred-compression", COMPRESSIONS[request["preferred-compression"]])
        self.wanted = request.get("channels")
        GObject.GObject.connect(session, "channel-new", self.on_channel_new)
        GObject.GObject.connect(session, "channel-destroy", self.on_channel_destroy)
        GObject.GObject.connect(session, "disconnected", lambda _session: emit(event="disconnected"))
        self.session = session
        if not session.connect():
            raise Refused("the session would not even begin to connect")
        return True

    def do_disconnect(self, request):
        self.session.disconnect()
        return Wait(request, lambda: not self.channels, lambda: f"still open: {self.names()}")

    def do_channels(self, _request):
        return self.names()

    def do_wait_channels(self, request):
        wanted = set(request["names"])
        return Wait(
            request,
            lambda: self.names() if wanted <= {n for n, c in self.channels.items() if c.opened} else None,
            lambda: f"wanted {sorted(wanted)}, have {self.names()}",
        )

    def do_wait_picture(self, request):
        return Wait(request, lambda: self.shown(request), lambda: "no picture: " + self.describe(request))

    def do_picture(self, request):
        picture = self.display(request).picture()
        if picture is None:
            raise Refused("there is no primary surface")
        width, height, pixels = picture
        Path(request["file"]).write_bytes(pixels)
        primary = self.display(request).primary()
        return {"width": width, "height": height, "stride": primary.stride, "format": primary.format}

    def do_has_picture(self, request):
        display = self.displays.get(request.get("display", 0))
        return bool(display and display.picture())

    def do_wait_equal(self, request):
        expected = colours(Path(request["file"]).read_bytes())
        seen = -1

        def equal():
            nonlocal seen
            display = self.displays.get(request.get("display", 0))
            if display is None or display.invalidations == seen:
                return None
            seen = display.invalidations
            picture = display.picture()
            if picture is None or not display.marked or picture[:2] != (request["width"], request["height"]):
                return None
            return colours(picture[2]) == expected

        return Wait(request, equal, lambda: "the picture never became the expected one: " + self.describe(request))

    def do_wait_quiet(self, request):
        quiet = request["milliseconds"] / 1000
        return Wait(
            request,
            lambda: time.monotonic() - self.display(request).last_change >= quiet,
            lambda: f"never quiet for {quiet} s",
        )

    def do_wait_invalidations(self, request):
        count = request["count"]
        return Wait(
            request,
            lambda: self.display(request).invalidations >= count and self.display(request).invalidations,
            lambda: f"{self.display(request).invalidations} invalidations, wanted {count}",
        )

    def do_wait_monitors(self, request):
        display = self.display(request)
        return Wait(
            request,
            lambda: display.monitors() == request["areas"],
            lambda: f"the monitors show {display.monitors()}, not {request['areas']}",
        )

    def do_compression(self, request):
        channel = self.display(request).channel
        channel.display_channel_change_preferred_compression(COMPRESSIONS[request["compression"]])
        return True

    def do_key(self, request):
        inputs = self.channel("inputs:0")
        if request["down"]:
            inputs.key_press(request["code"])
        else:
            inputs.key_release(request["code"])
        return True

    def do_tap(self, request):
        self.channel("inputs:0").key_press_and_release(request["code"])
        return True

    def do_motion(self, request):
        self.channel("inputs:0").motion(request["dx"], request["dy"], request["mask"])
        return True

    def do_position(self, request):
        inputs = self.channel("inputs:0")
        inputs.position(request["x"], request["y"], request.get("display", 0), request["mask"])
        return True

    def do_button(self, request):
        inputs = self.channel("inputs:0")
        if request["down"]:
            inputs.button_press(request["button"], request["mask"])
        else:
            inputs.button_release(request["button"], request["mask"])
        return True

    def do_set_locks(self, request):
        self.channel("inputs:0").set_key_locks(request["locks"])
        return True

    def do_get(self, request):
        if request["of"] == "session":
            if request["name"] == "uuid":
                return self.uuid()
            return self.session.get_property(request["name"])
        return self.channel(request["of"]).get_property(request["name"])

    def do_wait_get(self, request):
        return Wait(
            request,
            lambda: self.do_get(request) == request["value"],
            lambda: f"{request['of']} {request['name']} is {self.do_get(request)!r}, not {request['value']!r}",
        )

    def do_sound(self, request):
        """Write what was heard by now to a file once it is so many bytes, and begin anew."""
        playback = self.playbacks[self.channel("playback:0")]

        def enough():
            if len(playback.sound) < request["size"]:
                return None
            Path(request["file"]).write_bytes(playback.sound)
            playback.sound.clear()
            return True

        return Wait(request, enough, lambda: f"heard {len(playback.sound)} bytes, wanted {request['size']}")

    def do_record(self, request):
        """Record samples as a microphone does, in time."""
        sound = Path(request["file"]).read_bytes()
        size = request["size"]
        channel = self.channel("record:0")
        pieces = [sound[start : start + size] for start in range(0, len(sound), size)]
        clock = time.monotonic()

        def send():
            while pieces and time.monotonic() - clock >= request["seconds"] * (1 - len(pieces) * size / len(sound)):
                piece = pieces.pop(0)
                now = int(time.monotonic() * 1000) & 0xFFFFFFFF
                LIBRARY.spice_record_channel_send_data(hash(channel), piece, len(piece), now)
            return not pieces

        return Wait(request, send, lambda: f"{len(pieces)} pieces were not recorded")

    def do_request_mouse_mode(self, request):
        self.channel("main:0").request_mouse_mode(request["mode"])
        return True

    def do_read_bytes(self, _request):
        return {name: channel.get_property("total-read-bytes") for name, channel in self.channels.items()}

    def do_port_write(self, request):
        # The library keeps a pointer to the bytes until they are sent, so they are kept here as well.
        data = ctypes.create_string_buffer(bytes.fromhex(request["data"]))
        self.sending.append(data)
        channel = ctypes.c_void_p(hash(self.channel(request["channel"])))
        LIBRARY.spice_port_channel_write_async(channel, data, ctypes.c_size_t(len(data) - 1), None, None, None)
        return True

    def do_port_event(self, request):
        SpiceClientGLib.PortChannel.event(self.channel(request["channel"]), request["event"])
        return True

    def do_close_channel(self, request):
        self.channel(request["channel"]).disconnect(SpiceClientGLib.ChannelEvent.CLOSED)
        return True

    def do_share_cd(self, request):
        """Make a USB CD drive of a file, which needs no hardware, and give it to the server."""
        self.usb = SpiceClientGLib.UsbDeviceManager.get(self.session)
        GObject.GObject.connect(self.usb, "device-added", self.on_usb_device)
        self.usb.create_shared_cd_device(request["file"])
        return True

    # -- what the requests look at

    def names(self):
        return sorted(self.channels)

    def channel(self, name):
        try:
            return self.channels[name]
        except KeyError:
            raise Refused(f"no channel {name}, only {self.names()}") from None

    def display(self, request):
        try:
            return self.displays[request.get("display", 0)]
        except KeyError:
            raise Refused(f"no display channel, only {self.names()}") from None

    def shown(self, request):
        display = self.displays.get(request.get("display", 0))
        if display is None or not display.marked:
            return None
        primary = display.primary()
        return primary and {"width": primary.width, "height": primary.height}

    def describe(self, request):
        """What there is instead of what was waited for, in a line."""
        display = self.displays.get(request.get("display", 0))
        if display is None:
            return f"no display channel, only {self.names()}"
        picture = display.picture()
        size = "no surface" if picture is None else f"{picture[0]}x{picture[1]}"
        return f"{size}, marked {display.marked}, {display.invalidations} invalidations"

    def uuid(self):
        # Introspection knows the property as a bare pointer and will not convert it.
        value = ctypes.c_void_p()
        LIBRARY.g_object_get(ctypes.c_void_p(hash(self.session)), b"uuid", ctypes.byref(value), None)
        return ctypes.string_at(value.value, 16).hex() if value.value else None

    # -- the client's events

    def on_usb_device(self, manager, device):
        emit(event="usb-device", description=device.get_description("%s %s"))

        def done(_manager, result):
            try:
                manager.connect_device_finish(result)
            except GLib.Error as error:
                emit(event="usb-connected", message=error.message)
            else:
                emit(event="usb-connected")

        manager.connect_device_async(device, None, done)

    def on_port_data(self, _channel, data, size, name):
        emit(event="port-data", channel=name, data=ctypes.string_at(data, size).hex())

    def on_channel_new(self, _session, channel):
        name = "{}:{}".format(
            SpiceClientGLib.Channel.type_to_string(channel.get_property("channel-type")),
            channel.get_property("channel-id"),
        )
        emit(event="channel-new", channel=name)
        if self.wanted is not None and name.split(":")[0] not in self.wanted:
            return
        channel.opened = False
        self.channels[name] = channel
        connect = GObject.GObject.connect
        connect(channel, "channel-event", self.on_channel_event, name)
        if name.startswith("display"):
            display = Display(channel)
            self.displays[channel.get_property("channel-id")] = display
            connect(channel, "display-primary-create", self.on_primary_create, display)
            connect(channel, "display-primary-destroy", self.on_primary_destroy, display)
            connect(channel, "display-mark", self.on_mark, display)
            connect(channel, "display-invalidate", self.on_invalidate, display)
        elif name.startswith("cursor"):
            connect(channel, "cursor-set", self.on_cursor_set)
            connect(channel, "cursor-move", lambda _c, x, y: emit(event="cursor-move", x=x, y=y))
            connect(channel, "cursor-hide", lambda _c: emit(event="cursor-hide"))
            connect(channel, "cursor-reset", lambda _c: emit(event="cursor-reset"))
        elif name.startswith("inputs"):
            connect(channel, "inputs-modifiers", self.on_modifiers)
        elif name.startswith("port"):
            connect(channel, "port-data", self.on_port_data, name)
            connect(channel, "port-event", lambda _c, what: emit(event="port-event", channel=name, what=what))
        elif name.startswith("playback"):
            self.playbacks[channel] = Playback(channel)
        elif name.startswith("record"):
            connect(channel, "record-start", self.on_record_start)
            connect(channel, "record-stop", lambda _channel: emit(event="record-stop"))
            connect(channel, "notify::volume", lambda _c, _p: emit(event="record-volume", volume=volume_of(channel)))
            connect(
                channel, "notify::mute", lambda _c, _p: emit(event="record-mute", mute=channel.get_property("mute"))
            )
        elif name.startswith("main"):
            connect(channel, "main-mouse-update", self.on_mouse_update)
            self.follow_agent(channel)
            return  # the session opens this one itself
        elif name.startswith("usbredir"):
            return  # and this one when it has a device to give
        channel.connect()

    def on_channel_destroy(self, _session, channel):
        for name, known in list(self.channels.items()):
            if known is channel:
                del self.channels[name]
                emit(event="channel-destroy", channel=name)
        for number, display in list(self.displays.items()):
            if display.channel is channel:
                del self.displays[number]

    def on_channel_event(self, channel, event, name):
        fields = {}
        error = channel.get_error()
        if error is not None:
            fields["message"] = error.message
        channel.opened = event == SpiceClientGLib.ChannelEvent.OPENED
        nick = SpiceClientGLib.ChannelEvent(event).value_nick
        emit(event="channel-event", channel=name, what=nick, **fields)

    def on_primary_create(self, _channel, surface_format, width, height, stride, _shmid, _data, display):
        display.last_change = time.monotonic()
        display.invalidations += 1
        emit(event="primary-create", format=surface_format, width=width, height=height, stride=stride)

    def on_primary_destroy(self, _channel, display):
        display.marked = False
        display.last_change = time.monotonic()
        emit(event="primary-destroy")

    def on_mark(self, _channel, mark, display):
        display.marked = bool(mark)
        display.last_change = time.monotonic()
        display.invalidations += 1
        emit(event="mark", mark=mark)

    def on_invalidate(self, _channel, _x, _y, _width, _height, display):
        display.invalidations += 1
        display.last_change = time.monotonic()

    def on_cursor_set(self, channel, width, height, hot_x, hot_y, _rgba):
        fields = {"width": width, "height": height, "hot_x": hot_x, "hot_y": hot_y}
        shape = channel.get_property("cursor")
        if shape is not None:
            struct = ctypes.cast(hash(shape), ctypes.POINTER(CursorStruct)).contents
            fields["type"] = struct.type
            if struct.data:
                fields["rgba"] = ctypes.string_at(struct.data, width * height * 4).hex()
        emit(event="cursor-set", **fields)

    def on_modifiers(self, channel):
        emit(event="modifiers", locks=channel.get_property("key-modifiers"))

    def on_record_start(self, _channel, sample_format, channels, frequency):
        emit(event="record-start", format=sample_format, channels=channels, frequency=frequency)

    def on_mouse_update(self, channel):
        emit(event="mouse-mode", mode=channel.get_property("mouse-mode"))


def die(kind, error, trace):
    """A fault in a callback would only be printed, and its request never be answered: end instead."""
    traceback.print_exception(kind, error, trace)
    os._exit(3)


def main() -> int:
    sys.excepthook = die
    loop = GLib.MainLoop()
    Probe(loop)
    emit(event="ready", version=SpiceClientGLib.util_get_version_string())
    loop.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
