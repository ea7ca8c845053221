"""
Who sent a message: the identity that signed it, as it was issued and pinned.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import PermanentError
from scepd.mdm.identifiers import EnrollmentIdentifier
from scepd.mdm.known_signers import KnownSigners, MessageSigner, verified_signer
from scepd.mdm.signature import decoded_signature
from scepd.model import KnownIdentity
from scepd.ports import CheckInStore, Workers
from scepd.services.clock import utc_now

# Reading a signature of that size takes less than a millisecond; a hostile one takes some.
_INLINE_OCTETS = 8 * 1024

_log = Logger()


class DeviceRefused(PermanentError):
    """
    A message that is not listened to; whoever sent it learns no more than that.
    """

    code = "device-refused"


class Identities:
    """
    Knows senders by their signature, before a byte of what they say is read.

    :ivar signers: those whose signatures need not be read again. Whether they are listened to is
        asked of the store with each message.
    """

    def __init__(self, store: CheckInStore, workers: Workers, clock: IReactorTime) -> None:
        self.signers = KnownSigners()
        self._store = store
        self._workers = workers
        self._clock = clock

    async def signer(self, body: bytes, signature: bytes) -> MessageSigner:
        """
        The signer of ``body``, who may be anybody.

        :param signature: the ``Mdm-Signature`` header.
        :raises MessageError: it is no signature of the body.
        """
        if len(body) + len(signature) > _INLINE_OCTETS:
            return await self._workers(lambda: verified_signer(decoded_signature(signature), body))
        cms = decoded_signature(signature)
        # Two hand-overs to a thread take as long as this.
        return self.signers.recognised(cms, body) or verified_signer(cms, body)

    async def of(self, body: bytes, signature: bytes) -> KnownIdentity:
        """
        The identity that signed ``body``.

        :param signature: the ``Mdm-Signature`` header.
        :raises MessageError: it is no signature of the body.
        :raises DeviceRefused: the certificate was not issued for an enrollment, has expired, or has
            been revoked.
        """
        return await self.known(await self.signer(body, signature))

    async def known(self, signer: MessageSigner) -> KnownIdentity:
        """
        The identity of a signer.

        :raises DeviceRefused: as :meth:`of`.
        """
        return self.accepted(signer, await self._store.identity(signer.certificate_sha256))

    def accepted(self, signer: MessageSigner, identity: KnownIdentity | None) -> KnownIdentity:
        """
        An identity as the store has it now, unless it is not listened to.

        :param identity: of the signer; None: it has none.
        :raises DeviceRefused: as :meth:`of`.
        """
        try:
            accepted = self._accepted(signer.certificate_sha256, identity)
        except DeviceRefused:
            self.signers.forget(signer.certificate_sha256)
            raise
        self.signers.keep(signer)
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
    Refuse what comes over a user channel: there are none, so that nothing of it would be kept.

    :raises DeviceRefused: it does.
    """
    if enrollment.is_user_channel:
        _log.info("Refused a message of the user channel {named}", named=enrollment.text)
        raise DeviceRefused("there are no user channels")
