"""
Tests of the migrations: they lead to the tables, and lose nothing on the way.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from twisted.internet.defer import Deferred

from scepd.storage.api_tokens import SQLAPITokenStore
from scepd.storage.assignments import SQLAssignmentStore
from scepd.storage.bootstrap import add_first_token
from scepd.storage.certificate_authorities import SQLCertificateAuthorityStore
from scepd.storage.engines import writing_engine
from scepd.storage.hosts import SQLHostStore
from scepd.storage.profiles import SQLProfileStore
from scepd.storage.revisions import NEWEST, revisions
from scepd.storage.tables import metadata
from scepd.storage.verification import SQLVerificationStore
from tests.storage import records
from tests.storage.records import NOON
from tests.storage.sqlite_file import SQLiteFile


class MigrationTests(SQLiteFile):
    """
    Migrations and tables tell the same.
    """

    def setUp(self) -> None:
        """
        Migrate a database.
        """
        add_first_token(self.url, records.token())

    def test_same_as_tables(self) -> None:
        """
        To the migration tool, a migrated database does not differ from the tables.
        """
        engine = create_engine(self.url)
        self.addCleanup(engine.dispose)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection)
            self.assertEqual(compare_metadata(context, metadata), [])

    def test_newest(self) -> None:
        """
        The revision that counts as the newest is that of the last migration, and the migration tool
        leaves it in the database.
        """
        config = Config()
        config.set_main_option("script_location", "scepd.storage:migrations")
        self.assertEqual(ScriptDirectory.from_config(config).get_heads(), [NEWEST])
        engine = create_engine(self.url)
        self.addCleanup(engine.dispose)
        with engine.connect() as connection:
            self.assertEqual(revisions(connection), {NEWEST})

    def test_same_to_sqlite(self) -> None:
        """
        To SQLite, columns, keys and indexes are the same as those of tables that are made at once.
        """
        at_once = create_engine("sqlite://")
        self.addCleanup(at_once.dispose)
        metadata.create_all(at_once)
        with at_once.connect() as connection:
            expected = _shape(connection.connection.driver_connection)
        found = _shape(self.second_connection())
        del found["alembic_version"]
        self.assertEqual(found, expected)

    async def test_upgrade_again(self) -> None:
        """
        To start on a database that is up to date changes nothing.
        """
        before = _shape(self.second_connection())
        for _ in range(2):
            database = self.make_database()
            database.start()
            found = await SQLAPITokenStore(database).api_token(records.token().sha256)
            await database.stop()
            self.assertEqual(found, records.token())
        self.assertEqual(_shape(self.second_connection()), before)


class FirstRevisionTests(SQLiteFile):
    """
    A database of the first revision, with rows, is brought to the newest one.
    """

    def setUp(self) -> None:
        """
        Fill a database of revision 0001.
        """
        _migrate(self.path, "0001")
        connection = self.second_connection()
        connection.execute("PRAGMA foreign_keys = ON")
        for table, values in _FIRST_ROWS:
            marks = ", ".join("?" * len(values))
            connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608

    async def test_rows_are_kept(self) -> None:
        """
        Hosts, labels, profiles and assignments are there, and their new columns filled.
        """
        database = self.make_database()
        database.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(database.stop()))
        self.assertEqual(await SQLHostStore(database).host("H-1"), records.host())
        profiles = SQLProfileStore(database)
        self.assertEqual(await profiles.profile("a-1"), records.profile(ca_names=("corp",)))
        found = await SQLAssignmentStore(database).assignment("H-1", "a-1")
        self.assertEqual(found, records.assignment(due_at=NOON, detail="why", attempts=1))
        verification = SQLVerificationStore(database)
        self.assertTrue(await verification.enroll_agent("h-1", "key", NOON))
        await profiles.remove_profile("a-1", records.activity())

    def test_other_tables(self) -> None:
        """
        Tables that a migration has nothing to do with keep their rows.
        """
        _migrate(self.path, "head")
        connection = self.second_connection()
        for table, values in _FIRST_ROWS:
            if table not in ("host", "host_profile", "profile"):
                found = connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
                # What later revisions add stands behind.
                self.assertIn(values, [row[: len(values)] for row in found])
        self.assertEqual(connection.execute("PRAGMA foreign_key_check").fetchall(), [])
        self.assertEqual(connection.execute("PRAGMA integrity_check").fetchall(), [("ok",)])


class SecondRevisionTests(SQLiteFile):
    """
    A database of the second revision, with a certificate authority, is brought to the newest one.
    """

    async def test_authority_is_kept(self) -> None:
        """
        It has the static challenge that it had.
        """
        _migrate(self.path, "0002")
        values = ("corp", "https://corp.example.com/scep", "key-1", b"\x00sealed\xff", "issuing")
        rest = ("-----BEGIN CERTIFICATE-----\n", 3, 1, "[]", '["AES"]', _AT, _AT)
        marks = ", ".join("?" * 12)
        self.second_connection().execute(
            f"INSERT INTO certificate_authority VALUES ({marks})",  # noqa: S608
            values + rest,
        )
        database = self.make_database()
        database.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(database.stop()))
        found = await SQLCertificateAuthorityStore(database).certificate_authority("corp")
        expected = replace(
            records.ca(certificates=(), capabilities=("AES",), created_at=NOON),
            requests_per_second=None,
            pinned_sha256=None,
            client_certificate=None,
            client_key=None,
            outgoing_proxy=None,
        )
        self.assertEqual(found, expected)


class SixthRevisionTests(SQLiteFile):
    """
    A database of the sixth revision, with wishes to push, is brought to the newest one.
    """

    async def test_wishes_are_kept(self) -> None:
        """
        Each keeps its time. One number counted failures and accepted pushes: of a push that was
        accepted last it is the place in the series, of another one the failures.
        """
        _migrate(self.path, "0006")
        connection = self.second_connection()
        rows = (
            ("fresh", _AT, None, 0, None, "", None),
            ("accepted", _AT, None, 3, 200, "", _AT),
            ("over", None, None, 1, 200, "", _AT),
            ("failed", _AT, "apns-1", 2, 503, "ServiceUnavailable", _AT),
            ("refused", None, "apns-2", 1, 400, "BadDeviceToken", _AT),
        )
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.executemany("INSERT INTO push VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        _migrate(self.path, "head")
        columns = "state, repeats, attempts, pushed_at, due_at, apns_id"
        found = {
            name: values
            for name, *values in connection.execute(f"SELECT enrollment_id, {columns} FROM push")  # noqa: S608
        }
        expected: dict[str, list[object]] = {
            "fresh": ["due", 0, 0, None, _AT, None],
            "accepted": ["sent", 3, 0, _AT, _AT, None],
            "over": ["sent", 1, 0, _AT, None, None],
            "failed": ["due", 0, 2, None, _AT, "apns-1"],
            "refused": ["parked", 0, 1, None, None, "apns-2"],
        }
        self.assertEqual(found, expected)


class EighthRevisionTests(SQLiteFile):
    """
    A database of the eighth revision, with assignments, is brought to the newest one.
    """

    async def test_enrolled_at(self) -> None:
        """
        Each assignment has the time of its enrollment, if it has an enrollment.
        """
        _migrate(self.path, "0008")
        connection = self.second_connection()
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(
            "INSERT INTO enrollment (id, host_uuid, kind, enabled, enrolled_at)"
            " VALUES ('E-1', 'H-1', 'device', 1, ?)",
            (_AT,),
        )
        connection.executemany(
            "INSERT INTO host_profile (host_uuid, profile_uuid, operation, status, detail,"
            " content_sha256, attempts, changed_at, enrollment_id)"
            " VALUES (?, 'a-1', 'install', 'pending', '', '', 0, 0, ?)",
            [("H-1", "E-1"), ("H-2", None)],
        )
        _migrate(self.path, "head")
        found = connection.execute("SELECT host_uuid, enrolled_at FROM host_profile ORDER BY 1")
        self.assertEqual(found.fetchall(), [("H-1", _AT), ("H-2", None)])


class SeventhRevisionTests(SQLiteFile):
    """
    A database of the seventh revision, with commands and enrollments, is brought to the newest one.
    """

    async def test_rows_are_kept(self) -> None:
        """
        Finished commands have no answer, none was offered in vain, and no enrollment has a
        bootstrap token.
        """
        _migrate(self.path, "0007")
        connection = self.second_connection()
        connection.execute("PRAGMA foreign_keys = OFF")
        done = ("c-1", "H-1", "H-1", "ProfileList", None, b"x", 1, "Error", "why", _AT, _AT)
        connection.execute(
            "INSERT INTO command VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*done, None, 0, _AT),
        )
        enrolled = ("H-1", "H-1", "device", 1, "topic", "k1", b"sealed", _AT, _AT, _AT)
        connection.execute("INSERT INTO enrollment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", enrolled)
        _migrate(self.path, "head")
        (row,) = connection.execute("SELECT * FROM command")
        self.assertEqual(row, (*done, None, 0, _AT, None, None, 0, None, 0, None, 0, None))
        (row,) = connection.execute("SELECT * FROM enrollment")
        self.assertEqual(row, (*enrolled, None, None, ""))


class UserScopeTests(SQLiteFile):
    """
    A database whose profiles of User scope had no way to go is brought to the newest revision.
    """

    async def test_waits(self) -> None:
        """
        What is for the user of a Mac waits for a user channel; the rest goes on as it did.
        """
        _migrate(self.path, "0008")
        connection = self.second_connection()
        connection.execute("PRAGMA foreign_keys = OFF")
        for host, platform in (("mac", "macos"), ("phone", "ios")):
            connection.execute(
                "INSERT INTO host (uuid, serial_number, platform, facts) VALUES (?, '', ?, '{}')",
                (host, platform),
            )
        for profile, scope in (("p-user", "User"), ("p-system", "System")):
            connection.execute(
                "INSERT INTO profile VALUES (?, ?, '', x'00', '', ?, NULL, ?)",
                (profile, profile, scope, _AT),
            )
        columns = "host_uuid, profile_uuid, operation, status, detail, content_sha256, attempts"
        for host in ("mac", "phone"):
            for profile in ("p-user", "p-system"):
                connection.execute(
                    f"INSERT INTO host_profile ({columns}, due_at, changed_at, enrollment_id)"  # noqa: S608
                    " VALUES (?, ?, 'install', 'pending', '', '', 0, ?, ?, ?)",
                    (host, profile, _AT, _AT, host),
                )
        _migrate(self.path, "head")
        found = connection.execute(
            "SELECT host_uuid, profile_uuid, scope, due_at, enrollment_id, detail FROM host_profile"
        ).fetchall()
        waits = "waits for a user channel of the host"
        self.assertEqual(
            sorted(found),
            [
                ("mac", "p-system", "System", _AT, "mac", ""),
                ("mac", "p-user", "User", None, None, waits),
                ("phone", "p-system", "System", _AT, "phone", ""),
                ("phone", "p-user", "System", _AT, "phone", ""),
            ],
        )


class SixteenthRevisionTests(SQLiteFile):
    """
    A database of the sixteenth revision, with windows and certificates, is brought to the newest
    one.
    """

    async def test_windows(self) -> None:
        """
        What was recorded before a window opened is still known to have been, and a window that is
        opened then is the newest of its host.
        """
        _migrate(self.path, "0016")
        connection = self.second_connection()
        connection.execute("PRAGMA foreign_keys = OFF")
        for id, host, opened_at in (("w-1", "H-1", _AT), ("w-2", "H-1", _AT + 9), ("w", "H-2", 7)):
            connection.execute(
                "INSERT INTO enrollment_window (id, host_uuid, profile_uuid, ca_name, state,"
                " opened_at, deadline) VALUES (?, ?, 'a-1', 'corp', 'closed', ?, 0)",
                (id, host, opened_at),
            )
        for sha1, first_seen in (("01", _AT - 1), ("02", _AT), ("03", _AT + 8), ("04", _AT + 99)):
            connection.execute(
                "INSERT INTO managed_certificate (host_uuid, sha1, profile_uuid, ca_name, subject,"
                " issuer, serial, not_before, not_after, source, first_seen, renew_at)"
                " VALUES ('H-1', ?, 'a-1', '', '', '', '', 0, 0, '', ?, 0)",
                (sha1, first_seen),
            )
        _migrate(self.path, "head")
        database = self.make_database()
        database.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(database.stop()))
        await SQLAssignmentStore(database).open_window(records.window("w-3", opened_at=NOON))
        windows = connection.execute("SELECT id, number FROM enrollment_window WHERE id != 'w'")
        numbers = dict(windows.fetchall())
        self.assertLess(numbers["w-1"], numbers["w-2"])
        self.assertLess(numbers["w-2"], numbers["w-3"])
        seen = connection.execute("SELECT sha1, window_number FROM managed_certificate").fetchall()
        self.assertEqual(
            dict(seen),
            {"01": 0, "02": numbers["w-1"], "03": numbers["w-1"], "04": numbers["w-2"]},
        )


class EighthRevisionCertificateTests(SQLiteFile):
    """
    A database of the eighth revision, with certificates, is brought to the newest one.
    """

    async def test_renewals(self) -> None:
        """
        Each assignment gets the time when it is overdue, and only the newest certificate of a
        profile counts.
        """
        _migrate(self.path, "0008")
        connection = self.second_connection()
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(
            "INSERT INTO host (uuid, serial_number, platform, facts)"
            " VALUES ('H-1', 'C02', 'macos', '{}')"
        )
        day = 86_400_000_000
        for profile, acknowledged_at, renew_at, expires_at, operation in (
            ("long", _AT, _AT, _AT + 30 * day, "install"),
            ("short", _AT, _AT, _AT + 2 * day, "install"),
            ("unseen", _AT, None, None, "install"),
            ("waits", None, None, None, "install"),
            ("leaves", _AT, None, None, "remove"),
        ):
            values = ("H-1", profile, operation, "verified", "corp", "", "ab", 0, None, _AT)
            rest = ("id", "H-1", 1, None, _AT, acknowledged_at, renew_at, expires_at)
            marks = ", ".join("?" * 18)
            connection.execute(f"INSERT INTO host_profile VALUES ({marks})", values + rest)  # noqa: S608
        for sha1, profile, not_before, first_seen in (
            ("01", "long", 1, 10),
            ("02", "long", 2, 20),
            ("03", "long", 2, 30),
            ("04", "short", 9, 40),
        ):
            told = ("H-1", sha1, profile, "corp", "CN=H-1", "CN=corp", "0A", not_before, 99)
            connection.execute(
                "INSERT INTO managed_certificate VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*told, "osquery", first_seen, 50),
            )
        _migrate(self.path, "head")
        rows = connection.execute("SELECT profile_uuid, overdue_at, alarm FROM host_profile")
        hour = day // 24
        self.assertEqual(
            {name: values for name, *values in rows},
            {
                "long": [_AT + 3 * day, ""],
                "short": [_AT + day, ""],
                "unseen": [_AT + 4 * hour, ""],
                "waits": [None, ""],
                "leaves": [None, ""],
            },
        )
        found = connection.execute("SELECT sha1, retired_at FROM managed_certificate")
        self.assertEqual(dict(found.fetchall()), {"01": 20, "02": 30, "03": None, "04": None})


class EighthRevisionTargetTests(SQLiteFile):
    """
    A database of the eighth revision, with labels and variables, is brought to the newest one.
    """

    def setUp(self) -> None:
        """
        Fill it and bring it there.
        """
        _migrate(self.path, "0008")
        connection = self.second_connection()
        connection.execute("PRAGMA foreign_keys = OFF")
        text = "$FLEET_VAR_HOST_END_USER_IDP_USERNAME_LOCAL_PART and ${FLEET_VAR_HOST_PLATFORM}"
        for uuid, label, content in (
            ("a-1", "sales", text.encode()),
            ("a-2", None, text.encode("utf-16")),
            ("a-3", None, b"\x5f\x10\x14$FLEET_VAR_HOST_UUID_\x10\x02no"),
            ("a-4", None, b"FLEET_VAR_HOST_UUID $FLEET_VAR_SCEP_RENEWAL_ID"),
        ):
            values = (uuid, f"com.example.{uuid}", "x", content, "ab", "System", label, _AT)
            connection.execute("INSERT INTO profile VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        for uuid, platform, version in (("H-1", "macos", "15.3.1"), ("H-2", "", "")):
            connection.execute(
                "INSERT INTO host (uuid, serial_number, platform, facts, os_version) "
                "VALUES (?, 'C02', ?, '{}', ?)",
                (uuid, platform, version),
            )
        for uuid, label in (("H-1", "berlin"), ("H-1", "os:3"), ("H-2", "platform:mine")):
            connection.execute("INSERT INTO host_label VALUES (?, ?)", (uuid, label))
        for profile in ("a-1", "a-9"):
            connection.execute(
                "INSERT INTO host_profile (host_uuid, profile_uuid, operation, status, detail, "
                "content_sha256, attempts, changed_at, profile_identifier) "
                "VALUES ('H-1', ?, 'remove', 'pending', '', 'ab', 0, ?, 'com.example.gone')",
                (profile, _AT),
            )
        _migrate(self.path, "head")
        self.connection = connection

    def test_targets(self) -> None:
        """
        A label that was aimed at is one of any; other profiles are for all hosts.
        """
        found = self.connection.execute("SELECT * FROM profile_label").fetchall()
        self.assertEqual(found, [("a-1", "any", "sales")])

    def test_variables(self) -> None:
        """
        Those of each profile are known, whatever form it has: never one too few.
        """
        expected = {
            ("a-1", "HOST_END_USER_IDP_USERNAME"),
            ("a-1", "HOST_END_USER_IDP_USERNAME_LOCAL_PART"),
            ("a-1", "HOST_PLATFORM"),
            ("a-2", "HOST_END_USER_IDP_USERNAME"),
            ("a-2", "HOST_END_USER_IDP_USERNAME_LOCAL_PART"),
            ("a-2", "HOST_PLATFORM"),
            ("a-3", "HOST_UUID"),
        }
        found = set(self.connection.execute("SELECT profile_uuid, name FROM profile_variable"))
        self.assertEqual(found, expected)

    def test_labels(self) -> None:
        """
        Hosts have automatic labels, in place of those that only looked so.
        """
        found = set(self.connection.execute("SELECT host_uuid, label FROM host_label"))
        self.assertEqual(found, {("H-1", "berlin"), ("H-1", "os:15"), ("H-1", "platform:macos")})

    def test_former_profiles(self) -> None:
        """
        Removed profiles that hosts still have to lose are known by their identifiers.
        """
        found = self.connection.execute("SELECT * FROM former_profile").fetchall()
        self.assertEqual(found, [("a-9", "com.example.gone", "System", _AT)])


class EighthRevisionIdentityTests(SQLiteFile):
    """
    A database of the eighth revision, with identities and challenges, is brought to the newest one.
    """

    async def test_rows_are_kept(self) -> None:
        """
        The identities of then are in use and looked at soon, with the expiry of their certificates;
        challenges are good as they were.
        """
        _migrate(self.path, "0008")
        connection = self.second_connection()
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("INSERT INTO device_identity VALUES ('id-1', 'H-1'), ('id-2', 'H-2')")
        issued = ("0B", b"x", "id-1", "CN=x", "enroll", "t", "r", "k", "c1", "e1", _AT, 5)
        names = (
            "serial, certificate, sha256, subject, purpose, transaction_id, request_sha256, "
            "public_key_sha256, challenge_sha256, token_sha256, not_after, issued_at"
        )
        marks = ", ".join("?" * len(issued))
        connection.execute(f"INSERT INTO issued_certificate ({names}) VALUES ({marks})", issued)  # noqa: S608
        token = ("e1", "sales", "[]", 1, 0, _AT, _AT)
        connection.execute("INSERT INTO enrollment_token VALUES (?, ?, ?, ?, ?, ?, ?)", token)
        challenge = ("c1", "e1", "CN=x", _AT, None)
        connection.execute("INSERT INTO enrollment_challenge VALUES (?, ?, ?, ?, ?)", challenge)
        _migrate(self.path, "head")
        columns = "certificate_sha256, confirmed_at, retired_at, look_at, not_after"
        found = connection.execute(f"SELECT {columns} FROM device_identity ORDER BY 1").fetchall()  # noqa: S608
        self.assertEqual(found, [("id-1", 0, None, 0, _AT), ("id-2", 0, None, 0, None)])
        (row,) = connection.execute("SELECT * FROM enrollment_challenge")
        self.assertEqual(row, (*challenge, None, None, None))


_AT = 1772366400123456
_FIRST_ROWS: tuple[tuple[str, tuple[object, ...]], ...] = (
    (
        "profile",
        (
            "a-1",
            "com.example.a-1",
            "Wi-Fi für alle",
            b"<?xml\x00\xff",
            "ab" * 32,
            "System",
            None,
            _AT,
        ),
    ),
    ("profile_certificate_authority", ("a-1", 0, "corp")),
    ("host", ("H-1", "C02", "macos", '{"HOST_END_USER_EMAIL": "zoë@example.com"}', None)),
    ("host_label", ("H-1", "berlin")),
    ("host_label", ("H-1", "sales")),
    (
        "host_profile",
        ("H-1", "a-1", "install", "pending", "corp", "why", "ab" * 32, 1, _AT, _AT),
    ),
    (
        "enrollment_window",
        ("w-1", "H-1", "a-1", "corp", "open", _AT, _AT, None, None, None, None),
    ),
    ("api_token", ("cd" * 32, "first", "admin", _AT)),
    ("activity", (1, _AT, "first", "added profile", "a-1")),
)


def _migrate(path: Path, revision: str) -> None:
    engine = writing_engine(path, 1)
    try:
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", "scepd.storage:migrations")
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    finally:
        engine.dispose()


def _shape(connection: object) -> dict[str, object]:
    """
    What SQLite says of each table, without the order of its indexes.
    """
    assert isinstance(connection, sqlite3.Connection)
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {table: _table_shape(connection, table) for (table,) in tables}


def _table_shape(connection: sqlite3.Connection, table: str) -> tuple[object, ...]:
    def pragma(name: str, argument: str) -> list[tuple[object, ...]]:
        return connection.execute(f"PRAGMA {name}({argument})").fetchall()

    indexes = {
        str(row[1]): (row[2:], pragma("index_info", str(row[1])))
        for row in pragma("index_list", table)
    }
    return pragma("table_info", table), pragma("foreign_key_list", table), indexes
