"""
Frozen records that storage and services share. Times are aware datetimes in UTC.
"""

from scepd.model.admin import Activity as Activity
from scepd.model.admin import APIToken as APIToken
from scepd.model.authorities import EMBEDDED_CA as EMBEDDED_CA
from scepd.model.authorities import CertificateAuthority as CertificateAuthority
from scepd.model.authorities import ChallengeMode as ChallengeMode
from scepd.model.authorities import challenge_place as challenge_place
from scepd.model.authorities import client_key_place as client_key_place
from scepd.model.authorities import webhook_secret_place as webhook_secret_place
from scepd.model.challenges import ChallengeUse as ChallengeUse
from scepd.model.challenges import DeliveryChallenge as DeliveryChallenge
from scepd.model.issuing import REVOCATION_REASONS as REVOCATION_REASONS
from scepd.model.issuing import CARole as CARole
from scepd.model.issuing import CAState as CAState
from scepd.model.issuing import EnrollmentChallenge as EnrollmentChallenge
from scepd.model.issuing import EnrollmentToken as EnrollmentToken
from scepd.model.issuing import IssuedCertificate as IssuedCertificate
from scepd.model.issuing import ca_key_place as ca_key_place
from scepd.model.mdm import CommandRecord as CommandRecord
from scepd.model.mdm import DueRow as DueRow
from scepd.model.mdm import Enrollment as Enrollment
from scepd.model.mdm import KnownIdentity as KnownIdentity
from scepd.model.mdm import Lease as Lease
from scepd.model.mdm import PushAddress as PushAddress
from scepd.model.mdm import PushState as PushState
from scepd.model.mdm import QueuedCommand as QueuedCommand
from scepd.model.mdm import RowEvent as RowEvent
from scepd.model.mdm import WishedPush as WishedPush
from scepd.model.mdm import push_place as push_place
from scepd.model.pending_requests import PendingRequest as PendingRequest
from scepd.model.pending_requests import RequestState as RequestState
from scepd.model.pending_requests import pending_request_place as pending_request_place
from scepd.model.profiles import Host as Host
from scepd.model.profiles import HostProfile as HostProfile
from scepd.model.profiles import Profile as Profile
from scepd.model.proxy import Admission as Admission
from scepd.model.proxy import EnrollmentWindow as EnrollmentWindow
from scepd.model.proxy import Reservation as Reservation
from scepd.model.proxy import SCEPExchange as SCEPExchange
from scepd.model.proxy import WindowOutcome as WindowOutcome
from scepd.model.proxy import WindowState as WindowState
from scepd.model.verification import Delivery as Delivery
from scepd.model.verification import ManagedCertificate as ManagedCertificate
