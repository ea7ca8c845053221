"""
Every store, on one database.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from scepd.config import MDMSection, ProfilesSection, RenewalSection
from scepd.model import OfferRule
from scepd.ports import CertificateAuthorityStore
from scepd.profiles.certificate_renewal import OverdueRule
from scepd.profiles.lifecycle import RetrySettings
from scepd.storage.activities import SQLActivityStore
from scepd.storage.api_tokens import SQLAPITokenStore
from scepd.storage.assignments import SQLAssignmentStore
from scepd.storage.bootstrap_tokens import SQLBootstrapTokenStore
from scepd.storage.breakers import SQLBreakerStore
from scepd.storage.ca_states import SQLCAStateStore
from scepd.storage.certificate_authorities import SQLCertificateAuthorityStore
from scepd.storage.checkins import SQLCheckInStore
from scepd.storage.clock import utc_now
from scepd.storage.command_history import SQLCommandHistory
from scepd.storage.commands import SQLCommandStore
from scepd.storage.database import Database
from scepd.storage.delivery import SQLDeliveryStore
from scepd.storage.delivery_challenges import SQLDeliveryChallengeStore
from scepd.storage.enrollment import SQLEnrollmentStore
from scepd.storage.enrollment_tokens import SQLEnrollmentTokenStore
from scepd.storage.host_changes import SQLHostChangeStore
from scepd.storage.hosts import SQLHostStore
from scepd.storage.identity_store import SQLIdentityStore
from scepd.storage.inventories import SQLInventoryStore
from scepd.storage.issued_certificates import SQLCertificateStore
from scepd.storage.issuing import SQLIssuingStore
from scepd.storage.leases import SQLLeaseStore
from scepd.storage.pending_requests import SQLPendingRequestStore
from scepd.storage.polls import SQLPollStore
from scepd.storage.profiles import SQLProfileStore
from scepd.storage.push_topics import SQLPushTopics
from scepd.storage.pushes import SQLPushStore
from scepd.storage.record_pruning import SQLRecordPruning
from scepd.storage.renewals import SQLRenewalStore
from scepd.storage.resending import SQLResendStore
from scepd.storage.user_channels import SQLUserChannelStore
from scepd.storage.verification import SQLVerificationStore


class Stores:
    """
    The stores by the names of their ports.

    :param now: tells the stores' own time, by which leases end; None: the database's clock, and
        where that is not asked this machine's.
    """

    def __init__(
        self,
        database: Database,
        profiles: ProfilesSection,
        renewal: RenewalSection,
        mdm: MDMSection,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        retries = _retries(profiles, renewal)
        self.added_authorities = SQLCertificateAuthorityStore(database, retries)
        # The composition puts the embedded one among them.
        self.authorities: CertificateAuthorityStore = self.added_authorities
        self.profiles = SQLProfileStore(database, retries)
        self.hosts = SQLHostStore(database)
        self.host_changes = SQLHostChangeStore(database, retries)
        self.assignments = SQLAssignmentStore(database, now or utc_now)
        self.windows = SQLEnrollmentStore(database)
        self.api_tokens = SQLAPITokenStore(database)
        self.activities = SQLActivityStore(database)
        self.ca_states = SQLCAStateStore(database)
        self.issuing = SQLIssuingStore(database)
        self.certificates = SQLCertificateStore(database)
        self.pending_requests = SQLPendingRequestStore(database)
        self.enrollment_tokens = SQLEnrollmentTokenStore(database, now or utc_now)
        self.check_ins = SQLCheckInStore(database, retries)
        self.user_channels = SQLUserChannelStore(database, retries)
        self.polls = SQLPollStore(database)
        self.commands = SQLCommandStore(database, retries, offers=offer_rule(mdm))
        self.bootstrap_tokens = SQLBootstrapTokenStore(database)
        self.command_history = SQLCommandHistory(database, now)
        self.record_pruning = SQLRecordPruning(database, now)
        self.breakers = SQLBreakerStore(database, now or utc_now)
        self.leases = SQLLeaseStore(database, now)
        self.challenges = SQLDeliveryChallengeStore(database)
        self.delivery = SQLDeliveryStore(database, retries, now)
        self.pushes = SQLPushStore(database)
        self.resending = SQLResendStore(database, retries)
        self.push_topics = SQLPushTopics(database)
        self.identities = SQLIdentityStore(database, now)
        self.verification = SQLVerificationStore(database, retries)
        self.renewals = SQLRenewalStore(database, retries, now)
        self.inventories = SQLInventoryStore(database, now or utc_now)


def offer_rule(mdm: MDMSection) -> OfferRule:
    """
    What becomes of commands that are never answered: the store counts by it, and the services end
    them by it.
    """
    return OfferRule(
        mdm.unanswered_patience, mdm.unanswered_offers, timedelta(seconds=mdm.unanswered_time)
    )


def _retries(profiles: ProfilesSection, renewal: RenewalSection) -> RetrySettings:
    return RetrySettings(
        tuple(profiles.retry_waits),
        profiles.max_retries,
        first_renewal_wait=renewal.first_retry,
        longest_renewal_wait=renewal.longest_retry,
        overdue=OverdueRule(
            timedelta(seconds=renewal.overdue_after), timedelta(seconds=renewal.unseen_after)
        ),
    )
