"""
What inventories show, to the services of deliveries and to the model of the lifecycle.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from scepd.profiles.certificate_candidates import CandidateCertificate
from scepd.storage.tables import metadata
from tests.storage.inline import InlineDatabase
from tests.support.at_once import at_once
from tests.support.lifecycle_device import Device
from tests.support.lifecycle_model import ModelHost, ModelRow
from tests.support.lifecycle_world import MINE, PROFILES, LifecycleWorld

HOSTS = ("H-1", "H-2")


class LifecycleInventories:
    """
    The world, the model's rows, and devices that tell both what they have.
    """

    def __init__(self, database: InlineDatabase) -> None:
        self.database = database
        with database.engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
        self.world = LifecycleWorld(database)
        self.hosts = {uuid: ModelHost() for uuid in HOSTS}
        self.rows: dict[tuple[str, str], ModelRow] = {}
        self.devices = {uuid: Device() for uuid in HOSTS}
        self.issued = self.changes = 0
        self.contents = {profile.uuid: 0 for profile in PROFILES}
        self.has_ca, self.is_out = True, False

    @property
    def now(self) -> datetime:
        """
        The time of the world.
        """
        return self.world.now

    def pass_time(self, seconds: float = 1.0) -> None:
        """
        Let time pass; each step begins with a moment of its own.
        """
        self.world.clock.advance(seconds)

    def take_inventory(self, uuid: str, shows_certificates: bool) -> None:
        """
        A device tells what it has; its certificates perhaps not.
        """
        self.pass_time()
        device = self.devices[uuid]
        shown = list(device.certificates) if shows_certificates else []
        recorded = self.recorded(uuid)
        counting = self.counting(uuid)
        tells_of_users = bool(self.hosts[uuid].channels)
        of_users = device.user_profiles() if tells_of_users else None
        self.world.take_inventory(uuid, device.profiles(), shown, of_users)
        for profile in PROFILES:
            row = self.rows.get((uuid, profile.uuid))
            if row is not None and (profile is not MINE or tells_of_users):
                proof = any(
                    self.is_recent(row, one) and self.is_new(row, one, recorded) for one in shown
                )
                row.inventory(
                    self.now,
                    device.installed_at(profile.identifier),
                    certificate=proof,
                    certified=row.is_certified(counting),
                )

    def take_list(self, uuid: str, kind: str) -> None:
        """
        A device tells one part of what it has, over MDM.

        :param kind: ``profiles``, ``certificates``, ``no certificates`` or ``profiles of a user``.
        """
        self.pass_time()
        device = self.devices[uuid]
        if kind == "profiles":
            self.list_profiles(uuid, "")
        elif kind == "profiles of a user":
            row = self.rows.get((uuid, MINE.uuid))
            if row is not None and row.user:
                self.list_profiles(uuid, row.user)
        else:
            self.list_certificates(uuid, device.certificates if kind == "certificates" else [])

    def list_profiles(self, uuid: str, user: str) -> None:
        """
        A device, or a user of it, lists its profiles.
        """
        device = self.devices[uuid]
        counting = self.counting(uuid)
        self.world.take_profiles(uuid, user, device.profiles(user))
        for profile in PROFILES:
            row = self.rows.get((uuid, profile.uuid))
            if row is None:
                continue
            is_asked = (profile is MINE) == bool(user)
            listed = device.has_installed(profile.identifier, user) if is_asked else None
            row.listed_over_mdm(self.now, listed, certified=row.is_certified(counting))

    def list_certificates(self, uuid: str, shown: Sequence[CandidateCertificate]) -> None:
        """
        A device lists its certificates.
        """
        recorded, counting = self.recorded(uuid), self.counting(uuid)
        vouched = {
            one.profile_uuid
            for one in at_once(self.world.stores.verification.deliveries(uuid))
            if one.vouched
        }
        self.world.take_certificates(uuid, list(shown))
        for profile in PROFILES:
            row = self.rows.get((uuid, profile.uuid))
            if row is None:
                continue
            new = [one for one in shown if self.is_new(row, one, recorded)]
            row.certificates_over_mdm(
                self.now,
                proof=any(self.is_recent(row, one) for one in new),
                certified=row.is_certified(counting),
                is_unsure=bool(new) or profile.uuid in vouched,
            )

    def is_new(
        self, row: ModelRow, one: CandidateCertificate, recorded: dict[str, datetime]
    ) -> bool:
        """
        Whether nobody knew of a certificate when the window of the delivery opened.
        """
        opened = row.window_opened
        return opened is not None and recorded.get(one.sha1, self.now) >= opened

    def is_recent(self, row: ModelRow, one: CandidateCertificate) -> bool:
        """
        Whether it may have been issued in that window.
        """
        opened = row.window_opened
        return opened is not None and one.not_before >= opened - timedelta(hours=1)

    def counting(self, uuid: str) -> list[datetime]:
        """
        When the server first saw each certificate of a host that still counts.
        """
        return [one.first_seen for one in self.world.certificates(uuid)]

    def recorded(self, uuid: str) -> dict[str, datetime]:
        """
        When the server first saw each certificate of a host.
        """
        everything = self.world.stores.verification.certificates(uuid, retired=True)
        return {one.sha1: one.first_seen for one in at_once(everything)}

    def certified_until(self, uuid: str) -> datetime | None:
        """
        Until when the newest certificate of the profile is valid that the server knows on a host;
        None: it knows none that still is.
        """
        known = self.world.certificates(uuid)
        return known[0].not_after if known and known[0].not_after > self.now else None

    def holds_old_certificate(self, uuid: str) -> bool:
        """
        Whether the newest certificate that the server knows has little time left.
        """
        known = self.world.certificates(uuid)
        return bool(known) and known[0].not_after - self.now < timedelta(days=34)
