"""
aioapns, with one connection. What is changed: where it connects to, and that an answer belongs to
the request of its stream, for this server sends no apns-id.
"""

from __future__ import annotations

import asyncio
import ssl

from aioapns import APNs, NotificationRequest, PushType
from aioapns.common import NotificationResult
from aioapns.connection import APNsProductionClientProtocol

from scripts.bench_apns.load import TOPIC, Job, Load, both_loads, read_job, tell

_WEEK = 7 * 86_400


class Protocol(APNsProductionClientProtocol):
    """
    A connection; only answers of 200 are known.
    """

    APNS_SERVER = "localhost"

    def on_response_received(self, headers: dict[bytes, bytes]) -> None:
        """
        The status and header fields of an answer.
        """
        if headers[b":status"] != b"200":
            raise RuntimeError(f"answered {headers[b':status'].decode()}")

    def on_data_received(self, raw_data: bytes, stream_id: int) -> None:
        """
        A part of an answer's body.
        """

    def on_stream_ended(self, stream_id: int) -> None:
        """
        An answer is whole.
        """
        request_id = self.request_streams.pop(stream_id)
        self.requests.pop(request_id).set_result(NotificationResult(request_id, "200"))
        super().on_stream_ended(stream_id)


async def _push_on(client: APNs, load: Load) -> None:
    while (push := load.next()) is not None:
        request = NotificationRequest(
            device_token=push.token_hex,
            message={"mdm": push.push_magic},
            notification_id=push.apns_id,
            time_to_live=_WEEK,
            priority=10,
            push_type=PushType.MDM,
        )
        result = await client.send_notification(request)
        load.answered(int(result.status))


async def _run(job: Job) -> None:
    context = ssl.create_default_context(cafile=job.roots)
    context.set_alpn_protocols(["h2"])
    client = APNs(client_cert=job.certificate, topic=TOPIC, max_connections=1, ssl_context=context)
    client.pool.protocol_class = Protocol
    # Else the pushes that wait for the connection are let in one by one, while others go on.
    await client.pool.acquire()
    for load in both_loads(job):
        await asyncio.gather(*(_push_on(client, load) for _ in range(job.in_flight)))
    tell(load.measured())


def main() -> None:
    """
    Run it as a program.
    """
    job = read_job()
    Protocol.APNS_PORT = job.port
    asyncio.run(_run(job))


if __name__ == "__main__":
    main()
