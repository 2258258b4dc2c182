"""Messages of a display channel about video streams (spec 3.2, 122 to 126, 316, 319 and 322)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, ClassVar, Final, Self

from spicetrio.wire.base import Empty, Opaque
from spicetrio.wire.buffer import Message, ReadBuffer, WriteBuffer
from spicetrio.wire.enums import DisplayClientMessage, DisplayMessage
from spicetrio.wire.geometry import Clip, Rect, pull_clip, push_clip

if TYPE_CHECKING:
    from typing_extensions import Buffer

_CREATE: Final = Struct("<IIBBQIIII")
_DATA: Final = Struct("<III")
_DATA_SIZED: Final = Struct("<IIIIiiiiI")
_ACTIVATE_REPORT: Final = Struct("<IIII")
_REPORT: Final = Struct("<IIIIIIiI")

NO_AUDIO_DELAY: Final = 2**32 - 1
"""The audio delay of a client that plays no sound."""
CANNOT_DECODE: Final = 2**32 - 1
"""The drops that a client reports, with 0 frames, of a stream it cannot decode."""


@dataclass(frozen=True, slots=True)
class CodecList:
    """Base of the messages that name codecs."""

    codecs: tuple[int, ...]
    """`VideoCodec` numbers; at most 255."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(tuple(buffer.raw(buffer.u8())))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u8(len(self.codecs))
        for codec in self.codecs:
            buffer.u8(codec)


@dataclass(frozen=True, slots=True)
class StreamCreate:
    """A part of a surface becomes a video."""

    TYPE: ClassVar = DisplayMessage.STREAM_CREATE
    surface_id: int
    """The surface."""
    id: int
    """The stream: 0 to 63."""
    flags: int
    """`StreamFlags` bits."""
    codec: int
    """A `VideoCodec`."""
    stamp: int
    """Always 0."""
    stream_width: int
    """Of the encoded frames, in pixels."""
    stream_height: int
    """Of the encoded frames, in pixels."""
    src_width: int
    """Of the frames before they were encoded, in pixels."""
    src_height: int
    """Of the frames before they were encoded, in pixels."""
    dest: Rect
    """Where the frames are shown."""
    clip: Clip = None
    """What they are confined to."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        surface_id, stream_id, flags, codec, stamp, width, height, src_width, src_height = buffer.unpack(_CREATE)
        dest = Rect.pull(buffer)
        clip = pull_clip(buffer)
        return cls(surface_id, stream_id, flags, codec, stamp, width, height, src_width, src_height, dest, clip)

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(
            _CREATE,
            self.surface_id,
            self.id,
            self.flags,
            self.codec,
            self.stamp,
            self.stream_width,
            self.stream_height,
            self.src_width,
            self.src_height,
        )
        self.dest.push(buffer)
        push_clip(buffer, self.clip)


@dataclass(frozen=True, slots=True)
class StreamData:
    """A frame of a video."""

    TYPE: ClassVar = DisplayMessage.STREAM_DATA
    id: int
    """The stream."""
    multi_media_time: int
    """When it is to be shown, in milliseconds."""
    data: Buffer
    """The encoded frame."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        stream_id, multi_media_time, size = buffer.unpack(_DATA)
        return cls(stream_id, multi_media_time, bytes(buffer.raw(size)))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_DATA, self.id, self.multi_media_time, memoryview(self.data).nbytes)
        buffer.raw(self.data)


@dataclass(frozen=True, slots=True)
class StreamDataSized:
    """A frame of a video that has another size or place than the stream was created with."""

    TYPE: ClassVar = DisplayMessage.STREAM_DATA_SIZED
    id: int
    """The stream."""
    multi_media_time: int
    """When it is to be shown, in milliseconds."""
    width: int
    """Of this frame, in pixels."""
    height: int
    """Of this frame, in pixels."""
    dest: Rect
    """Where this frame is shown."""
    data: Buffer
    """The encoded frame."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        stream_id, time, width, height, top, left, bottom, right, size = buffer.unpack(_DATA_SIZED)
        dest = Rect(left, top, right, bottom)
        return cls(stream_id, time, width, height, dest, bytes(buffer.raw(size)))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        left, top, right, bottom = self.dest
        size = memoryview(self.data).nbytes
        time = self.multi_media_time
        buffer.pack(_DATA_SIZED, self.id, time, self.width, self.height, top, left, bottom, right, size)
        buffer.raw(self.data)


@dataclass(frozen=True, slots=True)
class StreamClip:
    """Another part of a video's place is visible now."""

    TYPE: ClassVar = DisplayMessage.STREAM_CLIP
    id: int
    """The stream."""
    clip: Clip
    """What its frames are confined to."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.u32(), pull_clip(buffer))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u32(self.id)
        push_clip(buffer, self.clip)


@dataclass(frozen=True, slots=True)
class StreamDestroy:
    """A video is over."""

    TYPE: ClassVar = DisplayMessage.STREAM_DESTROY
    id: int
    """The stream."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.u32())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u32(self.id)


@dataclass(frozen=True, slots=True)
class StreamDestroyAll(Empty):
    """All videos are over."""

    TYPE: ClassVar = DisplayMessage.STREAM_DESTROY_ALL


@dataclass(frozen=True, slots=True)
class StreamActivateReport:
    """Asks for reports about how a video is shown."""

    TYPE: ClassVar = DisplayMessage.STREAM_ACTIVATE_REPORT
    stream_id: int
    """The stream."""
    unique_id: int
    """Comes back in the reports, so that those about an earlier stream of this id can be told apart."""
    max_window_size: int
    """Frames after which a report is due."""
    timeout_ms: int
    """Milliseconds after which a report is due."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_ACTIVATE_REPORT))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_ACTIVATE_REPORT, self.stream_id, self.unique_id, self.max_window_size, self.timeout_ms)


@dataclass(frozen=True, slots=True)
class QualityIndicator(Opaque):
    """Reserved for a measure of quality."""

    TYPE: ClassVar = DisplayMessage.QUALITY_INDICATOR


@dataclass(frozen=True, slots=True)
class StreamReport:
    """How a video was shown since the last report."""

    TYPE: ClassVar = DisplayClientMessage.STREAM_REPORT
    stream_id: int
    """The stream."""
    unique_id: int
    """That of the STREAM_ACTIVATE_REPORT."""
    start_frame_mm_time: int
    """Of the first frame of the report, in milliseconds."""
    end_frame_mm_time: int
    """Of the last frame of the report, in milliseconds."""
    num_frames: int
    """Frames that came."""
    num_drops: int
    """Frames of them that were not shown; `CANNOT_DECODE` with 0 frames if none ever will be."""
    last_frame_delay: int
    """From when the last frame came to when it was due, in milliseconds; negative if it was late."""
    audio_delay: int
    """How far sound is behind, in milliseconds; `NO_AUDIO_DELAY` if none is played."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_REPORT))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(
            _REPORT,
            self.stream_id,
            self.unique_id,
            self.start_frame_mm_time,
            self.end_frame_mm_time,
            self.num_frames,
            self.num_drops,
            self.last_frame_delay,
            self.audio_delay,
        )


STREAM_MESSAGES: Final[tuple[type[Message], ...]] = (
    StreamCreate,
    StreamData,
    StreamClip,
    StreamDestroy,
    StreamDestroyAll,
    StreamDataSized,
    StreamActivateReport,
    QualityIndicator,
)
"""They are part of a display channel's server messages."""
