"""
Tests for the embedded certificate authority.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from scepd.errors import LimitExceeded, MessageError, SecretUnreadable, StorageUnavailable
from scepd.pki.certificates import summarize
from scepd.pki.issuing import Issuer
from scepd.pki.keyring import Keyring
from scepd.pki.opening import build_envelope
from scepd.pki.requests import build_request
from scepd.scep.attributes import FailInfo, MessageType, PKIStatus
from scepd.scep.capabilities import Capabilities
from scepd.scep.messages import MAX_MESSAGE_SIZE, parse_pki_message
from scepd.scep.requesting import build_pki_request
from scepd.services.ca_keys import CAKeys
from scepd.services.issuing_settings import IssuingSettings
from tests.services.issuing_case import (
    CHALLENGE,
    NAME,
    STATIC,
    HeldWorkers,
    IssuingCase,
    Sender,
    challenge_for,
)
from tests.support.hostile_messages import Message
from tests.support.pki import (
    NOW,
    Party,
    openssl,
    openssl_decrypt,
    openssl_encrypt,
    openssl_verify,
    party,
    pkcs_req,
    printable,
    rsa_key,
    scep_attributes,
    scep_message,
    tlv,
)

DEVICE = Sender()
OTHER = Sender(party("CN=other", 2))


class KeyTests(IssuingCase):
    """
    Tests for L{CAKeys}.
    """

    def issuer(self, keys: CAKeys) -> Issuer:
        """
        What it gives.
        """
        return self.successResultOf(Deferred.fromCoroutine(keys.issuer()))

    def test_made_once(self) -> None:
        """
        The key is made at the first need; after a restart it is the same.
        """
        again = self.issuer(self.make_keys())
        self.assertEqual(again.certificate, self.certificate)
        self.assertEqual(again.key.private_numbers(), rsa_key(77).private_numbers())

    def test_sealed(self) -> None:
        """
        The key is stored sealed for the row of its certificate.
        """
        [state] = self.store.states
        self.assertEqual(state.serial, summarize(self.certificate).serial)
        self.assertEqual(state.created_at, NOW)
        self.assertNotIn(b"\x30\x82", state.private_key.data[12:16])
        self.keyring = Keyring({"k1": b"\1" * 32})
        self.failureResultOf(Deferred.fromCoroutine(self.make_keys().issuer()), SecretUnreadable)

    def test_first_wins(self) -> None:
        """
        Where another process was faster, its key counts.
        """
        self.store.faster = self.store.states.pop()
        self.assertEqual(self.issuer(self.make_keys()).certificate, self.certificate)

    def test_one_at_a_time(self) -> None:
        """
        Requests that come while the key is made wait for it.
        """
        self.store.states.clear()
        waiting = HeldWorkers(held=True)
        keys = CAKeys(
            self.store, lambda: self.keyring, self.clock, os.urandom, waiting, 2048, rsa_key_of
        )
        first, second = (Deferred.fromCoroutine(keys.issuer()) for _ in range(2))
        self.assertNoResult(first)
        waiting.go()
        waiting.go()
        self.assertIs(self.successResultOf(first), self.successResultOf(second))
        self.assertEqual(waiting.calls, [])

    def test_many_at_a_time(self) -> None:
        """
        However many they are, all get it.
        """
        waiting = HeldWorkers(held=True)
        keys = CAKeys(self.store, lambda: self.keyring, self.clock, os.urandom, waiting)
        many = [Deferred.fromCoroutine(keys.issuer()) for _ in range(1000)]
        waiting.go()
        for one in many:
            self.assertEqual(self.successResultOf(one).certificate, self.certificate)

    def test_many_failures(self) -> None:
        """
        Each tries again when the one before had no answer; the next one after that gets it.
        """
        waiting = HeldWorkers(held=True)
        keys = CAKeys(self.store, lambda: self.keyring, self.clock, os.urandom, waiting)
        many = [Deferred.fromCoroutine(keys.issuer()) for _ in range(1000)]
        self.store.broken = True
        waiting.calls.pop(0).errback(StorageUnavailable("the database did not answer"))
        for one in many:
            self.failureResultOf(one, StorageUnavailable)
        self.store.broken = False
        late = Deferred.fromCoroutine(keys.issuer())
        waiting.go()
        self.assertEqual(self.successResultOf(late).certificate, self.certificate)

    def test_failure_is_not_kept(self) -> None:
        """
        When the database did not answer, the next request tries again.
        """
        keys = self.make_keys()
        self.store.broken = True
        self.failureResultOf(Deferred.fromCoroutine(keys.issuer()), StorageUnavailable)
        self.store.broken = False
        self.assertEqual(self.issuer(keys).certificate, self.certificate)


def rsa_key_of(bits: int) -> rsa.RSAPrivateKey:
    """
    A key of that size.
    """
    return rsa_key(77, bits)


class EnrollTests(IssuingCase):
    """
    Tests for requests with an enrollment challenge.
    """

    def test_enroll(self) -> None:
        """
        The right challenge gets an MDM identity, by which the challenge is spent and one use of
        its token counted.
        """
        issued = self.enroll(DEVICE)
        issued.verify_directly_issued_by(self.authority)
        self.assertEqual(issued.public_key(), DEVICE.identity.key.public_key())
        self.assertEqual(issued.subject.rfc4514_string(), NAME)
        self.assertEqual(issued.not_valid_after_utc, NOW + timedelta(days=5 * 365))
        [record] = self.store.certificates
        self.assertEqual((record.purpose, record.subject), ("enroll", NAME))
        self.assertEqual(record.sha256, sha256(record.certificate).hexdigest())
        self.assertEqual(record.serial, summarize(record.certificate).serial)
        self.assertEqual((record.issued_at, record.not_after), (NOW, issued.not_valid_after_utc))
        key = sha256(DEVICE.identity.public_key_info).hexdigest()
        self.assertEqual(record.public_key_sha256, key)
        challenge = challenge_for().sha256
        self.assertEqual(record.challenge_sha256, challenge)
        self.assertEqual(self.store.challenges[challenge].used_by, key)
        [token] = self.store.tokens.values()
        self.assertEqual(token.uses_left, 2)

    def test_read_by_openssl(self) -> None:
        """
        OpenSSL verifies the answer, opens its envelope, and finds the one certificate there.
        """
        answer = self.successResultOf(self.begin(DEVICE.request(self.certificate).message))
        content = openssl_decrypt(DEVICE.identity, openssl_verify(answer))
        text = openssl("pkcs7", "-inform", "DER", "-print_certs", stdin=content).decode()
        self.assertEqual(text.count("BEGIN CERTIFICATE"), 1)
        self.assertIn(f"subject={NAME}", text.replace("CN = ", "CN="))

    def test_answer_by_another_key(self) -> None:
        """
        The key that signs need not be the one that is certified.
        """
        sender, device = party("CN=agent", 5), DEVICE.identity
        csr = build_request(device.key, x509.Name.from_rfc4514_string(NAME), CHALLENGE)
        sent = build_pki_request(
            MessageType.PKCS_REQ, csr, sender.key, sender.certificate, self.certificate, os.urandom
        )
        issued = Sender(sender).open(self.exchange(sent))
        self.assertEqual(issued.public_key(), device.key.public_key())

    def test_strength(self) -> None:
        """
        The answer is in AES and SHA-256, or what the request used if that is stronger.
        """
        for cipher, digest, size, signed in (
            ("des-ede3-cbc", "sha1", b"\x02", "sha256"),
            ("aes-128-cbc", "sha256", b"\x02", "sha256"),
            ("aes-256-cbc", "sha512", b"\x2a", "sha512"),
        ):
            sender = replace(DEVICE, cipher=cipher, digest=digest)
            answer = self.exchange(sender.request(self.certificate))
            self.assertEqual(answer.digest, signed)
            aes = bytes.fromhex("06096086480165030401")
            assert answer.content is not None
            self.assertIn(aes + size, answer.content)

    def test_lifetime(self) -> None:
        """
        It may be a matter of seconds, and is another for MDM identities.
        """
        self.configure(IssuingSettings(identity_lifetime=90, certificate_lifetime=60))
        self.assertEqual(self.enroll(DEVICE).not_valid_after_utc, NOW + timedelta(seconds=90))
        other = self.enroll(replace(OTHER, challenge=STATIC, transaction_id="ours"))
        self.assertEqual(other.not_valid_after_utc, NOW + timedelta(seconds=60))

    def test_repeated_after_revocation(self) -> None:
        """
        The same request gets a certificate again only as long as that one is not revoked; neither
        does it get another one.
        """
        text = "the certificate that was issued for this request has been revoked"
        for sender in (DEVICE, replace(OTHER, subject="CN=other", challenge=STATIC)):
            sent = sender.request(self.certificate)
            issued = sender.open(self.exchange(sent))
            self.revoke(issued)
            self.assert_failure(sent, text)
            # So is another message with the same certification request.
            self.assert_failure(sender.request(self.certificate), text)

    def test_repeated(self) -> None:
        """
        The same CSR in a new message gets the identical certificate again, though its challenge is
        spent, has expired and its token is gone.
        """
        first = self.enroll(DEVICE)
        self.clock.advance(7200)
        self.store.tokens.clear()
        self.store.challenges.clear()
        self.assertEqual(self.enroll(DEVICE), first)
        self.assertEqual(len(self.store.certificates), 1)

    def test_new_request_of_the_same_key(self) -> None:
        """
        The same key may spend its challenge twice, and counts once.
        """
        self.enroll(DEVICE)
        second = replace(DEVICE, transaction_id="another")
        self.enroll(second)
        [token] = self.store.tokens.values()
        self.assertEqual((token.uses_left, len(self.store.certificates)), (2, 2))

    def test_other_key_in_the_transaction(self) -> None:
        """
        A transactionID belongs to one key.
        """
        named = replace(DEVICE, transaction_id="ours")
        self.enroll(named)
        other = replace(OTHER, challenge=STATIC, transaction_id="ours")
        self.assert_refused(other, "another key lives under this transactionID")

    def test_simultaneous(self) -> None:
        """
        Of two requests with one challenge at the same time, one key gets a certificate.
        """
        self.workers.held = True
        requests = [each.request(self.certificate).message for each in (DEVICE, OTHER)]
        answers = [self.begin(message) for message in requests]
        while self.workers.calls:
            self.workers.go()
        read = [parse_pki_message(self.successResultOf(answer)) for answer in answers]
        self.assertEqual([each.pki_status for each in read], [PKIStatus.SUCCESS, PKIStatus.FAILURE])
        self.assertEqual(len(self.store.certificates), 1)

    def test_alternative_names(self) -> None:
        """
        An identity has none.
        """
        sender = replace(DEVICE, names=(x509.DNSName("host.example"),))
        text = "the request asks for alternative names, which it may not have"
        self.assert_refused(sender, text)
        self.assertIsNone(self.store.challenges[challenge_for().sha256].used_by)


class ChallengeTests(IssuingCase):
    """
    Tests for challenges that allow nothing.
    """

    def test_none(self) -> None:
        """
        A request without a challenge, or with an empty one.
        """
        for challenge in (None, ""):
            self.assert_refused(
                replace(DEVICE, challenge=challenge), "the request has no challenge"
            )

    def test_wrong(self) -> None:
        """
        A challenge that nobody made; the digest of one is no challenge.
        """
        for challenge in ("wrong", CHALLENGE + " ", challenge_for().sha256):
            sender = replace(DEVICE, challenge=challenge)
            self.assert_refused(sender, "the challenge is not one of this authority")

    def test_counted(self) -> None:
        """
        Each answer is counted by what was asked and what was answered.
        """
        self.enroll(DEVICE)
        sender = replace(DEVICE, challenge="wrong")
        self.assert_refused(sender, "the challenge is not one of this authority")
        for status, fail_info in (("SUCCESS", "none"), ("FAILURE", "badRequest")):
            labels = {"type": "PKCSReq", "status": status, "fail_info": fail_info}
            name = "scepd_embedded_ca_answers_total"
            self.assertEqual(self.metrics.registry.get_sample_value(name, labels), 1.0)

    def test_expired(self) -> None:
        """
        A challenge is good until its last second, exclusive.
        """
        self.clock.advance(3600)
        self.assert_refused(DEVICE, "the challenge has expired")

    def test_expired_meanwhile(self) -> None:
        """
        What counts is when the certificate is stored.
        """
        self.workers.held = True
        answer = self.begin(DEVICE.request(self.certificate).message)
        self.clock.advance(3600)
        self.workers.go()
        self.workers.go()
        read = parse_pki_message(self.successResultOf(answer))
        self.assertEqual(read.pki_status, PKIStatus.FAILURE)

    def test_other_subject(self) -> None:
        """
        A challenge is good for its subject only, to the letter.
        """
        for subject in ("CN=somebody else", NAME.upper(), f"{NAME},O=x", f"O=x+{NAME}"):
            sender = replace(DEVICE, subject=subject)
            self.assert_refused(sender, "the challenge is for another subject")

    def test_spent(self) -> None:
        """
        A challenge that was spent is no good for another key.
        """
        self.enroll(DEVICE)
        self.assert_refused(OTHER, "the challenge was used for another key")

    def test_token(self) -> None:
        """
        With its token a challenge loses its force.
        """
        [token] = self.store.tokens.values()
        self.store.tokens[token.sha256] = replace(token, uses_left=0)
        self.assert_refused(DEVICE, "the enrollment token is used up")
        self.store.tokens.clear()
        self.assert_refused(DEVICE, "the enrollment token is gone or has expired")

    def test_secrets_are_not_logged(self) -> None:
        """
        There is one line for each issue and refusal, without a challenge.
        """
        with capturedLogs() as events:
            self.enroll(DEVICE)
            self.assert_refused(
                replace(OTHER, challenge="wr0ng"), "the challenge is not one of this authority"
            )
        self.assertEqual([event["log_level"].name for event in events], ["info", "warn"])
        self.assertEqual(events[0]["transaction_id"], self.store.certificates[0].transaction_id)
        self.assertEqual(events[1]["fail_info"], "badRequest")
        for secret in (CHALLENGE, "wr0ng"):
            self.assertNotIn(secret, repr(events))


class StaticChallengeTests(IssuingCase):
    """
    Tests for requests with the static challenge.
    """

    def test_profile(self) -> None:
        """
        It gets certificates for any subject and names, as often as wanted; no MDM identity.
        """
        for number in (1, 2):
            sender = Sender(
                party("CN=sender", number),
                f"CN=client {number}",
                STATIC,
                names=(x509.DNSName("client.example"),),
            )
            issued = self.enroll(sender)
            names = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            self.assertEqual(names.get_values_for_type(x509.DNSName), ["client.example"])
            usage = issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            self.assertEqual(list(usage), [ExtendedKeyUsageOID.CLIENT_AUTH])
        records = self.store.certificates
        self.assertEqual([record.purpose for record in records], ["profile"] * 2)
        self.assertEqual([record.challenge_sha256 for record in records], [None] * 2)


class NoStaticChallengeTests(IssuingCase):
    """
    Tests for an authority without a static challenge.
    """

    static_challenge: str | None = None

    def test_refused(self) -> None:
        """
        Nothing but enrollment challenges will do.
        """
        for challenge in (STATIC, "None"):
            self.assert_refused(
                replace(DEVICE, challenge=challenge), "the challenge is not one of this authority"
            )
        self.assert_refused(replace(DEVICE, challenge=""), "the request has no challenge")


class EmptyStaticChallengeTests(NoStaticChallengeTests):
    """
    An empty static challenge is none.
    """

    static_challenge = ""


class MessageTests(IssuingCase):
    """
    Tests for messages that are refused whatever their challenge.
    """

    def answer_to(self, message: bytes) -> tuple[FailInfo | None, str | None]:
        """
        failInfo and text of the CertRep FAILURE.
        """
        answer = parse_pki_message(self.successResultOf(self.begin(message)))
        self.assertEqual(answer.pki_status, PKIStatus.FAILURE)
        self.assertEqual(self.store.certificates, [])
        return answer.fail_info, answer.fail_info_text

    def test_cert_rep(self) -> None:
        """
        An answer is no request.
        """
        attributes = scep_attributes(
            message_type=printable("3"),
            transaction_id=printable("1"),
            pki_status=printable("0"),
        )
        message = scep_message(DEVICE.identity, attributes)
        answer = (FailInfo.BAD_REQUEST, "a CertRep is not accepted here")
        self.assertEqual(self.answer_to(message), answer)

    def test_unknown_types(self) -> None:
        """
        A type that RFC 8894 does not know is refused before all else.
        """
        sent = DEVICE.request(self.certificate)
        envelope = parse_pki_message(sent.message).content
        assert envelope is not None
        for kind in ("18", "0", "019", "19 ", "x"):
            message = pkcs_req(DEVICE.identity, envelope, message_type=printable(kind))
            self.assertEqual(
                self.answer_to(message),
                (FailInfo.BAD_REQUEST, "the messageType is missing or not one that is accepted"),
            )

    def test_single_des(self) -> None:
        """
        Single DES is refused, unless it is allowed; the answer is AES all the same.
        """
        sender = replace(DEVICE, cipher="des-cbc", digest="sha1")
        self.assert_refused(sender, "single DES is not accepted", FailInfo.BAD_ALG)
        self.configure(IssuingSettings(allow_single_des=True))
        self.assertEqual(self.enroll(sender).subject.rfc4514_string(), NAME)

    def test_triple_des(self) -> None:
        """
        Triple DES is accepted, unless it is forbidden, whatever the message asks for.
        """
        sender = replace(DEVICE, cipher="des-ede3-cbc")
        self.assertIn(b"DES3\n", self.ca.capabilities())
        self.configure(IssuingSettings(allow_3des=False))
        self.assert_refused(sender, "triple DES is not accepted", FailInfo.BAD_ALG)
        content = openssl_encrypt(Party(DEVICE.identity.key, self.certificate), b"x", "-des3")
        query = pkcs_req(DEVICE.identity, content, message_type=printable("21"))
        answer = (FailInfo.BAD_ALG, "triple DES is not accepted")
        self.assertEqual(self.answer_to(query), answer)
        self.assertNotIn(b"DES3", self.ca.capabilities())
        self.assertIn(b"AES\n", self.ca.capabilities())
        self.configure(IssuingSettings())
        self.enroll(sender)

    def test_sha1(self) -> None:
        """
        SHA-1 is accepted, unless it is forbidden.
        """
        self.configure(IssuingSettings(allow_sha1=False))
        sender = replace(DEVICE, digest="sha1")
        self.assert_refused(sender, "SHA-1 is not accepted", FailInfo.BAD_ALG)
        self.assertNotIn(b"SHA-1\n", self.ca.capabilities())

    def test_small_key(self) -> None:
        """
        A key of 1024 bits is not certified.
        """
        sender = Sender(party("CN=small", 3, bits=1024))
        text = "the RSA key has 1024 bits; 2048 to 8192 are accepted"
        self.assert_refused(sender, text, FailInfo.BAD_ALG)

    def test_other_authority(self) -> None:
        """
        A message for somebody else gets the same answer as a broken one.
        """
        answer = (FailInfo.BAD_MESSAGE_CHECK, "the envelope could not be opened")
        other = party("CN=other ca", 9, usage="sign encipher", ca=True)
        self.assertEqual(self.answer_to(DEVICE.request(other.certificate).message), answer)
        envelope = build_envelope(b"junk", self.certificate, os.urandom)
        self.assertEqual(self.answer_to(pkcs_req(DEVICE.identity, envelope)), answer)

    def test_wrong_signature(self) -> None:
        """
        A message whose signature is broken.
        """
        message = bytearray(DEVICE.request(self.certificate).message)
        message[-1] ^= 1
        self.assertEqual(self.answer_to(bytes(message))[0], FailInfo.BAD_MESSAGE_CHECK)

    def test_two_signers(self) -> None:
        """
        A message that two have signed is a SCEP message, and so it gets a SCEP answer.
        """
        content = parse_pki_message(DEVICE.request(self.certificate).message).content
        both = (DEVICE.identity, OTHER.identity)
        for signers in (both, both[::-1], both * 2):
            message = Message(content or b"", signers, "t-2").encode()
            body = self.successResultOf(self.begin(message))
            answer = parse_pki_message(body)
            self.assertEqual((answer.transaction_id, answer.recipient_nonce), ("t-2", b"n" * 16))
            text = "the message does not have exactly one signer"
            self.assertEqual(self.answer_to(message), (FailInfo.BAD_MESSAGE_CHECK, text))

    def test_no_envelope(self) -> None:
        """
        A message without content.
        """
        attributes = scep_attributes(
            message_type=printable("19"),
            transaction_id=printable("1"),
            sender_nonce=tlv(0x04, b"n" * 16),
        )
        message = scep_message(DEVICE.identity, attributes)
        self.assertEqual(
            self.answer_to(message), (FailInfo.BAD_REQUEST, "the message has no envelope")
        )

    def test_too_large(self) -> None:
        """
        A message above the limit is not looked at.
        """
        self.failureResultOf(self.begin(b"\x30" * (MAX_MESSAGE_SIZE + 1)), LimitExceeded)

    def test_storage_unavailable(self) -> None:
        """
        Without its database the authority refuses nothing and nobody: they may try again.
        """
        message = DEVICE.request(self.certificate).message
        self.store.broken = True
        self.failureResultOf(self.begin(message), StorageUnavailable)

    def test_cut_anywhere(self) -> None:
        """
        A message that ends early is no SCEP message, wherever that is.
        """
        message = DEVICE.request(self.certificate).message
        for whole in (message, b"\x30\x80" + message[4:] + b"\0\0"):
            for end in range(len(whole)):
                self.failureResultOf(self.begin(whole[:end]), MessageError)
        self.assertEqual(self.store.certificates, [])
        self.assertEqual(self.begin(whole).called, True)
        self.assertEqual(len(self.store.certificates), 1)

    @given(st.binary(max_size=200))
    @example(b"")
    @example(b"\x30\x80")
    @example(openssl("rand", "10000"))
    def test_junk(self, junk: bytes) -> None:
        """
        What is no SCEP message is an error for HTTP to tell.
        """
        self.failureResultOf(self.begin(junk), MessageError)

    @given(st.data())
    def test_altered(self, data: st.DataObject) -> None:
        """
        Whatever is altered in a message, it is refused, one way or the other.
        """
        message = bytearray(pkcs_req(DEVICE.identity, b"\x30\x80" + b"x" * 40))
        for _ in range(data.draw(st.integers(1, 3))):
            place = data.draw(st.integers(0, len(message) - 1))
            message[place] = data.draw(st.integers(0, 255))
        answer = self.begin(bytes(message[: data.draw(st.integers(0, len(message)))]))
        # 400 by HTTP, where SCEP has no answer.
        answer.addErrback(lambda failure: failure.trap(MessageError) and b"")
        if found := self.successResultOf(answer):
            self.assertEqual(parse_pki_message(found).pki_status, PKIStatus.FAILURE)


class CapabilityTests(IssuingCase):
    """
    Tests for L{EmbeddedCA.capabilities}.
    """

    def test_words(self) -> None:
        """
        They say what is accepted, and nothing that is not.
        """
        lines = self.ca.capabilities().split(b"\n")
        self.assertEqual(lines.pop(), b"")
        self.assertEqual(
            sorted(lines),
            b"AES DES3 GetNextCACert POSTPKIOperation Renewal SCEPStandard SHA-1 SHA-256 SHA-384"
            b" SHA-512".split(),
        )
        found = Capabilities.parse(self.ca.capabilities())
        self.assertTrue(found.post)
        self.assertTrue(found.renewal and found.next_ca)
        self.assertEqual(found.weaknesses(), ())
