"""
What an operator may have meant, for names that are not known.
"""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from scepd.profiles.variables import HOST_NAMES, RENEWAL_NAMES, spelled

_LISTED = 5
_LEAST_LIKENESS = 0.7


def variable_suggestion(name: str) -> str:
    """
    What is known in the place of a variable that is not.

    :param name: its name, which may be very long.
    :returns: a sentence: the one that is most like it, or where all of them are told.
    """
    known = sorted(RENEWAL_NAMES | HOST_NAMES)
    meant = get_close_matches(name[:100].upper(), known, 1, _LEAST_LIKENESS)
    if meant:
        return f"Did you mean {spelled(meant[0])}?"
    return "docs/profiles.md lists those that are: HOST_…, SCEP_RENEWAL_ID and CUSTOM_SCEP_…_<CA>."


def authority_suggestion(name: str, names: Collection[str]) -> str:
    """
    Which certificate authorities there are in the place of one that there is not.

    :param name: its name.
    :param names: of those that there are.
    :returns: a sentence with those that are most like it.
    """
    if not names:
        return "There is none yet."
    if len(names) <= _LISTED:
        return f"There are: {', '.join(sorted(names))}."
    folded = {one.casefold(): one for one in sorted(names)}
    meant = get_close_matches(name[:100].casefold(), folded, _LISTED, _LEAST_LIKENESS)
    shown = [folded[one] for one in meant] or sorted(names)[:_LISTED]
    return f"There are {len(names)}, such as {', '.join(shown)}."
