"""
The embedded certificate authority's resource: ``/mdm/scep/ca``.
"""

from __future__ import annotations

from twisted.web.resource import Resource
from twisted.web.server import Request

from scepd.errors import NotFound
from scepd.scep.messages import MAX_MESSAGE_SIZE
from scepd.scep.transport import CA_CERTIFICATE, PKI_MESSAGE
from scepd.services.issuing import EmbeddedCA
from scepd.services.proxying import Operation
from scepd.web.device_answers import begin_answer, refuse_method, write_answer
from scepd.web.scep_request import METHODS, PROGRAM, SCEPRequest, read_request

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
                raise NotFound("there is no next certificate of the authority")
            case Operation.PKI_OPERATION:
                message = _body(request) if asked.message is None else asked.message
                return PKI_MESSAGE, await self._ca.answer(message)


def _body(request: Request) -> bytes:
    content = request.content
    assert content is not None, "twisted.web gives every request its content"
    body: bytes = content.read(MAX_MESSAGE_SIZE + 1)
    return body
