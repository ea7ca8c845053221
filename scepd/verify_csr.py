"""
``scepd-verify-csr``: the check of certification requests that micromdm's scepserver runs.

scepserver starts it for each request, as its ``-csrverifierexec``: without arguments, the CSR in
DER on standard input; exit code 0 allows the request, any other refuses it (micromdm/scep,
``csrverifier/executable/csrverifier.go``). Nothing but the standard library is imported, so that it
starts fast.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import ssl
import sys
import threading
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

DEADLINE = 5.0
"""
Seconds after which there is no answer any more, which means no.
"""
DEFAULT_CONFIGURATION = Path("/etc/scepd/verify.toml")
_LARGEST_CSR = 65_536
_LARGEST_ANSWER = 65_536
_ALLOWED, _REFUSED = 0, 1

_DESCRIPTION = """\
Ask scepd whether a certificate authority may issue for a certification request with a one-time
challenge. micromdm's scepserver runs this program for each request:

  scepserver -depot DEPOT -allowrenew 0 -csrverifierexec /usr/bin/scepd-verify-csr

It reads the CSR (DER) from standard input and exits with 0 when scepd allows it. In every other
case, also when scepd does not answer within 5 seconds, it exits with 1 and one line on standard
error.

settings, in /etc/scepd/verify.toml or the file that SCEPD_VERIFY_CONFIG names:

  url = "http://127.0.0.1:8081"           the admin listener: http://, https:// or unix:/path
  token_file = "/etc/scepd/verify.token"  holds an API token of the role verifier
  ca = "MY_CA"                            the name of this authority in scepd
  trusted_certificates = "/etc/..."       PEM of the roots for https; the system's when left out

The environment goes before the file: SCEPD_VERIFY_URL, SCEPD_VERIFY_TOKEN_FILE, SCEPD_VERIFY_CA,
SCEPD_VERIFY_TRUSTED_CERTIFICATES.
"""


class VerifierError(Exception):
    """
    Why there is no yes: one line, without secrets.
    """


@dataclass(frozen=True, slots=True)
class Settings:
    """
    Where scepd is, and who asks.

    :param url: of the admin listener.
    :param ca: the name of the certificate authority.
    :param trusted_certificates: file of the roots for https; None: the system's.
    """

    url: str
    token: str = field(repr=False)
    ca: str
    trusted_certificates: str | None


def read_settings(environment: Mapping[str, str]) -> Settings:
    """
    Read the settings from the environment and the file.

    :raises VerifierError: one is missing, or can't be used.
    """
    values = _file_values(environment) | {
        key: environment[f"SCEPD_VERIFY_{key.upper()}"]
        for key in ("url", "token_file", "ca", "trusted_certificates")
        if environment.get(f"SCEPD_VERIFY_{key.upper()}")
    }
    for key in ("url", "token_file", "ca"):
        if not values.get(key):
            raise VerifierError(f"{key} is not set: see --help")
    url = values["url"].rstrip("/")
    if not url.startswith(("http://", "https://", "unix:/")):
        raise VerifierError("url must begin with http://, https:// or unix:/")
    token = _read(Path(values["token_file"])).strip()
    if not token.isascii() or not token.isprintable() or not token or " " in token:
        raise VerifierError(f"{values['token_file']}: it holds no API token")
    return Settings(url, token, values["ca"], values.get("trusted_certificates"))


def ask(settings: Settings, csr: bytes) -> bool:
    """
    Ask whether a request is allowed.

    :param csr: in DER.
    :raises VerifierError: there is no answer that is one.
    """
    if not 1 <= len(csr) <= _LARGEST_CSR:
        raise VerifierError(f"the request has {len(csr)} bytes; 1 to {_LARGEST_CSR} are allowed")
    answer = _call(settings, "POST", csr)
    return answer.get("allow") is True


def check(settings: Settings) -> None:
    """
    Find out whether scepd would answer.

    :raises VerifierError: it would not, and why.
    """
    answer = _call(settings, "GET", None)
    if answer.get("ca") != settings.ca:
        raise VerifierError("the answer is not one of scepd's")


def main(arguments: Sequence[str] | None = None) -> None:
    """
    The program: exit code 0 allows.
    """
    parser = argparse.ArgumentParser(
        "scepd-verify-csr",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="tell whether scepd is reached, knows the token and has the authority",
    )
    options = parser.parse_args(arguments)
    outcome = _Outcome(options.check)
    # Also a name server that is slow, or a writer that never ends, must not keep anybody waiting;
    # a thread of its own is all that no blocking call can hold up.
    thread = threading.Thread(target=outcome.find, daemon=True)
    thread.start()
    thread.join(DEADLINE)
    code, line = outcome.code, outcome.line
    if thread.is_alive():
        code, line = _REFUSED, f"scepd-verify-csr: no answer within {DEADLINE:g} seconds"
    print(line, file=sys.stdout if code == _ALLOWED else sys.stderr, flush=True)
    os._exit(code)


class _Outcome:
    """
    What a run comes to; until it is known, a refusal.
    """

    def __init__(self, is_check: bool) -> None:
        self.code = _REFUSED
        self.line = "scepd-verify-csr: it failed itself"
        self._is_check = is_check

    def find(self) -> None:
        """
        Do what was asked for.
        """
        try:
            self._find(read_settings(os.environ))
        except VerifierError as error:
            self.line = f"scepd-verify-csr: {error}"

    def _find(self, settings: Settings) -> None:
        if self._is_check:
            check(settings)
            self.line = f"scepd answers, and has one-time challenges for {settings.ca}"
            self.code = _ALLOWED
        elif ask(settings, sys.stdin.buffer.read(_LARGEST_CSR + 1)):
            self.line = "allowed"
            self.code = _ALLOWED
        else:
            self.line = "scepd-verify-csr: scepd refuses the request; its log tells why"


class _UnixConnection(http.client.HTTPConnection):
    """
    HTTP over a Unix socket.
    """

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=DEADLINE)
        self._path = path

    def connect(self) -> None:
        """
        Connect to the socket.
        """
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(DEADLINE)
        self.sock.connect(self._path)


def _call(settings: Settings, method: str, body: bytes | None) -> dict[str, object]:
    path = f"/api/v1/challenges/verify?ca={quote(settings.ca, safe='')}"
    headers = {"Authorization": f"Bearer {settings.token}", "Content-Type": "application/pkcs10"}
    try:
        prefix, connection = _connection(settings)
        connection.request(method, prefix + path, body, headers)
        answer = connection.getresponse()
        content = answer.read(_LARGEST_ANSWER)
    except TimeoutError:
        # Either of the two clocks may be the first.
        raise VerifierError(f"no answer within {DEADLINE:g} seconds") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        # The texts of these may quote what was received; their kinds say enough.
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise VerifierError(f"{settings.url} can't be reached: {reason}") from None
    if answer.status != 200:
        raise VerifierError(f"{settings.url} answered {answer.status}: {_title(content)}")
    found = _object(content)
    if found is None:
        raise VerifierError(f"{settings.url} answered, but it is not scepd's admin API")
    return found


def _connection(settings: Settings) -> tuple[str, http.client.HTTPConnection]:
    if settings.url.startswith("unix:"):
        return "", _UnixConnection(settings.url.removeprefix("unix:"))
    parts = urlsplit(settings.url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return parts.path, http.client.HTTPConnection(host, parts.port, timeout=DEADLINE)
    context = _context(settings.trusted_certificates)
    return parts.path, http.client.HTTPSConnection(
        host, parts.port, timeout=DEADLINE, context=context
    )


def _context(roots: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=roots)
    except OSError as error:
        raise VerifierError(f"{roots}: it can't be used for https: {error.strerror}") from None


def _title(content: bytes) -> str:
    found = _object(content) or {}
    text = f"{found.get('title', 'no reason')}: {found.get('detail', '')}"
    return "".join(char for char in text if char.isprintable())[:200].rstrip(": ")


def _object(content: bytes) -> dict[str, object] | None:
    try:
        value = json.loads(content)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _file_values(environment: Mapping[str, str]) -> dict[str, str]:
    """
    What the file says; the one of the default place may be missing.
    """
    named = environment.get("SCEPD_VERIFY_CONFIG")
    path = Path(named) if named else DEFAULT_CONFIGURATION
    if not named and not path.exists():
        return {}
    try:
        values = tomllib.loads(_read(path))
    except tomllib.TOMLDecodeError as error:
        raise VerifierError(f"{path}: it is not TOML: {error}") from None
    known = ("url", "token_file", "ca", "trusted_certificates")
    for key, value in values.items():
        if key not in known:
            raise VerifierError(f"{path}: {key!r} is not known; allowed: {', '.join(known)}")
        if not isinstance(value, str):
            raise VerifierError(f"{path}: {key} must be a text")
    return values


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise VerifierError(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise VerifierError(f"{path}: it is not UTF-8") from None


if __name__ == "__main__":
    main()
