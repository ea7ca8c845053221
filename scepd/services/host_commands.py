"""
Commands as operators deal with them: what they send to a host, and what it answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import Conflict, EncodingError, Fault, InvalidInput, NotFound
from scepd.mdm.commands import parse_command, raw_command
from scepd.mdm.identifiers import is_user_channel
from scepd.model import Activity, QueuedCommand
from scepd.ports import CheckInStore, CommandHistory, CommandStore, HostStore, Workers
from scepd.services.clock import utc_now

# After the deliveries of profiles, which an operator's question must not hold up.
_PRIORITY = 200
_REQUEST_TYPE = re.compile("[A-Za-z][A-Za-z0-9]{0,63}")

_log = Logger()


@dataclass(frozen=True, slots=True)
class HostCommandPorts:
    """
    What operators' commands need from outside.

    :param new_id: makes the commands' uuids.
    :param wake_pushes: called when a push was wished.
    """

    commands: CommandStore
    history: CommandHistory
    hosts: HostStore
    check_ins: CheckInStore
    workers: Workers
    clock: IReactorTime
    new_id: Callable[[], str]
    wake_pushes: Callable[[], object]


class HostCommands:
    """
    The commands of hosts.
    """

    def __init__(self, ports: HostCommandPorts) -> None:
        self._ports = ports

    async def send(
        self, host_uuid: str, body: bytes, actor: str, user: str | None = None
    ) -> QueuedCommand:
        """
        Queue a command that an operator wrote, and wish a push.

        :param body: a property list, XML or binary: a whole command, or what stands in its
            ``Command``. Its ``CommandUUID`` is replaced.
        :param actor: the operator.
        :param user: UserID or short name of a user of the host, over whose channel it goes; None:
            it goes to the device.
        :returns: the command as it was queued.
        :raises InvalidInput: it is no command.
        :raises LimitExceeded: it is too large, too deep, or holds too much.
        :raises NotFound: there is no such host.
        :raises Conflict: the host is not enrolled, or that user has no channel, or it can't be told
            whose is meant.
        """
        ports = self._ports
        await self._check_enrolled(host_uuid)
        # The enrollment of the device itself has the host's uuid as its id.
        enrollment_id = host_uuid if user is None else await self._channel(host_uuid, user)
        uuid = ports.new_id()
        request_type, whole = await ports.workers(lambda: _checked(uuid, body))
        now = utc_now(ports.clock)
        command = QueuedCommand(uuid, enrollment_id, request_type, None, whole, _PRIORITY, now)
        activity = Activity(now, actor, f"sent command {request_type}", enrollment_id)
        await ports.commands.queue(command, activity)
        ports.wake_pushes()
        _log.info(
            "{actor} sent {type} to host {host} (command {command})",
            actor=actor,
            type=request_type,
            host=host_uuid,
            command=uuid,
        )
        return command

    async def answer(self, host_uuid: str, command_uuid: str) -> bytes:
        """
        What a host answered to a command: the property list, XML or binary.

        :raises NotFound: there is no such command of it, or it has no final answer.
        :raises Conflict: there is an answer that was not kept.
        """
        found = await self._ports.history.answer(host_uuid, command_uuid)
        if found is None:
            raise NotFound("There is no such command of this host, or no final answer to it yet.")
        if found.plist is None:
            raise Conflict(
                f"The answer of {found.size} bytes was not kept: it was too long, or one to the "
                "delivery of a profile, of which `detail` tells all."
            )
        return found.plist

    async def _channel(self, host_uuid: str, user: str) -> str:
        found = [
            one.id
            for one in await self._ports.check_ins.enrollments_of_host(host_uuid)
            if is_user_channel(one.id)
            and one.enabled
            and user in (one.user_name, one.id.partition(":")[2])
        ]
        if not found:
            raise Conflict("The host has no enabled user channel of this user.")
        if len(found) > 1:
            raise Conflict("More than one user of the host is called so: give the UserID.")
        return found[0]

    async def _check_enrolled(self, host_uuid: str) -> None:
        if await self._ports.hosts.host(host_uuid) is None:
            raise NotFound("There is no host of this uuid.")
        enrollment = await self._ports.check_ins.enrollment(host_uuid)
        if enrollment is None or not enrollment.enabled:
            raise Conflict("The host is not enrolled, or not any more; it has to enroll (again).")


def _checked(uuid: str, body: bytes) -> tuple[str, bytes]:
    """
    The request type of a command, and the command as the device gets it.
    """
    try:
        whole = raw_command(uuid, body)
        command = parse_command(whole)
    except EncodingError as error:
        raise InvalidInput((Fault("body", f"It is no command: {error}."),)) from error
    written = command.content["RequestType"]
    if not isinstance(written, str) or not _REQUEST_TYPE.fullmatch(written):
        message = "RequestType: a word of 1 to 64 letters and digits is allowed."
        raise InvalidInput((Fault("body", message),))
    return written, whole
