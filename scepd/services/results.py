"""
The results that devices report, and what they mean for the assignment of a profile.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.mdm.commands import INSTALL_PROFILE
from scepd.mdm.device_information import DEVICE_INFORMATION, device_information_of
from scepd.mdm.results import CommandResult, ResultStatus
from scepd.model import (
    CommandAnswer,
    DeviceDetails,
    QueuedCommand,
    RowEvent,
)
from scepd.ports import (
    AssignmentStore,
    CommandStore,
    EnrollmentStore,
    HostChangeStore,
    VerificationStore,
)
from scepd.profiles.lifecycle import Event
from scepd.services.clock import utc_now
from scepd.services.command_errors import CommandErrors
from scepd.services.identity_hand_over import IdentityHandOver
from scepd.services.inventories import is_inventory
from scepd.services.inventory_answers import InventoryAnswers

LARGEST_KEPT = 256 * 1024
"""
Octets of an answer that is kept as it came; of longer ones the length is.
"""

_log = Logger()


@dataclass(frozen=True, slots=True)
class ResultPorts:
    """
    What results need from outside.

    :param host_changes: keeps what devices tell of themselves; None: nobody does.
    """

    commands: CommandStore
    assignments: AssignmentStore
    exchanges: EnrollmentStore
    verification: VerificationStore
    clock: IReactorTime
    inventories: InventoryAnswers
    identities: IdentityHandOver
    host_changes: HostChangeStore | None = None

    def errors(self) -> CommandErrors:
        """
        What finds out what it means that a command failed.
        """
        return CommandErrors(self.assignments, self.exchanges, self.verification, self.clock)


class Results:
    """
    Records results.
    """

    def __init__(self, ports: ResultPorts) -> None:
        self._ports = ports
        self._errors = ports.errors()

    async def record(self, result: CommandResult, host_uuid: str) -> bool:
        """
        Record a result; one for an unknown or superseded command changes nothing but the log.

        :returns: whether it acknowledges the delivery of a profile.
        """
        enrollment_id = result.enrollment.text
        command = await self._ports.commands.command(result.command_uuid)
        if command is None or command.enrollment_id != enrollment_id:
            _log_ignored(result, host_uuid)
            return False
        # Before its final result counts: it is sent again if this can't be stored.
        await self._ports.inventories.take(command, result, host_uuid)
        event = await self._event(command, result, host_uuid)
        acknowledged = result.status is ResultStatus.ACKNOWLEDGED
        if acknowledged and command.request_type == DEVICE_INFORMATION:
            await self._learn(result, host_uuid)
        counted = await self._ports.commands.finish(
            command.uuid,
            enrollment_id,
            _stored_status(result),
            (event.detail if event is not None else "") or result.summary,
            utc_now(self._ports.clock),
            event,
            _answer(command, result),
        )
        if not counted:
            _log_ignored(result, host_uuid)
            return False
        _log_result(command, result, host_uuid)
        if command.renews_identity:
            await self._ports.identities.answered(command, result)
            return False
        delivered = acknowledged and command.request_type == INSTALL_PROFILE
        if delivered:
            self._ports.inventories.acknowledged()
        return delivered

    async def _learn(self, result: CommandResult, host_uuid: str) -> None:
        """
        Keep what the device says that it is. Before the result is recorded: a device that is not
        answered sends it again.
        """
        store = self._ports.host_changes
        if store is None:
            return
        told = device_information_of(result.content)
        details = DeviceDetails(told.platform, told.serial_number, told.model, told.os_version)
        if await store.learn(host_uuid, details, utc_now(self._ports.clock)):
            _log.info("Host {host} tells other details of itself", host=host_uuid)

    async def _event(
        self, command: QueuedCommand, result: CommandResult, host_uuid: str
    ) -> RowEvent | None:
        profile_uuid = command.profile_uuid
        if profile_uuid is None or command.renews_identity:
            return None
        if result.status is ResultStatus.ACKNOWLEDGED:
            return RowEvent(host_uuid, profile_uuid, Event.ACKNOWLEDGED)
        if result.status is ResultStatus.NOT_NOW:
            return RowEvent(host_uuid, profile_uuid, Event.NOT_NOW_REPORTED)
        return await self._errors.event(
            command, host_uuid, result.summary, not_found=result.is_profile_not_found
        )


def _answer(command: QueuedCommand, result: CommandResult) -> CommandAnswer | None:
    """
    What is kept of a final answer. To the delivery of a profile a device says no more than the
    detail tells, and may name the one-time URL; an inventory was taken already: of such answers
    only the length is kept.
    """
    if result.status is ResultStatus.NOT_NOW:
        return None
    size = len(result.raw)
    is_read = command.profile_uuid is not None or is_inventory(command)
    kept = size <= LARGEST_KEPT and not is_read
    return CommandAnswer(size, result.raw if kept else None)


def _stored_status(result: CommandResult) -> str:
    failed = result.status is ResultStatus.COMMAND_FORMAT_ERROR
    return (ResultStatus.ERROR if failed else result.status).value


def _log_ignored(result: CommandResult, host_uuid: str) -> None:
    _log.info(
        "Host {host} reported {status} for the command {command}, which expects no result",
        host=host_uuid,
        status=result.status.value,
        command=result.command_uuid,
    )


def _log_result(command: QueuedCommand, result: CommandResult, host_uuid: str) -> None:
    where = {"host": host_uuid, "command": command.uuid, "profile": command.profile_uuid}
    delivered = (
        command.request_type == INSTALL_PROFILE
        and result.status is ResultStatus.ACKNOWLEDGED
        and not command.renews_identity
    )
    step = {"step": "B26"} if delivered else {}
    _log.info(
        "Host {host} reported {status} for {type} (command {command}) {error}",
        status=result.status.value,
        type=command.request_type,
        error=result.summary,
        **where,
        **step,
    )
