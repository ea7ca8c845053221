"""
Tests for distributed queries and the inventories in their results.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded, MessageError
from scepd.osquery.distributed import (
    CERTIFICATES,
    PROFILES,
    QUERIES,
    USER_PROFILES,
    inventory_queries,
    parse_distributed_write,
    queries_answer,
    write_answer,
)
from scepd.osquery.inventory import (
    InstalledProfile,
    ObservedCertificate,
    certificates_of,
    profiles_of,
    user_profiles_of,
)

_HOSTILE = settings(max_examples=200, deadline=None, derandomize=True, database=None)
_CERTIFICATE = {
    "common_name": "C02XXXXXXXXX",
    "subject": "/C=US/CN=C02XXXXXXXXX",
    "issuer": "/O=Example/CN=CA",
    "subject2": "C = US, CN = C02XXXXXXXXX",
    "issuer2": "O = Example, CN = CA",
    "serial": "0a1b",
    "sha1": "A" * 40,
    "not_valid_before": "1767225600",
    "not_valid_after": "1798761600",
    "path": "/Library/Keychains/System.keychain",
}
_COLUMNS = [*_CERTIFICATE, "identifier", "install_date", "display_name"]
_CELLS = (
    st.text(max_size=12)
    | st.integers()
    | st.none()
    | st.floats()
    | st.sampled_from(
        ["1767225600", "2026-05-01 12:00:00 +0000", "9" * 12, "A" * 40, "0001-01-01 00:00:00 +2359"]
    )
)


def write(queries: object, statuses: object = None) -> bytes:
    """
    Write a request; every query succeeded unless statuses are given.
    """
    if statuses is None and isinstance(queries, dict):
        statuses = dict.fromkeys(queries, 0)
    return json.dumps({"node_key": "k", "queries": queries, "statuses": statuses}).encode()


class WriteTests(SynchronousTestCase):
    """
    Tests for parse_distributed_write.
    """

    def test_rows(self) -> None:
        """
        Rows and statuses come by the query's name; the node key doesn't show.
        """
        body = {"node_key": "hush", "queries": {"a": [{"x": "1"}]}, "statuses": {"a": 0, "b": 1}}
        found = parse_distributed_write(json.dumps(body).encode())
        self.assertEqual(found.node_key, "hush")
        self.assertEqual(found.inventory("a"), ({"x": "1"},))
        self.assertEqual(found.statuses, {"a": 0, "b": 1})
        self.assertNotIn("hush", repr(found))

    def test_no_inventory(self) -> None:
        """
        A failed query, an absent one, and one without status are no inventory.
        """
        found = parse_distributed_write(
            write({"failed": [], "silent": [{}], "odd": {}}, {"failed": 1, "lost": 0, "odd": 0})
        )
        for name in ("failed", "silent", "odd", "lost", "other"):
            self.assertIsNone(found.inventory(name))

    def test_empty_inventory(self) -> None:
        """
        No rows with status 0 are an empty inventory; some agents write them as an empty text.
        """
        found = parse_distributed_write(write({"a": [], "b": ""}))
        self.assertEqual((found.inventory("a"), found.inventory("b")), ((), ()))

    def test_statuses_as_text(self) -> None:
        """
        Statuses that are written as texts count, and odd ones don't.
        """
        statuses = {"a": "0", "b": "1", "c": "x", "d": True, "e": None, "f": 0.0}
        found = parse_distributed_write(write({name: [] for name in statuses}, statuses))
        self.assertEqual(found.statuses, {"a": 0, "b": 1})
        self.assertEqual(list(found.rows), ["a"])

    def test_odd_rows(self) -> None:
        """
        Numbers become texts; other cells, and rows that are no objects, are left out.
        """
        rows = [{"a": 1, "b": None, "c": [1], "d": "x", "e": True}, "x", 5]
        found = parse_distributed_write(write({"q": rows}))
        self.assertEqual(found.inventory("q"), ({"a": "1", "d": "x"},))

    def test_refused(self) -> None:
        """
        Without JSON or node key the request is refused, and so is a long one.
        """
        for wrong in (b"", b"[]", b"{}", b'{"node_key": 5}'):
            with self.assertRaises(EncodingError):
                parse_distributed_write(wrong)
        with self.assertRaises(LimitExceeded):
            parse_distributed_write(write({"a": "x" * 1_048_576}))
        long = parse_distributed_write(write({"a": ["x" * 1_048_576]}), max_size=2_000_000)
        self.assertEqual(long.inventory("a"), ())

    @_HOSTILE
    @given(
        st.dictionaries(
            st.sampled_from([PROFILES, USER_PROFILES, CERTIFICATES]),
            st.lists(st.dictionaries(st.sampled_from(_COLUMNS), _CELLS) | st.integers()),
        )
    )
    def test_any_rows(self, queries: dict[str, object]) -> None:
        """
        Whatever the rows are, the rest of them is read.
        """
        good = [_CERTIFICATE]
        rows = {name: [*cells, *good] for name, cells in queries.items() if isinstance(cells, list)}
        found = parse_distributed_write(write(rows))
        profiles_of(found)
        user_profiles_of(found)
        certificates = certificates_of(found)
        if CERTIFICATES in queries:
            assert certificates is not None
            self.assertIn("a" * 40, [each.sha1 for each in certificates])

    @_HOSTILE
    @given(st.data())
    def test_mutations(self, data: st.DataObject) -> None:
        """
        A request with one octet changed is read or refused.
        """
        body = bytearray(write({CERTIFICATES: [_CERTIFICATE]}))
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
        with contextlib.suppress(MessageError):
            certificates_of(parse_distributed_write(bytes(body)))


class InventoryTests(SynchronousTestCase):
    """
    Tests for profiles_of, user_profiles_of and certificates_of.
    """

    def test_profiles(self) -> None:
        """
        Profiles have their date in UTC; one whose date can't be read is listed without.
        """
        rows = [
            {
                "identifier": "a.b",
                "display_name": "A",
                "install_date": "2026-05-01 14:00:00 +0200",
            },
            {"identifier": "c", "install_date": "2026-05-01 12:00:00 +0000"},
            {"identifier": "d", "install_date": "2026-99-01 12:00:00 +0000"},
            {"identifier": "e", "install_date": "0001-01-01 00:00:00 +1000"},
            {"display_name": "nameless"},
        ]
        noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
        found = parse_distributed_write(write({PROFILES: rows}))
        self.assertEqual(
            profiles_of(found),
            (
                InstalledProfile("a.b", "A", noon),
                InstalledProfile("c", "", noon),
                InstalledProfile("d", "", None),
                InstalledProfile("e", "", None),
            ),
        )
        self.assertIsNone(user_profiles_of(found))
        self.assertIsNone(certificates_of(found))

    def test_user_profiles(self) -> None:
        """
        The profiles of users are apart from those of the device.
        """
        found = parse_distributed_write(write({USER_PROFILES: [{"identifier": "u"}]}))
        self.assertEqual(user_profiles_of(found), (InstalledProfile("u", "", None),))
        self.assertIsNone(profiles_of(found))

    def test_no_user_profiles(self) -> None:
        """
        An empty list of users' profiles is none: MDM has to tell.
        """
        self.assertIsNone(user_profiles_of(parse_distributed_write(write({USER_PROFILES: []}))))

    def test_cut(self) -> None:
        """
        A list that is longer than what is read is no inventory: the rest would be missing.
        """
        profiles = [{"identifier": f"p.{number}"} for number in range(10_001)]
        certificates = [_CERTIFICATE] * 10_001
        for count, expected in ((10_000, False), (10_001, True)):
            rows = {PROFILES: profiles[:count], CERTIFICATES: certificates[:count]}
            found = parse_distributed_write(write(rows), max_size=10_000_000)
            self.assertEqual(profiles_of(found) is None, expected)
            self.assertEqual(certificates_of(found) is None, expected)

    def test_identifiers(self) -> None:
        """
        An identifier is told as the device has it, whatever is in it.
        """
        odd = [" com.example ", "com.ex\u00a0ample", "com.ex\u200bample", "a\nb"]
        found = profiles_of(
            parse_distributed_write(write({PROFILES: [{"identifier": each} for each in odd]}))
        )
        assert found is not None
        self.assertEqual([each.identifier for each in found], odd)

    def test_missing_table(self) -> None:
        """
        An agent without macos_profiles has certificates all the same.
        """
        queries = {PROFILES: "", CERTIFICATES: []}
        found = parse_distributed_write(write(queries, {PROFILES: 1, CERTIFICATES: 0}))
        self.assertIsNone(profiles_of(found))
        self.assertEqual(certificates_of(found), ())

    def test_certificates(self) -> None:
        """
        Certificates have aware dates, upper-case serials and lower-case fingerprints.
        """
        found = parse_distributed_write(write({CERTIFICATES: [_CERTIFICATE]}))
        self.assertEqual(
            certificates_of(found),
            (
                ObservedCertificate(
                    sha1="a" * 40,
                    common_name="C02XXXXXXXXX",
                    subject="/C=US/CN=C02XXXXXXXXX",
                    issuer="/O=Example/CN=CA",
                    subject2="C = US, CN = C02XXXXXXXXX",
                    issuer2="O = Example, CN = CA",
                    serial="0A1B",
                    not_before=datetime(2026, 1, 1, tzinfo=UTC),
                    not_after=datetime(2027, 1, 1, tzinfo=UTC),
                    path="/Library/Keychains/System.keychain",
                ),
            ),
        )

    def test_odd_certificates(self) -> None:
        """
        Rows without fingerprint or dates are left out; one in two keychains counts once.
        """
        odd: list[object] = [
            {**_CERTIFICATE, "sha1": "x"},
            {**_CERTIFICATE, "not_valid_before": "yesterday"},
            {**_CERTIFICATE, "not_valid_after": "9" * 13},
            {**_CERTIFICATE, "not_valid_after": ""},
            {},
        ]
        other = {**_CERTIFICATE, "sha1": "b" * 40, "serial": "?", "not_valid_before": 0}
        rows = [*odd, _CERTIFICATE, other, {**_CERTIFICATE, "path": "/other"}]
        found = certificates_of(parse_distributed_write(write({CERTIFICATES: rows})))
        assert found is not None
        self.assertEqual([each.sha1 for each in found], ["a" * 40, "b" * 40])
        self.assertEqual(found[0].path, "/Library/Keychains/System.keychain")
        self.assertEqual((found[1].serial, found[1].not_before.year), ("", 1970))


class AnswerTests(SynchronousTestCase):
    """
    Tests for the answers.
    """

    def test_queries(self) -> None:
        """
        The agent gets the SQL of what is asked, or nothing to do.
        """
        answer = json.loads(queries_answer({CERTIFICATES: QUERIES[CERTIFICATES]}))
        expected = {"queries": {CERTIFICATES: QUERIES[CERTIFICATES]}, "node_invalid": False}
        self.assertEqual(answer, expected)
        self.assertEqual(json.loads(queries_answer({})), {"queries": {}, "node_invalid": False})
        self.assertEqual(json.loads(write_answer()), {"node_invalid": False})

    def test_sql(self) -> None:
        """
        The queries are the agreed ones, and each reads one table alone.
        """
        self.assertEqual(
            QUERIES[PROFILES],
            "SELECT display_name, identifier, install_date FROM macos_profiles"
            " WHERE type = 'Configuration'",
        )
        for sql in QUERIES.values():
            self.assertEqual(sql.count(" FROM "), 1)

    def test_users(self) -> None:
        """
        The profiles of users are asked for user by user, as the table takes one alone; of no user
        they are not asked for.
        """
        self.assertEqual(set(inventory_queries()), {PROFILES, CERTIFICATES})
        of_ann = (
            "SELECT display_name, identifier, install_date FROM macos_user_profiles"
            " WHERE username = 'ann' AND type = 'Configuration'"
        )
        self.assertEqual(inventory_queries(["ann"]), {**QUERIES, USER_PROFILES: of_ann})
        both = f"{of_ann} UNION ALL {of_ann.replace('ann', 'bob')}"
        self.assertEqual(inventory_queries(["bob", "ann"])[USER_PROFILES], both)

    def test_hostile_users(self) -> None:
        """
        A name is one text of SQL, whatever is in it: SQLite itself reads it back. With one that can
        be no such text no user is asked for.
        """
        names = ["o'hara", "x' OR ''='", "'; DROP TABLE t; --", '"', "\\'", "%s", "{name}", "Zoë"]
        database = sqlite3.connect(":memory:")
        self.addCleanup(database.close)
        columns = "display_name, identifier, install_date, username, type"
        database.execute(f"CREATE TABLE macos_user_profiles ({columns})")
        for name in names:
            row = (name, name, "", name, "Configuration")
            database.execute("INSERT INTO macos_user_profiles VALUES (?, ?, ?, ?, ?)", row)
        for name in names:
            sql = inventory_queries([name])[USER_PROFILES]
            self.assertEqual(database.execute(sql).fetchall(), [(name, name, "")])
        for wrong in ("", "a\0b", "a\nb", "x" * 256):
            self.assertNotIn(USER_PROFILES, inventory_queries(["ann", wrong]))
        self.assertNotIn(USER_PROFILES, inventory_queries([str(each) for each in range(11)]))
