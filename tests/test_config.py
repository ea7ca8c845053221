"""
Tests for the configuration file: its defaults, its faults, and the sample that is shipped.
"""

from __future__ import annotations

import ast
import re
import tempfile
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from twisted.python.modules import getModule
from twisted.trial.unittest import SynchronousTestCase

from scepd.config import Configuration, database_url, load, parse
from scepd.errors import ConfigurationError

_FILE = Path("/etc/scepd/scepd.toml")
_SAMPLE = files("scepd").joinpath("sample", "scepd.toml").read_text("utf-8")
_CHECKOUT = Path(__file__).resolve().parent.parent


def _fields() -> Iterator[tuple[str, str, FieldInfo]]:
    """
    Yield section, key and field of all that may stand in a file.
    """
    for section, holder in Configuration.model_fields.items():
        kind = holder.annotation
        assert isinstance(kind, type) and issubclass(kind, BaseModel)
        for key, field in kind.model_fields.items():
            yield section, key, field


class FaultTests(SynchronousTestCase):
    """
    Tests of the sentences about faults: file, section, key, what was found, what is allowed.
    """

    def faults(self, text: str) -> list[str]:
        """
        The sentences about a text, without the file's name that begins each of them.
        """
        error = self.assertRaises(ConfigurationError, parse, text, _FILE)
        lines = str(error).splitlines()
        for line in lines:
            self.assertTrue(line.startswith(f"{_FILE}: "), line)
        return [line.removeprefix(f"{_FILE}: ") for line in lines]

    def test_unknown_section(self) -> None:
        """
        An unknown section is named, with those that there are.
        """
        sections = ", ".join(Configuration.model_fields)
        expected = [f"[sever]: unknown section; allowed: {sections}"]
        self.assertEqual(self.faults("[sever]\nport = 1"), expected)
        self.assertEqual(self.faults('sever = "x"'), expected)

    def test_unknown_key(self) -> None:
        """
        An unknown key is named, with those of its section; its value is not shown.
        """
        self.assertEqual(
            self.faults('[log]\ncolour = "s3cret"'),
            ["[log] colour: unknown key; allowed: format, level"],
        )

    def test_inline_secrets(self) -> None:
        """
        A secret can't stand in the file: there is only the name of its file.
        """
        self.assertEqual(
            self.faults('[secrets]\nkeyring = "k1:AAAA"'),
            ["[secrets] keyring: unknown key; allowed: keyring_file"],
        )

    def test_section_of_another_type(self) -> None:
        """
        A value in the place of a section is refused.
        """
        self.assertEqual(self.faults("log = 1"), ["[log]: found 1; allowed: a section of keys"])
        self.assertEqual(
            self.faults("[[log]]\n"), ["[log]: found [{}]; allowed: a section of keys"]
        )

    def test_wrong_types(self) -> None:
        """
        A value is never converted: a number in quotes is no number, a yes is no truth value.
        """
        cases = {
            '[limits]\nstop_timeout = "30"': "[limits] stop_timeout: found '30'; "
            "allowed: a number of seconds above 0, at most 600",
            "[limits]\nstop_timeout = true": "[limits] stop_timeout: found True; "
            "allowed: a number of seconds above 0, at most 600",
            "[storage]\nqueue_limit = 1.5": "[storage] queue_limit: found 1.5; "
            "allowed: a whole number from 1 to 1000000",
            '[listen]\nadmin_tls = "yes"': "[listen] admin_tls: found 'yes'; "
            "allowed: true or false",
            "[listen]\ndevices = 8080": "[listen] devices: found 8080; allowed: a Twisted endpoint "
            "string, such as tcp:8080:interface=127.0.0.1, with a port from 0 to 65535, or "
            "unix:/run/scepd.sock",
            "[secrets]\nkeyring_file = 1": "[secrets] keyring_file: found 1; "
            "allowed: a path, relative to this file's folder or absolute",
        }
        for text, sentence in cases.items():
            self.assertEqual(self.faults(text), [sentence])

    def test_listeners(self) -> None:
        """
        Where to listen has a kind and a port that exist; any way of Twisted's to write it will do.
        """
        good = (
            "tcp:0",
            "tcp:65535:interface=\\\\:\\\\:1",
            "tcp:interface=::port=80",
            "unix:/x:mode=660",
        )
        for endpoint in good:
            parse(f'[listen]\ndevices = "{endpoint}"', _FILE)
        for endpoint in (
            "tcp",
            "tcp:",
            "tcp:65536",
            "tcp:-1",
            "tcp:http",
            "tcp:port=x",
            "ssl:443",
            "",
        ):
            (fault,) = self.faults(f'[listen]\nadmin = "{endpoint}"')
            self.assertIn(f"[listen] admin: found {endpoint!r}; allowed: a Twisted", fault)

    def test_wrong_values(self) -> None:
        """
        A value outside its bounds, or of another form, is refused.
        """
        url = "allowed: an absolute http or https URL without a trailing slash, query or fragment"
        seconds = "allowed: a number of seconds above 0, at most 3600"
        cases = {
            '[server]\nexternal_url = "a/"': f"[server] external_url: found 'a/'; {url}",
            '[server]\nexternal_url = "http://x/"': "[server] external_url: found 'http://x/'; "
            + url,
            "[limits]\nrequest_timeout = 0": f"[limits] request_timeout: found 0; {seconds}",
            "[limits]\nrequest_timeout = nan": f"[limits] request_timeout: found nan; {seconds}",
            "[limits]\nrequest_timeout = inf": f"[limits] request_timeout: found inf; {seconds}",
            "[profiles]\nmax_size = 1": "[profiles] max_size: found 1; "
            "allowed: a whole number of bytes from 4096 to 16777216",
            '[log]\nlevel = "loud"': "[log] level: found 'loud'; "
            'allowed: "debug", "info", "warn" or "error"',
            '[storage]\nurl = "sqlite://"': "[storage] url: found 'sqlite://'; "
            "allowed: sqlite:///PATH, relative to this file's folder; sqlite:////PATH is absolute; "
            "or postgresql://USER@HOST:PORT/DATABASE",
        }
        for text, sentence in cases.items():
            self.assertEqual(self.faults(text), [sentence])

    def test_passwords(self) -> None:
        """
        A password in a refused URL is not shown.
        """
        (sentence,) = self.faults('[storage]\nurl = "mysql://scepd:p@ss/w@rd@db/scepd"')
        self.assertIn("found 'mysql://…@", sentence)
        self.assertNotIn("p@ss", sentence)

    def test_long_values(self) -> None:
        """
        Of a long value only the beginning is shown.
        """
        (sentence,) = self.faults(f'[log]\nlevel = "{"x" * 10_000}"')
        self.assertLess(len(sentence), 300)

    def test_all_at_once(self) -> None:
        """
        All faults are told together, one a line.
        """
        self.assertEqual(len(self.faults('[log]\nlevel = "x"\nform = 1\n[nothing]')), 3)

    def test_half_of_a_tls_pair(self) -> None:
        """
        Certificate and key go together.
        """
        sentence = "[listen]: tls_certificate_file and tls_key_file are set together, or none"
        for key in ("tls_certificate_file", "tls_key_file"):
            self.assertEqual(self.faults(f'[listen]\n{key} = "x.pem"'), [sentence])

    def test_push_credentials(self) -> None:
        """
        There is one way to show Apple who we are, and what belongs to another is refused.
        """
        token = "token_key_file, token_key_id, token_team_id and token_topic are set together"
        cases = {
            'key_file = "k"': "key_file is set only with certificate_file",
            'pkcs12_file = "p"\nkey_file = "k"': "key_file is set only with certificate_file",
            'password_file = "w"': "password_file is set only with certificate_file or pkcs12_file",
            'pkcs12_file = "p"\ncertificate_file = "c"': "only one of certificate_file and "
            "pkcs12_file can be set",
            'token_key_file = "t"': f"{token}, or none",
            'token_topic = "com.apple.mgmt.x"': f"{token}, or none",
        }
        for text, sentence in cases.items():
            self.assertEqual(self.faults(f"[apns]\n{text}"), [f"[apns]: {sentence}"])
        parse('[apns]\ncertificate_file = "both.pem"\npassword_file = "w"', _FILE)

    def test_push_route(self) -> None:
        """
        An outgoing proxy is a plain http URL with a port; a password in it is not shown.
        """
        allowed = "a URL such as http://proxy.example.com:3128, without user and password"
        for url in ("proxy:3128", "https://proxy:3128", "http://proxy", "http://proxy:1/x"):
            self.assertEqual(
                self.faults(f'[apns]\noutgoing_proxy = "{url}"'),
                [f"[apns] outgoing_proxy: found '{url}'; allowed: {allowed}"],
            )
        (sentence,) = self.faults('[apns]\noutgoing_proxy = "http://me:s3cret@proxy:3128"')
        self.assertNotIn("s3cret", sentence)
        for url in ("http://proxy.example.com:3128", "http://[::1]:3128/"):
            parse(f'[apns]\noutgoing_proxy = "{url}"', _FILE)

    def test_admin_tls_without_files(self) -> None:
        """
        ``admin_tls`` needs the certificate.
        """
        self.assertEqual(
            self.faults("[listen]\nadmin_tls = true"),
            [
                "[listen] admin_tls: found true; "
                "allowed only with tls_certificate_file and tls_key_file"
            ],
        )

    def test_mtls_without_files(self) -> None:
        """
        The listener that asks for client certificates needs the server's own.
        """
        self.assertEqual(
            self.faults('[listen]\nmdm_mtls = "tcp:8443"'),
            [
                "[listen] mdm_mtls: found 'tcp:8443'; "
                "allowed only with tls_certificate_file and tls_key_file"
            ],
        )

    def test_trusted_proxies(self) -> None:
        """
        Header and proxies are set together; a proxy is an address or a network, and not everybody.
        """
        together = "[mdm]: client_certificate_header and trusted_proxies are set together, or none"
        for text in ('client_certificate_header = "X-Client-Cert"', 'trusted_proxies = ["::1"]'):
            self.assertEqual(self.faults(f"[mdm]\n{text}"), [together])
        for name in ("0.0.0.0/0", "::/0", "proxy.example.com", "10.0.0.1/8", "10.0.0.0/33", ""):
            (sentence,) = self.faults(f'[mdm]\ntrusted_proxies = ["{name}"]')
            self.assertTrue(sentence.startswith("[mdm] trusted_proxies: found ["), sentence)
            self.assertIn('such as "127.0.0.1" or "10.1.0.0/16" but not all addresses', sentence)
        for name in ("X Client", "X_Client", "", "X:", "X" * 65):
            (sentence,) = self.faults(f'[mdm]\nclient_certificate_header = "{name}"')
            self.assertIn("allowed: the name of a header", sentence)
        names = '["127.0.0.1", "10.1.0.0/16", "fd00::/8", "unix"]'
        parse(f'[mdm]\nclient_certificate_header = "Client-Cert"\ntrusted_proxies = {names}', _FILE)

    def test_unanswered(self) -> None:
        """
        A command ends after no fewer offers than it is set back after; what is allowed is said.
        """
        mdm = parse("", _FILE).mdm
        found = (mdm.unanswered_patience, mdm.unanswered_offers, mdm.unanswered_time)
        self.assertEqual(found, (3, 10, 28_800.0))
        self.assertEqual(
            self.faults("[mdm]\nunanswered_patience = 12"),
            [
                "[mdm]: unanswered_offers: found 10; allowed: not fewer than unanswered_patience, "
                "which is 12"
            ],
        )
        for key in ("unanswered_patience", "unanswered_offers"):
            for value in ("0", "1001", "2.5", '"3"'):
                (sentence,) = self.faults(f"[mdm]\n{key} = {value}")
                self.assertTrue(sentence.startswith(f"[mdm] {key}: found "), sentence)
                self.assertIn("allowed: a whole number from 1 to 1000", sentence)
        for value in ("0", "-1", "2592001", "true"):
            (sentence,) = self.faults(f"[mdm]\nunanswered_time = {value}")
            self.assertIn("allowed: a number of seconds above 0, at most 2592000", sentence)
        parse("[mdm]\nunanswered_patience = 1\nunanswered_offers = 1", _FILE)

    def test_unsigned_messages(self) -> None:
        """
        Devices may be told not to sign only where something else proves who they are.
        """
        tls = '[listen]\nmdm_mtls = "tcp:1"\ntls_certificate_file = "c"\ntls_key_file = "k"\n'
        unsigned = "[mdm]\nsign_message = false"
        url = 'external_url = "https://mdm.example.com:1"'
        for text in (unsigned, f"{unsigned}\n{url}", f"{tls}{unsigned}"):
            (sentence,) = self.faults(text)
            self.assertTrue(sentence.startswith("[mdm]: sign_message: found false;"), sentence)
        proxy = 'client_certificate_header = "Client-Cert"\ntrusted_proxies = ["unix"]'
        for text in (f"{tls}{unsigned}\n{url}", f"{unsigned}\n{proxy}"):
            self.assertFalse(parse(text, _FILE).mdm.sign_message)

    def test_not_toml(self) -> None:
        """
        A text that is not TOML is refused with the place of the mistake.
        """
        (sentence,) = self.faults('[log]\nlevel = info"')
        self.assertRegex(sentence, r"^not TOML: .*line 2")

    def test_unreadable(self) -> None:
        """
        A file that is missing, a folder or not UTF-8 is refused with the reason.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        latin = folder / "latin.toml"
        latin.write_bytes(b"# Stra\xdfe")
        hint = "`scepctl init` writes a complete one"
        cases = {
            folder / "none.toml": "No such file or directory",
            folder: "Is a directory",
            latin: "it is not UTF-8",
        }
        for path, reason in cases.items():
            error = self.assertRaises(ConfigurationError, load, path)
            self.assertEqual(str(error), f"{path}: can't be read: {reason}; {hint}")


class PathTests(SynchronousTestCase):
    """
    Tests of the paths in a file.
    """

    def test_defaults(self) -> None:
        """
        The defaults' paths lie in the file's folder.
        """
        configuration = parse("", _FILE)
        self.assertEqual(configuration.storage.url, "sqlite:////etc/scepd/scepd.sqlite")
        self.assertEqual(configuration.secrets.keyring_file, Path("/etc/scepd/keyring"))
        self.assertIsNone(configuration.listen.tls_key_file)

    def test_relative(self) -> None:
        """
        A relative path is relative to the file's folder, wherever the process runs.
        """
        configuration = parse(
            '[storage]\nurl = "sqlite:///data/x"\n'
            '[listen]\ntls_certificate_file = "tls/c.pem"\ntls_key_file = "../k.pem"',
            _FILE,
        )
        self.assertEqual(configuration.storage.url, "sqlite:////etc/scepd/data/x")
        self.assertEqual(configuration.listen.tls_certificate_file, Path("/etc/scepd/tls/c.pem"))
        self.assertEqual(configuration.listen.tls_key_file, Path("/etc/scepd/../k.pem"))

    def test_absolute(self) -> None:
        """
        An absolute path stays.
        """
        configuration = parse(
            '[storage]\nurl = "sqlite:////var/x"\n[secrets]\nkeyring_file = "/run/k"', _FILE
        )
        self.assertEqual(configuration.storage.url, "sqlite:////var/x")
        self.assertEqual(configuration.secrets.keyring_file, Path("/run/k"))

    def test_server(self) -> None:
        """
        A database of a server is taken as it is, with the password of its file.
        """
        url = "postgresql://scepd@db.example.com:5433/scepd"
        storage = parse(f'[storage]\nurl = "{url}"', _FILE).storage
        self.assertEqual(database_url(storage), url)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "scepd.toml"
            (path.parent / "secret").write_text("p@ss/w:rd\n")
            text = f'[storage]\npassword_file = "secret"\nurl = "{url}"'
            self.assertEqual(
                database_url(parse(text, path).storage),
                "postgresql://scepd:p%40ss%2Fw%3Ard@db.example.com:5433/scepd",
            )
            for other in ("sqlite:///x", "postgresql://db/scepd", "postgresql://u:p@db/scepd"):
                storage = parse(text.replace(url, other), path).storage
                error = self.assertRaises(ConfigurationError, database_url, storage)
                self.assertIn("[storage] password_file", str(error))
                self.assertNotIn("p@ss", str(error))

    def test_no_database_of_server(self) -> None:
        """
        A server's URL without a database, or with a port that is none, is refused.
        """
        for url in ("postgresql://u@db", "postgresql://u@db/", "postgresql://u:magic@db:x/scepd"):
            error = self.assertRaises(ConfigurationError, parse, f'[storage]\nurl = "{url}"', _FILE)
            self.assertIn("[storage] url", str(error))
            self.assertNotIn("magic", str(error))

    def test_relative_file(self) -> None:
        """
        The file's own path may be relative too: the folder is made absolute at once.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder).resolve() / "scepd.toml"
            path.write_text("")
            relative = Path("/".join([".."] * 30 + [str(path).lstrip("/")]))
            keyring = load(relative).secrets.keyring_file
        self.assertTrue(keyring.is_absolute())
        self.assertEqual(keyring.resolve(), path.parent / "keyring")


class SampleTests(SynchronousTestCase):
    """
    Tests of the sample, which is where operators read what can be set.
    """

    def test_copy(self) -> None:
        """
        ``etc/scepd.toml`` is the sample of the package, byte for byte.
        """
        sample = files("scepd").joinpath("sample", "scepd.toml").read_bytes()
        self.assertEqual((_CHECKOUT / "etc" / "scepd.toml").read_bytes(), sample)

    def test_keys(self) -> None:
        """
        It holds every key of the model in the model's order, those without a default in comments.
        """
        uncommented = re.sub(r"(?m)^#(?=\w+ = )", "", _SAMPLE)
        found = [
            (section, key) for section, keys in tomllib.loads(uncommented).items() for key in keys
        ]
        self.assertEqual(found, [(section, key) for section, key, _ in _fields()])
        # Of the three ways to Apple only one can be gone.
        parse(re.sub(r"(?m)^(pkcs12_file|token_\w+) = .*\n", "", uncommented), _FILE)

    def test_defaults(self) -> None:
        """
        Each value in it is the model's default; a key in comments has none.
        """
        self.assertEqual(parse(_SAMPLE, _FILE), parse("", _FILE))
        stated = tomllib.loads(_SAMPLE)
        for section, key, field in _fields():
            self.assertEqual(key in stated[section], field.default is not None, key)

    def test_explanations(self) -> None:
        """
        Each key has a comment above it, and each field says what is allowed.
        """
        lines = _SAMPLE.splitlines()
        for above, line in pairwise(lines):
            if re.match(r"#?\w+ = ", line):
                self.assertRegex(above, r"^(# |#\w+ = )", line)
        for section, key, field in _fields():
            self.assertTrue(field.description, f"{section}.{key}")


class UseTests(SynchronousTestCase):
    """
    Tests that nothing can be set in vain.
    """

    def test_every_key_is_used(self) -> None:
        """
        Every key is read as an attribute somewhere in scepd, outside the model.
        """
        used: set[str] = set()
        readers = ("scepd.config.push_credentials",)
        for module in getModule("scepd").walkModules():
            if not module.name.startswith("scepd.config") or module.name in readers:
                tree = ast.parse(module.filePath.getContent())
                used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        self.assertEqual([key for _, key, _ in _fields() if key not in used], [])

    def test_frozen(self) -> None:
        """
        A configuration can't be changed once it is read.
        """
        log = parse("", _FILE).log
        with self.assertRaises(ValueError):
            log.level = "debug"
