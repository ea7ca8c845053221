"""
How devices come in: the tokens that operators give out, and the enrollment profiles that they buy.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import AccessDenied, Fault, InvalidInput, NotFound, TemporaryError
from scepd.mdm.device_attributes import DeviceAttributes
from scepd.model import Activity, EnrollmentChallenge, EnrollmentToken
from scepd.pki.keyring import RandomBytes
from scepd.ports import EnrollmentTokenStore
from scepd.profiles.labels import label_faults
from scepd.services.clock import utc_now
from scepd.services.enrollment_profiles import EnrollmentProfiles, NewEnrollmentProfile

DEFAULT_VALIDITY = 7 * 86_400
"""
Seconds that an enrollment token is valid when nothing else is said.
"""

_CHALLENGE_VALIDITY = timedelta(hours=1)
_SECRET_BYTES = 24
_ID_LENGTH = 16
_LONGEST_VALIDITY = 365 * 86_400
_MOST_USES = 1_000_000
_TEXT = re.compile(r"[^\x00-\x1f\x7f]{1,255}")
_UNKNOWN = "the enrollment link is not known"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")

_log = Logger()


@dataclass(frozen=True, slots=True)
class NewEnrollmentToken:
    """
    An enrollment token that an operator wants.

    :param name: what the operator calls it; need not be unique.
    :param labels: what hosts that enroll with it get.
    :param uses: identities that may be issued; None: as many as wanted.
    :param valid_for: seconds.
    :param allow_reenrollment: whether a host that is enrolled may enroll anew with it.
    """

    name: str
    labels: tuple[str, ...] = ()
    uses: int | None = None
    valid_for: int = DEFAULT_VALIDITY
    allow_reenrollment: bool = False


@dataclass(frozen=True, slots=True)
class CreatedEnrollmentToken:
    """
    A token that was stored, and what only its creator gets to see.

    :param text: the token itself.
    :param url: where devices get their enrollment profile with it.
    """

    token: EnrollmentToken
    text: str = field(repr=False)
    url: str = field(repr=False)


def token_id(sha256_of_token: str) -> str:
    """
    How operators name a token whose text nobody knows any more: 16 hexadecimal digits.
    """
    return sha256_of_token[:_ID_LENGTH]


class Enrolling:
    """
    Enrollment tokens and profiles.

    :param external_url: of this server, without a trailing slash.
    :param topic: the topic of the push certificate; None while there is none.
    :param profiles: makes the profiles; None: unsigned ones.
    """

    def __init__(
        self,
        store: EnrollmentTokenStore,
        clock: IReactorTime,
        random: RandomBytes,
        external_url: str,
        topic: Callable[[], str | None],
        profiles: EnrollmentProfiles | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._random = random
        self._external_url = external_url
        self._profiles = profiles or EnrollmentProfiles(random, external_url, topic)

    async def create(self, new: NewEnrollmentToken, actor: str) -> CreatedEnrollmentToken:
        """
        Make a token.

        :param actor: the name of the API token that asks for it.
        :raises InvalidInput: every fault of it.
        """
        if faults := tuple(_faults_of(new)):
            raise InvalidInput(faults)
        now, text = utc_now(self._clock), self._secret()
        token = EnrollmentToken(
            sha256=_digest(text),
            name=new.name,
            labels=tuple(sorted(set(new.labels))),
            uses_left=new.uses,
            allow_reenrollment=new.allow_reenrollment,
            expires_at=now + timedelta(seconds=new.valid_for),
            created_at=now,
        )
        await self._store.add_enrollment_token(
            token, Activity(now, actor, "added enrollment token", new.name)
        )
        _log.info("Added the enrollment token {name!r}", name=new.name, actor=actor)
        url = f"{self._external_url}/mdm/enroll?token={text}"
        return CreatedEnrollmentToken(token, text, url)

    async def list(self) -> Sequence[EnrollmentToken]:
        """
        All tokens, newest first, those that expired or were used up too; at most 1,000.
        """
        return await self._store.enrollment_tokens()

    async def remove(self, identifier: str, actor: str) -> None:
        """
        Remove a token: nobody enrolls with it any more.

        :param identifier: what :func:`token_id` gives for it.
        :raises NotFound: there is none.
        """
        for token in await self._store.enrollment_tokens():
            if token_id(token.sha256) == identifier:
                break
        else:
            raise NotFound("There is no enrollment token of this id.")
        activity = Activity(utc_now(self._clock), actor, "removed enrollment token", token.name)
        await self._store.remove_enrollment_token(token.sha256, activity)
        _log.info("Removed the enrollment token {name!r}", name=token.name, actor=actor)

    async def profile(self, token_text: str, device: DeviceAttributes | None = None) -> bytes:
        """
        An enrollment profile for one device, with a challenge of its own.

        It counts no use of the token: browsers and link previews fetch twice.

        :param token_text: as it came in the URL.
        :param device: what a device proved of itself: what is issued is for no other one.
        :raises AccessDenied: the token is unknown, has expired or is used up.
        :raises TemporaryError: there is no push certificate, without which no device enrolls.
        """
        token = await self._valid_token(token_text)
        new = self._profiles.first()
        if new is None:
            raise TemporaryError("APNs is not configured")
        await self._add_challenge(token, new, device or DeviceAttributes())
        _log.info(
            "Gave an enrollment profile for {name}",
            name=new.subject,
            host=None if device is None else device.udid,
        )
        return await self._profiles.written(new)

    async def _add_challenge(
        self, token: EnrollmentToken, new: NewEnrollmentProfile, device: DeviceAttributes
    ) -> None:
        challenge = EnrollmentChallenge(
            _digest(new.challenge),
            token.sha256,
            new.subject,
            utc_now(self._clock) + _CHALLENGE_VALIDITY,
            host_uuid=device.udid or None,
            serial_number=device.serial_number or None,
        )
        try:
            await self._store.add_challenge(challenge)
        except NotFound:
            # The token was removed a moment ago.
            raise AccessDenied(_UNKNOWN) from None

    async def _valid_token(self, text: str) -> EnrollmentToken:
        token = None
        if _TOKEN.fullmatch(text):
            # The look-up compares digests: how long it takes says nothing about a token's text.
            token = await self._store.enrollment_token(_digest(text))
        if token is None:
            raise AccessDenied(_UNKNOWN)
        if token.expires_at <= utc_now(self._clock):
            raise AccessDenied("the enrollment link has expired")
        if token.uses_left == 0:
            raise AccessDenied("the enrollment link is used up")
        return token

    def _secret(self) -> str:
        return urlsafe_b64encode(self._random(_SECRET_BYTES)).decode("ascii")


def _faults_of(new: NewEnrollmentToken) -> list[Fault]:
    text = "1 to 255 characters, none of them a control character, are allowed."
    faults = []
    if not _TEXT.fullmatch(new.name):
        faults.append(Fault("name", text))
    faults += label_faults("labels", new.labels, by_hand=True)
    if new.uses is not None and not 1 <= new.uses <= _MOST_USES:
        faults.append(Fault("uses", f"1 to {_MOST_USES} are allowed."))
    if not 1 <= new.valid_for <= _LONGEST_VALIDITY:
        faults.append(Fault("valid_for", f"1 to {_LONGEST_VALIDITY} seconds are allowed."))
    return faults


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
