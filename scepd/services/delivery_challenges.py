"""
The one-time challenges of deliveries: whether a request that brings one may have its certificate.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import AccessDenied, Conflict, MessageError
from scepd.metrics import Metrics
from scepd.model import ChallengeUse, DeliveryChallenge
from scepd.pki.requests import CertificationRequest, load_request, parse_request
from scepd.ports import DeliveryChallengeStore, Workers
from scepd.services.clock import utc_now

# Apple's default key size. Whether a key is strong enough is for the certificate authority to say.
_SMALLEST_KEY_BITS = 1024
_UNKNOWN = "the challenge is not known here"

_log = Logger()


@dataclass(frozen=True, slots=True)
class JudgedChallenge:
    """
    A challenge that fits the request that brings it; whether it is still good, and for this
    request, is for the transaction to say that spends it.

    :param use: what that transaction is to be told.
    """

    challenge: DeliveryChallenge
    use: ChallengeUse


class DeliveryChallenges:
    """
    Judges requests by the challenges that they bring.
    """

    def __init__(
        self,
        store: DeliveryChallengeStore,
        clock: IReactorTime,
        workers: Workers,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._clock = clock
        self._workers = workers
        self._metrics = metrics

    async def vouch(self, ca_name: str, csr: bytes, challenge: str | None = None) -> bool:
        """
        Tell a certificate authority whether to allow a request. The first request that is allowed
        binds the challenge: it is allowed again while the enrollment window lasts, and no other is.

        :param csr: the request in DER.
        :param challenge: what the authority took for its challenge; None: it leaves that to us.
        :raises StorageUnavailable: the database did not answer.
        """
        try:
            judged = await self._vouch(ca_name, csr, challenge)
        except (AccessDenied, Conflict, MessageError) as reason:
            _log.warn("Refused a challenge of {ca}: {reason}", ca=ca_name, reason=str(reason))
            self._metrics.challenges.labels(ca_name, "refused").inc()
            return False
        _log.info(
            "Allowed a challenge of {ca}: host {host}, profile {profile}",
            ca=ca_name,
            host=judged.host_uuid,
            profile=judged.profile_uuid,
        )
        self._metrics.challenges.labels(ca_name, "allowed").inc()
        return True

    async def judge(self, ca_name: str, request: CertificationRequest) -> JudgedChallenge | None:
        """
        Find the challenge of a request, and compare what the request asks for with what the
        profile did (VU#971035: a challenge that is used for another subject).

        :returns: None when its challenge is none of a delivery, or of another authority.
        :raises AccessDenied: it asks for something else.
        :raises EncodingError: what it asks for can't be read.
        """
        if not request.challenge_password:
            return None
        # The look-up compares digests: how long it takes says nothing about a challenge's text.
        digest = _digest(request.challenge_password)
        challenge = await self._store.delivery_challenge(digest)
        if challenge is None or challenge.ca_name != ca_name:
            return None
        fault = await self._workers(lambda: challenge.names.fault(load_request(request.der)))
        if fault:
            raise AccessDenied(fault)
        use = ChallengeUse(digest, ca_name, sha256(request.der).hexdigest())
        return JudgedChallenge(challenge, use)

    async def _vouch(self, ca_name: str, csr: bytes, challenge: str | None) -> DeliveryChallenge:
        request = await self._workers(
            lambda: parse_request(csr, minimum_key_bits=_SMALLEST_KEY_BITS, allow_sha1=True)
        )
        if not request.challenge_password:
            raise AccessDenied("the request has no challenge")
        own = request.challenge_password
        if challenge is not None and not hmac.compare_digest(_digest(challenge), _digest(own)):
            raise AccessDenied("the challenge is not the one in the request")
        judged = await self.judge(ca_name, request)
        if judged is None:
            raise AccessDenied(_UNKNOWN)
        await self._store.use_challenge(judged.use, utc_now(self._clock))
        return judged.challenge


def _digest(challenge: str) -> str:
    return sha256(challenge.encode("utf-8", "surrogatepass")).hexdigest()
