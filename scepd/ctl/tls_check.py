"""
What ``scepctl doctor`` sees in the TLS certificate of the `devices` listener.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from scepd.config import Configuration
from scepd.ctl.findings import Finding, bad, doubtful, good
from scepd.errors import ScepdError
from scepd.pki.alternative_names import name_texts
from scepd.pki.decoding import reading

_WHAT = "TLS certificate"
# Those of ACME authorities are renewed when 30 days are left; half of that is late.
_ALARM = timedelta(days=15)


def tls_findings(configuration: Configuration) -> Iterator[Finding]:
    """
    Look at the certificate that devices see, where scepd itself speaks TLS.
    """
    path = configuration.listen.tls_certificate_file
    if path is None:
        return
    try:
        certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
        with reading("the certificate"):
            names = name_texts(certificate.extensions)
    except OSError as error:
        yield bad(_WHAT, f"{path}: can't be read: {error.strerror}")
        return
    except (ValueError, ScepdError):
        yield bad(_WHAT, f"{path}: it holds no certificate in PEM")
        return
    yield _expiry(path, certificate, datetime.now(UTC))
    yield from _names(configuration, names)


def _expiry(path: Path, certificate: x509.Certificate, now: datetime) -> Finding:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if end <= now:
        return bad(_WHAT, f"{path} expired on {end:%Y-%m-%d}: no device can connect")
    if begin > now:
        return bad(_WHAT, f"{path} is not valid before {begin:%Y-%m-%d}: no device can connect")
    if end - now < _ALARM:
        return doubtful(_WHAT, f"{path} expires on {end:%Y-%m-%d}; SIGHUP reads a newer one")
    return good(_WHAT, f"it is valid until {end:%Y-%m-%d}")


def _names(configuration: Configuration, names: tuple[str, ...]) -> Iterator[Finding]:
    # Only this URL leads to scepd's own TLS for sure: [mdm] external_url may be that of a proxy.
    host = urlsplit(configuration.server.external_url).hostname or ""
    wildcard = f"*.{host.partition('.')[2]}"
    wanted = {f"dns:{host}", f"dns:{wildcard}", f"ip:{host}"}
    if wanted.isdisjoint(name.lower() for name in names):
        listed = ", ".join(names) or "none"
        yield doubtful(
            _WHAT,
            f"devices connect to {host} ([server] external_url), which is not among its "
            f"alternative names: {listed}",
        )
