"""
A device's connections that prove its identity by TLS.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from scepd.simulator.http import DeviceHTTP
from scepd.simulator.identity import Identity


def proving_http(identity: Identity, *, roots: Path | None = None) -> DeviceHTTP:
    """
    Make connections that show an identity when the server asks for one.

    :param identity: of the device.
    :param roots: a file with the certificates in PEM that the server's must chain to; None: those
        of the system.
    :returns: the connections, not opened yet.
    """
    context = ssl.create_default_context(cafile=None if roots is None else str(roots))
    key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # The library takes keys from files only: this one is nobody else's, and gone at once.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "identity.pem"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key + identity.summary.public_bytes(Encoding.PEM))
        context.load_cert_chain(path)
    return DeviceHTTP(verify=context)
