"""
The certificate authorities that operators add, check and remove.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.config import SCEPProxySection
from scepd.errors import Fault, InvalidInput, NotFound
from scepd.model import (
    EMBEDDED_CA,
    Activity,
    CertificateAuthority,
    ChallengeMode,
    challenge_place,
    client_key_place,
    webhook_secret_place,
)
from scepd.pki.keyring import Keyring, RandomBytes, SealedSecret, SecretPlace
from scepd.ports import (
    CertificateAuthorityStore,
    ClientCredentials,
    Upstream,
    UpstreamTarget,
    Workers,
)
from scepd.services.authority_alarm import CertificateChange, certificate_change, change_to
from scepd.services.authority_change import AuthorityChange
from scepd.services.authority_check import CheckReport, LiveCheck, read_ca_certificates
from scepd.services.authority_input import NewCertificateAuthority, faults_of, webhook_secret
from scepd.services.authority_trust import client_faults, client_warnings, normal_pin, normal_proxy
from scepd.services.built_in_authority import refuse_built_in
from scepd.services.clock import utc_now
from scepd.services.upstream_targets import UpstreamTargets

SYSTEM = "scepd"
"""
The actor of what scepd finds by itself.
"""

ANOTHER_CERTIFICATE = "found another certificate of certificate authority"
"""
The action of an activity: the alarm that a certificate authority's own certificate has changed, or
that devices may encrypt to a new one that it did not issue.
"""

_TOLD_AGAIN = timedelta(days=1)
_UNCHANGED = "the stored challenge"

_log = Logger()


class CertificateAuthorities:
    """
    Adding, checking, showing and removing certificate authorities.

    Names are case-sensitive, as the variables of profiles that hold them are.

    :param on_change: told the name of each that was added, changed or removed.
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
        targets: UpstreamTargets | None = None,
        on_change: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._store = store
        self._on_change = on_change
        self._check = LiveCheck(upstream, clock, workers, settings)
        self._workers = workers
        self._targets = targets or UpstreamTargets(keyring)
        self._keyring = keyring
        self._clock = clock
        self._random = random
        # By name, what was told last, and when.
        self._bad_answers: dict[str, tuple[bytes, datetime]] = {}

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
        await self._validate(new, taken=await self._store.certificate_authority_names())
        _log.info("The settings of {ca} are valid", step="A2", ca=new.name)
        report = await self._check.run(_target_of(new), new.ca_identifier)
        report = _with_warnings(report, new.client_certificate)
        ca = self._record(new, report, self._sealed_challenge(new), self._sealed_secret(new))
        if ca.challenge is not None:
            _log.info("Encrypted the challenge of {ca}", step="A5", ca=new.name)
        activity = self._activity(actor, "added certificate authority", new.name)
        await self._store.add_certificate_authority(ca, activity)
        self._on_change(new.name)
        _log.info("Added {ca}", step="A6", ca=new.name, actor=actor)
        return report

    async def change(self, name: str, change: AuthorityChange, actor: str) -> CheckReport:
        """
        Check a stored certificate authority with other settings, and store these.

        Nothing is changed when anything is wrong.

        :param actor: the name of the API token that asks for it.
        :raises NotFound: there is none of that name.
        :raises InvalidInput: faults of the fields, all of them; or what it answered is no good.
        :raises UpstreamError: it can't be reached.
        :raises Conflict: another changed it meanwhile.
        :raises SecretUnreadable: no key of the keyring opens what stays as it is.
        """
        refuse_built_in(name)
        before = await self.show(name)
        new = self._changed(before, change)
        await self._validate(new, more=change.faults(before))
        report = await self._check.run(_target_of(new), new.ca_identifier)
        report = _with_warnings(report, new.client_certificate)
        stays = "challenge" not in change.settings
        stays = stays and bool(new.challenge)
        challenge = before.challenge if stays else self._sealed_challenge(new)
        stays = "webhook_secret" not in change.settings and new.webhook_id is not None
        secret = before.webhook_secret if stays else self._sealed_secret(new)
        record = self._record(new, report, challenge, secret)
        after = replace(record, created_at=before.created_at)
        found = await self._change(before, report)
        activity = self._activity(actor, "changed certificate authority", name)
        await self._store.change_certificate_authority(before, after, activity)
        self._targets.forget(name)
        self._on_change(name)
        _log.info(
            "Changed {ca}: {settings}", ca=name, settings=", ".join(change.settings), actor=actor
        )
        return _compared(name, found, report)

    async def check(self, name: str, actor: str = SYSTEM) -> CheckReport:
        """
        Ask a stored certificate authority again, and keep what it answers; another certificate than
        before is an activity.

        :param actor: the name of the API token that asks for it.
        :raises NotFound: there is none of that name.
        :raises InvalidInput: what it answered is no good; what was known of it stays.
        :raises UpstreamError: it can't be reached; likewise.
        """
        ca = await self.show(name)
        report = await self._check.run(self._targets.of(ca), ca.ca_identifier)
        report = _with_warnings(report, ca.client_certificate)
        change = await self._change(ca, report)
        found = None if change is None else self._activity(actor, ANOTHER_CERTIFICATE, name)
        await self._store.record_check(
            name, report.certificates.ders, report.capabilities, report.checked_at, found
        )
        self._on_change(name)
        return _compared(name, change, report)

    async def certificates_seen(self, name: str, body: bytes) -> bool:
        """
        Look at a GetCACert answer that came for any other reason: when it has another certificate
        than before, that is an activity and a warning, once, and is stored if it is a good one. One
        that is not is a warning once a day.

        :param body: of the answer.
        :returns: whether a good one has another certificate than before.
        """
        ca = await self._store.certificate_authority(name)
        if ca is None or name == EMBEDDED_CA:
            return False
        now = utc_now(self._clock)
        try:
            seen = await self._workers(lambda: read_ca_certificates(body, now))
        except InvalidInput as error:
            await self._bad_answer_seen(ca, body, str(error))
            return False
        change = await self._workers(lambda: certificate_change(ca.certificates, seen.ders))
        if change is None:
            return False
        await self._alarm(ca, change, seen.ders)
        return True

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
        self._targets.forget(name)
        self._bad_answers.pop(name, None)
        self._on_change(name)
        _log.info("Removed {ca}", ca=name, actor=actor, force=force)

    async def _validate(
        self,
        new: NewCertificateAuthority,
        *,
        taken: frozenset[str] = frozenset(),
        more: tuple[Fault, ...] = (),
    ) -> None:
        """
        :param taken: the names that ``new`` may not have.
        :param more: what is wrong besides.
        :raises InvalidInput: anything is wrong.
        """
        now = utc_now(self._clock)
        faults = more + faults_of(new, taken=taken)
        faults += await self._workers(lambda: client_faults(new, now))
        if faults:
            raise InvalidInput(faults)

    def _changed(
        self, ca: CertificateAuthority, change: AuthorityChange
    ) -> NewCertificateAuthority:
        # What is to be replaced need not be readable.
        replaced = "client_key" in change.settings
        key = None if replaced else self._targets.private_key(ca)
        return change.applied_to(ca, _UNCHANGED, key)

    async def _change(
        self, ca: CertificateAuthority, report: CheckReport
    ) -> CertificateChange | None:
        after = report.certificates.ders
        return await self._workers(lambda: certificate_change(ca.certificates, after))

    async def _bad_answer_seen(self, ca: CertificateAuthority, body: bytes, reason: str) -> None:
        """
        Devices get it all the same, as it came. Each other one is told, and the same one again
        after a day, by each process.
        """
        answer, now = sha256(reason.encode() + body).digest(), utc_now(self._clock)
        last, at = self._bad_answers.get(ca.name, (b"", now))
        if answer == last and now - at < _TOLD_AGAIN:
            return
        _log.warn("The answer of {ca} to GetCACert is no good: {reason}", ca=ca.name, reason=reason)
        change = await self._workers(lambda: change_to(ca.certificates, body))
        if change is not None:
            # What was known stays, as it does when a check finds nothing good.
            await self._alarm(ca, change, ca.certificates)
        self._bad_answers[ca.name] = answer, now

    async def _alarm(
        self, ca: CertificateAuthority, change: CertificateChange, after: tuple[bytes, ...]
    ) -> None:
        """
        :param after: its certificates from now on.
        """
        found = self._activity(SYSTEM, ANOTHER_CERTIFICATE, ca.name)
        if await self._store.replace_certificates(ca.name, ca.certificates, after, found):
            change.tell(ca.name)

    def _record(
        self,
        new: NewCertificateAuthority,
        report: CheckReport,
        challenge: SealedSecret | None,
        secret: SealedSecret | None,
    ) -> CertificateAuthority:
        return CertificateAuthority(
            name=new.name,
            url=new.url,
            challenge=challenge,
            ca_identifier=new.ca_identifier,
            trusted_certificates=new.trusted_certificates,
            max_concurrency=new.max_concurrency,
            allow_single_des=new.allow_single_des,
            certificates=report.certificates.ders,
            capabilities=report.capabilities,
            checked_at=report.checked_at,
            created_at=utc_now(self._clock),
            requests_per_second=new.requests_per_second,
            pinned_sha256=normal_pin(new.pinned_sha256),
            client_certificate=new.client_certificate,
            client_key=self._sealed_key(new),
            outgoing_proxy=normal_proxy(new.outgoing_proxy),
            challenge_mode=ChallengeMode(new.challenge_mode),
            webhook_id=new.webhook_id,
            webhook_secret=secret,
        )

    def _sealed_challenge(self, new: NewCertificateAuthority) -> SealedSecret | None:
        return self._seal(new.challenge.encode(), challenge_place(new.name))

    def _sealed_key(self, new: NewCertificateAuthority) -> SealedSecret | None:
        key = (new.client_key or "").encode()
        return self._seal(key, client_key_place(new.name))

    def _sealed_secret(self, new: NewCertificateAuthority) -> SealedSecret | None:
        secret = webhook_secret(new.webhook_secret or "")
        return self._seal(secret, webhook_secret_place(new.name))

    def _seal(self, secret: bytes, place: SecretPlace) -> SealedSecret | None:
        return self._keyring().seal(secret, place, self._random) if secret else None

    def _activity(self, actor: str, action: str, subject: str) -> Activity:
        return Activity(utc_now(self._clock), actor, action, subject)


def _target_of(new: NewCertificateAuthority) -> UpstreamTarget:
    """
    Where a described certificate authority is, once nothing is wrong with the description.
    """
    client = None
    if new.client_certificate is not None and new.client_key is not None:
        client = ClientCredentials(new.client_certificate, new.client_key)
    return UpstreamTarget(
        name=new.name,
        url=new.url,
        trusted_certificates=new.trusted_certificates,
        pinned_sha256=normal_pin(new.pinned_sha256),
        client=client,
        outgoing_proxy=normal_proxy(new.outgoing_proxy),
    )


def _with_warnings(report: CheckReport, client_certificate: str | None) -> CheckReport:
    more = client_warnings(client_certificate, report.checked_at)
    return replace(report, warnings=report.warnings + more)


def _compared(name: str, change: CertificateChange | None, report: CheckReport) -> CheckReport:
    """
    A report with what has changed, which the log tells too; the activity is stored already.
    """
    if change is None:
        return report
    change.tell(name)
    if change.warning is not None:
        return replace(report, warnings=(*report.warnings, change.warning))
    return replace(report, fingerprint_changed=True, previous_sha256=change.before.sha256)
