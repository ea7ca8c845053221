"""
The device's SCEP: GetCACaps, GetCACert, PKIOperation, as Apple's client does it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from scepd.errors import MessageError
from scepd.pki.certificates import (
    choose_recipient,
    load_certificate,
    parse_ca_certificates,
    summarize,
)
from scepd.pki.decoding import reading
from scepd.pki.requests import build_request
from scepd.pki.self_signed import build_self_signed
from scepd.scep.attributes import PKIStatus
from scepd.scep.capabilities import Capabilities
from scepd.scep.messages import PKIMessage, parse_pki_message
from scepd.scep.requesting import SentRequest, build_pkcs_req, check_answer, open_cert_rep
from scepd.scep.transport import PKI_MESSAGE
from scepd.simulator.failures import INSTALLATION_FAILED, SCEP_INVALID, DeviceError
from scepd.simulator.http import DeviceHTTP

_DOMAIN = "MCSCEPErrorDomain"
# What Apple's profile reference allows as a Keysize.
_KEY_SIZES = (1024, 2048, 4096)


@dataclass(frozen=True, slots=True)
class Identity:
    """
    A key and the certificate for it.

    :param key: the device's own.
    :param certificate: DER, readable in all its parts.
    """

    key: rsa.RSAPrivateKey = field(repr=False)
    certificate: bytes = field(repr=False)

    @property
    def summary(self) -> x509.Certificate:
        """
        The certificate, parsed.
        """
        return load_certificate(self.certificate)


@dataclass(frozen=True, slots=True)
class _Authority:
    """
    What GetCACaps and GetCACert told.
    """

    capabilities: Capabilities
    certificates: tuple[bytes, ...]


class SCEPClient:
    """
    A client of one SCEP URL.

    :param url: where the authority is; a query it has stays in it.
    :param http: how to get there.
    :param random: gives that many unpredictable octets.
    :param now: the device's clock; aware.
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

        :param subject: the name to ask for.
        :param challenge: the challengePassword; empty for none.
        :param key_bits: as ``make_key``.
        :returns: the identity.
        :raises DeviceError: the authority can't be reached or refused, or its answer is no good.
        """
        return self.enroll_key(self.make_key(key_bits), subject, challenge)

    def make_key(self, bits: int) -> rsa.RSAPrivateKey:
        """
        Make a fresh RSA key.

        :param bits: 1024, 2048 or 4096.
        :returns: the key.
        :raises DeviceError: any other size.
        """
        if bits not in _KEY_SIZES:
            raise DeviceError(f"an RSA key of {bits} bits is not to be had", INSTALLATION_FAILED)
        return rsa.generate_private_key(65537, bits)

    def enroll_key(self, key: rsa.RSAPrivateKey, subject: x509.Name, challenge: str) -> Identity:
        """
        Get a certificate for a key.

        :param key: to be certified; signs the request as well.
        :param subject: the name to ask for.
        :param challenge: the challengePassword; empty for none.
        :returns: the identity.
        :raises DeviceError: as :meth:`enroll`.
        """
        try:
            capabilities = Capabilities.parse(self._get("GetCACaps"))
            certificates = parse_ca_certificates(self._get("GetCACert"))
            authority = _Authority(capabilities, certificates)
            return self._exchange(key, subject, challenge, authority)
        except MessageError as error:
            raise _failure(str(error)) from error

    def _exchange(
        self, key: rsa.RSAPrivateKey, subject: x509.Name, challenge: str, authority: _Authority
    ) -> Identity:
        signer = build_self_signed(key, subject, self._now(), self._random)
        request = build_request(key, subject, challenge or None)
        sent = self._sealed(request, key, signer, authority)
        answer = parse_pki_message(self._send(sent.message, authority.capabilities))
        _check(answer, sent, authority.certificates)
        # Some authorities answer with single DES, whatever they were asked with.
        certificates = open_cert_rep(answer, key, signer, self._random, allow_des=True)
        return Identity(key, _own(certificates, key))

    def _sealed(
        self, request: bytes, key: rsa.RSAPrivateKey, signer: bytes, authority: _Authority
    ) -> SentRequest:
        capabilities = authority.capabilities
        return build_pkcs_req(
            request,
            key,
            signer,
            choose_recipient(authority.certificates),
            self._random,
            cipher="aes-128-cbc" if "aes-128-cbc" in capabilities.ciphers else "des-ede3-cbc",
            digest=capabilities.preferred_digest,
        )

    def _send(self, message: bytes, capabilities: Capabilities) -> bytes:
        if not capabilities.post:
            # RFC 8894 section 4.1: base64 in the query, whose plus signs must be escaped.
            return self._get("PKIOperation", quote(base64.b64encode(message), safe=""))
        url = self._operation("PKIOperation")
        return self._http.expect(
            "POST", url, content=message, headers={"Content-Type": PKI_MESSAGE}
        )

    def _get(self, operation: str, message: str = "") -> bytes:
        url = self._operation(operation)
        return self._http.expect("GET", f"{url}&message={message}" if message else url)

    def _operation(self, operation: str) -> str:
        return f"{self._url}{'&' if '?' in self._url else '?'}operation={operation}"


def _check(answer: PKIMessage, sent: SentRequest, certificates: Sequence[bytes]) -> None:
    if answer.signer_certificate not in certificates:
        raise _failure("the answer was signed by somebody else than the CA")
    check_answer(answer, sent)
    if answer.pki_status is PKIStatus.PENDING:
        raise _failure("the CA answered PENDING, and this device does not wait")
    if answer.pki_status is not PKIStatus.SUCCESS:
        reason = answer.fail_info.word if answer.fail_info is not None else "no reason given"
        raise _failure(f"the CA refused: {reason}")


def _own(certificates: Sequence[bytes], key: rsa.RSAPrivateKey) -> bytes:
    for certificate in certificates:
        with reading("the certificate"):
            is_own = load_certificate(certificate).public_key() == key.public_key()
        if is_own:
            # Reads every part that is told later.
            summarize(certificate)
            return certificate
    raise _failure("the answer holds no certificate for the device's key")


def _failure(sentence: str) -> DeviceError:
    return DeviceError(f"SCEP: {sentence}", SCEP_INVALID, _DOMAIN)
