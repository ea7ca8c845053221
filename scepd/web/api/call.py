"""
One call of the admin API: its caller, its parameters and its body.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from twisted.web.server import Request

from scepd.errors import Fault, InvalidInput, LimitExceeded

M = TypeVar("M", bound=BaseModel)

DEFAULT_PAGE = 100
LARGEST_PAGE = 200

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_LONGEST_PARAMETER = 1024


@dataclass(frozen=True, slots=True)
class Page:
    """
    Which part of a list is wanted.

    :param after: the cursor: what the last page ended with; empty: from the start.
    :param limit: the most items, 1 to 200.
    """

    after: str
    limit: int


@dataclass(frozen=True, slots=True)
class Call:
    """
    A request that was let through.

    :param actor: the name of the API token that it came with.
    :param body_size: the most octets of a body.
    """

    request: Request
    actor: str
    body_size: int

    def body(self, limit: int | None = None) -> bytes:
        """
        The whole body.

        :param limit: its octets, where less than of all bodies.
        :raises LimitExceeded: it is larger than it may be.
        """
        return read_body(self.request, min(self.body_size, limit or self.body_size))

    def header(self, name: str) -> str:
        """
        The one header of this name; empty when there is none, or several.
        """
        values = self.request.requestHeaders.getRawHeaders(name.encode("ascii"), [])
        return values[0].decode("ascii", "replace") if len(values) == 1 else ""

    def json(self, model: type[M]) -> M:
        """
        The body as ``model``.

        :raises InvalidInput: it is not JSON, or of other fields or types; no fault echoes a value.
        """
        try:
            return model.model_validate_json(self.body())
        except ValidationError as error:
            details = error.errors(include_input=False, include_url=False, include_context=False)
            faults = tuple(_fault(detail, model) for detail in details)
        raise InvalidInput(faults)

    def parameter(self, name: str) -> str | None:
        """
        A query parameter; None when it is not given, or empty.

        :raises InvalidInput: it is given twice, too long, or not UTF-8.
        """
        arguments: dict[bytes, list[bytes]] = self.request.args or {}
        values = arguments.get(name.encode(), [])
        if len(values) > 1:
            raise _wrong(name, "It is given more than once.")
        return _text(name, values[0]) if values and values[0] else None

    def parameters(self, name: str) -> tuple[str, ...]:
        """
        A query parameter that may be given several times; those that are empty don't count.

        :raises InvalidInput: one is too long, or not UTF-8.
        """
        arguments: dict[bytes, list[bytes]] = self.request.args or {}
        return tuple(_text(name, value) for value in arguments.get(name.encode(), []) if value)

    def flag(self, name: str) -> bool:
        """
        A query parameter that is ``1`` or ``0``, or not given.

        :raises InvalidInput: it is something else.
        """
        value = self.parameter(name) or "0"
        if value not in ("0", "1"):
            raise _wrong(name, "1 or 0 is allowed.")
        return value == "1"

    def page(self) -> Page:
        """
        The parameters ``after`` and ``limit``.

        :raises InvalidInput: the limit is not a whole number from 1 to 200.
        """
        limit = self.parameter("limit") or str(DEFAULT_PAGE)
        if not re.fullmatch("[0-9]{1,3}", limit) or not 1 <= int(limit) <= LARGEST_PAGE:
            raise _wrong("limit", f"A whole number from 1 to {LARGEST_PAGE} is allowed.")
        return Page(self.parameter("after") or "", int(limit))

    def number(self, name: str) -> int | None:
        """
        A query parameter that is a whole number; None when it is not given.

        :raises InvalidInput: it is something else.
        """
        value = self.parameter(name)
        if value is not None and not re.fullmatch("[0-9]{1,18}", value):
            raise _wrong(name, "A whole number is allowed.")
        return None if value is None else int(value)

    def moment(self, name: str) -> datetime | None:
        """
        A query parameter that is an ISO 8601 time with its zone; None when it is not given.

        :raises InvalidInput: it is something else.
        """
        value = self.parameter(name)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise _wrong(name, "A time such as 2026-01-31T12:00:00Z is allowed.")
        return moment

    def created(self, path: str) -> None:
        """
        Name the thing that was created in the answer's Location header.

        :param path: below ``/api/v1``.
        """
        self.request.responseHeaders.setRawHeaders(b"location", [f"/api/v1{path}".encode()])

    def attachment(self, name: str) -> None:
        """
        Propose a file name for the answer (RFC 6266).

        :param name: of letters, digits, ``.``, ``_`` and ``-``.
        """
        value = f'attachment; filename="{name}"'.encode("ascii")
        self.request.responseHeaders.setRawHeaders(b"content-disposition", [value])


def read_body(request: Request, limit: int) -> bytes:
    """
    The body of a request.

    :param limit: octets.
    :raises LimitExceeded: it is larger.
    """
    content = request.content
    assert content is not None, "twisted.web gives every request its content"
    content.seek(0)
    body: bytes = content.read(limit + 1)
    if len(body) > limit:
        raise LimitExceeded(f"The body is larger than {limit} bytes.")
    return body


def bearer_token(request: Request) -> str | None:
    """
    What follows ``Bearer`` in a request's one Authorization header (RFC 6750 section 2.1); None
    when it has none.
    """
    values = request.requestHeaders.getRawHeaders(b"authorization", [])
    if len(values) != 1:
        return None
    scheme, _, token = values[0].partition(b" ")
    if scheme.lower() != b"bearer":
        return None
    return token.strip().decode("ascii", "replace")


def given_request_id(request: Request) -> str | None:
    """
    The X-Request-Id that a client chose: 1 to 64 of ``A-Za-z0-9._:-``; None for anything else.
    """
    value = request.requestHeaders.getRawHeaders(b"x-request-id", [b""])[0]
    return value.decode("ascii") if _REQUEST_ID.fullmatch(value) else None


def _text(name: str, value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise _wrong(name, "It is not UTF-8.") from None
    if len(text) > _LONGEST_PARAMETER:
        raise _wrong(name, f"At most {_LONGEST_PARAMETER} characters are allowed.")
    return text


def _wrong(name: str, message: str) -> InvalidInput:
    return InvalidInput((Fault(name, message),))


def _fault(detail: ErrorDetails, model: type[BaseModel]) -> Fault:
    place = ".".join(str(part) for part in detail["loc"])[:100]
    if detail["type"] == "extra_forbidden":
        return Fault(place, f"There is no such field; allowed: {', '.join(model.model_fields)}.")
    if detail["type"] == "json_invalid":
        return Fault("body", "It is not JSON.")
    return Fault(place or "body", f"{detail['msg']}.")
