"""
step-ca's SCEPCHALLENGE webhook: who asks, and whether the body is theirs.

Source: smallstep/certificates, ``authority/provisioner/webhook.go`` and ``webhook/types.go``: the
header ``X-Smallstep-Signature`` is the hexadecimal HMAC-SHA256 of the body under the secret, which
is shown in base64, and ``X-Smallstep-Webhook-ID`` names the webhook.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from hashlib import sha256

from twisted.logger import Logger

from scepd.errors import AccessDenied, SecretUnreadable
from scepd.model import CertificateAuthority, webhook_secret_place
from scepd.pki.keyring import Keyring
from scepd.ports import CertificateAuthorityStore

_SIGNATURE = re.compile(r"[0-9A-Fa-f]{64}")
_WEBHOOK_ID = re.compile(r"[A-Za-z0-9._:-]{1,255}")
# What the signature of an unknown webhook is compared with: the answer takes as long.
_NOBODYS_SECRET = bytes(32)

_log = Logger()


class StepCAWebhook:
    """
    Tells which certificate authority signed a webhook's request.
    """

    def __init__(
        self, authorities: CertificateAuthorityStore, keyring: Callable[[], Keyring]
    ) -> None:
        self._authorities = authorities
        self._keyring = keyring

    async def sender(self, webhook_id: str, signature: str, body: bytes) -> CertificateAuthority:
        """
        The certificate authority whose webhook asks.

        :param webhook_id: what the header says; may be anything.
        :param signature: likewise.
        :param body: the raw body.
        :raises AccessDenied: there is no such webhook, or the signature is not its; it does not
            say which.
        """
        found = None
        if _WEBHOOK_ID.fullmatch(webhook_id):
            found = await self._authorities.certificate_authority_of_webhook(webhook_id)
        secret = self._secret(found)
        expected = hmac.new(secret or _NOBODYS_SECRET, body, sha256).digest()
        given = bytes.fromhex(signature) if _SIGNATURE.fullmatch(signature) else b""
        if not hmac.compare_digest(expected, given) or found is None or secret is None:
            raise AccessDenied("the webhook is not known, or the signature is not its")
        return found

    def _secret(self, ca: CertificateAuthority | None) -> bytes | None:
        if ca is None or ca.webhook_secret is None:
            return None
        try:
            return self._keyring().open(ca.webhook_secret, webhook_secret_place(ca.name))
        except SecretUnreadable as error:
            # Whoever asks has not shown yet who it is, and is not told.
            _log.error("{reason}", reason=str(error))
            return None
