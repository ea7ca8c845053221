"""
Provider tokens: a JSON Web Token that stands in for a client certificate ("Establishing a
token-based connection to APNs"). Pure: the time is an argument, and ES256 signatures are the
deterministic ones of RFC 6979, so that no randomness is needed.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from scepd.errors import ConfigurationError

RENEW_AFTER = 50 * 60.0
"""
Seconds for which a token is used; Apple refuses those that are older than an hour.
"""
LEAST_AGE = 20 * 60.0
"""
Seconds between two tokens at least: for more of them Apple answers TooManyProviderTokenUpdates.
"""

_COORDINATE = 32
_IDENTIFIER = re.compile("[A-Z0-9]{10}", re.ASCII)
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)


@dataclass(frozen=True, slots=True)
class TokenKey:
    """
    The key that Apple gave a team for signing provider tokens.

    :param private_key: DER (PKCS #8, not encrypted), on the curve P-256.
    :param key_id: Apple's ten characters for the key.
    :param team_id: Apple's ten characters for the team.
    """

    private_key: bytes = field(repr=False)
    key_id: str
    team_id: str


def load_token_key(pem: bytes, key_id: str, team_id: str) -> TokenKey:
    """
    Read a .p8 file as Apple's developer pages give it.

    :raises ConfigurationError: it holds no such key, or an id is none.
    """
    for name, value in (("key", key_id), ("team", team_id)):
        if not _IDENTIFIER.fullmatch(value):
            raise ConfigurationError(
                f"the {name} id of provider tokens is 10 capital letters and digits"
            )
    try:
        key = serialization.load_pem_private_key(pem, None)
    except _UNREADABLE:
        raise ConfigurationError("the token key holds no private key in PEM") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigurationError("the token key is not one on the curve P-256")
    der = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return TokenKey(der, key_id, team_id)


def signed_token(key: TokenKey, issued_at: int) -> bytes:
    """
    The token that says since when it is good.

    :param issued_at: epoch seconds.
    :returns: three parts in base64url, with dots between (RFC 7515 section 3.1).
    """
    header = {"alg": "ES256", "kid": key.key_id}
    claims = {"iss": key.team_id, "iat": issued_at}
    signed = b".".join(_encoded(json.dumps(part).encode("ascii")) for part in (header, claims))
    private = serialization.load_der_private_key(key.private_key, None)
    assert isinstance(private, ec.EllipticCurvePrivateKey), "load_token_key saw to it"
    algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    # JOSE wants the two numbers as they are (RFC 7518 section 3.4), not in ASN.1.
    numbers = decode_dss_signature(private.sign(signed, algorithm))
    signature = b"".join(number.to_bytes(_COORDINATE, "big") for number in numbers)
    return signed + b"." + _encoded(signature)


class ProviderToken:
    """
    The token of the moment, one for all connections.

    Two of them are equal when their keys are: it does not matter which token was made last.

    :param clock: gives epoch seconds.
    """

    def __init__(self, key: TokenKey, clock: Callable[[], float]) -> None:
        self.key = key
        self._clock = clock
        self._issued_at = float("-inf")
        self._authorization = b""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProviderToken) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)

    def authorization(self) -> bytes:
        """
        The value of the ``authorization`` header: the same object until it is renewed.
        """
        now = self._clock()
        # A clock that was put back would have it good for longer than Apple thinks.
        if not 0 <= now - self._issued_at < RENEW_AFTER:
            self._authorization = b"bearer " + signed_token(self.key, int(now))
            self._issued_at = now
        return self._authorization

    def renew(self) -> bool:
        """
        Apple says that the token has expired: have the next one made.

        :returns: False when the token is younger than Apple lets one be replaced, so that it is
            this machine's clock that is wrong.
        """
        if 0 <= self._clock() - self._issued_at < LEAST_AGE:
            return False
        self._issued_at = float("-inf")
        return True


def _encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")
