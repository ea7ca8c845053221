"""
Tests for the simulated device's osquery agent and its tables.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError
from scepd.osquery.distributed import CERTIFICATES, PROFILES, QUERIES
from scepd.simulator.failures import DeviceError
from scepd.simulator.identity import Identity
from scepd.simulator.keychain import InstalledProfile
from scepd.simulator.osquery_tables import certificate_rows, profile_rows, query
from tests.simulator.server import HARDWARE, Server, command, profile
from tests.support.pki import issue, openssl, party, require, rsa_key

_AT = datetime(2026, 5, 1, 14, 0, 1, 999, tzinfo=timezone(timedelta(hours=2)))


class TableTests(SynchronousTestCase):
    """
    Tests for the rows; OpenSSL, of which osquery is made, is the measure for certificates.
    """

    def test_profiles(self) -> None:
        """
        A profile's row, to the letter.
        """
        rows = profile_rows([InstalledProfile("com.example.wifi", "Wi-Fi", _AT)])
        self.assertEqual(
            rows,
            [
                {
                    "display_name": "Wi-Fi",
                    "identifier": "com.example.wifi",
                    "install_date": "2026-05-01 12:00:01 +0000",
                    "type": "Configuration",
                }
            ],
        )

    def test_certificate(self) -> None:
        """
        A certificate's row, to the letter; the serial has whole octets.
        """
        name = x509.Name.from_rfc4514_string
        der = _with_serial(0xABC, name("CN=C02SIMULATED,O=Example,C=US"), name("CN=ca"))
        (row,) = certificate_rows([Identity(rsa_key(), der)])
        sha1 = row.pop("sha1")
        self.assertEqual(
            row,
            {
                "common_name": "C02SIMULATED",
                "subject": "/C=US/O=Example/CN=C02SIMULATED",
                "issuer": "/CN=ca",
                "subject2": "C = US, O = Example, CN = C02SIMULATED",
                "issuer2": "CN = ca",
                "ca": "0",
                "serial": "0ABC",
                "not_valid_before": "1777593600",
                "not_valid_after": "1777680000",
                "path": "/Library/Keychains/System.keychain",
            },
        )
        require("openssl")
        printed = openssl(
            *("x509", "-inform", "DER", "-noout", "-fingerprint", "-sha1", "-serial"), stdin=der
        )
        fingerprint, serial = (line.partition("=")[2] for line in printed.decode().splitlines())
        self.assertEqual((sha1, "0ABC"), (fingerprint.replace(":", "").lower(), serial))

    def test_names(self) -> None:
        """
        Names are printed as OpenSSL prints them, whatever is in them.
        """
        require("openssl")
        for text in (
            r"CN=a\,b\+c\"d\\e\<f\>g\;h=i/j,OU=x/y\+z,C=US",
            r"CN=\ lead,OU=trail\ ,O=\#1,L=a#b",
            "CN=\u00dcn\u00efc\u00f6de \u4e16\U0001f600,2.5.4.5=1,2.5.4.4=s,2.5.4.42=g,2.5.4.12=t",
            "CN=one+OU=two,STREET=s,DC=example,UID=u,1.2.840.113549.1.9.1=a@b.c,1.2.3.4=x",
            "CN=bell\x07 tab\t line\n end\x7f",
        ):
            subject = x509.Name.from_rfc4514_string(text)
            der = issue(rsa_key(), subject, rsa_key(), subject)
            (row,) = certificate_rows([Identity(rsa_key(), der)])
            for column, form in (("subject", "compat"), ("subject2", "oneline")):
                printed = openssl(
                    *("x509", "-inform", "DER", "-noout", "-subject", "-nameopt", form), stdin=der
                )
                expected = printed.decode().removeprefix("subject=").removesuffix("\n")
                self.assertEqual(row[column], expected, text)

    def test_authorities(self) -> None:
        """
        An authority's certificate is no row, as the query says ``ca = 0``.
        """
        ca = party("CN=ca", 99, usage="sign encipher", ca=True)
        self.assertEqual(certificate_rows([Identity(ca.key, ca.certificate)]), [])

    def test_columns(self) -> None:
        """
        Only the columns that were asked for come, in any layout of the query.
        """
        device = Server().enrolled()
        rows = query(device, "select\n identifier ,display_name\nfrom macos_profiles\nwhere 1")
        expected = {"identifier": "com.example.enroll", "display_name": "Enrollment"}
        self.assertEqual(rows, [expected])
        self.assertEqual(len(query(device, "SELECT * FROM certificates")[0]), 11)

    def test_refused(self) -> None:
        """
        Other queries, tables and columns are refused in SQLite's words.
        """
        device = Server().device()
        for sql, words in (
            ("SELECT a FROM users", "no such table: users"),
            ("SELECT a FROM certificates", "no such column: a"),
            ("SELECT identifier", "the query is not SELECT columns FROM table"),
            ("", "the query is not SELECT columns FROM table"),
            ("SELECT FROM certificates", "the query is not SELECT columns FROM table"),
            ("SELECT sha1, FROM certificates", "no such column: "),
            ("DROP TABLE certificates", "the query is not SELECT columns FROM table"),
            ("SELECT " + " " * 100_000, "the query is not SELECT columns FROM table"),
        ):
            error = self.assertRaises(EncodingError, query, device, sql)
            self.assertEqual(str(error), words)


class AgentTests(SynchronousTestCase):
    """
    Tests for OsqueryAgent.
    """

    def setUp(self) -> None:
        """
        Enroll a device with a profile, and its agent.
        """
        self.server = Server()
        self.device = self.server.enrolled()
        self.server.commands = [command("InstallProfile", Payload=profile())]
        self.device.poll()
        self.agent = self.server.agent(self.device)
        self.server.requests.clear()

    def test_enroll(self) -> None:
        """
        The request bears the secret and the UDID.
        """
        self.agent.enroll()
        body = json.loads(self.server.requests[0].content)
        self.assertEqual(
            body,
            {
                "enroll_secret": "secret-of-osquery",
                "host_identifier": HARDWARE.udid,
                "host_details": {
                    "system_info": {
                        "uuid": HARDWARE.udid,
                        "computer_name": "A Mac",
                        "hardware_model": "Mac16,1",
                        "hardware_serial": "C02SIMULATED",
                    },
                    "os_version": {"platform": "darwin", "version": HARDWARE.os_version},
                },
            },
        )

    def test_poll(self) -> None:
        """
        The agent enrolls once, and answers each query in rows of texts.
        """
        self.assertEqual(self.agent.poll(), 0)
        self.server.queries = dict(QUERIES)
        self.assertEqual(self.agent.poll(), 2)
        (written,) = self.server.written
        self.assertEqual(written["node_key"], "key-1")
        self.assertEqual(written["statuses"], dict.fromkeys(QUERIES, 0))
        self.assertEqual(written["messages"], {})
        identifiers = [row["identifier"] for row in written["queries"][PROFILES]]
        self.assertEqual(identifiers, ["com.example.enroll", "com.example.wifi"])
        names = [row["subject2"] for row in written["queries"][CERTIFICATES]]
        self.assertEqual(names, ["CN = C02SIMULATED", "CN = C02SIMULATED WIFI, OU = fleet-a1"])
        rows = [row for rows in written["queries"].values() for row in rows]
        self.assertTrue(all(type(value) is str for row in rows for value in row.values()))
        self.assertEqual(self.server.paths().count("POST /api/osquery/enroll"), 1)

    def test_missing_table(self) -> None:
        """
        A query for a table that is missing fails, and spoils no other.
        """
        self.device.behaviour.missing_tables = frozenset({"macos_profiles"})
        self.server.queries = dict(QUERIES)
        self.agent.poll()
        (written,) = self.server.written
        statuses = {PROFILES: 1, CERTIFICATES: 0}
        self.assertEqual(written["statuses"], statuses)
        self.assertEqual(written["messages"], {PROFILES: "no such table: macos_profiles"})
        self.assertEqual(written["queries"][PROFILES], [])

    def test_not_taken(self) -> None:
        """
        A server that does not know the host is an error without the secret.
        """
        for body in (b'{"node_invalid": true}', b'{"node_key": ""}', b'{"node_key": 7}', b"{}"):
            self.server.replies["/api/osquery/enroll"] = (200, body)
            error = self.assertRaises(DeviceError, self.agent.poll)
            self.assertEqual(str(error), "osquery: the server does not take this host")

    def test_forgotten(self) -> None:
        """
        When the server forgot the node key, the agent enrolls again with its next poll.
        """
        self.agent.enroll()
        invalid = (200, b'{"node_invalid": true}')
        self.server.replies["/api/osquery/distributed/read"] = invalid
        self.assertEqual(self.agent.poll(), 0)
        self.server.replies = {"/api/osquery/distributed/write": invalid}
        self.server.queries = dict(QUERIES)
        self.agent.poll()
        self.agent.poll()
        self.assertEqual(self.server.paths().count("POST /api/osquery/enroll"), 3)

    def test_hostile(self) -> None:
        """
        Whatever comes in place of an answer is a DeviceError.
        """
        self.agent.enroll()
        for body in (b"<", b"[]", b"7", b"\xff", b"[" * 100_000, b'{"queries": [1]}'):
            self.server.replies["/api/osquery/distributed/read"] = (200, body)
            error = self.assertRaises(DeviceError, self.agent.poll)
            self.assertIn("osquery: ", str(error))

    def test_odd_queries(self) -> None:
        """
        Queries that are no texts fail like others that are not understood.
        """
        self.server.replies["/api/osquery/distributed/read"] = (
            200,
            b'{"queries": {"a": 7, "b": null}}',
        )
        self.assertEqual(self.agent.poll(), 2)
        self.assertEqual(self.server.written[0]["statuses"], {"a": 1, "b": 1})


def _with_serial(serial: int, subject: x509.Name, issuer: x509.Name) -> bytes:
    begin = datetime(2026, 5, 1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(rsa_key().public_key())
        .serial_number(serial)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=1))
        .sign(rsa_key(), hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
