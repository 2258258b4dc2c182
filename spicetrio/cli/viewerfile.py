"""Files that remote-viewer opens to connect (virt-viewer's `.vv` files)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from spicetrio.cli.errors import CommandError

_KEYS = {"toggle-fullscreen": "shift+f11", "release-cursor": "shift+f12"}
"""With a file a viewer has no hot keys but those that it names."""


def entries(address: str, *, title: str, ticket: str | None) -> dict[str, str]:
    """Return what a file says about a server.

    Args:
        address: Where it listens, as a URI: `spice://host:port` or `spice+unix:///path`.
        title: Of the viewer's window.
        ticket: The password; None if none is needed.
    """
    uri = urlsplit(address)
    found = {"type": "spice"}
    if uri.scheme == "spice+unix":
        found["unix-path"] = address.removeprefix("spice+unix://")
    else:
        found |= {"host": uri.hostname or "", "port": str(uri.port)}
    if ticket is not None:
        found["password"] = ticket
    # A viewer deletes the file once it has read it if it is told so; others could not connect then.
    return found | {"title": title, "delete-this-file": "0", **_KEYS}


def render(values: Mapping[str, str]) -> str:
    """Return the text of a file."""
    return "".join(["[virt-viewer]\n", *(f"{key}={_escape(value)}\n" for key, value in values.items())])


@contextmanager
def viewer_file(path: Path, values: Mapping[str, str]) -> Iterator[None]:
    """Have a file that only this user can read while the block runs.

    Raises:
        CommandError: It is there already, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise CommandError(f"{path} is there already: remove it, or choose another --vv file") from None
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}; choose another --vv file") from None
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        ours = os.fstat(descriptor)
        try:
            try:
                file.write(render(values).encode())
            except OSError as error:
                raise CommandError(f"cannot write {path}: {error.strerror}") from None
            yield
        finally:
            _remove(path, ours)


def _remove(path: Path, ours: os.stat_result) -> None:
    """Remove the file unless another one has taken its place."""
    try:
        if os.path.samestat(path.stat(), ours):
            path.unlink()
    except FileNotFoundError:
        pass


def _escape(value: str) -> str:
    """Write a value the way GKeyFile reads it."""
    for character, escaped in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        value = value.replace(character, escaped)
    return "\\s" + value[1:] if value.startswith(" ") else value
