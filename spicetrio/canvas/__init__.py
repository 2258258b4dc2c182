"""What a Worker's thread owns: the picture, and what each viewer lacks of it. No Trio."""

from __future__ import annotations

from spicetrio.canvas import changes, pixels, scroll
from spicetrio.codecs import glz, lz


def compiled() -> bool:
    """Return whether all kernels run as machine code; if not, pictures take a hundred times as long."""
    return all((changes.COMPILED, pixels.COMPILED, scroll.COMPILED, glz.COMPILED, lz.COMPILED))
