from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator

import pytest

from .gtk import SYSTEM_PYTHON, OpenGtk, open_gtk
from .processes import missing, need, open_screen

IMPORTS = "import gi; gi.require_version('SpiceClientGLib', '2.0'); from gi.repository import SpiceClientGLib"


@pytest.fixture(scope="session")
def gtk() -> OpenGtk:
    """How to open a spice-gtk client; the test is skipped where there is none."""
    try:
        subprocess.run([SYSTEM_PYTHON, "-c", IMPORTS], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        missing("no spice-gtk for the system's Python (Debian packages python3-gi, gir1.2-spiceclientglib-2.0)")
    return open_gtk


@pytest.fixture
async def screen() -> AsyncIterator[dict[str, str]]:
    """The environment of an X screen that windowed clients can be started on."""
    need("Xvfb", "xvfb")
    async with open_screen() as environment:
        yield environment
