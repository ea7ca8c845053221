"""
Hosts, profiles and certificate authorities for the tests of MDM, in memory.
"""

from __future__ import annotations

import base64
import itertools
import plistlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from scepd.metrics import Metrics
from scepd.model import (
    ALL_HOSTS,
    CertificateAuthority,
    Host,
    HostProfile,
    KnownIdentity,
    Profile,
    QueuedCommand,
    challenge_place,
)
from scepd.pki.keyring import Keyring
from scepd.services.bootstrap_tokens import BootstrapTokens
from scepd.services.checkin import CheckIn
from scepd.services.checkin_messages import CheckInMessages
from scepd.services.clock import utc_now
from scepd.services.commands import CommandPorts, Commands
from scepd.services.last_seen import LastSeen
from scepd.services.rendering import ProfileRendering
from scepd.services.results import ResultPorts, Results
from scepd.services.unanswered import Unanswered
from scepd.services.user_channels import UserChannels
from tests.support.fake_identities import FakeIdentities
from tests.support.fake_inventories import FakeInventories, make_answers, make_verification
from tests.support.fake_mdm import (
    FakeBootstrapTokens,
    FakeCheckIns,
    FakeCommands,
    FakeLeases,
    FakeUserChannels,
    FakeVerification,
)
from tests.support.fake_polls import FakePolls
from tests.support.fakes import (
    FakeAssignments,
    FakeCertificateAuthorities,
    FakeEnrollments,
    FakeHostChanges,
    FakeHosts,
    FakeProfiles,
    InlineWorkers,
)
from tests.support.identity_parts import EXTERNAL_URL as EXTERNAL_URL
from tests.support.identity_parts import IdentityParts
from tests.support.pki import Party, party

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEYRING = Keyring({"k1": bytes(32)})
CHALLENGE = "s3cret-challenge"


def authority(name: str = "CORP", keyring: Keyring = KEYRING) -> CertificateAuthority:
    """
    A stored certificate authority.
    """
    sealed = keyring.seal(CHALLENGE.encode(), challenge_place(name), lambda count: bytes(count))
    url = "http://ca.example/scep"
    return CertificateAuthority(name, url, sealed, None, None, 16, False, (), (), NOW, NOW)


def host(uuid: str = "UDID-1", platform: str = "macos", **facts: str) -> Host:
    """
    A stored host.
    """
    return Host(uuid, f"SERIAL-{uuid}", platform, (), facts)


def scep_profile(uuid: str = "aPROFILE-1", ca: str = "CORP", extra: str = "") -> Profile:
    """
    A stored profile that asks for a certificate.

    :param extra: a text with further variables.
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
        "PayloadIdentifier": f"com.example.{uuid}.scep",
        "PayloadUUID": "9DCC35A5-72F9-42B7-9A98-7AD9A9CCA3AC",
        "PayloadVersion": 1,
        "PayloadContent": content,
    }
    return _stored(uuid, [payload], (ca,), extra)


def plain_profile(uuid: str = "aPLAIN-1", scope: str = "System") -> Profile:
    """
    A stored profile without a certificate.
    """
    return _stored(uuid, [], (), "", scope)


def _stored(
    uuid: str,
    payloads: list[dict[str, object]],
    ca_names: tuple[str, ...],
    extra: str,
    scope: str = "System",
) -> Profile:
    identifier = f"com.example.{uuid}"
    content = plistlib.dumps(
        {
            "PayloadType": "Configuration",
            "PayloadIdentifier": identifier,
            "PayloadDisplayName": "Example",
            "PayloadDescription": extra,
            "PayloadUUID": "4CD1BD65-1D2C-4E9E-9E18-9BCD400CDEDC",
            "PayloadVersion": 1,
            "PayloadScope": scope,
            "PayloadContent": payloads,
        }
    )
    digest = sha256(content).hexdigest()
    return Profile(uuid, identifier, "Example", content, digest, scope, ALL_HOSTS, ca_names, NOW)


def signed(body: bytes, signer: Party) -> bytes:
    """
    The ``Mdm-Signature`` of a body.
    """
    certificate = x509.load_der_x509_certificate(signer.certificate)
    options = (
        pkcs7.PKCS7Options.Binary,
        pkcs7.PKCS7Options.DetachedSignature,
        pkcs7.PKCS7Options.NoAttributes,
    )
    builder = pkcs7.PKCS7SignatureBuilder().set_data(body)
    builder = builder.add_signer(certificate, signer.key, hashes.SHA256())
    return base64.b64encode(builder.sign(serialization.Encoding.DER, options))


def check_in(message_type: str, udid: str = "UDID-1", **more: object) -> bytes:
    """
    A check-in message.
    """
    return plistlib.dumps({"MessageType": message_type, "UDID": udid, **more})


def authenticate(udid: str = "UDID-1", **more: object) -> bytes:
    """
    An Authenticate of a Mac.
    """
    said = {"SerialNumber": "C02ABC", "ProductName": "Mac14,7", "OSVersion": "15.1"}
    return check_in("Authenticate", udid, **(said | more))


def token_update(udid: str = "UDID-1", **more: object) -> bytes:
    """
    A TokenUpdate.
    """
    said = {"Topic": "com.apple.mgmt.External.1", "Token": b"\x0a\x0b", "PushMagic": "magic"}
    return check_in("TokenUpdate", udid, **(said | more))


def report(
    status: str,
    command: str = "",
    udid: str = "UDID-1",
    errors: Sequence[object] = (),
    **more: object,
) -> bytes:
    """
    What a device says to ``/mdm/connect``.
    """
    said: dict[str, object] = {"Status": status, "UDID": udid}
    if command:
        said["CommandUUID"] = command
    if errors:
        said["ErrorChain"] = list(errors)
    return plistlib.dumps(said | more)


def chain_item(
    domain: str = "MCInstallationErrorDomain", code: int = 4001, text: str = "oops"
) -> object:
    """
    One item of an ErrorChain.
    """
    return {
        "ErrorDomain": domain,
        "ErrorCode": code,
        "LocalizedDescription": text,
        "USEnglishDescription": text,
    }


class MDMWorld:
    """
    The MDM services over fakes of their ports, with a certificate authority, a profile of it and a
    host whose identity was issued but not used yet.

    :ivar identity: the device's.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW.timestamp())
        self.check_ins, self.commands = FakeCheckIns(), FakeCommands()
        self.polls = FakePolls(self.check_ins, self.commands)
        self.bootstrap_tokens = FakeBootstrapTokens()
        self.user_channel_store = FakeUserChannels(check_ins=self.check_ins)
        self.identities, self.metrics = FakeIdentities(), Metrics()
        self.assignments, self.exchanges = FakeAssignments(), FakeEnrollments()
        self.verification, self.inventories = FakeVerification(), FakeInventories()
        self.authorities = FakeCertificateAuthorities(by_name={"CORP": authority()})
        self.profile = scep_profile()
        self.profiles = FakeProfiles(by_uuid={self.profile.uuid: self.profile})
        self.hosts = FakeHosts(by_uuid={"UDID-1": host()})
        self.host_changes = FakeHostChanges(self.hosts)
        self.keyring = KEYRING
        self.workers = InlineWorkers()
        self.woken = 0
        self.identity = party("CN=device-1")
        self.issue(self.identity)
        self.last_seen = LastSeen(self.check_ins, self.clock)
        self.check_in = self._make_check_in()

    def issue(self, identity: Party, **changes: object) -> None:
        """
        Let an identity have been issued for an enrollment challenge.
        """
        fingerprint = sha256(identity.certificate).hexdigest()
        known = KnownIdentity(
            fingerprint, None, False, None, ("office",), False, NOW + timedelta(days=365)
        )
        self.check_ins.identities[fingerprint] = replace(known, **changes)  # type: ignore[arg-type]

    def known(self, identity: Party | None = None) -> KnownIdentity:
        """
        What is known of an identity.
        """
        certificate = (identity or self.identity).certificate
        return self.check_ins.identities[sha256(certificate).hexdigest()]

    def send(self, body: bytes, identity: Party | None = None) -> Deferred[bytes]:
        """
        Send a message as a device does.
        """
        return self.send_signed(body, signed(body, identity or self.identity))

    def send_signed(self, body: bytes, signature: bytes) -> Deferred[bytes]:
        """
        Send a message with any signature.
        """
        return Deferred.fromCoroutine(self.check_in.answer(body, signature))

    def enroll(self) -> None:
        """
        Authenticate and TokenUpdate of the device.
        """
        for message in (authenticate(), token_update()):
            answered: list[bytes] = []
            self.send(message).addCallback(answered.append)
            assert answered == [b""], answered

    def enroll_beside_plain(self) -> Profile:
        """
        Enroll the device; a profile without a certificate is there, which is returned.
        """
        self.enroll()
        plain = plain_profile()
        self.profiles.by_uuid[plain.uuid] = plain
        return plain

    def queue(self, uuid: str, profile: Profile | None, kind: str = "InstallProfile") -> None:
        """
        Queue a command for the device, and make it its assignment's.
        """
        row = profile.uuid if profile else None
        body = None if profile else b"raw " + uuid.encode()
        created = utc_now(self.clock) + timedelta(microseconds=len(self.commands.queued))
        command = QueuedCommand(uuid, "UDID-1", kind, row, body, 100, created)
        self.commands.queued[uuid] = command
        if profile:
            self.assignments.by_pair["UDID-1", profile.uuid] = HostProfile(
                *("UDID-1", profile.uuid, "install", "pending", None, "", None),
                profile_identifier=profile.identifier,
                command_uuid=uuid,
                delivered_at=utc_now(self.clock),
            )

    def _make_check_in(self) -> CheckIn:
        ids = itertools.count(1)
        parts = self.identity_parts = IdentityParts(
            self.identities,
            self.hosts,
            self.clock,
            self.metrics,
            self.workers,
            FakeLeases(),
            self._wake,
        )
        hand_over = parts.hand_over()
        rendering = ProfileRendering(
            self.authorities, lambda: self.keyring, self.workers, EXTERNAL_URL
        )
        result_ports = ResultPorts(
            self.commands,
            self.assignments,
            self.exchanges,
            self.verification,
            self.clock,
            make_answers(
                make_verification(
                    self.verification,
                    self.inventories,
                    self.hosts,
                    rendering,
                    self.authorities,
                    self.clock,
                ),
                self.inventories,
            ),
            hand_over,
            self.host_changes,
        )
        command_ports = CommandPorts(
            self.commands,
            self.assignments,
            self.profiles,
            self.hosts,
            rendering,
            self.workers,
            self.clock,
            lambda: f"window-{next(ids)}",
            lambda count: bytes(range(count)),
            hand_over,
            Unanswered(result_ports),
            self.metrics,
        )
        channels = UserChannels(
            self.user_channel_store,
            self.check_ins,
            self.last_seen,
            lambda: self.keyring,
            self.clock,
            bytes,
            self._wake,
        )
        messages = CheckInMessages(
            self.check_ins,
            self.last_seen,
            lambda: self.keyring,
            self.clock,
            bytes,
            self._wake,
            BootstrapTokens(self.bootstrap_tokens, lambda: self.keyring, self.clock, bytes),
            channels,
        )
        return CheckIn(
            parts.known(self.check_ins),
            messages,
            Commands(command_ports),
            Results(result_ports),
            self.last_seen,
            self.workers,
            channels,
            parts.renewal(),
            self.polls,
        )

    def _wake(self) -> None:
        self.woken += 1
