"""
What check-ins and commands store.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from scepd.model import (
    Activity,
    CommandAnswer,
    CommandRecord,
    DeliveryChallenge,
    Enrollment,
    EnrollmentChallenge,
    EnrollmentWindow,
    Host,
    KnownIdentity,
    Lease,
    Poll,
    PushAddress,
    QueuedCommand,
    RowEvent,
)
from scepd.pki.keyring import SealedSecret


class CheckInStore(Protocol):
    """
    Enrollments and the identities that are pinned to them.
    """

    async def identity(self, certificate_sha256: str) -> KnownIdentity | None:
        """
        What is known of a certificate: None unless it was issued for an enrollment challenge, or
        renews such a one.
        """

    async def enrollment(self, enrollment_id: str) -> Enrollment | None:
        """
        The enrollment with that id, or None.
        """

    async def enrollments_of_host(self, host_uuid: str) -> Sequence[Enrollment]:
        """
        The enrollments of a host, its user channels too: that of the device first, then by id.
        """

    async def enrolled_hosts(self, host_uuids: Collection[str]) -> Collection[str]:
        """
        Those of these hosts whose device is enrolled: its push address came, and no CheckOut since.
        """

    async def authenticate(
        self,
        host: Host,
        enrollment: Enrollment,
        certificate_sha256: str,
        *,
        replace_enabled: bool = True,
        activity: Activity | None = None,
    ) -> None:
        """
        Begin an enrollment anew: store the host (its facts and labels of operators are kept, the
        given labels are added) and the enrollment, disabled; pin the identity as its only one; its
        open commands are cancelled, also one that renews its identity, with its challenges, its
        push wish goes, and ENROLLED_ANEW happens to each of the host's assignments.

        :param replace_enabled: whether it may take the place of an enabled enrollment.
        :param activity: stored when it does.
        :raises Conflict: the identity is pinned to another enrollment; or it may not.
        """

    async def go_on(
        self, host: Host, enrollment_id: str, certificate_sha256: str, now: datetime
    ) -> None:
        """
        Go on with an enrollment under another identity, which is one of its own: store what the
        host tells of itself this time (its facts and labels of operators are kept), let
        HOST_FACT_CHANGED happen to what uses a value that is another by that, and change nothing
        else.

        :raises Conflict: the identity is not one of this enrollment, or another one has its place.
        """

    async def pin_identity(
        self, enrollment_id: str, certificate_sha256: str, now: datetime
    ) -> None:
        """
        Let an enrollment use one more identity.

        :raises Conflict: it is pinned to another enrollment.
        :raises NotFound: there is no such enrollment.
        """

    async def update_token(
        self, enrollment_id: str, push: PushAddress, now: datetime, push_due: datetime
    ) -> None:
        """
        Enable an enrollment and store where it is pushed to. A device that was disabled gets an
        assignment of each profile that targets it, due now, and a push wish due at ``push_due``.
        One that was not gets the wish when a command waits for it.

        :raises NotFound: there is no such enrollment, or it has ended.
        """

    async def check_out(self, enrollment_id: str, now: datetime) -> None:
        """
        Disable an enrollment and unpin its identities, so that only :meth:`authenticate` begins it
        anew, also with one of them; a renewal of its identity is cancelled; CHECKED_OUT happens to
        each of the host's assignments.
        """

    async def tell(self, activity: Activity) -> None:
        """
        Store an activity that changed nothing.
        """

    async def saw(self, enrollment_ids: Sequence[str], at: datetime) -> None:
        """
        Set when these enrollments and their hosts were last seen.
        """


class PollStore(Protocol):
    """
    What devices meet that have nothing to report.
    """

    async def poll(self, certificate_sha256: str, enrollment_id: str) -> Poll:
        """
        What is known of the certificate that signed, as :meth:`CheckInStore.identity` has it, and
        whether a command waits for that enrollment, as it is at this moment.
        """


class UserChannelStore(Protocol):
    """
    The user channels of devices.
    """

    async def update_token(
        self,
        channel: Enrollment,
        device_id: str,
        push: PushAddress,
        now: datetime,
        push_due: datetime,
    ) -> None:
        """
        Enable a user channel of an enabled device and store where it is pushed to. One that was not
        enabled begins with nothing in its queue and gets a push wish due at ``push_due``; what
        waited for a user channel of the host takes it, due now. One that was gets the wish when a
        command waits for it.

        :raises NotFound: the device is not enabled, or has ended.
        """

    async def end(self, channel_id: str, now: datetime) -> None:
        """
        Disable a user channel and cancel its open commands. USER_CHANNEL_ENDED happens to the
        assignments that went by it; they take the next newest one of the host, or wait. Nothing
        happens when there is no such channel.
        """


class BootstrapTokenStore(Protocol):
    """
    The bootstrap tokens of Macs: they end with their enrollment.
    """

    async def keep(self, enrollment_id: str, token: SealedSecret | None) -> None:
        """
        Keep the token of an enrollment, in place of the one before; None: there is none any more.

        :raises NotFound: there is no such enrollment, or it has ended.
        """

    async def read(self, enrollment_id: str, activity: Activity) -> SealedSecret | None:
        """
        The token of an enrollment, or None; that it was read is an activity, stored by then.
        """


class CommandStore(Protocol):
    """
    The queue of commands.
    """

    async def queue(self, command: QueuedCommand, activity: Activity | None = None) -> None:
        """
        Queue a command, and wish a push now.

        :raises NotFound: there is no such enrollment.
        """

    async def next_command(
        self, enrollment_id: str, *, after_not_now: bool, without: Sequence[str] = ()
    ) -> QueuedCommand | None:
        """
        The command that should be offered next, of those without a final result: the fewest
        setbacks first, then by priority and age. ``after_not_now``: leave out those that were
        answered NotNow. ``without``: leave out those, by their uuids.
        """

    async def hand_over(
        self,
        command_uuid: str,
        now: datetime,
        window: EnrollmentWindow | None,
        challenge: DeliveryChallenge | EnrollmentChallenge | None = None,
        *,
        is_idle: bool = False,
    ) -> bool:
        """
        Mark a command as offered, once more, and forget that it could not be made before;
        HANDED_OVER happens to its assignment, ``window`` replaces the assignment's windows, and
        ``challenge`` the one that was not used; the challenge of a renewal is stored beside those
        of hand-overs before that are good still.

        :param is_idle: the device reported Idle: what it answered NotNow before is left out no more
            after the next NotNow.
        :returns: False when the command was cancelled meanwhile; then nothing happened.
        """

    async def rendering_failed(
        self, command_uuid: str, now: datetime, detail: str, event: RowEvent | None
    ) -> bool:
        """
        Count that a command could not be made for its device, which is there: it stands behind
        those that were never set back, until it is offered. ``detail`` is kept with it, and
        ``event`` happens to the assignment, if the command is still the assignment's current one.

        :returns: False when it has its final result; then nothing happened.
        """

    async def finish(
        self,
        command_uuid: str,
        enrollment_id: str,
        status: str,
        detail: str,
        now: datetime,
        event: RowEvent | None,
        answer: CommandAnswer | None = None,
    ) -> bool:
        """
        Record a device's result: ``Acknowledged``, ``Error``, ``cancelled``; or ``NotNow``, which
        is not final and counts, and after which offers are counted anew. ``answer`` is kept beside
        it. ``event`` happens to the assignment, if the command is still the assignment's current
        one. The push wish is dropped when nothing waits any more.

        A body goes with a final result: what an operator wrote can hold secrets.

        :returns: False when there is no such command of that enrollment, or it had a final result.
        """

    async def command(self, command_uuid: str) -> QueuedCommand | None:
        """
        A command, whatever became of it, or None.
        """

    async def commands(self, host_uuid: str, *, limit: int = 100) -> Sequence[CommandRecord]:
        """
        The commands of a host's enrollments, newest first.
        """


class CommandHistory(Protocol):
    """
    What devices answered to commands, for as long as it is kept.
    """

    async def answer(self, host_uuid: str, command_uuid: str) -> CommandAnswer | None:
        """
        The final answer of a host to a command; None: no such command of it, or no answer.
        """

    async def prune(self, before: datetime, limit: int, lease: Lease) -> int:
        """
        Forget at most ``limit`` commands that had their final result before that time, the oldest
        first, with their answers.

        :returns: how many were forgotten.
        :raises Conflict: the lease has passed to another owner.
        """
