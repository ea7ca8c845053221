"""
What operators tell of hosts: labels and facts; and what hosts tell of themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import Fault, InvalidInput, NotFound
from scepd.model import Activity, FactsChange, Host
from scepd.ports import HostChangeStore, HostStore
from scepd.profiles.facts import fact_faults
from scepd.profiles.labels import label_faults
from scepd.services.clock import utc_now

MOST_LINES = 500
"""
Hosts that one import may tell facts of: so many are changed in one transaction.
"""

_MOST_FAULTS = 100

_log = Logger()


@dataclass(frozen=True, slots=True)
class FactsLine:
    """
    What a line of an import tells of a host.

    :param number: of the line, for people.
    :param host: its uuid or serial number.
    :param facts: value by the variable's name without ``FLEET_VAR_``; None: it is taken away.
    """

    number: int
    host: str
    facts: Mapping[str, str | None]


class HostChanges:
    """
    Changing labels and facts of hosts.
    """

    def __init__(self, store: HostChangeStore, hosts: HostStore, clock: IReactorTime) -> None:
        self._store = store
        self._hosts = hosts
        self._clock = clock

    async def change_labels(
        self, uuid: str, add: Collection[str], remove: Collection[str], actor: str
    ) -> Host:
        """
        Give a host labels, and take others away.

        :returns: the host as it is then.
        :raises InvalidInput: every fault of the labels: automatic ones are not for operators.
        :raises NotFound: there is no such host.
        """
        faults = [
            *label_faults("add", add, by_hand=True),
            *label_faults("remove", remove, by_hand=True),
        ]
        for label in sorted(set(add).intersection(remove)):
            faults.append(Fault("remove", f"The label {label!r} is to be added as well."))
        if not add and not remove:
            faults.append(Fault("add", "Labels to add or to remove are needed."))
        if faults:
            raise InvalidInput(tuple(faults))
        await self._show(uuid)
        activity = Activity(utc_now(self._clock), actor, "changed labels of host", uuid)
        if await self._store.change_labels(uuid, add, remove, activity):
            _log.info("Changed the labels of host {host}", host=uuid, actor=actor)
        return await self._show(uuid)

    async def change_facts(self, uuid: str, facts: Mapping[str, str | None], actor: str) -> Host:
        """
        Tell facts of a host, in place of those of the same names.

        :param facts: value by name; None: it is taken away.
        :returns: the host as it is then.
        :raises InvalidInput: every fault of the facts.
        :raises NotFound: there is no such host.
        """
        faults = tuple(fact_faults(facts))
        if not facts:
            faults = (Fault("facts", "Facts to set or to unset are needed."),)
        if faults:
            raise InvalidInput(faults)
        await self._show(uuid)
        activity = Activity(utc_now(self._clock), actor, "changed facts of host", uuid)
        if await self._store.change_facts([FactsChange(uuid, tuple(facts.items()))], activity):
            _log.info("Changed facts of host {host}", host=uuid, actor=actor)
        return await self._show(uuid)

    async def import_facts(
        self, lines: Sequence[FactsLine], actor: str, *, only_check: bool
    ) -> int:
        """
        Tell facts of many hosts, of all or, when anything is wrong with a line, of none.

        :param only_check: whether nothing is changed in any case.
        :returns: how many hosts changed.
        :raises InvalidInput: every fault of every line (the first hundred); its field begins with
            ``line`` and the line's number.
        """
        if not 0 < len(lines) <= MOST_LINES:
            raise InvalidInput((Fault("lines", f"1 to {MOST_LINES} lines are allowed."),))
        known = await self._store.uuids_of({line.host for line in lines})
        faults = tuple(fault for line in lines for fault in _line_faults(line, known))
        faults += tuple(_repeated(lines, known))
        if faults:
            raise InvalidInput(faults[:_MOST_FAULTS])
        if only_check:
            return 0
        changes = [FactsChange(known[line.host][0], tuple(line.facts.items())) for line in lines]
        return await self._import(changes, actor)

    async def _import(self, changes: Sequence[FactsChange], actor: str) -> int:
        subject = f"{len(changes)} hosts"
        activity = Activity(utc_now(self._clock), actor, "imported facts", subject)
        count = await self._store.change_facts(changes, activity)
        _log.info("Changed facts of {count} hosts", count=count, actor=actor)
        return count

    async def _show(self, uuid: str) -> Host:
        host = await self._hosts.host(uuid)
        if host is None:
            raise NotFound("There is no host of this uuid.")
        return host


def _line_faults(line: FactsLine, known: Mapping[str, Sequence[str]]) -> Iterator[Fault]:
    place = f"line {line.number}"
    uuids = known.get(line.host, ())
    if not uuids:
        yield Fault(place, "There is no host of this UUID or serial number.")
    elif len(uuids) > 1:
        yield Fault(place, f"{len(uuids)} hosts have this serial number; use the UUID of one.")
    yield from fact_faults(line.facts, f"{place}, ")


def _repeated(lines: Sequence[FactsLine], known: Mapping[str, Sequence[str]]) -> Iterator[Fault]:
    """
    Find lines that tell of a host which another one tells of.
    """
    seen: dict[str, int] = {}
    for line in lines:
        for uuid in known.get(line.host, ()):
            first = seen.setdefault(uuid, line.number)
            if first != line.number:
                yield Fault(f"line {line.number}", f"Line {first} is about the same host.")
