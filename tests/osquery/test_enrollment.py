"""
Tests for the enrollment of osquery agents.
"""

from __future__ import annotations

import contextlib
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded, MessageError
from scepd.osquery.distributed import parse_distributed_write
from scepd.osquery.enrollment import (
    EnrollRequest,
    config_answer,
    enroll_answer,
    log_answer,
    node_invalid_answer,
    parse_enroll_request,
    parse_node_key,
)

_HOSTILE = settings(max_examples=150, deadline=None, derandomize=True, database=None)
_UUID = "2E5F4C6A-0000-4F6E-9C3E-5B6B0C0F4A11"
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def body(**values: object) -> bytes:
    """
    Write a request.
    """
    return json.dumps(values).encode()


class EnrollTests(SynchronousTestCase):
    """
    Tests for parse_enroll_request.
    """

    def test_request(self) -> None:
        """
        The request gives secret, host identifier and hardware UUID; the secret doesn't show.
        """
        found = parse_enroll_request(
            body(
                enroll_secret="hush",
                host_identifier="mac.local",
                platform_type="21",
                host_details={
                    "os_version": {"name": "macOS"},
                    "system_info": {"uuid": _UUID, "hostname": "mac.local"},
                },
            )
        )
        self.assertEqual(found, EnrollRequest("hush", "mac.local", _UUID))
        self.assertNotIn("hush", repr(found))

    def test_details(self) -> None:
        """
        Serial number and system are taken where they are told; odd ones count as not told.
        """
        system = {"uuid": _UUID, "hardware_serial": "C02"}
        version = {"platform": "darwin", "version": "15.3.1", "major": "15"}
        details: dict[str, object] = {"system_info": system, "os_version": version}
        request = body(enroll_secret="x", host_identifier="m", host_details=details)
        expected = EnrollRequest("x", "m", _UUID, "C02", "darwin", "15.3.1")
        self.assertEqual(parse_enroll_request(request), expected)
        odd: tuple[object, ...] = (
            *(None, [], "15"),
            {"version": 15, "platform": "a\nb"},
            {"version": "1" * 256},
        )
        for details["os_version"] in odd:
            request = body(enroll_secret="x", host_identifier="m", host_details=details)
            found = parse_enroll_request(request)
            self.assertEqual((found.os_platform, found.os_version), ("", ""))

    def test_without_details(self) -> None:
        """
        Without system_info, or with an odd one, the host identifier stands for the hardware UUID.
        """
        odd: list[object] = [None, {}, [], {"system_info": []}, {"system_info": {"uuid": 5}}]
        for details in odd:
            request = body(enroll_secret="x", host_identifier=_UUID, host_details=details)
            self.assertEqual(parse_enroll_request(request).hardware_uuid, _UUID)
        self.assertEqual(parse_enroll_request(body(enroll_secret="x")).hardware_uuid, "")

    def test_odd_names(self) -> None:
        """
        Names that are too long or hold control characters count as not given.
        """
        for name in ("x" * 256, "a\nb", "\ud800"):
            found = parse_enroll_request(body(enroll_secret="x", host_identifier=name))
            self.assertEqual(found.host_identifier, "")

    def test_refused(self) -> None:
        """
        Without a secret, or without JSON, the request is refused.
        """
        for wrong in (
            b"",
            b"{",
            b"[]",
            b"\xff\xfe",
            b"[" * 100_000,
            b'{"enroll_secret": ' + b"9" * 5000 + b"}",
            body(),
            body(enroll_secret=""),
            body(enroll_secret=["x"]),
        ):
            with self.assertRaises(EncodingError):
                parse_enroll_request(wrong)

    def test_too_large(self) -> None:
        """
        Bodies above 1 MiB and secrets above 4096 characters are refused.
        """
        for wrong in (body(enroll_secret="x" * 4097), body(enroll_secret="x", y="y" * 1_048_576)):
            with self.assertRaises(LimitExceeded):
                parse_enroll_request(wrong)

    @_HOSTILE
    @given(
        st.binary(max_size=100)
        | st.dictionaries(
            st.sampled_from("enroll_secret host_identifier host_details node_key".split()), _JSON
        ).map(lambda values: json.dumps(values).encode())
    )
    def test_any_body(self, request: bytes) -> None:
        """
        Whatever comes, only our own errors come out.
        """
        for read in (parse_enroll_request, parse_node_key, parse_distributed_write):
            with contextlib.suppress(MessageError):
                read(request)


class NodeKeyTests(SynchronousTestCase):
    """
    Tests for parse_node_key.
    """

    def test_node_key(self) -> None:
        """
        The node key is found beside anything else.
        """
        self.assertEqual(parse_node_key(body(node_key="k", data=[{"x": 1}])), "k")
        for wrong in (body(), body(node_key=5), body(node_key="")):
            with self.assertRaises(EncodingError):
                parse_node_key(wrong)

    def test_size(self) -> None:
        """
        Who expects logs can allow longer bodies.
        """
        log = body(node_key="k", data="x" * 1_048_576)
        self.assertEqual(parse_node_key(log, max_size=2_000_000), "k")
        with self.assertRaises(LimitExceeded):
            parse_node_key(log)


class AnswerTests(SynchronousTestCase):
    """
    Tests for the answers.
    """

    def test_answers(self) -> None:
        """
        Each answer is the JSON that the agent expects.
        """
        for answer, expected in (
            (enroll_answer("k"), {"node_key": "k", "node_invalid": False}),
            (node_invalid_answer(), {"node_invalid": True}),
            (config_answer(), {"schedule": {}, "node_invalid": False}),
            (log_answer(), {"node_invalid": False}),
        ):
            self.assertEqual(json.loads(answer), expected)
