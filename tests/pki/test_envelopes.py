"""
Tests of envelopes: ``scepd.pki.enveloped_data``, ``scepd.pki.opening`` and ``scepd.pki.ciphers``.
"""

from __future__ import annotations

import contextlib
import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import DecryptionFailed, LimitExceeded, MessageError, UnsupportedAlgorithm
from scepd.pki.ciphers import reply_cipher
from scepd.pki.enveloped_data import parse_envelope
from scepd.pki.opening import OpenedEnvelope, build_envelope, open_envelope
from tests.support.asn1_trees import Node, tree_of
from tests.support.pki import Party, oid, openssl, openssl_decrypt, openssl_encrypt, party, tlv

FEW = settings(max_examples=150, deadline=None, derandomize=True, database=None)
CONTENT = b"the content of the envelope"


def opened(envelope: bytes, recipient: Party | None = None, **options: bool) -> OpenedEnvelope:
    """
    Open an envelope as its recipient.
    """
    mine = recipient or party()
    return open_envelope(envelope, mine.key, mine.certificate, os.urandom, **options)


class OpenEnvelopeTests(SynchronousTestCase):
    """
    Tests of ``open_envelope``.
    """

    def test_ciphers(self) -> None:
        """
        Envelopes of openssl open with each accepted cipher.
        """
        for option, name in (
            ("-aes-128-cbc", "aes-128-cbc"),
            ("-aes-192-cbc", "aes-192-cbc"),
            ("-aes-256-cbc", "aes-256-cbc"),
            ("-des3", "des-ede3-cbc"),
            ("-aes-128-gcm", "aes-128-gcm"),
            ("-aes-256-gcm", "aes-256-gcm"),
        ):
            found = opened(openssl_encrypt(party(), CONTENT, option))
            self.assertEqual((found.content, found.cipher), (CONTENT, name))

    def test_forms(self) -> None:
        """
        BER in segments, and a recipient named by its key identifier, are read.
        """
        long = CONTENT * 500
        message = openssl_encrypt(party(), long, "-aes128", "-stream", "-indef")
        self.assertEqual(message[:2], b"\x30\x80")
        self.assertEqual(opened(message).content, long)
        message = openssl_encrypt(party(), CONTENT, "-aes128", "-keyid")
        self.assertEqual(opened(message).content, CONTENT)

    def test_oaep(self) -> None:
        """
        RSA-OAEP is accepted with SHA-1 and SHA-256, and with no other digest.
        """
        oaep = ("-aes128", "-keyopt", "rsa_padding_mode:oaep")
        for more in ((), ("-keyopt", "rsa_oaep_md:sha256")):
            self.assertEqual(
                opened(openssl_encrypt(party(), CONTENT, *oaep, *more)).content, CONTENT
            )
        other = openssl_encrypt(party(), CONTENT, *oaep, "-keyopt", "rsa_oaep_md:sha512")
        self.assertRaises(UnsupportedAlgorithm, opened, other)

    def test_oaep_parameters(self) -> None:
        """
        The digest of the mask may be another than that of the label, which must be empty.
        """
        oaep = ("-aes128", "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256")
        for digest in ("sha1", "sha256"):
            message = openssl_encrypt(party(), CONTENT, *oaep, "-keyopt", f"rsa_mgf1_md:{digest}")
            self.assertEqual(opened(message).content, CONTENT)
        for more in ("rsa_mgf1_md:sha512", "rsa_oaep_label:616263"):
            message = openssl_encrypt(party(), CONTENT, *oaep, "-keyopt", more)
            self.assertRaises(UnsupportedAlgorithm, opened, message)

    @FEW
    @given(st.binary(max_size=40))
    def test_broken_oaep_parameters(self, octets: bytes) -> None:
        """
        Parameters of RSA-OAEP that are something else are an error of ours.
        """
        oaep = bytes.fromhex("06092a864886f70d010107")
        old = tlv(0x30, bytes.fromhex("06092a864886f70d010101"), tlv(0x05))
        root = tree_of(_MESSAGE)
        for node in root.all():
            if node.der() == old:
                node.children[0] = tree_of(oaep)
                node.children[1:] = [Node(0x30, octets, [])]
        with self.assertRaises(MessageError):
            opened(root.der())

    def test_single_des(self) -> None:
        """
        Single DES needs an opt-in, and then opens, be it ours or openssl's.
        """
        legacy = ("-des-cbc", "-provider", "legacy", "-provider", "default")
        message = openssl_encrypt(party(), CONTENT, *legacy)
        self.assertRaises(UnsupportedAlgorithm, opened, message)
        self.assertEqual(opened(message, allow_des=True).content, CONTENT)
        own = build_envelope(
            CONTENT, party().certificate, os.urandom, cipher="des-cbc", allow_des=True
        )
        self.assertRaises(UnsupportedAlgorithm, opened, own)
        self.assertEqual(opened(own, allow_des=True).content, CONTENT)

    def test_triple_des(self) -> None:
        """
        Triple DES can be forbidden.
        """
        message = openssl_encrypt(party(), CONTENT, "-des3")
        self.assertRaises(UnsupportedAlgorithm, opened, message, allow_3des=False)

    def test_other_ciphers(self) -> None:
        """
        A cipher that is not on the list is refused.
        """
        message = openssl_encrypt(party(), CONTENT, "-camellia128")
        self.assertRaises(UnsupportedAlgorithm, opened, message)

    def test_gcm_in_enveloped_data(self) -> None:
        """
        GCM inside a plain EnvelopedData, with the nonce tagged [4] as Go does it, opens.
        """
        base = openssl_encrypt(party(), CONTENT, "-aes-128-cbc")
        recipient = parse_envelope(base).recipients[0]
        key = _content_key(recipient.encrypted_key)
        nonce = b"n" * 12
        encrypted = AESGCM(key).encrypt(nonce, CONTENT, None)
        parameters = tlv(0x30, tlv(0x84, nonce), tlv(0x02, b"\x10"))
        content = tlv(
            0x30,
            bytes.fromhex("06092a864886f70d010701"),
            tlv(0x30, oid("2.16.840.1.101.3.4.1.6"), parameters),
            tlv(0x80, encrypted),
        )
        found = opened(_with_content(base, content))
        self.assertEqual((found.content, found.cipher), (CONTENT, "aes-128-gcm"))

    def test_cbc_in_auth_enveloped_data(self) -> None:
        """
        AuthEnvelopedData is for GCM: with CBC nothing authenticates the content, and its mac would
        be the last block.
        """
        encrypted = parse_envelope(_MESSAGE).encrypted
        message = _authenticated(_with_encrypted(_MESSAGE, encrypted[:-16]), encrypted[-16:])
        error = self.assertRaises(UnsupportedAlgorithm, opened, message)
        self.assertEqual(str(error), "AuthEnvelopedData is accepted with AES-GCM only")

    def test_several_recipients(self) -> None:
        """
        Ours is found among several recipients; more than 8 are refused.
        """
        others = [party(f"CN=other {number}", 1) for number in range(8)]
        self.assertEqual(opened(_for_all([*others[:3], party()])).content, CONTENT)
        self.assertRaises(LimitExceeded, opened, _for_all([*others, party()]))

    def test_for_somebody_else(self) -> None:
        """
        An envelope that does not name our certificate is not tried with our key.
        """
        message = openssl_encrypt(party("CN=other"), CONTENT, "-aes128")
        self.assertRaises(DecryptionFailed, opened, message, party("CN=mine"))

    def test_password(self) -> None:
        """
        A password recipient is refused, even beside ours.
        """
        message = openssl_encrypt(party(), CONTENT, "-aes128", "-pwri_password", "secret")
        self.assertRaises(UnsupportedAlgorithm, opened, message)

    def test_one_error(self) -> None:
        """
        A broken padding, a wrong length and a wrong tag are one error.
        """
        message = openssl_encrypt(party(), CONTENT, "-aes-128-cbc")
        gcm = openssl_encrypt(party(), CONTENT, "-aes-128-gcm")
        # The last octet of a block is added to the padding's last octet in the block behind it.
        padding = bytearray(message)
        padding[-17] ^= 16 - len(CONTENT) % 16
        for broken in (
            bytes(padding),
            gcm[:-1] + bytes([gcm[-1] ^ 1]),
            _with_encrypted(message, message[-32:-1]),
            _with_encrypted(message, b""),
        ):
            error = self.assertRaises(DecryptionFailed, opened, broken)
            self.assertEqual(str(error), "the envelope could not be opened")

    def test_broken_key(self) -> None:
        """
        A broken RSA block is the same error: all but the few random keys under which what comes out
        happens to end like a padding.
        """
        message = openssl_encrypt(party(), CONTENT, "-aes-128-cbc")
        encrypted_key = parse_envelope(message).recipients[0].encrypted_key
        errors = []
        for octet in (0, 1, 2, 3, 4, 5, 6, 0xFF):
            broken = message.replace(encrypted_key, bytes([octet]) * len(encrypted_key))
            try:
                self.assertNotEqual(opened(broken).content, CONTENT)
            except DecryptionFailed as error:
                errors.append(str(error))
        self.assertEqual(set(errors), {"the envelope could not be opened"})

    def test_broken_key_uses_random(self) -> None:
        """
        A broken RSA block is replaced by a random key of the right length, drawn in any case.
        """
        asked: list[int] = []

        def random(size: int) -> bytes:
            asked.append(size)
            return os.urandom(size)

        message = openssl_encrypt(party(), CONTENT, "-aes-256-cbc")
        encrypted_key = parse_envelope(message).recipients[0].encrypted_key
        open_envelope(message, party().key, party().certificate, random)
        broken = message.replace(encrypted_key, b"\x01" * len(encrypted_key))
        with contextlib.suppress(DecryptionFailed):
            # One random key in 256 leaves what looks like a padding.
            open_envelope(broken, party().key, party().certificate, random)
        self.assertEqual(asked, [32, 32])

    @FEW
    @given(st.data())
    def test_broken(self, data: st.DataObject) -> None:
        """
        Truncated or changed envelopes open or end in an error of ours.
        """
        message = bytearray(_MESSAGE)
        at = data.draw(st.integers(0, len(message) - 1))
        message[at] = data.draw(st.integers(0, 255))
        for broken in (bytes(message), bytes(message[:at]), data.draw(st.binary(max_size=64))):
            try:
                opened(broken)
            except MessageError:
                continue


class BuildEnvelopeTests(SynchronousTestCase):
    """
    Tests of ``build_envelope`` and ``reply_cipher``.
    """

    def test_openssl_opens_it(self) -> None:
        """
        openssl opens what was built with each cipher.
        """
        for name in ("aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des-ede3-cbc"):
            made = build_envelope(CONTENT, party().certificate, os.urandom, cipher=name)
            self.assertEqual(openssl_decrypt(party(), made), CONTENT)

    def test_refused(self) -> None:
        """
        Single DES without an opt-in, and unknown ciphers, are not made.
        """
        for name in ("des-cbc", "aes-128-gcm", "rc2"):
            self.assertRaises(
                UnsupportedAlgorithm,
                build_envelope,
                CONTENT,
                party().certificate,
                os.urandom,
                cipher=name,
            )

    def test_reply_cipher(self) -> None:
        """
        An answer uses AES-128-CBC, or AES with the request's larger key.
        """
        for asked, expected in (
            ("des-cbc", "aes-128-cbc"),
            ("des-ede3-cbc", "aes-128-cbc"),
            ("aes-128-gcm", "aes-128-cbc"),
            ("aes-192-cbc", "aes-192-cbc"),
            ("aes-256-gcm", "aes-256-cbc"),
        ):
            self.assertEqual(reply_cipher(asked), expected)


def _for_all(parties: list[Party]) -> bytes:
    """
    Encrypt to several recipients with openssl.
    """
    files = {f"{number}.pem": each.certificate_pem for number, each in enumerate(parties)}
    options = ["cms", "-encrypt", "-binary", "-outform", "DER", "-aes128"]
    return openssl(*options, *files, stdin=CONTENT, files=files)


def _content_key(encrypted_key: bytes) -> bytes:
    options = ["pkeyutl", "-decrypt", "-inkey", "key.pem"]
    return openssl(*options, stdin=encrypted_key, files={"key.pem": party().key_pem})


def _with_content(envelope: bytes, content: bytes) -> bytes:
    """
    Take an envelope of openssl apart and put other encrypted content into it.
    """
    recipients_at = envelope.index(bytes.fromhex("020100")) + 3
    length = int.from_bytes(envelope[recipients_at + 2 : recipients_at + 4], "big")
    recipients = envelope[recipients_at : recipients_at + 4 + length]
    enveloped = tlv(0x30, tlv(0x02, b"\x00"), recipients, content)
    return tlv(0x30, bytes.fromhex("06092a864886f70d010703"), tlv(0xA0, enveloped))


def _authenticated(envelope: bytes, mac: bytes) -> bytes:
    """
    Make an AuthEnvelopedData (RFC 5083) of what ``_with_content`` made.
    """
    enveloped = tree_of(envelope).children[1].children[0]
    parts = [each.der() for each in enveloped.children]
    authenticated = tlv(0x30, *parts, tlv(0x04, mac))
    return tlv(0x30, oid("1.2.840.113549.1.9.16.1.23"), tlv(0xA0, authenticated))


def _with_encrypted(envelope: bytes, encrypted: bytes) -> bytes:
    """
    Take an AES-128-CBC envelope of openssl and put other encrypted octets into it.
    """
    algorithm_at = envelope.index(bytes.fromhex("0609608648016503040102")) - 2
    algorithm = envelope[algorithm_at : algorithm_at + 2 + envelope[algorithm_at + 1]]
    data = bytes.fromhex("06092a864886f70d010701")
    return _with_content(envelope, tlv(0x30, data, algorithm, tlv(0x80, encrypted)))


_MESSAGE = openssl_encrypt(party(), CONTENT, "-aes-128-cbc")
