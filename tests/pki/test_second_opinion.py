"""
What our readers and asn1crypto make of the same messages, whole and changed.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded, MessageError, UnsupportedAlgorithm
from scepd.pki.enveloped_data import parse_envelope
from scepd.pki.identity import identify
from scepd.pki.signed_data import parse_signed_data
from scepd.scep.messages import parse_pki_message
from tests.support import scep_messages, second_reader
from tests.support.asn1_trees import changed, tree_of
from tests.support.pki import openssl_encrypt, openssl_sign, party

FEW = settings(max_examples=60, deadline=None, derandomize=True, database=None)
CHANCES = st.integers(0, 2**32).map(Random)
Reader = Callable[[bytes], object]


@functools.cache
def messages() -> tuple[bytes, ...]:
    """
    SignedData of many shapes.
    """
    return (
        scep_messages.pkcs_req(),
        scep_messages.cert_rep(),
        scep_messages.cert_rep("FAILURE"),
        openssl_sign(party(), b"content", "-nodetach", "-keyid"),
        openssl_sign(party(), b"content", "-noattr", "-nocerts"),
    )


@functools.cache
def envelopes() -> tuple[bytes, ...]:
    """
    EnvelopedData and AuthEnvelopedData.
    """
    oaep = ("-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256")
    return (
        openssl_encrypt(party(), b"content", "-aes-128-cbc"),
        openssl_encrypt(party(), b"content", "-aes-128-gcm", "-keyid"),
        openssl_encrypt(party(), b"content", "-aes-256-cbc", *oaep),
    )


@functools.cache
def certificates() -> tuple[bytes, ...]:
    """
    Certificates of devices and authorities.
    """
    return (
        party().certificate,
        scep_messages.authority().certificate,
        party("CN=s,O=y", usage="sign").certificate,
    )


class SecondOpinionTests(SynchronousTestCase):
    """
    Tests of ``parse_signed_data``, ``parse_envelope`` and ``identify``.
    """

    def check(self, ours: Reader, theirs: Reader, data: bytes) -> None:
        """
        Fail unless both read the same, or both refuse; limits and policy are ours alone.
        """
        try:
            found: object = _tuples(ours(data))
        except (LimitExceeded, UnsupportedAlgorithm):
            return
        except EncodingError:
            found = None
        self.assertEqual(found, _or_none(theirs, data), data.hex())

    def check_all(self, chance: Random, ours: Reader, theirs: Reader, der: bytes) -> None:
        """
        Compare the whole message, one with changed elements and one with a changed octet.
        """
        self.check(ours, theirs, der)
        self.check(ours, theirs, changed(chance, der))
        octets = bytearray(der)
        octets[chance.randrange(len(der))] = chance.randrange(256)
        if second_reader.is_plain_der(bytes(octets)):
            self.check(ours, theirs, bytes(octets))

    def test_whole(self) -> None:
        """
        Both read all that was not changed.
        """
        for data in messages():
            self.assertEqual(_tuples(parse_signed_data(data)), second_reader.signed_data(data))
        for data in envelopes():
            self.assertEqual(_tuples(parse_envelope(data)), second_reader.envelope(data))
        for data in certificates():
            self.assertEqual(_tuples(identify(data)), second_reader.identity(data))

    @FEW
    @given(CHANCES)
    def test_signed_data(self, chance: Random) -> None:
        """
        They agree on SignedData.
        """
        der = chance.choice(messages())
        self.check_all(chance, parse_signed_data, second_reader.signed_data, der)

    @FEW
    @given(CHANCES)
    def test_envelopes(self, chance: Random) -> None:
        """
        They agree on envelopes.
        """
        der = chance.choice(envelopes())
        self.check_all(chance, parse_envelope, second_reader.envelope, der)

    @FEW
    @given(CHANCES)
    def test_certificates(self, chance: Random) -> None:
        """
        They agree on what identifies a certificate.
        """
        der = chance.choice(certificates())
        self.check_all(chance, identify, second_reader.identity, der)

    @settings(FEW, max_examples=40)
    @given(CHANCES)
    def test_any_ber(self, chance: Random) -> None:
        """
        A request in any form of BER is the same request, and its signature is right.
        """
        der = scep_messages.pkcs_req()
        message = parse_pki_message(tree_of(der).ber(chance))
        expected = parse_pki_message(der)
        self.assertEqual(dataclasses.replace(message, raw=der), expected)

    @FEW
    @given(CHANCES)
    def test_changed_messages(self, chance: Random) -> None:
        """
        A request whose elements were changed is another one that nobody signed, or no request.
        """
        der = scep_messages.pkcs_req()
        try:
            message = parse_pki_message(changed(chance, der))
        except MessageError:
            return
        # Neither the digestAlgorithms nor the certificates are signed; the key in them must fit.
        expected = parse_pki_message(der)
        like_it = dataclasses.replace(
            message,
            raw=der,
            signer_certificate=expected.signer_certificate,
            signer_key_sha256=expected.signer_key_sha256,
        )
        self.assertEqual(like_it, expected)


def _or_none(read: Reader, data: bytes) -> object:
    try:
        return read(data)
    except (ValueError, TypeError, LookupError):
        return None


def _tuples(value: object) -> object:
    if dataclasses.is_dataclass(value):
        return tuple(_tuples(getattr(value, each.name)) for each in dataclasses.fields(value))
    return tuple(_tuples(each) for each in value) if isinstance(value, tuple) else value
