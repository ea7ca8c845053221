"""
The tables, as the newest migration leaves them; nothing that reads or writes them.

Where a foreign key is missing, that is on purpose: windows, exchanges, removals and the names of
certificate authorities outlive what they name.
"""

from scepd.storage.tables.administration import activity as activity
from scepd.storage.tables.administration import api_token as api_token
from scepd.storage.tables.administration import health_check as health_check
from scepd.storage.tables.administration import lease as lease
from scepd.storage.tables.breakers import authority_recovery as authority_recovery
from scepd.storage.tables.breakers import ca_breaker as ca_breaker
from scepd.storage.tables.challenges import delivery_challenge as delivery_challenge
from scepd.storage.tables.devices import command as command
from scepd.storage.tables.devices import device_identity as device_identity
from scepd.storage.tables.devices import enrollment as enrollment
from scepd.storage.tables.devices import push as push
from scepd.storage.tables.hosts import host as host
from scepd.storage.tables.hosts import host_label as host_label
from scepd.storage.tables.hosts import host_profile as host_profile
from scepd.storage.tables.hosts import managed_certificate as managed_certificate
from scepd.storage.tables.inventories import inventory as inventory
from scepd.storage.tables.issuing import ca_state as ca_state
from scepd.storage.tables.issuing import enrollment_challenge as enrollment_challenge
from scepd.storage.tables.issuing import enrollment_token as enrollment_token
from scepd.storage.tables.issuing import issued_certificate as issued_certificate
from scepd.storage.tables.issuing import pending_request as pending_request
from scepd.storage.tables.naming import metadata as metadata
from scepd.storage.tables.profiles import certificate_authority as certificate_authority
from scepd.storage.tables.profiles import former_profile as former_profile
from scepd.storage.tables.profiles import profile as profile
from scepd.storage.tables.profiles import (
    profile_certificate_authority as profile_certificate_authority,
)
from scepd.storage.tables.profiles import profile_label as profile_label
from scepd.storage.tables.profiles import profile_sweep as profile_sweep
from scepd.storage.tables.profiles import profile_variable as profile_variable
from scepd.storage.tables.proxy import enrollment_window as enrollment_window
from scepd.storage.tables.proxy import scep_exchange as scep_exchange
