"""Hypothesis strategies for every structure and message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from hypothesis import strategies as st

from spicetrio.wire import (
    agent,
    base,
    cursor,
    display,
    draw,
    drawing,
    geometry,
    image,
    inputs,
    main,
    playback,
    port,
    record,
    smartcard,
    stream,
    streamdevice,
    vmc,
)
from spicetrio.wire.buffer import PAYLOAD_SIZE, Message
from spicetrio.wire.enums import (
    BitmapFlags,
    CompositeFlags,
    CursorFlags,
    CursorType,
    DataCompression,
    LineFlags,
    MigrateFlags,
    MonitorsFlags,
    PathFlags,
    StringFlags,
)
from spicetrio.wire.link import Capabilities


def unsigned(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, (1 << bits) - 1)


def signed(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1)


u8, u16, u32, u64 = unsigned(8), unsigned(16), unsigned(32), unsigned(64)
i16, i32, i64 = signed(16), signed(32), signed(64)

data = st.binary(max_size=40) | st.just(bytes(range(256)) * (PAYLOAD_SIZE // 256))
texts = st.text(max_size=20).filter(lambda text: "\0" not in text)


def tuples(items: st.SearchStrategy[object], most: int = 3) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(items, max_size=most).map(tuple)


def bits(kind: type[LineFlags | PathFlags | BitmapFlags | MonitorsFlags]) -> st.SearchStrategy[int]:
    return st.sets(st.sampled_from(list(kind))).map(sum)


points = st.builds(geometry.Point, i32, i32)
points16 = st.builds(geometry.Point16, i16, i16)
points_fix = st.builds(geometry.PointFix, i32, i32)
rects = st.builds(geometry.Rect, i32, i32, i32, i32)
transforms = st.builds(geometry.Transform, u32, u32, u32, u32, u32, u32)
clips = st.none() | tuples(rects)

palettes = st.builds(image.Palette, u64, tuples(u32))


@st.composite
def bitmaps(draw: st.DrawFn) -> image.Bitmap:
    flags = draw(bits(BitmapFlags))
    palette = draw(u64 if flags & BitmapFlags.PAL_FROM_CACHE else st.none() | palettes)
    stride, height = draw(st.integers(0, 9)), draw(st.integers(0, 5))
    rows = draw(st.binary(min_size=stride * height, max_size=stride * height))
    return image.Bitmap(draw(u8), flags, draw(u32), height, stride, palette, rows)


@st.composite
def palette_images(draw: st.DrawFn) -> image.LzPalette:
    flags = draw(bits(BitmapFlags))
    palette = draw(u64) if flags & BitmapFlags.PAL_FROM_CACHE else draw(palettes)
    return image.LzPalette(flags, palette, draw(data))


@st.composite
def jpegs_with_alpha(draw: st.DrawFn) -> image.JpegAlpha:
    parts = draw(data)
    return image.JpegAlpha(draw(u8), draw(st.integers(0, len(parts))), parts)


payloads = st.one_of(
    bitmaps(),
    palette_images(),
    jpegs_with_alpha(),
    *(st.builds(kind, data) for kind in (image.Quic, image.Lz, image.Glz, image.Jpeg, image.Lz4)),
    st.builds(image.ZlibGlz, u32, data),
    st.builds(image.Surface, u32),
    st.just(image.FromCache()),
    st.just(image.FromCacheLossless()),
)
images = st.builds(image.Image, u64, u8, u32, u32, payloads)

bases = st.builds(drawing.DisplayBase, u32, rects, clips)
brushes = st.one_of(st.none(), st.builds(drawing.Solid, u32), st.builds(drawing.Pattern, images, points))
masks = st.builds(drawing.QMask, u8, points, st.none() | images)
line_attrs = st.one_of(
    st.builds(drawing.LineAttr, st.sampled_from([0, int(LineFlags.START_WITH_GAP)])),
    st.builds(drawing.LineAttr, st.sampled_from([8, 12]), tuples(i32)),
)
paths = st.builds(drawing.Path, tuples(st.builds(drawing.PathSegment, bits(PathFlags), tuples(points_fix))))


@st.composite
def strings(draw: st.DrawFn) -> drawing.String:
    depth = draw(st.sampled_from(list(drawing.GLYPH_BITS)))

    def glyph() -> drawing.Glyph:
        width, height = draw(st.integers(0, 17)), draw(st.integers(0, 5))
        size = (drawing.GLYPH_BITS[depth] * width + 7) // 8 * height
        rows = draw(st.binary(min_size=size, max_size=size))
        return drawing.Glyph(draw(points), draw(points), width, height, rows)

    glyphs = tuple(glyph() for _ in range(draw(st.integers(0, 3))))
    return drawing.String(depth | draw(st.sampled_from([0, int(StringFlags.TOP_DOWN)])), glyphs)


@st.composite
def composites(draw_value: st.DrawFn) -> draw.DrawComposite:
    flags = draw_value(u32)
    return draw.DrawComposite(
        draw_value(bases),
        flags,
        draw_value(images),
        draw_value(images) if flags & CompositeFlags.HAS_MASK else None,
        draw_value(transforms) if flags & CompositeFlags.HAS_SRC_TRANSFORM else None,
        draw_value(transforms) if flags & CompositeFlags.HAS_MASK_TRANSFORM else None,
        draw_value(points16),
        draw_value(points16),
    )


cursor_headers = st.builds(cursor.CursorHeader, u64, u8, u16, u16, u16, u16)
cursors = st.one_of(
    st.builds(cursor.Cursor, st.integers(0, 7).filter(lambda flags: flags & CursorFlags.NONE)),
    st.builds(cursor.Cursor, st.sampled_from([4, 6]), cursor_headers),
    st.builds(cursor.Cursor, st.sampled_from([0, 2]), cursor_headers, data),
)

waits = tuples(st.builds(base.ChannelWait, u8, u8, u64))
destinations = st.builds(main.DstInfo, u16, u16, texts, st.none() | texts)
agent_data = st.binary(max_size=40) | st.just(bytes(main.AGENT_DATA_SIZE))

BASE: Final[Mapping[type[Message], st.SearchStrategy[Message]]] = {
    base.Migrate: st.builds(base.Migrate, st.sampled_from(list(MigrateFlags))),
    base.MigrateData: st.builds(base.MigrateData, data),
    base.SetAck: st.builds(base.SetAck, u32, u32),
    base.Ping: st.builds(base.Ping, u32, u64, data),
    base.WaitForChannels: st.builds(base.WaitForChannels, waits),
    base.Disconnecting: st.builds(base.Disconnecting, u64, u32),
    base.Notify: st.builds(base.Notify, u64, u32, u32, u32, texts),
    base.MessageList: st.builds(base.MessageList, tuples(st.builds(base.SubMessage, u16, data))),
    base.AckSync: st.builds(base.AckSync, u32),
    base.Ack: st.just(base.Ack()),
    base.Pong: st.builds(base.Pong, u32, u64),
    base.MigrateFlushMark: st.just(base.MigrateFlushMark()),
    base.ClientMigrateData: st.builds(base.ClientMigrateData, data),
    base.ClientDisconnecting: st.builds(base.ClientDisconnecting, u64, u32),
}

MAIN: Final[Mapping[type[Message], st.SearchStrategy[Message]]] = {
    main.MigrateBegin: st.builds(main.MigrateBegin, destinations),
    main.MigrateCancel: st.just(main.MigrateCancel()),
    main.Init: st.builds(main.Init, *[u32] * 8),
    main.ChannelsList: st.builds(main.ChannelsList, tuples(st.builds(main.ChannelId, u8, u8))),
    main.MouseModeMessage: st.builds(main.MouseModeMessage, u16, u16),
    main.MultiMediaTime: st.builds(main.MultiMediaTime, u32),
    main.AgentConnected: st.just(main.AgentConnected()),
    main.AgentDisconnected: st.builds(main.AgentDisconnected, u32),
    main.AgentData: st.builds(main.AgentData, agent_data),
    main.AgentToken: st.builds(main.AgentToken, u32),
    main.MigrateSwitchHost: st.builds(main.MigrateSwitchHost, destinations),
    main.MigrateEnd: st.just(main.MigrateEnd()),
    main.Name: st.builds(main.Name, texts),
    main.Uuid: st.builds(main.Uuid, st.binary(min_size=16, max_size=16).map(lambda raw: UUID(bytes=raw))),
    main.AgentConnectedTokens: st.builds(main.AgentConnectedTokens, u32),
    main.MigrateBeginSeamless: st.builds(main.MigrateBeginSeamless, destinations, u32),
    main.MigrateDstSeamlessAck: st.just(main.MigrateDstSeamlessAck()),
    main.MigrateDstSeamlessNack: st.just(main.MigrateDstSeamlessNack()),
    main.ClientInfo: st.builds(main.ClientInfo, u64),
    main.MigrateConnected: st.just(main.MigrateConnected()),
    main.MigrateConnectError: st.just(main.MigrateConnectError()),
    main.AttachChannels: st.just(main.AttachChannels()),
    main.MouseModeRequest: st.builds(main.MouseModeRequest, u16),
    main.AgentStart: st.builds(main.AgentStart, u32),
    main.ClientAgentData: st.builds(main.ClientAgentData, agent_data),
    main.ClientAgentToken: st.builds(main.ClientAgentToken, u32),
    main.ClientMigrateEnd: st.just(main.ClientMigrateEnd()),
    main.MigrateDstDoSeamless: st.builds(main.MigrateDstDoSeamless, u32),
    main.MigrateConnectedSeamless: st.just(main.MigrateConnectedSeamless()),
    main.QualityIndicator: st.builds(main.QualityIndicator, data),
}

DISPLAY: Final[Mapping[type[Message], st.SearchStrategy[Message]]] = {
    display.Mode: st.builds(display.Mode, u32, u32, u32),
    display.Mark: st.just(display.Mark()),
    display.Reset: st.just(display.Reset()),
    display.InvalList: st.builds(display.InvalList, tuples(st.builds(display.ResourceId, u8, u64))),
    display.InvalAllPixmaps: st.builds(display.InvalAllPixmaps, waits),
    display.InvalPalette: st.builds(display.InvalPalette, u64),
    display.InvalAllPalettes: st.just(display.InvalAllPalettes()),
    display.SurfaceCreate: st.builds(display.SurfaceCreate, u32, u32, u32, u32, u32),
    display.SurfaceDestroy: st.builds(display.SurfaceDestroy, u32),
    display.MonitorsConfig: st.builds(
        display.MonitorsConfig, u16, tuples(st.builds(display.Head, u32, u32, u32, u32, u32, u32, u32))
    ),
    display.GlScanoutUnix: st.builds(display.GlScanoutUnix, u32, u32, u32, u32, u32),
    display.GlDraw: st.builds(display.GlDraw, u32, u32, u32, u32),
    draw.CopyBits: st.builds(draw.CopyBits, bases, points),
    draw.DrawFill: st.builds(draw.DrawFill, bases, brushes, u16, masks),
    draw.DrawOpaque: st.builds(draw.DrawOpaque, bases, images, rects, brushes, u16, u8, masks),
    draw.DrawCopy: st.builds(draw.DrawCopy, bases, images, rects, u16, u8, masks),
    draw.DrawBlend: st.builds(draw.DrawBlend, bases, images, rects, u16, u8, masks),
    draw.DrawBlackness: st.builds(draw.DrawBlackness, bases, masks),
    draw.DrawWhiteness: st.builds(draw.DrawWhiteness, bases, masks),
    draw.DrawInvers: st.builds(draw.DrawInvers, bases, masks),
    draw.DrawRop3: st.builds(draw.DrawRop3, bases, images, rects, brushes, u8, u8, masks),
    draw.DrawStroke: st.builds(draw.DrawStroke, bases, paths, line_attrs, brushes, u16, u16),
    draw.DrawText: st.builds(draw.DrawText, bases, strings(), rects, brushes, brushes, u16, u16),
    draw.DrawTransparent: st.builds(draw.DrawTransparent, bases, images, rects, u32, u32),
    draw.DrawAlphaBlend: st.builds(draw.DrawAlphaBlend, bases, u8, u8, images, rects),
    draw.DrawComposite: composites(),
    stream.StreamCreate: st.builds(stream.StreamCreate, u32, u32, u8, u8, u64, u32, u32, u32, u32, rects, clips),
    stream.StreamData: st.builds(stream.StreamData, u32, u32, data),
    stream.StreamClip: st.builds(stream.StreamClip, u32, clips),
    stream.StreamDestroy: st.builds(stream.StreamDestroy, u32),
    stream.StreamDestroyAll: st.just(stream.StreamDestroyAll()),
    stream.StreamDataSized: st.builds(stream.StreamDataSized, u32, u32, u32, u32, rects, data),
    stream.StreamActivateReport: st.builds(stream.StreamActivateReport, u32, u32, u32, u32),
    stream.QualityIndicator: st.builds(stream.QualityIndicator, data),
    display.Init: st.builds(display.Init, u8, i64, u8, i32),
    stream.StreamReport: st.builds(stream.StreamReport, u32, u32, u32, u32, u32, u32, i32, u32),
    display.PreferredCompression: st.builds(display.PreferredCompression, u8),
    display.GlDrawDone: st.just(display.GlDrawDone()),
    display.PreferredVideoCodecType: st.builds(display.PreferredVideoCodecType, tuples(u8)),
}

CURSOR: Final[Mapping[type[Message], st.SearchStrategy[Message]]] = {
    cursor.Init: st.builds(cursor.Init, points16, u16, u16, st.booleans(), cursors),
    cursor.Reset: st.just(cursor.Reset()),
    cursor.Set: st.builds(cursor.Set, points16, st.booleans(), cursors),
    cursor.Move: st.builds(cursor.Move, points16),
    cursor.Hide: st.just(cursor.Hide()),
    cursor.Trail: st.builds(cursor.Trail, u16, u16),
    cursor.InvalOne: st.builds(cursor.InvalOne, u64),
    cursor.InvalAll: st.just(cursor.InvalAll()),
}

INPUTS: Final[Mapping[type[Message], st.SearchStrategy[Message]]] = {
    inputs.Init: st.builds(inputs.Init, u16),
    inputs.KeyModifiers: st.builds(inputs.KeyModifiers, u16),
    inputs.MouseMotionAck: st.just(inputs.MouseMotionAck()),
    inputs.KeyDown: st.builds(inputs.KeyDown, u32),
    inputs.KeyUp: st.builds(inputs.KeyUp, u32),
    inputs.ClientKeyModifiers: st.builds(inputs.ClientKeyModifiers, u16),
    inputs.KeyScancode: st.builds(inputs.KeyScancode, data),
    inputs.MouseMotion: st.builds(inputs.MouseMotion, i32, i32, u16),
    inputs.MousePosition: st.builds(inputs.MousePosition, u32, u32, u16, u8),
    inputs.MousePress: st.builds(inputs.MousePress, u8, u16),
    inputs.MouseRelease: st.builds(inputs.MouseRelease, u8, u16),
}


@st.composite
def device_cursors(draw: st.DrawFn) -> streamdevice.CursorSet:
    kind = draw(st.sampled_from([CursorType.ALPHA, CursorType.COLOR24, CursorType.COLOR32]))
    width, height = draw(st.integers(0, 17)), draw(st.integers(0, 5))
    mask = 0 if kind is CursorType.ALPHA else (width + 7) // 8
    size = ((3 if kind is CursorType.COLOR24 else 4) * width + mask) * height
    rows = draw(st.binary(min_size=size, max_size=size))
    return streamdevice.CursorSet(width, height, draw(u16), draw(u16), kind, rows)


STREAM_DEVICE: Final[Mapping[type[Message], st.SearchStrategy[Message]]] = {
    streamdevice.Capabilities: st.builds(streamdevice.Capabilities, data),
    streamdevice.Format: st.builds(streamdevice.Format, u32, u32, u8),
    streamdevice.Data: st.builds(streamdevice.Data, data),
    streamdevice.StartStop: st.builds(streamdevice.StartStop, tuples(u8)),
    streamdevice.NotifyError: st.builds(streamdevice.NotifyError, u32, texts),
    streamdevice.CursorSet: device_cursors(),
    streamdevice.CursorMove: st.builds(streamdevice.CursorMove, i32, i32),
    streamdevice.DeviceDisplayInfo: st.builds(streamdevice.DeviceDisplayInfo, u32, u32, texts),
    streamdevice.QualityIndicator: st.builds(streamdevice.QualityIndicator, data),
}

compressed = {
    kind: st.one_of(
        st.builds(kind, st.just(DataCompression.NONE), st.none(), data),
        st.builds(kind, st.just(DataCompression.LZ4), u32, data),
    )
    for kind in (vmc.CompressedData, vmc.ClientCompressedData)
}
DEVICES: Final[Mapping[type[Message], st.SearchStrategy[Message]]] = {
    vmc.Data: st.builds(vmc.Data, data),
    vmc.ClientData: st.builds(vmc.ClientData, data),
    **compressed,
    port.Init: st.builds(port.Init, texts, st.booleans()),
    port.Event: st.builds(port.Event, u8),
    port.ClientEvent: st.builds(port.ClientEvent, u8),
    smartcard.Data: st.builds(smartcard.Data, u32, u32, data),
    smartcard.ClientData: st.builds(smartcard.ClientData, u32, u32, data),
}

PLAYBACK: Final[Mapping[type[Message], st.SearchStrategy[Message]]] = {
    playback.Data: st.builds(playback.Data, u32, data),
    playback.Mode: st.builds(playback.Mode, u32, u16),
    playback.Start: st.builds(playback.Start, u32, u16, u32, u32),
    playback.Stop: st.just(playback.Stop()),
    playback.Volume: st.builds(playback.Volume, tuples(u16)),
    playback.Mute: st.builds(playback.Mute, st.booleans()),
    playback.Latency: st.builds(playback.Latency, u32),
}

RECORD: Final[Mapping[type[Message], st.SearchStrategy[Message]]] = {
    record.Start: st.builds(record.Start, u32, u16, u32),
    record.Stop: st.just(record.Stop()),
    record.Volume: st.builds(record.Volume, tuples(u16)),
    record.Mute: st.builds(record.Mute, st.booleans()),
    record.Data: st.builds(record.Data, u32, data),
    record.Mode: st.builds(record.Mode, u32, u16),
    record.StartMark: st.builds(record.StartMark, u32),
}

monitors = st.builds(agent.Monitor, u32, u32, u32, i32, i32)


@st.composite
def monitors_configs(draw: st.DrawFn) -> agent.MonitorsConfig:
    flags = draw(bits(MonitorsFlags))
    wanted = draw(st.lists(monitors, max_size=3))
    sizes = [agent.PhysicalSize(draw(u16), draw(u16)) for _ in wanted] if flags & MonitorsFlags.PHYSICAL_SIZE else []
    return agent.MonitorsConfig(flags, tuple(wanted), tuple(sizes))


AGENT: Final[Mapping[type[Message], st.SearchStrategy[Message]]] = {
    agent.MouseState: st.builds(agent.MouseState, u32, u32, u32, u8),
    agent.MonitorsConfig: monitors_configs(),
    agent.Reply: st.builds(agent.Reply, u32, u32),
    agent.ClipboardMessage: st.builds(agent.ClipboardMessage, u8, u32, data),
    agent.DisplayConfig: st.builds(agent.DisplayConfig, u32, u32),
    agent.AnnounceCapabilities: st.builds(
        agent.AnnounceCapabilities, u32, st.sets(st.integers(0, 255)).map(Capabilities)
    ),
    agent.ClipboardGrab: st.builds(agent.ClipboardGrab, u8, u32, tuples(u32)),
    agent.ClipboardRequest: st.builds(agent.ClipboardRequest, u8, u32),
    agent.ClipboardRelease: st.builds(agent.ClipboardRelease, u8),
    agent.FileXferStart: st.builds(agent.FileXferStart, u32, texts),
    agent.FileXferStatus: st.builds(agent.FileXferStatus, u32, u32, st.binary(max_size=9)),
    agent.FileXferData: st.builds(agent.FileXferData, u32, data),
    agent.ClientDisconnected: st.just(agent.ClientDisconnected()),
    agent.MaxClipboard: st.builds(agent.MaxClipboard, i32),
    agent.AudioVolumeSync: st.builds(agent.AudioVolumeSync, u8, u8, tuples(u16)),
    agent.GraphicsDeviceInfo: st.builds(
        agent.GraphicsDeviceInfo, tuples(st.builds(agent.GraphicsDevice, u32, u32, u32, texts))
    ),
}

MESSAGES: Final[Mapping[type[Message], st.SearchStrategy[Message]]] = {
    **BASE,
    **MAIN,
    **DISPLAY,
    **CURSOR,
    **INPUTS,
    **STREAM_DEVICE,
    **DEVICES,
    **PLAYBACK,
    **RECORD,
    **AGENT,
}
