"""
Random mixtures of the push service's faults: every push is accounted for.

``APNS_MIXTURES=1000`` runs so many instead of 100; ``APNS_SEED=N`` begins with that seed.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from tests.support.apns_mixture import Mixture

_COUNT = int(os.environ.get("APNS_MIXTURES", "100"))
_SEED = int(os.environ.get("APNS_SEED", "1"))
_PARTS = 4


class MixtureTests(SynchronousTestCase):
    """
    Tests for a minute of trouble each; a failure names the seed with which it happens again.
    """

    def run_part(self, part: int) -> None:
        """
        Every fourth seed, so that workers share them.
        """
        seeds = range(_SEED + part, _SEED + _COUNT, _PARTS)
        print(f"mixtures with seeds {seeds.start} to {_SEED + _COUNT - 1}, every {_PARTS}th")
        for seed in seeds:
            Mixture(seed).run()

    def test_first_part(self) -> None:
        """
        Nothing is lost, nothing hangs, nothing is sent twice unless the outcome was unknown.
        """
        self.run_part(0)

    def test_second_part(self) -> None:
        """
        As the first.
        """
        self.run_part(1)

    def test_third_part(self) -> None:
        """
        As the first.
        """
        self.run_part(2)

    def test_fourth_part(self) -> None:
        """
        As the first.
        """
        self.run_part(3)

    def test_same_again(self) -> None:
        """
        A seed stands for one story.
        """
        first, second = Mixture(_SEED), Mixture(_SEED)
        first.run()
        second.run()
        self.assertEqual(first.story, second.story)
        self.assertEqual(first.sender.outcomes, second.sender.outcomes)
