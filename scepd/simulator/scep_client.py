"""
The device's SCEP: GetCACaps, GetCACert, PKIOperation, as Apple's client does it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from scepd.errors import MessageError
from scepd.pki.certificates import choose_recipient, load_certificate, parse_ca_certificates
from scepd.pki.requests import build_request
from scepd.pki.self_signed import build_self_signed
from scepd.scep.attributes import PKIStatus
from scepd.scep.capabilities import Capabilities
from scepd.scep.messages import parse_pki_message
from scepd.scep.requesting import build_pkcs_req, check_answer, open_cert_rep
from scepd.simulator.failures import DeviceError
from scepd.simulator.http import DeviceHTTP

PKI_MESSAGE = "application/x-pki-message"


@dataclass(frozen=True, slots=True)
class Identity:
    """
    A key and the certificate for it, DER.
    """

    key: rsa.RSAPrivateKey = field(repr=False)
    certificate: bytes

    @property
    def summary(self) -> x509.Certificate:
        """
        The certificate, parsed.
        """
        return load_certificate(self.certificate)


class SCEPClient:
    """
    A client of one SCEP URL.

    :param random: a source of that many random bytes.
    :param now: the device's clock.
    """

    def __init__(
        self,
        url: str,
        http: DeviceHTTP,
        random: Callable[[int], bytes] = os.urandom,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._url = url
        self._http = http
        self._random = random
        self._now = now

    def enroll(self, subject: x509.Name, challenge: str, key_bits: int = 2048) -> Identity:
        """
        Make a key and get a certificate for it.

        :raises DeviceError: the CA refused, or what it answered is no good.
        """
        return self.enroll_key(self.make_key(key_bits), subject, challenge)

    def make_key(self, bits: int) -> rsa.RSAPrivateKey:
        """
        A fresh RSA key.

        :raises DeviceError: no such size is to be had.
        """
        try:
            return rsa.generate_private_key(65537, bits)
        except ValueError as error:
            raise DeviceError(f"no RSA key of {bits} bits: {error}") from None

    def enroll_key(self, key: rsa.RSAPrivateKey, subject: x509.Name, challenge: str) -> Identity:
        """
        Get a certificate for a key.

        :raises DeviceError: as :meth:`enroll`.
        """
        try:
            capabilities = Capabilities.parse(self._get("GetCACaps"))
            recipient = choose_recipient(parse_ca_certificates(self._get("GetCACert")))
            return self._exchange(key, subject, challenge, capabilities, recipient)
        except MessageError as error:
            raise DeviceError(f"SCEP: {error}") from error

    def _get(self, operation: str) -> bytes:
        return self._http.expect("GET", f"{self._url}?operation={operation}")

    def _exchange(
        self,
        key: rsa.RSAPrivateKey,
        subject: x509.Name,
        challenge: str,
        capabilities: Capabilities,
        recipient: bytes,
    ) -> Identity:
        signer = build_self_signed(key, subject, self._now(), self._random)
        cipher = "aes-128-cbc" if "aes-128-cbc" in capabilities.ciphers else "des-ede3-cbc"
        sent = build_pkcs_req(
            build_request(key, subject, challenge),
            key,
            signer,
            recipient,
            self._random,
            cipher=cipher,
            digest=capabilities.preferred_digest,
        )
        body = self._http.expect(
            "POST",
            f"{self._url}?operation=PKIOperation",
            content=sent.message,
            headers={"Content-Type": PKI_MESSAGE},
        )
        answer = parse_pki_message(body)
        check_answer(answer, sent)
        if answer.pki_status is not PKIStatus.SUCCESS:
            reason = answer.fail_info.word if answer.fail_info is not None else "no reason given"
            raise DeviceError(f"SCEP: the CA refused: {reason}", 22013)
        # Some CAs answer with single DES, whatever they were asked with.
        certificates = open_cert_rep(answer, key, signer, self._random, allow_des=True)
        return Identity(key, _own(certificates, key))


def _own(certificates: tuple[bytes, ...], key: rsa.RSAPrivateKey) -> bytes:
    for certificate in certificates:
        if load_certificate(certificate).public_key() == key.public_key():
            return certificate
    raise DeviceError("SCEP: the answer holds no certificate for the key", 22008)
