"""
Tests for :mod:`scepd.network.tls`, through the upstream and a TLS server in memory.
"""

from __future__ import annotations

from scepd.network.tls import client_options
from scepd.ports import UpstreamTarget
from tests.network.certificates import certificate, pem
from tests.network.tls_cases import GET, GOOD, OK_2, ROOT, TLSTestCase


class VerificationTests(TLSTestCase):
    """
    Tests for which servers are trusted, and for what is said of the others.
    """

    def test_good(self) -> None:
        """
        A server with a certificate for its name from a trusted root is sent the request.
        """
        self.start()
        pump = self.accept_tls(GOOD)
        self.assertTrue(self.server.received.startswith(b"GET /scep?operation=GetCACaps HTTP/1.1"))
        self.server.transport.write(OK_2)
        pump.flush()
        self.assertEqual(self.consumer.names()[-3:], ["started", "received", "finished"])

    def test_address(self) -> None:
        """
        A server that is named by its address needs a certificate for that address.
        """
        self.start("192.0.2.1")
        self.accept_tls(GOOD)
        self.assertTrue(self.server.received)
        self.setUp()
        self.start("192.0.2.1")
        self.accept_tls(certificate("ca.example"))
        self.assert_refused("its certificate is for another host name (ca.example)", "192.0.2.1")

    def test_wrong_name(self) -> None:
        """
        A certificate for another name is refused as such.
        """
        for other in ("other.example", "example", "a.ca.example"):
            self.setUp()
            self.start()
            self.accept_tls(certificate(other))
            self.assert_refused(f"its certificate is for another host name ({other})")

    def test_no_name(self) -> None:
        """
        A certificate that names no host is refused, though the root is trusted.
        """
        self.start()
        self.accept_tls(ROOT)
        self.assert_refused("its certificate names no host")

    def test_validity(self) -> None:
        """
        Expired and not yet valid are told apart.
        """
        for since, until, complaint in (
            (-3, -1, "its certificate has expired"),
            (1, 3, "its certificate is not valid yet"),
        ):
            self.setUp()
            self.start()
            shown = certificate("ca.example", since=since, until=until)
            self.accept_tls(shown)
            moment = shown.not_valid_after_utc if until < 0 else shown.not_valid_before_utc
            self.assert_refused(f"{complaint} ({moment.isoformat()})")

    def test_many_names(self) -> None:
        """
        Of a certificate's names a few are told, and none that a terminal would obey.
        """
        names = ("192.0.2.7", "\x1b[2J.example", "b", "c", f"{'d' * 101}", "e", "f")
        self.start()
        self.accept_tls(certificate(*names))
        self.assert_refused("its certificate is for another host name (192.0.2.7, b, c, e)")

    def test_untrusted(self) -> None:
        """
        A certificate of an unknown root is refused as such, with and without the root behind it.
        """
        unknown = certificate("ca.example", issuer="Other Root")
        self.start()
        self.accept_tls(unknown)
        self.assert_refused("its certificate is not issued by a trusted authority")
        self.setUp()
        self.start()
        self.accept_tls(unknown, certificate(issuer="Other Root"))
        self.assert_refused("the certificate of its issuer leads to a root that is not trusted")

    def test_expired_root(self) -> None:
        """
        A root that has expired is the issuer's fault.
        """
        root = certificate(since=-9, until=-3)
        self.start(trust=root)
        self.accept_tls(GOOD)
        moment = root.not_valid_after_utc.isoformat()
        self.assert_refused(f"the certificate of its issuer has expired ({moment})")

    def test_all_trusted(self) -> None:
        """
        Each of several trusted roots is trusted, whatever stands between them.
        """
        roots = f"# first\n{pem(certificate(issuer='Other Root'))}\n# second\n{pem(ROOT)}"
        target = UpstreamTarget("ca", "https://ca.example/scep", roots)
        self.upstream.start(target, GET, self.consumer).finish()
        self.accept_tls(GOOD)
        self.assertTrue(self.server.received)

    def test_system_trust(self) -> None:
        """
        Without roots of its own a certificate authority has to be trusted by the system.
        """
        target = UpstreamTarget("ca", "https://ca.example/scep", None)
        self.upstream.start(target, GET, self.consumer).finish()
        self.accept_tls(GOOD)
        self.assert_refused("its certificate is not issued by a trusted authority")

    def test_unreadable_trust(self) -> None:
        """
        Roots that can't be read, or a bad host name, are a ValueError.
        """
        for roots in ("", "no PEM", "-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----"):
            self.assertRaises(ValueError, client_options, "ca.example", roots)
        self.assertRaises(ValueError, client_options, "a..b", pem(ROOT))
