"""
Which certificate is whose, where several deliveries of a host fit the same ones: pure.

Two profiles may ask one certificate authority for the same subject, without a marker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from scepd.model import Delivery
from scepd.profiles.certificate_candidates import CandidateCertificate
from scepd.profiles.lifecycle import Status
from scepd.profiles.matching import CertificateMatch, MatchOutcome

Matched = tuple[Delivery, CertificateMatch | None]
"""
A delivery, and what the certificates of its host say of it.
"""


@dataclass(slots=True)
class Shares:
    """
    The certificates that deliveries got.

    :ivar matches: of each profile's delivery, its match with that certificate.
    :ivar shared: the profiles whose certificate is another one's, too.
    """

    matches: dict[str, CertificateMatch] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    _picked: set[str] = field(default_factory=set)
    _freed: set[str] = field(default_factory=set)

    def of(self, delivery: Delivery, match: CertificateMatch | None) -> CertificateMatch | None:
        """
        What remains of a match.
        """
        return self.matches.get(delivery.profile_uuid, match)

    def give(self, delivery: Delivery, match: CertificateMatch, *, of_others: bool) -> bool:
        """
        Give a delivery the newest certificate that fits and is nobody else's.

        :param of_others: whether those count, too, that others had and now have not any more.
        :returns: whether there is one.
        """
        free = [
            each
            for each in match.proofs
            if each.sha1 not in self._picked
            and (each.sha1 not in delivery.others_sha1s or (of_others and each.sha1 in self._freed))
        ]
        if free:
            self.pick(delivery, match, free[0])
        return bool(free)

    def pick(self, delivery: Delivery, match: CertificateMatch, one: CandidateCertificate) -> None:
        """
        Give a delivery a certificate; what its profile had before is free.
        """
        self._picked.add(one.sha1)
        self._freed |= delivery.own_sha1s
        self.matches[delivery.profile_uuid] = replace(match, certificate=one)

    def end(self, delivery: Delivery, match: CertificateMatch) -> None:
        """
        Nothing is left for a delivery: what fits stands for it, too, if it surely brought one.
        """
        if delivery.granted or delivery.status == Status.VERIFIED.value:
            self.shared.add(delivery.profile_uuid)
        else:
            missing = CertificateMatch(MatchOutcome.NOT_YET)
            self.matches[delivery.profile_uuid] = missing


def share_out(matched: Iterable[Matched]) -> Shares:
    """
    Let each delivery have one certificate of its own, if there are enough: the one that it had, or
    its only one; else the newest that is nobody's, those first for which one was surely made, and
    which were delivered last.
    """
    proved = [(delivery, match) for delivery, match in matched if match and match.proofs]
    fits = Counter(each.sha1 for _, match in proved for each in match.proofs)
    shares = Shares()
    hungry = []
    for delivery, match in proved:
        kept = _kept(delivery, match.proofs, fits)
        if kept is None:
            hungry.append((delivery, match))
        else:
            shares.pick(delivery, match, kept)
    hungry.sort(key=lambda one: (one[0].granted, one[0].window_number), reverse=True)
    for of_others in (False, True):
        hungry = [one for one in hungry if not shares.give(*one, of_others=of_others)]
    for delivery, match in hungry:
        shares.end(delivery, match)
    return shares


def _kept(
    delivery: Delivery, proofs: Sequence[CandidateCertificate], fits: Counter[str]
) -> CandidateCertificate | None:
    """
    The newest of those that are the delivery's already, or can be no other one's.
    """
    for each in proofs:
        is_only = fits[each.sha1] == 1 and each.sha1 not in delivery.others_sha1s
        if each.sha1 in delivery.own_sha1s or is_only:
            return each
    return None
