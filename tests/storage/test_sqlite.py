"""
Tests of the stores on a SQLite file.
"""

from __future__ import annotations

from tests.storage import contract, exchange_contract, window_contract
from tests.storage.sqlite_file import SQLiteFile


class HealthTests(SQLiteFile, contract.HealthContract):
    """
    Health on SQLite.
    """


class CertificateAuthorityTests(SQLiteFile, contract.CertificateAuthorityContract):
    """
    CertificateAuthorityStore on SQLite.
    """


class ProfileTests(SQLiteFile, contract.ProfileContract):
    """
    ProfileStore on SQLite.
    """


class HostTests(SQLiteFile, contract.HostContract):
    """
    HostStore on SQLite.
    """


class AssignmentTests(SQLiteFile, contract.AssignmentContract):
    """
    AssignmentStore on SQLite.
    """


class APITokenTests(SQLiteFile, contract.APITokenContract):
    """
    APITokenStore on SQLite.
    """


class ActivityTests(SQLiteFile, contract.ActivityContract):
    """
    ActivityStore on SQLite.
    """


class ExchangeTests(SQLiteFile, exchange_contract.ExchangeContract):
    """
    The exchanges of EnrollmentStore on SQLite.
    """


class RedeliveryTests(SQLiteFile, exchange_contract.RedeliveryContract):
    """
    The re-deliveries of EnrollmentStore on SQLite.
    """


class WindowTests(SQLiteFile, window_contract.WindowContract):
    """
    The windows of EnrollmentStore on SQLite.
    """
