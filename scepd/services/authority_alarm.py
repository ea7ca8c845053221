"""
The alarm that a certificate authority has other certificates than before.

A certificate authority's own certificate is what it is known by. Devices encrypt to that one or to
a registration authority's, and send the challenge with it. A registration authority's may change as
it likes, as long as the authority issued it.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted.logger import Logger

from scepd.errors import MessageError, UnsupportedAlgorithm
from scepd.pki.certificates import (
    CertificateSummary,
    choose_recipient,
    parse_ca_certificates,
    summarize,
)
from scepd.services.authority_check import own_certificate, strangers

_log = Logger()


@dataclass(frozen=True, slots=True)
class CertificateChange:
    """
    Another certificate than before, which nobody vouches for.

    :param before: the certificate in whose place it is.
    :param after: the one that there is now.
    :param is_recipient: it is only what devices may encrypt to; the authority's own is the same.
    """

    before: CertificateSummary
    after: CertificateSummary
    is_recipient: bool

    @property
    def warning(self) -> str | None:
        """
        A sentence for who checks the certificate authority; None: its own certificate is another,
        which the report tells by itself.
        """
        if not self.is_recipient:
            return None
        return (
            "A certificate that devices may encrypt to is another than at the last check: "
            f"{self.after.sha256} of {self.after.subject} instead of {self.before.sha256}."
        )

    def tell(self, ca: str) -> None:
        """
        Raise the alarm in the log.
        """
        what = "The certificate of {ca} is another than before: "
        if self.is_recipient:
            what = (
                "Devices may encrypt to another certificate of {ca} than before, not issued by it: "
            )
        _log.warn(
            what + "{sha256} of {subject} instead of {before}",
            ca=ca,
            sha256=self.after.sha256,
            subject=self.after.subject,
            before=self.before.sha256,
        )


def certificate_change(
    before: tuple[bytes, ...], after: tuple[bytes, ...]
) -> CertificateChange | None:
    """
    Compare the certificates of a GetCACert answer with those that were known.

    :param before: of a good answer, or none at all.
    :param after: what ``parse_ca_certificates`` returned; it need not be a good answer.
    :returns: what has changed; None: nothing that would be an alarm.
    :raises MessageError: ``before`` are not those of a good answer, or one can't be read.
    """
    known = own_certificate(before)
    if known is None:
        return None
    try:
        own = own_certificate(after)
    except UnsupportedAlgorithm:
        own = summarize(after[0])
    assert own is not None, "an answer has a certificate"
    if own.sha256 != known.sha256:
        return CertificateChange(known, own, is_recipient=False)
    strange = [der for der in strangers(after, own) if der not in before]
    if not strange:
        return None
    former = summarize(choose_recipient(before))
    return CertificateChange(former, summarize(strange[0]), is_recipient=True)


def change_to(before: tuple[bytes, ...], body: bytes) -> CertificateChange | None:
    """
    As :func:`certificate_change`, of an answer that is no good; one without a certificate that can
    be read is none.
    """
    try:
        return certificate_change(before, parse_ca_certificates(body))
    except MessageError:
        return None
