"""
User channels: a user of a device has a push address and a queue of their own.

Source: Apple's check-in reference. A Mac opens one for the local user who enrolled it, by a
TokenUpdate with a UserID, and signs what comes over it with the device's own identity. For users of
a network directory it asks first (UserAuthenticate); those are declined.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import NotFound
from scepd.mdm.checkin import (
    CheckInMessage,
    CheckOut,
    DeclarativeManagement,
    GetToken,
    TokenUpdate,
    UnknownMessage,
)
from scepd.mdm.identifiers import EnrollmentIdentifier
from scepd.model import Enrollment, PushAddress, push_place
from scepd.pki.keyring import Keyring, RandomBytes
from scepd.ports import CheckInStore, UserChannelStore
from scepd.services.checkin_identity import DeviceRefused
from scepd.services.clock import utc_now
from scepd.services.last_seen import LastSeen

_log = Logger()


class UserChannels:
    """
    Answers what comes over the user channels of devices that are known.

    :param wake_pushes: called when a push was wished.
    """

    def __init__(
        self,
        store: UserChannelStore,
        check_ins: CheckInStore,
        last_seen: LastSeen,
        keyring: Callable[[], Keyring],
        clock: IReactorTime,
        random: RandomBytes,
        wake_pushes: Callable[[], None],
    ) -> None:
        self._store = store
        self._check_ins = check_ins
        self._last_seen = last_seen
        self._keyring = keyring
        self._clock = clock
        self._random = random
        self._wake_pushes = wake_pushes

    async def take(self, message: CheckInMessage, host_uuid: str, *, enabled: bool) -> bool:
        """
        Store what a check-in message of a user channel says.

        :param host_uuid: of the device, whose identity signed the message.
        :param enabled: whether that device is.
        :returns: False: the message asks for what the server does not offer.
        :raises DeviceRefused: the channel is not enabled (a TokenUpdate enables it), its device is
            not, or the message is none of a user channel.
        """
        if isinstance(message, UnknownMessage):
            raise DeviceRefused("the message's type is not known")
        channel = message.enrollment
        if not enabled:
            raise _refused(channel, "the device is not enrolled")
        if isinstance(message, TokenUpdate):
            await self._enable(message, host_uuid)
            return True
        await self.check(channel)
        if isinstance(message, CheckOut):
            await self._store.end(channel.text, utc_now(self._clock))
            _log.info("The user channel {enrollment} has ended", enrollment=channel.text)
            return True
        if isinstance(message, DeclarativeManagement | GetToken):
            return False
        raise _refused(channel, "this message is none of a user channel")

    async def check(self, channel: EnrollmentIdentifier) -> None:
        """
        Refuse what comes over a channel that was never opened, or has ended.

        :param channel: of a device whose identity signed the message.
        :raises DeviceRefused: it was not, or has.
        """
        known = await self._check_ins.enrollment(channel.text)
        if known is None or not known.enabled:
            raise _refused(channel, "there is no such user channel")
        self._last_seen.saw(channel.text)

    async def _enable(self, message: TokenUpdate, host_uuid: str) -> None:
        id, now = message.enrollment.text, utc_now(self._clock)
        address = f"{message.token.hex()}:{message.push_magic}".encode()
        push = PushAddress(
            message.topic, self._keyring().seal(address, push_place(id), self._random)
        )
        kind, name = message.enrollment.kind.value, message.user_short_name
        channel = Enrollment(id, host_uuid, kind, False, None, now, user_name=name)
        try:
            await self._store.update_token(channel, message.enrollment.device, push, now, now)
        except NotFound as error:
            # The device left meanwhile.
            raise _refused(message.enrollment, "the device is not enrolled") from error
        self._last_seen.saw(id)
        self._wake_pushes()
        _log.info("The user channel {enrollment} can be pushed to", enrollment=id, host=host_uuid)


def _refused(channel: EnrollmentIdentifier, reason: str) -> DeviceRefused:
    _log.warn(
        "Refused a message of the user channel {enrollment}: {reason}",
        enrollment=channel.text,
        reason=reason,
    )
    return DeviceRefused(reason)
