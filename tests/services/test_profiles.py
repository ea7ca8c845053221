"""
Tests for uploading, previewing and removing profiles, and for rendering them for a host.
"""

from __future__ import annotations

import plistlib
from collections.abc import Coroutine
from dataclasses import replace
from hashlib import sha256
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.config import ProfilesSection
from scepd.errors import Conflict, InvalidInput, NotFound, SecretUnreadable
from scepd.model import Activity, CertificateAuthority, Host, Targets, challenge_place
from scepd.pki.keyring import Keyring
from scepd.services.profiles import Profiles, UploadedProfile
from scepd.services.rendering import ProfileRendering
from tests.services.ca_certificates import NOW, certificate, der
from tests.support.fakes import (
    FakeCertificateAuthorities,
    FakeHosts,
    FakeProfiles,
    InlineWorkers,
)

T = TypeVar("T")

CHALLENGE = "s3cret & <challenge>"
HOST = Host("00008120-000E10C61C3BC01E", "C02ABC", "macos", ("staff",), {})
KEYRING = Keyring({"k1": bytes(32)})
UUID = "a07070707-0707-4707-8707-070707070707"


def authority(name: str = "Test_SCEP", keyring: Keyring = KEYRING) -> CertificateAuthority:
    """
    A stored certificate authority.
    """
    place = challenge_place(name)
    sealed = keyring.seal(CHALLENGE.encode(), place, lambda count: b"\x01" * count)
    url = "http://ca.example.com/scep"
    ders = (der(certificate()),)
    return CertificateAuthority(name, url, sealed, None, None, 16, False, ders, (), NOW, NOW)


def profile(ca: str = "Test_SCEP", identifier: str = "com.example.scep", **scep: str) -> bytes:
    """
    A profile with one SCEP payload.
    """
    content = {
        "Challenge": f"$FLEET_VAR_CUSTOM_SCEP_CHALLENGE_{ca}",
        "URL": f"${{FLEET_VAR_CUSTOM_SCEP_PROXY_URL_{ca}}}",
        "Key Type": "RSA",
        "Keysize": 2048,
        "Key Usage": 5,
        "Subject": [[["CN", "%SerialNumber%"]], [["OU", "$FLEET_VAR_SCEP_RENEWAL_ID"]]],
    }
    payload = {
        "PayloadType": "com.apple.security.scep",
        "PayloadIdentifier": f"{identifier}.payload",
        "PayloadUUID": "9DCC35A5-72F9-42B7-9A98-7AD9A9CCA3AC",
        "PayloadVersion": 1,
        "PayloadContent": content | scep,
    }
    return plistlib.dumps(
        {
            "PayloadType": "Configuration",
            "PayloadIdentifier": identifier,
            "PayloadDisplayName": "SCEP",
            "PayloadUUID": "4CD1BD65-1D2C-4E9E-9E18-9BCD400CDEDC",
            "PayloadVersion": 1,
            "PayloadContent": [payload],
        }
    )


class ProfilesTests(SynchronousTestCase):
    """
    Tests for L{Profiles} and L{ProfileRendering}.
    """

    def setUp(self) -> None:
        """
        Make the services, one certificate authority and one host.
        """
        clock = Clock()
        clock.advance(NOW.timestamp())
        self.authorities = FakeCertificateAuthorities(by_name={"Test_SCEP": authority()})
        self.store = FakeProfiles()
        self.hosts = FakeHosts({HOST.uuid: HOST})
        self.workers = InlineWorkers()
        self.rendering = ProfileRendering(
            self.authorities, lambda: KEYRING, self.workers, "https://mdm.example.com"
        )
        self.service = Profiles(
            self.store,
            self.authorities,
            self.hosts,
            self.rendering,
            clock,
            lambda count: b"\x07" * count,
            self.workers,
            ProfilesSection(),
            self.count_change,
        )
        self.changes = 0

    def count_change(self) -> None:
        """
        A change may not have reached all hosts.
        """
        self.changes += 1

    def begin(self, work: Coroutine[Deferred[T], object, T]) -> Deferred[T]:
        """
        Begin some work of a service.
        """
        return Deferred.fromCoroutine(work)

    def done(self, work: Coroutine[Deferred[T], object, T]) -> T:
        """
        Do some work of a service.
        """
        return self.successResultOf(self.begin(work))

    def upload(self, content: bytes, label: str | None = None) -> UploadedProfile:
        """
        Upload a profile, for the hosts with a label if there is one.
        """
        targets = Targets((label,)) if label is not None else None
        uploaded: UploadedProfile = self.done(self.service.upload(content, targets, "alice"))
        return uploaded

    def test_upload(self) -> None:
        """
        A good profile is stored as it came, with what is known of it and an activity.
        """
        content = profile()
        stored = self.upload(content, "staff").profile
        self.assertEqual(self.store.by_uuid, {UUID: stored})
        self.assertEqual(stored.content, content)
        self.assertEqual(stored.sha256, sha256(content).hexdigest())
        self.assertEqual((stored.identifier, stored.scope), ("com.example.scep", "System"))
        self.assertEqual(stored.targets, Targets(("staff",)))
        self.assertEqual(stored.ca_names, ("Test_SCEP",))
        self.assertEqual(stored.created_at, NOW)
        self.assertEqual(
            self.store.activities.records,
            [Activity(NOW, "alice", "added profile", "com.example.scep")],
        )

    def test_all_hosts(self) -> None:
        """
        Without a label the profile is for all hosts.
        """
        self.assertEqual(self.upload(profile()).profile.targets, Targets())

    def test_steps(self) -> None:
        """
        Upload, validation and storing are one log event each.
        """
        with capturedLogs() as events:
            self.upload(profile())
        steps = [event["step"] for event in events if "step" in event]
        self.assertEqual(steps, ["B1", "B2", "B3"])

    def test_faults(self) -> None:
        """
        A profile with faults is refused with all of them, and nothing is stored.
        """
        content = profile("Nowhere", "")
        error = self.failureResultOf(
            self.begin(self.service.upload(content, None, "alice")), InvalidInput
        ).value
        self.assertIn("PayloadIdentifier", [fault.field for fault in error.faults])
        self.assertIn("names a certificate authority that doesn't exist.", str(error))
        self.assertEqual(self.store.by_uuid, {})
        self.assertEqual(self.store.activities.records, [])

    def test_too_large(self) -> None:
        """
        A profile above the configured size is refused.
        """
        work = self.service.upload(profile() + b" " * 1_048_576, None, "alice")
        self.failureResultOf(self.begin(work), InvalidInput)

    def test_labels(self) -> None:
        """
        A label that is empty, too long or has control characters is refused.
        """
        for label in ("", "x" * 256, "a\nb", " a"):
            targets = Targets((label,), (label,), (label + "1",))
            work = self.service.upload(profile(), targets, "alice")
            error = self.failureResultOf(self.begin(work), InvalidInput).value
            fields = [fault.field for fault in error.faults]
            self.assertEqual(fields[:2], ["labels_any", "labels_all"])
        self.assertEqual(self.store.by_uuid, {})

    def test_targets(self) -> None:
        """
        Labels are stored once each, sorted; automatic ones are welcome. One that a host must have
        and must not have is refused.
        """
        targets = Targets(("b", "a", "b"), ("os:15",), ("c",))
        stored = self.done(self.service.upload(profile(), targets, "alice")).profile
        self.assertEqual(stored.targets, Targets(("a", "b"), ("os:15",), ("c",)))
        work = self.service.aim(UUID, Targets(("a",), (), ("a", "b")), "alice")
        error = self.failureResultOf(self.begin(work), InvalidInput).value
        self.assertEqual([fault.field for fault in error.faults], ["labels_none"])
        self.assertIn("'a'", str(error))

    def test_in_place_of_a_former_one(self) -> None:
        """
        A profile that takes the place of one that is being removed is told with that one's uuid.
        """
        self.store.former["com.example.scep"] = "a-former"
        self.assertEqual(self.upload(profile()).profile.uuid, "a-former")

    def test_replace(self) -> None:
        """
        Other content is stored under the same uuid, with the same targets and time; it is an
        activity, and hosts are told.
        """
        before = self.upload(profile(), "staff").profile
        self.changes = 0
        content = profile(Name="$FLEET_VAR_HOST_UUID")
        replaced = self.done(self.service.replace(UUID, content, "bob"))
        self.assertTrue(replaced.is_changed)
        expected = replace(
            before,
            content=content,
            sha256=sha256(content).hexdigest(),
            host_variables=("HOST_UUID",),
        )
        self.assertEqual(replaced.profile, expected)
        self.assertEqual(self.store.by_uuid, {UUID: expected})
        self.assertEqual(
            self.store.activities.records[-1],
            Activity(NOW, "bob", "replaced profile", "com.example.scep"),
        )
        self.assertEqual(self.changes, 1)

    def test_replace_with_the_same(self) -> None:
        """
        The same content changes nothing, and says so.
        """
        before = self.upload(profile(), "staff").profile
        self.changes = 0
        replaced = self.done(self.service.replace(UUID, profile(), "bob"))
        self.assertFalse(replaced.is_changed)
        self.assertEqual(replaced.profile, before)
        self.assertEqual(len(self.store.activities.records), 1)
        self.assertEqual(self.changes, 0)

    def test_replace_with_another(self) -> None:
        """
        One of another identifier and scope is refused, with both faults; so is one with faults of
        its own, and one in place of nothing.
        """
        before = self.upload(profile()).profile
        other = profile(identifier="com.example.other").replace(
            b"<key>PayloadType</key>\n\t<string>Configuration",
            b"<key>PayloadScope</key><string>User</string>"
            b"<key>PayloadType</key>\n\t<string>Configuration",
        )
        for content, fields in (
            (other, ["PayloadIdentifier", "PayloadScope"]),
            (b"junk", ["profile"]),
        ):
            work = self.service.replace(UUID, content, "bob")
            error = self.failureResultOf(self.begin(work), InvalidInput).value
            self.assertEqual([fault.field for fault in error.faults], fields)
        self.assertEqual(self.store.by_uuid, {UUID: before})
        work = self.service.replace("a-none", profile(), "bob")
        self.failureResultOf(self.begin(work), NotFound)

    def test_aim(self) -> None:
        """
        Other targets are stored, which is an activity; the same ones change nothing.
        """
        before = self.upload(profile(), "staff").profile
        self.changes = 0
        targets = Targets((), (), ("kiosk",))
        aimed = self.done(self.service.aim(UUID, targets, "bob"))
        self.assertEqual(aimed, replace(before, targets=targets))
        self.assertEqual(self.store.by_uuid, {UUID: aimed})
        expected = Activity(NOW, "bob", "aimed profile", "com.example.scep")
        self.assertEqual(self.store.activities.records[-1], expected)
        self.done(self.service.aim(UUID, targets, "bob"))
        self.assertEqual(len(self.store.activities.records), 2)
        self.assertEqual(self.changes, 1)
        work = self.service.aim("a-none", targets, "bob")
        self.failureResultOf(self.begin(work), NotFound)

    def test_identifier_is_taken(self) -> None:
        """
        A second profile of an identifier is a conflict.
        """
        self.upload(profile())
        work = self.service.upload(profile(), None, "alice")
        self.failureResultOf(self.begin(work), Conflict)

    def test_warnings(self) -> None:
        """
        What is unwise comes back as warnings.
        """
        uploaded = self.upload(profile(**{"Key Type": "ECSECPrimeRandom"}))
        self.assertNotEqual(uploaded.warnings, ())

    def test_work_is_done_in_a_thread(self) -> None:
        """
        Validation does not run on the reactor.
        """
        self.upload(profile())
        self.assertEqual(self.workers.calls, 1)

    def test_show_list_remove(self) -> None:
        """
        A profile is shown and listed until it is removed, which is an activity.
        """
        stored = self.upload(profile()).profile
        self.assertEqual(self.done(self.service.show(UUID)), stored)
        self.assertEqual(self.done(self.service.list()), [stored])
        self.done(self.service.remove(UUID, "alice"))
        self.assertEqual(self.store.activities.records[-1].action, "removed profile")
        self.failureResultOf(self.begin(self.service.show(UUID)), NotFound)
        self.failureResultOf(self.begin(self.service.remove(UUID, "alice")), NotFound)

    def test_preview(self) -> None:
        """
        A preview has the host's values and the mask in place of the challenge.
        """
        self.upload(profile())
        content = self.done(self.service.preview(UUID, HOST.uuid))
        scep = plistlib.loads(content)["PayloadContent"][0]["PayloadContent"]
        self.assertEqual(scep["Challenge"], "********")
        self.assertEqual(
            scep["URL"],
            f"https://mdm.example.com/mdm/scep/proxy/{HOST.uuid}%2C{UUID}%2CTest_SCEP",
        )
        self.assertEqual(scep["Subject"][1], [["OU", f"fleet-{UUID}"]])
        self.assertNotIn(b"s3cret", content)

    def test_preview_of_nothing(self) -> None:
        """
        There is no preview of an unknown profile, or for an unknown host.
        """
        self.failureResultOf(self.begin(self.service.preview(UUID, HOST.uuid)), NotFound)
        self.upload(profile())
        self.failureResultOf(self.begin(self.service.preview(UUID, "nobody")), NotFound)

    def test_preview_with_missing_values(self) -> None:
        """
        Values that are missing are named, all of them.
        """
        self.upload(
            profile(
                Name="$FLEET_VAR_HOST_END_USER_EMAIL_IDP",
                Other="$FLEET_VAR_HOST_END_USER_IDP_DEPARTMENT",
            )
        )
        work = self.service.preview(UUID, HOST.uuid)
        error = self.failureResultOf(self.begin(work), InvalidInput).value
        self.assertEqual(
            [fault.field for fault in error.faults],
            [
                "$FLEET_VAR_HOST_END_USER_EMAIL_IDP",
                "$FLEET_VAR_HOST_END_USER_IDP_DEPARTMENT",
            ],
        )

    def test_values(self) -> None:
        """
        For a delivery the challenge is in clear, and facts and serial number are the host's.
        """
        stored = self.upload(
            profile(
                Name="$FLEET_VAR_HOST_HARDWARE_SERIAL", Other="$FLEET_VAR_HOST_END_USER_EMAIL_IDP"
            )
        ).profile
        host = replace(HOST, facts={"HOST_END_USER_EMAIL_IDP": "alice@example.com"})
        values = self.done(self.rendering.values_of(stored))(host)
        self.assertEqual(values["CUSTOM_SCEP_CHALLENGE_Test_SCEP"], CHALLENGE)
        self.assertEqual(values["HOST_HARDWARE_SERIAL"], "C02ABC")
        self.assertEqual(values["HOST_END_USER_EMAIL_IDP"], "alice@example.com")
        rendered = plistlib.loads(self.done(self.rendering.render(host, stored)).content)
        scep = rendered["PayloadContent"][0]["PayloadContent"]
        self.assertEqual(scep["Challenge"], CHALLENGE)

    def test_authority_is_gone(self) -> None:
        """
        When the certificate authority was removed meanwhile, both its variables are missing.
        """
        stored = self.upload(profile()).profile
        self.authorities.by_name.clear()
        values_of = self.done(self.rendering.values_of(stored))
        error = self.assertRaises(InvalidInput, values_of, HOST)
        self.assertEqual(len(error.faults), 2)

    def test_challenge_does_not_open(self) -> None:
        """
        A challenge that no key opens fails the delivery, and the preview not: it never opens one.
        """
        stored = self.upload(profile()).profile
        other = Keyring({"k2": bytes(32)})
        self.authorities.by_name["Test_SCEP"] = authority(keyring=other)
        work = self.rendering.render(HOST, stored)
        error = self.failureResultOf(self.begin(work), SecretUnreadable).value
        self.assertIn("k2", str(error))
        self.done(self.service.preview(UUID, HOST.uuid))
