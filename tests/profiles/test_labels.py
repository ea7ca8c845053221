"""
Tests for the labels of hosts.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.profiles.labels import automatic_labels, is_automatic, label_faults


class AutomaticLabelTests(SynchronousTestCase):
    """
    Tests for L{automatic_labels}.
    """

    def test_known(self) -> None:
        """
        Platform and major version of the system give a label each.
        """
        for platform, version, labels in (
            ("macos", "15.3.1", {"platform:macos", "os:15"}),
            ("ios", "26", {"platform:ios", "os:26"}),
            ("ipados", "", {"platform:ipados"}),
            ("", "17.0", {"os:17"}),
            ("", "", set()),
            ("macos", "beta", {"platform:macos"}),
            ("macos", "15b", {"platform:macos"}),
            ("macos", "1234.5", {"platform:macos"}),
            ("macos", "\u0661\u0665.1", {"platform:macos"}),
            ("macos", "015.1", {"platform:macos", "os:15"}),
        ):
            self.assertEqual(automatic_labels(platform, version), labels)

    @given(st.sampled_from(("", "macos", "ios")), st.text(max_size=20))
    def test_any_version(self, platform: str, version: str) -> None:
        """
        Whatever a device says, each label is an automatic one and one that profiles may name.
        """
        labels = automatic_labels(platform, version)
        self.assertTrue(all(map(is_automatic, labels)))
        self.assertEqual(list(label_faults("x", labels, by_hand=False)), [])


class LabelFaultTests(SynchronousTestCase):
    """
    Tests for L{label_faults}.
    """

    def test_good(self) -> None:
        """
        Letters of any kind, commas and spaces inside are good.
        """
        good = ("staff", "zoë, 2. Stock", "x" * 255, "os", "platform")
        self.assertEqual(list(label_faults("add", good, by_hand=True)), [])

    def test_bad(self) -> None:
        """
        Empty, long and odd ones are refused, each with a fault.
        """
        bad = ("", "x" * 256, "a\nb", "a\x7f", " a", "a ")
        faults = list(label_faults("add", bad, by_hand=True))
        self.assertEqual([fault.field for fault in faults], ["add"] * len(bad))

    def test_automatic_by_hand(self) -> None:
        """
        Automatic labels can't be given by hand, and the message says why; profiles may name them.
        """
        (fault,) = label_faults("add", ["os:15"], by_hand=True)
        self.assertIn("'os:15' is automatic", fault.message)
        self.assertIn("can't be set by hand", fault.message)
        self.assertEqual(list(label_faults("labels_any", ["os:15"], by_hand=False)), [])

    def test_many(self) -> None:
        """
        More than a hundred are one fault.
        """
        labels = [str(number) for number in range(101)]
        (fault,) = label_faults("add", labels, by_hand=True)
        self.assertEqual(fault.message, "At most 100 labels are allowed.")
