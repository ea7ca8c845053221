"""
Tests for the names that a profile makes a device ask for.
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError
from scepd.profiles.requested_names import NamePattern, requested_names
from tests.support.pki import rsa_key

APPLE = {"SerialNumber": "C02ABC", "UDID": "UDID-1", "HardwareUUID": "UDID-1"}
CN, OU, ORG = "2.5.4.3", "2.5.4.11", "2.5.4.10"
SUBJECT = "the request is for another subject than the profile's"
NAMES = "the request is for other alternative names than the profile's"
_UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")


def profile(subject: object, **content: object) -> bytes:
    """
    A rendered profile.
    """
    payload = {
        "PayloadType": "com.apple.security.scep",
        "PayloadContent": {"Subject": subject, **content},
    }
    if subject is None:
        del payload["PayloadContent"]["Subject"]  # type: ignore[attr-defined]
    return plistlib.dumps({"PayloadType": "Configuration", "PayloadContent": [payload]})


def request(
    *rdns: Sequence[tuple[str, str]], names: Sequence[x509.GeneralName] = ()
) -> x509.CertificateSigningRequest:
    """
    A request, made by ``cryptography`` alone.
    """
    subject = x509.Name(
        [
            x509.RelativeDistinguishedName(
                [x509.NameAttribute(x509.ObjectIdentifier(kind), text) for kind, text in rdn]
            )
            for rdn in rdns
        ]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(rsa_key(3), hashes.SHA256())


class SubjectTests(SynchronousTestCase):
    """
    Tests for subjects.
    """

    def fault(self, subject: object, asked: x509.CertificateSigningRequest) -> str:
        """
        What is wrong with a request.
        """
        return requested_names(profile(subject), APPLE).fault(asked)

    def test_equal(self) -> None:
        """
        Known variables of Apple's are filled in; short names and OIDs are the same.
        """
        subject = [[["CN", "%SerialNumber% WIFI"]], [["2.5.4.11", "of %UDID%"]], [["O", "Ex, Inc"]]]
        asked = request([(CN, "C02ABC WIFI")], [(OU, "of UDID-1")], [(ORG, "Ex, Inc")])
        self.assertEqual(self.fault(subject, asked), "")

    def test_different(self) -> None:
        """
        Another value, type, order, number or case is another subject (VU#971035).
        """
        subject = [[["CN", "%SerialNumber%"]], [["OU", "sales"]]]
        right = ([(CN, "C02ABC")], [(OU, "sales")])
        self.assertEqual(self.fault(subject, request(*right)), "")
        for wrong in (
            ([(CN, "administrator")], [(OU, "sales")]),
            ([(CN, "C02ABC")], [(OU, "Sales")]),
            ([(CN, "C02ABC")], [(OU, "sales ")]),
            ([(CN, "C02ABC")], [(ORG, "sales")]),
            ([(OU, "sales")], [(CN, "C02ABC")]),
            ([(CN, "C02ABC")],),
            (*right, [(CN, "administrator")]),
            ([(CN, "C02ABC"), (ORG, "x")], [(OU, "sales")]),
            ([(CN, "C02ABC"), (OU, "sales")],),
        ):
            self.assertEqual(self.fault(subject, request(*wrong)), SUBJECT, wrong)

    def test_unknown_variable(self) -> None:
        """
        What only the device knows may be anything but nothing; the rest must be equal.
        """
        subject = [[["CN", "%ComputerName% of %SerialNumber%"]]]
        for text in ("x of C02ABC", "Zoë's Mac of C02ABC", "a of b of C02ABC"):
            self.assertEqual(self.fault(subject, request([(CN, text)])), "", text)
        for text in (" of C02ABC", "x of C02ABD", "x of C02ABC!"):
            self.assertEqual(self.fault(subject, request([(CN, text)])), SUBJECT, text)

    def test_empty_value_is_unknown(self) -> None:
        """
        A host whose serial number is not known may have any.
        """
        names = requested_names(profile([[["CN", "%SerialNumber%"]]]), {"SerialNumber": ""})
        self.assertEqual(names.fault(request([(CN, "anything")])), "")

    def test_values_are_not_scanned(self) -> None:
        """
        What a host's value holds is never taken for a variable, nor for anything else.
        """
        for value in ("%ComputerName%", "\0", "a\0b"):
            names = requested_names(profile([[["CN", "%UDID%"]]]), {"UDID": value})
            self.assertEqual(names.fault(request([(CN, "administrator")])), SUBJECT)

    def test_several_in_an_rdn(self) -> None:
        """
        The order in an RDN is DER's, not the profile's.
        """
        subject = [[["OU", "sales"], ["CN", "%SerialNumber%"]]]
        asked = request([(CN, "C02ABC"), (OU, "sales")])
        self.assertEqual(self.fault(subject, asked), "")

    def test_no_subject(self) -> None:
        """
        A payload without one asks for none.
        """
        names = [x509.DNSName("a.example")]
        found = requested_names(profile(None, SubjectAltName={"dNSName": "a.example"}), APPLE)
        self.assertEqual(found.fault(request(names=names)), "")
        self.assertEqual(found.fault(request([(CN, "x")], names=names)), SUBJECT)

    def test_odd_shapes(self) -> None:
        """
        Subjects and alternative names of other shapes than Apple's are refused.
        """
        for subject in ("CN=x", [["CN", "x"]], [[["CN"]]], [[["CN", 1]]]):
            with self.assertRaises(EncodingError):
                requested_names(profile(subject), APPLE)
        for names in ("x", {"dNSName": 1}, {"dNSName": [1]}, {"iPAddress": "10.0.0.1"}):
            with self.assertRaises(EncodingError):
                requested_names(profile([], SubjectAltName=names), APPLE)

    @given(
        pieces=st.lists(st.text("ab", max_size=3), min_size=1, max_size=4),
        fillings=st.lists(st.text("abc", min_size=1, max_size=3), min_size=3, max_size=3),
        other=st.text("abc", max_size=8),
    )
    def test_any_pieces(self, pieces: list[str], fillings: list[str], other: str) -> None:
        """
        Whatever is filled in matches; and any other text just when a regular expression says so.
        """

        pattern = NamePattern(CN, tuple(pieces))
        text = pieces[0] + "".join(
            filling + piece for filling, piece in zip(fillings, pieces[1:], strict=False)
        )
        self.assertTrue(pattern.matches(CN, text))
        expected = re.fullmatch(".+".join(map(re.escape, pieces)), other, re.DOTALL)
        self.assertEqual(pattern.matches(CN, other), expected is not None)


SPELLED: dict[str, object] = {
    "ntPrincipalName": "%SerialNumber%@example.com",
    "dNSName": ["%SerialNumber%.example.com", "b.example.com"],
    "rfc822Name": "it@example.com",
    "uniformResourceIdentifier": "urn:udid:%UDID%",
}
ASKED: tuple[x509.GeneralName, ...] = (
    x509.RFC822Name("it@example.com"),
    x509.DNSName("C02ABC.example.com"),
    x509.OtherName(_UPN, b"\x0c\x12C02ABC@example.com"),
    x509.DNSName("b.example.com"),
    x509.UniformResourceIdentifier("urn:udid:UDID-1"),
)


class AlternativeNameTests(SynchronousTestCase):
    """
    Tests for alternative names.
    """

    def fault(self, names: Sequence[x509.GeneralName]) -> str:
        """
        What is wrong with a request for these names.
        """
        rendered = profile([[["CN", "x"]]], SubjectAltName=SPELLED)
        return requested_names(rendered, APPLE).fault(request([(CN, "x")], names=names))

    def test_equal(self) -> None:
        """
        All kinds of Apple's, in any order of the kinds.
        """
        self.assertEqual(self.fault(ASKED), "")

    def test_different(self) -> None:
        """
        One more, one less or another one is refused.
        """
        for wrong in (
            ASKED[1:],
            (*ASKED, x509.DNSName("admin.example.com")),
            (*ASKED, x509.OtherName(_UPN, b"\x0c\x05admin")),
            (x509.RFC822Name("ceo@example.com"), *ASKED[1:]),
            (*ASKED[:2], x509.OtherName(_UPN, b"\x0c\x11admin@example.com"), *ASKED[3:]),
        ):
            self.assertEqual(self.fault(wrong), NAMES, wrong)

    def test_none(self) -> None:
        """
        A profile without alternative names allows none.
        """
        found = requested_names(profile([[["CN", "x"]]]), APPLE)
        self.assertEqual(found.fault(request([(CN, "x")])), "")
        asked = request([(CN, "x")], names=[x509.DNSName("admin.example.com")])
        self.assertEqual(found.fault(asked), NAMES)
