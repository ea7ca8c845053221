"""
Tests for osquery's TLS API as agents meet it.
"""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from scepd.model import Delivery, DeviceDetails
from scepd.osquery.distributed import CERTIFICATES, PROFILES, QUERIES, inventory_queries
from scepd.profiles.lifecycle import Event
from scepd.services.rendering import ProfileRendering
from scepd.services.verification_agents import Agents
from scepd.web.osquery import OsqueryAPI
from scepd.web.streaming import StreamingSite
from tests.support.fake_inventories import FakeInventories, make_verification
from tests.support.fake_mdm import FakeVerification
from tests.support.fake_mdm_world import (
    EXTERNAL_URL,
    KEYRING,
    NOW,
    authority,
    host,
    scep_profile,
)
from tests.support.fakes import (
    FakeCertificateAuthorities,
    FakeHostChanges,
    FakeHosts,
    InlineWorkers,
)
from tests.support.http_device import DeviceEnd, HTTPAnswer

SECRET = "enroll-secret"
INVALID = {"node_invalid": True}
PROFILE = scep_profile("a3f2b8a1c-0000-4000-8000-000000000001")


class OsqueryTestCase(SynchronousTestCase):
    """
    The API with one host that MDM knows.
    """

    def setUp(self) -> None:
        """
        Mount the API at both of its places.
        """
        self.clock = Clock()
        self.clock.advance(NOW.timestamp() + 120)
        self.store = FakeVerification(known_hosts=["UDID-1"])
        self.secret = SECRET
        workers = InlineWorkers()
        authorities = FakeCertificateAuthorities(by_name={"CORP": authority()})
        rendering = ProfileRendering(authorities, lambda: KEYRING, workers, EXTERNAL_URL)
        verification = make_verification(
            self.store,
            FakeInventories(),
            FakeHosts(by_uuid={"UDID-1": host()}),
            rendering,
            authorities,
            self.clock,
        )
        self.host_changes = FakeHostChanges(FakeHosts())
        agents = Agents(
            self.store,
            lambda: self.secret,
            self.clock,
            lambda count: b"k" * count,
            self.host_changes,
        )
        osquery = OsqueryAPI(agents, verification, workers)
        root, api, first = Resource(), Resource(), Resource()
        root.putChild(b"api", api)
        api.putChild(b"osquery", osquery.resource())
        api.putChild(b"v1", first)
        first.putChild(b"osquery", osquery.resource())
        self.site = StreamingSite(
            root, reactor=self.clock, body_limit=10_000_000, request_timeout=30
        )

    def send(self, path: str, body: bytes, method: bytes = b"POST") -> HTTPAnswer:
        """
        Send a request.
        """
        device = DeviceEnd(self.site)
        device.send(
            b"%b /api/%b HTTP/1.1\r\nHost: scepd\r\nContent-Length: %d\r\n\r\n"
            % (method, path.encode(), len(body)),
            body,
        )
        return device.answer()

    def post(self, path: str, **body: object) -> object:
        """
        Send JSON, and read the answer's.
        """
        answer = self.send(f"osquery/{path}", json.dumps(body).encode())
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["content-type"], "application/json")
        return json.loads(answer.body)

    def enroll(self, secret: str = SECRET, uuid: str = "udid-1") -> object:
        """
        Enroll an agent.
        """
        system = {"system_info": {"uuid": uuid}}
        return self.post(
            "enroll", enroll_secret=secret, host_identifier="mac.local", host_details=system
        )

    def node_key(self) -> str:
        """
        The node key of an agent that is enrolled.
        """
        answer = self.enroll()
        assert isinstance(answer, dict)
        key = answer["node_key"]
        assert isinstance(key, str)
        return key


class AgentTests(OsqueryTestCase):
    """
    Tests for who is listened to.
    """

    def test_enroll(self) -> None:
        """
        An agent with the secret, on a host that MDM knows, gets a node key, of which the SHA-256 is
        stored; the case of the UUID does not matter.
        """
        key = self.node_key()
        self.assertEqual(len(key), 32)
        self.assertEqual(self.store.agents, {sha256(key.encode()).hexdigest(): "UDID-1"})

    def test_details(self) -> None:
        """
        What the agent tells of its host is kept, by the UUID that MDM knows; of an agent that is
        refused nothing is.
        """
        details = {
            "system_info": {"uuid": "udid-1", "hardware_serial": "C02"},
            "os_version": {"platform": "darwin", "version": "15.3.1"},
        }
        self.post("enroll", enroll_secret="wrong", host_identifier="x", host_details=details)
        self.assertEqual(self.host_changes.learned, [])
        self.post("enroll", enroll_secret=SECRET, host_identifier="x", host_details=details)
        expected = DeviceDetails("macos", "C02", "", "15.3.1")
        self.assertEqual(self.host_changes.learned, [("UDID-1", expected)])

    def test_refused(self) -> None:
        """
        A wrong secret, or a host that MDM does not know, is told to come again.
        """
        for answer in (
            self.enroll("wrong"),
            self.enroll("\ud800"),
            self.enroll(uuid="UDID-2"),
            self.enroll(uuid=""),
        ):
            self.assertEqual(answer, INVALID)
        self.assertEqual(self.store.agents, {})

    def test_no_secret(self) -> None:
        """
        Without a secret of ours nobody gets in.
        """
        self.secret = ""
        answer = self.send("osquery/enroll", b'{"enroll_secret": ""}')
        self.assertEqual(answer.status, 400)
        self.assertEqual(self.enroll("x"), INVALID)

    def test_no_secret_in_logs(self) -> None:
        """
        Neither secret nor node key is logged.
        """
        with capturedLogs() as events:
            key = self.node_key()
            self.enroll("wrong-" + SECRET)
        self.assertNotIn(SECRET, repr(events))
        self.assertNotIn(key, repr(events))

    def test_unknown_node_key(self) -> None:
        """
        An agent that is not known, or has a newer node key, is told to enroll.
        """
        for path in ("config", "log", "distributed/read", "distributed/write"):
            for key in ("unknown", "x" * 4000):
                self.assertEqual(self.post(path, node_key=key), INVALID)

    def test_config_and_log(self) -> None:
        """
        Nothing is scheduled, and logs are dropped.
        """
        key = self.node_key()
        self.assertEqual(self.post("config", node_key=key), {"schedule": {}, "node_invalid": False})
        log = self.post("log", node_key=key, log_type="status", data=["x" * 2_000_000])
        self.assertEqual(log, {"node_invalid": False})

    def test_first_version(self) -> None:
        """
        The API is at both of its places.
        """
        body = json.dumps({"node_key": self.node_key()}).encode()
        self.assertEqual(self.send("v1/osquery/config", body).status, 200)

    def test_bad_requests(self) -> None:
        """
        What is not POST, no JSON or without a node key is refused; elsewhere there is nothing.
        """
        answer = self.send("osquery/enroll", b"", b"GET")
        self.assertEqual((answer.status, answer.headers["allow"]), (405, "POST"))
        for body in (b"", b"[]", b"{}", b"\xff", b"[" * 100_000):
            self.assertEqual(self.send("osquery/distributed/write", body).status, 400)
        self.assertEqual(self.send("osquery/nonsense", b"{}").status, 404)

    def test_storage_unavailable(self) -> None:
        """
        While the database is down agents are told to try again.
        """
        self.store.broken = True
        answer = self.send("osquery/config", b'{"node_key": "x"}')
        self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "5"))


class InventoryTests(OsqueryTestCase):
    """
    Tests for distributed queries.
    """

    def setUp(self) -> None:
        """
        Let the host have acknowledged a profile.
        """
        super().setUp()
        self.key = self.node_key()
        self.store.of_host["UDID-1"] = [
            Delivery(
                profile_uuid=PROFILE.uuid,
                profile_identifier=PROFILE.identifier,
                content=PROFILE.content,
                ca_name="CORP",
                status="verifying",
                delivered_at=NOW,
                acknowledged_at=NOW + timedelta(seconds=60),
                window_opened_at=NOW,
                granted=False,
                known_sha1s=frozenset(),
            )
        ]

    def read(self) -> object:
        """
        The queries that are handed out.
        """
        answer = self.post("distributed/read", node_key=self.key)
        assert isinstance(answer, dict)
        return answer["queries"]

    def write(self, profiles: object, certificates: object, status: object = 0) -> list[Event]:
        """
        Write rows; what happens then.
        """
        answer = self.post(
            "distributed/write",
            node_key=self.key,
            queries={PROFILES: profiles, CERTIFICATES: certificates},
            statuses={PROFILES: status, CERTIFICATES: 0},
        )
        self.assertEqual(answer, {"node_invalid": False})
        events, self.store.events = self.store.events, []
        return [event.event for event in events]

    def profile(self) -> dict[str, str]:
        """
        A row of the profile.
        """
        return {
            "display_name": "Example",
            "identifier": PROFILE.identifier,
            "install_date": f"{NOW:%Y-%m-%d %H:%M:%S} +0000",
        }

    def certificate(self, **changes: str) -> dict[str, str]:
        """
        A row of its certificate.
        """
        row = {
            "common_name": "C02ABC",
            "subject": f"/CN=C02ABC/OU=fleet-{PROFILE.uuid}",
            "subject2": f"CN = C02ABC, OU = fleet-{PROFILE.uuid}",
            "issuer": "/CN=CORP CA",
            "issuer2": "CN = CORP CA",
            "serial": "0A0B",
            "sha1": "ab" * 20,
            "not_valid_before": f"{NOW.timestamp():.0f}",
            "not_valid_after": f"{NOW.timestamp() + 86_400 * 365:.0f}",
            "path": "/Library/Keychains/System.keychain",
        }
        return row | changes

    def test_queries(self) -> None:
        """
        The queries are handed out once an hour, each apart.
        """
        self.assertEqual(self.read(), dict(QUERIES))
        self.assertEqual(self.read(), {})
        self.clock.advance(3600)
        self.assertEqual(self.read(), dict(QUERIES))

    def test_users(self) -> None:
        """
        The users who get profiles of the host are asked for by their names.
        """
        self.store.users["UDID-1"] = ["ann"]
        self.assertEqual(self.read(), dict(inventory_queries(["ann"])))

    def test_proof(self) -> None:
        """
        Rows that show profile and certificate verify it; the steps are logged.
        """
        with capturedLogs() as logged:
            self.read()
            events = self.write([self.profile()], [self.certificate()])
        self.assertEqual(events, [Event.INVENTORY_PROVED])
        [record] = self.store.recorded
        self.assertEqual((record.sha1, record.serial), ("ab" * 20, "0A0B"))
        self.assertEqual(record.subject, f"CN = C02ABC, OU = fleet-{PROFILE.uuid}")
        steps = [(event["step"], event["host"]) for event in logged if "step" in event]
        self.assertEqual(steps, [(f"B{number}", "UDID-1") for number in range(28, 33)])

    def test_odd_rows(self) -> None:
        """
        Rows that make no sense spoil nothing.
        """
        odd: list[object] = [
            {},
            "text",
            None,
            self.certificate(sha1="nonsense"),
            self.certificate(not_valid_before=""),
            self.certificate(not_valid_after="99999999999999999999"),
            self.certificate(subject="", subject2="=\\", sha1="cd" * 20),
        ]
        rows = [{"identifier": ""}, [], 5, self.profile()]
        events = self.write(rows, [*odd, self.certificate()])
        self.assertEqual(events, [Event.INVENTORY_PROVED])

    def test_failed_query(self) -> None:
        """
        A query that failed, was not run or brought no rows is no inventory.
        """
        self.clock.advance(7200)
        for rows, status in (([], 1), ([], "1"), ([], None), (None, 0), ({"a": "b"}, 0)):
            self.assertEqual(self.write(rows, [self.certificate()], status), [])

    def test_empty(self) -> None:
        """
        An empty inventory says that the profile is missing.
        """
        nothing: tuple[object, ...] = ([], "")
        for rows in nothing:
            self.assertEqual(self.write(rows, []), [Event.PROFILE_MISSED])
        self.clock.advance(7200)
        self.assertEqual(self.write([], []), [Event.PROFILE_MISSED_PAST_GRACE])

    def test_certificate_missing(self) -> None:
        """
        So it is with its certificate.
        """
        self.assertEqual(self.write([self.profile()], []), [Event.CERTIFICATE_MISSED])

    def test_storage_unavailable(self) -> None:
        """
        What could not be stored is not taken: the agent writes it again.
        """
        self.store.broken = True
        body = json.dumps({"node_key": self.key, "queries": {}, "statuses": {}}).encode()
        self.assertEqual(self.send("osquery/distributed/write", body).status, 503)
