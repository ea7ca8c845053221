"""
What an operator wants changed of a stored certificate authority, and what can be wrong with that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TypeAlias

from scepd.errors import Fault
from scepd.model import CertificateAuthority, ChallengeMode
from scepd.services.authority_input import NewCertificateAuthority

Setting: TypeAlias = str | int | float | bool | None

_SEALED = ("challenge", "client_key", "webhook_secret")
# Of a stored secret only that it is there is known; this one can't be wrong.
_STORED_SECRET = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@dataclass(frozen=True, slots=True)
class AuthorityChange:
    """
    The settings that shall be others.

    :param settings: field of :class:`NewCertificateAuthority` → its new value; what is not in it
        stays as it is.
    """

    settings: Mapping[str, Setting] = field(repr=False)

    def faults(self, ca: CertificateAuthority) -> tuple[Fault, ...]:
        """
        What is wrong with changing ``ca`` so, whatever the values are.
        """
        return tuple(self._faults(ca))

    def applied_to(
        self, ca: CertificateAuthority, challenge: str, client_key: str | None
    ) -> NewCertificateAuthority:
        """
        The certificate authority as the operator wants it.

        :param challenge: stands for the stored one.
        :param client_key: the stored one in clear.
        """
        settings = dict(self.settings)
        if settings.get("client_certificate", "") is None:
            # A key is nothing without its certificate.
            settings.setdefault("client_key", None)
        known = {
            each.name: getattr(ca, each.name)
            for each in fields(NewCertificateAuthority)
            if each.name not in _SEALED
        }
        known["challenge_mode"] = ca.challenge_mode.value
        is_one_time = settings.get("challenge_mode", ca.challenge_mode) == ChallengeMode.ONE_TIME
        if not is_one_time and ca.webhook_id is not None:
            # Static challenges have no webhook.
            settings = {"webhook_id": None, "webhook_secret": None} | settings
        stored = NewCertificateAuthority(
            challenge="" if is_one_time or ca.challenge is None else challenge,
            client_key=client_key,
            webhook_secret=None if ca.webhook_secret is None else _STORED_SECRET,
            **known,
        )
        return replace(stored, **settings)  # type: ignore[arg-type]

    def _faults(self, ca: CertificateAuthority) -> Iterator[Fault]:
        if not self.settings:
            yield Fault("body", "Nothing is given that shall be changed.")
        if self.settings.get("name", ca.name) != ca.name:
            yield Fault(
                "name",
                "The name can't be changed: profiles and stored challenges are bound to it. "
                "Add another certificate authority instead.",
            )
        if "challenge" in self.settings or ca.challenge is None:
            return
        if self.settings.get("challenge_mode") == ChallengeMode.ONE_TIME:
            # The stored one goes with this change, and nowhere.
            return
        # Else whoever may change settings could have stored challenges sent where they like.
        url, proxy = self.settings.get("url", ca.url), self.settings.get("outgoing_proxy")
        if url != ca.url:
            yield Fault("challenge", "With another URL the challenge has to be given again.")
        elif proxy is not None and proxy != ca.outgoing_proxy:
            yield Fault("challenge", "With another proxy the challenge has to be given again.")
