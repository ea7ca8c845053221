"""
Who may use the admin API: bearer tokens, known only by their SHA-256, and failures that are slowed.
"""

from __future__ import annotations

import hmac
import re
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from scepd.errors import AccessDenied, RoleDenied
from scepd.model import APIToken
from scepd.ports import APITokenStore

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,512}")
_FIRST_DELAY = 0.25
_LONGEST_DELAY = 10.0
_FORGET_AFTER = 900.0
_MOST_ADDRESSES = 10_000
_MOST_WAITING = 1_000

ADMIN = "admin"
"""
The role that may do everything.
"""
VERIFIER = "verifier"
"""
The role that may do nothing but ask whether a challenge is to be allowed.
"""
ROLES = (ADMIN, VERIFIER)
_ADMINS_ONLY = frozenset({ADMIN})

_log = Logger()


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    last: float


class FailedLogins:
    """
    Counts the failed logins of each address, in bounded memory.

    An address is forgotten 15 minutes after its last failure, at a success, or when 10,000 others
    failed since.
    """

    def __init__(self) -> None:
        self._by_address: OrderedDict[str, _Failures] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_address)

    def add(self, address: str, now: float) -> float:
        """
        Count a failure.

        :param now: seconds by the clock.
        :returns: the seconds to wait before it is answered: 0.25 at first, doubled with each
            further failure, at most 10.
        """
        known = self._by_address.pop(address, None)
        recent = known is not None and now - known.last < _FORGET_AFTER
        count = known.count + 1 if known is not None and recent else 1
        self._by_address[address] = _Failures(count, now)
        if len(self._by_address) > _MOST_ADDRESSES:
            self._by_address.popitem(last=False)
        return min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(count - 1, 16))

    def forget(self, address: str) -> None:
        """
        Begin anew with an address that logged in.
        """
        self._by_address.pop(address, None)


class Access:
    """
    Authentication of the admin API's clients.

    A valid token is let through at once, whatever its address did before: somebody else behind the
    same address must not be able to lock the operator out.
    """

    def __init__(self, store: APITokenStore, clock: IReactorTime) -> None:
        self._store = store
        self._clock = clock
        self._failed = FailedLogins()
        self._waiting = 0

    async def authenticate(
        self, token: str | None, address: str, roles: frozenset[str] = _ADMINS_ONLY
    ) -> APIToken:
        """
        The API token whose text is ``token``.

        :param roles: those that are let through.
        :param token: what followed ``Bearer`` in the request; None: there was nothing.
        :param address: the client's address, by which failures are slowed.
        :raises AccessDenied: there is no such token; raised after a delay.
        :raises RoleDenied: it has another role.
        """
        known = await self._known(token)
        if known is not None:
            self._failed.forget(address)
            if known.role not in roles:
                raise RoleDenied(f"an API token of the role {known.role} may not do this")
            return known
        await self._slow_down(address)
        raise AccessDenied("a valid API token is needed, as `Authorization: Bearer TOKEN`")

    async def _known(self, token: str | None) -> APIToken | None:
        if token is None or not _TOKEN.fullmatch(token):
            return None
        # The look-up compares digests: how long it takes says nothing about a token's text.
        digest = sha256(token.encode("ascii")).hexdigest()
        known = await self._store.api_token(digest)
        if known is None or not hmac.compare_digest(known.sha256, digest):
            return None
        return known if known.role in ROLES else None

    async def _slow_down(self, address: str) -> None:
        delay = self._failed.add(address, self._clock.seconds())
        _log.warn("Refused an API login from {address}", address=address, delay=delay)
        if self._waiting >= _MOST_WAITING:
            return
        self._waiting += 1
        try:
            await deferLater(self._clock, delay)
        finally:
            self._waiting -= 1
