"""
Records for tests, whole and unremarkable but for what a test sets.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from scepd.model import (
    Activity,
    APIToken,
    CertificateAuthority,
    EnrollmentWindow,
    Host,
    HostProfile,
    Profile,
    SCEPExchange,
    WindowState,
)
from scepd.pki.keyring import SealedSecret

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
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
        target_label=None,
        ca_names=(),
        created_at=NOON,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def host(uuid: str = "H-1", **changes: object) -> Host:
    """
    A Mac with two labels and one fact.
    """
    whole = Host(
        uuid=uuid,
        serial_number="C02",
        platform="macos",
        labels=("berlin", "sales"),
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
