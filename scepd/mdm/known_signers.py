"""
Devices that signed before: their next ``Mdm-Signature`` differs from the last one in nothing but
the octets of the signature itself, so that the rest of it need not be read again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import rsa

from scepd.pki.keys import rsa_public_key
from scepd.pki.verifying import check_plain_signature, verify_detached_signature

_MOST_SIGNERS = 8192
_MOST_LENGTHS = 1024
_MOST_PLACES = 4
# The identifier octet of an OCTET STRING that is in one piece.
_OCTET_STRING = 0x04

_Place = tuple[int, int]
_Envelope = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class MessageSigner:
    """
    Who signed a message: the holder of a certificate that nobody has checked against anything.

    :param certificate_sha256: as 64 lower-case hexadecimal digits.
    :param key: of the certificate.
    :param digest: that it signs with.
    :param envelope: names all of the message's CMS but the signature; None: there is more than that
        in it which another message would not have.
    :param place: where in the CMS the signature begins and ends.
    :param length: of the CMS, in octets.
    """

    certificate_sha256: str
    key: rsa.RSAPublicKey
    digest: str
    envelope: _Envelope | None
    place: _Place
    length: int


def verified_signer(signature: bytes, body: bytes) -> MessageSigner:
    """
    Verify a signature, all of which is read.

    :param signature: the CMS, as :func:`~scepd.mdm.signature.decoded_signature` gives it.
    :param body: the exact octets of the request's body.
    :returns: who made it.
    :raises MessageError: as :func:`~scepd.mdm.signature.verify_mdm_signature`.
    """
    found = verify_detached_signature(signature, body)
    identity, octets = found.signer.identity, found.octets
    place = _place(signature, octets) if found.is_plain else None
    return MessageSigner(
        sha256(identity.der).hexdigest(),
        rsa_public_key(identity.public_key_info),
        found.signer.digest,
        None if place is None else _envelope(signature, place),
        place or (0, 0),
        len(signature),
    )


class KnownSigners:
    """
    Recognises the signers of messages by what they sent before.

    That one is here says that its signature can be verified, and nothing of whether it is listened
    to: that is asked of the database each time. Nothing in here is wrong when it is old.

    :param most: how many are remembered; the one that was not heard for longest goes first.
    """

    def __init__(self, most: int = _MOST_SIGNERS) -> None:
        self._most = most
        self._signers: OrderedDict[_Envelope, MessageSigner] = OrderedDict()
        self._places: dict[int, tuple[_Place, ...]] = {}

    def recognised(self, signature: bytes, body: bytes) -> MessageSigner | None:
        """
        Verify the signature of a signer who is known.

        :param signature: the CMS, as :func:`~scepd.mdm.signature.decoded_signature` gives it.
        :param body: the exact octets of the request's body.
        :returns: who made it; None: it has to be read.
        :raises SignatureInvalid: it is not right.
        """
        for place in self._places.get(len(signature), ()):
            envelope = _envelope(signature, place)
            signer = self._signers.get(envelope)
            if signer is not None:
                begin, end = place
                check_plain_signature(signer.key, signature[begin:end], body, signer.digest)
                self._signers.move_to_end(envelope)
                return signer
        return None

    def keep(self, signer: MessageSigner) -> None:
        """
        Remember a signer: one whom we listen to, so that strangers push nobody out.
        """
        envelope = signer.envelope
        if envelope is None or envelope in self._signers or not self._keep_place(signer):
            return
        self._signers[envelope] = signer
        if len(self._signers) > self._most:
            self._signers.popitem(last=False)

    def forget(self, certificate_sha256: str) -> None:
        """
        Let go of a certificate that is not listened to any more.
        """
        found = [
            envelope
            for envelope, signer in self._signers.items()
            if signer.certificate_sha256 == certificate_sha256
        ]
        for envelope in found:
            del self._signers[envelope]

    def clear(self) -> None:
        """
        Let go of all.
        """
        self._signers.clear()
        self._places.clear()

    def __len__(self) -> int:
        """
        How many are remembered.
        """
        return len(self._signers)

    def _keep_place(self, signer: MessageSigner) -> bool:
        known = self._places.get(signer.length, ())
        if signer.place in known:
            return True
        if len(known) >= _MOST_PLACES:
            return False
        if len(self._places) >= _MOST_LENGTHS:
            self.clear()
        self._places[signer.length] = (*known, signer.place)
        return True


def _place(signature: bytes, octets: bytes) -> _Place | None:
    """
    Where the signature is in its CMS: the contents of an OCTET STRING in one piece, whose octets
    occur nowhere else, so that others of that number can stand there and all else is read the same.
    """
    begin = signature.find(octets)
    if begin < 0 or signature.find(octets, begin + 1) >= 0:
        return None
    size = len(octets)
    head = size.to_bytes(2, "big") if size > 0xFF else bytes([size])
    if size > 0x7F:
        head = bytes([0x80 | len(head)]) + head
    head = bytes([_OCTET_STRING]) + head
    return (begin, begin + size) if signature[:begin].endswith(head) else None


def _envelope(signature: bytes, place: _Place) -> _Envelope:
    begin, end = place
    digest = sha256(signature[:begin])
    digest.update(signature[end:])
    return begin, digest.digest()
