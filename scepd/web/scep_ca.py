"""
The embedded certificate authority's resources: ``/mdm/scep/ca`` and its revocation lists.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from twisted.web.resource import Resource
from twisted.web.server import Request

from scepd.errors import EncodingError, NotFound
from scepd.scep.messages import MAX_MESSAGE_SIZE
from scepd.scep.transport import CA_CERTIFICATE, NEXT_CA_CERTIFICATES, PKI_MESSAGE
from scepd.services.issuing import EmbeddedCA
from scepd.services.proxying import Operation
from scepd.services.revocation_lists import RevocationLists
from scepd.web.device_answers import begin_answer, refuse_method, write_answer
from scepd.web.scep_request import METHODS, PROGRAM, SCEPRequest, read_request

_REVOCATION_LIST = "application/pkix-crl"
_SERIAL = re.compile("[0-9A-Fa-f]{1,40}")
_PATHS: tuple[tuple[bytes, ...], ...] = ((), (b"",), (PROGRAM,))


class SCEPCAResource(Resource):
    """
    SCEP by GET and POST (RFC 8894 section 4), for a site that bounds and buffers bodies.
    """

    isLeaf = True

    def __init__(self, ca: EmbeddedCA) -> None:
        super().__init__()
        self._ca = ca

    def render(self, request: Request) -> int:
        """
        Begin to answer.
        """
        if request.method.decode("ascii", "replace") not in METHODS:
            return refuse_method(request, *METHODS)
        return begin_answer(request, self._answer(request))

    async def _answer(self, request: Request) -> None:
        if tuple(request.postpath or ()) not in _PATHS:
            raise NotFound("there is nothing under this path")
        query = request.uri.partition(b"?")[2]
        asked = read_request(request.method, query, max_size=MAX_MESSAGE_SIZE)
        write_answer(request, *await self._operate(asked, request))

    async def _operate(self, asked: SCEPRequest, request: Request) -> tuple[str, bytes]:
        match asked.operation:
            case Operation.GET_CA_CAPS:
                return "text/plain", self._ca.capabilities()
            case Operation.GET_CA_CERT:
                return CA_CERTIFICATE, await self._ca.certificate()
            case Operation.GET_NEXT_CA_CERT:
                return NEXT_CA_CERTIFICATES, await self._ca.next_certificate()
            case Operation.PKI_OPERATION:
                message = _body(request) if asked.message is None else asked.message
                return PKI_MESSAGE, await self._ca.answer(message)


class RevocationListResource(Resource):
    """
    The revocation list of the current certificate, or of the one that ``issuer`` names by its
    serial number (RFC 2585).
    """

    isLeaf = True

    def __init__(self, lists: RevocationLists) -> None:
        super().__init__()
        self._lists = lists

    def render(self, request: Request) -> int:
        """
        Begin to answer.
        """
        if request.method != b"GET":
            return refuse_method(request, "GET")
        return begin_answer(request, self._answer(request))

    async def _answer(self, request: Request) -> None:
        if request.postpath:
            raise NotFound("there is nothing under this path")
        serial = _issuer_of(request.uri.partition(b"?")[2])
        write_answer(request, _REVOCATION_LIST, await self._lists.with_serial(serial))


def _issuer_of(query: bytes) -> str | None:
    pairs = dict(parse_qsl(query.decode("ascii", "replace")[:1024]))
    serial = pairs.get("issuer")
    if serial is not None and not _SERIAL.fullmatch(serial):
        raise EncodingError("issuer is not a serial number in hexadecimal digits")
    return serial


def _body(request: Request) -> bytes:
    content = request.content
    assert content is not None, "twisted.web gives every request its content"
    body: bytes = content.read(MAX_MESSAGE_SIZE + 1)
    return body
