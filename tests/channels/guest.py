"""The guest's end of a streaming device."""

from __future__ import annotations

import trio

from spicetrio.wire.buffer import Message
from spicetrio.wire.streamdevice import FROM_HOST, DeviceFraming


class StreamGuest:
    """Sends what an agent in a guest would, and reads what it is asked."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._framing = DeviceFraming(FROM_HOST)

    async def send(self, *messages: Message) -> None:
        await self.stream.send_all(b"".join(map(DeviceFraming.send, messages)))

    async def receive(self) -> Message:
        """The next message of the host."""
        while (message := self._framing.next_message()) is None:
            data = await self.stream.receive_some()
            if not data:
                raise EOFError("the host closed")
            self._framing.receive_data(data)
        return message
