"""
Tests for what can be wrong with the fields of a new certificate authority.
"""

from __future__ import annotations

from dataclasses import replace

from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import Fault
from scepd.services.authority_input import NewCertificateAuthority, faults_of
from tests.services.ca_certificates import certificate

GOOD = NewCertificateAuthority(
    name="Test_SCEP", url="http://ca.example.com:2016/scep", challenge="s3cret"
)
ONLY = "Only letters A-Z and a-z, digits and underscores are allowed in a name."


class FaultsTests(SynchronousTestCase):
    """
    Tests for L{faults_of}.
    """

    def message(self, new: NewCertificateAuthority, taken: frozenset[str] = frozenset()) -> str:
        """
        The one fault's message; empty when there is none.
        """
        faults = faults_of(new, taken=taken)
        self.assertLessEqual(len(faults), 1)
        return faults[0].message if faults else ""

    def test_good(self) -> None:
        """
        A name, a URL and a challenge are enough.
        """
        self.assertEqual(faults_of(GOOD, taken=frozenset()), ())

    def test_names(self) -> None:
        """
        Names that are empty, too long, of other characters, reserved or taken are refused.
        """
        for name, message in (
            ("", "A name is needed."),
            ("x" * 256, "The name has 256 characters; at most 255 are allowed."),
            ("Test SCEP", ONLY),
            ("Test-SCEP", ONLY),
            ("Test_SCEP\n", ONLY),
            ("Tést", ONLY),
            ("١٢", ONLY),
            (
                "EMBEDDED_CA",
                "EMBEDDED_CA is the reserved name of scepd's own certificate authority.",
            ),
            ("Taken", "A certificate authority of this name exists already."),
        ):
            found = self.message(replace(GOOD, name=name), frozenset({"Taken"}))
            self.assertEqual(found, message, name)

    def test_good_names(self) -> None:
        """
        Names of 255 characters, of digits only, and of another case than a taken one are allowed.
        """
        for name in ("x" * 255, "1", "_", "taken"):
            self.assertEqual(self.message(replace(GOOD, name=name), frozenset({"Taken"})), "")

    def test_urls(self) -> None:
        """
        URLs that are not absolute, of another scheme, or with parts that do not belong there are
        refused.
        """
        absolute = "The URL must be absolute and begin with http:// or https://."
        host = "The URL must name a host, and no port 0."
        for url, message in (
            ("", "A URL is needed."),
            ("/scep", absolute),
            ("ca.example.com/scep", absolute),
            ("ftp://ca.example.com/scep", absolute),
            ("file:///etc/passwd", absolute),
            ("http:///scep", host),
            ("http://ca.example.com:0/scep", host),
            ("http://ca.example.com:99999/scep", "This is not a URL."),
            ("http://ca.example.com:port/scep", "This is not a URL."),
            ("http://[::1/scep", "This is not a URL."),
            ("http://user:pw@ca.example.com/", "The URL must not hold a user name or password."),
            ("http://@ca.example.com/", "The URL must not hold a user name or password."),
            ("http://ca.example.com/#", "The URL must not hold a fragment (#)."),
            (
                "http://ca.example.com/?ca=1",
                "The URL must not hold a query (?); scepd adds the operation itself.",
            ),
            (
                "http://ca.example.com/?",
                "The URL must not hold a query (?); scepd adds the operation itself.",
            ),
            (
                "http://ca.example.com/a b",
                "Only printable ASCII without spaces is allowed in a URL; escape the rest.",
            ),
            (
                "http://ca.example.com/\r\nX: y",
                "Only printable ASCII without spaces is allowed in a URL; escape the rest.",
            ),
            (
                "http://ca.example.com/" + "x" * 2048,
                "The URL has 2070 characters; at most 2048 are allowed.",
            ),
        ):
            self.assertEqual(self.message(replace(GOOD, url=url)), message, url)

    def test_good_urls(self) -> None:
        """
        Both schemes, IPv6 addresses and any path are allowed.
        """
        for url in ("https://ca.example.com", "HTTP://ca/scep", "http://[::1]:8080/certsrv/m.dll"):
            self.assertEqual(self.message(replace(GOOD, url=url)), "", url)

    def test_challenges(self) -> None:
        """
        An empty challenge, the mask, control characters and too many characters are refused; no
        message echoes the challenge.
        """
        for challenge, message in (
            ("", "A challenge is needed."),
            (
                "********",
                "******** is the mask that stands for a stored challenge, not a challenge.",
            ),
            (
                "s3cret\n",
                "No control characters, such as a line break, are allowed in a challenge.",
            ),
            ("s3cret" * 1000, "At most 1024 characters are allowed in a challenge."),
        ):
            self.assertEqual(self.message(replace(GOOD, challenge=challenge)), message)

    def test_concurrency(self) -> None:
        """
        From 1 to 1000 exchanges at one time are allowed.
        """
        for number in (0, -1, 1001):
            found = self.message(replace(GOOD, max_concurrency=number))
            self.assertEqual(found, "A whole number from 1 to 1000 is allowed.")
        for number in (1, 1000):
            self.assertEqual(self.message(replace(GOOD, max_concurrency=number)), "")

    def test_identifier(self) -> None:
        """
        A CA identifier, where there is one, has 1 to 255 characters.
        """
        sentence = "1 to 255 characters, none of them a control character, are allowed."
        for identifier, message in (("", sentence), ("x" * 256, sentence), ("Ö & Co", "")):
            self.assertEqual(self.message(replace(GOOD, ca_identifier=identifier)), message)

    def test_trusted_certificates(self) -> None:
        """
        Trusted certificates, where there are any, are certificates in PEM and no keys.
        """
        pem = certificate().public_bytes(Encoding.PEM).decode()
        needed = "One or more certificates in PEM are needed."
        cut = pem.replace("MII", "AAA")
        key = "A private key does not belong here, only certificates in PEM."
        for text, message in (
            (pem, ""),
            (pem + pem, ""),
            ("", needed),
            ("nonsense", needed),
            (cut, needed),
            (pem + "-----BEGIN PRIVATE KEY-----", key),
            ("x" * 262_145, "At most 262144 characters are allowed."),
        ):
            self.assertEqual(self.message(replace(GOOD, trusted_certificates=text)), message)

    def test_all_faults_together(self) -> None:
        """
        The faults of all fields are reported together, in the order of the fields.
        """
        bad = NewCertificateAuthority("", "", "", 0, "", "")
        self.assertEqual(
            [fault.field for fault in faults_of(bad, taken=frozenset())],
            [
                "name",
                "url",
                "challenge",
                "max_concurrency",
                "ca_identifier",
                "trusted_certificates",
            ],
        )
        self.assertIsInstance(faults_of(bad, taken=frozenset())[0], Fault)

    def test_challenge_is_not_shown(self) -> None:
        """
        The representation of the input does not hold the challenge.
        """
        self.assertNotIn("s3cret", repr(GOOD))


ONE_TIME = replace(GOOD, challenge="", challenge_mode="one_time")
HOOKED = replace(ONE_TIME, webhook_id="hook-1", webhook_secret="c2l4dGVlbi1ieXRlcy1vZi1pdA==")


class ModeTests(SynchronousTestCase):
    """
    Tests for where challenges come from.
    """

    def faults(self, new: NewCertificateAuthority) -> list[tuple[str, str]]:
        """
        Field and message of each fault.
        """
        return [(fault.field, fault.message) for fault in faults_of(new, taken=frozenset())]

    def test_good(self) -> None:
        """
        One-time challenges need no challenge and no webhook, and may have a webhook.
        """
        for new in (ONE_TIME, HOOKED):
            self.assertEqual(self.faults(new), [])

    def test_challenges(self) -> None:
        """
        A challenge is needed where it is static, and is too much where it is made by scepd.
        """
        self.assertEqual(
            self.faults(replace(GOOD, challenge="")), [("challenge", "A challenge is needed.")]
        )
        text = "No challenge is allowed with one-time challenges: scepd makes them."
        self.assertEqual(self.faults(replace(ONE_TIME, challenge="s3cret")), [("challenge", text)])
        for mode in ("", "dynamic", "ONE_TIME"):
            self.assertEqual(
                self.faults(replace(GOOD, challenge_mode=mode)),
                [("challenge_mode", "Allowed: static, one_time.")],
            )

    def test_webhooks(self) -> None:
        """
        A webhook has an id and a secret, and is for one-time challenges; no fault echoes a secret.
        """
        for changes, field in (
            ({"webhook_id": None}, "webhook_id"),
            ({"webhook_id": "a b"}, "webhook_id"),
            ({"webhook_id": "x" * 256}, "webhook_id"),
            ({"webhook_secret": None}, "webhook_secret"),
            ({"webhook_secret": "s3cret!!"}, "webhook_secret"),
            ({"webhook_secret": "c2hvcnQ="}, "webhook_secret"),
            ({"challenge_mode": "static", "challenge": "x"}, "webhook_id"),
        ):
            [(where, message)] = self.faults(replace(HOOKED, **changes))
            self.assertEqual(where, field, changes)
            self.assertNotIn("s3cret", message)
