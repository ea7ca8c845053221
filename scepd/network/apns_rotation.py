"""
Which credentials are shown to Apple's push service while new ones take over.
"""

from __future__ import annotations

from scepd.apns.credentials import PushCredentials

_STAYS = "the former one stays in use"


class Rotation:
    """
    The credentials in use, and a candidate that takes their place when a push was accepted with it.

    :ivar trusted: those in use, or that were before the candidate.
    :ivar candidate: None: there are no others.
    :ivar complaint: what is wrong with new credentials, for operators; or empty.
    """

    def __init__(self, credentials: PushCredentials) -> None:
        self.trusted = credentials
        self.candidate: PushCredentials | None = None
        self.complaint = ""
        self._candidate_next = True

    @property
    def wanted(self) -> PushCredentials:
        """
        Those that all connections should have.
        """
        return self.trusted if self.candidate is None else self.candidate

    def knows(self, credentials: PushCredentials) -> bool:
        """
        Whether they may still be used.
        """
        return credentials is self.trusted or credentials is self.candidate

    def renew(self, credentials: PushCredentials, *, at_once: bool) -> bool:
        """
        Here are new credentials, or perhaps the same.

        :param at_once: those of before can't be used any more.
        :returns: whether anything changes.
        """
        if credentials == self.wanted and not at_once:
            return False
        self.complaint = ""
        self._candidate_next = True
        self.candidate = None
        if at_once:
            self.trusted = credentials
        elif credentials != self.trusted:
            self.candidate = credentials
        return True

    def choose(self, *, alone: bool) -> PushCredentials:
        """
        What the next connection is made with: without any other connection both take turns.
        """
        if self.candidate is None or (alone and not self._candidate_next):
            return self.trusted
        return self.candidate

    def prefer_trusted(self) -> None:
        """
        A good connection has ended: its like comes first.
        """
        self._candidate_next = False

    def proved(self, credentials: PushCredentials) -> None:
        """
        A push was accepted with them.
        """
        if credentials is self.candidate:
            self.trusted, self.candidate, self.complaint = credentials, None, ""

    def connected(self, credentials: PushCredentials) -> None:
        """
        There is a connection that takes pushes.
        """
        if credentials is self.candidate:
            self.complaint = ""

    def failed(self, credentials: PushCredentials, complaint: str) -> bool:
        """
        A connection with them did not come about, or was of no use.

        :returns: whether it is the candidate's, whose complaint is kept here.
        """
        self._candidate_next = credentials is not self.candidate
        if credentials is not self.candidate:
            return False
        self.complaint = f"the new push certificate is not in use yet: {complaint}; {_STAYS}"
        return True

    def refused(self, credentials: PushCredentials, reason: str) -> bool:
        """
        Apple refuses them, which are the ones or the others.

        :returns: whether there are others to use.
        """
        candidate, self.candidate = self.candidate, None
        if candidate is None:
            return False
        if credentials is candidate:
            self.complaint = f"the new push certificate is refused: {reason}; {_STAYS}"
        else:
            self.trusted = candidate
        return True
