"""
The enrollment windows in the database: find, open, reserve, give back, close.

These run inside a caller's unit of work. A reserved window keeps what it was locked to, so that a
reservation that ends without an answer leads back to where it came from.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    func,
    insert,
    select,
    update,
)

from scepd.model import (
    Admission,
    EnrollmentWindow,
    Reservation,
    SCEPExchange,
    WindowOutcome,
    WindowState,
)
from scepd.ports import SignedBy, Subject
from scepd.storage.prepared import Prepared
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
GRANTED = "SUCCESS"
"""
The pkiStatus of an exchange that brought a certificate.
"""
_COLUMNS = enrollment_window.c
_WINDOW_COLUMNS = tuple(field.name for field in fields(EnrollmentWindow))
_LIVE_WINDOW = Prepared(
    select(*[_COLUMNS[name] for name in _WINDOW_COLUMNS]).where(
        _COLUMNS.host_uuid == bindparam("of_host"),
        _COLUMNS.profile_uuid == bindparam("of_profile"),
        _COLUMNS.ca_name == bindparam("of_ca"),
        IS_LIVE,
    )
)
_RESERVE = Prepared(
    update(enrollment_window)
    .where(_COLUMNS.id == bindparam("of_id"))
    .values(
        state=WindowState.RESERVED.value,
        reserved_by=bindparam("by"),
        reserved_until=bindparam("until"),
    )
)
_RESERVE_OPEN = Prepared(
    update(enrollment_window)
    .where(
        _COLUMNS.host_uuid == bindparam("of_host"),
        _COLUMNS.profile_uuid == bindparam("of_profile"),
        _COLUMNS.ca_name == bindparam("of_ca"),
        _COLUMNS.state == WindowState.OPEN.value,
        _COLUMNS.token_sha256.is_(None),
        _COLUMNS.signer_key_sha256.is_(None),
        _COLUMNS.deadline >= bindparam("now"),
    )
    .values(
        state=WindowState.RESERVED.value,
        reserved_by=bindparam("by"),
        reserved_until=bindparam("until"),
    )
    .returning(_COLUMNS.id)
)
_IS_HELD = and_(
    _COLUMNS.host_uuid == bindparam("of_host"),
    _COLUMNS.profile_uuid == bindparam("of_profile"),
    _COLUMNS.state == WindowState.RESERVED.value,
    _COLUMNS.reserved_by == bindparam("of_exchange"),
)
_GIVEN_BACK = (
    update(enrollment_window).where(_IS_HELD).values(reserved_by=None, reserved_until=None)
)
# A window that was locked before is so again.
_BEFORE = case(
    (_COLUMNS.signer_key_sha256.is_(None), WindowState.OPEN.value), else_=WindowState.LOCKED.value
)
_REOPEN = Prepared(_GIVEN_BACK.values(state=_BEFORE))
_LOCKED = _GIVEN_BACK.values(
    state=WindowState.LOCKED.value,
    signer_key_sha256=bindparam("key"),
    transaction_id=bindparam("transaction"),
)
_NEWEST = Prepared(
    select(_COLUMNS.id, _COLUMNS.opened_at, _COLUMNS.number, _COLUMNS.granted)
    .where(
        _COLUMNS.host_uuid == bindparam("of_host"),
        _COLUMNS.profile_uuid == bindparam("of_profile"),
    )
    .order_by(_COLUMNS.number.desc())
    .limit(1)
)
_OPENED = [name for name in _WINDOW_COLUMNS if name != "state"]
_INSERT = Prepared(
    insert(enrollment_window).values(
        **{name: bindparam(name) for name in _OPENED},
        state=bindparam("state"),
        number=select(func.coalesce(func.max(_COLUMNS.number), 0) + 1)
        .where(_COLUMNS.host_uuid == bindparam("host_uuid"))
        .scalar_subquery(),
    )
)
_LOCK = Prepared(_LOCKED)
_LOCK_PENDING = Prepared(_LOCKED.values(deadline=bindparam("until")))


@dataclass(frozen=True, slots=True)
class NumberedWindow:
    """
    A window, and how many of its host were opened until then.

    :param granted: whether a forgotten exchange of it brought a certificate.
    """

    id: str
    opened_at: datetime
    number: int
    granted: bool


def insert_window(connection: Connection, window: EnrollmentWindow) -> None:
    """
    Store a window, as the newest of its host.
    """
    values = {name: getattr(window, name) for name in _OPENED}
    _INSERT.change(connection, state=window.state.value, **values)


def newest_window(
    connection: Connection, host_uuid: str, profile_uuid: str
) -> NumberedWindow | None:
    """
    The window that the newest delivery of a profile opened, whatever became of it; None: none did.
    The clocks of nodes differ, so that the time does not tell which it is.
    """
    row = _NEWEST.first(connection, of_host=host_uuid, of_profile=profile_uuid)
    return None if row is None else NumberedWindow(*row)


def close_windows(connection: Connection, some: ColumnElement[bool]) -> None:
    """
    Close those of some windows that are not closed yet, reserved ones too.
    """
    connection.execute(update(enrollment_window).where(some, IS_LIVE).values(CLOSED))


def live_window(connection: Connection, subject: Subject) -> EnrollmentWindow | None:
    """
    The window of that host, profile and certificate authority that is not closed, if there is one.

    It is closed when the host no longer should have the profile.
    """
    row = _LIVE_WINDOW.first(
        connection,
        of_host=subject.host_uuid,
        of_profile=subject.profile_uuid,
        of_ca=subject.ca_name,
    )
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


def reserve_open(
    connection: Connection, subject: Subject, exchange_id: str, now: datetime, until: datetime
) -> str | None:
    """
    Reserve the subject's window if it is open to anybody, as most are; its id, or None.

    One statement does what otherwise takes a look and a change.
    """
    row = _RESERVE_OPEN.first(
        connection,
        of_host=subject.host_uuid,
        of_profile=subject.profile_uuid,
        of_ca=subject.ca_name,
        by=exchange_id,
        now=now,
        until=until,
    )
    return None if row is None else str(row[0])


def reserve(
    connection: Connection, window: EnrollmentWindow, exchange_id: str, until: datetime
) -> None:
    """
    Reserve a window that admits this exchange.
    """
    _RESERVE.change(connection, of_id=window.id, by=exchange_id, until=until)


def answer(window: EnrollmentWindow, said: Admission) -> Reservation:
    """
    What is told to the exchange; whom the window admits only when that matters.
    """
    if said is not Admission.LOCKED:
        return Reservation(said, window.id)
    return Reservation(said, window.id, window.signer_key_sha256, window.transaction_id)


def give_back(
    connection: Connection,
    exchange: SCEPExchange,
    outcome: WindowOutcome,
    signed_by: SignedBy | None,
) -> None:
    """
    Give the window that an exchange holds back, as ``outcome`` says; nothing happens when it holds
    none any more.
    """
    held = {
        "of_host": exchange.host_uuid,
        "of_profile": exchange.profile_uuid,
        "of_exchange": exchange.id,
    }
    if outcome is WindowOutcome.REOPEN:
        _REOPEN.change(connection, **held)
        return
    lock = signed_by or _LOCKED_TO_NOBODY
    held |= {"key": lock.signer_key_sha256, "transaction": lock.transaction_id}
    if outcome is WindowOutcome.LOCK_PENDING:
        _LOCK_PENDING.change(connection, until=exchange.started_at + _PENDING_LASTS, **held)
    else:
        _LOCK.change(connection, **held)


def _is_held_by_another(window: EnrollmentWindow, exchange_id: str, now: datetime) -> bool:
    return (
        window.state is WindowState.RESERVED
        and window.reserved_by != exchange_id
        and (window.reserved_until is None or now < window.reserved_until)
    )


def _record(row: tuple[object, ...]) -> EnrollmentWindow:
    values = dict(zip(_WINDOW_COLUMNS, row, strict=True))
    state = WindowState(values.pop("state"))
    return EnrollmentWindow(state=state, **values)  # type: ignore[arg-type]
