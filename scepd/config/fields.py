"""
The kinds of values that sections hold. A field's description says what is allowed: it is the end of
the sentence that an operator reads when a value is refused, so it has to teach.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

FILE = "a path, relative to this file's folder or absolute"
ENDPOINT = (
    "a Twisted endpoint string, such as tcp:8080:interface=127.0.0.1, with a port from 0 to 65535, "
    "or unix:/run/scepd.sock"
)
FLAG = "true or false"
_HIGHEST_PORT = 65535
EXTERNAL_URL = r"^https?://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-])?$"
"""
The pattern of a URL under which this server is reached.
"""
EXTERNAL_URL_SAYS = "an absolute http or https URL without a trailing slash, query or fragment"


def listening(endpoint: str) -> str:
    """
    An endpoint string of a listener.

    :raises ValueError: it is none of ``tcp:`` and ``unix:``, or its port is none that exists.
    """
    kind, *arguments = endpoint.split(":")
    if kind not in ("tcp", "unix") or not arguments:
        raise ValueError("not such a string")
    if kind == "tcp":
        named = [each for each in arguments if each.startswith("port=")]
        port = (named or arguments)[0].removeprefix("port=")
        if not port.isdecimal() or int(port) > _HIGHEST_PORT:
            raise ValueError("not a port")
    return endpoint


Endpoint = Annotated[str, AfterValidator(listening)]
"""
Where a listener listens.
"""

ConfiguredPath = Annotated[Path, Field(strict=False)]
"""
A path that :func:`resolve` makes absolute.
"""


class Section(BaseModel):
    """
    A section of the file: frozen, and without unknown keys.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def seconds(default: float, most: int) -> float:
    """
    A field for a duration.
    """
    field: float = Field(
        default, gt=0, le=most, description=f"a number of seconds above 0, at most {most}"
    )
    return field


def days(default: float, *, least: float = 1) -> float:
    """
    A field for a number of days, at most ten years.
    """
    field: float = Field(
        default, ge=least, le=3650, description=f"a number of days from {least:g} to 3650"
    )
    return field


def count(default: int, most: int, *, least: int = 1, unit: str = "") -> int:
    """
    A field for a whole number.
    """
    field: int = Field(
        default,
        ge=least,
        le=most,
        description=f"a whole number{unit} from {least} to {most}",
    )
    return field


def resolve(path: Path | None, info: ValidationInfo) -> Path | None:
    """
    A path relative to the configuration file's folder, made absolute.
    """
    if path is None or info.context is None:
        return path
    return Path(info.context["folder"]) / path
