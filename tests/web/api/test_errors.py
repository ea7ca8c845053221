"""
Tests for the one place that turns errors into answers.
"""

from __future__ import annotations

from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from scepd import errors
from scepd.errors import Fault, InvalidInput, ScepdError, UpstreamError, UpstreamFault
from scepd.web.errors import device_answer, device_failure, problem_of, retry_after

WRONG_URL = InvalidInput((Fault("url", "invalid identifier in URL path"),))


class DeviceAnswerTests(SynchronousTestCase):
    """
    Tests for what devices are answered.
    """

    def test_statuses(self) -> None:
        """
        Each error has its status, and a line of text for a device.
        """
        upstream = UpstreamError(UpstreamFault.REFUSED, "10.0.0.1 refused the connection")
        timeout = UpstreamError(UpstreamFault.TIMEOUT, "10.0.0.1 took 60 s")
        for error, status, text in (
            (WRONG_URL, 400, "invalid identifier in URL path"),
            (errors.EncodingError("not base64"), 400, "not base64"),
            (errors.LimitExceeded("too large"), 413, "too large"),
            (errors.NotFound("unknown identifier in URL path"), 404, None),
            (errors.AccessDenied("no"), 403, "no"),
            (errors.WindowClosed("enrollment window is closed"), 403, None),
            (errors.WindowBusy("enrollment window is busy"), 503, None),
            (errors.NotConfigured("certificate authority is not configured"), 503, None),
            (errors.RequestTimeout("the request did not come in time"), 408, None),
            (errors.Conflict("taken"), 409, "taken"),
            (upstream, 502, "the certificate authority refused the connection"),
            (timeout, 504, "the certificate authority did not answer in time"),
            (
                errors.QueueTimeout("all 16 slots of X stayed in use"),
                503,
                "the certificate authority is busy, try again later",
            ),
            (
                errors.StorageUnavailable("disk full at /var/lib"),
                503,
                "temporarily not available, try again later",
            ),
            (errors.SecretUnreadable("row x, key k1"), 500, "internal error"),
            (errors.KeyringError("line 1"), 500, "internal error"),
        ):
            expected = (text or str(error)) + "\n"
            self.assertEqual(device_answer(error), (status, expected.encode()))

    def test_every_error_has_an_answer(self) -> None:
        """
        There is no error of ours without a status.
        """
        kinds = [
            kind
            for kind in vars(errors).values()
            if isinstance(kind, type) and issubclass(kind, ScepdError)
        ]
        self.assertGreater(len(kinds), 15)
        for kind in kinds:
            if issubclass(kind, InvalidInput | UpstreamError):
                continue
            status, text = device_answer(kind("sentence"))
            self.assertGreaterEqual(status, 400)
            self.assertTrue(text.endswith(b"\n"))

    def test_every_upstream_fault(self) -> None:
        """
        Each way in which a certificate authority fails has a text that names no address.
        """
        for fault in UpstreamFault:
            status, text = device_answer(UpstreamError(fault, "10.0.0.1 failed"))
            self.assertEqual(status, 504 if fault is UpstreamFault.TIMEOUT else 502)
            self.assertNotIn(b"10.0.0.1", text)

    def test_busy_is_tried_again(self) -> None:
        """
        A device is told when to try again where that is known to help.
        """
        self.assertEqual(retry_after(errors.WindowBusy("busy")), 5)
        self.assertIsNone(retry_after(errors.NotFound("nothing")))

    def test_unexpected(self) -> None:
        """
        An exception that nobody expected is logged, and answered 500 without details.
        """
        answer = device_failure(Failure(ValueError("secret detail")))
        self.assertEqual(answer, (500, b"internal error\n"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(device_failure(Failure(WRONG_URL))[0], 400)


class ProblemTests(SynchronousTestCase):
    """
    Tests for what operators are answered.
    """

    def test_invalid_input(self) -> None:
        """
        Faults become errors by field.
        """
        problem = problem_of(Failure(WRONG_URL), "id")
        self.assertEqual(problem.status, 400)
        self.assertEqual(problem.type, "urn:scepd:problem:invalid-input")
        self.assertEqual(
            [(error.field, error.message) for error in problem.errors],
            [("url", "invalid identifier in URL path")],
        )
        self.assertEqual(problem.request_id, "id")

    def test_operators_are_told_more(self) -> None:
        """
        The sentences that devices are not told are for operators.
        """
        error = errors.SecretUnreadable("row x, key k1")
        problem = problem_of(Failure(error), "id")
        self.assertEqual((problem.status, problem.detail), (500, "row x, key k1"))
        upstream = UpstreamError(UpstreamFault.DNS, "ca.example has no address")
        self.assertEqual(problem_of(Failure(upstream), "id").detail, "ca.example has no address")
