"""
``twistd scepd``: Options and makeService. Only here are concrete objects built and put together.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, ClassVar

from twisted.application.service import IService
from twisted.python import usage
from twisted.python.logfile import LogFile

from scepd.garbage import uncollected

with uncollected():
    from scepd.config import load
    from scepd.errors import ScepdError
    from scepd.logs import LogStream
    from scepd.tap.daemon import Daemon
    from scepd.tap.files import device_secrets, read_keyring, server_tls
    from scepd.tap.listeners import check_listeners


class Options(usage.Options):
    """
    The command line of ``twistd scepd``.
    """

    synopsis = "[--config FILE] [--check]"
    longdesc = (
        "Runs scepd. `scepctl init` writes a complete configuration, the keyring and the first "
        "API token. In the foreground: twistd -n --pidfile= scepd --config etc/scepd.toml"
    )
    optParameters: ClassVar = [["config", "c", "etc/scepd.toml", "The configuration file."]]
    optFlags: ClassVar = [
        ["check", None, "Say whether the configuration is valid, and start nothing."]
    ]

    def postOptions(self) -> None:
        """
        Read the configuration and what it names.
        """
        path = Path(self["config"]).absolute()
        try:
            self["configuration"] = configuration = load(path)
            check_listeners(configuration, path)
            read_keyring(configuration)
            server_tls(configuration)
            device_secrets(configuration)
        except ScepdError as error:
            raise SystemExit(f"scepd: {error}") from None
        if self["check"]:
            print(f"{path}: the configuration is valid")
            raise SystemExit(0)


def makeService(options: Options) -> IService:
    """
    The daemon as a service; nothing is opened before it starts.
    """
    from twisted.internet import reactor

    parent: Any = options.parent or {}
    path = Path(options["config"]).absolute()
    return Daemon(options["configuration"], path, reactor, lambda: _log_stream(parent))


def _log_stream(parent: Any) -> LogStream:
    """
    What twistd's own options ask for: ``--logfile``, or standard output in the foreground.
    """
    name = parent.get("logfile")
    if name != "-" and (name or not parent.get("nodaemon", True)):
        stream: LogStream = LogFile.fromFullPath(os.path.abspath(name or "twistd.log"))
        return stream
    return sys.stdout
