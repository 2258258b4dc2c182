"""The numbers of the protocol. Names are those of the SPICE protocol headers, without their prefixes."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class LinkErrorCode(IntEnum):
    """Why a link is refused or a connection ends (spec L-10)."""

    OK = 0
    ERROR = 1
    INVALID_MAGIC = 2
    INVALID_DATA = 3
    VERSION_MISMATCH = 4
    NEED_SECURED = 5
    NEED_UNSECURED = 6
    PERMISSION_DENIED = 7
    BAD_CONNECTION_ID = 8
    CHANNEL_NOT_AVAILABLE = 9


class ChannelType(IntEnum):
    """The kinds of channels (spec 02)."""

    MAIN = 1
    DISPLAY = 2
    INPUTS = 3
    CURSOR = 4
    PLAYBACK = 5
    RECORD = 6
    TUNNEL = 7
    SMARTCARD = 8
    USBREDIR = 9
    PORT = 10
    WEBDAV = 11


class CommonCapability(IntEnum):
    """Capabilities of a connection of any kind (spec L-5)."""

    AUTH_SELECTION = 0
    AUTH_SPICE = 1
    AUTH_SASL = 2
    MINI_HEADER = 3


class MainCapability(IntEnum):
    """Capabilities of the main channel (spec 3.1)."""

    SEMI_SEAMLESS_MIGRATE = 0
    NAME_AND_UUID = 1
    AGENT_CONNECTED_TOKENS = 2
    SEAMLESS_MIGRATE = 3


class DisplayCapability(IntEnum):
    """Capabilities of a display channel (spec 3.2)."""

    SIZED_STREAM = 0
    MONITORS_CONFIG = 1
    COMPOSITE = 2
    A8_SURFACE = 3
    STREAM_REPORT = 4
    LZ4_COMPRESSION = 5
    PREF_COMPRESSION = 6
    GL_SCANOUT = 7
    MULTI_CODEC = 8
    CODEC_MJPEG = 9
    CODEC_VP8 = 10
    CODEC_H264 = 11
    PREF_VIDEO_CODEC_TYPE = 12
    CODEC_VP9 = 13
    CODEC_H265 = 14


class InputsCapability(IntEnum):
    """Capabilities of the inputs channel (spec 3.4)."""

    KEY_SCANCODE = 0


class VmcCapability(IntEnum):
    """Capabilities of the channels that carry a device's bytes (spec 3.8)."""

    DATA_COMPRESS_LZ4 = 0


class PlaybackCapability(IntEnum):
    """Capabilities of the playback channel (spec 3.5)."""

    CELT_0_5_1 = 0
    VOLUME = 1
    LATENCY = 2
    OPUS = 3


class RecordCapability(IntEnum):
    """Capabilities of the record channel (spec 3.6)."""

    CELT_0_5_1 = 0
    VOLUME = 1
    OPUS = 2


class AuthMechanism(IntEnum):
    """How a peer proves itself (spec L-6)."""

    SPICE = 1
    SASL = 2


class MouseMode(IntFlag):
    """How the pointer moves: by relative motion, or to where the client says it is (spec AG-18)."""

    SERVER = 1
    CLIENT = 2


class BaseMessage(IntEnum):
    """Messages of every channel, server to client (spec 2.1)."""

    MIGRATE = 1
    MIGRATE_DATA = 2
    SET_ACK = 3
    PING = 4
    WAIT_FOR_CHANNELS = 5
    DISCONNECTING = 6
    NOTIFY = 7
    LIST = 8


class BaseClientMessage(IntEnum):
    """Messages of every channel, client to server (spec 2.2)."""

    ACK_SYNC = 1
    ACK = 2
    PONG = 3
    MIGRATE_FLUSH_MARK = 4
    MIGRATE_DATA = 5
    DISCONNECTING = 6


class NotifySeverity(IntEnum):
    """How bad the news is (spec 2.1, NOTIFY)."""

    INFO = 0
    WARN = 1
    ERROR = 2


class NotifyVisibility(IntEnum):
    """How visible the news should be (spec 2.1, NOTIFY)."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2


class MainMessage(IntEnum):
    """Messages of the main channel, server to client (spec 3.1)."""

    MIGRATE_BEGIN = 101
    MIGRATE_CANCEL = 102
    INIT = 103
    CHANNELS_LIST = 104
    MOUSE_MODE = 105
    MULTI_MEDIA_TIME = 106
    AGENT_CONNECTED = 107
    AGENT_DISCONNECTED = 108
    AGENT_DATA = 109
    AGENT_TOKEN = 110
    MIGRATE_SWITCH_HOST = 111
    MIGRATE_END = 112
    NAME = 113
    UUID = 114
    AGENT_CONNECTED_TOKENS = 115
    MIGRATE_BEGIN_SEAMLESS = 116
    MIGRATE_DST_SEAMLESS_ACK = 117
    MIGRATE_DST_SEAMLESS_NACK = 118


class MainClientMessage(IntEnum):
    """Messages of the main channel, client to server (spec 3.1)."""

    CLIENT_INFO = 101
    MIGRATE_CONNECTED = 102
    MIGRATE_CONNECT_ERROR = 103
    ATTACH_CHANNELS = 104
    MOUSE_MODE_REQUEST = 105
    AGENT_START = 106
    AGENT_DATA = 107
    AGENT_TOKEN = 108
    MIGRATE_END = 109
    MIGRATE_DST_DO_SEAMLESS = 110
    MIGRATE_CONNECTED_SEAMLESS = 111
    QUALITY_INDICATOR = 112


class DisplayMessage(IntEnum):
    """Messages of a display channel, server to client (spec 3.2)."""

    MODE = 101
    MARK = 102
    RESET = 103
    COPY_BITS = 104
    INVAL_LIST = 105
    INVAL_ALL_PIXMAPS = 106
    INVAL_PALETTE = 107
    INVAL_ALL_PALETTES = 108
    STREAM_CREATE = 122
    STREAM_DATA = 123
    STREAM_CLIP = 124
    STREAM_DESTROY = 125
    STREAM_DESTROY_ALL = 126
    DRAW_FILL = 302
    DRAW_OPAQUE = 303
    DRAW_COPY = 304
    DRAW_BLEND = 305
    DRAW_BLACKNESS = 306
    DRAW_WHITENESS = 307
    DRAW_INVERS = 308
    DRAW_ROP3 = 309
    DRAW_STROKE = 310
    DRAW_TEXT = 311
    DRAW_TRANSPARENT = 312
    DRAW_ALPHA_BLEND = 313
    SURFACE_CREATE = 314
    SURFACE_DESTROY = 315
    STREAM_DATA_SIZED = 316
    MONITORS_CONFIG = 317
    DRAW_COMPOSITE = 318
    STREAM_ACTIVATE_REPORT = 319
    GL_SCANOUT_UNIX = 320
    GL_DRAW = 321
    QUALITY_INDICATOR = 322


class DisplayClientMessage(IntEnum):
    """Messages of a display channel, client to server (spec 3.2)."""

    INIT = 101
    STREAM_REPORT = 102
    PREFERRED_COMPRESSION = 103
    GL_DRAW_DONE = 104
    PREFERRED_VIDEO_CODEC_TYPE = 105


class CursorMessage(IntEnum):
    """Messages of a cursor channel, server to client (spec 3.3)."""

    INIT = 101
    RESET = 102
    SET = 103
    MOVE = 104
    HIDE = 105
    TRAIL = 106
    INVAL_ONE = 107
    INVAL_ALL = 108


class InputsMessage(IntEnum):
    """Messages of the inputs channel, server to client (spec 3.4)."""

    INIT = 101
    KEY_MODIFIERS = 102
    MOUSE_MOTION_ACK = 111


class InputsClientMessage(IntEnum):
    """Messages of the inputs channel, client to server (spec 3.4)."""

    KEY_DOWN = 101
    KEY_UP = 102
    KEY_MODIFIERS = 103
    KEY_SCANCODE = 104
    MOUSE_MOTION = 111
    MOUSE_POSITION = 112
    MOUSE_PRESS = 113
    MOUSE_RELEASE = 114


class PlaybackMessage(IntEnum):
    """Messages of the playback channel, server to client (spec 3.5)."""

    DATA = 101
    MODE = 102
    START = 103
    STOP = 104
    VOLUME = 105
    MUTE = 106
    LATENCY = 107


class RecordMessage(IntEnum):
    """Messages of the record channel, server to client (spec 3.6)."""

    START = 101
    STOP = 102
    VOLUME = 103
    MUTE = 104


class RecordClientMessage(IntEnum):
    """Messages of the record channel, client to server (spec 3.6)."""

    DATA = 101
    MODE = 102
    START_MARK = 103


class AudioDataMode(IntEnum):
    """How sound is packed (spec 3.5)."""

    RAW = 1
    CELT_0_5_1 = 2
    OPUS = 3


class AudioFormat(IntEnum):
    """What a sample of sound is (spec 3.5)."""

    S16 = 1


class Locks(IntFlag):
    """The lock keys that are on (spec I-1)."""

    NONE = 0
    SCROLL = 1
    NUM = 2
    CAPS = 4


class VmcMessage(IntEnum):
    """Messages of the channels that carry a device's bytes, server to client (spec 3.8)."""

    DATA = 101
    COMPRESSED_DATA = 102


class VmcClientMessage(IntEnum):
    """Messages of the channels that carry a device's bytes, client to server (spec 3.8)."""

    DATA = 101
    COMPRESSED_DATA = 102


class DataCompression(IntEnum):
    """How a device's bytes are compressed (spec 3.8)."""

    NONE = 0
    LZ4 = 1


class PortMessage(IntEnum):
    """Messages that ports have besides, server to client (spec 3.8)."""

    INIT = 201
    EVENT = 202


class PortClientMessage(IntEnum):
    """Messages that ports have besides, client to server (spec 3.8)."""

    EVENT = 201


class PortEvent(IntEnum):
    """What happened at one end of a port (spec 3.8)."""

    OPENED = 0
    CLOSED = 1
    BREAK = 2


class SmartcardMessage(IntEnum):
    """Messages of the smartcard channel, server to client (spec 3.7)."""

    DATA = 101


class SmartcardClientMessage(IntEnum):
    """Messages of the smartcard channel, client to server (spec 3.7)."""

    DATA = 101


class VscType(IntEnum):
    """What a message about card readers and cards says (spec 3.7)."""

    INIT = 1
    ERROR = 2
    READER_ADD = 3
    READER_REMOVE = 4
    ATR = 5
    CARD_REMOVE = 6
    APDU = 7
    FLUSH = 8
    FLUSH_COMPLETE = 9


class VscError(IntEnum):
    """What a `VscType.ERROR` tells: how the message before it went (spec SC-2)."""

    SUCCESS = 0
    GENERAL = 1
    CANNOT_ADD_MORE_READERS = 2
    CARD_ALREADY_INSERTED = 3


class ImageType(IntEnum):
    """How the pixels of an image are carried (spec S-8)."""

    BITMAP = 0
    QUIC = 1
    RESERVED = 2
    LZ_PLT = 100
    LZ_RGB = 101
    GLZ_RGB = 102
    FROM_CACHE = 103
    SURFACE = 104
    JPEG = 105
    FROM_CACHE_LOSSLESS = 106
    ZLIB_GLZ_RGB = 107
    JPEG_ALPHA = 108
    LZ4 = 109


class ImageFlags(IntFlag):
    """What a client does with an image besides drawing it (spec S-7)."""

    NONE = 0
    CACHE_ME = 1
    HIGH_BITS_SET = 2
    CACHE_REPLACE_ME = 4


class BitmapFormat(IntEnum):
    """Layouts of uncompressed pixels (spec S-9)."""

    BIT1_LE = 1
    BIT1_BE = 2
    BIT4_LE = 3
    BIT4_BE = 4
    BIT8 = 5
    BIT16 = 6
    BIT24 = 7
    BIT32 = 8
    RGBA = 9
    BIT8_A = 10


class BitmapFlags(IntFlag):
    """How an uncompressed image or a palette image is to be read (spec S-8)."""

    NONE = 0
    PAL_CACHE_ME = 1
    PAL_FROM_CACHE = 2
    TOP_DOWN = 4


class ClipType(IntEnum):
    """Whether a drawing is confined to rectangles (spec S-4)."""

    NONE = 0
    RECTS = 1


class BrushType(IntEnum):
    """What a brush paints with (spec S-10)."""

    NONE = 0
    SOLID = 1
    PATTERN = 2


class MaskFlags(IntFlag):
    """How a mask is read (spec S-11)."""

    NONE = 0
    INVERS = 1


class Ropd(IntFlag):
    """The raster operation of a drawing (spec S-12)."""

    INVERS_SRC = 1 << 0
    INVERS_BRUSH = 1 << 1
    INVERS_DEST = 1 << 2
    PUT = 1 << 3
    OR = 1 << 4
    AND = 1 << 5
    XOR = 1 << 6
    BLACKNESS = 1 << 7
    WHITENESS = 1 << 8
    INVERS = 1 << 9
    INVERS_RES = 1 << 10


class ScaleMode(IntEnum):
    """How an image is stretched (spec S-12)."""

    INTERPOLATE = 0
    NEAREST = 1


class LineFlags(IntFlag):
    """The style of a line (spec S-13)."""

    NONE = 0
    START_WITH_GAP = 4
    STYLED = 8


class PathFlags(IntFlag):
    """What a segment does to its path (spec S-14)."""

    NONE = 0
    BEGIN = 1
    END = 2
    CLOSE = 8
    BEZIER = 16


class StringFlags(IntFlag):
    """The depth of glyphs and the order of their rows (spec S-15)."""

    A1 = 1
    A4 = 2
    A8 = 4
    TOP_DOWN = 8


class SurfaceFormat(IntEnum):
    """Layouts of a surface's pixels; the number modulo 16 bits is the depth (spec S-19)."""

    A1 = 1
    A8 = 8
    XRGB1555 = 16
    RGB565 = 80
    XRGB32 = 32
    ARGB32 = 96


class SurfaceFlags(IntFlag):
    """What a surface is for (spec S-19)."""

    NONE = 0
    PRIMARY = 1
    STREAMING_MODE = 2


class AlphaFlags(IntFlag):
    """Which surfaces of an alpha blend have alpha of their own (spec 3.2, 313)."""

    NONE = 0
    DEST_HAS_ALPHA = 1
    SRC_SURFACE_HAS_ALPHA = 2


class CompositeFlags(IntFlag):
    """The flag bits of a composite above its operator, filters and repeats (spec 3.2)."""

    COMPONENT_ALPHA = 1 << 18
    HAS_MASK = 1 << 19
    HAS_SRC_TRANSFORM = 1 << 20
    HAS_MASK_TRANSFORM = 1 << 21
    SOURCE_OPAQUE = 1 << 22
    MASK_OPAQUE = 1 << 23
    DEST_OPAQUE = 1 << 24


class StreamFlags(IntFlag):
    """The order of a video stream's rows (spec 3.2, 122)."""

    NONE = 0
    TOP_DOWN = 1


class VideoCodec(IntEnum):
    """Codecs of video streams (spec 3.2, 105)."""

    MJPEG = 1
    VP8 = 2
    H264 = 3
    VP9 = 4
    H265 = 5


class StreamDeviceMessage(IntEnum):
    """Messages between a streaming device of a guest and its host (spec SD-1)."""

    CAPABILITIES = 1
    FORMAT = 2
    DATA = 3
    START_STOP = 4
    NOTIFY_ERROR = 5
    CURSOR_SET = 6
    CURSOR_MOVE = 7
    DEVICE_DISPLAY_INFO = 8
    QUALITY_INDICATOR = 9


class ImageCompression(IntEnum):
    """How images are compressed (spec IC-1)."""

    OFF = 1
    AUTO_GLZ = 2
    AUTO_LZ = 3
    QUIC = 4
    GLZ = 5
    LZ = 6
    LZ4 = 7


class ResourceType(IntEnum):
    """What a viewer's cache holds (spec S-17)."""

    PIXMAP = 1


class GlScanoutFlags(IntFlag):
    """Whether the first row of a scanout is its top (spec 3.2, 320)."""

    NONE = 0
    Y0_TOP = 1


class CursorFlags(IntFlag):
    """Whether a cursor has a shape and where it is (spec C-1)."""

    NONE = 1
    CACHE_ME = 2
    FROM_CACHE = 4


class CursorType(IntEnum):
    """Layouts of a cursor's pixels (spec C-2)."""

    ALPHA = 0
    MONO = 1
    COLOR4 = 2
    COLOR8 = 3
    COLOR16 = 4
    COLOR24 = 5
    COLOR32 = 6


class MigrateFlags(IntFlag):
    """What a channel needs to be moved (spec 2.1)."""

    NONE = 0
    NEED_FLUSH = 1
    NEED_DATA_TRANSFER = 2


class AgentMessage(IntEnum):
    """Messages between viewers and the agent (spec AG-4)."""

    MOUSE_STATE = 1
    MONITORS_CONFIG = 2
    REPLY = 3
    CLIPBOARD = 4
    DISPLAY_CONFIG = 5
    ANNOUNCE_CAPABILITIES = 6
    CLIPBOARD_GRAB = 7
    CLIPBOARD_REQUEST = 8
    CLIPBOARD_RELEASE = 9
    FILE_XFER_START = 10
    FILE_XFER_STATUS = 11
    FILE_XFER_DATA = 12
    CLIENT_DISCONNECTED = 13
    MAX_CLIPBOARD = 14
    AUDIO_VOLUME_SYNC = 15
    GRAPHICS_DEVICE_INFO = 16


class AgentCapability(IntEnum):
    """What the agent, or a viewer towards it, can do (spec AG-7)."""

    MOUSE_STATE = 0
    MONITORS_CONFIG = 1
    REPLY = 2
    CLIPBOARD = 3
    DISPLAY_CONFIG = 4
    CLIPBOARD_BY_DEMAND = 5
    CLIPBOARD_SELECTION = 6
    SPARSE_MONITORS_CONFIG = 7
    GUEST_LINEEND_LF = 8
    GUEST_LINEEND_CRLF = 9
    MAX_CLIPBOARD = 10
    AUDIO_VOLUME_SYNC = 11
    MONITORS_CONFIG_POSITION = 12
    FILE_XFER_DISABLED = 13
    FILE_XFER_DETAILED_ERRORS = 14
    GRAPHICS_DEVICE_INFO = 15
    CLIPBOARD_NO_RELEASE_ON_REGRAB = 16
    CLIPBOARD_GRAB_SERIAL = 17


class AgentPort(IntEnum):
    """Whose messages a chunk on the agent's device carries (spec AG-1)."""

    CLIENT = 1
    SERVER = 2


class AgentError(IntEnum):
    """How the agent answers a message (spec AG-4, REPLY)."""

    SUCCESS = 1
    ERROR = 2


class Selection(IntEnum):
    """The clipboards of a desktop (spec AG-6). X11 has all three, others only the first."""

    CLIPBOARD = 0
    PRIMARY = 1
    SECONDARY = 2


class ClipboardType(IntEnum):
    """What can be copied and pasted (spec AG-6)."""

    NONE = 0
    UTF8_TEXT = 1
    IMAGE_PNG = 2
    IMAGE_BMP = 3
    IMAGE_TIFF = 4
    IMAGE_JPG = 5
    FILE_LIST = 6


class FileTransferStatus(IntEnum):
    """How a file transfer goes (spec AG-5)."""

    CAN_SEND_DATA = 0
    CANCELLED = 1
    ERROR = 2
    SUCCESS = 3
    NOT_ENOUGH_SPACE = 4
    SESSION_LOCKED = 5
    VDAGENT_NOT_CONNECTED = 6
    DISABLED = 7


class MonitorsFlags(IntFlag):
    """What a MONITORS_CONFIG says of each monitor besides its size (spec AG-4)."""

    NONE = 0
    USE_POS = 1
    PHYSICAL_SIZE = 2


class DisplayConfigFlags(IntFlag):
    """What a viewer wants of the desktop, to save bandwidth (spec AG-4)."""

    NONE = 0
    DISABLE_WALLPAPER = 1
    DISABLE_FONT_SMOOTH = 2
    DISABLE_ANIMATION = 4
    SET_COLOR_DEPTH = 8
