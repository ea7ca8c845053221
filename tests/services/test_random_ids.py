"""
Tests of ``scepd.services.random_ids``.
"""

from __future__ import annotations

import os
from uuid import UUID

from twisted.trial.unittest import SynchronousTestCase

from scepd.services.random_ids import RandomIds


class RandomIdsTests(SynchronousTestCase):
    """
    Tests of ``RandomIds``.
    """

    def test_many(self) -> None:
        """
        They are all different, and of version 4; randomness is asked for now and then.
        """
        asked = []

        def random(count: int) -> bytes:
            asked.append(count)
            return os.urandom(count)

        make = RandomIds(random)
        made = [make() for _ in range(1000)]
        self.assertEqual(len(set(made)), 1000)
        self.assertEqual({UUID(one).version for one in made}, {4})
        self.assertEqual(made, [one.lower() for one in made])
        self.assertEqual(asked, [4096] * 4)
