"""
The device's SCEP: enrollment, renewal, polling and queries, as RFC 8894 has them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from scepd.pki.crl_reading import RevocationList, read_revocation_list
from scepd.pki.decoding import reading
from scepd.pki.identity import identify
from scepd.pki.requests import build_request
from scepd.pki.self_signed import build_self_signed
from scepd.scep.answers import MAX_CRL_MESSAGE_SIZE, asked_certificate
from scepd.scep.attributes import MessageType
from scepd.scep.dialect import Form, choose_dialect
from scepd.scep.next_ca import read_next_ca_certificates
from scepd.scep.queries import IssuerAndSerial
from scepd.scep.requesting import transaction_id_for
from scepd.simulator.failures import INSTALLATION_FAILED, DeviceError, NoAnswer
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.identity import Identity
from scepd.simulator.keys import Keys, fresh_key
from scepd.simulator.patience import Patience, Waiting
from scepd.simulator.scep_connection import SCEPConnection
from scepd.simulator.scep_failures import (
    PendingRequest,
    SCEPFailed,
    SCEPPending,
    scep_exchange,
)
from scepd.simulator.scep_session import SCEPSession

# What Apple's profile reference allows as a Keysize.
_KEY_SIZES = (1024, 2048, 4096)


class SCEPClient:
    """
    A client of one SCEP URL; each method asks anew what the authority can do.

    :param url: where the authority is; a query it has stays in it.
    :param http: how to get there.
    :param random: gives that many unpredictable octets.
    :param waiting: the device's clock.
    :param patience: how long to poll when the authority answers PENDING.
    :param allow_des: whether single DES will do, which some authorities answer with whatever they
        were asked with.
    :param form: of a PKIOperation; None for the better one that the authority offers.
    :param keys: where keys come from.
    """

    def __init__(
        self,
        url: str,
        http: DeviceHTTP,
        random: Callable[[int], bytes] = os.urandom,
        *,
        waiting: Waiting | None = None,
        patience: Patience | None = None,
        allow_des: bool = True,
        form: Form | None = None,
        keys: Keys = fresh_key,
    ) -> None:
        self._connection = SCEPConnection(url, http)
        self._random = random
        self._waiting = waiting or Waiting()
        self._patience = patience or Patience()
        self._allow_des = allow_des
        self._form = form
        self._keys = keys

    # -- certificates ------------------------------------------------------------------------------

    def enroll(self, subject: x509.Name, challenge: str, key_bits: int = 2048) -> Identity:
        """
        Make a key and get a certificate for it.

        :param subject: the name to ask for.
        :param challenge: the challengePassword; empty for none.
        :param key_bits: as ``make_key``.
        :returns: the identity.
        :raises SCEPRefused: the authority refused.
        :raises SCEPPending: the authority has not decided until patience ended.
        :raises DeviceError: the authority can't be reached, or its answer is no good.
        """
        return self.enroll_key(self.make_key(key_bits), subject, challenge)

    def make_key(self, bits: int) -> rsa.RSAPrivateKey:
        """
        Make a fresh RSA key.

        :param bits: 1024, 2048 or 4096.
        :returns: the key.
        :raises DeviceError: any other size.
        """
        if bits not in _KEY_SIZES:
            raise DeviceError(f"an RSA key of {bits} bits is not to be had", INSTALLATION_FAILED)
        return self._keys(bits)

    def enroll_key(self, key: rsa.RSAPrivateKey, subject: x509.Name, challenge: str) -> Identity:
        """
        Get a certificate for a key.

        :param key: to be certified; signs the request as well.
        :param subject: the name to ask for.
        :param challenge: the challengePassword; empty for none.
        :returns: the identity.
        :raises DeviceError: as :meth:`enroll`.
        """
        with scep_exchange():
            signer = build_self_signed(key, subject, self._waiting.now(), self._random)
            request = build_request(key, subject, challenge or None)
            asked = PendingRequest(key, Identity(key, signer), subject, transaction_id_for(key))
            return self._certify(self._session(), request, asked, MessageType.PKCS_REQ)

    def renew(
        self,
        identity: Identity,
        key: rsa.RSAPrivateKey,
        *,
        challenge: str = "",
        message_type: MessageType | None = None,
    ) -> Identity:
        """
        Get a new certificate of the same names; the old one vouches for it.

        :param identity: the old one, whose key signs the request.
        :param key: to be certified; the old one, too, will do for most authorities.
        :param challenge: the challengePassword; empty for none, as Apple's clients do.
        :param message_type: ``RENEWAL_REQ`` or ``PKCS_REQ``; None for what the authority offers.
        :returns: the new identity.
        :raises DeviceError: as :meth:`enroll`.
        """
        with scep_exchange():
            with reading("the certificate"):
                subject, names = identity.summary.subject, _alternative_names(identity.summary)
            request = build_request(key, subject, challenge or None, alternative_names=names)
            asked = PendingRequest(key, identity, subject, transaction_id_for(key))
            session = self._session()
            kind = session.dialect.renewal if message_type is None else message_type
            return self._certify(session, request, asked, kind)

    def poll(self, asked: PendingRequest) -> Identity:
        """
        Ask what became of a request until it is decided.

        :param asked: the request that was answered with PENDING.
        :returns: the identity.
        :raises DeviceError: as :meth:`enroll`.
        """
        with scep_exchange():
            return self._poll(self._session(), asked)

    # -- queries -----------------------------------------------------------------------------------

    def get_ca_certificates(self) -> tuple[bytes, ...]:
        """
        Ask for the authority's certificates.

        :returns: the DER of each, as GetCACert told them.
        :raises DeviceError: the authority can't be reached, or its answer is no good.
        """
        with scep_exchange():
            return self._connection.authority().certificates

    def get_next_ca_certificates(self, known: Sequence[bytes] = ()) -> tuple[bytes, ...]:
        """
        Ask for the certificates of the authority's next key.

        :param known: the DER of the current certificates that are trusted; none for what
            GetCACert tells.
        :returns: the DER of each.
        :raises DeviceError: there is none, the authority can't be reached, or its answer is no
            good.
        """
        with scep_exchange():
            trusted = known or self._connection.authority().issuers
            return read_next_ca_certificates(self._connection.next_ca(), trusted)

    def get_cert(self, identity: Identity, serial_number: int) -> bytes:
        """
        Ask for a certificate that the authority issued.

        :param identity: signs the request.
        :param serial_number: of the certificate.
        :returns: the certificate, DER.
        :raises DeviceError: as :meth:`enroll`.
        """
        with scep_exchange():
            session = self._session()
            asked = IssuerAndSerial(session.authority.issuer, serial_number)
            sent = session.requester(identity).get_cert(asked, self._fresh_transaction_id())
            return asked_certificate(session.query(sent, identity).certificates, asked)

    def get_crl(self, identity: Identity) -> RevocationList:
        """
        Ask for the revocation list that would tell of a certificate.

        :param identity: holds the certificate, and signs the request.
        :returns: the list, which the authority signed.
        :raises DeviceError: as :meth:`enroll`.
        """
        with scep_exchange():
            session = self._session()
            own = identify(identity.certificate)
            asked = IssuerAndSerial(own.issuer, own.serial_number)
            sent = session.requester(identity).get_crl(asked, self._fresh_transaction_id())
            found = session.query(sent, identity, largest=MAX_CRL_MESSAGE_SIZE).crls
            if not found:
                raise SCEPFailed("the answer holds no revocation list")
            return read_revocation_list(found[0], session.authority.issuers)

    # -- steps -------------------------------------------------------------------------------------

    def _session(self) -> SCEPSession:
        authority = self._connection.authority()
        dialect = choose_dialect(authority.capabilities, allow_des=self._allow_des, form=self._form)
        return SCEPSession(self._connection, authority, dialect, self._random)

    def _certify(
        self, session: SCEPSession, request: bytes, asked: PendingRequest, kind: MessageType
    ) -> Identity:
        requester = session.requester(asked.signer)
        sent = requester.certification(request, asked.transaction_id, kind)
        return session.certify(sent, asked) or self._poll(session, asked)

    def _poll(self, session: SCEPSession, asked: PendingRequest) -> Identity:
        for _ in self._waiting.polls(self._patience):
            try:
                found = session.poll(asked)
            except NoAnswer:
                # Nothing was decided by that, and the next poll may get through.
                continue
            if found is not None:
                return found
        raise SCEPPending(asked)

    def _fresh_transaction_id(self) -> str:
        return self._random(20).hex().upper()


def _alternative_names(certificate: x509.Certificate) -> Sequence[x509.GeneralName]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(found.value)
