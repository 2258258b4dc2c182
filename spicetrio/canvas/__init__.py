"""What a Worker's thread owns: the picture, and what each viewer lacks of it. No Trio."""

from __future__ import annotations

from spicetrio.canvas import (
    changes,
    composite,
    coverage,
    fingerprint,
    formats,
    graduality,
    mixing,
    pixels,
    rops,
    sampling,
    scroll,
    span,
)
from spicetrio.codecs import glz, lz, quic

_KERNELS = (
    changes, composite, coverage, fingerprint, formats, graduality, mixing, pixels, rops, sampling, scroll, span,
    glz, lz, quic,
)  # fmt: skip


def compiled() -> bool:
    """Return whether all kernels run as machine code; if not, pictures take a hundred times as long."""
    return all(kernel.COMPILED for kernel in _KERNELS)
