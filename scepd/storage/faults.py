"""
Which errors of a driver mean that the database is not to be had, and which are the statement's own
fault.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

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


def is_unavailable(error: Exception) -> bool:
    """
    Whether the transaction that met this error is lost, whatever its statements were.
    """
    return _code(error) in _UNAVAILABLE or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )


def is_passing(error: Exception) -> bool:
    """
    Whether the disk was full or another process held the database: the connection itself is still
    good.
    """
    return _code(error) in _PASSING


def sentence(error: Exception) -> str:
    """
    What to say of an error, without statement or parameters: those may hold what no log should.
    """
    if isinstance(error, DBAPIError):
        return str(error.orig)
    if isinstance(error, SQLAlchemyError):
        return f"the transaction ended early ({type(error).__name__})"
    return str(error)


def _code(error: Exception) -> int | None:
    if isinstance(error, DBAPIError) and isinstance(error.orig, sqlite3.Error):
        # Extended result codes hold the primary one in their low byte.
        code: int | None = getattr(error.orig, "sqlite_errorcode", None)
        return None if code is None else code & 0xFF
    return None
