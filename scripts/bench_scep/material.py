"""
What the static CA says, and the one message that is sent to it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from scepd.pki.requests import build_request
from scepd.scep.messages import parse_pki_message
from scepd.scep.replies import build_cert_rep_success
from scepd.scep.requesting import build_pkcs_req


@dataclass(frozen=True, slots=True)
class StaticMaterial:
    """
    The bodies of the static CA's answers to GetCACert and PKIOperation, and a PKCSReq.
    """

    certificate: bytes
    cert_rep: bytes
    pkcs_req: bytes


def certify(
    name: str, key: rsa.RSAPrivateKey, issuer: str, issuer_key: rsa.RSAPrivateKey, *, ca: bool
) -> bytes:
    """
    A certificate that is valid today.
    """
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string(name))
        .issuer_name(x509.Name.from_rfc4514_string(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
    )
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(Encoding.DER)


def static_material() -> StaticMaterial:
    """
    Made anew, so that nothing in it has expired.
    """
    ca_key, key = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    authority = certify("CN=bench", ca_key, "CN=bench", ca_key, ca=True)
    own = certify("CN=device", key, "CN=device", key, ca=False)
    request = build_request(key, x509.Name.from_rfc4514_string("CN=device"), "challenge")
    sent = build_pkcs_req(request, key, own, authority, os.urandom)
    issued = certify("CN=device", key, "CN=bench", ca_key, ca=False)
    received = parse_pki_message(sent.message)
    cert_rep = build_cert_rep_success(received, issued, ca_key, authority, os.urandom)
    return StaticMaterial(authority, cert_rep, sent.message)
