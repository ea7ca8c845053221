"""
The parts of the embedded certificate authority, built and put together.
"""

from __future__ import annotations

from twisted.web.resource import Resource

from scepd.config import CASection
from scepd.metrics import Metrics
from scepd.services.ca_keys import CAKeys
from scepd.services.ca_rollover import CARollOver
from scepd.services.certificates import Certificates
from scepd.services.certification import Certification
from scepd.services.delivery_challenges import DeliveryChallenges
from scepd.services.issuing import EmbeddedCA, IssuingPorts
from scepd.services.issuing_permission import IssuingPermission
from scepd.services.issuing_queries import IssuingQueries
from scepd.services.issuing_settings import IssuingSettings
from scepd.services.request_approval import ApprovalPorts, RequestApproval
from scepd.services.revocation_lists import RevocationLists
from scepd.tap.stores import Stores
from scepd.tap.surroundings import Surroundings
from scepd.tap.work_threads import WorkThreads
from scepd.web.api.embedded_ca import EmbeddedCAEndpoints
from scepd.web.scep_ca import RevocationListResource, SCEPCAResource


class Issuing:
    """
    The embedded certificate authority, for devices and for operators.

    :param static_challenge: of ``[ca] challenge_file``, or None.
    :param deliveries: knows the challenges of deliveries that name this authority.
    """

    def __init__(
        self,
        around: Surroundings,
        stores: Stores,
        static_challenge: str | None,
        deliveries: DeliveryChallenges,
        metrics: Metrics,
    ) -> None:
        self._around = around
        self._stores = stores
        self._metrics = metrics
        self._section = around.configuration.ca
        self._workers = WorkThreads(around.reactor, "issuing")
        self._settings = issuing_settings(self._section)
        self._certification = Certification(around.reactor, around.random_bytes, self._settings)
        self.keys = self._make_keys()
        self.lists = RevocationLists(
            stores.certificates,
            self.keys,
            self._workers,
            around.reactor,
            self._settings.crl_lifetime,
        )
        self.approval = self._make_approval()
        self.certificates = Certificates(stores.certificates, around.reactor)
        self.roll_over = CARollOver(self.keys, stores.ca_states, around.reactor)
        self.authority = self._make_authority(static_challenge, deliveries)

    def add_resources(self, scep: Resource) -> None:
        """
        Put the resources below ``/mdm/scep``.
        """
        scep.putChild(b"ca", SCEPCAResource(self.authority))
        scep.putChild(b"ca.crl", RevocationListResource(self.lists))

    def endpoints(self) -> EmbeddedCAEndpoints:
        """
        What operators have of it.
        """
        return EmbeddedCAEndpoints(self.certificates, self.approval, self.roll_over)

    def stop(self) -> None:
        """
        End the threads; no request is under way any more.
        """
        self._workers.stop()

    def _make_keys(self) -> CAKeys:
        around = self._around
        return CAKeys(
            self._stores.ca_states,
            around.keyring,
            around.reactor,
            around.random_bytes,
            self._workers,
            self._settings.key_bits,
        )

    def _make_approval(self) -> RequestApproval:
        around = self._around
        return RequestApproval(
            ApprovalPorts(
                self._stores.pending_requests,
                self._stores.issuing,
                self.keys,
                self._certification,
                around.keyring,
                self._workers,
                around.reactor,
                around.random_bytes,
                around.new_id,
            )
        )

    def _make_authority(
        self, static_challenge: str | None, deliveries: DeliveryChallenges
    ) -> EmbeddedCA:
        around, store = self._around, self._stores.issuing
        permission = IssuingPermission(
            store,
            around.reactor,
            static_challenge,
            deliveries,
            manual=self._section.approval == "manual",
        )
        ports = IssuingPorts(
            self.keys,
            store,
            self._certification,
            permission,
            self.approval,
            IssuingQueries(self.keys, store, self.lists),
            around.reactor,
            around.random_bytes,
            self._workers,
            self._workers.early,
            self._metrics,
        )
        return EmbeddedCA(ports, self._settings)


def issuing_settings(section: CASection) -> IssuingSettings:
    """
    The settings of a section of the configuration.
    """
    return IssuingSettings(
        section.key_bits,
        section.identity_lifetime,
        section.certificate_lifetime,
        section.allow_single_des,
        section.allow_3des,
        section.allow_sha1,
        section.allow_sha1_requests,
        section.allow_small_keys,
        section.crl_url,
        section.crl_lifetime,
    )
