"""How Sphinx makes the documentation: `sphinx-build -W docs docs/_build`, with spicetrio installed."""

from __future__ import annotations

import inspect
from importlib.metadata import version as installed_version

project = "spicetrio"
author = "the spicetrio authors"
copyright = "2026, the spicetrio authors"
version = release = installed_version("spicetrio")

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
default_role = "py:obj"

html_theme = "furo"
html_title = "spicetrio"
html_static_path = ["_static"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False


# Napoleon takes what is before a colon in an attribute's docstring for its type; here a colon is a colon.
_COLON = "\N{RATIO}"


def _hide_colons(app, what, name, obj, options, lines) -> None:
    if what in ("attribute", "property", "data") and lines:
        lines[0] = lines[0].replace(":", _COLON)


def _show_colons(app, what, name, obj, options, lines) -> None:
    lines[:] = [line.replace(_COLON, ":") for line in lines]


def _name_blocks(app, what, name, obj, options, signature, returned):
    """Say of what is made by @asynccontextmanager that it is for `async with`, rather than what it is inside."""
    inside = getattr(obj, "__wrapped__", None)
    if inspect.isasyncgenfunction(inside):
        return signature, returned.replace("collections.abc.AsyncIterator", "contextlib.AbstractAsyncContextManager")
    return None


def setup(app) -> None:
    app.connect("autodoc-process-signature", _name_blocks)
    app.connect("autodoc-process-docstring", _hide_colons, priority=400)
    app.connect("autodoc-process-docstring", _show_colons, priority=600)
