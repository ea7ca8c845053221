"""
Tests for pinned certificates, through the upstream and a TLS server in memory.
"""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.network.certificates import certificate
from tests.network.tls_cases import GOOD, ROOT, TLSTestCase


def sha256(shown: x509.Certificate) -> str:
    """
    The fingerprint of a certificate.
    """
    return hashlib.sha256(shown.public_bytes(Encoding.DER)).hexdigest()


class PinTests(TLSTestCase):
    """
    Tests for a target with a pinned fingerprint.
    """

    def test_nothing_else_counts(self) -> None:
        """
        The pinned certificate is let pass, whoever issued it, for whatever name and time.
        """
        for shown in (
            certificate("other.example", issuer="Unknown"),
            certificate("ca.example", since=-9, until=-3),
            certificate("ca.example", since=3, until=9),
            certificate(issuer="Unknown"),
            GOOD,
        ):
            self.setUp()
            self.start(pinned_sha256=sha256(shown))
            self.accept_tls(shown)
            self.assertTrue(self.server.received.startswith(b"GET /scep?"), shown.subject)

    def test_chain(self) -> None:
        """
        Only the server's own certificate is compared, whatever is sent behind it.
        """
        shown, root = certificate("x.example", issuer="Unknown"), certificate(issuer="Unknown")
        self.start(pinned_sha256=sha256(shown))
        self.accept_tls(shown, root)
        self.assertTrue(self.server.received)
        self.setUp()
        self.start(pinned_sha256=sha256(root))
        self.accept_tls(shown, root)
        self.assert_mismatch(shown, root)

    def test_another(self) -> None:
        """
        Another certificate is refused though its issuer is trusted and its name right, with both
        fingerprints in the sentence.
        """
        self.start(pinned_sha256=sha256(ROOT))
        self.accept_tls(GOOD)
        self.assert_mismatch(GOOD, ROOT)

    def assert_mismatch(self, found: x509.Certificate, pinned: x509.Certificate) -> None:
        """
        The handshake failed and the sentence names both.
        """
        self.assert_refused(
            f"its certificate has the SHA-256 fingerprint {sha256(found)}, "
            f"pinned is {sha256(pinned)}"
        )
