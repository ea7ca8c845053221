"""
Tests of scepd; the folders mirror the package.

Hypothesis is set up here, as every test imports this first: no deadline (a busy machine is no
failure), the same examples each time in CI, and one folder for what it finds, wherever trial's
workers run.
"""

from __future__ import annotations

import os
from pathlib import Path

_HOME = Path(__file__).resolve().parent.parent / ".hypothesis"
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(_HOME))

from hypothesis import settings  # noqa: E402 - it reads the variable above

settings.register_profile("scepd", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("scepd")
