"""
Where a certificate authority's URL leads.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import idna

# What may stand in a path (RFC 3986 section 3.3); escapes that are there already stay as they are.
_IN_PATH = "/%:@!$&'()*+,;=~"


@dataclass(frozen=True, slots=True)
class Destination:
    """
    The parts of an http or https URL, ready for the wire.

    :param host: ASCII, an IPv6 address without its brackets.
    :param authority: the value of the Host header (RFC 9110 section 7.2).
    :param path: absolute and percent-encoded.
    :param through_proxy: whether an HTTP proxy reads its requests.
    """

    secure: bool
    host: str
    port: int
    authority: bytes
    path: bytes
    through_proxy: bool = False

    @property
    def request_target(self) -> bytes:
        """
        What stands in the request line before the query: a proxy needs the whole URL (RFC 9112
        section 3.2.2).
        """
        return b"http://" + self.authority + self.path if self.through_proxy else self.path

    @property
    def host_and_port(self) -> bytes:
        """
        What CONNECT asks for (RFC 9112 section 3.2.3).
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}".encode("ascii")

    @classmethod
    def of(cls, url: str) -> Destination:
        """
        Take ``url`` apart; its query, fragment and user are left out.

        :raises ValueError: it is not a URL of these two schemes with a host.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it is not an http or https URL with a host")
        secure = parts.scheme == "https"
        usual = 443 if secure else 80
        host = parts.hostname
        if not host.isascii():
            host = idna.encode(host, uts46=True).decode("ascii")
        port = usual if parts.port is None else parts.port
        authority = f"[{host}]" if ":" in host else host
        if port != usual:
            authority += f":{port}"
        path = quote(parts.path, safe=_IN_PATH) or "/"
        return cls(secure, host, port, authority.encode("ascii"), path.encode("ascii"))


def host_of(url: str) -> str:
    """
    The host in ``url`` for sentences; the URL itself when it has none.
    """
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url
