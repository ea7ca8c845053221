"""
``scepctl``: the operator's command line.

It speaks to scepd through the admin API only, but for ``init``, which comes before the daemon.
"""

from scepd.ctl.commands import main

__all__ = ["main"]
