"""
Pushes to nghttpd over TLS: an HTTP/2 server that is not ours, with settings that are not Apple's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from scepd.apns.credentials import load_credentials
from scepd.apns.outcome import OutcomeKind, PushOutcome
from scepd.network.apns_client import APNsClient
from scepd.network.apns_limits import APNsLimits
from scepd.network.apns_route import APNsRoute
from tests.apns.notifications import TOPIC, notification, token
from tests.support.apns_sender import as_deferred
from tests.support.nghttpd import Nghttpd
from tests.support.processes import PATIENCE

reactor: Any = installed_reactor
_COUNT = 200
_APNS_ID = re.compile(r"recv \(stream_id=\d+(?:, sensitive)?\) apns-id: (\S+)")
_LENGTH = re.compile(r"recv DATA frame <length=(\d+), ")


class InteropTests(TestCase):
    """
    Tests with one setting each.
    """

    timeout = 120

    def start(self, *options: str, content: str = "") -> None:
        """
        Start the server, and make a client.
        """
        devices = (token(number).hex() for number in range(_COUNT))
        folder = Path(self.mktemp()).absolute()
        self.server = Nghttpd(folder, TOPIC, devices, ["--verbose", *options], content)
        self.addCleanup(self.server.stop)
        pem = self.server.certificate.read_bytes()
        route = APNsRoute(reactor, "localhost", self.server.port, self.server.roots.read_bytes())
        credentials = load_credentials(pem, pem)
        self.client = APNsClient(reactor, route, credentials, APNsLimits(), Random(1).random)
        self.addCleanup(lambda: as_deferred(self.client.close()))

    def push(self, numbers: Sequence[int], magic: str = "") -> Deferred[list[PushOutcome]]:
        """
        Push to some devices at once.
        """
        pushes = [notification(number, magic=magic) for number in numbers]
        outcomes = gatherResults([as_deferred(self.client.push(one)) for one in pushes])
        return outcomes.addTimeout(PATIENCE, reactor)

    async def all_come(self, magic: str = "") -> str:
        """
        Push to each device twice: each push is taken, and came once, with all of its body.

        :returns: what the server has printed.
        """
        for _ in range(2):
            outcomes = await self.push(range(_COUNT), magic)
            self.assertEqual({one.kind for one in outcomes}, {OutcomeKind.DONE})
        await as_deferred(self.client.close())
        self.server.stop()
        shown = self.server.output
        came = Counter(_APNS_ID.findall(shown))
        sent = [notification(number, magic=magic) for number in range(_COUNT)]
        self.assertEqual(came, Counter({one.apns_id: 2 for one in sent}))
        length = 2 * sum(len(one.body()) for one in sent)
        self.assertEqual(sum(map(int, _LENGTH.findall(shown))), length)
        return shown

    async def test_one_stream(self) -> None:
        """
        One push at a time on a connection.
        """
        self.start("-m", "1")
        shown = await self.all_come()
        self.assertIn("SETTINGS_MAX_CONCURRENT_STREAMS(0x03):1]", shown)

    async def test_hundred_streams(self) -> None:
        """
        Fewer streams than pushes.
        """
        self.start("-m", "100")
        shown = await self.all_come()
        self.assertIn("SETTINGS_MAX_CONCURRENT_STREAMS(0x03):100]", shown)

    async def test_small_windows(self) -> None:
        """
        1,023 octets for a stream and, after the first 65,535, for a connection.
        """
        self.start("-m", "1000", "-w", "10", "-W", "10")
        shown = await self.all_come("m" * 400)
        self.assertIn("SETTINGS_INITIAL_WINDOW_SIZE(0x04):1023]", shown)

    async def test_smaller_than_body(self) -> None:
        """
        1,023 octets for a stream: bodies of 3,000 go out in pieces.
        """
        self.start("-m", "1000", "-w", "10", "-W", "16")
        shown = await self.all_come("m" * 3000)
        self.assertIn("SETTINGS_INITIAL_WINDOW_SIZE(0x04):1023]", shown)

    async def test_large_windows(self) -> None:
        """
        1 MiB for a stream, 16 MiB for a connection.
        """
        self.start("-m", "1000", "-w", "20", "-W", "24")
        shown = await self.all_come("m" * 3000)
        self.assertIn("SETTINGS_INITIAL_WINDOW_SIZE(0x04):1048575]", shown)

    async def test_no_header_table(self) -> None:
        """
        Neither side may index header fields.
        """
        self.start("-m", "1000", "-c", "0", "--encoder-header-table-size", "0")
        shown = await self.all_come()
        self.assertIn("SETTINGS_HEADER_TABLE_SIZE(0x01):0]", shown)

    async def test_large_header_table(self) -> None:
        """
        64 KiB of header table both ways.
        """
        self.start("-m", "1000", "-c", "65536", "--encoder-header-table-size", "65536")
        shown = await self.all_come()
        self.assertIn("SETTINGS_HEADER_TABLE_SIZE(0x01):65536]", shown)

    async def test_padding(self) -> None:
        """
        Answers are padded.
        """
        self.start("-m", "1000", "-b", "255", content="x" * 300)
        shown = await self.all_come()
        self.assertIn("PADDED", shown)

    async def test_trailers(self) -> None:
        """
        After its body an answer has more header fields.
        """
        self.start("-m", "1000", "--trailer", "foo: bar", content="x" * 300)
        await self.all_come()

    async def test_continuation(self) -> None:
        """
        Header fields that need CONTINUATION are more than we allow; no push hangs.
        """
        self.start("-m", "1000", "--trailer", f"foo: {'~' * 20_000}", content="x" * 300)
        outcomes = await self.push(range(10))
        kinds = {one.kind for one in outcomes}
        self.assertLessEqual(kinds, {OutcomeKind.DONE, OutcomeKind.RETRY})
        self.assertEqual({one.sent for one in outcomes}, {True})

    async def test_not_found(self) -> None:
        """
        A device without a file is 404, which has a page as its body and concerns nobody else.
        """
        self.start("-m", "1000", "--error-gzip")
        *found, missing = await self.push(range(_COUNT + 1))
        self.assertEqual({one.kind for one in found}, {OutcomeKind.DONE})
        self.assertEqual((missing.kind, missing.status), (OutcomeKind.PERMANENT, 404))
