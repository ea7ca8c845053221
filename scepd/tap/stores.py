"""
Every store, on one database.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from scepd.config import ProfilesSection
from scepd.ports import CertificateAuthorityStore
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
from scepd.storage.hosts import SQLHostStore
from scepd.storage.issued_certificates import SQLCertificateStore
from scepd.storage.issuing import SQLIssuingStore
from scepd.storage.leases import SQLLeaseStore
from scepd.storage.pending_requests import SQLPendingRequestStore
from scepd.storage.polls import SQLPollStore
from scepd.storage.profiles import SQLProfileStore
from scepd.storage.push_topics import SQLPushTopics
from scepd.storage.pushes import SQLPushStore
from scepd.storage.verification import SQLVerificationStore


class Stores:
    """
    The stores by the names of their ports.

    :param now: tells the stores' own time, by which leases end.
    """

    def __init__(
        self,
        database: Database,
        profiles: ProfilesSection,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        retries = RetrySettings(tuple(profiles.retry_waits), profiles.max_retries)
        self.added_authorities = SQLCertificateAuthorityStore(database, retries)
        # The composition puts the embedded one among them.
        self.authorities: CertificateAuthorityStore = self.added_authorities
        self.profiles = SQLProfileStore(database, retries)
        self.hosts = SQLHostStore(database)
        self.assignments = SQLAssignmentStore(database, now)
        self.windows = SQLEnrollmentStore(database)
        self.api_tokens = SQLAPITokenStore(database)
        self.activities = SQLActivityStore(database)
        self.ca_states = SQLCAStateStore(database)
        self.issuing = SQLIssuingStore(database)
        self.certificates = SQLCertificateStore(database)
        self.pending_requests = SQLPendingRequestStore(database)
        self.enrollment_tokens = SQLEnrollmentTokenStore(database, now)
        self.check_ins = SQLCheckInStore(database, retries)
        self.polls = SQLPollStore(database)
        self.commands = SQLCommandStore(database, retries)
        self.bootstrap_tokens = SQLBootstrapTokenStore(database)
        self.command_history = SQLCommandHistory(database, now)
        self.breakers = SQLBreakerStore(database)
        self.leases = SQLLeaseStore(database, now)
        self.challenges = SQLDeliveryChallengeStore(database)
        self.delivery = SQLDeliveryStore(database, retries, now)
        self.pushes = SQLPushStore(database)
        self.push_topics = SQLPushTopics(database)
        self.verification = SQLVerificationStore(database, retries, now)
