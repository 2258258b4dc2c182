from __future__ import annotations

import struct

from spicetrio.sources.x11.properties import Property


def test_words_of_a_property() -> None:
    value = Property.of_words(4, 1, 2**32 - 1)
    assert value == (4, 32, struct.pack("=2I", 1, 2**32 - 1))
    assert value.words() == [1, 2**32 - 1]
    assert Property(4, 32, b"\1\0\0\0rest").words()[0] == 1
