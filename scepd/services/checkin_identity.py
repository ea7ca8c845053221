"""
Who sent a message: the identity that signed it, as it was issued and pinned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import PermanentError
from scepd.mdm.identifiers import EnrollmentIdentifier
from scepd.mdm.known_signers import KnownSigners, MessageSigner, verified_signer
from scepd.mdm.signature import decoded_signature
from scepd.metrics import Metrics
from scepd.model import KnownIdentity
from scepd.ports import CheckInStore, IdentityStore, Workers
from scepd.services.clock import utc_now

EXPIRED_GRACE = timedelta(days=180)
"""
For which an identity that has expired is heard, when nothing else is said.
"""

# Reading a signature of that size takes less than a millisecond; a hostile one takes some.
_INLINE_OCTETS = 8 * 1024

_log = Logger()


class DeviceRefused(PermanentError):
    """
    A message that is not listened to; whoever sent it learns no more than that.
    """

    code = "device-refused"


@dataclass(frozen=True, slots=True)
class Sender:
    """
    Who sent a message, whoever that is.

    :param certificate_sha256: hex, of the certificate that counts.
    :param signer: who signed it; None: it is not signed, and the connection counts.
    :param connection_sha256: hex, of another certificate that the connection proves; empty: it
        proves none.
    """

    certificate_sha256: str
    signer: MessageSigner | None = None
    connection_sha256: str = ""


class Identities:
    """
    Knows senders by their signature, or by the certificate of their connection, before a byte of
    what they say is read.

    :ivar signers: those whose signatures need not be read again. Whether they are listened to is
        asked of the store with each message.
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
        self.signers = KnownSigners()
        self._identities = identities
        self._workers = workers
        self._clock = clock
        self._metrics = metrics
        self._grace = grace

    async def sender(self, body: bytes, signature: bytes, certificate: bytes = b"") -> Sender:
        """
        Who sent ``body``, who may be anybody.

        :param signature: the ``Mdm-Signature`` header; empty: there is none.
        :param certificate: DER of what the connection proves; empty: nothing.
        :raises MessageError: there is a signature, and it is none of the body; or neither.
        """
        connection = sha256(certificate).hexdigest() if certificate else ""
        if connection and not signature:
            return Sender(connection)
        signer = await self._signer(body, signature)
        other = "" if connection == signer.certificate_sha256 else connection
        return Sender(signer.certificate_sha256, signer, other)

    async def _signer(self, body: bytes, signature: bytes) -> MessageSigner:
        if len(body) + len(signature) > _INLINE_OCTETS:
            return await self._workers(lambda: verified_signer(decoded_signature(signature), body))
        cms = decoded_signature(signature)
        # Two hand-overs to a thread take as long as this.
        return self.signers.recognised(cms, body) or verified_signer(cms, body)

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
        return await self.known(await self.sender(body, signature, certificate))

    async def known(self, sender: Sender) -> KnownIdentity:
        """
        The identity of a sender.

        :raises DeviceRefused: as :meth:`of`.
        """
        found = await self._store.identity(sender.certificate_sha256)
        identity = self.accepted(sender, found)
        if sender.connection_sha256:
            await self._refuse_other_device(identity, sender.connection_sha256)
        return identity

    async def _refuse_other_device(self, identity: KnownIdentity, certificate_sha256: str) -> None:
        other = await self._store.identity(certificate_sha256)
        if other is None or None in (other.enrollment_id, identity.enrollment_id):
            return
        if other.enrollment_id != identity.enrollment_id:
            _log.warn(
                "Refused a message signed by {enrollment} over a connection of {other}",
                enrollment=identity.enrollment_id,
                other=other.enrollment_id,
            )
            raise DeviceRefused("the signature and the connection are of different devices")

    def accepted(self, sender: Sender, identity: KnownIdentity | None) -> KnownIdentity:
        """
        An identity as the store has it now, unless it is not listened to.

        :param identity: of the sender; None: it has none.
        :raises DeviceRefused: as :meth:`of`, but for the connection.
        """
        try:
            accepted = self._accepted(sender.certificate_sha256, identity)
        except DeviceRefused:
            self.signers.forget(sender.certificate_sha256)
            raise
        if sender.signer is not None:
            self.signers.keep(sender.signer)
        return accepted

    def _accepted(self, fingerprint: str, identity: KnownIdentity | None) -> KnownIdentity:
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
