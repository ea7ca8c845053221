"""
The services of deliveries on real stores, for one step at a time: nothing happens by itself.
"""

from __future__ import annotations

import itertools
import plistlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha1, sha256

from twisted.internet.task import Clock

from scepd.mdm.results import command_result
from scepd.metrics import Metrics
from scepd.model import (
    Admission,
    Breaker,
    BreakerSettings,
    BreakerState,
    DeliveryChallenge,
    EnrollmentChallenge,
    EnrollmentWindow,
    FactsChange,
    HostProfile,
    ManagedCertificate,
    Profile,
    RowEvent,
    SCEPExchange,
    Targets,
    WindowOutcome,
)
from scepd.ports import SignedBy, Subject
from scepd.profiles.certificate_candidates import (
    CandidateCertificate,
    CertificateTexts,
    candidate_from_texts,
)
from scepd.profiles.lifecycle import Event
from scepd.services.breakers import Breakers
from scepd.services.clock import utc_now
from scepd.services.commands import CommandPorts, Commands, CommandSettings
from scepd.services.delivery import ProfileProcessor
from scepd.services.delivery_resolving import Resolving
from scepd.services.leases import Leases
from scepd.services.rendering import ProfileRendering
from scepd.services.renewal import Renewal
from scepd.services.results import ResultPorts, Results
from scepd.services.unanswered import Unanswered
from scepd.services.verification_inventory import Inventory
from scepd.storage.commands import SQLCommandStore
from scepd.storage.database import Database
from tests.storage import records
from tests.support.at_once import at_once
from tests.support.fake_identities import FakeIdentities
from tests.support.fake_inventories import make_answers, make_verification
from tests.support.fake_mdm_world import (
    EXTERNAL_URL,
    KEYRING,
    NOW,
    authority,
    chain_item,
    host,
    plain_profile,
    report,
    scep_profile,
)
from tests.support.fakes import InlineWorkers
from tests.support.identity_parts import IdentityParts
from tests.support.outage_world import Stores

CA = "CORP"
WANTED = "wanted"
"""
The label of the hosts that should have :data:`PLAIN`.
"""
FACT = "HOST_END_USER_EMAIL_IDP"
"""
The fact that :data:`PLAIN` uses.
"""


def _with_fact(profile: Profile) -> bytes:
    return profile.content.replace(b"Example", f"$FLEET_VAR_{FACT}".encode(), 1)


SCEP = scep_profile("aSCEP", CA)
PLAIN = replace(
    plain_profile("aPLAIN"),
    content=_with_fact(plain_profile("aPLAIN")),
    targets=Targets(labels_any=(WANTED,)),
    host_variables=(FACT,),
)
MINE = replace(
    plain_profile("aMINE", "User"),
    content=_with_fact(plain_profile("aMINE", "User")),
    targets=PLAIN.targets,
    host_variables=PLAIN.host_variables,
)
"""
Likewise, for the user of the host.
"""
PROFILES = (SCEP, PLAIN, MINE)
LABELED = (PLAIN, MINE)
"""
Those that only hosts with the label should have, and that use the fact.
"""
NOT_FOUND = chain_item("MDMErrorDomain", 12075, "The profile is not installed")
_VALIDITY = timedelta(days=90)


class FaultyCommands(SQLCommandStore):
    """
    The queue of commands, which may fail in a way that nobody has thought of.

    :ivar is_faulty: whether nothing can be handed over.
    """

    is_faulty = False

    async def hand_over(
        self,
        command_uuid: str,
        now: datetime,
        window: EnrollmentWindow | None,
        challenge: DeliveryChallenge | EnrollmentChallenge | None = None,
        *,
        is_idle: bool = False,
    ) -> bool:
        """
        As the port says, unless it fails.
        """
        if self.is_faulty:
            raise ValueError("not what it should be")
        return await super().hand_over(command_uuid, now, window, challenge, is_idle=is_idle)


@dataclass(frozen=True, slots=True)
class Offer:
    """
    A command as a device got it.

    :param identifier: of the profile that it installs or removes; empty: it does neither.
    :param user: whose channel it came by; empty: it is the device's.
    """

    uuid: str
    request_type: str
    identifier: str
    user: str = ""


class LifecycleWorld:
    """
    One process, its certificate authority and its devices, which do what a test says.

    :ivar clock: moves only by the test.
    :ivar commands: the store.
    :ivar keyring: opens the challenge of the certificate authority.
    :ivar verification: takes inventories.
    """

    def __init__(self, database: Database) -> None:
        self.clock = Clock()
        self.clock.advance(NOW.timestamp())
        self.stores = Stores(database, self.clock)
        self.commands = self.stores.commands = FaultyCommands(database)
        self.keyring, self.metrics = KEYRING, Metrics()
        self._ids = (f"id-{number:06}" for number in itertools.count(1))
        rendering = ProfileRendering(
            self.stores.authorities, lambda: self.keyring, InlineWorkers(), EXTERNAL_URL
        )
        leases = Leases(self.stores.leases, "process-1", 600)
        self._hand_over = IdentityParts(FakeIdentities(), self.stores.hosts, self.clock).hand_over()
        self._processor = self._make_processor(rendering, leases)
        self.verification = make_verification(
            self.stores.verification,
            self.stores.inventories,
            self.stores.hosts,
            rendering,
            self.stores.authorities,
            self.clock,
        )
        results = self._make_result_ports()
        self._commands = self._make_commands(rendering, results)
        self._results = Results(results)
        self._renewal = Renewal(self.stores.renewals, leases, self.clock)

    @property
    def now(self) -> datetime:
        """
        The time of the clock.
        """
        return utc_now(self.clock)

    def row(self, host_uuid: str, profile_uuid: str) -> HostProfile | None:
        """
        The assignment of a profile to a host, if there is one.
        """
        return at_once(self.stores.assignments.assignment(host_uuid, profile_uuid))

    def certificates(self, host_uuid: str) -> Sequence[ManagedCertificate]:
        """
        The certificates of a host that inventories showed, the newest NotBefore first.
        """
        return at_once(self.stores.verification.certificates(host_uuid))

    # -- operators ---------------------------------------------------------------------------------

    def add_authority(self) -> None:
        """
        Add the certificate authority.
        """
        activity = records.activity(at=self.now)
        at_once(self.stores.authorities.add_certificate_authority(authority(CA), activity))

    def remove_authority(self) -> None:
        """
        Remove it, though a profile names it.
        """
        activity = records.activity(at=self.now)
        at_once(self.stores.authorities.remove_certificate_authority(CA, activity, force=True))

    def add_profiles(self) -> None:
        """
        Upload all profiles.
        """
        for profile in PROFILES:
            activity = records.activity(profile.uuid, at=self.now)
            at_once(self.stores.profiles.add_profile(profile, activity))

    def set_fact(self, uuid: str, value: str | None) -> None:
        """
        Set the fact of a host, or take it away.
        """
        change = FactsChange(uuid, ((FACT, value),))
        activity = records.activity(at=self.now)
        at_once(self.stores.host_changes.change_facts([change], activity))

    def set_label(self, uuid: str, *, wanted: bool) -> None:
        """
        Give a host the label, or take it away.
        """
        add, remove = ((WANTED,), ()) if wanted else ((), (WANTED,))
        activity = records.activity(at=self.now)
        at_once(self.stores.host_changes.change_labels(uuid, add, remove, activity))

    def replace(self, profile: Profile, number: int) -> None:
        """
        Give a profile other content.
        """
        content = profile.content.replace(b"</plist>", f"<!-- {number} --></plist>".encode())
        new = replace(profile, content=content, sha256=sha256(content).hexdigest())
        activity = records.activity(profile.uuid, at=self.now)
        at_once(self.stores.profiles.replace_profile(new, activity))

    def resend(self, host_uuid: str, profile_uuid: str) -> None:
        """
        Ask for another try.

        :raises Conflict: there is no way to the device, or to its user.
        """
        activity = records.activity(at=self.now)
        at_once(self.stores.resending.resend(host_uuid, profile_uuid, activity))

    def happen(self, event: Event, host_uuid: str, profile_uuid: str, detail: str = "") -> None:
        """
        Let an event happen to one assignment.
        """
        one = RowEvent(host_uuid, profile_uuid, event, detail)
        at_once(self.stores.delivery.happen([one], self.now, None))

    # -- the process and the certificate authority -------------------------------------------------

    def tick(self) -> None:
        """
        Process what is due.
        """
        at_once(self._processor.tick())

    def renew(self) -> None:
        """
        Begin the renewals that are due.
        """
        at_once(self._renewal.run())

    def set_breaker(self, *, is_open: bool) -> None:
        """
        Open or close the breaker of the certificate authority.
        """
        broken = Breaker(
            CA,
            BreakerState.OPEN,
            5,
            opened_at=self.now,
            wait=600.0,
            next_probe_at=self.now + timedelta(days=9999),
            reason="it is out",
        )
        new = broken if is_open else Breaker(CA)
        at_once(self.stores.breakers.change(CA, lambda old: new))

    # -- devices -----------------------------------------------------------------------------------

    def authenticate(self, uuid: str) -> None:
        """
        A device enrolls, anew or for the first time.
        """
        enrollment = records.enrollment(uuid, enrolled_at=self.now)
        mac = replace(host(uuid), facts={FACT: "zoe@example.com"})
        at_once(self.stores.check_ins.authenticate(mac, enrollment, f"identity-{uuid}"))

    def update_token(self, uuid: str) -> None:
        """
        A device says where it is pushed to.
        """
        later = self.now + timedelta(seconds=10)
        at_once(self.stores.check_ins.update_token(uuid, records.address(), self.now, later))

    def check_out(self, uuid: str) -> None:
        """
        A device leaves.
        """
        at_once(self.stores.check_ins.check_out(uuid, self.now))

    def open_channel(self, uuid: str, user: str) -> None:
        """
        A user of an enrolled device can be pushed to.
        """
        id = channel_of(uuid, user)
        channel = records.enrollment(
            id, host_uuid=uuid, kind="user", enrolled_at=self.now, user_name=user
        )
        address = records.address()
        at_once(self.stores.channels.update_token(channel, uuid, address, self.now, self.now))

    def end_channel(self, uuid: str, user: str) -> None:
        """
        A user is gone.
        """
        at_once(self.stores.channels.end(channel_of(uuid, user), self.now))

    def poll(self, uuid: str, user: str = "", *, idle: bool = True) -> Offer | None:
        """
        A device asks for a command.

        :param user: by whose channel it does; empty: by its own.
        :param idle: it reported Idle, and not a result.
        """
        body = at_once(self._commands.next(channel_of(uuid, user), uuid, idle=idle))
        if not body:
            return None
        command = plistlib.loads(body)
        asked = command["Command"]
        identifier = asked.get("Identifier", "")
        if "Payload" in asked:
            identifier = plistlib.loads(asked["Payload"])["PayloadIdentifier"]
        return Offer(command["CommandUUID"], asked["RequestType"], identifier, user)

    def answer(self, uuid: str, offer: Offer, status: str, error: object = None) -> None:
        """
        A device reports a result, by the channel that the command came by.
        """
        errors = () if error is None else (error,)
        by_user = {"UserID": offer.user} if offer.user else {}
        raw = report(status, offer.uuid, uuid, errors, **by_user)
        result = command_result(plistlib.loads(raw), raw)
        at_once(self._results.record(result, uuid))

    def ask_authority(self, uuid: str, said: str, key: str = "key-1") -> Admission:
        """
        A device sends a PKCSReq through the proxy.

        :param said: the pkiStatus that came; or "out": the certificate authority did not answer;
            or "unseen": it did, but the connection ended before.
        :param key: names the key that signs it.
        """
        signed_by = SignedBy(key, "transaction-1")
        subject, id = Subject(uuid, SCEP.uuid, CA), next(self._ids)
        reserved = at_once(
            self.stores.enrollment.reserve_window(
                subject,
                id,
                now=self.now,
                until=self.now + timedelta(minutes=1),
                signed_by=signed_by,
            )
        )
        exchange = self._exchange(uuid, id, reserved.window_id)
        if reserved.admission is not Admission.ADMITTED:
            refused = replace(exchange, http_status=403, detail="enrollment window is closed")
            at_once(self.stores.enrollment.record_refusal(refused, redeliver=True))
        elif said == "out":
            out = replace(exchange, http_status=502, detail="the connection was refused")
            at_once(self.stores.enrollment.settle_window(out, WindowOutcome.REOPEN, signed_by))
        elif said == "unseen":
            unseen = replace(exchange, http_status=0, detail="the device closed the connection")
            at_once(self.stores.enrollment.settle_window(unseen, WindowOutcome.LOCK, signed_by))
        else:
            outcome = WindowOutcome.LOCK if said == "SUCCESS" else WindowOutcome.REOPEN
            answered = replace(exchange, pki_status=said)
            at_once(self.stores.enrollment.settle_window(answered, outcome, signed_by))
        return reserved.admission

    def take_inventory(
        self,
        uuid: str,
        profiles: Sequence[tuple[str, datetime]],
        certificates: Sequence[CandidateCertificate],
        user_profiles: Sequence[tuple[str, datetime]] | None = None,
    ) -> None:
        """
        A device tells what it has.

        :param profiles: identifier and time of installation of each.
        :param user_profiles: those of its users; None: it tells nothing of them.
        """
        inventory = Inventory(profiles, certificates, "osquery", user_profiles)
        at_once(self.verification.take(uuid, inventory))

    def take_profiles(self, uuid: str, user: str, profiles: Sequence[tuple[str, datetime]]) -> None:
        """
        A device, or a user of it, answers ProfileList, which tells no dates.
        """
        listed = [(identifier, None) for identifier, _ in profiles]
        inventory = Inventory(listed, None, "MDM")
        if user:
            channel = channel_of(uuid, user)
            inventory = Inventory(None, None, "MDM", listed, user_channel=channel)
        at_once(self.verification.take(uuid, inventory))

    def take_certificates(self, uuid: str, certificates: Sequence[CandidateCertificate]) -> None:
        """
        A device answers CertificateList.
        """
        at_once(self.verification.take(uuid, Inventory(None, certificates, "MDM")))

    def _exchange(self, uuid: str, id: str, window_id: str | None) -> SCEPExchange:
        return records.exchange(
            id,
            host_uuid=uuid,
            profile_uuid=SCEP.uuid,
            ca_name=CA,
            window_id=window_id,
            pki_status=None,
            started_at=self.now,
        )

    # -- its parts ---------------------------------------------------------------------------------

    def _make_processor(self, rendering: ProfileRendering, leases: Leases) -> ProfileProcessor:
        stores = self.stores
        resolving = Resolving(
            stores.profiles, stores.hosts, stores.authorities, rendering, InlineWorkers()
        )
        breakers = Breakers(stores.breakers, BreakerSettings(), self.clock, lambda: 0.5, Metrics())
        return ProfileProcessor(
            stores.delivery,
            resolving,
            leases,
            self.clock,
            lambda: next(self._ids),
            lambda: None,
            breakers=breakers,
        )

    def _make_commands(self, rendering: ProfileRendering, results: ResultPorts) -> Commands:
        stores = self.stores
        ports = CommandPorts(
            stores.commands,
            stores.assignments,
            stores.profiles,
            stores.hosts,
            rendering,
            InlineWorkers(),
            self.clock,
            lambda: next(self._ids),
            lambda count: next(self._ids).encode().ljust(count, b"."),
            self._hand_over,
            Unanswered(results),
            self.metrics,
        )
        return Commands(ports, CommandSettings(one_time_urls=False))

    def _make_result_ports(self) -> ResultPorts:
        stores = self.stores
        return ResultPorts(
            stores.commands,
            stores.assignments,
            stores.enrollment,
            stores.verification,
            self.clock,
            make_answers(self.verification, stores.inventories),
            self._hand_over,
        )


def channel_of(uuid: str, user: str) -> str:
    """
    The enrollment by which a user of a device is reached; of no user: the device's own.
    """
    return f"{uuid}:{user}" if user else uuid


def new_certificate(uuid: str, number: int, now: datetime) -> CandidateCertificate:
    """
    The certificate that the authority gave a device for :data:`SCEP`.

    :param number: of no other of that device.
    """
    subject = f"OU = fleet-{SCEP.uuid}, CN = {uuid}"
    texts = CertificateTexts(
        sha1=sha1(f"{uuid}-{number}".encode(), usedforsecurity=False).hexdigest(),
        subject=subject,
        legacy_subject="",
        issuer="CN = ca",
        legacy_issuer="",
        serial=f"{number:X}",
        not_before=now,
        not_after=now + _VALIDITY,
    )
    found = candidate_from_texts(texts)
    assert found is not None
    return found
