"""
The labels of hosts as rows.

These run inside a caller's unit of work.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, delete, insert, select

from scepd.profiles.labels import automatic_labels, is_automatic
from scepd.storage.tables import host_label


def labels_of_host(connection: Connection, host_uuid: str) -> frozenset[str]:
    """
    The labels that a host has.
    """
    some = select(host_label.c.label).where(host_label.c.host_uuid == host_uuid)
    return frozenset(connection.scalars(some))


def change_host_labels(
    connection: Connection, host_uuid: str, add: Collection[str], remove: Collection[str]
) -> bool:
    """
    Give a host labels, and take others away.

    :returns: whether it has others than before.
    """
    had = labels_of_host(connection, host_uuid)
    gone, new = had.intersection(remove).difference(add), set(add) - had
    if gone:
        of_host = host_label.c.host_uuid == host_uuid
        connection.execute(delete(host_label).where(of_host, host_label.c.label.in_(gone)))
    if new:
        rows = [{"host_uuid": host_uuid, "label": label} for label in sorted(new)]
        connection.execute(insert(host_label), rows)
    return bool(gone or new)


def set_automatic_labels(
    connection: Connection, host_uuid: str, platform: str, os_version: str
) -> None:
    """
    Give a host the labels that follow from what is known of it, in place of those that it had.
    """
    wanted = automatic_labels(platform, os_version)
    had = set(filter(is_automatic, labels_of_host(connection, host_uuid)))
    change_host_labels(connection, host_uuid, wanted, had - wanted)
