"""
What the services need from outside, split by verb. Storage and network provide it; tests bring
fakes.

Each storage method is one unit of work: it returns after its commit, and raises
:class:`~scepd.errors.StorageUnavailable` when nothing of it was stored.
"""

from scepd.ports.admin import ActivityStore as ActivityStore
from scepd.ports.admin import APITokenStore as APITokenStore
from scepd.ports.admin import Health as Health
from scepd.ports.authorities import CertificateAuthorityStore as CertificateAuthorityStore
from scepd.ports.breakers import BreakerStore as BreakerStore
from scepd.ports.challenges import DeliveryChallengeStore as DeliveryChallengeStore
from scepd.ports.delivery import DeliveryStore as DeliveryStore
from scepd.ports.delivery import LeaseStore as LeaseStore
from scepd.ports.delivery import PushGateway as PushGateway
from scepd.ports.delivery import PushStore as PushStore
from scepd.ports.delivery import VerificationStore as VerificationStore
from scepd.ports.identities import IdentityStore as IdentityStore
from scepd.ports.inventories import InventoryStore as InventoryStore
from scepd.ports.issuing import CAStateStore as CAStateStore
from scepd.ports.issuing import CertificateStore as CertificateStore
from scepd.ports.issuing import EnrollmentTokenStore as EnrollmentTokenStore
from scepd.ports.issuing import IssuingStore as IssuingStore
from scepd.ports.issuing import PendingRequestStore as PendingRequestStore
from scepd.ports.mdm import BootstrapTokenStore as BootstrapTokenStore
from scepd.ports.mdm import CheckInStore as CheckInStore
from scepd.ports.mdm import CommandHistory as CommandHistory
from scepd.ports.mdm import CommandStore as CommandStore
from scepd.ports.mdm import PollStore as PollStore
from scepd.ports.mdm import UserChannelStore as UserChannelStore
from scepd.ports.profiles import AssignmentStore as AssignmentStore
from scepd.ports.profiles import HostChangeStore as HostChangeStore
from scepd.ports.profiles import HostStore as HostStore
from scepd.ports.profiles import ProfileStore as ProfileStore
from scepd.ports.proxy import EnrollmentStore as EnrollmentStore
from scepd.ports.proxy import SignedBy as SignedBy
from scepd.ports.proxy import Subject as Subject
from scepd.ports.pruning import RecordPruning as RecordPruning
from scepd.ports.push_topics import PushTopics as PushTopics
from scepd.ports.renewal import RenewalStore as RenewalStore
from scepd.ports.resending import ResendStore as ResendStore
from scepd.ports.upstream import AnswerConsumer as AnswerConsumer
from scepd.ports.upstream import ClientCredentials as ClientCredentials
from scepd.ports.upstream import Upstream as Upstream
from scepd.ports.upstream import UpstreamExchange as UpstreamExchange
from scepd.ports.upstream import UpstreamRequest as UpstreamRequest
from scepd.ports.upstream import UpstreamTarget as UpstreamTarget
from scepd.ports.workers import Workers as Workers
