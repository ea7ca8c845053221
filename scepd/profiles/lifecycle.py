"""
What becomes of a profile on a host: the states, the events, and what an event asks for.

The table itself is in :mod:`scepd.profiles.transitions`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from scepd.profiles.certificate_renewal import OverdueRule


class Operation(Enum):
    """
    What is to happen with a profile on a host; the value is stored.
    """

    INSTALL = "install"
    REMOVE = "remove"


class Status(Enum):
    """
    How far an operation is; the value is stored.
    """

    PENDING = "pending"
    VERIFYING = "verifying"
    VERIFIED = "verified"
    FAILED = "failed"


class Event(Enum):
    """
    What happened to the profile of a host.
    """

    ASSIGNED = "assigned"
    """The host came among the profile's targets (again)."""
    CONTENT_CHANGED = "content changed"
    """The profile got new content."""
    RENEWAL_DUE = "renewal due"
    """The certificate has little time left."""
    RESENT = "re-sent by operator"
    """An operator asked for another try."""
    HOST_FACT_CHANGED = "host fact changed"
    """A value of the host that the profile uses changed, or appeared."""
    AUTHORITY_RECOVERED = "authority recovered"
    """The CA of a row that failed, or that waits for it, appeared, changed, or answers again."""
    RESOLVED = "resolved"
    """The processor found a value for every variable."""
    RESOLUTION_FAILED = "resolution failed"
    """A CA or a value of the host is missing, when processed or when handed over."""
    AUTHORITY_FOUND_UNREACHABLE = "authority found unreachable"
    """The breaker of the CA is open; the caller says since when."""
    USER_CHANNEL_MISSED = "user channel missed"
    """The profile has User scope, and the host has no user channel."""
    USER_CHANNEL_APPEARED = "user channel appeared"
    """The row waited for a user channel, and the host has one now."""
    USER_CHANNEL_ENDED = "user channel ended"
    """The user's channel is gone, and with it what was installed over it."""
    RENDERING_FAILED = "rendering failed"
    """scepd failed to make the command for the device, and tries it again; the caller says why."""
    HANDED_OVER = "handed over"
    """The command was given to the device."""
    ACKNOWLEDGED = "acknowledged"
    """The device answered Acknowledged to the current command."""
    NOT_NOW_REPORTED = "NotNow reported"
    """The device will take the command later."""
    NOT_FOUND_REPORTED = "not found reported"
    """The device answered Error to a removal: it has no such profile."""
    ERROR_REPORTED = "Error reported"
    """The device answered Error; no other event below tells why."""
    ERROR_WHILE_CERTIFIED = "Error while certified"
    """The device answered Error, but still holds a valid certificate of this profile."""
    ERROR_DURING_OUTAGE = "Error during outage"
    """The device answered Error, and the proxy saw an outage of the CA for this window."""
    ERROR_BEHIND_CLOSED_WINDOW = "Error behind closed window"
    """The device answered Error after the proxy's 403 ``enrollment window is closed``."""
    INVENTORY_PROVED = "inventory proved"
    """An inventory proves the current delivery: the profile, and its certificate."""
    CERTIFICATE_NOT_IDENTIFIED = "certificate not identified"
    """Profile listed and SUCCESS seen, but not even CertificateList shows which certificate."""
    CERTIFICATE_MISSED = "certificate missed"
    """The inventory shows the profile but surely no certificate; the grace is not past."""
    CERTIFICATE_MISSED_PAST_GRACE = "certificate missed past grace"
    """Likewise, and the grace is past."""
    PROFILE_MISSED = "profile missed"
    """The inventory lacks the profile; the grace is not past."""
    PROOF_OVERDUE = "proof overdue"
    """The grace is past, and no inventory said anything of the delivery; the caller says why."""
    PROFILE_MISSED_PAST_GRACE = "profile missed past grace"
    """Likewise, and the grace is past."""
    UNASSIGNED_UNOFFERED = "unassigned, unoffered"
    """The host left the targets, and was never handed this profile since it enrolled."""
    UNASSIGNED = "unassigned"
    """The host left the targets, and may have the profile."""
    ENROLLED_ANEW = "enrolled anew"
    """The host was wiped, or enrolled again: it has no profile of ours."""
    CHECKED_OUT = "checked out"
    """The host sent CheckOut, or was unenrolled."""


class Due(Enum):
    """
    When the processor shall look at a row next.
    """

    UNCHANGED = "unchanged"
    NOW = "now"
    AFTER = "after"
    """After ``Transition.due_after`` seconds."""
    LIMITED = "limited"
    """Now, but not within ``Transition.due_after`` seconds of the last such one of the host."""
    WITH_AUTHORITY = "with authority"
    """When the CA is back: AUTHORITY_RECOVERED tells."""
    NOT = "not"
    """Not by time; another event has to come."""


class Attempts(Enum):
    """
    What becomes of the number of failed attempts.
    """

    UNCHANGED = "unchanged"
    RESET = "reset"
    INCREMENTED = "incremented"


class Window(Enum):
    """
    What becomes of the enrollment windows of this host and profile.
    """

    UNCHANGED = "unchanged"
    OPENED = "opened"
    """A fresh one replaces what was there."""
    CLOSED = "closed"


class Command(Enum):
    """
    What becomes of the row's command.
    """

    KEPT = "kept"
    QUEUED = "queued"
    """A new one is queued, and a push is wished."""
    CANCELLED = "cancelled"
    """An unanswered one is taken out of the queue; a late answer to it changes nothing."""


class Detail(Enum):
    """
    What becomes of the text that tells an operator about the row.
    """

    KEPT = "kept"
    CLEARED = "cleared"
    GIVEN = "given"
    """The caller's reason replaces it, such as the ErrorChain and what the CA said."""


@dataclass(frozen=True, slots=True)
class Transition:
    """
    What an event makes of a row; the default of each part is to leave it as it is.

    :param operation: the operation from now on.
    :param status: the status from now on.
    :param due: when the processor looks at it next.
    :param due_after: seconds, for AFTER and LIMITED.
    :param attempts: what becomes of the number of failed attempts.
    :param window: what becomes of the enrollment windows.
    :param command: what becomes of the command.
    :param detail: what becomes of the text for operators, or the text itself.
    :param drop_push: whether a wish for a push is dropped.
    :param alarm: whether an operator must be told.
    :param remove_row: whether the row goes; nothing else counts then but window and command.
    """

    operation: Operation
    status: Status
    due: Due = Due.UNCHANGED
    due_after: int = 0
    attempts: Attempts = Attempts.UNCHANGED
    window: Window = Window.UNCHANGED
    command: Command = Command.KEPT
    detail: Detail | str = Detail.KEPT
    drop_push: bool = False
    alarm: bool = False
    remove_row: bool = False

    def is_ignored(self, operation: Operation, status: Status) -> bool:
        """
        Tell whether the event changes nothing.

        :param operation: the operation before.
        :param status: the status before.
        :returns: True when the row needs no write at all.
        """
        return self == Transition(operation, status)

    def with_status(self, status: Status) -> Transition:
        """
        Make the same transition to another status.

        :param status: the status from then on.
        :returns: the changed transition.
        """
        return replace(self, status=status)


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """
    How failures are tried again.

    :param waits: seconds before each retry; the last holds for those that follow.
    :param max_retries: after so many retries the row fails.
    :param closed_window_interval: seconds between re-deliveries after a closed window, per host.
    :param first_renewal_wait: seconds after the first failure of a renewal; doubles each time.
    :param longest_renewal_wait: seconds that this wait never exceeds.
    :param overdue: when a certificate that did not come is overdue.
    """

    waits: tuple[int, ...] = (60, 300, 1800)
    max_retries: int = 3
    closed_window_interval: int = 3600
    first_renewal_wait: int = 3600
    longest_renewal_wait: int = 86400
    overdue: OverdueRule = field(default_factory=OverdueRule)

    def wait(self, attempts: int) -> int:
        """
        Tell how long to wait before a retry.

        :param attempts: how many attempts had failed before the one that failed now.
        :returns: seconds.
        """
        return self.waits[min(attempts, len(self.waits) - 1)] if self.waits else 0

    def renewal_wait(self, attempts: int) -> int:
        """
        Tell how long to wait before a renewal is tried again.

        :param attempts: how many attempts had failed before the one that failed now.
        :returns: seconds.
        """
        # Past 2 ** 32 every sensible wait has reached its limit; the shift stays small.
        doubled = self.first_renewal_wait << min(attempts, 32)
        return min(doubled, self.longest_renewal_wait)
