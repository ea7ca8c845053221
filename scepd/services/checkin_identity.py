"""
Who sent a message: the identity that signed it, as it was issued and pinned.
"""

from __future__ import annotations

from hashlib import sha256

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import PermanentError
from scepd.mdm.identifiers import EnrollmentIdentifier
from scepd.mdm.signature import verify_mdm_signature
from scepd.model import KnownIdentity
from scepd.ports import CheckInStore, Workers
from scepd.services.clock import utc_now

_log = Logger()


class DeviceRefused(PermanentError):
    """
    A message that is not listened to; whoever sent it learns no more than that.
    """

    code = "device-refused"


class Identities:
    """
    Knows senders by their signature, before a byte of what they say is read.
    """

    def __init__(self, store: CheckInStore, workers: Workers, clock: IReactorTime) -> None:
        self._store = store
        self._workers = workers
        self._clock = clock

    async def of(self, body: bytes, signature: bytes) -> KnownIdentity:
        """
        The identity that signed ``body``.

        :param signature: the ``Mdm-Signature`` header.
        :raises MessageError: it is no signature of the body.
        :raises DeviceRefused: the certificate was not issued for an enrollment, has expired, or has
            been revoked.
        """
        certificate = await self._workers(lambda: verify_mdm_signature(signature, body))
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
        if identity.not_after <= utc_now(self._clock):
            _log.warn(
                "Refused a message of {enrollment}, whose identity {identity} has expired",
                enrollment=identity.enrollment_id,
                identity=fingerprint,
            )
            raise DeviceRefused("the certificate has expired")
        return identity


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
