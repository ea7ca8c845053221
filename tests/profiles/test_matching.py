"""
Tests for matching an inventory with a delivery.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, MessageError
from scepd.profiles.certificate_candidates import (
    CandidateCertificate,
    CertificateTexts,
    candidate_from_der,
    candidate_from_texts,
)
from scepd.profiles.certificate_subject import expected_subject, is_expected, scep_subject
from scepd.profiles.matching import (
    CertificateMatch,
    ExpectedCertificate,
    Listing,
    MatchOutcome,
    expected_certificate,
    listing_of,
    match_certificate,
)
from tests.profiles.builders import binary, profile, scep_payload, xml
from tests.support.pki import NOW, issue, openssl_sign, party, require, rsa_key

_UUID = "a0f1e2d3-0000-4000-8000-000000000001"
_PROFILE_UUID = f"a{_UUID}"
_MARKER = f"fleet-{_PROFILE_UUID}"
_OTHER_MARKER = "fleet-ab1111111-0000-4000-8000-000000000001"
_OPENED = NOW
_MINUTE = timedelta(minutes=1)
_HOSTILE = settings(max_examples=150, deadline=None, derandomize=True, database=None)
_FACTS = {"SerialNumber": "C02X", "HardwareUUID": "2E5F", "DeviceName": ""}


def rendered(subject: object) -> bytes:
    """
    Write a rendered profile that asks for a subject.
    """
    return xml(profile(scep_payload(Challenge="c", URL="https://x", Subject=subject)))


def expectation(
    subject: object = ((("CN", "%SerialNumber%"),), (("O", "Example"),)),
    known: Iterable[str] = (),
    facts: Mapping[str, str] = _FACTS,
) -> ExpectedCertificate:
    """
    What is expected of a delivery by the authority ``CN=CA``.
    """
    chain = [party("CN=CA,O=Example", 1, ca=True).certificate]
    return expected_certificate(
        rendered(subject), facts, _PROFILE_UUID, chain, _OPENED, frozenset(known)
    )


def found(
    subject: str = "CN = C02X, O = Example",
    issuer: str = "O = Example, CN = CA",
    not_before: datetime = NOW,
    **changes: datetime,
) -> CandidateCertificate:
    """
    A certificate as osquery tells of it; its fingerprint follows from all the rest.
    """
    not_after = changes.get("not_after", not_before + timedelta(days=365))
    sha1 = hashlib.sha1(repr((subject, issuer, not_before, not_after)).encode()).hexdigest()
    texts = CertificateTexts(sha1, subject, "", issuer, "", "01", not_before, not_after)
    candidate = candidate_from_texts(texts)
    assert candidate is not None
    return candidate


class MatchCertificateTests(SynchronousTestCase):
    """
    Tests for match_certificate.
    """

    def outcome(
        self, *candidates: CandidateCertificate, expected: ExpectedCertificate | None = None
    ) -> MatchOutcome:
        """
        Match certificates with a delivery.
        """
        return match_certificate(expected or expectation(), candidates).outcome

    def test_subject(self) -> None:
        """
        Issuer and subject prove a delivery, whatever the case and order of the attributes.
        """
        for subject in ("CN = C02X, O = Example", "O = EXAMPLE, CN = c02x"):
            self.assertEqual(self.outcome(found(subject)), MatchOutcome.PROVED)

    def test_legacy_texts(self) -> None:
        """
        The form with slashes proves a delivery as well.
        """
        texts = CertificateTexts(
            "ab" * 20, "", "/CN=C02X/O=Example", "", "/O=Example/CN=CA", "01", NOW, NOW + _MINUTE
        )
        candidate = candidate_from_texts(texts)
        assert candidate is not None
        self.assertEqual(self.outcome(candidate), MatchOutcome.PROVED)
        self.assertIsNone(candidate_from_texts(replace(texts, legacy_subject="?")))

    def test_marker(self) -> None:
        """
        The marker in OU or CN proves a delivery, whoever the issuer and whatever the rest is.
        """
        for subject in (
            f"CN = x, OU = {_MARKER}",
            f"CN = Ann {_MARKER}",
            f"OU = Sales {_MARKER.upper()} x, CN = y",
        ):
            self.assertEqual(self.outcome(found(subject, "CN = other")), MatchOutcome.PROVED)

    def test_cut_marker(self) -> None:
        """
        A marker that was cut off proves it when enough of it is left.
        """
        for length, outcome in (
            (64, MatchOutcome.PROVED),
            (60, MatchOutcome.PROVED),
            (42, MatchOutcome.NOT_IDENTIFIED),
        ):
            subject = f"OU = {('Department of certificates: ' + _MARKER)[:length]}"
            self.assertEqual(self.outcome(found(subject, "CN = other")), outcome)

    def test_marker_elsewhere(self) -> None:
        """
        A marker in another attribute, or the one of another profile, proves nothing.
        """
        candidate = found(f"O = {_MARKER}", "CN = other")
        self.assertEqual(self.outcome(candidate), MatchOutcome.NOT_IDENTIFIED)
        candidate = found(f"OU = {_OTHER_MARKER}")
        self.assertEqual(self.outcome(candidate), MatchOutcome.NOT_YET)

    def test_issuer(self) -> None:
        """
        The issuer is one of the chain or an issuer of the chain; another one proves nothing.
        """
        root = x509.Name.from_rfc4514_string("CN=Root")
        middle = x509.Name.from_rfc4514_string("CN=RA")
        chain = [issue(rsa_key(1), middle, rsa_key(2), root)]
        expected = expected_certificate(
            rendered([[["CN", "x"]]]), {}, _PROFILE_UUID, chain, _OPENED, ()
        )
        for issuer, outcome in (
            ("CN = RA", MatchOutcome.PROVED),
            ("CN = Root", MatchOutcome.PROVED),
            ("CN = Other", MatchOutcome.NOT_IDENTIFIED),
        ):
            candidate = found("CN = x", issuer)
            self.assertEqual(self.outcome(candidate, expected=expected), outcome)

    def test_not_before(self) -> None:
        """
        NotBefore may be an hour before the window opened, and not earlier.
        """
        for early, outcome in (
            (10 * _MINUTE, MatchOutcome.PROVED),
            (60 * _MINUTE, MatchOutcome.PROVED),
            (61 * _MINUTE, MatchOutcome.NOT_IDENTIFIED),
        ):
            self.assertEqual(self.outcome(found(not_before=NOW - early)), outcome)

    def test_old_certificates(self) -> None:
        """
        Old certificates with other names, and none at all, are surely not it.
        """
        foreign = found("CN = other", "CN = other CA", not_before=NOW - timedelta(days=1))
        old = found("CN = other", not_before=NOW - timedelta(days=8))
        self.assertEqual(self.outcome(old, foreign), MatchOutcome.NOT_YET)
        self.assertEqual(self.outcome(), MatchOutcome.NOT_YET)

    def test_far_back_dated(self) -> None:
        """
        One of the authority itself that is a few days old can't be ruled out: some back-date far,
        and each delivery would bring another that can't be told either.
        """
        old = found("CN = rewritten", not_before=NOW - timedelta(days=6))
        self.assertEqual(self.outcome(old), MatchOutcome.NOT_IDENTIFIED)

    def test_rewritten_subject(self) -> None:
        """
        A new certificate with another subject may be it: an authority can have rewritten it.
        """
        self.assertEqual(self.outcome(found("CN = rewritten")), MatchOutcome.NOT_IDENTIFIED)

    def test_known(self) -> None:
        """
        A certificate that was recorded before the window opened doesn't count, whatever its dates.
        """
        candidate = found()
        for known in (candidate.sha1, candidate.sha1.upper()):
            expected = expectation(known=[known])
            self.assertEqual(self.outcome(candidate, expected=expected), MatchOutcome.NOT_YET)

    def test_newest(self) -> None:
        """
        Of several that fit, the newest NotBefore wins, then the latest end.
        """
        long = NOW + timedelta(days=800)
        best = found(not_before=NOW + _MINUTE, not_after=long)
        others = [found(), found(not_before=NOW - _MINUTE, not_after=long), found("CN = other")]
        others.append(found(not_before=NOW + _MINUTE, not_after=NOW + timedelta(days=1)))
        for candidates in ([best, *others], [*others, best]):
            match = match_certificate(expectation(), candidates)
            self.assertEqual((match.outcome, match.certificate), (MatchOutcome.PROVED, best))
            dates = [(each.not_before, each.not_after) for each in match.proofs]
            self.assertEqual(dates, sorted(dates, reverse=True))
            self.assertEqual(len(match.proofs), 4)

    def test_unknown_variables(self) -> None:
        """
        An Apple variable whose value is not known, or empty, may be anything, others may not.
        """
        subject = [[["CN", "%DeviceName%-%SerialNumber%-%Other%"]]]
        for text, outcome in (
            ("CN = Ann's Mac-C02X-1", MatchOutcome.PROVED),
            ("CN = -c02x-", MatchOutcome.PROVED),
            ("CN = Ann's Mac-C02Y-1", MatchOutcome.NOT_IDENTIFIED),
            ("CN = Ann's Mac-C02X", MatchOutcome.NOT_IDENTIFIED),
            ("CN = a-C02X-1, O = more", MatchOutcome.NOT_IDENTIFIED),
        ):
            expected = expectation(subject)
            self.assertEqual(self.outcome(found(text), expected=expected), outcome)

    def test_without_subject(self) -> None:
        """
        Where no subject was asked for, the marker alone proves anything.
        """
        expected = expectation([])
        outcome = self.outcome(found("", "CN = CA, O = Example"), expected=expected)
        self.assertEqual(outcome, MatchOutcome.NOT_IDENTIFIED)

    def test_der(self) -> None:
        """
        The DER of MDM proves a delivery; the DER tells authorities, which are never it.
        """
        authority = party("CN=CA,O=Example", 1, ca=True)
        der = self.issued("CN=C02X,O=Example", NOW - 10 * _MINUTE)
        candidate, own = candidate_from_der(der), candidate_from_der(authority.certificate)
        assert candidate is not None and own is not None
        match = match_certificate(expectation(), [own, candidate])
        self.assertEqual(match, CertificateMatch(MatchOutcome.PROVED, candidate, (candidate,)))
        self.assertEqual(candidate.sha256, hashlib.sha256(der).hexdigest())
        own = replace(own, not_before=NOW)
        self.assertEqual(self.outcome(own), MatchOutcome.NOT_YET)

    def issued(self, subject: str, not_before: datetime) -> bytes:
        """
        Let the authority issue a certificate.
        """
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name.from_rfc4514_string(subject))
            .issuer_name(x509.Name.from_rfc4514_string("CN=CA,O=Example"))
            .public_key(rsa_key(3).public_key())
            .serial_number(1)
            .not_valid_before(not_before)
            .not_valid_after(not_before + timedelta(days=1))
        )
        certificate = builder.sign(rsa_key(1), hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.DER)

    def test_mutated_der(self) -> None:
        """
        A certificate with one octet changed is read or left out.
        """
        der = self.issued(f"CN=x,OU={_MARKER}", NOW)

        @_HOSTILE
        @given(st.integers(0, len(der) - 1), st.integers(1, 255))
        def mutate(place: int, change: int) -> None:
            """
            Change one octet.
            """
            changed = bytearray(der)
            changed[place] ^= change
            candidate = candidate_from_der(bytes(changed))
            if candidate is not None:
                match_certificate(expectation(), [candidate])

        mutate()
        self.assertIsNone(candidate_from_der(b"x"))

    def test_broken_chain(self) -> None:
        """
        A chain that can't be read is refused.
        """
        with self.assertRaises(EncodingError):
            expected_certificate(rendered([]), {}, _PROFILE_UUID, [b"x"], _OPENED, ())


class SubjectTests(SynchronousTestCase):
    """
    Tests for scep_subject, expected_subject and is_expected.
    """

    def test_subject(self) -> None:
        """
        The subject is found in XML, binary and signed profiles.
        """
        require("openssl")
        subject = [[["C", "US"]], [["OU", "a"], ["CN", "b"]]]
        root = profile({"PayloadType": "other"}, scep_payload(Subject=subject))
        signed = openssl_sign(party("CN=signer", 1), xml(root), "-nodetach")
        for content in (xml(root), binary(root), signed):
            self.assertEqual(scep_subject(content), ((("C", "US"),), (("OU", "a"), ("CN", "b"))))

    def test_no_subject(self) -> None:
        """
        A profile without SCEP payload has no subject.
        """
        self.assertEqual(scep_subject(xml(profile())), ())

    def test_odd_subjects(self) -> None:
        """
        Another shape than Apple's is refused.
        """
        for subject in ("CN=x", ["x"], [["CN", "x"]], [[["CN"]]], [[["CN", 5]]]):
            with self.assertRaises(EncodingError):
                scep_subject(rendered(subject))

    @_HOSTILE
    @given(st.binary(max_size=200))
    def test_any_profile(self, content: bytes) -> None:
        """
        Whatever the profile is, only our own errors come out.
        """
        with contextlib.suppress(MessageError):
            scep_subject(content)

    def test_types(self) -> None:
        """
        Short names of any case and OIDs name the same attribute.
        """
        expected = expected_subject(((("2.5.4.3", "x"),), (("ou", "y"),)), {})
        self.assertTrue(is_expected(expected, found("CN = X, OU = Y").subject))

    def test_long_value(self) -> None:
        """
        A value that the authority cut after 64 characters is still the one.
        """
        expected = expected_subject(((("CN", "n" * 70),),), {})
        self.assertTrue(is_expected(expected, found(f"CN = {'n' * 64}").subject))
        self.assertFalse(is_expected(expected, found(f"CN = {'n' * 63}").subject))

    def test_assignment(self) -> None:
        """
        Attributes that may be anything leave the fitting ones to those that are fixed.
        """
        subject = ((("OU", "%A%"),), (("OU", "%A%x"),), (("OU", "x"),))
        expected = expected_subject(subject, {})
        self.assertTrue(is_expected(expected, found("OU = x, OU = ax, OU = y").subject))
        self.assertFalse(is_expected(expected, found("OU = y, OU = ax, OU = y").subject))

    @_HOSTILE
    @given(
        st.lists(st.text("ab%A", max_size=8), max_size=6),
        st.lists(st.text("ab", max_size=6), max_size=6),
    )
    def test_any_values(self, asked: Sequence[str], values: Sequence[str]) -> None:
        """
        A name fits itself; whatever else is asked for, there is an answer.
        """
        name = tuple(sorted(("2.5.4.3", value) for value in values))
        same = expected_subject(tuple((("CN", value),) for value in values), {})
        self.assertEqual(is_expected(same, name), bool(values))
        is_expected(expected_subject(tuple((("CN", value),) for value in asked), {}), name)


class DeliveryTests(SynchronousTestCase):
    """
    Tests for listing_of.
    """

    def test_dates(self) -> None:
        """
        An installation may be three minutes before the delivery, or after the inventory, not more:
        such a clock is wrong, and its date tells nothing.
        """
        later = NOW + 60 * _MINUTE
        for minutes, expected in (
            (0, Listing.DATED),
            (-3, Listing.DATED),
            (-4, Listing.UNDATED),
            (63, Listing.DATED),
            (64, Listing.UNDATED),
        ):
            listed = [("other", NOW), ("a.b", NOW + minutes * _MINUTE)]
            self.assertIs(listing_of("a.b", NOW, later, listed), expected)

    def test_no_date(self) -> None:
        """
        Being listed without a date is told apart from a date that fits, and from not being listed.
        """
        self.assertIs(listing_of("a.b", NOW, NOW, [("a.b", None)]), Listing.UNDATED)
        self.assertIs(listing_of("a.b", NOW, NOW, [("a.b", None), ("a.b", NOW)]), Listing.DATED)
        self.assertIs(listing_of("a.b", NOW, NOW, [("A.B", NOW), ("a", None)]), Listing.MISSING)
        self.assertIs(listing_of("a.b", NOW, NOW, []), Listing.MISSING)
