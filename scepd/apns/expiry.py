"""
What an operator is told before the push certificate expires.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

ALARM = timedelta(days=30)
"""
Before the expiry: Apple renews for as long, and the operator needs some of it.
"""


def expiry_complaint(not_after: datetime | None, now: datetime) -> str:
    """
    What is wrong with the certificate's time, as the end of a sentence; empty: nothing yet.

    :param not_after: when it expires (aware); None: never.
    """
    if not_after is None or not_after - now > ALARM:
        return ""
    how = "renew it at Apple (https://identity.apple.com/pushcert), do not make a new one"
    date = not_after.date().isoformat()
    if not_after <= now:
        return f"the push certificate expired on {date}; {how}"
    days = math.ceil((not_after - now) / timedelta(days=1))
    left = "1 day" if days == 1 else f"{days} days"
    return f"the push certificate expires in {left}, on {date}; {how}"
