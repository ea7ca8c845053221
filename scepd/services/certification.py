"""
From a request and what allows it to a certificate, with the record of its issue.
"""

from __future__ import annotations

from datetime import timedelta

from twisted.internet.interfaces import IReactorTime

from scepd.model import IssuedCertificate
from scepd.pki.issuing import Issuer, Purpose, describe_issuer, issue_certificate
from scepd.pki.keyring import RandomBytes
from scepd.pki.requests import CertificationRequest
from scepd.services.clock import utc_now
from scepd.services.issuing_permission import Permission
from scepd.services.issuing_settings import IssuingSettings


class Certification:
    """
    Makes certificates; each takes about a millisecond, in a thread. Nobody has one before its
    record is stored.
    """

    def __init__(self, clock: IReactorTime, random: RandomBytes, settings: IssuingSettings) -> None:
        self._clock = clock
        self._random = random
        self._settings = settings

    def certify(
        self,
        request: CertificationRequest,
        permission: Permission,
        issuer: Issuer,
        *,
        transaction_id: str,
        request_sha256: str,
    ) -> IssuedCertificate:
        """
        Make a certificate.

        :param request_sha256: what the same request has in common with itself.
        :raises MessageError: it asks for what it may not have.
        """
        now, purpose = utc_now(self._clock), permission.purpose
        issuer_serial = describe_issuer(issuer.certificate).serial
        made = issue_certificate(
            request,
            purpose,
            issuer,
            now,
            self._lifetime(purpose),
            self._random,
            self._crl_url(issuer_serial),
        )
        return IssuedCertificate(
            serial=made.serial,
            certificate=made.der,
            sha256=made.sha256,
            subject=request.subject,
            purpose=purpose.value,
            transaction_id=transaction_id,
            request_sha256=request_sha256,
            public_key_sha256=request.public_key_sha256,
            challenge_sha256=permission.challenge_sha256,
            not_after=made.not_after,
            issued_at=now,
            host_uuid=permission.host_uuid,
            profile_uuid=permission.profile_uuid,
            issuer_serial=issuer_serial,
            renewed_sha256=permission.renewed_sha256,
        )

    def _lifetime(self, purpose: Purpose) -> timedelta:
        settings = self._settings
        is_identity = purpose is not Purpose.PROFILE
        seconds = settings.identity_lifetime if is_identity else settings.certificate_lifetime
        return timedelta(seconds=seconds)

    def _crl_url(self, issuer_serial: str) -> str | None:
        # After a roll-over the certificates of before still need the list of their own issuer.
        url = self._settings.crl_url
        return None if url is None else f"{url}?issuer={issuer_serial}"
