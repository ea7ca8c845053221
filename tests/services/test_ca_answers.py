"""
Tests for the kept answers of certificate authorities.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import QueueTimeout, UpstreamError, UpstreamFault
from scepd.services.ca_answers import CAAnswer
from scepd.services.ca_directory import KnownCA
from scepd.services.operation import Operation
from scepd.services.upstream_request import upstream_request
from tests.support.proxy import ProxyWorld, make_ca
from tests.support.scep_messages import authority

_CAPS = Operation.GET_CA_CAPS
_QUERY = b"operation=GetCACaps"
_DOWN = UpstreamError(UpstreamFault.REFUSED, "ca.example refused the connection")


class CAAnswersTests(SynchronousTestCase):
    """
    Tests for who asks a certificate authority, and when.
    """

    def setUp(self) -> None:
        """
        One certificate authority.
        """
        self.world = ProxyWorld(make_ca(max_concurrency=1))
        self.answers = self.world.answers
        self.world.will_answer("GetCACaps", b"SHA-256\n")

    @property
    def ca(self) -> KnownCA:
        """
        It, as it is known now.
        """
        found = self.successResultOf(Deferred.fromCoroutine(self.world.directory.find("CORP")))
        assert found is not None
        return found

    def fetch(self, operation: Operation = _CAPS) -> Deferred[CAAnswer]:
        """
        Ask it.
        """
        return Deferred.fromCoroutine(self.answers.fetch(self.ca, operation))

    def body(self) -> bytes | None:
        """
        What a device would get without waiting.
        """
        ready = self.answers.ready(self.ca, _CAPS)
        return None if ready is None else ready.body

    def counted(self, result: str) -> float:
        """
        What ``scepd_ca_cache_total`` shows.
        """
        labels = {"ca": "CORP", "result": result}
        return self.world.metrics.registry.get_sample_value("scepd_ca_cache_total", labels) or 0.0

    def test_kept(self) -> None:
        """
        An answer is kept, with its Content-Type.
        """
        self.assertIsNone(self.body())
        answer = self.successResultOf(self.fetch())
        self.assertEqual((answer.body, answer.content_type), (b"SHA-256\n", "text/plain"))
        self.assertEqual(self.body(), b"SHA-256\n")
        self.assertEqual(len(self.world.upstream.fetched), 1)
        self.assertEqual((self.counted("miss"), self.counted("hit")), (1, 1))

    def test_one_question(self) -> None:
        """
        However many wait, the certificate authority is asked once; all get its answer.
        """
        asked: Deferred[tuple[bytes, bytes]] = Deferred()
        self.world.will_answer("GetCACaps", asked)
        waiting = [self.fetch() for _ in range(5)]
        self.assertEqual(len(self.world.upstream.fetched), 1)
        asked.callback((b"", b"AES\n"))
        bodies = {self.successResultOf(one).body for one in waiting}
        self.assertEqual(bodies, {b"AES\n"})

    def test_one_failure(self) -> None:
        """
        All that wait hear of the failure; the next one asks again.
        """
        asked: Deferred[tuple[bytes, bytes]] = Deferred()
        self.world.will_answer("GetCACaps", asked)
        waiting = [self.fetch() for _ in range(3)]
        asked.errback(_DOWN)
        for one in waiting:
            self.failureResultOf(one, UpstreamError)
        self.world.will_answer("GetCACaps", b"AES\n")
        self.assertEqual(self.successResultOf(self.fetch()).body, b"AES\n")

    def test_refreshed(self) -> None:
        """
        After 5 minutes the next device still gets the old answer at once, and the one after it the
        new one.
        """
        self.successResultOf(self.fetch())
        self.world.will_answer("GetCACaps", b"AES\n")
        self.world.clock.advance(299)
        self.assertEqual(self.body(), b"SHA-256\n")
        self.assertEqual(len(self.world.upstream.fetched), 1)
        self.world.clock.advance(1)
        self.assertEqual(self.body(), b"SHA-256\n")
        self.assertEqual(self.body(), b"AES\n")

    def test_stale(self) -> None:
        """
        An authority that is out is asked every 30 seconds at most; its old answer goes on for a
        day, with a warning, and no longer.
        """
        self.successResultOf(self.fetch())
        self.world.will_answer("GetCACaps", _DOWN)
        self.world.clock.advance(300)
        with capturedLogs() as events:
            for _ in range(3):
                self.assertEqual(self.body(), b"SHA-256\n")
        self.assertEqual(len(self.world.upstream.fetched), 2)
        self.assertEqual([event["log_level"].name for event in events], ["warn"])
        self.assertEqual(self.counted("stale"), 1)
        self.world.clock.advance(30)
        self.body()
        self.assertEqual(len(self.world.upstream.fetched), 3)
        self.world.clock.advance(86_400 - 330)
        self.assertIsNone(self.body())
        self.failureResultOf(self.fetch(), UpstreamError)

    def test_too_old(self) -> None:
        """
        After that day nothing goes on, and nothing says so: the end of it is told, once.
        """
        self.successResultOf(self.fetch())
        self.world.will_answer("GetCACaps", _DOWN)
        self.world.clock.advance(86_400)
        with capturedLogs() as events:
            for _ in range(3):
                self.assertIsNone(self.body())
                self.failureResultOf(self.fetch(), UpstreamError)
        self.assertEqual(self.counted("stale"), 0)
        [text] = [formatEvent(event) for event in events]
        self.assertIn("the old one is too old now", text)
        self.world.will_answer("GetCACaps", b"AES\n")
        self.successResultOf(self.fetch())
        self.assertEqual(self.body(), b"AES\n")

    def test_no_answer(self) -> None:
        """
        What is no answer to the operation is not kept.
        """
        self.world.will_answer("GetCACaps", b"<html>")
        failure = self.failureResultOf(self.fetch(), UpstreamError)
        assert isinstance(failure.value, UpstreamError)
        self.assertEqual(failure.value.fault, UpstreamFault.BODY)
        self.assertIsNone(self.body())

    def test_slots(self) -> None:
        """
        The question takes a slot, and gives it back.
        """
        slot = Deferred.fromCoroutine(self.world.slots.take("CORP", most=1, timeout=5))
        self.successResultOf(slot)
        waiting = self.fetch()
        self.assertEqual(self.world.upstream.fetched, [])
        self.world.clock.advance(self.world.settings.queue_timeout)
        self.failureResultOf(waiting, QueueTimeout)
        self.world.slots.give_back("CORP")
        self.successResultOf(self.fetch())
        self.assertEqual(self.world.slots_in_use(), 0)

    def test_forgotten(self) -> None:
        """
        A changed certificate authority is asked anew, also when only its identifier changed.
        """
        self.successResultOf(self.fetch())
        self.answers.forget("CORP")
        self.assertIsNone(self.body())
        self.successResultOf(self.fetch())
        self.world.authorities.by_name["CORP"] = make_ca(ca_identifier="other")
        self.world.directory.forget("CORP")
        self.assertIsNone(self.body())

    def test_changed_elsewhere(self) -> None:
        """
        A certificate authority that another process changed is asked anew, as soon as the change is
        seen, whatever of its way or of the trust in it is another; for the rest it is not.
        """
        before = make_ca()
        for changes, is_kept in (
            ({"url": "http://other.example/scep"}, False),
            ({"pinned_sha256": "ab" * 32}, False),
            ({"trusted_certificates": "PEM"}, False),
            ({"client_certificate": "PEM"}, False),
            ({"outgoing_proxy": "http://proxy:3128"}, False),
            ({"max_concurrency": 9, "requests_per_second": 1.0}, True),
        ):
            self.world.authorities.by_name["CORP"] = before
            self.world.directory.forget("CORP")
            self.answers.forget("CORP")
            self.successResultOf(self.fetch())
            self.world.authorities.by_name["CORP"] = replace(before, **changes)
            self.world.clock.advance(5)
            self.assertEqual(self.body() is not None, is_kept, changes)

    def test_certificates_noticed(self) -> None:
        """
        What it answers to GetCACert is told each time it is asked.
        """
        certificate = authority().certificate
        self.world.will_answer("GetCACert", certificate)
        self.successResultOf(self.fetch(Operation.GET_CA_CERT))
        self.successResultOf(self.fetch())
        self.assertEqual(self.world.noticed, [("CORP", certificate)])


class ToldCapabilitiesTests(SynchronousTestCase):
    """
    Tests for capabilities that are others than at the last check: they are what the proxy goes by.
    """

    def setUp(self) -> None:
        """
        One that offered POST when it was checked.
        """
        self.world = ProxyWorld()

    def find(self) -> KnownCA:
        """
        It, as it is known now.
        """
        found = self.successResultOf(Deferred.fromCoroutine(self.world.directory.find("CORP")))
        assert found is not None
        return found

    def told(self, body: bytes) -> None:
        """
        Let it answer GetCACaps so, when a kept answer is to be refreshed.
        """
        self.world.will_answer("GetCACaps", body)
        self.world.clock.advance(300)
        known = self.find()
        if self.world.answers.ready(known, _CAPS) is None:
            self.successResultOf(Deferred.fromCoroutine(self.world.answers.fetch(known, _CAPS)))

    def method(self) -> str:
        """
        How a PKIOperation goes out.
        """
        return upstream_request(self.find().record, Operation.PKI_OPERATION, 1).method

    def test_told(self) -> None:
        """
        One that does not offer POST any more is asked by GET, until it does again.
        """
        self.assertEqual(self.method(), "POST")
        self.told(b"AES\n")
        self.assertEqual(self.method(), "GET")
        self.world.clock.advance(60)
        self.assertEqual(self.method(), "GET")
        self.told(b"SCEPStandard\n")
        self.assertEqual(self.method(), "POST")
        self.assertEqual(self.find().record.capabilities, ("SCEPStandard",))
        self.assertEqual(self.world.authorities.by_name["CORP"], make_ca())

    def test_no_sense(self) -> None:
        """
        What holds no word that RFC 8894 knows is not believed: POST it stays.
        """
        for body in (b"", b"starting up\n", b"AES <b>\n", b"x" * 9000, b"AES " * 101):
            self.told(body)
            self.assertEqual(self.method(), "POST", body)

    def test_newer_record(self) -> None:
        """
        What a check, a change or another process stored since then counts.
        """
        self.told(b"AES\n")
        self.assertEqual(self.method(), "GET")
        checked = replace(make_ca(), checked_at=make_ca().checked_at + timedelta(seconds=1))
        self.world.authorities.by_name["CORP"] = checked
        self.world.clock.advance(5)
        self.assertEqual(self.method(), "POST")
        self.told(b"AES\n")
        self.assertEqual(self.method(), "GET")
        self.world.directory.forget("CORP")
        self.assertEqual(self.method(), "POST")

    def test_another_meanwhile(self) -> None:
        """
        An answer that was asked for elsewhere, or of one that is gone, says nothing.
        """
        before = self.find()
        self.world.authorities.by_name["CORP"] = replace(make_ca(), url="http://new.example/scep")
        self.world.directory.forget("CORP")
        self.world.directory.capabilities_told(before, b"AES\n")
        self.find()
        self.world.directory.capabilities_told(before, b"AES\n")
        self.assertEqual(self.method(), "POST")


class CADirectoryTests(SynchronousTestCase):
    """
    Tests for the records that were read last.
    """

    def setUp(self) -> None:
        """
        One certificate authority.
        """
        self.world = ProxyWorld()
        self.directory = self.world.directory

    def find(self) -> KnownCA | None:
        """
        Look it up, wherever.
        """
        return self.successResultOf(Deferred.fromCoroutine(self.directory.find("CORP")))

    def test_fresh(self) -> None:
        """
        A record is good for 5 seconds; a change in another process shows then.
        """
        self.assertIsNone(self.directory.known("CORP"))
        first = self.find()
        self.world.authorities.by_name.clear()
        self.world.clock.advance(4.9)
        self.assertIs(self.directory.known("CORP"), first)
        self.world.clock.advance(0.1)
        self.assertIsNone(self.directory.known("CORP"))
        self.assertIsNone(self.find())

    def test_unchanged(self) -> None:
        """
        What follows from an unchanged record is not worked out again.
        """
        first = self.find()
        self.world.clock.advance(5)
        self.assertIs(self.find(), first)

    def test_forgotten(self) -> None:
        """
        A change in this process shows at once.
        """
        self.find()
        self.world.authorities.by_name.clear()
        self.directory.forget("CORP")
        self.assertIsNone(self.find())
