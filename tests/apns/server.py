"""
The server's end of a connection in memory: h2, steered by the test.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from h2 import events as h2_events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from scepd.apns.engine import PushEngine
from scepd.apns.events import Event


class Server:
    """
    Answers an engine.

    :ivar bodies: what came so far of each stream's body.
    :ivar ended: the streams whose request is complete, in order.
    """

    def __init__(self, engine: PushEngine, *, max_streams: int = 1000, window: int = 65535) -> None:
        self.engine = engine
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: max_streams,
                SettingCodes.INITIAL_WINDOW_SIZE: window,
            },
        )
        self.events: list[h2_events.Event] = []
        self.bodies: dict[int, bytes] = {}
        self.ended: list[int] = []

    def start(self) -> list[Event]:
        """
        Shake hands; the engine is ready then.
        """
        self.h2.initiate_connection()
        return self.exchange()

    def read(self) -> None:
        """
        Take what the engine has sent.
        """
        for event in self.h2.receive_data(self.engine.data_to_send()):
            self.events.append(event)
            if isinstance(event, h2_events.DataReceived):
                self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + event.data
            elif isinstance(event, h2_events.StreamEnded):
                self.ended.append(event.stream_id)

    def exchange(self) -> list[Event]:
        """
        Carry bytes both ways until there are none; returns the engine's events.
        """
        found: list[Event] = []
        while True:
            self.read()
            data = self.h2.data_to_send()
            if not data:
                return found
            found += self.engine.receive(data)

    def during(self, act: Callable[[], object]) -> list[Event]:
        """
        The engine's events after the server did something.
        """
        act()
        return self.exchange()

    def reply(
        self, stream_id: int, status: int = 200, reason: str | None = None, **more: object
    ) -> None:
        """
        Answer a push.
        """
        body = b"" if reason is None else json.dumps({"reason": reason, **more}).encode()
        headers = [(":status", str(status)), ("apns-id", f"id-{stream_id}")]
        self.h2.send_headers(stream_id, headers, end_stream=not body)
        if body:
            self.h2.send_data(stream_id, body, end_stream=True)

    def credit(self, size: int, stream_id: int | None = None) -> None:
        """
        Let the engine send more.
        """
        self.h2.increment_flow_control_window(size, stream_id)


def go_away(last_stream_id: int, reason: str | None = None) -> bytes:
    """
    A GOAWAY frame; h2 itself would answer nothing more after one.
    """
    frame = GoAwayFrame(0, last_stream_id=last_stream_id)
    frame.additional_data = b"" if reason is None else json.dumps({"reason": reason}).encode()
    return frame.serialize()
