"""
Tests for the users of a simulated device, and for its proof by TLS.
"""

from __future__ import annotations

import os
import ssl
import stat
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError
from scepd.osquery.distributed import USER_PROFILES, inventory_queries
from scepd.simulator.client_certificate import proving_http
from scepd.simulator.failures import DeviceError
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.identity import Identity
from scepd.simulator.osquery_tables import query
from scepd.simulator.user_channel import UserChannel
from tests.simulator.server import HARDWARE, Server, command, profile
from tests.support.pki import party

_USER = "0B1C6C4E-0001-4000-8000-000000000001"


class UserChannelTests(SynchronousTestCase):
    """
    Tests for UserChannel.
    """

    def setUp(self) -> None:
        """
        Let a user of an enrolled device log in.
        """
        self.server = Server()
        self.device = self.server.enrolled()
        self.user = UserChannel(self.device, "ann", _USER)

    def _sent(self) -> list[dict[str, Any]]:
        messages = [message for message, _ in self.server.messages]
        self.assertEqual({signer for _, signer in self.server.messages}, {self._certificate})
        self.server.messages.clear()
        return messages

    @property
    def _certificate(self) -> bytes:
        assert self.device.identity is not None
        return self.device.identity.certificate

    def test_appears(self) -> None:
        """
        The channel begins with a TokenUpdate that names the user and has a push address of its own,
        signed by the device.
        """
        self.user.update_token()
        (message,) = self._sent()
        self.assertEqual(
            (message["MessageType"], message["UDID"], message["UserID"], message["UserShortName"]),
            ("TokenUpdate", HARDWARE.udid, _USER, "ann"),
        )
        self.assertEqual(message["Token"], self.user.push_token.token)
        self.assertNotEqual(message["Token"], self.device.push_token.token)
        self.assertRaises(DeviceError, self.user.authenticate)

    def test_profile(self) -> None:
        """
        A profile of the user is the user's alone, and so is its certificate; osquery lists it among
        the users' profiles, and the certificate among all. It goes with the channel.
        """
        self.server.commands = [command("InstallProfile", Payload=profile())]
        self.assertEqual(self.user.poll(), 1)
        self.assertEqual([each["UserID"] for each in self._sent()], [_USER] * 2)
        self.assertEqual(len(self.user.keychain.identities), 1)
        self.assertEqual((self.device.keychain.profiles, self.device.keychain.identities), ({}, []))
        (row,) = query(self.device, inventory_queries(["ann"])[USER_PROFILES])
        self.assertEqual(row["identifier"], "com.example.wifi")
        listed = query(self.device, "SELECT identifier FROM macos_profiles")
        self.assertEqual(listed, [{"identifier": "com.example.enroll"}])
        self.assertEqual(len(query(self.device, "SELECT sha1 FROM certificates")), 2)
        self.server.commands = [command("ProfileList")]
        self.user.poll()
        _, result = self._sent()
        identifiers = [each["PayloadIdentifier"] for each in result["ProfileList"]]
        self.assertEqual(identifiers, ["com.example.wifi"])
        self.user.check_out()
        self.assertEqual((self.user.profiles, self.user.keychain.identities), ((), []))

    def test_users_in_osquery(self) -> None:
        """
        The table of users' profiles takes one user by name, as fleetd's does, and refuses in its
        words; several are asked for by UNION ALL.
        """
        other = UserChannel(self.device, "o'hara")
        self.server.commands = [command("InstallProfile", Payload=profile())]
        self.assertEqual(other.poll(), 1)
        asked = inventory_queries(["ann", "o'hara"])[USER_PROFILES]
        self.assertEqual(len(query(self.device, asked)), 1)
        table = "SELECT identifier FROM macos_user_profiles"
        self.assertEqual(query(self.device, f"{table} WHERE username = 'ann'"), [])
        for where, words in (
            ("", "missing username constraint"),
            ("WHERE username IN ('ann')", "missing username constraint"),
            ("WHERE username = 'ann' OR username = 'x'", "must be a single equals constraint"),
            ("WHERE username = 'nobody'", "calling /usr/bin/profiles"),
        ):
            error = self.assertRaises(EncodingError, query, self.device, f"{table} {where}")
            self.assertIn(words, str(error))

    def test_device_apart(self) -> None:
        """
        The device's own polls name no user.
        """
        self.device.poll()
        (message,) = self._sent()
        self.assertNotIn("UserID", message)


class ProofTests(SynchronousTestCase):
    """
    Tests for a device that proves who it is by TLS.
    """

    def test_unsigned(self) -> None:
        """
        It sends messages over a connection of its identity, one for each identity, and signs none.
        """
        server = Server()
        proved: list[bytes] = []

        def proves(identity: Identity) -> DeviceHTTP:
            """
            Make a connection, and remember whose.
            """
            proved.append(identity.certificate)
            return server.http()

        device = server.enrolled()
        device._proves = proves
        for name in ("checkin", "connect"):
            server.replies[f"/mdm/{name}"] = (200, b"")
        server.requests.clear()
        device.poll()
        device.update_token()
        device.renew_identity()
        device.poll()
        sent = [each for each in server.requests if each.method == "PUT"]
        self.assertEqual(len(sent), 3)
        self.assertFalse(any("Mdm-Signature" in each.headers for each in sent))
        assert device.previous_identity is not None and device.identity is not None
        renewed = [device.previous_identity.certificate, device.identity.certificate]
        self.assertEqual(proved, renewed)
        device.close()

    def test_key_in_no_file(self) -> None:
        """
        The key is on disk only while TLS reads it, and nobody else can.
        """
        one = party("CN=device-1")
        seen: list[tuple[Path, int]] = []
        load = ssl.SSLContext.load_cert_chain

        def look(context: ssl.SSLContext, path: Path) -> None:
            """
            Remember the file and who may read it.
            """
            seen.append((path, stat.S_IMODE(os.stat(path).st_mode)))
            load(context, path)

        self.patch(ssl.SSLContext, "load_cert_chain", look)
        proving_http(Identity(one.key, one.certificate)).close()
        ((path, mode),) = seen
        self.assertEqual((mode, path.exists(), path.parent.exists()), (0o600, False, False))
