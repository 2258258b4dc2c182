"""How Sphinx makes the documentation: `sphinx-build -W docs docs/_build`, with spicetrio installed."""

from __future__ import annotations

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
