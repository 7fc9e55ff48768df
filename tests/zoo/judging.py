"""A finding taken apart: its crash state once more, with effects put back or taken away."""

from dataclasses import dataclass

from harness.cut_after_kill import after_kill
from harness.diagnose import _Case, _NestedCase
from harness.examination import Examination
from harness.finding import state_of
from harness.history import record
from harness.persistence import PROFILES
from harness.recovery import Prober, follow_values
from harness.sightings import Sighting
from harness.subjects import load
from harness.violation import Violation


def again(found):
    """The case that diagnosis was given; None where it is not a crash of one process."""
    one = found.reproduction
    if one.fault is not None or one.rot is not None or one.race is not None or one.chain:
        return None
    subject = load(one.subject)
    recording = record(subject, one.workload(), seed=one.seed)
    prober = Prober(
        subject,
        recording.workload.keys,
        seed=one.seed,
        follow=one.guarantee == "recovery",
        writes=follow_values(subject, recording.workload),
    )
    model = PROFILES[one.profile]
    examination = Examination(recording, model, recording.records, recording.events, prober)
    if one.kill_at is not None:
        examination = after_kill(examination, one.kill_at)
    state = state_of(examination.explorer, one.crash)
    position = (one.second or one.crash).position
    violation = Violation(one.guarantee, one.kind, found.severity, one.key, "", (), position)
    if one.second is None:
        return Taken(_Case(Sighting(violation, examination, state)))
    nested = state_of(examination.nested_explorer(state), one.second)
    return Taken(_NestedCase(Sighting(violation, examination, state, nested)))


@dataclass
class Taken:
    """What is on disk in a finding, and what becomes of the finding where that changes."""

    case: _Case

    def shows(self):
        """Whether the recorded state shows it."""
        return self.case.shows(self.case.taken, self.case.torn) is not None

    def lost(self):
        """Nodes that are not on disk."""
        return [n for n in range(self.case.issued) if not self.case.taken >> n & 1]

    def shows_with(self, node):
        """Whether it shows with one more effect on disk, and all that one needs."""
        case = self.case
        fuller = case.taken | case.needs(node)
        torn = case.torn if case.torn is not None and not fuller >> case.torn.node & 1 else None
        if case.torn is not None and torn is None and node != case.torn.node:
            return False  # the torn page is whole then: another matter than this one effect
        return case.shows(fuller, torn) is not None

    def shows_whole(self):
        """Whether it shows with no page torn."""
        return self.case.shows(self.case.taken) is not None

    def made_at(self, site):
        """Nodes on disk of each call that a line made, be it through others."""
        records = self.case.explorer.constraints.effects.records
        calls = {}
        for number, node in enumerate(self.case.nodes[: self.case.issued]):
            frames = records[node.call - 1].at
            if any((file, line) == (site.file, site.line) for file, line, _ in frames):
                calls.setdefault(node.call, []).append(number)
        return list(calls.values())

    def shows_without(self, nodes):
        """Whether it shows with some effects, and all that need them, not on disk."""
        case = self.case
        gone = set(nodes)
        for number in range(case.issued):
            if any(case.needs(number) >> one & 1 for one in gone):
                gone.add(number)
        taken = case.taken
        for one in gone:
            taken &= ~(1 << one)
        torn = case.torn if case.torn is not None and case.torn.node not in gone else None
        return case.shows(taken, torn) is not None
