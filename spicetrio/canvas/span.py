# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The rows of an array as flat bytes, where they lie in memory if they can be used there.

A memoryview with gaps between its rows cannot be cast to bytes. Compiled, this module shows the memory as it is, gaps
and all, and copies what lies in another order without the GIL. Uncompiled it always copies.
"""

from __future__ import annotations

from typing import Final

try:
    import cython
except ImportError:  # uncompiled, and Cython is not installed
    from spicetrio.codecs import _cython as cython

if cython.compiled:
    from cython.cimports.cpython.buffer import PyBuffer_FillInfo
    from cython.cimports.cpython.bytes import PyBytes_AS_STRING, PyBytes_FromStringAndSize
    from cython.cimports.cpython.memoryview import PyMemoryView_GET_BUFFER
    from cython.cimports.libc.string import memcpy

COMPILED: Final[bool] = bool(cython.compiled)
"""Whether this module runs as machine code."""


def flat_rows(array: memoryview) -> tuple[memoryview, int]:
    """Return bytes that hold the rows of an array, and how many are from one row to the next.

    Args:
        array: Of shape (rows, columns), or (rows, columns, bytes of a pixel), and not empty.
    """
    assert array.shape is not None
    assert array.strides is not None
    rows, columns = array.shape[:2]
    row = array.nbytes // rows
    pixel = row // columns
    packed = array.strides[1:] == (pixel, 1)[: array.ndim - 1]
    if not cython.compiled or array.suboffsets:
        return memoryview(array.tobytes()), row
    if packed and (array.strides[0] >= row or rows == 1):
        stride = array.strides[0] if rows > 1 else row
        return memoryview(_Span(array, stride * (rows - 1) + row)), stride  # type: ignore[arg-type]
    return memoryview(_gather(array, array.strides, rows, columns, row, packed)), row


@cython.cclass
class _Span:
    """Memory of an array, which is kept as long as somebody looks at it."""

    _array: memoryview
    _size: cython.Py_ssize_t

    def __init__(self, array: memoryview, size: int) -> None:
        self._array = array
        self._size = size

    def __getbuffer__(self, buffer: cython.pointer[Py_buffer], flags: cython.int) -> None:  # type: ignore[name-defined]  # noqa: F821
        PyBuffer_FillInfo(buffer, self, PyMemoryView_GET_BUFFER(self._array).buf, self._size, True, flags)


def _gather(
    array: memoryview, strides: tuple[int, ...], rows: int, columns: int, row: int, packed: cython.bint
) -> bytes:
    """Copy an array that lies in memory in any way."""
    gathered: bytes = PyBytes_FromStringAndSize(cython.NULL, rows * row)
    p: cython.p_uchar = cython.cast(cython.p_uchar, PyBytes_AS_STRING(gathered))
    q: cython.p_uchar = cython.cast(cython.p_uchar, PyMemoryView_GET_BUFFER(array).buf)
    count: cython.Py_ssize_t = rows
    width: cython.Py_ssize_t = columns
    size: cython.Py_ssize_t = row
    down: cython.Py_ssize_t = strides[0]
    across: cython.Py_ssize_t = strides[1]
    inward: cython.Py_ssize_t = strides[2] if array.ndim == 3 else 1  # the bytes of a word are together
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(count):
            if packed:
                memcpy(p + i * size, q + i * down, size)
            elif size == 3 * width:
                _gather_row(p + i * size, q + i * down, width, across, 3, inward)  # as a constant for the C compiler
            else:
                _gather_row(p + i * size, q + i * down, width, across, size // width, inward)
    return gathered


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _gather_row(
    p: cython.p_uchar,
    q: cython.p_uchar,
    width: cython.Py_ssize_t,
    across: cython.Py_ssize_t,
    depth: cython.Py_ssize_t,
    inward: cython.Py_ssize_t,
) -> cython.void:
    i: cython.Py_ssize_t
    k: cython.Py_ssize_t
    for i in range(width):
        for k in range(depth):
            p[i * depth + k] = q[i * across + k * inward]
