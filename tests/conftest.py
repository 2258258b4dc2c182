from __future__ import annotations

import os

from hypothesis import settings

# How long an example takes says something about the machine, not about the code.
settings.register_profile("spicetrio", deadline=None)
settings.load_profile("spicetrio")

# Long, and not yet seen to hold on a busy machine: `LONG=1 python -m pytest tests/model` and so on runs them.
collect_ignore = [] if os.environ.get("LONG") else ["cancellation", "model", "reliability"]
