"""
The whole admin API as one resource.
"""

from __future__ import annotations

import json

from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource

from scepd.config import LimitsSection
from scepd.pki.keyring import RandomBytes
from scepd.ports import (
    ActivityStore,
    BreakerStore,
    CertificateAuthorityStore,
    EnrollmentStore,
    Health,
)
from scepd.services.access import Access
from scepd.services.api_tokens import APITokens
from scepd.services.authorities import CertificateAuthorities
from scepd.services.enrolling import Enrolling
from scepd.services.host_changes import HostChanges
from scepd.services.host_commands import HostCommands
from scepd.services.hosts import Hosts
from scepd.services.identity_renewal import IdentityRenewal
from scepd.services.inventories import Inventories
from scepd.services.managed_certificates import ManagedCertificates
from scepd.services.profiles import Profiles
from scepd.services.pushes import Pushes
from scepd.services.resending import Resending
from scepd.web.api.api_tokens import APITokenEndpoints
from scepd.web.api.call import Call
from scepd.web.api.certificate_authorities import CertificateAuthorityEndpoints
from scepd.web.api.challenges import ChallengeEndpoints
from scepd.web.api.embedded_ca import EmbeddedCAEndpoints
from scepd.web.api.enrollment_tokens import EnrollmentTokenEndpoints
from scepd.web.api.host_changes import HostChangeEndpoints
from scepd.web.api.host_commands import HostCommandEndpoints
from scepd.web.api.host_identities import HostIdentityEndpoints
from scepd.web.api.hosts import HostEndpoints
from scepd.web.api.inventories import InventoryEndpoints
from scepd.web.api.managed_certificates import ManagedCertificateEndpoints
from scepd.web.api.openapi import Endpoint, document
from scepd.web.api.profiles import ProfileEndpoints
from scepd.web.api.pushes import PushEndpoints
from scepd.web.api.records import RecordEndpoints
from scepd.web.api.resending import ResendEndpoints
from scepd.web.api.routes import Routes


def make_api(
    *,
    access: Access,
    authorities: CertificateAuthorities,
    profiles: Profiles,
    hosts: Hosts,
    certificates: ManagedCertificates,
    host_changes: HostChanges,
    commands: HostCommands,
    identities: IdentityRenewal,
    pushes: Pushes,
    resending: Resending,
    inventories: Inventories,
    enrolling: Enrolling,
    embedded_ca: EmbeddedCAEndpoints,
    tokens: APITokens,
    challenges: ChallengeEndpoints,
    authority_store: CertificateAuthorityStore,
    breakers: BreakerStore,
    enrollments: EnrollmentStore,
    activities: ActivityStore,
    health: Health,
    clock: IReactorTime,
    random: RandomBytes,
    limits: LimitsSection,
) -> Resource:
    """
    The admin API.

    :returns: the resource for the path ``/api``; its child ``v1`` is the API.
    """
    routes = Routes(access, random, limits.admin_body_size)
    CertificateAuthorityEndpoints(authorities, breakers).add_to(routes)
    ProfileEndpoints(profiles, hosts).add_to(routes)
    HostEndpoints(hosts).add_to(routes)
    ManagedCertificateEndpoints(certificates).add_to(routes)
    HostChangeEndpoints(host_changes).add_to(routes)
    HostCommandEndpoints(commands).add_to(routes)
    HostIdentityEndpoints(identities).add_to(routes)
    PushEndpoints(pushes).add_to(routes)
    ResendEndpoints(resending, profiles).add_to(routes)
    InventoryEndpoints(inventories).add_to(routes)
    EnrollmentTokenEndpoints(enrolling).add_to(routes)
    embedded_ca.add_to(routes)
    APITokenEndpoints(tokens).add_to(routes)
    challenges.add_to(routes)
    RecordEndpoints(enrollments, activities, authority_store, health, clock).add_to(routes)
    _add_document(routes)
    api = Resource()
    api.putChild(b"v1", routes.resource())
    return api


def _add_document(routes: Routes) -> None:
    endpoint = Endpoint("GET", "/openapi.json", "This document", public=True)
    text = json.dumps(document([*routes.endpoints, endpoint])).encode()

    async def answer(call: Call) -> bytes:
        """
        The document, made once.
        """
        return text

    routes.add(endpoint, answer)
