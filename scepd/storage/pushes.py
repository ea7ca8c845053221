"""
The wishes to push, in the database.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select

from scepd.apns.retry import Random
from scepd.model import (
    AnsweredPush,
    PushAddress,
    PushState,
    PushSummary,
    SweptPushes,
    TokenDied,
    WishedPush,
    WishState,
)
from scepd.pki.keyring import SealedSecret
from scepd.storage.database import Database
from scepd.storage.outbox import CAN_BE_PUSHED, wish_pushes
from scepd.storage.push_overview import pushed_enrollment, summary_of_pushes
from scepd.storage.push_statements import (
    ACCEPTED,
    CLAIM,
    DUE_PUSHES,
    FORGET_ADDRESS,
    NOT_ACCEPTED,
    PARK,
    PUT_OFF,
)
from scepd.storage.push_sweep import resume, swept
from scepd.storage.push_times import silent_until
from scepd.storage.tables import enrollment, push

# When wishes of devices that came meanwhile are put off, so often others take their place.
_MOST_LOOKS = 3


def _new_id() -> str:
    return str(uuid.uuid4())


class _Row(NamedTuple):
    """
    A row of :data:`~scepd.storage.push_statements.DUE_PUSHES`.
    """

    enrollment_id: str
    apns_id: str | None
    attempts: int
    repeats: int
    state: str
    pushed_at: datetime | None
    last_seen: datetime | None
    topic: str
    key_id: str
    secret: bytes
    delivers: bool
    waits: bool

    @property
    def seen_since(self) -> datetime | None:
        """
        When the device came after its last push; None: it did not.

        That of the first push after an enrollment is repeated in any case.
        """
        if self.state != WishState.SENT or self.repeats < 1 or self.pushed_at is None:
            return None
        if self.last_seen is None or self.last_seen <= self.pushed_at:
            return None
        return self.last_seen


@dataclass(slots=True)
class _Claims:
    """
    What a claim writes.

    :param put_off: wishes of devices that came meanwhile.
    """

    wished: list[WishedPush] = field(default_factory=list)
    put_off: list[dict[str, object]] = field(default_factory=list)


class SQLPushStore:
    """
    Implements :class:`~scepd.ports.PushStore`.

    Claims and answers need not outlast a power cut: what is lost with it is only pushed again, with
    the same apns-id.

    :param new_id: makes apns-ids.
    :param random: a number from 0 up to 1, which spreads pushes in time.
    """

    def __init__(
        self,
        database: Database,
        new_id: Callable[[], str] = _new_id,
        random: Random = random.random,
    ) -> None:
        self._database = database
        self._new_id = new_id
        self._random = random

    async def claim_pushes(
        self, now: datetime, until: datetime, limit: int
    ) -> Sequence[WishedPush]:
        """
        At most ``limit`` wishes that are due, which are nobody else's until ``until``. An apns-id
        is made when a wish has none.

        A device that was seen since its last push is left in peace until it has been silent for
        the time of its place in the series; when nothing waits for it, for good.
        """

        def unit(connection: Connection) -> list[WishedPush]:
            claimed: list[WishedPush] = []
            for _ in range(_MOST_LOOKS):
                claims = self._look(connection, now, limit - len(claimed))
                _write_claims(connection, claims, until)
                claimed += claims.wished
                if not claims.put_off or len(claimed) >= limit:
                    break
            return claimed

        return await self._database.write(unit, durable=False)

    async def pushes_answered(
        self, answers: Sequence[AnsweredPush], now: datetime
    ) -> Sequence[TokenDied]:
        """
        Record what came of pushes, all in one transaction; a wish that was renewed meanwhile stays
        as it is.

        A push that was accepted is due again only while a command waits, and with a new apns-id.

        :returns: the enrollments that can't be pushed any more.
        """

        def unit(connection: Connection) -> list[TokenDied]:
            accepted = [one for one in answers if one.state is WishState.SENT]
            others = [one for one in answers if one.state is not WishState.SENT]
            if accepted:
                ACCEPTED.change_each(connection, (_accepted(one, now) for one in accepted))
            if others:
                NOT_ACCEPTED.change_each(connection, (_not_accepted(one, now) for one in others))
            return _bury(connection, others)

        return await self._database.write(unit, durable=False)

    async def resume_pushes(self, now: datetime, limit: int = 1000) -> int:
        """
        Make at most ``limit`` suspended wishes due now.

        :returns: how many there were.
        """
        return await self._database.write(lambda connection: resume(connection, now, limit))

    async def sweep_pushes(
        self, now: datetime, silent_since: datetime, after: str, limit: int
    ) -> SweptPushes:
        """
        Look at the next ``limit`` enrollments for which commands wait, by id, from the first
        greater than ``after``: for those that were not seen since ``silent_since`` and whose wish
        is not due some day, wish a push now. What Apple refused for good stays parked.
        """
        found = await self._database.read(
            lambda connection: swept(connection, silent_since, after, limit)
        )
        if found.silent:
            await self._database.write(
                lambda connection: wish_pushes(connection, found.silent, now)
            )
        return SweptPushes(found.last, len(found.silent))

    async def wish(self, enrollment_id: str, now: datetime) -> bool:
        """
        Wish a push now, whether a command waits or not.

        :returns: False when there is no such enrollment, or it can't be pushed.
        """
        one = select(enrollment.c.id).where(enrollment.c.id == enrollment_id, CAN_BE_PUSHED)

        def unit(connection: Connection) -> bool:
            wish_pushes(connection, [enrollment_id], now)
            return connection.scalar(one) is not None

        return await self._database.write(unit)

    async def push_state(self, enrollment_id: str) -> PushState | None:
        """
        How pushing to an enrollment went; None: no push was ever wished.
        """
        return await self._database.read(
            lambda connection: pushed_enrollment(connection, enrollment_id)
        )

    async def push_summary(self, now: datetime) -> PushSummary:
        """
        How pushing goes at all; it reads every wish.
        """
        return await self._database.read(lambda connection: summary_of_pushes(connection, now))

    async def earliest_push(self) -> datetime | None:
        """
        When the next wish is due.
        """
        first = select(push.c.due_at).where(push.c.due_at.is_not(None)).order_by(push.c.due_at)

        def query(connection: Connection) -> datetime | None:
            due_at: datetime | None = connection.scalar(first.limit(1))
            return due_at

        return await self._database.read(query)

    def _look(self, connection: Connection, now: datetime, limit: int) -> _Claims:
        claims = _Claims()
        for row in map(_Row._make, DUE_PUSHES.all(connection, now=now, most=limit)):
            seen = row.seen_since
            if seen is None:
                claims.wished.append(self._record(row))
                continue
            due = silent_until(seen, row.repeats, now, self._random) if row.waits else None
            if row.waits and due is None:
                claims.wished.append(self._record(row))
            else:
                claims.put_off.append({"of_enrollment": row.enrollment_id, "due": due})
        return claims

    def _record(self, row: _Row) -> WishedPush:
        return WishedPush(
            row.enrollment_id,
            PushAddress(row.topic, SealedSecret(row.key_id, row.secret)),
            row.apns_id or self._new_id(),
            row.attempts,
            bool(row.delivers),
            row.repeats,
        )


def _write_claims(connection: Connection, claims: _Claims, until: datetime) -> None:
    if claims.wished:
        CLAIM.change_each(
            connection,
            (
                {"of_enrollment": one.enrollment_id, "apns_id": one.apns_id, "until": until}
                for one in claims.wished
            ),
        )
    if claims.put_off:
        PUT_OFF.change_each(connection, claims.put_off)


def _answered(answer: AnsweredPush, now: datetime) -> dict[str, object]:
    return {
        "of_enrollment": answer.enrollment_id,
        "of_apns_id": answer.apns_id,
        "status": answer.status,
        "reason": answer.reason,
        "now": now,
        "due": answer.next_due,
    }


def _accepted(answer: AnsweredPush, now: datetime) -> dict[str, object]:
    return _answered(answer, now) | {"pushed_at": answer.pushed_at}


def _not_accepted(answer: AnsweredPush, now: datetime) -> dict[str, object]:
    return _answered(answer, now) | {"state": answer.state.value, "counted": int(answer.counted)}


def _bury(connection: Connection, answers: Iterable[AnsweredPush]) -> list[TokenDied]:
    """
    Forget the addresses whose tokens are dead; of the others the wishes go on.
    """
    died = []
    for one in answers:
        since = one.dead_since
        if since is None:
            continue
        if FORGET_ADDRESS.change(connection, of_enrollment=one.enrollment_id, since=since):
            PARK.change(connection, of_enrollment=one.enrollment_id)
            died.append(TokenDied(one.enrollment_id, since))
    return died
