"""
Tests for statements that are compiled once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, bindparam, create_engine, func, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.sql.expression import ClauseElement
from sqlalchemy.types import BigInteger
from twisted.trial.unittest import SynchronousTestCase

from scepd.storage.prepared import Prepared, PreparedForSome, run
from scepd.storage.tables import lease, metadata

_NOW = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
_COLUMNS = tuple(column.name for column in lease.c)
_INSERT = Prepared(insert(lease), _COLUMNS)
_SELECT = Prepared(select(lease).where(lease.c.name == bindparam("of"), lease.c.owner != "nobody"))
_UPDATE = Prepared(
    update(lease).where(lease.c.name == bindparam("of")).values(expires_at=bindparam("until"))
)

_SOME = PreparedForSome(
    lambda names: (
        select(lease)
        .where(lease.c.name.in_(names), lease.c.epoch >= bindparam("least"))
        .order_by(lease.c.name)
    )
)
_TAKE_SOME = PreparedForSome(
    lambda names: update(lease).where(lease.c.name.in_(names)).values(owner=bindparam("new"))
)


class PreparedTests(SynchronousTestCase):
    """
    Tests against SQLAlchemy's own way.
    """

    def setUp(self) -> None:
        """
        An empty database.
        """
        engine = create_engine("sqlite://")
        metadata.create_all(engine)
        self.connection = engine.connect()
        self.addCleanup(engine.dispose)
        self.addCleanup(self.connection.close)

    def insert(self, name: str, owner: str = "me") -> None:
        """
        Store a row.
        """
        _INSERT.change(self.connection, name=name, owner=owner, epoch=7, expires_at=_NOW)

    def test_same_as_core(self) -> None:
        """
        Values are written and read in the columns' own form.
        """
        self.insert("one")
        [row] = self.connection.execute(select(lease)).all()
        self.assertEqual(tuple(row), ("one", "me", 7, _NOW))
        self.assertEqual(_SELECT.first(self.connection, of="one"), tuple(row))
        raw = self.connection.scalar(select(lease.c.expires_at.cast(BigInteger)))
        self.assertEqual(raw, int(_NOW.timestamp() * 1_000_000))

    def test_nothing_found(self) -> None:
        """
        No row is None, also when the statement's own value is in the way.
        """
        self.insert("two", owner="nobody")
        self.assertIsNone(_SELECT.first(self.connection, of="one"))
        self.assertIsNone(_SELECT.first(self.connection, of="two"))

    def test_changed_rows(self) -> None:
        """
        How many rows were changed is told.
        """
        self.insert("one")
        self.assertEqual(_UPDATE.change(self.connection, of="one", until=_NOW), 1)
        self.assertEqual(_UPDATE.change(self.connection, of="two", until=_NOW), 0)

    def test_all(self) -> None:
        """
        All rows are read in the columns' own form, in order; none are an empty list.
        """
        every = Prepared(select(lease.c.name, lease.c.expires_at).order_by(lease.c.name))
        self.assertEqual(every.all(self.connection), [])
        for name in ("two", "one"):
            self.insert(name)
        self.assertEqual(every.all(self.connection), [("one", _NOW), ("two", _NOW)])

    def test_change_each(self) -> None:
        """
        A statement is run once for each of the given values, and for none.
        """
        later = _NOW + timedelta(days=1)
        for name in ("one", "two", "three"):
            self.insert(name)
        _UPDATE.change_each(self.connection, [])
        values = ({"of": name, "until": later} for name in ("one", "two"))
        _UPDATE.change_each(self.connection, values)
        found = self.connection.execute(select(lease.c.name, lease.c.expires_at)).all()
        self.assertEqual(
            {name: at for name, at in found}, {"one": later, "two": later, "three": _NOW}
        )

    def test_errors_of_each(self) -> None:
        """
        Errors are SQLAlchemy's there, too, and hold no values; so are those of a row that is
        fetched later.
        """
        whole = {"name": "secret-name", "owner": "me", "epoch": 1, "expires_at": _NOW}
        caught = self.assertRaises(
            IntegrityError, _INSERT.change_each, self.connection, [whole, whole]
        )
        self.assertNotIn("secret-name", str(caught))
        driver = self.connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.create_function("refuse", 1, lambda name: 1 // 0)
        every = Prepared(select(func.refuse(lease.c.name)))
        self.assertRaises(DBAPIError, every.all, self.connection)

    def test_missing_value(self) -> None:
        """
        A value that is not given is an error, never NULL; one without a place is not passed over.
        """
        with self.assertRaisesRegex(TypeError, "of$"):
            _SELECT.first(self.connection)
        with self.assertRaisesRegex(TypeError, "epoch$"):
            _SELECT.first(self.connection, of="one", epoch=7)
        with self.assertRaisesRegex(TypeError, "until$"):
            _UPDATE.change_each(self.connection, [{"of": "one"}])

    def test_rows(self) -> None:
        """
        The columns of a row are attributes by their names, and what has no name has its place.
        """
        self.insert("one")
        row = _SELECT.first(self.connection, of="one")
        assert row is not None
        self.assertEqual((row.name, row.epoch, row.expires_at), ("one", 7, _NOW))
        with self.assertRaises(AttributeError):
            row.nothing  # noqa: B018
        labeled = Prepared(select(lease.c.owner.label("count"), func.upper(lease.c.name)))
        self.assertEqual(
            [(one.count, one[1]) for one in labeled.all(self.connection)], [("me", "ONE")]
        )

    def test_scalar(self) -> None:
        """
        The first value of the first row, or None.
        """
        at = Prepared(select(lease.c.expires_at).where(lease.c.name == bindparam("of")))
        self.assertIsNone(at.scalar(self.connection, of="one"))
        self.insert("one")
        self.assertEqual(at.scalar(self.connection, of="one"), _NOW)

    def test_errors(self) -> None:
        """
        Errors are SQLAlchemy's, and hold no values.
        """
        self.insert("secret-name")
        caught = self.assertRaises(IntegrityError, self.insert, "secret-name")
        self.assertNotIn("secret-name", str(caught))
        self.assertRaises(DBAPIError, run, self.connection, "SELEC 1")

    def test_later_errors(self) -> None:
        """
        So are those that come only when a row is fetched.
        """
        self.insert("one")
        self.insert("two")
        driver = self.connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.create_function("refuse", 1, lambda name: int(name != "two") or 1 // 0)
        every = Prepared(select(lease.c.name, func.refuse(lease.c.name)))
        self.assertRaises(DBAPIError, every.first, self.connection)

    def test_several_values(self) -> None:
        """
        A statement that depends on how many values there are can't be prepared.
        """
        lists: tuple[Any, ...] = (bindparam("of", expanding=True), ("one", "two"))
        for values in lists:
            several = Prepared(select(lease).where(lease.c.name.in_(values)))
            with self.assertRaisesRegex(TypeError, "PreparedForSome"):
                several.first(self.connection, of=("one",))

    def test_lists(self) -> None:
        """
        A list of any length finds what is in it, once, and nothing else; so it changes it.
        """
        names = [f"lease {number}" for number in range(9)]
        for name in (*names, "another"):
            self.insert(name)
        for length in range(10):
            some = names[:length]
            found = _SOME.all(self.connection, some, least=7)
            self.assertEqual([row.name for row in found], some)
            self.assertEqual(
                _TAKE_SOME.change(self.connection, some, new=f"owner {length}"), length
            )
        self.assertEqual(_SOME.all(self.connection, names, least=8), [])
        another = _SELECT.first(self.connection, of="another")
        assert another is not None
        self.assertEqual(another.owner, "me")

    def test_few_statements(self) -> None:
        """
        Lists of all lengths are few statements.
        """
        made: list[int] = []

        def make(names: Sequence[BindParameter[Any]]) -> ClauseElement:
            made.append(len(names))
            return select(lease).where(lease.c.name.in_(names))

        some = PreparedForSome(make)
        for length in range(1, 101):
            some.all(self.connection, [str(number) for number in range(length)])
        self.assertEqual(made, [1, 2, 4, 8, 16, 32, 64, 128])
