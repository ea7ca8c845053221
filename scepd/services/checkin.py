"""
What devices send: who says it, what it is, and who answers it.
"""

from __future__ import annotations

from twisted.logger import Logger

from scepd.errors import LimitExceeded, MessageError
from scepd.mdm.checkin import Authenticate, CheckInMessage
from scepd.mdm.device_message import idle_device, parse_device_message
from scepd.mdm.identifiers import EnrollmentIdentifier
from scepd.mdm.results import LARGEST_RESULT, CommandResult, ResultStatus
from scepd.model import KnownIdentity
from scepd.ports import PollStore, Workers
from scepd.services.checkin_identity import (
    DeviceRefused,
    Identities,
    Sender,
    refuse_retired,
    sender_of,
)
from scepd.services.checkin_messages import CheckInMessages
from scepd.services.commands import Commands
from scepd.services.identity_renewal import IdentityRenewal
from scepd.services.last_seen import LastSeen
from scepd.services.results import Results
from scepd.services.user_channels import UserChannels

_log = Logger()


class CheckIn:
    """
    Answers the messages of devices, whichever endpoint they come to.
    """

    def __init__(
        self,
        identities: Identities,
        messages: CheckInMessages,
        commands: Commands,
        results: Results,
        last_seen: LastSeen,
        workers: Workers,
        user_channels: UserChannels,
        renewal: IdentityRenewal,
        polls: PollStore,
    ) -> None:
        self._identities = identities
        self._messages = messages
        self._commands = commands
        self._results = results
        self._last_seen = last_seen
        self._workers = workers
        self._user_channels = user_channels
        self._renewal = renewal
        self._polls = polls

    async def answer(self, body: bytes, signature: bytes, certificate: bytes = b"") -> bytes:
        """
        The answer to a message: the next command, or nothing; what it says is stored by then.

        :param body: the exact octets of the request's body.
        :param signature: the ``Mdm-Signature`` header; empty when there is none.
        :param certificate: DER of what the connection proves; empty: nothing.
        :raises PermanentError: the message is refused.
        :raises StorageUnavailable: nothing of it was stored; the device sends it again.
        """
        if len(body) > LARGEST_RESULT:
            raise LimitExceeded(f"the message is longer than {LARGEST_RESULT} bytes")
        sender = await self._identities.sender(body, signature, certificate)
        idle = idle_device(body)
        if idle is not None and not (idle.is_user_channel or sender.connection_sha256):
            return await self._poll(idle, sender)
        identity = await self._identities.known(sender)
        message = await self._read(body, identity)
        if isinstance(message, CommandResult):
            return await self._connect(message, identity)
        answer = await self._messages.answer(message, identity)
        # With Authenticate a device only begins to go over to a new identity.
        if not isinstance(message, Authenticate):
            await self._identities.confirm(identity)
        return answer

    async def _poll(self, device: EnrollmentIdentifier, sender: Sender) -> bytes:
        """
        Answer a device that has nothing to report: who it is and whether anything waits for it is
        one look at the database.
        """
        found = await self._polls.poll(sender.certificate_sha256, device.text)
        identity = self._identities.accepted(sender, found.identity)
        host_uuid = sender_of(device, identity)
        if not identity.enabled:
            raise DeviceRefused("the device is not enrolled")
        refuse_retired(identity)
        self._last_seen.saw(device.device)
        if not identity.confirmed:
            await self._identities.confirm(identity)
        if identity.expired:
            return await self._renewal_only(identity, host_uuid, idle=True)
        if not found.waits:
            return b""
        return await self._commands.next(device.text, host_uuid, idle=True)

    async def _read(self, body: bytes, identity: KnownIdentity) -> CheckInMessage | CommandResult:
        """
        Read a message whose sender is known, so that one who sends what can't be read is told of.
        """
        try:
            return await self._workers(lambda: parse_device_message(body))
        except MessageError as error:
            _log.warn(
                "Refused a message of {enrollment} that can't be read: {reason}",
                enrollment=identity.enrollment_id,
                identity=identity.certificate_sha256,
                reason=str(error),
            )
            raise

    async def _connect(self, result: CommandResult, identity: KnownIdentity) -> bytes:
        host_uuid = sender_of(result.enrollment, identity)
        if not identity.enabled:
            raise DeviceRefused("the device is not enrolled")
        if identity.retired and result.command_uuid != identity.renewal_command:
            refuse_retired(identity)
        if result.enrollment.is_user_channel:
            await self._user_channels.check(result.enrollment)
        else:
            self._last_seen.saw(result.enrollment.device)
        idle = result.status is ResultStatus.IDLE
        delivered = False if idle else await self._results.record(result, host_uuid)
        if identity.retired:
            # The last that it has to say is how its own renewal went.
            return b""
        await self._identities.confirm(identity)
        if identity.expired and result.enrollment.is_user_channel:
            # Its renewal is the device's own.
            return b""
        if identity.expired:
            return await self._renewal_only(identity, host_uuid, idle=idle)
        answer = await self._commands.next(result.enrollment.text, host_uuid, idle=idle)
        if delivered and not answer:
            _log.info("Nothing more for host {host}", step="B27", host=host_uuid)
        return answer

    async def _renewal_only(self, identity: KnownIdentity, host_uuid: str, *, idle: bool) -> bytes:
        """
        What a device is offered whose identity has expired: another one, and nothing else.
        """
        # What it answers NotNow to in this session it is not offered again.
        enrollment_id = identity.enrollment_id
        if not idle or enrollment_id is None:
            return b""
        answer = await self._commands.renewal(identity.renewal_command, host_uuid)
        if answer:
            return answer
        begun = await self._renewal.begin_due(enrollment_id, identity.certificate_sha256)
        return await self._commands.renewal(begun.uuid, host_uuid) if begun else b""
