"""
A pretend device's HTTP that tells of each request.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

import httpx

from scepd.errors import MessageError
from scepd.plist.reading import read_plist
from scepd.simulator.failures import DeviceError
from scepd.simulator.http import Answer, DeviceHTTP

Tell: TypeAlias = Callable[[str], None]
"""
Told of each step, in a line.
"""
_LARGEST = 16 * 1024 * 1024
_SECONDS = 60.0
_SHOWN_PARTS = 3


class TellingHTTP(DeviceHTTP):
    """
    A client that tells what was asked, and what came back, without what is secret in URLs.

    :param tell: told of each request.
    :param verify: whether, or by which context, the server's TLS certificate is checked.
    :param transport: goes in place of the network.
    :param seconds: for each step of a request.
    """

    def __init__(
        self,
        tell: Tell,
        *,
        verify: bool | ssl.SSLContext = True,
        transport: httpx.BaseTransport | None = None,
        seconds: float = _SECONDS,
    ) -> None:
        super().__init__(verify=verify, transport=transport, seconds=seconds)
        self._tell = tell

    def request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        largest: int = _LARGEST,
    ) -> Answer:
        """
        Send a request, and tell of it.
        """
        what = f"{method:<4} {_place(url)}{_asked(method, url, content)}"
        try:
            answer = super().request(method, url, content=content, headers=headers, largest=largest)
        except DeviceError as error:
            self._tell(f"{what}: {error}")
            raise
        self._tell(f"{what}: {answer.status}{_answered(method, answer)}")
        return answer


def _place(url: str) -> str:
    """
    The server and the beginning of the path: what comes behind may be a token of one use.
    """
    try:
        parts = urlsplit(url)
        path = "/".join(parts.path.split("/")[: _SHOWN_PARTS + 1])
        return f"{parts.hostname or '?'}{path}"
    except ValueError:
        return "?"


def _asked(method: str, url: str, content: bytes | None) -> str:
    if method == "PUT":
        found = _plist(content or b"")
        return f" {found.get('MessageType') or found.get('Status') or ''}"
    operation = parse_qs(url.partition("?")[2]).get("operation", [""])[0]
    return f" {operation}" if operation else ""


def _answered(method: str, answer: Answer) -> str:
    if answer.status != 200:
        return " " + " ".join(answer.body[:200].decode("utf-8", "replace").split())
    command = _plist(answer.body).get("Command") if method == "PUT" and answer.body else None
    if isinstance(command, dict):
        return f", the server asks for {command.get('RequestType')}"
    return ""


def _plist(content: bytes) -> Mapping[str, object]:
    try:
        found = read_plist(content, max_size=_LARGEST)
    except MessageError:
        return {}
    return found if isinstance(found, dict) else {}
