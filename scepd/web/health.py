"""
``/healthz``, ``/readyz`` and ``/metrics``, on the admin listener.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from prometheus_client.exposition import CONTENT_TYPE_LATEST
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from scepd.errors import StorageUnavailable
from scepd.metrics import Metrics
from scepd.ports import Health

_log = Logger()


class HealthResource(Resource):
    """
    ``/healthz``: the process is alive and its reactor turns.
    """

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """
        200, always.
        """
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        return b"alive\n"


class ReadinessResource(Resource):
    """
    ``/readyz``: 200 when requests can be served, 503 when not; JSON that names each part.

    :param parts: name of a part → what is wrong with it, or an empty text; asked at each request. A
        part may be degraded without making the whole unready: its text begins with ``degraded``.
    """

    isLeaf = True

    def __init__(self, database: Health, parts: Mapping[str, Callable[[], str]]) -> None:
        super().__init__()
        self._database = database
        self._parts = parts

    def render_GET(self, request: Request) -> int:
        """
        Ask the database and the other parts.
        """
        answer = Deferred.fromCoroutine(self._answer(request))
        answer.addErrback(self._failed, request)
        return NOT_DONE_YET

    async def _answer(self, request: Request) -> None:
        parts = {name: ask() or "ready" for name, ask in self._parts.items()}
        try:
            await self._database.ping()
            parts["database"] = "ready"
        except StorageUnavailable as error:
            parts["database"] = str(error)
        status = _status_of(parts)
        self._write(request, 503 if status == "not ready" else 200, status, parts)

    def _failed(self, failure: Failure, request: Request) -> None:
        _log.failure("Readiness could not be told", failure)
        self._write(request, 503, "not ready", {})

    def _write(self, request: Request, code: int, status: str, parts: Mapping[str, str]) -> None:
        if request.channel is None:
            return
        body = json.dumps({"status": status, "parts": parts}).encode() + b"\n"
        request.setResponseCode(code)
        request.setHeader(b"Content-Type", b"application/json")
        request.setHeader(b"Content-Length", b"%d" % len(body))
        request.write(body)
        request.finish()


def _status_of(parts: Mapping[str, str]) -> str:
    worse = [text for text in parts.values() if text != "ready"]
    if not all(text.startswith("degraded") for text in worse):
        return "not ready"
    return "degraded" if worse else "ready"


class MetricsResource(Resource):
    """
    ``/metrics``, in Prometheus' text format.
    """

    isLeaf = True

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    def render_GET(self, request: Request) -> bytes:
        """
        All of them.
        """
        request.setHeader(b"Content-Type", CONTENT_TYPE_LATEST.encode("ascii"))
        return self._metrics.exposition()
