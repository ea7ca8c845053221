"""
The certificate authorities that operators add, check and remove.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.config import SCEPProxySection
from scepd.errors import InvalidInput, NotFound
from scepd.model import (
    Activity,
    CertificateAuthority,
    ChallengeMode,
    challenge_place,
    webhook_secret_place,
)
from scepd.pki.keyring import Keyring, RandomBytes, SealedSecret, SecretPlace
from scepd.ports import CertificateAuthorityStore, Upstream, UpstreamTarget, Workers
from scepd.services.authority_check import CheckReport, LiveCheck, own_certificate
from scepd.services.authority_input import NewCertificateAuthority, faults_of, webhook_secret
from scepd.services.clock import utc_now

_log = Logger()


class CertificateAuthorities:
    """
    Adding, checking, showing and removing certificate authorities.

    Names are case-sensitive, as the variables of profiles that hold them are.
    """

    def __init__(
        self,
        store: CertificateAuthorityStore,
        upstream: Upstream,
        keyring: Callable[[], Keyring],
        clock: IReactorTime,
        random: RandomBytes,
        workers: Workers,
        settings: SCEPProxySection,
    ) -> None:
        self._store = store
        self._check = LiveCheck(upstream, clock, workers, settings)
        self._keyring = keyring
        self._clock = clock
        self._random = random

    async def add(self, new: NewCertificateAuthority, actor: str) -> CheckReport:
        """
        Check a new certificate authority, first its fields and then itself, and store it.

        Nothing is stored when anything is wrong.

        :param actor: the name of the API token that asks for it.
        :raises InvalidInput: faults of the fields, all of them; or what it answered is no good.
        :raises UpstreamError: it can't be reached.
        :raises Conflict: another of the same name was added meanwhile.
        """
        _log.info("Received the settings of {ca!r}", step="A1", ca=new.name[:255])
        faults = faults_of(new, taken=await self._store.certificate_authority_names())
        if faults:
            raise InvalidInput(faults)
        _log.info("The settings of {ca} are valid", step="A2", ca=new.name)
        target = UpstreamTarget(new.name, new.url, new.trusted_certificates)
        report = await self._check.run(target, new.ca_identifier)
        ca = self._sealed(new, report)
        if ca.challenge is not None:
            _log.info("Encrypted the challenge of {ca}", step="A5", ca=new.name)
        activity = self._activity(actor, "added certificate authority", new.name)
        await self._store.add_certificate_authority(ca, activity)
        _log.info("Added {ca}", step="A6", ca=new.name, actor=actor)
        return report

    async def check(self, name: str) -> CheckReport:
        """
        Ask a stored certificate authority again, and keep what it answers.

        :raises NotFound: there is none of that name.
        :raises InvalidInput: what it answered is no good; what was known of it stays.
        :raises UpstreamError: it can't be reached; likewise.
        """
        ca = await self.show(name)
        target = UpstreamTarget(ca.name, ca.url, ca.trusted_certificates)
        report = await self._check.run(target, ca.ca_identifier)
        before = own_certificate(ca.certificates)
        changed = before is not None and before.sha256 != report.certificates.authority.sha256
        await self._store.record_check(
            name, report.certificates.ders, report.capabilities, report.checked_at
        )
        if changed:
            _log.warn("The certificate of {ca} is another than before", ca=name)
        return replace(report, fingerprint_changed=changed)

    async def list(self, *, after: str = "", limit: int = 100) -> Sequence[CertificateAuthority]:
        """
        At most ``limit`` certificate authorities by name, from the first greater than ``after``.
        """
        return await self._store.certificate_authorities(after=after, limit=limit)

    async def show(self, name: str) -> CertificateAuthority:
        """
        The certificate authority of that name; its challenge stays sealed.

        :raises NotFound: there is none.
        """
        ca = await self._store.certificate_authority(name)
        if ca is None:
            raise NotFound("There is no certificate authority of this name.")
        return ca

    async def remove(self, name: str, force: bool, actor: str) -> None:
        """
        Remove a certificate authority.

        :param force: even though profiles use it; they fail from then on.
        :raises NotFound: there is none of that name.
        :raises Conflict: profiles use it, and ``force`` is false.
        """
        activity = self._activity(actor, "removed certificate authority", name)
        await self._store.remove_certificate_authority(name, activity, force=force)
        _log.info("Removed {ca}", ca=name, actor=actor, force=force)

    def _sealed(self, new: NewCertificateAuthority, report: CheckReport) -> CertificateAuthority:
        name, encoded = new.name, new.webhook_secret
        secret = None if encoded is None else webhook_secret(encoded)
        return CertificateAuthority(
            name=name,
            url=new.url,
            challenge=self._seal(new.challenge.encode(), challenge_place(name)),
            ca_identifier=new.ca_identifier,
            trusted_certificates=new.trusted_certificates,
            max_concurrency=new.max_concurrency,
            allow_single_des=new.allow_single_des,
            certificates=report.certificates.ders,
            capabilities=report.capabilities,
            checked_at=report.checked_at,
            created_at=utc_now(self._clock),
            challenge_mode=ChallengeMode(new.challenge_mode),
            webhook_id=new.webhook_id,
            webhook_secret=self._seal(secret, webhook_secret_place(name)),
        )

    def _seal(self, secret: bytes | None, place: SecretPlace) -> SealedSecret | None:
        return self._keyring().seal(secret, place, self._random) if secret else None

    def _activity(self, actor: str, action: str, subject: str) -> Activity:
        return Activity(utc_now(self._clock), actor, action, subject)
