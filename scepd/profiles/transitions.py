"""
The transition table of a profile on a host: pure, literal, with an entry for every change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from scepd.profiles.lifecycle import (
    Attempts,
    Command,
    Detail,
    Due,
    Event,
    Operation,
    RetrySettings,
    Status,
    Transition,
    Window,
)

NOT_IDENTIFIED = "certificate not identified"
WAITS_FOR_USER_CHANNEL = "waits for a user channel of the host"
"""
The detail of what is for the user of a Mac that has no user channel.
"""

_Rule = Callable[[int, RetrySettings], Transition]

_PENDING_INSTALL = Transition(Operation.INSTALL, Status.PENDING)
_PENDING_REMOVAL = Transition(Operation.REMOVE, Status.PENDING)
_VERIFYING = Transition(Operation.INSTALL, Status.VERIFYING)
_VERIFIED = Transition(Operation.INSTALL, Status.VERIFIED)
_FAILED_INSTALL = Transition(Operation.INSTALL, Status.FAILED)

_ANEW = replace(
    _PENDING_INSTALL,
    due=Due.NOW,
    attempts=Attempts.RESET,
    command=Command.CANCELLED,
    detail=Detail.CLEARED,
)
_REMOVED_ANEW = replace(_ANEW, operation=Operation.REMOVE)
_ENROLLED = replace(_ANEW, window=Window.CLOSED)
_GONE = Transition(
    Operation.REMOVE,
    Status.PENDING,
    window=Window.CLOSED,
    command=Command.CANCELLED,
    remove_row=True,
)
_CANCELLED = replace(_GONE, operation=Operation.INSTALL)
# A removal leaves no use for a window: the device is to lose this certificate.
_UNASSIGNED = replace(_REMOVED_ANEW, window=Window.CLOSED)
_PARKED = replace(
    _PENDING_INSTALL,
    due=Due.NOT,
    window=Window.CLOSED,
    command=Command.CANCELLED,
    detail="the host is not enrolled",
    drop_push=True,
)
_PARKED_REMOVAL = replace(_PARKED, operation=Operation.REMOVE)
_QUEUED = replace(_PENDING_INSTALL, due=Due.NOT, command=Command.QUEUED, detail=Detail.CLEARED)
_WAITS_FOR_CHANNEL = replace(_PENDING_INSTALL, due=Due.NOT, detail=WAITS_FOR_USER_CHANNEL)
# What the user had is gone with the channel; the next one begins with nothing.
_CHANNEL_ENDED = replace(_ENROLLED, due=Due.NOT, detail=WAITS_FOR_USER_CHANNEL)
_PROVED = replace(
    _VERIFIED,
    due=Due.NOT,
    attempts=Attempts.RESET,
    command=Command.CANCELLED,
    detail=Detail.CLEARED,
)
_INSTALLED = replace(_VERIFYING, due=Due.NOT, detail=Detail.CLEARED)

FIRST_ASSIGNED = _ANEW
"""
What a row starts as, when a profile is first assigned to a host.
"""


def transition(
    operation: Operation,
    status: Status,
    event: Event,
    *,
    attempts: int = 0,
    settings: RetrySettings | None = None,
) -> Transition:
    """
    Tell what an event makes of the row of a host and a profile.

    :param operation: the row's operation.
    :param status: the row's status.
    :param event: what happened.
    :param attempts: how many attempts have failed before this event.
    :param settings: how failures are tried again; the defaults when left out.
    :returns: what becomes of the row; for an event that means nothing in this state, nothing.
    """
    rule = _TABLE[operation, status].get(event)
    if rule is None:
        return Transition(operation, status)
    if isinstance(rule, Transition):
        return rule
    return rule(max(attempts, 0), settings or RetrySettings())


# -- rules that depend on the number of failures ---------------------------------------------------


def _retry(pending: Transition) -> _Rule:
    """
    Make the rule: try again after a while, and fail at last.
    """

    def rule(attempts: int, settings: RetrySettings) -> Transition:
        """
        Count an attempt.
        """
        if attempts >= settings.max_retries:
            return _counted(pending.with_status(Status.FAILED), Due.NOT)
        return _counted(pending, Due.AFTER, settings.wait(attempts))

    return rule


def _redeliver(attempts: int, settings: RetrySettings) -> Transition:
    """
    Deliver again at once, or fail at last: the grace was wait enough.
    """
    if attempts >= settings.max_retries:
        return _counted(_FAILED_INSTALL, Due.NOT)
    return _counted(_PENDING_INSTALL, Due.NOW)


def _counted(base: Transition, due: Due, due_after: int = 0) -> Transition:
    """
    Make a transition that counts an attempt and shows the reason.
    """
    return replace(
        base,
        due=due,
        due_after=due_after,
        attempts=Attempts.INCREMENTED,
        detail=Detail.GIVEN,
    )


def _renew_later(attempts: int, settings: RetrySettings) -> Transition:
    """
    Try a renewal again later, without end: the certificate that is there still works. The reason
    follows the number.
    """
    later = _counted(_PENDING_INSTALL, Due.AFTER, settings.renewal_wait(attempts))
    failures = attempts + 1
    return replace(later, detail=f"renewing ({failures} failure{'s' if failures > 1 else ''})")


def _reopen(_: int, settings: RetrySettings) -> Transition:
    """
    Deliver again for a fresh window; the attempt is not counted, but limited per host.
    """
    return replace(
        _PENDING_INSTALL,
        due=Due.LIMITED,
        due_after=settings.closed_window_interval,
        detail=Detail.GIVEN,
    )


# -- the table -------------------------------------------------------------------------------------

_INSTALL_PENDING: Mapping[Event, Transition | _Rule] = {
    Event.CONTENT_CHANGED: _ANEW,
    Event.RESENT: _ANEW,
    Event.HOST_FACT_CHANGED: _ANEW,
    Event.AUTHORITY_RECOVERED: replace(_PENDING_INSTALL, due=Due.NOW, detail=Detail.CLEARED),
    Event.RESOLVED: _QUEUED,
    Event.RESOLUTION_FAILED: replace(
        _FAILED_INSTALL, due=Due.NOT, command=Command.CANCELLED, detail=Detail.GIVEN
    ),
    Event.AUTHORITY_FOUND_UNREACHABLE: replace(_PENDING_INSTALL, detail=Detail.GIVEN),
    Event.USER_CHANNEL_MISSED: _WAITS_FOR_CHANNEL,
    Event.USER_CHANNEL_APPEARED: replace(_PENDING_INSTALL, due=Due.NOW, detail=Detail.CLEARED),
    Event.RENDERING_FAILED: replace(_PENDING_INSTALL, detail=Detail.GIVEN),
    # What failed before has not failed.
    Event.HANDED_OVER: replace(
        _PENDING_INSTALL, due=Due.NOT, window=Window.OPENED, detail=Detail.CLEARED
    ),
    Event.ACKNOWLEDGED: _INSTALLED,
    Event.NOT_NOW_REPORTED: replace(_PENDING_INSTALL, window=Window.CLOSED),
    Event.ERROR_REPORTED: _retry(_PENDING_INSTALL),
    Event.ERROR_WHILE_CERTIFIED: _renew_later,
    Event.ERROR_DURING_OUTAGE: replace(
        _PENDING_INSTALL, due=Due.WITH_AUTHORITY, detail=Detail.GIVEN
    ),
    Event.ERROR_BEHIND_CLOSED_WINDOW: _reopen,
    # The acknowledgement was lost; the proof is of the current delivery, so nothing is left to do.
    Event.INVENTORY_PROVED: _PROVED,
    Event.UNASSIGNED_UNOFFERED: _CANCELLED,
    Event.UNASSIGNED: _UNASSIGNED,
    Event.USER_CHANNEL_ENDED: _CHANNEL_ENDED,
    Event.ENROLLED_ANEW: _ENROLLED,
    Event.CHECKED_OUT: _PARKED,
}

_INSTALL_VERIFYING: Mapping[Event, Transition | _Rule] = {
    Event.CONTENT_CHANGED: _ANEW,
    Event.RENEWAL_DUE: _ANEW,
    Event.RESENT: _ANEW,
    Event.HOST_FACT_CHANGED: _ANEW,
    Event.INVENTORY_PROVED: _PROVED,
    Event.CERTIFICATE_NOT_IDENTIFIED: replace(_PROVED, detail=NOT_IDENTIFIED, alarm=True),
    Event.CERTIFICATE_MISSED_PAST_GRACE: _redeliver,
    Event.PROFILE_MISSED_PAST_GRACE: _redeliver,
    Event.PROOF_OVERDUE: replace(_VERIFYING, detail=Detail.GIVEN),
    Event.UNASSIGNED_UNOFFERED: _UNASSIGNED,
    Event.UNASSIGNED: _UNASSIGNED,
    Event.USER_CHANNEL_ENDED: _CHANNEL_ENDED,
    Event.ENROLLED_ANEW: _ENROLLED,
    Event.CHECKED_OUT: _PARKED,
}

_INSTALL_VERIFIED: Mapping[Event, Transition | _Rule] = {
    Event.CONTENT_CHANGED: _ANEW,
    Event.RENEWAL_DUE: _ANEW,
    Event.RESENT: _ANEW,
    Event.HOST_FACT_CHANGED: _ANEW,
    # One that could not be identified was found after all.
    Event.INVENTORY_PROVED: _PROVED,
    Event.CERTIFICATE_MISSED_PAST_GRACE: _redeliver,
    Event.PROFILE_MISSED_PAST_GRACE: _redeliver,
    Event.UNASSIGNED_UNOFFERED: _UNASSIGNED,
    Event.UNASSIGNED: _UNASSIGNED,
    Event.USER_CHANNEL_ENDED: _CHANNEL_ENDED,
    Event.ENROLLED_ANEW: _ENROLLED,
    Event.CHECKED_OUT: _PARKED,
}

_INSTALL_FAILED: Mapping[Event, Transition | _Rule] = {
    Event.CONTENT_CHANGED: _ANEW,
    Event.RENEWAL_DUE: _ANEW,
    Event.RESENT: _ANEW,
    Event.HOST_FACT_CHANGED: _ANEW,
    Event.AUTHORITY_RECOVERED: _ANEW,
    Event.INVENTORY_PROVED: _PROVED,
    Event.UNASSIGNED_UNOFFERED: _CANCELLED,
    Event.UNASSIGNED: _UNASSIGNED,
    Event.USER_CHANNEL_ENDED: _CHANNEL_ENDED,
    Event.ENROLLED_ANEW: _ENROLLED,
    Event.CHECKED_OUT: _PARKED,
}

_REMOVE_PENDING: Mapping[Event, Transition | _Rule] = {
    Event.ASSIGNED: _ANEW,
    Event.RESENT: _REMOVED_ANEW,
    Event.RESOLVED: replace(_QUEUED, operation=Operation.REMOVE),
    Event.USER_CHANNEL_MISSED: replace(_WAITS_FOR_CHANNEL, operation=Operation.REMOVE),
    Event.USER_CHANNEL_APPEARED: replace(_PENDING_REMOVAL, due=Due.NOW, detail=Detail.CLEARED),
    Event.RENDERING_FAILED: replace(_PENDING_REMOVAL, detail=Detail.GIVEN),
    Event.HANDED_OVER: replace(_PENDING_REMOVAL, due=Due.NOT, detail=Detail.CLEARED),
    Event.ACKNOWLEDGED: _GONE,
    Event.NOT_FOUND_REPORTED: _GONE,
    Event.ERROR_REPORTED: _retry(_PENDING_REMOVAL),
    Event.USER_CHANNEL_ENDED: _GONE,
    Event.ENROLLED_ANEW: _GONE,
    Event.CHECKED_OUT: _PARKED_REMOVAL,
}

# No event leads to these two states; should one be stored, the way out is the same.
_REMOVE_UNUSUAL: Mapping[Event, Transition | _Rule] = {
    Event.ASSIGNED: _ANEW,
    Event.RESENT: _REMOVED_ANEW,
    Event.USER_CHANNEL_ENDED: _GONE,
    Event.ENROLLED_ANEW: _GONE,
    Event.CHECKED_OUT: _PARKED_REMOVAL,
}

_REMOVE_FAILED: Mapping[Event, Transition | _Rule] = {
    Event.ASSIGNED: _ANEW,
    Event.RESENT: _REMOVED_ANEW,
    Event.USER_CHANNEL_ENDED: _GONE,
    Event.ENROLLED_ANEW: _GONE,
    Event.CHECKED_OUT: _PARKED_REMOVAL,
}

_TABLE: Mapping[tuple[Operation, Status], Mapping[Event, Transition | _Rule]] = {
    (Operation.INSTALL, Status.PENDING): _INSTALL_PENDING,
    (Operation.INSTALL, Status.VERIFYING): _INSTALL_VERIFYING,
    (Operation.INSTALL, Status.VERIFIED): _INSTALL_VERIFIED,
    (Operation.INSTALL, Status.FAILED): _INSTALL_FAILED,
    (Operation.REMOVE, Status.PENDING): _REMOVE_PENDING,
    (Operation.REMOVE, Status.VERIFYING): _REMOVE_UNUSUAL,
    (Operation.REMOVE, Status.VERIFIED): _REMOVE_UNUSUAL,
    (Operation.REMOVE, Status.FAILED): _REMOVE_FAILED,
}
