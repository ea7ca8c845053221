"""
The sections of listeners, storage, keys, limits, logs and the proxy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from scepd.config.fields import (
    ENDPOINT,
    EXTERNAL_URL,
    EXTERNAL_URL_SAYS,
    FILE,
    FLAG,
    ConfiguredPath,
    Endpoint,
    Section,
    count,
    days,
    resolve,
    seconds,
)


class ServerSection(Section):
    """
    ``[server]``: what devices know of this server.
    """

    external_url: str = Field(
        "http://127.0.0.1:8080", pattern=EXTERNAL_URL, description=EXTERNAL_URL_SAYS
    )


class ListenSection(Section):
    """
    ``[listen]``: where scepd listens.
    """

    devices: Endpoint = Field("tcp:8080:interface=127.0.0.1", description=ENDPOINT)
    admin: Endpoint = Field("tcp:8081:interface=127.0.0.1", description=ENDPOINT)
    mdm_mtls: Endpoint | None = Field(None, description=ENDPOINT)
    tls_certificate_file: ConfiguredPath | None = Field(
        None, description=FILE + " (PEM, chain included)"
    )
    tls_key_file: ConfiguredPath | None = Field(None, description=FILE + " (PEM)")
    admin_tls: bool = Field(False, description=FLAG)

    _resolve_paths = field_validator("tls_certificate_file", "tls_key_file")(resolve)


class StorageSection(Section):
    """
    ``[storage]``: the database.
    """

    url: str = Field(
        "sqlite:///scepd.sqlite",
        validate_default=True,
        description="sqlite:///PATH, relative to this file's folder; sqlite:////PATH is absolute; "
        "or postgresql://USER@HOST:PORT/DATABASE",
    )
    password_file: ConfiguredPath | None = Field(None, description=FILE)
    queue_limit: int = count(10_000, 1_000_000)
    unit_timeout: float = seconds(20, 300)
    lease: float = seconds(60, 3600)
    keep_activities: float = days(90)

    @field_validator("url")
    @classmethod
    def _resolve_url(cls, url: str, info: ValidationInfo) -> str:
        if url.startswith("postgresql://"):
            return _server_url(url)
        scheme, slashes, path = url.partition(":///")
        if scheme != "sqlite" or not slashes or not path:
            raise ValueError("not such a URL")
        folder = info.context["folder"] if info.context else "."
        return f"sqlite:///{Path(folder) / path}"

    _resolve_paths = field_validator("password_file")(resolve)


def _server_url(url: str) -> str:
    parts = urlsplit(url)
    if len(parts.path) < len("/d") or parts.fragment or parts.port == 0:
        raise ValueError("not such a URL")
    return url


class SecretsSection(Section):
    """
    ``[secrets]``: what encrypts secrets at rest.
    """

    keyring_file: ConfiguredPath = Field(Path("keyring"), validate_default=True, description=FILE)

    _resolve_paths = field_validator("keyring_file")(resolve)


class SCEPProxySection(Section):
    """
    ``[scep_proxy]``: the way of SCEP messages between devices and certificate authorities.
    """

    connect_timeout: float = seconds(10, 300)
    exchange_timeout: float = seconds(60, 600)
    queue_timeout: float = seconds(30, 300)
    check_timeout: float = seconds(30, 300)
    max_message_size: int = count(262_144, 16_777_216, least=4096, unit=" of bytes")
    max_idle_connections: int = count(16, 1000, least=0)
    idle_timeout: float = seconds(15, 3600)
    allow_private_upstreams: bool = Field(True, description=FLAG)
    breaker_failures: int = count(5, 1000)
    probe_after: float = seconds(30, 3600)
    probe_longest: float = seconds(600, 86_400)
    minimum_speed: float = Field(
        1024.0,
        ge=0,
        le=1_048_576,
        description="a number of bytes per second from 0 (no floor) to 1048576",
    )
    minimum_speed_after: float = seconds(5, 300)
    one_time_urls: bool = Field(False, description=FLAG)
    keep_exchanges: float = days(90)


class LimitsSection(Section):
    """
    ``[limits]``: what one client may take.
    """

    request_timeout: float = seconds(60, 3600)
    stop_timeout: float = seconds(30, 600)
    admin_body_size: int = count(2_097_152, 67_108_864, least=4096, unit=" of bytes")


class LogSection(Section):
    """
    ``[log]``: what is written to standard output, or to twistd's log file.
    """

    format: Literal["text", "json"] = Field("text", description='"text" or "json"')
    level: Literal["debug", "info", "warn", "error"] = Field(
        "info", description='"debug", "info", "warn" or "error"'
    )
