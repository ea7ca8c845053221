"""
Certificates that an inventory found on a host, whichever inventory it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scepd.errors import MessageError
from scepd.pki.certificates import load_certificate, summarize
from scepd.profiles.certificate_names import Name, name_from_texts, name_from_x509


@dataclass(frozen=True, slots=True)
class CertificateTexts:
    """
    A certificate as osquery tells of it.

    :param sha1: 40 lower-case hexadecimal digits.
    :param subject: in the form ``CN = x, O = y``; may be empty.
    :param legacy_subject: in the form ``/C=…/CN=…``; may be empty.
    :param issuer: as ``subject``.
    :param legacy_issuer: as ``legacy_subject``.
    :param serial: upper-case hexadecimal digits; may be empty.
    :param not_before: aware.
    :param not_after: aware.
    """

    sha1: str
    subject: str
    legacy_subject: str
    issuer: str
    legacy_issuer: str
    serial: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class CandidateCertificate:
    """
    A certificate that may be the one a delivery brought.

    :param sha1: 40 lower-case hexadecimal digits.
    :param sha256: 64 of them; empty when only texts are known.
    :param subject: for comparing.
    :param issuer: for comparing.
    :param subject_text: for people.
    :param issuer_text: for people.
    :param serial: upper-case hexadecimal digits; may be empty.
    :param not_before: aware.
    :param not_after: aware.
    :param is_ca: whether it is surely an authority's.
    """

    sha1: str
    sha256: str
    subject: Name
    issuer: Name
    subject_text: str
    issuer_text: str
    serial: str
    not_before: datetime
    not_after: datetime
    is_ca: bool


def candidate_from_texts(texts: CertificateTexts) -> CandidateCertificate | None:
    """
    Take over a certificate that osquery found.

    :param texts: what osquery tells of it.
    :returns: the candidate; None when subject or issuer can't be read.
    """
    subject = name_from_texts(texts.subject, texts.legacy_subject)
    issuer = name_from_texts(texts.issuer, texts.legacy_issuer)
    if subject is None or issuer is None:
        return None
    return CandidateCertificate(
        sha1=texts.sha1.lower(),
        sha256="",
        subject=subject,
        issuer=issuer,
        subject_text=texts.subject or texts.legacy_subject,
        issuer_text=texts.issuer or texts.legacy_issuer,
        serial=texts.serial,
        not_before=texts.not_before,
        not_after=texts.not_after,
        is_ca=False,
    )


def candidate_from_der(der: bytes) -> CandidateCertificate | None:
    """
    Take over a certificate that MDM found.

    :param der: the certificate.
    :returns: the candidate; None when it can't be read.
    """
    try:
        summary = summarize(der)
        certificate = load_certificate(der)
        subject = name_from_x509(certificate.subject)
        issuer = name_from_x509(certificate.issuer)
    except MessageError:
        return None
    return CandidateCertificate(
        sha1=summary.sha1,
        sha256=summary.sha256,
        subject=subject,
        issuer=issuer,
        subject_text=summary.subject,
        issuer_text=summary.issuer,
        serial=summary.serial,
        not_before=summary.not_before,
        not_after=summary.not_after,
        is_ca=summary.is_ca,
    )
