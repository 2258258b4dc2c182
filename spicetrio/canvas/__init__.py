"""What a Worker's thread owns: the picture, and what each viewer lacks of it. No Trio."""

from __future__ import annotations

from spicetrio.canvas import changes, composite, coverage, formats, mixing, pixels, rops, sampling, scroll
from spicetrio.codecs import lz


def compiled() -> bool:
    """Return whether all kernels run as machine code; if not, pictures take a hundred times as long."""
    kernels = (changes, composite, coverage, formats, mixing, pixels, rops, sampling, scroll, lz)
    return all(kernel.COMPILED for kernel in kernels)
