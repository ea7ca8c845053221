"""
The certificates and keys of the embedded certificate authority, by what they are for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from scepd.errors import EncodingError
from scepd.model import CARole
from scepd.pki.identity import same_name
from scepd.pki.issuing import Issuer, describe_issuer


@dataclass(frozen=True, slots=True)
class Issuers:
    """
    All that have not expired, but for the current one, which is always there.

    :param previous: newest first.
    """

    current: Issuer
    next: Issuer | None = None
    previous: tuple[Issuer, ...] = ()

    @classmethod
    def of(cls, found: Iterable[tuple[CARole, Issuer]], now: datetime) -> Issuers:
        """
        Sort them out.

        :param found: newest first; one is the current one.
        """
        by_role: dict[CARole, list[Issuer]] = {role: [] for role in CARole}
        for role, issuer in found:
            if role is CARole.CURRENT or describe_issuer(issuer.certificate).not_after > now:
                by_role[role].append(issuer)
        following = by_role[CARole.NEXT]
        return cls(
            by_role[CARole.CURRENT][0],
            following[0] if following else None,
            tuple(by_role[CARole.PREVIOUS]),
        )

    @property
    def all(self) -> tuple[Issuer, ...]:
        """
        The current one, then the others.
        """
        following = () if self.next is None else (self.next,)
        return (self.current, *following, *self.previous)

    def addressed_by(self, envelope: bytes | None) -> Issuer:
        """
        Whose certificate a client encrypted to: only that one's key is worth a try.

        :param envelope: whole, as it came; it names its recipient by serial number or key.
        :returns: the current one, when it names none of them.
        """
        content = envelope or b""
        for issuer in self.all:
            described = describe_issuer(issuer.certificate)
            marks = (bytes.fromhex(described.serial), described.key_identifier)
            if any(mark in content for mark in marks):
                return issuer
        return self.current

    def named(self, name: bytes) -> Issuer | None:
        """
        The one with that name, or None.

        :param name: DER of a name, or of anything else.
        """
        with contextlib.suppress(EncodingError):
            for issuer in self.all:
                if same_name(name, describe_issuer(issuer.certificate).name):
                    return issuer
        return None

    def with_serial(self, serial: str) -> Issuer | None:
        """
        The one whose certificate has that serial number, or None.

        :param serial: hex, in upper case.
        """
        for issuer in self.all:
            if describe_issuer(issuer.certificate).serial == serial:
                return issuer
        return None

    def may_have_issued(self, certificate: bytes) -> bool:
        """
        Whether a certificate names one of them as its issuer; what is stored tells whether it did.

        :param certificate: DER.
        """
        return any(describe_issuer(one.certificate).name in certificate for one in self.all)
