"""
Statements that are compiled once and then go straight to the driver.

SQLAlchemy spends ten times what SQLite needs for a look-up by key. That doesn't matter to an
operator's request; it does to those of thousands of devices.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import methodcaller
from typing import Any, TypeVar

from sqlalchemy import BindParameter, Connection, Dialect, Float, Text, bindparam
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement, Select
from sqlalchemy.types import TypeEngine

_Processor = Callable[[object], object] | None
_Fetched = TypeVar("_Fetched")
_FIRST: Callable[[DBAPICursor], Any] = methodcaller("fetchone")
_ALL: Callable[[DBAPICursor], Any] = methodcaller("fetchall")


class PreparedRow(tuple[Any, ...]):
    """
    A row: the values in the order of the statement's columns, which are attributes by their names.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        # Rows are namedtuples of their statements; only type checkers read this.
        raise AttributeError(name)


@dataclass(frozen=True, slots=True)
class _Parameter:
    """
    One place in the SQL text that a value goes to.

    :param given: whether the caller gives the value; otherwise the statement itself holds it.
    """

    name: str
    processor: _Processor
    given: bool
    fixed: object

    def value(self, values: Mapping[str, object]) -> object:
        """
        What the driver is given.
        """
        value = values[self.name] if self.given else self.fixed
        return value if self.processor is None else self.processor(value)


@dataclass(frozen=True, slots=True)
class _Plan:
    """
    A statement as one kind of database takes it.

    :param names: of the values that the caller has to give.
    :param given: their order, where the driver takes all as the caller gives them.
    :param columns: empty when the caller takes all as the driver gives them.
    :param make: makes a row of its values.
    """

    sql: str
    parameters: tuple[_Parameter, ...]
    names: frozenset[str]
    given: tuple[str, ...] | None
    columns: tuple[_Processor, ...]
    make: Callable[[Iterable[object]], PreparedRow]

    def values(self, given: Mapping[str, object]) -> Sequence[object]:
        """
        What the driver is given.

        :raises TypeError: a value is missing, or there is one that the statement has no place for.
        """
        if given.keys() != self.names:
            unlike = ", ".join(sorted(given.keys() ^ self.names))
            raise TypeError(f"given, but without a place, or the other way round: {unlike}")
        if self.given is not None:
            return [given[name] for name in self.given]
        return [parameter.value(given) for parameter in self.parameters]

    def row(self, values: Sequence[object]) -> PreparedRow:
        """
        A row of what the driver gives.
        """
        if not self.columns:
            return self.make(values)
        return self.make(
            [
                value if process is None else process(value)
                for process, value in zip(self.columns, values, strict=True)
            ]
        )


class Prepared:
    """
    A statement with named parameters (``bindparam``), and none that expands to several.

    Its methods raise TypeError where it has one that does, and where values are missing, or there
    are some that it has no place for.


    :param column_keys: of an INSERT: the columns whose values are given by their names.
    """

    def __init__(self, statement: ClauseElement, column_keys: Sequence[str] | None = None) -> None:
        self._statement = statement
        self._column_keys = column_keys
        self._plans: dict[str, _Plan] = {}

    def first(self, connection: Connection, **values: object) -> PreparedRow | None:
        """
        The first row; None when there is none.

        :raises DBAPIError: the database refused.
        """
        plan = self._plan(connection.dialect)
        row = self._fetch(connection, plan, values, _FIRST)
        return None if row is None else plan.row(row)

    def scalar(self, connection: Connection, **values: object) -> Any:
        """
        The first value of the first row; None when there is no row.

        :raises DBAPIError: the database refused.
        """
        row = self.first(connection, **values)
        return None if row is None else row[0]

    def all(self, connection: Connection, **values: object) -> list[PreparedRow]:
        """
        All rows.

        :raises DBAPIError: the database refused.
        """
        plan = self._plan(connection.dialect)
        return [plan.row(row) for row in self._fetch(connection, plan, values, _ALL)]

    def change(self, connection: Connection, **values: object) -> int:
        """
        Run an INSERT, UPDATE or DELETE; how many rows it changed.

        :raises DBAPIError: the database refused.
        """
        cursor = self._execute(connection, self._plan(connection.dialect), values)
        count: int = cursor.rowcount
        cursor.close()
        return count

    def change_each(self, connection: Connection, rows: Iterable[Mapping[str, object]]) -> None:
        """
        Run an INSERT, UPDATE or DELETE once for each of the given values, in one call of the
        driver.

        :raises DBAPIError: the database refused.
        """
        plan = self._plan(connection.dialect)
        given = [plan.values(values) for values in rows]
        cursor = connection.connection.cursor()
        try:
            cursor.executemany(plan.sql, given)
        except connection.dialect.loaded_dbapi.Error as error:
            raise _wrapped(connection, plan.sql, error) from error
        finally:
            cursor.close()

    def sql(self, dialect: Dialect) -> str:
        """
        The statement's text, as that kind of database takes it.
        """
        return str(self._statement.compile(dialect=dialect))

    def _plan(self, dialect: Dialect) -> _Plan:
        plan = self._plans.get(dialect.name)
        if plan is None:
            plan = self._plans[dialect.name] = self._compile(dialect)
        return plan

    def _compile(self, dialect: Dialect) -> _Plan:
        keys = None if self._column_keys is None else list(self._column_keys)
        compiled = self._statement.compile(dialect=dialect, column_keys=keys)
        if not isinstance(compiled, SQLCompiler) or compiled.positiontup is None:
            raise TypeError("only statements with positional parameters can be prepared")
        if compiled.post_compile_params:
            raise TypeError("column.in_() of values is prepared by PreparedForSome, or as or_()")
        parameters = tuple(_parameter(compiled, name, dialect) for name in compiled.positiontup)
        columns: tuple[_Processor, ...] = ()
        make: Callable[[Iterable[object]], Any] = PreparedRow
        if isinstance(self._statement, Select):
            columns = tuple(
                _result_processor(column.type, dialect)
                for column in self._statement.selected_columns
            )
            make = _row_maker(self._statement.selected_columns.keys())
        plain = all(one.given and one.processor is None for one in parameters)
        given = tuple(one.name for one in parameters) if plain else None
        names = frozenset(one.name for one in parameters if one.given)
        processors = columns if any(columns) else ()
        return _Plan(compiled.string, parameters, names, given, processors, make)

    def _fetch(
        self,
        connection: Connection,
        plan: _Plan,
        values: dict[str, object],
        fetch: Callable[[DBAPICursor], _Fetched],
    ) -> _Fetched:
        cursor = self._execute(connection, plan, values)
        try:
            return fetch(cursor)
        except connection.dialect.loaded_dbapi.Error as error:
            # The driver looks for the next row, too.
            raise _wrapped(connection, plan.sql, error) from error
        finally:
            cursor.close()

    def _execute(
        self, connection: Connection, plan: _Plan, values: dict[str, object]
    ) -> DBAPICursor:
        return run(connection, plan.sql, plan.values(values))


class PreparedForSome:
    """
    A statement with a list of values (``column.in_(...)``), besides named parameters.

    :param make: makes the statement, given the parameters of the list, which are texts.
    """

    # Statements are kept for few lengths: a list is filled up to the next with its last value.
    def __init__(self, make: Callable[[Sequence[BindParameter[Any]]], ClauseElement]) -> None:
        self._make = make
        self._of_lengths: dict[int, tuple[Prepared, tuple[str, ...]]] = {}

    def all(
        self, connection: Connection, some: Sequence[object], **values: object
    ) -> list[PreparedRow]:
        """
        All rows of a list of values; a long one should come in chunks.

        :raises DBAPIError: the database refused.
        """
        if not some:
            return []
        prepared, listed = self._of(some)
        return prepared.all(connection, **values, **listed)

    def change(self, connection: Connection, some: Sequence[object], **values: object) -> int:
        """
        Run an INSERT, UPDATE or DELETE for a list of values; how many rows it changed.

        :raises DBAPIError: the database refused.
        """
        if not some:
            return 0
        prepared, listed = self._of(some)
        return prepared.change(connection, **values, **listed)

    def _of(self, some: Sequence[object]) -> tuple[Prepared, dict[str, object]]:
        length = 1 << (len(some) - 1).bit_length()
        if length not in self._of_lengths:
            names = tuple([f"some_{place}" for place in range(length)])
            statement = self._make([bindparam(name, type_=Text) for name in names])
            self._of_lengths[length] = Prepared(statement), names
        prepared, names = self._of_lengths[length]
        filled = [*some, *[some[-1]] * (length - len(some))]
        return prepared, dict(zip(names, filled, strict=True))


def _result_processor(type: TypeEngine[Any], dialect: Dialect) -> _Processor:
    if isinstance(type, Float):
        # Drivers give floats; the processor of some wants to know the database's own type first.
        return None
    return type.dialect_impl(dialect).result_processor(dialect, None)


def _row_maker(names: Sequence[str]) -> Callable[[Iterable[object]], Any]:
    # What has no name of its own has one that begins with an underscore there.
    fields = namedtuple("fields", names, rename=True)  # type: ignore[misc]
    kept = type("Row", (fields, PreparedRow), {"__slots__": ()})
    make: Callable[[Iterable[object]], Any] = kept._make  # type: ignore[attr-defined]
    return make


def run(connection: Connection, sql: str, values: Sequence[object] = ()) -> DBAPICursor:
    """
    Give SQL to the driver as it is; its errors are those of SQLAlchemy.

    :raises DBAPIError: the database refused; the text has no values in it.
    """
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql, values)
    except connection.dialect.loaded_dbapi.Error as error:
        cursor.close()
        raise _wrapped(connection, sql, error) from error
    return cursor


def _wrapped(connection: Connection, sql: str, error: Exception) -> BaseException:
    dialect = connection.dialect
    errors = dialect.loaded_dbapi.Error
    return DBAPIError.instance(sql, None, error, errors, hide_parameters=True, dialect=dialect)


def _parameter(compiled: SQLCompiler, name: str, dialect: Dialect) -> _Parameter:
    bound = compiled.binds[name]
    processor = bound.type.dialect_impl(dialect).bind_processor(dialect)
    return _Parameter(name, processor, bound.required, bound.value)
