"""
Tests for results of commands.
"""

from __future__ import annotations

import plistlib

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded, MessageError
from scepd.mdm.device_message import parse_device_message
from scepd.mdm.results import (
    LARGEST_CERTIFICATE,
    LONGEST_SUMMARY,
    MOST_ROWS,
    CommandResult,
    ErrorChainItem,
    ListedCertificate,
    ListedCertificates,
    ListedProfile,
    ResultStatus,
    listed_certificates,
    listed_profiles,
)

_HOSTILE = settings(max_examples=150, deadline=None, derandomize=True, database=None)
_ERROR = {
    "ErrorCode": 4001,
    "ErrorDomain": "MCInstallationErrorDomain",
    "LocalizedDescription": "Profil konnte nicht installiert werden.",
    "USEnglishDescription": "Profile Installation Failed",
}
_SIMPLE = st.text(max_size=9) | st.integers(-9, 9) | st.binary(max_size=9) | st.booleans()
_KEYS = (
    "ErrorCode ErrorDomain LocalizedDescription PayloadIdentifier PayloadUUID IsManaged Data"
    " CommonName IsIdentity"
).split()
_ROWS = st.lists(_SIMPLE | st.dictionaries(st.sampled_from(_KEYS), _SIMPLE), max_size=4)


def result(status: str = "Acknowledged", **values: object) -> CommandResult:
    """
    Read a result that plistlib wrote.
    """
    root = {"Status": status, "UDID": "D", "CommandUUID": "c-1", **values}
    found = parse_device_message(plistlib.dumps(root))
    assert isinstance(found, CommandResult)
    return found


class ResultTests(SynchronousTestCase):
    """
    Tests for command_result.
    """

    def test_statuses(self) -> None:
        """
        Every status of Apple's is known; another one is refused.
        """
        for status in ResultStatus:
            found = result(status.value)
            self.assertEqual((found.status, found.command_uuid), (status, "c-1"))
        for wrong in ("", "acknowledged", "Done", 5, ["Idle"], {"a": "b"}):
            with self.assertRaises(EncodingError):
                parse_device_message(plistlib.dumps({"Status": wrong, "UDID": "D"}))

    def test_idle(self) -> None:
        """
        An Idle has no command, and need not say a request type.
        """
        body = plistlib.dumps({"Status": "Idle", "UDID": "D", "UserID": "U", "NotOnConsole": True})
        found = parse_device_message(body)
        assert isinstance(found, CommandResult)
        self.assertEqual((found.command_uuid, found.request_type), ("", ""))
        self.assertEqual(found.enrollment.text, "D:U")
        self.assertTrue(found.not_on_console)
        self.assertEqual(found.summary, "")

    def test_raw(self) -> None:
        """
        The bytes are kept as they came, and don't show.
        """
        body = plistlib.dumps({"Status": "Idle", "UDID": "D", "X": "secret"})
        found = parse_device_message(body)
        assert isinstance(found, CommandResult)
        self.assertEqual(found.raw, body)
        self.assertNotIn("secret", repr(found))

    def test_error_chain(self) -> None:
        """
        The chain comes in order, and is told in English with domain and code.
        """
        inner = {"ErrorCode": 22013, "ErrorDomain": "MCSCEPErrorDomain"}
        found = result("Error", RequestType="InstallProfile", ErrorChain=[_ERROR, inner])
        self.assertEqual(
            found.error_chain,
            (
                ErrorChainItem(
                    "MCInstallationErrorDomain",
                    4001,
                    "Profil konnte nicht installiert werden.",
                    "Profile Installation Failed",
                ),
                ErrorChainItem("MCSCEPErrorDomain", 22013, "", ""),
            ),
        )
        self.assertEqual(
            found.summary,
            "Profile Installation Failed (MCInstallationErrorDomain 4001); MCSCEPErrorDomain 22013",
        )

    def test_summary_without_english(self) -> None:
        """
        Without an English description the device's language will do.
        """
        chain = [{**_ERROR, "USEnglishDescription": ""}]
        self.assertIn("Profil konnte", result("Error", ErrorChain=chain).summary)

    def test_summary_without_chain(self) -> None:
        """
        An error without chain, or with an odd one, still has a sentence.
        """
        for chain in ([], ["x"], "x", {"a": "b"}):
            found = result("Error", ErrorChain=chain)
            self.assertEqual(found.summary, "the device answered Error without a reason")
        self.assertIn("CommandFormatError", result("CommandFormatError").summary)

    def test_bounded_summary(self) -> None:
        """
        However long the chain is, the summary has at most so many characters.
        """
        chain = [{**_ERROR, "ErrorCode": number} for number in range(1000)]
        found = result("Error", ErrorChain=chain)
        self.assertEqual(len(found.error_chain), 20)
        self.assertEqual(len(found.summary), LONGEST_SUMMARY)
        self.assertTrue(found.summary.endswith("\u2026"))

    def test_masked_urls(self) -> None:
        """
        The path of a URL, which may hold a token, is not in the summary.
        """
        text = "The server at \u201chttps://mdm.example:8443/scep/SECRET?x=SECRET\u201d is odd."
        chain = [{**_ERROR, "USEnglishDescription": text}]
        summary = result("Error", ErrorChain=chain).summary
        self.assertNotIn("SECRET", summary)
        self.assertIn("https://mdm.example:8443/\u2026", summary)

    def test_profile_not_found(self) -> None:
        """
        The errors by which macOS and iOS say that a profile is not there are told from others.
        """
        for domain, code, expected in (
            ("MDMClientError", 89, True),
            ("MDMErrorDomain", 12075, True),
            ("MDMClientError", 96, False),
        ):
            chain = [{"ErrorDomain": domain, "ErrorCode": code}]
            self.assertEqual(result("Error", ErrorChain=chain).is_profile_not_found, expected)
            self.assertFalse(result(ErrorChain=chain).is_profile_not_found)

    @_HOSTILE
    @given(_ROWS | _SIMPLE, st.sampled_from(["Error", "Acknowledged"]))
    def test_any_rows(self, rows: object, status: str) -> None:
        """
        Whatever stands in place of chain and lists, it is read or refused with our own errors.
        """
        try:
            body = plistlib.dumps(
                {
                    "Status": status,
                    "UDID": "D",
                    "ErrorChain": rows,
                    "ProfileList": rows,
                    "CertificateList": rows,
                },
                fmt=plistlib.FMT_BINARY,
            )
            found = parse_device_message(body)
        except MessageError:
            return
        assert isinstance(found, CommandResult)
        self.assertLessEqual(len(found.summary), LONGEST_SUMMARY)
        listed_profiles(found)
        listed_certificates(found)


class ListTests(SynchronousTestCase):
    """
    Tests for listed_profiles and listed_certificates.
    """

    def test_profiles(self) -> None:
        """
        Each profile is listed; a row without an identifier is left out and spoils nothing.
        """
        rows: list[object] = [
            {"PayloadIdentifier": "a", "PayloadUUID": "U", "PayloadDisplayName": "A"},
            {"PayloadDisplayName": "nameless"},
            "odd",
            {"PayloadIdentifier": "b", "IsManaged": True, "PayloadContent": [{"x": 1}]},
        ]
        self.assertEqual(
            listed_profiles(result(ProfileList=rows)),
            (ListedProfile("a", "U", "A", False), ListedProfile("b", "", "", True)),
        )

    def test_certificates(self) -> None:
        """
        Each certificate is listed with its DER; what has none, or far too much, is counted.
        """
        rows: list[object] = [
            {"Data": b"der", "CommonName": "x", "IsIdentity": True},
            {"CommonName": "y"},
            {"Data": "text"},
            {"Data": bytes(LARGEST_CERTIFICATE + 1)},
            "odd",
            {"Data": b"other"},
        ]
        self.assertEqual(
            listed_certificates(result(CertificateList=rows)),
            ListedCertificates(
                (ListedCertificate(b"der", "x", True), ListedCertificate(b"other", "", False)), 4
            ),
        )

    def test_no_inventory(self) -> None:
        """
        A result that failed, or holds no list, is no inventory; an empty list is one.
        """
        for found in (result(), result("Error", ProfileList=[], CertificateList=[])):
            self.assertIsNone(listed_profiles(found))
            self.assertIsNone(listed_certificates(found))
        found = result(ProfileList=[], CertificateList=[])
        self.assertEqual(listed_profiles(found), ())
        self.assertEqual(listed_certificates(found), ListedCertificates((), 0))

    def test_too_many(self) -> None:
        """
        A list that is too long is not read in part: what it lacks might stand at its end.
        """
        rows: list[object] = [{}] * (MOST_ROWS + 1)
        found = result(ProfileList=rows, CertificateList=rows)
        for read in (listed_profiles, listed_certificates):
            with self.assertRaises(LimitExceeded):
                read(found)
