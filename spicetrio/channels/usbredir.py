"""USB devices of viewers (spec 3.8)."""

from __future__ import annotations

from spicetrio.channels.vmc import Device
from spicetrio.wire.enums import ChannelType


class UsbRedir(Device):
    """A place for one USB device of a viewer, from `Server.open_usbredir`: a stream of the usbredir protocol.

    The viewer is the usbredir host, the application the guest. The bytes pass as they are.
    """

    TYPE = ChannelType.USBREDIR
