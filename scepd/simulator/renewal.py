"""
Renewing what a device holds, without a new profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scepd.scep.attributes import MessageType
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.identity import Identity
from scepd.simulator.installation import ReceivedProfile
from scepd.simulator.keychain import InstalledProfile
from scepd.simulator.patience import Patience, Waiting
from scepd.simulator.scep_client import SCEPClient


@dataclass(frozen=True, slots=True)
class Renewal:
    """
    How a device renews: a new key of the old one's size, for which the old certificate vouches.

    :param http: how to get to the authorities.
    :param waiting: the device's clock.
    :param patience: how long to poll when an authority answers PENDING; None for Apple's.
    :param message_type: ``RENEWAL_REQ`` or ``PKCS_REQ``; None for what the authority offers.
    """

    http: DeviceHTTP
    waiting: Waiting
    patience: Patience | None = None
    message_type: MessageType | None = None

    def identity(self, old: Identity, url: str) -> Identity:
        """
        Renew an identity.

        :param old: signs the request.
        :param url: of its authority.
        :returns: the new one.
        :raises DeviceError: there is none to be had.
        """
        client = SCEPClient(url, self.http, waiting=self.waiting, patience=self.patience)
        key = client.make_key(old.key.key_size)
        return client.renew(old, key, message_type=self.message_type)

    def profile(
        self, installed: InstalledProfile, received: ReceivedProfile, at: datetime
    ) -> InstalledProfile:
        """
        Renew the identities of a profile.

        :param installed: as it is on the device.
        :param received: as it came.
        :param at: the time; aware.
        :returns: the profile with new identities.
        :raises DeviceError: there is one that is not to be had.
        """
        pairs = zip(installed.identities, received.requests, strict=True)
        identities = tuple(self.identity(old, request.url) for old, request in pairs)
        return InstalledProfile(
            installed.identifier, installed.display_name, at, identities, installed.uuid
        )
