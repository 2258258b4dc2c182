"""What goes wrong with the place the pixels come from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class SourceError(Exception):
    """A source of pixels cannot start or go on; its text is one line for the person who started it, naming the fix."""


def first_of(group: BaseExceptionGroup[Any]) -> BaseException:
    """Return the first error in a group: however many tasks noticed, it is one thing that went wrong."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@contextmanager
def one_source_error() -> Iterator[None]:
    """Raise a `SourceError` out of the block as it is, not in a group, if there was nothing else in the group."""
    try:
        yield
    except BaseExceptionGroup as group:
        errors, others = group.split(SourceError)
        if errors is None or others is not None:
            raise
        error = first_of(errors)
        raise error from error.__cause__
