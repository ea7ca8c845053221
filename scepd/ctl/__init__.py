"""
``scepctl``: the operator's command line.

It speaks to scepd through the admin API only, but for ``init``, which comes before the daemon, and
``doctor``, which has to work without it.
"""

from scepd.garbage import uncollected

with uncollected():
    from scepd.ctl.commands import main

__all__ = ["main"]
