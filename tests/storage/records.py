"""
Records for tests, whole and unremarkable but for what a test sets.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from scepd.model import (
    ALL_HOSTS,
    Activity,
    APIToken,
    CAState,
    CertificateAuthority,
    ChallengeMode,
    DeliveryChallenge,
    DueRow,
    Enrollment,
    EnrollmentChallenge,
    EnrollmentToken,
    EnrollmentWindow,
    Host,
    HostProfile,
    InventoryAsk,
    InventoryTaken,
    IssuedCertificate,
    ManagedCertificate,
    PendingRequest,
    Profile,
    PushAddress,
    QueuedCommand,
    RowEvent,
    SCEPExchange,
    WindowState,
)
from scepd.pki.keyring import SealedSecret
from scepd.profiles.lifecycle import Event
from scepd.profiles.requested_names import NamePattern, RequestedNames

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def ca(name: str = "corp", **changes: object) -> CertificateAuthority:
    """
    A certificate authority with every column filled.
    """
    whole = CertificateAuthority(
        name=name,
        url=f"https://{name}.example.com/scep",
        challenge=SealedSecret("key-1", b"\x00sealed\xff"),
        ca_identifier="issuing",
        trusted_certificates="-----BEGIN CERTIFICATE-----\n",
        max_concurrency=3,
        allow_single_des=True,
        certificates=(b"\x30\x82\x00", b"\xff\x00"),
        capabilities=("POSTPKIOperation", "SHA-256"),
        checked_at=NOON,
        created_at=NOON - HOUR,
        requests_per_second=0.1,
        pinned_sha256="5a" * 32,
        client_certificate="-----BEGIN CERTIFICATE-----\nours",
        client_key=SealedSecret("key-2", b"\xfesealed key"),
        outgoing_proxy="http://proxy.example.com:3128",
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def profile(uuid: str = "a-1", **changes: object) -> Profile:
    """
    A profile for all hosts that uses no certificate authority.
    """
    whole = Profile(
        uuid=uuid,
        identifier=f"com.example.{uuid}",
        display_name="Wi-Fi für alle",
        content=b"<?xml\x00\xff",
        sha256="ab" * 32,
        scope="System",
        targets=ALL_HOSTS,
        ca_names=(),
        created_at=NOON,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def host(uuid: str = "H-1", **changes: object) -> Host:
    """
    A Mac with two labels of operators, the automatic one, and one fact.
    """
    whole = Host(
        uuid=uuid,
        serial_number="C02",
        platform="macos",
        labels=("berlin", "platform:macos", "sales"),
        facts={"HOST_END_USER_EMAIL": "zoë@example.com"},
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def assignment(host_uuid: str = "H-1", profile_uuid: str = "a-1", **changes: object) -> HostProfile:
    """
    A pending install from the certificate authority ``corp``.
    """
    whole = HostProfile(
        host_uuid=host_uuid,
        profile_uuid=profile_uuid,
        operation="install",
        status="pending",
        ca_name="corp",
        detail="",
        due_at=None,
        profile_identifier=f"com.example.{profile_uuid}",
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def window(id: str = "w-1", **changes: object) -> EnrollmentWindow:
    """
    An open window of an hour from noon.
    """
    whole = EnrollmentWindow(
        id=id,
        host_uuid="H-1",
        profile_uuid="a-1",
        ca_name="corp",
        state=WindowState.OPEN,
        opened_at=NOON,
        deadline=NOON + HOUR,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def exchange(id: str = "x-1", **changes: object) -> SCEPExchange:
    """
    A PKCSReq at noon that was answered with SUCCESS.
    """
    whole = SCEPExchange(
        id=id,
        host_uuid="H-1",
        profile_uuid="a-1",
        ca_name="corp",
        window_id="w-1",
        message_type="PKCSReq",
        transaction_id="0A+/=",
        pki_status="SUCCESS",
        fail_info=None,
        http_status=200,
        detail="",
        started_at=NOON,
        milliseconds=41,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def token(sha256: str = "cd" * 32) -> APIToken:
    """
    A token of the role admin.
    """
    return APIToken(sha256, "first", "admin", NOON)


def activity(subject: str = "corp", **changes: object) -> Activity:
    """
    Something that an operator did at noon.
    """
    whole = Activity(NOON, "first", "added certificate authority", subject)
    return replace(whole, **changes)  # type: ignore[arg-type]


def address(text: bytes = b"token:magic") -> PushAddress:
    """
    Where pushes go.
    """
    return PushAddress("com.apple.mgmt.External.1", SealedSecret("key-1", text))


def enrollment(id: str = "H-1", **changes: object) -> Enrollment:
    """
    A device that enrolls at noon; the host has the same name.
    """
    whole = Enrollment(id, id, "device", False, None, NOON)
    return replace(whole, **changes)  # type: ignore[arg-type]


def command(uuid: str = "c-1", enrollment_id: str = "H-1", **changes: object) -> QueuedCommand:
    """
    A command that is no delivery.
    """
    whole = QueuedCommand(uuid, enrollment_id, "DeviceInformation", None, b"<plist/>", 50, NOON)
    return replace(whole, **changes)  # type: ignore[arg-type]


def delivery_of(row: DueRow, at: datetime) -> QueuedCommand:
    """
    The command that delivers a due assignment.
    """
    installs = row.operation == "install"
    kind = "InstallProfile" if installs else "RemoveProfile"
    uuid = f"{'c' if installs else 'r'}-{row.profile_uuid}-{row.host_uuid}"
    return QueuedCommand(uuid, row.enrollment_id, kind, row.profile_uuid, None, 50, at)


def event(
    what: Event, host_uuid: str = "H-1", profile_uuid: str = "a-1", detail: str = ""
) -> RowEvent:
    """
    An event of the assignment of a-1 to H-1.
    """
    return RowEvent(host_uuid, profile_uuid, what, detail)


def certificate(sha1: str = "01" * 20, **changes: object) -> ManagedCertificate:
    """
    A certificate of a year from a-1 on H-1, first seen at noon, to be renewed after 300 days.
    """
    whole = ManagedCertificate(
        host_uuid="H-1",
        sha1=sha1,
        profile_uuid="a-1",
        ca_name="corp",
        subject="CN=H-1",
        issuer="CN=corp",
        serial="0A",
        not_before=NOON,
        not_after=NOON + timedelta(days=365),
        source="osquery",
        first_seen=NOON,
        renew_at=NOON + timedelta(days=300),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def ca_state(serial: str = "01") -> CAState:
    """
    A certificate and key of the embedded certificate authority.
    """
    return CAState(serial, b"\x30\x00", SealedSecret("key-1", b"\x00key\xff"), NOON)


def enrollment_token(sha256: str = "e1", **changes: object) -> EnrollmentToken:
    """
    A token with two uses that lasts a day.
    """
    whole = EnrollmentToken(sha256, "sales", ("berlin", "new"), 2, False, NOON + 24 * HOUR, NOON)
    return replace(whole, **changes)  # type: ignore[arg-type]


def challenge(sha256: str = "c1", **changes: object) -> EnrollmentChallenge:
    """
    A challenge of an hour for the token e1.
    """
    whole = EnrollmentChallenge(sha256, "e1", "CN=H-1", NOON + HOUR)
    return replace(whole, **changes)  # type: ignore[arg-type]


def pending_request(id: str = "r-1", **changes: object) -> PendingRequest:
    """
    A request of the key k1 by the signer s-1, in a transaction of its own, that waits for a week.
    """
    whole = PendingRequest(
        id=id,
        transaction_id=f"t-{id}",
        request_sha256=f"q-{id}",
        signer_key_sha256="s-1",
        signer_certificate=b"\x30\x00",
        public_key_sha256="k1",
        request=SealedSecret("key-1", b"\x00request\xff"),
        subject="CN=router",
        alternative_names=("dns:router.example",),
        created_at=NOON,
        expires_at=NOON + timedelta(days=7),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def issued(serial: str = "0B", **changes: object) -> IssuedCertificate:
    """
    A certificate for the challenge c1, a request and a transaction of its own, for the key k1.
    """
    whole = IssuedCertificate(
        serial=serial,
        certificate=b"\x30\x01\x00",
        sha256=f"sha-{serial}",
        subject="CN=H-1",
        purpose="enroll",
        transaction_id=f"transaction-{serial}",
        request_sha256=f"request-{serial}",
        public_key_sha256="k1",
        challenge_sha256="c1",
        not_after=NOON + timedelta(days=365),
        issued_at=NOON,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def one_time_ca(name: str = "corp", **changes: object) -> CertificateAuthority:
    """
    A certificate authority with one-time challenges and the webhook hook-1.
    """
    whole = ca(
        name,
        challenge=None,
        challenge_mode=ChallengeMode.ONE_TIME,
        webhook_id="hook-1",
        webhook_secret=SealedSecret("key-1", b"\x00secret\xff"),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def delivery_challenge(sha256: str = "d1", **changes: object) -> DeliveryChallenge:
    """
    The challenge of the delivery of a-1 to H-1 that opened the window w-1.
    """
    names = RequestedNames(
        (
            (NamePattern("2.5.4.3", ("zoë ", "")), NamePattern("2.5.4.11", ("sales",))),
            (NamePattern("2.5.4.10", ("Example",)),),
        ),
        (NamePattern("dns", ("a.example",)),),
    )
    whole = DeliveryChallenge(sha256, "H-1", "a-1", "corp", "w-1", names, NOON + HOUR)
    return replace(whole, **changes)  # type: ignore[arg-type]


def taken(source: str = "osquery", **changes: object) -> InventoryTaken:
    """
    That a whole inventory came at noon; the next is wanted after an hour, over MDM after two.
    """
    whole = InventoryTaken(
        source=source,
        profiles=True,
        certificates=True,
        unreadable=0,
        listed=frozenset(),
        agent_until=NOON + 2 * HOUR,
        agent_due_at=NOON + HOUR,
        mdm_due_at=NOON + 2 * HOUR,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def ask(number: int = 1, host_uuid: str = "H-1", **changes: object) -> InventoryAsk:
    """
    That a host is asked for both lists at noon, as ``profiles-N`` and ``certificates-N``, and again
    after an hour.
    """
    commands = [
        QueuedCommand(f"{name}-{number}", host_uuid, kind, None, b"<plist/>", 250 + place, NOON)
        for place, (name, kind) in enumerate(
            (("profiles", "ProfileList"), ("certificates", "CertificateList"))
        )
    ]
    whole = InventoryAsk(host_uuid, commands, NOON + HOUR, None)
    return replace(whole, **changes)  # type: ignore[arg-type]
