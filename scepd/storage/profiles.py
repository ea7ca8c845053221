"""
The configuration profiles that operators uploaded, in the database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, bindparam, delete, insert, select, update

from scepd.errors import Conflict, NotFound
from scepd.model import EMBEDDED_CA, Activity, Profile, TargetCount, Targets
from scepd.profiles.lifecycle import RetrySettings
from scepd.storage import tables
from scepd.storage.activities import insert_activity
from scepd.storage.certificate_authorities import missing_certificate_authorities
from scepd.storage.convergence import SWEPT_AT_ONCE, advance_sweep, begin_sweep
from scepd.storage.database import Database
from scepd.storage.former_profiles import keep_former, take_former
from scepd.storage.prepared import Prepared, PreparedForSome
from scepd.storage.tables import (
    enrollment_window,
    profile,
    profile_certificate_authority,
    profile_sweep,
    profile_variable,
)
from scepd.storage.target_counts import target_count
from scepd.storage.targets import put_targets, targets_of
from scepd.storage.windows import close_windows

_MOST_SWEEPS = 1000
_ProfileRow = RowMapping | Mapping[str, Any]
_CA_NAMES, _VARIABLES = profile_certificate_authority.c, profile_variable.c
_ONE = Prepared(select(profile).where(profile.c.uuid == bindparam("of_profile")))
_CA_NAMES_OF = PreparedForSome(
    lambda uuids: (
        select(_CA_NAMES.profile_uuid, _CA_NAMES.ca_name)
        .where(_CA_NAMES.profile_uuid.in_(uuids))
        .order_by(_CA_NAMES.position)
    )
)
_VARIABLES_OF = PreparedForSome(
    lambda uuids: (
        select(_VARIABLES.profile_uuid, _VARIABLES.name)
        .where(_VARIABLES.profile_uuid.in_(uuids))
        .order_by(_VARIABLES.name)
    )
)


class SQLProfileStore:
    """
    Implements :class:`~scepd.ports.ProfileStore`.

    :param settings: how failures are tried again.
    :param step: hosts that a change reaches in one unit of work.
    """

    def __init__(
        self,
        database: Database,
        settings: RetrySettings | None = None,
        step: int = SWEPT_AT_ONCE,
    ) -> None:
        self._database = database
        self._settings = settings or RetrySettings()
        self._step = step

    async def add_profile(self, profile: Profile, activity: Activity) -> str:
        """
        Store a new one, and assign it to every host with an enabled device enrollment that it
        targets, due now: at the activity's time; where there are many step by step, by
        ``advance_sweep``. While hosts still have to lose a former one of
        the same identifier it takes that one's place, and its uuid.

        :returns: the uuid that it got.
        :raises Conflict: its identifier (or uuid) is taken, or a former one of another scope is
            still being removed; or one of its certificate authorities is gone.
        """

        def unit(connection: Connection) -> str:
            _refuse_taken(connection, profile)
            _refuse_missing(connection, profile.ca_names)
            former = take_former(connection, profile)
            new = replace(profile, uuid=former or profile.uuid)
            connection.execute(insert(tables.profile).values(_values(new)))
            _put_parts(connection, new)
            begin_sweep(connection, new.uuid, activity.at, self._settings, self._step)
            insert_activity(connection, activity)
            return new.uuid

        return await self._database.write(unit)

    async def profile(self, uuid: str) -> Profile | None:
        """
        The one of that uuid, or None.
        """

        def query(connection: Connection) -> Profile | None:
            rows = _ONE.all(connection, of_profile=uuid)
            found = _records(connection, [row._asdict() for row in rows])
            return found[0] if found else None

        return await self._database.read(query)

    async def profiles(self, *, after: str = "", limit: int = 100) -> Sequence[Profile]:
        """
        At most ``limit`` of them by identifier, from the first greater than ``after``.
        """
        identifier = profile.c.identifier
        page = select(profile).where(identifier > after).order_by(identifier).limit(limit)
        return await self._database.read(lambda connection: _page(connection, page))

    async def replace_profile(self, new: Profile, activity: Activity) -> None:
        """
        Store other content of the profile of the same uuid; targets stay. CONTENT_CHANGED happens
        to its assignments: at once, or where there are many step by step, by ``advance_sweep``.

        :raises NotFound: there is none of that uuid.
        :raises Conflict: identifier or scope are others; or one of its certificate authorities is
            gone.
        """
        values = _values(new)
        del values["uuid"], values["created_at"]

        def unit(connection: Connection) -> None:
            _refuse_other(connection, new)
            _refuse_missing(connection, new.ca_names)
            same = tables.profile.c.uuid == new.uuid
            connection.execute(update(tables.profile).where(same).values(values))
            _delete_parts(connection, new.uuid)
            _put_contents(connection, new)
            begin_sweep(connection, new.uuid, activity.at, self._settings, self._step)
            insert_activity(connection, activity)

        await self._database.write(unit)

    async def set_targets(self, uuid: str, targets: Targets, activity: Activity) -> None:
        """
        Aim a profile at other hosts: those that it did not have get it, and those that are no
        longer meant lose it; at once, or step by step as in :meth:`replace_profile`.

        :raises NotFound: there is none of that uuid.
        """
        one = select(profile.c.uuid).where(profile.c.uuid == uuid)

        def unit(connection: Connection) -> None:
            if connection.scalar(one) is None:
                raise _not_found(uuid)
            put_targets(connection, uuid, targets)
            begin_sweep(connection, uuid, activity.at, self._settings, self._step)
            insert_activity(connection, activity)

        await self._database.write(unit)

    async def remove_profile(self, uuid: str, activity: Activity) -> None:
        """
        Remove it; windows of it are closed. UNASSIGNED happens to its assignments (or
        UNASSIGNED_UNOFFERED, where no device was ever handed it), so that devices lose it too; at
        once, or step by step as in :meth:`replace_profile`.

        :raises NotFound: there is none of that uuid.
        """
        same = profile.c.uuid == uuid

        def unit(connection: Connection) -> None:
            found = connection.execute(select(profile).where(same)).first()
            if found is None:
                raise _not_found(uuid)
            keep_former(connection, found.uuid, found.identifier, found.scope, activity.at)
            put_targets(connection, uuid, Targets())
            _delete_parts(connection, uuid)
            connection.execute(delete(profile).where(same))
            close_windows(connection, enrollment_window.c.profile_uuid == uuid)
            begin_sweep(connection, uuid, activity.at, self._settings, self._step)
            insert_activity(connection, activity)

        await self._database.write(unit)

    async def target_count(self, uuid: str) -> TargetCount:
        """
        How many hosts have, or are to lose, the profile of that uuid, whether it is there or not.
        """
        return await self._database.read(lambda connection: target_count(connection, uuid))

    async def unfinished_sweeps(self) -> Sequence[str]:
        """
        The uuids of the profiles, also of former ones, a change of which has not reached all their
        hosts; at most 1,000.
        """
        some = select(profile_sweep.c.profile_uuid).order_by(profile_sweep.c.profile_uuid)

        def query(connection: Connection) -> list[str]:
            return list(connection.scalars(some.limit(_MOST_SWEEPS)))

        return await self._database.read(query)

    async def advance_sweep(self, uuid: str, now: datetime) -> bool:
        """
        Let the last change of a profile reach the next of its hosts.

        :returns: whether there are more of them.
        """

        def unit(connection: Connection) -> bool:
            return advance_sweep(connection, uuid, now, self._settings, self._step)

        return await self._database.write(unit)


def _refuse_taken(connection: Connection, new: Profile) -> None:
    taken = select(profile.c.uuid).where(
        (profile.c.identifier == new.identifier) | (profile.c.uuid == new.uuid)
    )
    uuid = connection.scalar(taken)
    if uuid is not None:
        raise Conflict(
            f"there is a profile {new.identifier!r} already; "
            f"replace {uuid} to give it other content"
        )


def _refuse_other(connection: Connection, new: Profile) -> None:
    one = select(profile.c.identifier, profile.c.scope).where(profile.c.uuid == new.uuid)
    found = connection.execute(one).first()
    if found is None:
        raise _not_found(new.uuid)
    if (found.identifier, found.scope) != (new.identifier, new.scope):
        raise Conflict(f"the profile {new.uuid!r} has another identifier or scope")


def _refuse_missing(connection: Connection, ca_names: Sequence[str]) -> None:
    names = [name for name in ca_names if name != EMBEDDED_CA]
    missing = missing_certificate_authorities(connection, names) if names else ()
    if missing:
        raise Conflict(f"there is no certificate authority {', '.join(map(repr, missing))}")


def _values(new: Profile) -> dict[str, object]:
    return {
        "uuid": new.uuid,
        "identifier": new.identifier,
        "display_name": new.display_name,
        "content": new.content,
        "sha256": new.sha256,
        "scope": new.scope,
        "created_at": new.created_at,
    }


def _put_parts(connection: Connection, new: Profile) -> None:
    put_targets(connection, new.uuid, new.targets)
    _put_contents(connection, new)


def _put_contents(connection: Connection, new: Profile) -> None:
    """
    Store what is known of its content.
    """
    names = [
        {"profile_uuid": new.uuid, "position": position, "ca_name": name}
        for position, name in enumerate(new.ca_names)
    ]
    if names:
        connection.execute(insert(profile_certificate_authority), names)
    variables = [{"profile_uuid": new.uuid, "name": name} for name in new.host_variables]
    if variables:
        connection.execute(insert(profile_variable), variables)


def _delete_parts(connection: Connection, uuid: str) -> None:
    for table in (profile_certificate_authority, profile_variable):
        connection.execute(delete(table).where(table.c.profile_uuid == uuid))


def _page(connection: Connection, page: Select[tuple[object, ...]]) -> list[Profile]:
    return _records(connection, connection.execute(page).mappings().all())


def _records(connection: Connection, rows: Sequence[_ProfileRow]) -> list[Profile]:
    uuids = [row["uuid"] for row in rows]
    names = _values_of(connection, _CA_NAMES_OF, uuids)
    variables = _values_of(connection, _VARIABLES_OF, uuids)
    targets = targets_of(connection, uuids)
    return [
        _record(row, names[row["uuid"]], targets[row["uuid"]], variables[row["uuid"]])
        for row in rows
    ]


def _values_of(
    connection: Connection, some: PreparedForSome, uuids: Sequence[str]
) -> dict[str, list[str]]:
    values: dict[str, list[str]] = defaultdict(list)
    for uuid, value in some.all(connection, uuids):
        values[uuid].append(value)
    return values


def _record(
    row: _ProfileRow, ca_names: Sequence[str], targets: Targets, variables: Sequence[str]
) -> Profile:
    return Profile(
        ca_names=tuple(ca_names), targets=targets, host_variables=tuple(variables), **row
    )


def _not_found(uuid: str) -> NotFound:
    return NotFound(f"there is no profile {uuid!r}")
