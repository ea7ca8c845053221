"""
What several acceptance tests share: a CA and a daemon, made when the first test needs them.

Trial has no fixtures of a class; these end with the process that runs the tests.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from tests.support.daemon import Daemon
from tests.support.scepserver import CHALLENGE, SCEPServer


class Stage:
    """
    A CA, a daemon that knows it as ``Test_SCEP``, and the sample profile in it.
    """

    def __init__(self, settings: dict[str, str], *, prepared: bool) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="scepd-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.ca = SCEPServer(self.folder / "ca")
        atexit.register(self.ca.stop)
        self.ca.start()
        self.daemon = Daemon(self.folder / "etc", settings, prepared=prepared)
        atexit.register(self.daemon.stop)
        self.daemon.start()
        self.daemon.scepctl_ca_add("Test_SCEP", self.ca.url, CHALLENGE, "--max-concurrency", "1")
        self.profile = self.daemon.scepctl_profile_add()

    def url(self, path: str) -> str:
        """
        A URL of the daemon's device listener.
        """
        return f"http://127.0.0.1:{self.daemon.device_port}{path}"


@functools.cache
def stage(*, prepared: bool = True, **settings: str) -> Stage:
    """
    The stage for these settings of the daemon, ``section__key`` → TOML value.

    :param prepared: as for the daemon; not where its memory is looked at.
    """
    wanted = {name.replace("__", "."): value for name, value in settings.items()}
    return Stage(wanted, prepared=prepared)
