"""
What an operator says of a new certificate authority, and what can be wrong with it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from cryptography import x509

from scepd.errors import Fault
from scepd.model import EMBEDDED_CA, ChallengeMode
from scepd.services.authority_trust import pin_fault, proxy_fault, rate_fault

MASK = "********"
"""
What stands for a stored challenge wherever one is shown.
"""

DEFAULT_CONCURRENCY = 16

_NAME = re.compile(r"[A-Za-z0-9_]+")
_PRINTABLE_ASCII = re.compile(r"[!-~]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_NAME = 255
_LONGEST_URL = 2048
_LONGEST_CHALLENGE = 1024
_LONGEST_TRUST = 262_144
_WEBHOOK_ID = re.compile(r"[A-Za-z0-9._:-]{1,255}")
_SECRET_BYTES = range(16, 1025)


@dataclass(frozen=True, slots=True)
class NewCertificateAuthority:
    """
    A certificate authority as an operator describes it, not checked yet.

    :param challenge: its static challenge in clear; empty when its challenges are one-time ones.
    :param trusted_certificates: PEM of the roots for its https URL; None: the system's.
    :param max_concurrency: exchanges with it at one time.
    :param requests_per_second: the most requests to it in a second; None: no limit.
    :param pinned_sha256: of the certificate that its https URL must show, hex; None: no pin.
    :param client_certificate: PEM of ours for its https URL; None: we have none.
    :param client_key: the private key of that, PEM in clear.
    :param outgoing_proxy: ``http://host:port`` of the HTTP proxy on the way to it; None: none.
    :param challenge_mode: ``static`` or ``one_time``.
    :param webhook_id: of the webhook by which it asks whether to allow a one-time challenge.
    :param webhook_secret: in base64, what the webhook signs with.
    """

    name: str
    url: str
    challenge: str = field(repr=False)
    max_concurrency: int = DEFAULT_CONCURRENCY
    ca_identifier: str | None = None
    trusted_certificates: str | None = None
    allow_single_des: bool = False
    requests_per_second: float | None = None
    pinned_sha256: str | None = None
    # Operators mistake one file for the other.
    client_certificate: str | None = field(default=None, repr=False)
    client_key: str | None = field(default=None, repr=False)
    outgoing_proxy: str | None = None
    challenge_mode: str = ChallengeMode.STATIC.value
    webhook_id: str | None = None
    webhook_secret: str | None = field(default=None, repr=False)


def faults_of(new: NewCertificateAuthority, *, taken: frozenset[str]) -> tuple[Fault, ...]:
    """
    Everything that is wrong with the fields of ``new``, in the order of the fields.

    :param taken: the names that exist already.
    :returns: at most one fault a field; empty when nothing is wrong.
    """
    checks: tuple[tuple[str, Callable[[], str | None]], ...] = (
        ("name", lambda: _name_fault(new.name, taken)),
        ("url", lambda: _url_fault(new.url)),
        ("challenge", lambda: _challenge_fault(new)),
        ("max_concurrency", lambda: _concurrency_fault(new.max_concurrency)),
        ("ca_identifier", lambda: _identifier_fault(new.ca_identifier)),
        ("trusted_certificates", lambda: _trust_fault(new.trusted_certificates)),
        ("requests_per_second", lambda: rate_fault(new.requests_per_second)),
        ("pinned_sha256", lambda: pin_fault(new.pinned_sha256, new.url)),
        ("outgoing_proxy", lambda: proxy_fault(new.outgoing_proxy)),
        ("challenge_mode", lambda: _mode_fault(new.challenge_mode)),
        ("webhook_id", lambda: _webhook_fault(new)),
        ("webhook_secret", lambda: _secret_fault(new)),
    )
    return tuple(_found(checks))


def _found(checks: tuple[tuple[str, Callable[[], str | None]], ...]) -> Iterator[Fault]:
    for name, check in checks:
        message = check()
        if message is not None:
            yield Fault(name, message)


def _name_fault(name: str, taken: frozenset[str]) -> str | None:
    if not name:
        return "A name is needed."
    if len(name) > _LONGEST_NAME:
        return f"The name has {len(name)} characters; at most {_LONGEST_NAME} are allowed."
    if not _NAME.fullmatch(name):
        return "Only letters A-Z and a-z, digits and underscores are allowed in a name."
    if name == EMBEDDED_CA:
        return f"{EMBEDDED_CA} is the reserved name of scepd's own certificate authority."
    if name in taken:
        return "A certificate authority of this name exists already."
    return None


def _url_fault(url: str) -> str | None:
    if not url:
        return "A URL is needed."
    if len(url) > _LONGEST_URL:
        return f"The URL has {len(url)} characters; at most {_LONGEST_URL} are allowed."
    if not _PRINTABLE_ASCII.fullmatch(url):
        return "Only printable ASCII without spaces is allowed in a URL; escape the rest."
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for a port that is none
    except ValueError:
        return "This is not a URL."
    return _part_fault(url, parts)


def _part_fault(url: str, parts: SplitResult) -> str | None:
    if parts.scheme not in ("http", "https"):
        return "The URL must be absolute and begin with http:// or https://."
    if not parts.hostname or parts.port == 0:
        return "The URL must name a host, and no port 0."
    if "@" in parts.netloc:
        return "The URL must not hold a user name or password."
    if "#" in url:
        return "The URL must not hold a fragment (#)."
    if "?" in url:
        return "The URL must not hold a query (?); scepd adds the operation itself."
    return None


def webhook_secret(encoded: str) -> bytes:
    """
    The bytes that a webhook signs with.

    :param encoded: base64.
    :raises ValueError: it is something else.
    """
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _challenge_fault(new: NewCertificateAuthority) -> str | None:
    challenge = new.challenge
    if new.challenge_mode == ChallengeMode.ONE_TIME:
        if challenge:
            return "No challenge is allowed with one-time challenges: scepd makes them."
        return None
    if not challenge:
        return "A challenge is needed."
    if challenge == MASK:
        return f"{MASK} is the mask that stands for a stored challenge, not a challenge."
    if len(challenge) > _LONGEST_CHALLENGE:
        return f"At most {_LONGEST_CHALLENGE} characters are allowed in a challenge."
    if _CONTROL.search(challenge):
        return "No control characters, such as a line break, are allowed in a challenge."
    return None


def _concurrency_fault(max_concurrency: int) -> str | None:
    if not 1 <= max_concurrency <= 1000:
        return "A whole number from 1 to 1000 is allowed."
    return None


def _identifier_fault(identifier: str | None) -> str | None:
    if identifier is None:
        return None
    if not 1 <= len(identifier) <= _LONGEST_NAME or _CONTROL.search(identifier):
        return f"1 to {_LONGEST_NAME} characters, none of them a control character, are allowed."
    return None


def _mode_fault(mode: str) -> str | None:
    allowed = [one.value for one in ChallengeMode]
    return None if mode in allowed else f"Allowed: {', '.join(allowed)}."


def _webhook_fault(new: NewCertificateAuthority) -> str | None:
    if new.webhook_id is None:
        return "The secret is of a webhook whose id is needed, too." if new.webhook_secret else None
    if new.challenge_mode != ChallengeMode.ONE_TIME:
        return "A webhook is allowed with one-time challenges only."
    if not _WEBHOOK_ID.fullmatch(new.webhook_id):
        return "1 to 255 of A-Z a-z 0-9 . _ : - are allowed."
    return None


def _secret_fault(new: NewCertificateAuthority) -> str | None:
    if not new.webhook_secret:
        return "The webhook's secret is needed, in base64." if new.webhook_id is not None else None
    try:
        length = len(webhook_secret(new.webhook_secret))
    except ValueError:
        return "The secret must be base64, as the certificate authority showed it."
    if length not in _SECRET_BYTES:
        least, most = _SECRET_BYTES.start, _SECRET_BYTES.stop - 1
        return f"The secret has {length} bytes; {least} to {most} are allowed."
    return None


def _trust_fault(pem: str | None) -> str | None:
    if pem is None:
        return None
    if len(pem) > _LONGEST_TRUST:
        return f"At most {_LONGEST_TRUST} characters are allowed."
    if "PRIVATE KEY" in pem:
        return "A private key does not belong here, only certificates in PEM."
    try:
        x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        return "One or more certificates in PEM are needed."
    return None
