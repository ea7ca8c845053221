"""
Tests for names of certificates.
"""

from __future__ import annotations

from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.profiles.certificate_names import Name, name_from_texts, name_from_x509
from tests.support.pki import openssl, require

_HOSTILE = settings(max_examples=300, deadline=None, derandomize=True, database=None)
_TYPES = {"C": "2.5.4.6", "O": "2.5.4.10", "OU": "2.5.4.11", "CN": "2.5.4.3"}


def expected(*pairs: tuple[str, str]) -> Name:
    """
    Make a name by hand.
    """
    return tuple(sorted((_TYPES.get(kind, kind), value) for kind, value in pairs))


class NameTests(SynchronousTestCase):
    """
    Tests for name_from_texts and name_from_x509.
    """

    def test_forms(self) -> None:
        """
        Both of OpenSSL's forms give the same name, folded and sorted.
        """
        name = expected(("C", "us"), ("O", "example org"), ("CN", "x"))
        self.assertEqual(name_from_texts("C = US, O = Example  Org, CN = X", ""), name)
        self.assertEqual(name_from_texts("", "/C=US/O=Example Org/CN=X"), name)
        self.assertEqual(name_from_texts("CN=x,O=example org,C=us", "/CN=other"), name)

    def test_exact_form(self) -> None:
        """
        Quotes, escapes, several attributes in an RDN, and bare commas are understood.
        """
        for text, name in (
            ('O = "A, B \\"q\\" + C"', expected(("O", 'a, b "q" + c'))),
            ("O = A\\, B\\+C\\\\", expected(("O", "a, b+c\\"))),
            ("OU = u + CN = x", expected(("OU", "u"), ("CN", "x"))),
            ("CN = \\C3\\9Cn\\C3\\AF", expected(("CN", "\u00fcn\u00ef"))),
            ("CN = \u00dcn\u00ef", expected(("CN", "\u00fcn\u00ef"))),
            ("O = Acme, Inc., CN = x", expected(("O", "acme, inc."), ("CN", "x"))),
            ("CN = a=b/c", expected(("CN", "a=b/c"))),
            ("1.2.3.4 = x", expected(("1.2.3.4", "x"))),
            ("CN = ", expected(("CN", ""))),
        ):
            self.assertEqual(name_from_texts(text, ""), name)

    def test_legacy_form(self) -> None:
        """
        Slashes in values and hexadecimal escapes are understood.
        """
        for text, name in (
            ("/CN=a/b/OU=u", expected(("CN", "a/b"), ("OU", "u"))),
            ("/CN=a\\/OU=b\\+c", expected(("CN", "a/ou=b+c"))),
            ("/CN=\\xC3\\x9Cn", expected(("CN", "\u00fcn"))),
            ("/1.2.3.4=x", expected(("1.2.3.4", "x"))),
        ):
            self.assertEqual(name_from_texts("", text), name)

    def test_unreadable(self) -> None:
        """
        What is no name is none; no texts at all are the empty name.
        """
        for text in ("x", "=x", "? = x", "/", "//CN=x", ", CN = x"):
            self.assertIsNone(name_from_texts(text, ""))
        for text in ("x", "CN=x", "/x", "/=x"):
            self.assertIsNone(name_from_texts("", text))
        self.assertIsNone(name_from_texts(", ".join(["CN = x"] * 65), ""))
        self.assertEqual(name_from_texts(" ", ""), ())

    def test_openssl(self) -> None:
        """
        What openssl prints of a subject, in each form, is the name that is in the certificate.
        """
        require("openssl")
        subject = (
            '/C=US/ST=Ohio/L=x/O=A, B \\\\ "q"\\+ C/OU=x\\/y/CN=\u00dcn\u00ef; #1'
            "/DC=local/emailAddress=a@b.c/CN= lead /UID=u/serialNumber=1/GN=g/SN=s/title=t"
        )
        pem = openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem"),
            *("-utf8", "-days", "1", "-subj", subject),
        )
        name = name_from_x509(x509.load_pem_x509_certificate(pem).subject)
        self.assertEqual(len(name), 14)
        for option in ("oneline", "oneline,-esc_msb", "RFC2253", "compat", "compat,-esc_msb"):
            printed = openssl("x509", "-noout", "-subject", "-nameopt", option, stdin=pem)
            text = printed.decode().removeprefix("subject=").rstrip("\n")
            texts = ("", text) if text.startswith("/") else (text, "")
            self.assertEqual(name_from_texts(*texts), name, option)

    @_HOSTILE
    @given(st.text() | st.text(alphabet='CN=,+"\\ /x3C'), st.text(alphabet="/CN=\\x3"))
    def test_any_text(self, exact: str, legacy: str) -> None:
        """
        Whatever the texts are, there is a name or none.
        """
        name = name_from_texts(exact, legacy)
        if name is not None:
            self.assertEqual(list(name), sorted(name))
