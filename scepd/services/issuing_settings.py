"""
How the embedded certificate authority issues certificates.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IssuingSettings:
    """
    How certificates are issued.

    :param key_bits: of the authority's own key, when it is made.
    :param identity_lifetime: seconds, of a device's MDM identity.
    :param certificate_lifetime: seconds, of any other certificate.
    :param allow_single_des: whether requests may come in single DES.
    :param allow_3des: whether they may come in triple DES.
    :param allow_sha1: whether messages may be signed with SHA-1.
    :param allow_sha1_requests: whether the certification requests in them may be.
    :param allow_small_keys: whether RSA keys of clients may have 1024 bits.
    :param crl_url: where the revocation list is, for new certificates to say; None: they don't.
    :param crl_lifetime: seconds, of a revocation list.
    """

    key_bits: int = 3072
    identity_lifetime: float = 157_680_000
    certificate_lifetime: float = 31_536_000
    allow_single_des: bool = False
    allow_3des: bool = True
    allow_sha1: bool = True
    allow_sha1_requests: bool = False
    allow_small_keys: bool = False
    crl_url: str | None = None
    crl_lifetime: float = 604_800

    @property
    def minimum_key_bits(self) -> int:
        """
        The size of the smallest RSA key of a client.
        """
        return 1024 if self.allow_small_keys else 2048
