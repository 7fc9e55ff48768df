"""What half of a line's bytes does: whether a violation is ever seen without it.

Where no sync and no order mends a finding, the question is what else would. If every crash state
that shows it holds a part of what one line writes, and none shows it with all or nothing of that,
the store has to tell the half from the whole: that is what a checksum is for. It is no way out
where the line writes over bytes that still count, for then the half has destroyed something.
"""

from __future__ import annotations

from harness.diagnose import Site, Sites
from harness.examination import Examination
from harness.explore import CrashState
from harness.history import Recording
from harness.persistence import Constraints
from harness.sightings import Sighting, Sightings
from harness.trace import Create, Truncate, Write, is_call

__all__ = ["HalfSeen", "in_part", "overwrites", "pieces"]


class HalfSeen(Sightings):
    """Counts, among the violations, those of crash states that hold half of what a line writes.

    Args:
        site: The line.
        guarantee: Whose violations are counted.

    Attributes:
        halves: How many there were.
    """

    def __init__(self, site: Site, guarantee: str) -> None:
        super().__init__()
        self._site, self._guarantee = site, guarantee
        self._of: Examination | None = None
        self._masks: list[int] = []
        self.halves = 0

    def add(self, sighting: Sighting) -> None:
        """Count a violation."""
        super().add(sighting)
        if sighting.violation.guarantee != self._guarantee:
            return
        if sighting.examination is not self._of:
            self._of = sighting.examination
            self._masks = pieces(self._of, self._site)
        self.halves += any(in_part(sighting.state, mask) for mask in self._masks)


def pieces(examination: Examination, site: Site) -> list[int]:
    """Give, as bits, the nodes of what a line writes into one file in one operation."""
    constraints: Constraints = examination.explorer.constraints
    records = constraints.effects.records
    sites = Sites(records, examination.given)
    ends = [event.returned for event in examination.events]
    masks: dict[tuple[int, int | None], int] = {}
    for number, node in enumerate(constraints.nodes):
        record = records[node.call - 1]
        if not isinstance(record, Write) or not sites.behind(record, site):
            continue
        operation = sum(end < node.call for end in ends)
        place = operation, record.ino
        masks[place] = masks.get(place, 0) | 1 << number
    return list(masks.values())


def in_part(state: CrashState, mask: int) -> bool:
    """Tell whether a crash state holds some of a set of nodes, and not all."""
    taken = state.taken << state.offset | (1 << state.offset) - 1
    if state.torn is not None and mask >> state.torn.node & 1:
        return True
    return taken & mask not in (0, mask)


def overwrites(recording: Recording, site: Site) -> bool:
    """Tell whether a line ever writes over bytes that a file already had."""
    sites = Sites(recording.records, recording.given)
    contents = recording.base.files()
    sizes: dict[int | None, int] = {}
    for one in recording.records:
        if not is_call(one):
            continue
        match one:
            case Create(ino=ino):
                sizes[ino] = 0
            case Truncate(ino=ino, size=size):
                sizes[ino] = size
            case Write(ino=ino, path=path, offset=offset, data=data):
                size = sizes.setdefault(ino, len(contents.get(path, b"")))
                if offset < size and sites.behind(one, site):
                    return True
                sizes[ino] = max(size, offset + len(data))
    return False
