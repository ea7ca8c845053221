"""
The settings of a certificate authority as options of ``scepctl ca``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import click
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_pem_x509_certificates

from scepd.ctl.failures import Refused
from scepd.ctl.json_values import JsonValue

C = TypeVar("C", bound=Callable[..., None])

FILE = click.Path(path_type=Path)

_GIVEN = (
    click.option(
        "--requests-per-second", type=float, help="The most requests to it. [default: no limit]"
    ),
    click.option(
        "--pinned-sha256",
        metavar="HEX",
        help="Fingerprint of the only certificate that its https URL may show.",
    ),
    click.option("--client-certificate", type=FILE, help="PEM file: ours, for its https URL."),
    click.option("--client-key", type=FILE, help="PEM file: the key of that, not encrypted."),
    click.option("--outgoing-proxy", metavar="URL", help="http://host:port on the way to it."),
    click.option("--webhook-id", help="Of the webhook by which step-ca asks about challenges."),
    click.option(
        "--webhook-secret-file",
        "webhook_secret",
        type=FILE,
        help="File with its secret, in base64.",
    ),
)
_CLEARED = (
    click.option("--no-ca-identifier", is_flag=True, help="Send no `message`."),
    click.option("--no-trusted-certificates", is_flag=True, help="Trust the system's roots."),
    click.option("--no-requests-per-second", is_flag=True, help="No limit."),
    click.option("--no-pinned-sha256", is_flag=True, help="No pin: issuer and name count."),
    click.option("--no-client-certificate", is_flag=True, help="Neither it nor its key."),
    click.option("--no-outgoing-proxy", is_flag=True, help="No proxy on the way to it."),
)


def trust_options(command: C) -> C:
    """
    Give a command the options of rate, trust and way.
    """
    for option in reversed(_GIVEN):
        command = option(command)
    return command


def clearing_options(command: C) -> C:
    """
    Give a command the options that take a setting away.
    """
    for option in reversed(_CLEARED):
        command = option(command)
    return command


def given_settings(options: Mapping[str, object]) -> dict[str, JsonValue]:
    """
    The settings that were given, as the API takes them; files are read, and what ``--no-…`` clears
    is null.

    :raises click.UsageError: one is both given and cleared.
    :raises Refused: a file can't be read.
    """
    settings: dict[str, JsonValue] = {}
    for option, value in options.items():
        name = option.removeprefix("no_")
        if option == name:
            if value is not None:
                settings[name] = _read(value)
                if name == "webhook_secret":
                    settings[name] = str(settings[name]).strip()
        elif value:
            if options.get(name) is not None:
                words = name.replace("_", "-")
                raise click.UsageError(f"--{words} and --no-{words} exclude each other.")
            settings[name] = None
    return settings


def _read(value: object) -> JsonValue:
    if isinstance(value, Path):
        return text_of(value)
    assert isinstance(value, str | int | float)
    return value


def text_of(path: Path) -> str:
    """
    The text of a file.

    :raises Refused: it can't be read.
    """
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise Refused(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Refused(f"{path}: it is not UTF-8") from None


def certificates_in(pem: JsonValue) -> JsonValue:
    """
    What people want to know of certificates in PEM: subject, fingerprint and end of each.

    :returns: ``pem`` itself where it holds none.
    """
    if not isinstance(pem, str):
        return pem
    try:
        found = load_pem_x509_certificates(pem.encode())
    except ValueError:
        return pem
    return [
        f"{each.subject.rfc4514_string()} (sha256 {each.fingerprint(SHA256()).hex()}, "
        f"until {each.not_valid_after_utc.isoformat()})"
        for each in found
    ]
