"""
Tests of ``scepd.scep.answers``: CertReps by other builders.
"""

from __future__ import annotations

import os
from dataclasses import replace

from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import (
    DecryptionFailed,
    EncodingError,
    LimitExceeded,
    MessageError,
    SignatureInvalid,
    UnsupportedAlgorithm,
)
from scepd.scep.answers import asked_certificate, open_answer, own_certificate, read_cert_rep
from scepd.scep.attributes import FailInfo, PKIStatus
from scepd.scep.dialect import Dialect
from scepd.scep.queries import IssuerAndSerial
from scepd.scep.requester import Requester
from tests.support.mutations import mutated
from tests.support.pki import (
    issue,
    openssl_encrypt,
    party,
    pkcs_req,
    printable,
    require,
    rsa_key,
    scep_attributes,
    scep_message,
    tlv,
)
from tests.support.scep_answers import (
    FAILURE,
    PENDING,
    SUCCESS,
    cert_rep,
    certificates_only,
    failure,
    receive,
    success,
)

_MANY = settings(max_examples=150, deadline=None, derandomize=True, database=None)
_CA = party("CN=ca", 99, usage="sign encipher", ca=True)
_OTHER = party("CN=ca", 98, usage="sign encipher", ca=True)
_CLIENT = party("CN=client", 1)
_CA_NAME = x509.Name.from_rfc4514_string("CN=ca")
_ISSUED = issue(rsa_key(1), x509.Name.from_rfc4514_string("CN=client"), _CA.key, _CA_NAME)
_CONTENT = certificates_only([_ISSUED])
_SENT = Requester(
    _CLIENT.key, _CLIENT.certificate, _CA.certificate, Dialect(), os.urandom
).certification(b"any request", "transaction")
_RECEIVED = receive(_SENT.message, _CA)
_SUCCESS = success(_RECEIVED, _CA, _CONTENT)
_SIGNERS = (_CA.certificate,)


def opened(body: bytes, *, allow_des: bool = False) -> tuple[bytes, ...]:
    """
    Read and open an answer.
    """
    answer = read_cert_rep(body, _SENT, _SIGNERS)
    key, certificate = _CLIENT.key, _CLIENT.certificate
    return open_answer(answer, key, certificate, os.urandom, allow_des=allow_des).certificates


class ReadTests(SynchronousTestCase):
    """
    Tests of ``read_cert_rep``.
    """

    def test_statuses(self) -> None:
        """
        SUCCESS, PENDING and FAILURE are read, with failInfo and its text.
        """
        answer = read_cert_rep(_SUCCESS, _SENT, _SIGNERS)
        self.assertIs(answer.pki_status, PKIStatus.SUCCESS)
        answer = read_cert_rep(cert_rep(_RECEIVED, _CA, PENDING), _SENT, _SIGNERS)
        self.assertIs(answer.pki_status, PKIStatus.PENDING)
        for number, fail_info in enumerate(FailInfo):
            body = failure(_RECEIVED, _CA, str(number), "why not: ä")
            answer = read_cert_rep(body, _SENT, _SIGNERS)
            self.assertIs(answer.pki_status, PKIStatus.FAILURE)
            self.assertIs(answer.fail_info, fail_info)
            self.assertEqual(answer.fail_info_text, "why not: ä")

    def test_failure_without_reason(self) -> None:
        """
        A FAILURE without failInfo is still one.
        """
        answer = read_cert_rep(cert_rep(_RECEIVED, _CA, FAILURE), _SENT, _SIGNERS)
        self.assertIs(answer.pki_status, PKIStatus.FAILURE)
        self.assertIsNone(answer.fail_info)

    def test_signers(self) -> None:
        """
        One of several signers will do, and nobody else, even of the same name.
        """
        read_cert_rep(_SUCCESS, _SENT, (_OTHER.certificate, _CA.certificate))
        for signers in ((_OTHER.certificate,), ()):
            self.assertRaises(SignatureInvalid, read_cert_rep, _SUCCESS, _SENT, signers)
        body = success(_RECEIVED, _OTHER, _CONTENT)
        self.assertRaises(SignatureInvalid, read_cert_rep, body, _SENT, _SIGNERS)

    def test_another_request(self) -> None:
        """
        Another transactionID or recipientNonce, or none, is refused.
        """
        changes: list[dict[str, bytes]] = [
            {"transaction_id": printable("Transaction")},
            {"recipient_nonce": tlv(0x04, b"a" * 16)},
            {"recipient_nonce": tlv(0x04, _RECEIVED.sender_nonce[:-1])},
        ]
        for change in changes:
            body = cert_rep(_RECEIVED, _CA, PENDING, **change)
            self.assertRaises(SignatureInvalid, read_cert_rep, body, _SENT, _SIGNERS)
        values = {
            "message_type": printable("3"),
            "transaction_id": printable("transaction"),
            "pki_status": printable(PENDING),
        }
        body = scep_message(_CA, scep_attributes(**values))
        self.assertRaises(SignatureInvalid, read_cert_rep, body, _SENT, _SIGNERS)

    def test_no_cert_rep(self) -> None:
        """
        A request is no answer, and neither is a CertRep without a status, or one too large.
        """
        body = pkcs_req(_CA, b"envelope", transaction_id=printable("transaction"))
        self.assertRaises(EncodingError, read_cert_rep, body, _SENT, _SIGNERS)
        body = cert_rep(_RECEIVED, _CA, "1")
        self.assertRaises(EncodingError, read_cert_rep, body, _SENT, _SIGNERS)
        size = len(_SUCCESS)
        read_cert_rep(_SUCCESS, _SENT, _SIGNERS, max_size=size)
        self.assertRaises(
            LimitExceeded, read_cert_rep, _SUCCESS, _SENT, _SIGNERS, max_size=size - 1
        )

    @_MANY
    @given(mutated(_SUCCESS))
    def test_hostile(self, body: bytes) -> None:
        """
        Whatever comes in place of an answer is refused.
        """
        try:
            found = opened(body)
        except MessageError:
            return
        # What is behind the signature, such as an unsigned attribute's place, may differ.
        self.assertEqual(found, (_ISSUED,))

    @_MANY
    @given(
        st.dictionaries(
            st.sampled_from(["pki_status", "fail_info", "fail_info_text"]),
            st.one_of(st.binary(max_size=12), mutated(printable("2"))),
        )
    )
    def test_hostile_attributes(self, values: dict[str, bytes]) -> None:
        """
        Whatever an authority signs, it is read or refused.
        """
        body = cert_rep(_RECEIVED, _CA, FAILURE, **values)
        try:
            answer = read_cert_rep(body, _SENT, _SIGNERS)
        except MessageError:
            return
        self.assertIsNotNone(answer.pki_status)


class OpenTests(SynchronousTestCase):
    """
    Tests of ``open_answer``.
    """

    def test_ciphers(self) -> None:
        """
        openssl's AES in CBC and GCM and triple DES open; single DES only by opt-in.
        """
        require("openssl")
        for cipher in (
            ["-aes128"],
            ["-aes192"],
            ["-aes256"],
            ["-des3"],
            ["-aes-128-gcm"],
            ["-aes-256-gcm"],
            ["-aes256", "-keyopt", "rsa_padding_mode:oaep"],
        ):
            body = self._answer(*cipher)
            self.assertEqual(opened(body), (_ISSUED,), cipher)
        body = self._answer("-des-cbc", "-provider", "legacy", "-provider", "default")
        self.assertRaises(UnsupportedAlgorithm, opened, body)
        self.assertEqual(opened(body, allow_des=True), (_ISSUED,))

    def test_indefinite_lengths(self) -> None:
        """
        An answer in BER is read like one in DER.
        """
        require("openssl")
        envelope = openssl_encrypt(_CLIENT, _CONTENT, "-aes128", "-stream", "-indef")
        self.assertIn(b"\x30\x80", envelope)
        self.assertEqual(opened(cert_rep(_RECEIVED, _CA, SUCCESS, envelope)), (_ISSUED,))

    def test_refused(self) -> None:
        """
        No envelope, one for somebody else, one that holds something else, and other statuses.
        """
        cases: list[tuple[type[MessageError], bytes]] = [
            (EncodingError, cert_rep(_RECEIVED, _CA, SUCCESS)),
            (DecryptionFailed, success(replace(_RECEIVED, signer=_OTHER.certificate), _CA, b"")),
            (EncodingError, success(_RECEIVED, _CA, b"something else")),
            (EncodingError, success(_RECEIVED, _CA, _ISSUED)),
            (EncodingError, cert_rep(_RECEIVED, _CA, PENDING)),
            (EncodingError, failure(_RECEIVED, _CA, "2")),
        ]
        for error, body in cases:
            self.assertRaises(error, opened, body)

    def _answer(self, *options: str) -> bytes:
        envelope = openssl_encrypt(_CLIENT, _CONTENT, *options)
        return cert_rep(_RECEIVED, _CA, SUCCESS, envelope)


class ChoiceTests(SynchronousTestCase):
    """
    Tests of ``own_certificate`` and ``asked_certificate``.
    """

    def test_own(self) -> None:
        """
        The certificate of the key is chosen, wherever it stands; without one there is an error.
        """
        others = [_CA.certificate, party("CN=b", 3).certificate]
        for at in range(3):
            found = own_certificate([*others[:at], _ISSUED, *others[at:]], rsa_key(1))
            self.assertEqual(found, _ISSUED)
        self.assertRaises(EncodingError, own_certificate, others, rsa_key(1))
        self.assertRaises(EncodingError, own_certificate, [], rsa_key(1))

    def test_asked(self) -> None:
        """
        Issuer and serial number have to be those asked for.
        """
        number = x509.load_der_x509_certificate(_ISSUED).serial_number
        asked = IssuerAndSerial(_CA_NAME.public_bytes(), number)
        self.assertEqual(asked_certificate([_CA.certificate, _ISSUED], asked), _ISSUED)
        other_name = x509.Name.from_rfc4514_string("CN=cb").public_bytes()
        for wrong in (
            IssuerAndSerial(_CA_NAME.public_bytes(), number + 1),
            IssuerAndSerial(other_name, number),
        ):
            self.assertRaises(EncodingError, asked_certificate, [_ISSUED], wrong)

    @_MANY
    @given(mutated(_ISSUED))
    def test_hostile(self, data: bytes) -> None:
        """
        Whatever an authority sends as a certificate, it is read or refused.
        """
        number = x509.load_der_x509_certificate(_ISSUED).serial_number
        asked = IssuerAndSerial(_CA_NAME.public_bytes(), number)
        for choose in (
            lambda: own_certificate([data], rsa_key(1)),
            lambda: asked_certificate([data], asked),
        ):
            try:
                found = choose()
            except MessageError:
                continue
            self.assertEqual(found, data)
