"""
What the certificate of a delivery should look like.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from scepd.errors import InvalidInput, MessageError
from scepd.model import ALL_HOSTS, Delivery, Host, Profile
from scepd.ports import CertificateAuthorityStore, Workers
from scepd.profiles.certificate_candidates import CandidateCertificate
from scepd.profiles.matching import (
    CertificateMatch,
    ExpectedCertificate,
    expected_certificate,
    match_certificate,
)
from scepd.services.rendering import ProfileRendering, apple_values

# Each takes some microseconds.
_MOST_INLINE = 200


class ExpectedCertificates:
    """
    Renders the subject of a delivered profile once more; its challenge stays closed.
    """

    def __init__(
        self,
        rendering: ProfileRendering,
        authorities: CertificateAuthorityStore,
        workers: Workers,
    ) -> None:
        self._rendering = rendering
        self._authorities = authorities
        self._workers = workers

    async def of(
        self, delivery: Delivery, host: Host, window_opened_at: datetime
    ) -> ExpectedCertificate:
        """
        What to look for among the certificates of ``host``.
        """
        rendered = await self._rendered(delivery, host)
        chain = await self._chain(delivery)
        marked_only = b"<plist><dict/></plist>"
        try:
            return await self._workers(
                lambda: expected_certificate(
                    rendered,
                    apple_values(host),
                    delivery.profile_uuid,
                    chain,
                    window_opened_at,
                    delivery.known_sha1s,
                )
            )
        except MessageError:
            # Its marker is still known.
            return expected_certificate(
                marked_only, {}, delivery.profile_uuid, (), window_opened_at, delivery.known_sha1s
            )

    async def match(
        self, expected: ExpectedCertificate, certificates: Sequence[CandidateCertificate]
    ) -> CertificateMatch:
        """
        Look for it among the certificates of a host; among very many in a thread.
        """
        if len(certificates) <= _MOST_INLINE:
            return match_certificate(expected, certificates)
        return await self._workers(lambda: match_certificate(expected, certificates))

    async def _rendered(self, delivery: Delivery, host: Host) -> bytes:
        try:
            return await self._rendering.preview(host, _profile(delivery))
        except (InvalidInput, MessageError):
            # A value is missing by now, or the profile can't be read any more. What is left of
            # variables matches nothing.
            return delivery.content

    async def _chain(self, delivery: Delivery) -> tuple[bytes, ...]:
        if delivery.ca_name is None:
            return ()
        ca = await self._authorities.certificate_authority(delivery.ca_name)
        return ca.certificates if ca is not None else ()


def _profile(delivery: Delivery) -> Profile:
    """
    The profile as far as rendering needs it.
    """
    return Profile(
        uuid=delivery.profile_uuid,
        identifier=delivery.profile_identifier,
        display_name="",
        content=delivery.content,
        sha256="",
        scope="System",
        targets=ALL_HOSTS,
        ca_names=() if delivery.ca_name is None else (delivery.ca_name,),
        created_at=delivery.delivered_at,
    )
