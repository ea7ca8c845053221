"""
Tests of the stores on a SQLite file.
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
    topic_contract,
    user_channel_contract,
    verification_contract,
    window_contract,
)
from tests.storage.sqlite_file import MigratedFile


class HealthTests(MigratedFile, contract.HealthContract):
    """
    Health on SQLite.
    """


class CertificateAuthorityTests(MigratedFile, contract.CertificateAuthorityContract):
    """
    CertificateAuthorityStore on SQLite.
    """


class ProfileTests(MigratedFile, profile_contract.ProfileContract):
    """
    ProfileStore on SQLite.
    """


class HostTests(MigratedFile, profile_contract.HostContract):
    """
    HostStore on SQLite.
    """


class AssignmentTests(MigratedFile, profile_contract.AssignmentContract):
    """
    AssignmentStore on SQLite.
    """


class APITokenTests(MigratedFile, contract.APITokenContract):
    """
    APITokenStore on SQLite.
    """


class ActivityTests(MigratedFile, contract.ActivityContract):
    """
    ActivityStore on SQLite.
    """


class ExchangeTests(MigratedFile, exchange_contract.ExchangeContract):
    """
    The exchanges of EnrollmentStore on SQLite.
    """


class RedeliveryTests(MigratedFile, exchange_contract.RedeliveryContract):
    """
    The re-deliveries of EnrollmentStore on SQLite.
    """


class WindowTests(MigratedFile, window_contract.WindowContract):
    """
    The windows of EnrollmentStore on SQLite.
    """


class TargetTests(MigratedFile, target_contract.TargetContract):
    """
    The assignments of ProfileStore on SQLite.
    """


class HostPageTests(MigratedFile, target_contract.HostPageContract):
    """
    Lists of hosts and assignments on SQLite.
    """


class CAStateTests(MigratedFile, issuing_contract.CAStateContract):
    """
    The keys of IssuingStore on SQLite.
    """


class IssuingTests(MigratedFile, issuing_contract.IssuingContract):
    """
    The certificates of IssuingStore on SQLite.
    """


class RevocationTests(MigratedFile, issuing_contract.RevocationContract):
    """
    CertificateStore.
    """


class PendingRequestTests(MigratedFile, issuing_contract.PendingRequestContract):
    """
    PendingRequestStore.
    """


class EnrollmentTokenTests(MigratedFile, issuing_contract.EnrollmentTokenContract):
    """
    EnrollmentTokenStore on SQLite.
    """


class IdentityTests(MigratedFile, checkin_contract.IdentityContract):
    """
    The identities of CheckInStore on SQLite.
    """


class CheckInTests(MigratedFile, checkin_contract.CheckInContract):
    """
    The enrollments of CheckInStore on SQLite.
    """


class QueueTests(MigratedFile, command_contract.QueueContract):
    """
    The queue of CommandStore on SQLite.
    """


class UnansweredTests(MigratedFile, command_contract.UnansweredContract):
    """
    Commands that nobody answers, on SQLite.
    """


class UnrenderedTests(MigratedFile, command_contract.UnrenderedContract):
    """
    Commands that can't be made, on SQLite.
    """


class HandOverTests(MigratedFile, command_contract.HandOverContract):
    """
    The hand-overs of CommandStore on SQLite.
    """


class BootstrapTokenTests(MigratedFile, bootstrap_contract.BootstrapTokenContract):
    """
    The contract of bootstrap tokens on SQLite.
    """


class CommandHistoryTests(MigratedFile, history_contract.CommandHistoryContract):
    """
    The contract of command histories on SQLite.
    """


class ExchangePruningTests(MigratedFile, pruning_contract.ExchangePruningContract):
    """
    RecordPruning of exchanges and activities.
    """


class WindowPruningTests(MigratedFile, pruning_contract.WindowPruningContract):
    """
    RecordPruning of enrollment windows.
    """


class CertificatePruningTests(MigratedFile, pruning_contract.CertificatePruningContract):
    """
    RecordPruning of certificates.
    """


class LeaseTests(MigratedFile, delivery_contract.LeaseContract):
    """
    LeaseStore on SQLite.
    """


class DueTests(MigratedFile, delivery_contract.DueContract):
    """
    Due assignments on SQLite.
    """


class DeliveryTests(MigratedFile, delivery_contract.DeliveryContract):
    """
    DeliveryStore on SQLite.
    """


class ResendTests(MigratedFile, resend_contract.ResendContract):
    """
    ResendStore on SQLite.
    """


class LifecycleTests(MigratedFile, lifecycle_contract.LifecycleContract):
    """
    The lifecycle of assignments on SQLite.
    """


class PushTests(MigratedFile, push_contract.PushContract):
    """
    PushStore on SQLite.
    """


class SilenceTests(MigratedFile, silence_contract.SilenceContract):
    """
    PushStore on SQLite, while devices come and answer.
    """


class SweepTests(MigratedFile, silence_contract.SweepContract):
    """
    The sweep of PushStore on SQLite.
    """


class AgentTests(MigratedFile, verification_contract.AgentContract):
    """
    The agents of VerificationStore on SQLite.
    """


class ProofTests(MigratedFile, verification_contract.ProofContract):
    """
    The proofs of VerificationStore on SQLite.
    """


class RenewalTests(MigratedFile, renewal_contract.RenewalContract):
    """
    What is due in RenewalStore on SQLite.
    """


class RenewalFailureTests(MigratedFile, renewal_contract.RenewalFailureContract):
    """
    The failures of renewals on SQLite.
    """


class OverdueTests(MigratedFile, renewal_contract.OverdueContract):
    """
    What is overdue in RenewalStore on SQLite.
    """


class DeliveryChallengeTests(MigratedFile, challenge_contract.DeliveryChallengeContract):
    """
    DeliveryChallengeStore on SQLite.
    """


class WebhookTests(MigratedFile, challenge_contract.WebhookContract):
    """
    Certificate authorities with one-time challenges on SQLite.
    """


class BreakerTests(MigratedFile, breaker_contract.BreakerContract):
    """
    BreakerStore on SQLite.
    """


class OutageTests(MigratedFile, breaker_contract.OutageContract):
    """
    Deliveries during an outage on SQLite.
    """


class TokenTests(MigratedFile, breaker_contract.TokenContract):
    """
    The tokens of windows on SQLite.
    """


class TopicTests(MigratedFile, topic_contract.TopicContract):
    """
    PushTopics on SQLite.
    """


class InventoryTests(MigratedFile, inventory_contract.InventoryContract):
    """
    InventoryStore on SQLite.
    """


class ProfileChangeTests(MigratedFile, profile_change_contract.ProfileChangeContract):
    """
    Profiles that change on SQLite.
    """


class FormerProfileTests(MigratedFile, profile_change_contract.FormerProfileContract):
    """
    Profiles that come again on SQLite.
    """


class SweepingTests(MigratedFile, profile_change_contract.SweepingContract):
    """
    Changes that reach hosts step by step on SQLite.
    """


class LabelTests(MigratedFile, host_change_contract.LabelContract):
    """
    The labels of HostChangeStore on SQLite.
    """


class FactTests(MigratedFile, host_change_contract.FactContract):
    """
    The facts of HostChangeStore on SQLite.
    """


class DetailTests(MigratedFile, host_change_contract.DetailContract):
    """
    What HostChangeStore learns of devices on SQLite.
    """


class UserChannelTests(MigratedFile, user_channel_contract.UserChannelContract):
    """
    UserChannelStore on SQLite.
    """


class UserScopeTests(MigratedFile, user_channel_contract.UserScopeContract):
    """
    Profiles of User scope on SQLite.
    """


class RenewedIdentityTests(MigratedFile, identity_contract.RenewedIdentityContract):
    """
    Identities that renewals bring, on SQLite.
    """


class IdentityRenewalTests(MigratedFile, identity_contract.RenewalContract):
    """
    IdentityStore on SQLite.
    """


class PollTests(MigratedFile, poll_contract.PollContract):
    """
    PollStore on SQLite.
    """
