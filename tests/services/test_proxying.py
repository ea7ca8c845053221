"""
Tests for who is let through the proxy, and for its end.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import NotConfigured, NotFound, StorageUnavailable, TemporaryError
from scepd.model import HostProfile
from scepd.services.ca_directory import KnownCA
from tests.support.proxy import SUBJECT, ProxyWorld


class AuthorizationTests(SynchronousTestCase):
    """
    Tests for the certificate authority of an assignment.
    """

    def setUp(self) -> None:
        """
        One assignment.
        """
        self.world = ProxyWorld()
        assignment = HostProfile(
            "HOST-1", "aPROFILE-1", "install", "verifying", "CORP", detail="", due_at=None
        )
        self.world.assignments.by_pair["HOST-1", "aPROFILE-1"] = assignment

    def authorize(self) -> Deferred[object]:
        """
        Ask for the subject's certificate authority.
        """
        return Deferred.fromCoroutine(self.world.proxy.authorize(SUBJECT))

    def test_assigned(self) -> None:
        """
        The assignment's certificate authority is found, as it is stored now.
        """
        expected = self.world.authorities.by_name["CORP"]
        found = self.successResultOf(self.authorize())
        assert isinstance(found, KnownCA)
        self.assertIs(found.record, expected)

    def test_not_assigned(self) -> None:
        """
        Whoever is not assigned is unknown, even if the certificate authority exists.
        """
        self.world.enrollments.assigned.clear()
        self.failureResultOf(self.authorize(), NotFound)

    def test_gone(self) -> None:
        """
        A certificate authority that was removed is explained on the assignment.
        """
        self.world.authorities.by_name.clear()
        self.failureResultOf(self.authorize(), NotConfigured)
        detail = self.world.assignments.by_pair["HOST-1", "aPROFILE-1"].detail
        self.assertEqual(detail, "the certificate authority CORP does not exist any more")

    def test_storage(self) -> None:
        """
        A database that does not answer lets nobody through.
        """
        self.world.authorities.broken = True
        self.failureResultOf(self.authorize(), StorageUnavailable)


class StopTests(SynchronousTestCase):
    """
    Tests for the proxy's end.
    """

    def setUp(self) -> None:
        """
        Nothing is under way.
        """
        self.proxy = ProxyWorld().proxy

    def wait(self) -> Deferred[None]:
        """
        Wait until nothing is under way.
        """
        return Deferred.fromCoroutine(self.proxy.wait_until_idle())

    def test_stop_accepting(self) -> None:
        """
        Everybody is let in until nobody is.
        """
        self.proxy.check_accepting()
        self.proxy.stop_accepting()
        self.assertRaises(TemporaryError, self.proxy.check_accepting)

    def test_idle(self) -> None:
        """
        Where nothing is under way there is nothing to wait for; else for the last one.
        """
        self.successResultOf(self.wait())
        self.proxy.exchange_began("a")
        self.proxy.exchange_began("b")
        waiting, given_up = self.wait(), self.wait()
        given_up.cancel()
        self.failureResultOf(given_up)
        self.proxy.exchange_ended("a")
        self.assertNoResult(waiting)
        self.proxy.exchange_ended("b")
        self.successResultOf(waiting)
