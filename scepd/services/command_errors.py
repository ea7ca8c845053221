"""
What it means for the assignment of a profile that a command failed.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.interfaces import IReactorTime

from scepd.mdm.commands import REMOVE_PROFILE
from scepd.model import QueuedCommand, RowEvent, SCEPExchange
from scepd.ports import AssignmentStore, EnrollmentStore, VerificationStore
from scepd.profiles.lifecycle import Event
from scepd.services.clock import utc_now
from scepd.services.results_errors import detail_of_error, event_of_error


class CommandErrors:
    """
    Finds the event of a failure, and its reason.
    """

    def __init__(
        self,
        assignments: AssignmentStore,
        exchanges: EnrollmentStore,
        verification: VerificationStore,
        clock: IReactorTime,
    ) -> None:
        self._assignments = assignments
        self._exchanges = exchanges
        self._verification = verification
        self._clock = clock

    async def event(
        self, command: QueuedCommand, host_uuid: str, reason: str, *, not_found: bool = False
    ) -> RowEvent | None:
        """
        What happens to the assignment whose command has failed; None: it is none of a profile's.

        :param reason: why, in words.
        :param not_found: whether the device has no such profile.
        """
        profile_uuid = command.profile_uuid
        if profile_uuid is None or command.renews_identity:
            return None
        if command.request_type == REMOVE_PROFILE:
            kind = Event.NOT_FOUND_REPORTED if not_found else Event.ERROR_REPORTED
            return RowEvent(host_uuid, profile_uuid, kind, detail_of_error(reason, ()))
        return await self._failed_install(host_uuid, profile_uuid, reason)

    async def _failed_install(self, host_uuid: str, profile_uuid: str, reason: str) -> RowEvent:
        row = await self._assignments.assignment(host_uuid, profile_uuid)
        exchanges: Sequence[SCEPExchange] = ()
        if row is not None and row.delivered_at is not None:
            exchanges = await self._exchanges.exchanges_of_delivery(host_uuid, profile_uuid)
        certificates = await self._verification.certificates(host_uuid)
        of_profile = [known for known in certificates if known.profile_uuid == profile_uuid]
        event = event_of_error(exchanges, of_profile, utc_now(self._clock))
        return RowEvent(host_uuid, profile_uuid, event, detail_of_error(reason, exchanges))
