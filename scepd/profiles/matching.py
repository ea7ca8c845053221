"""
What an inventory proves: that a profile was delivered, and which certificate came with it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from scepd.pki.certificates import load_certificate
from scepd.profiles.certificate_candidates import CandidateCertificate
from scepd.profiles.certificate_names import (
    COMMON_NAME,
    ORGANIZATIONAL_UNIT,
    Name,
    name_from_x509,
)
from scepd.profiles.certificate_subject import (
    ExpectedAttribute,
    expected_subject,
    is_expected,
    scep_subject,
)
from scepd.profiles.variables import renewal_marker

BACKDATING = timedelta(hours=1)
"""
How long before the window opened a certificate may say that it began: authorities back-date.
"""
LONGEST_BACKDATING = timedelta(days=7)
"""
How long before the window opened a certificate of the right issuer and other names may begin, so
that it can't be ruled out: it proves nothing, but whoever may have it gets no other one.
"""
CLOCK_TOLERANCE = timedelta(minutes=3)
"""
How long before its delivery a profile may say that it was installed: clocks differ.
"""
# Of a marker that was cut off: "fleet-a" and the first group of the UUID.
_SHORTEST_MARKER = len("fleet-a") + 8
_ANY_MARKER = re.compile(r"fleet-a[0-9a-f]{8}")


class Listing(Enum):
    """
    What an inventory of profiles says about a delivery.
    """

    DATED = "dated"
    """It is listed, and was installed since it was delivered."""
    UNDATED = "undated"
    """It is listed, but perhaps from before: no date is told, or the device's clock was wrong."""
    MISSING = "missing"
    """It is not listed."""


class MatchOutcome(Enum):
    """
    What the certificates of a host say about a delivery.
    """

    PROVED = "proved"
    """One of them is the one that was delivered."""
    NOT_YET = "not yet"
    """Surely none of them is."""
    NOT_IDENTIFIED = "not identified"
    """There are new ones, and one of them may be it, but nothing says which."""


@dataclass(frozen=True, slots=True)
class CertificateMatch:
    """
    The answer of ``match_certificate``.

    :param outcome: what the certificates say.
    :param certificate: the one that proves it; the newest when there are several.
    :param proofs: all that do, the newest first.
    """

    outcome: MatchOutcome
    certificate: CandidateCertificate | None = None
    proofs: tuple[CandidateCertificate, ...] = ()


@dataclass(frozen=True, slots=True)
class ExpectedCertificate:
    """
    What is known of the certificate that a delivery brings.

    :param marker: ``fleet-`` and the profile's uuid.
    :param subject: the attributes that were asked for; empty when they are not known.
    :param issuers: the names that its issuer may have; empty when they are not known.
    :param window_opened_at: aware.
    :param known_sha1s: of certificates that surely are not it: those that were recorded for the
        host before the window opened, and its MDM identities; lower-case hexadecimal digits.
    """

    marker: str
    subject: tuple[ExpectedAttribute, ...]
    issuers: frozenset[Name]
    window_opened_at: datetime
    known_sha1s: Collection[str]

    def is_meant(self, candidate: CandidateCertificate) -> bool:
        """
        Tell whether a certificate's names are those of the delivery, whenever it was made.

        :param candidate: a certificate of the host.
        :returns: whether it bears the marker, or has the issuer and the subject that were asked
            for.
        """
        if self._bears_marker(candidate):
            return True
        return candidate.issuer in self.issuers and is_expected(self.subject, candidate.subject)

    def is_recent(self, candidate: CandidateCertificate) -> bool:
        """
        Tell whether a certificate can have been made in the delivery's window.

        :param candidate: a certificate of the host.
        :returns: whether its NotBefore is late enough.
        """
        return candidate.not_before >= self.window_opened_at - BACKDATING

    def may_be(self, candidate: CandidateCertificate) -> bool:
        """
        Tell whether a certificate can't be ruled out.

        :param candidate: a certificate of the host that is not among the known ones.
        :returns: False for an authority's, one of another profile, and an old one with other names;
            one of the right issuer is old only after ``LONGEST_BACKDATING``.
        """
        if self.is_meant(candidate):
            return True
        if candidate.is_ca or any(_ANY_MARKER.search(value) for value in _marked(candidate)):
            return False
        if candidate.issuer in self.issuers:
            return candidate.not_before >= self.window_opened_at - LONGEST_BACKDATING
        return self.is_recent(candidate)

    def _bears_marker(self, candidate: CandidateCertificate) -> bool:
        return any(_holds(value, self.marker) for value in _marked(candidate))


def expected_certificate(
    rendered: bytes,
    apple_values: Mapping[str, str],
    profile_uuid: str,
    chain: Sequence[bytes],
    window_opened_at: datetime,
    known_sha1s: Collection[str],
) -> ExpectedCertificate:
    """
    Put together what is known of the certificate that a delivery brings.

    :param rendered: the profile as the device got it; its challenge plays no part.
    :param apple_values: of Apple's variables (see ``expected_subject``).
    :param profile_uuid: ``a`` and a UUID.
    :param chain: the DER of each certificate of the GetCACert answer.
    :param window_opened_at: aware.
    :param known_sha1s: of certificates that surely are not it (see ``ExpectedCertificate``).
    :returns: what to look for.
    :raises EncodingError: the profile or a certificate of the chain can't be read.
    :raises LimitExceeded: the profile is too deep, or holds too much.
    """
    return ExpectedCertificate(
        renewal_marker(profile_uuid).lower(),
        expected_subject(scep_subject(rendered), apple_values),
        frozenset(name for der in chain for name in _issuer_names(der)),
        window_opened_at,
        frozenset(sha1.lower() for sha1 in known_sha1s),
    )


def match_certificate(
    expected: ExpectedCertificate, candidates: Iterable[CandidateCertificate]
) -> CertificateMatch:
    """
    Find the certificate that a delivery brought.

    :param expected: what to look for.
    :param candidates: all certificates of the host.
    :returns: the one with the newest NotBefore of those that fit; else whether there may be one.
    """
    possible = [
        each
        for each in candidates
        if each.sha1 not in expected.known_sha1s and expected.may_be(each)
    ]
    proofs = [each for each in possible if expected.is_meant(each) and expected.is_recent(each)]
    if proofs:
        proofs.sort(key=lambda each: (each.not_before, each.not_after, each.sha1), reverse=True)
        return CertificateMatch(MatchOutcome.PROVED, proofs[0], tuple(proofs))
    return CertificateMatch(MatchOutcome.NOT_IDENTIFIED if possible else MatchOutcome.NOT_YET)


def listing_of(
    identifier: str,
    delivered_at: datetime,
    now: datetime,
    listed: Iterable[tuple[str, datetime | None]],
) -> Listing:
    """
    Tell whether an inventory of profiles shows a delivery.

    :param identifier: the profile's PayloadIdentifier.
    :param delivered_at: when it was handed to the device; aware.
    :param now: when the inventory came; aware.
    :param listed: identifier and date of installation, by the device's clock, of each profile of
        the host; None where the inventory tells none, as MDM never does.
    """
    dates = [installed_at for found, installed_at in listed if found == identifier]
    if not dates:
        return Listing.MISSING
    earliest, latest = delivered_at - CLOCK_TOLERANCE, now + CLOCK_TOLERANCE
    if any(date is not None and earliest <= date <= latest for date in dates):
        return Listing.DATED
    return Listing.UNDATED


def _issuer_names(der: bytes) -> tuple[Name, Name]:
    """
    An authority's own name, and its issuer's: the certificate may be a registration authority's.
    """
    certificate = load_certificate(der)
    return name_from_x509(certificate.subject), name_from_x509(certificate.issuer)


def _marked(candidate: CandidateCertificate) -> list[str]:
    """
    List the values where a marker can stand.
    """
    kinds = (ORGANIZATIONAL_UNIT, COMMON_NAME)
    return [value for kind, value in candidate.subject if kind in kinds]


def _holds(value: str, marker: str) -> bool:
    """
    Tell whether a value holds a marker, or ends with what an authority left of it.
    """
    if marker in value:
        return True
    start = value.rfind(marker[:_SHORTEST_MARKER])
    return start >= 0 and marker.startswith(value[start:])
