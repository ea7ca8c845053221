"""
Commands that a device was offered again and again, and never answered: they end. So do those that
scepd could not make for long.
"""

from __future__ import annotations

from twisted.logger import Logger

from scepd.mdm.results import ResultStatus
from scepd.model import QueuedCommand
from scepd.services.clock import utc_now
from scepd.services.results import ResultPorts

_log = Logger()


class Unanswered:
    """
    Ends commands as if their devices had reported an Error.
    """

    def __init__(self, ports: ResultPorts) -> None:
        self._ports = ports
        self._errors = ports.errors()

    async def end(self, command: QueuedCommand, host_uuid: str) -> None:
        """
        End a command that was offered too often.

        :param command: as it was read last; nothing happens when it has its final result.
        :raises StorageUnavailable: it has not ended.
        """
        await self.give_up(command, host_uuid, _sentence(command))

    async def give_up(self, command: QueuedCommand, host_uuid: str, reason: str) -> None:
        """
        End a command; what it was for goes on as after any other Error. An answer that comes after
        that is one to a command that expects none.

        :param command: as it was read last; nothing happens when it has its final result.
        :param reason: a sentence about it, without its subject.
        :raises StorageUnavailable: it has not ended.
        """
        ports = self._ports
        await ports.inventories.failed(command, host_uuid)
        event = await self._errors.event(command, host_uuid, reason)
        detail = reason if event is None else event.detail
        status, now = ResultStatus.ERROR.value, utc_now(ports.clock)
        if not await ports.commands.finish(
            command.uuid, command.enrollment_id, status, detail, now, event
        ):
            return
        _log.warn(
            "Gave {type} up for host {host} (command {command}): it {reason}",
            type=command.request_type,
            host=host_uuid,
            command=command.uuid,
            profile=command.profile_uuid,
            reason=reason,
        )
        if command.renews_identity:
            await ports.identities.failed(command, reason)


def _sentence(command: QueuedCommand) -> str:
    offers = command.offers
    since = "" if offers.since is None else f" since {offers.since:%Y-%m-%dT%H:%M:%SZ}"
    return (
        f"was offered {offers.count} times{since} and never answered: the device fails at it, or"
        " its answer is refused, of which the log tells"
    )
