"""
The device's HTTP: short requests, each with a deadline.
"""

from __future__ import annotations

import httpx

from scepd.simulator.failures import DeviceError

_SECONDS = 60.0


class DeviceHTTP:
    """
    A connection to one server, kept alive.

    :param verify: whether the server's TLS certificate is checked.
    """

    def __init__(self, *, verify: bool = True) -> None:
        self._client = httpx.Client(timeout=_SECONDS, verify=verify, trust_env=False)

    def request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """
        Send a request and return its answer, whatever its status.

        :raises DeviceError: no answer came.
        """
        try:
            return self._client.request(method, url, content=content, headers=headers)
        except httpx.HTTPError as error:
            # Not the URL: it may hold a token.
            raise DeviceError(f"{method}: no answer: {type(error).__name__}") from None

    def expect(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> bytes:
        """
        Send a request and return the body of its answer.

        :raises DeviceError: no answer came, or one that is not 200.
        """
        answer = self.request(method, url, content=content, headers=headers)
        if answer.status_code != 200:
            text = answer.text.strip()[:200]
            raise DeviceError(f"{method}: HTTP {answer.status_code}: {text}", answer.status_code)
        return answer.content

    def close(self) -> None:
        """
        End the connection.
        """
        self._client.close()
