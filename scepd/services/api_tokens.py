"""
The tokens of the admin API that operators make and revoke.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import Fault, InvalidInput, NotFound
from scepd.model import Activity, APIToken
from scepd.pki.keyring import RandomBytes
from scepd.ports import APITokenStore
from scepd.services.access import ROLES
from scepd.services.clock import utc_now

_SECRET_BYTES = 32
_ID_LENGTH = 16
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,255}")

_log = Logger()


@dataclass(frozen=True, slots=True)
class CreatedAPIToken:
    """
    A token that was stored, and what only its creator gets to see.

    :param text: the token itself.
    """

    token: APIToken
    text: str = field(repr=False)


def api_token_id(sha256_of_token: str) -> str:
    """
    How operators name a token whose text nobody knows any more: 16 hexadecimal digits.
    """
    return sha256_of_token[:_ID_LENGTH]


class APITokens:
    """
    Making, listing and revoking API tokens.
    """

    def __init__(self, store: APITokenStore, clock: IReactorTime, random: RandomBytes) -> None:
        self._store = store
        self._clock = clock
        self._random = random

    async def create(self, name: str, role: str, actor: str) -> CreatedAPIToken:
        """
        Make a token.

        :param name: by which activities name who comes with it.
        :param actor: the name of the API token that asks for it.
        :raises InvalidInput: every fault of it.
        :raises Conflict: another has this name.
        """
        faults = []
        if not _NAME.fullmatch(name):
            text = "1 to 255 characters, none of them a control character, are allowed."
            faults.append(Fault("name", text))
        if role not in ROLES:
            faults.append(Fault("role", f"Allowed: {', '.join(ROLES)}."))
        if faults:
            raise InvalidInput(tuple(faults))
        text = urlsafe_b64encode(self._random(_SECRET_BYTES)).rstrip(b"=").decode("ascii")
        now = utc_now(self._clock)
        token = APIToken(sha256(text.encode("ascii")).hexdigest(), name, role, now)
        activity = Activity(now, actor, f"added API token of role {role}", name)
        await self._store.add_api_token(token, activity)
        _log.info("Added the API token {name!r} ({role})", name=name, role=role, actor=actor)
        return CreatedAPIToken(token, text)

    async def list(self) -> Sequence[APIToken]:
        """
        All tokens, the newest first, at most 1,000.
        """
        return await self._store.api_tokens()

    async def revoke(self, identifier: str, actor: str) -> None:
        """
        Let nobody in any more with a token.

        :param identifier: what :func:`api_token_id` gives for it.
        :raises NotFound: there is none.
        :raises Conflict: it is the last one of the role admin.
        """
        for token in await self._store.api_tokens():
            if api_token_id(token.sha256) == identifier:
                break
        else:
            raise NotFound("There is no API token of this id.")
        activity = Activity(utc_now(self._clock), actor, "revoked API token", token.name)
        await self._store.remove_api_token(token.sha256, activity)
        _log.info("Revoked the API token {name!r}", name=token.name, actor=actor)
