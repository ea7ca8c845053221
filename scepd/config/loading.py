"""
Reading the file, and the sentences about what is wrong with it.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from scepd.config.apns import APNsSection
from scepd.config.fields import Section
from scepd.config.infrastructure import (
    LimitsSection,
    ListenSection,
    LogSection,
    SCEPProxySection,
    SecretsSection,
    ServerSection,
    StorageSection,
)
from scepd.config.management import (
    CASection,
    MDMSection,
    OsquerySection,
    ProfilesSection,
    RenewalSection,
    VerificationSection,
)
from scepd.errors import ConfigurationError

_USER_INFORMATION = re.compile(r"//[^/]*@")


class Configuration(Section):
    """
    The whole file; every section may be left out.
    """

    server: ServerSection
    listen: ListenSection
    storage: StorageSection
    secrets: SecretsSection
    scep_proxy: SCEPProxySection
    ca: CASection
    mdm: MDMSection
    apns: APNsSection
    profiles: ProfilesSection
    osquery: OsquerySection
    verification: VerificationSection
    renewal: RenewalSection
    limits: LimitsSection
    log: LogSection


def load(path: Path) -> Configuration:
    """
    Read the configuration file at ``path``; relative paths in it are resolved against its folder.

    :raises ConfigurationError: it can't be read, is not TOML, or holds faults; the text has one
        line per fault.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(
            f"{path}: can't be read: {reason}; `scepctl init` writes a complete one"
        ) from None
    return parse(text, path)


def parse(text: str, path: Path) -> Configuration:
    """
    As :func:`load`, of a ``text`` that is, or could be, the content of ``path``.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from None
    for section in Configuration.model_fields:
        data.setdefault(section, {})
    try:
        configuration = Configuration.model_validate(
            data, context={"folder": path.absolute().parent}
        )
    except ValidationError as error:
        raise ConfigurationError(
            "\n".join(_sentence(path, detail) for detail in error.errors(include_url=False))
        ) from None
    _check_pairs(path, configuration)
    return configuration


def _check_pairs(path: Path, configuration: Configuration) -> None:
    listen = configuration.listen
    if (listen.tls_certificate_file is None) != (listen.tls_key_file is None):
        raise ConfigurationError(
            f"{path}: [listen]: tls_certificate_file and tls_key_file are set together, or none"
        )
    mdm = configuration.mdm
    if (mdm.signing_certificate_file is None) != (mdm.signing_key_file is None):
        raise ConfigurationError(
            f"{path}: [mdm]: signing_certificate_file and signing_key_file are set together, "
            "or none"
        )
    fault = configuration.apns.fault()
    if fault is not None:
        raise ConfigurationError(f"{path}: [apns]: {fault}")
    fault = configuration.mdm.fault(mtls=listen.mdm_mtls is not None)
    if fault is not None:
        raise ConfigurationError(f"{path}: [mdm]: {fault}")
    if listen.mdm_mtls is not None and listen.tls_key_file is None:
        raise ConfigurationError(
            f"{path}: [listen] mdm_mtls: found {listen.mdm_mtls!r}; "
            "allowed only with tls_certificate_file and tls_key_file"
        )
    if listen.admin_tls and listen.tls_key_file is None:
        raise ConfigurationError(
            f"{path}: [listen] admin_tls: found true; "
            "allowed only with tls_certificate_file and tls_key_file"
        )


def _sentence(path: Path, detail: ErrorDetails) -> str:
    section, *key = (str(part) for part in detail["loc"])
    where = f"{path}: [{section}]" + (f" {key[0]}" if key else "")
    sections = Configuration.model_fields
    if not key:
        if section in sections:
            return f"{where}: found {_found(detail)}; allowed: a section of keys"
        return f"{where}: unknown section; allowed: {', '.join(sections)}"
    annotation = sections[section].annotation
    assert isinstance(annotation, type) and issubclass(annotation, BaseModel)
    fields = annotation.model_fields
    if key[0] not in fields:
        return f"{where}: unknown key; allowed: {', '.join(fields)}"
    return f"{where}: found {_found(detail)}; allowed: {fields[key[0]].description}"


def _found(detail: ErrorDetails) -> str:
    # A URL may hold a password, which is for no terminal and no log.
    return _USER_INFORMATION.sub("//…@", repr(detail["input"]))[:100]
