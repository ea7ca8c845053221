"""
The certificate authorities that operators added, in the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, and_, delete, insert, select, update

from scepd.errors import Conflict, NotFound
from scepd.model import Activity, CertificateAuthority
from scepd.pki.keyring import SealedSecret
from scepd.profiles.lifecycle import Event, RetrySettings, Status
from scepd.storage.activities import insert_activity
from scepd.storage.breakers import forget_breaker
from scepd.storage.database import Database
from scepd.storage.row_columns import AssignmentRow
from scepd.storage.rows import apply_to_rows
from scepd.storage.tables import (
    certificate_authority,
    host_profile,
    profile,
    profile_certificate_authority,
)

_NAMED_PROFILES = 5


def _recovered(row: AssignmentRow) -> Event:
    return Event.AUTHORITY_RECOVERED


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

        :raises Conflict: the name is taken.
        """
        failed = and_(
            host_profile.c.ca_name == ca.name,
            host_profile.c.status == Status.FAILED.value,
            host_profile.c.enrollment_id.is_not(None),
        )

        def unit(connection: Connection) -> None:
            if _find(connection, ca.name) is not None:
                raise Conflict(f"there is a certificate authority {ca.name!r} already")
            connection.execute(insert(certificate_authority).values(_values(ca)))
            forget_breaker(connection, ca.name)
            apply_to_rows(connection, failed, _recovered, activity.at, self._settings)
            insert_activity(connection, activity)

        await self._database.write(unit)

    async def certificate_authority(self, name: str) -> CertificateAuthority | None:
        """
        The one of that name, or None.
        """
        return await self._database.read(lambda connection: _find(connection, name))

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
    ) -> None:
        """
        Store what a live check of it brought.

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


def _find(connection: Connection, name: str) -> CertificateAuthority | None:
    one = select(certificate_authority).where(certificate_authority.c.name == name)
    row = connection.execute(one).mappings().first()
    return None if row is None else _record(row)


def _values(ca: CertificateAuthority) -> dict[str, object]:
    return {
        "name": ca.name,
        "url": ca.url,
        "challenge_key_id": ca.challenge.key_id,
        "challenge": ca.challenge.data,
        "ca_identifier": ca.ca_identifier,
        "trusted_certificates": ca.trusted_certificates,
        "max_concurrency": ca.max_concurrency,
        "allow_single_des": ca.allow_single_des,
        "certificates": ca.certificates,
        "capabilities": ca.capabilities,
        "checked_at": ca.checked_at,
        "created_at": ca.created_at,
    }


def _record(row: RowMapping) -> CertificateAuthority:
    values = dict(row)
    challenge = SealedSecret(values.pop("challenge_key_id"), values.pop("challenge"))
    return CertificateAuthority(challenge=challenge, **values)


def _not_found(name: str) -> NotFound:
    return NotFound(f"there is no certificate authority {name!r}")
