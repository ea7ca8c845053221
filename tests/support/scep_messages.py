"""
SCEP messages for tests of what passes them on.
"""

from __future__ import annotations

import functools
import hashlib
import os

from cryptography import x509

from scepd.pki.requests import build_request
from scepd.ports import SignedBy
from scepd.scep.attributes import FailInfo
from scepd.scep.messages import parse_pki_message
from scepd.scep.replies import (
    build_cert_rep_failure,
    build_cert_rep_pending,
    build_cert_rep_success,
)
from scepd.scep.requesting import build_pkcs_req
from tests.support.pki import (
    Party,
    issue,
    party,
    printable,
    scep_attributes,
    scep_message,
    tlv,
)

TRANSACTION = "transaction-1"


def device(number: int = 1) -> Party:
    """
    A device's key and self-signed certificate.
    """
    return party("CN=device", number)


def authority() -> Party:
    """
    The certificate authority's key and certificate.
    """
    return party("CN=ca", 99, usage="sign encipher", ca=True)


@functools.cache
def pkcs_req(number: int = 1, transaction_id: str = TRANSACTION) -> bytes:
    """
    A PKCSReq of a device; the same one for the same arguments in one test process.
    """
    sender = device(number)
    subject = x509.Name.from_rfc4514_string("CN=device")
    request = build_request(sender.key, subject, "challenge")
    return build_pkcs_req(
        request,
        sender.key,
        sender.certificate,
        authority().certificate,
        os.urandom,
        transaction_id=transaction_id,
    ).message


def signed_by(number: int = 1, transaction_id: str = TRANSACTION) -> SignedBy:
    """
    Whom a window is locked to by :func:`pkcs_req`.
    """
    return SignedBy(hashlib.sha256(device(number).public_key_info).hexdigest(), transaction_id)


@functools.cache
def cert_rep(status: str = "SUCCESS") -> bytes:
    """
    The CertRep to :func:`pkcs_req`: SUCCESS, PENDING, or FAILURE with badRequest and a text.
    """
    ca, request = authority(), parse_pki_message(pkcs_req())
    if status == "PENDING":
        return build_cert_rep_pending(request, ca.key, ca.certificate, os.urandom)
    if status == "FAILURE":
        return build_cert_rep_failure(
            request,
            FailInfo.BAD_REQUEST,
            ca.key,
            ca.certificate,
            os.urandom,
            text="wrong challenge",
        )
    name = x509.Name.from_rfc4514_string
    certificate = issue(device().key, name("CN=device"), ca.key, name("CN=ca"))
    return build_cert_rep_success(request, certificate, ca.key, ca.certificate, os.urandom)


def strange_failure() -> bytes:
    """
    A FAILURE that devices understand, with more words than a strict reader takes.
    """
    attributes = scep_attributes(
        message_type=printable("3"),
        transaction_id=printable(TRANSACTION),
        pki_status=printable("2"),
        fail_info=printable("2"),
        recipient_nonce=tlv(0x04),
        fail_info_text=tlv(0x0C, b"x" * 2000),
    )
    return scep_message(authority(), attributes)
