"""
Ours, as an operator gets it: Deferreds, deadlines, metrics.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from twisted.internet import epollreactor

epollreactor.install()

from twisted.internet import reactor as installed_reactor  # noqa: E402
from twisted.internet.defer import Deferred  # noqa: E402
from twisted.internet.task import react  # noqa: E402

from scepd.apns.credentials import load_credentials  # noqa: E402
from scepd.apns.notification import Notification  # noqa: E402
from scepd.apns.outcome import PushOutcome  # noqa: E402
from scepd.metrics import Metrics  # noqa: E402
from scepd.network.apns_client import APNsClient  # noqa: E402
from scepd.network.apns_limits import APNsLimits  # noqa: E402
from scepd.network.apns_route import APNsRoute  # noqa: E402
from scepd.services.apple_answers import AppleAnswers  # noqa: E402
from scripts.bench_apns.load import (  # noqa: E402
    EXPIRATION,
    TOPIC,
    Job,
    Load,
    both_loads,
    read_job,
    tell,
)

reactor: Any = installed_reactor


class Sender:
    """
    Keeps ``in_flight`` pushes out.
    """

    def __init__(self, client: APNsClient, in_flight: int) -> None:
        self._client = client
        self._in_flight = in_flight
        self._load: Load
        self._over: Deferred[None]

    def run(self, load: Load) -> Deferred[None]:
        """
        Send all of a load, and wait for the answers.
        """
        self._load, self._over = load, Deferred()
        for _ in range(self._in_flight):
            self._push()
        return self._over

    def _push(self) -> None:
        push = self._load.next()
        if push is None:
            if not self._load.out:
                self._over.callback(None)
            return
        notification = Notification(push.token, TOPIC, push.push_magic, push.apns_id, EXPIRATION)
        self._client.push(notification).addCallback(self._answered)

    def _answered(self, outcome: PushOutcome) -> None:
        self._load.answered(outcome.status or outcome.reason)
        self._push()


async def _run(job: Job) -> None:
    pem = Path(job.certificate).read_bytes()
    route = APNsRoute(reactor, "localhost", job.port, Path(job.roots).read_bytes())
    credentials = load_credentials(pem, pem)
    limits = APNsLimits(max_streams=job.in_flight, max_connections=1)
    metrics = AppleAnswers(Metrics(), reactor)
    client = APNsClient(reactor, route, credentials, limits, random.random, metrics=metrics)
    client.start()
    sender = Sender(client, job.in_flight)
    for load in both_loads(job):
        await sender.run(load)
    tell(load.measured())
    await client.close()


def main() -> None:
    """
    Run it as a program.
    """
    job = read_job()
    react(lambda _: Deferred.fromCoroutine(_run(job)))


if __name__ == "__main__":
    main()
