"""
ASN.1 as trees that tests change: taken apart by asn1crypto, and put together in DER or any BER.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from asn1crypto import parser
from hypothesis import strategies as st


@dataclass
class Node:
    """
    One element: an identifier octet, and octets or other elements.
    """

    tag: int
    octets: bytes
    children: list[Node]

    def der(self) -> bytes:
        """
        Encode it with definite lengths that are as short as can be.
        """
        body = b"".join(child.der() for child in self.children) or self.octets
        return bytes([self.tag]) + shortest_length(len(body)) + body

    def ber(self, chance: Random) -> bytes:
        """
        Encode it in one of the many ways that BER has, as ``chance`` decides.
        """
        if self.tag == 0x04 and chance.random() < 0.5:
            return self._in_segments(chance)
        if not self.tag & 0x20:
            return bytes([self.tag]) + _some_length(len(self.octets), chance) + self.octets
        return _constructed(self.tag, [child.ber(chance) for child in self.children], chance)

    def all(self) -> list[Node]:
        """
        Return this element and all that are in it.
        """
        return [self, *(node for child in self.children for node in child.all())]

    def _in_segments(self, chance: Random) -> bytes:
        at = chance.randint(0, len(self.octets))
        parts = (self.octets[:at], self.octets[at:])
        encoded = [b"\x04" + _some_length(len(part), chance) + part for part in parts]
        return _constructed(0x24, encoded, chance)


def tree_of(data: bytes) -> Node:
    """
    Take DER apart.
    """
    _, constructed, _, _, contents, _ = parser.parse(data, strict=True)
    if not constructed:
        return Node(data[0], contents, [])
    children = []
    while contents:
        size = parser.peek(contents)
        children.append(tree_of(contents[:size]))
        contents = contents[size:]
    return Node(data[0], b"", children)


def shortest_length(length: int) -> bytes:
    """
    Encode a length as DER does, up to 4 GB.
    """
    if length < 0x80:
        return bytes([length])
    octets = length.to_bytes(4, "big").lstrip(b"\0")
    return bytes([0x80 | len(octets)]) + octets


def changed(chance: Random, der: bytes) -> bytes:
    """
    Change some elements of a message: drop, double, move, re-tag or replace them.
    """
    root = tree_of(der)
    for _ in range(chance.randint(1, 3)):
        nodes = root.all()
        parents = [node for node in nodes if node.children]
        if parents:
            siblings = chance.choice(parents).children
            _change(chance, siblings, chance.randrange(len(siblings)), nodes)
    return root.der()


def trees(depth: int = 5) -> st.SearchStrategy[Node]:
    """
    Make up any element of a form that occurs in messages.
    """
    tags = st.sampled_from([0x01, 0x02, 0x03, 0x04, 0x05, 0x0C, 0x13, 0x17, 0x80, 0x81, 0x9E])
    primitive = st.builds(Node, tags, st.binary(max_size=300), st.just([]))
    if depth == 1:
        return primitive
    inner = st.lists(trees(depth - 1), max_size=3)
    constructed = st.sampled_from([0x30, 0x31, 0xA0, 0xA1, 0x61])
    return primitive | st.builds(Node, constructed, st.just(b""), inner)


def _change(chance: Random, siblings: list[Node], at: int, others: list[Node]) -> None:
    old = siblings[at]
    match chance.randrange(6):
        case 0:
            del siblings[at]
        case 1:
            siblings.insert(at, old)
        case 2:
            siblings.append(siblings.pop(at))
        case 3:
            siblings[at] = tree_of(chance.choice(others).der())
        case 4:
            tag = chance.choice([0x02, 0x04, 0x05, 0x06, 0x13, 0x80, 0x81, 0x84])
            siblings[at] = Node(tag, old.octets, [])
        case 5:
            end = chance.randrange(4)
            siblings[at] = Node(old.tag, old.octets[:end], old.children[:end])


def _constructed(tag: int, parts: list[bytes], chance: Random) -> bytes:
    body = b"".join(parts)
    if chance.random() < 0.5:
        return bytes([tag, 0x80]) + body + b"\0\0"
    return bytes([tag]) + _some_length(len(body), chance) + body


def _some_length(length: int, chance: Random) -> bytes:
    if chance.randrange(4):
        return shortest_length(length)
    return b"\x84" + length.to_bytes(4, "big")
