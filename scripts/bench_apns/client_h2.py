"""
A straightforward client on h2, with a blocking socket and nothing besides: no deadlines, no queue.
"""

from __future__ import annotations

import socket
import ssl

from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset

from scripts.bench_apns.load import EXPIRATION, TOPIC, Job, Load, Push, both_loads, read_job, tell


class Client:
    """
    One connection.
    """

    def __init__(self, job: Job) -> None:
        context = ssl.create_default_context(cafile=job.roots)
        context.load_cert_chain(job.certificate)
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", job.port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(plain, server_hostname="localhost")
        self._in_flight = job.in_flight
        self._h2 = H2Connection()
        self._h2.initiate_connection()
        self._statuses: dict[int, int] = {}
        self._load: Load
        self._flush()
        self._receive()

    def run(self, load: Load) -> None:
        """
        Send all of a load, and wait for the answers.
        """
        self._load = load
        while True:
            while load.out < self._in_flight and (push := load.next()) is not None:
                self._send(push)
            self._flush()
            if not load.out:
                return
            self._receive()

    def _send(self, push: Push) -> None:
        stream_id = self._h2.get_next_available_stream_id()
        headers = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", f"/3/device/{push.token_hex}"),
            ("apns-topic", TOPIC),
            ("apns-push-type", "mdm"),
            ("apns-priority", "10"),
            ("apns-id", push.apns_id),
            ("apns-expiration", str(EXPIRATION)),
        ]
        self._h2.send_headers(stream_id, headers)
        self._h2.send_data(stream_id, f'{{"mdm":"{push.push_magic}"}}'.encode(), end_stream=True)

    def _flush(self) -> None:
        self._socket.sendall(self._h2.data_to_send())

    def _receive(self) -> None:
        for event in self._h2.receive_data(self._socket.recv(65_536)):
            if isinstance(event, ResponseReceived):
                self._statuses[event.stream_id] = int(dict(event.headers)[b":status"])
            elif isinstance(event, DataReceived):
                size = event.flow_controlled_length
                self._h2.acknowledge_received_data(size, event.stream_id)
            elif isinstance(event, StreamEnded):
                self._load.answered(self._statuses.pop(event.stream_id))
            elif isinstance(event, StreamReset) and event.stream_id in self._statuses:
                self._load.answered(f"reset: {event.error_code}")


def main() -> None:
    """
    Run it as a program.
    """
    job = read_job()
    client = Client(job)
    for load in both_loads(job):
        client.run(load)
    tell(load.measured())


if __name__ == "__main__":
    main()
