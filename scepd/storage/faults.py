"""
Which errors of a driver mean that the database is not to be had, and which are the statement's own
fault.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

# SQLite's primary result codes (https://www.sqlite.org/rescode.html) that say nothing about the
# statement.
_UNAVAILABLE = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_NOTADB,
    }
)
_PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL})
# The same by PostgreSQL's SQLSTATEs (https://www.postgresql.org/docs/current/errcodes-appendix.html)
# or their first two characters, which are their class: connections, authorization, transactions
# that were ended, no such database, resources, limits of time, input and output, and corruption.
_UNAVAILABLE_CLASSES = frozenset({"08", "25", "28", "3D", "40", "53", "57", "58", "F0", "XX"})
_UNAVAILABLE_STATES = frozenset({"42501", "55P03"})
_CONFLICTS = frozenset({"40001", "40P01"})
_INTEGRITY = "23"
# A full disk, no memory, a lock that another holds, a statement's limit of time.
_PASSING_STATES = _CONFLICTS | {"53100", "53200", "55P03", "57014"}


def is_unavailable(error: Exception) -> bool:
    """
    Whether the transaction that met this error is lost, whatever its statements were.
    """
    if _code(error) in _UNAVAILABLE or is_disconnected(error):
        return True
    state = _state(error)
    return state is not None and (state[:2] in _UNAVAILABLE_CLASSES or state in _UNAVAILABLE_STATES)


def is_passing(error: Exception) -> bool:
    """
    Whether the disk was full or another process held the database: the connection itself is still
    good.
    """
    return _code(error) in _PASSING or _state(error) in _PASSING_STATES


def is_disconnected(error: Exception) -> bool:
    """
    Whether there is no connection to the database, or none any more.
    """
    if not isinstance(error, DBAPIError):
        return False
    # PostgreSQL itself gives each of its errors a state: those without are of the way to it.
    is_network = isinstance(error, OperationalError) and not isinstance(error.orig, sqlite3.Error)
    return error.connection_invalidated or (is_network and _state(error) is None)


def is_conflict(error: Exception) -> bool:
    """
    Whether transactions of several processes were in each other's way, so that this one is to be
    tried anew.
    """
    return _state(error) in _CONFLICTS


def is_integrity(error: Exception) -> bool:
    """
    Whether PostgreSQL refused a row by a constraint, which may be one that another process wrote
    since this transaction began.
    """
    return (_state(error) or "")[:2] == _INTEGRITY


def sentence(error: Exception) -> str:
    """
    What to say of an error, without statement or parameters: those may hold what no log should.
    """
    if isinstance(error, DBAPIError):
        # PostgreSQL's details hold the values of rows.
        diagnosis = getattr(error.orig, "diag", None)
        primary: str | None = getattr(diagnosis, "message_primary", None)
        return primary or str(error.orig)
    if isinstance(error, SQLAlchemyError):
        return f"the transaction ended early ({type(error).__name__})"
    return str(error)


def _state(error: Exception) -> str | None:
    if isinstance(error, DBAPIError):
        state: str | None = getattr(error.orig, "sqlstate", None)
        return state
    return None


def _code(error: Exception) -> int | None:
    if isinstance(error, DBAPIError) and isinstance(error.orig, sqlite3.Error):
        # Extended result codes hold the primary one in their low byte.
        code: int | None = getattr(error.orig, "sqlite_errorcode", None)
        return None if code is None else code & 0xFF
    return None
