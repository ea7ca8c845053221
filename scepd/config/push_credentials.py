"""
From the files of ``[apns]`` to push credentials.
"""

from __future__ import annotations

from collections.abc import Callable

from scepd.apns.credentials import (
    PushCredentials,
    load_credentials,
    load_pkcs12,
    load_provider_token,
)
from scepd.config.apns import APNsSection
from scepd.config.files import read_file, read_secret
from scepd.errors import ConfigurationError


def push_credentials(apns: APNsSection, clock: Callable[[], float]) -> PushCredentials | None:
    """
    What the section names; None: it names nothing.

    :param clock: gives epoch seconds, for provider tokens.
    :raises ConfigurationError: a file can't be read, or does not hold what it should.
    """
    if apns.certificate_file is not None:
        return _of_pair(apns)
    if apns.pkcs12_file is not None:
        return _of_pkcs12(apns)
    return _of_token(apns, clock)


def _of_pair(apns: APNsSection) -> PushCredentials:
    assert apns.certificate_file is not None, "push_credentials has looked"
    certificate = key = read_file(apns.certificate_file, "[apns] certificate_file")
    names = str(apns.certificate_file)
    if apns.key_file is not None:
        key = read_file(apns.key_file, "[apns] key_file")
        names += f" and {apns.key_file}"
    password = _password(apns)
    try:
        return load_credentials(certificate, key, password)
    except ConfigurationError as error:
        raise ConfigurationError(f"[apns] {names}: {error}") from None


def _of_pkcs12(apns: APNsSection) -> PushCredentials:
    assert apns.pkcs12_file is not None, "push_credentials has looked"
    data = read_file(apns.pkcs12_file, "[apns] pkcs12_file")
    password = _password(apns)
    try:
        return load_pkcs12(data, password)
    except ConfigurationError as error:
        raise ConfigurationError(f"[apns] {apns.pkcs12_file}: {error}") from None


def _of_token(apns: APNsSection, clock: Callable[[], float]) -> PushCredentials | None:
    path, key_id, team_id = apns.token_key_file, apns.token_key_id, apns.token_team_id
    if path is None or key_id is None or team_id is None or apns.token_topic is None:
        return None
    pem = read_file(path, "[apns] token_key_file")
    try:
        return load_provider_token(pem, key_id, team_id, apns.token_topic, clock)
    except ConfigurationError as error:
        raise ConfigurationError(f"[apns] {path}: {error}") from None


def _password(apns: APNsSection) -> bytes | None:
    text = read_secret(apns.password_file, "[apns] password_file")
    return None if text is None else text.encode()
