"""
The services of deliveries and the model of the lifecycle, side by side: each step is done by both.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Row, select

from scepd.errors import Conflict
from scepd.model import Admission, Profile
from scepd.profiles.lifecycle import Event
from scepd.profiles.transitions import WAITS_FOR_USER_CHANNEL
from scepd.storage.tables import command, host_profile
from scepd.storage.tables import profile as profile_table
from tests.support.fake_mdm_world import chain_item
from tests.support.lifecycle_inventories import HOSTS as HOSTS
from tests.support.lifecycle_inventories import LifecycleInventories
from tests.support.lifecycle_model import ModelHost, ModelRow
from tests.support.lifecycle_world import (
    LABELED,
    MINE,
    NOT_FOUND,
    PROFILES,
    SCEP,
    Offer,
    new_certificate,
)

USERS = ("ann", "bob")
BEGINNINGS = (
    "new",
    "queued",
    "verifying",
    "without certificate",
    "verified",
    "old",
    "failed",
    "removing",
    "removal failed",
)
"""
How far the profiles of a host may be when a test begins.
"""
StoredRow = Row[tuple[object, ...]]
_ROUNDS = 4
_THERE = ("install", "verified")


class LifecycleComparison(LifecycleInventories):
    """
    Two hosts, a profile with a certificate, and two with a label and a fact: one for the device,
    and one for its user.
    """

    def begin(self, beginnings: tuple[str, ...]) -> None:
        """
        Both hosts enroll with a user, all profiles are there, and got some way already.
        """
        self.world.add_authority()
        self.world.add_profiles()
        for uuid in HOSTS:
            self.world.authenticate(uuid)
            self.world.set_label(uuid, wanted=True)
            self.enable(uuid)
            self.open_channel(uuid, USERS[0])
        for uuid, beginning in zip(HOSTS, beginnings, strict=True):
            self.get_to(uuid, beginning)
        if "old" in beginnings:
            self.wait(70 * 86400)

    def get_to(self, uuid: str, beginning: str) -> None:
        """
        Bring the profiles of a host some way.
        """
        if beginning == "failed":
            self.fail_often(uuid, 4)
        elif beginning == "queued":
            self.tick()
        elif beginning == "verifying":
            self.work_off(uuid, "SUCCESS", "Acknowledged")
        elif beginning == "without certificate":
            self.work_off(uuid, "FAILURE", "Acknowledged")
        elif beginning != "new":
            self.work_off(uuid, "SUCCESS", "Acknowledged")
            self.take_inventory(uuid, True)
        if beginning in ("removing", "removal failed"):
            self.change_label(uuid, False)
        if beginning == "removal failed":
            self.fail_often(uuid, 4)

    # -- time --------------------------------------------------------------------------------------

    def wait(self, seconds: int) -> None:
        """
        Nothing happens for a while.
        """
        self.pass_time(seconds)

    # -- operators ---------------------------------------------------------------------------------

    def operate(self, uuid: str, profile: str, action: str) -> None:
        """
        An operator does something about a host, or its profile.
        """
        if action == "resend":
            self.resend(uuid, profile)
        elif action == "content":
            self.change_content(profile)
        elif action in ("fact", "no fact"):
            self.change_fact(uuid, action == "fact")
        elif action in ("label", "no label"):
            self.change_label(uuid, action == "label")

    def change_authority(self, action: str) -> None:
        """
        Something becomes of the certificate authority.
        """
        if action == "add":
            if not self.has_ca:
                self.add_authority()
        elif self.has_ca and action == "remove":
            self.remove_authority()
        elif self.has_ca:
            self.change_breaker(action == "goes out")

    def work(self, action: str) -> None:
        """
        The process does some of its work.
        """
        if action == "tick":
            self.tick()
        elif action == "renew":
            self.renew()
        else:
            for (uuid, profile), row in self.rows.items():
                if row.status == "verifying":
                    self.world.happen(Event.PROOF_OVERDUE, uuid, profile, "nothing was listed")

    def move(self, uuid: str, action: str, profile: Profile) -> None:
        """
        A device does something by itself.
        """
        if action == "poll":
            self.take_command(uuid)
        elif action == "lose":
            self.devices[uuid].lose(profile.identifier)
        else:
            self.take_inventory(uuid, action == "inventory")

    def ask(self, uuid: str, said: str, key: str) -> None:
        """
        A device asks for a certificate, whether it should or not.
        """
        self.ask_authority(uuid, said, key)

    def check_in(self, uuid: str, action: str) -> None:
        """
        A device enrolls, or leaves.
        """
        if action == "Authenticate":
            self.authenticate(uuid)
        elif action == "CheckOut":
            self.check_out(uuid)
        elif not self.hosts[uuid].enabled and not self.hosts[uuid].left:
            self.enable(uuid)

    def use(self, uuid: str, user: str, action: str) -> None:
        """
        Something becomes of a user of a device.
        """
        host = self.hosts[uuid]
        if action == "appears" and host.enabled:
            self.open_channel(uuid, user)
        elif action == "leaves":
            self.end_channel(uuid, user)
        elif action == "poll" and user in host.channels:
            self.take_command(uuid, user)

    def resend(self, uuid: str, profile: str) -> None:
        """
        An operator wants another try.
        """
        self.pass_time()
        row = self.rows.get((uuid, profile))
        if row is None:
            return
        if row.host.enabled and row.user is not None:
            self.world.resend(uuid, profile)
            row.deliver_anew(self.now)
        else:
            try:
                self.world.resend(uuid, profile)
            except Conflict:
                return
            raise AssertionError(f"there is no way to re-send: {row}")

    def change_content(self, profile: str) -> None:
        """
        The profile has new content.
        """
        if profile == SCEP.uuid and not self.has_ca:
            # A profile of an authority that is gone is not taken.
            return
        self.pass_time()
        self.changes += 1
        self.world.replace(next(one for one in PROFILES if one.uuid == profile), self.changes)
        self.contents[profile] = self.changes
        for (_, uuid), row in self.rows.items():
            # What has no way to the device takes it later.
            has_way = row.host.enabled and row.user is not None
            if uuid == profile and has_way and row.operation == "install":
                row.deliver_anew(self.now)
                row.content = self.changes

    def change_fact(self, uuid: str, has_fact: bool) -> None:
        """
        A fact that a profile uses comes, goes or changes.
        """
        self.pass_time()
        self.changes += 1
        host = self.hosts[uuid]
        is_changed = has_fact or host.has_fact
        self.world.set_fact(uuid, f"{self.changes}@example.com" if has_fact else None)
        host.has_fact = has_fact
        for profile in LABELED:
            row = self.rows.get((uuid, profile.uuid))
            if is_changed and row is not None and host.enabled and row.user is not None:
                self.renew_install(row)

    def change_label(self, uuid: str, wanted: bool) -> None:
        """
        A host leaves the targets, or comes among them.
        """
        self.pass_time()
        host = self.hosts[uuid]
        self.world.set_label(uuid, wanted=wanted)
        if wanted == host.wanted:
            return
        host.wanted = wanted
        for profile in LABELED:
            self.change_target(host, (uuid, profile.uuid), profile)

    def change_target(self, host: ModelHost, key: tuple[str, str], profile: Profile) -> None:
        """
        A host left the targets of a profile, or came among them.
        """
        row = self.rows.get(key)
        if row is None:
            if host.wanted and host.enabled:
                self.rows[key] = self.new_row(host, profile)
        elif host.wanted:
            if host.enabled and row.operation == "remove":
                row.assign(self.now)
                row.content = self.contents[profile.uuid]
        elif row.unassign(self.now):
            del self.rows[key]

    def remove_authority(self) -> None:
        """
        The certificate authority is deleted.
        """
        self.world.remove_authority()
        self.has_ca = self.is_out = False

    def add_authority(self) -> None:
        """
        It is back.
        """
        self.pass_time()
        self.world.add_authority()
        self.has_ca = True
        for row in self.rows.values():
            if row.needs_ca:
                row.recover(self.now)

    def change_breaker(self, is_out: bool) -> None:
        """
        The certificate authority goes out, or comes back.
        """
        self.world.set_breaker(is_open=is_out)
        if self.is_out and not is_out:
            for row in self.rows.values():
                row.end_pause(self.now)
        self.is_out = is_out

    # -- the processor -----------------------------------------------------------------------------

    def tick(self) -> None:
        """
        What is due is processed.
        """
        self.pass_time()
        due = {key: row for key, row in self.rows.items() if row.is_due(self.now)}
        self.world.tick()
        for (uuid, profile), row in due.items():
            if row.operation == "install" and row.needs_ca and self.is_out:
                continue
            if row.operation == "install" and not self.can_be_resolved(row):
                row.fail()
                continue
            found = self.world.row(uuid, profile)
            row.queue(found.command_uuid if found else None)

    def renew(self) -> None:
        """
        What should be renewed is.
        """
        self.pass_time()
        settled = {key for key, row in self.rows.items() if row.status != "pending"}
        self.world.renew()
        for key in settled:
            found = self.world.row(*key)
            if found is not None and found.status == "pending":
                assert self.holds_old_certificate(key[0]), "renewed too early"
                # The soonest expiry first: each is due a moment before those behind it.
                assert found.due_at is not None
                assert self.now - timedelta(seconds=1) < found.due_at <= self.now
                self.rows[key].deliver_anew(found.due_at)

    # -- devices -----------------------------------------------------------------------------------

    def take_command(self, uuid: str, user: str = "") -> Offer | None:
        """
        The command that a device gets, or a user of it, if one waits.
        """
        self.pass_time()
        offer = self.world.poll(uuid, user)
        self.end_commands(uuid, user)
        if offer is None:
            waiting = [row for row in self.rows_of(uuid) if row.waits and row.user == user]
            assert not waiting, "a command is not offered"
            return None
        self.devices[uuid].receive(offer)
        current = self.current(uuid, offer)
        assert current is not None, "a command is offered that is not current"
        assert current.user == user, "a command is offered to somebody else"
        assert not current.is_given_up(self.now), "a command is offered for ever"
        current.hand_over(self.now)
        return offer

    def end_commands(self, uuid: str, user: str) -> None:
        """
        A device, or a user of it, asked for a command, and some ended by that.
        """
        # What can't be rendered at pick-up fails, and the next one is offered.
        for (host, profile), row in self.rows.items():
            found = self.world.row(host, profile)
            waited = host == uuid and row.user == user and row.waits
            if waited and found is not None and found.status == "failed":
                assert row.operation == "install" and not self.can_be_resolved(row)
                row.fail()
        for row in self.rows_of(uuid):
            if row.is_given_up(self.now) and self.has_ended(row.command):
                self.refuse(uuid, row)

    def stumble(self, uuid: str, hours: int) -> None:
        """
        A device comes each hour, and the server fails to make whatever waits for it.
        """
        self.world.commands.is_faulty = True
        for _ in range(hours):
            for user in ("", *self.hosts[uuid].channels):
                self.pass_time(3601)
                assert self.world.poll(uuid, user) is None
                self.end_commands(uuid, user)
                for row in self.rows_of(uuid):
                    if row.waits and row.user == user and row.is_hopeless(self.now):
                        self.refuse(uuid, row)
        self.world.commands.is_faulty = False

    def answer(self, uuid: str, index: int, status: str) -> None:
        """
        A device answers one of the last commands that it got, perhaps late.

        :param index: 0 for the newest of them.
        """
        asked = self.devices[uuid].asked[::-1]
        if index < len(asked):
            self.report(uuid, asked[index], status)

    def deliver(
        self,
        uuid: str,
        seconds: int,
        said: str,
        status: str,
        shows_certificates: bool,
        seconds_later: int,
    ) -> None:
        """
        Everything that follows from what is due now, or soon.
        """
        self.pass_time(seconds)
        self.work_off(uuid, said, status)
        self.pass_time(seconds_later)
        self.take_inventory(uuid, shows_certificates)

    def ignore(self, uuid: str, hours: int) -> None:
        """
        A device takes each hour whatever waits for it, and never answers.
        """
        for _ in range(hours):
            self.pass_time(3601)
            for user in ("", "", *self.hosts[uuid].channels):
                self.take_command(uuid, user)

    def fail_often(self, uuid: str, times: int) -> None:
        """
        A device fails as often as it is asked.
        """
        for _ in range(times):
            self.pass_time(1801)
            self.work_off(uuid, "nothing", "Error")

    def work_off(self, uuid: str, said: str, status: str) -> None:
        """
        What is due is processed, and a device does, or does not, what it is asked.
        """
        self.tick()
        for user in ("", "", *self.hosts[uuid].channels):
            offer = self.take_command(uuid, user)
            if offer is None:
                continue
            if offer.identifier == SCEP.identifier and said != "nothing":
                self.ask_authority(uuid, "SUCCESS" if said == "closed" else said, "key-1")
            if offer.identifier == SCEP.identifier and said == "closed":
                self.ask_authority(uuid, "SUCCESS", "key-2")
            self.report(uuid, offer, status)

    def report(self, uuid: str, offer: Offer, status: str) -> None:
        """
        A device answers a command, or does it and its answer is lost.
        """
        self.pass_time()
        device = self.devices[uuid]
        in_time = status != "NotNow" and device.deal_with(offer)
        if in_time and status != "Error":
            device.do(offer, self.now)
        if status == "lost":
            return
        status = status.removeprefix("done, but ")
        missing = offer.request_type == "RemoveProfile" and not device.has(offer)
        error = NOT_FOUND if missing else chain_item()
        self.world.answer(uuid, offer, status, error if status == "Error" else None)
        if status != "NotNow":
            device.asked.remove(offer)
        row = self.current(uuid, offer)
        if row is None or not row.waits:
            return
        if status == "Acknowledged":
            if row.acknowledge(self.now):
                self.drop(row)
        elif status == "NotNow":
            row.put_off()
        else:
            self.refuse(uuid, row, missing=missing)

    def refuse(self, uuid: str, row: ModelRow, *, missing: bool = False) -> None:
        """
        A command failed.

        :param missing: whether the device has nothing to remove.
        """
        certified = self.certified_until(uuid) if row.needs_ca else None
        if row.refuse(self.now, not_found=missing, certified=certified, is_out=self.is_out):
            self.drop(row)

    def has_ended(self, command_uuid: str | None) -> bool:
        """
        Whether a command has its final result.
        """
        ended = select(command.c.finished_at).where(command.c.uuid == command_uuid)
        with self.database.engine.begin() as connection:
            return connection.scalar(ended) is not None

    def ask_authority(self, uuid: str, said: str, key: str) -> None:
        """
        A device asks for a certificate, whether it should or not.
        """
        row = self.rows.get((uuid, SCEP.uuid))
        if row is None or row.operation == "remove" or not self.has_ca:
            return
        self.pass_time()
        admission = self.world.ask_authority(uuid, said, key)
        admitted = row.ask(self.now, said, key)
        assert admitted == (admission is Admission.ADMITTED)
        if admitted and said in ("SUCCESS", "unseen"):
            self.issue(uuid)

    # -- enrollment --------------------------------------------------------------------------------

    def authenticate(self, uuid: str) -> None:
        """
        A device was wiped, and enrolls.
        """
        self.pass_time()
        self.world.authenticate(uuid)
        self.devices[uuid].wipe()
        self.hosts[uuid].enabled = self.hosts[uuid].left = False
        self.end_channels(uuid)
        for (host, profile), row in list(self.rows.items()):
            if host == uuid:
                row.content = self.contents[profile]
                if row.enroll_anew(self.now):
                    self.drop(row)

    def check_out(self, uuid: str) -> None:
        """
        A device leaves.
        """
        self.pass_time()
        self.world.check_out(uuid)
        self.devices[uuid].wipe()
        self.hosts[uuid].enabled, self.hosts[uuid].left = False, True
        self.end_channels(uuid)
        for row in self.rows_of(uuid):
            row.park()

    def open_channel(self, uuid: str, user: str) -> None:
        """
        A user can be reached, from now on or as before.
        """
        self.pass_time()
        host = self.hosts[uuid]
        self.world.open_channel(uuid, user)
        if user in host.channels:
            return
        host.channels[user] = self.now
        for (_, profile), row in self.rows.items():
            if row.host is host and row.user is None:
                row.take_channel(self.now)
                row.content = self.contents[profile]

    def end_channel(self, uuid: str, user: str) -> None:
        """
        A user is gone, if there was one.
        """
        self.pass_time()
        self.world.end_channel(uuid, user)
        if self.hosts[uuid].channels.pop(user, None) is None:
            return
        self.devices[uuid].forget(user)
        for row in self.rows_of(uuid):
            if row.user == user and row.lose_channel(self.now):
                self.drop(row)

    def end_channels(self, uuid: str) -> None:
        """
        A device left, and took its users along.
        """
        self.hosts[uuid].channels.clear()
        for row in self.rows_of(uuid):
            row.user = None if row.user is None or row.user in USERS else row.user

    # -- what must hold ----------------------------------------------------------------------------

    def agrees(self) -> None:
        """
        Each row is the model's, and the queue holds the current command of each, and no other one.
        """
        with self.database.engine.begin() as connection:
            stored = {
                (row.host_uuid, row.profile_uuid): row
                for row in connection.execute(select(host_profile))
            }
            waiting = {
                (row.host_uuid, row.profile_uuid): row.uuid
                for row in connection.execute(
                    select(command).where(command.c.finished_at.is_(None))
                )
            }
            contents = {row.uuid: row.sha256 for row in connection.execute(select(profile_table))}
        found = {key: state_of(row) for key, row in stored.items()}
        expected = {key: row.state for key, row in self.rows.items()}
        assert found == expected, f"found {found}, expected {expected}"
        current = {key: row.command for key, row in self.rows.items() if row.waits}
        assert waiting == current, f"found {waiting}, expected {current}"
        for (uuid, profile), row in stored.items():
            self.will_go_on(self.hosts[uuid], row)
            if row.operation == "install" and row.enrollment_id is not None:
                assert row.content_sha256 == contents[profile], f"of older content: {row}"

    def will_go_on(self, host: ModelHost, row: StoredRow) -> None:
        """
        Something will happen to a row, or an operator reads why not.
        """
        if row.status == "failed":
            assert row.detail, "failed for no reason"
        elif row.status == "verified":
            assert row.acknowledged_at is not None, "its loss would never be seen"
        elif row.status == "pending" and host.enabled:
            model = self.rows[row.host_uuid, row.profile_uuid]
            waits_for_user = model.user is None and not host.channels
            is_told = row.detail == WAITS_FOR_USER_CHANNEL if waits_for_user else row.due_at
            assert is_told or model.waits, f"stuck: {row}"

    def end(self) -> None:
        """
        When all is well, every profile gets to where it should be.
        """
        self.heal()
        for _ in range(_ROUNDS):
            self.settle()
            wrong = self.wrong_rows()
            if not wrong:
                return
        raise AssertionError(f"not where they should be: {wrong}")

    def wrong_rows(self) -> list[object]:
        """
        The rows that are not where they should be when all is well.
        """
        wrong: list[object] = []
        for uuid, host in self.hosts.items():
            for profile in PROFILES:
                found = self.world.row(uuid, profile.uuid)
                installed = self.devices[uuid].installed_at(profile.identifier) is not None
                is_wanted = profile is SCEP or host.wanted
                is_there = found is not None and (found.operation, found.status) == _THERE
                if (is_there, installed) != (is_wanted, is_wanted) or (found and not is_wanted):
                    wrong.append((uuid, profile.uuid, found, installed))
        return wrong

    def heal(self) -> None:
        """
        Let everything work from now on, and an operator re-send what has failed.
        """
        if not self.has_ca:
            self.add_authority()
        self.change_breaker(False)
        for uuid, host in self.hosts.items():
            if not host.has_fact:
                self.change_fact(uuid, True)
            if not host.enabled:
                self.authenticate(uuid)
                self.enable(uuid)
            if not host.channels:
                self.open_channel(uuid, USERS[0])
        for (uuid, profile), row in list(self.rows.items()):
            if row.status == "failed":
                self.resend(uuid, profile)
        self.agrees()

    def settle(self) -> None:
        """
        A day, the longest wait of all, in which devices do all that they are asked.
        """
        self.pass_time(86400 + 100)
        self.world.tick()
        for uuid, device in self.devices.items():
            for user in ("", *self.hosts[uuid].channels):
                while (offer := self.world.poll(uuid, user)) is not None:
                    self.do_at_once(uuid, offer)
            self.world.take_inventory(
                uuid, device.profiles(), device.certificates, device.user_profiles()
            )

    def do_at_once(self, uuid: str, offer: Offer) -> None:
        """
        A device does what it is asked, with all that belongs to it.
        """
        self.pass_time()
        if offer.request_type == "InstallProfile" and offer.identifier == SCEP.identifier:
            said = self.world.ask_authority(uuid, "SUCCESS")
            assert said is Admission.ADMITTED
            self.issue(uuid)
        self.devices[uuid].do(offer, self.now)
        self.world.answer(uuid, offer, "Acknowledged")

    # -- parts -------------------------------------------------------------------------------------

    def renew_install(self, row: ModelRow) -> None:
        """
        An install begins again; a removal goes on.
        """
        if row.operation == "install":
            row.deliver_anew(self.now)

    def enable(self, uuid: str) -> None:
        """
        The TokenUpdate that ends an enrollment.
        """
        self.pass_time()
        self.world.update_token(uuid)
        host = self.hosts[uuid]
        host.enabled = True
        for profile in PROFILES:
            row = self.rows.get((uuid, profile.uuid))
            if row is None and (profile is SCEP or host.wanted):
                self.rows[uuid, profile.uuid] = self.new_row(host, profile)
            elif row is not None and row.user is None:
                row.take_channel(self.now)
            elif row is not None and row.content != self.contents[profile.uuid]:
                # The content changed since the device said Authenticate.
                row.deliver_anew(self.now)
                row.content = self.contents[profile.uuid]

    def new_row(self, host: ModelHost, profile: Profile) -> ModelRow:
        """
        A profile is assigned.
        """
        content = self.contents[profile.uuid]
        row = ModelRow(host, profile is SCEP, self.now, content=content)
        if profile is MINE:
            row.user = None
            row.take_channel(self.now)
        return row

    def can_be_resolved(self, row: ModelRow) -> bool:
        """
        Whether every variable of an install has a value.
        """
        return self.has_ca if row.needs_ca else row.host.has_fact

    def rows_of(self, uuid: str) -> list[ModelRow]:
        """
        The rows of a host.
        """
        return [row for (host, _), row in self.rows.items() if host == uuid]

    def current(self, uuid: str, offer: Offer) -> ModelRow | None:
        """
        The row whose current command this is, if there is one.
        """
        for row in self.rows_of(uuid):
            if row.command == offer.uuid:
                return row
        return None

    def drop(self, gone: ModelRow) -> None:
        """
        A row goes.
        """
        self.rows = {key: row for key, row in self.rows.items() if row is not gone}

    def issue(self, uuid: str) -> None:
        """
        A device gets a certificate.
        """
        self.issued += 1
        self.devices[uuid].certificates.append(new_certificate(uuid, self.issued, self.now))


def state_of(row: StoredRow) -> tuple[object, ...]:
    """
    What the model knows of a row, as it is stored.
    """
    return (row.operation, row.status, row.attempts, row.due_at, row.delivered_at)
