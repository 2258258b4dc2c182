"""The kernels as plain Python, whatever is installed, to hold against those in use."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import spicetrio


@cache
def uncompiled(name: str) -> ModuleType:
    """Load `spicetrio.<name>` from its source, without Cython."""
    path = Path(spicetrio.__file__).parent.joinpath(*name.split(".")).with_suffix(".py")
    alias = f"uncompiled_{path.stem}"
    spec = importlib.util.spec_from_file_location(alias, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    cython = sys.modules.pop("cython", None)
    sys.modules["cython"] = None  # type: ignore[assignment]  # makes `import cython` fail
    sys.modules[alias] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules["cython"]
        if cython is not None:
            sys.modules["cython"] = cython
    assert not module.COMPILED
    return module
