"""
Tests for ``scepctl doctor``.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import JsonValue
from twisted.trial.unittest import SynchronousTestCase

from scepd.ctl import main
from tests.ctl.pretend import Pretend, answer, problem
from tests.support.apns_certificates import PushAuthority
from tests.support.pki import rsa_key

TOPIC = "com.apple.mgmt.External.1"
OTHER = "com.apple.mgmt.External.2"
# Whether the host is there, too, is checked for connections that ask for it only.
_ENROLLED = """
INSERT INTO enrollment (id, host_uuid, kind, enabled, push_topic, enrolled_at)
VALUES (?, ?, 'device', ?, ?, '2026-06-01 12:00:00')
"""
PUSH: dict[str, JsonValue] = {
    "state": "connected",
    "complaint": "",
    "host": "api.push.apple.com",
}


class _Case(SynchronousTestCase):
    """
    A folder as ``scepctl init`` makes it, and a pretend server.
    """

    def setUp(self) -> None:
        """
        Make both.
        """
        self.folder = Path(self.mktemp()).absolute()
        CliRunner().invoke(main, ["init", "--directory", str(self.folder)])
        (self.folder / "token").mkdir()
        self.server = Pretend(self.folder / "token")

    def configure(self, text: str) -> None:
        """
        Replace the configuration.
        """
        (self.folder / "scepd.toml").write_text(text)

    def certificate(self, lifetime: timedelta = timedelta(days=365)) -> None:
        """
        Have a push certificate.
        """
        pair = PushAuthority().push(TOPIC, lifetime=lifetime)
        path = self.folder / "push.pem"
        path.write_bytes(pair.certificate + pair.key)
        self.configure('[apns]\ncertificate_file = "push.pem"')

    def enroll(self, name: str, topic: str, enabled: bool = True) -> None:
        """
        Have a device of that topic.
        """
        with sqlite3.connect(self.folder / "scepd.sqlite") as connection:
            connection.execute(_ENROLLED, (name, name, enabled, topic))

    def doctor(self, *options: str) -> Result:
        """
        Run it.
        """
        return self.server.run("doctor", "--config", str(self.folder / "scepd.toml"), *options)

    def found(self, *options: str) -> dict[str, tuple[str, str]]:
        """
        What it found: what → verdict and detail; of several the last.
        """
        listed = json.loads(self.doctor("--json", *options).stdout)
        return {one["what"]: (one["verdict"], one["detail"]) for one in listed}


class LocalTests(_Case):
    """
    Tests for files and database.
    """

    def test_fresh(self) -> None:
        """
        A fresh set-up is sound, but for the push certificate that it can't have yet.
        """
        found = self.found("--offline")
        verdicts = {what: verdict for what, (verdict, _) in found.items()}
        self.assertEqual(
            verdicts,
            {
                "configuration": "ok",
                "keyring": "ok",
                "database": "ok",
                "push certificate": "warning",
            },
        )
        self.assertEqual(self.doctor("--offline").exit_code, 0)
        self.assertEqual(self.server.requests, [])

    def test_configuration(self) -> None:
        """
        A configuration that can't be used is all that is told.
        """
        self.configure("[logs]")
        result = self.doctor("--offline")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("unknown section", result.stdout)
        self.assertEqual(list(self.found("--offline")), ["configuration"])

    def test_keyring(self) -> None:
        """
        A keyring that others can read, or that is none, is named.
        """
        path = self.folder / "keyring"
        os.chmod(path, 0o644)
        self.assertIn("chmod 600", self.found("--offline")["keyring"][1])
        path.write_text("junk")
        self.assertEqual(self.found("--offline")["keyring"][0], "failed")
        path.unlink()
        self.assertIn("No such file", self.found("--offline")["keyring"][1])

    def test_database(self) -> None:
        """
        A database that is missing, junk, or of another version is told.
        """
        path = self.folder / "scepd.sqlite"
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '0001'")
        self.assertIn("another version", self.found("--offline")["database"][1])
        for name in ("scepd.sqlite-wal", "scepd.sqlite-shm"):
            (self.folder / name).unlink(missing_ok=True)
        path.write_bytes(b"junk" * 1000)
        self.assertEqual(self.found("--offline")["database"][0], "failed")
        path.unlink()
        self.assertIn("there is no database", self.found("--offline")["database"][1])

    def test_certificate(self) -> None:
        """
        The push certificate is valid, about to expire, expired or unreadable.
        """
        cases = (
            (timedelta(days=365), "ok", "valid until"),
            (timedelta(days=9), "warning", "expires in 9 days"),
            (timedelta(seconds=-1), "failed", "expired on"),
        )
        for lifetime, verdict, text in cases:
            self.certificate(lifetime)
            os.chmod(self.folder / "push.pem", 0o600)
            found = self.found("--offline")["push certificate"]
            self.assertEqual(found[0], verdict)
            self.assertIn(text, found[1])
        (self.folder / "push.pem").write_text("junk")
        self.assertEqual(self.found("--offline")["push certificate"][0], "failed")

    def test_tls(self) -> None:
        """
        The certificate that devices see is valid, about to expire, expired, not valid yet, or none.
        """
        for begin, end, verdict, text in (
            (-9, 90, "ok", "valid until"),
            (-9, 14, "warning", "SIGHUP"),
            (-9, -1, "failed", "expired on"),
            (1, 90, "failed", "not valid before"),
        ):
            self.tls_certificate(begin, end)
            found = self.found("--offline")["TLS certificate"]
            self.assertEqual(found[0], verdict)
            self.assertIn(text, found[1])
        (self.folder / "tls.crt").write_text("junk")
        self.assertEqual(self.found("--offline")["TLS certificate"][0], "failed")
        (self.folder / "tls.crt").unlink()
        self.assertIn("No such file", self.found("--offline")["TLS certificate"][1])

    def test_tls_names(self) -> None:
        """
        The certificate has to be for the host of ``external_url``, by name, wildcard or address.
        """
        for host, name, fits in (
            ("mdm.example.com", x509.DNSName("MDM.example.com"), True),
            ("mdm.example.com", x509.DNSName("*.example.com"), True),
            ("a.mdm.example.com", x509.DNSName("*.example.com"), False),
            ("mdm.example.com", x509.DNSName("example.com"), False),
            ("192.0.2.1", x509.IPAddress(ip_address("192.0.2.1")), True),
            ("[2001:db8::1]", x509.IPAddress(ip_address("2001:db8::1")), True),
            ("192.0.2.1", x509.IPAddress(ip_address("192.0.2.2")), False),
            ("mdm.example.com", None, False),
        ):
            self.tls_certificate(-1, 90, host, name)
            verdict, text = self.found("--offline")["TLS certificate"]
            self.assertEqual(verdict, "ok" if fits else "warning", text)

    def tls_certificate(
        self, begin: int, end: int, host: str = "x", name: x509.GeneralName | None = None
    ) -> None:
        """
        Have a TLS certificate, valid between these days from now.
        """
        key, subject, now = rsa_key(), x509.Name([]), datetime.now(UTC)
        builder = (
            x509.CertificateBuilder(subject, subject, key.public_key(), 1)
            .not_valid_before(now + timedelta(days=begin))
            .not_valid_after(now + timedelta(days=end))
        )
        named = x509.DNSName("x") if host == "x" else name
        if named is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([named]), critical=True)
        pem = builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
        (self.folder / "tls.crt").write_bytes(pem)
        self.configure(
            f'[server]\nexternal_url = "https://{host}:8443"\n'
            '[listen]\ntls_certificate_file = "tls.crt"\ntls_key_file = "tls.key"'
        )

    def test_topic(self) -> None:
        """
        Devices that enrolled with another topic are counted; those that left are not.
        """
        self.certificate()
        self.enroll("H-1", TOPIC)
        self.enroll("H-2", OTHER, enabled=False)
        verdict, text = self.found("--offline")["push topic"]
        self.assertEqual(verdict, "ok")
        self.assertIn("1 device(s) enrolled with it", text)
        self.enroll("H-3", OTHER)
        verdict, text = self.found("--offline")["push topic"]
        self.assertEqual(verdict, "failed")
        self.assertIn(f"topic is {TOPIC}, but enrolled are 1 with {OTHER}", text)


class RemoteTests(_Case):
    """
    Tests for what the daemon is asked about.
    """

    def ready(self, status: int = 200, **parts: str) -> httpx.Response:
        """
        An answer of ``/readyz``.
        """
        body: JsonValue = {"status": "…", "parts": {"apns": "degraded: …", **parts}}
        return httpx.Response(status, json=body)

    def authorities(self, *names: str) -> httpx.Response:
        """
        An answer that lists certificate authorities.
        """
        items: list[JsonValue] = [{"name": name} for name in names]
        return answer(200, {"items": items, "next": None})

    def test_all_well(self) -> None:
        """
        Listeners, database, Apple and each certificate authority but the embedded one are asked.
        """
        report: Mapping[str, JsonValue] = {"not_after": "2030-01-01T00:00:00Z", "warnings": []}
        self.server.answers = [
            self.ready(listeners="ready", database="ready"),
            answer(200, PUSH),
            self.authorities("EMBEDDED_CA", "Corp"),
            answer(200, dict(report)),
        ]
        found = self.found()
        self.assertEqual(found["listeners"], ("ok", "ready"))
        self.assertEqual(found["Apple's push service"], ("ok", "api.push.apple.com: connected"))
        self.assertEqual(found["certificate authority Corp"][0], "ok")
        self.assertEqual(
            [request.url.path for request in self.server.requests],
            [
                "/readyz",
                "/api/v1/push",
                "/api/v1/certificate_authorities",
                "/api/v1/certificate_authorities/Corp/check",
            ],
        )

    def test_trouble(self) -> None:
        """
        A part that is not ready, a refused push certificate and a silent authority are failures.
        """
        self.server.answers = [
            self.ready(503, listeners="devices is closed", database="ready"),
            answer(200, PUSH | {"state": "suspended", "complaint": "BadCertificate"}),
            self.authorities("Corp", "Lab"),
            problem(502, "The certificate authority failed", "it does not answer"),
            answer(200, {"warnings": ["It offers SHA-1 only."]}),
        ]
        found = self.found()
        self.assertEqual(found["listeners"], ("failed", "devices is closed"))
        self.assertEqual(
            found["Apple's push service"],
            ("failed", "api.push.apple.com: suspended; BadCertificate"),
        )
        self.assertEqual(found["certificate authority Corp"], ("failed", "it does not answer"))
        self.assertEqual(found["certificate authority Lab"], ("warning", "It offers SHA-1 only."))

    def test_no_server(self) -> None:
        """
        A scepd that does not run is a failure, and what is local is told all the same.
        """

        def refuse(request: httpx.Request) -> None:
            raise httpx.ConnectError("refused")

        self.server.on_request = refuse
        found = self.found()
        self.assertEqual(found["scepd"][0], "failed")
        self.assertEqual(found["database"][0], "ok")
        self.assertEqual(self.doctor().exit_code, 1)

    def test_no_token(self) -> None:
        """
        Without a token that the server knows it goes no further.
        """
        self.server.answers = [self.ready(listeners="ready"), problem(401, "Access denied", "no")]
        found = self.found()
        self.assertEqual(found["listeners"][0], "ok")
        self.assertEqual(found["admin API"][0], "warning")
