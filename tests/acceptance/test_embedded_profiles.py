"""
Profiles that name the embedded certificate authority.
"""

from __future__ import annotations

import json

from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from scepd.model import EMBEDDED_CA
from tests.support.daemon import SAMPLE_PROFILE
from tests.support.fleet import Fleet


class EmbeddedProfileTests(TestCase):
    """
    The daemon as a process, a simulated device, and no other certificate authority.
    """

    timeout = 120

    async def test_verified(self) -> None:
        """
        A profile that names it brings a certificate of it, through the proxy, without any authority
        being added; the profile ends verified.
        """
        fleet = Fleet()
        self.addCleanup(fleet.stop)
        await fleet.start()
        (polled,) = await fleet.enroll()
        content = SAMPLE_PROFILE.read_bytes().replace(b"Test_SCEP", EMBEDDED_CA.encode())
        profile = await fleet.add_profile(content)
        await fleet.until_verified(profile, patience=60)
        identity = polled.device.keychain.identities[-1]
        shown = await deferToThread(fleet.daemon.ctl, "ca", "show", EMBEDDED_CA, "--json")
        authority = json.loads(shown.stdout)
        self.assertEqual(identity.summary.issuer.rfc4514_string(), authority["subject"])
        self.assertEqual(identity.summary.public_key(), identity.key.public_key())
        async with fleet.daemon.stores() as stores:
            [exchange] = await stores.exchanges(polled.udid)
        self.assertEqual((exchange.ca_name, exchange.pki_status), (EMBEDDED_CA, "SUCCESS"))
