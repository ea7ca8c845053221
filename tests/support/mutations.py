"""
Bytes that were once right: for readers that have to survive everything.
"""

from __future__ import annotations

from hypothesis import strategies as st


def mutated(seed: bytes) -> st.SearchStrategy[bytes]:
    """
    Change a few octets of a message, cut it, or put something in.
    """
    position = st.integers(0, len(seed) - 1)
    flips = st.lists(st.tuples(position, st.integers(0, 255)), min_size=1, max_size=6)
    pieces = st.tuples(position, st.integers(0, 20), st.binary(max_size=20))
    return st.one_of(
        flips.map(lambda changes: _flipped(seed, changes)),
        position.map(lambda end: seed[:end]),
        pieces.map(lambda piece: seed[: piece[0]] + piece[2] + seed[piece[0] + piece[1] :]),
        # The first octets hold the tags and lengths that everything else hangs on.
        st.binary(max_size=12).map(lambda head: head + seed[len(head) :]),
        st.binary(max_size=300),
    )


def _flipped(seed: bytes, changes: list[tuple[int, int]]) -> bytes:
    octets = bytearray(seed)
    for at, value in changes:
        octets[at] = value
    return bytes(octets)
