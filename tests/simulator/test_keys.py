"""
Tests for keys that are made before.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from scepd.simulator.keys import KeyFolder, KeySupply


class KeyTests(SynchronousTestCase):
    """
    Tests for the folder, and for what a device gets of it.
    """

    def setUp(self) -> None:
        """
        Make a folder with small keys.
        """
        self.path = Path(self.mktemp()) / "keys"
        self.folder = KeyFolder(self.path, 1024)

    def test_kept(self) -> None:
        """
        A key is made once, whole, and readable by its owner alone; the missing ones are told.
        """
        self.assertEqual(self.folder.missing(3), [0, 1, 2])
        self.folder.make(1)
        made = self.folder.read(1).private_numbers()
        self.folder.make(1)
        self.assertEqual(KeyFolder(self.path, 1024).read(1).private_numbers(), made)
        self.assertEqual(self.folder.missing(3), [0, 2])
        (file,) = self.path.iterdir()
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)

    def test_made_when_missing(self) -> None:
        """
        One that nobody made is made when it is read.
        """
        self.assertEqual(self.folder.read(7).key_size, 1024)
        self.assertEqual(self.folder.missing(8), list(range(7)))

    def test_spoilt(self) -> None:
        """
        A file with something else is named.
        """
        KeyFolder(self.path, 1024).make(0)
        (file,) = self.path.iterdir()
        file.rename(self.path / "rsa2048-00000.der")
        error = self.assertRaises(ValueError, KeyFolder(self.path, 2048).read, 0)
        self.assertIn("rsa2048-00000.der", str(error))

    def test_supply(self) -> None:
        """
        A device's first keys are the kept one; then, and for other sizes, each is a fresh one.
        """
        kept = self.folder.read(0).private_numbers()
        supply = KeySupply(self.folder, 0, uses=2)
        other = supply(1536)
        self.assertEqual(other.key_size, 1536)
        keys = [supply(1024).private_numbers() for _ in range(4)]
        self.assertEqual(keys[:2], [kept, kept])
        self.assertNotIn(kept, keys[2:])
        self.assertNotEqual(keys[2], keys[3])
