"""
What an attacker tries at the embedded certificate authority and at the proxy of a running daemon.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Mapping
from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from twisted.trial.unittest import SynchronousTestCase, TestCase

from scepd.scep.attributes import FailInfo, PKIStatus
from tests.support.attacker import Attacker, Reply
from tests.support.hostile_messages import Message, certification_request
from tests.support.interop import EMBEDDED
from tests.support.pki import Party, openssl, party
from tests.support.scepserver import CHALLENGE

_SAMPLES = 20
_ROUNDS = 8
# Opening a block of 3072 bits takes milliseconds, a good part of the whole.
_TOLERANCE = 1.2
_BLOCK = 384


class AttackTestCase(SynchronousTestCase):
    """
    An attacker, and how it is refused.
    """

    def setUp(self) -> None:
        """
        Find the authority.
        """
        self.attacker = Attacker()
        self.addCleanup(self.attacker.http.close)

    def assert_refused(self, message: bytes, fail_info: FailInfo, what: object = "") -> Reply:
        """
        The authority answers a message with a CertRep FAILURE, and has issued nothing.
        """
        before = self.attacker.issued()
        reply = self.attacker.post(message)
        self.assertEqual(reply.response.status_code, 200, what)
        assert reply.message is not None, what
        text = f"{what}: {reply.message.fail_info_text}"
        self.assertIs(reply.message.pki_status, PKIStatus.FAILURE, text)
        self.assertIs(reply.message.fail_info, fail_info, text)
        self.assertEqual(self.attacker.issued(), before, text)
        return reply


class OracleTests(AttackTestCase):
    """
    Whoever could tell why an envelope did not open could open those of others.
    """

    def messages(self) -> Mapping[str, bytes]:
        """
        Messages of one length whose envelopes can't be opened, each for another reason.
        """
        attacker = self.attacker
        request = attacker.request()
        whole = attacker.seal(request)
        at = whole.index(b"\x04\x82" + _BLOCK.to_bytes(2, "big")) + 4
        before, after = whole[:at], whole[at + _BLOCK :]
        key = x509.load_der_x509_certificate(attacker.authority).public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        short = key.encrypt(b"7 bytes", padding.PKCS1v15())
        # What follows the ciphertext is nothing; its last block is never empty.
        start = len(whole) - (len(request) // 16 + 1) * 16

        def altered(part: bytes) -> bytes:
            # A block of the request is other octets then, and the next one has another bit; all the
            # rest of it can be read.
            broken = bytearray(whole)
            broken[start + request.index(part)] ^= 1
            return bytes(broken)

        bad_pad = bytearray(whole)
        bad_pad[-17] ^= 0x55
        envelopes = {
            "a block that is not PKCS #1": before + bytes(1) + os.urandom(_BLOCK - 1) + after,
            "a content key of another length": before + short + after,
            "a broken padding": bytes(bad_pad),
            "junk inside": attacker.seal(b"j" * len(request)),
            "a broken request inside": attacker.seal(request[:1] + b"\x83" + request[2:]),
            "an altered challenge": altered(CHALLENGE.encode()),
            "an altered key": altered(attacker.party.public_key_info[-200:]),
            "an altered name": altered(b"attacker"),
            "an altered signature": altered(request[-200:]),
        }
        return {why: attacker.message(each).encode() for why, each in envelopes.items()}

    def test_answers(self) -> None:
        """
        All that an answer tells is the same, whatever is wrong with the envelope.
        """
        messages = self.messages()
        self.assertEqual(len({len(message) for message in messages.values()}), 1)
        told = {
            self.assert_refused(message, FailInfo.BAD_MESSAGE_CHECK, why).told
            for why, message in messages.items()
        }
        self.assertEqual(len(told), 1, told)

    def test_time(self) -> None:
        """
        The answers take the same time, as samples say that are taken in turn. Other work on the
        machine only ever adds to one, so that the quickest tenth is what counts, and more samples
        are taken until they agree; a path that leaves out a step never does.
        """
        messages = self.messages()
        samples: dict[str, list[float]] = {why: [] for why in messages}
        for _ in range(_ROUNDS):
            for _ in range(_SAMPLES):
                for why, message in messages.items():
                    samples[why].append(self._seconds(message))
            quick = {why: statistics.quantiles(times, n=10)[0] for why, times in samples.items()}
            if max(quick.values()) / min(quick.values()) < _TOLERANCE:
                return
        self.fail(f"the times are far apart: {quick}")

    def _seconds(self, message: bytes) -> float:
        start = time.perf_counter()
        self.attacker.post(message)
        return time.perf_counter() - start


class DowngradeTests(AttackTestCase):
    """
    Algorithms that are not accepted.
    """

    def test_md5(self) -> None:
        """
        A message that is signed with MD5.
        """
        message = self.attacker.message(self.attacker.seal(self.attacker.request()))
        self.assert_refused(replace(message, digest="md5").encode(), FailInfo.BAD_ALG)

    def test_single_des(self) -> None:
        """
        An envelope in single DES or RC2, where that is not opted in.
        """
        legacy = ("-provider", "legacy", "-provider", "default")
        for cipher in ("-des-cbc", "-rc2-40-cbc"):
            envelope = self.attacker.seal(self.attacker.request(), cipher, *legacy)
            message = self.attacker.message(envelope).encode()
            self.assert_refused(message, FailInfo.BAD_ALG, cipher)

    def test_weak_requests(self) -> None:
        """
        A certification request that is signed with MD5.
        """
        key = self.attacker.party.key_pem
        request = openssl(
            *("req", "-new", "-key", "key.pem", "-subj", "/CN=attacker", "-md5"),
            *("-outform", "DER"),
            files={"key.pem": key},
        )
        message = self.attacker.message(self.attacker.seal(request)).encode()
        self.assert_refused(message, FailInfo.BAD_ALG)

    def test_small_key(self) -> None:
        """
        A key of 1024 bits is not certified, whoever signs.
        """
        request = certification_request(party("CN=small", 41, bits=1024), "CN=small", CHALLENGE)
        message = self.attacker.message(self.attacker.seal(request)).encode()
        self.assert_refused(message, FailInfo.BAD_ALG)


class ForgeryTests(AttackTestCase):
    """
    Messages that are not what they seem.
    """

    def message(self, transaction_id: str = "forgery") -> Message:
        """
        A message that is right.
        """
        return self.attacker.message(
            self.attacker.seal(self.attacker.request("CN=forgery")), transaction_id
        )

    def test_types(self) -> None:
        """
        A messageType that RFC 8894 does not know is refused, with everything else right.
        """
        for kind in ("18", "0", "99", "019", "19 ", "-19", "3"):
            message = replace(self.message(), message_type=kind).encode()
            self.assert_refused(message, FailInfo.BAD_REQUEST, kind)

    def test_two_signers(self) -> None:
        """
        A second signer, before the first or behind.
        """
        both = (self.attacker.party, party("CN=another", 42))
        for signers in (both, both[::-1]):
            message = replace(self.message(), signers=signers).encode()
            self.assert_refused(message, FailInfo.BAD_MESSAGE_CHECK)

    def test_no_signed_attributes(self) -> None:
        """
        Without signed attributes it is no SCEP message: there is no transactionID to answer to.
        """
        reply = self.attacker.post(replace(self.message(), signed_attributes=False).encode())
        self.assertEqual((reply.response.status_code, reply.message), (400, None))

    def test_somebody_elses_signature(self) -> None:
        """
        The certificate of somebody else beside the attacker's signature.
        """
        victim = party("CN=victim", 43)
        forged = Party(self.attacker.party.key, victim.certificate)
        message = replace(self.message(), signers=(forged,)).encode()
        self.assert_refused(message, FailInfo.BAD_MESSAGE_CHECK)

    def test_replay(self) -> None:
        """
        The same message gets the same certificate, and not a second one.
        """
        message = self.message("replay").encode()
        first = self.attacker.open(self.attacker.post(message))
        count = self.attacker.issued()
        for _ in range(3):
            again = self.attacker.open(self.attacker.post(message))
            self.assertEqual(again, first)
        self.assertEqual(self.attacker.issued(), count)

    def test_another_key_in_a_transaction(self) -> None:
        """
        A transactionID under which a certificate was issued is not for another key.
        """
        self.attacker.open(self.attacker.post(self.message("taken").encode()))
        other = Attacker(44)
        self.addCleanup(other.http.close)
        message = other.message(other.seal(other.request("CN=forgery")), "taken").encode()
        self.assert_refused(message, FailInfo.BAD_REQUEST)


class RenewalTests(AttackTestCase):
    """
    Certificates do not vouch for what they are not.
    """

    def test_stranger(self) -> None:
        """
        A certificate that the authority did not issue renews nothing, even when it copies the name
        of the authority.
        """
        name = x509.load_der_x509_certificate(self.attacker.authority).subject
        for spelled in ("CN=attacker", name.rfc4514_string()):
            stranger = party(spelled, 45)
            request = certification_request(stranger, "CN=attacker", None)
            for kind in ("17", "19"):
                message = replace(
                    self.attacker.message(self.attacker.seal(request), f"stranger-{kind}"),
                    signers=(stranger,),
                    message_type=kind,
                )
                before = self.attacker.issued()
                reply = self.attacker.post(message.encode())
                assert reply.message is not None
                self.assertIs(reply.message.pki_status, PKIStatus.FAILURE)
                self.assertEqual(self.attacker.issued(), before)

    def test_another_subject(self) -> None:
        """
        A certificate of the authority vouches for its own subject only.
        """
        request = self.attacker.request("CN=renewing")
        enroll = self.attacker.message(self.attacker.seal(request), "renewing")
        issued = self.attacker.open(self.attacker.post(enroll.encode()))
        key = self.attacker.party.key
        holder = Party(key, issued.public_bytes(Encoding.DER))
        for subject in ("CN=somebody else", "CN=renewing,O=more", "O=renewing", "CN=Renewing"):
            wanted = certification_request(party("CN=fresh", 46), subject, None)
            for kind in ("17", "19"):
                message = replace(
                    self.attacker.message(self.attacker.seal(wanted), f"{subject}-{kind}"),
                    signers=(holder,),
                    message_type=kind,
                )
                before = self.attacker.issued()
                reply = self.attacker.post(message.encode())
                assert reply.message is not None
                self.assertIs(reply.message.pki_status, PKIStatus.FAILURE, (subject, kind))
                self.assertEqual(self.attacker.issued(), before)


class RequestTests(AttackTestCase):
    """
    Certification requests that ask for too much, with the right challenge.
    """

    def assert_request_refused(self, request: bytes, what: str) -> None:
        """
        The authority refuses what is in the envelope.
        """
        message = self.attacker.message(self.attacker.seal(request), what.replace(" ", "-"))
        self.assert_refused(message.encode(), FailInfo.BAD_REQUEST, what)

    def test_extensions(self) -> None:
        """
        To be an authority, usages other than clientAuth, too many or odd names.
        """
        names = x509.SubjectAlternativeName
        odd: dict[str, x509.ExtensionType] = {
            "CA TRUE": x509.BasicConstraints(ca=True, path_length=None),
            "a path length": x509.BasicConstraints(ca=True, path_length=0),
            "any usage": x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]),
            "serverAuth": x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
            "names for others": x509.NameConstraints([x509.DNSName("example")], None),
            "no revocation": x509.OCSPNoCheck(),
            "17 names": names([x509.DNSName(f"host-{n}.example") for n in range(17)]),
            "a long name": names([x509.DNSName("x" * 300)]),
            "a NUL": names([x509.DNSName("host.example\x00.attacker.example")]),
            "a registered ID": names([x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))]),
        }
        for what, extension in odd.items():
            request = certification_request(
                self.attacker.party, "CN=attacker", CHALLENGE, [extension]
            )
            self.assert_request_refused(request, what)

    def test_subjects(self) -> None:
        """
        Control characters, line breaks, and names that are too long.
        """
        for what, subject in {
            "a NUL in a name": r"CN=good\00evil",
            "a line break": r"CN=good\0Aevil",
            "too many parts": ",".join(f"OU={n}" for n in range(17)),
        }.items():
            request = certification_request(self.attacker.party, subject, CHALLENGE)
            self.assert_request_refused(request, what)


class ProxyTests(TestCase):
    """
    What the windows of the proxy are for; the certificate authority behind it is the embedded one.
    """

    timeout = 120

    async def test_replay(self) -> None:
        """
        A message that went through its window gets the same answer there once more; in the window
        another key is refused, and so is the message at a host without a window.
        """
        attacker, other = Attacker(), Attacker(44)
        self.addCleanup(attacker.http.close)
        self.addCleanup(other.http.close)
        staged = attacker.stage
        async with staged.daemon.stores() as stores:
            path = await stores.deliver("HOST-REPLAY", staged.profile, EMBEDDED)
            closed = await stores.deliver("HOST-CLOSED", staged.profile, EMBEDDED, window=False)
        url, closed_url = staged.url(path), staged.url(closed)
        message = attacker.message(attacker.seal(attacker.request("CN=proxied")), "by-proxy")
        first = attacker.open(attacker.post(message.encode(), url))
        self.assertEqual(attacker.open(attacker.post(message.encode(), url)), first)
        self.assertEqual(attacker.post(message.encode(), closed_url).response.status_code, 403)
        foreign = other.message(other.seal(other.request("CN=proxied")), "by-proxy")
        self.assertEqual(other.post(foreign.encode(), url).response.status_code, 403)
        another = replace(message, transaction_id="another").encode()
        self.assertEqual(attacker.post(another, url).response.status_code, 403)
        unsigned = replace(message, signers=(Party(other.party.key, attacker.party.certificate),))
        self.assertEqual(attacker.post(unsigned.encode(), url).response.status_code, 403)
