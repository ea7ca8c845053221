"""
Where the server is, and one call to it.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

import click
import httpx

from scepd.ctl.failures import NotAuthenticated, Refused, Unreachable
from scepd.ctl.json_values import JsonValue

DEFAULT_SERVER = "http://127.0.0.1:8081"
DEFAULT_TOKEN_FILE = Path("etc/admin.token")

JSONObject: TypeAlias = "dict[str, JsonValue]"
Parameters: TypeAlias = Mapping[str, str | list[str]]
"""
Of a query; one with a list is given several times.
"""

# The live check of a certificate authority may be configured to take up to 300 seconds.
_TIMEOUT = httpx.Timeout(10.0, read=330.0)


@dataclass(frozen=True, slots=True)
class Connection:
    """
    How the server is reached.

    :param server: ``http://…``, ``https://…`` or ``unix:/path``.
    :param token_file: the file that holds the API token.
    :param transport: in place of the network, for tests.
    """

    server: str = DEFAULT_SERVER
    token_file: Path = DEFAULT_TOKEN_FILE
    transport: httpx.BaseTransport | None = None

    def get(self, *path: str, parameters: Parameters | None = None) -> JSONObject:
        """
        Read a JSON object.

        :param path: the parts of the path below ``/api/v1``; they are escaped here.
        :raises click.ClickException: it could not be had; with the exit code that says why.
        """
        return _object(self.send("GET", *path, parameters=parameters))

    def post(
        self,
        *path: str,
        content: bytes | None = None,
        json: JsonValue = None,
        parameters: Parameters | None = None,
    ) -> JSONObject:
        """
        Send bytes, or ``json``, and read a JSON object.

        :raises click.ClickException: as :meth:`get`.
        """
        answer = self.send("POST", *path, content=content, json=json, parameters=parameters)
        return _object(answer)

    def patch(self, *path: str, json: JsonValue) -> JSONObject:
        """
        Send changes and read a JSON object.

        :raises click.ClickException: as :meth:`get`.
        """
        return _object(self.send("PATCH", *path, json=json))

    def put(self, *path: str, content: bytes | None = None, json: JsonValue = None) -> JSONObject:
        """
        Send bytes, or ``json``, in place of what is there, and read a JSON object.

        :raises click.ClickException: as :meth:`get`.
        """
        return _object(self.send("PUT", *path, content=content, json=json))

    def delete(self, *path: str, parameters: Parameters | None = None) -> None:
        """
        Delete something.

        :raises click.ClickException: as :meth:`get`.
        """
        self.send("DELETE", *path, parameters=parameters)

    def readiness(self) -> JSONObject:
        """
        What ``/readyz`` says, whether that is good or bad.

        :raises click.ClickException: there is no scepd, or no API token.
        """
        with self._client() as client:
            return _object(self._request(client, "GET", "/readyz"))

    def items(self, *path: str, parameters: Parameters | None = None) -> Iterator[JSONObject]:
        """
        Everything that a list holds, page after page.

        :raises click.ClickException: as :meth:`get`.
        """
        after: JsonValue = ""
        wanted = {"limit": "200", **(parameters or {})}
        while after is not None:
            page = self.get(*path, parameters=wanted | {"after": str(after)})
            yield from objects(page, "items")
            after = page.get("next")

    def require_host(self, uuid: str | None) -> None:
        """
        Refuse a host that the server does not know: of a mistyped one any list is empty, which
        looks as if all were well.

        :param uuid: None: any.
        :raises click.ClickException: as :meth:`get`.
        """
        if uuid is not None:
            self.get("hosts", uuid)

    def send(
        self,
        method: str,
        *path: str,
        content: bytes | None = None,
        json: JsonValue = None,
        parameters: Parameters | None = None,
    ) -> httpx.Response:
        """
        Send a request and return the good answer to it.

        :raises click.ClickException: as :meth:`get`.
        """
        try:
            url = "/api/v1/" + "/".join(quote(part, safe="") for part in path)
            with self._client() as client:
                answer = self._request(
                    client, method, url, content=content, json=json, parameters=parameters
                )
        except UnicodeEncodeError:
            # Bytes of the command line that the locale's encoding does not have.
            raise click.UsageError(
                "An argument is no text in the encoding of the locale."
            ) from None
        _check(answer, self.server)
        return answer

    def _request(
        self,
        client: httpx.Client,
        method: str,
        url: str,
        content: bytes | None = None,
        json: JsonValue = None,
        parameters: Parameters | None = None,
    ) -> httpx.Response:
        try:
            return client.request(method, url, content=content, json=json, params=parameters)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"{self.server} can't be reached: {error}") from None

    def _client(self) -> httpx.Client:
        transport = self.transport
        base = self.server
        if base.startswith("unix:"):
            transport = transport or httpx.HTTPTransport(uds=base.removeprefix("unix:"))
            base = "http://localhost"
        # No proxy from the environment: the token is for the server alone.
        return httpx.Client(
            base_url=base,
            headers={"authorization": f"Bearer {self._token()}"},
            transport=transport,
            timeout=_TIMEOUT,
            trust_env=False,
            verify=_trust(base),
        )

    def _token(self) -> str:
        try:
            token = self.token_file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not ASCII"
            raise NotAuthenticated(
                f"{self.token_file}: can't be read: {reason}; "
                "`scepctl init` makes the first API token, --token-file names another file"
            ) from None
        if not token or not token.isprintable() or " " in token:
            raise NotAuthenticated(f"{self.token_file}: it holds no API token")
        return token


def checked_server(server: str) -> str:
    """
    A server's address as an option brought it.

    :raises click.BadParameter: it has none of the three forms.
    """
    if server.startswith("unix:/"):
        return server
    if server.startswith(("http://", "https://")):
        return server.rstrip("/")
    raise click.BadParameter(f"{server!r} is not http://…, https://… or unix:/path")


def _trust(server: str) -> ssl.SSLContext:
    """
    What says which servers are trusted over TLS: without TLS nothing needs to read whom this system
    trusts, which takes as long as the rest of a call.
    """
    if server.startswith("https:"):
        return ssl.create_default_context()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def objects(value: JSONObject, key: str) -> list[JSONObject]:
    """
    The objects in the list ``key`` of an answer.
    """
    found = value.get(key)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _object(answer: httpx.Response) -> JSONObject:
    try:
        value = answer.json()
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Unreachable("the server's answer is not one of scepd's admin API")
    return value


def _check(answer: httpx.Response, server: str) -> None:
    if answer.is_success:
        return
    if "problem+json" not in answer.headers.get("content-type", ""):
        raise Unreachable(
            f"{server} answered with status {answer.status_code}; it is not scepd's admin API"
        )
    problem = _object(answer)
    if answer.status_code == 401:
        raise NotAuthenticated(f"{problem.get('title')}: {problem.get('detail')}")
    faults = [(str(e.get("field")), str(e.get("message"))) for e in objects(problem, "errors")]
    raise Refused(str(problem.get("title")), str(problem.get("detail")), faults)
