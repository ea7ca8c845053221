"""
Tests of the stores on a PostgreSQL server.
"""

from __future__ import annotations

from tests.storage import (
    bootstrap_contract,
    breaker_contract,
    challenge_contract,
    checkin_contract,
    command_contract,
    contract,
    delivery_contract,
    exchange_contract,
    history_contract,
    host_change_contract,
    identity_contract,
    inventory_contract,
    issuing_contract,
    lifecycle_contract,
    poll_contract,
    profile_change_contract,
    profile_contract,
    pruning_contract,
    push_contract,
    renewal_contract,
    resend_contract,
    silence_contract,
    target_contract,
    test_push_processes,
    topic_contract,
    user_channel_contract,
    verification_contract,
    window_contract,
)
from tests.support.postgresql_server import MigratedServer


class HealthTests(MigratedServer, contract.HealthContract):
    """
    Health on PostgreSQL.
    """


class CertificateAuthorityTests(MigratedServer, contract.CertificateAuthorityContract):
    """
    CertificateAuthorityStore on PostgreSQL.
    """


class ProfileTests(MigratedServer, profile_contract.ProfileContract):
    """
    ProfileStore on PostgreSQL.
    """


class HostTests(MigratedServer, profile_contract.HostContract):
    """
    HostStore on PostgreSQL.
    """


class AssignmentTests(MigratedServer, profile_contract.AssignmentContract):
    """
    AssignmentStore on PostgreSQL.
    """


class APITokenTests(MigratedServer, contract.APITokenContract):
    """
    APITokenStore on PostgreSQL.
    """


class ActivityTests(MigratedServer, contract.ActivityContract):
    """
    ActivityStore on PostgreSQL.
    """


class ExchangeTests(MigratedServer, exchange_contract.ExchangeContract):
    """
    The exchanges of EnrollmentStore on PostgreSQL.
    """


class RedeliveryTests(MigratedServer, exchange_contract.RedeliveryContract):
    """
    The re-deliveries of EnrollmentStore on PostgreSQL.
    """


class WindowTests(MigratedServer, window_contract.WindowContract):
    """
    The windows of EnrollmentStore on PostgreSQL.
    """


class TargetTests(MigratedServer, target_contract.TargetContract):
    """
    The assignments of ProfileStore on PostgreSQL.
    """


class HostPageTests(MigratedServer, target_contract.HostPageContract):
    """
    Lists of hosts and assignments on PostgreSQL.
    """


class CAStateTests(MigratedServer, issuing_contract.CAStateContract):
    """
    The keys of IssuingStore on PostgreSQL.
    """


class IssuingTests(MigratedServer, issuing_contract.IssuingContract):
    """
    The certificates of IssuingStore on PostgreSQL.
    """


class RevocationTests(MigratedServer, issuing_contract.RevocationContract):
    """
    CertificateStore.
    """


class PendingRequestTests(MigratedServer, issuing_contract.PendingRequestContract):
    """
    PendingRequestStore.
    """


class EnrollmentTokenTests(MigratedServer, issuing_contract.EnrollmentTokenContract):
    """
    EnrollmentTokenStore on PostgreSQL.
    """


class IdentityTests(MigratedServer, checkin_contract.IdentityContract):
    """
    The identities of CheckInStore on PostgreSQL.
    """


class CheckInTests(MigratedServer, checkin_contract.CheckInContract):
    """
    The enrollments of CheckInStore on PostgreSQL.
    """


class QueueTests(MigratedServer, command_contract.QueueContract):
    """
    The queue of CommandStore on PostgreSQL.
    """


class UnansweredTests(MigratedServer, command_contract.UnansweredContract):
    """
    Commands that nobody answers, on PostgreSQL.
    """


class UnrenderedTests(MigratedServer, command_contract.UnrenderedContract):
    """
    Commands that can't be made, on PostgreSQL.
    """


class HandOverTests(MigratedServer, command_contract.HandOverContract):
    """
    The hand-overs of CommandStore on PostgreSQL.
    """


class ExchangePruningTests(MigratedServer, pruning_contract.ExchangePruningContract):
    """
    RecordPruning of exchanges and activities.
    """


class WindowPruningTests(MigratedServer, pruning_contract.WindowPruningContract):
    """
    RecordPruning of enrollment windows.
    """


class CertificatePruningTests(MigratedServer, pruning_contract.CertificatePruningContract):
    """
    RecordPruning of certificates.
    """


class LeaseTests(MigratedServer, delivery_contract.LeaseContract):
    """
    LeaseStore on PostgreSQL.
    """


class DueTests(MigratedServer, delivery_contract.DueContract):
    """
    Due assignments on PostgreSQL.
    """


class DeliveryTests(MigratedServer, delivery_contract.DeliveryContract):
    """
    DeliveryStore on PostgreSQL.
    """


class ResendTests(MigratedServer, resend_contract.ResendContract):
    """
    ResendStore on PostgreSQL.
    """


class LifecycleTests(MigratedServer, lifecycle_contract.LifecycleContract):
    """
    The lifecycle of assignments on PostgreSQL.
    """


class PushTests(MigratedServer, push_contract.PushContract):
    """
    PushStore on PostgreSQL.
    """


class SilenceTests(MigratedServer, silence_contract.SilenceContract):
    """
    PushStore on PostgreSQL, while devices come and answer.
    """


class SweepTests(MigratedServer, silence_contract.SweepContract):
    """
    The sweep of PushStore on PostgreSQL.
    """


class AgentTests(MigratedServer, verification_contract.AgentContract):
    """
    The agents of VerificationStore on PostgreSQL.
    """


class ProofTests(MigratedServer, verification_contract.ProofContract):
    """
    The proofs of VerificationStore on PostgreSQL.
    """


class RenewalTests(MigratedServer, renewal_contract.RenewalContract):
    """
    What is due in RenewalStore on PostgreSQL.
    """


class RenewalFailureTests(MigratedServer, renewal_contract.RenewalFailureContract):
    """
    The failures of renewals on PostgreSQL.
    """


class OverdueTests(MigratedServer, renewal_contract.OverdueContract):
    """
    What is overdue in RenewalStore on PostgreSQL.
    """


class DeliveryChallengeTests(MigratedServer, challenge_contract.DeliveryChallengeContract):
    """
    DeliveryChallengeStore on PostgreSQL.
    """


class WebhookTests(MigratedServer, challenge_contract.WebhookContract):
    """
    Certificate authorities with one-time challenges on PostgreSQL.
    """


class BreakerTests(MigratedServer, breaker_contract.BreakerContract):
    """
    BreakerStore on PostgreSQL.
    """


class OutageTests(MigratedServer, breaker_contract.OutageContract):
    """
    Deliveries during an outage on PostgreSQL.
    """


class TokenTests(MigratedServer, breaker_contract.TokenContract):
    """
    The tokens of windows on PostgreSQL.
    """


class TopicTests(MigratedServer, topic_contract.TopicContract):
    """
    PushTopics on PostgreSQL.
    """


class PushProcessTests(MigratedServer, test_push_processes.PushProcessTests):
    """
    Several processes that claim wishes of one server.
    """


class BootstrapTokenTests(MigratedServer, bootstrap_contract.BootstrapTokenContract):
    """
    The contract of bootstrap tokens on PostgreSQL.
    """


class CommandHistoryTests(MigratedServer, history_contract.CommandHistoryContract):
    """
    The contract of command histories on PostgreSQL.
    """


class InventoryTests(MigratedServer, inventory_contract.InventoryContract):
    """
    InventoryStore on PostgreSQL.
    """


class ProfileChangeTests(MigratedServer, profile_change_contract.ProfileChangeContract):
    """
    Profiles that change on PostgreSQL.
    """


class FormerProfileTests(MigratedServer, profile_change_contract.FormerProfileContract):
    """
    Profiles that come again on PostgreSQL.
    """


class SweepingTests(MigratedServer, profile_change_contract.SweepingContract):
    """
    Changes that reach hosts step by step on PostgreSQL.
    """


class LabelTests(MigratedServer, host_change_contract.LabelContract):
    """
    The labels of HostChangeStore on PostgreSQL.
    """


class FactTests(MigratedServer, host_change_contract.FactContract):
    """
    The facts of HostChangeStore on PostgreSQL.
    """


class DetailTests(MigratedServer, host_change_contract.DetailContract):
    """
    What HostChangeStore learns of devices on PostgreSQL.
    """


class UserChannelTests(MigratedServer, user_channel_contract.UserChannelContract):
    """
    UserChannelStore on PostgreSQL.
    """


class UserScopeTests(MigratedServer, user_channel_contract.UserScopeContract):
    """
    Profiles of User scope on PostgreSQL.
    """


class RenewedIdentityTests(MigratedServer, identity_contract.RenewedIdentityContract):
    """
    Identities that renewals bring, on PostgreSQL.
    """


class IdentityRenewalTests(MigratedServer, identity_contract.RenewalContract):
    """
    IdentityStore on PostgreSQL.
    """


class PollTests(MigratedServer, poll_contract.PollContract):
    """
    PollStore on PostgreSQL.
    """
