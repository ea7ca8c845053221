"""
Tests for the endpoint of certificates that are renewed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from twisted.trial.unittest import SynchronousTestCase

from scepd.model import Breaker, BreakerState, CertificateState, WatchedCertificate
from tests.services.ca_certificates import NOW
from tests.storage import records
from tests.web.api.server import Server

_DAY = timedelta(days=1)


def watched(host: str = "H-1", **assignment: object) -> WatchedCertificate:
    """
    A certificate that expires in 40 days, and is to be renewed in 10.
    """
    certificate = records.certificate(
        not_before=NOW - _DAY,
        not_after=NOW + 40 * _DAY,
        first_seen=NOW,
        renew_at=NOW + 10 * _DAY,
    )
    return WatchedCertificate(
        replace(records.assignment(host, status="verified"), **assignment),  # type: ignore[arg-type]
        "C02",
        certificate.renew_at,
        certificate.not_after,
        NOW + 13 * _DAY,
        certificate,
    )


class ManagedCertificateTests(SynchronousTestCase):
    """
    Tests for ``/managed_certificates``.
    """

    def setUp(self) -> None:
        """
        Make a server.
        """
        self.server = Server()
        self.store = self.server.renewals

    def said(self, found: WatchedCertificate) -> tuple[object, object]:
        """
        State and reason of a certificate.
        """
        self.store.page = [found]
        answer = self.server.request("GET", "/managed_certificates")
        items = answer.json["items"]
        assert isinstance(items, list)
        item = items[0]
        assert isinstance(item, dict)
        return item["state"], item["reason"]

    def test_needs_a_token(self) -> None:
        """
        Without a token nothing is told.
        """
        self.assertEqual(
            self.server.request("GET", "/managed_certificates", token=None).status, 401
        )

    def test_every_field(self) -> None:
        """
        A certificate is told field by field, with those before it.
        """
        old = records.certificate("02", not_before=NOW, not_after=NOW, first_seen=NOW, renew_at=NOW)
        found = watched(due_at=NOW, attempts=2, detail="why", status="pending")
        self.store.page = [replace(found, retired=(replace(old, retired_at=NOW),))]
        answer = self.server.request("GET", "/managed_certificates?all=1")
        self.assertEqual(answer.status, 200)
        shared = {
            "subject": "CN=H-1",
            "issuer": "CN=corp",
            "serial": "0A",
            "profile_uuid": "a-1",
            "ca_name": "corp",
            "source": "osquery",
            "first_seen": "2026-06-01T12:00:00Z",
            "sha256": "",
        }
        now = "2026-06-01T12:00:00Z"
        current = {
            **shared,
            "sha1": "01" * 20,
            "not_before": "2026-05-31T12:00:00Z",
            "not_after": "2026-07-11T12:00:00Z",
            "renew_at": "2026-06-11T12:00:00Z",
            "retired_at": None,
        }
        times = {"not_before": now, "not_after": now, "renew_at": now, "retired_at": now}
        expected = {
            "host": "H-1",
            "serial_number": "C02",
            "profile_uuid": "a-1",
            "profile_identifier": "com.example.a-1",
            "ca_name": "corp",
            "state": "current",
            "reason": "why",
            "status": "pending",
            "attempts": 2,
            "due_at": now,
            "expires_at": "2026-07-11T12:00:00Z",
            "renew_at": "2026-06-11T12:00:00Z",
            "overdue_at": "2026-06-14T12:00:00Z",
            "certificate": current,
            "retired": [{**shared, "sha1": "02", **times}],
        }
        self.assertEqual(answer.json, {"items": [expected], "next": None})
        self.assertTrue(self.store.queries[0].retired)

    def test_query(self) -> None:
        """
        What is asked for reaches the store; without a state those that are current are meant.
        """
        self.server.request("GET", "/managed_certificates")
        self.server.request("GET", "/managed_certificates?state=expiring&days=7&host=H-1&limit=3")
        first, second = self.store.queries
        self.assertEqual(first.state, CertificateState.CURRENT)
        self.assertEqual(first.expires_before - first.now, 30 * _DAY)
        self.assertEqual((first.host_uuid, first.retired, first.after), (None, False, None))
        self.assertEqual(second.state, CertificateState.EXPIRING)
        self.assertEqual(second.expires_before - second.now, 7 * _DAY)
        self.assertEqual((second.host_uuid, second.limit), ("H-1", 4))

    def test_pages(self) -> None:
        """
        The cursor of a page is the place of its last item in the order of the state.
        """
        self.store.page = [watched("H-1"), watched("H-2")]
        for state, moment in (("current", NOW + 40 * _DAY), ("overdue", NOW + 13 * _DAY)):
            path = f"/managed_certificates?state={state}&limit=1"
            cursor = self.server.request("GET", path).json["next"]
            assert isinstance(cursor, str)
            self.server.request("GET", f"{path}&after={cursor.replace('+', '%2B')}")
            self.assertEqual(self.store.queries[-1].after, (moment, "H-1", "a-1"))

    def test_wrong(self) -> None:
        """
        What is wrong is named, with what is allowed.
        """
        for query, place, allowed in (
            ("state=old", "state", "current, expiring, overdue, expired"),
            ("days=0", "days", "1 to 3650"),
            ("days=4000", "days", "1 to 3650"),
            ("days=x", "days", "whole number"),
            ("after=x", "after", "`next` of the last page"),
            ("after=2026-01-01T00:00:00Z", "after", "`next` of the last page"),
            ("all=yes", "all", "1 or 0"),
        ):
            answer = self.server.request("GET", f"/managed_certificates?{query}")
            self.assertEqual(answer.status, 400, answer.body)
            ((field, message),) = answer.faults
            self.assertEqual(field, place)
            self.assertIn(allowed, str(message))

    def test_states(self) -> None:
        """
        The worst state is told.
        """
        found = watched()
        self.assertEqual(self.said(found), ("current", ""))
        soon = replace(found, expires_at=NOW + _DAY)
        self.assertEqual(self.said(soon)[0], "expiring")
        self.assertEqual(self.said(replace(soon, overdue_at=NOW))[0], "overdue")
        self.assertEqual(self.said(replace(soon, overdue_at=NOW, expires_at=NOW))[0], "expired")
        unseen = replace(found, overdue_at=NOW, expires_at=None, renew_at=None, certificate=None)
        self.assertEqual(self.said(unseen)[0], "overdue")

    def test_reasons(self) -> None:
        """
        The reason is what is stored, or what the status means.
        """
        since = "2026-06-01T12:00:00Z"
        for assignment, reason in (
            ({"status": "pending", "due_at": NOW}, "the delivery waits for its turn"),
            ({"status": "pending", "due_at": NOW + _DAY}, "the delivery is due later"),
            ({"status": "pending"}, "the profile waits until the device asks for it"),
            (
                {"status": "pending", "delivered_at": NOW},
                f"the device got the profile at {since}, no answer yet",
            ),
            (
                {"status": "verifying", "acknowledged_at": NOW},
                f"the device acknowledged it at {since}; no inventory showed its certificate",
            ),
            ({"status": "failed", "detail": "no CA"}, "no CA"),
        ):
            self.assertEqual(self.said(watched(**assignment))[1], reason)
        due = replace(watched(), renew_at=NOW)
        self.assertEqual(self.said(due)[1], "the renewal begins with the next look")

    def test_outage(self) -> None:
        """
        What waits for a certificate authority that is out says so, and what went wrong before.
        """
        breaker = Breaker("corp", BreakerState.OPEN, 5, NOW, reason="it is down")
        self.server.breakers.by_name["corp"] = breaker
        outage = "certificate authority unreachable since 2026-06-01T12:00:00Z: it is down"
        for detail, reason in (
            ("", outage),
            (outage, outage),
            ("renewing (1 failure): refused", f"{outage}; before: renewing (1 failure): refused"),
        ):
            found = watched(status="pending", detail=detail)
            self.assertEqual(self.said(found)[1], reason)
        self.assertEqual(self.said(watched())[1], "")
