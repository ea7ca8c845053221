"""
The targets of profiles in the database.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, insert, or_, select

from scepd.model import Targets
from scepd.storage.chunks import chunks
from scepd.storage.prepared import PreparedForSome
from scepd.storage.tables import host_label, profile, profile_label

_ANY, _ALL, _NONE = "any", "all", "none"
_LABELS = PreparedForSome(
    lambda uuids: select(profile_label).where(profile_label.c.profile_uuid.in_(uuids))
)


def is_target(host_uuid: ColumnElement[str]) -> ColumnElement[bool]:
    """
    The condition that a host is among the targets of ``profile``.

    :param host_uuid: the column with the host's uuid.
    """
    rules, labels = profile_label.c, host_label.c
    has = exists().where(labels.host_uuid == host_uuid, labels.label == rules.label)

    def some(rule: str, *more: ColumnElement[bool]) -> ColumnElement[bool]:
        return exists().where(rules.profile_uuid == profile.c.uuid, rules.rule == rule, *more)

    return and_(
        or_(~some(_ANY), some(_ANY, has.correlate_except(host_label))),
        ~some(_ALL, ~has.correlate_except(host_label)),
        ~some(_NONE, has.correlate_except(host_label)),
    )


def put_targets(connection: Connection, profile_uuid: str, targets: Targets) -> None:
    """
    Store the targets of a profile, in place of those that it had.
    """
    same = profile_label.c.profile_uuid == profile_uuid
    connection.execute(delete(profile_label).where(same))
    rules = ((_ANY, targets.labels_any), (_ALL, targets.labels_all), (_NONE, targets.labels_none))
    rows = [
        {"profile_uuid": profile_uuid, "rule": rule, "label": label}
        for rule, labels in rules
        for label in sorted(set(labels))
    ]
    if rows:
        connection.execute(insert(profile_label), rows)


def targets_of(connection: Connection, profile_uuids: Sequence[str]) -> Mapping[str, Targets]:
    """
    The targets of profiles by their uuids, labels sorted; those of a profile that is not there are
    all hosts.
    """
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for some in chunks(profile_uuids):
        for row in _LABELS.all(connection, some):
            found[row.profile_uuid][row.rule].append(row.label)
    return {uuid: _record(found[uuid]) for uuid in profile_uuids}


def _record(labels: Mapping[str, Iterable[str]]) -> Targets:
    return Targets(*(tuple(sorted(labels[rule])) for rule in (_ANY, _ALL, _NONE)))
