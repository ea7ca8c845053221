"""
The enrollment windows in the database: find, open, reserve, give back, close.

These run inside a caller's unit of work. A reserved window keeps what it was locked to, so that a
reservation that ends without an answer leads back to where it came from.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, RowMapping, insert, select, update

from scepd.model import Admission, EnrollmentWindow, Reservation, WindowOutcome, WindowState
from scepd.ports import SignedBy, Subject
from scepd.storage.tables import enrollment_window

_PENDING_LASTS = timedelta(days=7)
_LOCKED_TO_NOBODY = SignedBy("", "")
IS_LIVE = enrollment_window.c.state != WindowState.CLOSED.value
"""
The condition for the windows that are not closed.
"""
CLOSED = {"state": WindowState.CLOSED.value, "reserved_by": None, "reserved_until": None}
"""
The columns of a window that is being closed.
"""


def insert_window(connection: Connection, window: EnrollmentWindow) -> None:
    """
    Store a window.
    """
    connection.execute(
        insert(enrollment_window).values(
            id=window.id,
            host_uuid=window.host_uuid,
            profile_uuid=window.profile_uuid,
            ca_name=window.ca_name,
            state=window.state.value,
            opened_at=window.opened_at,
            deadline=window.deadline,
            reserved_by=window.reserved_by,
            reserved_until=window.reserved_until,
            signer_key_sha256=window.signer_key_sha256,
            transaction_id=window.transaction_id,
            token_sha256=window.token_sha256,
        )
    )


def close_windows(connection: Connection, some: ColumnElement[bool]) -> None:
    """
    Close those of some windows that are not closed yet, reserved ones too.
    """
    connection.execute(update(enrollment_window).where(some, IS_LIVE).values(CLOSED))


def live_window(connection: Connection, subject: Subject) -> EnrollmentWindow | None:
    """
    The window of that host, profile and certificate authority that is not closed, if there is one.
    """
    columns = enrollment_window.c
    one = select(enrollment_window).where(
        columns.host_uuid == subject.host_uuid,
        columns.profile_uuid == subject.profile_uuid,
        columns.ca_name == subject.ca_name,
        IS_LIVE,
    )
    row = connection.execute(one).mappings().first()
    return None if row is None else _record(row)


def admission(
    window: EnrollmentWindow, exchange_id: str, now: datetime, signed_by: SignedBy | None
) -> Admission:
    """
    What a window that is not closed says to an exchange.

    At its deadline it still admits; at the end of its reservation it is free.
    """
    if now > window.deadline:
        return Admission.CLOSED
    if _is_held_by_another(window, exchange_id, now):
        return Admission.BUSY
    if window.signer_key_sha256 is None:
        return Admission.ADMITTED
    if signed_by is None:
        return Admission.LOCKED
    pair = SignedBy(window.signer_key_sha256, window.transaction_id or "")
    is_admitted = signed_by == pair and pair != _LOCKED_TO_NOBODY
    return Admission.ADMITTED if is_admitted else Admission.CLOSED


def reserve(
    connection: Connection, window: EnrollmentWindow, exchange_id: str, until: datetime
) -> None:
    """
    Reserve a window that admits this exchange.
    """
    connection.execute(
        update(enrollment_window)
        .where(enrollment_window.c.id == window.id)
        .values(state=WindowState.RESERVED.value, reserved_by=exchange_id, reserved_until=until)
    )


def answer(window: EnrollmentWindow, said: Admission) -> Reservation:
    """
    What is told to the exchange; whom the window admits only when that matters.
    """
    if said is not Admission.LOCKED:
        return Reservation(said, window.id)
    return Reservation(said, window.id, window.signer_key_sha256, window.transaction_id)


def give_back(
    connection: Connection,
    held: ColumnElement[bool],
    outcome: WindowOutcome,
    signed_by: SignedBy | None,
    started_at: datetime,
) -> None:
    """
    Give a reserved window back, as ``outcome`` says; nothing happens when it is not ``held`` any
    more.
    """
    values: dict[str, object] = {"reserved_by": None, "reserved_until": None}
    if outcome is WindowOutcome.REOPEN:
        _reopen(connection, held, values)
        return
    lock = signed_by or _LOCKED_TO_NOBODY
    values["state"] = WindowState.LOCKED.value
    values["signer_key_sha256"] = lock.signer_key_sha256
    values["transaction_id"] = lock.transaction_id
    if outcome is WindowOutcome.LOCK_PENDING:
        values["deadline"] = started_at + _PENDING_LASTS
    connection.execute(update(enrollment_window).where(held).values(values))


def _reopen(connection: Connection, held: ColumnElement[bool], values: dict[str, object]) -> None:
    was_open = enrollment_window.c.signer_key_sha256.is_(None)
    for was, state in ((was_open, WindowState.OPEN), (~was_open, WindowState.LOCKED)):
        change = update(enrollment_window).where(held, was).values(values | {"state": state.value})
        connection.execute(change)


def _is_held_by_another(window: EnrollmentWindow, exchange_id: str, now: datetime) -> bool:
    return (
        window.state is WindowState.RESERVED
        and window.reserved_by != exchange_id
        and (window.reserved_until is None or now < window.reserved_until)
    )


def _record(row: RowMapping) -> EnrollmentWindow:
    values = dict(row)
    return EnrollmentWindow(state=WindowState(values.pop("state")), **values)
