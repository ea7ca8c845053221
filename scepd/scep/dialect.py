"""
How a client talks to one authority: cipher, digest and HTTP method, by its capabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from scepd.scep.attributes import MessageType
from scepd.scep.capabilities import Capabilities

Form: TypeAlias = Literal["get", "post"]
"""
The HTTP methods by which a PKIOperation goes out.
"""


@dataclass(frozen=True, slots=True)
class Dialect:
    """
    What suits both sides.

    :param cipher: for requests, the name of a CBC cipher.
    :param digest: for requests.
    :param form: the HTTP method of a PKIOperation.
    :param renewal: the messageType that renews a certificate.
    :param allow_des: whether single DES will do.
    """

    cipher: str = "aes-128-cbc"
    digest: str = "sha256"
    form: Form = "post"
    renewal: MessageType = MessageType.RENEWAL_REQ
    allow_des: bool = False


def choose_dialect(
    capabilities: Capabilities, *, allow_des: bool = False, form: Form | None = None
) -> Dialect:
    """
    Choose by what an authority offers (RFC 8894 section 3.5.2).

    :param capabilities: of the authority.
    :param allow_des: whether single DES will do in answers, and in requests where neither AES nor
        triple DES is offered; without it such an authority is asked in triple DES.
    :param form: None for POST where it is offered, else GET.
    :returns: the dialect.
    """
    cipher = capabilities.ciphers[0]
    if cipher == "des-cbc" and not allow_des:
        cipher = "des-ede3-cbc"
    return Dialect(
        cipher,
        capabilities.preferred_digest,
        form or ("post" if capabilities.post else "get"),
        # Who does not know RenewalReq takes a PKCSReq that the old certificate signed.
        MessageType.RENEWAL_REQ if capabilities.renewal else MessageType.PKCS_REQ,
        allow_des,
    )
