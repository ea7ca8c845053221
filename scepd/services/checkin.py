"""
What devices send: who says it, what it is, and who answers it.
"""

from __future__ import annotations

from twisted.logger import Logger

from scepd.errors import LimitExceeded, MessageError
from scepd.mdm.checkin import CheckInMessage
from scepd.mdm.device_message import idle_device, parse_device_message
from scepd.mdm.identifiers import EnrollmentIdentifier
from scepd.mdm.known_signers import MessageSigner
from scepd.mdm.results import LARGEST_RESULT, CommandResult, ResultStatus
from scepd.model import KnownIdentity
from scepd.ports import PollStore, Workers
from scepd.services.checkin_identity import (
    DeviceRefused,
    Identities,
    refuse_user_channel,
    sender_of,
)
from scepd.services.checkin_messages import CheckInMessages
from scepd.services.commands import Commands
from scepd.services.last_seen import LastSeen
from scepd.services.results import Results

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
        polls: PollStore,
    ) -> None:
        self._identities = identities
        self._messages = messages
        self._commands = commands
        self._results = results
        self._last_seen = last_seen
        self._workers = workers
        self._polls = polls

    async def answer(self, body: bytes, signature: bytes) -> bytes:
        """
        The answer to a message: the next command, or nothing; what it says is stored by then.

        :param body: the exact octets of the request's body.
        :param signature: the ``Mdm-Signature`` header; empty when there is none.
        :raises PermanentError: the message is refused.
        :raises StorageUnavailable: nothing of it was stored; the device sends it again.
        """
        if len(body) > LARGEST_RESULT:
            raise LimitExceeded(f"the message is longer than {LARGEST_RESULT} bytes")
        signer = await self._identities.signer(body, signature)
        idle = idle_device(body)
        if idle is not None:
            return await self._poll(idle, signer)
        identity = await self._identities.known(signer)
        message = await self._read(body, identity)
        if isinstance(message, CommandResult):
            return await self._connect(message, identity)
        return await self._messages.answer(message, identity)

    async def _poll(self, device: EnrollmentIdentifier, signer: MessageSigner) -> bytes:
        """
        Answer a device that has nothing to report: who it is and whether anything waits for it is
        one look at the database.
        """
        found = await self._polls.poll(signer.certificate_sha256, device.text)
        identity = self._identities.accepted(signer, found.identity)
        host_uuid = self._listen_to(device, identity)
        if not found.waits:
            return b""
        return await self._commands.next(device.text, host_uuid, idle=True)

    def _listen_to(self, enrollment: EnrollmentIdentifier, identity: KnownIdentity) -> str:
        """
        The host that reports or asks.

        :raises DeviceRefused: it may not.
        """
        host_uuid = sender_of(enrollment, identity)
        refuse_user_channel(enrollment)
        if not identity.enabled:
            raise DeviceRefused("the device is not enrolled")
        self._last_seen.saw(enrollment.device)
        return host_uuid

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
        host_uuid = self._listen_to(result.enrollment, identity)
        idle = result.status is ResultStatus.IDLE
        delivered = False if idle else await self._results.record(result, host_uuid)
        answer = await self._commands.next(result.enrollment.text, host_uuid, idle=idle)
        if delivered and not answer:
            _log.info("Nothing more for host {host}", step="B27", host=host_uuid)
        return answer
