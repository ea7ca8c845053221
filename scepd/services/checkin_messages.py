"""
Check-in messages: an enrollment begins, can be pushed to, and ends.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import PermanentError
from scepd.mdm.checkin import (
    Authenticate,
    CheckInMessage,
    CheckOut,
    GetBootstrapToken,
    SetBootstrapToken,
    TokenUpdate,
    UnknownMessage,
    UserAuthenticate,
)
from scepd.mdm.device_information import platform_of
from scepd.model import Enrollment, Host, KnownIdentity, PushAddress, push_place
from scepd.pki.keyring import Keyring, RandomBytes
from scepd.ports import CheckInStore
from scepd.services.bootstrap_tokens import BootstrapTokens
from scepd.services.checkin_identity import (
    DeviceRefused,
    refuse_retired,
    refuse_user_channel,
    refused_as_expired,
    sender_of,
)
from scepd.services.clock import utc_now
from scepd.services.last_seen import LastSeen
from scepd.services.takeovers import Takeovers
from scepd.services.user_channels import UserChannels

_log = Logger()


class UserChannelDeclined(PermanentError):
    """
    A user of a network directory gets no channel of their own: until the next login the Mac sends
    nothing more for that user. A local user does not ask.
    """

    code = "user-channel-declined"


class FeatureMissing(PermanentError):
    """
    A part of the protocol that the server does not offer.
    """

    code = "feature-missing"


class CheckInMessages:
    """
    Stores what check-in messages say. The push token rests encrypted.

    :param wake_pushes: called when a push was wished.
    """

    def __init__(
        self,
        store: CheckInStore,
        last_seen: LastSeen,
        keyring: Callable[[], Keyring],
        clock: IReactorTime,
        random: RandomBytes,
        wake_pushes: Callable[[], None],
        bootstrap_tokens: BootstrapTokens,
        user_channels: UserChannels,
    ) -> None:
        self._store = store
        self._last_seen = last_seen
        self._keyring = keyring
        self._clock = clock
        self._random = random
        self._wake_pushes = wake_pushes
        self._bootstrap_tokens = bootstrap_tokens
        self._user_channels = user_channels
        self._takeovers = Takeovers(store, clock)

    async def answer(self, message: CheckInMessage, identity: KnownIdentity) -> bytes:
        """
        The answer to a message, which is stored by then: what can't be kept is refused.

        :raises DeviceRefused: the message is not listened to.
        :raises Conflict: meanwhile another message changed what this one needs.
        :raises NotFound: likewise.
        :raises UserChannelDeclined: a UserAuthenticate.
        :raises FeatureMissing: declarative management, or a token of Apple's services.
        :raises SecretUnreadable: a bootstrap token can't be given back.
        """
        if isinstance(message, UnknownMessage):
            raise DeviceRefused("the message's type is not known")
        refuse_retired(identity)
        if identity.expired and isinstance(message, (Authenticate, GetBootstrapToken)):
            # It is heard so that it can be renewed, and has no right to more.
            raise refused_as_expired(identity)
        if isinstance(message, Authenticate):
            return await self._authenticate(message, identity)
        host_uuid = sender_of(message.enrollment, identity)
        if isinstance(message, UserAuthenticate):
            raise UserChannelDeclined("users of a network directory are not managed")
        if message.enrollment.is_user_channel:
            return await self._answer_user(message, host_uuid, identity)
        self._last_seen.saw(message.enrollment.text)
        if isinstance(message, TokenUpdate):
            await self._update_token(message)
        elif isinstance(message, CheckOut):
            await self._check_out(message)
        elif isinstance(message, SetBootstrapToken):
            await self._bootstrap_tokens.keep(message)
        elif isinstance(message, GetBootstrapToken):
            return await self._bootstrap_tokens.give(message)
        else:
            raise FeatureMissing("the server does not offer this")
        return b""

    async def _answer_user(
        self, message: CheckInMessage, host_uuid: str, identity: KnownIdentity
    ) -> bytes:
        if not await self._user_channels.take(message, host_uuid, enabled=identity.enabled):
            raise FeatureMissing("the server does not offer this")
        return b""

    async def _authenticate(self, message: Authenticate, identity: KnownIdentity) -> bytes:
        enrollment_id = message.enrollment.text
        refuse_user_channel(message.enrollment)
        if identity.enrollment_id is not None:
            sender_of(message.enrollment, identity)
        _check_binding(message, identity)
        if identity.renews and identity.enrollment_id is not None:
            return await self._go_on(message, identity)
        await self._check_reenrollment(enrollment_id, identity)
        now = utc_now(self._clock)
        host = _host(message, identity)
        kind = message.enrollment.kind.value
        enrollment = Enrollment(enrollment_id, host.uuid, kind, False, None, now)
        await self._store.authenticate(
            host,
            enrollment,
            identity.certificate_sha256,
            replace_enabled=_may_replace(identity),
            activity=self._takeovers.done(host.uuid),
        )
        self._last_seen.saw(enrollment_id)
        _log.info("Host {host} began an enrollment", host=host.uuid, model=host.model)
        return b""

    async def _go_on(self, message: Authenticate, identity: KnownIdentity) -> bytes:
        """
        Hear of a device that goes on under the identity that it got in place of another one; by the
        record of its issue this is no new enrollment.
        """
        enrollment_id, host = message.enrollment.text, _host(message, identity)
        now = utc_now(self._clock)
        await self._store.go_on(host, enrollment_id, identity.certificate_sha256, now)
        self._last_seen.saw(enrollment_id)
        _log.info("Host {host} goes on with its new identity", host=host.uuid)
        return b""

    async def _check_reenrollment(self, enrollment_id: str, identity: KnownIdentity) -> None:
        """
        :raises DeviceRefused: the device is enrolled with another identity, and the token of this
            one does not allow to take its place.
        """
        if _may_replace(identity):
            return
        known = await self._store.enrollment(enrollment_id)
        if known is not None and known.enabled:
            await self._takeovers.refused(known, identity)
            raise DeviceRefused("the device is enrolled already")

    async def _update_token(self, message: TokenUpdate) -> None:
        enrollment_id, now = message.enrollment.text, utc_now(self._clock)
        address = f"{message.token.hex()}:{message.push_magic}".encode()
        place = push_place(enrollment_id)
        sealed = self._keyring().seal(address, place, self._random)
        push = PushAddress(message.topic, sealed)
        # A push right after an enrollment can be lost: it is repeated after a moment.
        await self._store.update_token(enrollment_id, push, now, now)
        self._wake_pushes()
        _log.info("Host {host} can be pushed to", host=message.enrollment.device)

    async def _check_out(self, message: CheckOut) -> None:
        await self._store.check_out(message.enrollment.text, utc_now(self._clock))
        _log.info("Host {host} left", host=message.enrollment.device)


def _check_binding(message: Authenticate, identity: KnownIdentity) -> None:
    """
    :raises DeviceRefused: the identity was issued for another device than the one that came.
    """
    host, serial = identity.bound_host, identity.bound_serial
    other_host = host is not None and host != message.enrollment.device
    other_serial = serial is not None and serial != message.serial_number
    # A device need not tell its serial number, when it is known by its UDID.
    if other_host or (other_serial and (message.serial_number or host is None)):
        _log.warn(
            "Refused to enroll {named} with the identity {identity}, which is {bound}'s",
            named=message.enrollment.text,
            identity=identity.certificate_sha256,
            bound=host or serial,
        )
        raise DeviceRefused("the certificate was issued for another device")


def _may_replace(identity: KnownIdentity) -> bool:
    """
    Whether the device may begin anew while it is enrolled: itself, or as its token says.
    """
    return identity.enrollment_id is not None or identity.allow_reenrollment


def _host(message: Authenticate, identity: KnownIdentity) -> Host:
    return Host(
        uuid=message.enrollment.device,
        serial_number=message.serial_number,
        platform=platform_of(message.product_name, message.model_name, message.model),
        labels=identity.labels,
        facts={},
        model=message.model_name or message.product_name or message.model,
        os_version=message.os_version,
    )
