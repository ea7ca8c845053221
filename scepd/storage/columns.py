"""
Column types that read and write Python values in the same form on every database.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class UTCDateTime(TypeDecorator[datetime]):
    """
    An aware datetime as whole microseconds since 1970, so that it sorts and compares anywhere.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """
        The microseconds of ``value``.

        :raises ValueError: it is naive.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone can't be stored")
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """
        The datetime in UTC of that many microseconds.
        """
        return None if value is None else _EPOCH + value * _MICROSECOND


class Words(TypeDecorator[tuple[str, ...]]):
    """
    Some words in order, as a JSON array.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str | None:
        """
        The JSON array.
        """
        return None if value is None else json.dumps(value, ensure_ascii=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...] | None:
        """
        The words.
        """
        return None if value is None else tuple(json.loads(value))


class EncodedCertificates(TypeDecorator[tuple[bytes, ...]]):
    """
    The DER of some certificates in order, as a JSON array of base64 strings.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[bytes, ...] | None, dialect: Dialect) -> str | None:
        """
        The JSON array.
        """
        if value is None:
            return None
        return json.dumps([base64.b64encode(der).decode() for der in value])

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[bytes, ...] | None:
        """
        The DER of each.
        """
        return None if value is None else tuple(map(base64.b64decode, json.loads(value)))


class Facts(TypeDecorator[Mapping[str, str]]):
    """
    Names and values as a JSON object: read and written as a whole, never searched.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, str] | None, dialect: Dialect) -> str | None:
        """
        The JSON object, its names sorted.
        """
        if value is None:
            return None
        return json.dumps(dict(value), ensure_ascii=False, sort_keys=True)

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, str] | None:
        """
        The names and values.
        """
        return None if value is None else dict(json.loads(value))
