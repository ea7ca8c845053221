"""
The lifecycle of profiles, whatever happens in whatever order: the services on a real store against
a model that was written from the specification, and a world that becomes well in the end.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.model import Profile
from scepd.profiles.lifecycle import Event, Operation, Status, Transition
from scepd.profiles.transitions import transition
from scepd.services.unrendered import TextWithheld
from scepd.storage import rows
from tests.storage.inline import InlineDatabase
from tests.support.lifecycle_comparison import BEGINNINGS, HOSTS, USERS, LifecycleComparison
from tests.support.lifecycle_world import MINE, PLAIN, PROFILES, SCEP

EXAMPLES = int(os.environ.get("LIFECYCLE_EXAMPLES", "25"))
STEPS = 16

Step = tuple[str, Sequence[object]]


def step(name: str, *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[Step]:
    """
    A call of a method of the comparison.
    """
    return st.tuples(st.just(name), st.tuples(*arguments))


hosts = st.sampled_from(HOSTS)
lists = st.sampled_from(
    ["profiles", "certificates", "no certificates", "profiles of a user"],
)
users = st.sampled_from(USERS)
uuids = st.sampled_from([profile.uuid for profile in PROFILES])
pauses = st.sampled_from([30, 61, 301, 601, 1801, 3601, 7 * 3600, 70 * 86400])
answers = st.sampled_from(["Acknowledged", "Error", "NotNow", "lost", "done, but Error"])
deliveries = step(
    "deliver",
    hosts,
    st.sampled_from([0, 61, 1801, 3601, 90000]),
    st.sampled_from(["SUCCESS", "FAILURE", "out", "unseen", "closed", "nothing"]),
    answers,
    st.booleans(),
    st.sampled_from([0, 3601]),
)
changes = st.sampled_from(["resend", "content", "fact", "no fact", "label", "no label"])
steps = st.one_of(
    deliveries,
    deliveries,
    step("operate", hosts, uuids, changes),
    step("operate", hosts, uuids, changes),
    step("fail_often", hosts, st.integers(1, 4)),
    step("ignore", hosts, st.sampled_from([1, 4, 12])),
    step("stumble", hosts, st.sampled_from([1, 4, 12])),
    step("work", st.sampled_from(["tick", "renew", "look for proofs"])),
    step(
        "move",
        hosts,
        st.sampled_from(["poll", "lose", "inventory", "no certificates"]),
        st.sampled_from(PROFILES),
    ),
    step("use", hosts, users, st.sampled_from(["appears", "leaves", "poll"])),
    step("take_list", hosts, lists),
    step("take_list", hosts, lists),
    step("answer", hosts, st.integers(0, 2), answers),
    step("change_authority", st.sampled_from(["remove", "add", "goes out", "is back"])),
    step(
        "ask",
        hosts,
        st.sampled_from(["SUCCESS", "FAILURE", "out", "unseen"]),
        st.sampled_from(["key-1", "key-2"]),
    ),
    step("check_in", hosts, st.sampled_from(["Authenticate", "TokenUpdate", "CheckOut"])),
    step("wait", pauses),
)


def delivered(
    said: str = "SUCCESS",
    status: str = "Acknowledged",
    *,
    after: int = 0,
    shows_certificates: bool = True,
    later: int = 0,
) -> Step:
    """
    What is due now is delivered to the first host.

    :param after: seconds until it is processed.
    :param later: seconds from the answer to the inventory.
    """
    return "deliver", ("H-1", after, said, status, shows_certificates, later)


def operated(action: str, profile: Profile = SCEP) -> Step:
    """
    An operator does something about the first host.
    """
    return "operate", ("H-1", profile.uuid, action)


def checked_in(action: str) -> Step:
    """
    The first host enrolls or leaves.
    """
    return "check_in", ("H-1", action)


def moved(action: str, profile: Profile = SCEP) -> Step:
    """
    The first host does something by itself.
    """
    return "move", ("H-1", action, profile)


def listed(kind: str) -> Step:
    """
    The first host answers a list over MDM.
    """
    return "take_list", ("H-1", kind)


def of_other(one: Step) -> Step:
    """
    The same step of the second host.
    """
    name, arguments = one
    return name, ("H-2", *arguments[1:])


GONE, BACK = ("change_authority", ("remove",)), ("change_authority", ("add",))
OUT, ANSWERS = ("change_authority", ("goes out",)), ("change_authority", ("is back",))
TICK, RENEW, HOUR = ("work", ("tick",)), ("work", ("renew",)), ("wait", (3601,))
ANN_LEAVES, BOB_APPEARS = ("use", ("H-1", "ann", "leaves")), ("use", ("H-1", "bob", "appears"))
ANN_APPEARS = ("use", ("H-1", "ann", "appears"))
# Each changes what is there after every beginning; one for each host, which begin alike.
SINGLE_STEPS = (
    (operated("resend"), operated("content")),
    (operated("resend", PLAIN), operated("fact", PLAIN)),
    (operated("label", PLAIN), operated("no label", PLAIN)),
    (checked_in("Authenticate"), checked_in("CheckOut")),
    (ANN_LEAVES, BOB_APPEARS),
)
STORIES: Sequence[tuple[str, Sequence[Step]]] = (
    *[(beginning, [one, of_other(two)]) for beginning in BEGINNINGS for one, two in SINGLE_STEPS],
    # A certificate authority that is deleted, and one that is out.
    ("new", [GONE, TICK, BACK]),
    ("queued", [GONE, moved("poll"), moved("poll"), BACK]),
    ("new", [OUT, TICK, TICK, ANSWERS]),
    ("new", [delivered("out", "Error"), OUT, HOUR, delivered("out", "Error"), ANSWERS]),
    ("new", [OUT, TICK, ANSWERS, delivered("out", "Error"), OUT, delivered("nothing", "Error")]),
    # Answers of devices.
    ("new", [delivered("nothing", "NotNow"), delivered("SUCCESS", "NotNow"), delivered()]),
    ("removing", [delivered("nothing", "NotNow"), delivered()]),
    ("new", [delivered("SUCCESS", "lost"), moved("lose"), HOUR, moved("inventory")]),
    ("new", [delivered("closed", "Error"), HOUR, delivered("closed", "Error")]),
    ("old", [operated("resend"), delivered("FAILURE", "Error"), delivered("nothing", "Error")]),
    (
        "new",
        [
            ("fail_often", ("H-1", 3)),
            HOUR,
            ("work_off", ("H-1", "nothing", "done, but Error")),
            moved("inventory"),
        ],
    ),
    ("removing", [moved("lose", PLAIN), delivered("nothing", "Error")]),
    ("removing", [("fail_often", ("H-1", 4)), moved("inventory")]),
    # Devices that never answer.
    ("queued", [("ignore", ("H-1", 12)), TICK, ("ignore", ("H-1", 4)), delivered()]),
    ("removing", [TICK, ("ignore", ("H-1", 12)), HOUR, delivered()]),
    ("old", [operated("resend"), TICK, ("ignore", ("H-1", 12)), ("wait", (90000,)), delivered()]),
    # Commands that can't be made.
    ("queued", [("stumble", ("H-1", 4)), delivered()]),
    (
        "queued",
        [moved("poll"), ("stumble", ("H-1", 12)), TICK, ("stumble", ("H-1", 4)), delivered()],
    ),
    ("removing", [TICK, ("stumble", ("H-1", 12)), HOUR, delivered()]),
    ("new", [delivered("closed", "Error"), HOUR, TICK, ("stumble", ("H-1", 12)), delivered()]),
    ("old", [operated("resend"), TICK, ("stumble", ("H-1", 12)), ("wait", (90000,)), delivered()]),
    # What inventories show.
    ("verifying", [HOUR, HOUR, moved("no certificates")]),
    ("without certificate", [HOUR, moved("no certificates")]),
    ("verifying", [moved("lose"), HOUR, moved("inventory")]),
    ("verified", [moved("lose"), HOUR, moved("inventory")]),
    ("without certificate", [*[HOUR, delivered("FAILURE", later=3601)] * 4]),
    ("verified", [operated("resend"), delivered("FAILURE"), HOUR, moved("inventory")]),
    ("new", [delivered("unseen"), HOUR, moved("no certificates")]),
    ("verifying", [HOUR, ("work", ("look for proofs",)), moved("inventory")]),
    ("verifying", [HOUR, HOUR, moved("no certificates"), moved("inventory")]),
    # What lists over MDM show, one by one.
    ("verifying", [listed("profiles"), listed("certificates")]),
    ("verifying", [listed("certificates"), listed("profiles"), listed("profiles of a user")]),
    ("verified", [moved("lose"), HOUR, listed("profiles"), listed("certificates"), TICK]),
    ("verified", [HOUR, listed("no certificates"), listed("profiles"), TICK]),
    (
        "verifying",
        [
            *[listed("profiles"), listed("certificates"), moved("lose"), HOUR],
            *[listed("profiles"), listed("certificates"), TICK],
        ],
    ),
    (
        "verifying",
        [
            *[listed("profiles"), listed("certificates"), HOUR],
            *[listed("no certificates"), listed("profiles"), TICK],
        ],
    ),
    (
        "verified",
        [moved("lose", MINE), HOUR, listed("profiles of a user"), listed("certificates"), TICK],
    ),
    (
        "failed",
        [
            ("work_off", ("H-1", "SUCCESS", "done, but Error")),
            listed("profiles"),
            listed("certificates"),
        ],
    ),
    # Users.
    ("new", [ANN_LEAVES, operated("content", MINE), operated("resend", MINE), BOB_APPEARS]),
    ("verified", [BOB_APPEARS, ANN_LEAVES, delivered(), ANN_APPEARS, moved("lose", MINE), HOUR]),
    ("queued", [("use", ("H-1", "ann", "poll")), ANN_LEAVES, ANN_APPEARS, TICK]),
    ("new", [checked_in("Authenticate"), checked_in("TokenUpdate"), TICK, ANN_APPEARS]),
    ("new", [ANN_LEAVES, operated("fact", MINE), operated("label"), BOB_APPEARS]),
    ("new", [ANN_LEAVES, operated("no label", MINE), BOB_APPEARS, operated("label", MINE)]),
    # Renewals.
    ("old", [RENEW, delivered()]),
    ("old", [RENEW, delivered("FAILURE", "Error"), delivered("FAILURE", "Error", after=90000)]),
    (
        "verifying",
        [moved("lose"), moved("inventory"), ("wait", (70 * 86400,)), RENEW, delivered()],
    ),
    ("old", [operated("content"), GONE, TICK, ("wait", (90000,)), RENEW, BACK]),
    # Labels and facts.
    ("new", [operated("no label", PLAIN), operated("label", PLAIN)]),
    ("new", [operated("no fact"), TICK, operated("no label", PLAIN)]),
    ("new", [operated("no fact"), TICK, operated("content", PLAIN)]),
    ("queued", [moved("poll"), operated("no label", PLAIN)]),
    ("removing", [TICK, operated("label", PLAIN)]),
)
# Nothing leads there; see the table, which is ready for it all the same. What goes by a channel is
# gone with it, and so no removal ever waits for one.
UNREACHED = frozenset(
    {
        ("install pending", Event.AUTHORITY_RECOVERED),
        ("install verifying", Event.UNASSIGNED_UNOFFERED),
        ("install verified", Event.UNASSIGNED_UNOFFERED),
        ("remove pending", Event.USER_CHANNEL_MISSED),
        ("remove pending", Event.USER_CHANNEL_APPEARED),
        *[
            (f"remove {status}", event)
            for status in ("verifying", "verified")
            for event in (
                Event.ASSIGNED,
                Event.RESENT,
                Event.ENROLLED_ANEW,
                Event.CHECKED_OUT,
                Event.USER_CHANNEL_ENDED,
            )
        ],
    }
)


class LifecycleModelTests(SynchronousTestCase):
    """
    Services and model agree after every step, and all ends well.
    """

    def setUp(self) -> None:
        """
        Put the services on a database in memory.
        """
        self.database = InlineDatabase()
        self.addCleanup(self.database.engine.dispose)

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(
        st.tuples(*[st.sampled_from(BEGINNINGS) for _ in HOSTS]),
        st.lists(steps, min_size=STEPS, max_size=STEPS),
    )
    def test_agree(self, beginnings: tuple[str, ...], steps: list[Step]) -> None:
        """
        No order of events loses a profile, or leaves one stuck.
        """
        self.play(beginnings, steps)

    def test_table(self) -> None:
        """
        Each entry of the table that anything leads to happens, and ends well.
        """
        happened: set[tuple[str, Event]] = set()

        def noted(operation: Operation, status: Status, event: Event, **more: object) -> Transition:
            found = transition(operation, status, event, **more)  # type: ignore[arg-type]
            if not found.is_ignored(operation, status):
                happened.add((f"{operation.value} {status.value}", event))
            return found

        self.patch(rows, "transition", noted)
        for beginning, steps in STORIES:
            self.play((beginning, beginning), steps)
        expected = {
            (f"{operation.value} {status.value}", event)
            for operation in Operation
            for status in Status
            for event in Event
            if not transition(operation, status, event).is_ignored(operation, status)
        }
        missed = expected - happened
        self.assertEqual(
            sorted(f"{state}: {event.value}" for state, event in missed - UNREACHED), []
        )
        self.assertEqual(UNREACHED - missed, frozenset())

    def play(self, beginnings: tuple[str, ...], steps: Sequence[Step]) -> None:
        """
        Let some steps happen, and all end well.
        """
        comparison = LifecycleComparison(self.database)
        done: list[str] = []
        try:
            comparison.begin(beginnings)
            comparison.agrees()
            for name, arguments in steps:
                done.append(f"{name} {' '.join(map(_told, arguments))}")
                getattr(comparison, name)(*arguments)
                comparison.agrees()
            comparison.end()
        except AssertionError as error:
            raise AssertionError(f"{beginnings}, {', '.join(done)}: {error}") from error
        self.flushLoggedErrors(TextWithheld)


def _told(argument: object) -> str:
    return argument.uuid if isinstance(argument, Profile) else str(argument)
