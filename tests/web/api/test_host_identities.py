"""
Tests for the identities of hosts, in ``/hosts/<uuid>`` and ``/hosts/<uuid>/identity-renewal``.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from twisted.trial.unittest import SynchronousTestCase

from scepd.model import Activity, DeviceIdentity
from tests.services.ca_certificates import NOW
from tests.support.fake_mdm_world import host
from tests.web.api.server import Server

DAY = timedelta(days=1)
HOST = "UDID-1"


def identity(**changes: object) -> DeviceIdentity:
    """
    An identity of a year that is in use since yesterday.
    """
    whole = DeviceIdentity(
        certificate_sha256="ab" * 32,
        enrollment_id=HOST,
        host_uuid=HOST,
        serial="0A1B",
        subject="CN=device-1",
        issued_at=NOW - DAY,
        not_after=NOW + 364 * DAY,
        issuer_replaced_at=None,
        pinned_at=NOW - DAY,
        confirmed_at=NOW - DAY,
        retired_at=None,
        revoked_at=None,
        look_at=NOW + DAY,
        renewal_command=None,
        renewal_status="",
        renewal_begun_at=None,
        renewal_failures=0,
        renewal_failed_at=None,
        renewal_detail="",
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


class HostIdentityTests(SynchronousTestCase):
    """
    Tests for what operators see and do.
    """

    def setUp(self) -> None:
        """
        Make a host.
        """
        self.server = Server()
        self.server.hosts.by_uuid = {HOST: host(HOST)}

    def shown(self, **changes: object) -> dict[str, object]:
        """
        An identity as it is shown.
        """
        self.server.identities.held = [identity(**changes)]
        found = self.server.request("GET", f"/hosts/{HOST}").json["identities"]
        assert isinstance(found, list)
        (one,) = found
        assert isinstance(one, dict)
        return dict(one)

    def test_shown(self) -> None:
        """
        An identity is shown with its validity, and when it is renewed: 30 days before its end, give
        or take a tenth.
        """
        one = self.shown()
        self.assertEqual((one["serial"], one["subject"]), ("0A1B", "CN=device-1"))
        self.assertEqual((one["sha256"], one["enrollment_id"]), ("ab" * 32, HOST))
        self.assertEqual((one["state"], one["renewal"]), ("in use", "none"))
        renew_at = datetime.fromisoformat(str(one["renew_at"]))
        self.assertLess(abs(renew_at - (NOW + 334 * DAY)), 3 * DAY)
        self.assertIsNone(one["renewal_again_at"])

    def test_states(self) -> None:
        """
        Each state has its word.
        """
        for changes, state in (
            ({"confirmed_at": None}, "new"),
            ({"retired_at": NOW}, "replaced"),
            ({"retired_at": NOW, "revoked_at": NOW}, "revoked"),
            ({"not_after": NOW}, "expired"),
            ({"not_after": NOW - 10 * DAY}, "ended"),
        ):
            self.assertEqual(self.shown(**changes)["state"], state)

    def test_renewals(self) -> None:
        """
        It is told how far a renewal got, and what went wrong.
        """
        begun = {"renewal_command": "command-1", "renewal_begun_at": NOW}
        for changes, word in (
            ({"renewal_status": "queued"}, "pending"),
            ({"renewal_status": "NotNow"}, "pending"),
            ({"renewal_status": "Acknowledged", "retired_at": NOW}, "done"),
        ):
            self.assertEqual(self.shown(**begun, **changes)["renewal"], word)
        failed = {"renewal_failures": 2, "renewal_detail": "no room", "renewal_failed_at": NOW}
        one = self.shown(**begun, **failed, renewal_status="Error")
        self.assertEqual((one["renewal"], one["renewal_failures"]), ("failing", 2))
        self.assertEqual(one["renewal_detail"], "no room")
        again = datetime.fromisoformat(str(one["renewal_again_at"]))
        self.assertEqual(again, NOW + DAY)

    def test_renew(self) -> None:
        """
        An operator renews an identity at once; it is an activity, and the device is pushed.
        """
        self.server.identities.held = [identity()]
        answer = self.server.request("POST", f"/hosts/{HOST}/identity-renewal")
        self.assertEqual(answer.status, 202)
        self.assertEqual(answer.json, {"uuid": "renewal-1", "host_uuid": HOST})
        ((sha256, command, only_due),) = self.server.identities.begun
        self.assertEqual((sha256, command.uuid, only_due), ("ab" * 32, "renewal-1", False))
        self.assertTrue(command.renews_identity)
        expected = Activity(command.created_at, "alice", "renewed the identity", HOST)
        self.assertEqual(self.server.identities.activities, [expected])
        self.assertEqual(len(self.server.woken), 1)

    def test_not_renewed(self) -> None:
        """
        An unknown host, one without an identity in use, and one that a renewal waits for.
        """
        path = f"/hosts/{HOST}/identity-renewal"
        self.assertEqual(self.server.request("POST", "/hosts/X/identity-renewal").status, 404)
        for held in (
            [],
            [identity(retired_at=NOW)],
            [identity(revoked_at=NOW)],
            [identity(confirmed_at=None)],
        ):
            self.server.identities.held = held
            self.assertEqual(self.server.request("POST", path).status, 409)
        self.server.identities.held = [identity()]
        self.server.identities.refused = {"ab" * 32}
        answer = self.server.request("POST", path)
        self.assertEqual(answer.status, 409)
        self.assertIn("a renewal waits for it already", str(answer.json["detail"]))
        self.assertEqual(self.server.identities.activities, [])
