"""
What an authority can do, by its GetCACaps (RFC 8894 section 3.5.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scepd.errors import LimitExceeded

# Digests and ciphers by the words that stand for them, strongest first.
_DIGESTS = (
    ("sha512", {"sha-512"}),
    ("sha384", {"sha-384"}),
    ("sha256", {"sha-256", "scepstandard"}),
    ("sha1", {"sha-1"}),
)
_CIPHERS = (
    ("aes-128-cbc", {"aes", "scepstandard"}),
    ("des-ede3-cbc", {"des3"}),
)
_POST = {"postpkioperation", "scepstandard"}
_KNOWN = {"getnextcacert", "renewal"}.union(_POST, *(words for _, words in _DIGESTS + _CIPHERS))
_MAX_WORDS = 100


@dataclass(frozen=True, slots=True)
class Capabilities:
    """
    The words of a GetCACaps answer.

    :param words: in order and as they were spelled; words that nobody knows are kept.
    """

    words: tuple[str, ...] = ()

    @classmethod
    def parse(cls, body: bytes, *, max_size: int = 8192) -> Capabilities:
        """
        Read the answer's text, however its lines end and its words are spelled.

        :param body: the answer; octets that are not ASCII are replaced.
        :param max_size: octets.
        :returns: the capabilities; none at all for an empty answer.
        :raises LimitExceeded: too large, or more than 100 words.
        """
        if len(body) > max_size:
            raise LimitExceeded("the capabilities are too large")
        words = body.removeprefix(b"\xef\xbb\xbf").decode("ascii", "replace").split()
        if len(words) > _MAX_WORDS:
            raise LimitExceeded("there are too many capabilities")
        return cls(tuple(words))

    def has(self, word: str) -> bool:
        """
        Tell whether a word is among them, in whatever case.

        :param word: such as ``Renewal``.
        :returns: whether it is.
        """
        return self._any({word.lower()})

    @property
    def make_sense(self) -> bool:
        """
        Whether a word that is known is among them.
        """
        return self._any(_KNOWN)

    @property
    def post(self) -> bool:
        """
        Whether a PKIOperation may be sent by POST.
        """
        return self._any(_POST)

    @property
    def renewal(self) -> bool:
        """
        Whether RenewalReq is offered.
        """
        return self.has("Renewal")

    @property
    def next_ca(self) -> bool:
        """
        Whether GetNextCACert is offered.
        """
        return self.has("GetNextCACert")

    @property
    def ciphers(self) -> tuple[str, ...]:
        """
        The content ciphers to choose from, best first; single DES when nothing is said.
        """
        found = tuple(name for name, words in _CIPHERS if self._any(words))
        return found or ("des-cbc",)

    @property
    def digests(self) -> tuple[str, ...]:
        """
        The digests to choose from, strongest first; SHA-1 when nothing better is said.

        RFC 8894 leaves MD5 to authorities that say nothing; no such authority is left, and MD5 is
        never used.
        """
        found = tuple(name for name, words in _DIGESTS if self._any(words))
        return found or ("sha1",)

    @property
    def preferred_digest(self) -> str:
        """
        The digest for a request: SHA-256 where it is offered, as all who offer more know it.
        """
        return "sha256" if "sha256" in self.digests else self.digests[0]

    def weaknesses(self) -> tuple[str, ...]:
        """
        Say what an operator should know before trusting this authority.

        :returns: one sentence per weakness; none for an authority of today.
        """
        found = []
        if self.ciphers == ("des-cbc",):
            found.append("The CA offers neither AES nor triple DES, which leaves single DES only.")
        elif "aes-128-cbc" not in self.ciphers:
            found.append("The CA offers triple DES but not AES.")
        if self.digests == ("sha1",):
            found.append("The CA offers no digest better than SHA-1.")
        if not self.post:
            found.append("The CA takes requests by GET only, whose length is limited.")
        return tuple(found)

    def render(self) -> bytes:
        """
        Write the text of a GetCACaps answer.

        :returns: the words, each with a line feed behind it.
        """
        return "".join(f"{word}\n" for word in self.words).encode("ascii", "replace")

    def _any(self, words: Iterable[str]) -> bool:
        mine = {word.lower() for word in self.words}
        return not mine.isdisjoint(words)
