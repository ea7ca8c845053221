"""
The warning about certificate authorities whose answers are encrypted with single DES.
"""

from __future__ import annotations

from twisted.logger import Logger

from scepd.errors import MessageError
from scepd.model import EMBEDDED_CA, CertificateAuthority
from scepd.pki import der
from scepd.pki.ciphers import SINGLE_DES
from scepd.pki.enveloped_data import parse_envelope
from scepd.pki.signed_data import parse_signed_data

_SINGLE_DES = der.object_identifier(SINGLE_DES.oid)
# Answers that hold a certificate are far smaller; it takes well under a millisecond on the reactor.
_LARGEST = 8192
_MOST = 10_000

_log = Logger()


class WeakAnswers:
    """
    Tells of each certificate authority once that it answers with single DES, unless its setting
    ``allow_single_des`` takes that. The answer goes on: it is the device that can read it or not.
    """

    def __init__(self) -> None:
        self._told: set[str] = set()

    def look(self, ca: CertificateAuthority, answer: bytes) -> None:
        """
        Look at the answer to a PKIOperation; how it is encrypted is told in clear.

        :param answer: a CertRep with status SUCCESS.
        """
        # What the built-in one uses is a setting of its own.
        if ca.allow_single_des or ca.name in self._told or ca.name == EMBEDDED_CA:
            return
        # Nearly all answers are done with here.
        if _SINGLE_DES not in answer or len(answer) > _LARGEST or not _is_single_des(answer):
            return
        if len(self._told) >= _MOST:
            self._told.clear()
        self._told.add(ca.name)
        _log.warn(
            "{ca} encrypts its answers with single DES, which some devices can't read and others "
            "can break; set it up for AES, or allow it: scepctl ca change {ca} --allow-single-des",
            ca=ca.name,
        )


def _is_single_des(answer: bytes) -> bool:
    try:
        content = parse_signed_data(answer).content
        return content is not None and parse_envelope(content).algorithm == SINGLE_DES.oid
    except MessageError:
        return False
