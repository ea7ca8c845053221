"""
The files that a configuration names.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from pathlib import Path

from scepd.apns.credentials import PushCredentials, load_credentials
from scepd.config import Configuration
from scepd.errors import ConfigurationError, KeyringError
from scepd.network.server_tls import ReloadableTLS
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


@dataclass(frozen=True, slots=True)
class DeviceSecrets:
    """
    What the files of ``[ca]``, ``[apns]`` and ``[osquery]`` hold; None where there is no file.

    :param push_roots: PEM of the roots of the push service.
    """

    push: PushCredentials | None
    push_roots: bytes | None
    ca_challenge: str | None = field(repr=False)
    osquery: str | None = field(repr=False)


def device_secrets(configuration: Configuration) -> DeviceSecrets:
    """
    Read them.

    :raises ConfigurationError: a file can't be read, or does not hold what it should.
    """
    ca, apns, osquery = configuration.ca, configuration.apns, configuration.osquery
    roots = apns.trusted_certificates_file
    return DeviceSecrets(
        _push_credentials(configuration),
        None if roots is None else _read(roots, "[apns] trusted_certificates_file"),
        _secret(ca.challenge_file, "[ca] challenge_file"),
        _secret(osquery.enroll_secret_file, "[osquery] enroll_secret_file"),
    )


def _push_credentials(configuration: Configuration) -> PushCredentials | None:
    apns = configuration.apns
    if apns.certificate_file is None or apns.key_file is None:
        return None
    certificate = _read(apns.certificate_file, "[apns] certificate_file")
    key = _read(apns.key_file, "[apns] key_file")
    try:
        return load_credentials(certificate, key)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"[apns] {apns.certificate_file} and {apns.key_file}: {error}"
        ) from None


def _secret(path: Path | None, name: str) -> str | None:
    if path is None:
        return None
    try:
        text = _read(path, name).decode("utf-8").strip()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}: {path}: it is not UTF-8") from None
    if not text:
        raise ConfigurationError(f"{name}: {path}: the file is empty")
    return text


def _read(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{name}: {path}: can't be read: {error.strerror}") from None
