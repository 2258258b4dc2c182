"""A guest's streaming device as the source of a stream display: the host's end of its port (spec 3.11).

The device is read only as fast as the display takes its frames, so it can notice that it encodes too much.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Final

import trio
from PIL import Image

from spicetrio.channels.streamdisplay import StreamDisplay, StreamRequest
from spicetrio.server.link import RECEIVE_SIZE
from spicetrio.wire import streamdevice
from spicetrio.wire.buffer import Message
from spicetrio.wire.enums import CursorType, VideoCodec
from spicetrio.wire.errors import RemoteProtocolError
from spicetrio.wire.streamdevice import FROM_DEVICE, DeviceFraming

logger: Final = logging.getLogger("spicetrio.streamdevice")


async def serve_stream_device(stream: trio.abc.Stream, display: StreamDisplay) -> None:
    """Show what a guest's streaming device sends until it closes its port, which then has nothing to show any more.

    It is asked to start when the first viewer comes, to start again whenever frames are needed that stand alone, and to
    stop when the last viewer has left.

    Args:
        stream: The host's end of the port `org.spice-space.stream.0`, such as the UNIX socket of a virtio port. It is
            closed at the end.
        display: Where to show it. It has one source at a time.

    Cancellation: the stream is closed, and the display cleared.

    Raises:
        RemoteProtocolError: The device broke its protocol, and was told so.
        ClosedResourceError: The display is closed.
    """
    async with stream:
        try:
            await _Device(stream, display).run()
        except* trio.BrokenResourceError:
            logger.info("the stream device of %r is gone", display)
        finally:
            display.clear()
            display.cursor.hide()


class _Device:
    def __init__(self, stream: trio.abc.Stream, display: StreamDisplay) -> None:
        self._stream = stream
        self._display = display
        self._sending = False
        """A message has been begun."""

    async def run(self) -> None:
        fault: RemoteProtocolError | trio.ClosedResourceError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ask)
            try:
                await self._receive()
            except (RemoteProtocolError, trio.ClosedResourceError) as error:
                fault = error  # to be raised as it is, not in a group
            nursery.cancel_scope.cancel()
        if isinstance(fault, RemoteProtocolError):
            await self._complain(fault)
        if fault is not None:
            raise fault

    async def _ask(self) -> None:
        """Say what is wanted. What changes while the device does not read is said once."""
        await self._send(streamdevice.Capabilities(b"\0"))
        told = StreamRequest()
        while True:
            told = await self._display.request.wait_value(lambda request, told=told: request != told)
            await self._send(streamdevice.StartStop(told.codecs))

    async def _receive(self) -> None:
        framing = DeviceFraming(FROM_DEVICE)
        while data := await self._stream.receive_some(RECEIVE_SIZE):
            framing.receive_data(data)
            while (message := framing.next_message()) is not None:
                try:
                    await self._handle(message)
                except ValueError as error:
                    raise RemoteProtocolError(f"got a wrong {type(message).__name__}: {error}") from error
                await trio.lowlevel.checkpoint()  # however many came at once, others have their turn

    async def _handle(self, message: Message) -> None:
        display = self._display
        match message:
            case streamdevice.Format(width, height, codec):
                display.set_format(VideoCodec(codec), width, height)
            case streamdevice.Data(data):
                # As other hosts do: what comes before a format, or has nothing in it, is passed over.
                if display.format is not None and memoryview(data).nbytes:
                    await display.write(data)
            case streamdevice.CursorSet():
                image = _image(message)
                display.cursor.set(image, message.hot_x, message.hot_y, width=message.width, height=message.height)
                display.cursor.show()
            case streamdevice.CursorMove(x, y):
                display.cursor.move(x, y)
            case streamdevice.NotifyError(code, text):
                logger.warning("the stream device of %r has failed, error %d: %r", display, code, text)
            case streamdevice.DeviceDisplayInfo() | streamdevice.Capabilities():
                logger.info("the stream device of %r says %r", display, message)

    async def _send(self, message: Message) -> None:
        self._sending = True
        await self._stream.send_all(DeviceFraming.send(message))
        self._sending = False

    async def _complain(self, fault: RemoteProtocolError) -> None:
        """Tell the device what it did wrong, unless it does not read."""
        if not self._sending:
            with trio.move_on_after(self._display.settings.grace), suppress(trio.BrokenResourceError):
                await self._send(streamdevice.NotifyError(0, str(fault)[: streamdevice.MAX_TEXT // 4 - 1]))


def _image(message: streamdevice.CursorSet) -> Image.Image | bytes:
    """Return the shape with alpha. A pixel that its mask hides, or has inverted, is not seen."""
    if message.type is CursorType.ALPHA:
        return bytes(message.data)
    size = (message.width, message.height)
    layout, depth = ("BGR", 3) if message.type is CursorType.COLOR24 else ("BGRX", 4)
    data = bytes(message.data)
    end = depth * message.width * message.height
    image = Image.frombytes("RGB", size, data[:end], "raw", layout)
    image.putalpha(Image.frombytes("1", size, data[end:], "raw", "1;I").convert("L"))
    return image
