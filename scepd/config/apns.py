"""
The section of Apple's push service, and what its keys allow together.
"""

from __future__ import annotations

from pydantic import Field, field_validator

from scepd.config.fields import FILE, ConfiguredPath, Section, count, resolve, seconds

_IDENTIFIER = "10 capital letters and digits"
_TOPIC = "a topic, such as com.apple.mgmt.External. and a UUID"


class APNsSection(Section):
    """
    ``[apns]``: Apple's push service.
    """

    certificate_file: ConfiguredPath | None = Field(None, description=FILE + " (PEM)")
    key_file: ConfiguredPath | None = Field(None, description=FILE + " (PEM)")
    pkcs12_file: ConfiguredPath | None = Field(None, description=FILE + " (PKCS #12)")
    password_file: ConfiguredPath | None = Field(None, description=FILE)
    token_key_file: ConfiguredPath | None = Field(None, description=FILE + " (PEM, .p8)")
    token_key_id: str | None = Field(None, pattern="^[A-Z0-9]{10}$", description=_IDENTIFIER)
    token_team_id: str | None = Field(None, pattern="^[A-Z0-9]{10}$", description=_IDENTIFIER)
    token_topic: str | None = Field(None, pattern="^[!-~]{1,255}$", description=_TOPIC)
    accept_new_topic: str | None = Field(None, pattern="^[!-~]{1,255}$", description=_TOPIC)
    host: str = Field(
        "api.push.apple.com", pattern=r"^[A-Za-z0-9.:-]+$", description="a host name or address"
    )
    port: int = count(443, 65535)
    outgoing_proxy: str | None = Field(
        None,
        pattern=r"^http://(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253}):[0-9]{1,5}/?$",
        description="a URL such as http://proxy.example.com:3128, without user and password",
    )
    trusted_certificates_file: ConfiguredPath | None = Field(None, description=FILE + " (PEM)")
    answer_timeout: float = seconds(45, 300)

    _resolve_paths = field_validator(
        "certificate_file",
        "key_file",
        "pkcs12_file",
        "password_file",
        "token_key_file",
        "trusted_certificates_file",
    )(resolve)

    def fault(self) -> str | None:
        """
        What is wrong with the keys together, as the end of a sentence; None: nothing.
        """
        ways = ("certificate_file", "pkcs12_file", "token_key_file")
        given = [way for way in ways if getattr(self, way) is not None]
        if len(given) > 1:
            return f"only one of {' and '.join(given)} can be set"
        return self._fault_of_companions() or self._fault_of_token()

    def _fault_of_companions(self) -> str | None:
        if self.key_file is not None and self.certificate_file is None:
            return "key_file is set only with certificate_file"
        keyed = self.certificate_file is not None or self.pkcs12_file is not None
        if self.password_file is not None and not keyed:
            return "password_file is set only with certificate_file or pkcs12_file"
        return None

    def _fault_of_token(self) -> str | None:
        values = (self.token_key_file, self.token_key_id, self.token_team_id, self.token_topic)
        if any(value is None for value in values) and any(value is not None for value in values):
            return (
                "token_key_file, token_key_id, token_team_id and token_topic "
                "are set together, or none"
            )
        return None
