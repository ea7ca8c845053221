"""
Tests for the observer's copy of a request.
"""

from __future__ import annotations

from io import BytesIO
from typing import IO

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.scep.messages import MAX_MESSAGE_SIZE
from scepd.services.request_copy import RequestCopy

FEW = settings(max_examples=100, deadline=None, derandomize=True, database=None)


class _Full(BytesIO):
    """
    A file on a disk that is full from some size on.
    """

    room = 1000

    def write(self, data: object) -> int:
        """
        Fail when there is no room.
        """
        assert isinstance(data, bytes)
        if self.tell() + len(data) > self.room:
            raise OSError(28, "No space left on device")
        return super().write(data)


class _Unclosable(_Full):
    def close(self) -> None:
        """
        Fail, as a file does that still has something to write.
        """
        raise OSError(28, "No space left on device")


class RequestCopyTests(SynchronousTestCase):
    """
    Tests for L{RequestCopy}.
    """

    def setUp(self) -> None:
        """
        No file yet.
        """
        self.files: list[IO[bytes]] = []

    def spool(self) -> IO[bytes]:
        """
        Make a file.
        """
        self.files.append(BytesIO())
        return self.files[-1]

    def test_small(self) -> None:
        """
        What fits into the memory needs no file.
        """
        copy = RequestCopy(self.spool)
        copy.feed(bytes(MAX_MESSAGE_SIZE - 1))
        copy.feed(b"x")
        copy.feed(b"")
        self.assertEqual((copy.getvalue()[-2:], copy.total), (b"\0x", MAX_MESSAGE_SIZE))
        copy.close()
        self.assertEqual(self.files, [])

    def test_large(self) -> None:
        """
        The rest is in a file, which is closed with the copy.
        """
        copy = RequestCopy(self.spool)
        copy.feed(bytes(MAX_MESSAGE_SIZE - 1) + b"ab")
        self.assertEqual(copy.getvalue()[-3:], b"\0ab")
        copy.feed(b"c")
        self.assertEqual((copy.getvalue()[-4:], copy.total), (b"\0abc", MAX_MESSAGE_SIZE + 2))
        [file] = self.files
        self.assertEqual(file.tell(), 2)
        copy.close()
        self.assertTrue(file.closed)
        copy.close()

    @FEW
    @given(st.lists(st.tuples(st.integers(0, 300_000), st.booleans()), max_size=6))
    def test_pieces(self, steps: list[tuple[int, bool]]) -> None:
        """
        However the octets come, and whenever they are asked for, they are all there, in order.
        """
        copy, fed = RequestCopy(), b""
        for number, (size, asked) in enumerate(steps):
            copy.feed(bytes([number]) * size)
            fed += bytes([number]) * size
            if asked:
                self.assertTrue(copy.getvalue() == fed)
        self.assertTrue(copy.getvalue() == fed)
        self.assertEqual(copy.total, len(fed))
        copy.close()

    def test_no_room(self) -> None:
        """
        Where a file can't be made, written or even closed, the beginning is what is kept; that is
        told once.
        """

        def refuse() -> IO[bytes]:
            raise OSError(13, "Permission denied")

        for spool, why in (
            (refuse, "Permission denied"),
            (_Full, "No space left on device"),
            (_Unclosable, "No space left on device"),
        ):
            copy = RequestCopy(spool)
            with capturedLogs() as events:
                for _ in range(5):
                    copy.feed(bytes(MAX_MESSAGE_SIZE))
            self.assertEqual([event["reason"] for event in events], [why])
            self.assertEqual(len(copy.getvalue()), MAX_MESSAGE_SIZE)
            self.assertEqual(copy.total, 5 * MAX_MESSAGE_SIZE)
            copy.close()
