"""
What authorities and clocks may make of that which a simulated device holds.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from scepd.simulator.identity import Identity
from scepd.simulator.keychain import InstalledProfile, Keychain

_NO_TIME = timedelta(0)


def alter_certificates(
    keychain: Keychain, identifier: str, *, earlier: timedelta = _NO_TIME, subject: str = ""
) -> None:
    """
    Let the certificates of a profile be as another authority would have made them.

    :param identifier: PayloadIdentifier of an installed profile.
    :param earlier: how much they are back-dated.
    :param subject: what stands in place of the subject that was asked for; RFC 4514.
    """
    profile = keychain.profiles[identifier]
    altered = tuple(_altered(each, earlier, subject) for each in profile.identities)
    keychain.profiles[identifier] = replace(profile, identities=altered)
    kept = [each for each in keychain.identities if each not in profile.identities]
    keychain.identities = [*kept, *altered]


def alter_clock(keychain: Keychain, identifier: str, error: timedelta) -> None:
    """
    Let a profile have been installed by a clock that is wrong.

    :param identifier: PayloadIdentifier of an installed profile.
    :param error: by which it is fast.
    """
    profile: InstalledProfile = keychain.profiles[identifier]
    keychain.profiles[identifier] = replace(profile, installed_at=profile.installed_at + error)


def _altered(identity: Identity, earlier: timedelta, subject: str) -> Identity:
    """
    The same certificate but for that; who lists certificates does not verify their signatures.
    """
    before = identity.summary
    builder = x509.CertificateBuilder(
        issuer_name=before.issuer,
        subject_name=x509.Name.from_rfc4514_string(subject) if subject else before.subject,
        public_key=before.public_key(),
        serial_number=before.serial_number,
        not_valid_before=before.not_valid_before_utc - earlier,
        not_valid_after=before.not_valid_after_utc - earlier,
        extensions=list(before.extensions),
    )
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return replace(identity, certificate=signed.public_bytes(Encoding.DER))
