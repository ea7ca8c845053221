"""
The certificate authorities that operators added, in the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from scepd.errors import Conflict, NotFound
from scepd.model import Activity, CertificateAuthority, ChallengeMode
from scepd.pki.keyring import SealedSecret
from scepd.profiles.lifecycle import RetrySettings
from scepd.storage.activities import insert_activity
from scepd.storage.breakers import forget_breaker
from scepd.storage.database import Database
from scepd.storage.prepared import Prepared
from scepd.storage.recoveries import begin_recovery
from scepd.storage.tables import (
    certificate_authority,
    profile,
    profile_certificate_authority,
)

_NAMED_PROFILES = 5
_OF_NAME = Prepared(
    select(certificate_authority).where(certificate_authority.c.name == bindparam("of_name"))
)


class SQLCertificateAuthorityStore:
    """
    Implements :class:`~scepd.ports.CertificateAuthorityStore`.

    :param settings: how failed deliveries are tried again.
    """

    def __init__(self, database: Database, settings: RetrySettings | None = None) -> None:
        self._database = database
        self._settings = settings or RetrySettings()

    async def add_certificate_authority(self, ca: CertificateAuthority, activity: Activity) -> None:
        """
        Store a new one. To what failed while there was none of that name, AUTHORITY_RECOVERED
        happens.

        :raises Conflict: the name or the webhook is taken.
        """

        def unit(connection: Connection) -> None:
            if _of_name(connection, ca.name) is not None:
                raise Conflict(f"there is a certificate authority {ca.name!r} already")
            _refuse_webhook(connection, ca.webhook_id)
            connection.execute(insert(certificate_authority).values(_values(ca)))
            forget_breaker(connection, ca.name)
            begin_recovery(connection, ca.name, activity.at, self._settings)
            insert_activity(connection, activity)

        await self._database.write(unit)

    async def certificate_authority(self, name: str) -> CertificateAuthority | None:
        """
        The one of that name, or None.
        """
        return await self._database.read(lambda connection: _of_name(connection, name), glance=True)

    async def certificate_authority_of_webhook(
        self, webhook_id: str
    ) -> CertificateAuthority | None:
        """
        The one with that webhook, or None.
        """
        same = certificate_authority.c.webhook_id == webhook_id
        return await self._database.read(lambda connection: _find(connection, same))

    async def certificate_authorities(
        self, *, after: str = "", limit: int = 100
    ) -> Sequence[CertificateAuthority]:
        """
        At most ``limit`` of them by name, from the first name greater than ``after``.
        """
        name = certificate_authority.c.name
        page = select(certificate_authority).where(name > after).order_by(name).limit(limit)

        def query(connection: Connection) -> list[CertificateAuthority]:
            return [_record(row) for row in connection.execute(page).mappings()]

        return await self._database.read(query)

    async def certificate_authority_names(self) -> frozenset[str]:
        """
        The names of all of them.
        """
        names = select(certificate_authority.c.name)
        return await self._database.read(lambda connection: frozenset(connection.scalars(names)))

    async def record_check(
        self,
        name: str,
        certificates: tuple[bytes, ...],
        capabilities: tuple[str, ...],
        checked_at: datetime,
        activity: Activity | None = None,
    ) -> None:
        """
        Store what a live check of it brought.

        :param activity: stored with it, where the check found something to tell.
        :raises NotFound: it is gone.
        """
        change = (
            update(certificate_authority)
            .where(certificate_authority.c.name == name)
            .values(certificates=certificates, capabilities=capabilities, checked_at=checked_at)
        )

        def unit(connection: Connection) -> None:
            if not connection.execute(change).rowcount:
                raise _not_found(name)
            if activity is not None:
                insert_activity(connection, activity)

        await self._database.write(unit)

    async def replace_certificates(
        self,
        name: str,
        before: tuple[bytes, ...],
        after: tuple[bytes, ...],
        activity: Activity,
    ) -> bool:
        """
        Store its new certificates, unless another does so at the same time.

        :param after: where they are the same as ``before``, the activity is all that is stored.
        :returns: whether ``before`` were still the stored ones; else nothing changes.
        """
        columns = certificate_authority.c
        change = (
            update(certificate_authority)
            .where(columns.name == name, columns.certificates == before)
            .values(certificates=after)
        )

        def unit(connection: Connection) -> bool:
            if not connection.execute(change).rowcount:
                return False
            insert_activity(connection, activity)
            return True

        return await self._database.write(unit)

    async def change_certificate_authority(
        self, before: CertificateAuthority, after: CertificateAuthority, activity: Activity
    ) -> None:
        """
        Store other settings of it, and what a live check with them brought. With another URL or
        challenge, AUTHORITY_RECOVERED happens to what has failed of it.

        :param before: as it was read; certificates, capabilities and their time may have changed
            since.
        :param after: of the same name.
        :raises NotFound: it is gone.
        :raises Conflict: another changed its settings meanwhile.
        """
        columns = certificate_authority.c
        change = update(certificate_authority).where(columns.name == before.name)

        def unit(connection: Connection) -> None:
            now = _of_name(connection, before.name)
            if now is None:
                raise _not_found(before.name)
            if _settings_of(now) != _settings_of(before):
                raise Conflict(
                    f"the settings of certificate authority {before.name!r} were changed meanwhile"
                )
            if after.webhook_id != now.webhook_id:
                _refuse_webhook(connection, after.webhook_id)
            connection.execute(change.values(_values(after)))
            if after.url != now.url:
                forget_breaker(connection, after.name)
            if (after.url, after.challenge) != (now.url, now.challenge):
                begin_recovery(connection, after.name, activity.at, self._settings)
            insert_activity(connection, activity)

        await self._database.write(unit)

    async def remove_certificate_authority(
        self, name: str, activity: Activity, *, force: bool
    ) -> None:
        """
        Remove it; assignments keep its name, so that they can tell why they fail.

        :raises NotFound: there is none of that name.
        :raises Conflict: profiles use it (the text names up to five by their identifiers) and
            ``force`` is false.
        """
        removal = delete(certificate_authority).where(certificate_authority.c.name == name)

        def unit(connection: Connection) -> None:
            if not connection.execute(removal).rowcount:
                raise _not_found(name)
            if not force:
                _refuse_used(connection, name)
            forget_breaker(connection, name)
            insert_activity(connection, activity)

        await self._database.write(unit)


def missing_certificate_authorities(connection: Connection, names: Sequence[str]) -> Sequence[str]:
    """
    Those of ``names`` that are not stored, in their order.
    """
    column = certificate_authority.c.name
    stored = set(connection.scalars(select(column).where(column.in_(names))))
    return [name for name in names if name not in stored]


def _refuse_used(connection: Connection, name: str) -> None:
    users = (
        select(profile.c.identifier)
        .join(profile_certificate_authority)
        .where(profile_certificate_authority.c.ca_name == name)
        .distinct()
        .order_by(profile.c.identifier)
        .limit(_NAMED_PROFILES + 1)
    )
    identifiers = connection.scalars(users).all()
    if identifiers:
        named = ", ".join(identifiers[:_NAMED_PROFILES])
        more = " and more" if len(identifiers) > _NAMED_PROFILES else ""
        raise Conflict(f"profiles use the certificate authority {name!r}: {named}{more}")


def _refuse_webhook(connection: Connection, webhook_id: str | None) -> None:
    if webhook_id is None:
        return
    other = _find(connection, certificate_authority.c.webhook_id == webhook_id)
    if other is not None:
        raise Conflict(f"the certificate authority {other.name!r} has this webhook already")


def _of_name(connection: Connection, name: str) -> CertificateAuthority | None:
    row = _OF_NAME.first(connection, of_name=name)
    return None if row is None else _record(row._asdict())


def _find(connection: Connection, same: ColumnElement[bool]) -> CertificateAuthority | None:
    row = connection.execute(select(certificate_authority).where(same)).mappings().first()
    return None if row is None else _record(row)


def _settings_of(ca: CertificateAuthority) -> CertificateAuthority:
    """
    All but what checks bring.
    """
    return replace(ca, certificates=(), capabilities=(), checked_at=ca.created_at)


def _values(ca: CertificateAuthority) -> dict[str, object]:
    return {
        "name": ca.name,
        "url": ca.url,
        "challenge_key_id": ca.challenge and ca.challenge.key_id,
        "challenge": ca.challenge and ca.challenge.data,
        "ca_identifier": ca.ca_identifier,
        "trusted_certificates": ca.trusted_certificates,
        "max_concurrency": ca.max_concurrency,
        "allow_single_des": ca.allow_single_des,
        "certificates": ca.certificates,
        "capabilities": ca.capabilities,
        "checked_at": ca.checked_at,
        "created_at": ca.created_at,
        "requests_per_second": ca.requests_per_second,
        "pinned_sha256": ca.pinned_sha256,
        "client_certificate": ca.client_certificate,
        "client_key_key_id": ca.client_key.key_id if ca.client_key else None,
        "client_key": ca.client_key.data if ca.client_key else None,
        "outgoing_proxy": ca.outgoing_proxy,
        "challenge_mode": ca.challenge_mode.value,
        "webhook_id": ca.webhook_id,
        "webhook_secret_key_id": ca.webhook_secret and ca.webhook_secret.key_id,
        "webhook_secret": ca.webhook_secret and ca.webhook_secret.data,
    }


def _record(row: RowMapping | Mapping[str, Any]) -> CertificateAuthority:
    values = dict(row)
    for name in ("challenge", "client_key", "webhook_secret"):
        key_id = values.pop(f"{name}_key_id")
        values[name] = None if key_id is None else SealedSecret(key_id, values[name])
    values["challenge_mode"] = ChallengeMode(values["challenge_mode"])
    return CertificateAuthority(**values)


def _not_found(name: str) -> NotFound:
    return NotFound(f"there is no certificate authority {name!r}")
