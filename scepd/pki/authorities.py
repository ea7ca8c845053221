"""
Who is who among the certificates of a GetCACert answer (RFC 8894 section 4.2.1).
"""

from __future__ import annotations

from collections.abc import Sequence

from scepd.pki.certificates import choose_recipient, summarize


def certificate_authorities(ders: Sequence[bytes]) -> tuple[bytes, ...]:
    """
    Leave registration authorities out.

    :param ders: what ``parse_ca_certificates`` returned.
    :returns: those whose BasicConstraints say that they are CAs; all, when none do.
    :raises EncodingError: one is not a certificate.
    """
    return tuple(der for der in ders if summarize(der).is_ca) or tuple(ders)


def choose_issuer(ders: Sequence[bytes]) -> bytes:
    """
    Choose the certificate of the authority that issues to clients: the lowest one of a chain.

    :param ders: what ``parse_ca_certificates`` returned.
    :returns: the authority that issued none of the other ones.
    :raises UnsupportedAlgorithm: none holds an RSA key, and there is nothing to go by.
    :raises EncodingError: one is not a certificate.
    """
    candidates = certificate_authorities(ders)
    summaries = {der: summarize(der) for der in candidates}
    for der, summary in summaries.items():
        others = [other for it, other in summaries.items() if it != der]
        if all(other.issuer != summary.subject for other in others):
            return der
    return choose_recipient(candidates)
