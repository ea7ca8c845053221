"""
The live check of a certificate authority: what it answers to GetCACert and GetCACaps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.config import SCEPProxySection
from scepd.errors import (
    Fault,
    InvalidInput,
    MessageError,
    UnsupportedAlgorithm,
    UpstreamError,
    UpstreamFault,
)
from scepd.pki.certificates import (
    CertificateSummary,
    choose_recipient,
    load_certificate,
    parse_ca_certificates,
    summarize,
)
from scepd.pki.issuance import strange_recipients
from scepd.pki.keys import rsa_public_key
from scepd.ports import Upstream, UpstreamTarget, Workers
from scepd.scep.capabilities import Capabilities
from scepd.services.clock import utc_now

_SMALLEST_KEY_BITS = 1024
_GOOD_KEY_BITS = 2048
_SOON = timedelta(days=30)
# Clocks differ, and some authorities make their certificate valid from the current second on.
_CLOCK_SKEW = timedelta(minutes=5)
_MOST_CAPABILITIES_BYTES = 8192
_WORD = re.compile(r"[A-Za-z0-9._-]{1,64}")

_log = Logger()


@dataclass(frozen=True, slots=True)
class CACertificates:
    """
    A good answer to GetCACert.

    :param ders: each certificate, as it came.
    :param authority: the certificate authority's own certificate.
    :param warnings: sentences about what is allowed but unwise.
    """

    ders: tuple[bytes, ...]
    authority: CertificateSummary
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """
    What a live check brought.

    :param ca: the name of the certificate authority.
    :param certificates: its certificates, and the summary of its own.
    :param capabilities: the words of its GetCACaps answer; empty when it had none.
    :param warnings: sentences for the operator.
    :param checked_at: aware, UTC.
    :param fingerprint_changed: whether its own certificate is another than at the last check.
    :param previous_sha256: that other certificate's fingerprint, hex.
    """

    ca: str
    certificates: CACertificates
    capabilities: tuple[str, ...]
    warnings: tuple[str, ...]
    checked_at: datetime
    fingerprint_changed: bool = False
    previous_sha256: str | None = None


class LiveCheck:
    """
    Asks certificate authorities for what scepd has to know of them.
    """

    def __init__(
        self,
        upstream: Upstream,
        clock: IReactorTime,
        workers: Workers,
        settings: SCEPProxySection,
    ) -> None:
        self._upstream = upstream
        self._clock = clock
        self._workers = workers
        self._settings = settings

    async def run(self, target: UpstreamTarget, ca_identifier: str | None) -> CheckReport:
        """
        Ask the certificate authority at ``target``, within ``check_timeout`` seconds in all.

        :param ca_identifier: sent as ``message``, when given.
        :raises UpstreamError: it can't be reached, or did not answer in time.
        :raises InvalidInput: what it answered is not a certificate that SCEP can use.
        """
        limit = self._settings.check_timeout
        asked = Deferred.fromCoroutine(self._ask(target, ca_identifier))
        try:
            return await asked.addTimeout(limit, self._clock)
        except TimeoutError:
            raise UpstreamError(
                UpstreamFault.TIMEOUT,
                f"The certificate authority did not answer within {limit:g} seconds.",
            ) from None

    async def _ask(self, target: UpstreamTarget, ca_identifier: str | None) -> CheckReport:
        message = f"&message={quote(ca_identifier, safe='')}" if ca_identifier else ""
        _log.info("Asking {ca} for its certificate (GetCACert)", step="A3", ca=target.name)
        _, body = await self._upstream.fetch(
            target,
            f"operation=GetCACert{message}".encode(),
            limit=self._settings.max_message_size,
        )
        now = utc_now(self._clock)
        certificates = await self._workers(lambda: read_ca_certificates(body, now))
        _log.info(
            "{ca} has the certificate {sha256} of {subject}",
            step="A4",
            ca=target.name,
            sha256=certificates.authority.sha256,
            subject=certificates.authority.subject,
        )
        words, warnings = await self._capabilities(target, message)
        warnings = certificates.warnings + warnings
        return CheckReport(target.name, certificates, words, warnings, now)

    async def _capabilities(
        self, target: UpstreamTarget, message: str
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        query = f"operation=GetCACaps{message}".encode()
        try:
            _, body = await self._upstream.fetch(target, query, limit=_MOST_CAPABILITIES_BYTES)
        except UpstreamError as error:
            return (), (f"It gave no capabilities (GetCACaps): {error.sentence}",)
        return read_capabilities(body)


def read_ca_certificates(body: bytes, now: datetime) -> CACertificates:
    """
    Read an answer to GetCACert and decide whether SCEP can use it.

    :param body: a certificate, or a certs-only SignedData.
    :param now: aware, UTC.
    :raises InvalidInput: it is neither, it is not valid now, or it holds no usable RSA key.
    """
    try:
        ders = parse_ca_certificates(body)
        summaries = tuple(summarize(der) for der in ders)
    except MessageError as error:
        raise _refusal(
            "Its answer to GetCACert is not a certificate; is this the URL of a SCEP service? "
            f"({error})"
        ) from None
    recipient = summarize(_recipient(ders, summaries))
    authority = _authority_of(summaries) or recipient
    for summary in (authority, recipient):
        _check_validity(summary, now)
    warnings = _warnings(summaries, authority, recipient, now)
    warnings += tuple(_stranger(summarize(der)) for der in strangers(ders, authority))
    return CACertificates(ders, authority, warnings)


def read_capabilities(body: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """
    Read an answer to GetCACaps; one that makes no sense counts as none.

    :returns: the words, and sentences about what is weak.
    """
    try:
        capabilities = Capabilities.parse(body)
    except MessageError as error:
        return (), (f"Its answer to GetCACaps is not one: {error}.",)
    # Some servers answer what they don't know with status 200 and a page of HTML.
    if not all(_WORD.fullmatch(word) for word in capabilities.words):
        return (), ("Its answer to GetCACaps is not one: it holds more than words.",)
    return capabilities.words, capabilities.weaknesses()


def own_certificate(ders: tuple[bytes, ...]) -> CertificateSummary | None:
    """
    The certificate authority's own certificate among those of its GetCACert answer: a CA's that
    issued no other CA's of them. When there is no CA's, the one that clients encrypt to.

    :param ders: the certificates of a good answer.
    :returns: None when there are no certificates at all.
    :raises MessageError: the answer was not a good one.
    """
    if not ders:
        return None
    authority = _authority_of(tuple(summarize(der) for der in ders))
    return authority or summarize(choose_recipient(ders))


def strangers(ders: tuple[bytes, ...], own: CertificateSummary) -> tuple[bytes, ...]:
    """
    The certificates that devices may encrypt to although the certificate authority did not issue
    them: whoever has their keys reads the challenge.

    :param ders: of a GetCACert answer.
    :param own: the certificate authority's own certificate among them.
    :raises MessageError: one can't be read.
    """
    (authority,) = (der for der in dict.fromkeys(ders) if summarize(der).sha256 == own.sha256)
    return strange_recipients(ders, authority)


def _authority_of(summaries: tuple[CertificateSummary, ...]) -> CertificateSummary | None:
    own = [summary for summary in summaries if summary.is_ca]
    issuers = {summary.issuer for summary in own if summary.issuer != summary.subject}
    return next((summary for summary in own if summary.subject not in issuers), None)


def _recipient(ders: tuple[bytes, ...], summaries: tuple[CertificateSummary, ...]) -> bytes:
    try:
        recipient = choose_recipient(ders)
        public_key = load_certificate(recipient).public_key()
        info = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        rsa_public_key(info, minimum_bits=_SMALLEST_KEY_BITS)
    except UnsupportedAlgorithm as error:
        kinds = ", ".join(sorted({summary.key_type for summary in summaries}))
        if "RSA" in kinds:
            raise _refusal(f"Its certificate can't be used: {error}.") from None
        raise _refusal(
            f"Its certificate has a key of the type {kinds}; "
            "SCEP encrypts to the certificate authority, which needs an RSA key."
        ) from None
    except MessageError as error:
        raise _refusal(f"Its certificate can't be used: {error}.") from None
    return recipient


def _check_validity(summary: CertificateSummary, now: datetime) -> None:
    if summary.not_after <= now:
        raise _refusal(
            f"Its certificate {summary.subject} expired at {summary.not_after.isoformat()}."
        )
    if summary.not_before > now + _CLOCK_SKEW:
        raise _refusal(
            f"Its certificate {summary.subject} is not valid "
            f"before {summary.not_before.isoformat()}."
        )


def _warnings(
    summaries: tuple[CertificateSummary, ...],
    authority: CertificateSummary,
    recipient: CertificateSummary,
    now: datetime,
) -> tuple[str, ...]:
    found = []
    if len(summaries) > 1:
        found.append(f"It answered GetCACert with a chain of {len(summaries)} certificates.")
    if not any(summary.is_ca for summary in summaries):
        found.append("None of its certificates says that it is a certificate authority's.")
    if recipient.key_bits < _GOOD_KEY_BITS:
        found.append(
            f"Its RSA key has only {recipient.key_bits} bits; {_GOOD_KEY_BITS} or more are advised."
        )
    first = min((authority, recipient), key=lambda summary: summary.not_after)
    if first.not_after - now < _SOON:
        found.append(f"Its certificate expires soon, at {first.not_after.isoformat()}.")
    return tuple(found)


def _stranger(summary: CertificateSummary) -> str:
    return (
        f"Devices may encrypt to {summary.subject} ({summary.sha256}), which is neither the "
        "certificate authority's own certificate nor issued by it: whoever has its key reads the "
        "challenge."
    )


def _refusal(sentence: str) -> InvalidInput:
    return InvalidInput((Fault("url", sentence),))
