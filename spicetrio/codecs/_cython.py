"""What the kernels need of Cython's `cython` module when they run as plain Python and Cython is not installed.

A kernel module is ordinary Python that Cython can also compile. Uncompiled, its C types are annotations that nobody
evaluates; only the names below are looked up while it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., object])
_Kind = TypeVar("_Kind")

compiled = False
"""False here; the compiler puts True in the place of this name."""

Py_ssize_t = uint = ulonglong = longlong = bint = int


class _NoGil:
    """Both `@nogil` over a function and `with nogil:` around a block."""

    def __call__(self, function: _Function) -> _Function:
        return function

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        pass


nogil = _NoGil()
"""Marks what runs without the GIL when compiled."""


def cfunc(function: _Function) -> _Function:
    """Mark a function that exists in C alone when compiled."""
    return function


def cclass(kind: type[_Kind]) -> type[_Kind]:
    """Mark a class that is a C structure when compiled."""
    return kind


def inline(function: _Function) -> _Function:
    """Mark a function that the C compiler shall inline."""
    return function


def exceptval(*, check: bool = True) -> Callable[[Any], Any]:
    """Say whether callers look for an exception."""
    return cfunc


def declare(kind: type, value: Any) -> Any:
    """Give a module's variable a C type."""
    return value
