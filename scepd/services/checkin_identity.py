"""
Who sent a message: the identity that signed it, as it was issued and pinned.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import PermanentError
from scepd.mdm.identifiers import EnrollmentIdentifier
from scepd.mdm.signature import verify_mdm_signature
from scepd.metrics import Metrics
from scepd.model import KnownIdentity
from scepd.ports import CheckInStore, IdentityStore, Workers
from scepd.services.clock import utc_now

EXPIRED_GRACE = timedelta(days=180)
"""
For which an identity that has expired is heard, when nothing else is said.
"""

_log = Logger()


class DeviceRefused(PermanentError):
    """
    A message that is not listened to; whoever sent it learns no more than that.
    """

    code = "device-refused"


class Identities:
    """
    Knows senders by their signature, or by the certificate of their connection, before a byte of
    what they say is read.

    :param identities: where it is recorded that a device has begun to use one.
    :param grace: for which one that has expired is heard, so that it can be renewed.
    """

    def __init__(
        self,
        store: CheckInStore,
        identities: IdentityStore,
        workers: Workers,
        clock: IReactorTime,
        metrics: Metrics,
        grace: timedelta = EXPIRED_GRACE,
    ) -> None:
        self._store = store
        self._identities = identities
        self._workers = workers
        self._clock = clock
        self._metrics = metrics
        self._grace = grace

    async def of(self, body: bytes, signature: bytes, certificate: bytes = b"") -> KnownIdentity:
        """
        The identity that sent ``body``. A signature counts before the connection, which may be of
        a time before the identity was renewed; the two must not be of different devices.

        :param signature: the ``Mdm-Signature`` header; empty: there is none.
        :param certificate: DER of what the connection proves; empty: nothing.
        :raises MessageError: there is a signature, and it is none of the body; or neither.
        :raises DeviceRefused: the certificate was not issued for an enrollment, has been revoked,
            or has expired longer ago than for the grace, or without being pinned; or the
            connection is of another device.
        """
        signer = certificate
        if signature or not certificate:
            signer = await self._workers(lambda: verify_mdm_signature(signature, body))
        identity = await self._known(signer)
        if certificate not in (b"", signer):
            await self._refuse_other_device(identity, certificate)
        return identity

    async def _refuse_other_device(self, identity: KnownIdentity, certificate: bytes) -> None:
        other = await self._store.identity(sha256(certificate).hexdigest())
        if other is None or None in (other.enrollment_id, identity.enrollment_id):
            return
        if other.enrollment_id != identity.enrollment_id:
            _log.warn(
                "Refused a message signed by {enrollment} over a connection of {other}",
                enrollment=identity.enrollment_id,
                other=other.enrollment_id,
            )
            raise DeviceRefused("the signature and the connection are of different devices")

    async def _known(self, certificate: bytes) -> KnownIdentity:
        fingerprint = sha256(certificate).hexdigest()
        identity = await self._store.identity(fingerprint)
        if identity is None:
            _log.warn("Refused a message signed by the unknown {identity}", identity=fingerprint)
            raise DeviceRefused("the certificate was not issued for an enrollment")
        if identity.revoked:
            _log.warn(
                "Refused a message of {enrollment}, whose identity {identity} is revoked",
                enrollment=identity.enrollment_id,
                identity=fingerprint,
            )
            raise DeviceRefused("the certificate has been revoked")
        now = utc_now(self._clock)
        if identity.not_after > now:
            return identity
        if identity.enrollment_id is None or identity.not_after + self._grace <= now:
            raise refused_as_expired(identity)
        return replace(identity, expired=True)

    async def confirm(self, identity: KnownIdentity) -> None:
        """
        A message that an identity signed is stored: from the first one on, those that its
        enrollment had before count no more.

        :raises StorageUnavailable: the database did not answer.
        """
        if identity.confirmed or identity.retired:
            return
        now = utc_now(self._clock)
        if not await self._identities.confirm(identity.certificate_sha256, now):
            return
        self._metrics.identity_renewals.labels("renewed").inc()
        _log.info(
            "Host {host} renewed its identity",
            host=identity.host_uuid,
            identity=identity.certificate_sha256,
            not_after=identity.not_after.isoformat(),
        )


def refused_as_expired(identity: KnownIdentity) -> DeviceRefused:
    """
    Make the refusal of an identity that has expired, with a line in the log.
    """
    _log.warn(
        "Refused a message of {enrollment}, whose identity {identity} has expired",
        enrollment=identity.enrollment_id,
        identity=identity.certificate_sha256,
    )
    return DeviceRefused("the certificate has expired")


def refuse_retired(identity: KnownIdentity) -> None:
    """
    Refuse what another identity of the device has to say now.

    :raises DeviceRefused: the identity's place is another one's.
    """
    if identity.retired:
        _log.warn(
            "Refused a message of {enrollment}, signed by {identity}, which it has replaced",
            enrollment=identity.enrollment_id,
            identity=identity.certificate_sha256,
        )
        raise DeviceRefused("the device has another certificate")


def sender_of(enrollment: EnrollmentIdentifier, identity: KnownIdentity) -> str:
    """
    The host that a message is from.

    :param enrollment: what the message says; a user channel belongs to its device.
    :param identity: what its signature says.
    :returns: the uuid of the host.
    :raises DeviceRefused: the identity is not pinned, or to another device.
    """
    if identity.host_uuid is None or identity.enrollment_id != enrollment.device:
        _log.warn(
            "Refused a message that names {named}, signed by an identity of {enrollment}",
            named=enrollment.text,
            enrollment=identity.enrollment_id,
            identity=identity.certificate_sha256,
        )
        raise DeviceRefused("the message is not from the device that it names")
    return identity.host_uuid


def refuse_user_channel(enrollment: EnrollmentIdentifier) -> None:
    """
    Refuse what only a device says, and not a user of it.

    :raises DeviceRefused: it comes over a user channel.
    """
    if enrollment.is_user_channel:
        _log.warn("Refused an Authenticate of the user channel {named}", named=enrollment.text)
        raise DeviceRefused("a user channel has no Authenticate")
