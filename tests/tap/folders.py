"""
Folders as ``scepctl init`` leaves them.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path

from tests.support.pki import party

KEYRING = f"k1:{base64.b64encode(bytes(32)).decode()}\n"


def make_folder(folder: Path, configuration: str = "") -> Path:
    """
    Make a folder with a keyring, and a configuration file whose path is returned.
    """
    folder.mkdir()
    write_private(folder / "keyring", KEYRING)
    path = folder / "scepd.toml"
    path.write_text(configuration)
    return path


def write_private(path: Path, text: str) -> None:
    """
    Write a file that its owner alone may read.
    """
    path.write_text(text)
    os.chmod(path, 0o600)


def write_tls(folder: Path, number: int = 0) -> bytes:
    """
    Write ``tls.crt`` and ``tls.key`` and return the certificate in DER.

    :param number: tells one pair from another.
    """
    owner = party("CN=localhost", number)
    (folder / "tls.crt").write_bytes(owner.certificate_pem)
    write_private(folder / "tls.key", owner.key_pem.decode())
    return owner.certificate
