"""
The files that a configuration names.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from scepd.apns.credentials import PushCredentials
from scepd.config import Configuration, push_credentials
from scepd.config.files import read_file, read_secret
from scepd.config.management import MDMSection
from scepd.errors import ConfigurationError, KeyringError, MessageError
from scepd.mdm.profile_signing import sign_profile
from scepd.network.server_tls import ReloadableTLS
from scepd.pki.device_chains import read_anchors
from scepd.pki.keyring import Keyring


def read_keyring(configuration: Configuration) -> Keyring:
    """
    The keyring of ``[secrets] keyring_file``.

    :raises KeyringError: it can't be read, others may read it too, or it is none.
    """
    path = configuration.secrets.keyring_file
    try:
        mode = path.stat().st_mode
        text = path.read_text("ascii")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII"
        raise KeyringError(
            f"{path}: the keyring can't be read: {reason}; `scepctl init` makes one"
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyringError(f"{path}: the keyring is readable by others; run: chmod 600 {path}")
    try:
        return Keyring.parse(text)
    except KeyringError as error:
        raise KeyringError(f"{path}: {error}") from None


def server_tls(configuration: Configuration) -> ReloadableTLS | None:
    """
    TLS of the listeners; None when the configuration has no certificate.

    :raises ConfigurationError: the files can't be used.
    """
    listen = configuration.listen
    if listen.tls_certificate_file is None or listen.tls_key_file is None:
        return None
    return ReloadableTLS(listen.tls_certificate_file, listen.tls_key_file)


def mtls(configuration: Configuration) -> ReloadableTLS | None:
    """
    TLS of the listener that asks for client certificates; None when there is no such listener.

    :raises ConfigurationError: the files can't be used.
    """
    listen = configuration.listen
    if listen.mdm_mtls is None or not (listen.tls_certificate_file and listen.tls_key_file):
        return None
    return ReloadableTLS(listen.tls_certificate_file, listen.tls_key_file, asks_clients=True)


@dataclass(frozen=True, slots=True)
class DeviceSecrets:
    """
    What the files of ``[ca]``, ``[apns]``, ``[osquery]`` and ``[mdm]`` hold; None where there is no
    file.

    :param push_roots: PEM of the roots of the push service.
    :param sign_profile: signs an enrollment profile.
    :param device_anchors: certificates of those that make devices, DER.
    """

    push: PushCredentials | None
    push_roots: bytes | None
    ca_challenge: str | None = field(repr=False)
    osquery: str | None = field(repr=False)
    sign_profile: Callable[[bytes], bytes] | None = field(default=None, repr=False)
    device_anchors: tuple[bytes, ...] = ()


def device_secrets(
    configuration: Configuration, clock: Callable[[], float] = time.time
) -> DeviceSecrets:
    """
    Read them.

    :param clock: gives epoch seconds, for provider tokens.
    :raises ConfigurationError: a file can't be read, or does not hold what it should.
    """
    ca, apns, osquery = configuration.ca, configuration.apns, configuration.osquery
    roots = apns.trusted_certificates_file
    return DeviceSecrets(
        push_credentials(apns, clock),
        None if roots is None else read_file(roots, "[apns] trusted_certificates_file"),
        read_secret(ca.challenge_file, "[ca] challenge_file"),
        read_secret(osquery.enroll_secret_file, "[osquery] enroll_secret_file"),
        _profile_signature(configuration.mdm),
        _device_anchors(configuration.mdm),
    )


def _profile_signature(mdm: MDMSection) -> Callable[[bytes], bytes] | None:
    if mdm.signing_certificate_file is None or mdm.signing_key_file is None:
        return None
    name = "[mdm] signing_certificate_file"
    certificate = read_file(mdm.signing_certificate_file, name)
    key = read_file(mdm.signing_key_file, "[mdm] signing_key_file")
    try:
        # Tried at once: the first device is no time to find out.
        sign_profile(b"", key, certificate)
    except MessageError as error:
        raise ConfigurationError(f"{name}, signing_key_file: {error}") from None
    return lambda content: sign_profile(content, key, certificate)


def _device_anchors(mdm: MDMSection) -> tuple[bytes, ...]:
    if mdm.device_ca_file is None:
        return ()
    name = "[mdm] device_ca_file"
    try:
        return read_anchors(read_file(mdm.device_ca_file, name))
    except MessageError as error:
        raise ConfigurationError(f"{name}: {mdm.device_ca_file}: {error}") from None
