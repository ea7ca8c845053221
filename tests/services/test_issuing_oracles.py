"""
Tests that the embedded certificate authority tells nothing about what was in an envelope: somebody
who has a victim's envelope alters it, signs it as a message of their own, and compares the answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from cryptography import x509
from twisted.logger import LogEvent, globalLogPublisher

from scepd.pki.enveloped_data import parse_envelope
from scepd.pki.requests import build_request
from scepd.scep.attributes import FailInfo, MessageType, PKIStatus
from scepd.scep.messages import parse_pki_message
from scepd.services.issuing_settings import IssuingSettings
from tests.services.issuing_case import STATIC, IssuingCase
from tests.support.pki import Party, openssl_encrypt, party, pkcs_req, printable, tlv

Answer = tuple[object, ...]

# Small keys, as each answer takes several computations with one.
ATTACKER = party("CN=attacker", 50, bits=1024)
VICTIM = party("CN=victim", 51, bits=1024)
CSR = build_request(VICTIM.key, x509.Name.from_rfc4514_string("CN=victim"), STATIC)
UNOPENED = (FailInfo.BAD_MESSAGE_CHECK, "the envelope could not be opened")
NOTHING_FOUND = (
    FailInfo.BAD_CERT_ID,
    "this authority issued no such certificate, or the envelope could not be opened",
)
NO_REQUEST = (
    FailInfo.BAD_CERT_ID,
    "there is no such request of this signer, or the envelope could not be opened",
)
QUERIES = {
    MessageType.GET_CERT: NOTHING_FOUND,
    MessageType.GET_CRL: NOTHING_FOUND,
    MessageType.CERT_POLL: NO_REQUEST,
}


class OracleCase(IssuingCase):
    """
    An attacker, and an authority that takes small keys.
    """

    settings = IssuingSettings(allow_small_keys=True)

    def sealed(self, content: bytes, cipher: str = "-aes-128-cbc") -> bytes:
        """
        An envelope for the authority, as openssl makes it.
        """
        return openssl_encrypt(Party(ATTACKER.key, self.certificate), content, cipher)

    def told(self, envelope: bytes, kind: MessageType = MessageType.PKCS_REQ) -> Answer:
        """
        All that the attacker learns from a message with an envelope.
        """
        message = pkcs_req(ATTACKER, envelope, message_type=printable(str(int(kind))))
        body = self.successResultOf(self.begin(message))
        answer = parse_pki_message(body)
        return (answer.pki_status, answer.fail_info, answer.fail_info_text, len(body))

    def assert_one_answer(
        self,
        envelopes: Iterable[bytes],
        expected: tuple[FailInfo, str] = UNOPENED,
        kind: MessageType = MessageType.PKCS_REQ,
    ) -> None:
        """
        All envelopes get the same answer, and no certificate.
        """
        told = {self.told(each, kind) for each in envelopes}
        self.assertEqual({each[:3] for each in told}, {(PKIStatus.FAILURE, *expected)})
        self.assertEqual(len(told), 1, told)
        self.assertEqual(self.store.certificates, [])


def flipped(envelope: bytes, *, vector: bool = True) -> Iterator[bytes]:
    """
    The envelope with one bit changed, once for each octet of its ciphertext, of its tag and, if
    wanted, of its initialization vector or nonce.
    """
    found = parse_envelope(envelope)
    pieces = [found.encrypted]
    if found.encrypted not in envelope:
        pieces = [found.encrypted[:-16], found.encrypted[-16:]]
    if vector:
        # A nonce is followed by the length of the tag.
        pieces.append(found.parameters[2:] if len(pieces) == 1 else found.parameters[4:-3])
    for piece in pieces:
        start = envelope.index(piece)
        for at in range(start, start + len(piece)):
            broken = bytearray(envelope)
            broken[at] ^= 1 << at % 8
            yield bytes(broken)


class RequestTests(OracleCase):
    """
    Envelopes with a certification request.
    """

    def test_cbc(self) -> None:
        """
        Whatever is changed in a ciphertext in CBC, the answer is the same, though most of the
        request in it can be read as before.
        """
        for cipher in ("-des3", "-aes-128-cbc"):
            self.assert_one_answer(flipped(self.sealed(CSR, cipher)))

    def test_gcm(self) -> None:
        """
        So it is in GCM, for its tag, too.
        """
        self.assert_one_answer(flipped(self.sealed(CSR, "-aes-128-gcm")))

    def test_renewal(self) -> None:
        """
        A RenewalReq tells no more.
        """
        envelopes = list(flipped(self.sealed(CSR)))[::7]
        self.assert_one_answer(envelopes, kind=MessageType.RENEWAL_REQ)

    def test_altered_requests(self) -> None:
        """
        A request of which anything was changed is one that did not come out of its envelope.
        """
        altered = []
        for at in range(0, len(CSR), 11):
            broken = bytearray(CSR)
            broken[at] ^= 1 << at % 8
            altered.append(bytes(broken))
        altered += [b"", CSR[:-1], CSR + b"\0", b"junk"]
        self.assert_one_answer(self.sealed_all(altered))

    def sealed_all(self, contents: Iterable[bytes]) -> Iterator[bytes]:
        """
        An envelope for each of them; of different lengths, which the attacker knows anyway.
        """
        return (self.sealed(each) for each in contents)

    def test_own_faults(self) -> None:
        """
        Once a request is known to be whole its sender learns what is wrong with it.
        """
        text = "the RSA key has 1024 bits; 2048 to 8192 are accepted"
        self.configure(IssuingSettings())
        message = pkcs_req(party("CN=sender", 1), self.sealed(CSR))
        answer = parse_pki_message(self.successResultOf(self.begin(message)))
        self.assertEqual((answer.fail_info, answer.fail_info_text), (FailInfo.BAD_ALG, text))

    def test_log(self) -> None:
        """
        The log says more than the answer, and nothing of what is in the request.
        """
        events: list[LogEvent] = []
        observe: Any = events.append
        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.told(self.sealed(CSR[:-1] + bytes([CSR[-1] ^ 1])))
        [reason] = [event["reason"] for event in events if "fail_info" in event]
        self.assertEqual(
            reason,
            "the envelope could not be opened (the certification request's signature is wrong)",
        )
        self.assertNotIn(STATIC, repr(events))


class QueryTests(OracleCase):
    """
    Envelopes whose content nobody signs: what is not there and what does not open are one answer.
    """

    def asked(self, second: bytes, issuer: bytes | None = None) -> bytes:
        """
        The content of a query.
        """
        name = self.authority.subject.public_bytes() if issuer is None else issuer
        return tlv(0x30, name, second)

    def test_flipped(self) -> None:
        """
        Whatever is changed in a ciphertext, the answer is the same.
        """
        name = x509.Name.from_rfc4514_string("CN=victim").public_bytes()
        serial = tlv(0x02, b"\x11" * 16)
        for kind, expected in QUERIES.items():
            content = self.asked(name if kind is MessageType.CERT_POLL else serial)
            for cipher in ("-des3", "-aes-128-cbc", "-aes-128-gcm"):
                envelopes = flipped(self.sealed(content, cipher), vector=False)
                self.assert_one_answer(envelopes, expected, kind)

    def test_contents(self) -> None:
        """
        Nothing that may come out of an envelope gets an answer of its own: with a block of their
        choice in front an attacker has any other block read as a part of a name or number.
        """
        number, text = tlv(0x02, b"\x11" * 16), tlv(0x04, b"\x11" * 16)
        contents = [
            b"junk",
            CSR,
            self.asked(number),
            self.asked(text),
            self.asked(tlv(0x30)),
            self.asked(number, tlv(0x30)),
            self.asked(number, text),
            self.asked(tlv(0x30), tlv(0x30)),
            self.asked(text, text),
            self.asked(number, x509.Name.from_rfc4514_string("CN=other").public_bytes()),
            self.asked(tlv(0x30), tlv(0x30, tlv(0x31, b"\xff" * 8))),
            self.asked(number)[:-1],
            self.asked(tlv(0x02, b"\x7f" * 2000)),
            self.asked(tlv(0x02, b"\xff" * 16)),
        ]
        broken = bytearray(self.sealed(self.asked(number)))
        broken[-17] ^= 0x55
        envelopes = [*(self.sealed(each) for each in contents), bytes(broken)]
        for kind, expected in QUERIES.items():
            self.assert_one_answer(envelopes, expected, kind)

    def test_names_of_a_request_that_waits(self) -> None:
        """
        So it is for somebody who has a request of their own, and polls with what is not its names.
        """
        self.static_challenge, self.manual = STATIC, True
        self.configure(self.settings)
        request = build_request(ATTACKER.key, x509.Name.from_rfc4514_string("CN=mine"), STATIC)
        self.assertEqual(self.told(self.sealed(request))[0], PKIStatus.PENDING)
        name = self.authority.subject.public_bytes()
        contents = [
            b"junk",
            self.asked(tlv(0x30)),
            self.asked(tlv(0x04, b"text")),
            self.asked(tlv(0x30, tlv(0x31, b"\xff" * 8))),
            self.asked(name),
            self.asked(name, tlv(0x04, b"text")),
        ]
        envelopes = (self.sealed(each) for each in contents)
        self.assert_one_answer(envelopes, NO_REQUEST, MessageType.CERT_POLL)
