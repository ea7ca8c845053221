"""
``etc/scepd.toml``: infrastructure only, read once into frozen objects.
"""

from scepd.config.apns import APNsSection as APNsSection
from scepd.config.database_url import database_url as database_url
from scepd.config.infrastructure import LimitsSection as LimitsSection
from scepd.config.infrastructure import ListenSection as ListenSection
from scepd.config.infrastructure import LogSection as LogSection
from scepd.config.infrastructure import SCEPProxySection as SCEPProxySection
from scepd.config.infrastructure import SecretsSection as SecretsSection
from scepd.config.infrastructure import ServerSection as ServerSection
from scepd.config.infrastructure import StorageSection as StorageSection
from scepd.config.loading import Configuration as Configuration
from scepd.config.loading import load as load
from scepd.config.loading import parse as parse
from scepd.config.management import CASection as CASection
from scepd.config.management import MDMSection as MDMSection
from scepd.config.management import OsquerySection as OsquerySection
from scepd.config.management import ProfilesSection as ProfilesSection
from scepd.config.management import RenewalSection as RenewalSection
from scepd.config.management import VerificationSection as VerificationSection
from scepd.config.push_credentials import push_credentials as push_credentials
from scepd.config.restarting import waiting_changes as waiting_changes
