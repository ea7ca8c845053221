"""
The SCEP operations.
"""

from __future__ import annotations

from enum import Enum


class Operation(Enum):
    """
    The SCEP operations (RFC 8894 section 4.1), each with its arrows in the sequence of a delivery.

    ``steps``: the request comes in, goes to the CA, its answer comes in, goes to the device; None
    for what no delivery needs.
    """

    GET_CA_CAPS = ("GetCACaps", ("B13", "B14", "B15", "B16"))
    GET_CA_CERT = ("GetCACert", ("B17", "B18", "B19", "B20"))
    GET_NEXT_CA_CERT = ("GetNextCACert", None)
    PKI_OPERATION = ("PKIOperation", ("B21", "B22", "B23", "B24"))

    def __init__(self, wire_name: str, steps: tuple[str, str, str, str] | None) -> None:
        self.wire_name = wire_name
        self.steps = steps
