"""
Tests for the lifecycle: what every event makes of a profile in every state.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

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
from scepd.profiles.transitions import FIRST_ASSIGNED, transition

_INSTALL, _REMOVE = Operation.INSTALL, Operation.REMOVE
_PENDING, _VERIFYING, _VERIFIED, _FAILED = (
    Status.PENDING,
    Status.VERIFYING,
    Status.VERIFIED,
    Status.FAILED,
)
_STATES = [(operation, status) for operation in Operation for status in Status]

# Each word of the table below, for one failed attempt so far and the default settings.
_WORDS = {
    "install": Transition(
        _INSTALL,
        _PENDING,
        due=Due.NOW,
        attempts=Attempts.RESET,
        command=Command.CANCELLED,
        detail=Detail.CLEARED,
    ),
    "afresh": Transition(
        _INSTALL,
        _PENDING,
        due=Due.NOW,
        attempts=Attempts.RESET,
        window=Window.CLOSED,
        command=Command.CANCELLED,
        detail=Detail.CLEARED,
    ),
    "remove": Transition(
        _REMOVE,
        _PENDING,
        due=Due.NOW,
        attempts=Attempts.RESET,
        window=Window.CLOSED,
        command=Command.CANCELLED,
        detail=Detail.CLEARED,
    ),
    "remove!": Transition(
        _REMOVE,
        _PENDING,
        due=Due.NOW,
        attempts=Attempts.RESET,
        command=Command.CANCELLED,
        detail=Detail.CLEARED,
    ),
    "due": Transition(_INSTALL, _PENDING, due=Due.NOW, detail=Detail.CLEARED),
    "due(r)": Transition(_REMOVE, _PENDING, due=Due.NOW, detail=Detail.CLEARED),
    "queue": Transition(
        _INSTALL, _PENDING, due=Due.NOT, command=Command.QUEUED, detail=Detail.CLEARED
    ),
    "queue(r)": Transition(
        _REMOVE, _PENDING, due=Due.NOT, command=Command.QUEUED, detail=Detail.CLEARED
    ),
    "no-value": Transition(
        _INSTALL, _FAILED, due=Due.NOT, command=Command.CANCELLED, detail=Detail.GIVEN
    ),
    "held": Transition(_INSTALL, _PENDING, detail=Detail.GIVEN),
    "held(r)": Transition(_REMOVE, _PENDING, detail=Detail.GIVEN),
    "waits": Transition(
        _INSTALL, _PENDING, due=Due.NOT, detail="waits for a user channel of the host"
    ),
    "waits(r)": Transition(
        _REMOVE, _PENDING, due=Due.NOT, detail="waits for a user channel of the host"
    ),
    "open": Transition(
        _INSTALL, _PENDING, due=Due.NOT, window=Window.OPENED, detail=Detail.CLEARED
    ),
    "sent": Transition(_REMOVE, _PENDING, due=Due.NOT, detail=Detail.CLEARED),
    "verify": Transition(_INSTALL, _VERIFYING, due=Due.NOT, detail=Detail.CLEARED),
    "close": Transition(_INSTALL, _PENDING, window=Window.CLOSED),
    "retry": Transition(
        _INSTALL,
        _PENDING,
        due=Due.AFTER,
        due_after=300,
        attempts=Attempts.INCREMENTED,
        detail=Detail.GIVEN,
    ),
    "retry(r)": Transition(
        _REMOVE,
        _PENDING,
        due=Due.AFTER,
        due_after=300,
        attempts=Attempts.INCREMENTED,
        detail=Detail.GIVEN,
    ),
    "renewing": Transition(
        _INSTALL,
        _PENDING,
        due=Due.AFTER,
        due_after=7200,
        attempts=Attempts.INCREMENTED,
        detail="renewing (2 failures)",
    ),
    "outage": Transition(_INSTALL, _PENDING, due=Due.WITH_AUTHORITY, detail=Detail.GIVEN),
    "hourly": Transition(_INSTALL, _PENDING, due=Due.LIMITED, due_after=3600, detail=Detail.GIVEN),
    "proved": Transition(
        _INSTALL,
        _VERIFIED,
        due=Due.NOT,
        attempts=Attempts.RESET,
        command=Command.CANCELLED,
        detail=Detail.CLEARED,
    ),
    "unknown": Transition(
        _INSTALL,
        _VERIFIED,
        due=Due.NOT,
        attempts=Attempts.RESET,
        command=Command.CANCELLED,
        detail="certificate not identified",
        alarm=True,
    ),
    "overdue": Transition(_INSTALL, _VERIFYING, detail=Detail.GIVEN),
    "again": Transition(
        _INSTALL,
        _PENDING,
        due=Due.NOW,
        attempts=Attempts.INCREMENTED,
        detail=Detail.GIVEN,
    ),
    "gone": Transition(
        _REMOVE,
        _PENDING,
        window=Window.CLOSED,
        command=Command.CANCELLED,
        remove_row=True,
    ),
    "cancel": Transition(
        _INSTALL,
        _PENDING,
        window=Window.CLOSED,
        command=Command.CANCELLED,
        remove_row=True,
    ),
    "ended": Transition(
        _INSTALL,
        _PENDING,
        due=Due.NOT,
        attempts=Attempts.RESET,
        window=Window.CLOSED,
        command=Command.CANCELLED,
        detail="waits for a user channel of the host",
    ),
    "park": Transition(
        _INSTALL,
        _PENDING,
        due=Due.NOT,
        window=Window.CLOSED,
        command=Command.CANCELLED,
        detail="the host is not enrolled",
        drop_push=True,
    ),
    "park(r)": Transition(
        _REMOVE,
        _PENDING,
        due=Due.NOT,
        window=Window.CLOSED,
        command=Command.CANCELLED,
        detail="the host is not enrolled",
        drop_push=True,
    ),
}

# A dot: nothing changes. The columns are the states in their order: an install that is pending,
# verifying, verified, failed; a removal likewise.
_EXPECTED = """
ASSIGNED                      .        .       .       .       install  install install install
CONTENT_CHANGED               install  install install install .        .       .       .
RENEWAL_DUE                   .        install install install .        .       .       .
RESENT                        install  install install install remove!  remove! remove! remove!
HOST_FACT_CHANGED             install  install install install .        .       .       .
AUTHORITY_RECOVERED           due      .       .       install .        .       .       .
RESOLVED                      queue    .       .       .       queue(r) .       .       .
RESOLUTION_FAILED             no-value .       .       .       .        .       .       .
AUTHORITY_FOUND_UNREACHABLE   held     .       .       .       .        .       .       .
USER_CHANNEL_MISSED           waits    .       .       .       waits(r) .       .       .
USER_CHANNEL_APPEARED         due      .       .       .       due(r)   .       .       .
USER_CHANNEL_ENDED            ended    ended   ended   ended   gone     gone    gone    gone
RENDERING_FAILED              held     .       .       .       held(r)  .       .       .
HANDED_OVER                   open     .       .       .       sent     .       .       .
ACKNOWLEDGED                  verify   .       .       .       gone     .       .       .
NOT_NOW_REPORTED              close    .       .       .       .        .       .       .
NOT_FOUND_REPORTED            .        .       .       .       gone     .       .       .
ERROR_REPORTED                retry    .       .       .       retry(r) .       .       .
ERROR_WHILE_CERTIFIED         renewing .       .       .       .        .       .       .
ERROR_DURING_OUTAGE           outage   .       .       .       .        .       .       .
ERROR_BEHIND_CLOSED_WINDOW    hourly   .       .       .       .        .       .       .
INVENTORY_PROVED              proved   proved  proved  proved  .        .       .       .
CERTIFICATE_NOT_IDENTIFIED    .        unknown .       .       .        .       .       .
CERTIFICATE_MISSED            .        .       .       .       .        .       .       .
CERTIFICATE_MISSED_PAST_GRACE .        again   again   .       .        .       .       .
PROFILE_MISSED                .        .       .       .       .        .       .       .
PROOF_OVERDUE                 .        overdue .       .       .        .       .       .
PROFILE_MISSED_PAST_GRACE     .        again   again   .       .        .       .       .
UNASSIGNED_UNOFFERED          cancel   remove  remove  cancel  .        .       .       .
UNASSIGNED                    remove   remove  remove  remove  .        .       .       .
ENROLLED_ANEW                 afresh   afresh  afresh  afresh  gone     gone    gone    gone
CHECKED_OUT                   park     park    park    park    park(r)  park(r) park(r) park(r)
"""


class TransitionTests(SynchronousTestCase):
    """
    Tests for the table.
    """

    def test_every_pair(self) -> None:
        """
        Each event does in each state what the table in this file says.
        """
        rows = [line.split() for line in _EXPECTED.strip().splitlines()]
        self.assertEqual([row[0] for row in rows], [event.name for event in Event])
        for name, *words in rows:
            for (operation, status), word in zip(_STATES, words, strict=True):
                unchanged = Transition(operation, status)
                found = transition(operation, status, Event[name], attempts=1)
                self.assertEqual(found, _WORDS.get(word, unchanged), (name, operation, status))
                self.assertEqual(found.is_ignored(operation, status), word == ".")

    def test_every_word(self) -> None:
        """
        The table in this file uses every word that it explains, and no other.
        """
        used = {word for line in _EXPECTED.strip().splitlines() for word in line.split()[1:]}
        self.assertEqual(used - {"."}, set(_WORDS))

    def test_first_assignment(self) -> None:
        """
        A new row is an install that is due.
        """
        self.assertEqual(FIRST_ASSIGNED, _WORDS["install"])


class RetryTests(SynchronousTestCase):
    """
    Tests for what depends on the number of failures.
    """

    def test_retries(self) -> None:
        """
        Three retries follow after 1, 5 and 30 minutes; the fourth failure is final, for installs
        and removals alike.
        """
        for operation in Operation:
            found = [
                transition(operation, _PENDING, Event.ERROR_REPORTED, attempts=attempts)
                for attempts in range(5)
            ]
            self.assertEqual([each.due_after for each in found], [60, 300, 1800, 0, 0])
            self.assertEqual(
                [each.status for each in found], [_PENDING, _PENDING, _PENDING, _FAILED, _FAILED]
            )
            self.assertEqual([each.due for each in found][2:4], [Due.AFTER, Due.NOT])
            self.assertEqual({each.attempts for each in found}, {Attempts.INCREMENTED})
            self.assertEqual({each.detail for each in found}, {Detail.GIVEN})
            self.assertEqual({each.operation for each in found}, {operation})

    def test_missed_past_grace(self) -> None:
        """
        What inventories lack is delivered again at once three times, then it has failed.
        """
        for event in (Event.PROFILE_MISSED_PAST_GRACE, Event.CERTIFICATE_MISSED_PAST_GRACE):
            for status in (_VERIFYING, _VERIFIED):
                found = [transition(_INSTALL, status, event, attempts=n) for n in range(4)]
                self.assertEqual(
                    [(each.status, each.due) for each in found],
                    [(_PENDING, Due.NOW)] * 3 + [(_FAILED, Due.NOT)],
                )

    def test_renewals_never_give_up(self) -> None:
        """
        A renewal's wait doubles from an hour to a day, and goes on for ever.
        """
        found = [
            transition(_INSTALL, _PENDING, Event.ERROR_WHILE_CERTIFIED, attempts=attempts)
            for attempts in (0, 1, 4, 5, 6, 10**9)
        ]
        self.assertEqual(
            [each.due_after for each in found], [3600, 7200, 57600, 86400, 86400, 86400]
        )
        self.assertEqual({each.status for each in found}, {_PENDING})
        self.assertEqual(found[0].detail, "renewing (1 failure)")

    def test_settings(self) -> None:
        """
        Waits and numbers are the operator's; the last wait holds for all that follow.
        """
        settings = RetrySettings(waits=(1, 2), max_retries=4, closed_window_interval=7)
        found = [
            transition(_INSTALL, _PENDING, Event.ERROR_REPORTED, attempts=n, settings=settings)
            for n in range(5)
        ]
        self.assertEqual([each.due_after for each in found], [1, 2, 2, 2, 0])
        closed = transition(_INSTALL, _PENDING, Event.ERROR_BEHIND_CLOSED_WINDOW, settings=settings)
        self.assertEqual((closed.due, closed.due_after), (Due.LIMITED, 7))
        none = RetrySettings(waits=(), max_retries=1)
        at_once = transition(_INSTALL, _PENDING, Event.ERROR_REPORTED, settings=none)
        self.assertEqual((at_once.due, at_once.due_after), (Due.AFTER, 0))
