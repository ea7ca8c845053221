"""
What every database must do with bootstrap tokens.
"""

from __future__ import annotations

from scepd.errors import NotFound
from scepd.pki.keyring import SealedSecret
from tests.storage import records
from tests.storage.base import StorageTestCase
from tests.storage.records import HOUR, NOON

SEALED = SealedSecret("k1", b"sealed token")


class BootstrapTokenContract(StorageTestCase):
    """
    BootstrapTokenStore.
    """

    async def read(self) -> SealedSecret | None:
        """
        The token of H-1.
        """
        return await self.bootstrap.read("H-1", records.activity("H-1"))

    async def test_kept(self) -> None:
        """
        A token is kept until another comes, or none; each time that it is read is an activity.
        """
        await self.enroll()
        self.assertIsNone(await self.read())
        other = SealedSecret("k2", b"another")
        for token in (SEALED, other):
            await self.bootstrap.keep("H-1", token)
            self.assertEqual(await self.read(), token)
        self.assertEqual(list(await self.done()), [records.activity("H-1")] * 2)
        await self.bootstrap.keep("H-1", None)
        self.assertIsNone(await self.read())
        self.assertEqual(len(await self.done()), 2)

    async def test_survives_a_token_update(self) -> None:
        """
        Another push token changes nothing.
        """
        await self.enroll()
        await self.bootstrap.keep("H-1", SEALED)
        await self.checkins.update_token("H-1", records.address(), NOON, NOON)
        self.assertEqual(await self.read(), SEALED)

    async def test_ends(self) -> None:
        """
        It ends with its enrollment, and nobody who takes its place gets it.
        """
        await self.enroll()
        await self.bootstrap.keep("H-1", SEALED)
        await self.checkins.authenticate(records.host(), records.enrollment(), "id-9")
        self.assertIsNone(await self.read())
        await self.bootstrap.keep("H-1", SEALED)
        await self.checkins.check_out("H-1", NOON + HOUR)
        self.assertIsNone(await self.read())

    async def test_without_enrollment(self) -> None:
        """
        Without an enrollment that has an identity nothing is kept.
        """
        await self.refused(NotFound, self.bootstrap.keep("H-1", SEALED))
        await self.enroll()
        await self.checkins.check_out("H-1", NOON + HOUR)
        await self.refused(NotFound, self.bootstrap.keep("H-1", SEALED))
        self.assertIsNone(await self.read())
