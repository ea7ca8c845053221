"""
Tests for signers who are recognised by what they sent before.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import MessageError, SignatureInvalid
from scepd.mdm.known_signers import KnownSigners, MessageSigner, verified_signer
from scepd.mdm.signature import decoded_signature, sign_mdm_message
from tests.support.pki import Party, openssl_sign, party, require

_BODIES = (b"one message", b"another message, which is longer", b"")


def signed(body: bytes, signer: Party) -> bytes:
    """
    The CMS in DER with which a device signs a body.
    """
    return decoded_signature(sign_mdm_message(body, signer.key, signer.certificate))


def signed_like_a_device(body: bytes, signer: Party) -> bytes:
    """
    The same with SHA-1, and with indefinite lengths around what matters.
    """
    der = openssl_sign(signer, body, "-noattr", "-md", "sha1")
    # Three elements with lengths of two octets, and the object identifier that says SignedData.
    return b"\x30\x80" + der[4:15] + b"\xa0\x80\x30\x80" + der[23:] + bytes(6)


class KnownSignersTests(SynchronousTestCase):
    """
    Tests for L{KnownSigners}.
    """

    def setUp(self) -> None:
        """
        Nobody is known.
        """
        self.signers = KnownSigners()
        self.device = party("CN=device-1")

    def keep(self, signature: bytes, body: bytes) -> MessageSigner:
        """
        Let the signer of a message be known.
        """
        signer = verified_signer(signature, body)
        self.signers.keep(signer)
        return signer

    def test_recognised(self) -> None:
        """
        Who was kept is recognised by any other message, and is the same as when all is read.
        """
        kept = self.keep(signed(_BODIES[0], self.device), _BODIES[0])
        self.assertEqual(kept.certificate_sha256, sha256(self.device.certificate).hexdigest())
        for body in _BODIES:
            signature = signed(body, self.device)
            found = self.signers.recognised(signature, body)
            assert found is not None
            self.assertEqual(
                found.certificate_sha256, verified_signer(signature, body).certificate_sha256
            )

    def test_what_devices_send(self) -> None:
        """
        BER with indefinite lengths and SHA-1, as devices send it.
        """
        require("openssl")
        first, second = (signed_like_a_device(body, self.device) for body in _BODIES[:2])
        self.keep(first, _BODIES[0])
        found = self.signers.recognised(second, _BODIES[1])
        assert found is not None
        self.assertEqual(found.digest, "sha1")
        self.assertEqual(found.certificate_sha256, sha256(self.device.certificate).hexdigest())

    def test_wrong(self) -> None:
        """
        A known signer's signature of another body is none; nor are changed octets one.
        """
        signature = signed(_BODIES[0], self.device)
        kept = self.keep(signature, _BODIES[0])
        begin, end = kept.place
        for at in (begin, end - 1):
            changed = bytearray(signature)
            changed[at] ^= 1
            with self.assertRaises(SignatureInvalid):
                self.signers.recognised(bytes(changed), _BODIES[0])
        with self.assertRaises(SignatureInvalid):
            self.signers.recognised(signature, _BODIES[1])

    def test_nobody(self) -> None:
        """
        Who was not kept is not recognised: neither one whose message has the same length, nor
        anybody when there is none.
        """
        signature = signed(_BODIES[0], self.device)
        self.assertIsNone(self.signers.recognised(signature, _BODIES[0]))
        self.keep(signature, _BODIES[0])
        stranger = party("CN=device-2", 1)
        other = signed(_BODIES[0], stranger)
        self.assertEqual(len(other), len(signature))
        self.assertIsNone(self.signers.recognised(other, _BODIES[0]))
        self.assertIsNone(self.signers.recognised(b"", b""))

    def test_one_key_two_certificates(self) -> None:
        """
        Certificates of one key are told apart.
        """
        signature = signed(_BODIES[0], self.device)
        self.keep(signature, _BODIES[0])
        renewed = replace(self.device, certificate=party("CN=device-3").certificate)
        self.assertIsNone(self.signers.recognised(signed(_BODIES[0], renewed), _BODIES[0]))

    def test_more_than_the_signature(self) -> None:
        """
        Messages in which more than the signature is of this one message are never kept: those with
        signedAttrs, and with the content inside.
        """
        require("openssl")
        for options in ((), ("-noattr", "-nodetach"), ("-noattr", "-stream", "-indef")):
            signature = openssl_sign(self.device, _BODIES[0], *options)
            self.assertIsNone(self.keep(signature, _BODIES[0]).envelope)
        self.assertEqual(len(self.signers), 0)

    def test_forgotten(self) -> None:
        """
        Who is forgotten is not recognised any more, nor is anybody when all are.
        """
        others = party("CN=device-2", 1)
        for one in (self.device, others):
            self.keep(signed(_BODIES[0], one), _BODIES[0])
        self.signers.forget(sha256(self.device.certificate).hexdigest())
        self.signers.forget("unknown")
        signature = signed(_BODIES[1], self.device)
        self.assertIsNone(self.signers.recognised(signature, _BODIES[1]))
        signature = signed(_BODIES[1], others)
        self.assertIsNotNone(self.signers.recognised(signature, _BODIES[1]))
        self.signers.clear()
        self.assertIsNone(self.signers.recognised(signature, _BODIES[1]))
        self.assertEqual(len(self.signers), 0)

    def test_bound(self) -> None:
        """
        The one that was not heard for longest makes room.
        """
        signers = KnownSigners(2)
        parties = [party(f"CN=device-{number}", number % 2) for number in range(3)]
        messages = [signed(_BODIES[0], one) for one in parties]
        for message in messages[:2]:
            signers.keep(verified_signer(message, _BODIES[0]))
        signers.recognised(messages[0], _BODIES[0])
        signers.keep(verified_signer(messages[2], _BODIES[0]))
        found = [signers.recognised(message, _BODIES[0]) is not None for message in messages]
        self.assertEqual((found, len(signers)), ([True, False, True], 2))

    def test_many_lengths(self) -> None:
        """
        However many lengths messages have, what is remembered of them is bounded.
        """
        signer = verified_signer(signed(_BODIES[0], self.device), _BODIES[0])
        for length in range(3000):
            envelope = (0, length.to_bytes(4, "big"))
            self.signers.keep(replace(signer, length=length, envelope=envelope))
        self.assertLessEqual(len(self.signers), 1024)
        for place in range(10):
            envelope = (place, b"")
            self.signers.keep(replace(signer, length=1, place=(place, 9), envelope=envelope))
        self.assertLessEqual(len(self.signers), 1030)

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(st.data())
    def test_never_otherwise(self, data: st.DataObject) -> None:
        """
        Whatever is done to a message, who is recognised is who it is when all is read.
        """
        signers = KnownSigners()
        first = signed(_BODIES[0], self.device)
        signers.keep(verified_signer(first, _BODIES[0]))
        changed = bytearray(signed(_BODIES[1], self.device))
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        try:
            found = signers.recognised(bytes(changed), _BODIES[1])
        except MessageError:
            with self.assertRaises(MessageError):
                verified_signer(bytes(changed), _BODIES[1])
            return
        if found is not None:
            read = verified_signer(bytes(changed), _BODIES[1])
            self.assertEqual(found.certificate_sha256, read.certificate_sha256)
