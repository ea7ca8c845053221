"""
A renewal of an identity when its command is handed over, and when the device has answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.mdm.commands import install_profile
from scepd.mdm.results import CommandResult, ResultStatus
from scepd.metrics import Metrics
from scepd.model import (
    Activity,
    EnrollmentChallenge,
    PendingRenewal,
    QueuedCommand,
    RenewalAnswer,
)
from scepd.ports import IdentityStore, Workers
from scepd.services.clock import utc_now
from scepd.services.enrollment_profiles import EnrollmentProfiles
from scepd.services.identity_schedule import IdentitySchedule

_ACTOR = "scepd"
_CHALLENGE_VALIDITY = timedelta(hours=1)
_NOT_THERE_YET = "the device acknowledged, but has not used a new identity yet"

_log = Logger()


class RenewalVoid(Exception):
    """
    There is nothing that a command renews any more, or nothing to make it of; its text says why.
    """


@dataclass(frozen=True, slots=True)
class RenewalHandOver:
    """
    A renewal as it goes to the device.

    :param body: the command's plist; it holds the challenge.
    :param challenge: as it is stored.
    """

    body: bytes
    challenge: EnrollmentChallenge


@dataclass(frozen=True, slots=True)
class IdentityHandOverPorts:
    """
    What the hand-over of renewals needs from outside.
    """

    identities: IdentityStore
    profiles: EnrollmentProfiles
    workers: Workers
    clock: IReactorTime
    metrics: Metrics


class IdentityHandOver:
    """
    Makes the enrollment profile for a device anew each time that it asks, and records what came of
    it.
    """

    def __init__(self, ports: IdentityHandOverPorts, schedule: IdentitySchedule) -> None:
        self._ports = ports
        self._schedule = schedule

    async def render(self, command: QueuedCommand) -> RenewalHandOver | None:
        """
        The enrollment profile with a challenge for this device.

        :returns: None: the device has its new identity already, only its answer was lost.
        :raises RenewalVoid: it can't be made.
        """
        pending = await self._ports.identities.renewal(command.uuid)
        if pending is None:
            raise RenewalVoid("the enrollment has begun anew, or ended")
        if pending.done:
            return None
        made = self._ports.profiles.again(pending.topic)
        if made is None:
            raise RenewalVoid("there is no push certificate")
        expires_at = utc_now(self._ports.clock) + _CHALLENGE_VALIDITY
        challenge = EnrollmentChallenge(
            sha256(made.challenge.encode()).hexdigest(),
            None,
            made.subject,
            expires_at,
            enrollment_id=pending.enrollment_id,
            host_uuid=pending.host_uuid,
        )
        content = await self._ports.profiles.written(made)
        body = await self._ports.workers(lambda: install_profile(command.uuid, content))
        return RenewalHandOver(body, challenge)

    async def answered(self, command: QueuedCommand, result: CommandResult) -> None:
        """
        Record what a device answered; call it once for each final answer.
        """
        if result.status is ResultStatus.NOT_NOW:
            return
        if result.status is ResultStatus.ACKNOWLEDGED:
            await self.acknowledged(command)
        else:
            await self.failed(command, result.summary or "the device gave no reason")

    async def acknowledged(self, command: QueuedCommand) -> None:
        """
        The device has installed the profile: it comes with its new identity, or has come.
        """
        pending = await self._ports.identities.renewal(command.uuid)
        if pending is None or pending.done:
            return
        now = utc_now(self._ports.clock)
        answer = RenewalAnswer(_NOT_THERE_YET, self._again_at(pending, now), failed=False)
        await self._ports.identities.renewal_answered(command.uuid, answer, now)

    async def failed(self, command: QueuedCommand, reason: str) -> None:
        """
        There is no new identity; it is tried again after a while, and operators see it.
        """
        pending = await self._ports.identities.renewal(command.uuid)
        if pending is None:
            return
        now = utc_now(self._ports.clock)
        answer = RenewalAnswer(reason, self._again_at(pending, now), failed=True)
        done = Activity(now, _ACTOR, "renewal of the identity failed", pending.host_uuid)
        await self._ports.identities.renewal_answered(command.uuid, answer, now, done)
        self._ports.metrics.identity_renewals.labels("failed").inc()
        _log.warn(
            "Host {host} did not renew its identity, which expires at {not_after}: {reason}",
            host=pending.host_uuid,
            not_after=pending.not_after.isoformat(),
            reason=reason,
            command=command.uuid,
        )

    def _again_at(self, pending: PendingRenewal, now: datetime) -> datetime:
        return self._schedule.again_at(pending.failures + 1, pending.not_after, now)
